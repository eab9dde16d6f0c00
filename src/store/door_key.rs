//! The key with which our doors seal what they tell the hooks.
//!
//! Knows its file and who may read it: the hosting account, as whom doors and hooks run. What is
//! sealed is `pusher::proof`'s matter.

use crate::os::files::{self, FileError};
use crate::os::random;
use crate::os::trust::{self, TrustError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The key's file in the state folder: 32 bytes.
pub const FILE_NAME: &str = "door.key";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Its file is not there or not to be trusted.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// It can't be read or made.
    #[error(transparent)]
    File(#[from] FileError),
    /// Others than the hosting account may read it.
    #[error("`{}` can be read by others: remove it and run `refwarden store init`", .0.display())]
    Readable(PathBuf),
    /// It does not hold 32 bytes.
    #[error("`{}` is damaged: remove it and run `refwarden store init`", .0.display())]
    Damaged(PathBuf),
}

impl KeyError {
    /// Whether it was never made.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Trust(TrustError::File(error)) if error.is_absent())
    }
}

/// Reads the key.
///
/// # Errors
/// [`KeyError`].
pub fn read(state: &Path, account_uid: u32) -> Result<[u8; 32], KeyError> {
    let path = state.join(FILE_NAME);
    let file = trust::open_file(&path, account_uid)?;
    let about = file.metadata().map_err(|error| FileError::new(&path, "read", error))?;
    if about.mode() & 0o077 != 0 {
        return Err(KeyError::Readable(path));
    }
    let bytes = files::read_opened(&file, &path, 64)?;
    bytes.try_into().map_err(|_| KeyError::Damaged(path))
}

/// Makes the key where there is none; one that is there stays.
///
/// # Errors
/// It can't be made.
pub fn make(state: &Path) -> Result<(), KeyError> {
    let path = state.join(FILE_NAME);
    if path.exists() {
        return Ok(());
    }
    let draft = state.join(format!(".{FILE_NAME}.{}", std::process::id()));
    files::write_whole(&draft, &random::bytes::<32>(), 0o600)?;
    let placed = files::place_new(&draft, &path);
    let _ = std::fs::remove_file(&draft);
    match placed {
        Err(error) if error.source.kind() != std::io::ErrorKind::AlreadyExists => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn uid(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().uid()
    }

    #[test]
    fn a_key_is_made_once_and_read_by_its_owner_alone() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        assert!(read(state, uid(state)).unwrap_err().is_absent());
        make(state).unwrap();
        let key = read(state, uid(state)).unwrap();
        make(state).unwrap();
        assert_eq!(read(state, uid(state)).unwrap(), key);
        let path = state.join(FILE_NAME);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(state, uid(state)), Err(KeyError::Readable(_))));
        assert_eq!(std::fs::read_dir(state).unwrap().count(), 1);
    }

    #[test]
    fn a_cut_key_seals_nothing() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join(FILE_NAME);
        for bytes in [&b""[..], &[0; 31], &[0; 33]] {
            files::write_whole(&path, bytes, 0o600).unwrap();
            let result = read(state.path(), uid(state.path()));
            assert!(matches!(result, Err(KeyError::Damaged(_))), "{}", bytes.len());
        }
    }
}
