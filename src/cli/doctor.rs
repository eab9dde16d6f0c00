//! `refwarden doctor`: what fails open or is broken, each finding with its cure.
//!
//! Knows which checks there are and how to tell; each check is a small function beside it.
//! A new check is one function and one line in [`INSTALLATION`] or [`REPOSITORY`].

mod applied;
mod home;
mod installation;
mod jira;
mod repository;
mod side;
mod sweep;

pub use installation::trail;

use super::exit::Exit;
use super::finding::{Finding, Level, worst};
use super::out::{Out, counted};
use super::repo::target::{Installation, Target};
use crate::os::git_config;
use crate::os::host_facts;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Look for what fails open or is broken
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Repositories to look at; all below the site's root when none is named
    #[arg(value_name = "REPO.git")]
    pub repositories: Vec<PathBuf>,
    /// Only what is wrong
    #[arg(long, short)]
    pub quiet: bool,
    /// Only what keeps secure mode from being met; nothing where the policy does not have it
    #[arg(long)]
    pub secure_mode: bool,
    /// sshd's configuration, where it is not the file that sshd reads by itself
    #[arg(long, value_name = "FILE")]
    pub sshd_config: Option<PathBuf>,
}

/// A check of the installation as a whole.
pub type InstallationCheck = fn(&Installation) -> Vec<Finding>;
/// A check of one repository.
pub type RepositoryCheck = fn(&Target, &Installation) -> Vec<Finding>;

/// Everything that is looked at once.
pub const INSTALLATION: &[InstallationCheck] = &[
    installation::git_version,
    installation::account,
    installation::programs,
    installation::site_file,
    installation::policy_file,
    installation::state,
    installation::syslog,
];

/// What the policy is needed for.
pub const APPLIED: &[InstallationCheck] = &[applied::policy, home::home, jira::jira];

/// Everything that is looked at in each repository.
pub const REPOSITORY: &[RepositoryCheck] = &[
    repository::hooks,
    repository::project,
    repository::hooks_path,
    repository::owners,
    repository::shared,
    repository::fsck_objects,
    repository::proc_receive,
    repository::commit_graph,
];

/// Runs `refwarden doctor`; 1 when something fails open or is broken.
///
/// `more` are findings of parts that this module does not know: the policy, the trail.
///
/// # Errors
/// There is no installation to look at.
pub fn run(args: &DoctorArgs, more: &[InstallationCheck], out: &Out) -> anyhow::Result<Exit> {
    let home = Installation::find()?;
    super::site::require_rights(&home.site)?;
    let look = side::Look::new(&home, args.sshd_config.as_deref());
    if args.secure_mode && !look.as_ref().is_some_and(side::Look::secure) {
        return Ok(Exit::Done);
    }
    let (repositories, limits) = repositories(args, &home);
    let mut findings: Vec<Finding> =
        INSTALLATION.iter().chain(more).flat_map(|check| check(&home)).collect();
    findings.extend(limits);
    findings.extend(repositories.iter().flat_map(|path| examine(path, &home)));
    if let Some(look) = &look {
        findings.extend(side::find(look, &targets(&repositories, &home)));
        findings.extend(side::secure_mode(look, &findings));
    }
    if args.secure_mode {
        findings.retain(side::concerns_secure_mode);
    }
    tell(args, &findings, repositories.len(), out);
    Ok(if worst(&findings) >= Level::Broken { Exit::Failed } else { Exit::Done })
}

/// Those that can be looked at; the others have their finding.
fn targets(paths: &[PathBuf], home: &Installation) -> Vec<Target> {
    paths.iter().filter_map(|path| Target::repository(path, home).ok()).collect()
}

/// What keeps secure mode from being met, of the whole installation; nothing where the policy does
/// not have it.
#[must_use]
pub fn open_in_secure_mode(home: &Installation, sshd_config: Option<&Path>) -> Vec<Finding> {
    let Some(look) = side::Look::new(home, sshd_config).filter(side::Look::secure) else {
        return Vec::new();
    };
    let (repositories, limits) = everything(home);
    let mut findings: Vec<Finding> = INSTALLATION.iter().flat_map(|check| check(home)).collect();
    findings.extend(limits);
    findings.extend(repositories.iter().flat_map(|path| examine(path, home)));
    findings.extend(side::find(&look, &targets(&repositories, home)));
    findings.extend(side::secure_mode(&look, &findings));
    findings.retain(|finding| finding.level == Level::FailOpen);
    findings
}

fn repositories(args: &DoctorArgs, home: &Installation) -> (Vec<PathBuf>, Option<Finding>) {
    if !args.repositories.is_empty() {
        return (args.repositories.clone(), None);
    }
    everything(home)
}

fn everything(home: &Installation) -> (Vec<PathBuf>, Option<Finding>) {
    let root = git_config::real(&home.site.root).unwrap_or_else(|_| home.site.root.clone());
    let (found, whole) = host_facts::repositories_below(&root);
    let words = format!("not everything below `{}` could be looked at", root.display());
    let cut = Finding::warn("repositories", words, "name the repositories, or run this as root");
    (found, (!whole).then_some(cut))
}

/// All findings about one repository.
#[must_use]
pub fn examine(path: &Path, home: &Installation) -> Vec<Finding> {
    match Target::repository(path, home) {
        Ok(target) => REPOSITORY.iter().flat_map(|check| check(&target, home)).collect(),
        Err(error) => {
            let cure = "name a repository below the site's root that can be read";
            let what = format!("`{}`: {error}", path.display());
            vec![Finding::broken("repository", what, cure)]
        }
    }
}

fn tell(args: &DoctorArgs, findings: &[Finding], repositories: usize, out: &Out) {
    let shown = findings.iter().filter(|finding| !args.quiet || finding.level > Level::Ok);
    if out.json {
        let findings: Vec<&Finding> = shown.collect();
        out.value(&json!({ "findings": findings, "repositories": repositories, "worst": worst(findings.iter().copied()) }));
        return;
    }
    for line in shown.flat_map(Finding::lines) {
        out.line(line);
    }
    let single = || findings.iter().filter(|finding| !side::is_sum(finding));
    let count = |level| single().filter(|finding| finding.level == level).count();
    out.line(format!(
        "{}: {} fail open, {} broken, {}",
        counted(repositories, "repository", "repositories"),
        count(Level::FailOpen),
        count(Level::Broken),
        counted(count(Level::Warn), "warning", "warnings")
    ));
}

#[cfg(test)]
mod tests;
