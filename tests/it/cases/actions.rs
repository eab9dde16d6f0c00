//! What a push does to a ref, and which permission that takes.

use crate::support::{Policy, Site, permit};

const MAIN: &str = "refs/heads/main";

/// A site in which alice has exactly these permissions.
fn site(permissions: &str) -> Site {
    Site::new(&Policy::new(&[permit("alice", permissions, "")]))
}

#[test]
fn a_permitted_push_is_silent_and_recorded_before_and_after() {
    let (site, repo, alice) = Site::standard();
    let new = alice.commit("a", "1\n");
    alice.push(&["main"]).silent().moved(MAIN);
    assert_eq!(repo.id("main"), new);
    let decided = site.trail().last_decision();
    assert_eq!(decided["verdict"], "allowed");
    assert_eq!(decided["actor"]["user"], "alice");
    assert_eq!(decided["actor"]["source"], "env:TEST_USER");
    assert_eq!(decided["refs"][0]["action"], "update");
    assert!(site.trail().says_yes(MAIN, &new));
    let landed = site.trail().events("push.landed").pop().unwrap();
    assert_eq!(landed["push"]["id"], decided["push"]["id"]);
    site.trail_verifies();
}

#[test]
fn create_needs_create() {
    let site = site("update");
    let (_repo, alice) = site.started();
    alice.push(&["main:refs/heads/new"]).refused("RW201");
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
}

#[test]
fn update_needs_update() {
    let site = site("create");
    let (_repo, alice) = site.started();
    alice.push(&["main:refs/heads/new"]).silent().moved("refs/heads/new");
    alice.commit("a", "1\n");
    alice.push(&["main"]).refused("RW201");
}

#[test]
fn a_push_that_rewinds_or_rewrites_is_force() {
    let site = site("push");
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
    alice.push(&["+main~1:main"]).refused("RW201").says("force");
    alice.run(&["commit", "--quiet", "--amend", "--message", "another"]);
    alice.push(&["+main"]).refused("RW201").says("force");
    assert_eq!(site.trail().last_decision()["refs"][0]["action"], "force");
}

#[test]
fn force_with_the_right_to_force() {
    let site = site("force");
    let (repo, alice) = site.started();
    alice.run(&["commit", "--quiet", "--amend", "--message", "another"]);
    alice.push(&["+main"]).silent();
    assert_eq!(repo.id("main"), alice.id("main"));
    alice.commit("a", "1\n");
    alice.push(&["main"]).refused("RW201").says("update");
}

#[test]
fn delete_needs_delete() {
    let site = site("push force");
    let (_repo, alice) = site.started();
    alice.push(&["main:refs/heads/old"]).silent();
    alice.push(&[":refs/heads/old"]).refused("RW201").says("delete");
    let site = self::site("create delete");
    let (_repo, alice) = site.started();
    alice.push(&["main:refs/heads/old"]).silent();
    alice.push(&[":refs/heads/old"]).silent().deleted("refs/heads/old");
}

#[test]
fn one_refused_ref_refuses_the_whole_push() {
    let site = Site::new(&Policy::new(&[permit("alice", "push", r#"branches = ["feature/*"]"#)]));
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    alice.push(&["main", "main:refs/heads/feature/x"]).refused("RW201").says("1 of 2 refs");
}

#[test]
fn an_atomic_push_lands_whole_or_not_at_all() {
    let site = Site::new(&Policy::new(&[permit("alice", "push", r#"branches = ["a", "b"]"#)]));
    let (_repo, alice) = site.started();
    let both = ["main:refs/heads/a", "main:refs/heads/b"];
    alice.push_with(&["--atomic"], &both).silent().moved("refs/heads/a").moved("refs/heads/b");
    alice.commit("a", "1\n");
    let all = [both[0], both[1], "main:refs/heads/c"];
    alice.push_with(&["--atomic"], &all).refused("RW201");
}

#[test]
fn a_mirror_push_creates_moves_and_deletes_by_the_policy() {
    let (_site, repo, alice) = Site::standard();
    alice.push(&["main:refs/heads/stale", "main:refs/tags/t"]).silent();
    alice.commit("a", "1\n");
    alice.run(&["branch", "new"]);
    let push = alice.push_with(&["--mirror"], &[]);
    push.silent().moved("refs/heads/new").moved(MAIN).deleted("refs/heads/stale");
    assert_eq!(repo.id("main"), alice.id("main"));
    let bob = alice.as_user("bob");
    alice.commit("a", "2\n");
    bob.push_with(&["--mirror"], &[]).refused("RW201");
}

#[test]
fn force_with_lease_holds_where_it_should() {
    let (_site, repo, alice) = Site::standard();
    let seen = repo.id("main");
    alice.run(&["commit", "--quiet", "--amend", "--message", "another"]);
    let lease = format!("--force-with-lease=main:{seen}");
    alice.push_with(&[&lease], &["main"]).silent();
}

#[test]
fn tags_of_every_kind_are_created_and_deleted() {
    let (_site, repo, alice) = Site::standard();
    alice.run(&["tag", "light"]);
    alice.run(&["tag", "--annotate", "--message", "m", "annotated"]);
    alice.run(&["tag", "--annotate", "--message", "m", "nested", "annotated"]);
    let tree = alice.id("HEAD^{tree}");
    alice.run(&["tag", "tree", &tree]);
    for tag in ["light", "annotated", "nested", "tree"] {
        let name = format!("refs/tags/{tag}");
        alice.push(&[&name]).silent().moved(&name);
    }
    assert_eq!(repo.run(&["cat-file", "-t", "nested"]), "tag");
    alice.push(&[":refs/tags/nested"]).silent().deleted("refs/tags/nested");
}

#[test]
fn a_tag_that_moves_is_force_even_forward() {
    let site = site("push delete");
    let (_repo, alice) = site.started();
    alice.run(&["tag", "v1"]);
    alice.push(&["v1"]).silent();
    alice.commit("a", "1\n");
    alice.run(&["tag", "--force", "v1"]);
    alice.push(&["+refs/tags/v1"]).refused("RW201").says("force");
}

#[test]
fn a_branch_that_moves_to_an_annotated_tag_of_its_own_future_is_no_plain_update() {
    // git peels nothing into heads, so the raw protocol is needed: the new id is a tag object.
    use crate::support::{Wire, pack_of};
    let site = site("push");
    let (repo, alice) = site.started();
    alice.commit("a", "1\n");
    alice.run(&["tag", "--annotate", "--message", "m", "t"]);
    let old = repo.id("main");
    let pack = pack_of(&alice, &format!("{} ^{old}", alice.id("t")));
    let command = (old, alice.id("t"), MAIN.as_bytes());
    Wire::push(&alice, &[command], &pack).refused("RW201").says("force");
}

#[test]
fn a_push_with_nothing_to_do_runs_no_hook_and_records_nothing() {
    let (site, _repo, alice) = Site::standard();
    assert!(alice.push(&["main"]).ok);
    assert!(site.trail().events("push.decided").is_empty());
}

#[test]
fn a_dry_run_moves_nothing() {
    let (_site, _repo, alice) = Site::standard();
    alice.commit("a", "1\n");
    alice.push_with(&["--dry-run"], &["main"]).nothing_moved();
}
