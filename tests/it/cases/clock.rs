//! A clock that is wrong.

use crate::support::Site;

/// Moves the time of the trail's last line into the future, as a clock that ran ahead would have.
#[cfg(feature = "test-faults")]
fn line_from_the_future(site: &Site, alice: &crate::support::Person) {
    let fault = crate::support::Fault::set(site, "wall-offset-seconds = 3600\n");
    alice.commit("a", "ahead\n");
    alice.push(&["main"]).silent();
    drop(fault);
}

#[cfg(feature = "test-faults")]
#[test]
fn a_clock_set_back_refuses_until_root_says_that_the_trail_is_wrong() {
    let (site, _repo, alice) = Site::standard();
    line_from_the_future(&site, &alice);
    alice.commit("a", "1\n");
    alice.push(&["main"]).refused("RW505");
    let run = site.refwarden(&["store", "reset-clock"]);
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert_eq!(site.trail().events("store.clock-reset").len(), 1);
    alice.push(&["main"]).silent();
    site.trail_verifies();
}

#[cfg(feature = "test-faults")]
#[test]
fn a_clock_two_seconds_behind_is_let_be() {
    let (site, _repo, alice) = Site::standard();
    let fault = crate::support::Fault::set(&site, "wall-offset-seconds = 1\n");
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
    drop(fault);
    alice.commit("a", "2\n");
    alice.push(&["main"]).silent();
}

#[cfg(feature = "test-faults")]
#[test]
fn a_clock_set_back_does_not_revive_a_grant() {
    use crate::support::{Fault, Policy, grant};
    let policy = Policy::new(&[grant("short", "alice", 5.0, "permissions = [\"push\"]")]);
    let site = Site::new(&policy);
    let (_repo, alice) = site.started();
    let fault = Fault::set(&site, "wall-offset-seconds = 60\n");
    alice.commit("a", "1\n");
    alice.push(&["main"]).refused("RW201").says("ended");
    drop(fault);
    // The trail remembers the later time, so the earlier one is not believed.
    alice.push(&["main"]).refused("RW505");
}

#[cfg(feature = "test-faults")]
#[test]
fn the_far_future_and_2038_are_only_dates() {
    use crate::support::Fault;
    let (site, _repo, alice) = Site::standard();
    for wall in [
        "2038-01-19T03:14:07Z",
        "2038-01-19T03:14:09Z",
        "2106-02-07T06:28:17Z",
        "9000-01-01T00:00:00Z",
    ] {
        let fault = Fault::set(&site, &format!("wall = \"{wall}\"\n"));
        alice.commit("a", wall);
        alice.push(&["main"]).silent();
        site.trail_verifies();
        drop(fault);
    }
}

#[cfg(feature = "test-faults")]
#[test]
fn a_slip_ends_by_the_boot_clock_whatever_the_wall_clock_says() {
    use crate::support::{Fault, Gate, Guard, Outcome};
    let (site, repo, alice) = Site::standard();
    let gate = Gate::new(&site.path("people"));
    repo.foreign("update", &gate.wait());
    alice.commit("a", "1\n");
    let push = Outcome::of(&repo, || {
        let push = Guard::new(alice.push_command(&[], &["main"]).spawn().unwrap());
        gate.arrived();
        let fault = Fault::set(&site, "boot-offset-seconds = 61\nwall-offset-seconds = -5\n");
        gate.open();
        let output = push.finish();
        drop(fault);
        output
    });
    push.refused("RW306");
}

#[test]
fn reset_clock_is_recorded_and_harmless() {
    let (site, _repo, alice) = Site::standard();
    let run = site.refwarden(&["store", "reset-clock"]);
    assert_eq!(run.code, Some(0), "{run:#?}");
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
    site.trail_verifies();
}
