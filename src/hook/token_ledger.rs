//! Changes of tokens, made so that trail and table never tell different stories.
//!
//! The order is that of [`super::ledger`]: the version is raised, the change is tried inside the
//! table's transaction, its line goes to the trail, and only then the transaction is committed.
//! Whoever is killed in between leaves a line without its token, never a token without its line.

use super::ledger::{LedgerError, Made};
use super::tokens;
use crate::audit::{PolicyRecord, Record, StoreRecord, Text, Trail, TrailError};
use crate::os::faults;
use crate::policy::model::Settings;
use crate::store::access::{AccessStore, StoreError};
use crate::store::epoch::{self, ChangeError};
use crate::store::tokens::{Change, Mark, TokenStore};
use chrono::{DateTime, Utc};
use std::path::Path;
use std::time::Duration;

/// How long to wait for another change.
const WAIT: Duration = Duration::from_secs(5);

/// Where changes of tokens go.
pub struct TokenLedger<'a> {
    /// The table, open for writing.
    pub store: &'a TokenStore,
    /// The store of records where several hosts share it: lines carry its version then.
    pub shared: Option<&'a dyn AccessStore>,
    /// What the policy says of the server.
    pub settings: &'a Settings,
    /// The trail.
    pub trail: Trail<'a>,
    /// The state folder, for the epoch.
    pub state: &'a Path,
    /// Digest of the applied policy.
    pub digest: [u8; 32],
}

impl TokenLedger<'_> {
    /// Makes a change and records it in `line`, at `now`. What makes a token is not made without its
    /// line; what only takes some back is made all the same, and pushes under way notice.
    ///
    /// # Errors
    /// [`LedgerError`]: nothing was changed.
    pub fn make(
        &self,
        change: &Change,
        line: &Record,
        now: DateTime<Utc>,
    ) -> Result<Made, LedgerError> {
        let only_takes = change.created.is_empty();
        self.not_restored(only_takes, now)?;
        let version = self.store.raise()?;
        if self.settings.shared_store.is_some() {
            let marked = Mark::beside(self.trail.path()).write(version);
            if let (Err(error), false) = (marked, only_takes) {
                return Err(TrailError::from(error).into());
            }
        }
        faults::point("token-raised");
        let commit = || self.commit(change, line, only_takes, (version, now));
        if change.revoked.is_empty() {
            return commit();
        }
        epoch::changing(self.state, WAIT, commit).map_err(|error| match error {
            ChangeError::Epoch(error) => error.into(),
            ChangeError::Change(error) => error,
        })
    }

    /// As the ledger of access has it: a table that is older than what is known of it takes no
    /// change, else it would grow into one that looks right.
    fn not_restored(&self, only_takes: bool, now: DateTime<Utc>) -> Result<(), LedgerError> {
        let known = match tokens::known(self.settings, &self.trail, now) {
            // What can't be read stops nobody from taking a token back.
            Err(_) if only_takes => return Ok(()),
            known => known?,
        };
        Ok(TrailError::of_store(Some(self.store.version()?), known)?)
    }

    fn commit(
        &self,
        change: &Change,
        line: &Record,
        only_takes: bool,
        (version, now): (u64, DateTime<Utc>),
    ) -> Result<Made, LedgerError> {
        let mut failed = None;
        let committed = self.store.commit_recorded(change, &mut || {
            faults::point("token-checked");
            failed = self.write(line, version, now).err();
            faults::point("token-recorded");
            failed.is_none() || only_takes
        });
        match (committed, failed) {
            (Ok(Some(version)), unrecorded) => {
                faults::point("token-committed");
                Ok(Made { version, unrecorded })
            }
            (Ok(None), Some(error)) => Err(error.into()),
            (Ok(None), None) => Err(StoreError::Moved.into()),
            (Err(error), _) => Err(error.into()),
        }
    }

    fn write(&self, line: &Record, version: u64, now: DateTime<Utc>) -> Result<(), TrailError> {
        let of_shared = |store: &dyn AccessStore| store.status().ok().map(|status| status.version);
        let asked = || match self.shared {
            Some(store) => of_shared(store),
            None => self.store.version().ok(),
        };
        let version = if self.shared.is_some() { asked() } else { Some(version) };
        let line = Record {
            store: version.map(|version| StoreRecord { version }),
            policy: Some(PolicyRecord { digest: Text::new(super::desk::hex(&self.digest)) }),
            ..line.clone()
        };
        self.trail.append_asking(&line, now, &asked).map(drop)
    }
}
