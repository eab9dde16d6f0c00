//! The whole story of access where hosts share the store: every verb against a real etcd.
//!
//! The rules themselves are tested on the embedded store beside this file, and with
//! `REFWARDEN_TEST_STORE=etcd` on etcd.

use super::{MAIN, entitlement, hotfix, policy, request};
use crate::cases::lent::On;
use crate::support::{Gate, Guard, Person, Repo, Run, Site, wait_until};
use serde_json::Value;

/// A site without its store, a repository, and bob's clone of it.
fn unmade() -> (Site, Repo, Person) {
    let tables = hotfix("max-uses = 2\nextend = { times = 1, max-duration = \"30m\" }")
        + &entitlement("emergency", "break-glass = true");
    let site = Site::new(&On::shared().of(policy(&tables)));
    let (repo, alice) = site.started();
    let bob = alice.as_user("bob");
    (site, repo, bob)
}

fn json(run: &Run) -> Value {
    serde_json::from_str(run.stdout.lines().next().unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error}: {run:#?}"))
}

/// The first word of what a verb says is the id.
fn id_of(run: &Run) -> String {
    run.stdout.split(' ').next().unwrap().to_owned()
}

fn made() -> (Site, Repo, Person) {
    let (site, repo, bob) = unmade();
    site.refwarden(&["store", "init"]).ends(0, "");
    (site, repo, bob)
}

#[test]
fn doctor_looks_at_the_table_of_tokens_that_each_host_has_for_itself() {
    let (site, ..) = made();
    let policy =
        std::fs::read_to_string(site.policy()).unwrap() + "\n[tokens]\nmax-lifetime = \"90d\"\n";
    std::fs::write(site.policy(), policy).unwrap();
    site.apply();
    let says = |words: &str| {
        let run = site.refwarden(&["doctor"]);
        assert!(run.stdout.contains(words), "{words}: {run:#?}");
    };
    let create = ["token", "create", "--as", "bob", "--scope", "read", "--for", "1d"];
    site.refwarden(&create).ends(0, "");
    says("ok        tokens: this host's table, version ");
    for file in ["state.db", "state.db-wal"] {
        std::fs::write(site.path("state").join(file), "not a table").unwrap();
    }
    says("tokens: ");
    says("make this host's tokens anew");
}

#[test]
fn a_store_is_made_looked_at_and_accepted() {
    let (site, _repo, bob) = unmade();
    site.refwarden(&["store", "status"]).ends(7, "refwarden store init");
    site.access(&["list"]).ends(7, "refwarden store init");
    site.access(&request("hotfix", "bob", &MAIN)).ends(7, "refwarden store init");
    bob.commit("a", "1\n");
    bob.push(&["main"]).refused("RW504");
    site.refwarden(&["store", "init"]).ends(0, "");
    site.refwarden(&["store", "init"]).ends(0, "");
    assert_eq!(site.trail().events("store.initialized").len(), 1);
    site.refwarden(&["store", "status"]).ends(0, "pushes can rest on it");
    let status = site.refwarden(&["--json", "store", "status"]);
    assert!(json(&status)["version"].as_u64() > Some(0), "{status:#?}");
    site.refwarden(&["store", "accept"]).ends(0, "nothing to accept");
    site.refwarden(&["store", "reset-clock"]).ends(0, "the trail goes on at");
    site.refwarden(&["store", "backup", "copy"]).ends(1, "error: etcd is backed up by its own");
    site.refwarden(&["store", "restore", "copy"]).ends(1, "error: etcd is restored by its own");
    let doctor = site.refwarden(&["doctor"]);
    assert!(doctor.stdout.contains("ok        store: "), "{doctor:#?}");
    site.refwarden(&["sweep"]).ends(0, "");
    site.trail_verifies();
}

#[test]
fn asked_shown_approved_used_extended_and_given_back() {
    let (site, _repo, bob) = made();
    let words = request("hotfix", "bob", &[&MAIN[..], &["--wait", "30s"]].concat());
    let waiting = site.refwarden_command(&[&["access"], &words[..]].concat()).spawn().unwrap();
    let mine = ["--json", "list", "mine", "--as", "bob"];
    wait_until("it is asked for", || !site.access(&mine).stdout.is_empty());
    let listed = site.access(&["--json", "list", "waiting", "--as", "ann"]);
    let id = json(&listed)["id"].as_str().unwrap().to_owned();
    site.access(&["show", &id]).ends(0, "(bob's own words)");
    assert_eq!(site.asks(&MAIN), id, "asked again");
    site.access(&["approve", &id, "--as", "bob"]).ends(3, "nobody approves their own");
    site.access(&["approve", &id, "--as", "ann", "--note", "go"]).ends(0, "active");
    Run::from(waiting.wait_with_output().unwrap()).ends(0, &id);
    site.access(&["approve", &id, "--as", "amy"]).ends(3, "it was approved by");
    bob.commit("a", "1\n");
    bob.push(&["main"]).landed().says(&format!("allowed by grant {id}"));
    let shown = site.shown(&id);
    assert_eq!((&shown["uses_spent"], &shown["uses_left"]), (&1.into(), &1.into()));
    let more = ["extend", &id, "--as", "bob", "--for", "20m"];
    site.access(&[&more[..], &super::REASON].concat()).ends(5, "asks for 20 min more");
    site.access(&["approve", &id, "--extension", "--as", "ann"]).ends(0, &id);
    assert_eq!(site.shown(&id)["extensions"], 1);
    site.access(&["list", "live"]).ends(0, &id);
    site.access(&[
        "list",
        "all",
        "--repository",
        "app",
        "--entitlement",
        "hotfix",
        "--user",
        "bob",
    ])
    .ends(0, &id);
    site.access(&["return", &id, "--as", "bob"]).ends(0, "given back");
    site.access(&["list", "ended"]).ends(0, &id);
    bob.commit("a", "2\n");
    bob.push(&["main"]).refused("RW201");
    let denied = site.asks(&["--branches", "release/1"]);
    site.access(&["deny", &denied, "--as", "ann", "--note", "no"]).ends(0, "denied");
    let withdrawn = site.asks(&["--branches", "release/1"]);
    site.access(&["withdraw", &withdrawn, "--as", "bob"]).ends(0, "withdrawn");
    for format in ["jsonl", "csv"] {
        let export = site.access(&["export", "--format", format]);
        assert!(
            [&id, &denied, &withdrawn].iter().all(|id| export.stdout.contains(*id)),
            "{export:#?}"
        );
    }
    site.access(&["review"]).ends(0, "alice");
    site.trail_verifies();
}

#[test]
fn glass_keys_and_many_at_once() {
    let (site, _repo, _bob) = made();
    let keyed = || {
        let more = ["--update", "--branches", "release/1", "--idempotency-key", "deploy-1"];
        site.access(&request("hotfix", "bob", &more))
    };
    let id = id_of(keyed().ends(5, "pending"));
    site.access(&["withdraw", &id, "--as", "bob"]).ends(0, "withdrawn");
    keyed().ends(3, "withdrawn");
    let mut glass = request("emergency", "bob", &MAIN);
    glass[0] = "break-glass";
    let taken = id_of(site.access(&glass).ends(0, "BROKEN GLASS"));
    site.access(&request("hotfix", "bob", &MAIN)).ends(3, "must attest");
    site.access(&["attest", &taken, "--as", "ann"]).ends(0, "attested by ann");
    let more = site.asks(&["--branches", "release/2"]);
    let begun: Vec<_> = [
        vec!["access", "approve", &more, "--as", "ann"],
        vec!["access", "withdraw", &more, "--as", "bob"],
        vec!["access", "deny", &more, "--as", "amy"],
    ]
    .iter()
    .map(|words| site.refwarden_command(words).spawn().unwrap())
    .collect();
    let codes = begun.into_iter().map(|one| Run::from(one.wait_with_output().unwrap()).code);
    let mut codes: Vec<_> = codes.collect();
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(3), Some(3)], "one wins, the others are told");
    site.trail_verifies();
}

#[test]
fn revoked_and_locked_at_once_with_a_push_under_way() {
    let (site, repo, bob) = made();
    let id = site.lent(&MAIN);
    bob.commit("a", "1\n");
    let gate = Gate::new(&site.path("people"));
    repo.foreign("pre-receive", &gate.wait());
    let child = Guard::new(bob.push_command(&[], &["main"]).spawn().unwrap());
    gate.arrived();
    let revoking = site
        .refwarden_command(&["access", "--json", "revoke", &id, "--wait", "20s"])
        .spawn()
        .unwrap();
    wait_until("it is revoked", || site.state_of(&id) == "revoked");
    let before = repo.refs();
    gate.open();
    let pushed = child.finish();
    assert!(!pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    assert_eq!(repo.refs(), before);
    let run = Run::from(revoking.wait_with_output().unwrap());
    assert_eq!(json(run.ends(0, &id))["under_way"][0]["grants"][0], id.as_str(), "{run:#?}");
    std::fs::remove_file(repo.hook("pre-receive.before-refwarden")).unwrap();
    for by in [["--user", "bob"], ["--repository", "app"]] {
        let id = site.lent(&MAIN);
        site.access(&["revoke", by[0], by[1]]).ends(0, &id);
    }
    let id = site.lent(&MAIN);
    let locked =
        site.refwarden(&["--json", "lock", "--branches", "main", "--message", "hands off"]);
    let lock = json(locked.ends(0, "hands off"))["id"].as_str().unwrap().to_owned();
    bob.push(&["main"]).refused("RW205").says("hands off");
    site.refwarden(&["lock", "list"]).ends(0, &lock);
    site.refwarden(&["unlock", &lock, "--as", "alice"]).ends(0, "lifted by alice");
    site.refwarden(&["lock", "list"]).ends(0, "nothing is locked");
    bob.push(&["main"]).landed().says(&id);
    site.access(&["revoke", "--all"]).ends(0, &id);
    bob.commit("a", "2\n");
    bob.push(&["main"]).refused("RW456");
    site.refwarden(&["sweep"]).ends(0, "");
    site.trail_verifies();
}
