//! Making and opening the file.
//!
//! The file is never opened but by SQLite: closing any other descriptor of it would drop the locks
//! that SQLite holds in this process (fcntl(2), "advisory record locking").

use super::super::access::StoreError;
use super::{Log, Sqlite, fault, schema};
use crate::os::files::{self, FileError};
use crate::os::trust::{self, Inspected, TrustError};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait for other processes.
pub(super) const WAIT: Duration = Duration::from_secs(5);

/// Up to this length, in bytes, a log may stay: some sixty pages, which are read in a quarter of a
/// millisecond.
const SHORT_LOG: u64 = 256 * 1024;

/// What SQLite keeps beside the file.
pub(super) const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

impl Sqlite {
    /// Opens the store to read it, as hooks do for every push: nothing is asked that need not be.
    ///
    /// # Errors
    /// [`StoreError`]; an older schema too, which only [`Sqlite::open_write`] brings up to date.
    pub fn open_read(path: &Path, account_uid: u32) -> Result<Self, StoreError> {
        Self::of_this_schema(trusted(path, account_uid)?, OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    /// As [`Sqlite::open_read`], for somebody who may change it afterwards: to open it a second time
    /// would take as long as all else that such a push does. Changes stay in the log: whoever opens
    /// the store to change it afterwards takes them into the file. The file may have been looked at
    /// a moment ago.
    ///
    /// # Errors
    /// As [`Sqlite::open_read`].
    pub fn open_to_ask(
        path: &Path,
        account_uid: u32,
        looked: Option<Inspected>,
    ) -> Result<Self, StoreError> {
        let found = looked.map_or_else(|| trusted(path, account_uid), Ok)?;
        Self::of_this_schema(found, OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    fn of_this_schema(found: Inspected, mode: OpenFlags) -> Result<Self, StoreError> {
        let store = Self::opened(found, mode)?;
        match store.version()? {
            found if found < schema::known() => Err(fault::unavailable(
                &store.path,
                format!("its schema {found} is old: run `refwarden store init`"),
            )),
            _ => Ok(store),
        }
    }

    /// Opens the store to change it; a schema of an older version becomes the present one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_write(path: &Path, account_uid: u32) -> Result<Self, StoreError> {
        let found = trusted(path, account_uid)?;
        let mut store = Self::opened(found, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        store.not_read_only()?;
        if store.version()? < schema::known() {
            store.named_on_disk()?;
            let migrated = schema::migrate(&store.connection, schema::SCRIPTS);
            migrated.map_err(|error| store.wrong(error))?;
        }
        store.ready()?;
        store.log = Log::TakenIn;
        Ok(store)
    }

    /// Makes it ready for changes.
    pub(super) fn ready(&self) -> Result<(), StoreError> {
        self.not_read_only()?;
        prepare_to_write(&self.connection).map_err(|error| self.wrong(error))
    }

    fn not_read_only(&self) -> Result<(), StoreError> {
        // SQLite reads then, and what it makes beside the file is read-only as well.
        if self.connection.is_readonly("main").map_err(|error| self.wrong(error))? {
            return Err(fault::unavailable(&self.path, "the file is read-only"));
        }
        Ok(())
    }

    /// Whoever opens the file next finds a log then, and needs no new one, which is twice a wait for
    /// the disk. What is left in it is no more than a reader goes through in a moment.
    #[must_use]
    pub fn keeping_a_short_log(mut self) -> Self {
        self.log = Log::TakenInWhenLong;
        self
    }

    /// Makes an empty store, unless there is one: only `refwarden store init` does. Says whether it
    /// was made.
    ///
    /// # Errors
    /// [`StoreError`]; whatever is there stays as it is.
    pub fn create(path: &Path, account_uid: u32) -> Result<bool, StoreError> {
        match Self::open_write(path, account_uid) {
            Err(StoreError::Absent { .. }) => {}
            other => return other.map(|_| false),
        }
        let draft = draft_beside(path);
        let made = fill(&draft).and_then(|()| place(&draft, path));
        remove_all(&draft);
        match made {
            // Another process was first.
            Err(StoreError::Taken) => Self::open_write(path, account_uid).map(|_| false),
            other => other.map(|()| true),
        }
    }

    fn opened(found: Inspected, mode: OpenFlags) -> Result<Self, StoreError> {
        let Inspected { path, file, .. } = found;
        let file = (file.st_dev, file.st_ino);
        let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection =
            Connection::open_with_flags(&path, flags).map_err(|error| fault::of(&path, error))?;
        let store = Self { connection, path, file, log: Log::Stays };
        prepare(&store.connection).map_err(|error| store.wrong(error))?;
        Ok(store)
    }

    /// The schema's version, if the file is ours.
    fn version(&self) -> Result<u32, StoreError> {
        let (application, found) =
            schema::found(&self.connection).map_err(|error| self.wrong(error))?;
        let known = schema::known();
        match found {
            _ if application != schema::APPLICATION => {
                Err(self.damaged("it is not a store of refwarden"))
            }
            0 => Err(self.damaged("it has no schema")),
            found if found > known => Err(StoreError::Newer { found, known }),
            found => Ok(found),
        }
    }

    /// Has the log's name on the disk before anything is in it: SQLite is built to leave that to us
    /// (`SQLITE_DISABLE_DIRSYNC`), since it would wait for the folder at every first change, and
    /// only that of a new log needs it.
    pub(super) fn named_on_disk(&self) -> Result<(), StoreError> {
        let log = with_end(&self.path, "-wal");
        if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
            return Ok(());
        }
        files::sync_folder_of(&self.path).map_err(|error| from_file(&self.path, &error))
    }

    /// Whether the opened file is still the one that the path names: a store that was restored
    /// meanwhile takes no change through the old file, where it would be lost.
    pub(super) fn is_in_place(&self) -> bool {
        files::identity(&self.path).is_ok_and(|there| there == self.file)
    }
}

impl Drop for Sqlite {
    /// Has the log taken into the file, so that no reader has to go through a long one.
    fn drop(&mut self) {
        let taken_in = match self.log {
            Log::Stays => false,
            Log::TakenIn => true,
            Log::TakenInWhenLong => std::fs::metadata(with_end(&self.path, "-wal"))
                .map_or(true, |log| log.len() > SHORT_LOG),
        };
        if taken_in {
            let off = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            let _ = self.connection.set_db_config(off, false);
        }
    }
}

/// What every connection is told. Schema and pages are not believed blindly.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(WAIT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
    // Closing a damaged file would write its log into it: see `Drop`.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("PRAGMA cell_size_check = ON")
}

/// What a connection that changes something is told besides.
fn prepare_to_write(connection: &Connection) -> rusqlite::Result<()> {
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode != "wal" {
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    }
    connection.execute_batch("PRAGMA synchronous = FULL")
}

/// The file and what SQLite keeps beside it, once all of it is trusted.
pub(super) fn trusted(path: &Path, account_uid: u32) -> Result<Inspected, StoreError> {
    match trust::inspect_file(path, &BESIDE, account_uid) {
        Err(TrustError::File(error)) if error.is_absent() => {
            Err(StoreError::Absent { at: path.display().to_string() })
        }
        other => Ok(other?),
    }
}

/// `path` with `end` after its last name.
pub(super) fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    PathBuf::from(name)
}

/// A name beside `path` that no other process uses.
pub(super) fn draft_beside(path: &Path) -> PathBuf {
    let unique = format!(".{}-{}.new", std::process::id(), crate::os::clock::now().boot.as_nanos());
    with_end(path, &unique)
}

/// An empty store at `draft`.
fn fill(draft: &Path) -> Result<(), StoreError> {
    files::create_new(draft, 0o600).map_err(|error| from_file(draft, &error))?;
    let make = || -> rusqlite::Result<()> {
        let connection = Connection::open_with_flags(draft, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        prepare(&connection)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        schema::migrate(&connection, schema::SCRIPTS)?;
        prepare_to_write(&connection)
    };
    make().map_err(|error| fault::of(draft, error))
}

/// Gives a whole store its name: nobody ever sees half of one.
pub(super) fn place(draft: &Path, path: &Path) -> Result<(), StoreError> {
    for end in BESIDE {
        // Left over from a file that is gone; SQLite would take it for this one's.
        let stale = with_end(path, end);
        if stale.symlink_metadata().is_ok() && path.symlink_metadata().is_err() {
            let words = format!("`{}` is left over from another file", stale.display());
            return Err(fault::unavailable(path, words + ": move it away first"));
        }
    }
    match files::place_new(draft, path) {
        Err(error) if error.source.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(StoreError::Taken)
        }
        other => other.map_err(|error| from_file(path, &error)),
    }
}

/// Takes a draft away; what SQLite left beside it too.
pub(super) fn remove_all(draft: &Path) {
    for path in BESIDE.map(|end| with_end(draft, end)).iter().map(PathBuf::as_path).chain([draft]) {
        let _ = std::fs::remove_file(path);
    }
}

pub(super) fn from_file(at: &Path, error: &FileError) -> StoreError {
    fault::unavailable(at, error.to_string())
}
