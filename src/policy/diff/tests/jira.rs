//! What is told where `[jira]` changes.

use super::*;
use crate::policy::load_file;
use crate::policy::source::{NoIncludes, SourceFile};

fn with(smart: &str) -> Policy {
    let text = format!(
        "version = 1\n[identity]\nsources = [\"gitea\"]\n[schemes.default]\n[jira]\n\
         url = \"https://jira.example.org\"\nflavor = \"data-center\"\ntoken-file = \"/etc/token\"\n{smart}"
    );
    let main = SourceFile { name: "policy.toml".into(), text };
    load_file(main, "/etc/refwarden", &NoIncludes).1.unwrap().0
}

#[test]
fn what_commits_may_do_to_issues_is_told() {
    let off = with("");
    let some = with("smart-commits = { branches = [\"main\"], comment = true }");
    let more = with("smart-commits = { branches = [\"**\"], comment = true }");
    let told = |old: &Policy, new: &Policy| {
        let notes = diff(old, new, lab::now()).notes.into_iter();
        notes.map(|note| (note.text.contains("smart-commits"), note.widens)).collect::<Vec<_>>()
    };
    assert_eq!(told(&off, &some), [(true, true)]);
    assert_eq!(told(&some, &more), [(true, true)]);
    assert_eq!(told(&more, &off), [(true, false)]);
    assert_eq!(told(&some, &some), []);
}

#[test]
fn a_place_more_and_an_answer_that_counts_longer_are_told_as_wider() {
    let told = |old: &str, new: &str| {
        let notes = diff(&with(old), &with(new), lab::now()).notes.into_iter();
        notes.map(|note| note.widens).collect::<Vec<_>>()
    };
    let (one, two) = ("key-from = [\"ref\"]", "key-from = [\"ref\", \"option\"]");
    assert_eq!((told(one, two), told(two, one)), (vec![true], vec![false]));
    assert_eq!(told(one, ""), [true], "all of them");
    for key in ["cache-issues", "cache-people"] {
        let [short, long] = ["1m", "1d"].map(|span| format!("{key} = \"{span}\""));
        assert_eq!((told(&short, &long), told(&long, &short)), (vec![true], vec![false]), "{key}");
    }
    assert_eq!(told("timeout = \"1s\"", "timeout = \"2s\""), [false]);
}
