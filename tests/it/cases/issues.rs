//! Rights of the people whom an issue names, through real pushes and a Jira that remembers and fails.

use crate::support::fake_jira::{Fake, Mood};
use crate::support::{Git, Person, Policy, Repo, Site, permit};
use serde_json::json;
use std::time::Instant;

const ON_ISSUES: &str = "branches = [\"feature/${issue}-*\", \"feature/${issue}\"]";

pub struct Bed {
    pub site: Site,
    pub fake: Fake,
    pub repo: Repo,
    pub alice: Person,
}

/// alice is `a1` there, bob `b1`; carol has no account. The policy's entries and more of `[jira]`.
pub fn bed(entries: &[String], jira: &str, more: &str) -> Bed {
    bed_of(false, entries, jira, more)
}

/// The same with either flavor.
pub fn bed_of(cloud: bool, entries: &[String], jira: &str, more: &str) -> Bed {
    let fake = Fake::start(cloud);
    fake.issue("PAY-1", Some("a1"), "b1");
    let site = Site::unapplied(&policy(&fake, entries, jira, more, ""), &Git::default());
    let token = site.path("state/jira-token");
    std::fs::write(&token, "secret-token\n").unwrap();
    crate::support::chmod(&token, 0o600);
    site.apply();
    let (repo, alice) = site.started();
    alice.commit("a", "1\n");
    fake.asked();
    Bed { site, fake, repo, alice }
}

fn policy(fake: &Fake, entries: &[String], jira: &str, more: &str, project: &str) -> Policy {
    let flavor = match fake.state().cloud {
        true => "flavor = \"cloud\"\nemail = \"g@ex.org\"",
        false => "flavor = \"data-center\"",
    };
    Policy::new(entries)
        .users(
            "[users.alice]\njira = \"a1\"\n[users.bob]\njira = \"b1\"\n[users.carol]\n[users.dave]\nactive = false",
        )
        .project(&format!("repositories = [\"**\"]\nbase = \"main\"\njira-keys = [\"PAY\"]\n{project}"))
        .also(&format!(
            "[jira]\nurl = \"{}\"\n{flavor}\ntoken-file = \"{{state}}/jira-token\"\ntimeout = \"700ms\"\n{jira}\n{more}",
            fake.url
        ))
}

fn assignee(permissions: &str) -> String {
    permit("assignee", permissions, ON_ISSUES)
}

impl Bed {
    /// As if so many seconds had gone by for what is kept.
    pub fn age(&self, seconds: i64) {
        for below in ["issue", "people"] {
            let Ok(files) = std::fs::read_dir(self.site.path("state/jira").join(below)) else {
                continue;
            };
            for file in files.flatten() {
                let text = std::fs::read_to_string(file.path()).unwrap();
                let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
                let at: chrono::DateTime<chrono::Utc> =
                    value["at"].as_str().unwrap().parse().unwrap();
                value["at"] = json!(at - chrono::TimeDelta::seconds(seconds));
                std::fs::write(file.path(), value.to_string()).unwrap();
            }
        }
    }
}

#[test]
fn an_assignee_pushes_to_the_issues_branch_and_nobody_else_does() {
    let bed = bed(&[assignee("write")], "", "");
    let (alice, bob) = (&bed.alice, bed.alice.as_user("bob"));
    bob.push(&["main:feature/PAY-1-retry"])
        .refused("RW201")
        .says("in play: PAY-1, found in the ref's name");
    alice.push(&["main:feature/PAY-1-retry"]).silent();
    let line = bed.site.trail().last_decision();
    assert_eq!(
        line["issues"].as_str().or(line["detail"]["issues"].as_str()),
        Some("PAY-1 (ref)"),
        "{line}"
    );
    // Every kind of move, by the name alone.
    alice.commit("a", "2\n");
    alice.push(&["main:feature/PAY-1-retry"]).silent();
    alice.run(&["commit", "--quiet", "--amend", "--message", "other"]);
    alice.push(&["+main:feature/PAY-1-retry"]).silent();
    bob.push(&[":feature/PAY-1-retry"]).refused("RW201");
    alice.push(&[":feature/PAY-1-retry"]).deleted("refs/heads/feature/PAY-1-retry");
    // Carol is nobody there; nobody is asked about her.
    bed.fake.asked();
    bed.age(3600);
    alice.as_user("carol").push(&["main:feature/PAY-1-retry"]).refused("RW201");
    assert!(bed.fake.asked().is_empty());
    // It is given to bob: alice's right is gone with it.
    bed.fake.issue("PAY-1", Some("b1"), "b1");
    alice.push(&["main:feature/PAY-1-retry"]).refused("RW201");
    bob.push(&["main:feature/PAY-1-retry"]).silent();
}

#[test]
fn a_key_that_only_looks_like_one_gives_nothing() {
    let bed = bed(&[assignee("write"), permit("assignee", "write", "")], "", "");
    let refused = |name: &str, words: &str| {
        bed.alice.push(&[&format!("main:{name}")]).refused("RW201").says(words);
    };
    refused("feature/PAY-12", "in play: PAY-12, found");
    refused("feature/pay-1-x", "capitals, as in PAY-1");
    refused("feature/xPAY-1", "no issue is in play: the ref's name names none of PAY");
    refused("feature/OPS-1", "names none of PAY");
    refused("main", "names none of PAY");
    // Several keys: all must pass.
    bed.fake.issue("PAY-2", Some("b1"), "b1");
    refused("PAY-1/PAY-2", "in play: PAY-1, PAY-2");
    bed.alice.push(&["main:PAY-1/x"]).silent();
    // A message or an option is the pusher's word only.
    bed.alice.commit_index("PAY-1: x\n\nIssue: PAY-1");
    bed.repo.config("receive.advertisePushOptions", "true");
    let push = bed.alice.push_with(&["-o", "issue=PAY-1"], &["main:feature/x"]);
    push.refused("RW201");
}

#[test]
fn a_push_that_needs_no_issue_fact_never_talks_to_jira() {
    let bed = bed(&[permit("alice", "write", ""), assignee("write")], "", "");
    bed.fake.mood(Mood::Hang);
    let start = Instant::now();
    bed.alice.push(&["main", "main:feature/PAY-1-x"]).silent();
    bed.alice.push(&[":feature/PAY-1-x"]).landed();
    assert!(bed.fake.asked().is_empty());
    assert!(start.elapsed().as_millis() < 5000);
}

#[test]
fn one_push_of_many_refs_asks_about_an_issue_once() {
    let bed = bed(&[assignee("write")], "", "");
    let refspecs: Vec<String> = (0..10).map(|n| format!("main:feature/PAY-1-{n}")).collect();
    let refspecs: Vec<&str> = refspecs.iter().map(String::as_str).collect();
    bed.alice.push(&refspecs).silent();
    assert_eq!(bed.fake.asked().len(), 1);
}

#[test]
fn a_dead_jira_refuses_and_costs_one_push_its_timeout_and_the_next_ones_nothing() {
    let bed = bed(&[assignee("write")], "", "");
    bed.fake.mood(Mood::Hang);
    let push = || bed.alice.push(&["main:feature/PAY-1-x"]);
    push().refused("RW508").says("Jira does not answer");
    assert_eq!(bed.fake.asked().len(), 1);
    for _ in 0..2 {
        push().refused("RW508").says("half a minute");
    }
    assert!(bed.fake.asked().is_empty());
}

#[test]
fn while_jira_is_down_old_facts_count_where_the_policy_says_so_and_are_told_and_recorded() {
    let bed = bed(&[assignee("write")], "when-down = \"cache:15m\"", "");
    bed.alice.push(&["main:feature/PAY-1-x"]).silent();
    bed.fake.mood(Mood::Status(503));
    bed.age(300);
    bed.alice.commit("a", "2\n");
    let push = bed.alice.push(&["main:feature/PAY-1-x"]);
    push.landed().says("warning: Jira does not answer: what it said of PAY-1 30");
    let line = bed.site.trail().last_decision().to_string();
    assert!(line.contains("Jira does not answer"), "{line}");
    bed.age(900);
    bed.alice.commit("a", "3\n");
    bed.alice.push(&["main:feature/PAY-1-x"]).refused("RW508");
    bed.site.trail_verifies();
}

#[test]
fn without_issue_roles_the_others_go_on() {
    let entries = [assignee("write"), permit("bob", "push", "branches = [\"feature/**\"]")];
    let bed = bed(&entries, "when-down = \"without-issue-roles\"", "");
    bed.fake.mood(Mood::Redirect);
    let push = bed.alice.push(&["main:feature/PAY-1-x"]);
    push.refused("RW201").says("nobody counts as named by Jira");
    bed.alice.as_user("bob").push(&["main:feature/PAY-1-x"]).silent();
}

#[test]
fn nothing_of_the_token_is_shown_when_it_is_refused() {
    let bed = bed(&[assignee("write")], "", "");
    bed.fake.state().token = "Bearer other".into();
    let push = bed.alice.push(&["main:feature/PAY-1-x"]);
    push.refused("RW508").says("does not take the gate's login");
    assert!(!push.words().contains("secret") && !push.words().contains("jira-token"));
    let doctor = bed.site.refwarden(&["doctor"]);
    assert!(doctor.stdout.contains("does not take the gate's login"), "{doctor:#?}");
    assert!(!doctor.stdout.contains("secret-token"));
    bed.fake.state().token = "Bearer secret-token".into();
    let doctor = bed.site.refwarden(&["doctor"]);
    assert!(doctor.stdout.contains("data-center, signed in as the gate (gate)"), "{doctor:#?}");
    assert!(doctor.stdout.contains("project PAY"), "it can't see it: {doctor:#?}");
}

#[test]
fn roles_leads_and_groups_come_from_jira_where_the_policy_says_so() {
    let fake = Fake::start(false);
    let entries = [
        permit("role:dev", "push", "branches = [\"dev/**\"]"),
        permit("lead", "push", "branches = [\"lead/**\"]"),
        permit("@ops", "push", "branches = [\"ops/**\"]"),
    ];
    let more = "[groups]\nops = { jira = \"operators\" }\n[roles.dev]\njira = \"Developers\"\n";
    let policy = policy(&fake, &entries, "", more, "roles-from = \"jira\"");
    let site = Site::unapplied(&policy, &Git::default());
    std::fs::write(site.path("state/jira-token"), "secret-token").unwrap();
    crate::support::chmod(&site.path("state/jira-token"), 0o600);
    site.apply();
    let user = json!([{ "type": "atlassian-user-role-actor", "name": "a1" }]);
    fake.state().roles.insert("PAY".into(), [("Developers".to_owned(), user)].into());
    fake.state().leads.insert("PAY".into(), json!({ "name": "b1", "active": true }));
    fake.account("a1", &["operators"], true);
    fake.account("b1", &[], true);
    let (_repo, alice) = site.started();
    let bob = alice.as_user("bob");
    alice.commit("a", "1\n");
    alice.push(&["main:dev/x"]).silent();
    bob.push(&["main:dev/y"]).refused("RW201");
    bob.push(&["main:lead/x"]).silent();
    alice.push(&["main:lead/y"]).refused("RW201");
    alice.push(&["main:ops/x"]).silent();
    bob.push(&["main:ops/y"]).refused("RW201");
}

#[test]
fn explain_tells_what_an_issue_says_of_somebody() {
    let bed = bed(&[assignee("write")], "", "");
    let explain = |user: &str, name: &str| {
        bed.site.refwarden(&[
            "policy",
            "explain",
            "--as",
            user,
            "--repository",
            "app",
            "--action",
            "create",
            "--ref",
            name,
            "--no-paths",
            "--issue",
            "PAY-1",
        ])
    };
    let of_alice = explain("alice", "feature/PAY-1-x");
    of_alice.ends(0, "it names alice as assignee").ends(0, "in play, found in the ref's name");
    explain("bob", "feature/x").ends(3, "it names bob as reporter").ends(3, "not in play");
}

#[test]
fn a_ticket_must_be_an_issue_in_the_right_state() {
    let entitlement = "[entitlements.hotfix]\neligible = [\"alice\"]\nprojects = [\"APP\"]\npermissions = [\"push\"]\nbranches = [\"**\"]\nmax-duration = \"4h\"\nticket = \"PAY-[0-9]+\"\nticket-status = [\"Approved\", \"In Progress\"]\napproval = [{ from = [\"bob\"], count = 1 }]\n";
    let bed = bed(&[], "", entitlement);
    bed.site.refwarden(&["store", "init"]).ends(0, "");
    bed.repo.config("receive.advertisePushOptions", "true");
    let ask = |ticket: &str| {
        let ticket = format!("ticket={ticket}");
        bed.alice.push_with(
            &["-o", "access=hotfix", "-o", "reason=retry storms", "-o", &ticket],
            &["main"],
        )
    };
    ask("PAY-9").refused("RW201").says("no issue PAY-9");
    bed.fake.set("PAY-1", "status", json!({ "name": "Done", "statusCategory": { "key": "done" } }));
    ask("PAY-1").refused("RW201").says("must be in the state `Approved` or `In Progress`");
    bed.age(60);
    let status = json!({ "name": "Approved", "statusCategory": { "key": "new" } });
    bed.fake.set("PAY-1", "status", status);
    ask("PAY-1").says("waiting for approval");
}

#[test]
fn who_says_whom_jira_would_name_where_the_refs_name_has_an_issue() {
    let bed = bed(&[permit("bob", "push", "branches = [\"main\"]"), assignee("write")], "", "");
    let who = |name: &str| bed.site.refwarden(&["who", "create", name, "--repository", "app"]);
    let run = who("feature/PAY-1-x");
    run.ends(0, "and whoever Jira names: assignee of PAY-1 (policy.toml:");
    let main = who("main");
    main.ends(0, "bob");
    assert!(!main.stdout.contains("Jira"), "{main:#?}");
    let run = who("feature/x");
    assert_eq!(run.code, Some(6), "{run:#?}");
    assert!(bed.fake.asked().is_empty());
}
