//! `refwarden policy fmt`: the canonical layout of policy files.
//!
//! Knows files; the layout is [`crate::policy::tidy`]'s.

use super::MAX_POLICY;
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::cli::site;
use crate::os::files;
use crate::os::policy_files::PolicyFiles;
use crate::policy::source::Sources;
use crate::policy::tidy::{TidyError, tidy};
use anyhow::Context;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `policy fmt`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The files; `-` is from standard input to standard output. Without any, the site's policy and
    /// what it includes.
    files: Vec<PathBuf>,
    /// Change nothing, and name the files that would change; exit code 1 when there is one.
    #[arg(long)]
    check: bool,
}

/// Runs the verb.
///
/// # Errors
/// A file can't be read or written, or is not TOML (exit code 4). Files before it are laid out then.
pub fn run(args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let mut changed = 0;
    for path in files_of(args)? {
        changed += usize::from(one(&path, args.check, out)?);
    }
    Ok(if args.check && changed > 0 { Exit::Failed } else { Exit::Done })
}

fn files_of(args: &Args) -> anyhow::Result<Vec<PathBuf>> {
    if !args.files.is_empty() {
        return Ok(args.files.clone());
    }
    let site = site::find()?;
    let (main, loader) = PolicyFiles::open(&site.policy, Some(site.account_uid))?;
    let (sources, _) = Sources::gather(main, &loader.folder(), &loader);
    Ok(sources.texts().map(|(name, _)| PathBuf::from(name)).collect())
}

/// Lays out one file; whether that changes it.
fn one(path: &Path, check: bool, out: &Out) -> anyhow::Result<bool> {
    let stdin = path == Path::new("-");
    let bytes = match stdin {
        true => files::read_stdin(MAX_POLICY).context("read standard input")?,
        false => files::read_limited(path, MAX_POLICY).map_err(|error| {
            let exit = if error.is_absent() { Exit::NotFound } else { Exit::Failed };
            Failure::new(exit, error.to_string())
        })?,
    };
    let name = path.display();
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::new(Exit::PolicyInvalid, format!("`{name}` is not UTF-8")))?;
    let laid = tidy(&text).map_err(|error| {
        let exit = match error {
            TidyError::Syntax { .. } => Exit::PolicyInvalid,
            TidyError::Changed => Exit::Failed,
        };
        Failure::new(exit, format!("{name}:{error}"))
    })?;
    let changed = laid != text;
    if stdin && !check {
        out.line(laid.trim_end());
        return Ok(changed);
    }
    if changed && !check {
        files::replace_text(path, laid.as_bytes())?;
    }
    match (out.json, changed) {
        (true, _) => out.value(&json!({ "file": path.display().to_string(), "changed": changed })),
        (false, true) => out.line(name),
        (false, false) => {}
    }
    Ok(changed)
}
