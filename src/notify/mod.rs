//! Delivery of notices: what stands in the outbox and is due, one try each.
//!
//! Knows how a try ends and when the next one is; not what a notice says, nor who is to be told
//! (`access::notice`). Nothing here is ever waited for by a push: the hooks start [`detach`], and
//! the sweep tries again what was not taken.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests lay files and run servers"))]

mod command;
mod failure;
mod http;
mod retry;
mod secret;
mod sign;

pub use failure::Failure;
pub use secret::SecretError;

use crate::access::Notice;
use crate::access::notice::{still_ends, target};
use crate::os::child::{self, ChildError};
use crate::os::clock;
use crate::os::site::Site;
use crate::os::syslog::{self, Severity};
use crate::policy::model::{Notify, NotifyTo};
use crate::store::access::{AccessStore, StoreError};
use crate::text::Safe;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use std::time::Duration;

/// Most notices that are looked at in one run.
const MOST: usize = 1000;
/// Longest reason that is told, in bytes.
const MAX_REASON: usize = 300;

/// What came of the notices that were due.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Taken by their receivers.
    pub sent: usize,
    /// Not taken; tried again later.
    pub postponed: Vec<NotTaken>,
    /// Not tried, because their receiver had just failed.
    pub waiting: usize,
    /// Not sent because what they tell is no longer so: the grant does not run, or ends later.
    pub dropped: usize,
    /// Tried for the last time; no longer in the outbox.
    pub given_up: Vec<NotTaken>,
}

/// A notice that its receiver did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTaken {
    /// Its id.
    pub id: String,
    /// The event's word.
    pub event: String,
    /// Who should have taken it: a host or a program, never a whole URL.
    pub receiver: String,
    /// Why the last try failed.
    pub reason: String,
}

/// Takes the notices of one target that no `[[notify]]` names.
pub trait Taker {
    /// The target.
    fn target(&self) -> &str;

    /// What people call it.
    fn name(&self) -> String;

    /// One try.
    ///
    /// # Errors
    /// [`Failure`].
    fn take(&self, notice: &Notice) -> Result<(), Failure>;
}

/// Who takes notices.
#[derive(Clone, Copy)]
pub struct Takers<'a> {
    /// Receivers of the policy.
    pub settings: &'a [Notify],
    /// Another one.
    pub other: Option<&'a dyn Taker>,
    /// As whom commands run.
    pub account_uid: u32,
}

/// Who takes one notice.
#[derive(Clone, Copy)]
enum To<'a> {
    Receiver(&'a NotifyTo),
    Other(&'a dyn Taker),
}

impl<'a> Takers<'a> {
    fn of(&self, notice: &Notice) -> Option<To<'a>> {
        let receiver = self.settings.iter().find(|one| target(&one.to) == notice.target);
        let other = self.other.filter(|other| other.target() == notice.target);
        receiver.map(|one| To::Receiver(&one.to)).or(other.map(To::Other))
    }

    fn send(&self, to: To<'_>, notice: &Notice, now: DateTime<Utc>) -> Result<(), Failure> {
        match to {
            To::Receiver(to) => send(to, notice, self.account_uid, now),
            To::Other(other) => other.take(notice),
        }
    }
}

impl To<'_> {
    fn name(self) -> String {
        match self {
            Self::Receiver(to) => receiver(to),
            Self::Other(other) => Safe::new(other.name().as_bytes(), MAX_REASON).to_string(),
        }
    }
}

/// Tries every notice that is due once; none is begun after `budget`.
///
/// Each is claimed in the store first, so two senders never send the same one at the same time. A
/// sender that dies between sending and saying so makes a receiver see a notice twice, with the same
/// id. After a failure the receiver's other notices wait for the next run.
///
/// # Errors
/// [`StoreError`]: the outbox can't be read or written; what is not told stays in it.
pub fn deliver(
    store: &dyn AccessStore,
    takers: Takers<'_>,
    now: &dyn Fn() -> DateTime<Utc>,
    budget: Duration,
) -> Result<Delivery, StoreError> {
    let end = clock::now().boot + budget;
    let mut round =
        Round { store, takers, now, failed: BTreeSet::new(), delivery: Delivery::default() };
    for notice in store.due(now(), MOST)? {
        if clock::now().boot >= end {
            break;
        }
        round.take(&notice)?;
    }
    Ok(round.delivery)
}

/// Starts the delivery of what is due, and does not wait for it: `refwarden sweep --notices-only`
/// with nothing of this process but its user.
///
/// # Errors
/// [`ChildError`]: the sweep will deliver.
pub fn detach() -> Result<(), ChildError> {
    let program = Site::program().map_err(|error| ChildError::Start {
        program: "refwarden".into(),
        source: std::io::Error::other(error.to_string()),
    })?;
    child::detach(&program, &["sweep", "--notices-only"])
}

struct Round<'a> {
    store: &'a dyn AccessStore,
    takers: Takers<'a>,
    now: &'a dyn Fn() -> DateTime<Utc>,
    /// Receivers that failed in this run: one that hangs costs one timeout, not one for each notice.
    failed: BTreeSet<String>,
    delivery: Delivery,
}

impl Round<'_> {
    fn take(&mut self, notice: &Notice) -> Result<(), StoreError> {
        if !self.holds(notice)? {
            self.store.delivered(&notice.id)?;
            self.delivery.dropped += 1;
            return Ok(());
        }
        let Some(to) = self.takers.of(notice) else {
            return self.give_up(notice, "nobody", "the policy no longer has this receiver");
        };
        if self.failed.contains(&notice.target) {
            self.delivery.waiting += 1;
            return Ok(());
        }
        let next = retry::later((self.now)(), retry::after(notice));
        if !self.store.postpone(&notice.id, notice.tries, next)? {
            return Ok(());
        }
        match self.takers.send(to, notice, (self.now)()) {
            Ok(()) => {
                self.store.delivered(&notice.id)?;
                self.delivery.sent += 1;
                Ok(())
            }
            Err(failure) if failure.is_final() => {
                self.give_up(notice, &to.name(), &failure.to_string())
            }
            Err(failure) => self.failed(notice, to, &failure, next),
        }
    }

    /// A notice of a grant's end is about a grant that still ends then.
    fn holds(&self, notice: &Notice) -> Result<bool, StoreError> {
        let Some(id) = &notice.while_lent else { return Ok(true) };
        let record = self.store.record(id)?;
        // A record that is not a history lends nothing.
        let state = record.and_then(|record| record.state().ok());
        Ok(state.is_some_and(|state| still_ends(notice, id, &state, (self.now)())))
    }

    fn failed(
        &mut self,
        notice: &Notice,
        to: To<'_>,
        failure: &Failure,
        next: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.failed.insert(notice.target.clone());
        if retry::is_last(notice) {
            return self.give_up(notice, &to.name(), &failure.to_string());
        }
        // A receiver that asks for more patience than ours gets it, within bounds; it costs a try.
        if let Some(wanted) = failure.retry_after() {
            let wanted = retry::later((self.now)(), retry::bounded(wanted));
            if wanted > next {
                self.store.postpone(&notice.id, notice.tries + 1, wanted)?;
            }
        }
        let not_taken = NotTaken::new(notice, &to.name(), &failure.to_string());
        not_taken.log(Severity::Warning, "will be tried again");
        self.delivery.postponed.push(not_taken);
        Ok(())
    }

    fn give_up(&mut self, notice: &Notice, to: &str, reason: &str) -> Result<(), StoreError> {
        self.store.delivered(&notice.id)?;
        let not_taken = NotTaken::new(notice, to, reason);
        not_taken.log(Severity::Error, "is given up");
        self.delivery.given_up.push(not_taken);
        Ok(())
    }
}

impl NotTaken {
    fn new(notice: &Notice, receiver: &str, reason: &str) -> Self {
        Self {
            id: notice.id.clone(),
            event: notice.event.clone(),
            receiver: receiver.to_owned(),
            reason: Safe::new(reason.as_bytes(), MAX_REASON).to_string(),
        }
    }

    fn log(&self, severity: Severity, fate: &str) {
        let Self { id, event, receiver, reason } = self;
        let words = format!("notice {id} ({event}) {fate}; {receiver} did not take it: {reason}");
        let _ = syslog::send(severity, &words);
    }
}

fn send(
    to: &NotifyTo,
    notice: &Notice,
    account_uid: u32,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    match to {
        NotifyTo::Url { url, secret_file, .. } => {
            let secret = secret_file.as_deref().map(|path| secret::read(path, account_uid));
            http::post(url, notice, secret.transpose()?.as_ref(), now)
        }
        NotifyTo::Command(argv) => command::run(argv, notice, account_uid),
    }
}

/// A receiver as it may be told: its URL's path may be a secret.
fn receiver(to: &NotifyTo) -> String {
    let text = match to {
        NotifyTo::Url { url, .. } => crate::os::web::host(url),
        NotifyTo::Command(argv) => argv.first().map(|word| (**word).to_owned()),
    };
    Safe::new(text.unwrap_or_default().as_bytes(), MAX_REASON).to_string()
}

#[cfg(test)]
mod tests;
