use super::*;

fn shell(script: &str, stdin: &[u8], timeout_ms: u64) -> Result<Output, ChildError> {
    run(&Task {
        program: Path::new("/bin/sh"),
        name: None,
        arguments: &["-c".into(), script.into()],
        environment: &[("PATH".into(), PATH.into())],
        folder: None,
        stdin,
        timeout: Duration::from_millis(timeout_ms),
        max_output: 1000,
    })
}

#[test]
fn a_child_gets_its_input_and_gives_both_outputs_and_its_status() {
    let output = shell("cat; echo no >&2; exit 3", b"hello", 10_000).unwrap();
    assert_eq!((&*output.stdout, &*output.stderr), (&b"hello"[..], &b"no\n"[..]));
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn nothing_of_our_environment_reaches_a_child() {
    // cargo sets variables for tests, so there is something to leak
    assert!(std::env::vars_os().count() > 1);
    let output = shell("/usr/bin/env", b"", 10_000).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<_> = text.lines().filter_map(|line| line.split('=').next()).collect();
    assert!(
        names.iter().all(|name| ["PATH", "PWD", "SHLVL", "_", "OLDPWD"].contains(name)),
        "{text}"
    );
}

#[test]
fn a_child_that_sleeps_is_killed_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let script = format!("(sleep 0.4; echo x > {}) & sleep 60", mark.display());
    let start = clock::now().boot;
    assert!(matches!(shell(&script, b"", 100), Err(ChildError::Timeout { .. })));
    assert!(clock::now().boot - start < Duration::from_secs(10));
    std::thread::sleep(Duration::from_millis(600));
    assert!(!mark.exists(), "the grandchild lived on");
}

#[test]
fn a_grandchild_that_leaves_the_group_and_keeps_the_pipe_does_not_hold_us() {
    let start = clock::now().boot;
    let result = shell("setsid sleep 5 & exit 0", b"", 200);
    assert!(matches!(result, Err(ChildError::Timeout { .. })));
    assert!(clock::now().boot - start < Duration::from_secs(4));
}

#[test]
fn a_child_that_closes_its_outputs_and_sleeps_is_killed() {
    let result = shell("exec >&- 2>&-; sleep 60", b"", 100);
    assert!(matches!(result, Err(ChildError::Timeout { .. })));
}

#[test]
fn a_child_that_never_stops_writing_is_killed() {
    assert!(matches!(shell("yes", b"", 10_000), Err(ChildError::TooMuch { limit: 1000, .. })));
}

#[test]
fn a_child_that_ignores_a_large_input_is_no_failure() {
    let output = shell("exit 0", &vec![b'x'; 1 << 20], 10_000).unwrap();
    assert!(output.status.success());
}

#[test]
fn a_program_that_is_not_there_is_an_error() {
    let result = run(&Task { program: Path::new("/nowhere/x"), ..nothing() });
    assert!(matches!(result, Err(ChildError::Start { .. })));
}

fn nothing() -> Task<'static> {
    Task {
        program: Path::new("/"),
        name: None,
        arguments: &[],
        environment: &[],
        folder: None,
        stdin: b"",
        timeout: Duration::from_secs(1),
        max_output: 10,
    }
}

#[test]
fn a_foreign_hook_gets_the_same_input_and_its_status_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let script = format!("{{ echo $1; cat; }} > {}; exit 7", seen.display());
    let arguments = ["-c".into(), script.into(), "hook".into(), "refs/heads/main".into()];
    let status = pass_through(Path::new("/bin/sh"), &arguments, Some(b"old new ref\n")).unwrap();
    assert_eq!(status.code(), Some(7));
    assert_eq!(std::fs::read(seen).unwrap(), b"refs/heads/main\nold new ref\n");
}

#[test]
fn a_foreign_hook_that_reads_nothing_of_a_large_push_may_still_allow() {
    let status = pass_through(Path::new("/bin/true"), &[], Some(&vec![b'x'; 1 << 20])).unwrap();
    assert!(status.success());
    assert!(pass_through(Path::new("/bin/cat"), &[], None).unwrap().success());
    assert!(pass_through(Path::new("/nowhere/hook"), &[], None).is_err());
}

#[test]
fn a_foreign_hook_never_sees_the_proof_of_identity() {
    let names = ["REFWARDEN_PROOF", "GIT_DIR", "REFWARDEN_", "refwarden_x", "X_REFWARDEN_X"];
    let mut command = Command::new("/bin/true");
    remove_ours(&mut command, names.iter().map(OsString::from));
    let mut removed: Vec<_> = command.get_envs().collect();
    removed.sort();
    let none = |name| (OsStr::new(name), None);
    assert_eq!(removed, [none("REFWARDEN_"), none("REFWARDEN_PROOF")]);
}
