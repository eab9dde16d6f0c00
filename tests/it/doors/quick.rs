//! The doors' own program beside the whole one: the same answers, by briefs or by the store.

use crate::support::{Policy, Run, Site, permit};
use serde_json::Value;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// bob may read `app`, carol nothing; tokens are on.
fn site() -> Site {
    let policy = Policy::new(&[permit("bob", "read", "")])
        .sources("[\"ssh\", \"http\"]")
        .users("[users.bob]\n[users.carol]\n")
        .also("[tokens]\nmax-lifetime = \"30d\"\n[global]\nadminister = [\"bob\"]\n");
    let site = Site::new(&policy);
    site.refwarden(&["store", "init"]).ends(0, "");
    site.started();
    site
}

/// Longer than what was written must lie still before a brief is taken of it.
fn quiet() {
    std::thread::sleep(Duration::from_secs(4));
}

fn run(site: &Site, program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    // What a client says after the list of refs that wants nothing.
    let nothing = site.path("flush");
    std::fs::write(&nothing, "0000").unwrap();
    let mut command = Command::new(site.programs().join(program));
    command.args(arguments).env_clear().current_dir(site.path(""));
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", site.path(""));
    command
        .envs(variables.iter().copied())
        .stdin(std::fs::File::open(nothing).unwrap())
        .output()
        .unwrap()
        .into()
}

fn ssh(site: &Site, program: &str, arguments: &[&str], said: &str) -> Run {
    run(site, program, arguments, &[("SSH_ORIGINAL_COMMAND", said)])
}

#[test]
fn it_answers_as_the_whole_program_does() {
    let site = site();
    let git = "git-upload-pack 'app'";
    let lines: &[(&[&str], &str)] = &[
        (&["ssh", "bob"], git),
        (&["ssh", "bob"], "git-upload-pack 'absent'"),
        (&["ssh", "carol"], git),
        (&["ssh", "nobody"], git),
        (&["ssh", "bob", "--key", "SHA256:x"], git),
        (&["ssh", "bob", "--until", "2020-01-01T00:00:00Z"], git),
        (&["ssh", "bob", "--until", "tomorrow"], git),
        (&["ssh", "bob", "--ca", "SHA256:x"], git),
        (&["ssh", "bob", "carol"], git),
        (&["ssh", "--", "bob"], git),
        (&["ssh", "bob"], "git-upload-pack 'app"),
        (&["ssh", "bob"], "git-upload-pack --exec=id app"),
        (&["ssh", "bob"], "git-receive-pack 'app'"),
        (&["ssh", "carol"], "git-receive-pack 'app'"),
        (&["ssh", "bob"], "who app --ref x"),
        (&["ssh", "bob"], "lock list"),
        (&["ssh", "bob"], "sh"),
        (&["ssh", "carol"], ""),
        (&["policy", "show"], ""),
        (&[], ""),
    ];
    let both = || {
        for (arguments, said) in lines {
            let [quick, whole] =
                ["door", "refwarden"].map(|program| ssh(&site, program, arguments, said));
            let named = |text: &str| text.replace("Usage: door", "Usage: refwarden");
            let words = |run: &Run| (run.code, run.stdout.clone(), named(&run.stderr));
            assert_eq!(words(&quick), words(&whole), "{arguments:?} {said}");
        }
    };
    both();
    quiet();
    ssh(&site, "door", &["ssh", "bob"], git).ends(0, "refs/heads/main");
    assert!(site.path("state/state.db-brief").exists(), "the next one needs no store");
    both();
    site.trail_verifies();
}

#[test]
fn a_lock_a_policy_and_an_unreadable_trail_count_at_once_whatever_a_brief_says() {
    let site = site();
    quiet();
    let bob = || ssh(&site, "door", &["ssh", "bob"], "git-upload-pack 'app'");
    bob().ends(0, "refs/heads/main");
    bob().ends(0, "refs/heads/main");
    let locked =
        site.refwarden(&["--json", "lock", "--all", "--permissions", "read", "--message", "x"]);
    if locked.code == Some(0) {
        assert!(bob().stdout.contains("ERR "));
        let id = locked.stdout.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap();
        site.refwarden(&["unlock", id]).ends(0, "");
        quiet();
        bob().ends(0, "refs/heads/main");
    }
    let trail = site.path("log/audit.jsonl");
    std::fs::rename(&trail, trail.with_extension("gone")).unwrap();
    std::fs::create_dir(&trail).unwrap();
    assert!(bob().stdout.contains("ERR "), "no line, no yes");
    std::fs::remove_dir(&trail).unwrap();
    std::fs::rename(trail.with_extension("gone"), &trail).unwrap();
    bob().ends(0, "refs/heads/main");
    let text = std::fs::read_to_string(site.policy()).unwrap();
    std::fs::write(site.policy(), text.replace("[users.bob]", "[users.bob]\nactive = false"))
        .unwrap();
    site.refwarden(&["policy", "apply", "--yes"]);
    assert!(bob().stdout.contains("RW103"), "{:?}", bob());
}

/// A request for the list of refs with a token.
fn get(site: &Site, program: &str, secret: &str) -> Run {
    let header = format!("Bearer {secret}");
    run(
        site,
        program,
        &["http"],
        &[
            ("REQUEST_METHOD", "GET"),
            ("PATH_INFO", "/app.git/info/refs"),
            ("QUERY_STRING", "service=git-upload-pack"),
            ("REMOTE_ADDR", "192.0.2.7"),
            ("HTTP_AUTHORIZATION", &header),
        ],
    )
}

/// The secret and id of a new token of bob's.
fn token(site: &Site, lasting: &str) -> (String, String) {
    token_for(site, lasting, "read")
}

fn scoped(site: &Site, scope: &str) -> String {
    token_for(site, "1h", scope).0
}

fn token_for(site: &Site, lasting: &str, scope: &str) -> (String, String) {
    let create = ["--json", "token", "create", "--as", "bob", "--scope", scope, "--for", lasting];
    let made = site.refwarden(&create);
    let field = |name: &str| {
        let rest = made.stdout.split(&format!("\"{name}\":\"")).nth(1).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    (field("secret"), field("id"))
}

fn briefs(site: &Site, kind: &str) -> usize {
    let names = std::fs::read_dir(site.path("state")).unwrap().flatten();
    names.filter(|one| one.file_name().to_string_lossy().starts_with(kind)).count()
}

#[test]
fn a_token_by_its_brief_opens_no_longer_than_by_the_table() {
    let site = site();
    let ((good, id), (short, _)) = (token(&site, "1h"), token(&site, "9s"));
    quiet();
    for program in ["refwarden", "door", "door"] {
        for secret in [&good, &short] {
            get(&site, program, secret).ends(0, "refs/heads/main");
        }
    }
    assert_eq!(briefs(&site, "state.db-token-"), 2);
    // By the right id with another secret, and with none that is whole.
    let wrong: String = good.chars().rev().take(10).collect();
    for secret in [&format!("{}{wrong}", &good[..good.len() - 10]), &good[..20], "x"] {
        assert!(get(&site, "door", secret).stdout.starts_with("Status: 401"), "{secret}");
    }
    std::thread::sleep(Duration::from_secs(6));
    assert!(get(&site, "door", &short).stdout.starts_with("Status: 401"), "its time is over");
    get(&site, "door", &good).ends(0, "refs/heads/main");
    site.refwarden(&["token", "revoke", &id]).ends(0, "revoked");
    assert!(get(&site, "door", &good).stdout.starts_with("Status: 401"), "it was taken back");
    site.trail_verifies();
}

#[test]
fn a_table_put_back_from_a_copy_lets_nobody_in_by_the_brief_beside_it() {
    let site = site();
    let (secret, id) = token(&site, "1h");
    quiet();
    get(&site, "door", &secret).ends(0, "refs/heads/main");
    let copy = |from: &str, to: &str| {
        for end in ["", "-wal", "-shm"] {
            let (from, to) = (site.path(&format!("{from}{end}")), site.path(&format!("{to}{end}")));
            let _ = std::fs::remove_file(&to);
            if Path::new(&from).exists() {
                std::fs::copy(&from, &to).unwrap();
            }
        }
    };
    copy("state/state.db", "copy.db");
    let brief = site.path(&format!("state/state.db-token-{id}"));
    let kept = std::fs::read(&brief).unwrap();
    site.refwarden(&["token", "revoke", &id]).ends(0, "revoked");
    copy("copy.db", "state/state.db");
    std::fs::write(&brief, kept).unwrap();
    let answer = get(&site, "door", &secret);
    assert!(answer.stdout.starts_with("Status: 503"), "{answer:?}");
}

#[test]
fn the_last_use_is_shown_and_noted_once_a_minute() {
    let site = site();
    let (secret, id) = token(&site, "1h");
    get(&site, "door", &secret).ends(0, "refs/heads/main");
    let used = site.path(&format!("state/state.db-used-{id}"));
    let first = std::fs::read(&used).unwrap();
    get(&site, "door", &secret).ends(0, "refs/heads/main");
    assert_eq!(std::fs::read(&used).unwrap(), first);
    let shown = site.refwarden(&["--json", "token", "show", &id]);
    assert!(!shown.stdout.contains("\"last_used\":null"), "{shown:?}");
}

#[test]
fn refused_reads_of_a_person_do_not_fill_the_trail() {
    let site = site();
    for _ in 0..45 {
        ssh(&site, "door", &["ssh", "carol"], "git-upload-pack 'app'").ends(3, "");
    }
    let lines = site.trail().events("read.refused");
    // The minute may have turned in between.
    assert!((30..=60).contains(&lines.len()) && lines.len() != 45, "{}", lines.len());
    assert!(lines.iter().any(|line| line["detail"]["further"] == "counted only"));
    ssh(&site, "door", &["ssh", "nobody"], "git-upload-pack 'app'").ends(3, "");
    let told = lines.len();
    // The windows of those who were counted began some minutes ago: tag, time, count.
    let file = site.path("state/read-refusals");
    let mut slots = std::fs::read(&file).unwrap();
    for slot in slots.chunks_exact_mut(20).filter(|slot| slot[16..20] != [0; 4]) {
        let began = i64::from_le_bytes(slot[8..16].try_into().unwrap()) - 300;
        slot[8..16].copy_from_slice(&began.to_le_bytes());
    }
    std::fs::write(&file, slots).unwrap();
    for _ in 0..2 {
        site.refwarden(&["sweep"]).ends(0, "");
        let lines = site.trail().events("read.refused");
        let count = |line: &Value| line["detail"]["unrecorded"].as_str()?.parse::<usize>().ok();
        let untold: usize = lines.iter().filter_map(count).sum();
        assert_eq!(lines[told..].len(), usize::from(untold > 0));
        assert_eq!(told + untold, 45, "each was told, or counted and told once");
        assert!(lines[told..].iter().all(|line| line["actor"]["user"] == "carol"));
    }
    site.trail_verifies();
}

#[test]
fn a_slow_body_for_the_interface_is_not_waited_for() {
    let site = site();
    let mut command = Command::new(site.programs().join("door"));
    command.arg("http").env_clear().env("HOME", site.path(""));
    command.envs([
        ("REQUEST_METHOD", "POST"),
        ("PATH_INFO", "/-/refwarden/v1/requests/7f3k-92qd/approve"),
        ("CONTENT_TYPE", "application/json"),
        ("CONTENT_LENGTH", "100"),
        ("REMOTE_ADDR", "192.0.2.7"),
    ]);
    command.env("HTTP_AUTHORIZATION", format!("Bearer {}", scoped(&site, "approve")));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"{").unwrap();
    let before = Instant::now();
    let mut answer = String::new();
    child.stdout.take().unwrap().read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("Status: 408"), "{answer}");
    assert!(before.elapsed() < Duration::from_secs(40), "{:?}", before.elapsed());
    drop(input);
    child.wait().unwrap();
}
