//! Uses of grants by pushes that are over: spent, given back, and written down either way.
//!
//! Knows the store, the trail and the promises of pushes without receive-pack; slips are settled one
//! level up.

use super::super::charge::{self, Done, Hand, Outcome, UNDER_WAY};
use super::super::desk::{self, Payload};
use super::super::ledger;
use super::SweepError;
use crate::access::{Actor, Event, Id, State, What};
use crate::audit::{Push, Record, RefRecord, StoreRecord, Text, Trail, TrailError};
use crate::git::{GitEnv, GitError, Reader, RefValue};
use crate::os::process::{self, Host};
use crate::os::site::Site;
use crate::os::{clock, faults};
use crate::policy::compiled::Compiled;
use crate::push::RefName;
use crate::store::access::{AccessStore, Change, Filter, Notice, StoreError};
use crate::store::promise::{self, Promise};
use crate::store::slip::{self, SlipRef};
use chrono::{DateTime, TimeDelta, Utc};
use gix::ObjectId;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// How long a reservation of another host outlives its lease.
const LEASE: TimeDelta = TimeDelta::minutes(10);
/// How long post-receive may take where no receive-pack can be seen.
const UNSEEN: TimeDelta = TimeDelta::hours(1);
/// Most refs that the line of a use lists.
const MAX_REFS: usize = 100;

/// The store and what is written about it.
#[derive(Clone, Copy)]
pub struct Books<'a> {
    /// The site.
    pub site: &'a Site,
    /// The applied policy.
    pub policy: &'a Compiled<Payload>,
    /// The store, open for changing.
    pub store: &'a dyn AccessStore,
}

/// A push that rested on grants.
#[derive(Clone, Copy)]
pub struct Used<'a> {
    /// Its name in the store.
    pub key: &'a str,
    /// Its id in the trail; empty where nobody knows.
    pub push: &'a str,
    /// What of it landed; empty where nobody knows.
    pub refs: &'a [RefRecord],
}

/// Ends the reservations that a push has on `grants`, and records those that are spent; with it what
/// landed under grants whose uses are not counted.
///
/// # Errors
/// Words: the store or the trail can't be written.
pub fn end(
    books: Books<'_>,
    grants: &[Id],
    used: Used<'_>,
    outcome: Outcome,
) -> Result<usize, String> {
    if grants.is_empty() {
        return Ok(0);
    }
    let now = clock::now().wall;
    let trail = desk::trail(books.site, &books.policy.settings().audit);
    let host = Text::new(crate::os::host_name());
    let known = trail.known_store(&host, now).map_err(|error| error.to_string())?;
    let version = books.store.status().map_err(|error| error.to_string())?.version;
    // A restored store must not grow, by settling, into one that looks right.
    TrailError::of_store(Some(version), known).map_err(|error| error.to_string())?;
    let mut book = Book { books, trail, version, now, used, outcome, unrecorded: None };
    let settled = charge::settle(books.store, (grants, used.key), outcome, now, &mut book);
    faults::point("use-settled");
    if let Some(error) = book.unrecorded {
        return Err(error.to_string());
    }
    let settled = settled.map_err(|error| error.to_string())?;
    if outcome == Outcome::Landed {
        grants.iter().try_for_each(|id| book.uncounted(id))?;
    }
    Ok(settled)
}

/// Writes what goes with the uses of one push.
struct Book<'a> {
    books: Books<'a>,
    trail: Trail<'a>,
    version: u64,
    now: DateTime<Utc>,
    used: Used<'a>,
    outcome: Outcome,
    unrecorded: Option<TrailError>,
}

impl Hand for Book<'_> {
    fn record(&mut self, done: &Done) -> bool {
        if self.outcome == Outcome::NotLanded {
            return true;
        }
        let asked = || self.books.store.status().ok().map(|status| status.version);
        let mut line = line(&done.id, &done.state, &done.event, self.used);
        line.store = Some(StoreRecord { version: self.version });
        self.unrecorded = self.trail.append_asking(&line, self.now, &asked).err();
        self.unrecorded.is_none()
    }

    fn notices(&self, done: &Done) -> Vec<Notice> {
        match self.outcome {
            Outcome::NotLanded => Vec::new(),
            Outcome::Landed => {
                let Done { id, state, seq, event } = done;
                ledger::notices(self.books.policy, (id, *seq), state, event)
            }
        }
    }
}

impl Book<'_> {
    /// The line and the notices of a push under a grant whose uses nobody counts: no event of the
    /// record tells of it.
    fn uncounted(&mut self, id: &Id) -> Result<(), String> {
        let record = self.books.store.record(id).map_err(|error| error.to_string())?;
        let Some(record) = record else { return Ok(()) };
        let Ok(state) = record.state() else { return Ok(()) };
        if state.terms.as_ref().is_none_or(|terms| terms.max_uses.is_some()) {
            return Ok(());
        }
        let what = What::Spent { key: self.used.key.to_owned() };
        let event = Event { at: self.now.max(state.last.2), by: Actor::rule(), what };
        let done = Done { id: id.clone(), state, seq: record.version(), event };
        if !self.record(&done) {
            let error = self.unrecorded.take();
            return Err(error.map(|error| error.to_string()).unwrap_or_default());
        }
        let notices = ledger::notices_of_use(self.books.policy, &done, self.used.push);
        if !notices.is_empty() {
            let change = Change { notices, ..Change::default() };
            match self.books.store.commit(&change) {
                // Told before: whoever was killed after that left the rest to us.
                Ok(_) | Err(StoreError::Taken) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }
}

/// The trail's line about a use: with the refs that landed, not those that were asked for.
fn line(id: &Id, state: &State, event: &Event, used: Used<'_>) -> Record {
    let mut line = ledger::line(id, state, event);
    line.push = (!used.push.is_empty())
        .then(|| Push { id: Some(Text::new(used.push)), receive_pack: None });
    line.detail.remove(&Text::new("refs-left-out"));
    line.refs = used.refs.iter().take(MAX_REFS).cloned().collect();
    match used.refs.len().saturating_sub(MAX_REFS) {
        0 => line,
        more => line.with("refs-left-out", more.to_string()),
    }
}

/// The grants that have a use put aside under `key`.
///
/// # Errors
/// Words: the store can't be read.
pub fn reserved_for(store: &dyn AccessStore, key: &str) -> Result<Vec<Id>, String> {
    let records = reserved(store).map_err(|error| error.to_string())?;
    let has = |(_, state): &(Id, State)| state.uses.reserved.contains_key(key);
    Ok(records.into_iter().filter(has).map(|(id, _)| id).collect())
}

fn reserved(store: &dyn AccessStore) -> Result<Vec<(Id, State)>, StoreError> {
    let records = store.list(&Filter { reserved: true, ..Filter::default() })?;
    Ok(records.into_iter().filter_map(|r| Some((r.id.clone(), r.state().ok()?))).collect())
}

/// Settles uses that were put aside by pushes which nobody will settle any more: the hook died
/// before it laid a slip, another host is gone, or there is no receive-pack to wait for.
///
/// # Errors
/// [`SweepError`].
pub fn lost_uses(books: Books<'_>) -> Result<usize, SweepError> {
    let host = Host::current()?;
    let here = crate::os::host_name();
    let under_way = books.store.under_way()?;
    let now = clock::now().wall;
    let mut settled = 0;
    for (id, state) in reserved(books.store)? {
        for (key, (on, since)) in &state.uses.reserved {
            let promise = promise::read(&books.site.state, key);
            let outcome = if *on != here {
                // A dead host's reservation is spent when its lease ends (04-access.md).
                let gone = !under_way.iter().any(|push| push.key == *key) && now - *since > LEASE;
                gone.then_some(Outcome::Landed)
            } else if let Some(promise) = &promise {
                promised(books.site, promise, now - *since)
            } else {
                ours(books.site, key, &host, now - *since)?
            };
            if let Some(outcome) = outcome {
                let refs = promise.as_ref().map(|p| landed(books.site, p)).unwrap_or_default();
                let push = promise.as_ref().map_or("", |promise| &promise.push);
                let used = Used { key, push, refs: &refs };
                let grants = std::slice::from_ref(&id);
                settled += end(books, grants, used, outcome).map_err(SweepError::Use)?;
            }
        }
    }
    promises(books, now)?;
    Ok(settled)
}

/// What became of a push whose receive-pack nobody can see: the refs tell.
pub fn promised(site: &Site, promise: &Promise, age: TimeDelta) -> Option<Outcome> {
    if age <= UNDER_WAY {
        return None;
    }
    let reader = reader(site, &promise.folder).ok();
    let at = |one: &SlipRef| reader.as_ref().and_then(|reader| value(reader, one));
    let some_moved = promise.refs.iter().any(|one| at(one) == Some(one.new));
    let none_moved =
        !promise.refs.is_empty() && promise.refs.iter().all(|one| at(one) == Some(one.old));
    match (some_moved, none_moved) {
        (true, _) => Some(Outcome::Landed),
        (_, true) => Some(Outcome::NotLanded),
        // Moved on since, or unreadable: what can't be shown to be unspent is spent.
        _ => (age > UNSEEN).then_some(Outcome::Landed),
    }
}

/// The refs of a promise that are where the push wanted them.
pub fn landed(site: &Site, promise: &Promise) -> Vec<RefRecord> {
    let Ok(reader) = reader(site, &promise.folder) else { return Vec::new() };
    let there = promise.refs.iter().filter(|one| value(&reader, one) == Some(one.new));
    there.map(ref_record).collect()
}

/// Forgets promises of pushes that are over, and records what landed under grants whose uses are not
/// counted; those with a use still put aside stay.
fn promises(books: Books<'_>, now: DateTime<Utc>) -> Result<(), SweepError> {
    let mut pending: Option<BTreeSet<String>> = None;
    for key in promise::keys(&books.site.state)? {
        let Some(promise) = promise::read(&books.site.state, &key) else {
            promise::forget(&books.site.state, &key);
            continue;
        };
        if now - promise.at <= UNDER_WAY {
            continue;
        }
        let pending = match &pending {
            Some(pending) => pending,
            None => pending.insert(reserved_keys(books.store)?),
        };
        if pending.contains(&key) {
            continue;
        }
        let refs = landed(books.site, &promise);
        if !refs.is_empty() {
            let used = Used { key: &key, push: &promise.push, refs: &refs };
            end(books, &promise.grants, used, Outcome::Landed).map_err(SweepError::Use)?;
        }
        promise::forget(&books.site.state, &key);
    }
    Ok(())
}

fn reserved_keys(store: &dyn AccessStore) -> Result<BTreeSet<String>, StoreError> {
    let all = reserved(store)?;
    Ok(all.into_iter().flat_map(|(_, state)| state.uses.reserved.into_keys()).collect())
}

/// What became of a push of this host that has a use put aside and that no slip tells of.
fn ours(
    site: &Site,
    key: &str,
    host: &Host,
    age: TimeDelta,
) -> Result<Option<Outcome>, SweepError> {
    let mut parts = key.strip_prefix("r:").unwrap_or_default().split(':');
    let mut next = || parts.next().unwrap_or_default();
    let (pid, start, boot, namespace) = (next(), next(), next(), next());
    let (Ok(pid), Ok(start)) = (pid.parse::<u32>(), start.parse::<u64>()) else {
        // No receive-pack to look for, and no note of its refs: post-receive had its time, so it
        // counts as spent.
        return Ok((age > UNSEEN).then_some(Outcome::Landed));
    };
    // Slips are not synced: after a reboot, or with a damaged one put aside, that there is none says
    // nothing, and what can't be shown to be unspent is spent.
    let doubtful = boot != host.boot_id || slip::has_damaged(&site.state)?;
    if doubtful {
        let over = boot != host.boot_id || !process::runs(pid, start)?;
        return Ok((over && !slip::exists_for(&site.state, pid, start)?).then_some(Outcome::Landed));
    }
    let unseen = namespace != host.pid_namespace.to_string();
    let over = if unseen { age > UNSEEN } else { !process::runs(pid, start)? };
    // With a slip the sweep of slips knows more. A slip is laid before pre-receive says yes, and
    // closed only when the use is settled: without one nothing can have landed.
    let has_slip = slip::exists_for(&site.state, pid, start)?;
    Ok((over && !has_slip).then_some(Outcome::NotLanded))
}

/// A repository as its refs are now.
pub fn reader(site: &Site, folder: &[u8]) -> Result<Reader, GitError> {
    let folder = PathBuf::from(OsStr::from_bytes(folder));
    Reader::open(&folder, &GitEnv::default(), site.account_uid)
}

/// Where a ref is now, null where it is not there.
pub fn value(reader: &Reader, one: &SlipRef) -> Option<ObjectId> {
    match reader.ref_value(&RefName::new(one.name.as_slice())) {
        Ok(RefValue::Direct(id)) => Some(id),
        Ok(RefValue::Missing) => Some(ObjectId::null(one.new.kind())),
        _ => None,
    }
}

/// A ref as the trail has it.
pub fn ref_record(one: &SlipRef) -> RefRecord {
    RefRecord {
        name: Text::new(&one.name),
        old: Text::new(one.old.to_string()),
        new: Text::new(one.new.to_string()),
        ..RefRecord::default()
    }
}
