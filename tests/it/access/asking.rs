//! What is asked for: counted by human, found again by its key, told apart or refused; and what the
//! server shows of it.

use super::{MAIN, REASON, entitlement, hotfix, policy, request, site, site_of, started};
use crate::support::{Policy, Run, Site, forbid};
use chrono::TimeDelta;
use refwarden::access::{Id, What};
use refwarden::store::access::{AccessStore as _, Append, Change};
use refwarden::store::sqlite::{FILE_NAME, Sqlite};
use serde_json::Value;

const BRANCHES: [&str; 4] = ["release/1", "release/2", "release/3", "release/4"];

#[test]
fn a_human_with_two_names_does_not_double_the_cap_nor_pass_an_unattested_glass() {
    let glass = entitlement("emergency", "break-glass = true");
    let site = site(&format!("{}{glass}[access]\nmax-open = 2\n", hotfix("")));
    let asks = |person: &'static str, branch: &'static str| {
        site.access(&request("hotfix", person, &["--branches", branch]))
    };
    asks("bob", "release/1").ends(5, "pending");
    let of_bot = asks("bot", "release/2");
    of_bot.ends(5, "pending");
    for person in ["bob", "bot"] {
        asks(person, "release/3").ends(3, "2 of your requests wait already");
    }
    asks("carol", "release/3").ends(5, "pending");
    let id = of_bot.stdout.split(' ').next().unwrap();
    site.access(&["withdraw", id, "--as", "bot"]).ends(0, "withdrawn");
    let begin = ["break-glass", "emergency", "--as", "bob", "--repository", "app"];
    site.access(&[begin.as_slice(), &REASON, &MAIN].concat()).ends(0, "BROKEN GLASS");
    asks("bot", "release/4").ends(3, "must attest");
}

#[test]
fn a_key_finds_the_command_as_it_was_typed_with_times_that_count_from_now() {
    let site = site(&hotfix(""));
    let keyed = |more: &[&str]| {
        let key = ["--idempotency-key", "deploy-1", "--branches", "main"];
        site.access(&request("hotfix", "bob", &[key.as_slice(), more].concat()))
    };
    let first = keyed(&["--from", "2h", "--for", "1h"]);
    first.ends(5, "pending");
    let id = first.stdout.split(' ').next().unwrap().to_owned();
    site.access(&["withdraw", &id, "--as", "bob"]).ends(0, "withdrawn");
    keyed(&["--from", "2h", "--for", "1h"]).ends(3, &id);
    let other = "used for something else";
    keyed(&["--from", "3h", "--for", "1h"]).ends(3, other);
    keyed(&["--from", "2h", "--for", "2h"]).ends(3, other);
    keyed(&["--from", "2h", "--for", "1h", "--update"]).ends(3, other);
    keyed(&["--for", "1h"]).ends(3, other);
    // What the policy of another day makes of it does not matter.
    site.write_policy(&policy(&hotfix("permissions = [\"update\"]")));
    site.apply();
    keyed(&["--from", "2h", "--for", "1h"]).ends(3, &id);
}

#[test]
fn what_is_too_intricate_to_tell_is_refused_and_names_are_still_asked_for() {
    const INTRICATE: &str = "regex:main|(a|b)*a(a|b){40}";
    let wide = site(&hotfix("branches = [\"**\"]"));
    wide.access(&request("hotfix", "bob", &["--branches", INTRICATE, "--update"]))
        .ends(3, "too intricate");
    assert_eq!(wide.access(&["list", "all"]).stdout, "");
    // Of a name alone it can be told, whatever else the policy has.
    let freeze = forbid("push", &format!("branches = ['{INTRICATE}']\nreason = \"frozen\""));
    let site = site_of(&Policy::new(&[freeze]).users(super::USERS).also(&hotfix("")));
    let asks = |more: &[&str]| site.access(&request("hotfix", "bob", more));
    asks(&["--branches", "main", "--update"]).ends(3, "frozen");
    asks(&["--branches", "release/1", "--update"]).ends(5, "pending");
    asks(&["--branches", "release/*", "--update"]).ends(3, "too intricate");
}

#[test]
fn an_approver_is_shown_what_the_push_brings_and_no_more_of_it_than_a_page() {
    let (site, repo, alice) = started(&policy(&hotfix("")));
    repo.config("receive.advertisePushOptions", "true");
    let before = alice.id("HEAD");
    let bob = alice.as_user("bob");
    let evil = bob.with("GIT_AUTHOR_NAME", "Eve\u{202e}\u{1b}[2J").with("GIT_AUTHOR_EMAIL", "e@x");
    evil.commit("src/\u{1b}[31mred", "1\n");
    for number in 0..60 {
        bob.write(&format!("many/{number:02}"), "1\n");
    }
    bob.commit("fix", "1\n");
    let ask = ["-o", "access=hotfix", "-o", "reason=the retry storm has to end"];
    bob.push_with(&ask, &["main"]).refused("waiting for approval");
    let list = site.access(&["--json", "list"]).stdout;
    let value: Value = serde_json::from_str(list.trim()).unwrap();
    let id = value["id"].as_str().unwrap();
    let seen = &value["pushed"][0];
    assert_eq!(seen["old"], before.as_str());
    let brought = &seen["brought"];
    assert_eq!((brought["commits"].as_u64(), brought["more_commits"].is_null()), (Some(2), true));
    let authors = brought["authors"].as_array().unwrap();
    assert_eq!(authors.len(), 2, "{brought}");
    assert!(authors.iter().any(|one| one == r"Eve\u{202e}\x1b[2J <e@x>"), "{authors:?}");
    let files = brought["files"].as_array().unwrap();
    assert_eq!((files.len(), brought["more_files"].as_u64()), (50, Some(12)), "{brought}");
    let run = site.access(&["show", id]);
    run.ends(0, "2 commits by \"").ends(0, "and 12 more").ends(0, "\"fix\", \"many/00\"");
    run.ends(0, &format!("approve     refwarden access approve {id} --as NAME"));
    assert!(run.stdout.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')), "{run:#?}");
}

#[test]
fn an_older_record_without_what_the_push_brings_is_still_shown() {
    let site = site(&hotfix(""));
    let mut event = first_event(&site);
    if let What::Requested(request) = &mut event.what {
        let old = r#"[{"name":"refs/heads/main","action":"force","old":"1234","new":"5678"}]"#;
        request.seen = serde_json::from_str(old).unwrap();
    }
    append(&site, "0000-0001", event);
    let run = site.access(&["show", "0000-0001"]);
    run.ends(0, "refs/heads/main  force  1234..5678").ends(0, "NOT a step forward");
    assert!(!run.stdout.contains("commits"), "{run:#?}");
}

/// The first event of a request of bob's.
fn first_event(site: &Site) -> refwarden::access::Event {
    let id = Id::parse(&site.asks(&MAIN)).unwrap();
    store(site).record(&id).unwrap().unwrap().events.remove(0)
}

fn store(site: &Site) -> Sqlite {
    let uid = rustix::process::geteuid().as_raw();
    Sqlite::open_write(&site.path("state").join(FILE_NAME), uid).unwrap()
}

fn append(site: &Site, id: &str, event: refwarden::access::Event) {
    let id = Id::parse(id).unwrap();
    let append = Append { id, after: 0, event };
    store(site).commit(&Change { appends: vec![append], ..Change::default() }).unwrap();
}

#[test]
fn a_list_is_bounded_says_so_and_what_waits_is_not_crowded_out() {
    let site = site(&hotfix(""));
    let waits = site.asks(&["--branches", BRANCHES[0]]);
    for branch in &BRANCHES[1..] {
        let id = site.asks(&["--branches", branch]);
        site.access(&["withdraw", &id, "--as", "bob"]).ends(0, "withdrawn");
    }
    let run = site.access(&["list", "all", "--limit", "2"]);
    run.ends(0, "2 more; --limit 4 shows all").ends(0, &waits);
    assert_eq!(run.stdout.lines().count(), 3, "{run:#?}");
    let run = site.access(&["--json", "list", "all", "--limit", "1"]);
    let lines: Vec<Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines[0]["id"].as_str(), lines.len()), (Some(waits.as_str()), 2));
    assert_eq!((lines[1]["more"].as_u64(), lines[1]["limit"].as_u64()), (Some(3), Some(1)));
    assert_eq!(site.access(&["list", "all", "--limit", "0"]).stdout.lines().count(), 4);
    // Without a limit there is one.
    let event = first_event(&site);
    for number in 0..101 {
        let at = event.at - TimeDelta::seconds(100);
        append(
            &site,
            &format!("0000-0{number:03}"),
            refwarden::access::Event { at, ..event.clone() },
        );
    }
    let run = site.access(&["list"]);
    run.ends(0, "3 more; --limit 103 shows all");
    assert_eq!(run.stdout.lines().count(), 101);
    assert_eq!(site.access(&["--json", "list"]).stdout.lines().count(), 101);
}

#[test]
fn of_a_long_history_only_the_newest_is_loaded_and_what_waits_comes_first() {
    let site = site(&hotfix(""));
    let waits = site.asks(&MAIN);
    let event = store(&site).record(&Id::parse(&waits).unwrap()).unwrap().unwrap().events.remove(0);
    let asked = |id: &str, at, until| {
        let mut event = refwarden::access::Event { at, ..event.clone() };
        if let What::Requested(request) = &mut event.what {
            request.pending_until = until;
        }
        Append { id: Id::parse(id).unwrap(), after: 0, event }
    };
    let now = event.at;
    // Nobody answered them; asked for after one that still waits.
    let ended = |number: u32| {
        let at = now - TimeDelta::days(10) + TimeDelta::milliseconds(number.into());
        asked(&format!("0001-{number:04}"), at, at + TimeDelta::days(1))
    };
    let old = asked("0002-0000", now - TimeDelta::days(20), now + TimeDelta::days(1));
    let appends = (0..1200).map(ended).chain([old]).collect();
    store(&site).commit(&Change { appends, ..Change::default() }).unwrap();
    let list = |more: &[&str]| site.access(&[&["--json", "list", "all"], more].concat());
    let ids = |run: &Run| -> Vec<Value> {
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let few = ids(&list(&["--limit", "3"]));
    let first: Vec<&str> = few[..3].iter().map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!(first, [&waits, "0002-0000", "0001-1199"]);
    assert_eq!((&few[3]["whole"], few[3]["more"].as_u64() >= Some(900)), (&false.into(), true));
    site.access(&["list", "all", "--limit", "3"]).ends(0, "more than these; --limit 30 shows more");
    // What the store does not know of makes it look further.
    let unanswered = |limit: &str| ids(&list(&["--state", "unanswered", "--limit", limit]));
    assert_eq!(
        (unanswered("1100").len(), &unanswered("1100")[1100]["whole"]),
        (1101, &false.into())
    );
    assert_eq!(unanswered("1200").len(), 1200, "all, and no word of more");
    assert_eq!(ids(&list(&["--state", "denied"])), Vec::<Value>::new());
}

#[test]
fn a_pattern_cannot_fill_a_list_nor_pass_for_another_line_of_it() {
    let site = site(&hotfix(""));
    let fake = "regex:main|x in app by hotfix until 2030-01-01";
    let id = site.asks(&["--branches", fake, "--update"]);
    site.access(&["list"]).ends(0, &format!("update of \"{fake}\" in app"));
    let long = format!("regex:main|release/{}", "x".repeat(3000));
    site.access(&["withdraw", &id, "--as", "bob"]).ends(0, "withdrawn");
    let id = site.asks(&["--branches", &long, "--update"]);
    let run = site.access(&["list"]);
    run.ends(0, &id);
    assert!(run.stdout.len() < 400, "{run:#?}");
    // All of it stands where programs read it.
    let shown = site.shown(&id)["parts"][0]["refs"][0].as_str().unwrap().to_owned();
    assert!(shown.len() > 3000);
}

#[test]
fn a_wait_is_bounded_and_says_how_it_ended() {
    let site = site(&hotfix(""));
    let wait = |time: &str| -> Run {
        let more = [MAIN.as_slice(), &["--wait", time]].concat();
        site.access(&request("hotfix", "bob", &more))
    };
    wait("2d").ends(2, "--wait is at most 1 d");
    let run = wait("1s");
    run.ends(5, "nobody has answered within 1 s").ends(5, "approve: refwarden access approve ");
    site.access(&["revoke", "--all", "--wait", "2d"]).ends(2, "at most 1 d");
}
