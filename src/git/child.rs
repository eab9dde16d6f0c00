//! The one place of this module that starts git: for reftable, which `gix` does not read.
//!
//! Knows how to keep the hook's environment away from the child.

#![expect(clippy::disallowed_methods, reason = "os::child replaces this helper once it is there")]

use super::GitError;
use super::error::detail_of;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where git is looked for when the hook has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How git is started for one repository.
#[derive(Debug)]
pub(super) struct Git {
    git_dir: PathBuf,
    path: OsString,
}

impl Git {
    pub(super) fn new(git_dir: &Path, path: Option<&OsStr>) -> Self {
        let path = path.unwrap_or(OsStr::new(DEFAULT_PATH)).to_owned();
        Self { git_dir: git_dir.to_owned(), path }
    }

    /// Runs `git COMMAND ARGUMENTS…`, whatever its exit code.
    pub(super) fn run(
        &self,
        command: &'static str,
        arguments: &[&OsStr],
    ) -> Result<Output, GitError> {
        let mut child = Command::new("git");
        child.env_clear().env("PATH", &self.path).env("GIT_DIR", &self.git_dir);
        child.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        child.env("GIT_NO_REPLACE_OBJECTS", "1").env("LC_ALL", "C");
        // Its owner was checked when it was opened, by a rule narrower than git's.
        child.args(["-c", "safe.directory=*", command]).args(arguments);
        let output = child.stdin(Stdio::null()).output();
        output.map_err(|error| GitError::Child { command, detail: detail_of(error) })
    }
}
