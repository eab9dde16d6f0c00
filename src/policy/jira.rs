//! `[jira]`: where issues live, and what of them a push may depend on.
//!
//! Plain data; what is asked of Jira, and how, is the effect's.

use super::refs::RefScope;
use super::span::Span;
use crate::push::issue::Spot;
use serde::{Deserialize, Serialize};

/// `[jira]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JiraSettings {
    /// Where it is, without a slash at the end; https, or http on loopback.
    pub url: Box<str>,
    /// Which of the two it is.
    pub flavor: Flavor,
    /// Whose token it is, with [`Flavor::Cloud`].
    pub email: Option<Box<str>>,
    /// File with the token, absolute, trusted like the policy and not readable by others.
    pub token_file: Box<str>,
    /// How long one question may take, in milliseconds.
    pub timeout_ms: u32,
    /// How long all questions of one push may take, in milliseconds.
    pub push_timeout_ms: u32,
    /// `key-from`: where a push may name an issue.
    pub key_from: Vec<Spot>,
    /// How long what was learnt of an issue counts as new.
    pub fresh_issue: Span,
    /// The same for groups, roles and leads.
    pub fresh_people: Span,
    /// `when-down`
    pub when_down: WhenDown,
    /// Ids of all fields whose people the policy speaks of: they are asked for together.
    pub fields: Vec<Box<str>>,
    /// `smart-commits`; without it no commit does anything to an issue.
    pub smart: Option<SmartCommits>,
}

/// `smart-commits`: what messages of landed commits may do to issues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmartCommits {
    /// `branches`, `except-branches`: a commit counts once it is new to one of these.
    pub branches: RefScope,
    /// `comment`: whether `#comment` is a command.
    pub comment: bool,
    /// `transitions`: names of the transitions that a message may ask for.
    pub transitions: Vec<Box<str>>,
}

impl SmartCommits {
    /// Whether commits of a ref count. A pattern that can't be evaluated matches nothing: nothing is
    /// sent then.
    #[must_use]
    pub fn governs(&self, name: &[u8]) -> bool {
        self.branches.permits(name, None).unwrap_or(false)
    }
}

/// Which Jira it is: they differ in how people are named and what can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flavor {
    /// `SITE.atlassian.net`
    Cloud,
    /// One's own.
    DataCenter,
}

impl Flavor {
    /// As `flavor` is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::DataCenter => "data-center",
        }
    }
}

/// `when-down`: what holds while Jira does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WhenDown {
    /// Whatever depends on it is refused.
    Refuse,
    /// What it said at most so long ago.
    Cache(Span),
    /// Nobody is named by an issue or has a role or group of Jira's.
    WithoutIssueRoles,
}
