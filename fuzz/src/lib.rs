//! What several targets share: the second, naive forms that results are held against.

use std::path::PathBuf;

/// Whether `text` can steer no terminal: printable ASCII, and line ends where `lines` says so.
pub fn is_plain(text: &str, lines: bool) -> bool {
    text.bytes().all(|b| (0x20..0x7f).contains(&b) || lines && b == b'\n')
}

/// A folder for the files of one process, in memory where the host has such a place.
pub fn folder() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    let base = if memory.is_dir() { memory } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("refwarden-fuzz").tempdir_in(base).unwrap()
}

/// Splits at a byte that stands for "next part"; the last part may be empty.
pub fn parts(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|b| *b == b'\n')
}
