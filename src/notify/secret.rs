//! The secret that a receiver knows a notice by.
//!
//! Knows its file and its two forms; it is never shown, not even by `Debug`.

use crate::os::files::{self, FileError};
use crate::os::trust::{self, TrustError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const MAX_BYTES: usize = 4096;
/// Shorter ones can be guessed; Standard Webhooks asks for 24.
const MIN_KEY: usize = 16;
const PREFIX: &str = "whsec_";

/// Why there is no secret to sign with.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Others could have written it, or it can't be opened.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// It can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its group or others can read it.
    #[error("`{}` (mode {mode:04o}) can be read by its group or by others: chmod 600 {}", path.display(), crate::text::shell_path(path))]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Too short, or `whsec_` without base64 after it.
    #[error("`{}` holds no secret: at least {MIN_KEY} bytes, or `whsec_` and base64 of as many", path.display())]
    Form {
        /// The file.
        path: PathBuf,
    },
}

/// A key to sign with.
pub struct Secret(Vec<u8>);

impl Secret {
    /// Reads what stands in a file: `whsec_` and base64, or the key's own bytes. White space at the
    /// end does not belong to it.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.trim_ascii_end();
        let key = match bytes.strip_prefix(PREFIX.as_bytes()) {
            Some(rest) => STANDARD.decode(rest).ok()?,
            None => bytes.to_vec(),
        };
        (key.len() >= MIN_KEY).then_some(Self(key))
    }

    /// The key's bytes.
    pub fn key(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
impl From<&[u8]> for Secret {
    fn from(key: &[u8]) -> Self {
        Self(key.to_vec())
    }
}

/// Reads a secret that nobody but root or the hosting account could have written, and nobody but its
/// owner can read.
///
/// # Errors
/// [`SecretError`]; none shows anything of what the file holds.
pub fn read(path: &str, account_uid: u32) -> Result<Secret, SecretError> {
    let path = Path::new(path);
    let file = trust::open_file(path, account_uid)?;
    let about = file.metadata().map_err(|error| FileError::new(path, "read", error))?;
    let mode = about.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SecretError::Readable { path: path.to_owned(), mode });
    }
    let bytes = files::read_opened(&file, path, MAX_BYTES)?;
    Secret::parse(&bytes).ok_or_else(|| SecretError::Form { path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn read_with(content: &str, mode: u32) -> Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let uid = rustix::process::geteuid().as_raw();
        let secret = read(path.to_str().unwrap(), uid);
        secret.map(|secret| secret.key().to_vec()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_secret_is_base64_or_its_own_bytes() {
        let key = b"0123456789abcdef".to_vec();
        assert_eq!(read_with("whsec_MDEyMzQ1Njc4OWFiY2RlZg==\n", 0o600), Ok(key.clone()));
        assert_eq!(read_with("0123456789abcdef\r\n", 0o400), Ok(key));
    }

    #[test]
    fn a_secret_that_others_can_read_or_write_is_refused() {
        for mode in [0o640, 0o604, 0o644, 0o610, 0o660, 0o606] {
            let words = read_with("0123456789abcdef", mode).unwrap_err();
            assert!(words.contains("can be"), "{words}");
        }
    }

    #[test]
    fn a_bad_secret_is_refused_and_not_shown() {
        for bad in ["", "\n", "too-short", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64 at all!!"]
        {
            let words = read_with(bad, 0o600).unwrap_err();
            assert!(words.contains("holds no secret"), "{words}");
            assert!(bad.trim().len() < 9 || !words.contains(bad), "{words}");
        }
        let long = "0123456789abcdef".repeat(1000);
        assert!(!read_with(&long, 0o600).unwrap_err().contains("0123456789"));
    }
}
