use super::super::*;
use super::bed::{Outbox, setting};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

fn script(folder: &Path, body: &str) -> PathBuf {
    let path = folder.join("tell");
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path
}

fn to_command(argv: &[&str]) -> Notify {
    setting(NotifyTo::Command(argv.iter().map(|word| (*word).into()).collect()))
}

fn reason(settings: &[Notify]) -> String {
    let delivery = Outbox::with(settings, &["{}"]).deliver(settings, 0);
    assert_eq!((delivery.sent, delivery.postponed.len()), (0, 1), "{delivery:?}");
    delivery.postponed[0].reason.clone()
}

#[test]
fn a_command_reads_the_json_and_has_a_clean_environment() {
    let folder = tempfile::tempdir().unwrap();
    let path = script(folder.path(), "cat > \"$1\"; pwd >> \"$1\"; env | sort >> \"$1\"");
    let told = folder.path().join("told");
    let settings = [to_command(&[path.to_str().unwrap(), told.to_str().unwrap()])];
    let body = "{\"reason\":\"$(touch /tmp/x) `id` \\u0000\"}\n";
    assert_eq!(Outbox::with(&settings, &[body]).deliver(&settings, 0).sent, 1);
    let text = std::fs::read_to_string(told).unwrap();
    let rest = text.strip_prefix(body).unwrap();
    assert!(rest.starts_with("/\n"), "{rest}");
    let names: Vec<&str> =
        rest.lines().skip(1).filter_map(|line| Some(line.split_once('=')?.0)).collect();
    let own = ["LC_ALL", "PATH", "PWD", "REFWARDEN_EVENT", "REFWARDEN_NOTICE"];
    assert_eq!(
        names
            .into_iter()
            .filter(|name| !matches!(*name, "_" | "SHLVL" | "OLDPWD"))
            .collect::<Vec<_>>(),
        own
    );
}

#[test]
fn a_command_that_fails_or_is_not_there_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = script(folder.path(), "echo secret >&2; exit 3");
    let words = reason(&[to_command(&[path.to_str().unwrap()])]);
    assert_eq!(words, "the command ended with exit status: 3");
    let gone = folder.path().join("gone");
    assert!(reason(&[to_command(&[gone.to_str().unwrap()])]).contains("No such file"));
    assert_eq!(reason(&[to_command(&["tell"])]), "the command's path is not absolute");
}

#[test]
fn a_command_that_others_could_have_written_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = script(folder.path(), "touch \"$0.ran\"");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
    assert!(reason(&[to_command(&[path.to_str().unwrap()])]).contains("can be written"));
    assert!(!folder.path().join("tell.ran").exists());
}

#[test]
fn a_command_that_hangs_is_killed_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let path = script(folder.path(), "echo $$ > \"$0.pid\"; sleep 60 & sleep 60");
    let start = Instant::now();
    let words = reason(&[to_command(&[path.to_str().unwrap()])]);
    assert!(words.ends_with("took longer than 10000 ms"), "{words}");
    assert!(start.elapsed() < Duration::from_secs(13));
    let group = std::fs::read_to_string(folder.path().join("tell.pid")).unwrap();
    let group = rustix::process::Pid::from_raw(group.trim().parse().unwrap()).unwrap();
    // What was killed stays until the first process of the machine has looked at it.
    let gone = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        rustix::process::test_kill_process_group(group).is_err()
    });
    assert!(gone, "something of the command still runs");
}

/// The mail of the documentation, with another program in sendmail's place.
#[test]
fn a_reason_cannot_write_a_header_of_the_documented_mail() {
    if std::process::Command::new("jq").arg("--version").output().is_err() {
        println!("skipped: no jq");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mail = folder.path().join("mail");
    let sendmail = script(folder.path(), &format!("cat > '{}'", mail.display()));
    let docs = include_str!("../../../docs/notices.md");
    let (_, rest) = docs.split_once("# /usr/local/lib/refwarden/mail-notice").unwrap();
    let (body, _) = rest.split_once("```").unwrap();
    let body = format!("#{}", body.replace("/usr/sbin/sendmail", sendmail.to_str().unwrap()));
    let own = folder.path().join("own");
    std::fs::create_dir(&own).unwrap();
    let settings = [to_command(&[script(&own, &body).to_str().unwrap()])];
    let notice =
        r#"{"data":{"asker_says":"x\nBcc: all@example.org","text":"bob says: x\\x0aBcc: y"}}"#;
    assert_eq!(Outbox::with(&settings, &[notice]).deliver(&settings, 0).sent, 1);
    let mail = std::fs::read_to_string(mail).unwrap();
    let (head, text) = mail.split_once("\n\n").unwrap();
    assert_eq!(text, "bob says: x\\x0aBcc: y\n");
    assert!(head.contains("Subject: refwarden: access.requested\n"), "{head}");
    assert_eq!(head.lines().count(), 5, "{head}");
}
