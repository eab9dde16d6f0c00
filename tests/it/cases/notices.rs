//! Notices and real pushes: what a hook starts is never waited for, what is due is delivered.

use super::lent::{ASK, only, policy, started, store};
use crate::support::{Git, Policy, Site, chmod, script, wait_until};
use chrono::{DateTime, TimeDelta, Utc};
use refwarden::access::notice::{Notice, target};
use refwarden::policy::model::NotifyTo;
use refwarden::store::access::{AccessStore, Change};
use refwarden::store::sqlite::{FILE_NAME, Sqlite};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const DETACH: &str = "REFWARDEN_TEST_DETACH";

/// Not a test of its own: git runs it as a hook, and it does what our hooks do.
#[test]
#[ignore = "git runs it as a hook, in the test after this one"]
fn as_a_hook() {
    let Some(program) = std::env::var_os(DETACH) else { return };
    refwarden::os::child::detach(Path::new(&program), &["sweep", "--notices-only"]).unwrap();
}

#[test]
fn a_push_does_not_wait_for_what_its_hook_has_started() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (server, client) = (path("server.git"), path("client"));
    let git = Git::default();
    git.run(folder.path(), &["init", "--quiet", "--bare", server.to_str().unwrap()]);
    git.run(folder.path(), &["init", "--quiet", "-b", "main", client.to_str().unwrap()]);
    let (told, hangs) = (path("told"), path("hangs"));
    // A file of its own for the child of each hook.
    let lines = format!(
        "{{ echo $$; echo \"$*\"; pwd; env; ls -l /proc/$$/fd; cut -d' ' -f5 /proc/$$/stat; }} >'{0}.'$$\n\
         mv '{0}.'$$ '{0}'; exec sleep 30",
        told.display()
    );
    script(&hangs, &lines);
    let exe = std::env::current_exe().unwrap();
    for (hook, input) in [("pre-receive", "cat >/dev/null"), ("post-receive", "cat >/dev/null")] {
        let test = "cases::notices::as_a_hook";
        let body = format!(
            "{input}\nSECRET=x {DETACH}='{}' exec '{}' --ignored --exact {test}",
            hangs.display(),
            exe.display()
        );
        std::fs::create_dir_all(server.join("hooks")).unwrap();
        script(&server.join("hooks").join(hook), &body);
    }
    git.run(&client, &["commit", "--quiet", "--allow-empty", "-m", "one"]);
    let start = Instant::now();
    let url = format!("file://{}", server.display());
    let output = git.command(&client).args(["push", &url, "main"]).output().unwrap();
    let took = start.elapsed();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("1 passed").count(), 2, "both hooks ran: {said}");
    assert!(took < Duration::from_secs(10), "{took:?}");

    wait_until("the child has told", || told.exists());
    let text = std::fs::read_to_string(&told).unwrap();
    let mut lines = text.lines();
    let pid = lines.next().unwrap();
    assert!(Path::new("/proc").join(pid).exists(), "it still runs: nobody has waited for it");
    assert_eq!(lines.next(), Some("sweep --notices-only"));
    assert_eq!(lines.next(), Some("/"));
    for inherited in ["SECRET", "GIT_", DETACH] {
        assert!(!text.contains(inherited), "{inherited}: {text}");
    }
    // What whoever started the tests left open is none of git's.
    let foreign = left_open();
    let pipes = text.split_ascii_whitespace().filter(|word| word.contains(":["));
    let held: Vec<&str> = pipes.filter(|pipe| !foreign.iter().any(|one| one == pipe)).collect();
    assert!(held.is_empty(), "{held:?} of {text}");
    assert_eq!(text.matches(" 0 -> /dev/null").count(), 1, "{text}");
    assert_eq!(text.matches(" 2 -> /dev/null").count(), 1, "{text}");
    assert_eq!(text.lines().last(), Some(pid), "a process group of its own");
    let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Pipes and sockets that this process was given, besides the three of every process.
fn left_open() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| !matches!(path.file_name().unwrap().to_str().unwrap(), "0" | "1" | "2"))
        .filter_map(|path| Some(std::fs::read_link(path).ok()?.display().to_string()))
        .collect()
}

/// A site with one receiver of notices, at `url`.
fn site(url: &str) -> Site {
    let notify = format!("[[notify]]\nevents = [\"*\"]\nurl = \"{url}\"");
    let site = Site::new(&Policy::default().also(&notify));
    let store = site.path("state").join(FILE_NAME);
    let _ = Sqlite::create(&store, uid()).unwrap();
    chmod(&store, 0o600);
    site
}

fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Puts a notice for `url` into the outbox, which was tried so often and is due.
fn put(site: &Site, url: &str, tries: u32) {
    put_at(site, url, tries, Utc::now());
}

fn put_at(site: &Site, url: &str, tries: u32, at: DateTime<Utc>) {
    let to = NotifyTo::Url { url: url.into(), slack: false, secret_file: None };
    let target = target(&to);
    let notice = Notice {
        id: format!("7f3k-92qd-{}-{target}", at.timestamp()),
        target,
        event: "access.requested".into(),
        body: "{\"type\":\"access.requested\"}".into(),
        at,
        due: at,
        while_lent: None,
        tries,
    };
    let store = Sqlite::open_write(&site.path("state").join(FILE_NAME), uid()).unwrap();
    store.commit(&Change { notices: vec![notice], ..Change::default() }).unwrap();
}

/// A receiver that takes everything, and what it has got.
fn receiver() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/secret-part", listener.local_addr().unwrap());
    let (sender, seen) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut bytes = vec![0; 10_000];
            let mut size = 0;
            while !String::from_utf8_lossy(&bytes[..size]).contains("\r\n\r\n{") {
                size += stream.read(&mut bytes[size..]).unwrap();
            }
            let _ = stream.write_all(b"HTTP/1.1 204 Taken\r\n\r\n");
            let _ = sender.send(String::from_utf8_lossy(&bytes[..size]).into_owned());
        }
    });
    (url, seen)
}

#[test]
fn the_hooks_child_delivers_in_silence_and_through_no_proxy() {
    let (url, seen) = receiver();
    let site = site(&url);
    put(&site, &url, 0);
    let mut command = site.refwarden_command(&["sweep", "--notices-only"]);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
        command.env(name, "http://127.0.0.1:9/");
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    let request = seen.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(request.starts_with("POST /secret-part HTTP/1.1\r\n"), "{request}");
    let again = site.refwarden(&["sweep"]);
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), ""), "{again:?}");
    assert!(seen.try_recv().is_err(), "told once");
}

#[test]
fn a_notice_that_is_given_up_stands_in_the_trail_without_the_secret_of_its_url() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}/secret-part");
    let site = site(&url);
    put(&site, &url, 0);
    let first = site.refwarden(&["sweep"]);
    first.ends(0, "1 will be tried again").ends(0, "was not taken by 127.0.0.1: no connection");
    let second = site.refwarden(&["sweep"]);
    assert_eq!((second.code, second.stdout.as_str()), (Some(0), ""), "it is not due yet");

    let last = self::site(&url);
    put(&last, &url, 9);
    let run = last.refwarden(&["sweep", "--json"]);
    run.ends(0, "\"given-up\":[{\"event\":\"access.requested\"");
    let trail = std::fs::read_to_string(last.trail().path).unwrap();
    let line = trail.lines().last().unwrap();
    assert!(line.contains("\"notice.failed\"") && line.contains("127.0.0.1"), "{line}");
    last.trail_verifies();
    for told in [&first.stdout, &run.stdout, &trail] {
        assert!(!told.contains("secret-part"), "{told}");
    }
}

#[test]
fn a_push_that_asks_is_not_delayed_by_any_receiver() {
    let (good, seen) = receiver();
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    let hangs = (hangs.local_addr().unwrap(), hangs);
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let command = folder.path().join("hangs");
    script(&command, "cat >/dev/null; exec sleep 30");
    let receivers = [
        format!("url = \"http://{}/secret-part\"", hangs.0),
        format!("url = \"http://{gone}/secret-part\""),
        format!("command = [\"{}\"]", command.display()),
        format!("url = \"{good}\""),
    ];
    let notify = receivers.map(|to| format!("[[notify]]\nevents = [\"access.requested\"]\n{to}\n"));
    let (site, _, bob) = started(&policy().also(&notify.concat()));
    let start = Instant::now();
    let asked = bob.push_with(&ASK, &["HEAD:release/1"]);
    let took = start.elapsed();
    asked.refused("waiting for approval").says("can approve: alice; a notice is on its way");
    assert!(took < Duration::from_secs(4), "{took:?}");
    let request = seen.recv_timeout(Duration::from_secs(40)).unwrap();
    let id = only(&site).id;
    assert!(request.contains(&format!("webhook-id: {id}-1-")), "{request}");
    assert!(request.contains("the release is broken"), "{request}");
    let waiting = || store(&site).due(DateTime::<Utc>::MAX_UTC, 10).unwrap();
    wait_until("each was tried once", || {
        let left = waiting();
        left.len() == 3 && left.iter().all(|notice| notice.tries == 1)
    });
}

#[test]
fn a_program_that_could_not_be_started_is_found_before_there_is_anything_to_tell() {
    let notify = "[[notify]]\nevents = [\"access.denied\"]\ncommand = [\"/nowhere/mail\"]\n";
    let (site, _, bob) = started(&policy().also(notify));
    let words = "`[[notify]]` command: `/nowhere/mail` is not there";
    for verb in ["check", "apply"] {
        let run = site.refwarden(&["policy", verb]);
        run.ends(0, &format!("warning: {words}"));
    }
    let run = site.refwarden(&["doctor"]);
    assert!(run.stdout.contains(&format!("broken    notify: {words}\n")), "{run:#?}");
    // That somebody asks is told to nobody, and nothing says that it is.
    let asked = bob.push_with(&ASK, &["HEAD:release/1"]);
    asked.refused("waiting for approval").says("can approve: alice");
    assert!(!asked.words().contains("on its way"), "{}", asked.words());
}

/// A file that was written so long ago.
fn aged(path: &Path, minutes: u64) {
    let file =
        std::fs::File::options().create(true).truncate(false).write(true).open(path).unwrap();
    chmod(path, 0o600);
    let then = std::time::SystemTime::now() - Duration::from_secs(60 * minutes);
    file.set_modified(then).unwrap();
}

#[test]
fn a_sweep_that_nobody_runs_is_found_by_what_waits_for_it() {
    let (url, seen) = receiver();
    let site = site(&url);
    let doctor = |words: &str| {
        let run = site.refwarden(&["doctor"]);
        assert!(run.stdout.contains(words), "should say `{words}`: {run:#?}");
    };
    doctor("ok        sweep: nothing waits for it");
    put(&site, &url, 0);
    doctor("ok        sweep: nothing waits for it");
    let slips = site.path("state/slips");
    std::fs::create_dir_all(&slips).unwrap();
    aged(&slips.join("1-2-cut-short"), 1);
    doctor("ok        sweep: nothing waits for it");
    put_at(&site, &url, 0, Utc::now() - TimeDelta::minutes(11));
    aged(&slips.join("1-2-cut-short"), 11);
    doctor("warning   sweep: no `refwarden sweep` came to its end in the last 10 minutes");
    doctor("1 push that was cut short and 1 notice wait for one");
    site.refwarden(&["sweep"]).ends(0, "2 notices were sent");
    seen.recv_timeout(Duration::from_secs(10)).unwrap();
    doctor("ok        sweep: ended ");
    // What waits behind a receiver that fails waits for the receiver.
    put_at(&site, &url, 0, Utc::now() - TimeDelta::minutes(20));
    doctor("ok        sweep: ended ");
    aged(&site.path("state/swept"), 11);
    doctor("0 pushes that were cut short and 1 notice wait for one");
    // A sweep that fails has not come to its end.
    std::fs::rename(site.path("state/state.db"), site.path("state/away")).unwrap();
    std::fs::write(site.path("state/state.db"), "no store").unwrap();
    assert_ne!(site.refwarden(&["sweep"]).code, Some(0));
    std::fs::rename(site.path("state/away"), site.path("state/state.db")).unwrap();
    doctor("1 notice wait for one");
}
