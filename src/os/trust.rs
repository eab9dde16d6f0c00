//! Whether a file may be believed: nobody but root or the hosting account could have written it.
//!
//! Knows owners and modes of a file and its folders; not what stands in the file. Links are
//! resolved first; then every folder from `/` down and the file itself are checked on opened
//! descriptors, so that nothing can be swapped between the check and the use. After sudo-rs
//! `system/audit.rs` and OpenSSH's `StrictModes`.

use super::files::{self, FileError};
use crate::text::shell_path;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

const WRITABLE_BY_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;
/// Never waits for a FIFO's other end, never follows a link, never becomes a terminal.
const CAREFUL: OFlags =
    OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Why a file is not trusted (RW502).
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Somebody else owns it, or a folder above it.
    #[error(
        "`{}` belongs to uid {owner} (mode {mode:04o}), neither root nor the hosting account: chown {account} {}",
        path.display(), shell_path(path)
    )]
    Owner {
        /// The file or the folder above it.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Its permission bits.
        mode: u32,
        /// The uid of the hosting account, which may own it.
        account: u32,
    },
    /// Group or others can write it, or a folder above it.
    #[error(
        "`{}` (owner uid {owner}, mode {mode:04o}) can be written by its group or by others: chmod go-w {}",
        path.display(), shell_path(path)
    )]
    Writable {
        /// The file or the folder above it.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// A FIFO, a device, a folder where a file should be, or the reverse.
    #[error("`{}` is not a {wanted}", path.display())]
    Kind {
        /// What was opened.
        path: PathBuf,
        /// `regular file` or `folder`.
        wanted: &'static str,
    },
    /// It can't be opened.
    #[error(transparent)]
    File(#[from] FileError),
}

impl TrustError {
    /// What is wrong and, apart from it, the command that mends it.
    #[must_use]
    pub fn split(&self) -> (String, Option<String>) {
        let words = self.to_string();
        match (self, words.rsplit_once(": ")) {
            (Self::Owner { .. } | Self::Writable { .. }, Some((what, cure))) => {
                (what.to_owned(), Some(cure.to_owned()))
            }
            _ => (words, None),
        }
    }
}

/// Opens a regular file for reading, if it and all its folders are trusted.
///
/// # Errors
/// [`TrustError`] names the first component, from `/` down, that is not.
pub fn open_file(path: &Path, account_uid: u32) -> Result<File, TrustError> {
    open_resolved(path, account_uid).map(|(file, _)| file)
}

/// As [`open_file`], with the path that links led to: what to run, once it is trusted.
///
/// # Errors
/// As [`open_file`].
pub fn open_resolved(path: &Path, account_uid: u32) -> Result<(File, PathBuf), TrustError> {
    followed(path, |real| {
        let (folder, name) = walk_to_parent(real, account_uid)?;
        Ok((open_below(&folder, name, real, account_uid)?, real.to_owned()))
    })
}

/// A regular file and its neighbours, as they were looked at.
#[derive(Debug)]
pub struct Inspected {
    /// The file's own path, links resolved.
    pub path: PathBuf,
    /// What it was.
    pub file: Stat,
    /// What each neighbour was, in the order that was asked; `None` where there is none.
    pub beside: Vec<Option<Stat>>,
    folder: OwnedFd,
}

impl Inspected {
    /// Opens one more neighbour for reading, if it is trusted.
    ///
    /// # Errors
    /// As [`open_file`].
    pub fn open_beside(&self, end: &str, account_uid: u32) -> Result<File, TrustError> {
        let path = with_end(&self.path, end);
        let name = path.file_name().unwrap_or_default();
        open_below(&self.folder, Path::new(name), &path, account_uid)
    }
}

/// Looks at a regular file, if it and all its folders are trusted, and so are those of its
/// neighbours that are there: files named as it is, with one of `ends` after. Nothing is opened to
/// be read, so no lock held in this process is lost.
///
/// # Errors
/// As [`open_file`].
pub fn inspect_file(path: &Path, ends: &[&str], account_uid: u32) -> Result<Inspected, TrustError> {
    followed(path, |real| {
        let (folder, name) = walk_to_parent(real, account_uid)?;
        let look = |name: &Path, at: &Path| {
            let stat = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| open_error(at, error))?;
            judge_kind(&stat, at, account_uid, FileType::RegularFile).map(|()| stat)
        };
        let neighbour = |end: &&str| match look(&with_end(name, end), &with_end(real, end)) {
            Err(TrustError::File(error)) if error.is_absent() => Ok(None),
            other => other.map(Some),
        };
        let beside = ends.iter().map(neighbour).collect::<Result<_, TrustError>>()?;
        let file = look(name, real)?;
        Ok(Inspected { path: real.to_owned(), file, beside, folder })
    })
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    PathBuf::from([path.as_os_str(), end.as_ref()].join("".as_ref()))
}

fn open_below(
    folder: &OwnedFd,
    name: &Path,
    path: &Path,
    account_uid: u32,
) -> Result<File, TrustError> {
    let file = rustix::fs::openat(folder, name, OFlags::RDONLY | CAREFUL, Mode::empty())
        .map_err(|error| open_error(path, error))?;
    check(&file, path, account_uid, FileType::RegularFile)?;
    Ok(file.into())
}

/// Opens a folder, if it and all folders above are trusted.
///
/// # Errors
/// As [`open_file`].
pub fn open_folder(path: &Path, account_uid: u32) -> Result<File, TrustError> {
    followed(path, |real| {
        let (parent, name) = walk_to_parent(real, account_uid)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | CAREFUL;
        let folder = rustix::fs::openat(&parent, name, flags, Mode::empty())
            .map_err(|error| open_error(real, error))?;
        check(&folder, real, account_uid, FileType::Directory)?;
        Ok(folder.into())
    })
}

/// Opens the audit trail to append to and to read: its own folder and the file are checked, no more.
///
/// `/var/log` is group-writable on some systems, so folders further up don't count. A trail that
/// is not there is made with mode 0600, for the folder's owner. A link in its place is refused.
///
/// # Errors
/// As [`open_file`].
pub fn open_trail(path: &Path, account_uid: u32) -> Result<File, TrustError> {
    let (folder, name) = match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) if folder.is_absolute() => (folder, name),
        _ => return Err(open_error(path, Errno::INVAL)),
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = rustix::fs::openat(CWD, folder, flags, Mode::empty())
        .map_err(|error| open_error(folder, error))?;
    check(&parent, folder, account_uid, FileType::Directory)?;
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | CAREFUL;
    let file = rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o600))
        .map_err(|error| open_error(path, error))?;
    check(&file, path, account_uid, FileType::RegularFile)?;
    // A second name of some other file: it would be written over, and given away by root.
    if rustix::fs::fstat(&file).map_err(|error| open_error(path, error))?.st_nlink != 1 {
        return Err(open_error(path, Errno::MLINK));
    }
    let file = File::from(file);
    // Made by root just now: else the hooks could not append to it.
    if file.metadata().is_ok_and(|about| about.len() == 0) {
        let given = files::give_to_owner_of(&parent, &file);
        given.map_err(|error| FileError::new(path, "chown", error))?;
    }
    Ok(file)
}

fn open_error(path: &Path, error: Errno) -> TrustError {
    FileError::new(path, "open", error).into()
}

/// Looks at a path with all its links followed. Most have none, and a look that opens no link says
/// so by succeeding; what goes wrong on the way is said by the look at what the links lead to.
fn followed<T>(
    path: &Path,
    look: impl Fn(&Path) -> Result<T, TrustError>,
) -> Result<T, TrustError> {
    if is_plain(path) {
        match look(path) {
            Ok(found) => return Ok(found),
            // What is not there is no link.
            Err(TrustError::File(error)) if error.is_absent() => return Err(error.into()),
            Err(_) => {}
        }
    }
    look(&resolve(path)?)
}

/// From `/` down, each name once: nothing that only resolving would take out.
fn is_plain(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    let mut names = bytes.split(|byte| *byte == b'/').skip(1);
    bytes.starts_with(b"/") && names.all(|name| !matches!(name, b"" | b"." | b".."))
}

fn resolve(path: &Path) -> Result<PathBuf, TrustError> {
    if !path.is_absolute() {
        return Err(open_error(path, Errno::INVAL));
    }
    std::fs::canonicalize(path).map_err(|error| FileError::new(path, "open", error).into())
}

/// Opens and checks every folder above the last name of a path without links.
fn walk_to_parent(real: &Path, account: u32) -> Result<(OwnedFd, &Path), TrustError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = PathBuf::from("/");
    let open = |parent: &OwnedFd, name: &Path, at: &Path| {
        rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(|e| open_error(at, e))
    };
    let mut folder = rustix::fs::openat(CWD, "/", flags, Mode::empty())
        .map_err(|error| open_error(&at, error))?;
    check(&folder, &at, account, FileType::Directory)?;
    let mut names = real.components().filter(|part| *part != Component::RootDir).peekable();
    while let Some(part) = names.next() {
        let name = Path::new(part.as_os_str());
        if names.peek().is_none() {
            return Ok((folder, name));
        }
        at.push(name);
        folder = open(&folder, name, &at)?;
        check(&folder, &at, account, FileType::Directory)?;
    }
    Ok((folder, Path::new(".")))
}

fn check(file: &impl AsFd, path: &Path, account: u32, kind: FileType) -> Result<(), TrustError> {
    let stat = rustix::fs::fstat(file).map_err(|error| open_error(path, error))?;
    judge_kind(&stat, path, account, kind)
}

fn judge_kind(stat: &Stat, path: &Path, account: u32, kind: FileType) -> Result<(), TrustError> {
    if FileType::from_raw_mode(stat.st_mode) != kind {
        let wanted = if kind == FileType::Directory { "folder" } else { "regular file" };
        return Err(TrustError::Kind { path: path.to_owned(), wanted });
    }
    judge(stat, path, account, kind)
}

fn judge(stat: &Stat, path: &Path, account: u32, kind: FileType) -> Result<(), TrustError> {
    let (owner, mode) = (stat.st_uid, stat.st_mode & 0o7777);
    if owner != 0 && owner != account {
        return Err(TrustError::Owner { path: path.to_owned(), owner, mode, account });
    }
    // In root's sticky folder (`/tmp`) nobody can rename or remove what another owns.
    let sticky = kind == FileType::Directory && owner == 0 && mode & STICKY != 0;
    if mode & WRITABLE_BY_OTHERS != 0 && !sticky {
        return Err(TrustError::Writable { path: path.to_owned(), owner, mode });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
