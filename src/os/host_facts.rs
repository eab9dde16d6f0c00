//! What a repository's files and the host say about themselves, for `doctor`.
//!
//! Knows how to count and list; not what is good or bad. Every walk is bounded.

use super::files::FileError;
use chrono::{DateTime, Utc};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

const MAX_FOLDERS: usize = 200_000;
const MAX_DEPTH: usize = 64;
/// Version 2 of a pack index: 8 bytes of head, then 256 counts; the last is the total.
/// Source: git's Documentation/gitformat-pack.
const TOTAL_AT: u64 = 8 + 255 * 4;
const INDEX_HEAD: [u8; 8] = [0xff, b't', b'O', b'c', 0, 0, 0, 2];

/// Bare repositories below a folder, sorted, and whether all of it was looked at.
#[must_use]
pub fn repositories_below(root: &Path) -> (Vec<PathBuf>, bool) {
    let mut waiting = vec![(root.to_owned(), 0)];
    let (mut found, mut seen, mut whole) = (Vec::new(), 0, true);
    while let Some((folder, depth)) = waiting.pop() {
        seen += 1;
        if depth > 0 && is_repository(&folder) {
            found.push(folder);
        } else if depth >= MAX_DEPTH || seen > MAX_FOLDERS {
            whole = false;
        } else {
            match folders_in(&folder) {
                Some(below) => waiting.extend(below.into_iter().map(|path| (path, depth + 1))),
                None => whole = false,
            }
        }
    }
    found.sort();
    (found, whole)
}

fn is_repository(folder: &Path) -> bool {
    folder.join("HEAD").is_file() && folder.join("objects").is_dir() && folder.join("refs").is_dir()
}

/// Links are not followed: what they lead to is found where it is, or lies outside.
fn folders_in(folder: &Path) -> Option<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).ok()? {
        let entry = entry.ok()?;
        if entry.file_type().ok()?.is_dir() {
            all.push(entry.path());
        }
    }
    Some(all)
}

/// How many objects a repository's packs hold.
#[must_use]
pub fn packed_objects(git_folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(git_folder.join("objects/pack")) else { return 0 };
    let indexes = entries.flatten().map(|entry| entry.path());
    indexes.filter(|path| path.extension().is_some_and(|e| e == "idx")).filter_map(count).sum()
}

fn count(index: PathBuf) -> Option<u64> {
    let mut file = File::open(index).ok()?;
    let (mut head, mut total) = ([0; 8], [0; 4]);
    file.read_exact(&mut head).ok()?;
    file.read_exact_at(&mut total, TOTAL_AT).ok()?;
    (head == INDEX_HEAD).then(|| u32::from_be_bytes(total).into())
}

/// Whether git wrote a commit-graph for a repository.
#[must_use]
pub fn has_commit_graph(git_folder: &Path) -> bool {
    let info = git_folder.join("objects/info");
    info.join("commit-graph").exists() || info.join("commit-graphs/commit-graph-chain").exists()
}

/// A file's owner and permission bits, links followed.
///
/// # Errors
/// It is not there, or can't be looked at.
pub fn owner_and_mode(path: &Path) -> Result<(u32, u32), FileError> {
    let about = std::fs::metadata(path).map_err(|error| FileError::new(path, "open", error))?;
    Ok((about.uid(), about.mode() & 0o7777))
}

/// When a file's content was last changed.
///
/// # Errors
/// It is not there, or can't be looked at.
pub fn changed(path: &Path) -> Result<DateTime<Utc>, FileError> {
    let about = std::fs::metadata(path).and_then(|about| about.modified());
    Ok(about.map_err(|error| FileError::new(path, "open", error))?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_found_and_not_looked_into() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.git", "team/b.git", "team/b.git/inner.git"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.join("objects")).unwrap();
            std::fs::create_dir_all(path.join("refs")).unwrap();
            std::fs::write(path.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        }
        std::os::unix::fs::symlink("..", folder.path().join("team/loop")).unwrap();
        let (found, whole) = repositories_below(folder.path());
        assert!(whole);
        assert_eq!(found, [folder.path().join("a.git"), folder.path().join("team/b.git")]);
    }

    #[test]
    fn a_walk_that_is_cut_short_says_so() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("x/".repeat(MAX_DEPTH + 1))).unwrap();
        assert_eq!(repositories_below(folder.path()), (Vec::new(), false));
    }

    #[test]
    fn a_pack_index_says_how_many_objects_and_garbage_says_none() {
        let folder = tempfile::tempdir().unwrap();
        let packs = folder.path().join("objects/pack");
        std::fs::create_dir_all(&packs).unwrap();
        let mut bytes = INDEX_HEAD.to_vec();
        bytes.resize(usize::try_from(TOTAL_AT).unwrap(), 0);
        bytes.extend(70_000_u32.to_be_bytes());
        std::fs::write(packs.join("a.idx"), &bytes).unwrap();
        std::fs::write(packs.join("b.idx"), "short").unwrap();
        std::fs::write(packs.join("c.pack"), &bytes).unwrap();
        assert_eq!(packed_objects(folder.path()), 70_000);
    }
}
