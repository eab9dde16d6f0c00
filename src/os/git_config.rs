//! Settings of git: read as a push would see them, changed so that the change can be taken back.
//!
//! Knows `git config` and where a repository's own git folder is; not what a setting is for.
//! A change only ever adds a line or removes that line, so what an admin wrote stays as written.

use super::account::Account;
use super::child::{self, ChildError, Output, Task};
use super::files::FileError;
use rustix::fs::{Gid, Mode, OFlags, Uid};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_OUTPUT: usize = 1024 * 1024;

/// Why a setting is not known or not changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not a repository's folder.
    #[error("`{}` is not a git repository", .0.display())]
    NotARepository(PathBuf),
    /// A worktree of another repository.
    #[error("`{}` is a linked worktree: name its main repository", .0.display())]
    Worktree(PathBuf),
    /// git said no.
    #[error("git config of `{place}`: {words}")]
    Git {
        /// Which configuration.
        place: String,
        /// git's own words.
        words: String,
    },
    /// A folder or file can't be looked at.
    #[error(transparent)]
    File(#[from] FileError),
    /// git could not be run.
    #[error(transparent)]
    Child(#[from] ChildError),
}

/// A path with all links resolved.
///
/// # Errors
/// It is not there, or can't be looked at.
pub fn real(path: &Path) -> Result<PathBuf, FileError> {
    std::fs::canonicalize(path).map_err(|error| FileError::new(path, "open", error))
}

/// The git folder of a repository, bare or not, links resolved.
///
/// # Errors
/// There is none, or it is a linked worktree's.
pub fn git_folder(path: &Path) -> Result<PathBuf, ConfigError> {
    let looks_right = |p: &Path| p.join("HEAD").exists() && p.join("objects").is_dir();
    let real = real(path)?;
    let inner = real.join(".git");
    if real.join("commondir").exists() || inner.is_file() {
        return Err(ConfigError::Worktree(path.to_owned()));
    }
    match () {
        () if looks_right(&real) => Ok(real),
        () if looks_right(&inner) => Ok(inner),
        () => Err(ConfigError::NotARepository(path.to_owned())),
    }
}

/// Whose configuration is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A repository's own, by its git folder.
    Repository(PathBuf),
    /// A file: a template's.
    File(PathBuf),
    /// The machine's; a file instead of it in tests.
    System(Option<PathBuf>),
}

/// A setting and the scope that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// `system`, `global`, `local` or `worktree`.
    pub scope: String,
    /// Its value, `~` expanded where it is a path.
    pub value: String,
}

/// git's configuration at one place, read with the hosting account's eyes.
#[derive(Debug, Clone)]
pub struct GitConfig {
    place: Place,
    home: PathBuf,
}

impl GitConfig {
    /// The configuration at `place`, for pushes that run as `account`.
    #[must_use]
    pub fn new(place: Place, account: &Account) -> Self {
        Self { place, home: account.home.clone() }
    }

    /// What holds in the end, of all scopes; `kind` is `path`, `bool`, …, or empty.
    ///
    /// # Errors
    /// git can't be run, or can't read its configuration.
    pub fn effective(&self, key: &str, kind: &str) -> Result<Option<Setting>, ConfigError> {
        let kind = if kind.is_empty() { "--no-type".into() } else { format!("--type={kind}") };
        let output = self.run(&["-z", "--show-scope", &kind, "--get", key], false)?;
        let Some(text) = self.value(&output)? else { return Ok(None) };
        let mut parts = text.split('\0');
        let (Some(scope), Some(value)) = (parts.next(), parts.next()) else { return Ok(None) };
        Ok(Some(Setting { scope: scope.to_owned(), value: value.to_owned() }))
    }

    /// Whether a yes-or-no setting holds in the end.
    ///
    /// # Errors
    /// As [`GitConfig::effective`].
    pub fn is_on(&self, key: &str) -> Result<bool, ConfigError> {
        Ok(self.effective(key, "bool")?.is_some_and(|setting| setting.value == "true"))
    }

    /// The values that stand at this place itself, in their order.
    ///
    /// # Errors
    /// As [`GitConfig::effective`].
    pub fn own(&self, key: &str) -> Result<Vec<String>, ConfigError> {
        if let Place::File(path) | Place::System(Some(path)) = &self.place
            && !path.exists()
        {
            return Ok(Vec::new());
        }
        let output = self.run(&["-z", "--get-all", key], true)?;
        let text = self.value(&output)?.unwrap_or_default();
        Ok(text.split_terminator('\0').map(str::to_owned).collect())
    }

    /// Adds one more value; the last one counts.
    ///
    /// # Errors
    /// git can't write.
    pub fn add(&self, key: &str, value: &str) -> Result<(), ConfigError> {
        self.change(&["--add", key, value])
    }

    /// Removes one value that [`GitConfig::add`] added.
    ///
    /// # Errors
    /// It is not there, or there twice, or git can't write.
    pub fn remove(&self, key: &str, value: &str) -> Result<(), ConfigError> {
        self.change(&["--fixed-value", "--unset", key, value])
    }

    /// Removes a template's file that nothing is left in.
    ///
    /// # Errors
    /// It can't be removed.
    pub fn drop_empty(&self) -> Result<(), ConfigError> {
        let Place::File(path) = &self.place else { return Ok(()) };
        if rustix::fs::stat(path).is_ok_and(|stat| stat.st_size == 0) {
            rustix::fs::unlink(path).map_err(|e| FileError::new(path, "remove", e))?;
        }
        Ok(())
    }

    /// `git config` makes a new file: what root writes must stay the owner's.
    fn change(&self, arguments: &[&str]) -> Result<(), ConfigError> {
        let file = self.file();
        let before = file.as_deref().and_then(|path| {
            let folder = path.parent()?;
            rustix::fs::stat(path).or_else(|_| rustix::fs::stat(folder)).ok()
        });
        let output = self.run(arguments, true)?;
        if !output.status.success() {
            return Err(self.refused(&output));
        }
        if let (Some(path), Some(before), true) = (file, before, is_root()) {
            give(&path, before.st_uid, before.st_gid)?;
        }
        Ok(())
    }

    fn file(&self) -> Option<PathBuf> {
        match &self.place {
            Place::Repository(folder) => Some(folder.join("config")),
            Place::File(path) => Some(path.clone()),
            Place::System(path) => path.clone(),
        }
    }

    fn value(&self, output: &Output) -> Result<Option<String>, ConfigError> {
        match output.status.code() {
            Some(0) => match String::from_utf8(output.stdout.clone()) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(self.failed("a value is not UTF-8")),
            },
            Some(1) => Ok(None),
            _ => Err(self.refused(output)),
        }
    }

    fn refused(&self, output: &Output) -> ConfigError {
        let words = String::from_utf8_lossy(&output.stderr);
        let words = words.trim();
        let code = output.status.code().unwrap_or(-1);
        self.failed(&if words.is_empty() { format!("exit {code}") } else { words.to_owned() })
    }

    fn failed(&self, words: &str) -> ConfigError {
        let place = match &self.place {
            Place::Repository(path) | Place::File(path) => path.display().to_string(),
            Place::System(_) => "the system".to_owned(),
        };
        ConfigError::Git { place, words: words.to_owned() }
    }

    fn run(&self, arguments: &[&str], own: bool) -> Result<Output, ConfigError> {
        let mut argv: Vec<OsString> = Vec::new();
        let mut scope: Vec<OsString> = Vec::new();
        match &self.place {
            Place::Repository(folder) => {
                let mut option = OsString::from("--git-dir=");
                option.push(folder);
                argv.push(option);
                scope.push("--local".into());
            }
            Place::File(path) => scope.extend(["--file".into(), path.into()]),
            Place::System(_) => scope.push("--system".into()),
        }
        argv.push("config".into());
        argv.extend(scope.into_iter().filter(|_| own));
        argv.extend(arguments.iter().map(OsString::from));
        let mut environment = environment(&self.home);
        if let Place::System(Some(path)) = &self.place {
            environment.push(("GIT_CONFIG_SYSTEM".into(), path.into()));
        }
        Ok(git(&argv, &environment)?)
    }
}

/// Runs git with an environment of its own; the caller says what it may read.
fn git(arguments: &[OsString], environment: &[(OsString, OsString)]) -> Result<Output, ChildError> {
    child::run(&Task {
        program: Path::new("git"),
        name: None,
        arguments,
        environment,
        folder: None,
        stdin: b"",
        timeout: TIMEOUT,
        max_output: MAX_OUTPUT,
    })
}

fn environment(home: &Path) -> Vec<(OsString, OsString)> {
    vec![
        ("PATH".into(), child::PATH.into()),
        ("LC_ALL".into(), "C".into()),
        ("HOME".into(), home.into()),
    ]
}

/// What `git` with these arguments prints, trimmed; none when it fails.
///
/// # Errors
/// git can't be run.
pub fn git_says(arguments: &[&str], home: &Path) -> Result<Option<String>, ChildError> {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let output = git(&arguments, &environment(home))?;
    let text = String::from_utf8(output.stdout).unwrap_or_default();
    Ok(Some(text.trim().to_owned()).filter(|_| output.status.success()))
}

/// The git that is run here and by the hooks: the first in the search path that children have.
#[must_use]
pub fn git_program() -> Option<PathBuf> {
    let folders = child::PATH.split(':').map(Path::new);
    let may_run = |path: &PathBuf| {
        path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
    };
    folders.map(|folder| folder.join("git")).find(may_run)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn give(path: &Path, uid: u32, gid: u32) -> Result<(), FileError> {
    let wrong = |error| FileError::new(path, "give back", error);
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            .map_err(wrong),
        // A linked configuration file, or one that git removed as empty: nothing of ours.
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(wrong(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(home: &Path) -> Account {
        let uid = rustix::process::geteuid().as_raw();
        Account { name: "git".into(), uid, home: home.to_owned(), groups: Vec::new() }
    }

    fn repository(folder: &Path) -> PathBuf {
        let path = folder.join("r.git");
        let words = path.to_str().unwrap();
        git_says(&["init", "-q", "--bare", words], folder).unwrap().unwrap();
        std::fs::canonicalize(path).unwrap()
    }

    #[test]
    fn what_was_added_is_removed_without_a_trace() {
        let folder = tempfile::tempdir().unwrap();
        let git = repository(folder.path());
        let file = git.join("config");
        let mut text = std::fs::read_to_string(&file).unwrap();
        text.push_str("[Receive]\n\tADVERTISEpushoptions=off ; ours\n");
        std::fs::write(&file, &text).unwrap();
        let config = GitConfig::new(Place::Repository(git), &account(folder.path()));
        let key = "receive.advertisePushOptions";
        config.add(key, "true").unwrap();
        config.add("refwarden.x", "y").unwrap();
        assert!(config.is_on(key).unwrap());
        assert_eq!(config.own(key).unwrap(), ["off", "true"]);
        config.remove(key, "true").unwrap();
        config.remove("refwarden.x", "y").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }

    #[test]
    fn the_accounts_own_configuration_counts_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let git = repository(folder.path());
        let text = "[core]\n\thooksPath = ~/evil\n";
        std::fs::write(folder.path().join(".gitconfig"), text).unwrap();
        let config = GitConfig::new(Place::Repository(git), &account(folder.path()));
        let found = config.effective("core.hooksPath", "path").unwrap().unwrap();
        assert_eq!(found.scope, "global");
        assert_eq!(Path::new(&found.value), folder.path().join("evil"));
        assert!(config.own("core.hooksPath").unwrap().is_empty());
    }

    #[test]
    fn a_broken_configuration_is_an_error_not_an_absence() {
        let folder = tempfile::tempdir().unwrap();
        let git = repository(folder.path());
        std::fs::write(git.join("config"), "[core\n").unwrap();
        let config = GitConfig::new(Place::Repository(git), &account(folder.path()));
        assert!(config.effective("core.hooksPath", "path").is_err());
        assert!(config.own("core.hooksPath").is_err());
    }

    #[test]
    fn the_git_folder_is_found_through_links_and_only_there() {
        let folder = tempfile::tempdir().unwrap();
        let git = repository(folder.path());
        let link = folder.path().join("l");
        std::os::unix::fs::symlink(&git, &link).unwrap();
        assert_eq!(git_folder(&link).unwrap(), git);
        assert!(matches!(git_folder(folder.path()), Err(ConfigError::NotARepository(_))));
        std::fs::write(git.join("commondir"), "../..").unwrap();
        assert!(matches!(git_folder(&git), Err(ConfigError::Worktree(_))));
    }
}
