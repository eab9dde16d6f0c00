//! What can happen to a request and to the grant that it becomes. Only this is stored.

use super::request::Request;
use crate::policy::name::UserName;
use crate::policy::span::Span;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, UTC.
    pub at: DateTime<Utc>,
    /// Who did it.
    pub by: Actor,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// Who did something, and by which evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The person of the policy; `None` is the server itself or its admin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserName>,
    /// The identity source that named the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Fingerprint of the key, where the source has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The client's address, where the source has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// `root@host`: done by a command on the server, for `user` where that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

impl Actor {
    /// refwarden itself, by a rule of the policy or when it settles a push.
    #[must_use]
    pub fn rule() -> Self {
        Self::default()
    }

    /// Whether it is refwarden itself.
    #[must_use]
    pub fn is_rule(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Actor {
    /// `alice`, `root@host`, `alice (by root@host)`, `refwarden`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.user, &self.server) {
            (Some(user), Some(server)) => write!(f, "{user} (by {server})"),
            (Some(user), None) => write!(f, "{user}"),
            (None, Some(server)) => f.write_str(server),
            (None, None) => f.write_str("refwarden"),
        }
    }
}

/// The limits of a grant, fixed when it is approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Terms {
    /// Inclusive.
    pub from: DateTime<Utc>,
    /// Exclusive.
    pub until: DateTime<Utc>,
    /// Pushes that may land; `None` has no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u32>,
    /// Taken without approval: somebody has to attest it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub break_glass: bool,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    /// The first event of every record.
    Requested(Box<Request>),
    /// A yes. With `terms` the quorum is met and the grant begins; without, others must follow.
    /// By [`Actor::rule`] for `auto`, by the asker for break-glass alone.
    Approved {
        /// The approver's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// The grant's limits, where this yes meets the quorum.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        terms: Option<Terms>,
    },
    /// A no, which closes.
    Denied {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// The asker no longer wants it.
    Withdrawn,
    /// Taken back before its end.
    Revoked {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// Given back before its end.
    Returned,
    /// The holder asks for more time.
    ExtensionAsked {
        /// How much more.
        duration: Span,
        /// The holder's own words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// From this instant on it is unanswered.
        pending_until: DateTime<Utc>,
    },
    /// A yes to more time. With `until` the quorum is met and the grant ends then.
    ExtensionApproved {
        /// The approver's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// The new end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
    },
    /// A no to more time; the grant goes on to its end.
    ExtensionDenied {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// An approver has looked at a broken glass.
    Attested {
        /// What they say to it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// A push may land under it: one use is put aside.
    Reserved {
        /// The push.
        key: String,
        /// On which host, whose sweep settles it.
        host: String,
    },
    /// The push landed, or it can't be shown that it did not.
    Spent {
        /// The push.
        key: String,
    },
    /// The push did not land.
    Released {
        /// The push.
        key: String,
    },
}

impl What {
    /// What somebody said with it: with an answer, or why they want more time.
    #[must_use]
    pub const fn note(&self) -> Option<&String> {
        match self {
            Self::Approved { note, .. }
            | Self::Denied { note }
            | Self::Revoked { note }
            | Self::ExtensionApproved { note, .. }
            | Self::ExtensionDenied { note }
            | Self::Attested { note } => note.as_ref(),
            Self::ExtensionAsked { reason, .. } => reason.as_ref(),
            _ => None,
        }
    }

    /// The word of it, as a person says it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Requested(_) => "requested",
            Self::Approved { terms: Some(Terms { break_glass: true, .. }), .. } => "broke-glass",
            Self::Approved { .. } => "approved",
            Self::Denied { .. } => "denied",
            Self::Withdrawn => "withdrawn",
            Self::Revoked { .. } => "revoked",
            Self::Returned => "returned",
            Self::ExtensionAsked { .. } => "extension-asked",
            Self::ExtensionApproved { until: Some(_), .. } => "extended",
            Self::ExtensionApproved { .. } => "extension-approved",
            Self::ExtensionDenied { .. } => "extension-denied",
            Self::Attested { .. } => "attested",
            Self::Reserved { .. } => "reserved",
            Self::Spent { .. } => "used",
            Self::Released { .. } => "released",
        }
    }
}
