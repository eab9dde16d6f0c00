//! `refwarden import jira-scheme`.

use super::{Outcome, text_of, told};
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::import::jira::{Branches, import};
use std::path::PathBuf;

/// Arguments of `import jira-scheme`.
#[derive(Debug, clap::Args)]
#[command(after_help = "For example:\n  \
    curl -u ME:TOKEN 'https://jira.example.org/rest/api/2/permissionscheme/10000?expand=all' > scheme.json\n  \
    refwarden import jira-scheme scheme.json --output scheme.toml")]
pub struct Args {
    /// The scheme as Jira's REST interface gives it.
    scheme: PathBuf,
    #[command(flatten)]
    outcome: Outcome,
    /// Branches that whoever may resolve issues moves.
    #[arg(long, value_name = "GLOB", default_value = "main")]
    integration: String,
    /// Branches that whoever may close issues moves.
    #[arg(long, value_name = "GLOB", default_value = "release/**")]
    release: String,
}

/// Runs the verb.
///
/// # Errors
/// The file can't be read, or is no scheme.
pub(super) fn run(args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let text = text_of(&args.scheme)?;
    let branches =
        Branches { integration: args.integration.clone(), release: args.release.clone() };
    let imported = import(&args.scheme.display().to_string(), &text, &branches)?;
    told(&imported, &args.outcome, out)
}
