//! `refwarden export`: what a policy knows, for other programs.

use super::exit::Exit;
use super::out::{Out, counted};
use super::policy;
use super::site::Here;
use super::ssh_keys;
use crate::os::files;
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;

/// What to write.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// The public keys of all active users, as lines of `authorized_keys`. Changes nothing but the file
    /// that is named; what sshd reads is kept up by `ssh-keys`.
    AuthorizedKeys(KeysArgs),
}

/// Arguments of `export authorized-keys`.
#[derive(Debug, clap::Args)]
pub struct KeysArgs {
    /// The keys of this policy file instead of the applied policy.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Only `TYPE BASE64 USER`, without the command that makes a key open nothing but git.
    #[arg(long)]
    plain: bool,
    /// Write into this file, which must not exist; without it, to standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// No such policy, or the file can't be written.
pub fn run(verb: &Verb, out: &Out) -> anyhow::Result<Exit> {
    let Verb::AuthorizedKeys(args) = verb;
    let policy = match &args.policy {
        Some(path) => policy::load(path, None, out)?.policy,
        None => Here::open()?.policy.policy()?,
    };
    let keys = ssh_keys::keys_of(&policy)?;
    if out.json {
        for (name, key, fingerprint) in &keys {
            out.value(&json!({ "user": name.as_str(), "key": key, "fingerprint": fingerprint }));
        }
        return Ok(Exit::Done);
    }
    let lines = match args.plain {
        true => keys.iter().map(|(name, key, _)| format!("{key} {name}")).collect(),
        false => ssh_keys::lines_of(&policy, &ssh_keys::program()?)?,
    };
    match &args.output {
        Some(path) => {
            files::create_new(path, 0o600)?;
            let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
            files::write_whole(path, text.as_bytes(), 0o600)?;
            out.note(format!(
                "{} written to {}",
                counted(lines.len(), "key", "keys"),
                path.display()
            ));
        }
        None => lines.iter().for_each(|line| out.line(line)),
    }
    Ok(Exit::Done)
}
