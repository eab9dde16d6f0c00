//! The embedded store: one SQLite file of this host, `state.db` in the state folder.
//!
//! Knows tables, transactions and how the file is opened; the state machine stands in `access`, and
//! what a version means beside the trail's is told elsewhere. Hooks open it to read or to write,
//! never to make it. Every change is one transaction that waits for the disk (`synchronous=FULL`).
//!
//! Walk: [`open`] makes and opens the file, [`read`] and [`mod@write`] are the two halves of
//! [`AccessStore`], [`brief`] and [`token_brief`] spare most
//! pushes and doors both, [`copy`] is backup and restore, [`fault`] tells what SQLite said.

pub mod brief;
mod copy;
mod fault;
mod open;
mod read;
mod row;
mod schema;
mod token;
pub mod token_brief;
mod write;

pub use copy::{Restored, restore};

use super::access::{
    AccessStore, Change, Filter, Idempotency, Notice, OfPerson, Status, StoreError, UnderWay,
};
use crate::access::{Id, Lock, Record};
use crate::policy::name::UserName;
use chrono::{DateTime, Utc};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// The file's name in the state folder.
pub const FILE_NAME: &str = "state.db";

/// The opened store.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    path: PathBuf,
    /// Device and inode of the file that was opened.
    file: (u64, u64),
    log: Log,
}

/// What becomes of the log at the end, where nobody else has the file open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Log {
    /// It stays as it is.
    Stays,
    /// It is taken into the file.
    TakenIn,
    /// It is taken into the file once it is long.
    TakenInWhenLong,
}

impl Sqlite {
    /// What SQLite said, as the store's error.
    fn wrong(&self, error: rusqlite::Error) -> StoreError {
        fault::of(&self.path, error)
    }

    /// Its file is not what it should be.
    fn damaged(&self, reason: impl Into<String>) -> StoreError {
        fault::damaged(&self.path, reason)
    }
}

impl AccessStore for Sqlite {
    fn status(&self) -> Result<Status, StoreError> {
        read::status(self)
    }

    fn of_person(&self, person: &UserName, now: DateTime<Utc>) -> Result<OfPerson, StoreError> {
        read::of_person(self, person, now)
    }

    fn open_of(&self, person: &UserName, now: DateTime<Utc>) -> Result<Vec<Record>, StoreError> {
        read::open_of(self, person, now)
    }

    fn record(&self, id: &Id) -> Result<Option<Record>, StoreError> {
        read::record(self, id)
    }

    fn list(&self, filter: &Filter) -> Result<Vec<Record>, StoreError> {
        read::list(self, filter)
    }

    fn locks(&self, now: DateTime<Utc>) -> Result<Vec<Lock>, StoreError> {
        read::locks(self, now)
    }

    fn done(&self, key: &str) -> Result<Option<Idempotency>, StoreError> {
        read::done(self, key)
    }

    fn raise(&self) -> Result<u64, StoreError> {
        self.raise_above(0)
    }

    fn raise_above(&self, floor: u64) -> Result<u64, StoreError> {
        write::changing(self, |_| Ok(write::Moves { above: floor, newest: None }))
    }

    fn reset_newest(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        write::reset_newest(self, now)
    }

    fn commit_recorded(
        &self,
        change: &Change,
        record: &mut dyn FnMut() -> bool,
    ) -> Result<Option<u64>, StoreError> {
        write::commit(self, change, record)
    }

    fn due(&self, now: DateTime<Utc>, most: usize) -> Result<Vec<Notice>, StoreError> {
        read::due(self, now, most)
    }

    fn delivered(&self, id: &str) -> Result<(), StoreError> {
        write::delivered(self, id)
    }

    fn postpone(&self, id: &str, tries: u32, due: DateTime<Utc>) -> Result<bool, StoreError> {
        write::postpone(self, id, tries, due)
    }

    fn register(&self, _: &UnderWay, _: u32) -> Result<(), StoreError> {
        Ok(())
    }

    fn unregister(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    fn under_way(&self) -> Result<Vec<UnderWay>, StoreError> {
        Ok(Vec::new())
    }

    fn epoch(&self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }

    fn raise_epoch(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn ready_to_change(&self) -> Result<(), StoreError> {
        self.ready()
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        copy::backup(self, to)
    }
}

#[cfg(test)]
mod tests;
