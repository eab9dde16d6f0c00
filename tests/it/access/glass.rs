//! Breaking glass, and more time.

use super::{MAIN, REASON, entitlement, hotfix, request, site};

fn glass<'a>(person: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let begin = ["break-glass", "emergency", "--as", person, "--repository", "app"];
    [&begin, REASON.as_slice(), more].concat()
}

fn id_of(run: &crate::support::Run) -> String {
    run.stdout.split(' ').next().unwrap().to_owned()
}

#[test]
fn a_broken_glass_lends_at_once_and_blocks_its_taker_until_it_is_attested() {
    let site = site(&(hotfix("") + &entitlement("emergency", "break-glass = true")));
    let waiting = site.asks(&["--branches", "release/9"]);
    let taken = site.access(&glass("bob", &MAIN));
    taken.ends(0, "BROKEN GLASS");
    let id = id_of(&taken);
    let shown = site.shown(&id);
    assert_eq!(
        (shown["state"].as_str(), shown["unattested"].as_bool()),
        (Some("active"), Some(true))
    );
    assert_eq!(shown["break_glass"], true);
    assert_eq!(
        site.access_events(),
        ["access.requested", "access.requested", "access.broke-glass"]
    );
    // Nothing new, by no way: not asked, not taken, not longer.
    let words = format!("an approver must attest {id} first");
    site.access(&request("hotfix", "bob", &["--branches", "release/1"])).ends(3, &words);
    site.access(&glass("bob", &["--branches", "release/1"])).ends(3, &words);
    site.access(&["approve", &waiting, "--as", "ann"]).ends(0, "active");
    site.access(&["extend", &waiting, "--as", "bob"]).ends(3, &words);
    // Who may attest is who could have approved.
    site.access(&["list", "waiting", "--as", "ann"]).ends(0, &id);
    site.access(&["attest", &id, "--as", "bob"]).ends(3, "nobody attests what they took");
    site.access(&["attest", &id, "--as", "carol"]).ends(3, "not among those who approve");
    site.access(&["attest", &id, "--as", "ann", "--note", "looked at it"])
        .ends(0, "attested by ann");
    site.access(&["attest", &id, "--as", "amy"]).ends(3, "it was attested by");
    site.access(&request("hotfix", "bob", &["--branches", "release/1"])).ends(5, "pending");
    site.trail_verifies();
}

#[test]
fn glass_is_broken_by_people_where_the_entitlement_says_so() {
    let site = site(&(hotfix("") + &entitlement("emergency", "break-glass = true")));
    site.access(&glass("bot", &MAIN)).ends(3, "services never break glass");
    site.access(&glass("ann", &MAIN)).ends(3, "ann is not eligible");
    site.access(&glass("bob", &["--branches", "main", "--for", "5h"])).ends(3, "at most 4 h");
    let mut other = glass("bob", &MAIN);
    other[1] = "hotfix";
    site.access(&other).ends(3, "can't be taken by breaking glass");
    site.refwarden(&["lock", "--branches", "main", "--message", "main is closed"]).ends(0, "main");
    site.access(&glass("bob", &MAIN)).ends(3, "main is closed");
    assert_eq!(site.access(&["list", "all"]).stdout, "");
}

#[test]
fn two_broken_at_once_leave_one_taken() {
    let site = site(&entitlement("emergency", "break-glass = true"));
    let mut all = Vec::new();
    for branch in ["release/1", "release/2", "release/3", "release/4"] {
        let arguments = glass("bob", &["--update", "--branches", branch]);
        let arguments = [&["access"], arguments.as_slice()].concat();
        all.push(site.refwarden_command(&arguments).spawn().unwrap());
    }
    let codes: Vec<_> =
        all.into_iter().map(|child| child.wait_with_output().unwrap().status.code()).collect();
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
    let list = site.access(&["--json", "list", "--state", "unattested"]).stdout;
    assert_eq!(list.lines().count(), 1, "{list}");
}

#[test]
fn more_time_is_approved_like_a_request_and_capped() {
    let keys = "extend = { times = 1, max-duration = \"30m\" }";
    let site = site(&hotfix(keys));
    let id = site.asks(&MAIN);
    site.access(&["extend", &id, "--as", "bob"]).ends(3, "not approved yet");
    site.access(&["approve", &id, "--as", "ann"]).ends(0, "active");
    let end = |id: &str| {
        let text = site.shown(id)["until"].as_str().unwrap().to_owned();
        chrono::DateTime::parse_from_rfc3339(&text).unwrap()
    };
    let before = end(&id);
    let extend = |person: &str, time: &str| {
        let words = ["extend", &id, "--as", person, "--for", time];
        site.access(&[words.as_slice(), &REASON].concat())
    };
    extend("bob", "31m").ends(3, "at most 30 min");
    extend("carol", "5m").ends(3, "only bob");
    extend("bob", "20m").ends(5, "asks for 20 min more");
    extend("bob", "20m").ends(3, "asked for already");
    site.access(&["list", "waiting", "--as", "amy"]).ends(0, &id);
    let approve = |person: &str| site.access(&["approve", &id, "--extension", "--as", person]);
    approve("bob").ends(3, "nobody approves their own");
    site.access(&["deny", &id, "--extension", "--as", "amy"])
        .ends(0, "extension denied, no more time");
    assert_eq!((end(&id), site.state_of(&id).as_str()), (before, "active"));
    extend("bob", "20m").ends(5, "20 min");
    approve("amy").ends(0, "active");
    assert_eq!((end(&id) - before).num_minutes(), 20);
    extend("bob", "5m").ends(3, "at most once");
    site.access(&["approve", &id, "--as", "amy"]).ends(3, "it was extended by");
}

#[test]
fn what_is_not_extended_says_so() {
    let site = site(&hotfix(""));
    let id = site.lent(&MAIN);
    site.access(&["extend", &id, "--as", "bob"]).ends(3, "can't be extended");
}
