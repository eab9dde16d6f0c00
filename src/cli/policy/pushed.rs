//! What `refwarden policy apply` takes where the policy comes by pushes: what its branch holds.
//!
//! Knows which of the two policies is meant, the file's or the branch's; how one is applied is the
//! parent's matter.

use super::load;
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::cli::site;
use crate::hook::apply::Ready;
use crate::hook::desk::{self, Payload};
use crate::hook::policy_push;
use crate::os::site::Site;
use crate::policy::compiled::CompiledError;
use crate::policy::model::{Policy, PolicyHome};
use crate::store::applied::{self, AppliedError};

/// The policy of the branch, where the policy comes from one and something was pushed there. Root has
/// become the hosting account then.
///
/// # Errors
/// The branch can't be read, or what it holds may not be the policy (exit code 4).
pub(super) fn held(site: &Site, out: &Out) -> anyhow::Result<Option<Ready>> {
    let Some((old, home)) = before(site, out)? else { return Ok(None) };
    site::require_state(site)?;
    site::become_account(site)?;
    let held = policy_push::held(site, &old, &home).map_err(|error| {
        let file = site.policy.display();
        anyhow::anyhow!("{error}\nto apply `{file}` instead: refwarden policy apply --by-hand")
    })?;
    let Some(held) = held else { return Ok(None) };
    out.note(format!(
        "from `{}`, commit {}; the file `{}` counts only with --by-hand",
        home.repository,
        held.commit.to_hex_with_len(12),
        site.policy.display()
    ));
    held.policy.map(Some).map_err(|lines| {
        let lines: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
        Failure::new(Exit::PolicyInvalid, lines.join("\n")).into()
    })
}

/// What it is compared with, and where it comes from: by what counts, or, where an upgrade has left that
/// in a form that can't be read, by the site's file. Where it is damaged nobody can say what it was,
/// so the file has to be chosen by hand.
fn before(site: &Site, out: &Out) -> anyhow::Result<Option<(Policy, PolicyHome)>> {
    let applied = match applied::open(&site.state, site.account_uid) {
        Ok(applied) => applied,
        Err(AppliedError::Malformed { .. }) => return damaged(site, out),
        Err(_) => return Ok(None),
    };
    let policy = match Payload::open(applied).and_then(|compiled| compiled.policy()) {
        Ok(policy) => policy,
        Err(CompiledError::Version(_)) => load(&site.policy, Some(site.account_uid), out)?.policy,
        Err(error) if error.is_damage() => return damaged(site, out),
        Err(error) => return Err(error.into()),
    };
    Ok(policy.settings.home.clone().map(|home| (policy, home)))
}

/// What counts is damaged: nothing, where neither the site's file nor the policy before says that it comes
/// by pushes.
fn damaged<T>(site: &Site, out: &Out) -> anyhow::Result<Option<T>> {
    let written = load(&site.policy, Some(site.account_uid), out)?.policy.settings.home;
    let Some(home) = written.or_else(|| last_kept(site)) else { return Ok(None) };
    let (file, home) = (site.policy.display(), home.repository);
    Err(anyhow::anyhow!(
        "what counts now is damaged, and the policy comes by pushes to `{home}`: what the branch holds has nothing \
         to be compared with\n\
         to go back to the policy before: refwarden policy rollback\n\
         to apply `{file}`, and push to `{home}` then: refwarden policy apply --by-hand"
    ))
}

/// Where the policy came from before the one that counts.
fn last_kept(site: &Site) -> Option<PolicyHome> {
    let numbers = applied::history(&site.state).ok()?;
    let kept = applied::open_kept(&site.state, site.account_uid, *numbers.last()?).ok()?;
    Payload::open(kept).ok()?.settings().home.clone()
}

/// Whether what counts was pushed.
#[must_use]
pub(super) fn counts(site: &Site) -> bool {
    desk::open_policy(site).is_ok_and(|(policy, _)| policy.commit().is_some())
}
