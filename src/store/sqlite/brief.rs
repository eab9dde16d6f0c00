//! The brief: what an ordinary push asks of the store, in one small file beside it.
//!
//! Knows the version, the newest time, and that no lock holds; a push by a standing right needs no
//! more, and opening the file takes longer than all the rest of judging it. It is a copy, and counts
//! only as long as it must be a right one:
//!
//! - the file, its log and its journal are those that it was taken of, to the inode, the size and
//!   the times: whatever anybody writes, restores or puts in place there changes one of them;
//! - nothing had been written there for two seconds when it was taken, so that no later write has the
//!   same time, however coarse the clock of the file system is;
//! - the epoch is the one it was taken at, and every lock, revocation and apply raises that;
//! - it was not taken later than now, so that no clock set back finds a lock ended.
//!
//! Otherwise the file is opened, and the push that did so takes the next brief. Nothing is refused
//! by a brief, and nothing is lost with it.

use super::super::access::{AccessStore, Status, StoreError};
use super::open::{BESIDE, trusted, with_end};
use super::{FILE_NAME, row};
use crate::os::files;
use crate::os::trust::Inspected;
use chrono::{DateTime, Utc};
use rustix::fs::Stat;
use std::path::Path;

/// What is appended to the file's name.
const END: &str = "-brief";
const HEAD: &str = "refwarden-brief 1 ";
const MAX_BYTES: usize = 1024;
/// For how long nothing must have been written to the file when a brief is taken, in seconds.
const QUIET: i64 = 2;

/// What a look at the brief tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// There is no store.
    NoStore,
    /// Nothing that counts: the store itself has to be asked.
    Nothing,
    /// There is a store, this is its version and its newest time, and no lock holds.
    Whole(Status),
}

/// A look at the brief, and at the store's file on the way, for whoever opens that next.
#[derive(Debug)]
pub struct Look {
    /// What the brief says.
    pub said: Said,
    /// The file, where it is trusted.
    pub file: Option<Inspected>,
}

/// What the brief beside the store of a state folder says at `now`. `epoch` was read before.
#[must_use]
pub fn read(state: &Path, account_uid: u32, epoch: u64, now: DateTime<Utc>) -> Look {
    match trusted(&state.join(FILE_NAME), account_uid) {
        Ok(found) => {
            let said = whole(&found, account_uid, epoch, now).map_or(Said::Nothing, Said::Whole);
            Look { said, file: Some(found) }
        }
        Err(StoreError::Absent { .. }) => Look { said: Said::NoStore, file: None },
        Err(_) => Look { said: Said::Nothing, file: None },
    }
}

fn whole(found: &Inspected, account_uid: u32, epoch: u64, now: DateTime<Utc>) -> Option<Status> {
    let file = found.open_beside(END, account_uid).ok()?;
    let bytes = files::read_opened(&file, &found.path, MAX_BYTES).ok()?;
    let (brief, of) = std::str::from_utf8(&bytes).ok()?.strip_prefix(HEAD)?.split_once('\n')?;
    let brief = Brief::parse(brief)?;
    let counts = of == identity(found) && brief.epoch == epoch && brief.taken <= row::micros(now);
    counts.then_some(brief.status)
}

/// Takes a brief of the store, unless a lock holds or it was changed just now. That it can't be taken
/// is no error: the next push opens the file again.
pub fn take(
    store: &dyn AccessStore,
    state: &Path,
    account_uid: u32,
    epoch: u64,
    now: DateTime<Utc>,
) -> Option<()> {
    let path = state.join(FILE_NAME);
    let before = trusted(&path, account_uid).ok()?;
    if !is_quiet(&before, now) {
        return None;
    }
    let status = store.status().ok()?;
    if !store.locks(now).ok()?.is_empty() {
        return None;
    }
    let of = identity(&before);
    if identity(&trusted(&path, account_uid).ok()?) != of {
        return None;
    }
    let brief = Brief { epoch, taken: row::micros(now), status }.render();
    let at = with_end(&before.path, END);
    files::write_fleeting(&at, format!("{HEAD}{brief}\n{of}").as_bytes(), 0o600).ok()
}

struct Brief {
    epoch: u64,
    /// Microseconds since 1970.
    taken: i64,
    status: Status,
}

impl Brief {
    fn render(&self) -> String {
        let newest = self.status.newest.map_or("-".to_owned(), |at| row::micros(at).to_string());
        format!("{} {} {} {newest}", self.epoch, self.taken, self.status.version)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split(' ');
        let epoch = fields.next()?.parse().ok()?;
        let taken = fields.next()?.parse().ok()?;
        let version = fields.next()?.parse().ok()?;
        let newest = match fields.next()? {
            "-" => None,
            micros => Some(DateTime::from_timestamp_micros(micros.parse().ok()?)?),
        };
        let whole = fields.next().is_none();
        whole.then_some(Self { epoch, taken, status: Status { version, newest } })
    }
}

/// The log and the journal, where they hold a part of what the file says: a reader makes an empty log
/// where there is none. The log's index holds nothing, it is made out of the log by whoever opens it.
fn logs(found: &Inspected) -> impl Iterator<Item = Option<&Stat>> {
    let beside = BESIDE.iter().zip(&found.beside).filter(|(end, _)| **end != "-shm");
    beside.map(|(_, stat)| stat.as_ref().filter(|stat| stat.st_size > 0))
}

/// Of a log the time of change does not count: root's SQLite gives it away, to the same owner, each
/// time that it opens it.
pub(super) fn identity(found: &Inspected) -> String {
    let of = |s: &Stat| {
        format!("{} {} {} {}.{}", s.st_dev, s.st_ino, s.st_size, s.st_mtime, s.st_mtime_nsec)
    };
    let file = &found.file;
    let first = format!("{} {}.{}\n", of(file), file.st_ctime, file.st_ctime_nsec);
    logs(found).fold(first, |text, log| text + &log.map_or("-".to_owned(), of) + "\n")
}

pub(super) fn is_quiet(found: &Inspected, now: DateTime<Utc>) -> bool {
    let written = logs(found).flatten().map(|log| log.st_mtime);
    let last = written.fold(found.file.st_mtime.max(found.file.st_ctime), i64::max);
    last.saturating_add(QUIET) < now.timestamp()
}
