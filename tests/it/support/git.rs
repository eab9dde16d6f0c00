//! git, hermetically: nothing of the machine's or the user's settings comes in.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// One git binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Git {
    bin: PathBuf,
}

impl Default for Git {
    /// The newest of [`Git::all`] that is installed for everybody.
    fn default() -> Self {
        let usual = ["/usr/local/bin/git", "/usr/bin/git"];
        let bin = usual.iter().map(PathBuf::from).find(|path| path.is_file());
        Self { bin: bin.expect("git is installed") }
    }
}

impl Git {
    /// Every git on this machine: the distribution's, one of `/usr/local`, a new one below `/opt`,
    /// and the one that `REFWARDEN_TEST_GIT` names.
    pub fn all() -> Vec<Self> {
        let named = std::env::var_os("REFWARDEN_TEST_GIT").map(PathBuf::from);
        let usual = ["/usr/bin/git", "/usr/local/bin/git", "/opt/git-new/bin/git"];
        let all = usual.iter().map(PathBuf::from).chain(named);
        all.filter(|bin| bin.is_file()).map(|bin| Self { bin }).collect()
    }

    /// Major and minor version.
    pub fn version(&self) -> (u32, u32) {
        let output = self.command(Path::new("/")).arg("--version").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let number = text.split_ascii_whitespace().nth(2).unwrap().to_owned();
        let mut parts = number.split('.').map(|part| part.parse().unwrap_or(0));
        (parts.next().unwrap(), parts.next().unwrap())
    }

    /// The first git of at least this version.
    pub fn at_least(major: u32, minor: u32) -> Option<Self> {
        Self::all().into_iter().find(|git| git.version() >= (major, minor))
    }

    /// A command in `folder`, with a cleared environment and `folder` as home.
    pub fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.bin);
        command.current_dir(folder).env_clear();
        let own = self.bin.parent().unwrap().display();
        command
            .env("PATH", format!("{own}:/usr/local/bin:/usr/bin:/bin"))
            .env("HOME", folder)
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_AUTHOR_NAME", "A U Thor")
            .env("GIT_AUTHOR_EMAIL", "author@example.org")
            .env("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z")
            .env("GIT_COMMITTER_NAME", "C O Mitter")
            .env("GIT_COMMITTER_EMAIL", "committer@example.org")
            .env("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z");
        command
    }

    /// Runs git in `folder` and gives its output without the last line feed.
    ///
    /// # Panics
    /// When git fails.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, folder: &Path, arguments: &[S]) -> String {
        let output = self.command(folder).args(arguments).output().unwrap();
        words(&output, &format!("{:?}", arguments.iter().map(AsRef::as_ref).collect::<Vec<_>>()))
    }
}

/// The output of a command that must succeed.
pub fn words(output: &Output, what: &str) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what} failed with {}: {error}", output.status);
    String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
}
