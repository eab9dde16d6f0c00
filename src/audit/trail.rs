//! The trail of a host: appending to it, one process at a time.
//!
//! Knows the lock and who is told of a line; what stands in a record is the caller's matter. A line
//! is on the disk before [`Trail::append`] says so.

use super::checkpoint::Checkpoint;
use super::error::TrailError;
use super::head;
use super::held::{self, Held};
use super::line::{End, Hash};
use super::record::{Event, Record};
use super::rotate;
use super::siblings::{self, Snapshot};
use super::text::Text;
use super::verify::{self, Verified};
use crate::os::{clock, files};
use chrono::{DateTime, TimeDelta, Utc};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A wait from which on the time before it is not taken for the present.
const LONG: TimeDelta = TimeDelta::seconds(1);
/// How long to wait for the other processes that append.
const WAIT: Duration = Duration::from_secs(5);

/// Takes one line for syslog or the journal; says whether it was taken.
pub type Notify<'a> = &'a dyn Fn(&str) -> bool;

/// The trail at a path, not opened yet.
#[derive(Clone)]
pub struct Trail<'a> {
    path: PathBuf,
    lock: PathBuf,
    account_uid: u32,
    wait: Duration,
    notify: Notify<'a>,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Number of its line.
    pub seq: u64,
    /// Hash of its line.
    pub hash: Hash,
    /// Time in its line, UTC; the clock's own time or the high-water mark.
    pub time: DateTime<Utc>,
    /// Whether syslog took seq and hash; `doctor` looks at it, no push depends on it.
    pub notified: bool,
}

impl<'a> Trail<'a> {
    /// The trail at `path` (absolute), with its lock at `lock`, both of the hosting account
    /// `account_uid`. Opens nothing.
    #[must_use]
    pub fn new(path: &Path, lock: &Path, account_uid: u32, notify: Notify<'a>) -> Self {
        let (path, lock) = (path.to_owned(), lock.to_owned());
        Self { path, lock, account_uid, wait: WAIT, notify }
    }

    /// Where the trail is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends `record` and returns when the disk has it.
    ///
    /// Where the clock is behind the last line, `time` stays at that line's and `clock` tells the
    /// difference. A damaged trail is kept under another name, and the new one says so first. The
    /// line carries the record's store version, or the last line's where that is later.
    ///
    /// # Errors
    /// Where the record [rests on state](Record::rests_on_state): [`TrailError::Clock`] (RW505) when
    /// the clock is more than 2 s behind the last line, [`TrailError::Store`] (RW504) when the last
    /// line knows a later version of the store, or one at all and the record has none. Nothing is
    /// written then; append the refusal instead. Anything else (RW506) where the line is not surely
    /// on the disk.
    pub fn append(&self, record: &Record, now: DateTime<Utc>) -> Result<Appended, TrailError> {
        self.append_asking(record, now, &|| None)
    }

    /// As [`Trail::append`], for a record whose store version may have been overtaken: where the
    /// last line knows a later one, `version` asks the store once more, under the trail's lock.
    /// Only a store that is behind even then was put back from a copy.
    ///
    /// # Errors
    /// As [`Trail::append`].
    pub fn append_asking(
        &self,
        record: &Record,
        now: DateTime<Utc>,
        version: &dyn Fn() -> Option<u64>,
    ) -> Result<Appended, TrailError> {
        let began = clock::now().boot;
        let mut held = self.hold(&record.host, now)?;
        // Others have written meanwhile, under a clock that went on: waiting for them is no wrong one.
        let waited = TimeDelta::from_std(clock::now().boot.saturating_sub(began));
        let now = now + waited.ok().filter(|waited| *waited >= LONG).unwrap_or_default();
        let written = held.write_asking(record, now, version);
        self.let_go(held);
        Ok(self.told(written?))
    }

    /// The store version that the last line carries; no line that has one: `None`, and no store is
    /// demanded. Costs the same however long the trail is, and takes no lock where the side file
    /// tells.
    ///
    /// Ask this before the store's own version, compare with [`TrailError::of_store`], and only then
    /// change anything: every change raises the version, and an old store would grow into a new one.
    ///
    /// # Errors
    /// As [`Trail::append`].
    pub fn known_store(&self, host: &Text, now: DateTime<Utc>) -> Result<Option<u64>, TrailError> {
        if let Some(version) = self.noted_store() {
            return Ok(Some(version));
        }
        // No head, or one that knows no store: the last line tells, and no file is made.
        match siblings::open(&self.path) {
            Err(error) if error.is_absent() && !siblings::are_there(&self.path) => Ok(None),
            _ => Ok(self.end(host, now)?.and_then(|end| end.store)),
        }
    }

    /// The store version in the side file, which may be one line behind; `None` says nothing. No lock
    /// is taken and the trail is not looked at: for who holds a line against the trail's last anyway.
    #[must_use]
    pub fn noted_store(&self) -> Option<u64> {
        head::store_of(&held::head_path(&self.path))
    }

    /// Counts a push that was refused because nobody could be identified (RW101, RW102): the next
    /// line tells how many. Says whether the count could be written.
    ///
    /// # Errors
    /// As [`Trail::append`].
    pub fn count_unidentified(&self, host: &Text, now: DateTime<Utc>) -> Result<bool, TrailError> {
        let mut held = self.hold(host, now)?;
        let counted = held.count_unidentified();
        self.let_go(held);
        Ok(counted)
    }

    /// The last line, and with it the high-water mark of the clock; `None` before the first line.
    ///
    /// # Errors
    /// As [`Trail::append`].
    pub fn end(&self, host: &Text, now: DateTime<Utc>) -> Result<Option<End>, TrailError> {
        let held = self.hold(host, now)?;
        let end = held.end();
        self.let_go(held);
        Ok((end.seq > 0).then_some(end))
    }

    /// Clears the high-water mark that a wrong clock left: the line of `record` has the time `now`,
    /// however far before the last line that is.
    ///
    /// # Errors
    /// As [`Trail::append`].
    pub fn reset_clock(&self, record: Record, now: DateTime<Utc>) -> Result<Appended, TrailError> {
        self.append(&Record { event: Event::CLOCK_RESET, ..record }, now)
    }

    /// Moves the trail to a file named after its first and last line, and starts a new one whose
    /// first line is `record` as an `audit.rotated`. `None` where there is no line to move.
    ///
    /// # Errors
    /// As [`Trail::append`]; whatever failed, the chain goes on.
    pub fn rotate(
        &self,
        record: Record,
        now: DateTime<Utc>,
    ) -> Result<Option<(PathBuf, Appended)>, TrailError> {
        let mut held = self.hold(&record.host, now)?;
        let Some(moved) = rotate::set_aside(&mut held, &self.path)? else { return Ok(None) };
        let name = moved.file_name().unwrap_or_default();
        let record = Record { event: Event::AUDIT_ROTATED, ..record }
            .with("file", Text::new(name.as_encoded_bytes()));
        let written = held.write(&record, now);
        self.let_go(held);
        Ok(Some((moved, self.told(written?))))
    }

    /// Checks the whole chain. The lock is held only to note how far the trail reaches; damage that
    /// nobody has come upon yet is recorded first, as with any append.
    ///
    /// # Errors
    /// As [`Trail::append`], or a file can't be read.
    pub fn verify(
        &self,
        host: &Text,
        now: DateTime<Utc>,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<Verified, TrailError> {
        let held = self.hold(host, now)?;
        let snapshot = Snapshot::take(&self.path);
        self.let_go(held);
        Ok(verify::walk(snapshot?, checkpoint)?)
    }

    fn hold(&self, host: &Text, now: DateTime<Utc>) -> Result<Held<'_>, TrailError> {
        let lock = files::lock(&self.lock, self.wait)?;
        Held::open(&self.path, self.account_uid, lock, host, now)
    }

    /// Gives the lock back, and only then tells syslog of a damage that was recorded: a slow log
    /// must not hold up other pushes.
    fn let_go(&self, held: Held<'_>) {
        let recorded = held.recorded_damage();
        drop(held);
        if let Some(end) = recorded {
            (self.notify)(&format!("audit damaged, recorded as seq={} hash={}", end.seq, end.hash));
        }
    }

    fn told(&self, end: End) -> Appended {
        let notified = (self.notify)(&format!("audit seq={} hash={}", end.seq, end.hash));
        Appended { seq: end.seq, hash: end.hash, time: end.time, notified }
    }
}

#[cfg(test)]
pub(in crate::audit) mod tests;
