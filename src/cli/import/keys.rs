//! `refwarden import authorized-keys`.

use super::{Outcome, text_of, told};
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::import::keys::import;
use std::path::PathBuf;

/// Arguments of `import authorized-keys`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files with public keys. Whose a key is says its forced command (`gitolite-shell USER`,
    /// `refwarden ssh USER`), else the file's name (`USER.pub`, `USER@HOST.pub`), else its comment.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    outcome: Outcome,
}

/// Runs the verb.
///
/// # Errors
/// A file can't be read.
pub(super) fn run(args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let mut files = Vec::new();
    for path in &args.files {
        files.push((path.display().to_string(), text_of(path)?));
    }
    told(&import(&files), &args.outcome, out)
}
