//! One folder of hooks: what stands in it, and how ours get in and out.
//!
//! Knows links, copies and foreign hooks; not which hooks a host wants, nor git's settings.
//! Every step is one rename over a name, so that at no moment a push finds a name empty that had
//! a hook before; a hook that is running keeps its own file. A foreign hook is kept beside ours
//! as `NAME.before-refwarden`, where our hook finds it and runs it.

mod copies;

use super::files::{self, FileError};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, StatVfsMountFlags, Uid};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What is appended to a foreign hook's name.
pub const KEPT: &str = ".before-refwarden";
const MAX_PROGRAM: usize = 256 * 1024 * 1024;

/// How a program of ours gets into a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A symbolic link to the installed program: an upgrade needs no visit here.
    Link,
    /// A copy, with the site file beside it.
    Copy,
}

/// What a name in the folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Absent,
    /// Ours; `current` unless it is a copy of another version.
    Ours {
        /// Link or copy.
        way: Way,
        /// Whether it is the installed version.
        current: bool,
    },
    /// A link to another installation of refwarden.
    Other(PathBuf),
    /// Somebody else's.
    Foreign,
}

/// Why git skips a file that `chmod` makes run.
pub const NO_EXECUTE_BIT: &str = "it has no execute bit";

/// What was done, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing: it is so already.
    None,
    /// Ours was put where nothing was.
    Installed,
    /// Ours took the place of an older one of ours.
    Replaced,
    /// Ours took the place of a foreign hook, which is kept.
    KeptForeign,
    /// Ours is gone.
    Removed,
    /// Ours is gone, the foreign hook is back.
    Restored,
    /// Not ours, so left alone.
    Left,
}

/// Why a hook could not be looked at or changed.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The system said no.
    #[error(transparent)]
    File(#[from] FileError),
    /// Two foreign hooks for one name.
    #[error(
        "`{0}` is a foreign hook, and so is `{0}{KEPT}`: merge the two into one, remove the other"
    )]
    KeptAlready(PathBuf),
    /// Neither a file nor a link.
    #[error("`{0}` is not a file: it can't be kept as a hook")]
    NotAFile(PathBuf),
    /// A site file that we did not write lies where ours must go.
    #[error("`{0}` is there and not ours: a copied hook needs that name")]
    SiteTaken(PathBuf),
    /// What was installed would not run.
    #[error("`{path}` would be skipped by git: {why}")]
    WouldNotRun {
        /// The hook.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// A folder of hooks, opened once; every step is taken inside it, whatever its path becomes.
#[derive(Debug)]
pub struct HooksDir {
    folder: OwnedFd,
    path: PathBuf,
    programs: PathBuf,
    /// `core.hooksPath` leads to the programs themselves: nothing may be put or taken here.
    is_programs: bool,
}

impl HooksDir {
    /// Opens the folder; none when there is none. `programs` holds what links lead to.
    ///
    /// # Errors
    /// It is there, but not a folder that can be opened.
    pub fn open(path: &Path, programs: &Path) -> Result<Option<Self>, HookError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(folder) => {
                let own = rustix::fs::fstat(&folder).map_err(|e| wrong(path, "open", e))?;
                let is_programs = rustix::fs::stat(programs).is_ok_and(|there| same(&own, &there));
                let (path, programs) = (path.to_owned(), programs.to_owned());
                Ok(Some(Self { folder, path, programs, is_programs }))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(FileError::new(path, "open", error).into()),
        }
    }

    /// Opens the folder, making it and missing ones above (0755, the parent's owner's).
    ///
    /// # Errors
    /// It can't be made or opened.
    pub fn make(path: &Path, programs: &Path) -> Result<Self, HookError> {
        if let Some(found) = Self::open(path, programs)? {
            return Ok(found);
        }
        if let Some(parent) = path.parent() {
            let parent = Self::make(parent, programs)?;
            rustix::fs::mkdir(path, Mode::from_raw_mode(0o755))
                .map_err(|e| wrong(path, "make", e))?;
            parent.give(path.file_name().unwrap_or_default())?;
        }
        Self::open(path, programs)?.ok_or_else(|| wrong(path, "open", Errno::NOENT).into())
    }

    /// Removes a folder in which nothing is left; anything else stays.
    pub fn drop_empty(path: &Path) {
        let _ = rustix::fs::rmdir(path);
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What `name` is here, where `program` of ours may stand.
    ///
    /// # Errors
    /// It can't be looked at.
    pub fn standing(&self, name: &str, program: &str) -> Result<Standing, HookError> {
        let Some(stat) = self.stat(name)? else { return Ok(Standing::Absent) };
        match FileType::from_raw_mode(stat.st_mode) {
            _ if self.is_programs && name == program => {
                Ok(Standing::Ours { way: Way::Link, current: true })
            }
            FileType::Symlink => self.link_standing(name, program),
            FileType::RegularFile => self.file_standing(name, program),
            _ => Ok(Standing::Foreign),
        }
    }

    fn link_standing(&self, name: &str, program: &str) -> Result<Standing, HookError> {
        let target = rustix::fs::readlinkat(&self.folder, name, Vec::new())
            .map_err(|e| self.wrong(name, "read", e))?;
        let target = Path::new(OsStr::from_bytes(target.as_bytes()));
        let ours = self.programs.join(program);
        let real = std::fs::canonicalize(self.path.join(target)).ok();
        if target == ours || (real.is_some() && real == std::fs::canonicalize(&ours).ok()) {
            return Ok(Standing::Ours { way: Way::Link, current: true });
        }
        let in_ours = target.parent().and_then(Path::file_name) == Some(OsStr::new("refwarden"));
        if in_ours && target.file_name() == Some(OsStr::new(program)) {
            return Ok(Standing::Other(target.to_owned()));
        }
        Ok(Standing::Foreign)
    }

    fn file_standing(&self, name: &str, program: &str) -> Result<Standing, HookError> {
        let recorded = self.copies()?;
        if recorded.is_empty() {
            return Ok(Standing::Foreign);
        }
        let found = files::read_limited(&self.path.join(name), MAX_PROGRAM)?;
        if !recorded.contains(&copies::line(name, &found)) {
            return Ok(Standing::Foreign);
        }
        let current = files::read_limited(&self.programs.join(program), MAX_PROGRAM);
        Ok(Standing::Ours { way: Way::Copy, current: current.is_ok_and(|bytes| bytes == found) })
    }

    /// Whether a foreign hook is kept for `name`; then, whether git would have run it.
    ///
    /// # Errors
    /// It can't be looked at.
    pub fn kept(&self, name: &str) -> Result<Option<bool>, HookError> {
        let kept = format!("{name}{KEPT}");
        Ok(self.stat(&kept)?.map(|_| self.would_not_run(&kept).is_none()))
    }

    /// Why git would skip `name`: the cases in which it goes on without a word to the server.
    #[must_use]
    pub fn would_not_run(&self, name: &str) -> Option<String> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let target = match rustix::fs::openat(&self.folder, name, flags, Mode::empty()) {
            Ok(target) => target,
            Err(error) => return Some(format!("it can't be opened ({error})")),
        };
        let Ok(stat) = rustix::fs::fstat(&target) else { return Some("no status".to_owned()) };
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Some("it is not a file".to_owned());
        }
        if stat.st_mode & 0o111 == 0 {
            return Some(NO_EXECUTE_BIT.to_owned());
        }
        let mount = rustix::fs::fstatvfs(&target).ok()?;
        let noexec = mount.f_flag.contains(StatVfsMountFlags::NOEXEC);
        noexec.then(|| "its file system is mounted noexec".to_owned())
    }

    /// Puts ours at `name`; what stood there and was not ours is kept. Without `act`, only tells.
    ///
    /// # Errors
    /// Nothing was changed, or ours stands there and would not run.
    pub fn install(
        &self,
        name: &str,
        program: &str,
        way: Way,
        act: bool,
    ) -> Result<Change, HookError> {
        let change = match self.standing(name, program)? {
            _ if self.is_programs => return Ok(Change::None),
            Standing::Ours { way: old, current: true } if old == way => Change::None,
            Standing::Ours { .. } | Standing::Other(_) => Change::Replaced,
            Standing::Absent => Change::Installed,
            Standing::Foreign => Change::KeptForeign,
        };
        if change == Change::KeptForeign {
            self.keep(name, act)?;
        }
        if act && (change != Change::None || way == Way::Copy) {
            self.place(name, program, way)?;
        }
        if !act {
            return Ok(change);
        }
        let path = self.path.join(name);
        self.would_not_run(name).map_or(Ok(change), |why| Err(HookError::WouldNotRun { path, why }))
    }

    /// A second name for the foreign hook, before the first is renamed over: no moment without it.
    fn keep(&self, name: &str, act: bool) -> Result<(), HookError> {
        let kept = format!("{name}{KEPT}");
        let foreign = self.stat(name)?.ok_or_else(|| self.wrong(name, "keep", Errno::NOENT))?;
        let kind = FileType::from_raw_mode(foreign.st_mode);
        if !matches!(kind, FileType::RegularFile | FileType::Symlink) {
            return Err(HookError::NotAFile(self.path.join(name)));
        }
        match self.stat(&kept)? {
            // An installation that was interrupted here.
            Some(there) if same(&there, &foreign) => return Ok(()),
            Some(_) => return Err(HookError::KeptAlready(self.path.join(name))),
            None if !act => return Ok(()),
            None => {}
        }
        rustix::fs::linkat(&self.folder, name, &self.folder, &kept, AtFlags::empty())
            .map_err(|e| self.wrong(name, "keep", e).into())
    }

    fn place(&self, name: &str, program: &str, way: Way) -> Result<(), HookError> {
        let source = self.programs.join(program);
        match way {
            Way::Link => self.put(name, |new| {
                rustix::fs::symlinkat(&source, &self.folder, new)?;
                Ok(())
            }),
            Way::Copy => {
                self.place_site()?;
                self.place_program()?;
                let bytes = files::read_limited(&source, MAX_PROGRAM)?;
                self.place_copy(name, &bytes, 0o755)
            }
        }
    }

    fn put(
        &self,
        name: &str,
        make: impl FnOnce(&str) -> std::io::Result<()>,
    ) -> Result<(), HookError> {
        let new = format!(".{name}.refwarden-{}", std::process::id());
        let _ = rustix::fs::unlinkat(&self.folder, &new, AtFlags::empty());
        let placed = make(&new)
            .map_err(|e| HookError::from(FileError::new(&self.path.join(name), "write", e)))
            .and_then(|()| self.give(OsStr::new(&new)))
            .and_then(|()| self.rename(&new, name));
        if placed.is_err() {
            let _ = rustix::fs::unlinkat(&self.folder, &new, AtFlags::empty());
        }
        placed
    }

    /// Takes ours away; a kept hook comes back in the same step. Without `act`, only tells.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn uninstall(&self, name: &str, program: &str, act: bool) -> Result<Change, HookError> {
        let kept = self.kept(name)?.is_some();
        let change = match (self.standing(name, program)?, kept) {
            _ if self.is_programs => Change::None,
            (Standing::Ours { .. } | Standing::Absent, true) => Change::Restored,
            (Standing::Ours { .. }, false) => Change::Removed,
            (Standing::Absent | Standing::Foreign, false) => Change::None,
            (Standing::Other(_), _) | (Standing::Foreign, true) => Change::Left,
        };
        match change {
            Change::Restored if act => self.rename(&format!("{name}{KEPT}"), name)?,
            Change::Removed if act => self.unlink(name)?,
            _ => {}
        }
        Ok(change)
    }

    fn stat(&self, name: &str) -> Result<Option<Stat>, HookError> {
        match rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.wrong(name, "look at", error).into()),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), HookError> {
        rustix::fs::renameat(&self.folder, from, &self.folder, to)
            .map_err(|e| self.wrong(to, "replace", e).into())
    }

    fn unlink(&self, name: &str) -> Result<(), HookError> {
        rustix::fs::unlinkat(&self.folder, name, AtFlags::empty())
            .map_err(|e| self.wrong(name, "remove", e).into())
    }

    /// What root puts here belongs to the folder's owner.
    fn give(&self, name: &OsStr) -> Result<(), HookError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let path = self.path.join(name);
        let owner = rustix::fs::fstat(&self.folder).map_err(|e| wrong(&path, "own", e))?;
        let (uid, gid) = (Uid::from_raw(owner.st_uid), Gid::from_raw(owner.st_gid));
        // The folder's owner may have put a second name of another file there: that has two names.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let new = rustix::fs::openat(&self.folder, name, flags, Mode::empty())
            .map_err(|e| wrong(&path, "own", e))?;
        let about = rustix::fs::fstat(&new).map_err(|e| wrong(&path, "own", e))?;
        let is_folder = FileType::from_raw_mode(about.st_mode) == FileType::Directory;
        if about.st_nlink != 1 && !is_folder {
            return Err(wrong(&path, "own", Errno::MLINK).into());
        }
        rustix::fs::chownat(&new, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)
            .map_err(|e| wrong(&path, "own", e).into())
    }

    fn wrong(&self, name: &str, doing: &'static str, error: Errno) -> FileError {
        wrong(&self.path.join(name), doing, error)
    }
}

fn wrong(path: &Path, doing: &'static str, error: Errno) -> FileError {
    FileError::new(path, doing, error)
}

fn same(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}

#[cfg(test)]
mod tests;
