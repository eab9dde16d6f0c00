//! The site that a command works on, and as whom.

use super::Failure;
use super::exit::Exit;
use crate::os::site::{Site, SiteError};
use rustix::process::{Gid, Uid, geteuid};

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

/// Becomes the hosting account, before state is touched, so that nothing in it ever belongs to
/// root. Only root can; the hosting account is already there.
///
/// # Errors
/// Somebody else runs the command, or the kernel refuses.
pub fn become_account(site: &Site) -> anyhow::Result<()> {
    let uid = geteuid().as_raw();
    if uid == site.account_uid {
        return Ok(());
    }
    if uid != 0 {
        let words = format!(
            "only root and the hosting account `{}` may do this: try `sudo -u {} refwarden …`",
            site.account, site.account
        );
        return Err(Failure::new(Exit::Failed, words).into());
    }
    let gid = crate::os::account::primary_group(site.account_uid)?;
    let (uid, gid) = (Uid::from_raw(site.account_uid), Gid::from_raw(gid));
    // Group list, group, user, in this order: the last one gives the right to do the others away.
    rustix::thread::set_thread_groups(&[gid])?;
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
