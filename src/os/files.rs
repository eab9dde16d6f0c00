//! Files written whole, read within limits, locked with a deadline, appended to the disk.
//!
//! Knows how to leave either the old content or the new; not what any file means, nor whether
//! it may be believed (`os::trust`).

mod folder;
mod place;

pub use folder::{lay, names};
pub use place::{copy_new, create_new, identity, place_new, sync_file, sync_folder_of};

use super::clock;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Bytes that are made room for where a file does not tell its size.
const PROC_FILE: u64 = 1023;

/// What failed, on which file.
#[derive(Debug, thiserror::Error)]
#[error("can't {doing} `{}`: {source}", path.display())]
pub struct FileError {
    /// The file or folder.
    pub path: PathBuf,
    /// The verb: `read`, `write`, `lock`, …
    pub doing: &'static str,
    /// What the system said.
    pub source: io::Error,
}

impl FileError {
    /// Joins a path, a verb and what the system said.
    pub fn new(path: &Path, doing: &'static str, source: impl Into<io::Error>) -> Self {
        Self { path: path.to_owned(), doing, source: source.into() }
    }

    /// Whether the file is simply not there.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// Whether somebody else held a lock for too long.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.source.kind() == io::ErrorKind::TimedOut
    }
}

/// Whether new content must outlive a power failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lasting {
    PowerFailure,
    Process,
}

/// Replaces a file's content as one step that survives a power failure.
///
/// A reader sees the old content or the new. What root writes into another's folder belongs to
/// the folder's owner. `mode` is exact, whatever the umask.
///
/// # Errors
/// Any step failed; the old file stays, and no temporary file.
pub fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    write(path, bytes, mode, Lasting::PowerFailure)
}

/// As [`write_whole`], for what a reboot makes worthless: nothing is synced to the disk.
///
/// # Errors
/// As [`write_whole`].
pub fn write_fleeting(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    write(path, bytes, mode, Lasting::Process)
}

fn write(path: &Path, bytes: &[u8], mode: u32, lasting: Lasting) -> Result<(), FileError> {
    let wrong = |source: io::Error| FileError::new(path, "write", source);
    let (folder, name) = split(path).map_err(wrong)?;
    let folder = open_folder(folder).map_err(|e| wrong(e.into()))?;
    let (temporary, file) = create_temporary(&folder, name).map_err(|e| wrong(e.into()))?;
    let placed = fill(&folder, file, bytes, mode, lasting)
        .and_then(|()| Ok(rustix::fs::renameat(&folder, &temporary, &folder, name)?));
    if let Err(source) = placed {
        let _ = rustix::fs::unlinkat(&folder, &temporary, AtFlags::empty());
        return Err(wrong(source));
    }
    if lasting == Lasting::PowerFailure {
        sync_folder(&folder).map_err(wrong)?;
    }
    Ok(())
}

fn fill(
    folder: &OwnedFd,
    mut file: File,
    bytes: &[u8],
    mode: u32,
    lasting: Lasting,
) -> io::Result<()> {
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
    give_to_owner_of(folder, &file)?;
    file.write_all(bytes)?;
    if lasting == Lasting::PowerFailure {
        file.sync_all()?;
    }
    Ok(())
}

fn sync_folder(folder: &OwnedFd) -> io::Result<()> {
    Ok(rustix::fs::fsync(folder)?)
}

fn split(path: &Path) -> io::Result<(&Path, &OsStr)> {
    let name = path.file_name().ok_or(Errno::INVAL)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((folder, name))
}

fn open_folder(folder: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(folder, flags, Mode::empty())
}

/// A name of its own that nobody could have laid there before.
fn create_temporary(folder: &OwnedFd, name: &OsStr) -> Result<(OsString, File), Errno> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for _ in 0..100 {
        let mut temporary = OsString::from(".");
        temporary.push(name);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let boot = clock::now().boot.as_nanos();
        temporary.push(format!(".{}-{boot}-{count}.new", std::process::id()));
        match rustix::fs::openat(folder, &temporary, flags, Mode::from_raw_mode(0o600)) {
            Ok(file) => return Ok((temporary, file.into())),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Errno::EXIST)
}

/// Whether a file is named as one that is being written whole, and not in its place yet: what stays
/// when its writer is killed.
#[must_use]
pub fn is_draft(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let inner = name.strip_prefix('.').and_then(|rest| rest.strip_suffix(".new"));
    let tail = inner.and_then(|inner| inner.rsplit_once('.')).map(|(_, tail)| tail.split('-'));
    tail.is_some_and(|numbers| {
        let all: Vec<&str> = numbers.collect();
        all.len() == 3 && all.iter().all(|number| is_number(number))
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Else a command run by root would lock the hosting account out of its own state.
pub(super) fn give_to_owner_of(folder: &impl AsFd, file: &impl AsFd) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = rustix::fs::fstat(folder)?;
    if owner.st_uid != 0 {
        let uid = rustix::fs::Uid::from_raw(owner.st_uid);
        let gid = rustix::fs::Gid::from_raw(owner.st_gid);
        rustix::fs::fchown(file, Some(uid), Some(gid))?;
    }
    Ok(())
}

/// Makes a folder (mode 0700) unless it is there; what root makes belongs to the parent's owner.
///
/// # Errors
/// It can't be made, or something else has its name.
pub fn ensure_folder(path: &Path) -> Result<(), FileError> {
    let wrong = |source: io::Error| FileError::new(path, "make the folder", source);
    match rustix::fs::mkdir(path, Mode::from_raw_mode(0o700)) {
        Ok(()) => {}
        Err(Errno::EXIST) if path.is_dir() => return Ok(()),
        Err(error) => return Err(wrong(error.into())),
    }
    let (parent, _) = split(path).map_err(wrong)?;
    let parent = open_folder(parent).map_err(|e| wrong(e.into()))?;
    // The parent's owner may have put a link in its place meanwhile: root must not give that away.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| wrong(e.into()))?;
    give_to_owner_of(&parent, &folder).map_err(wrong)
}

/// Reads a regular file of at most `max_bytes` bytes.
///
/// # Errors
/// It can't be opened or read, is not a regular file (a FIFO does not hang), or is longer.
pub fn read_limited(path: &Path, max_bytes: usize) -> Result<Vec<u8>, FileError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty())
        .map_err(|error| FileError::new(path, "open", error))?;
    read_opened(&file.into(), path, max_bytes)
}

/// Reads a file that was opened (and checked) before, from where it stands; `path` is for words.
///
/// # Errors
/// As [`read_limited`].
pub fn read_opened(file: &File, path: &Path, max_bytes: usize) -> Result<Vec<u8>, FileError> {
    let wrong = |source: io::Error| FileError::new(path, "read", source);
    let about = file.metadata().map_err(wrong)?;
    if !about.is_file() {
        return Err(wrong(io::Error::other("not a regular file")));
    }
    // What `/proc` makes up has no size before it is read.
    let size = Some(about.size()).filter(|size| *size > 0).unwrap_or(PROC_FILE);
    let expected = usize::try_from(size).unwrap_or(usize::MAX).min(max_bytes);
    let mut bytes = Vec::with_capacity(expected.saturating_add(1));
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() > max_bytes {
        return Err(wrong(io::Error::other(format!("longer than {max_bytes} bytes"))));
    }
    Ok(bytes)
}

/// Replaces what a file says, whole; it keeps its mode and its owner.
///
/// # Errors
/// It can't be read or written.
pub fn replace_text(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let real = std::fs::canonicalize(path).map_err(|e| FileError::new(path, "open", e))?;
    let about = std::fs::metadata(&real).map_err(|e| FileError::new(path, "read", e))?;
    write_whole(&real, bytes, about.mode() & 0o7777)?;
    let (uid, gid) = (Some(about.uid()), Some(about.gid()));
    // Never through a link that was put there meanwhile.
    std::os::unix::fs::lchown(&real, uid, gid).map_err(|e| FileError::new(path, "give back", e))
}

/// Why standard input could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StdinError {
    /// More bytes than are taken.
    #[error("the input is too long")]
    TooLong,
    /// It can't be read.
    #[error("read standard input: {0}")]
    Io(#[from] io::Error),
}

/// Reads standard input to its end.
///
/// # Errors
/// [`StdinError`], past `max_bytes` bytes too.
pub fn read_stdin(max_bytes: usize) -> Result<Vec<u8>, StdinError> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > max_bytes { Err(StdinError::TooLong) } else { Ok(bytes) }
}

/// Whether `one` is executable by us and the same file as `other`, links followed.
#[must_use]
pub fn same_executable(one: &Path, other: &Path) -> bool {
    let (Ok(a), Ok(b)) = (std::fs::metadata(one), std::fs::metadata(other)) else { return false };
    let same = (a.dev(), a.ino()) == (b.dev(), b.ino());
    a.is_file() && same && rustix::fs::access(one, rustix::fs::Access::EXEC_OK).is_ok()
}

/// An exclusive lock, held until dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: OwnedFd,
}

/// Takes the exclusive lock that is the file at `path` (made with mode 0600), waiting at most `wait`.
///
/// The file is never a link, never handed to children and never removed.
///
/// # Errors
/// It can't be opened, or `wait` is over (kind `TimedOut`).
pub fn lock(path: &Path, wait: Duration) -> Result<Lock, FileError> {
    let wrong = |error: Errno| FileError::new(path, "lock", error);
    let start = clock::now().boot;
    let mut pause = Duration::from_micros(100);
    loop {
        let file = open_lock(path).map_err(|source| FileError::new(path, "lock", source))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if is_still(&file, path).map_err(wrong)? => return Ok(Lock { _file: file }),
            Ok(()) | Err(Errno::INTR) => continue,
            Err(Errno::WOULDBLOCK) => {}
            Err(error) => return Err(wrong(error)),
        }
        if clock::now().boot.saturating_sub(start) >= wait {
            return Err(wrong(Errno::TIMEDOUT));
        }
        std::thread::sleep(pause.min(wait));
        pause = (pause * 2).min(Duration::from_millis(4));
    }
}

fn open_lock(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    loop {
        match rustix::fs::open(path, flags, Mode::empty()) {
            Err(Errno::NOENT) => {}
            other => return Ok(other?),
        }
        let new = flags | OFlags::CREATE | OFlags::EXCL;
        match rustix::fs::open(path, new, Mode::from_raw_mode(0o600)) {
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
            Ok(file) => {
                give_to_owner_of(&open_folder(split(path)?.0)?, &file)?;
                return Ok(file);
            }
        }
    }
}

/// A lock on a file that somebody replaced meanwhile keeps nobody out.
fn is_still(file: &OwnedFd, path: &Path) -> Result<bool, Errno> {
    let held = rustix::fs::fstat(file)?;
    match rustix::fs::lstat(path) {
        Ok(there) => Ok((held.st_dev, held.st_ino) == (there.st_dev, there.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Why bytes are not, or not surely, on the disk.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Nothing was written.
    #[error("can't append: {0}")]
    Write(io::Error),
    /// A full disk: the file now ends with a part of the bytes.
    #[error("only {written} of {wanted} bytes could be appended")]
    Short {
        /// Bytes that are there.
        written: usize,
        /// Bytes that should be.
        wanted: usize,
    },
    /// All were written, but may not outlive a power failure.
    #[error("can't sync what was appended: {0}")]
    Sync(io::Error),
}

/// Appends to a file opened with `O_APPEND` by one write, and waits until the disk has it.
///
/// # Errors
/// As the kinds of [`AppendError`] say; nothing is tried again, nothing is cut off.
pub fn append_synced(file: &File, bytes: &[u8]) -> Result<(), AppendError> {
    let wanted = bytes.len();
    let written = loop {
        match (&*file).write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other.map_err(AppendError::Write)?,
        }
    };
    if written < wanted {
        return Err(AppendError::Short { written, wanted });
    }
    rustix::fs::fdatasync(file).map_err(|error| AppendError::Sync(error.into()))
}

#[cfg(test)]
mod tests;
