//! Which store a site has, and opening it.

use super::access::{AccessStore, StoreError};
use super::etcd::Etcd;
use super::sqlite::{FILE_NAME, Sqlite};
use crate::os::trust::Inspected;
use crate::policy::model::Settings;
use std::path::Path;
use std::time::Duration;

/// How long one call of a shared store may take.
const DEADLINE: Duration = Duration::from_secs(3);

/// What for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// To ask.
    Read,
    /// To change.
    Write,
}

/// Opens the store that the settings name; `None` where this host's own was never made. Whether one
/// has to be there is said by the trail, whose lines carry the store's version.
///
/// # Errors
/// [`StoreError`]: it is there and can't be used, or the shared one was never made.
pub fn open(
    settings: &Settings,
    state: &Path,
    account_uid: u32,
    mode: Mode,
) -> Result<Option<Box<dyn AccessStore>>, StoreError> {
    chosen(settings, account_uid, || {
        let path = state.join(FILE_NAME);
        match mode {
            Mode::Read => Sqlite::open_read(&path, account_uid),
            Mode::Write => Sqlite::open_write(&path, account_uid).map(Sqlite::keeping_a_short_log),
        }
    })
}

/// The same to ask, and perhaps to change afterwards: [`AccessStore::ready_to_change`] comes before.
/// Whoever has just looked at this host's file hands on what they saw.
///
/// # Errors
/// As [`open`].
pub fn open_to_ask(
    settings: &Settings,
    state: &Path,
    account_uid: u32,
    looked: Option<Inspected>,
) -> Result<Option<Box<dyn AccessStore>>, StoreError> {
    chosen(settings, account_uid, || {
        Sqlite::open_to_ask(&state.join(FILE_NAME), account_uid, looked)
    })
}

fn chosen(
    settings: &Settings,
    account_uid: u32,
    own: impl FnOnce() -> Result<Sqlite, StoreError>,
) -> Result<Option<Box<dyn AccessStore>>, StoreError> {
    if let Some(shared) = &settings.shared_store {
        return Ok(Some(Box::new(Etcd::open(shared, account_uid, DEADLINE)?)));
    }
    match own() {
        Ok(store) => Ok(Some(Box::new(store))),
        Err(StoreError::Absent { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes the store that the settings name, for `refwarden store init` alone; `false` where there is
/// one already.
///
/// # Errors
/// [`StoreError`]; what is there stays as it is.
pub fn create(settings: &Settings, state: &Path, account_uid: u32) -> Result<bool, StoreError> {
    match &settings.shared_store {
        Some(shared) => {
            // Tokens are of this host, wherever records are.
            Sqlite::create(&state.join(FILE_NAME), account_uid)?;
            Etcd::open(shared, account_uid, DEADLINE)?.create()
        }
        None => Sqlite::create(&state.join(FILE_NAME), account_uid),
    }
}
