//! Which hooks a host wants, and where.
//!
//! Knows git's own folder and the dispatchers of Gitea, GitLab and gitolite; touches nothing.

use clap::ValueEnum;
use std::path::{Path, PathBuf};

/// A hook of ours, in the order of installing: nothing may confirm before something decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Hook {
    /// Decides.
    PreReceive,
    /// Records.
    PostReceive,
    /// Confirms.
    Update,
}

impl Hook {
    /// All, in the order of installing.
    pub const ALL: [Self; 3] = [Self::PreReceive, Self::PostReceive, Self::Update];

    /// Git's name of it, and our program's.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PreReceive => "pre-receive",
            Self::PostReceive => "post-receive",
            Self::Update => "update",
        }
    }
}

/// A hosting stack with hooks of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Host {
    /// Gitea and Forgejo: their hooks run what lies in `hooks/NAME.d`.
    Gitea,
    /// GitLab: Gitaly runs `custom_hooks/NAME.d` of a repository, and no `update` of ours.
    Gitlab,
    /// gitolite: `hooks/update` is its own.
    Gitolite,
}

/// Where one hook of ours stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The folder.
    pub folder: PathBuf,
    /// Its name there.
    pub name: &'static str,
    /// What it is.
    pub hook: Hook,
    /// The host's own hook that must run it; without one git does.
    pub dispatcher: Option<PathBuf>,
}

impl Slot {
    /// The hook's path.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join(self.name)
    }
}

/// A set of hooks that would not do what it promises.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// It would refuse every push, or nothing would decide.
    #[error("`{0}` without pre-receive does nothing useful: pre-receive decides")]
    NothingDecides(&'static str),
    /// The host has no place for it.
    #[error("{0}")]
    NoUpdate(&'static str),
}

/// The hooks to install, in order: those asked for, else what suits the host.
///
/// # Errors
/// [`LayoutError`].
pub fn chosen(asked: &[Hook], host: Option<Host>) -> Result<Vec<Hook>, LayoutError> {
    let no_update = match host {
        Some(Host::Gitlab) => Some("GitLab runs no `update` below receive-pack: leave it out"),
        Some(Host::Gitolite) => Some("gitolite owns `hooks/update`: leave it out"),
        Some(Host::Gitea) | None => None,
    };
    let mut hooks = if asked.is_empty() { Hook::ALL.to_vec() } else { asked.to_vec() };
    hooks.sort_unstable();
    hooks.dedup();
    if asked.is_empty() && no_update.is_some() {
        hooks.retain(|hook| *hook != Hook::Update);
    }
    match (hooks.first(), no_update) {
        (Some(first), _) if *first != Hook::PreReceive => {
            Err(LayoutError::NothingDecides(first.name()))
        }
        (_, Some(words)) if hooks.contains(&Hook::Update) => Err(LayoutError::NoUpdate(words)),
        _ => Ok(hooks),
    }
}

/// Where a host wants a hook.
#[must_use]
pub fn slot(host: Option<Host>, hook: Hook, git_folder: &Path, hooks_path: &Path) -> Slot {
    let below = format!("{}.d", hook.name());
    match host {
        None | Some(Host::Gitolite) => {
            Slot { folder: hooks_path.to_owned(), name: hook.name(), hook, dispatcher: None }
        }
        Some(Host::Gitea) => Slot {
            folder: hooks_path.join(below),
            name: "refwarden",
            hook,
            dispatcher: Some(hooks_path.join(hook.name())),
        },
        Some(Host::Gitlab) => Slot {
            folder: git_folder.join("custom_hooks").join(below),
            name: "refwarden",
            hook,
            dispatcher: None,
        },
    }
}

/// Every place where ours may stand, in the order of removing: `update` first.
#[must_use]
pub fn everywhere(git_folder: &Path, hooks_path: &Path) -> Vec<Slot> {
    let hosts = [None, Some(Host::Gitea), Some(Host::Gitlab)];
    let hooks = Hook::ALL.into_iter().rev();
    hooks.flat_map(|hook| hosts.map(|host| slot(host, hook, git_folder, hooks_path))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn update_is_never_chosen_without_pre_receive() {
        let wrong = chosen(&[Hook::Update, Hook::PostReceive], None);
        assert_eq!(wrong, Err(LayoutError::NothingDecides("post-receive")));
        assert!(chosen(&[Hook::Update], Some(Host::Gitea)).is_err());
        let both = [Hook::PreReceive, Hook::Update];
        assert_eq!(chosen(&[Hook::Update, Hook::PreReceive], None).unwrap(), both);
    }

    #[test]
    fn gitlab_and_gitolite_get_no_update() {
        for host in [Host::Gitlab, Host::Gitolite] {
            let hooks = chosen(&[], Some(host)).unwrap();
            assert_eq!(hooks, [Hook::PreReceive, Hook::PostReceive]);
            assert!(chosen(&Hook::ALL, Some(host)).is_err());
        }
        assert_eq!(chosen(&[], Some(Host::Gitea)).unwrap(), Hook::ALL);
    }

    #[test]
    fn each_host_has_its_place() {
        let (git, hooks) = (Path::new("/r.git"), Path::new("/r.git/hooks"));
        let path = |host| slot(host, Hook::PreReceive, git, hooks).path();
        assert_eq!(path(None), Path::new("/r.git/hooks/pre-receive"));
        assert_eq!(path(Some(Host::Gitolite)), Path::new("/r.git/hooks/pre-receive"));
        assert_eq!(path(Some(Host::Gitea)), Path::new("/r.git/hooks/pre-receive.d/refwarden"));
        let gitlab = Path::new("/r.git/custom_hooks/pre-receive.d/refwarden");
        assert_eq!(path(Some(Host::Gitlab)), gitlab);
        let all = everywhere(git, hooks);
        assert!(all.iter().take(3).all(|slot| slot.hook == Hook::Update));
        assert_eq!(all.len(), 9);
    }
}
