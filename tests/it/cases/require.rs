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

/// A home of gpg with keys that really were made by it.
struct Pgp {
    home: tempfile::TempDir,
}

impl Pgp {
    fn new() -> Self {
        // gpg's agent wants a short path for its socket, and a folder of its owner alone.
        let home = tempfile::Builder::new().prefix("pgp").tempdir_in("/tmp").unwrap();
        crate::support::chmod(home.path(), 0o700);
        Self { home }
    }

    fn gpg(&self, arguments: &[&str]) -> String {
        let done = Command::new("gpg")
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("GNUPGHOME", self.home.path())
            .args(["--batch", "--quiet", "--yes", "--pinentry-mode", "loopback"])
            .args(["--passphrase", ""])
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "gpg {arguments:?}: {said}");
        String::from_utf8(done.stdout).unwrap()
    }

    /// Makes a key for `mail`, and gives the armored public part.
    fn key(&self, mail: &str, more: &[&str]) -> String {
        self.gpg(&[more, &["--quick-generate-key", mail, "ed25519", "sign", "never"]].concat());
        self.public(mail)
    }

    fn public(&self, mail: &str) -> String {
        self.gpg(&["--armor", "--export", mail])
    }

    fn push(&self, lab: &Lab, mail: &str) -> Outcome {
        let signing = format!("user.signingKey={mail}");
        Outcome::of(&lab.repo, || {
            let mut command = lab.alice.command();
            command.env("GNUPGHOME", self.home.path());
            command.args(["-c", "gpg.format=openpgp", "-c", &signing, "push", "--signed=yes"]);
            command.arg(lab.repo.url()).arg("main").output().unwrap()
        })
    }

    /// Writes `key` as alice's into the policy, and applies it.
    fn alices(lab: &Lab, key: &str) {
        let keys = format!("[users.alice]\ngpg-keys = [\"\"\"\n{key}\"\"\"]\n");
        let text = std::fs::read_to_string(lab.site.policy()).unwrap();
        let (before, after) = text.split_once("[users.alice]\n").unwrap();
        let after = after.split_once("[users.bob]").unwrap().1;
        std::fs::write(lab.site.policy(), format!("{before}{keys}[users.bob]{after}")).unwrap();
        lab.site.apply();
    }
}

impl Drop for Pgp {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .env("GNUPGHOME", self.home.path())
            .args(["--kill", "all"])
            .status();
    }
}

#[test]
fn a_push_signed_with_openpgp_by_the_pushers_own_key_and_by_nobody_elses() {
    let (lab, pgp) = (lab(), Pgp::new());
    let own = pgp.key("alice@example.org", &[]);
    pgp.key("mallory@example.org", &[]);
    Pgp::alices(&lab, &own);
    lab.alice.commit("a", "1\n");
    pgp.push(&lab, "mallory@example.org").refused("RW102");
    pgp.push(&lab, "alice@example.org").silent();
    let actor = lab.site.trail().last_decision()["actor"].clone();
    assert_eq!(actor["user"], "alice");
}

#[test]
fn a_push_signed_with_an_openpgp_key_that_has_ended_or_was_revoked() {
    let (lab, pgp) = (lab(), Pgp::new());
    lab.alice.commit("a", "1\n");
    // It was good for a day, a year ago; and it signs with the clock of that day.
    let then = ["--faked-system-time", "20250101T000000!"];
    let make = ["--quick-generate-key", "old@example.org", "ed25519", "sign", "1d"];
    pgp.gpg(&[&then[..], &make[..]].concat());
    Pgp::alices(&lab, &pgp.public("old@example.org"));
    std::fs::write(pgp.home.path().join("gpg.conf"), then.join(" ").replacen("--", "", 1)).unwrap();
    pgp.push(&lab, "old@example.org").refused("RW10");
    std::fs::remove_file(pgp.home.path().join("gpg.conf")).unwrap();
    // One that was revoked since: the policy has the key with its revocation.
    let good = pgp.key("gone@example.org", &[]);
    let revoked = pgp.home.path().join("openpgp-revocs.d");
    let found = std::fs::read_dir(revoked).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = found.collect();
    let list = pgp.gpg(&["--with-colons", "--list-keys", "gone@example.org"]);
    let print = list.lines().find(|line| line.starts_with("fpr")).unwrap();
    let print = print.split(':').nth(9).unwrap();
    let file = files.iter().find(|path| path.to_string_lossy().contains(print)).unwrap();
    let text = std::fs::read_to_string(file).unwrap().replace(":-----BEGIN", "-----BEGIN");
    let other = Pgp::new();
    let import = |name: &str, text: &str| {
        let path = other.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        other.gpg(&["--import", path.to_str().unwrap()]);
    };
    import("key", &good);
    import("revocation", &text);
    Pgp::alices(&lab, &other.public("gone@example.org"));
    pgp.push(&lab, "gone@example.org").refused("RW10");
    // The same key without its revocation would have been good.
    Pgp::alices(&lab, &good);
    pgp.push(&lab, "gone@example.org").silent();
}
