//! R5 with the store: grants under clocks that jump, over daylight saving and over 2038.
//!
//! `clock.rs` has the same for standing rights. Instants lie far ahead, because the trail and the
//! store believe no earlier time than they know.

use super::lent::{ASK, On, policy_of, records, started};
use super::uses::{lend, uses};
use crate::support::{Fault, Policy, Site};

/// The clock stands still at this instant.
fn at(site: &Site, instant: &str) -> Fault {
    Fault::set(site, &format!("wall = \"{instant}\"\n"))
}

fn ahead(site: &Site, seconds: i64) -> Fault {
    Fault::set(site, &format!("wall-offset-seconds = {seconds}\n"))
}

const YEAR: i64 = 365 * 86400;

fn a_year_forward_and_back(on: &On) {
    let (site, _repo, bob) = started(&on.policy());
    let grant = lend(&site, 2);
    let fault = ahead(&site, YEAR);
    bob.push(&["HEAD:release/1"]).refused("RW201");
    // A request of that year is an event of the store, a push a line of the trail.
    bob.push(&[&ASK[..], &["HEAD:release/1"]].concat()).refused("waiting for approval");
    let asked = records(&site).into_iter().find(|record| record.id != grant).unwrap().id;
    bob.push(&["HEAD:feature/x"]).silent();
    drop(fault);
    // Back again: nothing is decided by a clock that is behind its own records.
    bob.commit("fix", "back\n");
    bob.push(&["HEAD:feature/x"]).refused("RW505");
    bob.push(&["HEAD:release/1"]).refused("RW505");
    bob.push(&[&ASK[..], &["HEAD:release/2"]].concat()).refused("RW505");
    let answer = ["access", "approve", asked.as_str(), "--as", "alice"];
    site.refwarden(&answer).ends(7, "");
    site.refwarden(&["access", "show", asked.as_str()]).ends(0, asked.as_str());
    assert_eq!(uses(&site, &grant).taken(), 0);
    site.refwarden(&["store", "reset-clock"]).ends(0, "");
    bob.push(&["HEAD:feature/x"]).silent();
    // Its end was never anything but an instant, and that one has not come.
    bob.push(&["HEAD:release/1"]).landed();
    assert_eq!(uses(&site, &grant).spent, 1);
    // What was asked for by the wrong clock can be answered; what is lent counts from now.
    site.refwarden(&answer).ends(0, "active");
    let state = records(&site).into_iter().find(|record| record.id == asked).unwrap();
    let until = state.state().unwrap().terms.unwrap().until;
    assert!(until < chrono::Utc::now() + chrono::TimeDelta::hours(1), "{until}");
    bob.commit("fix", "last\n");
    bob.push(&["HEAD:release/1"]).landed();
    site.refwarden(&["sweep"]).ends(0, "");
    site.trail_verifies();
}

/// A policy that shows Berlin's time, with a second entitlement approved by rule while Berlin's
/// clock shows 02:30 to 02:40 on a Sunday.
fn berlin(on: &On) -> Policy {
    let auto = "[entitlements.quick]\nprojects = [\"APP\"]\neligible = [\"bob\"]\n\
        permissions = [\"push\"]\nbranches = [\"night/*\"]\nmax-duration = \"1h\"\nmax-uses = 1\n\
        auto = { when = { weekly = [\"Sun 02:30-02:40\"] }, max-duration = \"5m\" }\n\
        max-until = 2036-10-26T02:35:00+01:00\n\
        approval = [{ from = [\"alice\"], count = 1 }]";
    on.of(policy_of(3)).server("timezone = \"Europe/Berlin\"").also(auto)
}

fn quick(site: &Site, branch: &str) -> i32 {
    let words = [
        "access",
        "request",
        "quick",
        "--as",
        "bob",
        "--repository",
        "app",
        "--branches",
        branch,
        "--for",
        "5m",
        "--reason",
        "the nightly build",
    ];
    let run = site.refwarden(&words);
    run.code.unwrap_or_else(|| panic!("{run:#?}"))
}

/// At 03:00 the clock shows 02:00 again, at 01:00 UTC.
fn in_the_repeated_hour_a_grant_is_as_long_as_it_was_asked_for(on: &On) {
    let (site, _repo, bob) = started(&berlin(on));
    let fault = at(&site, "2036-10-26T00:45:00Z");
    let words = ["access", "request", "hotfix", "--as", "bob", "--repository", "app"];
    let more = ["--branches", "release/*", "--for", "30m", "--reason", "half an hour of the night"];
    let asked = site.refwarden(&[&words[..], &more].concat());
    asked.ends(5, "pending");
    let id = asked.stdout.split(' ').next().unwrap().to_owned();
    site.refwarden(&["access", "approve", &id, "--as", "alice"]).ends(0, "active");
    let until = records(&site)[0].state().unwrap().terms.unwrap().until;
    assert_eq!(until.to_rfc3339(), "2036-10-26T01:15:00+00:00");
    let words = bob.push(&["HEAD:release/1"]).landed().report().replace("\n  ", " ");
    assert!(words.contains("ends 02:15 CET (01:15 UTC), in 30 min"), "{words}");
    drop(fault);
    for (minute, code) in [
        ("00:59:59", None),
        ("01:00:00", None),
        // Three uses were lent.
        ("01:12:57", Some("RW455")),
        ("01:14:59", Some("RW454")),
    ] {
        let _fault = at(&site, &format!("2036-10-26T{minute}Z"));
        bob.commit("fix", minute);
        let push = bob.push(&["HEAD:release/1"]);
        match code {
            None => push.landed(),
            Some(code) => push.refused(code),
        };
    }
    site.trail_verifies();
}

/// A weekly window is what a wall clock shows: in the repeated hour it opens twice, in the skipped
/// hour not at all; `max-until` with its offset is one instant.
fn windows_and_ends_over_daylight_saving(on: &On) {
    let (site, _repo, bob) = started(&berlin(on));
    // 01:59 CET is followed by 03:00 CEST.
    for (instant, code) in [
        ("2036-03-30T00:29:00Z", 5),
        ("2036-03-30T00:59:59Z", 5),
        ("2036-03-30T01:00:00Z", 5),
        ("2036-03-30T01:35:00Z", 5),
        ("2036-10-26T00:29:00Z", 5),
        ("2036-10-26T00:31:00Z", 0),
        ("2036-10-26T00:40:00Z", 5),
        ("2036-10-26T01:31:00Z", 0),
        // Past `max-until`, the second 02:35.
        ("2036-10-26T01:36:00Z", 3),
    ] {
        let _fault = at(&site, instant);
        let branch = format!("night/{}", instant.replace(':', "-"));
        assert_eq!(quick(&site, &branch), code, "{instant}");
        if code == 0 {
            bob.push(&[&format!("HEAD:refs/heads/{branch}")]).landed();
            bob.commit("fix", instant);
        }
    }
    let second = records(&site).into_iter().find(|record| {
        let state = record.state().unwrap();
        state.terms.is_some() && state.asked_at.to_rfc3339().contains("T01:31")
    });
    let until = second.unwrap().state().unwrap().terms.unwrap().until;
    assert_eq!(until.to_rfc3339(), "2036-10-26T01:35:00+00:00", "cut at `max-until`");
    site.trail_verifies();
}

fn over_32_bits(on: &On) {
    let (site, _repo, bob) = started(&on.policy());
    let edges = [
        ("2038-01-19T03:13:00Z", "2038-01-19T03:14:09Z", "2038-01-19T04:13:00Z"),
        ("2106-02-07T06:27:00Z", "2106-02-07T06:28:17Z", "2106-02-07T07:27:00Z"),
    ];
    for (asked, within, over) in edges {
        let fault = at(&site, asked);
        let words = ["access", "request", "hotfix", "--as", "bob", "--repository", "app"];
        let more = ["--branches", "release/*", "--for", "1h", "--reason", "over the edge of time"];
        let run = site.refwarden(&[&words[..], &more].concat());
        run.ends(5, "pending");
        let id = run.stdout.split(' ').next().unwrap().to_owned();
        site.refwarden(&["access", "approve", &id, "--as", "alice"]).ends(0, "active");
        drop(fault);
        let fault = at(&site, within);
        bob.commit("fix", within);
        bob.push(&["HEAD:release/1"]).landed();
        drop(fault);
        let _fault = at(&site, over);
        bob.commit("fix", over);
        bob.push(&["HEAD:release/1"]).refused("RW454");
        site.refwarden(&["access", "list", "all"]).ends(0, &id);
        site.refwarden(&["access", "export"]).ends(0, &id);
    }
    site.trail_verifies();
}

macro_rules! on_both {
    ($($case:ident)+) => {
        mod own {
            $(#[test] fn $case() { super::$case(&super::On::own()); })+
        }
        mod shared {
            $(#[test] fn $case() { super::$case(&super::On::shared()); })+
        }
    };
}

on_both! {
    a_year_forward_and_back
    in_the_repeated_hour_a_grant_is_as_long_as_it_was_asked_for
    windows_and_ends_over_daylight_saving
    over_32_bits
}
