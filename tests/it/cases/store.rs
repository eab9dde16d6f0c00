//! The store beside the trail: made, copied, put back, lost, damaged.

use crate::support::{Person, Policy, Run, Site};
use std::path::PathBuf;

/// A site with a store, and alice who may push.
fn with_store() -> (Site, Person) {
    let (site, _repo, alice) = Site::standard();
    site.refwarden(&["store", "init"]).ends(0, "");
    (site, alice)
}

fn file(site: &Site) -> PathBuf {
    site.path("state/state.db")
}

/// Raises the store's version, and lets the trail know of it.
fn moved_on(site: &Site) {
    for _ in 0..2 {
        site.refwarden(&["store", "reset-clock"]).ends(0, "the trail goes on at");
    }
}

fn status(site: &Site) -> serde_json::Value {
    let run: Run = site.refwarden(&["--json", "store", "status"]);
    serde_json::from_str(&run.stdout).unwrap()
}

#[track_caller]
fn pushes(alice: &Person, text: &str) {
    alice.commit("a", text);
    alice.push(&["main"]).silent();
}

#[track_caller]
fn is_refused(alice: &Person, text: &str) {
    alice.commit("a", text);
    alice.push(&["main"]).refused("RW504").nothing_moved();
}

#[test]
fn init_makes_the_store_once_and_records_it() {
    let (site, alice) = with_store();
    site.refwarden(&["store", "init"]).ends(0, "");
    let lines = site.trail().events("store.initialized");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["store"]["version"], 1);
    pushes(&alice, "1");
    assert_eq!(site.trail().last_decision()["store"]["version"], 1);
    site.refwarden(&["store", "status"]).ends(0, "pushes can rest on it");
    site.trail_verifies();
}

#[test]
fn init_before_a_policy_makes_what_it_can() {
    let site = Site::unapplied(&Policy::default(), &crate::support::Git::default());
    site.refwarden(&["store", "init"]).ends(0, "no policy is applied yet");
    assert!(site.path("state/epoch").exists() && !file(&site).exists());
    site.apply();
    site.refwarden(&["store", "init"]).ends(0, "");
    assert!(file(&site).exists());
}

#[test]
fn trail_lines_without_a_store_demand_none() {
    let (site, _repo, alice) = Site::standard();
    pushes(&alice, "1");
    site.refwarden(&["store", "status"]).ends(0, "none is asked for");
    site.refwarden(&["store", "backup", "copy.db"]).ends(7, "run `refwarden store init`");
}

#[test]
fn a_store_that_was_put_back_from_a_copy_refuses_until_it_is_accepted() {
    let (site, alice) = with_store();
    let copy = site.path("copy.db");
    let copy = copy.to_str().unwrap();
    site.refwarden(&["store", "backup", copy]).ends(0, "version 1 is in");
    moved_on(&site);
    pushes(&alice, "before");
    let run = site.refwarden(&["store", "restore", copy]);
    run.ends(0, "restored: version 1").ends(0, "every push is refused (RW504)");
    assert_eq!(status(&site)["version"], 1);
    // However often it is tried: no try makes the store look newer.
    for round in 0..4 {
        is_refused(&alice, &format!("refused {round}"));
    }
    site.refwarden(&["store", "status"]).ends(7, "put back from a copy");
    site.refwarden(&["doctor", "--quiet"]).ends(1, "broken    store: the store has version 1");
    site.refwarden(&["store", "accept"]).ends(0, "accepted: the store has version");
    pushes(&alice, "after");
    site.refwarden(&["store", "accept"]).ends(0, "nothing to accept");
    let trail = site.trail();
    for event in ["store.backed-up", "store.restored", "store.accepted"] {
        let lines = trail.events(event);
        assert_eq!(lines.len(), 1, "{event}");
        assert!(lines[0]["actor"]["user"].as_str().unwrap().contains('@'), "{lines:?}");
    }
    assert!(trail.events("store.restored")[0]["detail"]["kept"].is_string());
    site.trail_verifies();
}

#[test]
fn a_snapshot_copied_into_place_by_hand_refuses() {
    let (site, alice) = with_store();
    let old = std::fs::read(file(&site)).unwrap();
    moved_on(&site);
    pushes(&alice, "before");
    for name in ["state.db-wal", "state.db-shm"] {
        drop(std::fs::remove_file(site.path("state").join(name)));
    }
    std::fs::write(file(&site), old).unwrap();
    is_refused(&alice, "after");
    site.trail_verifies();
}

/// Pushes once the store has been left alone for long enough that the push takes a brief of it.
fn takes_a_brief(site: &Site, alice: &Person, text: &str) {
    std::thread::sleep(std::time::Duration::from_millis(3200));
    pushes(alice, text);
    assert!(site.path("state/state.db-brief").exists());
}

/// What changes whenever SQLite opens the file: it makes the index of its log anew.
fn opened_at(site: &Site) -> std::time::SystemTime {
    std::fs::metadata(site.path("state/state.db-shm")).unwrap().modified().unwrap()
}

#[test]
fn a_push_that_rests_on_a_brief_of_the_store_sees_locks_and_older_stores() {
    let (site, alice) = with_store();
    let copy = site.path("copy.db");
    let copy = copy.to_str().unwrap();
    site.refwarden(&["store", "backup", copy]).ends(0, "version 1 is in");
    moved_on(&site);
    takes_a_brief(&site, &alice, "1");
    let before = opened_at(&site);
    pushes(&alice, "2");
    assert_eq!(opened_at(&site), before, "the store was not opened");
    let version = status(&site)["version"].clone();
    assert_eq!(site.trail().last_decision()["store"]["version"], version);
    site.refwarden(&["lock", "--all", "--message", "freeze"]).ends(0, "freeze");
    alice.commit("a", "locked");
    alice.push(&["main"]).refused("RW205").nothing_moved();
    let lock = site.refwarden(&["--json", "lock", "list"]).stdout;
    let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
    site.refwarden(&["unlock", lock["id"].as_str().unwrap()]).ends(0, "lifted");
    takes_a_brief(&site, &alice, "3");
    site.refwarden(&["store", "restore", copy]).ends(0, "restored: version 1");
    is_refused(&alice, "put back");
    site.refwarden(&["store", "accept"]).ends(0, "accepted");
    takes_a_brief(&site, &alice, "4");
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        drop(std::fs::remove_file(site.path("state").join(name)));
    }
    is_refused(&alice, "lost, and its brief is there");
    site.trail_verifies();
}

#[test]
fn a_store_that_was_lost_refuses_until_an_empty_one_is_accepted() {
    let (site, alice) = with_store();
    moved_on(&site);
    pushes(&alice, "before");
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        drop(std::fs::remove_file(site.path("state").join(name)));
    }
    is_refused(&alice, "lost");
    site.refwarden(&["doctor", "--quiet"]).ends(1, "broken    store: ");
    site.refwarden(&["store", "accept"]).ends(7, "run `refwarden store init`");
    site.refwarden(&["store", "init"]).ends(0, "refwarden store accept");
    is_refused(&alice, "made anew, not accepted");
    site.refwarden(&["store", "accept"]).ends(0, "accepted");
    pushes(&alice, "after");
}

#[test]
fn a_newer_or_damaged_store_refuses_with_words_and_is_kept() {
    let (site, alice) = with_store();
    let good = std::fs::read(file(&site)).unwrap();
    let mut newer = good.clone();
    // The schema's version, where the file format has it.
    newer[60..64].copy_from_slice(&9_u32.to_be_bytes());
    let damaged = b"damaged".repeat(1000);
    let newer_words = "the store has schema 9, this program knows up to 3";
    for (bytes, words) in [(newer, newer_words), (damaged, "is damaged")] {
        std::fs::write(file(&site), &bytes).unwrap();
        is_refused(&alice, words);
        site.refwarden(&["store", "status"]).ends(7, words);
        site.refwarden(&["store", "init"]).ends(7, words);
        site.refwarden(&["doctor", "--quiet"]).ends(1, words);
        assert_eq!(std::fs::read(file(&site)).unwrap(), bytes);
    }
    for name in ["state.db-wal", "state.db-shm"] {
        drop(std::fs::remove_file(site.path("state").join(name)));
    }
    std::fs::write(file(&site), good).unwrap();
    pushes(&alice, "mended");
}

#[test]
fn what_is_no_backup_is_not_restored() {
    let (site, alice) = with_store();
    site.refwarden(&["store", "restore", "nowhere.db"]).ends(6, "there is no backup");
    std::fs::write(site.path("text"), "not a store").unwrap();
    crate::support::chmod(&site.path("text"), 0o600);
    site.refwarden(&["store", "restore", "text"]).ends(7, "is damaged");
    site.refwarden(&["store", "backup", "text"]).ends(7, "can't");
    assert_eq!(site.trail().events("store.restored").len(), 0);
    pushes(&alice, "as before");
}

#[test]
fn a_policy_with_entitlements_and_no_store_is_a_finding() {
    let entitlement = "[entitlements.hotfix]\nrepositories = [\"**\"]\npermissions = [\"push\"]\n\
                       eligible = [\"bob\"]\nmax-duration = \"1h\"\n\
                       approval = [{ from = [\"alice\"], count = 1 }]\n";
    let site = Site::unapplied(&Policy::default(), &crate::support::Git::default());
    let text = Policy::default().text() + "\n" + entitlement;
    site.write_policy_text(&text);
    site.apply();
    let words = "the policy has entitlements, and there is no store";
    site.refwarden(&["doctor", "--quiet"]).ends(1, words);
    site.refwarden(&["store", "init"]).ends(0, "");
    let run = site.refwarden(&["doctor"]);
    assert!(run.stdout.contains("ok        store: "), "{run:#?}");
}
