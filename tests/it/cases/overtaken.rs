//! What changes while a push is under way: `update` says no.

use crate::support::{Gate, Guard, Outcome, Person, Policy, Repo, Site, grant, permit};
use std::time::Duration;

/// Pushes `main`; a foreign pre-receive holds the push after ours said yes, while `meanwhile` acts.
pub fn held(
    site: &Site,
    repo: &Repo,
    person: &Person,
    refspecs: &[&str],
    meanwhile: impl FnOnce(),
) -> Outcome {
    let gate = Gate::new(&site.path("people"));
    repo.foreign("pre-receive", &gate.wait());
    Outcome::of(repo, || {
        let push = Guard::new(person.push_command(&[], refspecs).spawn().unwrap());
        gate.arrived();
        meanwhile();
        gate.open();
        push.finish()
    })
}

#[test]
fn nothing_that_happens_leaves_the_push_alone() {
    let (site, repo, alice) = Site::standard();
    alice.commit("a", "1\n");
    held(&site, &repo, &alice, &["main"], || {}).silent();
}

#[test]
fn a_policy_applied_during_a_push_overtakes_it() {
    let (site, repo, alice) = Site::standard();
    alice.commit("a", "1\n");
    let push = held(&site, &repo, &alice, &["main", "main:refs/heads/x"], || {
        site.write_policy(&Policy::new(&[permit("bob", "push", "")]));
        site.apply();
    });
    push.refused("RW306").says("push again");
    assert_eq!(site.trail().events("push.landed").len(), 0);
    site.trail_verifies();
}

#[test]
fn a_grant_that_ends_while_a_hook_dawdles_ends() {
    let policy = Policy::new(&[grant("short", "alice", 4.0, "permissions = [\"push\"]")]);
    let site = Site::new(&policy);
    let (repo, alice) = site.started();
    alice.commit("a", "1\n");
    let push =
        held(&site, &repo, &alice, &["main"], || std::thread::sleep(Duration::from_millis(4100)));
    push.refused("RW306");
}

#[test]
fn a_window_that_closes_while_a_hook_dawdles_closes() {
    let until = chrono::Utc::now() + chrono::TimeDelta::milliseconds(4000);
    let when = format!("when = {{ until = {} }}", until.format("%Y-%m-%dT%H:%M:%S%.3fZ"));
    let site = Site::new(&Policy::new(&[permit("alice", "push", &when)]));
    let (repo, alice) = site.started();
    alice.commit("a", "1\n");
    let push =
        held(&site, &repo, &alice, &["main"], || std::thread::sleep(Duration::from_millis(4100)));
    push.refused("RW306");
}

#[test]
fn a_freeze_that_begins_while_a_hook_dawdles_holds() {
    let from = chrono::Utc::now() + chrono::TimeDelta::milliseconds(2500);
    let when = format!("when = {{ from = {} }}", from.format("%Y-%m-%dT%H:%M:%S%.3fZ"));
    let site = Site::new(&Policy::new(&[
        permit("alice", "push", ""),
        crate::support::forbid("push", &when),
    ]));
    let (repo, alice) = site.started();
    alice.commit("a", "1\n");
    let push =
        held(&site, &repo, &alice, &["main"], || std::thread::sleep(Duration::from_millis(2700)));
    push.refused("RW306");
}

#[test]
fn a_grant_that_ends_between_pre_receive_and_update_ends() {
    let policy = Policy::new(&[grant("short", "alice", 4.0, "permissions = [\"push\"]")]);
    let site = Site::new(&policy);
    let (repo, alice) = site.started();
    let gate = Gate::new(&site.path("people"));
    repo.foreign("update", &gate.wait());
    let new = alice.commit("a", "1\n");
    let push = Outcome::of(&repo, || {
        let push = Guard::new(alice.push_command(&[], &["main"]).spawn().unwrap());
        gate.arrived();
        std::thread::sleep(Duration::from_millis(3000));
        gate.open();
        push.finish()
    });
    push.refused("RW306");
    assert!(site.trail().says_yes("refs/heads/main", &new), "pre-receive had said yes");
}

/// More than the pipe to the client holds, less than this and the hook's own pipe hold: the hooks
/// end, and receive-pack waits for its client before it runs `update`.
const CHATTER: &str = "head -c 100000 /dev/zero | tr '\\0' x | fold -w 80 >&2";

/// Pushes by a client that reads nothing for a while after pre-receive has answered.
fn stops_reading(policy: &Policy, pause: u64) -> (Site, Outcome) {
    let site = Site::new(policy);
    let (repo, alice) = site.started();
    repo.foreign("pre-receive", CHATTER);
    let new = alice.commit("a", "1\n");
    let pack = crate::support::pack_of(&alice, &format!("{new} ^{}", repo.id("main")));
    let command = (repo.id("main"), new.clone(), b"refs/heads/main".as_slice());
    let pause = Duration::from_millis(pause);
    let push = crate::support::Wire::push_slowly(&alice, &[command], &pack, pause);
    assert!(site.trail().says_yes("refs/heads/main", &new), "pre-receive had said yes");
    (site, push)
}

#[test]
fn a_client_that_stops_reading_can_not_hold_a_push_open_past_its_grant() {
    let policy = Policy::new(&[grant("short", "alice", 4.0, "permissions = [\"push\"]")]);
    let (site, push) = stops_reading(&policy, 3500);
    push.refused("RW306");
    assert!(site.trail().events("push.landed").is_empty());
}

#[test]
fn the_same_client_with_a_standing_right_goes_through_once_it_reads() {
    let (_site, push) = stops_reading(&Policy::default(), 500);
    push.moved("refs/heads/main");
}

#[test]
fn two_pushes_at_once_to_one_ref_land_once() {
    let (site, repo, alice) = Site::standard();
    let other = site.person("alice", &repo);
    other.run(&["fetch", "--quiet", &repo.url(), "main"]);
    other.run(&["reset", "--quiet", "--hard", "FETCH_HEAD"]);
    let ids = [alice.commit("a", "1\n"), other.commit("b", "1\n")];
    let children: Vec<Guard> = [&alice, &other]
        .map(|person| Guard::new(person.push_command(&[], &["main"]).spawn().unwrap()))
        .into();
    let ends: Vec<bool> =
        children.into_iter().map(|child| child.finish().status.success()).collect();
    assert_eq!(ends.iter().filter(|ok| **ok).count(), 1, "{ends:?}");
    let winner = ends.iter().position(|ok| *ok).unwrap();
    assert_eq!(repo.id("main"), ids[winner]);
    assert_eq!(site.trail().events("push.landed").len(), 1);
    site.trail_verifies();
}

#[test]
fn an_edit_that_was_not_applied_changes_nothing_and_a_refusal_says_so() {
    let (site, _repo, alice) = Site::standard();
    site.write_policy(&Policy::new(&[permit("bob", "push", "")]));
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
    alice.as_user("bob").push(&["main:refs/heads/x"]).refused("RW201").says("applied");
}
