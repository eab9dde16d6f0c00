//! `[[identity.require]]`: signed pushes on chosen refs, with real keys.

use crate::support::{Outcome, Person, Policy, Repo, Site, permit};
use std::path::PathBuf;
use std::process::Command;

struct Lab {
    site: Site,
    repo: Repo,
    alice: Person,
    keys: Vec<PathBuf>,
}

/// `main` asks for a signed push; alice's key is the first, carol's the second, the third nobody's.
fn lab() -> Lab {
    let site = Site::unapplied(&Policy::default(), &crate::support::Git::default());
    let keys: Vec<PathBuf> = (0..3).map(|n| site.path(&format!("people/key{n}"))).collect();
    for key in &keys {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "k", "-f"])
            .arg(key)
            .status();
        assert!(made.unwrap().success());
    }
    let public = |n: usize| {
        std::fs::read_to_string(keys[n].with_extension("pub")).unwrap().trim().to_owned()
    };
    let users = format!(
        "[users.alice]\nssh-keys = [\"{}\"]\n[users.bob]\n[users.carol]\nssh-keys = [\"{}\"]",
        public(0),
        public(1)
    );
    let policy = Policy::new(&[permit("alice", "write", ""), permit("carol", "write", "")])
        .users(&users)
        .also("[[identity.require]]\nbranches = [\"main\"]\nsource = \"push-cert\"");
    site.write_policy(&policy);
    site.apply();
    let (repo, alice) = site.started();
    repo.config("receive.certNonceSeed", "a seed that nobody knows");
    Lab { site, repo, alice, keys }
}

impl Lab {
    fn signed(&self, key: usize, refspecs: &[&str]) -> Outcome {
        let signing = format!("user.signingKey={}", self.keys[key].display());
        Outcome::of(&self.repo, || {
            let mut command = self.alice.command();
            command.args(["-c", "gpg.format=ssh", "-c", &signing, "push", "--signed=yes"]);
            command.arg(self.repo.url()).args(refspecs).output().unwrap()
        })
    }
}

#[test]
fn an_unsigned_push_to_a_ref_that_asks_for_a_signature() {
    let lab = lab();
    lab.alice.commit("a", "1\n");
    lab.alice.push(&["main"]).refused("push-cert").says("--signed");
    lab.alice.push(&["main:refs/heads/other"]).silent();
}

#[test]
fn a_push_signed_with_the_pushers_own_key() {
    let lab = lab();
    lab.alice.commit("a", "1\n");
    lab.signed(0, &["main"]).silent();
}

#[test]
fn a_push_signed_with_somebody_elses_key_is_refused() {
    let lab = lab();
    lab.alice.commit("a", "1\n");
    lab.signed(1, &["main"]).refused("RW104");
    lab.signed(2, &["main"]).refused("RW102");
}

#[test]
fn a_signed_push_alone_can_name_the_pusher() {
    let lab = lab();
    let text = std::fs::read_to_string(lab.site.policy()).unwrap();
    std::fs::write(lab.site.policy(), text.replace("env:TEST_USER", "push-cert")).unwrap();
    lab.site.apply();
    lab.alice.commit("a", "1\n");
    lab.alice.push(&["main"]).refused("RW101").says("push-cert");
    lab.signed(0, &["main"]).silent();
    let actor = lab.site.trail().last_decision()["actor"].clone();
    assert_eq!(actor["user"], "alice");
    assert!(actor["key"].as_str().unwrap().starts_with("SHA256:"), "{actor}");
}
