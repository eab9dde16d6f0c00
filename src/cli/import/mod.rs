//! `refwarden import`: what another program's rules say, as a policy.
//!
//! Knows files and what is told; the languages are [`crate::import`]'s. Nothing of a site is read or
//! changed: what comes out is a text, to be looked at and applied.

mod conf_files;
mod gitolite;
mod jira;
mod keys;
mod verify;

use super::Failure;
use super::exit::Exit;
use super::out::{Out, counted};
use crate::import::Imported;
use crate::os::files;
use crate::policy::diag::{self, Problem};
use crate::policy::model::Policy;
use crate::policy::source::{NoIncludes, SourceFile};
use clap::Subcommand;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Longest file that is read, in bytes.
const MAX_FILE: usize = 64 << 20;

/// From what to import.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// A gitolite configuration, as a policy with the same verdicts. What can't be carried over is
    /// listed with file and line, and makes the exit code 1.
    Gitolite(gitolite::Args),
    /// A permission scheme of Jira, as a scheme of permits: the JSON of
    /// `GET /permissionscheme/{id}?expand=all`, of Cloud or Data Center.
    JiraScheme(jira::Args),
    /// Users with their public keys, of `authorized_keys` and of gitolite's `keydir/USER@HOST.pub`.
    AuthorizedKeys(keys::Args),
}

/// Where a policy that was made goes, and what counts as a failure.
#[derive(Debug, clap::Args)]
pub struct Outcome {
    /// Write the policy into this file, which must not exist; without it, to standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Exit code 0 in spite of what could not be carried over.
    #[arg(long)]
    partial: bool,
}

/// Runs the verb.
///
/// # Errors
/// As the verb.
pub fn run(verb: &Verb, out: &Out) -> anyhow::Result<Exit> {
    match verb {
        Verb::Gitolite(args) => gitolite::run(args, out),
        Verb::JiraScheme(args) => jira::run(args, out),
        Verb::AuthorizedKeys(args) => keys::run(args, out),
    }
}

/// The policy read again; what was made must be one.
fn checked(text: &str, out: &Out) -> anyhow::Result<(Policy, Vec<Problem>)> {
    let main = SourceFile { name: "policy.toml".into(), text: text.into() };
    let (sources, result) = crate::policy::load_file(main, "/", &NoIncludes);
    result.map_err(|problems| {
        out.note(diag::to_text(&problems, &sources).trim_end());
        let words = "what was made is not a valid policy: please report this";
        Failure::new(Exit::Failed, words).into()
    })
}

/// Writes the policy, lists what is to be known, and says how the command ends.
fn told(imported: &Imported, outcome: &Outcome, out: &Out) -> anyhow::Result<Exit> {
    let (policy, warnings) = checked(&imported.text, out)?;
    match &outcome.output {
        Some(path) => {
            files::create_new(path, 0o600)?;
            files::write_whole(path, imported.text.as_bytes(), 0o600)?;
        }
        None if out.json => out.value(&json!({ "policy": imported.text })),
        None => out.line(imported.text.trim_end()),
    }
    for note in &imported.notes {
        match (out.json, note.lost) {
            (true, _) => out.value(&note.to_json()),
            (false, true) => out.note(format!("not carried over: {note}")),
            (false, false) => out.note(format!("decided: {note}")),
        }
    }
    let lost = imported.notes.iter().filter(|note| note.lost).count();
    if !out.json {
        let users = counted(policy.users.len(), "user", "users");
        let projects = counted(policy.projects.len(), "project", "projects");
        let schemes = counted(policy.schemes.len(), "scheme", "schemes");
        let warnings = counted(warnings.len(), "warning", "warnings");
        out.note(format!(
            "{users}, {projects}, {schemes}; {lost} not carried over; {warnings} by `policy check`"
        ));
    }
    Ok(if lost > 0 && !outcome.partial { Exit::Failed } else { Exit::Done })
}

/// The whole of a file.
fn text_of(path: &Path) -> anyhow::Result<String> {
    let bytes = files::read_limited(path, MAX_FILE).map_err(|error| {
        let exit = if error.is_absent() { Exit::NotFound } else { Exit::Failed };
        Failure::new(exit, error.to_string())
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
