//! How many pushes were refused because nobody could say who pushes (RW101, RW102).
//!
//! Knows one counter; such refusals get no audit line of their own, else anybody could fill the
//! disk. The next audit line carries the count and then subtracts it, so that a crash between the
//! two counts twice and never loses.

use crate::os::files::{self, FileError, Lock};
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILE_NAME: &str = "unidentified";
const MAX_BYTES: usize = 32;
const WAIT: Duration = Duration::from_secs(5);

/// Why the counter can't be used (RW504).
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// Unreadable, not writable, or locked for too long.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not what this program writes.
    #[error("`{}` is damaged", path.display())]
    Malformed {
        /// The counter.
        path: PathBuf,
    },
}

/// Counts one more.
///
/// # Errors
/// [`CountError`].
pub fn bump(state: &Path) -> Result<(), CountError> {
    change(state, |count| count.saturating_add(1))
}

/// How many there are; 0 when there was never one. Needs no lock.
///
/// # Errors
/// [`CountError`].
pub fn count(state: &Path) -> Result<u64, CountError> {
    let path = state.join(FILE_NAME);
    let bytes = match files::read_limited(&path, MAX_BYTES) {
        Err(error) if error.is_absent() => return Ok(0),
        other => other?,
    };
    let text = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_suffix('\n'));
    text.and_then(|text| text.parse().ok()).ok_or(CountError::Malformed { path })
}

/// Takes off what an audit line on the disk now tells.
///
/// # Errors
/// [`CountError`].
pub fn subtract(state: &Path, told: u64) -> Result<(), CountError> {
    if told == 0 {
        return Ok(());
    }
    change(state, |count| count.saturating_sub(told))
}

fn change(state: &Path, by: impl FnOnce(u64) -> u64) -> Result<(), CountError> {
    let _lock: Lock = files::lock(&state.join("unidentified.lock"), WAIT)?;
    let text = format!("{}\n", by(count(state)?));
    Ok(files::write_whole(&state.join(FILE_NAME), text.as_bytes(), 0o600)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::tempdir;

    #[test]
    fn what_comes_between_reading_and_subtracting_is_kept() {
        let state = tempdir().unwrap();
        assert_eq!(count(state.path()).unwrap(), 0);
        subtract(state.path(), 0).unwrap();
        bump(state.path()).unwrap();
        bump(state.path()).unwrap();
        let told = count(state.path()).unwrap();
        bump(state.path()).unwrap();
        subtract(state.path(), told).unwrap();
        assert_eq!((told, count(state.path()).unwrap()), (2, 1));
        subtract(state.path(), 9).unwrap();
        assert_eq!(count(state.path()).unwrap(), 0);
    }

    #[test]
    fn a_crowd_without_names_is_counted_right() {
        let state = tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..5).for_each(|_| bump(state.path()).unwrap()));
            }
        });
        assert_eq!(count(state.path()).unwrap(), 20);
    }

    #[test]
    fn a_damaged_count_is_an_error_and_kept() {
        let state = tempdir().unwrap();
        for text in ["", "3", "x\n", "-1\n"] {
            std::fs::write(state.path().join(FILE_NAME), text).unwrap();
            assert!(count(state.path()).is_err(), "{text:?}");
            assert!(bump(state.path()).is_err(), "{text:?}");
            assert_eq!(std::fs::read(state.path().join(FILE_NAME)).unwrap(), text.as_bytes());
        }
    }
}
