//! The public keys that a policy may list, and their fingerprints.
//!
//! Knows which ssh keys are sound enough to stand for a person. Does not know whose a key is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, HashAlg, PublicKey};

/// Fewest bits of an RSA modulus.
pub const MIN_RSA_BITS: usize = 2048;
/// Most bits of an RSA modulus; more costs the server time at every push.
pub const MAX_RSA_BITS: usize = 4096;
/// Longest line with a key, in bytes.
const MAX_LINE: usize = 16 * 1024;

/// Why a text is not a key that may be listed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Empty, more than one line, or over-long.
    #[error("an ssh key is one line of at most {MAX_LINE} bytes")]
    Line,
    /// Options of `authorized_keys` before the key.
    #[error("a key has no options here: write `TYPE BASE64 COMMENT`")]
    Options,
    /// A private key.
    #[error(
        "this is a private key, which belongs in no policy: replace it and list the public one"
    )]
    Private,
    /// No public key that can be read.
    #[error("this is not a public key: {0}")]
    Syntax(String),
    /// A certificate instead of a key.
    #[error("this is a certificate: list the key itself")]
    Certificate,
    /// A kind of key that proves too little, or that cannot be verified here.
    #[error("keys of type `{0}` are not accepted")]
    Type(String),
    /// An RSA key out of bounds.
    #[error("an rsa key has {MIN_RSA_BITS} to {MAX_RSA_BITS} bits, this one has {0}")]
    RsaBits(usize),
    /// More than one OpenPGP key in a block.
    #[error("list one OpenPGP key a block; this one holds {0}")]
    SeveralKeys(usize),
}

/// Reads one OpenSSH public key line, `TYPE BASE64 COMMENT`, and gives its `SHA256:…` fingerprint.
///
/// # Errors
/// [`KeyError`] when the line is not one, has options, or the key is weak.
pub fn ssh_fingerprint(line: &str) -> Result<String, KeyError> {
    let line = line.trim_matches(' ');
    if line.is_empty() || line.len() > MAX_LINE || line.chars().any(char::is_control) {
        let private = line.contains("PRIVATE KEY");
        return Err(if private { KeyError::Private } else { KeyError::Line });
    }
    let kind = line.split(' ').next().unwrap_or_default();
    if kind.contains("-cert-v0") {
        return Err(KeyError::Certificate);
    }
    if kind == "ssh-dss" {
        return Err(KeyError::Type(kind.to_owned()));
    }
    let is_kind = ["ssh-", "ecdsa-", "sk-"].iter().any(|prefix| kind.starts_with(prefix));
    if !is_kind && ["ssh-", "ecdsa-", "sk-"].iter().any(|known| line.contains(known)) {
        return Err(KeyError::Options);
    }
    let key = PublicKey::from_openssh(line).map_err(|error| KeyError::Syntax(error.to_string()))?;
    // The library reads some lengths loosely, and would take a garbled key for another one.
    let written = line.split(' ').nth(1).and_then(|text| STANDARD.decode(text).ok());
    if written.is_none() || written != key.to_bytes().ok() {
        return Err(KeyError::Syntax("its encoding is not that of a key".into()));
    }
    check_strength(key.key_data())?;
    Ok(fingerprint(key.key_data()))
}

/// Refuses ssh keys that are weak, or of a kind that cannot be verified here.
///
/// # Errors
/// [`KeyError::Type`] for all but ed25519, ecdsa, both of a FIDO authenticator (`sk-…`), and rsa;
/// [`KeyError::RsaBits`].
pub fn check_strength(key: &KeyData) -> Result<(), KeyError> {
    match key {
        KeyData::Ed25519(_) | KeyData::Ecdsa(_) => Ok(()),
        KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) => Ok(()),
        KeyData::Rsa(rsa) => {
            let modulus = rsa.n.as_positive_bytes().unwrap_or_default();
            check_rsa_bits(bits(modulus))
        }
        _ => Err(KeyError::Type(type_name(&key.algorithm()))),
    }
}

/// Refuses RSA moduli of too few or too many bits.
pub(super) fn check_rsa_bits(bits: usize) -> Result<(), KeyError> {
    let fits = (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits);
    if fits { Ok(()) } else { Err(KeyError::RsaBits(bits)) }
}

/// The `SHA256:…` fingerprint, as `ssh-keygen -l` shows it.
#[must_use]
pub fn fingerprint(key: &KeyData) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn type_name(algorithm: &Algorithm) -> String {
    algorithm.as_str().to_owned()
}

/// Significant bits of a big-endian number.
fn bits(number: &[u8]) -> usize {
    let mut digits = number.iter().skip_while(|byte| **byte == 0);
    let first = digits.next().map_or(0, |first| 8 - first.leading_zeros() as usize);
    first + 8 * digits.count()
}

#[cfg(test)]
mod tests;
