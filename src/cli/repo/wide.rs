//! Hooks for repositories that are not named: git's template, and the whole machine.
//!
//! Knows where git keeps its template and the machine's `core.hooksPath`; the hooks themselves
//! go in as into any repository.

use super::change::{self, ChangeError, Step};
use super::target::{Installation, TargetError};
use crate::os::files::FileError;
use crate::os::git_config::{self, GitConfig, Place};
use std::path::{Path, PathBuf};

const HOOKS_PATH: &str = "core.hooksPath";

/// Why the machine's setting was not changed.
#[derive(Debug, thiserror::Error)]
pub enum WideError {
    /// Somebody else's hooks would stop running.
    #[error("the system's core.hooksPath is `{0}`, not ours: remove it first if that is meant")]
    Taken(String),
    /// No template to be found.
    #[error("git's template folder was not found: name it, --template=DIR")]
    NoTemplate,
    /// git can't be asked.
    #[error(transparent)]
    Config(#[from] git_config::ConfigError),
    /// A folder can't be looked at.
    #[error(transparent)]
    File(#[from] FileError),
    /// git can't be run.
    #[error(transparent)]
    Child(#[from] crate::os::child::ChildError),
    /// A setting.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// A place.
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// The folder that `git init` copies from, for repositories that the hosting account makes.
///
/// # Errors
/// It is neither set nor where git's own installation has it.
pub fn template_folder(named: Option<&Path>, home: &Installation) -> Result<PathBuf, WideError> {
    let account = &home.account.home;
    let set =
        git_config::git_says(&["config", "--type=path", "--get", "init.templateDir"], account)?;
    if let Some(folder) = named.map(Path::to_owned).or(set.map(PathBuf::from)) {
        return Ok(git_config::real(&folder)?);
    }
    let programs = git_config::git_says(&["--exec-path"], account)?.ok_or(WideError::NoTemplate)?;
    let prefixes = Path::new(&programs).ancestors().skip(1);
    prefixes
        .map(|prefix| prefix.join("share/git-core/templates"))
        .find_map(|folder| git_config::real(&folder).ok())
        .ok_or(WideError::NoTemplate)
}

/// Leads every repository of the machine to the programs.
///
/// # Errors
/// Another `core.hooksPath` is there, or the setting can't be changed.
pub fn install_system(
    config: &GitConfig,
    home: &Installation,
    act: bool,
    steps: &mut Vec<Step>,
) -> Result<(), WideError> {
    let ours = home.programs.display().to_string();
    let there = config.own(HOOKS_PATH)?;
    if let Some(other) = there.iter().find(|value| **value != ours) {
        return Err(WideError::Taken(other.clone()));
    }
    if there.is_empty() {
        if act {
            config.add(HOOKS_PATH, &ours)?;
        }
        let did = "set; hooks in the repositories' own folders don't run any more";
        steps.push(Step { path: PathBuf::from("system core.hooksPath"), did });
    }
    Ok(change::add_push_options(config, Path::new("system"), act, steps)?)
}

/// Takes the machine's setting back, if it is ours.
///
/// # Errors
/// The setting can't be changed.
pub fn uninstall_system(
    config: &GitConfig,
    home: &Installation,
    act: bool,
    steps: &mut Vec<Step>,
) -> Result<(), WideError> {
    let ours = home.programs.display().to_string();
    if config.own(HOOKS_PATH)?.contains(&ours) {
        if act {
            config.remove(HOOKS_PATH, &ours)?;
        }
        steps.push(Step { path: PathBuf::from("system core.hooksPath"), did: "removed" });
    }
    Ok(change::remove_push_options(config, Path::new("system"), act, steps)?)
}

/// The machine's configuration; a file instead of it in tests.
#[must_use]
pub fn system(home: &Installation, file: Option<PathBuf>) -> GitConfig {
    GitConfig::new(Place::System(file), &home.account)
}
