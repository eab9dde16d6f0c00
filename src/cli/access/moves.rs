//! How a record is moved: decided on what it is now, recorded, and decided again where somebody
//! else was first.

use super::failure::ledger_failure;
use super::office::Office;
use crate::access::{Actor, Event, Id, State, What, step};
use crate::audit;
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::hook::ledger::{self, Effect, Ledger, LedgerError, Made};
use crate::os::clock;
use crate::store::access::{Append, Change, StoreError};
use chrono::{DateTime, Utc};
use std::time::Duration;

/// How often a move is decided again because somebody else was first.
const TRIES: u32 = 64;

/// A record that was moved.
pub struct Moved {
    /// Which.
    pub id: Id,
    /// As it is now.
    pub state: State,
    /// When it was moved.
    pub at: DateTime<Utc>,
    /// Why the trail has no line of it, where it was made all the same.
    pub unrecorded: Option<audit::TrailError>,
}

impl Office<'_> {
    /// Makes a change with its lines in the trail, and starts telling of it.
    ///
    /// # Errors
    /// [`LedgerError`]: nothing was changed.
    pub fn make(
        &self,
        change: &Change,
        lines: Vec<audit::Record>,
        effect: Effect,
        now: DateTime<Utc>,
    ) -> Result<Made, LedgerError> {
        let ledger = Ledger {
            store: self.store.as_ref(),
            trail: self.here.trail(),
            state: &self.here.site.state,
            digest: *self.here.policy.digest(),
        };
        let made = ledger.make(change, lines, effect, now)?;
        if !change.notices.is_empty() {
            ledger::tell_later(&self.here.policy);
        }
        Ok(made)
    }

    /// Moves a record: `decide` says how, and is asked again whenever somebody else was first.
    ///
    /// # Errors
    /// What `decide` says; who moved the record before; store or trail can't be written.
    pub fn move_on(
        &self,
        id: &Id,
        effect: Effect,
        mut decide: impl FnMut(&State, DateTime<Utc>) -> anyhow::Result<(Actor, What)>,
    ) -> anyhow::Result<Moved> {
        for turn in 0..TRIES {
            let (record, state) = self.record(id)?;
            let now = match effect {
                Effect::MayWiden => self.sound_now()?,
                Effect::TakesAway => clock::now().wall,
            };
            let (by, what) = decide(&state, now)?;
            let event = Event { at: now, by, what };
            let next = step(state, &event).map_err(|illegal| {
                let why = illegal.told(self.here.settings().timezone);
                Failure::new(Exit::Refused, format!("{id}: {why}"))
            })?;
            match self.add(id, record.version(), &next, &event, effect, Change::default()) {
                Ok(made) => {
                    let unrecorded = made.unrecorded;
                    return Ok(Moved { id: id.clone(), state: next, at: now, unrecorded });
                }
                Err(LedgerError::Store(StoreError::Moved)) => pause(turn),
                Err(error) => return Err(ledger_failure(&error).into()),
            }
        }
        Err(busy().into())
    }

    /// Adds one event, its line and its notices to what `change` holds already.
    ///
    /// # Errors
    /// [`LedgerError`]: nothing was changed.
    pub fn add(
        &self,
        id: &Id,
        after: u32,
        next: &State,
        event: &Event,
        effect: Effect,
        mut change: Change,
    ) -> Result<Made, LedgerError> {
        let line = ledger::line(id, next, event);
        let seq = after.saturating_add(1);
        change.notices.extend(ledger::notices(&self.here.policy, (id, seq), next, event));
        change.appends.push(Append { id: id.clone(), after, event: event.clone() });
        self.make(&change, vec![line], effect, event.at)
    }
}

/// Waits a little, longer each turn, so that many at once do not stumble over each other.
pub fn pause(turn: u32) {
    let [random] = crate::os::random::bytes();
    let most = u64::from(turn.min(10) + 1) * u64::from(random) / 32;
    std::thread::sleep(Duration::from_millis(1 + most));
}

/// It was tried often enough.
#[must_use]
pub fn busy() -> Failure {
    Failure::new(Exit::Failed, "others kept changing the same record: try again")
}
