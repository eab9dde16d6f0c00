//! Settles pushes that were cut short: their slip is there, their receive-pack is gone.
//!
//! A killed client or receive-pack can leave refs moved with no post-receive, or a slip with no ref
//! moved. The refs themselves say which; a line in the trail keeps it.

pub mod earlier;
mod uses;

pub use uses::{Books, Used, end, lost_uses, reserved_for};

use super::charge::Outcome;
use super::desk::{self, Desk, Payload};
use crate::access::Id;
use crate::audit::{Event, Push, Record, RefRecord, Text, TrailError};
use crate::git::{GitError, Reader};
use crate::os::clock::{self, Now};
use crate::os::files;
use crate::os::process::Host;
use crate::os::site::Site;
use crate::os::syslog::{self, Severity};
use crate::policy::compiled::Compiled;
use crate::report::Raw;
use crate::store;
use crate::store::access::StoreError;
use crate::store::open::Mode;
use crate::store::slip::{self, Key, Reserved, Slip, SlipError, SlipRef, Stale, StaleKind};
use sha2::{Digest as _, Sha256};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;
use uses::{end as end_uses, ref_record, value};

/// Most slips that a hook looks at.
const BOUND: usize = 32;
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
        && !slip.head.lent.is_empty()
    {
        let rebooted = matches!(stale.kind, StaleKind::Rebooted(_));
        record = grants(site, policy, slip, rebooted, record)?;
    }
    desk::trail(site, &policy.settings().audit).append(&record, now.wall)?;
    match stale.kind {
        StaleKind::Damaged => Ok(slip::put_aside(stale)?),
        _ => Ok(slip::remove_stale(stale)?),
    }
}

/// Settles what a push that was cut short had of grants.
fn grants(
    site: &Site,
    policy: &Compiled<Payload>,
    slip: &Slip,
    rebooted: bool,
    mut record: Record,
) -> Result<Record, SweepError> {
    let reserved = slip.head.reserved.as_ref();
    let store = store::open::open(policy.settings(), &site.state, site.account_uid, Mode::Write)?;
    let end = |grants: &[Id], key: &str, outcome, refs: &[RefRecord]| {
        let Some(store) = &store else { return Ok(()) };
        let books = Books { site, policy, store: store.as_ref() };
        let used = Used { key, push: &slip.head.push, refs };
        end_uses(books, grants, used, outcome).map(|_| ()).map_err(SweepError::Use)
    };
    if let Some(reserved) = reserved {
        let outcome = outcome(site, slip, reserved, rebooted, !record.refs.is_empty());
        let word = match (outcome, record.refs.is_empty()) {
            (Outcome::NotLanded, _) => "released",
            (Outcome::Landed, false) => "spent",
            (Outcome::Landed, true) => "spent, although the refs do not show it",
        };
        end(&reserved.grants, &reserved.key, outcome, &record.refs)?;
        record = record.with("use", word);
    }
    if !record.refs.is_empty() {
        let counted = reserved.map(|reserved| reserved.grants.as_slice()).unwrap_or_default();
        let others: Vec<Id> =
            slip.head.lent.iter().filter(|id| !counted.contains(id)).cloned().collect();
        end(&others, &slip.head.push, Outcome::Landed, &record.refs)?;
    }
    Ok(record)
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
    match slip.void || unconfirmed || (!slip.confirmed && !landed && still_old()) {
        true => Outcome::NotLanded,
        false => Outcome::Landed,
    }
}

fn reader_of(site: &Site, slip: &Slip) -> Result<Reader, GitError> {
    uses::reader(site, &slip.head.folder)
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
        // Whoever has moved them since, it was not this push.
        _ if slip.void => Vec::new(),
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
    if slip.void {
        record = record.with("ended", "by update, before anything had moved");
    }
    record
        .with("folder", Text::new(&slip.head.folder))
        .with("asked", slip.refs.len().to_string())
        .with("confirmed", confirmed)
}

/// Which of these refs are where the push wanted them; `None` where they can't be read.
#[must_use]
pub fn landed<'a>(site: &Site, folder: &[u8], refs: &'a [SlipRef]) -> Option<Vec<&'a SlipRef>> {
    let reader = uses::reader(site, folder).ok()?;
    Some(there(&reader, refs).collect())
}

/// The refs that are where the push wanted them.
fn records(reader: &Reader, slip: &Slip) -> Vec<RefRecord> {
    there(reader, &slip.refs).map(ref_record).collect()
}

fn there<'a>(reader: &Reader, refs: &'a [SlipRef]) -> impl Iterator<Item = &'a SlipRef> {
    refs.iter().filter(|one| value(reader, one) == Some(one.new))
}

/// A note where a policy file is no longer what was applied by hand; files that can't be read are passed
/// by.
#[must_use]
pub fn sources_differ(site: &Site, policy: &Compiled<Payload>) -> Option<Raw> {
    // What a push brought stands in its repository, and not beside the site's own file.
    if policy.commit().is_some() {
        return None;
    }
    let folder = site.policy.parent()?;
    let differs = policy.files().iter().find(|file| {
        let bytes = files::read_limited(&folder.join(&file.name), MAX_SOURCE);
        bytes.is_ok_and(|bytes| Sha256::digest(&bytes).as_slice() != file.sha256)
    })?;
    let words = format!("{} is not what was applied: what it says does not count", differs.name);
    Some(words.into())
}
