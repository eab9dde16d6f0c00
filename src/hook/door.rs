//! What one of our doors said about this push, held against what the hook can see for itself.
//!
//! Knows when a statement is believed: sealed with this host's key, by a process above this one, for
//! this repository, before its end. What a door says stands in `pusher::proof`.

use super::desk::Desk;
use crate::os::env::HookEnv;
use crate::os::process::{self, Host};
use crate::pusher::proof::{self, Door, ProofError, Said};
use crate::store::door_key;
use std::os::unix::ffi::OsStrExt;

/// The door's statement; `None` where no door speaks.
///
/// A name without a proof is not silence: it is refused.
pub fn heard(
    desk: &Desk,
    env: &HookEnv,
    repository: Option<&[u8]>,
) -> Option<Result<Said, ProofError>> {
    let user = env.var(proof::USER);
    let sealed = env.var(proof::PROOF);
    if user.is_none() && sealed.is_none() {
        return None;
    }
    let sealed = sealed.map(OsStrExt::as_bytes).unwrap_or_default();
    Some(believed(desk, sealed, repository).and_then(|said| {
        let user = user.map(OsStrExt::as_bytes) == Some(said.user.as_str().as_bytes());
        let key = env.var(proof::KEY).map(OsStrExt::as_bytes);
        let key = key == said.key.as_deref().map(str::as_bytes);
        if user && key { Ok(said) } else { Err(ProofError::Beside) }
    }))
}

/// The door that really let this push in, whether or not the policy lists it. Without listing it the
/// limits of its token would not be looked at, while another source that it set still speaks.
pub fn behind(desk: &Desk, env: &HookEnv) -> Option<Door> {
    let sealed = env.var(proof::PROOF)?;
    let key = door_key::read(&desk.site.state, desk.site.account_uid).ok()?;
    let said = proof::open(sealed.as_bytes(), &key).ok()?;
    Some(said.door)
}

fn believed(desk: &Desk, sealed: &[u8], repository: Option<&[u8]>) -> Result<Said, ProofError> {
    let site = &desk.site;
    let key = door_key::read(&site.state, site.account_uid).map_err(|_| ProofError::NoKey)?;
    let said = proof::open(sealed, &key)?;
    if !is_of_this_connection(&said) {
        return Err(ProofError::Elsewhere);
    }
    if repository.map(proof::repository).as_ref() != Some(&said.repository) {
        return Err(ProofError::Repository);
    }
    if said.until.is_some_and(|until| desk.now.wall >= until) {
        return Err(ProofError::Ended);
    }
    Ok(said)
}

/// The process that the statement names is above this one; where that can't be told, it is not.
fn is_of_this_connection(said: &Said) -> bool {
    let process = &said.process;
    let here = Host::current().is_ok_and(|host| {
        (host.boot_id, host.pid_namespace) == (process.boot_id.clone(), process.pid_namespace)
    });
    here && process::is_above(process.pid, process.start_time).unwrap_or(false)
}
