use super::*;
use crate::pusher::lab::{Key, Lab, Received};
use crate::pusher::openpgp::OpenPgp;
use crate::pusher::sshsig::SshSigError;

struct Ring<'a>(Vec<&'a Key>);

impl KeyRing for Ring<'_> {
    fn has_ssh_key(&self, fingerprint: &str) -> Result<bool, String> {
        Ok(self.0.iter().any(|key| key.fingerprint == fingerprint))
    }

    fn openpgp(&self) -> Option<&dyn OpenPgp> {
        None
    }
}

fn nonce(push: &Received) -> NonceCheck<'_> {
    NonceCheck {
        seed: b"a seed",
        service_dir: &push.service_dir,
        hash: gix::hash::Kind::Sha1,
        began: push.began,
        slop: 0,
    }
}

fn lines(stdin: &[u8]) -> Vec<RefLine<'_>> {
    let lines = stdin.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| RefLine::split(line).unwrap()).collect()
}

fn check(push: &Received, key: &Key) -> Result<String, CertificateError> {
    check_with(push, &[], key, &nonce(push))
}

fn check_with(
    push: &Received,
    options: &[&[u8]],
    key: &Key,
    nonce: &NonceCheck<'_>,
) -> Result<String, CertificateError> {
    let options: Vec<_> = options.iter().map(|option| option.to_vec()).collect();
    verify(&push.blob, &lines(&push.stdin), &options, &Ring(vec![key]), nonce)
        .map(|verified| verified.fingerprint)
}

const MAIN: &str = "HEAD:refs/heads/main";
const TAG: &str = "HEAD:refs/tags/v1";

/// One signed push of two refs, and its key.
fn pushed() -> (Lab, Key, Received) {
    let lab = Lab::new();
    let key = lab.key("key", &["ed25519"]);
    lab.server("srv", "sha1");
    let push = lab.ssh_push("srv", &key, &[MAIN, TAG]);
    (lab, key, push)
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    text.replacen(from, to, 1).into_bytes()
}

fn refs_line(push: &Received) -> String {
    let stdin = std::str::from_utf8(&push.stdin).unwrap();
    format!("{}\n", stdin.lines().next().unwrap())
}

#[test]
fn what_git_push_signed_sends_holds() {
    let (lab, key, push) = pushed();
    assert_eq!(check(&push, &key), Ok(key.fingerprint.clone()));
    let options = lab.ssh_push("srv", &key, &["-o", "a=b", "-o", "", "HEAD:refs/heads/next"]);
    let expected: [&[u8]; 2] = [b"a=b", b""];
    let held = check_with(&options, &expected, &key, &nonce(&options));
    assert_eq!(held, Ok(key.fingerprint.clone()));
    let deleted = lab.ssh_push("srv", &key, &[":refs/heads/next"]);
    assert_eq!(check(&deleted, &key), Ok(key.fingerprint.clone()));
    for kind in [["ecdsa", "256"], ["rsa", "3072"]] {
        let key = lab.key(kind[0], &[kind[0], "-b", kind[1]]);
        let push = lab.ssh_push("srv", &key, &[&format!("HEAD:refs/heads/{}", kind[0])]);
        assert_eq!(check(&push, &key), Ok(key.fingerprint.clone()));
    }
}

#[test]
fn a_sha256_repository_has_longer_nonces() {
    let lab = Lab::new();
    let key = lab.key("key", &["ed25519"]);
    lab.server("srv", "sha256");
    let push = lab.ssh_push("srv", &key, &[MAIN]);
    let right = NonceCheck { hash: gix::hash::Kind::Sha256, ..nonce(&push) };
    assert_eq!(check_with(&push, &[], &key, &right), Ok(key.fingerprint.clone()));
    assert_eq!(check(&push, &key), Err(CertificateError::ForeignNonce));
}

#[test]
fn a_certificate_replayed_with_another_push_is_refused() {
    let (lab, key, first) = pushed();
    let second = lab.ssh_push("srv", &key, &["HEAD:refs/heads/other"]);
    let replay = Received { blob: first.blob.clone(), ..second };
    assert_eq!(check(&replay, &key), Err(CertificateError::Refs));
}

#[test]
fn a_certificate_replayed_with_the_same_refs_later_is_refused() {
    let (_lab, key, push) = pushed();
    let held =
        |began, slop| check_with(&push, &[], &key, &NonceCheck { began, slop, ..nonce(&push) });
    let stale = Err(CertificateError::StaleNonce);
    assert_eq!(held(push.now + 302, 300), stale);
    assert!(held(push.began + 300, 300).is_ok());
    assert_eq!(held(push.now + 2, 0), stale);
    assert_eq!(held(u64::MAX, 300), stale);
    assert_eq!(held(0, 300), stale);
    assert!(held(0, u64::MAX).is_ok());
}

#[test]
fn a_certificate_signed_while_a_connection_was_held_open_is_refused() {
    let (_lab, key, push) = pushed();
    let held =
        |began, slop| check_with(&push, &[], &key, &NonceCheck { began, slop, ..nonce(&push) });
    assert_eq!(held(push.began - 11, 0), Err(CertificateError::StaleNonce));
    assert_eq!(held(push.began - 311, 300), Err(CertificateError::StaleNonce));
    assert!(held(push.now - 10, 0).is_ok(), "a slow start");
}

#[test]
fn a_nonce_of_another_repository_or_server_is_refused() {
    let (_lab, key, push) = pushed();
    let foreign = Err(CertificateError::ForeignNonce);
    let elsewhere = NonceCheck { service_dir: b"/srv/git/other.git", ..nonce(&push) };
    assert_eq!(check_with(&push, &[], &key, &elsewhere), foreign);
    let seeded = NonceCheck { seed: b"another seed", ..nonce(&push) };
    assert_eq!(check_with(&push, &[], &key, &seeded), foreign);
    let unseeded = NonceCheck { seed: b"", ..nonce(&push) };
    assert_eq!(check_with(&push, &[], &key, &unseeded), Err(CertificateError::NoSeed));
}

#[test]
fn a_nonce_made_up_by_the_client_is_refused() {
    let (_lab, key, push) = pushed();
    let text = String::from_utf8(push.blob.clone()).unwrap();
    let line = text.lines().find(|line| line.starts_with("nonce ")).unwrap().to_owned();
    let (stamp, mac) = line.strip_prefix("nonce ").unwrap().split_once('-').unwrap();
    let made_up = [
        format!("nonce {stamp}-{}", "0".repeat(40)),
        format!("nonce {stamp}-{}", mac.get(..38).unwrap()),
        format!("nonce {stamp}-{mac}00"),
        format!("nonce {stamp}-"),
        format!("nonce {stamp}"),
        format!("nonce 0{stamp}-{mac}"),
        format!("nonce +{stamp}-{mac}"),
        format!("nonce {}-{mac}", stamp.parse::<u64>().unwrap() + 1),
        format!("nonce {stamp}-{}", mac.to_uppercase()),
        format!("nonce -{mac}"),
        "nonce ".into(),
    ];
    for nonce in made_up {
        let forged = Received { blob: replaced(&push.blob, &line, &nonce), ..copy(&push) };
        // An upper-case MAC without letters would be the same.
        if forged.blob != push.blob {
            assert_eq!(check(&forged, &key), Err(CertificateError::ForeignNonce), "{nonce}");
        }
    }
    let none = Received { blob: replaced(&push.blob, &format!("{line}\n"), ""), ..copy(&push) };
    assert_eq!(check(&none, &key), Err(CertificateError::ForeignNonce));
    let two = format!("{line}\n{line}\n");
    let two = Received { blob: replaced(&push.blob, &format!("{line}\n"), &two), ..copy(&push) };
    assert_eq!(check(&two, &key), Err(CertificateError::Malformed("more than one nonce")));
}

fn copy(push: &Received) -> Received {
    Received {
        blob: push.blob.clone(),
        stdin: push.stdin.clone(),
        service_dir: push.service_dir.clone(),
        ..*push
    }
}

#[test]
fn a_ref_added_removed_changed_or_doubled_is_refused() {
    let (_lab, key, push) = pushed();
    let line = refs_line(&push);
    let other = line.replace("refs/heads/main", "refs/heads/evil");
    let id = line.split(' ').nth(1).unwrap();
    let changes = [
        String::new(),
        other.clone(),
        format!("{line}{other}"),
        format!("{line}{line}"),
        line.replace(id, &"1".repeat(40)),
        line.replace(&"0".repeat(40), id),
    ];
    for change in changes {
        let forged = Received { blob: replaced(&push.blob, &line, &change), ..copy(&push) };
        assert_eq!(check(&forged, &key), Err(CertificateError::Refs), "certificate: {change}");
        let moved = Received { stdin: replaced(&push.stdin, &line, &change), ..copy(&push) };
        assert_eq!(check(&moved, &key), Err(CertificateError::Refs), "stdin: {change}");
        let both = Received {
            blob: replaced(&push.blob, &line, &change),
            stdin: replaced(&push.stdin, &line, &change),
            ..copy(&push)
        };
        let refused = check(&both, &key).unwrap_err();
        let expected = [
            CertificateError::Refs,
            CertificateError::Signature(SignatureError::Ssh(SshSigError::Mismatch)),
        ];
        assert!(expected.contains(&refused), "both: {change}");
    }
    let mut reversed = lines(&push.stdin);
    reversed.reverse();
    let held = verify(&push.blob, &reversed, &[], &Ring(vec![&key]), &nonce(&push));
    assert!(held.is_ok(), "order does not matter");
}

#[test]
fn a_ref_twice_is_refused_even_where_it_is_signed_and_pushed_twice() {
    let (lab, key, push) = pushed();
    let line = refs_line(&push);
    let twice = format!("{line}{line}");
    let payload = replaced(split_signature(&push.blob).unwrap().0, &line, &twice);
    let forged = Received {
        blob: [payload.as_slice(), &lab.sign(&key, "git", &payload)].concat(),
        stdin: replaced(&push.stdin, &line, &twice),
        ..copy(&push)
    };
    assert_eq!(check(&forged, &key), Err(CertificateError::Refs));
}

#[test]
fn push_options_added_removed_or_changed_are_refused() {
    let (lab, key, _) = pushed();
    let push = lab.ssh_push("srv", &key, &["-o", "access=x", "-o", "b", "HEAD:refs/heads/o"]);
    let wrong: [&[&[u8]]; 6] = [
        &[],
        &[b"access=x"],
        &[b"access=x", b"b", b"c"],
        &[b"b", b"access=x"],
        &[b"access=y", b"b"],
        &[b"access=x", b"b "],
    ];
    for options in wrong {
        let refused = check_with(&push, options, &key, &nonce(&push));
        assert_eq!(refused, Err(CertificateError::Options), "{options:?}");
    }
    let unsaid =
        Received { blob: replaced(&push.blob, "push-option access=x\n", ""), ..copy(&push) };
    let refused = check_with(&unsaid, &[b"b"], &key, &nonce(&push));
    assert_eq!(
        refused,
        Err(CertificateError::Signature(SignatureError::Ssh(SshSigError::Mismatch)))
    );
}

#[test]
fn the_key_of_nobody_is_refused_whatever_the_pusher_line_says() {
    let (lab, key, push) = pushed();
    let stranger = lab.key("stranger", &["ed25519"]);
    assert_eq!(
        check(&push, &stranger),
        Err(CertificateError::Signature(SignatureError::UnknownKey))
    );
    let text = String::from_utf8(push.blob.clone()).unwrap();
    let pusher = text.lines().find(|line| line.starts_with("pusher ")).unwrap().to_owned();
    let claim = format!("pusher {} 1 +0000", stranger.fingerprint);
    let forged = Received { blob: replaced(&push.blob, &pusher, &claim), ..copy(&push) };
    assert_eq!(
        check(&forged, &key),
        Err(CertificateError::Signature(SignatureError::Ssh(SshSigError::Mismatch)))
    );
}

#[test]
fn a_signature_from_another_namespace_is_refused() {
    let (lab, key, push) = pushed();
    let (payload, _) = split_signature(&push.blob).unwrap();
    for (namespace, good) in [("git", true), ("file", false)] {
        let blob = [payload, &lab.sign(&key, namespace, payload)].concat();
        let held = check(&Received { blob, ..copy(&push) }, &key);
        assert_eq!(held.is_ok(), good, "{namespace}");
        assert!(
            good || held
                == Err(CertificateError::Signature(SignatureError::Ssh(SshSigError::Namespace)))
        );
    }
}

#[test]
fn a_commit_signature_does_not_pass_for_a_certificate() {
    let (lab, key, push) = pushed();
    let commit = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor a <a@x> 1 +0000\n\nx\n";
    let blob = [commit.as_slice(), &lab.sign(&key, "git", commit)].concat();
    let refused = check(&Received { blob, ..copy(&push) }, &key);
    assert_eq!(refused, Err(CertificateError::Malformed("not version 0.1")));
}

#[test]
fn malformed_certificates_are_refused() {
    let (_lab, key, push) = pushed();
    let changes = [
        ("certificate version 0.1", "certificate version 0.2"),
        ("pusher ", "Pusher "),
        ("pusher ", "pusher x\npusher "),
        ("pushee ", "pushee x\npushee "),
        ("pushee ", "surprise "),
        ("pushee ", "pushee\n"),
        ("\n\n", "\n"),
        ("\n\n", "\n\n\n"),
        ("-----BEGIN SSH SIGNATURE-----", "-----BEGIN SIGNED MESSAGE-----"),
        ("\n-----BEGIN", "-----BEGIN"),
    ];
    for (from, to) in changes {
        let forged = Received { blob: replaced(&push.blob, from, to), ..copy(&push) };
        let refused = check(&forged, &key).unwrap_err();
        assert!(matches!(refused, CertificateError::Malformed(_)), "{to:?}: {refused}");
    }
    for length in 0..push.blob.len() - 1 {
        let cut = Received { blob: push.blob[..length].to_vec(), ..copy(&push) };
        assert!(check(&cut, &key).is_err(), "{length}");
    }
    let long = Received { blob: vec![b'x'; MAX_CERTIFICATE + 1], ..copy(&push) };
    assert_eq!(check(&long, &key), Err(CertificateError::Malformed("over-long")));
}

#[test]
fn refs_hidden_behind_a_first_signature_are_refused() {
    let (lab, key, push) = pushed();
    let (payload, signature) = split_signature(&push.blob).unwrap();
    let refs = refs_line(&push).replace("refs/heads/main", "refs/heads/evil");
    // git takes the last signature for the one, and everything before it for refs.
    let longer = [payload, signature, refs.as_bytes()].concat();
    let blob = [longer.as_slice(), &lab.sign(&key, "git", &longer)].concat();
    let refused = check(&Received { blob, ..copy(&push) }, &key);
    assert_eq!(refused, Err(CertificateError::Signature(SignatureError::Ssh(SshSigError::Syntax))));
    let early = replaced(&push.blob, "\n\n", "\n-----BEGIN SSH SIGNATURE-----\n\n");
    let refused = check(&Received { blob: early, ..copy(&push) }, &key);
    assert_eq!(refused, Err(CertificateError::Refs));
}

#[test]
fn every_byte_that_is_signed_counts() {
    let (_lab, key, push) = pushed();
    let signed = split_signature(&push.blob).unwrap().0.len();
    for at in 0..signed {
        let mut forged = copy(&push);
        forged.blob[at] ^= 0x01;
        assert!(check(&forged, &key).is_err(), "byte {at}");
    }
}
