//! Keys by AuthorizedKeysCommand, and certificates: sshd checks them, and they only shorten.

use super::{Lab, lab_of, policy};
use crate::support::{Policy, Run, is_root, skip};
use std::process::Command;

fn started() -> Option<Lab> {
    if !is_root() {
        skip("not root, whose AuthorizedKeysCommand must be");
        return None;
    }
    let lab = lab_of(|keys| with_erin(keys, "erin@corp.example"), true);
    if lab.is_none() {
        skip("no sshd");
    }
    lab
}

/// Certificates open the door, erin's by this principal.
fn with_erin(keys: &dyn Fn(&str) -> String, principal: &str) -> Policy {
    let names = format!("[users.erin]\nnames = {{ ssh-cert = [\"{principal}\"] }}\n");
    policy(keys, &names)
        .identity(&format!("ssh-ca = [\"{}\"]", keys("ca")))
        .project("repositories = [\"app\", \"other\"]\nbase = \"main\"")
        .also("[[schemes.default.permit]]\npermissions = [\"read\"]\nto = [\"erin\"]\n")
}

/// Signs the stranger's key, so that ssh offers the certificate with it.
fn sign(lab: &Lab, by: &str, principals: &str, more: &[&str]) {
    let folder = &lab.door.folder;
    let mut command = Command::new("ssh-keygen");
    command.arg("-q").arg("-s").arg(folder.join(by)).args(["-I", "id", "-n", principals]);
    let done = command.args(more).arg(folder.join("stranger.pub")).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn list(lab: &Lab) -> Run {
    lab.git("stranger", &["ls-remote", &lab.door.url("app")])
}

#[test]
fn keys_are_found_by_the_command() {
    let Some(lab) = started() else { return };
    lab.git("bob", &["ls-remote", &lab.door.url("app")]).ends(0, "refs/heads/main");
    for name in ["stranger", "dave"] {
        let run = lab.git(name, &["ls-remote", &lab.door.url("app")]);
        run.ends(128, "Permission denied");
    }
    lab.apply(|keys| {
        let swap = |name: &str| if name == "bob" { "stranger".into() } else { name.to_owned() };
        policy(&|name| keys(&swap(name)), "")
    });
    lab.git("bob", &["ls-remote", &lab.door.url("app")]).ends(128, "Permission denied");
    list(&lab).ends(0, "refs/heads/main");
}

#[test]
fn a_certificate_opens_the_door_for_its_principal() {
    let Some(lab) = started() else { return };
    sign(&lab, "ca", "bob", &["-V", "-1m:+5m"]);
    list(&lab).ends(0, "refs/heads/main");
    let actor = lab.site.trail().events("read.allowed").pop().unwrap()["actor"].clone();
    assert_eq!(
        (&actor["user"], &actor["key"]),
        (&"bob".into(), &lab.fingerprint("stranger").into())
    );
    lab.person.commit("a", "1\n");
    lab.push("stranger", &["main:refs/heads/feature/x"]).landed();
    lab.push("stranger", &["main"]).refused("RW201").says("you are bob");
    let page = lab.door.ssh_command("stranger", "", None).output().unwrap();
    assert!(String::from_utf8_lossy(&page.stdout).contains("by certificate until"), "{page:?}");
    // By the name that the authority has for somebody.
    sign(&lab, "ca", "erin@corp.example", &["-V", "-1m:+5m"]);
    list(&lab).ends(0, "refs/heads/main");
    assert_eq!(lab.site.trail().events("read.allowed").pop().unwrap()["actor"]["user"], "erin");
}

#[test]
fn a_certificate_that_is_not_good_opens_nothing() {
    let Some(lab) = started() else { return };
    let shut = |what: &str| {
        let run = list(&lab);
        assert_eq!(run.code, Some(128), "{what}: {run:#?}");
        assert!(run.stderr.contains("Permission denied"), "{what}: {run:#?}");
    };
    sign(&lab, "ca", "bob", &["-V", "20200101:20200201"]);
    shut("it has ended");
    sign(&lab, "ca", "bob", &["-V", "+1d:+2d"]);
    shut("it has not begun");
    sign(&lab, "alice", "bob", &["-V", "-1m:+5m"]);
    shut("another key has signed it");
    for (principals, what) in [
        ("bob,alice", "two people"),
        ("nobody-of-that-name", "nobody"),
        ("dave", "somebody inactive"),
        ("erin", "erin has another name there"),
        ("b*b", "a pattern"),
        ("bob\" ", "a quote"),
    ] {
        sign(&lab, "ca", principals, &["-V", "-1m:+5m"]);
        shut(what);
    }
    sign(&lab, "ca", "bob", &[]);
    shut("it has no end");
    for (more, what) in [
        (["-h", "-q"], "it is a host's"),
        (["-O", "source-address=192.0.2.0/24"], "it is for another network"),
        (["-O", "force-command=id"], "it forces another command"),
    ] {
        sign(&lab, "ca", "bob", &[&["-V", "-1m:+5m"], &more[..]].concat());
        shut(what);
    }
    sign(&lab, "ca", "bob", &["-V", "-1m:+5m", "-O", "source-address=127.0.0.0/8"]);
    list(&lab).ends(0, "refs/heads/main");
}

#[test]
fn an_authority_that_was_taken_away_opens_nothing() {
    let Some(lab) = started() else { return };
    sign(&lab, "ca", "bob", &["-V", "-1m:+5m"]);
    lab.apply(|keys| policy(keys, ""));
    list(&lab).ends(128, "Permission denied");
    let print = lab.fingerprint("stranger");
    let ca = lab.fingerprint("ca");
    let bob = ["ssh", "bob", "--key", &print, "--ca", &ca, "--principal=bob"];
    lab.site.refwarden(&bob).ends(3, "RW102");
}

#[test]
fn a_principal_that_was_taken_away_opens_nothing_in_a_connection_that_is_open() {
    let Some(lab) = started() else { return };
    // As sshd runs the forced command again for each session of one connection.
    let (print, ca) = (lab.fingerprint("stranger"), lab.fingerprint("ca"));
    let mail = "--principal=erin@corp.example";
    let as_erin =
        |principal| lab.site.refwarden(&["ssh", "erin", "--key", &print, "--ca", &ca, principal]);
    as_erin(mail).ends(0, "");
    as_erin("--principal=bob").ends(3, "RW102");
    lab.site.refwarden(&["ssh", "erin", "--key", &print, "--ca", &ca]).ends(2, "--principal");
    lab.apply(|keys| with_erin(keys, "erin@other.example"));
    as_erin(mail).ends(3, "RW102");
    as_erin("--principal=erin@other.example").ends(0, "");
}

#[test]
fn a_push_kept_open_past_the_certificate_s_end_is_refused() {
    let Some(lab) = started() else { return };
    sign(&lab, "ca", "bob", &["-V", "-1m:+8s"]);
    lab.repo.foreign("pre-receive", "sleep 10");
    lab.person.commit("a", "1\n");
    lab.push("stranger", &["main:refs/heads/feature/x"]).refused("RW306");
    let run = lab.site.refwarden(&["ssh", "bob", "--until", "2020-01-01T00:00:00Z"]);
    run.ends(3, "has ended");
}
