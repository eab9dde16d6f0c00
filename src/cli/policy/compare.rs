//! `refwarden policy diff`: who gains and loses what between any two policies.

use super::which::{Which, open_both};
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::cli::{rights, when};
use crate::os::clock;
use crate::policy::diff;

/// Arguments of `policy diff`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The policy before: a file, `applied`, or the digest of one that was applied (8 digits or more).
    old: String,
    /// The policy after, named likewise.
    new: String,
    /// Compare as of another time than now: 2026-11-22T10:00:00Z, or 30d, 12h, 15m for so long ago.
    /// What lies before it is not looked at.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

/// Runs the verb: exit code 3 when anybody gains anything, or may.
///
/// # Errors
/// One of the policies can't be had.
pub fn run(args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let now = clock::now().wall;
    let at = args.at.as_deref().map(|text| when::parse(text, now)).transpose()?.unwrap_or(now);
    let [old, new] = open_both([&Which::parse(&args.old), &Which::parse(&args.new)], out)?;
    let diff = diff::diff(&old, &new, at);
    rights::tell_all(&diff, out);
    Ok(if diff.widened() { Exit::Refused } else { Exit::Done })
}
