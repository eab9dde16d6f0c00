//! What killed processes left in the state folder: drafts of files, and private homes of gpg; and
//! briefs of tokens that nobody uses any more.
//!
//! Knows where they lie, and that after a while nobody is at work on them any more; not what they
//! were for.

use crate::os::clock::Now;
use crate::os::files::{self, FileError};
use crate::os::gpg;
use crate::store::sqlite::token_brief;
use chrono::DateTime;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// How long something must have lain there, in seconds: far longer than anybody writes one file, or
/// waits for gpg. Who is that slow all the same fails, and is refused.
const AGE: i64 = 3600;
/// Where files are written whole, below the state folder.
const FOLDERS: [&str; 7] =
    ["", "slips", "promises", "landings", "policy", "policy/history", "policy/judged"];

/// Removes them, and says how many there were.
///
/// # Errors
/// A folder can't be read, or something in it not removed.
pub fn remove(state: &Path, now: Now) -> Result<usize, FileError> {
    let mut removed = 0;
    for name in FOLDERS {
        let folder = state.join(name);
        let wrong = |error| FileError::new(&folder, "read", error);
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            other => other.map_err(wrong)?,
        };
        for entry in entries {
            removed += usize::from(remove_one(&entry.map_err(wrong)?, now)?);
        }
    }
    Ok(removed)
}

fn remove_one(entry: &std::fs::DirEntry, now: Now) -> Result<bool, FileError> {
    let (name, path) = (entry.file_name(), entry.path());
    let (mut draft, home) = (files::is_draft(&name), gpg::is_home(&name));
    // Whoever made it may have removed it meanwhile.
    let Ok(about) = entry.metadata() else { return Ok(false) };
    let written = DateTime::from_timestamp(about.mtime(), 0).unwrap_or(now.wall);
    draft |= token_brief::is_stale(name.as_bytes(), written, now.wall);
    if !draft && !home {
        return Ok(false);
    }
    if now.wall.timestamp().saturating_sub(about.mtime()) < AGE {
        return Ok(false);
    }
    let done = match (draft && about.is_file(), home && about.is_dir()) {
        (true, _) => std::fs::remove_file(&path),
        (_, true) => std::fs::remove_dir_all(&path),
        _ => return Ok(false),
    };
    match done {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(FileError::new(&path, "remove", error))
        }
        _ => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::clock;

    fn after(seconds: i64) -> Now {
        let now = clock::now();
        Now { wall: now.wall + chrono::TimeDelta::seconds(seconds), ..now }
    }

    /// A state folder with what a killed hook, a killed `policy apply` and a killed question to gpg
    /// leave behind, and with files that stay.
    fn littered() -> tempfile::TempDir {
        let state = tempfile::tempdir().unwrap();
        for folder in ["slips", "policy/history", "gpg-12-0/private"] {
            std::fs::create_dir_all(state.path().join(folder)).unwrap();
        }
        for name in [
            "slips/.2-1-aa.24999-12775874538017-0.new",
            "slips/.damaged-2-1-bb",
            "slips/2-1-cc",
            "policy/.current.1-2-3.new",
            "gpg-12-0/keys",
            ".epoch.1-2-3.new",
            "epoch",
        ] {
            std::fs::write(state.path().join(name), "x").unwrap();
        }
        state
    }

    #[test]
    fn what_killed_processes_left_goes_after_an_hour_and_nothing_else() {
        let state = littered();
        assert_eq!(remove(state.path(), after(AGE - 60)).unwrap(), 0, "somebody may be at work");
        assert_eq!(remove(state.path(), after(AGE + 60)).unwrap(), 4);
        let there = |name: &str| state.path().join(name).exists();
        assert!(there("slips/.damaged-2-1-bb") && there("slips/2-1-cc") && there("epoch"));
        assert!(!there("gpg-12-0") && !there("policy/.current.1-2-3.new"));
        assert_eq!(remove(state.path(), after(AGE + 60)).unwrap(), 0);
    }

    #[test]
    fn a_link_in_place_of_a_leftover_leads_nowhere() {
        let (state, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(other.path().join("precious"), "x").unwrap();
        std::os::unix::fs::symlink(other.path(), state.path().join("gpg-1-0")).unwrap();
        assert_eq!(remove(state.path(), after(2 * AGE)).unwrap(), 0);
        assert!(other.path().join("precious").exists());
    }
}
