//! `refwarden policy`: check, apply, edit, roll back, show.

use super::Failure;
use super::exit::Exit;
use super::explain;
use super::out::Out;
use super::rights;
use super::site;
use crate::audit::{Actor, Event, PolicyRecord, Record, Text};
use crate::hook::desk::{self, Payload};
use crate::os::policy_files::{Account, PolicyFiles};
use crate::os::site::Site;
use crate::os::{clock, files};
use crate::policy::compiled::{self, Compiled};
use crate::policy::diag::{self, Problem};
use crate::policy::diff::{self, Diff};
use crate::policy::model::{Policy, User};
use crate::policy::source::Sources;
use crate::pusher::{keys, openpgp};
use crate::store::{applied, epoch};
use anyhow::Context;
use clap::Subcommand;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait for another change.
const WAIT: Duration = Duration::from_secs(10);

/// What to do with the policy.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Say everything that is wrong with a policy; exit code 4 if anything is.
    Check {
        /// The policy; without it, the site's.
        file: Option<PathBuf>,
    },
    /// Make the site's policy count: check it whole, show who gains and loses what, put it in place.
    Apply {
        /// Show what would change, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Edit a copy of the site's policy, check it, show what changes, apply it.
    Edit,
    /// Apply an earlier policy again.
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
    /// Show the applied policy's rights, project by project.
    Show {
        /// Only this project.
        #[arg(long, value_name = "NAME")]
        project: Option<String>,
    },
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
        Verb::Apply { dry_run } => apply(*dry_run, out),
        Verb::Edit => edit(out),
        Verb::Rollback { list: true, .. } => list(out),
        Verb::Rollback { to, dry_run, .. } => rollback(*to, *dry_run, out),
        Verb::Show { project } => rights::show(project.as_deref(), out),
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
/// It can't be read, or is invalid: then every problem was printed, and the exit code is 4.
pub fn load(path: &Path, account: Account, out: &Out) -> anyhow::Result<Loaded> {
    let path = std::path::absolute(path)?;
    let (main, files) = PolicyFiles::open(&path, account)?;
    let (sources, result) = crate::policy::load_file(main, &files.folder(), &files);
    match result {
        Ok((policy, warnings)) => Ok(Loaded { sources, policy, warnings }),
        Err(problems) => {
            tell(&problems, &sources, out);
            let count = problems.len();
            let words = format!("`{}` is not valid: {count} problem(s)", path.display());
            Err(Failure::new(Exit::PolicyInvalid, words).into())
        }
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
    let unbuilt = diag::unbuilt(&loaded.policy, &loaded.sources);
    if !unbuilt.is_empty() && !out.json {
        out.note(format!(
            "{} part(s) of it are not built into this version: `policy apply` refuses them",
            unbuilt.len()
        ));
    }
    if !out.json {
        out.line(format!("{} is valid: {}", path.display(), summary(&loaded.policy)));
    }
    Ok(Exit::Done)
}

fn summary(policy: &Policy) -> String {
    format!(
        "{} users, {} groups, {} schemes, {} projects, {} grants",
        policy.users.len(),
        policy.groups.len(),
        policy.schemes.len(),
        policy.projects.len(),
        policy.grants.len()
    )
}

fn apply(dry_run: bool, out: &Out) -> anyhow::Result<Exit> {
    let site = site::find()?;
    let loaded = load(&site.policy.clone(), Some(site.account_uid), out)?;
    put(&site, &loaded, dry_run, "apply", out)
}

/// Shows what changes, and makes it count.
fn put(site: &Site, loaded: &Loaded, dry_run: bool, how: &str, out: &Out) -> anyhow::Result<Exit> {
    tell(&loaded.warnings, &loaded.sources, out);
    let unbuilt = diag::unbuilt(&loaded.policy, &loaded.sources);
    if !unbuilt.is_empty() {
        tell(&unbuilt, &loaded.sources, out);
        let words = "the policy says things that this version can't do yet; nothing that is written may be ignored";
        return Err(Failure::new(Exit::PolicyInvalid, words).into());
    }
    same_store(site, &loaded.policy)?;
    let digests = digests(&loaded.sources, &loaded.policy.files);
    let bytes = compiled::compile(&loaded.policy, &digests, &fingerprints)?;
    replace(site, &loaded.policy, &bytes, dry_run, how, out)
}

/// Compares with what counts now, records the change, and puts `bytes` in place.
fn replace(
    site: &Site,
    policy: &Policy,
    bytes: &[u8],
    dry_run: bool,
    how: &str,
    out: &Out,
) -> anyhow::Result<Exit> {
    let digest = *Compiled::open(bytes, bytes.len() as u64)?.digest();
    let actor = site::actor(site);
    // Looking needs no other account, and `edit` still has the policy's file to replace.
    if !dry_run {
        site::become_account(site)?;
    }
    let old = match applied::open(&site.state, site.account_uid) {
        Ok(applied) => Some(Payload::open(applied)?),
        Err(applied::AppliedError::None) => None,
        Err(error) => return Err(Failure::new(Exit::Unavailable, error.to_string()).into()),
    };
    let same = old.as_ref().is_some_and(|old| *old.digest() == digest);
    match old {
        Some(_) if same => rights::tell(&Diff::default(), out),
        Some(old) => rights::tell(&diff::diff(&old.policy()?, policy, clock::now().wall), out),
        None => rights::tell_first(policy, out),
    }
    if dry_run {
        out.note("nothing was applied (--dry-run)");
        return Ok(Exit::Done);
    }
    let mut record = Record::new(Event::POLICY_APPLIED, crate::os::host_name())
        .with("how", how)
        .with("summary", summary(policy));
    record.actor = Some(Actor { user: Some(Text::new(actor)), ..Actor::default() });
    record.policy = Some(PolicyRecord { digest: Text::new(desk::hex(&digest)) });
    epoch::create(&site.state)?;
    let trail = desk::trail(site, &policy.settings.audit);
    epoch::changing(&site.state, WAIT, || -> anyhow::Result<()> {
        trail.append(&record, clock::now().wall)?;
        applied::replace(&site.state, site.account_uid, bytes, &digest)?;
        Ok(())
    })
    .map_err(|error| match error {
        epoch::ChangeError::Epoch(error) => anyhow::Error::from(error),
        epoch::ChangeError::Change(error) => error,
    })?;
    let short = desk::hex(&digest).chars().take(12).collect::<String>();
    match (out.json, same) {
        (true, _) => out.value(&json!({ "applied": desk::hex(&digest), "same": same })),
        (false, true) => out.line(format!("applied again: {short}, the same as before")),
        (false, false) => out.line(format!("applied: {short}, {}", summary(policy))),
    }
    Ok(Exit::Done)
}

/// Hooks find the state by the site file, before they can read any policy.
fn same_store(site: &Site, policy: &Policy) -> anyhow::Result<()> {
    let written = Path::new(policy.settings.store.as_ref());
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if real(written) == real(&site.state) {
        return Ok(());
    }
    let words = format!(
        "[store] path is `{}`, but this installation keeps its state in `{}`: run install.sh again, or write that path",
        written.display(),
        site.state.display()
    );
    Err(Failure::new(Exit::PolicyInvalid, words).into())
}

fn digests(sources: &Sources, names: &[String]) -> Vec<compiled::SourceFile> {
    use sha2::Digest as _;
    sources
        .texts()
        .zip(names)
        .map(|((_, text), name)| compiled::SourceFile {
            name: name.clone(),
            sha256: sha2::Sha256::digest(text.as_bytes()).into(),
        })
        .collect()
}

fn fingerprints(user: &User) -> Result<Vec<String>, String> {
    let ssh = user.ssh_keys.iter().map(|key| keys::ssh_fingerprint(key));
    let gpg = user.gpg_keys.iter().map(|key| openpgp::primary_fingerprint(key));
    ssh.chain(gpg).map(|result| result.map_err(|error| error.to_string())).collect()
}

fn edit(out: &Out) -> anyhow::Result<Exit> {
    let site = site::find()?;
    let text = files::read_limited(&site.policy, 64 << 20)?;
    let folder = site.policy.parent().unwrap_or(Path::new("/"));
    let copy = folder
        .join(format!(".{}.edit", site.policy.file_name().unwrap_or_default().to_string_lossy()));
    files::write_whole(&copy, &text, 0o600).context("make a copy to edit")?;
    let done = edit_copy(&site, &copy, &text, out);
    if done.as_ref().is_ok_and(|exit| *exit == Exit::Done) {
        let _ = std::fs::remove_file(&copy);
    } else {
        out.note(format!("your edit is kept in `{}`; nothing was changed", copy.display()));
    }
    done
}

/// Lets the editor at the copy, then puts it in place of the policy and applies it.
fn edit_copy(site: &Site, copy: &Path, before: &[u8], out: &Out) -> anyhow::Result<Exit> {
    crate::os::child::edit(copy)?;
    let after = files::read_limited(copy, 64 << 20)?;
    if after == before {
        out.line("nothing was edited");
        return Ok(Exit::Done);
    }
    let loaded = load(copy, Some(site.account_uid), out)?;
    put(site, &loaded, true, "edit", out)?;
    if !out.confirm("apply it?") {
        return Ok(Exit::Failed);
    }
    if files::read_limited(&site.policy, 64 << 20)? != before {
        return Err(
            Failure::new(Exit::Failed, "somebody else has edited the policy meanwhile").into()
        );
    }
    files::replace_text(&site.policy, &after)?;
    let loaded = load(&site.policy, Some(site.account_uid), out)?;
    put(site, &loaded, false, "edit", out)
}

fn list(out: &Out) -> anyhow::Result<Exit> {
    let site = site::find()?;
    for number in applied::history(&site.state)? {
        let kept = applied::open_kept(&site.state, site.account_uid, number)?;
        let time = kept.file.metadata().ok().and_then(|meta| meta.modified().ok());
        let time = time.map(|t| {
            chrono::DateTime::<chrono::Utc>::from(t).format("%Y-%m-%d %H:%M:%S UTC").to_string()
        });
        let digest = desk::hex(&kept.digest);
        match out.json {
            true => out.value(&json!({ "number": number, "digest": digest, "kept": time })),
            false => out.line(format!(
                "{number:>6}  {}  {}",
                digest.chars().take(12).collect::<String>(),
                time.unwrap_or_default()
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
    let kept = applied::open_kept(&site.state, site.account_uid, number)
        .map_err(|error| Failure::new(Exit::NotFound, error.to_string()))?;
    let bytes = kept.payload()?;
    let policy = Payload::open(kept)?.policy()?;
    let exit = replace(&site, &policy, &bytes, dry_run, "rollback", out)?;
    out.note("the policy's files still say what they said: edit them, or the next `policy apply` undoes this");
    Ok(exit)
}
