//! Settles pushes that were cut short: their slip is there, their receive-pack is gone.
//!
//! A killed client or receive-pack can leave refs moved with no post-receive, or a slip with no ref
//! moved. The refs themselves say which; a line in the trail keeps it.

use super::charge::{self, Outcome};
use super::desk::{self, Desk, Payload};
use crate::access::{Id, State};
use crate::audit::{Event, Push, Record, RefRecord, StoreRecord, Text, TrailError};
use crate::git::{GitEnv, GitError, Reader, RefValue};
use crate::os::clock::{self, Now};
use crate::os::process::{self, Host};
use crate::os::site::Site;
use crate::os::syslog::{self, Severity};
use crate::os::{faults, files};
use crate::policy::compiled::Compiled;
use crate::push::RefName;
use crate::report::Raw;
use crate::store;
use crate::store::access::{AccessStore, Filter, StoreError};
use crate::store::open::Mode;
use crate::store::slip::{self, Key, Reserved, Slip, SlipError, SlipRef, Stale, StaleKind};
use chrono::TimeDelta;
use gix::ObjectId;
use sha2::{Digest as _, Sha256};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Most slips that a hook looks at.
const BOUND: usize = 32;
/// How long a reservation of another host outlives its lease.
const LEASE: TimeDelta = TimeDelta::minutes(10);
/// How long post-receive may take where no receive-pack can be seen.
const UNSEEN: TimeDelta = TimeDelta::hours(1);
/// Longest policy file that is compared with what was applied.
const MAX_SOURCE: usize = 50 << 20;

/// What a sweep has done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// Pushes of which something had landed.
    pub landed: usize,
    /// Pushes of which nothing had.
    pub vanished: usize,
    /// Slips that could not be understood, and were put aside.
    pub damaged: usize,
}

/// Settles what is stale in the hook's own repository. What fails waits for the next one.
pub fn own_repository(desk: &Desk) {
    let Some(service) = &desk.service else { return };
    let Ok(key) = Key::new(service, Path::new(".")) else { return };
    let (prefix, own) = (slip::repository_prefix(key.git_dir), key.file_name());
    let which = Which { prefix: &prefix, own: &own, host: &service.host, bound: BOUND };
    if let Err(error) = settle(&desk.site, &desk.policy, &which) {
        let _ = syslog::send(Severity::Warning, &format!("sweep: {error}"));
    }
}

/// Why a sweep could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The slips can't be read or removed.
    #[error(transparent)]
    Slip(#[from] SlipError),
    /// Another sweep is under way, or the state folder can't be written.
    #[error(transparent)]
    File(#[from] files::FileError),
    /// The line could not be written, so the slip stays.
    #[error(transparent)]
    Trail(#[from] TrailError),
    /// The store can't be changed, so the uses that were put aside stay so.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A use could not be settled.
    #[error("{0}")]
    Use(String),
}

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

/// Ends the reservations of a push, and records those that are spent.
///
/// # Errors
/// Words: the store or the trail can't be written.
pub fn end(
    books: Books<'_>,
    (grants, key): (&[Id], &str),
    outcome: Outcome,
    push: &str,
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
    let mut unrecorded = None;
    let mut record = |done: &(Id, State, crate::access::Event)| {
        if outcome == Outcome::NotLanded {
            return true;
        }
        let asked = || books.store.status().ok().map(|status| status.version);
        let mut line = charge::line(done, push);
        line.store = Some(StoreRecord { version });
        unrecorded = trail.append_asking(&line, now, &asked).err();
        unrecorded.is_none()
    };
    let settled = charge::settle(books.store, (grants, key), outcome, now, &mut record);
    faults::point("use-settled");
    match (settled, unrecorded) {
        (_, Some(error)) => Err(error.to_string()),
        (Err(error), None) => Err(error.to_string()),
        (Ok(settled), None) => Ok(settled.len()),
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
            let outcome = if *on == here {
                ours(books.site, key, &host, now - *since)?
            } else {
                // A dead host's reservation is spent when its lease ends (04-access.md).
                let gone = !under_way.iter().any(|push| push.key == *key) && now - *since > LEASE;
                gone.then_some(Outcome::Landed)
            };
            if let Some(outcome) = outcome {
                let grants = std::slice::from_ref(&id);
                settled += end(books, (grants, key), outcome, "").map_err(SweepError::Use)?;
            }
        }
    }
    Ok(settled)
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
        // No receive-pack to look for: post-receive had its time, so it counts as spent.
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

/// Settles stale slips whose names begin with `prefix` (all of them, if it is empty).
///
/// # Errors
/// [`SweepError`]; slips that are not settled stay.
pub fn sweep(
    site: &Site,
    policy: &Compiled<Payload>,
    prefix: &str,
    bound: usize,
) -> Result<Settled, SweepError> {
    settle(site, policy, &Which { prefix, own: "", host: &Host::current()?, bound })
}

/// Which slips are looked at.
struct Which<'a> {
    /// How their names begin.
    prefix: &'a str,
    /// The one of the push that is going on: surely not stale.
    own: &'a str,
    host: &'a Host,
    bound: usize,
}

fn settle(
    site: &Site,
    policy: &Compiled<Payload>,
    which: &Which<'_>,
) -> Result<Settled, SweepError> {
    let now = clock::now();
    let mut settled = Settled::default();
    let list = || slip::stale(&site.state, which.prefix, which.own, which.host, now, which.bound);
    let stale = list()?;
    if stale.is_empty() {
        return Ok(settled);
    }
    let _lock = files::lock(&site.state.join("sweep.lock"), Duration::ZERO)?;
    // Read again under the lock: another sweep may have settled some.
    for stale in list()? {
        one(site, policy, &stale, now, &mut settled)?;
    }
    Ok(settled)
}

fn one(
    site: &Site,
    policy: &Compiled<Payload>,
    stale: &Stale,
    now: Now,
    settled: &mut Settled,
) -> Result<(), SweepError> {
    let mut record = match &stale.kind {
        StaleKind::Damaged => {
            settled.damaged += 1;
            damaged(stale)
        }
        StaleKind::Gone(slip) => of(slip, site, if slip.confirmed { "yes" } else { "no" }, settled),
        StaleKind::Rebooted(slip) => {
            of(slip, site, if slip.confirmed { "yes" } else { "unknown" }, settled)
        }
    };
    if let StaleKind::Gone(slip) | StaleKind::Rebooted(slip) = &stale.kind
        && let Some(reserved) = &slip.head.reserved
    {
        let rebooted = matches!(stale.kind, StaleKind::Rebooted(_));
        let outcome = outcome(site, slip, reserved, rebooted, !record.refs.is_empty());
        let word = match (outcome, record.refs.is_empty()) {
            (Outcome::NotLanded, _) => "released",
            (Outcome::Landed, false) => "spent",
            (Outcome::Landed, true) => "spent, although the refs do not show it",
        };
        record = record.with("use", word);
        let store =
            store::open::open(policy.settings(), &site.state, site.account_uid, Mode::Write)?;
        if let Some(store) = store {
            let books = Books { site, policy, store: store.as_ref() };
            let uses = (reserved.grants.as_slice(), reserved.key.as_str());
            end(books, uses, outcome, &slip.head.push).map_err(SweepError::Use)?;
        }
    }
    desk::trail(site, &policy.settings().audit).append(&record, now.wall)?;
    match stale.kind {
        StaleKind::Damaged => Ok(slip::put_aside(stale)?),
        _ => Ok(slip::remove_stale(stale)?),
    }
}

/// Whether a push that was cut short has spent what was put aside for it: released only where it is
/// certain that nothing moved.
fn outcome(site: &Site, slip: &Slip, reserved: &Reserved, rebooted: bool, landed: bool) -> Outcome {
    // `update` marks the slip before it lets the first ref move; after a reboot the mark may be lost.
    let unconfirmed = !slip.confirmed && reserved.update && !rebooted;
    let still_old = || {
        let reader = reader_of(site, slip).ok();
        reader.is_some_and(|reader| {
            slip.refs.iter().all(|one| match value(&reader, one) {
                Some(value) => value == one.old,
                None => false,
            })
        })
    };
    match unconfirmed || (!slip.confirmed && !landed && still_old()) {
        true => Outcome::NotLanded,
        false => Outcome::Landed,
    }
}

fn reader_of(site: &Site, slip: &Slip) -> Result<Reader, GitError> {
    let folder = PathBuf::from(OsStr::from_bytes(&slip.head.folder));
    Reader::open(&folder, &GitEnv::default(), site.account_uid)
}

/// Where a ref is now, null where it is not there.
fn value(reader: &Reader, one: &SlipRef) -> Option<ObjectId> {
    match reader.ref_value(&RefName::new(one.name.as_slice())) {
        Ok(RefValue::Direct(id)) => Some(id),
        Ok(RefValue::Missing) => Some(ObjectId::null(one.new.kind())),
        _ => None,
    }
}

fn damaged(stale: &Stale) -> Record {
    let name = stale.path.file_name().unwrap_or_default();
    Record::new(Event::PUSH_SETTLED, crate::os::host_name())
        .with("slip", Text::new(name.as_bytes()))
        .with("state", "damaged, kept aside")
}

fn of(slip: &Slip, site: &Site, confirmed: &str, settled: &mut Settled) -> Record {
    let mut record = Record::new(Event::PUSH_SETTLED, crate::os::host_name());
    record.push = Some(Push { id: Some(Text::new(&slip.head.push)), receive_pack: None });
    let landed = match reader_of(site, slip) {
        Ok(reader) => records(&reader, slip),
        Err(error) => {
            record = record.with("repository", error.to_string());
            Vec::new()
        }
    };
    match landed.is_empty() {
        true => settled.vanished += 1,
        false => settled.landed += 1,
    }
    record.refs = landed;
    record
        .with("folder", Text::new(&slip.head.folder))
        .with("asked", slip.refs.len().to_string())
        .with("confirmed", confirmed)
}

/// Names of the slip's refs that are where the push wanted them; `None` where they can't be read.
#[must_use]
pub fn landed(site: &Site, slip: &Slip) -> Option<Vec<Vec<u8>>> {
    let reader = reader_of(site, slip).ok()?;
    Some(there(&reader, slip).map(|one| one.name.clone()).collect())
}

/// The refs that are where the push wanted them.
fn records(reader: &Reader, slip: &Slip) -> Vec<RefRecord> {
    let record = |one: &SlipRef| RefRecord {
        name: Text::new(&one.name),
        old: Text::new(one.old.to_string()),
        new: Text::new(one.new.to_string()),
        ..RefRecord::default()
    };
    there(reader, slip).map(record).collect()
}

fn there<'a>(reader: &Reader, slip: &'a Slip) -> impl Iterator<Item = &'a SlipRef> {
    slip.refs.iter().filter(|one| value(reader, one) == Some(one.new))
}

/// A note where a policy file is no longer what was applied; files that can't be read are passed by.
#[must_use]
pub fn sources_differ(site: &Site, policy: &Compiled<Payload>) -> Option<Raw> {
    let folder = site.policy.parent()?;
    let differs = policy.files().iter().find(|file| {
        let bytes = files::read_limited(&folder.join(&file.name), MAX_SOURCE);
        bytes.is_ok_and(|bytes| Sha256::digest(&bytes).as_slice() != file.sha256)
    })?;
    let words = format!("{} is not what was applied: what it says does not count", differs.name);
    Some(words.into())
}
