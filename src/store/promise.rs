//! What a push that rests on grants was promised, where no receive-pack is above the hooks and so
//! no slip can be laid: a note by the push's key, until post-receive or the sweep has settled it.
//!
//! Knows the file; not what becomes of the grants. A note that is lost makes settling slower and
//! never more generous: without it a use counts as spent.

use super::slip::SlipRef;
use crate::access::Id;
use crate::os::files::{self, FileError};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Most refs that a note holds; a push of more is noted without them.
const MAX_REFS: usize = 10_000;
/// Longest note, in bytes.
const MAX_BYTES: usize = 64 << 20;
/// What the key of a push without receive-pack begins with.
const KEY: &str = "d:";

/// A promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// The push's id in the trail.
    pub push: String,
    /// When pre-receive said yes.
    pub at: DateTime<Utc>,
    /// The git directory.
    pub folder: Vec<u8>,
    /// The grants that the push rests on.
    pub grants: Vec<Id>,
    /// Its refs; empty where there were too many.
    pub refs: Vec<SlipRef>,
}

fn folder(state: &Path) -> PathBuf {
    state.join("promises")
}

/// The file's name for a key; `None` for the key of a push that has a receive-pack, and for what is
/// no key.
fn file(key: &str) -> Option<&str> {
    let name = key.strip_prefix(KEY)?;
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then_some(name)
}

/// Keeps a promise under `key`, in place of an earlier one.
///
/// # Errors
/// The file can't be written.
pub fn keep(state: &Path, key: &str, promise: &Promise) -> Result<(), FileError> {
    let Some(name) = file(key) else { return Ok(()) };
    let bytes = match promise.refs.len() {
        0..=MAX_REFS => serde_json::to_vec(promise),
        _ => serde_json::to_vec(&Promise { refs: Vec::new(), ..promise.clone() }),
    };
    let folder = folder(state);
    let wrong = |error| FileError::new(&folder.join(name), "write", error);
    files::lay(&folder, name, &bytes.map_err(wrong)?)
}

/// The promise under `key`; `None` where there is none, or none that can be understood.
#[must_use]
pub fn read(state: &Path, key: &str) -> Option<Promise> {
    let bytes = files::read_limited(&folder(state).join(file(key)?), MAX_BYTES).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Forgets the promise under `key`; whether there was one does not matter.
pub fn forget(state: &Path, key: &str) {
    if let Some(name) = file(key) {
        let _ = std::fs::remove_file(folder(state).join(name));
    }
}

/// The keys of all promises.
///
/// # Errors
/// The folder can't be read.
pub fn keys(state: &Path) -> Result<Vec<String>, FileError> {
    let mut keys = Vec::new();
    for name in files::names(&folder(state))? {
        let key = name?.to_str().map(|name| format!("{KEY}{name}"));
        keys.extend(key.filter(|key| file(key).is_some()));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gix::ObjectId;

    fn promise() -> Promise {
        let id = |digit: u8| ObjectId::from_hex(&[digit; 40]).unwrap();
        let one = SlipRef { name: b"refs/heads/\xff".to_vec(), old: id(b'0'), new: id(b'a') };
        Promise {
            push: "20261122-abcdef".into(),
            at: DateTime::UNIX_EPOCH,
            folder: b"/srv/git/\xff.git".to_vec(),
            grants: vec![Id::of([7; 5])],
            refs: vec![one],
        }
    }

    #[test]
    fn a_promise_is_kept_found_and_forgotten() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(keys(state.path()).unwrap(), Vec::<String>::new());
        keep(state.path(), "d:0a1b", &promise()).unwrap();
        assert_eq!(read(state.path(), "d:0a1b"), Some(promise()));
        assert_eq!(keys(state.path()).unwrap(), ["d:0a1b"]);
        forget(state.path(), "d:0a1b");
        assert_eq!((read(state.path(), "d:0a1b"), keys(state.path()).unwrap()), (None, vec![]));
    }

    #[test]
    fn a_key_from_the_store_names_no_file_elsewhere() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("epoch"), "x").unwrap();
        for key in ["d:../epoch", "d:", "d:a/b", "r:1:2:3:4:push", "../epoch"] {
            keep(state.path(), key, &promise()).unwrap();
            forget(state.path(), key);
            assert_eq!(read(state.path(), key), None, "{key}");
        }
        assert!(state.path().join("epoch").exists());
    }

    #[test]
    fn a_damaged_note_says_nothing() {
        let state = tempfile::tempdir().unwrap();
        keep(state.path(), "d:aa", &promise()).unwrap();
        std::fs::write(folder(state.path()).join("aa"), "{\"push\":1").unwrap();
        assert_eq!(read(state.path(), "d:aa"), None);
    }
}
