//! Issues that a push names: keys like `PAY-42`, in ref names, commit messages and push options.
//!
//! Knows how a key is told from text that only looks like one, and where a push may name it. A key
//! is the pusher's claim: what it is worth is decided elsewhere.

use super::message;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Longest key of a project, in bytes; Jira's own default allows 10.
pub const MAX_PROJECT: usize = 64;
/// Most digits of a number; more would not fit Jira's.
const MAX_DIGITS: usize = 18;
/// The push option that names an issue.
const OPTION: &[u8] = b"issue=";

/// The key of an issue, as in `PAY-42`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IssueKey(Box<str>);

/// Text that is not the key of an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an issue's key is a project's key in capitals, `-`, and a number, as in `PAY-42`")]
pub struct NotAKey;

impl IssueKey {
    /// Reads a whole text.
    ///
    /// # Errors
    /// [`NotAKey`]: it is none.
    pub fn parse(text: &str) -> Result<Self, NotAKey> {
        let (project, number) = text.rsplit_once('-').ok_or(NotAKey)?;
        let whole = is_project(project) && digits(number.as_bytes()) == Some(number.len());
        if whole { Ok(Self(text.into())) } else { Err(NotAKey) }
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of its project.
    #[must_use]
    pub fn project(&self) -> &str {
        self.0.rsplit_once('-').map_or("", |(project, _)| project)
    }
}

impl fmt::Display for IssueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for IssueKey {
    type Error = NotAKey;
    fn try_from(text: String) -> Result<Self, NotAKey> {
        Self::parse(&text)
    }
}

impl From<IssueKey> for String {
    fn from(key: IssueKey) -> Self {
        key.0.into()
    }
}

/// Whether a text can be the key of a project: capitals, digits and `_`, a capital first.
#[must_use]
pub fn is_project(text: &str) -> bool {
    let rest = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    text.len() <= MAX_PROJECT
        && text.bytes().next().is_some_and(|b| b.is_ascii_uppercase())
        && text.bytes().all(rest)
}

/// The length of the number at the start: no zero first, and nothing after it that goes on.
fn digits(text: &[u8]) -> Option<usize> {
    let length = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let sound = (1..=MAX_DIGITS).contains(&length) && text.first() != Some(&b'0');
    (sound && text.get(length).is_none_or(|&b| ends_before(b))).then_some(length)
}

/// Whether a key may begin after this byte. Bytes of characters beyond ASCII count as letters.
#[must_use]
pub const fn begins_after(byte: u8) -> bool {
    ends_before(byte) && byte != b'-'
}

/// Whether a key may end before this byte.
#[must_use]
pub const fn ends_before(byte: u8) -> bool {
    !(byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii())
}

/// The length of the key of one of `projects` that `rest` begins with, where a key may begin there:
/// `before` is the byte in front of it.
#[must_use]
pub fn length_at(before: Option<u8>, rest: &[u8], projects: &[Box<str>]) -> Option<usize> {
    if !before.is_none_or(begins_after) {
        return None;
    }
    projects.iter().find_map(|project| {
        let number = rest.strip_prefix(project.as_bytes())?.strip_prefix(b"-")?;
        Some(project.len() + 1 + digits(number)?)
    })
}

/// The keys of `projects` in a text, in its order, each once.
#[must_use]
pub fn find(text: &[u8], projects: &[Box<str>]) -> Vec<IssueKey> {
    let mut found = Vec::new();
    let (mut at, mut before) = (0, None);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let length = length_at(before, rest, projects);
        let key = length.and_then(|length| std::str::from_utf8(rest.get(..length)?).ok());
        if let Some(key) = key.map(|key| IssueKey(key.into()))
            && !found.contains(&key)
        {
            found.push(key);
        }
        at += length.unwrap_or(1);
        before = text.get(at - 1).copied();
    }
    found
}

/// Keys that would be there if small letters were capitals: case counts, and who writes `pay-42` is
/// told so.
#[must_use]
pub fn misspelt(text: &[u8], projects: &[Box<str>]) -> Vec<IssueKey> {
    let right = find(text, projects);
    let mut all = find(&text.to_ascii_uppercase(), projects);
    all.retain(|key| !right.contains(key));
    all
}

/// Where a push may name an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Spot {
    /// The ref's name.
    Ref,
    /// The subject of a new commit's message: its first paragraph.
    Subject,
    /// What follows it.
    Body,
    /// The line `Issue: …` at the end of it.
    Trailer,
    /// The push option `issue=…`.
    Option,
}

impl Spot {
    /// Every place, in the order in which they are looked at.
    pub const ALL: [Self; 5] = [Self::Ref, Self::Subject, Self::Body, Self::Trailer, Self::Option];

    /// The word of `[jira] key-from`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ref => "ref",
            Self::Subject => "subject",
            Self::Body => "body",
            Self::Trailer => "trailer",
            Self::Option => "option",
        }
    }

    /// As a report says it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ref => "the ref's name",
            Self::Subject => "a commit's subject",
            Self::Body => "a commit's message",
            Self::Trailer => "an `Issue:` trailer",
            Self::Option => "the push option `issue=`",
        }
    }
}

/// What of a push is searched.
#[derive(Debug, Clone, Copy, Default)]
pub struct Text<'a> {
    /// The ref's full name.
    pub name: &'a [u8],
    /// Messages of the commits that are new, merges left out.
    pub messages: &'a [&'a [u8]],
    /// Push options.
    pub options: &'a [Vec<u8>],
}

/// The issues in play of one ref, each with the place where it was found first.
#[must_use]
pub fn in_play(text: &Text<'_>, projects: &[Box<str>], from: &[Spot]) -> BTreeMap<IssueKey, Spot> {
    let mut found = BTreeMap::new();
    for spot in Spot::ALL.into_iter().filter(|spot| from.contains(spot)) {
        for part in parts(text, spot) {
            for key in find(&part, projects) {
                found.entry(key).or_insert(spot);
            }
        }
    }
    found
}

fn parts<'a>(text: &Text<'a>, spot: Spot) -> Vec<Cow<'a, [u8]>> {
    let messages = text.messages.iter().copied();
    match spot {
        Spot::Ref => vec![text.name.into()],
        Spot::Subject => messages.map(message::subject).collect(),
        Spot::Body => messages.map(|message| body(message).into()).collect(),
        Spot::Trailer => messages.flat_map(trailers).map(Cow::Borrowed).collect(),
        Spot::Option => {
            let named = text.options.iter().filter_map(|option| option.strip_prefix(OPTION));
            named.map(Cow::Borrowed).collect()
        }
    }
}

/// What follows the subject, trailers left out: those are a place of their own.
fn body(message: &[u8]) -> &[u8] {
    let rest = message::body(message);
    let end = rest.len() - trailer_block(rest).map_or(0, <[u8]>::len);
    rest.get(..end).unwrap_or_default()
}

/// The values of `Issue:` lines in the last paragraph of a message.
fn trailers(message: &[u8]) -> Vec<&[u8]> {
    let block = trailer_block(message::body(message)).unwrap_or_default();
    lines(block).filter_map(value).collect()
}

fn value(line: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"issue:";
    let (name, value) = line.split_at_checked(NAME.len())?;
    name.eq_ignore_ascii_case(NAME).then_some(value)
}

/// The last paragraph, where every line of it is a trailer or the rest of one (git-interpret-trailers).
fn trailer_block(body: &[u8]) -> Option<&[u8]> {
    let trimmed = body.trim_ascii_end();
    let mut start = 0;
    let mut at = 0;
    for line in trimmed.split_inclusive(|&b| b == b'\n') {
        at += line.len();
        if line.trim_ascii().is_empty() {
            start = at;
        }
    }
    let block = body.get(start..)?;
    let is_trailer = |line: &[u8]| {
        let token = line.split(|&b| b == b':').next().filter(|token| token.len() < line.len());
        let word = |token: &[u8]| token.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
        line.starts_with(b" ")
            || line.starts_with(b"\t")
            || token.is_some_and(|token| !token.is_empty() && word(token))
    };
    let own = lines(trimmed.get(start..)?);
    let all = own.clone().all(is_trailer) && own.clone().any(|line| value(line).is_some());
    all.then_some(block)
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    text.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

#[cfg(test)]
mod tests;
