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
    /// As if half an hour had gone by for what is kept.
    fn age(&self, seconds: i64) {
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

/// The check `issue` on every ref but `main`; alice may push anything and bob, who is not at Jira's, too.
fn checked(rule: &str, jira: &str) -> Bed {
    checked_of(false, rule, jira)
}

fn checked_of(cloud: bool, rule: &str, jira: &str) -> Bed {
    let check = format!(
        "[[checks]]\nname = \"issue\"\nexcept-branches = [\"main\", \"lifted/**\"]\nissue = {{ {rule} }}\n"
    );
    let entries = [permit("alice", "write", ""), permit("carol", "write", "")];
    let bed = bed_of(cloud, &entries, jira, &check);
    bed.repo.config("receive.advertisePushOptions", "true");
    bed.alice.push(&["main"]).landed();
    bed.fake.asked();
    bed
}

impl Bed {
    /// One more commit, with that message.
    pub fn says(&self, message: &str) -> String {
        self.alice.write("b", message);
        self.alice.run(&["add", "--all"]);
        self.alice.commit_index(message)
    }

    /// Back to what `main` is on the server.
    fn back(&self) {
        self.alice.run(&["reset", "--quiet", "--hard", "HEAD~1"]);
    }
}

#[test]
fn a_commit_without_an_issue_is_named_and_a_ref_or_an_option_names_one_for_all() {
    let bed = checked("required = true", "");
    let odd = bed.says("pay-1: small");
    let push = bed.alice.push(&["main:topic/x"]);
    push.refused("RW417").says(&odd[..12]).says("in capitals, as in PAY-1");
    bed.alice.push_with(&["-o", "issue=PAY-1"], &["main:topic/x"]).landed();
    // What the check has seen is seen; what it does not govern hides nothing.
    bed.alice.push(&["main:topic/y"]).silent();
    bed.says("nothing");
    bed.alice.push(&["main:lifted/x"]).silent();
    bed.alice.push(&["main:topic/x"]).refused("RW417").says("names no issue of PAY");
    bed.alice.push(&["main:topic/PAY-9"]).silent();
    for number in 0..12 {
        bed.says(&format!("more {number}"));
    }
    bed.alice.push(&["main:topic/x"]).refused("RW417").says("and 2 more (issue)");
    bed.says("OPS-1: a project of others'");
    bed.alice.push(&["main:topic/x"]).refused("RW417").says("and 3 more (issue)");
    let line = bed.site.trail().last_decision();
    assert_eq!(line["refs"][0]["checks"][0], "issue");
    assert!(bed.fake.asked().is_empty(), "a key alone is no question to Jira");
}

#[test]
fn a_merge_needs_no_issue_and_hides_none() {
    let bed = checked("required = true", "");
    bed.alice.push_with(&["-o", "issue=PAY-1"], &["main:topic/base"]).landed();
    bed.says("PAY-1: side");
    bed.alice.run(&["branch", "--quiet", "side"]);
    bed.back();
    bed.alice.commit("c", "PAY-2: other");
    bed.alice.run(&["commit", "--quiet", "--amend", "-m", "PAY-2: other"]);
    bed.alice.run(&["merge", "--quiet", "--no-ff", "-m", "no key", "side"]);
    bed.alice.push(&["main:topic/x"]).silent();
    bed.alice.run(&["reset", "--quiet", "--hard", "HEAD~1"]);
    bed.alice.run(&["checkout", "--quiet", "side"]);
    let odd = bed.says("hidden");
    bed.alice.run(&["checkout", "--quiet", "main"]);
    bed.alice.run(&["merge", "--quiet", "--no-ff", "-m", "PAY-3: merge", "side"]);
    bed.alice.push(&["main:topic/y"]).refused("RW417").says(&odd[..12]);
}

#[test]
fn an_issue_is_asked_about_once_a_push_and_must_be_what_the_check_says() {
    let rule = "exists = true, status = [\"In Progress\"], assignee = \"pusher\", jql = \"labels = hotfix\"";
    let bed = checked(rule, "cache-issues = \"1s\"");
    for number in 0..4 {
        bed.says(&format!("PAY-1: {number}"));
    }
    bed.alice.push(&["main:topic/x", "main:topic/PAY-1-y"]).silent();
    assert_eq!(bed.fake.asked().len(), 2, "the issue, and the JQL");
    let line = bed.site.trail().last_decision().to_string();
    assert!(line.contains("PAY-1 (ref)"), "{line}");
    let odd = bed.says("PAY-1 PAY-7: not there");
    let push = bed.alice.push(&["main:topic/x"]);
    push.refused("RW417").says(&odd[..12]).says("PAY-7: there is no such issue");
    let line = bed.site.trail().last_decision().to_string();
    assert!(line.contains("PAY-7 (commit)"), "{line}");
    bed.back();
    bed.says("PAY-1: more");
    let refused = |words: &str| {
        bed.age(60);
        bed.alice.push(&["main:topic/x"]).refused("RW417").says(words);
    };
    bed.fake.set("PAY-1", "assignee", json!({ "name": "b1", "key": "Kb1", "active": true }));
    refused("PAY-1: you are not its assignee");
    bed.fake.set("PAY-1", "assignee", json!({ "name": "a1", "key": "Ka1", "active": true }));
    bed.alice.as_user("carol").push(&["main:topic/x"]).refused("RW417");
    bed.fake.set(
        "PAY-1",
        "status",
        json!({ "id": "5", "name": "Done",
        "statusCategory": { "id": 3, "key": "done", "name": "Done" } }),
    );
    refused("PAY-1: its status is not In Progress");
}

#[test]
fn an_issue_that_left_the_projects_does_not_count_and_one_that_moved_within_does() {
    let bed = checked("exists = true", "");
    bed.fake.issue("OPS-5", Some("a1"), "b1");
    bed.fake.issue("PAY-6", Some("a1"), "b1");
    bed.fake.state().moved.extend([
        ("PAY-3".to_owned(), "OPS-5".to_owned()),
        ("PAY-4".to_owned(), "PAY-6".to_owned()),
    ]);
    bed.says("PAY-3: moved away");
    bed.alice.push(&["main:topic/x"]).refused("RW417").says("PAY-3 was moved to OPS-5");
    bed.back();
    bed.says("PAY-4: moved");
    bed.alice.push(&["main:topic/x"]).landed().says("PAY-4 is PAY-6 now");
}

#[test]
fn what_jql_does_not_find_is_refused() {
    let bed = checked("jql = \"labels = other\"", "");
    bed.says("PAY-1: x");
    bed.alice.push(&["main:topic/x"]).refused("RW417").says("asks for by JQL");
}

#[test]
fn while_jira_is_down_a_check_refuses_or_takes_what_is_kept() {
    let bed = checked("exists = true, jql = \"labels = hotfix\"", "when-down = \"cache:15m\"");
    bed.says("PAY-1: x");
    bed.alice.push(&["main:topic/x"]).silent();
    bed.fake.mood(Mood::Status(503));
    bed.age(300);
    bed.says("PAY-1: y");
    bed.alice.push(&["main:topic/x"]).landed().says("Jira does not answer");
    bed.age(900);
    bed.says("PAY-1: z");
    let push = bed.alice.push(&["main:topic/x"]);
    push.refused("RW417").says("PAY-1 could not be looked at: Jira d");
    // Where the check looks at nothing, nobody is asked.
    bed.fake.asked();
    bed.alice.push(&["main:lifted/x"]).silent();
    assert!(bed.fake.asked().is_empty());
}

#[test]
fn a_bypass_lifts_it_and_nobody_is_asked() {
    let lifts = permit("alice", "bypass", "checks = [\"issue\"]");
    let check = "[[checks]]\nname = \"issue\"\nissue = { required = true, exists = true }\n";
    let bed = bed(&[permit("alice", "write", ""), permit("carol", "write", ""), lifts], "", check);
    bed.fake.mood(Mood::Hang);
    bed.says("nothing");
    bed.alice.as_user("carol").push(&["main:topic/x"]).refused("RW417");
    bed.alice.push(&["main:topic/x"]).silent();
    assert_eq!(bed.site.trail().last_decision()["refs"][0]["bypassed"][0], "issue");
    assert!(bed.fake.asked().is_empty());
}

#[test]
fn a_key_counts_for_a_check_only_where_key_from_says() {
    let bed = checked("required = true", "key-from = [\"ref\"]");
    bed.says("PAY-1: x");
    bed.alice.push(&["main:topic/x"]).refused("RW417").says("the ref's name names no issue of PAY");
    bed.alice.push(&["main:topic/PAY-1"]).silent();
}

#[test]
fn on_cloud_an_issue_must_be_of_the_type_for_the_version_the_pushers_and_found_by_jql() {
    let rule = "exists = true, type = [\"Story\", \"Bug\"], fix-version = \"2.4.0\", assignee = \"pusher\", jql = \"labels = hotfix\", status-category = \"indeterminate\"";
    let bed = checked_of(true, rule, "cache-issues = \"1s\"");
    bed.says("PAY-1: x");
    bed.alice.push(&["main:topic/x"]).silent();
    let asked = bed.fake.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[0].starts_with("GET /rest/api/3/issue/PAY-1?"), "{asked:?}");
    assert_eq!(asked[1], "POST /rest/api/3/jql/match");
    let refused = |field: &str, value: serde_json::Value, words: &str| {
        let good = bed.fake.state().issues["PAY-1"]["fields"][field].clone();
        bed.fake.set("PAY-1", field, value);
        bed.age(60);
        bed.says("PAY-1: y");
        bed.alice.push(&["main:topic/x"]).refused("RW417").says(words);
        bed.back();
        bed.fake.set("PAY-1", field, good);
    };
    refused("issuetype", json!({ "id": "2", "name": "Task" }), "type");
    refused("fixVersions", json!([{ "id": "2", "name": "2.4" }]), "2.4.0");
    refused("fixVersions", json!([]), "2.4.0");
    let bob = json!({ "accountId": "b1", "active": true });
    refused("assignee", bob, "you are not its assignee");
    refused("assignee", json!(null), "you are not its assignee");
    let gone = json!({ "accountId": "a1", "active": false });
    refused("assignee", gone, "you are not its assignee");
    let done = json!({ "id": "9", "name": "Erledigt", "statusCategory": { "key": "done" } });
    refused("status", done, "PAY-1");
    bed.age(60);
    bed.alice.push(&["main:topic/y"]).landed();
}

#[test]
fn on_either_flavor_type_and_version_are_asked_for() {
    let bed = checked("type = \"Bug\"", "");
    bed.says("PAY-1: x");
    bed.alice.push(&["main:topic/x"]).refused("RW417").says("Bug");
    let bed = checked("fix-version = [\"2.4.0\", \"2.5.0\"]", "");
    bed.says("PAY-1: x");
    bed.alice.push(&["main:topic/x"]).silent();
}

#[test]
fn a_lent_bypass_lifts_it_for_as_long_as_it_is_lent() {
    let more = "[[checks]]\nname = \"issue\"\nexcept-branches = [\"main\"]\nissue = { required = true, exists = true }\n\
        [entitlements.no-issue]\nprojects = [\"APP\"]\neligible = [\"carol\"]\npermissions = [\"bypass\"]\n\
        checks = [\"issue\"]\nbranches = [\"topic/*\"]\nmax-duration = \"1h\"\napproval = [{ from = [\"alice\"], count = 1 }]\n";
    let entries = [permit("alice", "write", ""), permit("carol", "write", "")];
    let bed = bed(&entries, "", more);
    bed.site.refwarden(&["store", "init"]).ends(0, "");
    bed.repo.config("receive.advertisePushOptions", "true");
    bed.alice.push(&["main"]).landed();
    bed.fake.mood(Mood::Hang);
    let odd = bed.says("nothing");
    let carol = bed.alice.as_user("carol");
    let refused = carol.push(&["main:topic/x"]);
    refused.refused("RW417").says(&odd[..12]).says("git push -o access=no-issue");
    let asking = ["-o", "access=no-issue", "-o", "reason=the tracker is down"];
    let asked = carol.push_with(&asking, &["main:topic/x"]);
    asked.refused("waiting for approval").says("carol asks for bypass of issue on");
    let lines = bed.site.trail().events("access.requested");
    let id = lines[0]["request"].as_str().unwrap();
    bed.site.refwarden(&["access", "approve", id, "--as", "alice"]).ends(0, "");
    let push = carol.push(&["main:topic/x"]);
    push.landed().says("bypass of issue on topic/x");
    carol.push(&["main:other/x"]).refused("RW417");
    bed.site.refwarden(&["access", "revoke", id, "--as", "alice"]).ends(0, "");
    bed.says("more");
    carol.push(&["main:topic/x"]).refused("RW417");
    bed.site.trail_verifies();
    assert!(bed.fake.asked().is_empty(), "where no issue is named there is nothing to ask about");
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
