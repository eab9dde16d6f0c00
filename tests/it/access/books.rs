//! What an auditor is given, and which standing rights nobody uses.

use super::{MAIN, hotfix, site, started};
use crate::support::{Policy, permit};
use serde_json::Value;

#[test]
fn an_export_holds_the_whole_population_and_the_chains_result() {
    let site = site(&hotfix(""));
    let lent = site.lent(&MAIN);
    let denied = site.asks(&["--branches", "release/1"]);
    site.access(&["deny", &denied, "--as", "ann"]).ends(0, "denied");
    let run = site.access(&["export"]);
    run.ends(0, &lent);
    let lines: Vec<Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0]["chain"]["sound"], true);
    assert_eq!(lines[3]["records"], 2);
    let ids: Vec<&str> = lines[1..3].iter().filter_map(|line| line["id"].as_str()).collect();
    assert!(ids.contains(&lent.as_str()) && ids.contains(&denied.as_str()));
    let csv = site.access(&["export", "--format", "csv"]).stdout;
    assert_eq!(csv.lines().count(), 3);
    assert!(csv.contains(",ann (by ") && csv.contains(",every event,whole"), "{csv}");
    // Before anything was asked for there was nothing, and after it is over nothing either.
    let before = site.access(&["export", "--to", "1h"]);
    before.ends(0, "{\"findings\":0,\"records\":0}");
    assert_eq!(site.trail().events("audit.read").len(), 3);
    site.access(&["export", "--as", "carol"]).ends(3, "[global] audit");
    site.access(&["export", "--as", "alice"]).ends(0, &lent);
}

#[test]
fn a_broken_chain_is_said_in_the_export_and_in_the_exit_code() {
    let site = site(&hotfix(""));
    site.lent(&MAIN);
    let log = site.path("log/audit.jsonl");
    let text = std::fs::read_to_string(&log).unwrap().replacen("bob", "eve", 1);
    std::fs::write(&log, text).unwrap();
    let run = site.access(&["export"]);
    run.ends(1, "\"sound\":false");
    site.access(&["export", "--format", "csv"]).ends(1, ",NOT whole");
}

#[test]
fn an_export_tells_who_said_what_who_attested_and_what_was_pushed() {
    let site = site(&hotfix("break-glass = true\nextend = { times = 1, max-duration = \"1h\" }"));
    let id = site.asks(&MAIN);
    let note = ["--note", "=HYPERLINK(\"http://evil\")"];
    site.access(&[&["approve", &id, "--as", "ann"], &note[..]].concat()).ends(0, "active");
    let more = ["extend", &id, "--as", "bob", "--for", "1h"];
    site.access(&[&more[..], &super::REASON].concat()).ends(5, "");
    site.access(&["approve", &id, "--extension", "--as", "amy"]).ends(0, "");
    let mut words = super::request("hotfix", "carol", &MAIN);
    words[0] = "break-glass";
    let glass = site.access(&words);
    glass.ends(0, "");
    let broken = glass.stdout.split(' ').next().unwrap().to_owned();
    site.access(&["attest", &broken, "--as", "amy", "--note", "+looked at it"]).ends(0, "");
    let csv = site.access(&["export", "--format", "csv"]);
    csv.ends(0, "every event");
    let row = |id: &str| csv.stdout.lines().find(|line| line.starts_with(id)).unwrap().to_owned();
    assert!(row(&id).contains("(approved): =HYPERLINK"), "{}", row(&id));
    assert!(!csv.stdout.contains(",=") && !csv.stdout.contains(",+"), "{}", csv.stdout);
    assert!(row(&id).contains("amy (by "), "who extended it: {}", row(&id));
    assert!(row(&broken).contains("true,true,amy (by "), "{}", row(&broken));
    let lines: Vec<Value> = site
        .access(&["export"])
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |id: &str| lines.iter().find(|line| line["id"] == id).unwrap();
    assert_eq!(of(&id)["events"][1]["note"], note[1]);
    assert_eq!(of(&id)["trail"]["agrees"], true);
}

#[test]
fn a_grant_that_only_the_trail_knows_is_a_finding() {
    let site = site(&hotfix(""));
    let copy = site.path("copy.db");
    let copy = copy.to_str().unwrap();
    site.refwarden(&["store", "backup", copy]).ends(0, "");
    let id = site.lent(&MAIN);
    site.refwarden(&["store", "restore", copy]).ends(0, "");
    site.refwarden(&["store", "accept"]).ends(0, "accepted");
    let run = site.access(&["export"]);
    run.ends(1, &format!("{id}: the store has no such record"));
    assert!(run.stdout.contains("\"findings\":1,\"records\":0"), "{}", run.stdout);
    site.access(&["export", "--format", "csv"]).ends(1, "do not agree");
}

#[test]
fn a_backup_waits_for_a_change_under_way() {
    let site = site(&hotfix(""));
    let copy = site.path("copy.db");
    let changing = refwarden::hook::ledger::change_lock(&site.path("state")).unwrap();
    std::thread::scope(|scope| {
        let taken = scope.spawn(|| site.refwarden(&["store", "backup", copy.to_str().unwrap()]));
        std::thread::sleep(std::time::Duration::from_millis(700));
        assert!(!copy.exists() && !taken.is_finished());
        drop(changing);
        taken.join().unwrap().ends(0, "is in");
    });
    // And a change waits for a backup; what takes a right away does not wait for ever.
    let id = site.lent(&MAIN);
    let backup = refwarden::hook::ledger::change_lock(&site.path("state")).unwrap();
    site.access(&super::request("hotfix", "carol", &MAIN)).ends(7, "a backup takes long");
    site.access(&["revoke", &id]).ends(0, "");
    drop(backup);
    site.trail_verifies();
}

#[test]
fn a_right_that_nobody_used_becomes_an_entitlement_that_the_policy_takes() {
    let keys =
        "branches = [\"feature/**\"]\nexcept-branches = [\"feature/x\"]\npaths = [\"src/**\"]";
    let text = Policy::new(&[permit("alice", "write", ""), permit("carol", "push", keys)])
        .users(super::USERS)
        .project("repositories = [\"**\"]\nbase = \"main\"\nlead = \"ann\"\n");
    let (site, _repo, alice) = started(&text);
    alice.commit("a", "1\n");
    alice.push(&["main"]).landed();
    let all = site.access(&["--json", "review"]);
    let rows: Vec<Value> =
        all.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 2, "{all:#?}");
    assert_eq!((rows[0]["user"].as_str(), rows[0]["last_used"].is_string()), (Some("alice"), true));
    assert_eq!((rows[1]["user"].as_str(), rows[1]["last_used"].is_null()), (Some("carol"), true));
    site.access(&["review", "--unused", "90d"]).ends(0, "carol");
    assert!(!site.access(&["review", "--unused", "90d"]).stdout.contains("alice"));
    let suggested = site.access(&["review", "--unused", "90d", "--suggest"]).stdout;
    assert!(suggested.contains("eligible = [\"carol\"]"), "{suggested}");
    // The policy takes it, in place of the permit; what alice did still counts, though lines moved.
    let next = Policy::new(&[permit("alice", "write", "")])
        .users(super::USERS)
        .project("repositories = [\"**\"]\nbase = \"main\"\nlead = \"ann\"\n")
        .also(&suggested);
    site.write_policy_text(&(String::from("# one line more\n") + &next.text()));
    site.apply();
    let all = site.access(&["--json", "review"]);
    let rows: Vec<Value> =
        all.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((rows.len(), rows[0]["last_used"].is_string()), (1, true), "{all:#?}");
    site.access(&["review", "--project", "NOPE"]).ends(6, "NOPE");
    site.access(&["review", "--as", "carol"]).ends(3, "[global] audit");
}

#[test]
fn a_push_that_was_let_through_and_never_landed_is_no_use_of_a_right() {
    let text = Policy::new(&[permit("alice", "write", "")]).users(super::USERS);
    let (site, repo, alice) = started(&text);
    let used = || {
        let all = site.access(&["--json", "review"]);
        serde_json::from_str::<Value>(all.stdout.lines().next().unwrap()).unwrap()["last_used"]
            .clone()
    };
    let before = used();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    alice.commit("a", "1\n");
    // Our hooks say yes, and the host's own says no.
    let decided = site.trail().events("push.decided").len();
    repo.foreign("update", "exit 1");
    alice.push(&["main"]).nothing_moved();
    assert_eq!(site.trail().events("push.decided").len(), decided + 1);
    assert_eq!(used(), before);
    repo.foreign("update", "exit 0");
    alice.push(&["main"]).moved("refs/heads/main");
    assert_ne!(used(), before);
}
