//! Checks of the installation as a whole.
//!
//! Knows owners, modes, the account and git's version; not what stands in policy or trail.

use crate::cli::finding::Finding;
use crate::cli::repo::layout::Hook;
use crate::cli::repo::target::Installation;
use crate::os::account::Account;
use crate::os::git_config;
use crate::os::hooks_dir::HooksDir;
use crate::os::host_facts;
use crate::os::site;
use crate::os::syslog::{self, Severity};
use crate::os::trust::{self, TrustError};
use crate::text::shell_path;
use std::path::Path;

const OLDEST_GIT: (u32, u32) = (2, 30);

/// git is one that the hooks were made for.
pub fn git_version(home: &Installation) -> Vec<Finding> {
    let cure = "install git 2.30 or later";
    let said = git_config::git_says(&["version"], &home.account.home);
    let Ok(Some(words)) = said else {
        return vec![Finding::broken("git", "git can't be run", cure)];
    };
    let program = git_config::git_program();
    let program = program.map(|path| format!(", {}", path.display())).unwrap_or_default();
    match version(&words) {
        Some(found) if found >= OLDEST_GIT => {
            vec![Finding::ok("git", format!("{words}{program}"))]
        }
        _ => vec![Finding::broken("git", format!("`{words}`{program} is older than 2.30"), cure)],
    }
}

/// `git version 2.47.3.suffix`
fn version(words: &str) -> Option<(u32, u32)> {
    let mut parts = words.strip_prefix("git version ")?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The site file's account is still the account of that number.
pub fn account(home: &Installation) -> Vec<Finding> {
    let (name, uid) = (&home.site.account, home.site.account_uid);
    let cure = "run install.sh again with --account";
    vec![match Account::find(name) {
        Ok(found) if found.uid == uid => Finding::ok("account", format!("`{name}` is uid {uid}")),
        Ok(found) => {
            let what = format!("`{name}` is uid {} now, the site file says {uid}", found.uid);
            Finding::broken("account", what, cure)
        }
        Err(error) => Finding::broken("account", error.to_string(), cure),
    }]
}

/// The programs can be run by the account and written by nobody else.
pub fn programs(home: &Installation) -> Vec<Finding> {
    let hooks = Hook::ALL.map(Hook::name);
    let programs = ["refwarden"].into_iter().chain(hooks);
    let mut found: Vec<Finding> = programs.filter_map(|name| program(name, home)).collect();
    if found.is_empty() {
        found.push(Finding::ok("programs", home.programs.display().to_string()));
    }
    found
}

fn program(name: &str, home: &Installation) -> Option<Finding> {
    let path = home.programs.join(name);
    let folder = HooksDir::open(&home.programs, &home.programs).ok().flatten();
    let skipped = folder.map_or(Some("it is not there".to_owned()), |f| f.would_not_run(name));
    if let Some(why) = skipped {
        let what = format!("`{}` does not run: {why}", path.display());
        return Some(Finding::open("programs", what, "run install.sh again"));
    }
    if let Some(closed) = home.account.kept_from_running(&path) {
        let what = format!("`{}` keeps the account from `{}`", closed.display(), path.display());
        let cure = format!("chmod a+x {}", shell_path(&closed));
        return Some(Finding::open("programs", what, cure));
    }
    untrusted("programs", trust::open_file(&path, home.site.account_uid).map(drop), Finding::open)
}

/// The site file is trusted.
pub fn site_file(home: &Installation) -> Vec<Finding> {
    let path = home.programs.join(site::FILE_NAME);
    judged("site", &path, trust::open_file(&path, home.site.account_uid).map(drop))
}

/// The policy that `policy apply` reads is trusted.
pub fn policy_file(home: &Installation) -> Vec<Finding> {
    let path = &home.site.policy;
    judged("policy-file", path, trust::open_file(path, home.site.account_uid).map(drop))
}

/// The state folder is trusted, the account's, and closed to others.
pub fn state(home: &Installation) -> Vec<Finding> {
    let path = &home.site.state;
    let uid = home.site.account_uid;
    let mut found = judged("state", path, trust::open_folder(path, uid).map(drop));
    if let Ok((owner, mode)) = host_facts::owner_and_mode(path) {
        if mode & 0o077 != 0 {
            let what = format!("`{}` has mode {mode:04o}: slips and keys lie open", path.display());
            found.push(Finding::open("state", what, format!("chmod 0700 {}", shell_path(path))));
        }
        if owner != uid {
            let what = format!("`{}` belongs to uid {owner}, not to the account", path.display());
            let cure = format!("chown {uid} {}", shell_path(path));
            found.push(Finding::broken("state", what, cure));
        }
    }
    found
}

/// The host's log takes lines, so that a rewritten trail shows.
pub fn syslog(_: &Installation) -> Vec<Finding> {
    let what = "the host's log does not take lines: a rewritten trail would not show";
    vec![if syslog::send(Severity::Info, "doctor looks whether the log takes lines") {
        Finding::ok("syslog", "takes lines")
    } else {
        Finding::warn("syslog", what, "run rsyslog, syslog-ng or systemd-journald")
    }]
}

/// The audit trail at `path` can be written by the account and by nobody else.
///
/// Where the trail is stands in the policy, so the caller says.
#[must_use]
pub fn trail(path: &Path, home: &Installation) -> Vec<Finding> {
    let uid = home.site.account_uid;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let cure = format!("chown {uid} {0} && chmod 0600 {0}", shell_path(path));
    // Looking must not make it: what root makes, the account can't write.
    let Ok((owner, mode)) = host_facts::owner_and_mode(path) else {
        let what = format!("`{}` is not there and can't be made", path.display());
        let cure = format!("make {}, mode 0700, owned by uid {uid}", shell_path(folder));
        return vec![match home.account.may_write(folder) {
            true => Finding::ok("trail", format!("`{}` will be made", path.display())),
            false => Finding::broken("trail", what, cure),
        }];
    };
    let mut found = judged("trail", path, trust::open_trail(path, uid).map(drop));
    if !home.account.may_write(path) {
        let what =
            format!("`{}` (uid {owner}, {mode:04o}) is closed to the account", path.display());
        found.push(Finding::broken("trail", what, cure));
    }
    found
}

fn judged(check: &'static str, path: &Path, result: Result<(), TrustError>) -> Vec<Finding> {
    let ok = || Finding::ok(check, path.display().to_string());
    vec![untrusted(check, result, Finding::broken).unwrap_or_else(ok)]
}

/// What can't be read refuses every push; what others can write is as open as they like.
fn untrusted(
    check: &'static str,
    result: Result<(), TrustError>,
    otherwise: fn(&'static str, String, String) -> Finding,
) -> Option<Finding> {
    Some(match result.err()?.split() {
        (what, Some(cure)) => otherwise(check, what, cure),
        (what, None) => {
            Finding::broken(check, what, "put it where the site file says, or run install.sh again")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_git_are_read_with_their_suffixes() {
        assert_eq!(version("git version 2.47.3"), Some((2, 47)));
        assert_eq!(version("git version 2.30.windows.1"), Some((2, 30)));
        assert_eq!(version("git version 3.0.rc0"), Some((3, 0)));
        assert_eq!(version("gitoxide 1"), None);
        assert!(version("git version 2.29.9").unwrap() < OLDEST_GIT);
    }
}
