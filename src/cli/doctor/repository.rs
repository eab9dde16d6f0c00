//! Checks of one repository.
//!
//! Knows which settings, owners and modes weaken or slow the hooks; the hooks themselves are
//! `repo::survey`'s.

use crate::cli::finding::Finding;
use crate::cli::repo::survey;
use crate::cli::repo::target::{Installation, Target};
use crate::hook::{desk, judge};
use crate::os::git_config::ConfigError;
use crate::os::host_facts;
use crate::os::trust::{self, TrustError};
use crate::policy::scope::NoScope;
use crate::text::shell_path;

/// From here on a walk without a commit-graph is felt (facts/git.md 20).
const MANY_OBJECTS: u64 = 100_000;

/// The hooks are there and git runs them.
pub fn hooks(target: &Target, home: &Installation) -> Vec<Finding> {
    let found = survey::survey(target, home).findings;
    if found.is_empty() {
        return vec![Finding::ok("hooks", target.named.display().to_string())];
    }
    found
}

/// The applied policy has one project for it. That nothing is applied is another check's finding.
pub fn project(target: &Target, home: &Installation) -> Vec<Finding> {
    let Ok((policy, _)) = desk::open_policy(&home.site) else { return Vec::new() };
    let Some(name) = judge::repository(&home.site.root, &target.git_folder) else {
        return Vec::new();
    };
    let shown = String::from_utf8_lossy(&name).into_owned();
    match policy.ground(None, &name) {
        Err(NoScope::NoProject) => {
            let what = format!("no project has `{shown}`: every push there is refused (RW105)");
            vec![Finding::warn("project", what, "name it in a project of the policy, then apply")]
        }
        Err(NoScope::Ambiguous(one, two)) => {
            let what = format!(
                "the projects `{one}` and `{two}` both have `{shown}`: every push there is refused (RW503)"
            );
            let cure = "name it exactly in one of them, then refwarden policy apply";
            vec![Finding::broken("project", what, cure)]
        }
        _ => Vec::new(),
    }
}

/// Who decides where git looks for hooks.
pub fn hooks_path(target: &Target, _: &Installation) -> Vec<Finding> {
    let what = format!(
        "hooks of `{}` are looked for in `{}`, by the account's own .gitconfig",
        target.named.display(),
        target.hooks_path.display()
    );
    let cure = "remove core.hooksPath there, or set it in the repository, which comes after";
    match target.hooks_path_scope.as_deref() {
        Some("global") => vec![Finding::warn("hooks-path", what, cure)],
        _ => Vec::new(),
    }
}

/// Nobody but root and the account can write the repository past the hooks.
pub fn owners(target: &Target, home: &Installation) -> Vec<Finding> {
    let uid = home.site.account_uid;
    let folder = &target.git_folder;
    let parts = ["config", "hooks", "refs", "objects", "HEAD", "packed-refs"];
    let parts = parts.iter().map(|name| folder.join(name)).filter(|path| path.exists());
    let results = parts.map(|path| match path.is_dir() {
        true => trust::open_folder(&path, uid).map(drop),
        false => trust::open_file(&path, uid).map(drop),
    });
    let mut errors: Vec<TrustError> = results.filter_map(Result::err).collect();
    // A folder above is named once, not once for each part.
    errors.dedup_by_key(|error| error.to_string());
    errors.into_iter().map(|error| owner(&error, target)).collect()
}

fn owner(error: &TrustError, target: &Target) -> Finding {
    match error.split() {
        (what, Some(cure)) => {
            Finding::open("owners", format!("{what}: who can write the files needs no push"), cure)
        }
        (what, None) => {
            Finding::broken("owners", what, format!("look at {}", shell_path(&target.git_folder)))
        }
    }
}

/// New objects and refs stay closed to the group.
pub fn shared(target: &Target, _: &Installation) -> Vec<Finding> {
    let closed = ["umask", "false", "no", "off", "0", ""];
    match target.config.effective("core.sharedRepository", "") {
        Ok(Some(set)) if !closed.contains(&set.value.to_ascii_lowercase().as_str()) => {
            let what = format!(
                "core.sharedRepository is `{}` in `{}`: the group can write past the hooks",
                set.value,
                target.named.display()
            );
            let cure = "remove it, chmod -R g-w,o-w the repository, let people in by ssh or HTTP";
            vec![Finding::open("shared", what, cure)]
        }
        other => unread("shared", other.map(drop)),
    }
}

/// git looks at what is pushed before the hooks do.
pub fn fsck_objects(target: &Target, home: &Installation) -> Vec<Finding> {
    let checked = || -> Result<bool, ConfigError> {
        match target.config.effective("receive.fsckObjects", "bool")? {
            Some(set) => Ok(set.value == "true"),
            None => target.config.is_on("transfer.fsckObjects"),
        }
    };
    match checked() {
        Ok(false) => {
            let what = format!("receive.fsckObjects is off in `{}`", target.named.display());
            let cure = by_account(home, target, "config receive.fsckObjects true");
            vec![Finding::warn("fsck-objects", what, cure)]
        }
        other => unread("fsck-objects", other.map(drop)),
    }
}

/// No other program takes refs that the hooks should judge.
pub fn proc_receive(target: &Target, _: &Installation) -> Vec<Finding> {
    match target.config.effective("receive.procReceiveRefs", "") {
        Ok(Some(set)) => {
            let what = format!(
                "receive.procReceiveRefs is `{}` in `{}`: pushes to these refs are refused (RW309)",
                set.value,
                target.named.display()
            );
            vec![Finding::warn("proc-receive", what, "remove it, unless that is meant")]
        }
        other => unread("proc-receive", other.map(drop)),
    }
}

/// A large repository has a commit-graph, or pushes are slow.
pub fn commit_graph(target: &Target, home: &Installation) -> Vec<Finding> {
    let objects = host_facts::packed_objects(&target.git_folder);
    if objects < MANY_OBJECTS || host_facts::has_commit_graph(&target.git_folder) {
        return Vec::new();
    }
    let path = target.named.display();
    let what =
        format!("`{path}` has {objects} packed objects and no commit-graph: pushes are slow");
    let cure = by_account(home, target, "commit-graph write --reachable");
    vec![Finding::warn("commit-graph", what, cure)]
}

/// A command of git in the repository. git refuses to work for root in what another account owns,
/// and what root writes there would be root's.
fn by_account(home: &Installation, target: &Target, command: &str) -> String {
    let path = shell_path(&target.named);
    match rustix::process::geteuid().as_raw() == home.site.account_uid {
        true => format!("git -C {path} {command}"),
        false => format!("sudo -u {} git -C {path} {command}", home.site.account),
    }
}

fn unread(check: &'static str, result: Result<(), ConfigError>) -> Vec<Finding> {
    let cure = "mend the configuration: git refuses pushes too";
    result.err().map(|error| Finding::broken(check, error.to_string(), cure)).into_iter().collect()
}
