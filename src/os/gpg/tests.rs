use super::*;
use crate::pusher::certificate::{CertificateError, KeyRing, NonceCheck, RefLine, verify};
use crate::pusher::lab::{Lab, exists};
use crate::pusher::openpgp::{lone_signature, primary_fingerprint};
use crate::pusher::signature::SignatureError;

const PAYLOAD: &[u8] = b"what was signed\n";
const LIMIT: Duration = Duration::from_secs(20);
const FPR: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

/// A gpg home with keys; its agent ends with it.
struct Pgp {
    lab: Lab,
}

impl Drop for Pgp {
    fn drop(&mut self) {
        self.lab.run("gpgconf", &["--kill", "all"]);
    }
}

impl Pgp {
    /// `None`, said aloud, where gpg is not installed.
    fn new() -> Option<Self> {
        if !PROGRAMS.iter().any(|program| exists(program)) {
            println!("skipped: gpg is not installed");
            return None;
        }
        let lab = Lab::new();
        DirBuilder::new().mode(0o700).create(lab.path("gnupg")).unwrap();
        DirBuilder::new().mode(0o700).create(lab.path("state")).unwrap();
        Some(Self { lab })
    }

    fn gpg(&self, args: &[&str]) -> Vec<u8> {
        let all: Vec<_> = ["--batch", "--quiet", "--yes", "--passphrase", ""]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        self.lab.run("gpg", &all)
    }

    /// Makes a key and gives its public block; `before` are options such as a faked time.
    fn key(&self, mail: &str, kind: &str, end: &str, before: &[&str]) -> String {
        let make = ["--quick-gen-key", mail, kind, "sign", end];
        self.gpg(&before.iter().copied().chain(make).collect::<Vec<_>>());
        self.block(mail)
    }

    fn block(&self, mail: &str) -> String {
        String::from_utf8(self.gpg(&["--armor", "--export", mail])).unwrap()
    }

    fn fingerprint(&self, mail: &str) -> String {
        let listed = String::from_utf8(self.gpg(&["--with-colons", "--list-keys", mail])).unwrap();
        let line = listed.lines().find(|line| line.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }

    /// A detached signature packet by `mail`.
    fn sign(&self, mail: &str, before: &[&str]) -> Vec<u8> {
        let file = self.lab.write("payload", PAYLOAD);
        let sign = ["-u", mail, "--armor", "-o", "-", "--detach-sign", file.to_str().unwrap()];
        let armored = self.gpg(&before.iter().copied().chain(sign).collect::<Vec<_>>());
        lone_signature(&armored).unwrap()
    }

    fn verifier(&self, keys: &[&str]) -> Gpg {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Gpg::new(&self.lab.path("state"), keys, LIMIT).unwrap()
    }

    fn is_clean(&self) -> bool {
        fs::read_dir(self.lab.path("state")).unwrap().next().is_none()
    }
}

fn refused(result: Result<String, GpgError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_private_home_is_known_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::make(folder.path()).unwrap();
    assert!(is_home(home.0.file_name().unwrap()));
    for name in ["gpg-1", "gpg-x-0", "gpg", "gpg-1-0.new", "policy"] {
        assert!(!is_home(OsStr::new(name)), "{name}");
    }
}

#[test]
fn a_good_signature_by_a_listed_key_names_that_key() {
    let Some(pgp) = Pgp::new() else { return };
    for (mail, kind) in [("ed@x", "ed25519"), ("ec@x", "nistp256"), ("rsa@x", "rsa2048")] {
        let block = pgp.key(mail, kind, "never", &[]);
        let fingerprint = pgp.fingerprint(mail);
        assert_eq!(primary_fingerprint(&block).as_ref(), Ok(&fingerprint), "{kind}");
        let gpg = pgp.verifier(&[&block]);
        let signature = pgp.sign(mail, &[]);
        assert_eq!(gpg.ask(PAYLOAD, &signature).unwrap(), fingerprint, "{kind}");
        let other = refused(gpg.ask(b"something else", &signature));
        assert_eq!(other, "the signature is not good");
    }
    assert!(pgp.is_clean(), "nothing stays behind");
}

#[test]
fn a_key_that_the_policy_does_not_list_counts_for_nothing() {
    let Some(pgp) = Pgp::new() else { return };
    let hers = pgp.key("hers@x", "ed25519", "never", &[]);
    pgp.key("eve@x", "ed25519", "never", &[]);
    let signature = pgp.sign("eve@x", &[]);
    for keys in [vec![hers.as_str()], vec![]] {
        let refused = refused(pgp.verifier(&keys).ask(PAYLOAD, &signature));
        assert_eq!(refused, "the policy lists the signing key for nobody");
    }
    assert!(pgp.is_clean());
}

#[test]
fn an_expired_a_revoked_and_a_weak_signature_count_for_nothing() {
    let Some(pgp) = Pgp::new() else { return };
    let past = ["--faked-system-time", "20200101T000000!"];
    let expired = pgp.key("old@x", "ed25519", "1d", &past);
    let signature = pgp.sign("old@x", &past);
    let said = refused(pgp.verifier(&[&expired]).ask(PAYLOAD, &signature));
    assert_eq!(said, "the key or the signature has expired");

    let live = pgp.key("key@x", "ed25519", "never", &[]);
    let weak = pgp.sign("key@x", &["--digest-algo", "SHA1"]);
    let said = refused(pgp.verifier(&[&live]).ask(PAYLOAD, &weak));
    assert_eq!(said, "the signature is of a kind too weak to count");
    let text = pgp.sign("key@x", &["--textmode"]);
    assert!(pgp.verifier(&[&live]).ask(PAYLOAD, &text).is_err(), "text with its line ends changed");

    let signature = pgp.sign("key@x", &[]);
    assert!(pgp.verifier(&[&live]).ask(PAYLOAD, &signature).is_ok());
    let file = pgp.lab.path(&format!("gnupg/openpgp-revocs.d/{}.rev", pgp.fingerprint("key@x")));
    let prepared = fs::read_to_string(file).unwrap().replace(":-----BEGIN", "-----BEGIN");
    let revocation = pgp.lab.write("revocation", prepared.as_bytes());
    pgp.gpg(&["--import", revocation.to_str().unwrap()]);
    let said = refused(pgp.verifier(&[&pgp.block("key@x")]).ask(PAYLOAD, &signature));
    assert_eq!(said, "the key is revoked");
    assert!(pgp.is_clean());
}

struct Ring(Gpg);

impl KeyRing for Ring {
    fn has_ssh_key(&self, _: &str) -> Result<bool, String> {
        Ok(false)
    }

    fn openpgp(&self) -> Option<&dyn OpenPgp> {
        Some(&self.0)
    }
}

#[test]
fn a_push_signed_with_gpg_holds_and_an_altered_one_does_not() {
    let Some(pgp) = Pgp::new() else { return };
    let block = pgp.key("a@x", "ed25519", "never", &[]);
    pgp.lab.server("srv", "sha1");
    let push = pgp.lab.push("srv", &["user.signingKey=a@x"], &["HEAD:refs/heads/main"]);
    let ring = Ring(pgp.verifier(&[&block]));
    let nonce = NonceCheck {
        seed: b"a seed",
        service_dir: &push.service_dir,
        hash: gix::hash::Kind::Sha1,
        began: push.began,
        slop: 0,
    };
    let line = RefLine::split(push.stdin.strip_suffix(b"\n").unwrap()).unwrap();
    let verified = verify(&push.blob, &[line], &[], &ring, &nonce).unwrap();
    assert_eq!(verified.fingerprint, pgp.fingerprint("a@x"));
    let altered = String::from_utf8(push.blob).unwrap().replace("pusher a", "pusher b");
    let refused = verify(altered.as_bytes(), &[line], &[], &ring, &nonce).unwrap_err();
    assert_eq!(
        refused,
        CertificateError::Signature(SignatureError::OpenPgp("the signature is not good".into()))
    );
}

#[test]
fn a_gpg_that_hangs_is_ended() {
    let lab = Lab::new();
    let script = lab.write("gpg", b"#!/bin/sh\nexec sleep 600\n");
    lab.run("chmod", &["+x", script.to_str().unwrap()]);
    let folder = lab.path("state");
    DirBuilder::new().mode(0o700).create(&folder).unwrap();
    let limit = Duration::from_millis(200);
    let home = OnceCell::new();
    let gpg = Gpg { program: script, folder: folder.clone(), keys: vec![], limit, home };
    let begun = Instant::now();
    assert!(matches!(gpg.ask(PAYLOAD, b"x"), Err(GpgError::Timeout(_))));
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert!(fs::read_dir(folder).unwrap().next().is_none(), "the home is removed all the same");
}

fn valid(algorithm: &str, digest: &str, class: &str, primary: &str) -> String {
    format!(
        "[GNUPG:] VALIDSIG {FPR} 2026-01-01 1767225600 0 4 0 {algorithm} {digest} {class} {primary}"
    )
}

#[test]
fn only_one_good_signature_is_believed() {
    let good = "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 89ABCDEF01234567 a <a@x>\n";
    let sound = valid("22", "8", "00", FPR);
    assert_eq!(judge(&format!("{good}{sound}\n")), Ok(FPR.to_owned()));
    let refused = [
        String::new(),
        good.to_owned(),
        sound.clone(),
        format!("{good}{sound}\n{good}{sound}"),
        format!("{good}{sound}\n{sound}"),
        format!("{good}{good}{sound}"),
        format!("{good}{sound}\n[GNUPG:] BADSIG 89ABCDEF01234567 a"),
        format!("{good}{sound}\n[GNUPG:] ERRSIG 89ABCDEF01234567 22 8 00 1 9"),
        format!("{good}{sound}\n[GNUPG:] FAILURE gpg-exit 33554433"),
        format!("{good}{sound}\n[GNUPG:] NO_PUBKEY 89ABCDEF01234567"),
        format!("[GNUPG:] EXPKEYSIG 89ABCDEF01234567 a\n{sound}"),
        format!("[GNUPG:] REVKEYSIG 89ABCDEF01234567 a\n{sound}"),
        format!("[GNUPG:] EXPSIG 89ABCDEF01234567 a\n{sound}"),
        format!("[GNUPG:] BADSIG 1 [GNUPG:] GOODSIG 1 a\n{sound}"),
        format!("{good}{}", valid("22", "2", "00", FPR)),
        format!("{good}{}", valid("17", "8", "00", FPR)),
        format!("{good}{}", valid("22", "8", "01", FPR)),
        format!("{good}{}", valid("22", "8", "00", "ABCD")),
        format!("{good}{}", sound.replace("[GNUPG:]", "[gnupg:]")),
        format!("{good}[GNUPG:] VALIDSIG {FPR} 2026-01-01 1767225600 0 4 0 22 8 00"),
    ];
    for lines in refused {
        assert!(judge(&lines).is_err(), "{lines}");
    }
}
