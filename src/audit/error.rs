//! Why the trail could not do what it was asked, with the code that the pusher reads.

use super::line::SealError;
use crate::code::Code;
use crate::os::files::FileError;
use crate::os::trust::TrustError;
use chrono::{DateTime, Utc};
use std::path::PathBuf;

/// What went wrong; nothing that was to be recorded counts as recorded.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    /// The clock is behind the last line of the trail.
    #[error(
        "the clock says {now} but the last audit line is of {last}: set the clock, or if that line was wrong run `refwarden store reset-clock`"
    )]
    Clock {
        /// What the clock says, UTC.
        now: DateTime<Utc>,
        /// The time of the last line, UTC.
        last: DateTime<Utc>,
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

impl TrailError {
    /// RW505 when the clock is to blame, RW507 when the lock was not to be had, else RW506.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            TrailError::Clock { .. } | TrailError::Seal(SealError::Time) => Code::Clock,
            TrailError::File(error) if error.is_timeout() => Code::Timeout,
            _ => Code::Audit,
        }
    }
}
