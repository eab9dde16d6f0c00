//! `refwarden policy`: check, apply, edit, roll back, show.
//!
//! What treats a policy as code has files of its own: [`compare`] (`diff`), [`mod@test`], [`lint`], [`fmt`], [`replay`];
//! [`which`](mod@which) names the policy that a command is about.

pub mod compare;
mod edit;
pub mod fmt;
pub mod lint;
mod pushed;
pub mod replay;
pub mod test;
pub mod which;

use super::Failure;
use super::exit::Exit;
use super::explain;
use super::out::{Out, counted};
use super::receivers;
use super::rights;
use super::site;
use crate::audit::{Actor, Event, Record, Text};
use crate::code::Code;
use crate::hook::apply::{self, NotApplied, Ready};
use crate::hook::desk::{self, Payload};
use crate::os::clock;
use crate::os::policy_files::{Account, PolicyFiles, ReadError};
use crate::os::site::Site;
use crate::policy::compiled::CompiledError;
use crate::policy::diag::{self, Problem, Severity};
use crate::policy::diff::{self, Diff};
use crate::policy::model::Policy;
use crate::policy::source::Sources;
use crate::policy::zone;
use crate::store::applied::{self, AppliedError, Digest};
use crate::store::landing;
use clap::Subcommand;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Most bytes of a policy's file that is edited or laid out.
const MAX_POLICY: usize = 64 << 20;

/// What to do with the policy.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Say everything that is wrong with a policy; exit code 4 if it is invalid. Changes nothing.
    Check {
        /// The policy's main file; without it, the site's. Needs no rights but to read it.
        file: Option<PathBuf>,
    },
    /// Make the site's policy count: check it whole, show who gains and loses what, ask on a terminal,
    /// put it in place.
    Apply {
        /// Show what would change, and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Do not ask; nobody is asked where there is no terminal.
        #[arg(long)]
        yes: bool,
        /// Take the site's policy file, although the policy comes by pushes to a repository.
        #[arg(long)]
        by_hand: bool,
    },
    /// Edit a copy of the site's policy (with VISUAL, EDITOR or vi), check it, show who gains and
    /// loses what, ask, apply it.
    Edit,
    /// Make an earlier policy count again. The policy's files stay as they are: mend them too, or
    /// the next `policy apply` undoes it.
    Rollback {
        /// Which one, by the number that `--list` shows; without it, the one before the present one.
        #[arg(long, value_name = "NUMBER")]
        to: Option<u32>,
        /// List the kept policies.
        #[arg(long)]
        list: bool,
        /// Show what would change, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show what counts now, project by project: repositories, roles, permits, forbids, grants.
    Show {
        /// Only this project.
        #[arg(long, value_name = "NAME")]
        project: Option<String>,
    },
    /// Who gains and who loses what between two policies, every one of it; exit code 3 when anybody
    /// gains anything, or may.
    Diff(compare::Args),
    /// Ask a policy the cases of test files, and say which are not answered as expected; exit code 1
    /// when one is not. Asks nothing outside: looked-up groups are said in the cases.
    Test(test::Args),
    /// Name what is valid and yet hardly wanted: entries that never apply, rights that are too wide, each
    /// finding with its cure; exit code 1 when there is one. Warnings of `check` are findings too.
    Lint(lint::Args),
    /// Decide the pushes of the trail again, and list what would change; what the trail does not record
    /// is unknown, never guessed. Exit code 3 when a refused one would go through, else 1 when one that
    /// went through would not.
    Replay(replay::Args),
    /// Lay policy files out in one way: spacing, and the order of keys inside a table. Comments stay;
    /// what the policy means never changes.
    Fmt(fmt::Args),
    /// Why something is allowed or refused: the deciding entry, and every other one and why not.
    Explain(explain::Args),
}

/// Runs the verb.
///
/// # Errors
/// As the verb.
pub fn run(verb: &Verb, out: &Out) -> anyhow::Result<Exit> {
    match verb {
        Verb::Check { file } => check(file.as_deref(), out),
        Verb::Apply { dry_run, yes, by_hand } => apply_site((*dry_run, *yes), *by_hand, out),
        Verb::Edit => edit::run(out),
        Verb::Rollback { list: true, .. } => list(out),
        Verb::Rollback { to, dry_run, .. } => rollback(*to, *dry_run, out),
        Verb::Show { project } => rights::show(project.as_deref(), out),
        Verb::Diff(args) => compare::run(args, out),
        Verb::Test(args) => test::run(args, out),
        Verb::Lint(args) => lint::run(args, out),
        Verb::Replay(args) => replay::run(args, out),
        Verb::Fmt(args) => fmt::run(args, out),
        Verb::Explain(args) => explain::run(args, out),
    }
}

/// A policy that was read and found valid.
pub struct Loaded {
    /// Its files.
    pub sources: Sources,
    /// What it means.
    pub policy: Policy,
    /// What is odd about it.
    pub warnings: Vec<Problem>,
}

/// Reads and checks a policy file, only to look at it (`account` none) or as the one that counts.
///
/// # Errors
/// It is not there (exit code 6), can't be read, or is invalid: then every problem was printed, and the
/// exit code is 4.
pub fn load(path: &Path, account: Account, out: &Out) -> anyhow::Result<Loaded> {
    let path = std::path::absolute(path)?;
    let (main, files) = PolicyFiles::open(&path, account).map_err(|error| match error {
        ReadError::NotText(_, error) => {
            let (sources, problem) = error.told(path.display().to_string());
            invalid(&path, &[problem], &sources, out)
        }
        ReadError::Trust(error) => {
            Failure::new(Exit::Failed, format!("{}: {error}", Code::NotTrusted)).into()
        }
        ReadError::File(error) if error.is_absent() => {
            Failure::new(Exit::NotFound, error.to_string()).into()
        }
        error => anyhow::Error::from(error),
    })?;
    let (sources, result) = crate::policy::load_file(main, &files.folder(), &files);
    match result {
        Ok((policy, warnings)) => Ok(Loaded { sources, policy, warnings }),
        Err(problems) => Err(invalid(&path, &problems, &sources, out)),
    }
}

fn invalid(path: &Path, problems: &[Problem], sources: &Sources, out: &Out) -> anyhow::Error {
    tell(problems, sources, out);
    let words = format!("`{}` is not valid: {}", path.display(), found(problems));
    Failure::new(Exit::PolicyInvalid, words).into()
}

/// `2 errors and 1 warning`
fn found(problems: &[Problem]) -> String {
    let is_warning = |problem: &&Problem| problem.code.severity() == Severity::Warning;
    let warnings = problems.iter().filter(is_warning).count();
    let errors = counted(problems.len() - warnings, "error", "errors");
    match warnings {
        0 => errors,
        _ => format!("{errors} and {}", counted(warnings, "warning", "warnings")),
    }
}

fn tell(problems: &[Problem], sources: &Sources, out: &Out) {
    if out.json {
        problems.iter().for_each(|problem| out.value(&diag::to_json(problem, sources)));
    } else if !problems.is_empty() {
        out.note(diag::to_text(problems, sources).trim_end());
    }
}

fn check(file: Option<&Path>, out: &Out) -> anyhow::Result<Exit> {
    let (path, account) = match file {
        Some(path) => (path.to_owned(), None),
        None => {
            let site = site::find()?;
            (site.policy, Some(site.account_uid))
        }
    };
    let loaded = load(&path, account, out)?;
    tell(&loaded.warnings, &loaded.sources, out);
    if file.is_none() {
        receivers::warn(&loaded.policy.settings, &site::find()?, out);
    }
    if !out.json {
        out.line(format!("{} is valid: {}", path.display(), apply::summary(&loaded.policy)));
    }
    Ok(Exit::Done)
}

fn apply_site(how_far: (bool, bool), by_hand: bool, out: &Out) -> anyhow::Result<Exit> {
    let site = site::find()?;
    let then = match how_far {
        (true, _) => Then::Nothing,
        (false, true) => Then::Put,
        (false, false) => Then::Ask,
    };
    if !by_hand && let Some(ready) = pushed::held(&site, out)? {
        return replace(&site, &ready, then, "apply", out);
    }
    let loaded = load(&site.policy.clone(), Some(site.account_uid), out)?;
    put(&site, loaded, then, "apply", out)
}

/// What follows when it was shown what changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Nothing,
    /// Somebody on a terminal says whether it counts.
    Ask,
    Put,
}

/// Shows what changes, and makes it count.
fn put(site: &Site, loaded: Loaded, then: Then, how: &str, out: &Out) -> anyhow::Result<Exit> {
    tell(&loaded.warnings, &loaded.sources, out);
    receivers::warn(&loaded.policy.settings, site, out);
    apply::same_store(site, &loaded.policy)
        .map_err(|words| Failure::new(Exit::PolicyInvalid, words))?;
    let ready = apply::compile(loaded.policy, &loaded.sources, None)?;
    replace(site, &ready, then, how, out)
}

/// What counts now, where it can be read; else nothing, with a note.
fn counting(site: &Site, out: &Out) -> anyhow::Result<Option<(Digest, Policy)>> {
    let applied = match applied::open(&site.state, site.account_uid) {
        Ok(applied) => applied,
        Err(AppliedError::None) => return Ok(None),
        Err(error @ AppliedError::Malformed { .. }) => {
            out.note(format!("what counts now is damaged, so it can't be compared: {error}"));
            return Ok(None);
        }
        Err(error) => return Err(Failure::new(Exit::Unavailable, error.to_string()).into()),
    };
    let digest = applied.digest;
    match Payload::open(applied).and_then(|compiled| compiled.policy()) {
        Ok(policy) => Ok(Some((digest, policy))),
        Err(CompiledError::Version(_)) => {
            out.note("what counts now was applied by another version of refwarden, so it can't be compared");
            Ok(None)
        }
        Err(error) if error.is_damage() => {
            out.note("what counts now is damaged, so it can't be compared");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Compares with what counts now, records the change, and puts the policy in place.
fn replace(site: &Site, ready: &Ready, then: Then, how: &str, out: &Out) -> anyhow::Result<Exit> {
    let Ready { policy, digest, .. } = ready;
    let digest = *digest;
    let commit = match how {
        "rollback" => None,
        _ => ready.commit()?,
    };
    let actor = site::actor(site);
    // Looking needs no other account, and `edit` still has the policy's file to replace.
    site::require_state(site)?;
    if then != Then::Nothing {
        site::become_account(site)?;
    }
    let seen = applied::digest(&site.state, site.account_uid).ok();
    let old = counting(site, out)?;
    let same = old.as_ref().is_some_and(|(was, _)| *was == digest);
    match old {
        Some(_) if same => rights::tell(&Diff::default(), out),
        Some((_, old)) => rights::tell(&diff::diff(&old, policy, clock::now().wall), out),
        None => rights::tell_first(policy, out),
    }
    if then == Then::Nothing {
        if how != "edit" {
            out.note("nothing was applied (--dry-run)");
        }
        return Ok(Exit::Done);
    }
    if then == Then::Ask && !same && Out::is_asked() && !out.confirm("apply it?") {
        out.note("nothing was applied");
        return Ok(Exit::Failed);
    }
    let mut record = Record::new(Event::POLICY_APPLIED, crate::os::host_name()).with("how", how);
    record.actor = Some(Actor { user: Some(Text::new(actor)), ..Actor::default() });
    if let Some(commit) = &commit {
        record = record.with("commit", commit.as_str());
    }
    // What is chosen here is not undone by a push that had landed before.
    let forget = || Ok(landing::forget_all(&site.state)?);
    apply::put(site, ready, seen, record, forget).map_err(|error| match error {
        NotApplied::Overtaken => Failure::new(
            Exit::Failed,
            "another policy was applied meanwhile: look again at what changes",
        )
        .into(),
        error => anyhow::Error::from(error),
    })?;
    let short = desk::hex(&digest).chars().take(12).collect::<String>();
    match (out.json, same) {
        (true, _) => out.value(&json!({ "applied": desk::hex(&digest), "same": same })),
        (false, true) => out.line(format!("applied again: {short}, the same as before")),
        (false, false) => out.line(format!("applied: {short}, {}", apply::summary(policy))),
    }
    if let (Some(home), None) = (&policy.settings.home, &commit) {
        out.note(format!(
            "this was applied by hand: the next push to `{}` puts what it brings in its place",
            home.repository
        ));
    }
    Ok(Exit::Done)
}

fn list(out: &Out) -> anyhow::Result<Exit> {
    let site = site::find()?;
    site::require_rights(&site)?;
    let present = applied::digest(&site.state, site.account_uid).ok();
    let zone = desk::open_policy(&site).map(|(policy, _)| policy.settings().timezone);
    let zone = zone.unwrap_or_default();
    for number in applied::history(&site.state)? {
        let kept = applied::open_kept(&site.state, site.account_uid, number)?;
        let time = kept.file.metadata().ok().and_then(|meta| meta.modified().ok());
        let time = time.map(|time| zone::told(time.into(), zone));
        let digest = desk::hex(&kept.digest);
        match out.json {
            true => out.value(&json!({ "number": number, "digest": digest, "kept": time })),
            false => out.line(format!(
                "{number:>6}  {}  counted until {}{}",
                digest.chars().take(12).collect::<String>(),
                time.unwrap_or_default(),
                if present == Some(kept.digest) { ", and counts now" } else { "" }
            )),
        }
    }
    Ok(Exit::Done)
}

fn rollback(to: Option<u32>, dry_run: bool, out: &Out) -> anyhow::Result<Exit> {
    let site = site::find()?;
    let number = match to {
        Some(number) => number,
        None => applied::previous(&site.state, site.account_uid)?
            .ok_or_else(|| Failure::new(Exit::NotFound, "no other policy was applied before"))?,
    };
    let kept =
        applied::open_kept(&site.state, site.account_uid, number).map_err(|error| match error {
            AppliedError::None => Failure::new(
                Exit::NotFound,
                format!("no policy {number} is kept: `refwarden policy rollback --list` has them"),
            ),
            error => Failure::new(Exit::Unavailable, error.to_string()),
        })?;
    let bytes = kept.payload()?;
    let (digest, policy) = (kept.digest, Payload::open(kept)?.policy()?);
    let then = if dry_run { Then::Nothing } else { Then::Put };
    let ready = Ready { policy, bytes, digest };
    let exit = replace(&site, &ready, then, "rollback", out)?;
    if dry_run || ready.policy.settings.home.is_some() {
        return Ok(exit);
    }
    out.note("the policy's files still say what they said: edit them, or the next `policy apply` undoes this");
    Ok(exit)
}
