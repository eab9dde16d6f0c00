//! `committer`, `author`: whose addresses a commit names.
//!
//! Knows that a line which can be read in two ways names nobody. `.mailmap` is not believed: it
//! comes with the push.

use super::text::address;
use super::{People, fold_email};
use crate::policy::checks::Author;
use crate::policy::name::UserName;
use gix::bstr::ByteSlice;

/// Most bytes of a line that are told.
const TOLD: usize = 80;

/// The user of an identity line.
///
/// # Errors
/// When the look-up itself failed.
pub fn user(line: Option<&[u8]>, people: &dyn People) -> Result<Option<UserName>, String> {
    match line.and_then(address) {
        Some(address) => people.by_email(&fold_email(address)),
        None => Ok(None),
    }
}

/// `committer = "pusher"`; `line` is that of the commit.
///
/// # Errors
/// When a look-up failed.
pub fn committer(line: Option<&[u8]>, people: &dyn People) -> Result<Option<Vec<u8>>, String> {
    pushers("committer", line, people)
}

/// `author`; `line` is that of the commit.
///
/// # Errors
/// When a look-up failed.
pub fn author(
    line: Option<&[u8]>,
    asked: Author,
    people: &dyn People,
) -> Result<Option<Vec<u8>>, String> {
    match asked {
        Author::Pusher => pushers("author", line, people),
        Author::Known if user(line, people)?.is_some() => Ok(None),
        Author::Known => {
            Ok(Some(told("author", line, "is an address of no active user of the policy")))
        }
    }
}

fn pushers(
    role: &str,
    line: Option<&[u8]>,
    people: &dyn People,
) -> Result<Option<Vec<u8>>, String> {
    let user = user(line, people)?;
    if user.as_ref() == Some(people.pusher()) {
        return Ok(None);
    }
    let words = format!("is no address of {}, who pushes", people.pusher());
    Ok(Some(told(role, line, &words)))
}

fn told(role: &str, line: Option<&[u8]>, words: &str) -> Vec<u8> {
    let Some(line) = line else {
        return format!("it has not exactly one {role} line").into_bytes();
    };
    match address(line) {
        Some(address) => {
            let end = address.floor_char_boundary(TOLD);
            format!("the {role} <{}> {words}", address.get(..end).unwrap_or(address)).into_bytes()
        }
        None => {
            let line = line.get(..line.len().min(TOLD)).unwrap_or(line);
            format!("the {role} line is malformed: `{}`", line.as_bstr()).into_bytes()
        }
    }
}
