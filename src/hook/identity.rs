//! Who is pushing: brings the listed sources, the policy's users and the certificate together.

use super::Refusal;
use super::desk::{Desk, Payload};
use super::tokens::OfPush;
use super::{door, tokens};
use crate::code::Code;
use crate::git::Reader;
use crate::os::env::HookEnv;
use crate::os::gpg::Gpg;
use crate::policy::compiled::Compiled;
use crate::policy::name::UserName;
use crate::push::RefUpdate;
use crate::pusher::certificate::{
    self, CertificateError, KeyRing, NonceCheck, RefLine, VerifiedCertificate,
};
use crate::pusher::openpgp::OpenPgp;
use crate::pusher::proof::{ProofError, Said};
use crate::pusher::token::TokenId;
use crate::pusher::{Directory, Evidence, Pusher, Source, Status, resolve};
use gix::ObjectId;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// How long `gpg` may take.
const GPG_LIMIT: Duration = Duration::from_secs(5);
/// Clock ticks a second in `/proc` (USER_HZ, the same on every Linux).
const TICKS: u64 = 100;

/// The pusher, and every source that vouches for them, required ones that are not listed included.
pub struct Identity {
    /// Who.
    pub pusher: Pusher,
    /// By which sources.
    pub vouched: Vec<Source>,
    /// The token that opened the door, where one did.
    pub token: Option<OfPush>,
}

/// Names the pusher; `place` is the repository's name below the root.
///
/// # Errors
/// [`Refusal`] RW101 to RW104, RW508.
pub fn identify(
    desk: &Desk,
    env: &HookEnv,
    reader: &Reader,
    updates: &[RefUpdate],
    place: Option<&[u8]>,
) -> Result<Identity, Refusal> {
    let settings = desk.policy.settings();
    let required: Vec<Source> = settings
        .require
        .iter()
        .map(|r| r.source.clone())
        .filter(|s| !settings.sources.contains(s))
        .collect();
    let asks = |source: &Source| settings.sources.contains(source) || required.contains(source);
    let certificate =
        if asks(&Source::PushCert) { certificate_of(desk, env, reader, updates) } else { None };
    if let Some(door) = door::behind(desk, env).filter(|door| !asks(&door.source())) {
        let words =
            format!("you came in by the {} door, which the policy no longer lists", door.source());
        return Err(Refusal::new(Code::NoIdentity, [words]));
    }
    let door = match asks(&Source::Ssh) || asks(&Source::Http) {
        true => door::heard(desk, env, place),
        false => None,
    };
    let token = token_of(door.as_ref());
    let variable = |name: &str| env.var(name).map(|value| value.as_bytes().to_vec());
    let evidence = Evidence { variable: &variable, account: &desk.site.account, certificate, door };
    let users = Users(&desk.policy);
    let refusal = |error: crate::pusher::IdentityRefusal| {
        let mut refusal = Refusal::new(error.code, [error.words]);
        refusal.details.push(error.hint.into_bytes());
        refusal
    };
    let mut pusher = resolve(&settings.sources, &evidence, &users).map_err(refusal)?;
    let token = token.map(|id| tokens::of_push(desk, &id?, &pusher.user, place)).transpose()?;
    pusher.until = pusher.until.into_iter().chain(token.as_ref().map(|token| token.until)).min();
    let mut vouched = vec![pusher.source.clone()];
    vouched.extend(pusher.confirmed_by.iter().cloned());
    for source in required {
        match resolve(std::slice::from_ref(&source), &evidence, &users) {
            Ok(other) if other.user == pusher.user => vouched.push(source),
            Ok(_) => {
                let words = format!("`{source}` and `{}` name different people", pusher.source);
                return Err(Refusal::new(Code::SourcesDisagree, [words]));
            }
            Err(error) if error.code == Code::NoIdentity => {}
            Err(error) => return Err(refusal(error)),
        }
    }
    Ok(Identity { pusher, vouched, token })
}

/// The token with which a door let somebody in.
fn token_of(door: Option<&Result<Said, ProofError>>) -> Option<Result<TokenId, Refusal>> {
    let key = door?.as_ref().ok()?.key.as_deref()?;
    let id = TokenId::of_key(key)?;
    Some(id.map_err(|error| Refusal::new(Code::UnknownUser, [error.to_string()])))
}

/// The applied policy as the directory of its users.
pub(crate) struct Users<'a>(pub(crate) &'a Compiled<Payload>);

impl Directory for Users<'_> {
    fn by_external(&self, name_key: &str, external: &str) -> Result<Option<UserName>, String> {
        self.0.by_external(name_key, external).map_err(|error| error.to_string())
    }

    fn by_key(&self, fingerprint: &str) -> Result<Option<UserName>, String> {
        self.0.by_key(fingerprint).map_err(|error| error.to_string())
    }

    fn status(&self, user: &UserName) -> Option<Status> {
        let user = self.0.user(user).ok()??;
        Some(if user.declared.active { Status::Active } else { Status::Inactive })
    }
}

/// The policy's keys.
struct Keys<'a> {
    users: Users<'a>,
    gpg: Option<Gpg>,
}

impl KeyRing for Keys<'_> {
    fn has_ssh_key(&self, fingerprint: &str) -> Result<bool, String> {
        self.users.by_key(fingerprint).map(|user| user.is_some())
    }

    fn openpgp(&self) -> Option<&dyn OpenPgp> {
        self.gpg.as_ref().map(|gpg| gpg as &dyn OpenPgp)
    }
}

fn certificate_of(
    desk: &Desk,
    env: &HookEnv,
    reader: &Reader,
    updates: &[RefUpdate],
) -> Option<Result<VerifiedCertificate, CertificateError>> {
    let id = env.push_cert.as_deref()?;
    Some(verify(desk, env, reader, updates, id))
}

fn verify(
    desk: &Desk,
    env: &HookEnv,
    reader: &Reader,
    updates: &[RefUpdate],
    id: &str,
) -> Result<VerifiedCertificate, CertificateError> {
    let unreadable =
        |error: &dyn std::error::Error| CertificateError::Unreadable(error.to_string());
    let id = ObjectId::from_hex(id.as_bytes()).map_err(|error| unreadable(&error))?;
    let mut buffer = Vec::new();
    let blob = reader.objects().find(&id, &mut buffer).map_err(|error| unreadable(&error))?;
    if blob.kind != gix::objs::Kind::Blob {
        return Err(CertificateError::Malformed("not a blob"));
    }
    let null = ObjectId::null(reader.config().object_format);
    let hex = |id: Option<ObjectId>| id.unwrap_or(null).to_string();
    let ids: Vec<(String, String)> =
        updates.iter().map(|u| (hex(u.change.old()), hex(u.change.new_id()))).collect();
    let lines: Vec<RefLine<'_>> = updates
        .iter()
        .zip(&ids)
        .map(|(u, (old, new))| RefLine {
            name: u.name.as_bytes(),
            old: old.as_bytes(),
            new: new.as_bytes(),
        })
        .collect();
    let config = reader.config();
    let seed = config.cert_nonce_seed.as_ref().ok_or(CertificateError::NoSeed)?;
    let service_dir =
        desk.service.as_ref().map(|s| s.service_dir.as_bytes().to_vec()).unwrap_or_default();
    let nonce = NonceCheck {
        seed,
        service_dir: &service_dir,
        hash: config.object_format,
        began: began(desk),
        slop: config.cert_nonce_slop,
    };
    let keys = keys(desk, blob.data).map_err(CertificateError::Unreadable)?;
    certificate::verify(blob.data, &lines, &env.push_options, &keys, &nonce)
}

/// When receive-pack began, in Unix seconds: its start on the boot clock, taken from now.
fn began(desk: &Desk) -> u64 {
    let now = u64::try_from(desk.now.wall.timestamp()).unwrap_or_default();
    let Some(service) = &desk.service else { return now };
    let age = desk.now.boot.as_secs().saturating_sub(service.start_time / TICKS);
    now.saturating_sub(age)
}

/// The policy's keys; the OpenPGP ones are gathered only where the certificate has such a signature.
fn keys<'a>(desk: &'a Desk, blob: &[u8]) -> Result<Keys<'a>, String> {
    const OPENPGP: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
    let users = Users(&desk.policy);
    if !blob.windows(OPENPGP.len()).any(|window| window == OPENPGP) {
        return Ok(Keys { users, gpg: None });
    }
    Ok(Keys { users, gpg: gpg(desk)? })
}

/// What verifies OpenPGP signatures by the policy's keys; `None` where it lists none.
pub(super) fn gpg(desk: &Desk) -> Result<Option<Gpg>, String> {
    let policy = desk.policy.policy().map_err(|error| error.to_string())?;
    let listed: Vec<String> =
        policy.users.values().flat_map(|user| &user.gpg_keys).map(ToString::to_string).collect();
    if listed.is_empty() {
        return Ok(None);
    }
    let gpg = Gpg::new(&desk.site.state, listed, GPG_LIMIT).map_err(|error| error.to_string())?;
    Ok(Some(gpg))
}
