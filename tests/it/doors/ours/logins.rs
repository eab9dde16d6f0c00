//! Whom the door lets in: by the policy that is applied now, whatever stands in `authorized_keys`.

use super::{Lab, lab, policy, public};
use crate::support::{Policy, chmod, skip};
use std::os::unix::fs::PermissionsExt;

fn started() -> Option<Lab> {
    let lab = lab("");
    if lab.is_none() {
        skip("no sshd");
    }
    lab
}

/// Whoever is behind bob's key is told this, in every way of asking.
#[track_caller]
fn shut(lab: &Lab, code: &str) {
    lab.git("bob", &["ls-remote", &lab.door.url("app")]).ends(128, code);
    lab.ssh("bob", "access list").ends(3, code);
    let page = lab.door.ssh_command("bob", "", None).output().unwrap();
    assert_eq!(page.status.code(), Some(3), "{page:?}");
    assert!(page.stdout.is_empty(), "{page:?}");
}

#[test]
fn a_removed_user_s_line_opens_nothing_any_more() {
    let Some(lab) = started() else { return };
    let users = |keys: &dyn Fn(&str) -> String| {
        let users = format!("[users.alice]\nssh-keys = [\"{}\"]", keys("alice"));
        let entries = [crate::support::permit("alice", "write", "")];
        Policy::new(&entries).sources("[\"ssh\"]").users(&users)
    };
    lab.apply(users);
    shut(&lab, "RW102");
    assert!(lab.site.trail().events("read.refused").is_empty());
    lab.ssh("alice", "access list").ends(0, "");
    lab.git("alice", &["ls-remote", &lab.door.url("app")]).ends(0, "");
    let counted = lab.site.trail().events("read.allowed").pop().unwrap();
    assert_eq!(counted["unidentified"], 3);
}

#[test]
fn an_inactive_user_is_refused_by_name() {
    let Some(lab) = started() else { return };
    let inactive = |text: String| text.replace("[users.bob]", "[users.bob]\nactive = false");
    let text = policy(&|name| public(&lab.door.folder, name), "").text();
    lab.site.write_policy_text(&inactive(text));
    lab.site.apply();
    shut(&lab, "RW103");
    let refused = lab.site.trail().events("read.refused");
    assert_eq!(refused.len(), 3);
    assert_eq!(refused[0]["actor"]["user"], "bob");
}

#[test]
fn a_key_that_was_taken_away_or_given_to_another_opens_nothing() {
    let Some(lab) = started() else { return };
    let swap = |name: &str| match name {
        "bob" => "stranger".to_owned(),
        name => name.to_owned(),
    };
    lab.apply(|keys| policy(&|name| keys(&swap(name)), ""));
    shut(&lab, "RW102");
    lab.door.write_keys(&lab.site);
    let run = lab.ssh("bob", "access list");
    assert_eq!(run.code, Some(255), "sshd itself knows the key no more: {run:#?}");
    lab.ssh("stranger", "access list").ends(0, "");
}

#[test]
fn a_door_that_the_policy_does_not_list_is_shut() {
    let Some(lab) = started() else { return };
    lab.apply(|keys| policy(keys, "").sources("[\"unix\"]"));
    shut(&lab, "RW101");
    lab.door.write_keys(&lab.site);
    let file = std::fs::read_to_string(lab.door.folder.join("authorized_keys")).unwrap();
    assert!(!file.contains("command="), "{file}");
}

#[test]
fn only_the_hosting_account_can_be_the_door() {
    if !crate::support::is_root() {
        return skip("not root");
    }
    let Some(lab) = started() else { return };
    lab.site.give_to("nobody", 65534);
    let run = lab.site.refwarden(&["ssh", "alice"]);
    run.ends(7, "RW502").ends(7, "tell the server's admin");
}

#[test]
fn without_an_applied_policy_nobody_gets_in() {
    let Some(lab) = started() else { return };
    for entry in std::fs::read_dir(lab.site.path("state/policy")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    lab.git("alice", &["ls-remote", &lab.door.url("app")]).ends(128, "RW501");
    lab.ssh("alice", "access list").ends(7, "RW501");
}

#[test]
fn the_file_of_keys_is_written_whole_and_keeps_foreign_lines() {
    let Some(lab) = started() else { return };
    let path = lab.door.folder.join("authorized_keys");
    let foreign = "# mine\nssh-ed25519 AAAA me\n";
    std::fs::write(&path, foreign).unwrap();
    chmod(&path, 0o644);
    lab.door.write_keys(&lab.site);
    lab.door.write_keys(&lab.site);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with(foreign), "{text}");
    assert_eq!(text.matches("restrict,command=\"").count(), 3, "dave is inactive: {text}");
    assert_eq!(text.matches("# refwarden: begin").count(), 1, "{text}");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let printed = lab.site.refwarden(&["ssh-keys", "--write", "-"]);
    assert!(text.contains(printed.stdout.as_str()), "{printed:#?}\n{text}");
    std::fs::write(&path, format!("{text}# refwarden: end\n")).unwrap();
    let name = path.display().to_string();
    lab.site.refwarden(&["ssh-keys", "--write", &name]).ends(1, "by hand");
}

#[test]
fn sshd_is_told_about_keys_of_the_hosting_account_alone() {
    let Some(lab) = started() else { return };
    let key = public(&lab.door.folder, "bob");
    let parts: Vec<&str> = key.split(' ').collect();
    let print = lab.fingerprint("bob");
    let account = lab.door.account.clone();
    let ask = |account: &str, print: &str| {
        lab.site.refwarden(&["ssh-keys", account, print, parts[0], parts[1]])
    };
    let told = ask(&account, &print);
    told.ends(0, &format!("ssh bob --key {print}\" {} {}", parts[0], parts[1]));
    assert!(told.stdout.starts_with("restrict,command=\"/"), "{told:#?}");
    assert_eq!(ask("daemon", &print).stdout, "");
    ask(&account, "MD5:00:11").ends(1, "FingerprintHash");
    let stranger = public(&lab.door.folder, "stranger");
    let parts: Vec<&str> = stranger.split(' ').collect();
    let print = lab.fingerprint("stranger");
    let nothing = lab.site.refwarden(&["ssh-keys", &account, &print, parts[0], parts[1]]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(0), ""));
    let dave = public(&lab.door.folder, "dave");
    let parts: Vec<&str> = dave.split(' ').collect();
    let print = lab.fingerprint("dave");
    let nothing = lab.site.refwarden(&["ssh-keys", &account, &print, parts[0], parts[1]]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(0), ""));
}
