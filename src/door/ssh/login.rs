//! Who came in by the ssh door, held against the policy that is applied now.
//!
//! sshd has seen that somebody holds a key; the line in `authorized_keys` said whose it is when it
//! was written. A user who was removed since, or a key or authority, opens nothing any more.

use crate::code::Code;
use crate::door::serve::Visitor;
use crate::hook::Refusal;
use crate::hook::desk::Desk;
use crate::os::env;
use crate::policy::name::UserName;
use crate::pusher::Source;
use crate::pusher::source::SSH_CERT;
use chrono::{DateTime, Utc};
use std::net::IpAddr;

/// What the forced command says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Whose key it is.
    pub user: String,
    /// The key's fingerprint.
    pub key: Option<String>,
    /// Fingerprint of the authority that signed it, where a certificate opened the door.
    pub ca: Option<String>,
    /// Whom that certificate is for, of its principals the one that the policy knew.
    pub principal: Option<String>,
    /// The certificate's end.
    pub until: Option<DateTime<Utc>>,
}

/// Lets somebody in.
///
/// # Errors
/// RW101 where the policy does not list `ssh`, RW102 for people, keys and principals that it does not
/// know any more, RW103 for inactive users.
pub fn enter(desk: &Desk, login: &Login) -> Result<Visitor, Refusal> {
    let no = |code, words: &str| Err(Refusal::new(code, [words]));
    if !desk.policy.settings().sources.contains(&Source::Ssh) {
        let words = "this door is shut: the policy's `[identity] sources` does not list `ssh`";
        return no(Code::NoIdentity, words);
    }
    let damaged = |error: &dyn std::error::Error| Refusal::server(Code::NoPolicy, error);
    let known = match UserName::parse(&login.user) {
        Ok(user) => desk.policy.user(&user).map_err(|e| damaged(&e))?.map(|found| (user, found)),
        Err(_) => None,
    };
    let Some((user, found)) = known else {
        return no(Code::UnknownUser, "whose key this is, the policy does not know (any more)");
    };
    if !found.declared.active {
        return no(Code::InactiveUser, "your user is not active");
    }
    if !counts(desk, login, &user).map_err(|error| damaged(&error))? {
        return no(Code::UnknownUser, "this key is not in the policy (any more)");
    }
    if login.until.is_some_and(|until| desk.now.wall >= until) {
        return no(Code::UnknownUser, "the certificate that opened this connection has ended");
    }
    Ok(Visitor { user, key: login.key.clone(), address: address(), until: login.until })
}

/// Whether the policy still lists the key for the user, or the authority that signed it and the
/// principal for the user.
fn counts(
    desk: &Desk,
    login: &Login,
    user: &UserName,
) -> Result<bool, crate::policy::compiled::CompiledError> {
    if let Some(ca) = &login.ca {
        if !desk.policy.settings().ssh_ca.iter().any(|one| *one.fingerprint == **ca) {
            return Ok(false);
        }
        // A connection may outlive the policy that let it in, and runs a command again and again.
        let Some(principal) = &login.principal else { return Ok(false) };
        return Ok(desk.policy.by_external(SSH_CERT, principal)?.as_ref() == Some(user));
    }
    match &login.key {
        Some(key) => Ok(desk.policy.by_key(key)?.as_ref() == Some(user)),
        // A line that somebody wrote by hand, for a key that the policy need not know.
        None => Ok(true),
    }
}

/// The client's address as sshd tells it; it decides nothing.
fn address() -> Option<String> {
    let connection = env::variable("SSH_CONNECTION")?.into_string().ok()?;
    let address: IpAddr = connection.split(' ').next()?.parse().ok()?;
    Some(address.to_string())
}
