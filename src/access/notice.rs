//! Notices: which `[[notify]]` is told of what, under which id, and when.
//!
//! Knows the settings and one event, with the record as it leaves it; not how a notice is sent. A
//! notice is put into the outbox with the event, in one transaction, so none can be lost between.

mod body;
mod words;

use super::event::{Event, What};
use super::id::Id;
use super::lock::Lock;
use super::record::{Phase, Standing, State};
use crate::policy::model::{Notify, NotifyTo};
use crate::policy::name::{ProjectName, UserName};
use crate::policy::window::Zone;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The event of a grant that ends soon.
pub const ENDING: &str = "access.ending";
/// The event of a lock that was laid.
pub const LAID: &str = "lock.laid";
/// The event of a lock that was lifted.
pub const LIFTED: &str = "lock.lifted";

/// Every word that `events` of a `[[notify]]` can mean.
pub const WORDS: [&str; 17] = [
    "access.requested",
    "access.approval",
    "access.approved",
    "access.broke-glass",
    "access.denied",
    "access.withdrawn",
    "access.revoked",
    "access.returned",
    "access.extension-asked",
    "access.extension-approved",
    "access.extension-denied",
    "access.extended",
    "access.attested",
    "access.used",
    ENDING,
    LAID,
    LIFTED,
];

/// A notice in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Unique; the receiver's `webhook-id`.
    pub id: String,
    /// Which `[[notify]]`, as [`target`] names it.
    pub target: String,
    /// The event's word, `access.requested`.
    pub event: String,
    /// The JSON that is sent.
    pub body: String,
    /// When it was put into the outbox.
    pub at: DateTime<Utc>,
    /// Not before; for `before-end`.
    pub due: DateTime<Utc>,
    /// A grant that it is about: once that no longer runs, a notice of its end is not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub while_lent: Option<Id>,
    /// Tries so far.
    #[serde(default)]
    pub tries: u32,
}

/// One event of a record.
#[derive(Debug, Clone, Copy)]
pub struct Happened<'a> {
    /// The record's id.
    pub id: &'a Id,
    /// How many events the record has with this one.
    pub seq: u32,
    /// The event.
    pub event: &'a Event,
    /// The record as the event leaves it.
    pub after: &'a State,
}

/// What a receiver has to know besides the event.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The host's name.
    pub host: &'a str,
    /// `[server] name`
    pub server: Option<&'a str>,
    /// What a command to copy begins with: `ssh git@git.example.org`, or `refwarden`.
    pub command: &'a str,
    /// Whether people may approve on the server, by `--as`.
    pub answered_on_server: bool,
    /// `[server] timezone`, for the lines that people read.
    pub zone: Zone,
    /// Who can answer; empty where nobody is asked.
    pub approvers: &'a [UserName],
}

/// What happens to a lock.
#[derive(Debug, Clone, Copy)]
pub enum OfLock<'a> {
    /// Laid just now.
    Laid,
    /// Lifted, when and by whom as shown.
    Lifted(DateTime<Utc>, &'a str),
}

/// The notices of an event: one for each receiver that wants it, and one later for each that wants
/// to know before the grant ends.
#[must_use]
pub fn of_event(settings: &[Notify], happened: &Happened<'_>, around: &Around<'_>) -> Vec<Notice> {
    of_part(settings, happened, &happened.seq.to_string(), around)
}

/// The notices of a push that landed under a grant whose uses are not counted. The record has no
/// event of it, so the push tells its notices from those of other pushes.
#[must_use]
pub fn of_use(
    settings: &[Notify],
    happened: &Happened<'_>,
    push: &str,
    around: &Around<'_>,
) -> Vec<Notice> {
    of_part(settings, happened, &format!("used-{push}"), around)
}

/// Whether anybody is told of the event `word`.
#[must_use]
pub fn is_told(settings: &[Notify], word: &str) -> bool {
    settings.iter().any(|one| wants(one, word))
}

/// Whether somebody is told that access in `project` was asked for.
#[must_use]
pub fn is_told_of_request(settings: &[Notify], project: &ProjectName) -> bool {
    settings.iter().any(|one| is_about(one, Some(project)) && wants(one, "access.requested"))
}

fn of_part(
    settings: &[Notify],
    happened: &Happened<'_>,
    part: &str,
    around: &Around<'_>,
) -> Vec<Notice> {
    let project = Some(&happened.after.request.project);
    let mut notices = Notices::default();
    for one in settings.iter().filter(|one| is_about(one, project)) {
        if let Some(word) = word(&happened.event.what).filter(|word| wants(one, word)) {
            let body = body::of_event(&word, happened, around, is_slack(one));
            notices.add(one, happened.id, part, word, body, happened.event.at);
        }
        if let Some((until, due)) = ending(one, happened) {
            let body = body::of_ending(due, happened, around, is_slack(one));
            let part = ending_part(until);
            notices.add(one, happened.id, &part, ENDING.into(), body, happened.event.at);
            notices.schedule(due, happened.id);
        }
    }
    notices.0
}

/// The notices of a lock; one that is about no project in particular is told to every receiver.
#[must_use]
pub fn of_lock(
    settings: &[Notify],
    lock: &Lock,
    what: OfLock<'_>,
    around: &Around<'_>,
) -> Vec<Notice> {
    let (word, part, at) = match what {
        OfLock::Laid => (LAID, "laid", lock.at),
        OfLock::Lifted(at, _) => (LIFTED, "lifted", at),
    };
    let project = lock.scope.project.as_ref();
    let mut notices = Notices::default();
    for one in settings.iter().filter(|one| is_about(one, project) && wants(one, word)) {
        let body = body::of_lock(word, at, lock, what, around, is_slack(one));
        notices.add(one, &lock.id, part, word.into(), body, at);
    }
    notices.0
}

/// What names a receiver in the outbox: a digest, because the URL of a chat is a secret.
#[must_use]
pub fn target(to: &NotifyTo) -> String {
    let mut hash = Sha256::new();
    match to {
        NotifyTo::Url { url, slack, .. } => {
            hash.update(if *slack { "slack\0" } else { "url\0" });
            hash.update(url.as_bytes());
        }
        NotifyTo::Command(argv) => {
            hash.update("command\0");
            for word in argv {
                hash.update(word.as_bytes());
                hash.update("\0");
            }
        }
    }
    hash.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether a notice of a grant's end still holds: the grant runs at `now`, and ends when the notice
/// says. An extension files another one.
#[must_use]
pub fn still_ends(notice: &Notice, id: &Id, state: &State, now: DateTime<Utc>) -> bool {
    let Phase::Approved(terms) = &state.phase else { return false };
    state.standing(now) == Standing::Active
        && notice.id == notice_id(id, &ending_part(terms.until), &notice.target)
}

/// The word of an event that is told; `access.approval` and `access.extension-approved` are a yes
/// that others must follow.
fn word(what: &What) -> Option<String> {
    match what {
        What::Reserved { .. } | What::Released { .. } => None,
        What::Approved { terms: None, .. } => Some("access.approval".into()),
        what => Some(format!("access.{}", what.word())),
    }
}

fn wants(one: &Notify, word: &str) -> bool {
    one.events.iter().any(|wanted| match wanted.strip_suffix('*') {
        Some(begin) => word.starts_with(begin),
        None => **wanted == *word,
    })
}

fn is_about(one: &Notify, project: Option<&ProjectName>) -> bool {
    one.projects.is_empty() || project.is_none_or(|project| one.projects.contains(project))
}

fn is_slack(one: &Notify) -> bool {
    matches!(one.to, NotifyTo::Url { slack: true, .. })
}

/// The grant's end and when to tell of it; never for a grant that is shorter than that.
fn ending(one: &Notify, happened: &Happened<'_>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let begins = matches!(
        happened.event.what,
        What::Approved { terms: Some(_), .. } | What::ExtensionApproved { until: Some(_), .. }
    );
    let Phase::Approved(terms) = &happened.after.phase else { return None };
    let due = terms.until.checked_sub_signed(one.before_end?.delta())?;
    let later = due > terms.from && due > happened.event.at;
    (begins && later).then_some((terms.until, due))
}

fn ending_part(until: DateTime<Utc>) -> String {
    format!("ends{}", until.timestamp())
}

fn notice_id(id: &Id, part: &str, target: &str) -> String {
    format!("{id}-{part}-{target}")
}

/// Each id once: two `[[notify]]` of one receiver do not tell it twice.
#[derive(Default)]
struct Notices(Vec<Notice>);

impl Notices {
    fn add(
        &mut self,
        one: &Notify,
        id: &Id,
        part: &str,
        event: String,
        body: String,
        at: DateTime<Utc>,
    ) {
        let target = target(&one.to);
        let id = notice_id(id, part, &target);
        if self.0.iter().all(|other| other.id != id) {
            let (due, while_lent, tries) = (at, None, 0);
            self.0.push(Notice { id, target, event, body, at, due, while_lent, tries });
        }
    }

    /// Puts the newest one off, for as long as the grant runs.
    fn schedule(&mut self, due: DateTime<Utc>, grant: &Id) {
        if let Some(newest) = self.0.last_mut() {
            newest.due = due;
            newest.while_lent = Some(grant.clone());
        }
    }
}

#[cfg(test)]
mod tests;
