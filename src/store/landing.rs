//! Pushed policies that were judged and may land: a note by commit, until what landed is applied.
//!
//! Knows the files; not what a policy is. Only a commit with a note is ever applied, so a branch that was
//! moved past the hooks changes nothing; a policy that is applied by hand takes all notes away.

use crate::os::files::{self, FileError};
use gix::ObjectId;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest note, in bytes.
const MAX_BYTES: usize = 16 << 10;
/// After so long a push is over, and what it did not land is forgotten.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Who pushed what was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// The push's id in the trail.
    pub push: String,
    /// Who pushed.
    pub user: String,
    /// The source that named them.
    pub source: String,
}

fn folder(state: &Path) -> PathBuf {
    state.join("policy/judged")
}

fn file(state: &Path, commit: ObjectId) -> PathBuf {
    folder(state).join(commit.to_string())
}

/// Notes that `commit` may be applied once it has landed.
///
/// # Errors
/// The note can't be written.
pub fn note(state: &Path, commit: ObjectId, judged: &Judged) -> Result<(), FileError> {
    let path = file(state, commit);
    let bytes =
        serde_json::to_vec(judged).map_err(|error| FileError::new(&path, "write", error))?;
    files::ensure_folder(&folder(state))?;
    files::write_whole(&path, &bytes, 0o600)
}

/// The note about `commit`, if there is one that can be understood.
#[must_use]
pub fn read(state: &Path, commit: ObjectId) -> Option<Judged> {
    let bytes = files::read_limited(&file(state, commit), MAX_BYTES).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Forgets the note about `commit`, and those that are too old to land.
///
/// # Errors
/// The note can't be removed.
pub fn forget(state: &Path, commit: ObjectId) -> Result<(), FileError> {
    let own = file(state, commit);
    remove(state, |path| path == own)
}

/// Forgets every note: what counts was chosen on the server.
///
/// # Errors
/// One can't be removed.
pub fn forget_all(state: &Path) -> Result<(), FileError> {
    remove(state, |_| true)
}

/// Removes those of `which`, and what is old.
fn remove(state: &Path, which: impl Fn(&Path) -> bool) -> Result<(), FileError> {
    let folder = folder(state);
    let wrong = |error| FileError::new(&folder, "read", error);
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(wrong)?,
    };
    for entry in entries {
        let entry = entry.map_err(wrong)?;
        let path = entry.path();
        let age = entry.metadata().ok().and_then(|about| about.modified().ok()?.elapsed().ok());
        if !which(&path) && age.is_none_or(|age| age < KEPT) {
            continue;
        }
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(FileError::new(&path, "remove", error));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A state folder in which a policy was applied.
    fn made() -> tempfile::TempDir {
        let state = tempfile::tempdir().unwrap();
        files::ensure_folder(&state.path().join("policy")).unwrap();
        state
    }

    fn id(digit: &str) -> ObjectId {
        ObjectId::from_hex(digit.repeat(40).as_bytes()).unwrap()
    }

    fn judged(user: &str) -> Judged {
        Judged { push: "20261122-abcdef".into(), user: user.into(), source: "ssh".into() }
    }

    #[test]
    fn a_note_is_kept_by_commit_until_it_is_forgotten() {
        let state = made();
        let state = state.path();
        assert_eq!(read(state, id("a")), None);
        forget(state, id("a")).unwrap();
        note(state, id("a"), &judged("alice")).unwrap();
        note(state, id("b"), &judged("bob")).unwrap();
        assert_eq!(read(state, id("a")), Some(judged("alice")));
        forget(state, id("a")).unwrap();
        assert_eq!((read(state, id("a")), read(state, id("b"))), (None, Some(judged("bob"))));
        forget_all(state).unwrap();
        assert_eq!(read(state, id("b")), None);
    }

    #[test]
    fn a_note_that_never_landed_is_forgotten_with_a_later_one() {
        let state = made();
        let state = state.path();
        note(state, id("a"), &judged("alice")).unwrap();
        let old = std::time::SystemTime::now() - KEPT - Duration::from_secs(60);
        std::fs::File::open(file(state, id("a"))).unwrap().set_modified(old).unwrap();
        note(state, id("b"), &judged("bob")).unwrap();
        forget(state, id("c")).unwrap();
        assert_eq!((read(state, id("a")), read(state, id("b"))), (None, Some(judged("bob"))));
    }

    #[test]
    fn a_damaged_note_is_none() {
        let state = made();
        note(state.path(), id("a"), &judged("alice")).unwrap();
        files::write_whole(&file(state.path(), id("a")), b"{}", 0o600).unwrap();
        assert_eq!(read(state.path(), id("a")), None);
    }
}
