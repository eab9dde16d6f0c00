//! `subject`, `message`, `max-subject`: what a commit message says.
//!
//! Knows that a subject is the first paragraph in one line, and how expressions are searched
//! for. A message that readers would not see as it stands fails every rule.

use super::text::CommitText;
use crate::policy::checks::Search;
use crate::policy::pattern::Broken;
use crate::push::message::subject;
use gix::bstr::ByteSlice;
use regex::bytes::{Regex, RegexBuilder};

/// Largest compiled expression, in bytes.
pub(super) const SIZE_LIMIT: usize = 4 << 20;
/// Most bytes of a subject that are told.
const TOLD: usize = 60;

/// Makes an expression ready for search.
///
/// # Errors
/// [`Broken`] where one that was accepted before no longer compiles.
pub fn compile(search: &Search) -> Result<Regex, Broken> {
    let built = RegexBuilder::new(&search.0).unicode(false).size_limit(SIZE_LIMIT).build();
    built.map_err(|error| broken(search, &error))
}

/// What the regex library says in one line.
pub(super) fn broken(search: &Search, error: &dyn std::error::Error) -> Broken {
    let reason = error.to_string();
    let reason = reason.lines().last().unwrap_or_default().trim().to_owned();
    Broken { expression: search.0.clone(), reason }
}

/// `subject`
#[must_use]
pub fn of_subject(text: &CommitText<'_>, asked: &Regex) -> Option<Vec<u8>> {
    let message = match text.message() {
        Ok(message) => message,
        Err(words) => return Some(words.into_bytes()),
    };
    let subject = subject(message);
    (!asked.is_match(&subject)).then(|| about(&subject, &format!("does not match `{asked}`")))
}

/// `message`
#[must_use]
pub fn of_message(text: &CommitText<'_>, asked: &Regex) -> Option<Vec<u8>> {
    match text.message() {
        Ok(message) if asked.is_match(message) => None,
        Ok(_) => Some(format!("nothing in the message matches `{asked}`").into_bytes()),
        Err(words) => Some(words.into_bytes()),
    }
}

/// `max-subject`: characters where it is UTF-8, else bytes.
#[must_use]
pub fn too_long(text: &CommitText<'_>, most: u32) -> Option<Vec<u8>> {
    let message = match text.message() {
        Ok(message) => message,
        Err(words) => return Some(words.into_bytes()),
    };
    let subject = subject(message);
    let length = subject.to_str().map_or(subject.len(), |text| text.chars().count());
    let fits = u32::try_from(length).is_ok_and(|length| length <= most);
    (!fits).then(|| about(&subject, &format!("has {length} characters, at most {most} may be")))
}

fn about(subject: &[u8], words: &str) -> Vec<u8> {
    let told = match subject.get(..TOLD) {
        Some(start) => [start, b"..."].concat(),
        None => subject.to_vec(),
    };
    if told.is_empty() {
        return format!("there is no subject; it {words}").into_bytes();
    }
    [b"the subject `", told.as_slice(), b"` ", words.as_bytes()].concat()
}
