//! The epoch: a number that tells `update` that nothing changed since pre-receive decided.
//!
//! Knows one file and its lock; not what a change is. Odd means that a change is under way, so
//! an odd number never stands in a slip: whoever is killed between the two raises leaves an odd
//! number, at which `update` refuses and the next pre-receive, which can take the lock because
//! its holder is dead, makes it even again before it reads any state.

use crate::os::files::{self, FileError};
use crate::os::{clock, faults};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Its name in the state folder.
pub const FILE_NAME: &str = "epoch";
const LOCK_NAME: &str = "epoch.lock";
const HEAD: &str = "refwarden-epoch 1 ";
const MAX_BYTES: usize = 64;

/// Why the epoch is not known (RW504).
#[derive(Debug, thiserror::Error)]
pub enum EpochError {
    /// Missing, unreadable, not writable, or the lock was not to be had.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not what this program writes.
    #[error("`{}` is damaged", path.display())]
    Malformed {
        /// The epoch file.
        path: PathBuf,
    },
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError<E> {
    /// The epoch could not be raised first, so nothing was begun.
    #[error(transparent)]
    Epoch(#[from] EpochError),
    /// The change itself failed.
    #[error("{0}")]
    Change(E),
}

/// The number as it stands, for `update`: it equals a slip's, or the push must come again.
///
/// # Errors
/// [`EpochError`]: refuse.
pub fn read(state: &Path) -> Result<u64, EpochError> {
    let path = state.join(FILE_NAME);
    let bytes = files::read_limited(&path, MAX_BYTES)?;
    parse(&bytes).ok_or(EpochError::Malformed { path })
}

/// An even number, for pre-receive to read before policy and store.
///
/// Waits for a change under way, at most `wait`; settles one that was killed.
///
/// # Errors
/// [`EpochError`]: refuse.
pub fn settled(state: &Path, wait: Duration) -> Result<u64, EpochError> {
    let seen = read(state)?;
    if is_even(seen) {
        return Ok(seen);
    }
    let _lock = files::lock(&state.join(LOCK_NAME), wait)?;
    finish(state)
}

/// Makes a change that hooks must notice: raises, lets `change` commit, raises again.
///
/// Whether `change` fails or not, every slip from before is overtaken. If only the last raise
/// fails the change stands, and the next pre-receive raises instead.
///
/// # Errors
/// [`ChangeError`].
pub fn changing<T, E>(
    state: &Path,
    wait: Duration,
    change: impl FnOnce() -> Result<T, E>,
) -> Result<T, ChangeError<E>> {
    let _lock = files::lock(&state.join(LOCK_NAME), wait).map_err(EpochError::from)?;
    begin(state)?;
    faults::point("epoch-raised");
    let result = change();
    faults::point("epoch-committed");
    let _ = finish(state);
    result.map_err(ChangeError::Change)
}

/// Makes the file unless it is there: hooks never do, the installation does.
///
/// # Errors
/// [`EpochError`]; a damaged file stays as it is.
pub fn create(state: &Path) -> Result<(), EpochError> {
    let _lock = files::lock(&state.join(LOCK_NAME), Duration::from_secs(10))?;
    match read(state) {
        Err(EpochError::File(error)) if error.is_absent() => {}
        other => return other.map(|_| ()),
    }
    // Not 0: a file that was lost and made again must not repeat numbers that slips still carry.
    let start = u64::try_from(clock::now().wall.timestamp_micros()).unwrap_or(0) & !1;
    write(state, start)
}

/// To the next odd number. Only under the lock.
fn begin(state: &Path) -> Result<u64, EpochError> {
    let now = read(state)?;
    raise(state, now, if is_even(now) { 1 } else { 2 })
}

/// To the next even number, if it is odd. Only under the lock.
fn finish(state: &Path) -> Result<u64, EpochError> {
    let now = read(state)?;
    if is_even(now) { Ok(now) } else { raise(state, now, 1) }
}

fn raise(state: &Path, from: u64, by: u64) -> Result<u64, EpochError> {
    let malformed = || EpochError::Malformed { path: state.join(FILE_NAME) };
    let to = from.checked_add(by).ok_or_else(malformed)?;
    write(state, to).map(|()| to)
}

fn write(state: &Path, number: u64) -> Result<(), EpochError> {
    let text = format!("{HEAD}{number}\n");
    Ok(files::write_whole(&state.join(FILE_NAME), text.as_bytes(), 0o600)?)
}

fn is_even(number: u64) -> bool {
    number & 1 == 0
}

/// Exactly what [`write()`] writes: no sign, no leading zero, nothing behind.
fn parse(bytes: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let digits = text.strip_prefix(HEAD)?.strip_suffix('\n')?;
    digits.parse().ok().filter(|number: &u64| number.to_string() == digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use tempfile::{TempDir, tempdir};

    const WAIT: Duration = Duration::from_secs(20);

    fn state() -> TempDir {
        let state = tempdir().unwrap();
        create(state.path()).unwrap();
        state
    }

    #[test]
    fn every_change_overtakes_what_was_decided_before() {
        let state = state();
        let before = settled(state.path(), WAIT).unwrap();
        let during =
            changing(state.path(), WAIT, || Ok::<_, Infallible>(read(state.path()).unwrap()));
        assert!(!is_even(during.unwrap()));
        let after = settled(state.path(), WAIT).unwrap();
        assert_eq!(after, before + 2);
    }

    #[test]
    fn a_change_that_fails_overtakes_too() {
        let state = state();
        let before = read(state.path()).unwrap();
        let result = changing(state.path(), WAIT, || Err::<(), _>("disk full"));
        assert!(matches!(result, Err(ChangeError::Change("disk full"))));
        assert_eq!(read(state.path()).unwrap(), before + 2);
    }

    #[test]
    fn a_change_killed_before_or_after_its_commit_never_equals_a_slip() {
        let state = state();
        let slip = settled(state.path(), WAIT).unwrap();
        begin(state.path()).unwrap(); // killed here
        assert_ne!(read(state.path()).unwrap(), slip);
        let next = settled(state.path(), WAIT).unwrap();
        assert!(is_even(next) && next > slip);
        assert_eq!(read(state.path()).unwrap(), next);
    }

    #[test]
    fn a_change_after_a_killed_one_goes_on_rising() {
        let state = state();
        let slip = read(state.path()).unwrap();
        begin(state.path()).unwrap();
        begin(state.path()).unwrap();
        assert_eq!(finish(state.path()).unwrap(), slip + 4);
        assert_eq!(finish(state.path()).unwrap(), slip + 4);
    }

    #[test]
    fn pre_receive_waits_for_a_change_and_gives_up_at_its_deadline() {
        let state = state();
        let _held = files::lock(&state.path().join(LOCK_NAME), WAIT).unwrap();
        let even = read(state.path()).unwrap();
        assert_eq!(settled(state.path(), Duration::ZERO).unwrap(), even);
        begin(state.path()).unwrap();
        assert!(settled(state.path(), Duration::from_millis(10)).is_err());
    }

    #[test]
    fn concurrent_changes_lose_no_raise() {
        let state = state();
        let before = read(state.path()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        changing(state.path(), WAIT, || Ok::<_, Infallible>(())).unwrap();
                    }
                });
            }
        });
        assert_eq!(read(state.path()).unwrap(), before + 40);
    }

    #[test]
    fn a_missing_or_damaged_epoch_refuses() {
        let state = tempdir().unwrap();
        assert!(read(state.path()).is_err());
        assert!(settled(state.path(), WAIT).is_err());
        for text in
            ["", "7", "refwarden-epoch 1 7", "refwarden-epoch 1 +8\n", "refwarden-epoch 1 08\n"]
        {
            std::fs::write(state.path().join(FILE_NAME), text).unwrap();
            assert!(matches!(read(state.path()), Err(EpochError::Malformed { .. })), "{text}");
            assert!(create(state.path()).is_err(), "damage is kept: {text}");
            assert!(changing(state.path(), WAIT, || Ok::<_, Infallible>(())).is_err());
        }
        let last = format!("{HEAD}{}\n", u64::MAX);
        std::fs::write(state.path().join(FILE_NAME), last).unwrap();
        assert!(settled(state.path(), WAIT).is_err());
    }

    #[test]
    fn creating_twice_keeps_the_number() {
        let state = state();
        let number = read(state.path()).unwrap();
        assert!(is_even(number) && number > 0);
        create(state.path()).unwrap();
        assert_eq!(read(state.path()).unwrap(), number);
    }
}
