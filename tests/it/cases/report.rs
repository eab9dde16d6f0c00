//! The report, whole, as a pusher reads it.

use crate::support::{Outcome, Policy, Site, forbid, permit};

/// The report with the push's id made constant.
fn stable(outcome: &Outcome) -> String {
    let report = outcome.report();
    let lines = report.lines().map(|line| match line.strip_prefix("push ") {
        Some(rest) => {
            let id = rest.split(',').next().unwrap();
            line.replace(id, "ID")
        }
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_refused_push_reads_like_this() {
    let policy = Policy::new(&[
        permit("role:developer", "push", r#"branches = ["feature/**"]"#),
        permit("role:maintainer", "push", r#"branches = ["release/*"]"#),
        forbid("force", r#"branches = ["**"]"#),
    ])
    .server("help = \"https://wiki.example.org/git-access\"")
    .project(
        "repositories = [\"**\"]\nbase = \"main\"\nroles = { developer = [\"bob\"], maintainer = [\"alice\"] }",
    )
    .also("[roles.developer]\n[roles.maintainer]");
    let site = Site::new(&policy);
    let (_repo, alice) = site.started();
    let bob = alice.as_user("bob");
    let push = bob.push(&["main:refs/heads/feature/retry", "main:refs/heads/release/2.4"]);
    push.refused("RW201");
    assert_eq!(
        stable(&push),
        "error: push refused by refwarden: 1 of 2 refs is not allowed (nothing was changed)

  refs/heads/feature/retry  create  ok
  refs/heads/release/2.4    create  RW201 no permit
    you are bob (env:TEST_USER), role:developer in APP
    release/* takes `push` from role:maintainer (alice), policy.toml:21

push ID, https://wiki.example.org/git-access"
    );
}

#[test]
fn a_refusal_of_the_whole_push_reads_like_this() {
    let (_site, _repo, alice) = Site::standard();
    alice.commit("a", "1\n");
    let push = alice.as_user("mallory").push(&["main"]);
    push.refused("RW102");
    let head = "error: push refused by refwarden: RW102 unknown or malformed identity (nothing was changed)";
    assert!(stable(&push).starts_with(head), "{}", push.words());
}

#[test]
fn every_line_is_ascii_short_and_bounded_whatever_is_pushed() {
    let (_site, _repo, alice) = Site::standard();
    let names: Vec<String> =
        (0..300).map(|n| format!("main:refs/heads/x{n}-{}", "é".repeat(90))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let push = alice.as_user("bob").push(&names);
    push.refused("RW201");
    let report = push.report();
    assert!(report.len() <= 16 * 1024, "{} bytes", report.len());
    assert!(report.is_ascii());
    assert!(report.lines().all(|line| line.len() <= 100), "{report}");
    assert!(report.contains("more refs"), "{report}");
}

#[test]
fn the_pusher_of_a_refused_push_finds_its_id_in_the_trail() {
    let (site, _repo, alice) = Site::standard();
    alice.commit("a", "1\n");
    let push = alice.as_user("bob").push(&["main"]);
    push.refused("RW201");
    let decided = site.trail().last_decision();
    assert_eq!(decided["verdict"], "refused");
    assert_eq!(decided["refs"][0]["code"], "RW201");
    push.says(decided["push"]["id"].as_str().unwrap());
}
