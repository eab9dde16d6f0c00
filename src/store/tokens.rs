//! Tokens of this host's doors, in `state.db` of the state folder, whatever store the records of
//! access are in.
//!
//! Knows how the table is opened and what a change is. A token opens this host's doors alone, so
//! hosts that share a store of records do not share tokens. Where they do, the version that the
//! trail knows is the shared store's: then [`Mark`], a file beside the trail, says how far this
//! host's own table was, so that one put back from a copy is noticed as well.

use super::access::StoreError;
use super::open::Mode;
use super::sqlite::{FILE_NAME, Sqlite};
use crate::os::files::{self, FileError};
use crate::policy::name::UserName;
use crate::pusher::token::{SecretHash, Terms, Token, TokenId};
use chrono::{DateTime, TimeDelta, Utc};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A use is noted at most so often, and a refusal.
pub const USED_APART: TimeDelta = TimeDelta::minutes(1);
/// See [`USED_APART`].
pub const REFUSED_APART: TimeDelta = TimeDelta::minutes(10);

/// A change, made whole or not at all. What is revoked comes first.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Tokens to make, each with the hash of its secret.
    pub created: Vec<(TokenId, Terms, SecretHash)>,
    /// Tokens to take back: which, when, and by whom as shown.
    pub revoked: Vec<(TokenId, DateTime<Utc>, String)>,
}

/// The opened table.
#[derive(Debug)]
pub struct TokenStore(Sqlite);

impl TokenStore {
    /// Opens it; `None` where this host has no `state.db`.
    ///
    /// # Errors
    /// [`StoreError`]: it is there and can't be used.
    pub fn open(state: &Path, account_uid: u32, mode: Mode) -> Result<Option<Self>, StoreError> {
        let path = state.join(FILE_NAME);
        let opened = match mode {
            Mode::Read => Sqlite::open_read(&path, account_uid),
            Mode::Write => Sqlite::open_write(&path, account_uid),
        };
        match opened {
            Ok(store) => Ok(Some(Self(store))),
            Err(StoreError::Absent { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The table's version: raised by every change.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn version(&self) -> Result<u64, StoreError> {
        use super::access::AccessStore;
        Ok(self.0.status()?.version)
    }

    /// A token and the hash of its secret.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find(&self, id: &TokenId) -> Result<Option<(Token, SecretHash)>, StoreError> {
        self.0.token(id)
    }

    /// Everybody's tokens, or one person's, by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn list(&self, person: Option<&UserName>) -> Result<Vec<Token>, StoreError> {
        self.0.tokens(person)
    }

    /// Raises the version by itself, before a change is written to the trail with it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn raise(&self) -> Result<u64, StoreError> {
        use super::access::AccessStore;
        self.0.raise()
    }

    /// Raises the version above `floor`: of a table that was put back, once somebody has accepted it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn raise_above(&self, floor: u64) -> Result<u64, StoreError> {
        use super::access::AccessStore;
        self.0.raise_above(floor)
    }

    /// Makes a change durable, and returns the version that it made. Once it is certain that it can
    /// be made, `record` is called to write the trail; `false` from it gives the change up, and then
    /// the answer is `None`.
    ///
    /// # Errors
    /// [`StoreError::Moved`] where a token to revoke is not there or revoked already,
    /// [`StoreError::Taken`] where a new token's id exists; nothing was changed then.
    pub fn commit_recorded(
        &self,
        change: &Change,
        record: &mut dyn FnMut() -> bool,
    ) -> Result<Option<u64>, StoreError> {
        self.0.change_tokens(change, record)
    }

    /// Notes that a token which no longer holds was tried; says whether it was noted: at most once
    /// in ten minutes, so that what is told of it is bounded.
    ///
    /// # Errors
    /// [`StoreError`]; no reason to let anything through.
    pub fn refused(&self, id: &TokenId, now: DateTime<Utc>) -> Result<bool, StoreError> {
        self.0.note_refusal(id, now, REFUSED_APART)
    }
}

/// How far this host's table was, where the trail tells of another store: `audit.jsonl.tokens.head`.
#[derive(Debug)]
pub struct Mark(PathBuf);

impl Mark {
    /// Beside the trail at `trail`.
    #[must_use]
    pub fn beside(trail: &Path) -> Self {
        let mut name = OsString::from(trail);
        // An end that no reader takes for a part of the trail.
        name.push(".tokens.head");
        Self(name.into())
    }

    /// What it says; `None` before the first change.
    ///
    /// # Errors
    /// It can't be read, or does not hold what this program writes.
    pub fn read(&self) -> Result<Option<u64>, FileError> {
        let bytes = match files::read_limited(&self.0, 32) {
            Err(error) if error.is_absent() => return Ok(None),
            other => other?,
        };
        let number = std::str::from_utf8(&bytes).ok().and_then(|text| text.trim_end().parse().ok());
        let damaged = || FileError::new(&self.0, "understand", std::io::ErrorKind::InvalidData);
        number.map(Some).ok_or_else(damaged)
    }

    /// Writes it; on the disk when this returns.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, version: u64) -> Result<(), FileError> {
        files::write_whole(&self.0, format!("{version}\n").as_bytes(), 0o600)
    }
}
