//! Uses of grants: put aside before the yes, spent when the push has landed, given back when it has
//! not. Each step is compare-and-swap on the grant's record.

use super::Refusal;
use super::desk::Desk;
use super::judge::Known;
use super::lent::{self, Access};
use crate::access::lend::Lent;
use crate::access::{Actor, Event, Id, State, What};
use crate::code::Code;
use crate::os::process::{self, ReceivePack};
use crate::os::{clock, faults};
use crate::push::RefUpdate;
use crate::store::access::{AccessStore, Append, Change, Notice, StoreError};
use crate::store::promise::{self, Promise};
use crate::store::slip::SlipRef;
use chrono::{DateTime, TimeDelta, Utc};
use gix::ObjectId;
use sha2::{Digest as _, Sha256};

/// How often a lost compare-and-swap is tried again.
const TRIES: u32 = 50;

/// After so long a push whose receive-pack nobody can see is no longer under way: the servers
/// behind which that is so end a call long before.
pub const UNDER_WAY: TimeDelta = TimeDelta::minutes(10);

/// What came of putting uses aside.
pub enum Aside {
    /// No grant with counted uses is needed.
    Nothing,
    /// One use of each of these.
    Of(Vec<Id>),
    /// Another push was first: decide again.
    Again,
}

/// The name of this push in the store.
///
/// With a receive-pack above us it says which, so that a sweep can see whether that is still there;
/// without one it is made of what the push does, so that post-receive finds it (03-push.md).
#[must_use]
pub fn key(push: &str, service: Option<&ReceivePack>, known: &Known) -> String {
    if let Some(ReceivePack { pid, start_time, host, .. }) = service {
        return format!("r:{pid}:{start_time}:{}:{}:{push}", host.boot_id, host.pid_namespace);
    }
    key_of(&known.git_dir, &known.updates)
}

/// The same for a push without receive-pack: what it does in which git directory.
#[must_use]
pub fn key_of(git_dir: &[u8], updates: &[RefUpdate]) -> String {
    let mut refs: Vec<Vec<u8>> = updates
        .iter()
        .map(|update| {
            let id = |id: Option<ObjectId>| id.map(|id| id.to_string()).unwrap_or_default();
            let ids = format!(" {} {}\n", id(update.change.old()), id(update.change.new_id()));
            [update.name.as_bytes(), ids.as_bytes()].concat()
        })
        .collect();
    refs.sort_unstable();
    let hash = Sha256::new_with_prefix(git_dir).chain_update(refs.concat()).finalize();
    format!("d:{}", super::desk::hex(hash.as_slice().get(..16).unwrap_or_default()))
}

/// Puts one use of every counted grant aside that the answers rest on.
///
/// # Errors
/// [`Refusal`] RW504: the store can't be written.
pub fn reserve(
    desk: &Desk,
    known: &Known,
    access: &mut Access,
    key: &str,
) -> Result<Aside, Refusal> {
    let aside = put_aside(desk, access, key)?;
    if desk.service.is_none() && !matches!(aside, Aside::Again) {
        promise(desk, known, access, key);
    }
    Ok(aside)
}

fn put_aside(desk: &Desk, access: &mut Access, key: &str) -> Result<Aside, Refusal> {
    let counted: Vec<&Lent> = access.used.iter().filter(|lent| lent.is_counted()).collect();
    if counted.is_empty() {
        return Ok(Aside::Nothing);
    }
    not_twice(&counted, key)?;
    // A receive-pack that was killed before we looked for it: nothing will land, and nobody could
    // tell the use from one of a push that is served without a receive-pack.
    if desk.service.is_none() && process::nobody_listens() {
        return Err(Refusal::new(
            Code::PushAgain,
            ["whoever served this push is gone: push again"],
        ));
    }
    // The one that the grants were read from.
    let Some(store) = access.store.take() else { return Err(Refusal::defect()) };
    store.ready_to_change().map_err(|error| lent::refusal(&error))?;
    let change = Change { appends: appends(&counted, key), ..Change::default() };
    match store.commit(&change) {
        Ok(version) => {
            faults::point("use-reserved");
            access.version = Some(version);
            access.store = Some(store);
            Ok(Aside::Of(change.appends.into_iter().map(|append| append.id).collect()))
        }
        Err(StoreError::Moved) => Ok(Aside::Again),
        Err(error) => Err(lent::refusal(&error)),
    }
}

/// One reservation for each grant.
fn appends(counted: &[&Lent], key: &str) -> Vec<Append> {
    let (host, at) = (crate::os::host_name(), clock::now().wall);
    let append = |lent: &&Lent| {
        let what = What::Reserved { key: key.to_owned(), host: host.clone() };
        let event = Event { at, by: Actor::rule(), what };
        Append { id: lent.id.clone(), after: lent.version, event }
    };
    counted.iter().map(append).collect()
}

/// The same push was let through before, nobody has told how it ended, and no receive-pack can be
/// looked for: two that land would be one use. Another use of the grant does not help, for whoever
/// settles could not tell the two apart.
fn not_twice(counted: &[&Lent], key: &str) -> Result<(), Refusal> {
    let Some((_, since)) = counted.iter().find_map(|lent| lent.state.uses.reserved.get(key)) else {
        return Ok(());
    };
    let until = (*since + UNDER_WAY).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let words = format!(
        "this very push was let through before and may still be under way: push again after {until}"
    );
    Err(Refusal::new(Code::PushAgain, [words]))
}

/// Notes for post-receive and the sweep what this push rests on, where no slip can tell; and that it
/// rests on nothing, where an earlier one that did the same did.
fn promise(desk: &Desk, known: &Known, access: &Access, key: &str) {
    if access.used.is_empty() {
        return promise::forget(&desk.site.state, key);
    }
    let promise = Promise {
        push: desk.id.clone(),
        at: desk.now.wall,
        folder: known.git_dir.clone(),
        grants: access.used.iter().map(|lent| lent.id.clone()).collect(),
        refs: known.updates.iter().filter_map(slip_ref).collect(),
    };
    if let Err(error) = promise::keep(&desk.site.state, key, &promise) {
        let words = format!("what this push rests on could not be noted: {error}");
        let _ = crate::os::syslog::send(crate::os::syslog::Severity::Warning, &words);
    }
}

fn slip_ref(update: &RefUpdate) -> Option<SlipRef> {
    let null = ObjectId::null(update.change.old().or(update.change.new_id())?.kind());
    let (old, new) = (update.change.old(), update.change.new_id());
    let name = update.name.as_bytes().to_vec();
    Some(SlipRef { name, old: old.unwrap_or(null), new: new.unwrap_or(null) })
}

/// How a reservation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The push landed, or it can't be shown that it did not.
    Landed,
    /// Nothing of it landed.
    NotLanded,
}

/// A grant after an event about a use: its record's events with that one, and the event.
pub struct Done {
    /// Which grant.
    pub id: Id,
    /// Its state.
    pub state: State,
    /// How many events the record has.
    pub seq: u32,
    /// The event.
    pub event: Event,
}

/// What goes with an event about a use: its line, and notices of it.
pub trait Hand {
    /// Writes the trail before the event is durable; `false` leaves the use put aside.
    fn record(&mut self, done: &Done) -> bool;
    /// Who is told.
    fn notices(&self, done: &Done) -> Vec<Notice>;
}

/// Nothing goes with it: what is given back is as if it had never been taken.
pub struct Nobody;

impl Hand for Nobody {
    fn record(&mut self, _: &Done) -> bool {
        true
    }

    fn notices(&self, _: &Done) -> Vec<Notice> {
        Vec::new()
    }
}

/// Ends the reservations of a push, and tells how many that changed.
///
/// # Errors
/// [`StoreError`]; what is left is settled by the next sweep.
pub fn settle(
    store: &dyn AccessStore,
    (grants, key): (&[Id], &str),
    outcome: Outcome,
    now: DateTime<Utc>,
    hand: &mut dyn Hand,
) -> Result<usize, StoreError> {
    let mut settled = 0;
    for id in grants {
        settled += usize::from(one(store, (id, key), outcome, now, hand)?);
    }
    Ok(settled)
}

fn one(
    store: &dyn AccessStore,
    (id, key): (&Id, &str),
    outcome: Outcome,
    now: DateTime<Utc>,
    hand: &mut dyn Hand,
) -> Result<bool, StoreError> {
    for _ in 0..TRIES {
        let Some(kept) = store.record(id)? else { return Ok(false) };
        let after = kept.version();
        let Ok(state) = kept.state() else { return Ok(false) };
        if !state.uses.reserved.contains_key(key) {
            return Ok(false);
        }
        let key = key.to_owned();
        let what = match outcome {
            Outcome::Landed => What::Spent { key },
            Outcome::NotLanded => What::Released { key },
        };
        // Never before what is recorded already: a clock that was set back meanwhile.
        let event = Event { at: now.max(state.last.2), by: Actor::rule(), what };
        let Ok(next) = crate::access::step(state, &event) else { return Ok(false) };
        let append = Append { id: id.clone(), after, event: event.clone() };
        let done = Done { id: id.clone(), state: next, seq: after.saturating_add(1), event };
        let notices = hand.notices(&done);
        let change = Change { appends: vec![append], notices, ..Change::default() };
        match store.commit_recorded(&change, &mut || hand.record(&done)) {
            Ok(made) => return Ok(made.is_some()),
            Err(StoreError::Moved) => {}
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Moved)
}

/// Gives back what was put aside for a push that is refused after all; what fails waits for a sweep.
pub fn give_back(access: &Access, grants: &[Id], key: &str) {
    let Some(store) = &access.store else { return };
    let now = clock::now().wall;
    let given = settle(store.as_ref(), (grants, key), Outcome::NotLanded, now, &mut Nobody);
    if let Err(error) = given {
        let _ = crate::os::syslog::send(
            crate::os::syslog::Severity::Warning,
            &format!("a use stays put aside until the next sweep: {error}"),
        );
    }
}
