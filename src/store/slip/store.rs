//! The slips' folder: one file a push, written whole, read by position.

use super::format::{self, INDEX_LINE, MAX_HEAD, MAX_LINE, Parsed, Place, STATE_AT, USED};
use super::{Head, Key, Present, Slip, SlipError, SlipRef};
use crate::os::clock::Now;
use crate::os::files::{self, FileError};
use crate::os::process::{self, Host};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long after its end a slip of another pid namespace, whose process can't be seen, is stale.
const UNSEEN_GRACE: Duration = Duration::from_secs(3600);

fn folder(state: &Path) -> PathBuf {
    state.join("slips")
}

/// How the names of all slips of one repository (device and inode of its git directory) begin.
#[must_use]
pub fn repository_prefix(git_dir: (u64, u64)) -> String {
    format!("{:x}-{:x}-", git_dir.0, git_dir.1)
}

/// Lays down the slip of a push, in place of an earlier one of the same push.
///
/// # Errors
/// [`SlipError`].
pub fn write(state: &Path, slip: &Slip) -> Result<(), SlipError> {
    let bytes = format::render(slip).map_err(SlipError::Unwritable)?;
    Ok(files::lay(&folder(state), &slip.head.key.file_name(), &bytes)?)
}

/// A slip that `update` holds open; only its head has been read.
#[derive(Debug)]
pub struct Opened {
    file: File,
    path: PathBuf,
    parsed: Parsed,
}

/// Opens the slip of a push.
///
/// # Errors
/// [`SlipError::None`] when pre-receive left none; damage.
pub fn open(state: &Path, key: &Key) -> Result<Opened, SlipError> {
    let opened = open_path(folder(state).join(key.file_name()))?;
    if opened.parsed.head.key != *key {
        return Err(SlipError::OtherPush { path: opened.path });
    }
    Ok(opened)
}

fn open_path(path: PathBuf) -> Result<Opened, SlipError> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file: File = match rustix::fs::open(&path, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => return Err(SlipError::None),
        other => other.map_err(|error| FileError::new(&path, "open", error))?.into(),
    };
    if !is_ours(&file).map_err(|error| FileError::new(&path, "look at", error))? {
        return Err(SlipError::NotOurs { path });
    }
    let mut head = [0; MAX_HEAD];
    let read = file.read_at(&mut head, 0).map_err(|e| FileError::new(&path, "read", e))?;
    match head.get(..read).and_then(format::parse_head) {
        Some(parsed) => Ok(Opened { file, path, parsed }),
        None => Err(SlipError::Malformed { path }),
    }
}

/// Even in a folder that others could enter, a slip that they laid counts for nothing. Root sweeps.
fn is_ours(file: &File) -> std::io::Result<bool> {
    let (about, me) = (file.metadata()?, rustix::process::geteuid());
    let owned = about.uid() == me.as_raw() || me.is_root();
    Ok(about.is_file() && owned && about.mode() & 0o022 == 0)
}

impl Opened {
    /// All but the refs.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.parsed.head
    }

    /// Says yes to one ref, and marks the slip as used before it does.
    ///
    /// # Errors
    /// [`SlipError::Problem`] when the slip does not allow it; any other error refuses as well.
    pub fn confirm(&self, asked: &SlipRef, present: &Present<'_>) -> Result<(), SlipError> {
        let found = self.find(&asked.name)?;
        self.head().allows(found.as_ref(), asked, present)?;
        if !self.parsed.confirmed {
            let marked = self.file.write_all_at(USED.as_bytes(), STATE_AT);
            marked.map_err(|error| FileError::new(&self.path, "mark", error))?;
        }
        Ok(())
    }

    /// The entry of a ref, found by halving the index.
    ///
    /// # Errors
    /// It can't be read, or is damaged.
    pub fn find(&self, name: &[u8]) -> Result<Option<SlipRef>, SlipError> {
        let hash = format::hash(name);
        let (mut low, mut high) = (0, self.parsed.refs);
        while low < high {
            let middle = low.midpoint(high);
            if self.place(middle)?.hash < hash {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        // Names of the same hash stand side by side.
        for number in low..self.parsed.refs {
            let place = self.place(number)?;
            if place.hash != hash {
                return Ok(None);
            }
            let entry = self.entry(place)?;
            if entry.name == name {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    fn place(&self, number: usize) -> Result<Place, SlipError> {
        let mut line = [0; INDEX_LINE];
        let offset = number.checked_mul(INDEX_LINE).and_then(|n| u64::try_from(n).ok());
        let at = offset.and_then(|offset| self.parsed.index_at.checked_add(offset));
        self.read_at(&mut line, at)?;
        format::parse_place(&line).ok_or_else(|| self.malformed())
    }

    fn entry(&self, place: Place) -> Result<SlipRef, SlipError> {
        let mut line = vec![0; place.length];
        self.read_at(&mut line, Some(place.at))?;
        format::parse_ref(&line).ok_or_else(|| self.malformed())
    }

    /// A slip that ends too early is damaged.
    fn read_at(&self, buffer: &mut [u8], at: Option<u64>) -> Result<(), SlipError> {
        let at = at.ok_or_else(|| self.malformed())?;
        self.file.read_exact_at(buffer, at).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidInput => {
                self.malformed()
            }
            _ => FileError::new(&self.path, "read", error).into(),
        })
    }

    fn malformed(&self) -> SlipError {
        SlipError::Malformed { path: self.path.clone() }
    }

    fn whole(&self) -> Result<Slip, SlipError> {
        let refs: Result<_, SlipError> =
            (0..self.parsed.refs).map(|number| self.entry(self.place(number)?)).collect();
        let Parsed { head, confirmed, .. } = self.parsed.clone();
        Ok(Slip { head, refs: refs?, confirmed })
    }
}

/// Reads the whole slip of a push, for post-receive.
///
/// # Errors
/// As [`open`].
pub fn read(state: &Path, key: &Key) -> Result<Slip, SlipError> {
    open(state, key)?.whole()
}

/// Removes the slip of a push that is settled; that there is none is no error.
///
/// # Errors
/// It can't be removed.
pub fn close(state: &Path, key: &Key) -> Result<(), SlipError> {
    remove(&folder(state).join(key.file_name()))
}

/// Removes a stale slip that is settled.
///
/// # Errors
/// It can't be removed.
pub fn remove_stale(stale: &Stale) -> Result<(), SlipError> {
    remove(&stale.path)
}

/// Keeps a damaged slip under a name that no sweep looks at.
///
/// # Errors
/// It can't be renamed.
pub fn put_aside(stale: &Stale) -> Result<(), SlipError> {
    let name = stale.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let aside = stale.path.with_file_name(format!(".damaged-{name}"));
    std::fs::rename(&stale.path, aside)
        .map_err(|error| FileError::new(&stale.path, "put aside", error).into())
}

fn remove(path: &Path) -> Result<(), SlipError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(FileError::new(path, "remove", error).into())
        }
        _ => Ok(()),
    }
}

/// Whether there is a slip of that receive-pack, in any repository.
///
/// # Errors
/// The folder or a slip can't be read.
pub fn exists_for(state: &Path, pid: u32, start_time: u64) -> Result<bool, SlipError> {
    Ok(all(state)?.iter().any(|head| head.key.pid == pid && head.key.start_time == start_time))
}

/// Whether a damaged slip was put aside: it may have been anybody's.
///
/// # Errors
/// The folder can't be read; that it is absent is no error.
pub fn has_damaged(state: &Path) -> Result<bool, SlipError> {
    for name in files::names(&folder(state))? {
        if name?.to_string_lossy().starts_with(".damaged-") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The heads of all slips; damaged ones are passed by.
///
/// # Errors
/// The folder can't be read; that it is absent is no error.
pub fn all(state: &Path) -> Result<Vec<Head>, SlipError> {
    let folder = folder(state);
    let mut heads = Vec::new();
    for name in files::names(&folder)? {
        let name = name?;
        if name.to_str().is_some_and(|name| !name.starts_with('.')) {
            heads.extend(open_path(folder.join(name)).ok().map(|opened| opened.parsed.head));
        }
    }
    Ok(heads)
}

/// A slip that nobody will close any more.
#[derive(Debug)]
pub struct Stale {
    /// Its file.
    pub path: PathBuf,
    /// What is known of it.
    pub kind: StaleKind,
}

/// What is known of a stale slip.
#[derive(Debug)]
pub enum StaleKind {
    /// receive-pack is gone; the slip's `confirmed` is right.
    Gone(Slip),
    /// From before a reboot: whether anything was confirmed may have been lost with it.
    Rebooted(Slip),
    /// It can't be understood.
    Damaged,
}

/// Lists slips whose receive-pack is gone, those of one repository or (prefix empty) all.
///
/// At most `limit` slips are looked at, so that a hook stays quick; the file `own` is not.
///
/// # Errors
/// The folder or `/proc` can't be read; that it is absent is no error.
pub fn stale(
    state: &Path,
    prefix: &str,
    own: &str,
    host: &Host,
    now: Now,
    limit: usize,
) -> Result<Vec<Stale>, SlipError> {
    let folder = folder(state);
    let mut found = Vec::new();
    let mut looked_at = 0;
    for name in files::names(&folder)? {
        let name = name?;
        // Dot files are slips being written.
        let is_asked = |name: &str| !name.starts_with('.') && name.starts_with(prefix);
        if !name.to_str().is_some_and(|name| is_asked(name) && name != own) {
            continue;
        }
        if looked_at == limit {
            break;
        }
        looked_at += 1;
        let path = folder.join(name);
        if let Some(kind) = judge(&path, host, now)? {
            found.push(Stale { path, kind });
        }
    }
    Ok(found)
}

/// None when the slip is in use, or was closed meanwhile.
fn judge(path: &Path, host: &Host, now: Now) -> Result<Option<StaleKind>, SlipError> {
    let opened = match open_path(path.to_owned()) {
        Err(SlipError::None) => return Ok(None),
        Err(SlipError::Malformed { .. } | SlipError::NotOurs { .. }) => {
            return Ok(Some(StaleKind::Damaged));
        }
        other => other?,
    };
    let head = opened.head();
    let key = &head.key;
    let rebooted = key.host.boot_id != host.boot_id;
    let unseen = key.host.pid_namespace != host.pid_namespace;
    let in_use = if unseen {
        now.boot < head.end.boot.saturating_add(UNSEEN_GRACE)
    } else {
        process::runs(key.pid, key.start_time)?
    };
    if in_use && !rebooted {
        return Ok(None);
    }
    // Opened before the process was found gone: the mark may have come in between.
    match open_path(path.to_owned()).and_then(|opened| opened.whole()) {
        Ok(slip) if rebooted => Ok(Some(StaleKind::Rebooted(slip))),
        Ok(slip) => Ok(Some(StaleKind::Gone(slip))),
        Err(SlipError::None) => Ok(None),
        Err(SlipError::Malformed { .. } | SlipError::NotOurs { .. }) => {
            Ok(Some(StaleKind::Damaged))
        }
        Err(error) => Err(error),
    }
}

const _: () = assert!(USED.len() == format::OPEN.len() && MAX_LINE < 1_000_000_000);
