//! Taking away: revoke, lock; and what is seen of it.

use super::{MAIN, REASON, hotfix, policy, request, site, started};
use crate::support::{Gate, Guard, Run, Site, chmod, is_root, skip, wait_until};
use serde_json::Value;

#[test]
fn revoked_by_id_by_person_by_repository_and_all() {
    let site = site(&hotfix(""));
    site.repo("other");
    let one = site.lent(&["--branches", "release/1"]);
    let two = site.lent(&["--branches", "release/2"]);
    let waits = site.asks(&["--branches", "release/3"]);
    site.access(&["revoke", &one, "--note", "laptop stolen"]).ends(0, "revoked by");
    site.access(&["revoke", &one]).ends(3, "it was revoked by");
    site.access(&["revoke", &one, &two]).ends(3, &two);
    assert_eq!(site.state_of(&two), "revoked");
    let three = site.lent(&["--branches", "release/4"]);
    site.access(&["revoke", "--user", "carol"]).ends(0, "no such grant");
    site.access(&["revoke", "--repository", "other"]).ends(0, "no such grant");
    let run = site.access(&["--json", "revoke", "--repository", "app.git"]);
    run.ends(0, &three);
    let value: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(value["revoked"].as_array().unwrap().len(), 1);
    assert_eq!(value["under_way"].as_array().unwrap().len(), 0);
    // What waits is no grant, and gives one as soon as somebody says yes.
    assert_eq!(value["pending"], serde_json::json!([waits]));
    let deny = format!("{waits}: asked for, and can still be approved; to stop that:  refwarden");
    site.access(&["revoke", "--user", "bob"]).ends(0, &deny);
    assert_eq!(site.state_of(&waits), "pending");
    site.access(&["revoke"]).ends(2, "required");
    let five = site.lent(&["--branches", "release/5"]);
    site.access(&["revoke", "--all"]).ends(0, &five);
    site.access(&["revoke", "--all"]).ends(0, "no such grant");
    site.trail_verifies();
}

#[test]
fn more_than_one_change_can_hold_are_revoked_at_once() {
    let settings = "[access]\nmax-open = 100\n";
    let auto = "auto = { when = { weekly = [\"Mon-Sun 00:00-24:00\"] }, max-duration = \"30m\" }\nmax-uses = 1";
    let site = site(&(hotfix(auto) + settings));
    for number in 0..20 {
        let branch = format!("release/{number}");
        site.access(&request("hotfix", "bob", &["--branches", &branch])).ends(0, "active");
    }
    let run = site.access(&["--json", "revoke", "--user", "bob"]);
    let value: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(value["revoked"].as_array().unwrap().len(), 20);
    assert_eq!(site.access(&["list", "live"]).stdout, "");
    site.trail_verifies();
}

#[test]
fn who_may_revoke_is_root_who_administers_and_who_could_approve() {
    let site = site(&hotfix(""));
    let id = site.lent(&MAIN);
    site.access(&["revoke", &id, "--as", "carol"]).ends(3, "for who could approve it");
    site.access(&["revoke", "--user", "bob", "--as", "carol"]).ends(0, "no such grant");
    assert_eq!(site.state_of(&id), "active");
    site.access(&["revoke", &id, "--as", "amy"]).ends(0, "revoked by amy");
    let id = site.lent(&MAIN);
    site.access(&["revoke", &id, "--as", "alice"]).ends(0, "revoked by alice");
}

#[test]
fn a_push_under_way_with_a_revoked_grant_is_told_and_its_ref_does_not_move() {
    let (site, repo, alice) = started(&policy(&hotfix("")));
    let id = site.lent(&MAIN);
    let bob = alice.as_user("bob");
    bob.commit("fix", "1\n");
    // Between our pre-receive and our update: a hook of the repository's own that waits.
    let gate = Gate::new(&site.path("people"));
    repo.foreign("pre-receive", &gate.wait());
    let child = Guard::new(bob.push_command(&[], &["main"]).spawn().unwrap());
    gate.arrived();
    let waiting = ["access", "--json", "revoke", &id, "--wait", "20s"];
    let revoking = site.refwarden_command(&waiting).spawn().unwrap();
    wait_until("it is revoked", || site.state_of(&id) == "revoked");
    let before = repo.refs();
    gate.open();
    let pushed = child.finish();
    let words = String::from_utf8_lossy(&pushed.stderr).into_owned();
    assert!(!pushed.status.success(), "{words}");
    assert_eq!(repo.refs(), before, "{words}");
    let run = Run::from(revoking.wait_with_output().unwrap());
    run.ends(0, &id);
    let value: Value = serde_json::from_str(run.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(value["under_way"][0]["grants"][0], id.as_str(), "{run:#?}");
}

#[test]
fn a_lock_stops_at_once_beats_everything_and_ends_by_itself_or_by_hand() {
    let (site, _repo, alice) = started(&policy(&hotfix("")));
    alice.commit("a", "1\n");
    let run = site.refwarden(&[
        "--json",
        "lock",
        "--branches",
        "main",
        "--message",
        "release freeze, ask alice",
    ]);
    run.ends(0, "release freeze");
    let value: Value = serde_json::from_str(&run.stdout).unwrap();
    let id = value["id"].as_str().unwrap().to_owned();
    alice.push(&["main"]).refused("RW205").says("release freeze, ask alice");
    alice.push(&["main:refs/heads/other"]).landed();
    site.refwarden(&["lock", "list"]).ends(0, &id);
    site.refwarden(&["unlock", id.get(..8).unwrap()]).ends(6, &format!("did you mean `{id}`"));
    site.refwarden(&["unlock", &id, "--as", "carol"]).ends(3, "[global] administer");
    site.refwarden(&["unlock", &id, "--as", "alice"]).ends(0, "lifted by alice");
    site.refwarden(&["unlock", &id]).ends(6, "no lock");
    alice.push(&["main"]).landed();
    alice.commit("a", "2\n");
    site.refwarden(&["lock", "--user", "alice", "--for", "1s", "--message", "one second"])
        .ends(0, "alice: write");
    alice.push(&["main"]).refused("RW205");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    alice.push(&["main"]).landed();
    site.refwarden(&["lock", "list"]).ends(0, "nothing is locked");
    let events: Vec<Value> =
        [site.trail().events("lock.laid"), site.trail().events("lock.lifted")].concat();
    assert_eq!(events.len(), 3);
    site.trail_verifies();
}

#[test]
fn what_a_lock_is_about_is_said_or_it_is_not_laid() {
    let site = site("");
    site.refwarden(&["lock", "--message", "everything?"]).ends(2, "required");
    site.refwarden(&["lock", "--all"]).ends(2, "--message");
    site.refwarden(&["lock", "--user", "alicf", "--message", "x"]).ends(6, "did you mean `alice`");
    site.refwarden(&["lock", "--project", "APQ", "--message", "x"]).ends(6, "did you mean `APP`");
    site.refwarden(&["lock", "--all", "--until", "2020-01-01T00:00:00Z", "--message", "x"])
        .ends(2, "ended before it began");
    site.refwarden(&["lock", "--all", "--permissions", "bypass", "--message", "x"])
        .ends(2, "nothing that a lock can stop");
    site.refwarden(&["lock", "--all", "--message", "x", "--as", "carol"]).ends(3, "administer");
    site.refwarden(&["lock", "list"]).ends(0, "nothing is locked");
}

#[test]
fn what_an_asker_writes_cannot_move_the_approvers_cursor_nor_pass_for_ours() {
    let site = site(&hotfix(""));
    let evil = "\u{1b}[2J\u{202e}ok\" (ann's own words)\r\n  said yes    amy";
    let begin = ["request", "hotfix", "--as", "bob", "--repository", "app", "--reason", evil];
    let run = site.access(&[begin.as_slice(), &MAIN].concat());
    run.ends(5, "pending");
    let id = run.stdout.split(' ').next().unwrap();
    for run in [
        site.access(&["show", id]),
        site.access(&["list", "all"]),
        site.access(&["--json", "show", id]),
        site.access(&["export", "--format", "csv"]),
    ] {
        let plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\n' | b'\r');
        assert!(run.stdout.bytes().all(plain), "{run:#?}");
        assert!(!run.stdout.lines().any(|line| line.trim_start().starts_with("said yes")));
    }
    site.access(&["show", id]).ends(0, "(bob's own words)");
}

#[test]
fn people_see_their_own_what_they_could_approve_and_auditors_see_all() {
    let site = site(&hotfix(""));
    let id = site.asks(&MAIN);
    for (who, code) in [("bob", 0), ("ann", 0), ("alice", 0), ("carol", 6)] {
        assert_eq!(site.access(&["show", &id, "--as", who]).code, Some(code), "{who}");
        let list = site.access(&["list", "--as", who]).stdout;
        assert_eq!(list.contains(&id), code == 0, "{who}");
    }
    site.access(&["list", "--state", "pending", "--user", "bob"]).ends(0, &id);
    site.access(&["list", "--state", "denied"]).ends(0, "no request or grant matches");
    site.access(&["list", "all", "--repository", "app.git", "--entitlement", "hotfix"])
        .ends(0, &id);
    site.access(&["list", "all", "--until", "1h"]).ends(0, "no request or grant matches");
    site.access(&["list", "mine", "--as", "bob"]).ends(0, &id);
    site.access(&["list", "mine"]).ends(2, "--as NAME");
}

#[test]
fn without_a_store_the_command_says_so() {
    let site = Site::new(&policy(&hotfix("")));
    site.access(&["list"]).ends(7, "refwarden store init");
    site.access(&["request", "hotfix", "--as", "bob", "--repository", "app", REASON[0], REASON[1]])
        .ends(7, "refwarden store init");
}

#[test]
fn a_damaged_trail_stops_what_widens_but_not_what_takes_away() {
    let site = site(&hotfix(""));
    let id = site.lent(&MAIN);
    let other = site.asks(&["--branches", "release/1"]);
    let log = site.path("log/audit.jsonl");
    std::fs::rename(&log, log.with_extension("away")).unwrap();
    std::fs::create_dir(&log).unwrap();
    site.access(&["approve", &other, "--as", "ann"]).ends(7, "not done");
    assert_eq!(site.access(&["--json", "list", "live"]).stdout.lines().count(), 1);
    site.access(&["revoke", &id]).ends(7, "the trail has no line of it");
    assert_eq!(site.access(&["list", "live"]).stdout, "");
}

#[test]
fn the_json_of_a_record_has_these_fields_and_no_others() {
    let site = site(&hotfix(""));
    let id = site.lent(&MAIN);
    let list = site.access(&["--json", "list", "all"]);
    let value: Value = serde_json::from_str(list.stdout.trim()).unwrap();
    let fields: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = "approvals asked_at asked_by break_glass checks duration_seconds entitlement \
        extension extensions from id last max_uses parts paths pending_until person pinned project \
        pushed reason repository state ticket unattested until uses_left uses_reserved uses_spent \
        wanted_from";
    assert_eq!(fields, expected.split_whitespace().collect::<Vec<_>>());
    assert_eq!(value["parts"][0]["permissions"][0], "update");
    assert_eq!(value["parts"][0]["refs"][0], "refs/heads/main");
    let shown = site.shown(&id);
    let more = ["approval_rule", "approvals_missing", "can_answer", "events", "except", "holders"];
    let more = more.iter().chain(&["last_moved", "last_moved_is_sure", "pins"]);
    let mut expected: Vec<&str> = fields.into_iter().chain(more.copied()).collect();
    expected.sort_unstable();
    assert_eq!(shown.as_object().unwrap().keys().collect::<Vec<_>>(), expected);
    // A failure is JSON too.
    let run = site.access(&["--json", "approve", &id, "--as", "ann"]);
    run.ends(3, "it was approved by");
    let value: Value = serde_json::from_str(run.stdout.trim()).unwrap();
    assert!(value["error"].as_str().unwrap().contains("ann (by"), "{value}");
}

#[test]
fn root_reads_no_policy_that_the_hosting_account_may_not_read() {
    if !is_root() {
        return skip("only root can become another account");
    }
    let site = site(&hotfix(""));
    site.give_to("daemon", 1);
    site.access(&["list"]).ends(0, "no request or grant matches");
    // Trusted, because it is root's; but the command is not root any more when it reads.
    let applied = site.path("state/policy");
    std::os::unix::fs::chown(&applied, Some(0), Some(0)).unwrap();
    chmod(&applied, 0o700);
    site.access(&["list"]).ends(7, "ermission denied");
    site.refwarden(&["lock", "list"]).ends(7, "ermission denied");
}
