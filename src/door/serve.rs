//! Becomes git: the last thing that a door does.
//!
//! Knows which git command serves what, in which environment, and what proves to the hooks who came
//! in. Nothing of what the client put into the environment reaches git but the protocol's version,
//! and that only if it is one.

#![expect(clippy::disallowed_methods, reason = "becomes git, in an environment of our own")]

use super::place::Place;
use crate::git::{GitEnv, GitError, Reader};
use crate::os::files::{self, FileError};
use crate::os::process::{self, Host};
use crate::os::site::{Site, SiteError};
use crate::os::{account, env};
use crate::policy::name::UserName;
use crate::pusher::proof::{self, Door, Process, Said};
use crate::store::door_key::{self, KeyError};
use chrono::{DateTime, Utc};
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// Where git and what it calls are looked for.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What git does for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Clone, fetch, list.
    UploadPack,
    /// Push.
    ReceivePack,
    /// `git archive --remote`.
    UploadArchive,
}

impl Service {
    /// The command, as the argument of `git`.
    #[must_use]
    pub const fn command(self) -> &'static str {
        match self {
            Self::UploadPack => "upload-pack",
            Self::ReceivePack => "receive-pack",
            Self::UploadArchive => "upload-archive",
        }
    }

    /// The service called `name`: `git-upload-pack` and so on.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        let all = [Self::UploadPack, Self::ReceivePack, Self::UploadArchive];
        let name = name.strip_prefix(b"git-")?;
        all.into_iter().find(|service| service.command().as_bytes() == name)
    }
}

/// Whom a door let in, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// The user of the policy.
    pub user: UserName,
    /// Fingerprint of an ssh key, or id of a token.
    pub key: Option<String>,
    /// The client's address.
    pub address: Option<String>,
    /// The end of the certificate or token.
    pub until: Option<DateTime<Utc>>,
}

/// Why git was not started.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Nothing to seal the proof with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// `/proc` can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The programs' own folder is not known.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// The repository can't be opened.
    #[error(transparent)]
    Git(#[from] GitError),
    /// git can't be run.
    #[error("can't run git: {0}")]
    Start(std::io::Error),
}

/// The variables that prove to the hooks who came in by `door` to `place`, as this process.
///
/// # Errors
/// [`ServeError`]: no key, no `/proc`.
pub fn proof(
    site: &Site,
    door: Door,
    visitor: &Visitor,
    place: &Place,
) -> Result<Vec<(&'static str, String)>, ServeError> {
    let key = door_key::read(&site.state, site.account_uid)?;
    let host = Host::current()?;
    let (pid, start_time) = process::own()?;
    let said = Said {
        door,
        user: visitor.user.clone(),
        key: visitor.key.clone(),
        repository: proof::repository(&place.name),
        address: visitor.address.clone(),
        until: visitor.until,
        process: Process {
            pid,
            start_time,
            boot_id: host.boot_id,
            pid_namespace: host.pid_namespace,
        },
    };
    let mut variables =
        vec![(proof::USER, visitor.user.to_string()), (proof::PROOF, proof::seal(&said, &key))];
    variables.extend(visitor.key.clone().map(|key| (proof::KEY, key)));
    Ok(variables)
}

/// Whether git would run this installation's `pre-receive` for a push to `place`.
///
/// # Errors
/// The repository or the installation can't be looked at.
pub fn is_guarded(site: &Site, place: &Place) -> Result<bool, ServeError> {
    // As git will see it: the account's own configuration may name another folder of hooks.
    let variables = [("HOME", home(site).into_os_string()), ("PATH", PATH.into())];
    let env = GitEnv::new(variables.map(|(name, value)| (name.into(), value)));
    let reader = Reader::open(&place.git_dir, &env, site.account_uid)?;
    let ours = Site::home()?.join("pre-receive");
    Ok(files::same_executable(&reader.hooks_folder().join("pre-receive"), &ours))
}

/// Where git looks for the account's own configuration: what the server calls home, else what the
/// host does, if that is a folder of the account's or root's, else the state folder, which has none.
/// Both doors take it from here, so that git sees what [`is_guarded`] saw.
#[must_use]
pub fn home(site: &Site) -> PathBuf {
    let trusted = |home: &PathBuf| {
        home.is_absolute()
            && std::fs::metadata(home).is_ok_and(|about| {
                about.is_dir() && (about.uid() == site.account_uid || about.uid() == 0)
            })
    };
    let named = env::variable("HOME").map(PathBuf::from).filter(trusted);
    named
        .or_else(|| account::local_home(site.account_uid).filter(trusted))
        .unwrap_or_else(|| site.state.clone())
}

/// What the client said of the protocol (`GIT_PROTOCOL`), if it is `version=N` or a list of such.
#[must_use]
pub fn protocol(given: Option<OsString>) -> Option<String> {
    let text = given?.into_string().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"=:-".contains(&byte);
    (!text.is_empty() && text.len() <= 64 && text.bytes().all(plain)).then_some(text)
}

/// A git command with nothing in its environment but `variables` and what git itself needs.
#[must_use]
pub fn clean(program: &str, site: &Site, home: &std::path::Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).env("HOME", home).env("LC_ALL", "C.UTF-8");
    command.env("USER", &site.account).env("LOGNAME", &site.account);
    command
}

/// Becomes `command`; returns only if that failed.
#[must_use]
pub fn becoming(mut command: Command) -> ServeError {
    ServeError::Start(command.exec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_protocol_s_version_is_passed_on() {
        let given = |text: &str| protocol(Some(text.into()));
        assert_eq!(given("version=2").as_deref(), Some("version=2"));
        assert_eq!(given("version=2:x=1").as_deref(), Some("version=2:x=1"));
        for bad in ["", "version=2\n", "$(id)", "a b", "version=\u{e9}", &"v".repeat(65)] {
            assert_eq!(given(bad), None, "{bad:?}");
        }
        assert_eq!(protocol(None), None);
    }

    #[test]
    fn services_have_their_names_and_no_others() {
        assert_eq!(Service::named(b"git-upload-pack"), Some(Service::UploadPack));
        assert_eq!(Service::named(b"git-receive-pack"), Some(Service::ReceivePack));
        for bad in [&b"git-shell"[..], b"upload-pack", b"git-upload-pack ", b"", b"git-"] {
            assert_eq!(Service::named(bad), None);
        }
    }
}
