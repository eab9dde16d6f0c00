//! Which other folders of objects a folder borrows from: `info/alternates`.
//!
//! Knows the file's syntax and git's rules for following it (gitrepository-layout(5), and
//! `link_alt_odb_entries` of git's `object-file.c`); opens no objects.

#![expect(clippy::disallowed_methods, reason = "reads the alternates files of a repository")]

use super::GitError;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How deep alternates of alternates are followed: git gives up past five.
const MAX_DEPTH: usize = 5;

/// All folders that `roots` borrow from, nested ones included, each once, none of `roots`.
///
/// # Errors
/// When an alternates file is there but can't be read.
pub(super) fn of(roots: &[PathBuf]) -> Result<Vec<PathBuf>, GitError> {
    let mut found = Vec::new();
    let mut seen: HashSet<_> = roots.iter().filter_map(|root| identity(root)).collect();
    for root in roots {
        follow(root, 0, &mut seen, &mut found)?;
    }
    Ok(found)
}

/// The folders of `GIT_ALTERNATE_OBJECT_DIRECTORIES`: separated by `:`, relative to here.
pub(super) fn from_variable(value: &OsStr) -> Vec<PathBuf> {
    entries(value.as_bytes(), b':').iter().map(|entry| path(entry).to_owned()).collect()
}

fn follow(
    folder: &Path,
    depth: usize,
    seen: &mut HashSet<Identity>,
    found: &mut Vec<PathBuf>,
) -> Result<(), GitError> {
    if depth > MAX_DEPTH {
        return Ok(());
    }
    let file = folder.join("info/alternates");
    let text = match std::fs::read(&file) {
        Ok(text) => text,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(error) => return Err(GitError::io("read", &file)(error)),
    };
    for entry in entries(&text, b'\n') {
        let other = real(&folder.join(path(&entry)));
        // As git does: a folder that is not there is passed over, its objects will be missed.
        if identity(&other).is_some_and(|folder| seen.insert(folder)) {
            found.push(other.clone());
            follow(&other, depth + 1, seen, found)?;
        }
    }
    Ok(())
}

/// Device and inode: tells whether two paths lead to one folder.
pub(super) type Identity = (u64, u64);

/// None where there is no folder.
pub(super) fn identity(folder: &Path) -> Option<Identity> {
    let about = std::fs::metadata(folder).ok().filter(std::fs::Metadata::is_dir)?;
    Some((about.dev(), about.ino()))
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// Splits at `separator`; `#` begins a comment, `"` a C-quoted entry.
fn entries(text: &[u8], separator: u8) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.first() {
        if *first == b'"'
            && let Some((entry, after)) = unquote(rest)
        {
            found.push(entry);
            rest = after.strip_prefix(&[separator]).unwrap_or(after);
            continue;
        }
        let mut parts = rest.splitn(2, |b| *b == separator);
        let entry = parts.next().unwrap_or_default();
        rest = parts.next().unwrap_or_default();
        if *first != b'#' && !entry.is_empty() {
            found.push(entry.to_vec());
        }
    }
    found
}

/// A C-quoted text at the start of `text`, and what follows it.
fn unquote(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (entry, used) = gix::quote::ansi_c::undo(text.into()).ok()?;
    Some((entry.into_owned().into(), text.get(used..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_blanks_and_quotes_are_read_as_git_reads_them() {
        let text = b"# note\n/a b\n\n\"/q\\303\\244\\tx\"\n../r\n\"/open\n/last";
        let want: [&[u8]; 5] = [b"/a b", "/qä\tx".as_bytes(), b"../r", b"\"/open", b"/last"];
        assert_eq!(entries(text, b'\n'), want);
        let paths = from_variable(OsStr::new("/a:\"/b:c\":d"));
        assert_eq!(paths, [Path::new("/a"), Path::new("/b:c"), Path::new("d")]);
    }

    fn folder(root: &Path, name: &str, alternates: &str) -> PathBuf {
        let folder = root.join(name);
        std::fs::create_dir_all(folder.join("info")).unwrap();
        std::fs::write(folder.join("info/alternates"), alternates).unwrap();
        folder.canonicalize().unwrap()
    }

    #[test]
    fn nested_relative_alternates_are_relative_to_the_folder_that_names_them() {
        let root = tempfile::tempdir().unwrap();
        let first = folder(root.path(), "first", "../deep/second\n/nowhere\n");
        let second = folder(root.path(), "deep/second", "../third");
        let third = folder(root.path(), "deep/third", "");
        assert_eq!(of(&[first]).unwrap(), [second, third]);
    }

    #[test]
    fn a_cycle_of_alternates_ends() {
        let root = tempfile::tempdir().unwrap();
        let a = folder(root.path(), "a", "../b\n../a\n");
        let b = folder(root.path(), "b", "../a\n");
        assert_eq!(of(std::slice::from_ref(&a)).unwrap(), [b]);
    }

    #[test]
    fn a_chain_longer_than_git_follows_is_cut() {
        let root = tempfile::tempdir().unwrap();
        for n in 0..9 {
            folder(root.path(), &n.to_string(), &format!("../{}", n + 1));
        }
        assert_eq!(of(&[root.path().join("0")]).unwrap().len(), MAX_DEPTH + 1);
    }
}
