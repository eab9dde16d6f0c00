//! Groups that are looked up at the push: they add rights, and a failing look-up refuses.

use crate::support::{Outcome, Policy, Site, permit, script};

fn with_command(body: &str) -> Outcome {
    let site = Site::unapplied(&Policy::default(), &crate::support::Git::default());
    let program = site.path("oncall");
    script(&program, body);
    let policy = Policy::new(&[permit("@oncall", "push", "")]).also(&format!(
        "[groups]\noncall = {{ command = [\"{}\", \"${{user}}\"] }}",
        program.display()
    ));
    site.write_policy(&policy);
    site.apply();
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    alice.with("SPOOF", "1").push(&["main"])
}

#[test]
fn a_command_that_knows_the_member() {
    with_command("[ \"$1\" = alice ] && echo member || echo not-a-member").silent();
    with_command("echo not-a-member").refused("RW201");
}

#[test]
fn a_command_gets_an_empty_environment() {
    with_command("[ -z \"$SPOOF$TEST_USER$GIT_DIR$HOME\" ] && echo member || echo not-a-member")
        .silent();
}

#[test]
fn a_command_that_fails_hangs_or_babbles_refuses() {
    with_command("echo member; exit 1").refused("RW508");
    with_command("echo perhaps").refused("RW508");
    with_command("exit 0").refused("RW508");
    with_command("echo member; echo member").refused("RW508");
    with_command("yes member").refused("RW508");
    let start = std::time::Instant::now();
    with_command("echo member; sleep 30").refused("RW508");
    assert!(start.elapsed().as_secs() < 15);
}

#[test]
fn a_command_that_others_can_write_refuses() {
    let site = Site::unapplied(&Policy::default(), &crate::support::Git::default());
    let program = site.path("oncall");
    script(&program, "echo member");
    let policy = Policy::new(&[permit("@oncall", "push", "")]).also(&format!(
        "[groups]\noncall = {{ command = [\"{}\", \"${{user}}\"] }}",
        program.display()
    ));
    site.write_policy(&policy);
    site.apply();
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    crate::support::chmod(&program, 0o777);
    let push = alice.push(&["main"]);
    push.refused("RW508");
}

#[test]
fn a_unix_group_of_the_host() {
    // `root` is its own group's member on every Linux; `daemon` is not in it.
    let users = "[users.root]\n[users.daemon]\n[users.alice]";
    let policy = Policy::new(&[permit("@ops", "push", "")])
        .users(users)
        .also("[groups]\nops = { unix = \"root\" }");
    let site = Site::new(&policy);
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    alice.as_user("daemon").push(&["main"]).refused("RW201");
    alice.as_user("root").push(&["main"]).silent();
}

#[test]
fn a_unix_group_that_is_not_there_refuses_and_opens_nothing() {
    let policy = Policy::new(&[permit("@ops", "push", "")])
        .also("[groups]\nops = { unix = \"no-such-group-here\" }");
    let site = Site::unapplied(&policy, &crate::support::Git::default());
    if site.refwarden(&["policy", "apply"]).code == Some(0) {
        let (_repo, alice) = site.started();
        alice.commit("a", "1\n");
        let push = alice.push(&["main"]);
        push.refused("RW508");
    }
}

#[test]
fn a_group_that_is_looked_up_may_not_stand_where_membership_takes_away() {
    let site = Site::new(&Policy::default());
    let policy = Policy::new(&[
        permit("alice", "push", ""),
        crate::support::forbid("push", "to = [\"@ops\"]"),
    ])
    .also("[groups]\nops = { unix = \"root\" }");
    site.write_policy(&policy);
    site.refwarden(&["policy", "apply"]).ends(4, "RW6");
}

#[test]
fn groups_nest_and_exceptions_count() {
    let policy = Policy::new(&[permit("@all", "push", "except = [\"carol\"]")])
        .also("[groups]\ncore = [\"alice\"]\nall = [\"@core\", \"bob\", \"carol\"]");
    let site = Site::new(&policy);
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    alice.as_user("carol").push(&["main"]).refused("RW201");
    alice.push(&["main"]).silent();
}
