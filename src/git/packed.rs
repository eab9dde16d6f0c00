//! The file `packed-refs`: values by binary search, names by one pass.
//!
//! Knows the file's lines (git-pack-refs(1)); that loose refs come first is `refs`' matter. `gix`
//! maps the file and sorts one that is not; the names are looked up here, byte for byte, because
//! its own look-up also tries `refs/tags/NAME` and the like.

use super::GitError;
use super::error::detail_of;
use super::refs::MeetValue;
use crate::push::RefName;
use gix::ObjectId;
use gix::bstr::ByteSlice;
use gix::hash::Kind;
use gix::refs::packed::Buffer;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Size in bytes from which the file is mapped instead of read.
const MAP_FROM: u64 = 32 * 1024;

/// One state of the file.
pub(super) struct Packed {
    buffer: Option<Buffer>,
    identity: Option<Identity>,
    format: Kind,
}

/// Tells one state of the file from another: git replaces it, and never writes into it.
type Identity = (u64, u64, u64, i64, i64);

impl Packed {
    /// Opens the file; that there is none is fine.
    pub(super) fn open(file: &Path, format: Kind) -> Result<Self, GitError> {
        let identity = identity(file)?;
        if identity.is_none() {
            return Ok(Self { buffer: None, identity, format });
        }
        let buffer = Buffer::open(file.to_owned(), MAP_FROM, format).map_err(|error| {
            GitError::io("read", file)(std::io::Error::other(detail_of(error).to_string()))
        })?;
        Ok(Self { buffer: Some(buffer), identity, format })
    }

    /// Whether `file` is still the one that was opened.
    pub(super) fn is_current(&self, file: &Path) -> Result<bool, GitError> {
        Ok(identity(file)? == self.identity)
    }

    /// The value of `name`.
    pub(super) fn find(&self, name: &RefName) -> Result<Option<ObjectId>, GitError> {
        let Some(buffer) = &self.buffer else { return Ok(None) };
        let text: &[u8] = buffer.as_ref();
        let (mut low, mut high) = (0, text.len());
        while low < high {
            let start = record_start(text, low, low + (high - low) / 2);
            let (line, end) = line_at(text, start);
            let (hex, found) = self.parts(line).map_err(|words| GitError::broken(name, words))?;
            match found.cmp(name.as_bytes()) {
                std::cmp::Ordering::Less => low = skip_peeled(text, end),
                std::cmp::Ordering::Greater => high = start,
                std::cmp::Ordering::Equal => {
                    return id(hex).map(Some).map_err(|words| GitError::broken(name, words));
                }
            }
        }
        Ok(None)
    }

    /// Shows all names, in order.
    pub(super) fn each_name(&self, meet: &mut dyn FnMut(&[u8])) -> Result<(), GitError> {
        let text: &[u8] = self.buffer.as_ref().map_or(&[], |buffer| buffer.as_ref());
        for line in text.lines().filter(|line| !line.starts_with(b"^")) {
            let broken = |words| GitError::broken(&RefName::new("packed-refs"), words);
            meet(self.parts(line).map_err(broken)?.1);
        }
        Ok(())
    }

    /// Shows all names with their values, and what tags stand for, in order.
    pub(super) fn each_value(&self, meet: MeetValue<'_>) -> Result<(), GitError> {
        let text: &[u8] = self.buffer.as_ref().map_or(&[], |buffer| buffer.as_ref());
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if line.starts_with(b"^") {
                continue;
            }
            let broken = |words| GitError::broken(&RefName::new("packed-refs"), words);
            let (hex, name) = self.parts(line).map_err(broken)?;
            let peeled = lines.next_if(|line| line.starts_with(b"^"));
            let peeled = peeled.and_then(|line| id(line.strip_prefix(b"^")?).ok());
            meet(name, id(hex).map_err(broken)?, peeled)?;
        }
        Ok(())
    }

    fn parts<'a>(&self, line: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), &'static str> {
        let malformed = "a line of packed-refs is malformed";
        let (hex, rest) = line.split_at_checked(self.format.len_in_hex()).ok_or(malformed)?;
        Ok((hex, rest.strip_prefix(b" ").ok_or(malformed)?))
    }
}

fn identity(file: &Path) -> Result<Option<Identity>, GitError> {
    match std::fs::metadata(file) {
        Ok(m) => Ok(Some((m.dev(), m.ino(), m.size(), m.mtime(), m.mtime_nsec()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(GitError::io("look at", file)(error)),
    }
}

/// The value that stands there; an all-zero one is none.
fn id(hex: &[u8]) -> Result<ObjectId, &'static str> {
    let id = ObjectId::from_hex(hex).ok().filter(|id| !id.is_null());
    id.ok_or("its value is no object id")
}

/// The start of the record, at or after `low`, that byte `at` is part of.
fn record_start(text: &[u8], low: usize, at: usize) -> usize {
    let mut end = at;
    loop {
        let before = text.get(low..end).unwrap_or_default();
        let start = before.rfind_byte(b'\n').map_or(low, |newline| low + newline + 1);
        if start == low || text.get(start) != Some(&b'^') {
            return start;
        }
        end = start - 1;
    }
}

/// The line that starts at `start`, and where the next one does.
fn line_at(text: &[u8], start: usize) -> (&[u8], usize) {
    let rest = text.get(start..).unwrap_or_default();
    match rest.find_byte(b'\n') {
        Some(length) => (rest.get(..length).unwrap_or_default(), start + length + 1),
        None => (rest, text.len()),
    }
}

/// Past the `^` line that may follow a record.
fn skip_peeled(text: &[u8], at: usize) -> usize {
    if text.get(at) == Some(&b'^') { line_at(text, at).1 } else { at }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests write the file")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packed(text: &str) -> (tempfile::TempDir, Packed) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("packed-refs");
        std::fs::write(&file, text).unwrap();
        let packed = Packed::open(&file, Kind::Sha1).unwrap();
        (folder, packed)
    }

    const HEADER: &str = "# pack-refs with: peeled fully-peeled sorted \n";

    #[test]
    fn a_damaged_line_is_an_error_and_not_a_missing_ref() {
        let (_folder, packed) = packed(&format!("{HEADER}1234 refs/heads/main\n"));
        assert!(packed.find(&RefName::new("refs/heads/main")).is_err());
        assert!(packed.each_name(&mut |_| {}).is_err());
    }

    #[test]
    fn a_short_name_does_not_find_a_longer_ref() {
        let text = format!("{HEADER}{} refs/tags/refs/heads/main\n", "1".repeat(40));
        let (_folder, packed) = packed(&text);
        assert_eq!(packed.find(&RefName::new("refs/heads/main")).unwrap(), None);
    }

    #[test]
    fn a_replaced_file_is_noticed() {
        let (folder, packed) = packed(HEADER);
        let file = folder.path().join("packed-refs");
        assert!(packed.is_current(&file).unwrap());
        std::fs::write(folder.path().join("new"), HEADER).unwrap();
        std::fs::rename(folder.path().join("new"), &file).unwrap();
        assert!(!packed.is_current(&file).unwrap());
    }

    proptest! {
        #[test]
        fn every_ref_is_found_and_no_other(
            refs in prop::collection::btree_map("refs/heads/[a-c]{1,4}", (1_u8..10, any::<bool>()), 0..30),
            other in "refs/heads/[a-c]{1,4}",
            sorted: bool,
        ) {
            let line = |(name, (digit, peeled)): (&String, &(u8, bool))| {
                let hex = digit.to_string().repeat(40);
                let peel = if *peeled { format!("^{hex}\n") } else { String::new() };
                format!("{hex} {name}\n{peel}")
            };
            let lines: Vec<String> = refs.iter().map(line).collect();
            let text = if sorted {
                format!("{HEADER}{}", lines.concat())
            } else {
                lines.into_iter().rev().collect::<String>()
            };
            let (_folder, packed) = packed(&text);
            for (name, (digit, _)) in &refs {
                let found = packed.find(&RefName::new(name.as_str())).unwrap().unwrap();
                prop_assert_eq!(found.to_string(), digit.to_string().repeat(40));
            }
            let found = packed.find(&RefName::new(other.as_str())).unwrap();
            prop_assert_eq!(found.is_some(), refs.contains_key(&other));
            let mut names: Vec<String> = Vec::new();
            packed.each_name(&mut |n| names.push(String::from_utf8(n.into()).unwrap())).unwrap();
            prop_assert_eq!(names, refs.into_keys().collect::<Vec<_>>());
        }
    }
}
