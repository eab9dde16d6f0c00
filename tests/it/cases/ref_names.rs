//! Names of refs, and refs that are not what they seem.

use crate::support::{Outcome, Person, Policy, Site, Wire, null, pack_of, permit};

/// alice may do everything, everywhere that a permit can cover.
fn open_site() -> Site {
    Site::new(&Policy::new(&[
        permit("alice", "write", ""),
        permit(
            "alice",
            "write",
            r#"refs = ["refs/notes/**", "refs/for/**", "refs/hidden/**", "refs/bisect/**", "refs/worktree/**", "refs/namespaces/**"]"#,
        ),
    ]))
}

/// Creates a ref of any name by the wire.
fn create(person: &Person, name: &[u8]) -> Outcome {
    let pack = pack_of(person, "HEAD ^HEAD");
    Wire::push(person, &[(null(), person.id("HEAD"), name)], &pack)
}

#[test]
fn names_that_other_tools_misread_are_refused() {
    let site = open_site();
    let (_repo, alice) = site.started();
    let id = "0123456789".repeat(4);
    let names = [
        "refs/heads/--evil".to_owned(),
        "refs/heads/a/-b".to_owned(),
        "refs/tags/-d".to_owned(),
        "refs/heads/HEAD".to_owned(),
        format!("refs/heads/{id}"),
        format!("refs/tags/{id}"),
        "refs/heads/a\u{202e}txt".to_owned(),
        "refs/heads/zero\u{200b}width".to_owned(),
        "refs/heads/c1\u{85}control".to_owned(),
        "refs/bisect/bad".to_owned(),
        "refs/worktree/x".to_owned(),
    ];
    for name in names {
        create(&alice, name.as_bytes()).refused("RW302");
    }
    // The harness itself can create a good name in the same way.
    create(&alice, b"refs/heads/good").silent();
}

#[test]
fn names_that_git_itself_refuses_never_come_into_being() {
    let site = open_site();
    let (_repo, alice) = site.started();
    for name in [
        &b"refs/heads/a..b"[..],
        b"refs/heads/a\x1b[31m",
        b"refs/heads/a b",
        b"refs/heads/x.lock",
        b"HEAD",
        b"main",
        b"refs/heads/",
    ] {
        let push = create(&alice, name);
        assert!(!push.ok, "{}: {}", String::from_utf8_lossy(name), push.words());
        push.nothing_moved();
    }
}

#[test]
fn a_name_that_is_not_utf8_works_and_is_shown_escaped() {
    let site = open_site();
    let (_repo, alice) = site.started();
    create(&alice, b"refs/heads/caf\xe9").silent();
    let push = create(&alice.as_user("bob"), b"refs/heads/th\xe9");
    push.refused("RW201").says("refs/heads/th\\xe9");
    let decided = site.trail().last_decision();
    assert_eq!(decided["refs"][0]["name"], "refs/heads/th\\xe9");
}

#[test]
fn an_existing_odd_name_may_still_move_and_go() {
    let site = open_site();
    let (repo, alice) = site.started();
    let id = repo.id("main");
    repo.run(&["update-ref", "refs/heads/-odd", &id]);
    alice.commit("a", "1\n");
    alice.push(&["main:refs/heads/-odd"]).silent();
    alice.push(&[":refs/heads/-odd"]).silent().deleted("refs/heads/-odd");
}

#[test]
fn a_tag_named_as_a_branch_and_the_reverse() {
    let site = open_site();
    let (repo, alice) = site.started();
    alice.push(&["main:refs/tags/main"]).refused("RW302");
    alice.push(&["main:refs/tags/v1"]).silent();
    alice.push(&["main:refs/heads/v1"]).refused("RW302");
    alice.push(&["main:refs/heads/both", "main:refs/tags/both"]).refused("RW302");
    assert!(!repo.refs().contains_key("refs/tags/main"));
}

#[test]
fn names_that_differ_in_case_where_the_server_ignores_case() {
    let site = open_site();
    let (repo, alice) = site.started();
    alice.push(&["main:refs/heads/Main"]).silent();
    repo.config("core.ignoreCase", "true");
    alice.push(&["main:refs/heads/MAIN"]).refused("RW302").says("case");
    alice.push(&["main:refs/heads/new", "main:refs/heads/NEW"]).refused("RW302");
}

#[test]
fn a_push_to_a_symbolic_ref_can_not_move_its_target() {
    let site = Site::new(&Policy::new(&[permit("alice", "write", r#"branches = ["master"]"#)]));
    let (repo, alice) = site.started();
    repo.run(&["symbolic-ref", "refs/heads/master", "refs/heads/main"]);
    alice.commit("a", "1\n");
    alice.push(&["main:refs/heads/master"]).refused("RW304").says("refs/heads/main");
    alice.push(&[":refs/heads/master"]).refused("RW304");
}

#[test]
fn a_dangling_symbolic_ref_can_not_be_pushed_through() {
    let site = Site::new(&Policy::new(&[permit("alice", "write", r#"branches = ["alias"]"#)]));
    let (repo, alice) = site.started();
    repo.run(&["symbolic-ref", "refs/heads/alias", "refs/heads/unborn"]);
    alice.push(&["main:refs/heads/alias"]).refused("RW304");
}

#[test]
fn a_stale_old_id_is_refused_before_git_looks() {
    let site = open_site();
    let (repo, alice) = site.started();
    let first = repo.id("main");
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
    let new = alice.commit("b", "1\n");
    let pack = pack_of(&alice, &format!("{new} ^{first}"));
    Wire::push(&alice, &[(first.clone(), new.clone(), b"refs/heads/main")], &pack).refused("RW305");
    // A create of what exists, and a deletion with the wrong old id.
    Wire::push(&alice, &[(null(), new, b"refs/heads/main")], &pack).refused("RW305");
    Wire::push(&alice, &[(first, null(), b"refs/heads/main")], &[]).refused("RW305");
}

#[test]
fn an_update_that_claims_to_be_from_a_ref_that_is_not_there() {
    let site = open_site();
    let (repo, alice) = site.started();
    let new = alice.commit("b", "1\n");
    let pack = pack_of(&alice, &format!("{new} ^{}", repo.id("main")));
    Wire::push(&alice, &[(repo.id("main"), new, b"refs/heads/ghost")], &pack).refused("RW305");
}

#[test]
fn null_to_null_and_old_equal_to_new_are_refused() {
    let site = open_site();
    let (repo, alice) = site.started();
    let id = repo.id("main");
    let push = Wire::push(&alice, &[(null(), null(), b"refs/heads/x")], &[]);
    push.refused("RW301");
    Wire::push(&alice, &[(id.clone(), id, b"refs/heads/main")], &pack_of(&alice, "HEAD ^HEAD"))
        .refused("RW301");
}

#[test]
fn one_ref_twice_in_a_push_is_refused() {
    let site = open_site();
    let (_repo, alice) = site.started();
    let id = alice.id("HEAD");
    let new = |name: &'static [u8]| (null(), id.clone(), name);
    let pack = pack_of(&alice, "HEAD ^HEAD");
    let push = Wire::push(
        &alice,
        &[new(b"refs/heads/x"), new(b"refs/heads/y"), new(b"refs/heads/x")],
        &pack,
    );
    push.refused("RW307");
}

#[test]
fn a_namespace_that_renames_the_ref_is_refused() {
    let site = open_site();
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    alice.with("GIT_NAMESPACE", "n").push(&["main"]).refused("RW309");
}

#[test]
fn a_ref_inside_a_namespace_is_refused() {
    let site = open_site();
    let (_repo, alice) = site.started();
    create(&alice, b"refs/namespaces/n/refs/heads/main").refused("RW309");
}

#[test]
fn a_ref_that_proc_receive_would_take_is_refused() {
    let site = open_site();
    let (repo, alice) = site.started();
    repo.config("receive.procReceiveRefs", "refs/for");
    alice.push(&["main:refs/for/main"]).refused("RW309").says("procReceiveRefs");
    alice.push(&["main:refs/heads/x"]).silent();
}

#[test]
fn a_hidden_ref_is_refused() {
    let site = open_site();
    let (repo, alice) = site.started();
    repo.config("receive.hideRefs", "refs/hidden");
    let push = alice.push(&["main:refs/hidden/x"]);
    assert!(!push.ok);
    push.nothing_moved();
}

#[test]
fn refs_outside_heads_and_tags_need_a_permit_that_spells_their_folder() {
    let (_site, _repo, alice) = Site::standard();
    alice.push(&["main:refs/notes/commits"]).refused("RW201");
    alice.push(&["main:refs/for/main"]).refused("RW201");
    let site =
        Site::new(&Policy::new(&[permit("alice", "push", r#"refs = ["refs/**", "regex:.*"]"#)]));
    let (_repo, alice) = site.started();
    alice.push(&["main:refs/notes/commits"]).refused("RW201");
    let site = open_site();
    let (_repo, alice) = site.started();
    alice.push(&["main:refs/notes/commits"]).silent();
    alice.push(&["main:refs/refwarden/x"]).refused("RW201");
}
