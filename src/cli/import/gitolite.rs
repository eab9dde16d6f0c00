//! `refwarden import gitolite`.

use super::conf_files::{Folder, keys, repositories};
use super::{Outcome, checked, told, verify};
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::import::gitolite::{self, Options};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Arguments of `import gitolite`.
#[derive(Debug, clap::Args)]
#[command(after_help = "As the hosting account, on the server:\n  \
    refwarden import gitolite ~/.gitolite/conf/gitolite.conf --root ~/repositories \\\n    \
    --keydir ~/.gitolite/keydir --output policy.toml --verify")]
pub struct Args {
    /// gitolite's configuration; what it includes is read as well.
    conf: PathBuf,
    #[command(flatten)]
    outcome: Outcome,
    /// Ask the installed gitolite the same questions, in a folder of their own, and print the
    /// answers that differ; exit code 1 when there is one.
    #[arg(long)]
    verify: bool,
    /// The folder of the repositories: who made a wild one, and who has which role in it, stands there.
    #[arg(long, value_name = "FOLDER")]
    root: Option<PathBuf>,
    /// The folder of public keys, to be written with their users.
    #[arg(long, value_name = "FOLDER")]
    keydir: Option<PathBuf>,
    /// A role of wild repositories besides READERS and WRITERS, as ROLES of gitolite's rc file has them.
    #[arg(long = "role", value_name = "NAME")]
    roles: Vec<String>,
    /// A folder below `refs/` that rules about every ref reach too, besides heads and tags: `notes`.
    #[arg(long = "refs", value_name = "FOLDER")]
    folders: Vec<String>,
    /// The branch that new branches are compared with where paths matter.
    #[arg(long, value_name = "BRANCH", default_value = "master")]
    base: String,
}

/// Runs the verb.
///
/// # Errors
/// A file can't be read, or gitolite itself would refuse the configuration.
pub(super) fn run(args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let name = args.conf.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Failure::new(Exit::Usage, "the configuration is a file"))?;
    let parent = args.conf.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = Folder::new(parent.unwrap_or(Path::new(".")));
    let options = options(args, name)?;
    if !args.conf.exists() {
        let words = format!("there is no `{}`", args.conf.display());
        return Err(Failure::new(Exit::NotFound, words).into());
    }
    let (imported, asked) = gitolite::import(&folder, &options)?;
    let exit = told(&imported, &args.outcome, out)?;
    if !args.verify {
        return Ok(exit);
    }
    let (policy, _) = checked(&imported.text, out)?;
    let bed = verify::Bed { files: &folder.texts(), options: &options };
    match verify::differences(&bed, &policy, &asked, out)? {
        0 => Ok(exit),
        _ => Ok(Exit::Failed),
    }
}

fn options(args: &Args, main: &str) -> anyhow::Result<Options> {
    let usual = ["READERS", "WRITERS"].map(str::to_owned).into_iter();
    let roles: BTreeSet<String> = usual.chain(args.roles.iter().cloned()).collect();
    let plain = |text: &String| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/".contains(&b))
    };
    if let Some(bad) = args.roles.iter().chain(&args.folders).find(|text| !plain(text)) {
        return Err(Failure::new(Exit::Usage, format!("`{bad}` is not a plain name")).into());
    }
    let found = match &args.root {
        Some(root) => repositories(root, &roles)?,
        None => Vec::new(),
    };
    let keys = args.keydir.as_deref().map_or_else(|| Ok(BTreeMap::new()), keys)?;
    Ok(Options {
        main: main.to_owned(),
        roles,
        found,
        folders: args.folders.clone(),
        base: args.base.clone(),
        keys,
    })
}
