//! The check `issue`: which issues pushed commits name, and what these must be like.

use super::issues::{Bed, bed, bed_of};
use crate::support::fake_jira::Mood;
use crate::support::permit;
use serde_json::json;

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
