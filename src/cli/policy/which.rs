//! Which policy a command is about: a file, the one that counts, or one that counted before.
//!
//! Knows how each is named and opened; not what is asked of it.

use super::load;
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::cli::site;
use crate::hook::desk::{self, Payload};
use crate::os::site::Site;
use crate::policy::model::Policy;
use crate::store::applied::{self, Applied, AppliedError};
use std::path::PathBuf;

/// Fewest digits by which a policy is named.
const DIGITS: usize = 8;

/// A policy as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// `applied`
    Applied,
    /// The beginning of a digest.
    Digest(String),
    /// Anything else.
    File(PathBuf),
}

impl Which {
    /// Reads a word, whatever lies in the folder: `./applied` and `./0123abcd` are files.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        match word {
            "applied" => Self::Applied,
            _ if (DIGITS..=64).contains(&word.len()) && word.bytes().all(hex) => {
                Self::Digest(word.to_owned())
            }
            _ => Self::File(PathBuf::from(word)),
        }
    }
}

/// Opens two policies. Files first: to open what was applied, root becomes the hosting account, which
/// may not be allowed to read them.
///
/// # Errors
/// As [`open`].
pub fn open_both([one, other]: [&Which; 2], out: &Out) -> anyhow::Result<[Policy; 2]> {
    if matches!(one, Which::File(_)) {
        let one = open(one, out)?;
        Ok([one, open(other, out)?])
    } else {
        let other = open(other, out)?;
        Ok([open(one, out)?, other])
    }
}

/// Opens a policy.
///
/// # Errors
/// No such policy (exit code 6), an invalid file (4), no rights.
pub fn open(which: &Which, out: &Out) -> anyhow::Result<Policy> {
    let word = match which {
        Which::File(path) => return Ok(load(path, None, out)?.policy),
        Which::Applied => None,
        Which::Digest(digits) => Some(digits.as_str()),
    };
    let site = site::find()?;
    site::require_state(&site)?;
    site::become_account(&site)?;
    let applied = match word {
        None => applied::open(&site.state, site.account_uid).map_err(wrong)?,
        Some(digits) => by_digest(&site, digits)?,
    };
    Ok(Payload::open(applied)?.policy()?)
}

fn wrong(error: AppliedError) -> anyhow::Error {
    let exit = match error {
        AppliedError::None => Exit::NotFound,
        _ => Exit::Unavailable,
    };
    Failure::new(exit, error.to_string()).into()
}

/// The policy, present or kept, whose digest begins so.
fn by_digest(site: &Site, digits: &str) -> anyhow::Result<Applied> {
    let account = site.account_uid;
    let mut found: Option<Applied> = None;
    let kept = applied::history(&site.state).map_err(wrong)?;
    let kept = kept.into_iter().map(|number| applied::open_kept(&site.state, account, number));
    for one in kept.chain([applied::open(&site.state, account)]) {
        let one = one.map_err(wrong)?;
        if !desk::hex(&one.digest).starts_with(digits) {
            continue;
        }
        if found.as_ref().is_some_and(|found| found.digest != one.digest) {
            let words = format!("more than one policy has a digest that begins with {digits}");
            return Err(Failure::new(Exit::Usage, words).into());
        }
        found = Some(one);
    }
    found.ok_or_else(|| {
        let words = format!(
            "no policy with the digest {digits} is kept: `refwarden policy rollback --list` has them; \
             a file of that name is `./{digits}`"
        );
        Failure::new(Exit::NotFound, words).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_means_the_same_whatever_lies_in_the_folder() {
        assert_eq!(Which::parse("applied"), Which::Applied);
        assert_eq!(Which::parse("0123abcd"), Which::Digest("0123abcd".into()));
        for file in ["./applied", "./0123abcd", "0123abc", "0123ABCD", "policy.toml", ""] {
            assert_eq!(Which::parse(file), Which::File(file.into()), "{file}");
        }
    }
}
