//! What checks have been, in a file beside the applied policy.
//!
//! Knows the file; `policy::past` knows what it means. It only ever grows, whatever policy is rolled
//! back to.

use crate::os::files::{self, FileError};
use crate::policy::past::Past;
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};

/// What the file begins with.
const MAGIC: &[u8; 8] = b"rwpast 1";
/// Longest file, in bytes.
const MAX_BYTES: usize = 64 << 20;
const SUM: usize = 32;

fn path(state: &Path) -> PathBuf {
    state.join("policy/past")
}

/// What is known; nothing where no policy with checks has counted yet.
///
/// # Errors
/// It can't be read, or is damaged: nothing then tells what a check has seen.
pub fn read(state: &Path) -> Result<Past, FileError> {
    let path = path(state);
    let bytes = match files::read_limited(&path, MAX_BYTES) {
        Err(error) if error.is_absent() => return Ok(Past::default()),
        other => other?,
    };
    let damaged = || FileError::new(&path, "understand", io::ErrorKind::InvalidData);
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?;
    let (sum, body) = rest.split_at_checked(SUM).ok_or_else(damaged)?;
    if *sum != *Sha256::digest(body) {
        return Err(damaged());
    }
    postcard::from_bytes(body).map_err(|_| damaged())
}

/// Writes it whole.
///
/// # Errors
/// It can't be written; what was known stays.
pub fn write(state: &Path, past: &Past) -> Result<(), FileError> {
    let path = path(state);
    files::ensure_folder(&state.join("policy"))?;
    let body = postcard::to_stdvec(past)
        .map_err(|error| FileError::new(&path, "write", io::Error::other(error)))?;
    let bytes = [MAGIC.as_slice(), &Sha256::digest(&body), &body].concat();
    files::write_whole(&path, &bytes, 0o600)
}
