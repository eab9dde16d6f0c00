//! `signed`: commits and tags signed by a key of whoever made them.
//!
//! Knows that the key must be one that the policy lists for the committer (of a tag: the tagger),
//! by e-mail address; which signatures are good is `pusher::signature`'s matter, expired and
//! revoked OpenPGP keys included.

use super::People;
use super::people::user;
use super::text::{CommitText, Signed, TagText, signed_commit};
use crate::pusher::signature::{self, SignatureError};
use gix::bstr::ByteSlice;

/// What is wrong with a commit's signature.
///
/// # Errors
/// When a look-up failed.
pub fn commit(
    raw: &[u8],
    text: &CommitText<'_>,
    format: gix::hash::Kind,
    people: &dyn People,
) -> Result<Option<String>, String> {
    match signed_commit(raw, format) {
        Ok(signed) => of(&signed, text.committer, "committer", people),
        Err(words) => Ok(Some(words.into())),
    }
}

/// What is wrong with a tag object; `wanted` is the name that it must have by itself, because the
/// ref is not signed: that of the ref, or nothing for a tag that another tag stands for.
///
/// # Errors
/// When a look-up failed.
pub fn tag(
    raw: &[u8],
    wanted: Option<&[u8]>,
    people: &dyn People,
) -> Result<Option<String>, String> {
    let text = match TagText::parse(raw) {
        Ok(text) => text,
        Err(words) => return Ok(Some(words.into())),
    };
    if let Some(wanted) = wanted.filter(|wanted| *wanted != text.name) {
        let (is, wanted) = (text.name.as_bstr(), wanted.as_bstr());
        return Ok(Some(format!("the tag calls itself `{is}`, not `{wanted}`")));
    }
    of(&text.signed, text.tagger, "tagger", people)
}

fn of(
    signed: &Signed,
    line: Option<&[u8]>,
    role: &str,
    people: &dyn People,
) -> Result<Option<String>, String> {
    let Some(signature) = &signed.signature else { return Ok(Some("it is not signed".into())) };
    let Some(maker) = user(line, people)? else {
        return Ok(Some(format!("the {role}'s address is that of no active user of the policy")));
    };
    let fingerprint = match signature::verify(&signed.payload, signature, people) {
        Ok(fingerprint) => fingerprint,
        Err(SignatureError::Lookup(words)) => return Err(words),
        Err(error) => return Ok(Some(error.to_string())),
    };
    let owner = people.by_key(&fingerprint)?;
    if owner.as_ref() == Some(&maker) {
        return Ok(None);
    }
    let whose = owner.map_or_else(|| "of nobody".to_owned(), |owner| format!("of {owner}"));
    Ok(Some(format!("it is signed by a key {whose}, and the {role} is {maker}")))
}
