//! What one of our own doors says about the pusher, and the seal that makes the hooks believe it.
//!
//! Knows the statement (who, by which key, to which repository, through which process) and its
//! message authentication code. Does not know where the key lies, nor whether the process that is
//! named is above the hook: the caller of [`open`] holds both.
//!
//! The statement stands in the environment, which a client may partly choose; without the key of
//! the hosting account nobody can write one, and one that was seen elsewhere names another process.

use super::source::Source;
use crate::policy::name::UserName;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// Variable with the pusher's name.
pub const USER: &str = "REFWARDEN_USER";
/// Variable with the key that was used: an ssh key's fingerprint, or the id of a token.
pub const KEY: &str = "REFWARDEN_KEY";
/// Variable with the sealed statement.
pub const PROOF: &str = "REFWARDEN_PROOF";

/// Longest value of [`PROOF`], in bytes.
const MAX_PROOF: usize = 8 * 1024;
/// Hexadecimal digits of the seal.
const SEAL: usize = 64;
/// Told apart from whatever else may ever be sealed with the same key.
const CONTEXT: &[u8] = b"refwarden door 1\n";

/// A door of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// `refwarden ssh`.
    Ssh,
    /// `refwarden http`.
    Http,
}

impl Door {
    /// The source that it is for the policy.
    #[must_use]
    pub const fn source(self) -> Source {
        match self {
            Self::Ssh => Source::Ssh,
            Self::Http => Source::Http,
        }
    }
}

/// The process that a door is, and that becomes git: named so that no other can be taken for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Process id, in its pid namespace.
    pub pid: u32,
    /// When it started: clock ticks since boot.
    pub start_time: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Inode of `/proc/self/ns/pid`.
    pub pid_namespace: u64,
}

/// What a door says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Which door.
    pub door: Door,
    /// Whom it let in.
    pub user: UserName,
    /// By which key: fingerprint of an ssh key, or id of a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// To which repository: its name below the root, hexadecimal, for names are bytes.
    pub repository: String,
    /// The client's address. Decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// From then on it does not count: the end of the certificate or token that opened the door.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// The door.
    pub process: Process,
}

/// Why a statement is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The variable is missing, or not of our form.
    #[error("is not what a door writes")]
    Malformed,
    /// Another key, or a changed statement.
    #[error("was not written by a door of this server")]
    Seal,
    /// `REFWARDEN_USER` or `REFWARDEN_KEY` say something else.
    #[error("does not fit what stands beside it")]
    Beside,
    /// The door's process is not above the hook.
    #[error("is of another connection")]
    Elsewhere,
    /// It is about another repository.
    #[error("is for another repository")]
    Repository,
    /// Its key or token has ended.
    #[error("has ended with the key or token that opened the door")]
    Ended,
    /// The door's key can't be read.
    #[error("can't be checked: the door's key is not there or not to be trusted")]
    NoKey,
}

/// The value of [`PROOF`] for a statement.
#[must_use]
pub fn seal(said: &Said, key: &[u8; 32]) -> String {
    // Strings, numbers and an instant: these can always be written.
    let text = serde_json::to_string(said).unwrap_or_default();
    let mut sealed = String::with_capacity(SEAL + 1 + text.len());
    sealed.push_str(&repository(&mac(text.as_bytes(), key).finalize().into_bytes()));
    sealed.push(' ');
    sealed.push_str(&text);
    sealed
}

/// Reads a statement, and believes it if it was sealed with `key`.
///
/// # Errors
/// [`ProofError::Malformed`] and [`ProofError::Seal`]; whether it fits the push is for the caller.
pub fn open(proof: &[u8], key: &[u8; 32]) -> Result<Said, ProofError> {
    if proof.len() > MAX_PROOF {
        return Err(ProofError::Malformed);
    }
    let (seal, rest) = proof.split_at_checked(SEAL).ok_or(ProofError::Malformed)?;
    let text = rest.strip_prefix(b" ").ok_or(ProofError::Malformed)?;
    let seal = digits(seal).ok_or(ProofError::Malformed)?;
    // Compared in constant time, before anything of the statement is looked at.
    mac(text, key).verify_slice(&seal).map_err(|_| ProofError::Seal)?;
    serde_json::from_slice(text).map_err(|_| ProofError::Malformed)
}

fn mac(text: &[u8], key: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC itself fills a key up with zeros to the length of a block.
    let mut block = [0; 64];
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(CONTEXT);
    mac.update(text);
    mac
}

fn digits(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = text.chunks_exact(2);
    pairs.map(|pair| Some((digit(*pair.first()?)? << 4) | digit(*pair.get(1)?)?)).collect()
}

/// Bytes as hexadecimal digits: a repository's name as a statement has it.
#[must_use]
pub fn repository(name: &[u8]) -> String {
    use std::fmt::Write;
    name.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn said() -> Said {
        Said {
            door: Door::Ssh,
            user: UserName::parse("alice").unwrap(),
            key: Some("SHA256:abc".into()),
            repository: repository(b"payments/api"),
            address: Some("192.0.2.7".into()),
            until: None,
            process: Process {
                pid: 42,
                start_time: 1000,
                boot_id: "b".into(),
                pid_namespace: 4_026_531_836,
            },
        }
    }

    #[test]
    fn what_was_sealed_opens_and_says_the_same() {
        assert_eq!(open(seal(&said(), &KEY).as_bytes(), &KEY).unwrap(), said());
    }

    #[test]
    fn a_statement_sealed_with_another_key_is_not_believed() {
        assert_eq!(open(seal(&said(), &[8; 32]).as_bytes(), &KEY), Err(ProofError::Seal));
    }

    #[test]
    fn no_byte_of_a_sealed_statement_can_be_changed() {
        let sealed = seal(&said(), &KEY).into_bytes();
        for at in 0..sealed.len() {
            let mut forged = sealed.clone();
            forged[at] ^= 1;
            assert!(open(&forged, &KEY).is_err(), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(open(&sealed[..length], &KEY).is_err(), "cut at {length}");
        }
        assert!(open(&[sealed.as_slice(), b" "].concat(), &KEY).is_err());
    }

    #[test]
    fn what_no_door_writes_is_malformed() {
        for text in ["", "alice", " ", &"g".repeat(70), &"a".repeat(MAX_PROOF + 1)] {
            assert_eq!(open(text.as_bytes(), &KEY), Err(ProofError::Malformed), "{text:.20}");
        }
    }
}
