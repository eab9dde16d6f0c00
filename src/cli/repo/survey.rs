//! How a repository's hooks stand, and what of it lets pushes through unjudged.
//!
//! Knows what git and the hosts do with what it finds; changes nothing. `repo status` and
//! `doctor` both tell from here.

use super::change::{self, PUSH_OPTIONS};
use super::layout::{self, Hook, Slot};
use super::target::{Installation, Target};
use crate::cli::finding::Finding;
use crate::os::hooks_dir::{HookError, HooksDir, NO_EXECUTE_BIT, Standing, Way};
use crate::text::shell_path;
use serde::{Serialize, Serializer};
use std::path::{Path, PathBuf};

/// One hook that was found.
#[derive(Debug, Clone, Serialize)]
pub struct HookState {
    /// `pre-receive`, `update` or `post-receive`.
    pub hook: &'static str,
    /// The file.
    #[serde(serialize_with = "shown")]
    pub path: PathBuf,
    /// `link`, `copy`, `other-installation` or `foreign`.
    pub standing: &'static str,
    /// Whether it is of this installation.
    pub ours: bool,
    /// Whether it is the installed version.
    pub current: bool,
    /// Why git would skip it; none when it runs.
    pub skipped: Option<String>,
    /// A foreign hook kept beside it: whether that one runs.
    pub kept: Option<bool>,
}

/// One repository.
#[derive(Debug, Serialize)]
pub struct Survey {
    /// As it was named.
    #[serde(serialize_with = "shown")]
    pub repository: PathBuf,
    /// Where git looks for hooks.
    #[serde(serialize_with = "shown")]
    pub hooks_path: PathBuf,
    /// The scope of `core.hooksPath`; none when it is not set.
    pub hooks_path_scope: Option<String>,
    /// What was found.
    pub hooks: Vec<HookState>,
    /// What is wrong with it; nothing when all is well.
    pub findings: Vec<Finding>,
}

/// JSON has no bytes: what is not UTF-8 is shown as git shows it, and is no error.
fn shown<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&path.display())
}

/// Looks at a repository's hooks.
#[must_use]
pub fn survey(target: &Target, home: &Installation) -> Survey {
    let mut found = Survey {
        repository: target.named.clone(),
        hooks_path: target.hooks_path.clone(),
        hooks_path_scope: target.hooks_path_scope.clone(),
        hooks: Vec::new(),
        findings: Vec::new(),
    };
    for slot in layout::everywhere(&target.git_folder, &target.hooks_path).iter().rev() {
        match look(slot, home) {
            Ok(None) => {}
            Ok(Some(state)) => {
                judge(&state, home, &mut found.findings);
                found.hooks.push(state);
            }
            Err(error) => {
                let cure = "make the folder and its files readable for who runs this";
                found.findings.push(Finding::open("hooks", error.to_string(), cure));
            }
        }
    }
    judge_all(target, &mut found);
    found
}

fn look(slot: &Slot, home: &Installation) -> Result<Option<HookState>, HookError> {
    let Some(folder) = HooksDir::open(&slot.folder, &home.programs)? else { return Ok(None) };
    let kept = folder.kept(slot.name)?;
    let (standing, ours, current) = match folder.standing(slot.name, slot.hook.name())? {
        Standing::Absent if kept.is_none() => return Ok(None),
        Standing::Absent => ("absent", false, false),
        Standing::Ours { way: Way::Link, current } => ("link", true, current),
        Standing::Ours { way: Way::Copy, current } => ("copy", true, current),
        Standing::Other(_) => ("other-installation", false, false),
        Standing::Foreign => ("foreign", false, false),
    };
    let path = slot.path();
    let there = standing != "absent";
    let skipped = there.then(|| folder.would_not_run(slot.name)).flatten().or_else(|| {
        let out = home.account.kept_from_running(&path)?;
        Some(format!("the account `{}` can't get past `{}`", home.account.name, out.display()))
    });
    let undispatched = slot.dispatcher.as_ref().filter(|p| !change::dispatches(p, slot.hook));
    let skipped =
        skipped.or_else(|| undispatched.map(|p| format!("`{}` does not run it", p.display())));
    let hook = slot.hook.name();
    Ok(Some(HookState { hook, path, standing, ours, current, skipped, kept }))
}

fn judge(state: &HookState, home: &Installation, findings: &mut Vec<Finding>) {
    let path = state.path.display();
    if let (true, Some(why)) = (state.ours, &state.skipped) {
        let what = format!("git skips `{path}`: {why}");
        let program = home.programs.join(state.hook);
        let cure = match why.as_str() {
            NO_EXECUTE_BIT => format!("chmod 0755 {}", shell_path(&program)),
            _ => format!(
                "let the account `{}` reach and run {}: search bits of its folders, no noexec mount",
                home.account.name,
                program.display()
            ),
        };
        findings.push(match state.hook {
            "post-receive" => Finding::warn("execute", what, cure),
            _ => Finding::open("execute", what, cure),
        });
    }
    if state.ours && !state.current {
        let what = format!("`{path}` is a copy of another version");
        findings.push(Finding::warn("version", what, "run refwarden repo install again"));
    }
    if let (false, Some(_)) = (state.ours, state.kept) {
        let is = if state.standing == "absent" { "gone" } else { "not ours" };
        let what = format!("`{path}` is {is}, and a hook is kept beside it that nobody runs");
        let cure = "run refwarden repo install again, or move the kept one back";
        findings.push(Finding::open("hooks", what, cure));
    }
    if state.standing == "other-installation" {
        let what = format!("`{path}` leads to another installation of refwarden");
        findings.push(Finding::warn("hooks", what, "run refwarden repo install of this one"));
    }
}

fn judge_all(target: &Target, found: &mut Survey) {
    let path = target.named.display();
    let has = |hook: Hook| found.hooks.iter().any(|h| h.ours && h.hook == hook.name());
    let (decides, confirms) = (has(Hook::PreReceive), has(Hook::Update));
    let foreign_update = found.hooks.iter().any(|h| h.hook == "update" && !h.ours);
    let gitlab = found
        .hooks
        .iter()
        .any(|h| h.ours && h.path.starts_with(target.git_folder.join("custom_hooks")));
    let install = format!("refwarden repo install {}", shell_path(&target.named));
    let mut findings = Vec::new();
    if !decides {
        let folder = target.hooks_path.display();
        let (by, cure) = match target.hooks_path_scope.as_deref() {
            Some(scope) => (
                format!(", where core.hooksPath ({scope}) leads"),
                format!("git config --unset core.hooksPath there if that is not meant; {install}"),
            ),
            None => (String::new(), install.clone()),
        };
        let what =
            format!("no pre-receive of ours in `{folder}`{by}: nothing judges what is pushed");
        findings.push(Finding::open("hooks", what, cure));
    }
    if confirms && !decides {
        let what = format!("`{path}` has `update` without pre-receive: every push is refused");
        findings.push(Finding::broken("hooks", what, install.clone()));
    }
    if decides && !confirms && !gitlab {
        let why = if foreign_update { "is somebody else's" } else { "is not installed" };
        let what = format!(
            "`update` {why}: an end or a revocation while a push is under way comes too late for it"
        );
        findings.push(Finding::warn("update", what, "install it, unless the host owns `update`"));
    }
    if decides && !has(Hook::PostReceive) {
        let what = format!("`{path}` has no post-receive: what landed is not recorded at once");
        findings.push(Finding::warn("hooks", what, install.clone()));
    }
    match target.config.is_on(PUSH_OPTIONS) {
        Ok(true) => {}
        Ok(false) => {
            let what = format!("{PUSH_OPTIONS} is off in `{path}`: `git push -o` dies at once");
            findings.push(Finding::warn("push-options", what, install));
        }
        Err(error) => {
            let cure = "mend the repository's configuration";
            findings.push(Finding::broken("config", error.to_string(), cure));
        }
    }
    found.findings.extend(findings);
}
