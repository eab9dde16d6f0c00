//! What SQLite said, as what it means for whoever asked.

use super::super::access::StoreError;
use rusqlite::{Error, ErrorCode};
use std::path::Path;

/// The store's error for SQLite's.
pub(super) fn of(path: &Path, error: Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            unavailable(path, "other processes keep it locked")
        }
        Some(ErrorCode::DiskFull) => unavailable(path, "the disk is full"),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(path, words(&error)),
        // What the program checks first was let through: the file holds what it should not.
        Some(ErrorCode::ConstraintViolation) => damaged(path, words(&error)),
        Some(_) => unavailable(path, words(&error)),
        // A value of another type than the schema says.
        None => damaged(path, words(&error)),
    }
}

/// A file that is kept as it is.
pub(super) fn damaged(path: &Path, reason: impl Into<String>) -> StoreError {
    StoreError::Damaged { at: path.display().to_string(), reason: reason.into() }
}

/// A file that can't be used now.
pub(super) fn unavailable(path: &Path, reason: impl Into<String>) -> StoreError {
    StoreError::Unavailable { at: path.display().to_string(), reason: reason.into() }
}

/// SQLite's words without a Rust type around them.
fn words(error: &Error) -> String {
    match error {
        Error::SqliteFailure(failure, said) => {
            said.clone().unwrap_or_else(|| format!("SQLite error {}", failure.extended_code))
        }
        other => other.to_string(),
    }
}
