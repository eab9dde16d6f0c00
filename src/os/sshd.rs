//! What sshd on this host is set up to do for an account, and what programs run here.
//!
//! Knows how to ask `sshd -T`; what is good or bad in it is `doctor`'s matter.

use super::child::{self, ChildError, Task};
use super::files;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_OUTPUT: usize = 1024 * 1024;
/// Longest command line of a process that is looked at, in bytes.
const MAX_LINE: usize = 64 * 1024;

/// Why sshd's settings are not known.
#[derive(Debug, thiserror::Error)]
pub enum SshdError {
    /// Only root can read its host keys, without which it says nothing.
    #[error("only root can ask sshd for its settings")]
    NotRoot,
    /// It did not run.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// It does not take its own settings.
    #[error("`sshd -T` says: {0}")]
    Said(String),
}

/// Where sshd lies; `None` where this host has none.
#[must_use]
pub fn program() -> Option<PathBuf> {
    let folders = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/run/current-system/sw/bin"];
    folders.iter().map(|folder| Path::new(folder).join("sshd")).find(|path| path.is_file())
}

/// sshd's settings as they are for a login to `account`, one `key value` a line; `file` is another
/// file than sshd's own.
///
/// # Errors
/// [`SshdError`].
pub fn settings(sshd: &Path, account: &str, file: Option<&Path>) -> Result<String, SshdError> {
    if !rustix::process::geteuid().is_root() {
        return Err(SshdError::NotRoot);
    }
    let mut arguments: Vec<OsString> = vec!["-T".into(), "-C".into()];
    arguments.push(format!("user={account},host=localhost,addr=127.0.0.1").into());
    if let Some(file) = file {
        arguments.extend(["-f".into(), file.into()]);
    }
    let output = child::run(&Task {
        program: sshd,
        name: None,
        arguments: &arguments,
        environment: &[("PATH".into(), child::PATH.into()), ("LC_ALL".into(), "C".into())],
        folder: None,
        stdin: b"",
        timeout: TIMEOUT,
        max_output: MAX_OUTPUT,
    })?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(SshdError::Said(words.lines().next().unwrap_or_default().trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command lines of the processes of this host that may be looked at, argument by argument.
#[must_use]
pub fn command_lines() -> Vec<Vec<String>> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let is_number = |name: &OsString| name.to_string_lossy().bytes().all(|b| b.is_ascii_digit());
    let processes = entries.flatten().filter(|entry| is_number(&entry.file_name()));
    let lines = processes.filter_map(|entry| {
        let bytes = files::read_limited(&entry.path().join("cmdline"), MAX_LINE).ok()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Some(text.split_terminator('\0').map(str::to_owned).collect())
    });
    lines.collect()
}
