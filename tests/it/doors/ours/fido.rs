//! Keys of a FIDO authenticator, for the ssh door and for signed pushes. The authenticator is
//! OpenSSH's own in software (Debian: openssh-tests), or the one that `SSH_SK_PROVIDER` names.

use super::{Lab, lab_of, policy};
use crate::support::{Outcome, Policy, Site, chmod, permit, skip};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian has it.
const PROVIDER: &str = "/usr/lib/openssh/regress/misc/sk-dummy/sk-dummy.so";

fn provider() -> Option<PathBuf> {
    let path = std::env::var_os("SSH_SK_PROVIDER").map_or_else(|| PROVIDER.into(), PathBuf::from);
    if !path.is_file() {
        skip("no FIDO authenticator in software");
        return None;
    }
    Some(path)
}

/// Makes a key, and gives its public line.
fn make(provider: &Path, path: &Path, kind: &str, more: &[&str]) -> String {
    let mut command = Command::new("ssh-keygen");
    command.env("SSH_SK_PROVIDER", provider).args(["-q", "-N", "", "-C", "k", "-t", kind]);
    let done = command.args(more).arg("-f").arg(path).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    std::fs::read_to_string(path.with_extension("pub")).unwrap().trim().to_owned()
}

const UNTOUCHED: [&str; 2] = ["-O", "no-touch-required"];

/// The door to which alice's and bob's keys are of an authenticator, and carol's too, which gives
/// answers although nobody touches it.
fn started(provider: &Path) -> Option<Lab> {
    let keys = tempfile::tempdir().unwrap();
    let of = |name: &str, kind, more: &[&str]| make(provider, &keys.path().join(name), kind, more);
    let alice = of("alice", "ecdsa-sk", &[]);
    let bob = of("bob", "ed25519-sk", &[]);
    let carol = of("carol", "ed25519-sk", &UNTOUCHED);
    let all = |others: &dyn Fn(&str) -> String| {
        let key = |name: &str| match name {
            "alice" => alice.clone(),
            "bob" => bob.clone(),
            "carol" => carol.clone(),
            other => others(other),
        };
        policy(&key, "")
    };
    let Some(lab) = lab_of(all, false) else {
        skip("no sshd");
        return None;
    };
    for name in ["alice", "bob", "carol"] {
        for file in [name.to_owned(), format!("{name}.pub")] {
            std::fs::copy(keys.path().join(&file), lab.door.folder.join(&file)).unwrap();
        }
        chmod(&lab.door.folder.join(name), 0o600);
    }
    Some(lab)
}

#[test]
fn a_key_that_was_touched_opens_the_door_and_one_that_was_not_does_not() {
    let Some(provider) = provider() else { return };
    let Some(lab) = started(&provider) else { return };
    let with = format!("-o SecurityKeyProvider={}", provider.display());
    let print = lab.fingerprint("bob");
    lab.person.commit("a", "1\n");
    let push = |key: &str, refspec: &str| {
        lab.door.push_with((&lab.repo, &lab.person), key, &with, &[refspec])
    };
    push("bob", "main").refused("RW201").says("you are bob (ssh").says(&print[..15]);
    push("bob", "main:refs/heads/feature/x").silent();
    push("alice", "main").silent();
    let decided = lab.site.trail().last_decision();
    assert_eq!(decided["actor"]["key"], lab.fingerprint("alice"));
    let carol = push("carol", "main:refs/heads/feature/y");
    assert!(!carol.ok && carol.words().contains("Permission denied"), "{}", carol.words());
    lab.site.trail_verifies();
}

#[test]
fn a_push_signed_by_an_authenticator_counts_where_somebody_touched_it() {
    let Some(provider) = provider() else { return };
    let site = Site::unapplied(&Policy::default(), &crate::support::Git::default());
    let of = |name: &str, kind, more: &[&str]| {
        let path = site.path("people").join(name);
        (make(&provider, &path, kind, more), path)
    };
    let keys = [
        of("ed25519", "ed25519-sk", &[]),
        of("ecdsa", "ecdsa-sk", &[]),
        of("untouched", "ed25519-sk", &UNTOUCHED),
    ];
    let lines = keys.each_ref().map(|(line, _)| line);
    let policy = Policy::new(&[permit("alice", "write", "")])
        .users(&format!("[users.alice]\nssh-keys = {lines:?}"))
        .sources("[\"push-cert\"]");
    site.write_policy(&policy);
    site.apply();
    let (repo, alice) = site.started();
    repo.config("receive.certNonceSeed", "a seed that nobody knows");
    let push = |key: &Path| {
        let signing = format!("user.signingKey={}", key.display());
        Outcome::of(&repo, || {
            let mut git = alice.command();
            git.env("SSH_SK_PROVIDER", &provider).args(["-c", "gpg.format=ssh", "-c", &signing]);
            git.args(["push", "--signed=yes", &repo.url(), "main"]).output().unwrap()
        })
    };
    for (turn, (_, key)) in keys[..2].iter().enumerate() {
        alice.commit("a", &format!("{turn}\n"));
        push(key).silent();
    }
    alice.commit("a", "untouched\n");
    push(&keys[2].1).refused("RW102").says("nobody touched the");
    site.trail_verifies();
}
