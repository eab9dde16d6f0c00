//! Changes of access, made so that trail and store never tell different stories.
//!
//! The order is the promise: the store's version is raised, the change is tried inside the store's
//! transaction, its lines go to the trail while nobody else can move what it was decided on, and
//! only then the transaction is committed. Whoever is killed in between leaves a line without its
//! change, never a change without its line.

mod line;

pub use line::{actor, line, stamp, word};

use super::charge::Done;
use super::desk::{self, Payload};
use crate::access::notice::{self, Around, Happened};
use crate::access::{Event, Id, State};
use crate::audit::{PolicyRecord, Record, StoreRecord, Text, Trail, TrailError};
use crate::os::faults;
use crate::os::files::{self, FileError, Lock};
use crate::os::site::Site;
use crate::policy::compiled::Compiled;
use crate::policy::members;
use crate::policy::model::{Notify, Settings};
use crate::policy::name::UserName;
use crate::store::access::{AccessStore, Change, Notice, StoreError};
use crate::store::epoch::{self, ChangeError, EpochError};
use chrono::{DateTime, Utc};
use std::path::Path;
use std::time::Duration;

/// How long to wait for another change.
const WAIT: Duration = Duration::from_secs(5);

/// Keeps changes and backups apart. A backup that is taken after a change has raised the store's
/// version, and before it is made, would lack the change and look as new as the trail.
///
/// # Errors
/// Somebody else has it for longer than a change takes.
pub fn change_lock(state: &Path) -> Result<Lock, FileError> {
    files::lock(&state.join("change.lock"), WAIT)
}

fn busy(state: &Path, error: &FileError) -> StoreError {
    let reason = format!("another change or a backup takes long: {error}");
    StoreError::Unavailable { at: state.display().to_string(), reason }
}

/// What a change does to rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It gives some, or none: without its line in the trail it is not made.
    MayWiden,
    /// It takes some away: pushes under way must notice, and it is made even where the trail can't
    /// be written, because the danger lies in not making it.
    TakesAway,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store did not take it; [`StoreError::Moved`] says to read and decide again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It could not be recorded, so it was not made.
    #[error("it could not be recorded, so it was not done: {0}")]
    Trail(#[from] TrailError),
    /// The epoch could not be raised first, so nothing was begun.
    #[error(transparent)]
    Epoch(#[from] EpochError),
}

/// What came of a change.
#[derive(Debug)]
pub struct Made {
    /// The store's version after it.
    pub version: u64,
    /// Why it is not in the trail, where it was made nevertheless.
    pub unrecorded: Option<TrailError>,
}

/// Where changes go.
pub struct Ledger<'a> {
    /// The store, open for writing.
    pub store: &'a dyn AccessStore,
    /// The trail.
    pub trail: Trail<'a>,
    /// The state folder, for the epoch.
    pub state: &'a Path,
    /// Digest of the applied policy.
    pub digest: [u8; 32],
}

impl Ledger<'_> {
    /// Makes a change and records it in `lines`, at `now`.
    ///
    /// # Errors
    /// [`LedgerError`]: nothing was changed.
    pub fn make(
        &self,
        change: &Change,
        lines: Vec<Record>,
        effect: Effect,
        now: DateTime<Utc>,
    ) -> Result<Made, LedgerError> {
        let _alone = match change_lock(self.state) {
            // A backup that takes long stops nobody from taking a right away.
            Err(_) if effect == Effect::TakesAway => None,
            lock => Some(lock.map_err(|error| busy(self.state, &error))?),
        };
        self.not_restored(effect, now)?;
        let version = self.store.raise()?;
        faults::point("access-raised");
        match effect {
            Effect::MayWiden => self.commit(change, lines, effect, (version, now)),
            Effect::TakesAway => {
                self.store.raise_epoch()?;
                let done = epoch::changing(self.state, WAIT, || {
                    self.commit(change, lines, effect, (version, now))
                });
                let made = match done {
                    Ok(made) => made,
                    Err(ChangeError::Epoch(error)) => return Err(error.into()),
                    Err(ChangeError::Change(error)) => return Err(error),
                };
                // The first raise has overtaken every slip already; this one only those between.
                let _ = self.store.raise_epoch();
                Ok(made)
            }
        }
    }

    /// The store is not older than the trail says: else a raise would let it grow into one that looks
    /// right, and what was revoked since its copy would live again. Until it is accepted every push
    /// is refused, so nothing is urgent.
    fn not_restored(&self, effect: Effect, now: DateTime<Utc>) -> Result<(), LedgerError> {
        let known = match self.trail.known_store(&Text::new(crate::os::host_name()), now) {
            // A trail that can't be read stops nobody from taking a right away.
            Err(_) if effect == Effect::TakesAway => return Ok(()),
            known => known?,
        };
        let version = self.store.status()?.version;
        Ok(TrailError::of_store(Some(version), known)?)
    }

    fn commit(
        &self,
        change: &Change,
        lines: Vec<Record>,
        effect: Effect,
        (version, now): (u64, DateTime<Utc>),
    ) -> Result<Made, LedgerError> {
        let mut failed = None;
        let committed = self.store.commit_recorded(change, &mut || {
            faults::point("access-checked");
            let written = self.write(&lines, version, now);
            faults::point("access-recorded");
            failed = written.err();
            failed.is_none() || effect == Effect::TakesAway
        });
        match (committed, failed) {
            (Ok(Some(version)), unrecorded) => {
                faults::point("access-committed");
                Ok(Made { version, unrecorded })
            }
            (Ok(None), Some(error)) => Err(error.into()),
            (Ok(None), None) => Err(StoreError::Moved.into()),
            (Err(error), _) => Err(error.into()),
        }
    }

    fn write(&self, lines: &[Record], version: u64, now: DateTime<Utc>) -> Result<(), TrailError> {
        for line in lines {
            let line = Record {
                store: Some(StoreRecord { version }),
                policy: Some(PolicyRecord { digest: Text::new(desk::hex(&self.digest)) }),
                ..line.clone()
            };
            let version = || self.store.status().ok().map(|status| status.version);
            self.trail.append_asking(&line, now, &version)?;
        }
        Ok(())
    }
}

/// The notices of an event, for the outbox; `seq` counts the record's events with this one.
#[must_use]
pub fn notices(
    policy: &Compiled<Payload>,
    (id, seq): (&Id, u32),
    state: &State,
    event: &Event,
) -> Vec<Notice> {
    let happened = Happened { id, seq, event, after: state };
    around(policy, state, |settings, around| notice::of_event(settings, &happened, around))
}

/// The notices of a push that landed under a grant whose uses are not counted: no event tells of it,
/// so the push names the notice.
#[must_use]
pub fn notices_of_use(policy: &Compiled<Payload>, done: &Done, push: &str) -> Vec<Notice> {
    let Done { id, state, seq, event } = done;
    let happened = Happened { id, seq: *seq, event, after: state };
    around(policy, state, |settings, around| notice::of_use(settings, &happened, push, around))
}

fn around(
    policy: &Compiled<Payload>,
    state: &State,
    make: impl FnOnce(&[Notify], &Around<'_>) -> Vec<Notice>,
) -> Vec<Notice> {
    let settings = policy.settings();
    if settings.notify.is_empty() {
        return Vec::new();
    }
    let host = crate::os::host_name();
    let approvers = approvers(policy, state);
    let around = Around {
        host: &host,
        server: settings.name.as_deref(),
        command: &command(settings),
        zone: settings.timezone,
        answered_on_server: settings.access.server_approvals,
        approvers: &approvers,
    };
    make(&settings.notify, &around)
}

/// What the commands in a notice begin with.
#[must_use]
pub fn command(settings: &Settings) -> String {
    Site::find().map_or_else(|_| "refwarden".into(), |site| desk::door(&site, settings))
}

/// Starts the delivery of notices beside us, where anybody is to be told; what fails is told by the
/// next sweep.
pub fn tell_later(policy: &Compiled<Payload>) {
    if policy.settings().notify.is_empty() {
        return;
    }
    if let Err(error) = crate::notify::detach() {
        let words = format!("notices wait for the next sweep: {error}");
        let _ = crate::os::syslog::send(crate::os::syslog::Severity::Warning, &words);
    }
}

/// People who can approve a request by the policy alone, the asker aside; memberships that are
/// looked up elsewhere are not asked about.
#[must_use]
pub fn approvers(policy: &Compiled<Payload>, state: &State) -> Vec<UserName> {
    let request = &state.request;
    let entitlement = policy.entitlement(&request.entitlement).ok().flatten();
    let (Some(entitlement), Ok(whole)) = (entitlement, policy.policy()) else { return Vec::new() };
    let Some(project) = whole.projects.get(&request.project) else { return Vec::new() };
    let groups = members::groups_of(&whole.groups);
    let none = members::LookupsOf::new();
    let may = |name: &UserName| {
        let groups = groups.get(name).cloned().unwrap_or_default();
        let standing = members::Standing::new(name.clone(), groups, project, &none);
        entitlement.approval.iter().any(|list| {
            matches!(standing.among(&list.from, &members::Answers::new()), members::Held::Yes(_))
        })
    };
    let owner = whole.users.get(&request.person).and_then(|user| user.owner.clone());
    whole
        .users
        .iter()
        .filter(|(name, user)| {
            user.active
                && !user.service
                && **name != request.person
                && Some(*name) != owner.as_ref()
        })
        .map(|(name, _)| name)
        .filter(|name| may(name))
        .cloned()
        .collect()
}
