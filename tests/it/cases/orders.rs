//! `update` without pre-receive, and both orders in which git runs the hooks.

use crate::support::{Git, Policy, Repo, Site, skip};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

#[test]
fn update_without_pre_receive_refuses() {
    let (_site, repo, alice) = Site::standard();
    repo.unlink("pre-receive");
    alice.commit("a", "1\n");
    alice.push(&["main"]).refused("RW510");
}

#[test]
fn a_pre_receive_that_is_not_executable_is_noticed_by_update() {
    let (site, repo, alice) = Site::standard();
    repo.unlink("pre-receive");
    std::fs::copy(site.programs().join("pre-receive"), repo.hook("pre-receive")).unwrap();
    crate::support::chmod(&repo.hook("pre-receive"), 0o644);
    alice.commit("a", "1\n");
    alice.push(&["main"]).refused("RW510");
}

#[test]
fn pre_receive_alone_decides_where_there_is_no_update() {
    let (site, repo, alice) = Site::standard();
    repo.unlink("update");
    alice.commit("a", "1\n");
    alice.as_user("bob").push(&["main"]).refused("RW201");
    alice.push(&["main"]).silent();
    assert_eq!(site.trail().events("push.landed").len(), 1);
}

#[test]
fn update_run_by_hand_finds_no_receive_pack() {
    let (_site, repo, _alice) = Site::standard();
    let id = repo.id("main");
    let output = Command::new(repo.hook("update"))
        .args(["refs/heads/main", &id, &"1".repeat(40)])
        .current_dir(&repo.path)
        .env_clear()
        .env("GIT_DIR", ".")
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("RW510"));
}

/// Runs hooks as a receive-pack of since git 2.51 would: pre-receive, then every `update`, with
/// nothing moved in between. `$0` of the shell makes it the `git receive-pack` above the hooks.
fn since_2_51(
    repo: &Repo,
    user: &str,
    lines: &[(&str, &str, &str)],
    updates: &[(&str, &str, &str)],
) -> (bool, Vec<bool>) {
    let stdin: String =
        lines.iter().map(|(old, new, name)| format!("{old} {new} {name}\n")).collect();
    let mut body =
        format!("printf '{}' | hooks/pre-receive; echo $?\n", stdin.replace('\n', "\\n"));
    for (old, new, name) in updates {
        body.push_str(&format!("hooks/update '{name}' {old} {new}; echo $?\n"));
    }
    let output = Command::new("/bin/sh")
        .arg0("git-receive-pack")
        .args(["-c", &body, "git-receive-pack"])
        .arg(&repo.path)
        .current_dir(&repo.path)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("GIT_DIR", ".")
        .env("TEST_USER", user)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut ends = text.lines().map(|line| line == "0");
    let first =
        ends.next().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (first, ends.collect())
}

#[test]
fn the_order_of_git_since_2_51_all_updates_then_one_transaction() {
    let (_site, repo, alice) = Site::standard();
    let old = repo.id("main");
    let new = alice.commit("a", "1\n");
    repo.seed(&alice.path, &[&format!("{new}:refs/keep/new")]);
    let null = crate::support::null();
    let (one, two) = (
        (old.as_str(), new.as_str(), "refs/heads/main"),
        (null.as_str(), new.as_str(), "refs/heads/x"),
    );
    assert_eq!(since_2_51(&repo, "alice", &[one, two], &[one, two]), (true, vec![true, true]));
    // Nothing has moved so far: a second push of the same kind is judged alike.
    assert_eq!(since_2_51(&repo, "alice", &[one], &[one]), (true, vec![true]));
}

#[test]
fn an_update_that_pre_receive_never_saw_is_refused() {
    let (_site, repo, alice) = Site::standard();
    let old = repo.id("main");
    let new = alice.commit("a", "1\n");
    repo.seed(&alice.path, &[&format!("{new}:refs/keep/new")]);
    let null = crate::support::null();
    let seen = (old.as_str(), new.as_str(), "refs/heads/main");
    let others = [
        (null.as_str(), new.as_str(), "refs/heads/other"),
        (old.as_str(), null.as_str(), "refs/heads/main"),
        (old.as_str(), old.as_str(), "refs/heads/main"),
        (null.as_str(), new.as_str(), "refs/heads/main"),
    ];
    let (first, ends) = since_2_51(&repo, "alice", &[seen], &others);
    assert!(first);
    assert_eq!(ends, vec![false; 4]);
    // Refused by pre-receive: nothing stands for update.
    assert_eq!(since_2_51(&repo, "bob", &[seen], &[seen]), (false, vec![false]));
}

#[test]
fn a_slip_is_not_good_for_another_repository() {
    let (site, repo, alice) = Site::standard();
    let other = site.repo("other");
    let (old, new) = (repo.id("main"), alice.commit("a", "1\n"));
    for repo in [&repo, &other] {
        repo.seed(
            &alice.path,
            &[&format!("{new}:refs/keep/new"), &format!("{old}:refs/heads/main")],
        );
    }
    let body = format!(
        "echo {old} {new} refs/heads/main | hooks/pre-receive || exit 1; cd '{}'; hooks/update refs/heads/main {old} {new}; echo $?",
        other.path.display()
    );
    let output = Command::new("/bin/sh")
        .arg0("git-receive-pack")
        .args(["-c", &body, "git-receive-pack", "."])
        .current_dir(&repo.path)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("GIT_DIR", ".")
        .env("TEST_USER", "alice")
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "1\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("RW510"));
}

#[test]
fn a_real_git_with_the_new_order() {
    let Some(git) = Git::at_least(2, 51) else { return skip("no git since 2.51") };
    let site = Site::with_git(&Policy::default(), &git);
    let (repo, alice) = site.started();
    // With the new order nothing has moved when the last update runs.
    repo.foreign(
        "update",
        &format!("[ \"$(git rev-parse refs/heads/main)\" = {} ]", repo.id("main")),
    );
    alice.commit("a", "1\n");
    alice.push(&["main", "main:refs/heads/x", "main:refs/heads/y"]).silent();
    alice.as_user("bob").push(&["main:refs/heads/z"]).refused("RW201");
}
