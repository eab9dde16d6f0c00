//! How objects and refs are stored and sent must not matter.

use crate::support::{Format, Git, Policy, Site, Wire, null, pack_of, permit, skip};

#[test]
fn sha256_repositories_are_judged_alike() {
    let site = Site::new(&Policy::default());
    let repo = site.repo_of("app", Format::Sha256);
    let alice = site.person("alice", &repo);
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent().moved("refs/heads/main");
    alice.commit("a", "2\n");
    alice.as_user("bob").push(&["main"]).refused("RW201");
    alice.push(&["main"]).silent();
    alice.push(&[":main"]).refused("").stayed("refs/heads/main");
}

#[test]
fn reftable_repositories_are_judged_alike() {
    let Some(git) = Git::at_least(2, 45) else { return skip("no git with reftable") };
    let site = Site::with_git(&Policy::default(), &git);
    let repo = site.repo_of("app", Format::Reftable);
    let alice = site.person("alice", &repo);
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent().moved("refs/heads/main");
    alice.run(&["tag", "-a", "-m", "m", "v1"]);
    alice.commit("a", "2\n");
    alice.as_user("bob").push(&["main"]).refused("RW201");
    alice.push(&["main", "v1", "main:refs/heads/feature/x"]).silent();
    alice.push(&[":feature/x"]).silent().deleted("refs/heads/feature/x");
    repo.run(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    alice.commit("a", "3\n");
    alice.push(&["main:refs/heads/alias"]).refused("RW304");
}

#[test]
fn objects_that_stay_loose_are_judged_like_packed_ones() {
    for limit in ["1", "10000"] {
        let (_site, repo, alice) = Site::standard();
        repo.config("receive.unpackLimit", limit);
        let big: String = (0..2000).map(|n| format!("line {n}\n")).collect();
        alice.commit("big", &big);
        alice.push(&["main"]).silent();
        alice.commit("big", &format!("{big}one more\n"));
        // The second is a thin pack: a delta against what the server has.
        alice.push(&["main"]).silent();
        alice.push(&["+main~1:main"]).silent();
        alice.commit("c", "1\n");
        alice.as_user("bob").push(&["main"]).refused("RW201");
    }
}

#[test]
fn a_push_after_everything_was_packed() {
    let (_site, repo, alice) = Site::standard();
    alice.push(&["main:refs/heads/other"]).silent();
    repo.run(&["gc", "--quiet"]);
    repo.run(&["pack-refs", "--all"]);
    repo.run(&["commit-graph", "write", "--reachable"]);
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
    alice.push(&[":other"]).silent().deleted("refs/heads/other");
}

#[test]
fn a_shallow_clone_pushes() {
    let (site, repo, alice) = Site::standard();
    for n in 0..3 {
        alice.commit("a", &format!("{n}\n"));
    }
    alice.push(&["main"]).silent();
    let clone = site.person("alice", &repo);
    clone.run(&["fetch", "--quiet", "--depth=1", &repo.url(), "main"]);
    clone.run(&["reset", "--quiet", "--hard", "FETCH_HEAD"]);
    clone.commit("b", "1\n");
    clone.as_user("bob").push(&["main"]).refused("RW201");
    clone.push(&["main"]).silent().moved("refs/heads/main");
}

#[test]
fn a_fork_with_nested_relative_alternates_is_read_through_them() {
    let site = Site::new(&Policy::new(&[permit("alice", "push", "")]));
    let (upstream, alice) = site.started();
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
    let between = site.repo("between");
    let fork = site.repo("fork");
    for (repo, line) in [(&between, "../../app.git/objects"), (&fork, "../../between.git/objects")]
    {
        std::fs::create_dir_all(repo.path.join("objects/info")).unwrap();
        std::fs::write(repo.path.join("objects/info/alternates"), format!("{line}\n")).unwrap();
    }
    let id = upstream.id("main");
    fork.run(&["update-ref", "refs/heads/main", &id]);
    let fork_of_alice = alice.to(&fork);
    alice.commit("a", "2\n");
    fork_of_alice.push(&["main"]).silent();
    // Forward or not is told from history that only the upstream holds.
    fork_of_alice.push(&["+main~2:main"]).refused("RW201").says("force");
    assert!(upstream.id("main") == id);
}

#[test]
fn a_replace_ref_that_hides_a_rewrite_is_not_believed() {
    let site = Site::new(&Policy::new(&[permit("alice", "push", "")]));
    let (repo, alice) = site.started();
    let old = alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
    alice.run(&["commit", "--quiet", "--amend", "--message", "rewritten"]);
    let new = alice.id("main");
    // With the replacement the new commit looks like a child of the old one.
    let tree = alice.id("HEAD^{tree}");
    let child = alice.run(&["commit-tree", "-p", &old, "-m", "x", &tree]);
    repo.seed(&alice.path, &[&format!("{new}:refs/keep/new")]);
    alice.run(&["branch", "child", &child]);
    repo.seed(&alice.path, &[&format!("{child}:refs/keep/child")]);
    repo.run(&["replace", &new, &child]);
    repo.run(&["merge-base", "--is-ancestor", &old, &new]);
    alice.push(&["+main"]).refused("RW201").says("force");
}

#[test]
fn a_push_of_an_object_that_nobody_has_is_refused() {
    let (_site, _repo, alice) = Site::standard();
    let missing = "12".repeat(20);
    let pack = pack_of(&alice, "HEAD ^HEAD");
    let push = Wire::push(&alice, &[(null(), missing, b"refs/heads/x")], &pack);
    assert!(!push.ok, "{}", push.words());
    push.nothing_moved();
}

#[test]
fn a_commit_whose_parent_is_missing_is_refused() {
    let (_site, repo, alice) = Site::standard();
    alice.commit("a", "1\n");
    let new = alice.commit("b", "2\n");
    // The pack holds the last commit only, not the one between.
    let pack = pack_of(&alice, &format!("{new} ^{new}~1"));
    let push = Wire::push(&alice, &[(repo.id("main"), new, b"refs/heads/main")], &pack);
    assert!(!push.ok, "{}", push.words());
    push.nothing_moved();
}

#[test]
fn a_repository_below_folders_and_one_with_an_odd_name() {
    let site = Site::new(&Policy::default());
    for name in ["team/deep/er/app", "odd name ü"] {
        let repo = site.repo(name);
        let alice = site.person("alice", &repo);
        alice.commit("a", "1\n");
        alice.push(&["main"]).silent();
        assert!(site.trail().last_decision()["repository"].as_str().is_some());
    }
    assert!(site.trail().path.exists());
}
