//! Changes of access, made so that trail and store never tell different stories.
//!
//! The order is the promise: the store's version is raised, the change is tried inside the store's
//! transaction, its lines go to the trail while nobody else can move what it was decided on, and
//! only then the transaction is committed. Whoever is killed in between leaves a line without its
//! change, never a change without its line.

use super::desk::{self, Payload};
use crate::access::notice::{self, Around, Happened};
use crate::access::{Actor, Event, Id, State, What};
use crate::audit::{self, PolicyRecord, Record, StoreRecord, Text, Trail, TrailError};
use crate::os::faults;
use crate::os::site::Site;
use crate::policy::compiled::Compiled;
use crate::policy::members;
use crate::policy::model::Settings;
use crate::policy::name::UserName;
use crate::store::access::{AccessStore, Change, Notice, StoreError};
use crate::store::epoch::{self, ChangeError, EpochError};
use chrono::{DateTime, Utc};
use std::path::Path;
use std::time::Duration;

/// How long to wait for another change.
const WAIT: Duration = Duration::from_secs(5);

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

/// The trail's line about an event of a record; `state` is the record after it.
#[must_use]
pub fn line(id: &Id, state: &State, event: &Event) -> Record {
    let word = match event.what.word() {
        "used" => audit::Event::ACCESS_USED,
        // A yes that others must follow lends nothing yet.
        "approved" if matches!(event.what, What::Approved { terms: None, .. }) => {
            audit::Event::named("access.approval")
        }
        word => audit::Event::named(&format!("access.{word}")),
    };
    let mut line = Record::new(word, crate::os::host_name());
    let request = &state.request;
    line.actor = Some(actor(&event.by));
    line.repository = Some(Text::new(&request.repository));
    line.project = Some(Text::new(request.project.as_str()));
    line.request = Some(Text::new(id.as_str()));
    line.entitlement = Some(Text::new(request.entitlement.as_str()));
    line.reason = request.reason.as_ref().map(Text::new);
    line.ticket = request.ticket.as_ref().map(Text::new);
    line.approvers =
        state.approvals.iter().map(|(actor, _)| Text::new(actor.to_string())).collect();
    line = line.with("person", Text::new(request.person.as_str()));
    if let Some(terms) = &state.terms {
        line.grant = Some(Text::new(id.as_str()));
        line = line.with("from", terms.from.to_rfc3339()).with("until", terms.until.to_rfc3339());
    }
    if let Some(left) = state.uses_left() {
        line = line.with("uses-left", left.to_string());
    }
    line
}

/// The notices of an event, for the outbox; `seq` counts the record's events with this one.
#[must_use]
pub fn notices(
    policy: &Compiled<Payload>,
    (id, seq): (&Id, u32),
    state: &State,
    event: &Event,
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
        approvers: &approvers,
    };
    let happened = Happened { id, seq, event, after: state };
    notice::of_event(&settings.notify, &happened, &around)
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

/// An actor as the trail has it.
#[must_use]
pub fn actor(by: &Actor) -> audit::Actor {
    let who = match (&by.user, &by.server) {
        (Some(user), _) => user.to_string(),
        (None, Some(server)) => server.clone(),
        (None, None) => "refwarden".to_owned(),
    };
    audit::Actor {
        user: Some(Text::new(who)),
        source: by.server.as_ref().map_or(by.source.as_ref().map(Text::new), |server| {
            Some(Text::new(format!("server {server}")))
        }),
        key: by.key.as_ref().map(Text::new),
        address: by.address.as_ref().map(Text::new),
    }
}
