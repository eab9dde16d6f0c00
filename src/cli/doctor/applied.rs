//! The policy that counts, and the trail that it names.

use super::super::finding::Finding;
use super::super::receivers;
use super::super::repo::target::Installation;
use super::trail;
use crate::audit::verify;
use crate::cli::out::counted;
use crate::cli::store::{StandingError, standing};
use crate::hook::{desk, settle};
use crate::os::clock;
use crate::os::gpg;
use crate::os::policy_files::PolicyFiles;
use crate::os::trust;
use crate::policy::compiled::Compiled;
use crate::policy::model::Policy;
use crate::policy::zone;
use crate::store::access::StoreError;
use crate::store::open::Mode;
use crate::store::tokens::TokenStore;
use crate::store::{applied, epoch};
use std::path::{Path, PathBuf};

/// How much of the trail is looked at, in bytes from its end: some thousand lines.
const LOOKED_AT: u64 = 4 << 20;

/// The sources are valid, something is applied, it is what the sources say, and its trail takes lines.
pub fn policy(home: &Installation) -> Vec<Finding> {
    let mut found: Vec<Finding> = sources(home).into_iter().collect();
    let applied = match desk::open_policy(&home.site) {
        Ok((applied, _)) => applied,
        Err(refusal) => {
            found.push(Finding::broken("policy", refusal.for_admin(), "refwarden policy apply"));
            return found;
        }
    };
    found.push(match settle::sources_differ(&home.site, &applied) {
        Some(words) => {
            let words = String::from_utf8_lossy(&words).into_owned();
            Finding::warn("policy", words, "refwarden policy apply --dry-run, then apply")
        }
        None if applied.commit().is_some() => {
            Finding::ok("policy", "applied, by a push to its own repository")
        }
        None => Finding::ok("policy", "applied, and the same as its files"),
    });
    found.extend(whole(home));
    found.extend(
        epoch::read(&home.site.state)
            .err()
            .map(|error| Finding::broken("epoch", error.to_string(), "refwarden store init")),
    );
    let audit = Path::new(applied.settings().audit.as_ref());
    found.extend(trail(audit, home));
    found.extend(chain(audit));
    found.push(store(home, &applied));
    found.extend(tokens(home, &applied));
    let unfit = receivers::unfit(applied.settings(), &home.site).into_iter();
    found.extend(unfit.map(|(what, cure)| Finding::broken("notify", what, cure)));
    found.extend(gpg(owners_of_gpg_keys(&applied), gpg::installed()));
    found.push(super::sweep::runs(home, &applied));
    found.push(clock(home, &applied));
    found
}

/// `None` where the main file is not to be trusted, or not there: another check's finding.
pub(super) fn sources(home: &Installation) -> Option<Finding> {
    let (path, account) = (&home.site.policy, home.site.account_uid);
    if trust::open_file(path, account).is_err() {
        return None;
    }
    let opened = PolicyFiles::open(path, Some(account));
    let (main, files) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let cure = "refwarden policy check";
            return Some(Finding::broken("policy-check", error.to_string(), cure));
        }
    };
    Some(match crate::policy::load_file(main, &files.folder(), &files).1 {
        Ok(_) => Finding::ok("policy-check", "valid"),
        Err(problems) => {
            let words = format!("{} problem(s) in the policy's files", problems.len());
            Finding::warn("policy-check", words, "refwarden policy check")
        }
    })
}

/// Hooks read the applied policy in parts; here every part of it is looked at.
fn whole(home: &Installation) -> Option<Finding> {
    let open = applied::open(&home.site.state, home.site.account_uid).ok()?;
    let read = desk::Payload::open(open).and_then(|policy| policy.policy());
    let error = read.err()?;
    Some(Finding::broken("policy", error.to_string(), "refwarden policy apply"))
}

/// The chain near the trail's end. `None` where it holds, or nothing can be read: another finding's.
fn chain(path: &Path) -> Option<Finding> {
    let bad = verify::near_end(path, LOOKED_AT).ok()??;
    let what = format!("`{}`: its chain is broken near the end: {}", path.display(), bad.problem);
    Some(Finding::broken("trail", what, "refwarden audit verify"))
}

/// The store is there where something can be asked for, and pushes can rest on it.
fn store(home: &Installation, applied: &Compiled<desk::Payload>) -> Finding {
    let found = match standing(&home.site, applied.settings()) {
        Ok(found) => found,
        Err(StandingError::Store(error @ StoreError::Newer { .. })) => {
            return Finding::broken(
                "store",
                error.to_string(),
                "install the newer refwarden again",
            );
        }
        Err(error) => {
            let cure = "refwarden store restore a backup, then refwarden store accept";
            return Finding::broken("store", error.to_string(), cure);
        }
    };
    let asked_for = applied.policy().is_ok_and(|policy| !policy.entitlements.is_empty());
    match (found.problem, found.status) {
        (Some(problem), _) => Finding::broken("store", problem, "refwarden store status"),
        (None, None) if asked_for => {
            let what =
                format!("the policy has entitlements, and there is no store at {}", found.at);
            Finding::broken("store", what, "refwarden store init")
        }
        (None, None) => Finding::ok("store", "none is there, and none is asked for"),
        (None, Some(status)) => {
            Finding::ok("store", format!("{}, version {}", found.at, status.version))
        }
    }
}

/// The table of this host's own tokens, where the records of access are in a shared store: what
/// [`store`] looks at is not it then.
fn tokens(home: &Installation, applied: &Compiled<desk::Payload>) -> Option<Finding> {
    let settings = applied.settings();
    settings.shared_store.as_ref()?;
    settings.tokens.as_ref()?;
    let opened = TokenStore::open(&home.site.state, home.site.account_uid, Mode::Read);
    Some(match opened.and_then(|table| table.map(|table| table.version()).transpose()) {
        Ok(Some(version)) => Finding::ok("tokens", format!("this host's table, version {version}")),
        Ok(None) => Finding::ok("tokens", "this host has no table of them"),
        Err(error) => {
            let cure = "move state.db of the state folder away, and make this host's tokens anew";
            Finding::broken("tokens", error.to_string(), cure)
        }
    })
}

/// What is signed with the policy's OpenPGP keys is held against them by the host's own gpg.
pub(super) fn gpg(owners: usize, program: Option<PathBuf>) -> Option<Finding> {
    (owners > 0).then(|| match program {
        Some(path) => Finding::ok("gpg", format!("`{}`", path.display())),
        None => {
            let who = counted(owners, "user has", "users have");
            let what = format!("{who} `gpg-keys`, and there is no gpg: what they sign is refused");
            Finding::broken("gpg", what, "install GnuPG as /usr/bin/gpg")
        }
    })
}

fn owners_of_gpg_keys(applied: &Compiled<desk::Payload>) -> usize {
    let count = |policy: Policy| policy.users.values().filter(|u| !u.gpg_keys.is_empty()).count();
    applied.policy().map_or(0, count)
}

fn clock(home: &Installation, applied: &Compiled<desk::Payload>) -> Finding {
    let (audit, zone) = (&applied.settings().audit, applied.settings().timezone);
    let host = crate::audit::Text::new(crate::os::host_name());
    let now = clock::now().wall;
    match desk::trail(&home.site, audit).end(&host, now) {
        Ok(Some(end)) if (end.time - now).num_seconds() > 2 => Finding::broken(
            "clock",
            format!(
                "the trail's last line is of {}, the clock says {}",
                zone::told(end.time, zone),
                zone::told(now, zone)
            ),
            "set the clock; if the trail is wrong, refwarden store reset-clock",
        ),
        Ok(_) => Finding::ok("clock", "not behind the trail"),
        Err(error) => Finding::broken("trail", error.to_string(), "refwarden audit verify"),
    }
}
