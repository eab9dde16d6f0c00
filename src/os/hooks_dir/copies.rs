//! Hooks that are copies: which are ours, and the site file that they need beside them.
//!
//! Knows the record of what was copied; a file that is not in it is somebody else's.

use super::{HookError, HooksDir, MAX_PROGRAM, Standing, Way};
use crate::os::files;
use crate::os::site;
use rustix::fs::{FileType, Mode, OFlags, Stat};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io::Write;

/// Which of the files here are copies of ours; git and all hosts skip dot files.
const COPIES: &str = ".refwarden-copies";
const MAX_RECORD: usize = 64 * 1024;

impl HooksDir {
    pub(super) fn place_site(&self) -> Result<(), HookError> {
        let name = site::FILE_NAME;
        if self.standing(name, name)? == Standing::Foreign {
            return Err(HookError::SiteTaken(self.path.join(name)));
        }
        let bytes = files::read_limited(&self.programs.join(name), MAX_RECORD)?;
        self.place_copy(name, &bytes, 0o644)
    }

    /// The admin command, to which the hooks leave what is not ordinary.
    pub(super) fn place_program(&self) -> Result<(), HookError> {
        let bytes = files::read_limited(&self.programs.join("refwarden"), MAX_PROGRAM)?;
        self.place_copy(site::PROGRAM_COPY, &bytes, 0o755)
    }

    /// Recorded first: a copy that is not recorded would be kept as foreign by the next run.
    pub(super) fn place_copy(&self, name: &str, bytes: &[u8], mode: u32) -> Result<(), HookError> {
        let mut recorded = self.copies()?;
        if recorded.insert(line(name, bytes)) {
            self.record(&recorded)?;
        }
        if matches!(self.stat(name)?, Some(stat) if is_plain(&stat, mode))
            && files::read_limited(&self.path.join(name), MAX_PROGRAM)? == bytes
        {
            return Ok(());
        }
        self.put(name, |new| {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&self.folder, new, flags, Mode::from_raw_mode(0o600))?;
            let mut file = std::fs::File::from(file);
            file.write_all(bytes)?;
            rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
            file.sync_all()
        })
    }

    /// Takes the site file, the admin command and the record away once no copy of ours is left.
    ///
    /// # Errors
    /// They can't be removed.
    pub fn forget_copies(&self, slots: &[(&str, &str)]) -> Result<(), HookError> {
        if self.stat(COPIES)?.is_none() {
            return Ok(());
        }
        for (name, program) in slots {
            if matches!(self.standing(name, program)?, Standing::Ours { way: Way::Copy, .. }) {
                return Ok(());
            }
        }
        for (name, program) in
            [(site::FILE_NAME, site::FILE_NAME), (site::PROGRAM_COPY, "refwarden")]
        {
            if matches!(self.standing(name, program)?, Standing::Ours { .. }) {
                self.unlink(name)?;
            }
        }
        self.unlink(COPIES)
    }

    pub(super) fn copies(&self) -> Result<BTreeSet<String>, HookError> {
        let text = match files::read_limited(&self.path.join(COPIES), MAX_RECORD) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.is_absent() => String::new(),
            Err(error) => return Err(error.into()),
        };
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn record(&self, lines: &BTreeSet<String>) -> Result<(), HookError> {
        let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        Ok(files::write_whole(&self.path.join(COPIES), text.as_bytes(), 0o644)?)
    }
}

fn is_plain(stat: &Stat, mode: u32) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_mode & 0o7777 == mode
}

pub(super) fn line(name: &str, bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name} {hex}")
}
