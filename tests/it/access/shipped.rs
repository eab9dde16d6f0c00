//! Defects of shipped access systems (docs/incidents.md), tried here by the built command and real
//! pushes. Those that are not here have a test where their rule lives.

use super::{MAIN, entitlement, hotfix, policy, request, site, started};
use crate::support::{Run, Site, chmod};
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

fn version(site: &Site) -> String {
    let run = site.refwarden(&["--json", "store", "status"]);
    run.ends(0, "version");
    run.stdout
}

/// The newest approved row hid an older one that was still valid.
#[test]
fn a_newer_grant_hides_no_older_one() {
    let once = entitlement("once", "max-uses = 1");
    let (site, repo, alice) = started(&policy(&(hotfix("") + &once)));
    let bob = alice.as_user("bob");
    let older = site.lent(&MAIN);
    let newer = |more: &[&str]| {
        let run = site.access(&request("once", "bob", more));
        run.ends(5, "pending");
        let id = run.stdout.split(' ').next().unwrap().to_owned();
        site.access(&["approve", &id, "--as", "ann"]).ends(0, "active");
        id
    };
    let by_older = |name: &str| {
        bob.commit(name, "1\n");
        bob.push(&["main"]).landed().says(&format!("allowed by grant {older}"));
    };
    newer(&["--branches", "release/1"]);
    by_older("one of another ref is newer");
    newer(&MAIN);
    by_older("one with a use to lose is newer");
    let revoked = newer(&["--branches", "main", "--update", "--for", "1h"]);
    site.access(&["revoke", &revoked]).ends(0, "revoked");
    by_older("one that was revoked is newer");
    let denied = site.access(&request("once", "bob", &["--branches", "main", "--for", "2h"]));
    let denied = denied.stdout.split(' ').next().unwrap().to_owned();
    site.access(&["deny", &denied, "--as", "ann"]).ends(0, "denied");
    by_older("one that was denied is newer");
    drop(repo);
    site.trail_verifies();
}

/// The longest duration, or the weakest quorum, of any policy that names the person was taken.
#[test]
fn neither_cap_nor_quorum_leaks_from_one_entitlement_into_another() {
    let brief = entitlement(
        "brief",
        "max-duration = \"10m\"\napproval = [{ from = [\"amy\", \"alice\"], count = 2 }]",
    );
    let site = site(&(hotfix("") + &brief));
    let asks = |more: &[&str]| site.access(&request("brief", "bob", &[&MAIN, more].concat()));
    asks(&["--for", "4h"]).ends(3, "10 min");
    let run = asks(&[]);
    run.ends(5, "pending");
    let id = run.stdout.split(' ').next().unwrap();
    site.access(&["approve", id, "--as", "ann"]).ends(3, "not among those who approve");
    site.access(&["approve", id, "--as", "amy"]).ends(5, "1 more of");
    site.access(&["approve", id, "--as", "alice"]).ends(0, "active");
    let until = site.shown(id)["until"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    assert!(until <= Utc::now() + TimeDelta::minutes(10), "{until}");
}

/// Separation of duties was tested after the write.
#[test]
fn what_is_refused_has_written_nothing() {
    let site = site(&hotfix("approval = [{ from = [\"bob\", \"ann\"], count = 1 }]"));
    let id = site.asks(&MAIN);
    let (store, events) = (version(&site), site.access_events());
    let epoch = std::fs::read(site.path("state/epoch")).unwrap();
    for refused in [
        ["approve", &id, "--as", "bob"],
        ["deny", &id, "--as", "bob"],
        ["approve", &id, "--as", "carol"],
        ["withdraw", &id, "--as", "ann"],
        ["revoke", &id, "--as", "carol"],
        ["extend", &id, "--as", "bob"],
    ] {
        assert_ne!(site.access(&refused).code, Some(0), "{refused:?}");
        assert_eq!(version(&site), store, "{refused:?}");
        assert_eq!(site.shown(&id)["events"].as_array().unwrap().len(), 1, "{refused:?}");
    }
    assert_eq!(site.access_events(), events);
    assert_eq!(std::fs::read(site.path("state/epoch")).unwrap(), epoch);
}

/// The name that the approver saw came from the client.
#[test]
fn the_approver_sees_whom_the_server_took_the_asker_for() {
    let (site, repo, alice) = started(&policy(&hotfix("")));
    repo.config("receive.advertisePushOptions", "true");
    let bob = alice.as_user("bob");
    bob.run(&["config", "user.name", "carol"]);
    bob.run(&["config", "user.email", "carol@example.org"]);
    bob.commit("fix", "1\n");
    let options = ["access=hotfix", "user=carol", "person=carol", "as=carol"];
    let reason = "reason=carol asks, bob only types";
    let options: Vec<&str> = options.into_iter().chain([reason]).flat_map(|o| ["-o", o]).collect();
    bob.push_with(&options, &["main"]).refused("bob asks for update of main");
    let run = site.access(&["--json", "list", "waiting", "--as", "ann"]);
    let listed: serde_json::Value =
        serde_json::from_str(run.stdout.lines().next().unwrap()).unwrap();
    let id = listed["id"].as_str().unwrap_or_else(|| panic!("{run:#?}"));
    let shown = site.shown(id);
    assert_eq!(shown["person"], "bob", "{shown}");
    assert_eq!(shown["events"][0]["by"]["user"], "bob", "{shown}");
    let told = site.access(&["show", id]);
    told.ends(0, "bob").ends(0, "(bob's own words)");
}

/// A crash between creating access and scheduling its removal left it standing.
#[test]
fn an_approval_that_is_killed_anywhere_leaves_no_grant_without_end_or_line() {
    let site = site(&(hotfix("") + "[access]\nmax-open = 100\n"));
    let (mut before, mut after) = (0, 0);
    for number in 0..16_u64 {
        let id = site.asks(&["--branches", &format!("release/{number}")]);
        let mut child =
            site.refwarden_command(&["access", "approve", &id, "--as", "ann"]).spawn().unwrap();
        // The last ones may run to their end.
        std::thread::sleep(Duration::from_millis(number * number));
        let _ = child.kill();
        child.wait().unwrap();
        let shown = site.shown(&id);
        let lines = site.trail().events("access.approved");
        let told = lines.iter().any(|line| line["grant"] == id.as_str());
        match shown["state"].as_str().unwrap() {
            "pending" => before += 1,
            "active" => {
                after += 1;
                assert!(shown["until"].is_string() && told, "{shown}");
            }
            other => panic!("{other}: {shown}"),
        }
        let again: Run = site.access(&["approve", &id, "--as", "ann"]);
        assert!(matches!(again.code, Some(0 | 3)), "{again:#?}");
        assert!(site.shown(&id)["until"].is_string());
    }
    assert!(before > 0, "killed before it was written: {before}, after: {after}");
    site.trail_verifies();
}

/// A list of what was revoked, too old to trust, was used anyway.
#[test]
fn nothing_is_lent_by_a_store_whose_revocations_may_be_missing() {
    let (site, _repo, alice) = started(&policy(&hotfix("")));
    if !site.path("state/state.db").exists() {
        return crate::support::skip("what a snapshot of etcd brings back is in cases/hosts.rs");
    }
    let id = site.lent(&MAIN);
    let copy = site.path("state/before");
    site.refwarden(&["store", "backup", copy.to_str().unwrap()]).ends(0, "");
    site.access(&["revoke", &id]).ends(0, "revoked");
    let store = site.path("state/state.db");
    for beside in ["state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(site.path("state").join(beside));
    }
    std::fs::copy(&copy, &store).unwrap();
    chmod(&store, 0o600);
    let bob = alice.as_user("bob");
    bob.commit("fix", "1\n");
    bob.push(&["main"]).refused("RW504");
    site.access(&["approve", &id, "--as", "ann"]).ends(7, "store");
}
