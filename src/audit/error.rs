//! Why the trail could not do what it was asked, with the code that the pusher reads.

use super::line::SealError;
use crate::code::Code;
use crate::os::files::FileError;
use crate::os::trust::TrustError;
use crate::policy::window::Zone;
use crate::policy::zone;
use chrono::{DateTime, Utc};
use std::path::PathBuf;

/// What went wrong; nothing that was to be recorded counts as recorded.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    /// The clock is behind the last line of the trail.
    #[error(
        "the clock says {} but the last audit line is of {}: set the clock, or if that line was wrong run `refwarden store reset-clock`",
        zone::told(*.now, Zone::default()), zone::told(*.last, Zone::default())
    )]
    Clock {
        /// What the clock says, UTC.
        now: DateTime<Utc>,
        /// The time of the last line, UTC.
        last: DateTime<Utc>,
    },
    /// The store is older than the trail says: restored from a copy, so that what was revoked since
    /// would live again. Or there is none, and the trail knows of one.
    #[error("{}", store_words(*.given, *.known))]
    Store {
        /// The store's version, where there is one.
        given: Option<u64>,
        /// The version in the last line.
        known: u64,
    },
    /// The clock is out of every calendar, or the chain out of numbers.
    #[error("can't write an audit line: {0}")]
    Seal(#[from] SealError),
    /// Longer than any reader takes.
    #[error("the audit line has {0} bytes, more than the trail takes: push fewer refs at once")]
    TooLong(usize),
    /// The trail was written by a program that this one does not know.
    #[error("`{}` has lines of version {version}, written by a newer refwarden", path.display())]
    Newer {
        /// The trail.
        path: PathBuf,
        /// The version in its last line.
        version: u64,
    },
    /// The trail or its folder may have been written by anybody.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A file can't be read, written or locked.
    #[error(transparent)]
    File(#[from] FileError),
}

fn store_words(given: Option<u64>, known: u64) -> String {
    match given {
        Some(given) => format!(
            "the store has version {given} but the last audit line knows {known}: it was put back \
             from a copy; see what it lacks, then run `refwarden store accept`"
        ),
        None => format!(
            "the last audit line knows a store of version {known}, and there is none: `refwarden \
             store restore` a backup or `refwarden store init`, then `refwarden store accept`"
        ),
    }
}

impl TrailError {
    /// Whether a store of version `given` may be rested on where the trail knows `known`: not when
    /// it is older, nor when it is absent and the trail knows of one.
    ///
    /// Ask the trail first ([`super::Trail::known_store`]) and the store afterwards: a change in
    /// between makes the store newer, never older.
    ///
    /// # Errors
    /// [`TrailError::Store`] (RW504).
    pub fn of_store(given: Option<u64>, known: Option<u64>) -> Result<(), Self> {
        match known {
            Some(known) if given < Some(known) => Err(Self::Store { given, known }),
            _ => Ok(()),
        }
    }

    /// RW504 when the store is to blame, RW505 when the clock is, RW507 when the lock was not to be
    /// had, else RW506.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            TrailError::Clock { .. } | TrailError::Seal(SealError::Time) => Code::Clock,
            TrailError::Store { .. } => Code::Store,
            TrailError::File(error) if error.is_timeout() => Code::Timeout,
            _ => Code::Audit,
        }
    }
}
