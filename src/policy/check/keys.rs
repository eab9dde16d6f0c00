//! Keys that people sign and log in with, read far enough to tell whether two are the same.

use crate::policy::raw::Word;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use ssh_key::public::KeyData;
use ssh_key::{HashAlg, PublicKey};

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
/// Fewest and most bits of an RSA modulus.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// What makes an OpenSSH public key line the key it is; its comment does not count.
pub(super) fn ssh(word: Word<'_>) -> Result<String, String> {
    let line = word.text.trim();
    if line.contains("PRIVATE KEY") {
        return Err("this is a private key: replace it, and list the public one".into());
    }
    if line.contains(['\n', '\r']) {
        return Err("a key is one line".into());
    }
    let key = PublicKey::from_openssh(line)
        .map_err(|error| format!("this is not `TYPE BASE64 COMMENT`: {error}"))?;
    match key.key_data() {
        KeyData::Ed25519(_) | KeyData::Ecdsa(_) => {}
        KeyData::Rsa(rsa) => {
            let modulus = rsa.n.as_positive_bytes().unwrap_or_default();
            let bits =
                modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
            if !RSA_BITS.contains(&bits) {
                let (least, most) = (RSA_BITS.start(), RSA_BITS.end());
                return Err(format!("an rsa key has {least} to {most} bits, this one {bits}"));
            }
        }
        other => return Err(format!("keys of type `{}` are not accepted", other.algorithm())),
    }
    Ok(key.key_data().fingerprint(HashAlg::Sha256).to_string())
}

/// What makes an armored OpenPGP public key block the key it is; headers don't count.
pub(super) fn gpg(word: Word<'_>) -> Result<String, String> {
    let text = word.text.trim().replace('\r', "");
    if text.contains("PRIVATE KEY") {
        return Err("this is a private key: replace it, and list the public one".into());
    }
    let inside = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
    let Some(inside) = inside.filter(|inside| !inside.contains("-----")) else {
        return Err(format!("an OpenPGP key is one armored block from `{BEGIN}` to `{END}`"));
    };
    // RFC 9580 section 6.2: headers, an empty line, base64, a checksum that begins with `=`.
    let body = inside.split_once("\n\n").map_or(inside, |(_, body)| body);
    let lines = body.lines().map(str::trim).take_while(|line| !line.starts_with('='));
    let packets = STANDARD
        .decode(lines.collect::<String>())
        .map_err(|error| format!("the armored block is damaged: {error}"))?;
    if packets.first().is_none_or(|tag| tag & 0x80 == 0) {
        return Err("the armored block holds no key".into());
    }
    Ok(format!("{:x?}", Sha256::digest(&packets)))
}
