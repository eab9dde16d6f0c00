//! `refwarden repo`: the hooks into repositories, out of them, and how they stand.
//!
//! Knows the verbs and their words; what is safe in which order is `repo::change`'s. Each
//! repository stands for itself: one that fails does not keep the others from being done.

#[cfg(test)]
pub(crate) mod bed;
pub mod change;
pub mod layout;
pub mod survey;
pub mod target;
pub mod wide;

use super::doctor;
use super::exit::Exit;
use super::finding::{Level, worst};
use super::out::Out;
use crate::os::git_config;
use crate::os::hooks_dir::Way;
use crate::os::host_facts;
use change::{Plan, Step};
use clap::{Args, Subcommand};
use layout::{Hook, Host};
use serde_json::json;
use std::path::{Path, PathBuf};
use target::{Installation, Target};

/// Hooks in repositories.
#[derive(Debug, Args)]
pub struct RepoArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: RepoVerb,
}

/// What to do with the hooks.
#[derive(Debug, Subcommand)]
pub enum RepoVerb {
    /// Put the hooks into repositories; again is harmless
    Install(InstallArgs),
    /// Take the hooks out again and give back what was there
    Uninstall(WhereArgs),
    /// Tell how the hooks stand; 1 when pushes can pass unjudged
    Status(StatusArgs),
    /// Name the repositories below the root that have our hooks
    List,
}

/// Which repositories.
#[derive(Debug, Args)]
pub struct WhereArgs {
    /// Bare repositories below the site's root
    #[arg(value_name = "REPO.git")]
    pub repositories: Vec<PathBuf>,
    /// Every repository below the site's root
    #[arg(long)]
    pub all: bool,
    /// The template that git makes new repositories from; git's own where no DIR is given
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    pub template: Option<Option<PathBuf>>,
    /// Every repository of this machine, by the system's core.hooksPath
    #[arg(long)]
    pub system: bool,
    /// Tell every step and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What to install where.
#[derive(Debug, Args)]
pub struct InstallArgs {
    /// Where.
    #[command(flatten)]
    pub to: WhereArgs,
    /// Which hooks; the default is all that suit the host
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub hooks: Vec<Hook>,
    /// Copy the programs in, instead of linking to them
    #[arg(long)]
    pub copy: bool,
    /// Replace the hooks of another installation of refwarden
    #[arg(long)]
    pub take_over: bool,
    /// The hosting stack whose own hooks run ours
    #[arg(long)]
    pub host: Option<Host>,
    /// sshd's configuration, where it is not the file that sshd reads by itself; looked at for
    /// `secure-mode` alone
    #[arg(long, value_name = "FILE")]
    pub sshd_config: Option<PathBuf>,
}

/// Which repositories to look at.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Bare repositories below the site's root
    #[arg(value_name = "REPO.git", required = true)]
    pub repositories: Vec<PathBuf>,
}

/// Runs `refwarden repo`.
///
/// # Errors
/// There is no installation, or what is asked for makes no sense; nothing was changed.
pub fn run(args: &RepoArgs, out: &Out) -> anyhow::Result<Exit> {
    let home = Installation::find()?;
    match &args.verb {
        RepoVerb::Install(args) => {
            let done = install(args, &home, out)?;
            Ok(if is_open(args, &home, out) { Exit::Failed } else { done })
        }
        RepoVerb::Uninstall(args) => uninstall(args, &home, out),
        RepoVerb::Status(args) => Ok(status(args, &home, out)),
        RepoVerb::List => list(&home, out),
    }
}

fn install(args: &InstallArgs, home: &Installation, out: &Out) -> anyhow::Result<Exit> {
    let plan = Plan {
        hooks: layout::chosen(&args.hooks, args.host)?,
        host: args.host,
        way: if args.copy { Way::Copy } else { Way::Link },
        take_over: args.take_over,
        act: !args.to.dry_run,
    };
    let dispatched = matches!(args.host, Some(Host::Gitea | Host::Gitlab));
    if args.to.template.is_some() && (args.copy || dispatched) {
        anyhow::bail!("a template takes links in `hooks`: not --copy, and no --host but gitolite");
    }
    each(&args.to, home, out, "installed", |place, steps| match place {
        Where::Target(target) => Ok(change::install(target, home, &plan, steps)?),
        Where::System => {
            Ok(wide::install_system(&wide::system(home, None), home, plan.act, steps)?)
        }
    })
}

/// Whether secure mode is asked for and not met; says why not.
fn is_open(args: &InstallArgs, home: &Installation, out: &Out) -> bool {
    if args.to.dry_run {
        return false;
    }
    let open = doctor::open_in_secure_mode(home, args.sshd_config.as_deref());
    for finding in &open {
        if out.json {
            out.value(&json!({ "finding": finding }));
        } else {
            finding.lines().into_iter().for_each(|line| out.note(line));
        }
    }
    !open.is_empty()
}

fn uninstall(args: &WhereArgs, home: &Installation, out: &Out) -> anyhow::Result<Exit> {
    let act = !args.dry_run;
    each(args, home, out, "uninstalled", |place, steps| match place {
        Where::Target(target) => Ok(change::uninstall(target, home, act, steps)?),
        Where::System => Ok(wide::uninstall_system(&wide::system(home, None), home, act, steps)?),
    })
}

/// All repositories below the root; a walk that saw only a part must not pass for all.
fn everything(home: &Installation) -> anyhow::Result<Vec<PathBuf>> {
    let root = git_config::real(&home.site.root)?;
    let (found, whole) = host_facts::repositories_below(&root);
    if !whole {
        anyhow::bail!("not everything below `{}` could be looked at", root.display());
    }
    Ok(found)
}

fn list(home: &Installation, out: &Out) -> anyhow::Result<Exit> {
    for path in everything(home)? {
        let target = Target::repository(&path, home)?;
        if !survey::survey(&target, home).hooks.iter().any(|hook| hook.ours) {
            continue;
        }
        let path = path.display().to_string();
        if out.json {
            out.value(&json!({ "repository": path }));
        } else {
            out.line(path);
        }
    }
    Ok(Exit::Done)
}

/// One of the things that can be asked for.
enum Where<'a> {
    Target(&'a Target),
    System,
}

/// Does one thing everywhere; says for each place what was done, and why it stopped.
fn each(
    args: &WhereArgs,
    home: &Installation,
    out: &Out,
    word: &str,
    mut act: impl FnMut(&Where<'_>, &mut Vec<Step>) -> anyhow::Result<()>,
) -> anyhow::Result<Exit> {
    let nothing_named = args.repositories.is_empty() && !args.all;
    if nothing_named && args.template.is_none() && !args.system {
        out.note("error: name a repository, --all, --template or --system");
        return Ok(Exit::Usage);
    }
    let all = if args.all { everything(home)? } else { Vec::new() };
    let mut all_well = true;
    let mut tell = |path: &Path, steps: &[Step], result: anyhow::Result<()>| {
        all_well &= result.is_ok();
        say(out, path, steps, result, word, args.dry_run);
    };
    for path in args.repositories.iter().chain(&all) {
        let mut steps = Vec::new();
        let done = Target::repository(path, home)
            .map_err(Into::into)
            .and_then(|target| act(&Where::Target(&target), &mut steps));
        tell(path, &steps, done);
    }
    if let Some(named) = &args.template {
        let mut steps = Vec::new();
        let folder = wide::template_folder(named.as_deref(), home)?;
        let target = Target::template(&folder, home);
        let done = act(&Where::Target(&target), &mut steps);
        tell(&folder, &steps, done);
    }
    if args.system {
        let mut steps = Vec::new();
        let done = act(&Where::System, &mut steps);
        tell(Path::new("system"), &steps, done);
    }
    Ok(if all_well { Exit::Done } else { Exit::Failed })
}

fn say(out: &Out, path: &Path, steps: &[Step], result: anyhow::Result<()>, word: &str, dry: bool) {
    let error = result.err().map(|error| super::said(&error));
    if out.json {
        let steps: Vec<_> = steps
            .iter()
            .map(|step| json!({ "path": step.path.display().to_string(), "did": step.did }))
            .collect();
        let place = path.display().to_string();
        out.value(&json!({ "place": place, "steps": steps, "dry_run": dry, "error": error }));
        return;
    }
    let would = if dry { "would be: " } else { "" };
    for step in steps {
        out.line(format!("{}: {would}{}", step.path.display(), step.did));
    }
    match error {
        Some(error) if steps.is_empty() => {
            out.note(format!("error: {}: {error}; nothing was changed there", path.display()));
        }
        Some(error) => {
            out.note(format!("error: {}: {error}; the steps above are done", path.display()));
        }
        None if steps.is_empty() => out.line(format!("{}: nothing to do", path.display())),
        None if dry => {}
        None => out.line(format!("{}: {word}", path.display())),
    }
}

fn status(args: &StatusArgs, home: &Installation, out: &Out) -> Exit {
    let mut exit = Exit::Done;
    for path in &args.repositories {
        match Target::repository(path, home) {
            Ok(target) => {
                let found = survey::survey(&target, home);
                if worst(&found.findings) >= Level::Broken {
                    exit = Exit::Failed;
                }
                show(out, &found);
            }
            Err(error) => {
                exit = Exit::Failed;
                let place = path.display().to_string();
                if out.json {
                    out.value(&json!({ "repository": place, "error": error.to_string() }));
                } else {
                    out.note(format!("error: {place}: {error}"));
                }
            }
        }
    }
    exit
}

fn show(out: &Out, found: &survey::Survey) {
    if out.json {
        let version = env!("CARGO_PKG_VERSION");
        out.value(&json!({ "version": version, "survey": found }));
        return;
    }
    let scope = found.hooks_path_scope.as_deref();
    let scope = scope.map(|scope| format!(" (core.hooksPath, {scope})")).unwrap_or_default();
    out.line(format!(
        "{}: hooks in {}{scope}",
        found.repository.display(),
        found.hooks_path.display()
    ));
    for hook in &found.hooks {
        let version = match (hook.ours, hook.current) {
            (true, true) => concat!(", version ", env!("CARGO_PKG_VERSION")),
            (true, false) => ", another version",
            (false, _) => "",
        };
        let runs = if hook.skipped.is_some() { ", SKIPPED by git" } else { "" };
        let kept = match hook.kept {
            Some(true) => ", keeps a foreign one that runs too",
            Some(false) => ", keeps a foreign one that is off",
            None => "",
        };
        out.line(format!("  {:<13} {}{version}{runs}{kept}", hook.hook, hook.standing));
    }
    for finding in &found.findings {
        for line in finding.lines() {
            out.line(format!("  {line}"));
        }
    }
}

#[cfg(test)]
mod tests;
