//! What a valid policy says about asking: entitlements, their caps, who approves, who is told, and
//! where it is all kept.
//!
//! Plain data; what it means at a request is `access`'s, what it may say is the policy's check.

use super::entry::{Entry, Holder, Place};
use super::name::ProjectName;
use super::pattern::{Broken, Pattern};
use super::span::Span;
use super::window::Window;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// `[entitlements.X]`: what people may ask for, and who lends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entitlement {
    /// The admin's words.
    pub description: Option<Box<str>>,
    /// What it can lend: permissions, refs, paths, checks, and as `to` who is eligible.
    pub entry: Entry,
    /// `projects`
    pub projects: BTreeSet<ProjectName>,
    /// `repositories`
    pub repositories: Vec<Pattern>,
    /// Cap of every grant of it, `auto` and extensions included.
    pub max_duration: Span,
    /// Where the asker names none.
    pub default_duration: Span,
    /// No grant lives past this instant.
    pub max_until: Option<DateTime<Utc>>,
    /// How far ahead a grant may begin.
    pub max_ahead: Span,
    /// Pushes that may land under one grant; `None` has no limit.
    pub max_uses: Option<u32>,
    /// Unanswered after.
    pub pending: Span,
    /// Whether a reason is required; where one is given it has at least 10 characters.
    pub reason_required: bool,
    /// What a ticket must match as a whole: always a `regex:` pattern.
    pub ticket: Option<Pattern>,
    /// States one of which the issue that is the ticket must be in; empty asks nothing of Jira.
    pub ticket_status: Vec<Box<str>>,
    /// Lists of approvers, all needed; empty only with `auto`.
    pub approval: Vec<Approval>,
    /// Approved by rule.
    pub auto: Option<Auto>,
    /// May be taken at once and attested later.
    pub break_glass: bool,
    /// The grant covers only the commits of the refused push.
    pub pin: bool,
    /// More time, if that may be asked for.
    pub extend: Option<Extend>,
}

impl Entitlement {
    /// Whether it is about the repository: its project is named, or its own name matches.
    ///
    /// # Errors
    /// [`Broken`] when a pattern can't be evaluated.
    pub fn applies(&self, project: &ProjectName, repository: &[u8]) -> Result<bool, Broken> {
        super::model::applies(&self.projects, &self.repositories, project, repository)
    }
}

/// One list of approvers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who may say yes.
    pub from: Vec<Holder>,
    /// How many of them.
    pub count: u32,
}

/// `auto`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Auto {
    /// Only then.
    pub when: Window,
    /// Cap of such a grant.
    pub max_duration: Span,
}

/// `extend`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extend {
    /// How often.
    pub times: u32,
    /// How much more, each time.
    pub max_duration: Span,
}

/// `[access]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessSettings {
    /// Open requests a person may have.
    pub max_open: u32,
    /// Longest `-o wait=`; `None` refuses it.
    pub max_wait: Option<Span>,
    /// Whether `--as` may approve and break glass on the server.
    pub server_approvals: bool,
}

impl Default for AccessSettings {
    fn default() -> Self {
        Self { max_open: 20, max_wait: None, server_approvals: true }
    }
}

/// `[tokens]`: personal access tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSettings {
    /// No token holds longer than this after it was made.
    pub max_lifetime: Span,
    /// How long one holds where its maker does not say.
    pub default_lifetime: Span,
    /// Where people find the HTTP door: what a new token's credential is for.
    pub url: Option<Box<str>>,
}

/// `[[notify]]`: who is told of what, after the push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// Where it is written.
    pub place: Place,
    /// Words of events, `access.requested`; a last `*` stands for all that begin so.
    pub events: Vec<Box<str>>,
    /// Only of these projects; empty is all.
    pub projects: BTreeSet<ProjectName>,
    /// How it is sent.
    pub to: NotifyTo,
    /// A notice so long before a grant ends.
    pub before_end: Option<Span>,
}

/// How a notice is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotifyTo {
    /// A POST.
    Url {
        /// https, or http on loopback.
        url: Box<str>,
        /// A chat's format instead of the plain JSON.
        slack: bool,
        /// File with the signing secret, absolute, trusted like the policy and not readable by others.
        secret_file: Option<Box<str>>,
    },
    /// A program, JSON on its stdin; its path is absolute and trusted like the policy.
    Command(Vec<Box<str>>),
}

/// `[store]` with `endpoints`: etcd, which several git hosts share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedStore {
    /// URLs, tried in turn.
    pub endpoints: Vec<Box<str>>,
    /// File with the authority that the members' certificates are checked with, absolute.
    pub ca: Option<Box<str>>,
    /// Files with our certificate and its key, absolute.
    pub identity: Option<(Box<str>, Box<str>)>,
    /// User, and the file with its password, absolute.
    pub login: Option<(Box<str>, Box<str>)>,
    /// What all keys begin with.
    pub prefix: Box<str>,
}
