//! Backup and restore: whole copies, made and put in place without stopping anybody.

use super::super::access::StoreError;
use super::open::{BESIDE, WAIT, draft_beside, from_file, place, remove_all, trusted, with_end};
use super::{Sqlite, fault, read};
use crate::os::clock;
use crate::os::files;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The restored store's version; the trail may know a later one.
    pub version: u64,
    /// Where the store that was there is kept.
    pub kept: Option<PathBuf>,
}

/// Copies the store as it is at one moment to a new file, mode 0600; writers go on meanwhile.
pub(super) fn backup(store: &Sqlite, to: &Path) -> Result<(), StoreError> {
    let at = std::path::absolute(to).map_err(|error| fault::unavailable(to, error.to_string()))?;
    let text = at.to_str().ok_or_else(|| fault::unavailable(to, "its name is not UTF-8"))?;
    files::create_new(&at, 0o600).map_err(|error| from_file(to, &error))?;
    let copied = store.connection.execute("VACUUM INTO ?1", [text]);
    let whole = copied
        .map_err(|error| fault::of(&at, error))
        .and_then(|_| files::sync_file(&at).map_err(|error| from_file(&at, &error)));
    if whole.is_err() {
        remove_all(&at);
    }
    whole
}

/// Puts a backup in the store's place; the store that was there is kept beside it.
///
/// The backup is copied and checked first. A store that can be opened is locked while it is moved,
/// so that no change goes to the file that is kept; one that is damaged is moved as it is. The
/// trail may know a later version than the backup's: then every push is refused (RW504) until
/// somebody accepts it.
///
/// # Errors
/// [`StoreError`]: the store is as it was, or, where that was damaged, moved aside as a whole.
pub fn restore(backup: &Path, path: &Path, account_uid: u32) -> Result<Restored, StoreError> {
    let draft = draft_beside(path);
    let result = copied(backup, &draft, account_uid).and_then(|version| {
        let kept = set_aside(path, account_uid)?;
        place(&draft, path)?;
        Ok(Restored { version, kept })
    });
    remove_all(&draft);
    result
}

/// A checked copy of `backup` at `draft`, and its version.
fn copied(backup: &Path, draft: &Path, account_uid: u32) -> Result<u64, StoreError> {
    let (from, _) = trusted(backup, account_uid)?;
    if with_end(&from, "-wal").symlink_metadata().is_ok() {
        return Err(fault::unavailable(backup, "it is in use, not a backup"));
    }
    files::copy_new(&from, draft, 0o600).map_err(|error| from_file(backup, &error))?;
    let copy = Sqlite::open_write(draft, account_uid).map_err(|error| renamed(error, backup))?;
    copy.check().map_err(|error| renamed(error, backup))?;
    Ok(read::status(&copy)?.version)
}

/// The same error about the file that the admin named.
fn renamed(error: StoreError, backup: &Path) -> StoreError {
    let name = backup.display().to_string();
    match error {
        StoreError::Damaged { reason, .. } => StoreError::Damaged { at: name, reason },
        StoreError::Unavailable { reason, .. } => StoreError::Unavailable { at: name, reason },
        other => other,
    }
}

/// Moves the store that is there to a name of its own, with all that belongs to it.
fn set_aside(path: &Path, account_uid: u32) -> Result<Option<PathBuf>, StoreError> {
    let kept = kept_name(path);
    let _held = match closed_to_others(path, account_uid) {
        Ok(held) => Some(held),
        Err(StoreError::Absent { .. }) => None,
        // Nobody can use it, so nobody has to be kept out.
        Err(StoreError::Damaged { .. } | StoreError::Newer { .. }) => None,
        Err(error) => return Err(error),
    };
    let mut moved = None;
    // The store first: a log without its store is refused, a store without its log is not.
    for end in [""].iter().chain(&BESIDE) {
        let (from, to) = (with_end(path, end), with_end(&kept, end));
        match std::fs::rename(&from, &to) {
            Ok(()) => moved = Some(kept.clone()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(fault::unavailable(&from, error.to_string())),
        }
    }
    Ok(moved)
}

fn kept_name(path: &Path) -> PathBuf {
    let time = clock::now().wall.format("%Y%m%dT%H%M%SZ");
    let base = with_end(path, &format!(".before-restore-{time}"));
    let numbered = (2_u32..).map(|number| with_end(&base, &format!("-{number}")));
    let mut names = [base.clone()].into_iter().chain(numbered);
    names.find(|name| name.symlink_metadata().is_err()).unwrap_or(base)
}

/// The store as one file that nobody else can read or change for as long as this lives.
fn closed_to_others(path: &Path, account_uid: u32) -> Result<Sqlite, StoreError> {
    let store = Sqlite::open_write(path, account_uid)?;
    let deadline = clock::now().boot + WAIT;
    loop {
        // Takes the log into the file, and succeeds only where nobody else has it open.
        let alone =
            store.connection.pragma_update_and_check(None, "journal_mode", "delete", |row| {
                Ok(row.get::<_, String>(0)? == "delete")
            });
        let locked = match alone {
            Ok(true) => store.connection.execute_batch("BEGIN EXCLUSIVE").map(|()| true),
            other => other,
        };
        match locked.map_err(|error| store.wrong(error)) {
            Ok(true) => return Ok(store),
            Ok(false) | Err(StoreError::Unavailable { .. }) => {}
            Err(error) => return Err(error),
        }
        if clock::now().boot > deadline {
            return Err(fault::unavailable(path, "other processes keep using it: try again"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Sqlite {
    /// Reads the whole file and looks whether it is sound: pages, indexes, references, and every
    /// record's events. Takes as long as the store is large; for `restore` and `doctor`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with the first thing that is wrong.
    pub fn check(&self) -> Result<(), StoreError> {
        let said: String = self
            .connection
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .map_err(|error| self.wrong(error))?;
        if said != "ok" {
            return Err(self.damaged(said));
        }
        let mut last = String::new();
        loop {
            let some = "r.id IN (SELECT id FROM records WHERE id > ?1 ORDER BY id LIMIT 1000) \
                        ORDER BY r.id, e.seq";
            let records = read::whole(self, some, [&last])?;
            let Some(end) = records.last() else { return self.check_tokens() };
            end.id.as_str().clone_into(&mut last);
            for record in records {
                let wrong = |error| self.damaged(format!("`{}`: {error}", record.id));
                record.state().map_err(wrong)?;
            }
        }
    }
}
