use super::*;
use crate::pusher::lab::Lab;

/// A public key line of an RSA key whose modulus has exactly `bits` bits.
fn rsa_line(bits: usize) -> String {
    let mut modulus = vec![0xff; bits.div_ceil(8)];
    if !bits.is_multiple_of(8) {
        modulus[0] = 0xff >> (8 - bits % 8);
    }
    if modulus[0] & 0x80 != 0 {
        modulus.insert(0, 0);
    }
    let mut blob = Vec::new();
    for part in [b"ssh-rsa".as_slice(), &[1, 0, 1], &modulus] {
        blob.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
        blob.extend(part);
    }
    format!("ssh-rsa {} test", STANDARD.encode(blob))
}

#[test]
fn fingerprints_are_those_of_ssh_keygen() {
    let lab = Lab::new();
    let kinds: [&[&str]; 6] = [
        &["ed25519"],
        &["ecdsa", "-b", "256"],
        &["ecdsa", "-b", "384"],
        &["ecdsa", "-b", "521"],
        &["rsa", "-b", "2048"],
        &["rsa", "-b", "3072"],
    ];
    for (number, kind) in kinds.iter().enumerate() {
        let key = lab.key(&format!("key{number}"), kind);
        assert_eq!(ssh_fingerprint(&key.line).as_ref(), Ok(&key.fingerprint), "{kind:?}");
        let bare = key.line.rsplit_once(' ').unwrap().0;
        assert_eq!(ssh_fingerprint(bare), Ok(key.fingerprint), "the comment is optional");
    }
}

#[test]
fn weak_keys_are_refused() {
    let lab = Lab::new();
    let weak = lab.key("weak", &["rsa", "-b", "1024"]);
    assert_eq!(ssh_fingerprint(&weak.line), Err(KeyError::RsaBits(1024)));
    for bits in [0, 8, 2047, 4097, 16384] {
        let refused = ssh_fingerprint(&rsa_line(bits.max(1))).unwrap_err();
        assert_eq!(refused, KeyError::RsaBits(bits.max(1)));
    }
    for bits in [2048, 4095, 4096] {
        assert!(ssh_fingerprint(&rsa_line(bits)).is_ok(), "{bits}");
    }
    assert_eq!(ssh_fingerprint("ssh-dss AAAAB3NzaC1kc3M="), Err(KeyError::Type("ssh-dss".into())));
}

#[test]
fn a_line_that_is_more_than_a_key_is_refused() {
    let lab = Lab::new();
    let key = lab.key("key", &["ed25519"]).line;
    let (kind, rest) = key.split_once(' ').unwrap();
    for options in ["no-pty", "command=\"sh -c 'x y'\",no-pty", "cert-authority", "from=\"*\""] {
        assert_eq!(ssh_fingerprint(&format!("{options} {key}")), Err(KeyError::Options));
    }
    assert_eq!(ssh_fingerprint(&format!("{key}\n{key}")), Err(KeyError::Line));
    assert_eq!(ssh_fingerprint(&format!("{kind}\t{rest}")), Err(KeyError::Line));
    assert_eq!(ssh_fingerprint(""), Err(KeyError::Line));
    assert_eq!(ssh_fingerprint(&format!("{key}{}", "x".repeat(MAX_LINE))), Err(KeyError::Line));
    let certificate = format!("ssh-ed25519-cert-v01@openssh.com {rest}");
    assert_eq!(ssh_fingerprint(&certificate), Err(KeyError::Certificate));
    let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----";
    assert_eq!(ssh_fingerprint(private), Err(KeyError::Private));
}

#[test]
fn a_key_under_another_type_or_cut_short_is_refused() {
    let lab = Lab::new();
    let key = lab.key("key", &["ed25519"]).line;
    let data = key.split(' ').nth(1).unwrap();
    let other = format!("ssh-rsa {data}");
    assert!(matches!(ssh_fingerprint(&other), Err(KeyError::Syntax(_))));
    for length in 0..data.len() {
        let cut = format!("ssh-ed25519 {}", data.get(..length).unwrap());
        assert!(matches!(ssh_fingerprint(&cut), Err(KeyError::Syntax(_))), "{length}");
    }
    assert!(matches!(ssh_fingerprint("hello"), Err(KeyError::Syntax(_))));
}

#[test]
fn a_shuffled_key_is_not_taken_for_another_one() {
    // Its length says 1068 bytes; 32 follow, which are not those of the key.
    let shuffled = "AAAAC3NzaC1lZDI1NTE5AAAELIPAkXWS2fP8Xg92rJdiSUdaLB9LIObgnTU667RH3kF9";
    let read = ssh_fingerprint(&format!("ssh-ed25519 {shuffled} laptop"));
    assert!(matches!(read, Err(KeyError::Syntax(_))), "{read:?}");
}

#[test]
fn keys_of_authenticators_have_the_fingerprint_that_ssh_keygen_shows() {
    let kind = "sk-ssh-ed25519@openssh.com";
    let mut blob = Vec::new();
    for part in [kind.as_bytes(), &[7; 32], b"ssh:"] {
        blob.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
        blob.extend(part);
    }
    let hash = "SHA256:BpyDHJ8Qm3F/3at6p0jNaRLMB2tszGHwTQIOkdqk9J4";
    let line = format!("{kind} {} alice@yubikey", STANDARD.encode(&blob));
    assert_eq!(ssh_fingerprint(&line).unwrap(), hash);
    // Another application is another key, and one byte short is none.
    let other = STANDARD.encode([&blob[..blob.len() - 1], b"x"].concat());
    assert_ne!(ssh_fingerprint(&format!("{kind} {other}")).unwrap(), hash);
    let cut = STANDARD.encode(&blob[..blob.len() - 1]);
    assert!(matches!(ssh_fingerprint(&format!("{kind} {cut}")), Err(KeyError::Syntax(_))));
    // The same key without its application is another one as well, for it could be in a file.
    assert!(ssh_fingerprint(&format!("ssh-ed25519 {}", STANDARD.encode(&blob))).is_err());
}
