//! Hooks into a place and out of it again.
//!
//! Knows the order that is safe at every moment, and what to remember; the single steps are
//! `os::hooks_dir`'s. What was done before an error stays in the list of steps.

use super::layout::{self, Hook, Host, Slot};
use super::target::{Installation, Target};
use crate::os::files;
use crate::os::git_config::{ConfigError, GitConfig};
use crate::os::hooks_dir::{Change, HookError, HooksDir, Standing, Way};
use std::path::{Path, PathBuf};

/// The setting without which `git push -o` dies.
pub const PUSH_OPTIONS: &str = "receive.advertisePushOptions";
/// Set while the line `receive.advertisePushOptions = true` is ours.
const ADDED: &str = "refwarden.advertisePushOptions";
const MAX_DISPATCHER: usize = 1024 * 1024;

/// What to install, and how.
#[derive(Debug)]
pub struct Plan {
    /// In the order of installing.
    pub hooks: Vec<Hook>,
    /// Whose layout.
    pub host: Option<Host>,
    /// Links or copies.
    pub way: Way,
    /// Whether hooks of another installation that is still there may be replaced.
    pub take_over: bool,
    /// Whether to do it, or only to tell.
    pub act: bool,
}

/// One step that was taken, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The file or the setting.
    pub path: PathBuf,
    /// What became of it.
    pub did: &'static str,
}

/// Why it stopped.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// A hook.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// A setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The host's own hook would never run ours.
    #[error("`{}` does not run what lies in `{hook}.d`: is this a Gitea repository?", path.display())]
    NoDispatcher {
        /// The host's own hook.
        path: PathBuf,
        /// Its name.
        hook: &'static str,
    },
    /// Root would write where the repository's owner sends it.
    #[error(
        "`{}` belongs to uid {owner}, but the repository that leads there to uid {repository}: \
        root does not follow; chown one of them, or run this as the repository's owner",
        path.display()
    )]
    LeadsAway {
        /// The folder or file.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Who owns the repository.
        repository: u32,
    },
    /// It guards by another policy, which would be given up.
    #[error(
        "`{}` is the hook of another installation, `{}`: --take-over replaces it; its own \
        `refwarden repo uninstall` gives the repository up",
        path.display(),
        program.display()
    )]
    Guarded {
        /// The hook.
        path: PathBuf,
        /// The other installation's program.
        program: PathBuf,
    },
    /// The account could never run it, and git would go on without.
    #[error(
        "the account `{account}` can't reach `{}`: git would skip the hooks, chmod o+x it",
        path.display()
    )]
    OutOfReach {
        /// Who.
        account: String,
        /// The folder or program that keeps it out.
        path: PathBuf,
    },
}

/// Installs, `pre-receive` first; then removes those of ours that are not wanted any more.
///
/// # Errors
/// [`ChangeError`]; what `steps` names is in place.
pub fn install(
    target: &Target,
    home: &Installation,
    plan: &Plan,
    steps: &mut Vec<Step>,
) -> Result<(), ChangeError> {
    let wanted: Vec<Slot> = plan
        .hooks
        .iter()
        .map(|hook| layout::slot(plan.host, *hook, &target.git_folder, &target.hooks_path))
        .collect();
    check_owners(target)?;
    for slot in &wanted {
        check_before(slot, home)?;
        if !plan.take_over {
            check_free(slot, home)?;
        }
    }
    for slot in &wanted {
        let change = install_slot(slot, home, plan)?;
        note(steps, slot, change);
    }
    for slot in layout::everywhere(&target.git_folder, &target.hooks_path) {
        if !wanted.contains(&slot) && is_ours(&slot, home)? {
            remove_slot(&slot, home, plan.act, steps)?;
        }
    }
    tidy(target, home, plan.act)?;
    note_shared(target, steps);
    add_push_options(&target.config, &target.git_folder, plan.act, steps)
}

/// What is done in a folder outside the repository is done to others as well.
fn note_shared(target: &Target, steps: &mut Vec<Step>) {
    if !steps.is_empty() && !target.hooks_path.starts_with(&target.git_folder) {
        let did = "is core.hooksPath: what was done there counts for all that share it";
        steps.push(Step { path: target.hooks_path.clone(), did });
    }
}

/// Where hooks lie and which file the settings are in is the word of the repository's owner; root,
/// who may write anywhere, follows it only to what that owner has. The system's own `core.hooksPath`
/// is root's word.
fn check_owners(target: &Target) -> Result<(), ChangeError> {
    let owner = |path: &Path| rustix::fs::stat(path).ok().map(|about| about.st_uid);
    let repository = owner(&target.git_folder).unwrap_or_default();
    if repository == 0 || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let by_system = target.hooks_path_scope.as_deref() == Some("system");
    let hooks = Some(&target.hooks_path).filter(|_| !by_system).cloned();
    let below = ["config", "custom_hooks"].map(|name| target.git_folder.join(name));
    for path in hooks.into_iter().chain(below) {
        // What is not there yet is made in the nearest folder above.
        let there = path.ancestors().find_map(|path| Some((path, owner(path)?)));
        if let Some((path, owner)) = there.filter(|(_, owner)| *owner != repository) {
            return Err(ChangeError::LeadsAway { path: path.to_owned(), owner, repository });
        }
    }
    Ok(())
}

/// What can be known to fail is found before anything is changed.
fn check_before(slot: &Slot, home: &Installation) -> Result<(), ChangeError> {
    let program = home.programs.join(slot.hook.name());
    let wrong = |path: PathBuf, why: String| HookError::WouldNotRun { path, why };
    let programs = HooksDir::open(&home.programs, &home.programs)?
        .ok_or_else(|| wrong(home.programs.clone(), "it is not there".to_owned()))?;
    if let Some(why) = programs.would_not_run(slot.hook.name()) {
        return Err(wrong(program, why).into());
    }
    if let Some(path) = home.account.kept_from_running(&program) {
        return Err(ChangeError::OutOfReach { account: home.account.name.clone(), path });
    }
    match &slot.dispatcher {
        Some(path) if !dispatches(path, slot.hook) => {
            Err(ChangeError::NoDispatcher { path: path.clone(), hook: slot.hook.name() })
        }
        _ => Ok(()),
    }
}

/// The hooks of another installation stay its own; what one that was removed left behind does not.
fn check_free(slot: &Slot, home: &Installation) -> Result<(), ChangeError> {
    let Some(folder) = open(slot, home)? else { return Ok(()) };
    match folder.standing(slot.name, slot.hook.name())? {
        Standing::Other(program) if slot.folder.join(&program).exists() => {
            Err(ChangeError::Guarded { path: slot.folder.join(slot.name), program })
        }
        _ => Ok(()),
    }
}

/// Whether a host's own hook is there, is run by git, and runs the folder that ours is in.
#[must_use]
pub fn dispatches(path: &Path, hook: Hook) -> bool {
    let below = format!("{}.d", hook.name());
    let folder = path.parent().and_then(|p| HooksDir::open(p, p).ok().flatten());
    folder.is_some_and(|folder| folder.would_not_run(hook.name()).is_none())
        && files::read_limited(path, MAX_DISPATCHER)
            .is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(&below))
}

fn install_slot(slot: &Slot, home: &Installation, plan: &Plan) -> Result<Change, ChangeError> {
    let program = slot.hook.name();
    if plan.act {
        let folder = HooksDir::make(&slot.folder, &home.programs)?;
        return Ok(folder.install(slot.name, program, plan.way, true)?);
    }
    match HooksDir::open(&slot.folder, &home.programs)? {
        Some(folder) => Ok(folder.install(slot.name, program, plan.way, false)?),
        None => Ok(Change::Installed),
    }
}

fn is_ours(slot: &Slot, home: &Installation) -> Result<bool, ChangeError> {
    let Some(folder) = open(slot, home)? else { return Ok(false) };
    Ok(matches!(folder.standing(slot.name, slot.hook.name())?, Standing::Ours { .. }))
}

fn is_of_another(slot: &Slot, home: &Installation) -> Result<bool, ChangeError> {
    let Some(folder) = open(slot, home)? else { return Ok(false) };
    Ok(matches!(folder.standing(slot.name, slot.hook.name())?, Standing::Other(_)))
}

/// Takes everything of ours away, `update` first, and gives back what was there.
///
/// # Errors
/// [`ChangeError`]; what `steps` names is done.
pub fn uninstall(
    target: &Target,
    home: &Installation,
    act: bool,
    steps: &mut Vec<Step>,
) -> Result<(), ChangeError> {
    check_owners(target)?;
    let slots = layout::everywhere(&target.git_folder, &target.hooks_path);
    let mut another = false;
    for slot in &slots {
        another |= is_of_another(slot, home)?;
        remove_slot(slot, home, act, steps)?;
    }
    tidy(target, home, act)?;
    note_shared(target, steps);
    // An installation that stays in the repository needs the setting.
    if another {
        return Ok(());
    }
    remove_push_options(&target.config, &target.git_folder, act, steps)
}

fn remove_slot(
    slot: &Slot,
    home: &Installation,
    act: bool,
    steps: &mut Vec<Step>,
) -> Result<(), ChangeError> {
    let Some(folder) = open(slot, home)? else { return Ok(()) };
    let change = folder.uninstall(slot.name, slot.hook.name(), act)?;
    note(steps, slot, change);
    Ok(())
}

/// The site files and records of copies, and folders of ours that are empty now.
fn tidy(target: &Target, home: &Installation, act: bool) -> Result<(), ChangeError> {
    if !act {
        return Ok(());
    }
    let all = layout::everywhere(&target.git_folder, &target.hooks_path);
    for slot in &all {
        let here: Vec<_> = all
            .iter()
            .filter(|other| other.folder == slot.folder)
            .map(|other| (other.name, other.hook.name()))
            .collect();
        if let Some(folder) = open(slot, home)? {
            folder.forget_copies(&here)?;
        }
        if slot.folder.starts_with(target.git_folder.join("custom_hooks")) {
            HooksDir::drop_empty(&slot.folder);
            HooksDir::drop_empty(&target.git_folder.join("custom_hooks"));
        }
    }
    Ok(())
}

fn open(slot: &Slot, home: &Installation) -> Result<Option<HooksDir>, ChangeError> {
    Ok(HooksDir::open(&slot.folder, &home.programs)?)
}

fn note(steps: &mut Vec<Step>, slot: &Slot, change: Change) {
    let did = match change {
        Change::None => return,
        Change::Installed => "installed",
        Change::Replaced => "replaced one of another version or installation of refwarden",
        Change::KeptForeign => "installed; the hook that was there is kept and runs too",
        Change::Removed => "removed",
        Change::Restored => "removed; the hook that was there before is back",
        Change::Left => "left alone: not of this installation",
    };
    steps.push(Step { path: slot.path(), did });
}

/// The marker first: a line of ours that nobody remembers would stay for ever.
///
/// # Errors
/// git can't read or write the setting.
pub fn add_push_options(
    config: &GitConfig,
    place: &Path,
    act: bool,
    steps: &mut Vec<Step>,
) -> Result<(), ChangeError> {
    let is_true = |value: &String| {
        ["true", "yes", "on", "1"].iter().any(|word| value.eq_ignore_ascii_case(word))
    };
    if config.own(PUSH_OPTIONS)?.last().is_some_and(is_true) {
        return Ok(());
    }
    if act {
        if config.own(ADDED)?.is_empty() {
            config.add(ADDED, "true")?;
        }
        config.add(PUSH_OPTIONS, "true")?;
    }
    steps.push(Step { path: place.join("config"), did: "set receive.advertisePushOptions" });
    Ok(())
}

/// Removes the line that [`add_push_options`] added, if it did.
///
/// # Errors
/// git can't read or write the setting.
pub fn remove_push_options(
    config: &GitConfig,
    place: &Path,
    act: bool,
    steps: &mut Vec<Step>,
) -> Result<(), ChangeError> {
    if config.own(ADDED)?.is_empty() {
        return Ok(());
    }
    let ours = config.own(PUSH_OPTIONS)?.iter().filter(|value| *value == "true").count();
    let did = match ours {
        1 => "set receive.advertisePushOptions back to what it was",
        _ => "receive.advertisePushOptions was changed by somebody else: left alone",
    };
    if act {
        if ours == 1 {
            config.remove(PUSH_OPTIONS, "true")?;
        }
        config.remove(ADDED, "true")?;
        config.drop_empty()?;
    }
    steps.push(Step { path: place.join("config"), did });
    Ok(())
}
