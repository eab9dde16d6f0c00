//! One repository (or template) as a place for hooks: where git looks, and by whose word.
//!
//! Knows how a path from the command line becomes that place; changes nothing.

use crate::os::account::Account;
use crate::os::git_config::{self, ConfigError, GitConfig, Place};
use crate::os::site::{Site, SiteError};
use std::path::{Path, PathBuf};

/// This installation: the site file, the programs and the hosting account.
#[derive(Debug)]
pub struct Installation {
    /// The site file.
    pub site: Site,
    /// The folder of the programs and of the site file.
    pub programs: PathBuf,
    /// The hosting account.
    pub account: Account,
}

/// Why a path is no place for hooks.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// There is no installation to link to.
    #[error("{0}; install.sh writes that file anew")]
    Site(#[from] SiteError),
    /// The host does not know the account.
    #[error(transparent)]
    Account(#[from] crate::os::account::AccountError),
    /// Not a repository, or its settings can't be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The root itself can't be looked at.
    #[error(transparent)]
    File(#[from] crate::os::files::FileError),
    /// RW105 would refuse every push.
    #[error(
        "`{}` lies outside the root `{}` of this installation: every push would be refused (RW105)",
        path.display(), root.display()
    )]
    OutsideRoot {
        /// The repository.
        path: PathBuf,
        /// The site's root.
        root: PathBuf,
    },
    /// git would look in `/`.
    #[error("core.hooksPath of `{}` is empty: remove it", .0.display())]
    EmptyHooksPath(PathBuf),
}

impl Installation {
    /// The installation that the running program belongs to.
    ///
    /// # Errors
    /// No trusted site file beside it, or an account that the host does not know.
    pub fn find() -> Result<Self, TargetError> {
        let site = Site::find()?;
        let account = Account::find(&site.account)?;
        Ok(Self { programs: Site::home()?, site, account })
    }
}

/// A place for hooks.
#[derive(Debug)]
pub struct Target {
    /// As it was named, for words.
    pub named: PathBuf,
    /// The git folder, links resolved; the template's folder.
    pub git_folder: PathBuf,
    /// Where git looks for hooks.
    pub hooks_path: PathBuf,
    /// The scope of `core.hooksPath`; none when it is not set.
    pub hooks_path_scope: Option<String>,
    /// Its settings.
    pub config: GitConfig,
}

impl Target {
    /// A repository below the site's root.
    ///
    /// # Errors
    /// [`TargetError`].
    pub fn repository(named: &Path, home: &Installation) -> Result<Self, TargetError> {
        let git_folder = git_config::git_folder(named)?;
        let root = git_config::real(&home.site.root)?;
        if !git_folder.starts_with(&root) || git_folder == root {
            return Err(TargetError::OutsideRoot { path: named.to_owned(), root });
        }
        let config = GitConfig::new(Place::Repository(git_folder.clone()), &home.account);
        let setting = config.effective("core.hooksPath", "path")?;
        let hooks_path = match &setting {
            None => git_folder.join("hooks"),
            Some(set) if set.value.is_empty() => {
                return Err(TargetError::EmptyHooksPath(named.to_owned()));
            }
            // Hooks of a push are looked for from the git folder.
            Some(set) => git_folder.join(&set.value),
        };
        let hooks_path_scope = setting.map(|set| set.scope);
        Ok(Self { named: named.to_owned(), git_folder, hooks_path, hooks_path_scope, config })
    }

    /// A template of git's, that new repositories are made from.
    #[must_use]
    pub fn template(folder: &Path, home: &Installation) -> Self {
        Self {
            named: folder.to_owned(),
            git_folder: folder.to_owned(),
            hooks_path: folder.join("hooks"),
            hooks_path_scope: None,
            config: GitConfig::new(Place::File(folder.join("config")), &home.account),
        }
    }
}
