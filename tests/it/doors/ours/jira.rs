//! `read-needs`: who may read at the door must have a permission of Jira's as well.

use super::{Lab, lab_of, policy};
use crate::support::fake_jira::{Fake, Mood};
use crate::support::{chmod, skip};
use serde_json::json;

/// alice and bob have accounts there; carol may read by the policy and is nobody there.
fn started(fake: &Fake) -> Option<Lab> {
    let jira = format!(
        "[jira]\nurl = \"{}\"\nflavor = \"cloud\"\nemail = \"g@ex.org\"\ntoken-file = \"{{state}}/jira-token\"\n\
         timeout = \"900ms\"\n[[schemes.default.permit]]\npermissions = [\"read\"]\nto = [\"carol\"]\n",
        fake.url
    );
    let lab = lab_of(
        |keys| {
            let user = |name: &str, more: &str| {
                format!("[users.{name}]\nssh-keys = [\"{}\"]\n{more}", keys(name))
            };
            let users = [
                user("alice", "jira = \"a1\"\n"),
                user("bob", "jira = \"b1\"\n"),
                user("carol", ""),
            ];
            policy(keys, &jira)
                .users(&format!("{}[global]\nadminister = [\"alice\"]\n", users.concat()))
                .project(
                    "repositories = [\"app\", \"other\"]\nbase = \"main\"\njira-keys = [\"PAY\"]\n\
                     read-needs = \"jira-permission:VIEW_DEV_TOOLS\"",
                )
        },
        false,
    )?;
    let token = lab.site.path("state/jira-token");
    std::fs::write(&token, "secret-token\n").unwrap();
    chmod(&token, 0o600);
    Some(lab)
}

#[test]
fn who_may_read_needs_the_permission_in_jira_and_a_jira_that_is_down_lets_nobody_in() {
    let fake = Fake::start(true);
    fake.state().leads.insert("PAY".into(), json!({ "accountId": "a1", "active": true }));
    fake.state().permitted.push("b1".into());
    let Some(lab) = started(&fake) else { return skip("no sshd") };
    let reads = |name: &str| lab.git(name, &["ls-remote", &lab.door.url("app")]);
    let refused = |name: &str, code: &str| {
        let run = reads(name);
        assert!(run.code != Some(0) && !run.stdout.contains("refs/"), "{run:#?}");
        let last = lab.site.trail().events("read.refused").pop().unwrap();
        assert_eq!(
            (&last["actor"]["user"], &last["code"]),
            (&json!(name), &json!(code)),
            "{run:#?}"
        );
    };
    fake.mood(Mood::Status(503));
    refused("bob", "RW508");
    fake.mood(Mood::Well);
    reads("bob").ends(0, "refs/heads/main");
    let asked = fake.asked();
    assert!(asked.iter().any(|one| one == "POST /rest/api/3/permissions/check"), "{asked:?}");
    // Kept for a while, as everything about people is.
    reads("bob").ends(0, "refs/heads/main");
    assert!(fake.asked().is_empty());
    refused("alice", "RW201");
    // Nobody there, so nobody is asked.
    fake.asked();
    refused("carol", "RW201");
    assert!(fake.asked().is_empty());
    // Nor does she push by the door to what she may not see.
    lab.person.commit("a", "1\n");
    lab.git("alice", &["push", &lab.door.url("app"), "main"]).ends(128, "");
    // What is kept holds while Jira hangs.
    fake.mood(Mood::Hang);
    reads("bob").ends(0, "refs/heads/main");
    lab.site.trail_verifies();
}
