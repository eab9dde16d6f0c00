//! Rights that are lent: they end because time passes, and at once.

use crate::support::{Policy, Site, grant};
use std::time::Duration;

#[test]
fn a_grant_lets_through_until_its_end_and_counts_two_seconds_early() {
    let policy = Policy::new(&[grant(
        "hotfix",
        "alice",
        4.5,
        "permissions = [\"push\"]\nbranches = [\"main\"]",
    )]);
    let site = Site::new(&policy);
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    alice.push(&["main"]).landed();
    alice.commit("a", "2\n");
    std::thread::sleep(Duration::from_millis(2600));
    // Now 1.9 s or less are left at the most.
    alice.push(&["main"]).refused("RW201").says("ended").says("hotfix");
}

#[test]
fn a_grant_covers_its_person_and_refs_only() {
    let policy = Policy::new(&[grant(
        "hotfix",
        "alice",
        60.0,
        "permissions = [\"update\"]\nbranches = [\"main\"]",
    )]);
    let site = Site::new(&policy);
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    alice.as_user("bob").push(&["main"]).refused("RW201");
    alice.push(&["main:refs/heads/other"]).refused("RW201");
    alice.push(&["main"]).landed();
}

#[test]
fn a_grant_that_has_not_begun_gives_nothing() {
    let from = (chrono::Utc::now() + chrono::TimeDelta::minutes(10)).format("%Y-%m-%dT%H:%M:%SZ");
    let keys = format!("permissions = [\"push\"]\nfrom = {from}");
    let site = Site::new(&Policy::new(&[grant("later", "alice", 1200.0, &keys)]));
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    alice.push(&["main"]).refused("RW201");
}

#[test]
fn a_grant_without_an_end_is_no_policy() {
    let site = Site::new(&Policy::default());
    let text = grant("forever", "alice", 9.0, "permissions = [\"push\"]");
    let text: String = text
        .lines()
        .filter(|line| !line.starts_with("until"))
        .fold(String::new(), |all, line| all + line + "\n");
    site.write_policy(&Policy::new(&[text]));
    site.refwarden(&["policy", "apply"]).ends(4, "until");
}
