//! What one line of the trail tells: who did what to which refs, and what was answered.
//!
//! Knows the fields of 03-push.md; not the chain around them (`line`), nor where lines are kept.
//! Every text is a [`Text`], so nothing raw can come in. What is not known or not asked for is left
//! out, and what a later version adds is skipped when a line is read.

use super::text::Text;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// What happened, in the words of the trail.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Event(Cow<'static, str>);

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        impl Event {
            $($(#[$doc])* pub const $name: Event = Event(Cow::Borrowed($word));)*
            /// The events that this version writes.
            pub const ALL: &'static [Event] = &[$(Event::$name,)*];
        }
    };
}

events! {
    /// pre-receive judged a push.
    PUSH_DECIDED = "push.decided";
    /// post-receive saw refs that moved.
    PUSH_LANDED = "push.landed";
    /// The sweep settled a push that was cut short.
    PUSH_SETTLED = "push.settled";
    /// A door let somebody read a repository.
    READ_ALLOWED = "read.allowed";
    /// A door refused a repository to somebody whom it knew.
    READ_REFUSED = "read.refused";
    /// A policy was applied or rolled back.
    POLICY_APPLIED = "policy.applied";
    /// A pushed policy landed and could not be applied.
    POLICY_NOT_APPLIED = "policy.not-applied";
    /// A push landed under a grant, whose use is spent.
    ACCESS_USED = "access.used";
    /// A notice was given up: its receiver never took it.
    NOTICE_FAILED = "notice.failed";
    /// A landed commit's message did something to an issue in Jira.
    SMART_COMMIT_SENT = "smart-commit.sent";
    /// What landed commits say was not sent to Jira, for a reason that is told.
    SMART_COMMIT_LEFT_OUT = "smart-commit.left-out";
    /// The high-water mark of the clock was cleared; only after this line may time go back.
    CLOCK_RESET = "store.clock-reset";
    /// A store was made.
    STORE_INITIALIZED = "store.initialized";
    /// The present store was made the one that counts, older or empty as it was.
    STORE_ACCEPTED = "store.accepted";
    /// A backup was put in the store's place.
    STORE_RESTORED = "store.restored";
    /// The store was copied.
    STORE_BACKED_UP = "store.backed-up";
    /// A token that no longer holds was used by somebody who has its secret; told at most once in
    /// ten minutes.
    TOKEN_REFUSED = "token.refused";
    /// A token was made.
    TOKEN_CREATED = "token.created";
    /// A token was taken back.
    TOKEN_REVOKED = "token.revoked";
    /// A token was made in the place of one that was taken back.
    TOKEN_ROTATED = "token.rotated";
    /// Somebody read the trail.
    AUDIT_READ = "audit.read";
    /// The trail went on in a new file.
    AUDIT_ROTATED = "audit.rotated";
    /// The trail was found damaged, and went on in a new file.
    AUDIT_DAMAGED = "audit.damaged";
}

impl Event {
    /// The event as a word; of a line that somebody else wrote it may be any text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The event called `word`, a later version's too, for a filter.
    #[must_use]
    pub fn named(word: &str) -> Self {
        Self(Cow::Owned(super::text::printable(word)))
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::text::printable(&self.0))
    }
}

/// What was answered, to a push or for one ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It may land.
    Allowed,
    /// It may not.
    Refused,
    /// It may land because the project only warns; enforced, it would not.
    WouldRefuse,
    /// A word of a later version.
    #[serde(other)]
    Unknown,
}

impl Verdict {
    /// The word as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Allowed => "allowed",
            Verdict::Refused => "refused",
            Verdict::WouldRefuse => "would-refuse",
            Verdict::Unknown => "unknown",
        }
    }
}

/// Which push: refwarden's own id, and the receive-pack that ran it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Push {
    /// The id that the report tells the pusher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Text>,
    /// Process, start and boot of the `git receive-pack`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receive_pack: Option<Text>,
}

/// Who: the person as identified, by which source, with which key, from where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Actor {
    /// Name in the policy, or `root@host` for a command on the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Text>,
    /// The source that spoke (`remote-user`, `env:NAME`, …).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Text>,
    /// Fingerprint or id of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Text>,
    /// The client's address, as the source tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Text>,
}

/// The line of the policy that decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// The policy file.
    pub file: Text,
    /// Its line, from 1.
    pub line: u64,
}

/// One ref of a push.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RefRecord {
    /// Full name.
    pub name: Text,
    /// Object id before, zeros where there was none.
    pub old: Text,
    /// Object id after, zeros where there is none.
    pub new: Text,
    /// `create`, `update`, `force`, `delete`, ….
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Text>,
    /// What was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Code of the refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Text>,
    /// The entry of the policy that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<Entry>,
    /// Names of checks that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Text>,
    /// Names of checks that a `bypass` lifted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bypassed: Vec<Text>,
}

/// The policy that was in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PolicyRecord {
    /// Digest of the applied policy.
    pub digest: Text,
}

/// The store that was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreRecord {
    /// Its version at that time.
    pub version: u64,
}

/// What is told of access afterwards, whatever state the store is in.
const AFTERWARDS: [&str; 4] =
    ["access.used", "access.released", "access.reviewed", "token.refused"];
/// What the words of changes begin with.
const CHANGES: [&str; 3] = ["access.", "lock.", "token."];

/// One line of the trail, but for its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What happened.
    pub event: Event,
    /// On which host.
    #[serde(default)]
    pub host: Text,
    /// Which push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<Push>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// Where, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<Text>,
    /// The project that the repository belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Text>,
    /// What was answered to the whole; `refused` only where no ref at all may move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Code of the refusal of the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Text>,
    /// Every ref asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refs: Vec<RefRecord>,
    /// The grant that let it through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Text>,
    /// The request for access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Text>,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entitlement: Option<Text>,
    /// Why: of a refusal in refwarden's words, of a request in the asker's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
    /// The ticket that was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Text>,
    /// Who approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<Text>,
    /// The policy in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRecord>,
    /// The store that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreRecord>,
    /// What else this event has to tell.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub detail: BTreeMap<Text, Text>,
}

impl Record {
    /// A record that tells no more than that `event` happened on `host`.
    #[must_use]
    pub fn new(event: Event, host: impl Into<Text>) -> Self {
        Self {
            event,
            host: host.into(),
            push: None,
            actor: None,
            repository: None,
            project: None,
            verdict: None,
            code: None,
            refs: Vec::new(),
            grant: None,
            request: None,
            entitlement: None,
            reason: None,
            ticket: None,
            approvers: Vec::new(),
            policy: None,
            store: None,
            detail: BTreeMap::new(),
        }
    }

    /// The same with `value` under `key` of the free part.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Text>) -> Self {
        self.detail.insert(key.into(), value.into());
        self
    }

    /// Whether it says yes to a push or a read, or changes who may: only on a store that is not older than
    /// the trail, and by a clock that is not behind it.
    #[must_use]
    pub fn rests_on_state(&self) -> bool {
        let word = self.event.as_str();
        let changes = CHANGES.iter().any(|begin| word.starts_with(begin));
        let reads = self.event == Event::READ_ALLOWED;
        self.lets_through() || reads || changes && !AFTERWARDS.contains(&word)
    }

    /// Whether refs may move on this record: a decision that does not refuse the whole push.
    #[must_use]
    pub fn lets_through(&self) -> bool {
        self.event == Event::PUSH_DECIDED && self.verdict != Some(Verdict::Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_is_left_out() {
        let record = Record::new(Event::PUSH_LANDED, "h");
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            r#"{"event":"push.landed","host":"h"}"#
        );
    }

    #[test]
    fn a_later_version_is_read_as_far_as_this_one_knows_it() {
        let text = r#"{"event":"access.approved","host":"h","quorum":[1],"verdict":"postponed"}"#;
        let record: Record = serde_json::from_str(text).unwrap();
        assert_eq!(record.event, Event::named("access.approved"));
        assert_eq!(record.verdict, Some(Verdict::Unknown));
    }

    #[test]
    fn a_decision_without_a_verdict_counts_as_a_yes() {
        let mut record = Record::new(Event::PUSH_DECIDED, "h");
        assert!(record.lets_through());
        record.verdict = Some(Verdict::WouldRefuse);
        assert!(record.lets_through());
        record.verdict = Some(Verdict::Refused);
        assert!(!record.lets_through());
        assert!(!Record::new(Event::PUSH_LANDED, "h").lets_through());
    }

    #[test]
    fn what_changes_access_rests_on_the_store_and_what_only_tells_does_not() {
        for word in [
            "access.approved",
            "access.revoked",
            "access.broke-glass",
            "lock.laid",
            "token.created",
            "read.allowed",
        ] {
            assert!(Record::new(Event::named(word), "h").rests_on_state(), "{word}");
        }
        for word in [
            "access.used",
            "access.reviewed",
            "token.refused",
            "push.landed",
            "store.restored",
            "accessed",
            "read.refused",
        ] {
            assert!(!Record::new(Event::named(word), "h").rests_on_state(), "{word}");
        }
    }

    #[test]
    fn the_words_are_the_stored_ones() {
        for verdict in [Verdict::Allowed, Verdict::Refused, Verdict::WouldRefuse, Verdict::Unknown]
        {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.as_str());
        }
    }
}
