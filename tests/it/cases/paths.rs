//! Entries with `paths`: what a push changes, however it is dressed up.

use crate::support::{Outcome, Person, Policy, Repo, Site, forbid, permit};

/// alice may push anything, but nobody may touch `secret/**`.
fn closed() -> (Site, Repo, Person) {
    let site = Site::new(&Policy::new(&[
        permit("alice", "write", ""),
        forbid("write", "paths = [\"secret/**\", \"caf\u{e9}/**\"]"),
    ]));
    let repo = site.repo("app");
    let alice = site.person("alice", &repo);
    alice.write("secret/key", "1\n");
    alice.write("caf\u{e9}/menu", "1\n");
    alice.commit("open", "1\n");
    repo.seed(&alice.path, &["main:main"]);
    (site, repo, alice)
}

#[track_caller]
fn refused(alice: &Person, path: &str) -> Outcome {
    let push = alice.push(&["+main"]);
    push.refused("RW203").says(path);
    push
}

#[test]
fn a_change_elsewhere_goes_through() {
    let (_site, _repo, alice) = closed();
    alice.commit("open", "2\n");
    alice.push(&["main"]).silent();
}

#[test]
fn a_change_of_a_closed_path_is_refused_by_name() {
    let (_site, _repo, alice) = closed();
    alice.commit("secret/key", "2\n");
    refused(&alice, "secret/key");
}

#[test]
fn adding_and_reverting_within_a_push_does_not_hide_it() {
    let (_site, _repo, alice) = closed();
    alice.commit("secret/more", "1\n");
    alice.run(&["rm", "--quiet", "secret/more"]);
    alice.commit_index("revert");
    refused(&alice, "secret/more");
}

#[test]
fn a_merge_that_takes_the_older_side_is_seen() {
    let (_site, repo, alice) = closed();
    alice.run(&["branch", "side"]);
    // A newer secret comes in on the server, by somebody who may.
    alice.commit("secret/key", "2\n");
    repo.seed(&alice.path, &["main:main"]);
    alice.run(&["checkout", "--quiet", "side"]);
    alice.commit("open", "2\n");
    alice.run(&["checkout", "--quiet", "main"]);
    alice.run(&["merge", "--quiet", "--no-commit", "--no-ff", "side"]);
    alice.run(&["checkout", "side", "--", "secret/key"]);
    alice.commit_index("merge, with the older secret");
    refused(&alice, "secret/key");
}

#[test]
fn an_ordinary_merge_of_what_the_server_has_goes_through() {
    let (_site, repo, alice) = closed();
    alice.run(&["branch", "side"]);
    alice.commit("secret/key", "2\n");
    repo.seed(&alice.path, &["main:main"]);
    alice.run(&["checkout", "--quiet", "side"]);
    alice.commit("open", "2\n");
    alice.run(&["checkout", "--quiet", "main"]);
    alice.run(&["merge", "--quiet", "--no-ff", "--message", "merge", "side"]);
    alice.push(&["main"]).silent();
}

#[test]
fn a_rename_out_of_a_closed_folder_is_a_deletion_there() {
    let (_site, _repo, alice) = closed();
    alice.run(&["mv", "secret/key", "moved"]);
    alice.commit_index("move");
    refused(&alice, "secret/key");
}

#[test]
fn a_path_that_is_not_ascii_is_matched_by_its_bytes_and_shown_escaped() {
    let (_site, _repo, alice) = closed();
    alice.commit("caf\u{e9}/menu", "2\n");
    let push = alice.push(&["main"]);
    push.refused("RW203").says("caf");
    assert!(push.report().is_ascii());
}

#[test]
fn a_link_or_a_submodule_in_place_of_a_closed_folder_is_seen() {
    let (_site, _repo, alice) = closed();
    alice.run(&["rm", "-r", "--quiet", "--force", "secret"]);
    std::os::unix::fs::symlink("/etc", alice.path.join("secret")).unwrap();
    alice.run(&["add", "--all"]);
    alice.commit_index("a link");
    refused(&alice, "secret");
    let (_site, repo, alice) = closed();
    alice.run(&["rm", "-r", "--quiet", "--force", "--cached", "secret"]);
    let link = format!("160000,{},secret", repo.id("main"));
    alice.run(&["update-index", "--add", "--cacheinfo", &link]);
    alice.commit_index("a submodule");
    refused(&alice, "secret");
}

#[test]
fn a_new_link_where_no_folder_was_is_covered_too() {
    let site = Site::new(&Policy::new(&[
        permit("alice", "write", ""),
        forbid("write", r#"paths = ["ci/**"]"#),
    ]));
    let (_repo, alice) = site.started();
    std::os::unix::fs::symlink("README", alice.path.join("ci")).unwrap();
    alice.run(&["add", "--all"]);
    alice.commit_index("a link");
    refused(&alice, "ci");
}

#[test]
fn a_link_above_a_protected_folder_is_no_way_around_it() {
    let forbidden = forbid("write", r#"paths = ["infra/deploy/**", "ops/key.txt"]"#);
    let excepted = permit("bob", "write", r#"except-paths = ["infra/deploy/**", "ops/key.txt"]"#);
    let site = Site::new(&Policy::new(&[permit("alice", "write", ""), forbidden]));
    let other = Site::new(&Policy::new(&[permit("alice", "write", ""), excepted]));
    for (site, user) in [(site, "alice"), (other, "bob")] {
        let (_repo, alice) = site.started();
        let pusher = alice.as_user(user);
        alice.commit("docs/deploy/prod.sh", "evil\n");
        pusher.push(&["main"]).silent();
        for place in ["infra", "ops"] {
            std::os::unix::fs::symlink("docs", alice.path.join(place)).unwrap();
            alice.run(&["add", "--all"]);
            alice.commit_index("a link above");
            pusher.push(&["main"]).refused("RW203").says(place);
            alice.run(&["reset", "--quiet", "--hard", "HEAD~1"]);
        }
    }
}

#[test]
fn a_few_small_trees_that_stand_for_very_many_paths_are_refused_at_once() {
    let site = Site::new(&Policy::new(&[
        permit("alice", "write", ""),
        forbid("write", r#"paths = ["secret/**"]"#),
    ]));
    let (_repo, alice) = site.started();
    let made = |arguments: &[&str], input: String| {
        let path = alice.path.join("input");
        std::fs::write(&path, input).unwrap();
        let mut command = alice.command();
        command.args(arguments).stdin(std::fs::File::open(&path).unwrap());
        let done = command.output().unwrap();
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    };
    let mut id = made(&["hash-object", "-w", "--stdin"], "x".to_owned());
    let mut kind = "100644 blob";
    for _ in 0..4 {
        let line = |number: i32| format!("{kind} {id}\t{}{number:04}\n", "n".repeat(246));
        id = made(&["mktree"], (0..34).map(line).collect());
        kind = "040000 tree";
    }
    let commit = made(&["commit-tree", &id, "-p", "main", "-m", "bomb"], String::new());
    let refspec = format!("{commit}:refs/heads/bomb");
    let begun = std::time::Instant::now();
    alice.push(&[&refspec]).refused("RW308").says("MiB of changed paths");
    assert!(begun.elapsed().as_secs() < 25, "{:?}", begun.elapsed());
}

#[test]
fn a_new_branch_is_compared_with_the_base() {
    let (_site, _repo, alice) = closed();
    alice.commit("open", "2\n");
    alice.push(&["main:refs/heads/topic"]).silent();
    alice.commit("secret/key", "2\n");
    alice.push(&["main:refs/heads/other"]).refused("RW203");
}

#[test]
fn a_force_push_that_undoes_a_closed_path_is_seen() {
    let (_site, repo, alice) = closed();
    alice.commit("secret/key", "2\n");
    repo.seed(&alice.path, &["main:main"]);
    alice.run(&["reset", "--quiet", "--hard", "HEAD~1"]);
    refused(&alice, "secret/key");
}

#[test]
fn a_mode_change_alone_is_a_change() {
    let (_site, _repo, alice) = closed();
    alice.run(&["update-index", "--chmod=+x", "secret/key"]);
    alice.commit_index("mode");
    refused(&alice, "secret/key");
}

#[test]
fn a_permit_with_paths_covers_nothing_else() {
    let site = Site::new(&Policy::new(&[
        permit("alice", "write", ""),
        permit("bob", "update", "branches = [\"main\"]\npaths = [\"docs/**\", \"**/*.md\"]"),
        permit("bob", "delete", "branches = [\"main\"]\npaths = [\"docs/**\"]"),
    ]));
    let (repo, alice) = site.started();
    let bob = alice.as_user("bob");
    bob.commit("docs/a", "1\n");
    bob.commit("src/x.md", "1\n");
    bob.push(&["main"]).silent();
    bob.commit("src/main.c", "1\n");
    bob.push(&["main"]).refused("RW203").says("src/main.c");
    // A deletion has no paths: only entries without them speak.
    bob.push(&[":main"]).refused("");
    assert_eq!(repo.id("main"), bob.id("main~1"));
}

#[test]
fn an_exception_of_paths_takes_away() {
    let site =
        Site::new(&Policy::new(&[permit("alice", "write", r#"except-paths = ["vendor/**"]"#)]));
    let (_repo, alice) = site.started();
    alice.commit("src", "1\n");
    alice.push(&["main"]).silent();
    alice.commit("vendor/lib", "1\n");
    alice.push(&["main"]).refused("RW203").says("vendor/lib");
}

#[test]
fn an_empty_commit_needs_one_permit_only() {
    let site = Site::new(&Policy::new(&[permit("alice", "update", r#"paths = ["docs/**"]"#)]));
    let (_repo, alice) = site.started();
    alice.commit_index("nothing");
    alice.push(&["main"]).silent();
}

#[test]
fn a_tag_of_a_tree_has_no_paths_that_could_be_told() {
    let (_site, _repo, alice) = closed();
    let tree = alice.id("HEAD^{tree}");
    alice.run(&["tag", "tree", &tree]);
    let push = alice.push(&["tree"]);
    push.refused("RW20");
}

#[test]
fn more_commits_than_the_limit_are_refused_not_judged_in_part() {
    let policy =
        Policy::new(&[permit("alice", "write", ""), forbid("write", r#"paths = ["secret/**"]"#)]);
    let site = Site::new(&policy.server("max-commits-per-push = 3"));
    let (_repo, alice) = site.started();
    for n in 0..5 {
        alice.commit("a", &format!("{n}\n"));
    }
    alice.push(&["main"]).refused("RW308").says("max-commits-per-push");
    alice.push(&["main~3:main"]).silent();
}

#[test]
fn a_closed_folder_replaced_by_an_odd_kind_of_submodule_is_seen() {
    use std::io::Write;
    let (_site, _repo, alice) = closed();
    // To git every unknown kind of entry is a submodule; this one has the id of the folder itself.
    let raw = |revision: &str| {
        let id = alice.id(revision);
        let byte = |at: usize| u8::from_str_radix(&id[at..at + 2], 16).unwrap();
        (0..id.len()).step_by(2).map(byte).collect::<Vec<u8>>()
    };
    let mut tree = b"140000 secret\0".to_vec();
    tree.extend(raw("main:secret"));
    let mut command = alice.command();
    command.args(["hash-object", "-t", "tree", "-w", "--literally", "--stdin"]);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&tree).unwrap();
    let output = child.wait_with_output().unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    let commit = alice.run(&["commit-tree", "-p", "main", "-m", "m", tree.trim()]);
    alice.run(&["reset", "--quiet", "--soft", commit.trim()]);
    refused(&alice, "secret/key");
}
