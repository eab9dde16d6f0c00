//! Just enough of OpenPGP (RFC 4880, RFC 9580) to tell keys apart and to hand on signatures.
//!
//! Knows ASCII armor, packet headers, and the fingerprint of a version 4 key. Verifies nothing:
//! that is behind [`OpenPgp`], which `os::gpg` implements.

use super::keys::{KeyError, check_rsa_bits};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

/// Something that verifies OpenPGP signatures against the policy's keys.
pub trait OpenPgp {
    /// The primary key's fingerprint, 40 capital hex digits, of the one good detached signature
    /// over `payload`; `signature` is a bare signature packet, no armor.
    ///
    /// # Errors
    /// Words for the admin: not signed by a listed key that is neither expired nor revoked, weak
    /// digest, or the verification itself failed.
    fn verify(&self, payload: &[u8], signature: &[u8]) -> Result<String, String>;
}

const SIGNATURE: u8 = 2;
const SECRET_KEY: u8 = 5;
const PUBLIC_KEY: u8 = 6;
const SECRET_SUBKEY: u8 = 7;
const PUBLIC_SUBKEY: u8 = 14;

const RSA: u8 = 1;
const RSA_SIGN_ONLY: u8 = 3;
const ECDSA: u8 = 19;
const EDDSA: u8 = 22;

/// One packet: its tag and its body.
type Packet<'a> = (u8, &'a [u8]);

/// The fingerprint of the one key in an armored public key block: 40 capital hex digits.
///
/// # Errors
/// [`KeyError`] when the block is none, holds a private key, several keys, a key of another
/// version than 4, DSA, or RSA (subkeys too) out of bounds.
pub fn primary_fingerprint(block: &str) -> Result<String, KeyError> {
    if block.contains("PRIVATE KEY") {
        return Err(KeyError::Private);
    }
    let syntax = |what: &str| KeyError::Syntax(what.to_owned());
    let bytes = dearmor(block.trim(), "PGP PUBLIC KEY BLOCK").map_err(syntax)?;
    let packets = packets(&bytes).map_err(syntax)?;
    if packets.iter().any(|(tag, _)| matches!(*tag, SECRET_KEY | SECRET_SUBKEY)) {
        return Err(KeyError::Private);
    }
    let keys = packets.iter().filter(|(tag, _)| *tag == PUBLIC_KEY).count();
    let Some((PUBLIC_KEY, primary)) = packets.first() else {
        return Err(syntax("the block does not begin with a key"));
    };
    if keys > 1 {
        return Err(KeyError::SeveralKeys(keys));
    }
    check_primary(primary)?;
    for (_, subkey) in packets.iter().filter(|(tag, _)| *tag == PUBLIC_SUBKEY) {
        check_rsa(subkey)?;
    }
    fingerprint(primary)
}

fn check_primary(body: &[u8]) -> Result<(), KeyError> {
    match (body.first(), body.get(5)) {
        (Some(4), Some(&(RSA | RSA_SIGN_ONLY | ECDSA | EDDSA))) => check_rsa(body),
        (Some(4), Some(other)) => Err(KeyError::Type(format!("OpenPGP algorithm {other}"))),
        (Some(version), _) => Err(KeyError::Type(format!("OpenPGP version {version}"))),
        (None, _) => Err(KeyError::Syntax("the key is empty".into())),
    }
}

/// The modulus is the first number of an RSA key, and numbers begin with their length in bits.
fn check_rsa(body: &[u8]) -> Result<(), KeyError> {
    match (body.get(5), body.get(6), body.get(7)) {
        (Some(&(RSA | RSA_SIGN_ONLY)), Some(high), Some(low)) => {
            check_rsa_bits(usize::from(u16::from_be_bytes([*high, *low])))
        }
        (Some(&(RSA | RSA_SIGN_ONLY)), ..) => Err(KeyError::RsaBits(0)),
        _ => Ok(()),
    }
}

/// RFC 4880 section 12.2.
fn fingerprint(body: &[u8]) -> Result<String, KeyError> {
    let length =
        u16::try_from(body.len()).map_err(|_| KeyError::Syntax("the key is over-long".into()))?;
    let mut hash = Sha1::new();
    hash.update([0x99]);
    hash.update(length.to_be_bytes());
    hash.update(body);
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02X}")).collect())
}

/// The packet inside an armored detached signature: exactly one, and nothing else.
///
/// gpg, given a signed message in place of a detached signature, would judge the message inside.
///
/// # Errors
/// What is wrong with the block.
pub fn lone_signature(armored: &[u8]) -> Result<Vec<u8>, &'static str> {
    let text = std::str::from_utf8(armored).map_err(|_| "the signature is not text")?;
    let bytes = dearmor(text, "PGP SIGNATURE")?;
    match packets(&bytes)?.as_slice() {
        [(SIGNATURE, _)] => Ok(bytes),
        [(SIGNATURE, _), (SIGNATURE, _), ..] => Err("there is more than one signature"),
        _ => Err("this is not a detached signature"),
    }
}

/// The bytes of one armored block, which must be all of `text`.
fn dearmor(text: &str, label: &str) -> Result<Vec<u8>, &'static str> {
    let mut lines = text.lines().map(str::trim_ascii_end);
    if lines.next() != Some(&format!("-----BEGIN {label}-----")) {
        return Err("the armor's first line is missing");
    }
    // Headers such as `Version:` end at an empty line, which is there without any as well.
    let mut lines = lines.skip_while(|line| !line.is_empty()).skip(1);
    let end = format!("-----END {label}-----");
    let mut body = String::new();
    let mut has_ended = false;
    for line in lines.by_ref() {
        if line == end {
            has_ended = true;
            break;
        }
        // A line that begins with `=` is the checksum, which proves nothing.
        if !line.starts_with('=') {
            body.push_str(line);
        }
    }
    if !has_ended {
        return Err("the armor's last line is missing");
    }
    if lines.any(|line| !line.is_empty()) {
        return Err("something follows the armor");
    }
    STANDARD.decode(body).map_err(|_| "the armor is not base64")
}

/// Splits packets; bodies of partial or indeterminate length do not occur in keys and signatures.
fn packets(mut bytes: &[u8]) -> Result<Vec<Packet<'_>>, &'static str> {
    let mut found = Vec::new();
    while let Some((first, rest)) = bytes.split_first() {
        if first & 0x80 == 0 {
            return Err("a packet's header is malformed");
        }
        let (tag, (length, rest)) = if first & 0x40 == 0 {
            ((first >> 2) & 0x0f, old_length(first & 3, rest)?)
        } else {
            (first & 0x3f, new_length(rest)?)
        };
        let (body, rest) = rest.split_at_checked(length).ok_or(CUT_SHORT)?;
        found.push((tag, body));
        bytes = rest;
    }
    Ok(found)
}

const CUT_SHORT: &str = "a packet is cut short";

type Length<'a> = Result<(usize, &'a [u8]), &'static str>;

/// RFC 4880 section 4.2.1.
fn old_length(kind: u8, bytes: &[u8]) -> Length<'_> {
    match kind {
        0 => big_endian(bytes, 1),
        1 => big_endian(bytes, 2),
        2 => big_endian(bytes, 4),
        _ => Err("a packet has no length"),
    }
}

/// RFC 4880 section 4.2.2.
fn new_length(bytes: &[u8]) -> Length<'_> {
    let (first, rest) = bytes.split_first().ok_or(CUT_SHORT)?;
    match first {
        0..=191 => Ok((usize::from(*first), rest)),
        192..=223 => {
            let (second, rest) = rest.split_first().ok_or(CUT_SHORT)?;
            Ok(((usize::from(*first) - 192) * 256 + usize::from(*second) + 192, rest))
        }
        255 => big_endian(rest, 4),
        _ => Err("a packet comes in parts"),
    }
}

fn big_endian(bytes: &[u8], digits: usize) -> Length<'_> {
    let (number, rest) = bytes.split_at_checked(digits).ok_or(CUT_SHORT)?;
    Ok((number.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest))
}

#[cfg(test)]
mod tests;
