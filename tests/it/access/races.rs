//! Many at once: one wins, and the others are told who did.

use super::{MAIN, hotfix, request, site, site_of};
use crate::support::{Policy, Run, Site};
use std::fmt::Write as _;

/// Runs all of these at once, and gives how each ended.
fn at_once(site: &Site, commands: &[Vec<&str>]) -> Vec<Run> {
    let begun: Vec<_> = commands
        .iter()
        .map(|arguments| {
            let arguments = [&["access"], arguments.as_slice()].concat();
            site.refwarden_command(&arguments).spawn().unwrap()
        })
        .collect();
    begun.into_iter().map(|child| child.wait_with_output().unwrap().into()).collect()
}

fn counted(runs: &[Run], code: i32) -> usize {
    runs.iter().filter(|run| run.code == Some(code)).count()
}

#[test]
fn sixteen_approvers_at_once_fill_a_quorum_of_three_once() {
    let mut users = super::USERS.to_owned();
    let names: Vec<String> = (0..16).map(|number| format!("app{number}")).collect();
    let mut tables = String::new();
    for name in &names {
        writeln!(tables, "[users.{name}]").unwrap();
    }
    users = tables + &users;
    let from: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let keys = format!("approval = [{{ from = [{}], count = 3 }}]", from.join(", "));
    let site = site_of(&Policy::new(&[]).users(&users).also(&hotfix(&keys)));
    let id = site.asks(&MAIN);
    let commands: Vec<Vec<&str>> =
        names.iter().map(|name| vec!["approve", id.as_str(), "--as", name.as_str()]).collect();
    let runs = at_once(&site, &commands);
    // Two yeses wait, the third one lends, thirteen come too late.
    assert_eq!((counted(&runs, 5), counted(&runs, 0), counted(&runs, 3)), (2, 1, 13), "{runs:#?}");
    for late in runs.iter().filter(|run| run.code == Some(3)) {
        assert!(late.stderr.contains("it was approved by"), "{late:#?}");
    }
    assert_eq!(site.shown(&id)["approvals"].as_array().unwrap().len(), 3);
    assert_eq!(site.access_events().len(), 4);
    site.trail_verifies();
}

#[test]
fn approve_against_withdraw_and_deny_has_one_winner_and_the_others_are_told() {
    let site = site(&hotfix(""));
    for number in 0..6 {
        let branch = format!("release/{number}");
        let id = site.asks(&["--update", "--branches", &branch]);
        let runs = at_once(
            &site,
            &[
                vec!["approve", &id, "--as", "ann"],
                vec!["withdraw", &id, "--as", "bob"],
                vec!["deny", &id, "--as", "amy"],
            ],
        );
        assert_eq!((counted(&runs, 0), counted(&runs, 3)), (1, 2), "{runs:#?}");
        let words = ["approved", "withdrawn", "denied"];
        let winner = runs.iter().position(|run| run.code == Some(0)).unwrap();
        for loser in runs.iter().filter(|run| run.code == Some(3)) {
            assert!(loser.stderr.contains(&format!("was {}", words[winner])), "{runs:#?}");
        }
        let shown = site.shown(&id);
        assert_eq!(shown["events"].as_array().unwrap().len(), 2);
        assert_eq!(shown["last"]["event"], words[winner]);
    }
    site.trail_verifies();
}

#[test]
fn an_answer_that_comes_after_the_end_is_told_that_nobody_answered() {
    let site = site(&hotfix("pending = \"1s\""));
    let id = site.asks(&MAIN);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let runs = at_once(
        &site,
        &[
            vec!["approve", &id, "--as", "ann"],
            vec!["withdraw", &id, "--as", "bob"],
            vec!["deny", &id, "--as", "amy"],
        ],
    );
    assert_eq!(counted(&runs, 3), 3, "{runs:#?}");
    assert!(runs.iter().all(|run| run.stderr.contains("nobody answered until")), "{runs:#?}");
    assert_eq!(site.state_of(&id), "unanswered");
}

#[test]
fn the_same_wish_many_times_at_once_is_one_request() {
    let site = site(&hotfix(""));
    let commands: Vec<Vec<&str>> = (0..8).map(|_| request("hotfix", "bob", &MAIN)).collect();
    let runs = at_once(&site, &commands);
    assert_eq!(counted(&runs, 5), 8, "{runs:#?}");
    let ids: std::collections::BTreeSet<&str> =
        runs.iter().filter_map(|run| run.stdout.split(' ').next()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
}

#[test]
fn one_key_at_once_makes_one_request_also_where_nothing_open_is_the_same() {
    let site = site(&hotfix(
        "auto = { when = { weekly = [\"Mon-Sun 00:00-24:00\"] }, max-duration = \"30m\" }\nmax-uses = 1",
    ));
    let more = [MAIN.as_slice(), &["--idempotency-key", "job-7"]].concat();
    let commands: Vec<Vec<&str>> = (0..6).map(|_| request("hotfix", "bob", &more)).collect();
    let runs = at_once(&site, &commands);
    let ids: std::collections::BTreeSet<&str> =
        runs.iter().filter_map(|run| run.stdout.split(' ').next()).collect();
    assert_eq!(ids.len(), 1, "{runs:#?}");
    assert_eq!(site.access(&["--json", "list", "all"]).stdout.lines().count(), 1);
}

#[test]
fn approve_at_the_very_end_lends_or_is_told_that_nobody_answered() {
    let site = site(&hotfix("pending = \"6s\""));
    for number in 0..4 {
        let branch = format!("release/{number}");
        let id = site.asks(&["--update", "--branches", &branch]);
        let end = site.shown(&id)["pending_until"].as_str().unwrap().to_owned();
        let end = chrono::DateTime::parse_from_rfc3339(&end).unwrap().to_utc();
        let left = end - chrono::Utc::now() - chrono::TimeDelta::milliseconds(300 - 100 * number);
        std::thread::sleep(left.to_std().unwrap_or_default());
        let runs = at_once(
            &site,
            &[vec!["approve", &id, "--as", "ann"], vec!["approve", &id, "--as", "amy"]],
        );
        let won = counted(&runs, 0);
        assert!(won <= 1 && won + counted(&runs, 3) == 2, "{runs:#?}");
        let state = if won == 1 { "active" } else { "unanswered" };
        assert_eq!(site.state_of(&id), state);
        // What a later look says is what the answer said.
        for loser in runs.iter().filter(|run| run.code == Some(3)) {
            let told = ["it was approved by", "nobody answered until"];
            assert!(told.iter().any(|words| loser.stderr.contains(words)), "{loser:#?}");
        }
    }
    site.trail_verifies();
}

#[test]
fn names_of_one_human_that_ask_at_once_are_counted_together() {
    let tables = format!("{}[access]\nmax-open = 2\n", hotfix("eligible = [\"bob\", \"bot\"]"));
    let site = site(&tables);
    let branches: Vec<String> = (0..8).map(|number| format!("release/{number}")).collect();
    let begin = |at: usize| if at.is_multiple_of(2) { "bob" } else { "bot" };
    let commands: Vec<Vec<&str>> = (0..)
        .zip(&branches)
        .map(|(at, branch)| request("hotfix", begin(at), &["--update", "--branches", branch]))
        .collect();
    let runs = at_once(&site, &commands);
    assert_eq!((counted(&runs, 5), counted(&runs, 3)), (2, 6), "{runs:#?}");
    assert_eq!(site.access_events().len(), 2);
    site.trail_verifies();
}
