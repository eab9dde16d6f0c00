use super::*;
use crate::pusher::lab::Lab;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const PAYLOAD: &[u8] = b"what was signed\n";

fn check(armored: &[u8], payload: &[u8]) -> Result<String, SshSigError> {
    let signature = Signature::parse(armored)?;
    signature.verify(payload)?;
    Ok(signature.fingerprint())
}

/// The signature with each `from` in its bytes made `to`.
fn altered(armored: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(armored).unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let bytes = STANDARD.decode(body).unwrap();
    let at = bytes.windows(from.len()).rposition(|window| window == from).unwrap();
    let changed = [&bytes[..at], to, &bytes[at + from.len()..]].concat();
    let body = STANDARD.encode(changed);
    let lines: Vec<_> =
        body.as_bytes().chunks(70).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("{BEGIN}\n{}\n{END}\n", lines.join("\n")).into_bytes()
}

#[test]
fn signatures_of_every_accepted_kind_verify() {
    let lab = Lab::new();
    let kinds: [&[&str]; 5] = [
        &["ed25519"],
        &["ecdsa", "-b", "256"],
        &["ecdsa", "-b", "384"],
        &["ecdsa", "-b", "521"],
        &["rsa", "-b", "2048"],
    ];
    for (number, kind) in kinds.iter().enumerate() {
        let key = lab.key(&format!("key{number}"), kind);
        let signed = lab.sign(&key, "git", PAYLOAD);
        assert_eq!(check(&signed, PAYLOAD), Ok(key.fingerprint), "{kind:?}");
        assert_eq!(check(&signed, b"what was signed"), Err(SshSigError::Mismatch), "{kind:?}");
        let same = altered(&signed, b"git", b"git");
        assert_eq!(same, signed, "the tests below change only what they say");
    }
}

#[test]
fn a_signature_made_for_another_purpose_is_refused() {
    let lab = Lab::new();
    let key = lab.key("key", &["ed25519"]);
    for purpose in ["file", "Git", "git2", "email@example.org"] {
        let signed = lab.sign(&key, purpose, PAYLOAD);
        assert_eq!(check(&signed, PAYLOAD), Err(SshSigError::Namespace), "{purpose}");
    }
    let renamed = altered(&lab.sign(&key, "gut", PAYLOAD), b"gut", b"git");
    assert_eq!(check(&renamed, PAYLOAD), Err(SshSigError::Mismatch));
}

#[test]
fn rsa_with_sha1_and_weak_rsa_are_refused() {
    let lab = Lab::new();
    let key = lab.key("key", &["rsa", "-b", "2048"]);
    let signed = lab.sign(&key, "git", PAYLOAD);
    // Before the name stands the length of name and signature together.
    let named = |length: u8, name: &str| {
        let size = u8::try_from(name.len()).unwrap();
        [&[0, 0, 1, length, 0, 0, 0, size], name.as_bytes()].concat()
    };
    let made = named(0x14, "rsa-sha2-512");
    let other = altered(&signed, &made, &named(0x14, "rsa-sha2-256"));
    assert_eq!(check(&other, PAYLOAD), Err(SshSigError::Mismatch), "it parses");
    let old = altered(&signed, &made, &named(0x0f, "ssh-rsa"));
    assert_eq!(check(&old, PAYLOAD), Err(SshSigError::Syntax));
    let weak = lab.key("weak", &["rsa", "-b", "1024"]);
    let signed = lab.sign(&weak, "git", PAYLOAD);
    assert_eq!(check(&signed, PAYLOAD), Err(SshSigError::Key(KeyError::RsaBits(1024))));
}

#[test]
fn a_signature_with_another_key_put_in_does_not_match() {
    let lab = Lab::new();
    let (mine, hers) = (lab.key("mine", &["ed25519"]), lab.key("hers", &["ed25519"]));
    let blob = |line: &str| STANDARD.decode(line.split(' ').nth(1).unwrap()).unwrap();
    let forged = altered(&lab.sign(&mine, "git", PAYLOAD), &blob(&mine.line), &blob(&hers.line));
    assert_eq!(Signature::parse(&forged).unwrap().fingerprint(), hers.fingerprint);
    assert_eq!(check(&forged, PAYLOAD), Err(SshSigError::Mismatch));
}

#[test]
fn what_surrounds_or_cuts_a_signature_is_refused() {
    let lab = Lab::new();
    let key = lab.key("key", &["ed25519"]);
    let signed = lab.sign(&key, "git", PAYLOAD);
    for (before, after) in [("\n", ""), ("x\n", ""), ("", "\n"), ("", "x")] {
        let padded = [before.as_bytes(), &signed, after.as_bytes()].concat();
        assert_eq!(check(&padded, PAYLOAD), Err(SshSigError::Syntax), "{before:?} {after:?}");
    }
    let twice = [signed.as_slice(), &signed].concat();
    assert_eq!(check(&twice, PAYLOAD), Err(SshSigError::Syntax));
    for length in 0..signed.len() - 1 {
        assert!(check(&signed[..length], PAYLOAD).is_err(), "{length}");
    }
}

/// What an authenticator with the ed25519 key of 32 bytes 7 signs over [`PAYLOAD`] for an application
/// `ssh:` at its fifth signature: namespace, flags, signature.
const BY_AUTHENTICATOR: [(&str, u8, &str); 6] = [
    (
        "git",
        0x1,
        "1TERAuYlaQfe27bW8lGxderkKPWNFX3nJOWWqwq/GbZlKah17ELvtBDBLCpUcusd2txq+gQmYKc3x6HDo0qTBw==",
    ),
    (
        "git",
        0x5,
        "EdVuKUzCql0OmlvMEQvjEQT1ACs/LDoDNfzRXgHn4ZjvdfmSW370ID5Q1QtciotjNDP4CdglClIXhJG0hBreAQ==",
    ),
    (
        "git",
        0x0,
        "DObgexMo3X2/DFl41U6jr6GiYmq7egC81o/G8RqhoWLK84BrSKn4ipkKaasJPMdFxv7iGymgH0Eoz15lbVeBBA==",
    ),
    (
        "git",
        0x4,
        "47BMV/Fl8vXKlsEl+SODIWk1xb/y91I8snDDk5pBvE6+reB4d1jrNfUakIlHGZmneVrUzKfgHUfeOP8A3hd4BQ==",
    ),
    (
        "git",
        0x80,
        "F/TD1O5oCjSGB1QeUymrJUF9jdDfQ14nu+y+9DqNre0l1qFlZynYRl6UVj6N+1WccN3firTeU8+gOWqT9c6FBw==",
    ),
    (
        "file",
        0x1,
        "r8ttXQpvZxQd4OSPOnShBAnU0BaZp0fs+MSuruaggAViFULl+e2m1jUtBPELcFK/1sYoZMPFGG4AGiBjH4e/Dw==",
    ),
];

/// A signature as `ssh-keygen -Y sign` makes it with a FIDO authenticator.
fn by_authenticator(namespace: &str, flags: u8) -> Vec<u8> {
    const KIND: &[u8] = b"sk-ssh-ed25519@openssh.com";
    const KEY: &str = "6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=";
    fn strings(parts: &[&[u8]]) -> Vec<u8> {
        let length = |part: &[u8]| u32::try_from(part.len()).unwrap().to_be_bytes();
        parts.iter().flat_map(|part| [&length(part), *part].concat()).collect()
    }
    let known = BY_AUTHENTICATOR.iter().find(|one| (one.0, one.1) == (namespace, flags)).unwrap();
    let signature = STANDARD.decode(known.2).unwrap();
    let signature = [strings(&[KIND, &signature]), vec![flags, 0, 0, 0, 5]].concat();
    let key = strings(&[KIND, &STANDARD.decode(KEY).unwrap(), b"ssh:"]);
    let rest = strings(&[&key, namespace.as_bytes(), b"", b"sha512", &signature]);
    let body = STANDARD.encode([b"SSHSIG\0\0\0\x01".as_slice(), &rest].concat());
    let lines: Vec<_> =
        body.as_bytes().chunks(70).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("{BEGIN}\n{}\n{END}\n", lines.join("\n")).into_bytes()
}

#[test]
fn an_authenticator_s_signature_counts_only_if_somebody_touched_it() {
    let by = |flags| check(&by_authenticator("git", flags), PAYLOAD);
    assert!(by(1).unwrap().starts_with("SHA256:"));
    assert!(by(5).is_ok(), "with its PIN as well");
    for flags in [0, 4, 0x80] {
        assert_eq!(by(flags), Err(SshSigError::Untouched), "{flags:#x}");
    }
    let signed = by_authenticator("git", 1);
    assert_eq!(check(&signed, b"another"), Err(SshSigError::Mismatch));
    let file = by_authenticator("file", 1);
    assert_eq!(check(&file, PAYLOAD), Err(SshSigError::Namespace));
    // The flag is a part of what is signed.
    let forged = altered(&by_authenticator("git", 0), &[0, 0, 0, 0, 5], &[1, 0, 0, 0, 5]);
    assert_eq!(check(&forged, PAYLOAD), Err(SshSigError::Mismatch));
}
