//! Answers to what is open: the request or the wish for more time, under the rules of today, and by
//! whom it can be closed where nobody could approve it.

use super::{MAIN, REASON, entitlement, hotfix, policy, request, site};
use crate::support::Site;

const EXTEND: &str = "extend = { times = 2, max-duration = \"30m\" }";

fn extend<'a>(id: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["extend", id, "--as", "bob", "--for", "10m"], more].concat()
}

/// bob holds a grant and asks for more time; the id.
fn asks_for_more(site: &Site) -> String {
    let id = site.lent(&MAIN);
    site.access(&extend(&id, &REASON)).ends(5, "asks for 10 min more");
    id
}

fn apply(site: &Site, tables: &str) {
    site.write_policy(&policy(tables));
    site.apply();
}

#[test]
fn a_wish_for_more_time_is_answered_only_by_who_says_so() {
    let site = site(&hotfix(EXTEND));
    // An approver looked at the request; meanwhile somebody approved it, and bob asks for more.
    let id = asks_for_more(&site);
    let open = format!("refwarden access approve {id} --extension --as amy");
    site.access(&["approve", &id, "--as", "amy"]).ends(3, &open).ends(3, "asks for 10 min more");
    site.access(&["deny", &id, "--as", "amy"]).ends(3, "--extension --as amy");
    assert!(site.shown(&id)["extension"].is_object());
    assert_eq!(site.shown(&id)["extensions"], 0);
    site.access(&["show", &id]).ends(0, &format!("access deny {id} --extension --as NAME"));
    site.access(&["approve", &id, "--as", "amy", "--extension"]).ends(0, "active");
    assert_eq!(site.shown(&id)["extensions"], 1);
    // And the other way round: nothing is taken for what is not open.
    site.access(&["approve", &id, "--as", "amy", "--extension"]).ends(6, "it was extended by");
    let waits = site.asks(&["--branches", "release/1"]);
    let words = format!("what is open is the request itself: refwarden access deny {waits} --as");
    site.access(&["deny", &waits, "--extension", "--as", "amy"]).ends(3, &words);
    assert_eq!(site.state_of(&waits), "pending");
}

#[test]
fn more_time_is_asked_for_by_the_rules_of_asking() {
    let site = site(&hotfix(&format!("{EXTEND}\nticket = \"PAY-[0-9]+\"")));
    let id = site.lent(&[MAIN.as_slice(), &["--ticket", "PAY-7"]].concat());
    site.access(&extend(&id, &[])).ends(3, "asks for a reason");
    site.access(&extend(&id, &["--reason", "short"])).ends(3, "at least 10 characters");
    let lock = ["lock", "--branches", "main", "--for", "12h", "--message", "the build is red"];
    let run = site.refwarden(&lock);
    run.ends(0, "everybody");
    site.access(&extend(&id, &REASON)).ends(3, "the build is red");
    site.refwarden(&["unlock", run.stdout.split(' ').next().unwrap()]).ends(0, "lifted");
    // The grant's own ticket counts, for as long as the entitlement takes it.
    apply(&site, &hotfix(&format!("{EXTEND}\nticket = \"OPS-[0-9]+\"")));
    site.access(&extend(&id, &REASON)).ends(3, "matches `OPS-[0-9]+`");
    let named = ["--reason", "OPS-12 is what it is about now"];
    site.access(&extend(&id, &named)).ends(5, "asks for 10 min more");
    apply(&site, &hotfix(&format!("{EXTEND}\nticket = \"PAY-[0-9]+\"\neligible = [\"carol\"]")));
    let approve = ["approve", &id, "--as", "ann", "--extension"];
    site.access(&approve).ends(3, "bob is not eligible");
    apply(&site, &hotfix(&format!("{EXTEND}\nticket = \"SRE-[0-9]+\"")));
    site.access(&approve).ends(3, "today's policy no longer takes it");
    assert_eq!(site.shown(&id)["extensions"], 0);
}

#[test]
fn a_policy_that_was_tightened_since_approves_nothing_that_it_would_not_take() {
    let site = site(&hotfix(""));
    let more = ["--for", "2h", "--uses", "3"];
    let id = site.asks(&[MAIN.as_slice(), &more].concat());
    for (keys, words) in [
        ("max-duration = \"1h\"", "lends for at most 1 h"),
        ("max-uses = 2", "lends at most 2 uses"),
        ("ticket = \"PAY-[0-9]+\"", "asks for a ticket"),
        ("pin = true", "only the commits of a refused push"),
        ("max-until = 2020-01-01T00:00:00Z", "lends nothing any more"),
    ] {
        apply(&site, &hotfix(keys));
        let run = site.access(&["approve", &id, "--as", "ann"]);
        run.ends(3, words).ends(3, "has to be asked for again");
        assert_eq!(site.state_of(&id), "pending", "{keys}");
    }
    apply(&site, &hotfix(""));
    site.access(&["approve", &id, "--as", "ann"]).ends(0, "3 uses left");
    let one = site.lent(&["--branches", "release/1", "--uses", "1"]);
    site.access(&["list"]).ends(0, ", 1 use left").ends(0, &one);
}

#[test]
fn what_nobody_could_approve_is_closed_by_who_administers_and_by_the_server() {
    let site = site(&hotfix(EXTEND));
    let [one, two] = ["release/1", "release/2"].map(|branch| site.asks(&["--branches", branch]));
    let extended = asks_for_more(&site);
    apply(&site, "");
    site.access(&["deny", &one, "--as", "ann"]).ends(3, "no entitlement `hotfix`");
    site.access(&["deny", &one, "--as", "carol"]).ends(3, "no entitlement `hotfix`");
    site.access(&["deny", &one, "--as", "bob"]).ends(3, "their own");
    site.access(&["deny", &one, "--as", "alice", "--note", "it is gone"]).ends(0, "by alice");
    let server = site.access(&["deny", &two]);
    server.ends(0, "denied, by ");
    site.access(&["deny", &extended, "--extension"]).ends(0, "no more time, by ");
    assert_eq!((site.state_of(&one), site.state_of(&two)), ("denied".into(), "denied".into()));
    let last = site.shown(&two)["last"].clone();
    assert!(last["by"]["user"].is_null() && last["by"]["server"].is_string(), "{last}");
    let events = site.access_events();
    assert_eq!(events.iter().filter(|event| *event == "access.denied").count(), 2, "{events:?}");
    // A yes is still a person's.
    apply(&site, &hotfix(""));
    let id = site.asks(&["--branches", "release/3"]);
    site.access(&["approve", &id]).ends(2, "--as NAME");
    site.access(&["approve", &id, "--as", "alice"]).ends(3, "not among those who approve");
    site.trail_verifies();
}

#[test]
fn a_glass_of_an_entitlement_that_is_gone_is_attested_by_who_administers() {
    let site = site(&entitlement("emergency", "break-glass = true"));
    let begin = ["break-glass", "emergency", "--as", "bob", "--repository", "app"];
    let run = site.access(&[begin.as_slice(), &REASON, &MAIN].concat());
    run.ends(0, "BROKEN GLASS");
    let id = run.stdout.split(' ').next().unwrap().to_owned();
    // alice administers and is no approver: as long as there are such, she is not asked.
    site.access(&["attest", &id, "--as", "alice"]).ends(3, "not among those who approve");
    apply(&site, &entitlement("urgent", "break-glass = true"));
    site.access(&["attest", &id, "--as", "ann"]).ends(3, "[global] administer");
    // bob administers too, and took it; bot is his.
    site.access(&["attest", &id, "--as", "bob"]).ends(3, "nobody attests what they took");
    site.access(&["attest", &id, "--as", "bot"]).ends(3, "is a service");
    site.access(&["attest", &id]).ends(2, "--as NAME");
    site.access(&["list", "waiting", "--as", "alice"]).ends(0, &id);
    site.access(&["attest", &id, "--as", "alice"]).ends(0, "attested by alice");
    let urgent = request("urgent", "bob", &MAIN);
    site.access(&urgent).ends(5, "pending");
}
