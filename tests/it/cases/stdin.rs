//! pre-receive with a stdin that git never writes.

use crate::support::{Repo, Site, null};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs pre-receive by hand and gives its end and its words.
fn fed(repo: &Repo, stdin: &[u8]) -> (bool, String) {
    let mut child = Command::new(repo.hook("pre-receive"))
        .current_dir(&repo.path)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("GIT_DIR", ".")
        .env("TEST_USER", "alice")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The hook may stop reading.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).expect("words are text"))
}

#[track_caller]
fn refused(repo: &Repo, stdin: &[u8], code: &str) {
    let before = repo.refs();
    let (ok, words) = fed(repo, stdin);
    assert!(
        !ok && words.contains(code),
        "{code} for {:?}: {words}",
        String::from_utf8_lossy(&stdin[..stdin.len().min(200)])
    );
    assert!(words.is_ascii() && words.len() <= 16 * 1024);
    assert!(!words.bytes().any(|b| b.is_ascii_control() && b != b'\n'), "{words:?}");
    assert_eq!(before, repo.refs());
}

#[test]
fn malformed_stdin_is_refused_with_words() {
    let (site, repo, alice) = Site::standard();
    let (old, new) = (repo.id("main"), alice.commit("a", "1\n"));
    repo.seed(&alice.path, &[&format!("{new}:refs/keep/new")]);
    let null = null();
    let good = format!("{old} {new} refs/heads/main\n");
    assert!(fed(&repo, good.as_bytes()).0, "the harness feeds what git would");
    let bad = [
        (String::new(), "RW301"),
        ("\n".into(), "RW301"),
        ("\0".repeat(100), "RW301"),
        (good.trim_end().into(), "RW301"),
        (good[..60].into(), "RW301"),
        (format!("{old} {new}\n"), "RW301"),
        (format!("{old} {new} \n"), "RW301"),
        (format!(" {good}"), "RW301"),
        (format!("{good}\n"), "RW301"),
        (format!("{null} {null} refs/heads/x\n"), "RW301"),
        (format!("{old} {old} refs/heads/main\n"), "RW301"),
        (format!("{} {new} refs/heads/main\n", &old[1..]), "RW301"),
        (format!("{old}0 {new} refs/heads/main\n"), "RW301"),
        (format!("{} {} refs/heads/main\n", "1".repeat(64), "2".repeat(64)), "RW301"),
        (format!("{old} {} refs/heads/main\n", new.to_uppercase()), "RW301"),
        (format!("{old} {} refs/heads/main\n", "g".repeat(40)), "RW301"),
        (format!("{good}{good}"), "RW307"),
        (format!("{null} {new} refs/heads/x\n{null} {old} refs/heads/x\n"), "RW307"),
        (format!("{null} {} refs/heads/x\n", "1".repeat(40)), "RW303"),
        (format!("{} {new} refs/heads/main\n", "1".repeat(40)), "RW305"),
        (format!("{null} {new} refs/heads/--evil\n"), "RW302"),
        (format!("{null} {new} refs/heads/a\u{1b}[31mb\n"), "RW302"),
        (format!("{null} {new} refs/heads/a\u{202e}b\n"), "RW302"),
        (format!("{null} {new} refs/heads/a\rb\n"), "RW302"),
        (format!("{null} {new} ../../etc/passwd\n"), "RW302"),
        (format!("{null} {new} refs/heads/../../config\n"), "RW302"),
        (format!("{null} {new} refs/heads/a\0b\n"), "RW30"),
        (format!("{null} {new} HEAD\n"), "RW302"),
    ];
    for (stdin, code) in bad {
        refused(&repo, stdin.as_bytes(), code);
    }
    site.trail_verifies();
}

#[test]
fn refs_that_git_would_not_move_itself_are_refused() {
    let (_site, repo, _alice) = Site::standard();
    let id = repo.id("main");
    repo.config("receive.hideRefs", "refs/heads/hidden");
    repo.config("receive.procReceiveRefs", "refs/heads/for");
    for name in ["refs/heads/hidden/x", "refs/heads/hidden", "refs/heads/for/main"] {
        refused(&repo, format!("{} {id} {name}\n", null()).as_bytes(), "RW309");
    }
}

#[test]
fn every_truncation_of_a_push_is_refused() {
    let (_site, repo, alice) = Site::standard();
    let (old, new) = (repo.id("main"), alice.commit("a", "1\n"));
    repo.seed(&alice.path, &[&format!("{new}:refs/keep/new")]);
    let good = format!("{old} {new} refs/heads/main\n");
    for length in (0..good.len()).step_by(9).chain([good.len() - 1]) {
        let (ok, words) = fed(&repo, &good.as_bytes()[..length]);
        assert!(!ok && words.contains("RW3"), "{length}: {words}");
    }
}

#[test]
fn ten_thousand_refs_are_judged_in_one_go() {
    let (site, repo, alice) = Site::standard();
    let id = alice.id("HEAD");
    let line = |n| format!("{} {id} refs/heads/n{n}\n", null());
    let stdin: String = (0..10_000).map(line).collect();
    let start = Instant::now();
    let (ok, words) = fed(&repo, stdin.as_bytes());
    assert!(ok, "{words}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(site.trail().last_decision()["refs"].as_array().map(Vec::len), Some(10_000));
    let stdin = format!("{stdin}{}", line(77));
    refused(&repo, stdin.as_bytes(), "RW307");
    site.trail_verifies();
}

#[test]
fn a_line_of_a_hundred_megabytes_fills_no_memory() {
    let (_site, repo, _alice) = Site::standard();
    let stdin = vec![b'a'; 100 << 20];
    let start = Instant::now();
    refused(&repo, &stdin, "RW30");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn a_lying_environment_of_git_is_refused() {
    let (_site, repo, alice) = Site::standard();
    let (old, new) = (repo.id("main"), alice.commit("a", "1\n"));
    repo.seed(&alice.path, &[&format!("{new}:refs/keep/new")]);
    let good = format!("{old} {new} refs/heads/main\n");
    for (name, value) in [
        ("GIT_PUSH_OPTION_COUNT", "99999999"),
        ("GIT_PUSH_OPTION_COUNT", "x"),
        ("GIT_PUSH_OPTION_COUNT", "3"),
        ("GIT_PUSH_CERT", "../../etc/passwd"),
    ] {
        let mut child = Command::new(repo.hook("pre-receive"))
            .current_dir(&repo.path)
            .env_clear()
            .env("GIT_DIR", ".")
            .env("TEST_USER", "alice")
            .env(name, value)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(good.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(!output.status.success(), "{name}={value}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("RW301"),
            "{name}={value}: {output:?}"
        );
    }
}
