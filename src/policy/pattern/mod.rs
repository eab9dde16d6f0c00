//! Patterns over ref names, paths and repository names: a glob, or `regex:` and a regular expression.
//!
//! Knows the syntax of 02-policy.md and how to match bytes with it; not what a match means.
//! Parsing says every reason for which a pattern is refused, so matching cannot fail.

mod glob;
mod regexp;

pub use glob::Glob;
pub use regexp::Regexp;

use super::name::UserName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What in a pattern stands for the pusher's name.
pub const USER: &str = "${user}";
/// What in a pattern over refs stands for an issue's key.
pub const ISSUE: &str = "${issue}";

/// Longest pattern, in bytes: the longest path (PATH_MAX), and longer than any ref's name.
pub const MAX_PATTERN: usize = 4096;

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing to match.
    #[error("a pattern can't be empty")]
    Empty,
    /// More than [`MAX_PATTERN`] bytes.
    #[error("a pattern has at most {MAX_PATTERN} bytes")]
    TooLong,
    /// `**` next to other characters.
    #[error("`**` stands alone between slashes, as in `a/**` or `**/b`")]
    DoubleStar,
    /// `[` without `]`, an empty or reversed range.
    #[error("{0}")]
    Class(&'static str),
    /// `{` or `}` without its partner, or one in another.
    #[error("{0}")]
    Braces(&'static str),
    /// `\` at the very end.
    #[error("`\\` at the end escapes nothing")]
    Escape,
    /// `{a,b}{c,d}…` multiplies past [`glob::MAX_ALTERNATIVES`] or [`glob::MAX_TOKENS`].
    #[error(
        "the braces stand for more than {} alternatives, or {} characters in all",
        glob::MAX_ALTERNATIVES,
        glob::MAX_TOKENS
    )]
    TooManyAlternatives,
    /// `//`, or a slash at either end.
    #[error("an empty component: `//`, or a slash at the beginning or end, matches nothing")]
    EmptyComponent,
    /// The regular expression does not parse.
    #[error("not a regular expression: {0}")]
    Regex(String),
    /// `${user}` where the name could not be taken literally.
    #[error("`${{user}}` can't stand in a character class or after a backslash")]
    UserInClass,
    /// `${issue}` in an expression, or where no key could begin or end.
    #[error("{0}")]
    Issue(&'static str),
    /// `${` followed by something else than `user}` or `issue}`.
    #[error(
        "only `${{user}}` and `${{issue}}` are known after a `$`; write `\\$` for the character itself"
    )]
    UnknownVariable,
}

/// An expression in a compiled policy that does not compile: the file is damaged, or a limit of
/// the regex library has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the expression `{expression}` of the applied policy does not compile: {reason}")]
pub struct Broken {
    /// The expression as written.
    pub expression: Box<str>,
    /// What the regex library says.
    pub reason: String,
}

/// What the variables of a pattern stand for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Given<'a> {
    /// `${user}`; without it that matches nothing.
    pub user: Option<&'a UserName>,
    /// Keys of the projects in the tracker whose issues `${issue}` stands for.
    pub issues_of: &'a [Box<str>],
}

impl<'a> From<Option<&'a UserName>> for Given<'a> {
    fn from(user: Option<&'a UserName>) -> Self {
        Self { user, issues_of: &[] }
    }
}

/// A pattern, ready to match.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    text: Box<str>,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Glob(Glob),
    Regexp(Regexp),
}

impl Pattern {
    /// Parses `regex:…` as a regular expression and anything else as a glob.
    ///
    /// # Errors
    /// [`PatternError`] naming what is wrong with `text`.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_PATTERN {
            return Err(PatternError::TooLong);
        }
        let kind = match text.strip_prefix("regex:") {
            Some(expression) => Kind::Regexp(Regexp::parse(expression)?),
            None => Kind::Glob(Glob::parse(text)?),
        };
        Ok(Self { text: text.into(), kind })
    }

    /// Whether the whole of `subject` matches, byte for byte; `${user}` matches nothing without a
    /// user, `${issue}` a key that stands there between boundaries (see [`crate::push::issue`]).
    ///
    /// # Errors
    /// [`Broken`] where an expression that was accepted before no longer compiles; never for a glob.
    pub fn matches<'a>(&self, subject: &[u8], given: impl Into<Given<'a>>) -> Result<bool, Broken> {
        let given = given.into();
        match &self.kind {
            Kind::Glob(glob) => Ok(glob.matches(subject, given)),
            Kind::Regexp(regexp) => regexp.matches(subject, given.user),
        }
    }

    /// How much of it there is to match with, braces multiplied out; what a policy is bounded by.
    #[must_use]
    pub fn size(&self) -> usize {
        match &self.kind {
            Kind::Glob(glob) => glob.size(),
            Kind::Regexp(_) => self.text.len(),
        }
    }

    /// The pattern as it was written, `regex:` included.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The glob, where the pattern is one.
    #[must_use]
    pub fn as_glob(&self) -> Option<&Glob> {
        match &self.kind {
            Kind::Glob(glob) => Some(glob),
            Kind::Regexp(_) => None,
        }
    }

    /// Whether `${user}` stands in it.
    #[must_use]
    pub fn has_user(&self) -> bool {
        match &self.kind {
            Kind::Glob(glob) => glob.has_user(),
            Kind::Regexp(regexp) => regexp.has_user(),
        }
    }

    /// Whether `${issue}` stands in it.
    #[must_use]
    pub fn has_issue(&self) -> bool {
        self.as_glob().is_some_and(Glob::has_issue)
    }

    /// The same as a regular expression over bytes in [`regex_syntax`]'s syntax, anchored at both
    /// ends: `policy apply` compares two policies with it.
    #[must_use]
    pub fn to_regex(&self, user: Option<&UserName>) -> String {
        match &self.kind {
            Kind::Glob(glob) => glob.to_regex(user),
            Kind::Regexp(regexp) => regexp.to_regex(user),
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;
    /// For patterns of a compiled policy, each of which [`Pattern::parse`] has accepted.
    fn try_from(text: String) -> Result<Self, PatternError> {
        if text.len() > MAX_PATTERN {
            return Err(PatternError::TooLong);
        }
        let kind = match text.strip_prefix("regex:") {
            Some(expression) => Kind::Regexp(Regexp::accepted(expression)),
            None => Kind::Glob(Glob::parse(&text)?),
        };
        Ok(Self { text: text.into(), kind })
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.text.into()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
