//! Pushes through the door: judged as who came in, by a proof that fits no other push.

use super::{Lab, lab, policy};
use crate::support::{Outcome, script, skip};
use std::collections::BTreeMap;

/// bob may ask for `main`, and alice says yes.
const HOTFIX: &str = "[entitlements.hotfix]\nprojects = [\"APP\"]\neligible = [\"bob\"]\n\
    permissions = [\"update\"]\nbranches = [\"main\"]\nmax-duration = \"1h\"\nreason = \"optional\"\n\
    approval = [{ from = [\"alice\"], count = 1 }]\n";

fn started(more: &str) -> Option<Lab> {
    let lab = lab(more);
    if lab.is_none() {
        skip("no sshd");
    }
    lab
}

#[test]
fn a_push_is_judged_as_who_came_in_and_the_trail_names_the_key() {
    let Some(lab) = started("") else { return };
    let print = lab.fingerprint("bob");
    lab.person.commit("a", "1\n");
    let refused = lab.push("bob", &["main"]);
    refused.refused("RW201").says("you are bob (ssh").says(&print[..15]);
    lab.push("bob", &["main:refs/heads/feature/x"]).silent();
    lab.push("alice", &["main"]).silent();
    lab.push("alice", &[":refs/heads/feature/x"]).landed();
    let decided = lab.site.trail().events("push.decided");
    let actor = &decided[0]["actor"];
    assert_eq!((&actor["user"], &actor["source"]), (&"bob".into(), &"ssh".into()));
    assert_eq!((&actor["key"], &actor["address"]), (&print.into(), &"127.0.0.1".into()));
    assert_eq!(decided.len(), 4);
    lab.site.trail_verifies();
}

#[test]
fn who_may_not_read_can_t_push_and_learns_nothing() {
    let Some(lab) = started("") else { return };
    lab.person.commit("a", "1\n");
    let push = lab.push("carol", &["main:refs/heads/feature/x"]);
    assert!(!push.ok && push.words().contains("there is no repository"), "{}", push.words());
    push.nothing_moved();
    assert!(lab.site.trail().events("push.decided").is_empty());
}

#[test]
fn access_asked_for_by_push_is_approved_over_ssh_and_the_push_lands() {
    let Some(lab) = started(HOTFIX) else { return };
    lab.repo.config("receive.advertisePushOptions", "true");
    lab.person.commit("a", "1\n");
    let asked = lab.push("bob", &["--push-option=access=hotfix", "main"]);
    asked.refused("waiting for approval");
    let report = asked.report();
    let id = report.split("request ").nth(1).unwrap()[..9].to_owned();
    let command = format!("access show {id}");
    let ssh = format!("ssh {}@git.test {command}", lab.door.account);
    assert!(report.contains(&ssh), "the report names this door: {report}");
    lab.ssh("bob", &command).ends(0, "pending");
    lab.ssh("bob", &format!("access approve {id}")).ends(3, "");
    lab.ssh("carol", &command).ends(6, "there is no request");
    lab.ssh("alice", &command).ends(0, "bob");
    lab.ssh("alice", &format!("access approve {id} --note 'go ahead'")).ends(0, "");
    lab.push("bob", &["main"]).landed().says("allowed by grant");
    let approved = lab.site.trail().events("access.approved").pop().unwrap();
    assert_eq!(approved["actor"]["user"], "alice");
    assert_eq!(approved["actor"]["source"], "ssh");
    assert_eq!(approved["actor"]["key"], lab.fingerprint("alice").as_str());
    assert_eq!(approved["actor"]["address"], "127.0.0.1");
    lab.ssh("bob", &format!("access return {id}")).ends(0, "");
    lab.person.commit("a", "2\n");
    lab.push("bob", &["main"]).refused("RW201");
}

#[test]
fn a_repository_without_hooks_takes_no_push_but_is_read() {
    let Some(lab) = started("") else { return };
    lab.repo.unlink("pre-receive");
    lab.person.commit("a", "1\n");
    let push = lab.push("alice", &["main"]);
    assert!(
        push.words().contains("RW510") && push.words().contains("not installed"),
        "{}",
        push.words()
    );
    push.nothing_moved();
    script(&lab.repo.hook("pre-receive"), "exit 0");
    lab.push("alice", &["main"]).nothing_moved();
    lab.git("alice", &["ls-remote", &lab.door.url("app")]).ends(0, "refs/heads/main");
    assert_eq!(lab.site.trail().events("read.refused").pop().unwrap()["code"], "RW510");
}

#[test]
fn without_the_door_s_key_nobody_pushes() {
    let Some(lab) = started("") else { return };
    std::fs::remove_file(lab.site.path("state/door.key")).unwrap();
    lab.person.commit("a", "1\n");
    let push = lab.push("alice", &["main"]);
    assert!(push.words().contains("RW502"), "{}", push.words());
    push.nothing_moved();
}

#[test]
fn nothing_that_a_client_puts_into_the_environment_counts() {
    let Some(lab) = started("") else { return };
    lab.person.commit("a", "1\n");
    let mark = lab.site.path("mark");
    let touch = format!("touch {}", mark.display());
    let mut attacker = lab.person.clone();
    for (name, value) in [
        ("REFWARDEN_USER", "alice"),
        ("REFWARDEN_KEY", "SHA256:x"),
        ("REFWARDEN_PROOF", "00"),
        ("REMOTE_USER", "alice"),
        ("GIT_NAMESPACE", "n"),
        ("GIT_DIR", "/nowhere"),
        ("GIT_EXEC_PATH", "/nowhere"),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "core.hooksPath"),
        ("GIT_CONFIG_VALUE_0", "/nowhere"),
        ("GIT_TRACE", mark.to_str().unwrap()),
        ("GIT_PUSH_OPTION_COUNT", "nonsense"),
        ("GIT_PROTOCOL", "version=2; id"),
        ("GIT_SSH_VARIANT", "ssh"),
        ("LC_ALL", &touch),
    ] {
        attacker = attacker.with(name, value);
    }
    // The client's own git must not see them: ssh sends what it finds in its environment.
    let url = lab.door.url("app.git");
    let names = "-o SendEnv=LC_* -o SendEnv=GIT_* -o SendEnv=REFWARDEN_* -o SendEnv=REMOTE_USER";
    let push = |key: &str| {
        let vars: Vec<String> = attacker
            .command()
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)))
            .filter(|(name, _)| {
                let git = name.starts_with("GIT_")
                    && !name.contains("AUTHOR")
                    && !name.contains("COMMITTER");
                git || name.starts_with("REFWARDEN_") || matches!(*name, "REMOTE_USER" | "LC_ALL")
            })
            .map(|(name, value)| format!("export {name}='{value}'"))
            .collect();
        let wrapper = lab.site.path("wrapper");
        let body = format!("{}\nexec ssh {} \"$@\"", vars.join("\n"), lab.door.options(key, names));
        script(&wrapper, &body);
        Outcome::of(&lab.repo, || {
            let mut git = lab.person.command();
            git.env("GIT_SSH_VARIANT", "ssh").env("GIT_SSH", &wrapper).args(["push", &url, "main"]);
            git.output().unwrap()
        })
    };
    push("bob").refused("RW201").says("you are bob (ssh");
    push("alice").silent();
    assert!(!mark.exists());
}

/// The variables that git started hooks with, as a `post-receive` of somebody else's saw them.
fn captured(lab: &Lab) -> BTreeMap<String, String> {
    let file = lab.site.path("captured");
    lab.repo.unlink("post-receive");
    script(&lab.repo.hook("post-receive"), &format!("env > '{}'", file.display()));
    lab.person.commit("captured", "1\n");
    lab.push("alice", &["main:refs/heads/captured"]).landed();
    let text = std::fs::read_to_string(file).unwrap();
    text.lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| name.starts_with("REFWARDEN_"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn a_proof_from_another_push_is_not_believed() {
    let Some(lab) = started("") else { return };
    let seen = captured(&lab);
    assert_eq!(seen["REFWARDEN_USER"], "alice");
    assert_eq!(seen.len(), 3, "{seen:?}");
    let mut thief = lab.person.clone();
    for (name, value) in &seen {
        thief = thief.with(name, value);
    }
    lab.person.commit("a", "1\n");
    thief.push(&["main"]).refused("RW102").says("another connection");
    let bare = lab.person.with("REFWARDEN_USER", "alice");
    bare.push(&["main"]).refused("RW102");
}

#[test]
fn a_proof_is_good_for_its_own_repository_alone() {
    let Some(lab) = started("") else { return };
    let other = lab.site.repo("other");
    let said = lab.site.path("said");
    lab.repo.unlink("post-receive");
    // Below the very process that the proof names, with all that it was given.
    let body = format!(
        "unset GIT_DIR GIT_QUARANTINE_PATH\ncd '{}' && git push '{}' main > '{}' 2>&1",
        lab.person.path.display(),
        other.url(),
        said.display()
    );
    script(&lab.repo.hook("post-receive"), &body);
    lab.person.commit("a", "1\n");
    lab.push("alice", &["main"]).landed();
    let said = std::fs::read_to_string(said).unwrap();
    assert!(said.contains("RW102") && said.contains("another repository"), "{said}");
    assert!(other.refs().keys().all(|name| !name.starts_with("refs/heads/")), "{:?}", other.refs());
}

#[test]
fn the_hooks_keep_the_proof_from_other_programs() {
    let Some(lab) = started("") else { return };
    let file = lab.site.path("seen");
    lab.repo.foreign("pre-receive", &format!("env > '{}'", file.display()));
    lab.person.commit("a", "1\n");
    lab.push("alice", &["main"]).landed();
    let seen = std::fs::read_to_string(file).unwrap();
    assert!(!seen.contains("REFWARDEN_") && !seen.contains("SSH_"), "{seen}");
}

#[test]
fn a_policy_that_is_applied_meanwhile_counts_at_the_next_connection() {
    let Some(lab) = started("") else { return };
    let url = lab.door.url("app");
    lab.git("bob", &["ls-remote", &url]).ends(0, "");
    lab.apply(|keys| {
        policy(keys, "[[schemes.default.forbid]]\npermissions = [\"read\"]\nto = [\"bob\"]\n")
    });
    lab.git("bob", &["ls-remote", &url]).ends(128, "there is no repository");
    assert_eq!(lab.site.trail().events("read.refused").pop().unwrap()["code"], "RW202");
}
