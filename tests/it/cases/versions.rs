//! The oldest and the newest git at hand come to the same verdicts.

use crate::support::{Git, Policy, Site, forbid, permit};

#[test]
fn every_git_at_hand_gets_the_same_verdicts() {
    let mut all = Vec::new();
    for git in Git::all() {
        let policy = Policy::new(&[
            permit("alice", "write", ""),
            permit("bob", "push", r#"branches = ["feature/**"]"#),
            forbid("write", r#"paths = ["secret/**"]"#),
        ]);
        let site = Site::with_git(&policy, &git);
        let (repo, alice) = site.started();
        let bob = alice.as_user("bob");
        let mut verdicts = Vec::new();
        let mut note = |push: crate::support::Outcome| {
            let mut codes: Vec<String> = push
                .report()
                .split_ascii_whitespace()
                .filter(|word| word.starts_with("RW"))
                .map(str::to_owned)
                .collect();
            codes.sort();
            verdicts.push((push.ok, codes, push.after));
        };
        alice.commit("a", "1\n");
        alice.run(&["tag", "-a", "-m", "m", "v1"]);
        note(bob.push(&["main"]));
        note(bob.push(&["main", "main:refs/heads/feature/x"]));
        note(alice.push_with(&["--atomic"], &["main", "main:refs/heads/feature/x", "v1"]));
        note(bob.push(&["+main~1:refs/heads/feature/x"]));
        note(alice.push(&["main:refs/heads/--evil"]));
        note(alice.push(&[":refs/heads/feature/x"]));
        alice.commit("secret/x", "1\n");
        note(alice.push(&["main"]));
        note(alice.nameless().push(&["main"]));
        repo.run(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
        note(alice.push(&["+main~2:refs/heads/alias"]));
        all.push((git.version(), verdicts));
    }
    let ends: Vec<bool> = all[0].1.iter().map(|verdict| verdict.0).collect();
    assert_eq!(ends, [false, false, true, false, false, true, false, false, false]);
    for pair in all.windows(2) {
        assert_eq!(pair[0].1, pair[1].1, "{:?} and {:?}", pair[0].0, pair[1].0);
    }
    println!("compared: {:?}", all.iter().map(|one| one.0).collect::<Vec<_>>());
}

#[test]
fn a_policy_that_another_version_applied_refuses_pushes_until_it_is_applied_again() {
    let (site, _, alice) = Site::standard();
    let current = site.path("state/policy/current");
    let mut bytes = std::fs::read(&current).unwrap();
    let at = bytes.windows(8).position(|eight| eight == b"rwpolicy").unwrap() + 8;
    bytes[at..at + 4].copy_from_slice(&1_u32.to_le_bytes());
    std::fs::write(&current, bytes).unwrap();
    alice.commit("a", "1\n");
    alice.push(&["main"]).refused("RW501").nothing_moved();
    let dry = site.refwarden(&["policy", "apply", "--dry-run"]);
    dry.ends(0, "applied by another version of refwarden").ends(0, "nothing was applied");
    site.apply();
    alice.push(&["main"]).landed();
}
