//! When the last sweep came to its end: the age of an empty file in the state folder.
//!
//! For `doctor` alone, which tells whether a timer runs; nothing is decided by it.

use crate::os::files::{self, FileError};
use crate::os::host_facts;
use chrono::{DateTime, Utc};
use std::path::Path;

const FILE_NAME: &str = "swept";

/// Notes that a sweep has done all that there was to do.
///
/// # Errors
/// The file can't be written.
pub fn note(state: &Path) -> Result<(), FileError> {
    files::write_fleeting(&state.join(FILE_NAME), b"", 0o600)
}

/// When [`note`] was called last; `None` for never.
#[must_use]
pub fn last(state: &Path) -> Option<DateTime<Utc>> {
    host_facts::changed(&state.join(FILE_NAME)).ok()
}
