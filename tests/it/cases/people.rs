//! Who is pushing: nobody, somebody unknown, somebody who left.

use crate::support::{Policy, Site, permit};

#[test]
fn without_an_identity_nothing_goes_and_the_trail_only_counts() {
    let (site, _repo, alice) = Site::standard();
    alice.commit("a", "1\n");
    let before = site.trail().lines().len();
    for _ in 0..3 {
        alice.nameless().push(&["main"]).refused("RW101");
        alice.as_user("").push(&["main"]).refused("RW101");
        alice.as_user("mallory").push(&["main"]).refused("RW102");
        alice.nameless().with("GIT_NAMESPACE", "n").push(&["main"]).refused("RW309");
    }
    let lines = site.trail().lines().len() - before;
    assert!(lines <= 1, "nobody outside can fill the disk: {lines} lines");
    alice.push(&["main"]).silent();
    let text = std::fs::read_to_string(site.trail().path).unwrap();
    assert!(text.contains("unidentified"), "the next line counts them: {text}");
    site.trail_verifies();
}

#[test]
fn malformed_names_are_refused_and_never_shown_raw() {
    let (site, _repo, alice) = Site::standard();
    alice.commit("a", "1\n");
    let long = "a".repeat(65);
    let names = [
        "alice\u{1b}[31m",
        "alice\n",
        "../alice",
        "alice ",
        " alice",
        "ALICE",
        "al\u{202e}ice",
        long.as_str(),
        "@core",
        "role:developer",
        "anyone",
        "authenticated",
    ];
    for name in names {
        let push = alice.as_user(name).push(&["main"]);
        push.refused("RW102");
        assert!(!push.report().contains('\u{1b}'), "{name:?}");
    }
    alice.push(&["main"]).silent();
    let text = std::fs::read_to_string(site.trail().path).unwrap();
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
}

#[test]
fn an_inactive_user_holds_nothing() {
    let policy = Policy::new(&[permit("authenticated", "write", ""), permit("dave", "write", "")]);
    let site = Site::new(&policy);
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    alice.as_user("dave").push(&["main"]).refused("RW103");
    alice.as_user("carol").push(&["main"]).silent();
}

#[test]
fn a_name_of_the_source_is_mapped_and_the_plain_name_no_longer_counts() {
    let users = "[users.bob]\nnames = { \"env:TEST_USER\" = [\"bob@EXAMPLE.ORG\"] }\n[users.alice]";
    let site = Site::new(&Policy::new(&[permit("bob", "push", "")]).users(users));
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    alice.as_user("bob").push(&["main"]).refused("RW102");
    alice.as_user("bob@example.org").push(&["main"]).refused("RW102");
    alice.as_user("bob@EXAMPLE.ORG").push(&["main"]).silent();
    assert_eq!(site.trail().last_decision()["actor"]["user"], "bob");
}
