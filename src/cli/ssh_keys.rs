//! `refwarden ssh-keys`: whose a key is, in the form that sshd reads.
//!
//! As sshd's AuthorizedKeysCommand it answers for one key; with `--write` it writes all keys of the
//! applied policy into a file. What stands in a line is `door::ssh::keys`'s matter.

use super::Failure;
use super::exit::Exit;
use super::out::{Out, counted};
use super::site::{self, Here};
use crate::door::ssh::keys::{self, Certified, Offered};
use crate::os::files;
use crate::os::site::Site;
use crate::policy::model::Policy;
use crate::policy::name::UserName;
use crate::pusher::Source;
use crate::pusher::keys::ssh_fingerprint;
use crate::pusher::source::SSH_CERT;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Longest `authorized_keys` file that is changed, in bytes.
const MAX_FILE: usize = 64 * 1024 * 1024;

/// Arguments of `ssh-keys`.
#[derive(Debug, clap::Args)]
#[command(after_help = "In sshd_config:\n  \
    Match User git\n    \
    AuthorizedKeysCommand /usr/local/bin/refwarden ssh-keys %u %f %t %k\n    \
    AuthorizedKeysCommandUser git\n    \
    AuthorizedKeysFile none\n\
    Where sshd has no AuthorizedKeysCommand, after every `policy apply`:\n  \
    refwarden ssh-keys --write ~git/.ssh/authorized_keys")]
pub struct Args {
    /// The account that is logged in to: sshd's %u. Keys are told for the hosting account alone.
    #[arg(required_unless_present = "write")]
    account: Option<String>,
    /// The key's fingerprint: sshd's %f.
    #[arg(required_unless_present = "write")]
    fingerprint: Option<String>,
    /// Its type: sshd's %t.
    #[arg(value_name = "TYPE", required_unless_present = "write")]
    kind: Option<String>,
    /// The key or certificate in base64: sshd's %k.
    #[arg(required_unless_present = "write")]
    key: Option<String>,
    /// Write the lines of all keys into this file, between two marks; other lines stay. `-` prints
    /// them.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["account", "fingerprint", "kind", "key"])]
    write: Option<PathBuf>,
}

/// Runs the verb; a key that opens nothing prints nothing, and is no error.
///
/// # Errors
/// No policy; sshd was set up so that fingerprints can't be compared; the file can't be written.
pub fn run(args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let here = Here::open()?;
    site::become_account(&here.site)?;
    if let Some(path) = &args.write {
        return write(&here, path, out);
    }
    let text = |given: &Option<String>| given.clone().unwrap_or_default();
    if text(&args.account) != here.site.account || !here.settings().sources.contains(&Source::Ssh) {
        return Ok(Exit::Done);
    }
    let offered = match keys::read(&text(&args.kind), &text(&args.key)) {
        Ok(offered) => offered,
        Err(error) => {
            out.note(format!("this key opens nothing: {error}"));
            return Ok(Exit::Done);
        }
    };
    let computed = match &offered {
        Offered::Key { fingerprint, .. } => fingerprint,
        Offered::Certificate(certified) => &certified.fingerprint,
    };
    if text(&args.fingerprint) != *computed {
        let words = "the fingerprint is not the key's: sshd's FingerprintHash must be sha256, \
                     and the arguments %u %f %t %k";
        return Err(Failure::new(Exit::Failed, words).into());
    }
    if let Some(line) = line(&here, &offered)? {
        out.line(line);
    }
    Ok(Exit::Done)
}

fn line(here: &Here, offered: &Offered) -> anyhow::Result<Option<String>> {
    let program = program()?;
    match offered {
        Offered::Key { line, fingerprint } => {
            let Some(user) = here.policy.by_key(fingerprint)? else { return Ok(None) };
            match is_active(here, &user)? {
                true => Ok(Some(keys::key_line(&program, &user, line, fingerprint)?)),
                false => Ok(None),
            }
        }
        Offered::Certificate(certified) => certificate(here, &program, certified),
    }
}

fn certificate(
    here: &Here,
    program: &Path,
    certified: &Certified,
) -> anyhow::Result<Option<String>> {
    let listed = &here.settings().ssh_ca;
    let Some(ca) = listed.iter().find(|ca| *ca.fingerprint == *certified.ca) else {
        return Ok(None);
    };
    let mut people = BTreeSet::new();
    for principal in certified.principals.iter().filter(|text| keys::is_plain_principal(text)) {
        if let Some(user) = here.policy.by_external(SSH_CERT, principal)?
            && is_active(here, &user)?
        {
            people.insert((user, principal.as_str()));
        }
    }
    let names: BTreeSet<&UserName> = people.iter().map(|(user, _)| user).collect();
    // A certificate for two people says of neither that it is them.
    match (names.len(), people.first()) {
        (1, Some((user, principal))) => {
            Ok(Some(keys::certificate_line(program, (user, principal), certified, ca)?))
        }
        _ => Ok(None),
    }
}

fn is_active(here: &Here, user: &UserName) -> anyhow::Result<bool> {
    Ok(here.policy.user(user)?.is_some_and(|user| user.declared.active))
}

/// The program that sshd is to start: itself, not a link that somebody could lead elsewhere.
pub(super) fn program() -> anyhow::Result<PathBuf> {
    Ok(Site::home()?.join("door"))
}

/// Every active user's keys: the name, `TYPE BASE64`, the fingerprint.
pub(super) fn keys_of(policy: &Policy) -> anyhow::Result<Vec<(&UserName, String, String)>> {
    let mut all = Vec::new();
    for (name, user) in policy.users.iter().filter(|(_, user)| user.active) {
        for key in &user.ssh_keys {
            let line: Vec<&str> = key.split_ascii_whitespace().take(2).collect();
            let line = line.join(" ");
            let fingerprint = ssh_fingerprint(&line)?;
            all.push((name, line, fingerprint));
        }
    }
    Ok(all)
}

/// The lines by which sshd lets every active user in.
pub(super) fn lines_of(policy: &Policy, program: &Path) -> anyhow::Result<Vec<String>> {
    let all = keys_of(policy)?.into_iter();
    all.map(|(name, line, fingerprint)| Ok(keys::key_line(program, name, &line, &fingerprint)?))
        .collect()
}

fn write(here: &Here, path: &Path, out: &Out) -> anyhow::Result<Exit> {
    let open = here.settings().sources.contains(&Source::Ssh);
    let lines = if open { lines_of(&here.policy.policy()?, &program()?)? } else { Vec::new() };
    let block = keys::block(&lines);
    if path == Path::new("-") {
        out.line(String::from_utf8_lossy(&block).trim_end());
        return Ok(Exit::Done);
    }
    let old = match files::read_limited(path, MAX_FILE) {
        Ok(bytes) => bytes,
        Err(error) if error.is_absent() => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    files::write_whole(path, &keys::replaced(&old, &block)?, 0o600)?;
    let keys = counted(lines.len(), "key", "keys");
    out.note(format!("{keys} written to {}", path.display()));
    Ok(Exit::Done)
}
