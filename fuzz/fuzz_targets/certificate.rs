//! Signed pushes and keys: nothing counts that the one known key did not sign, and fingerprints
//! are those that a naive second form computes.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use gix::hash::Kind;
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use refwarden::pusher::certificate::{KeyRing, NonceCheck, RefLine, verify};
use refwarden::pusher::keys::ssh_fingerprint;
use refwarden::pusher::openpgp::{OpenPgp, lone_signature, primary_fingerprint};
use refwarden::pusher::sshsig::Signature;
use refwarden_fuzz::parts;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// What `git push --signed` sends, signed by a key that was thrown away.
const SIGNED: &[u8] = include_bytes!("certificate/signed");
const STAMP: u64 = 1_700_000_000;
const OPTION: &[u8] = b"a=b";

/// Knows every ssh key, and believes any OpenPGP signature where it is told to.
struct Ring {
    openpgp: bool,
}

impl KeyRing for Ring {
    fn has_ssh_key(&self, fingerprint: &str) -> Result<bool, String> {
        Ok(fingerprint.starts_with("SHA256:"))
    }
    fn openpgp(&self) -> Option<&dyn OpenPgp> {
        self.openpgp.then_some(self as &dyn OpenPgp)
    }
}

impl OpenPgp for Ring {
    fn verify(&self, _: &[u8], signature: &[u8]) -> Result<String, String> {
        // One packet, and it is a signature.
        let first = signature[0];
        let tag = if first & 0x40 == 0 { (first >> 2) & 15 } else { first & 63 };
        assert_eq!((first & 0x80, tag), (0x80, 2));
        Ok("0".repeat(40))
    }
}

fn nonce(began: u64) -> NonceCheck<'static> {
    NonceCheck { seed: b"a seed", service_dir: b"/srv/a.git", hash: Kind::Sha1, began, slop: 0 }
}

fuzz_target!(|data: &[u8]| {
    let Some((&mode, rest)) = data.split_first() else { return };
    match mode % 5 {
        0 => forged(rest),
        1 => believed(rest),
        2 => ssh_key(rest),
        3 => openpgp(rest),
        _ => signature(rest),
    }
});

fn payload(blob: &[u8]) -> &[u8] {
    let mark = b"-----BEGIN ";
    let at = blob.windows(mark.len()).position(|window| window == mark).unwrap_or(blob.len());
    &blob[..at]
}

/// Lines of refs, as far as a naive reader sees any.
fn refs(payload: &[u8]) -> Vec<RefLine<'_>> {
    let at = payload.windows(2).position(|pair| pair == b"\n\n").map_or(payload.len(), |at| at + 2);
    parts(&payload[at..]).filter_map(RefLine::split).collect()
}

/// No change to a certificate, and to what comes with it, is taken for signed.
fn forged(blob: &[u8]) {
    let own = refs(payload(blob));
    let original = refs(payload(SIGNED));
    for stdin in [&own, &original] {
        for options in [vec![OPTION.to_vec()], vec![]] {
            if verify(blob, stdin, &options, &Ring { openpgp: false }, &nonce(STAMP)).is_ok() {
                assert_eq!(payload(blob), payload(SIGNED), "forged");
                assert!(options.len() == 1 && stdin == &original);
            }
        }
    }
    let known =
        verify(SIGNED, &original, &[OPTION.to_vec()], &Ring { openpgp: false }, &nonce(STAMP));
    assert!(known.is_ok(), "{known:?}");
}

/// With a good nonce put in, and a signature that is believed: all else must hold.
fn believed(blob: &[u8]) {
    let mut mac = Hmac::<Sha1>::new_from_slice(format!("/srv/a.git:{STAMP}").as_bytes()).unwrap();
    mac.update(b"a seed");
    let mac: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let line = format!("nonce {STAMP}-{mac}");
    let mut text = Vec::new();
    for part in blob.split_inclusive(|b| *b == b'\n') {
        if part == b"nonce\n" {
            text.extend([line.as_bytes(), b"\n"].concat());
        } else {
            text.extend_from_slice(part);
        }
    }
    let stdin = refs(payload(&text));
    let options: Vec<Vec<u8>> = parts(&text)
        .map_while(|line| (!line.is_empty()).then_some(line))
        .filter_map(|line| line.strip_prefix(b"push-option "))
        .map(<[u8]>::to_vec)
        .collect();
    if verify(&text, &stdin, &options, &Ring { openpgp: true }, &nonce(STAMP)).is_err() {
        return;
    }
    let body = payload(&text);
    assert!(body.starts_with(b"certificate version 0.1\n") && body.ends_with(b"\n"));
    assert_eq!(parts(body).filter(|one| *one == line.as_bytes()).count(), 1);
    let names: BTreeSet<_> = stdin.iter().map(|one| one.name).collect();
    assert!(!stdin.is_empty() && names.len() == stdin.len());
    // Anything about the push that differs, and it no longer counts.
    let other = |stdin: &[RefLine<'_>], options: &[Vec<u8>], began| {
        verify(&text, stdin, options, &Ring { openpgp: true }, &nonce(began)).is_err()
    };
    assert!(
        other(&stdin[1..], &options, STAMP)
            && other(&[&stdin[..], &stdin[..1]].concat(), &options, STAMP)
    );
    assert!(other(&stdin, &[options.as_slice(), &[b"x".to_vec()]].concat(), STAMP));
    assert!(other(&stdin, &options, STAMP + 2) && other(&stdin, &options, STAMP - 11));
}

fn ssh_key(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(found) = ssh_fingerprint(text) {
        let mut fields = text.trim_matches(' ').split(' ');
        let kind = fields.next().unwrap();
        let blob = STANDARD.decode(fields.next().unwrap()).unwrap();
        assert_eq!(found, format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&blob))));
        let length = u32::from_be_bytes(blob[..4].try_into().unwrap()) as usize;
        assert_eq!(&blob[4..4 + length], kind.as_bytes());
    }
}

/// The bytes of a block without looking twice: what stands between the empty line and the end.
fn naive_armor(text: &str) -> Option<Vec<u8>> {
    let body = text.lines().skip_while(|line| !line.trim_end().is_empty());
    let body =
        body.filter(|line| !line.starts_with('=')).take_while(|line| !line.starts_with("-----END"));
    STANDARD.decode(body.map(str::trim_end).collect::<String>()).ok()
}

fn openpgp(data: &[u8]) {
    if let Ok(packet) = lone_signature(data) {
        let text = std::str::from_utf8(data).unwrap();
        assert_eq!(naive_armor(text).as_deref(), Some(packet.as_slice()));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(found) = primary_fingerprint(text) {
        assert!(found.len() == 40 && found.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F')));
        let bytes = naive_armor(text.trim()).unwrap();
        // The key is the first packet: its fingerprint is over what stands somewhere in the first bytes.
        let is_hash = |start: usize, end: usize| {
            let body = &bytes[start..end];
            let head = [&[0x99][..], &(body.len() as u16).to_be_bytes()].concat();
            let hash = Sha1::new().chain_update(head).chain_update(body).finalize();
            hash.iter().map(|byte| format!("{byte:02X}")).collect::<String>() == found
        };
        let end = bytes.len().min(70_000);
        if end < 600 {
            assert!((2..7).any(|start| (start..=end).any(|end| is_hash(start, end))));
        }
    }
}

fn signature(data: &[u8]) {
    if let Ok(signature) = Signature::parse(data) {
        assert!(signature.fingerprint().starts_with("SHA256:"));
        assert!(signature.verify(b"another payload").is_err());
        if signature.verify(payload(SIGNED)).is_ok() {
            assert_eq!(
                Signature::parse(&SIGNED[payload(SIGNED).len()..]).unwrap().fingerprint(),
                signature.fingerprint()
            );
        }
    }
}
