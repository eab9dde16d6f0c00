//! The site that a command works on, and as whom.

use super::Failure;
use super::exit::Exit;
use crate::audit::Trail;
use crate::hook::desk::{self, Payload};
use crate::os::account::Account;
use crate::os::site::{Site, SiteError};
use crate::policy::compiled::Compiled;
use crate::policy::model::Settings;
use rustix::process::{Gid, Uid, geteuid};
use std::path::PathBuf;

/// The site and its applied policy.
pub struct Here {
    /// The site file.
    pub site: Site,
    /// The applied policy.
    pub policy: Compiled<Payload>,
    /// Who runs the command, for the trail: `root@host` or `account@host`.
    pub actor: String,
    /// Whether root does.
    pub by_root: bool,
}

impl Here {
    /// Finds the site, becomes the hosting account, and opens what was applied: root drops its rights
    /// before anything is read that another account may have written.
    ///
    /// # Errors
    /// There is none, or it is not to be trusted; not root and not the hosting account.
    pub fn open() -> anyhow::Result<Self> {
        let site = find()?;
        require_rights(&site)?;
        let (by_root, actor) = (geteuid().is_root(), actor(&site));
        become_account(&site)?;
        let policy = open_policy(&site)?;
        Ok(Self { site, policy, actor, by_root })
    }

    /// What the applied policy says of the server.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        self.policy.settings()
    }

    /// The trail.
    #[must_use]
    pub fn trail(&self) -> Trail<'static> {
        desk::trail(&self.site, &self.settings().audit)
    }

    /// The trail's file.
    #[must_use]
    pub fn audit_file(&self) -> PathBuf {
        PathBuf::from(self.settings().audit.as_ref())
    }

    /// Whether the installation is an ordinary person's own: the programs belong to the account.
    #[must_use]
    pub fn single_user(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        Site::home()
            .ok()
            .and_then(|home| std::fs::metadata(home).ok())
            .is_some_and(|meta| meta.uid() != 0)
    }
}

fn open_policy(site: &Site) -> anyhow::Result<Compiled<Payload>> {
    let opened = desk::open_policy(site);
    let opened = opened.map_err(|no| Failure::new(Exit::Unavailable, no.for_admin()))?;
    Ok(opened.0)
}

/// Finds the site beside the running program.
///
/// # Errors
/// There is none, or it is not to be trusted.
pub fn find() -> anyhow::Result<Site> {
    Site::find().map_err(|error| match error {
        SiteError::File(inner) if inner.is_absent() => Failure::new(
            Exit::NotFound,
            format!("no site: {inner}; run install.sh, or the installed `refwarden`"),
        )
        .into(),
        error => error.into(),
    })
}

/// Whether root or the hosting account runs the command.
///
/// # Errors
/// Somebody else does: what they can't open would look broken.
pub fn require_rights(site: &Site) -> anyhow::Result<()> {
    let uid = geteuid();
    if uid.is_root() || uid.as_raw() == site.account_uid {
        return Ok(());
    }
    let account = &site.account;
    let words = format!(
        "only root and the hosting account `{account}` may do this: try `sudo -u {account} refwarden ...`"
    );
    Err(Failure::new(Exit::Failed, words).into())
}

/// The state folder is there.
///
/// # Errors
/// It is not; only `install.sh` makes it, with the right owner.
pub fn require_state(site: &Site) -> anyhow::Result<()> {
    if site.state.is_dir() {
        return Ok(());
    }
    let words = format!(
        "the state folder `{}` is not there: run install.sh again, or put it back",
        site.state.display()
    );
    Err(Failure::new(Exit::Unavailable, words).into())
}

/// Becomes the hosting account, before state is touched, so that nothing in it ever belongs to
/// root. Only root can; the hosting account is already there.
///
/// # Errors
/// Somebody else runs the command, or the kernel refuses.
pub fn become_account(site: &Site) -> anyhow::Result<()> {
    let uid = geteuid().as_raw();
    require_rights(site)?;
    if uid == site.account_uid {
        return Ok(());
    }
    let account = Account::find(&site.account)?;
    if account.uid != site.account_uid {
        let words = format!(
            "the host's account `{}` is not uid {} any more: run install.sh again",
            site.account, site.account_uid
        );
        return Err(Failure::new(Exit::Failed, words).into());
    }
    let groups: Vec<Gid> = account.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    let gid = groups.first().copied().unwrap_or(Gid::from_raw(site.account_uid));
    let uid = Uid::from_raw(site.account_uid);
    // Group list, group, user, in this order: the last one gives the right to do the others away.
    rustix::thread::set_thread_groups(&groups)?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}

/// Who runs the command, for the trail: `root@host` or `account@host`.
#[must_use]
pub fn actor(site: &Site) -> String {
    let name = if geteuid().is_root() { "root" } else { site.account.as_str() };
    format!("{name}@{}", crate::os::host_name())
}
