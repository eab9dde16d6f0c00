//! Making a policy count: compiled, recorded, put in place.
//!
//! Knows the order of steps that `refwarden policy apply` and a push to the policy's own repository
//! share; not where a policy comes from, nor who is asked before.

use super::desk::{self, Payload};
use crate::audit::{PolicyRecord, Record, Text, TrailError};
use crate::os::clock;
use crate::os::files::FileError;
use crate::os::site::Site;
use crate::policy::compiled::{self, CompileError, Compiled, CompiledError};
use crate::policy::model::{Policy, User};
use crate::policy::source::Sources;
use crate::pusher::{keys, openpgp};
use crate::store::applied::{self, AppliedError, Digest};
use crate::store::epoch::{self, ChangeError, EpochError};
use crate::store::past;
use crate::text::counted;
use sha2::Digest as _;
use std::path::Path;
use std::time::Duration;

/// How long to wait for another change.
const WAIT: Duration = Duration::from_secs(10);

/// A policy that is ready to count.
pub struct Ready {
    /// What it means.
    pub policy: Policy,
    /// As hooks read it.
    pub bytes: Vec<u8>,
    /// What names it.
    pub digest: Digest,
}

impl Ready {
    /// The commit that brought it, where a push did.
    ///
    /// # Errors
    /// It is damaged.
    pub fn commit(&self) -> Result<Option<String>, CompiledError> {
        let compiled = Compiled::open(self.bytes.as_slice(), self.bytes.len() as u64)?;
        Ok(compiled.commit().map(str::to_owned))
    }
}

/// Why a policy can't be compiled.
#[derive(Debug, thiserror::Error)]
pub enum Uncompiled {
    /// A key can't be used, or it is too large.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// What was written can't be read back.
    #[error(transparent)]
    ReadBack(#[from] CompiledError),
}

/// Why it does not count now.
#[derive(Debug, thiserror::Error)]
pub enum NotApplied {
    /// What it was compared with is no longer what counts.
    #[error("another policy was applied meanwhile")]
    Overtaken,
    /// The branch that it came from holds another commit.
    #[error("another policy has landed meanwhile")]
    Moved,
    /// The epoch can't be raised, so nothing was begun.
    #[error(transparent)]
    Epoch(#[from] EpochError),
    /// The line could not be written.
    #[error(transparent)]
    Trail(#[from] TrailError),
    /// The file could not be written.
    #[error(transparent)]
    Applied(#[from] AppliedError),
    /// A note could not be written or removed.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Compiles a policy; `commit` is the one that brought it, where a push did.
///
/// # Errors
/// [`Uncompiled`].
pub fn compile(
    policy: Policy,
    sources: &Sources,
    commit: Option<&str>,
) -> Result<Ready, Uncompiled> {
    let named = sources.texts().zip(&policy.files);
    let files = named.map(|((_, text), name)| compiled::SourceFile {
        name: name.clone(),
        sha256: sha2::Sha256::digest(text.as_bytes()).into(),
    });
    let bytes = compiled::compile(&policy, &files.collect::<Vec<_>>(), commit, &fingerprints)?;
    let digest = *Compiled::open(bytes.as_slice(), bytes.len() as u64)?.digest();
    Ok(Ready { policy, bytes, digest })
}

fn fingerprints(user: &User) -> Result<Vec<String>, String> {
    let ssh = user.ssh_keys.iter().map(|key| keys::ssh_fingerprint(key));
    let gpg = user.gpg_keys.iter().map(|key| openpgp::primary_fingerprint(key));
    ssh.chain(gpg).map(|result| result.map_err(|error| error.to_string())).collect()
}

/// Records the change and puts the policy in place, in one step for every hook. `seen` is the digest of
/// what it was compared with; `before` is asked in the same step.
///
/// # Errors
/// [`NotApplied`]; what counted before goes on counting.
pub fn put(
    site: &Site,
    ready: &Ready,
    seen: Option<Digest>,
    record: Record,
    before: impl FnOnce() -> Result<(), NotApplied>,
) -> Result<(), NotApplied> {
    let digest = Text::new(desk::hex(&ready.digest));
    let record = Record { policy: Some(PolicyRecord { digest }), ..record };
    let record = record.with("summary", summary(&ready.policy));
    epoch::create(&site.state)?;
    let trail = desk::trail(site, &ready.policy.settings.audit);
    epoch::changing(&site.state, WAIT, || {
        if applied::digest(&site.state, site.account_uid).ok() != seen {
            return Err(NotApplied::Overtaken);
        }
        before()?;
        remember(&site.state, &ready.policy)?;
        trail.append(&record, clock::now().wall)?;
        let (state, uid) = (&site.state, site.account_uid);
        Ok(applied::replace(state, uid, &ready.bytes, &ready.digest, is_whole(site))?)
    })
    .map_err(|error| match error {
        ChangeError::Epoch(error) => NotApplied::Epoch(error),
        ChangeError::Change(error) => error,
    })
}

/// Whether what counts now can be returned to: one of another format can, by the program that wrote it.
fn is_whole(site: &Site) -> bool {
    let damaged = CompiledError::is_damage;
    applied::open(&site.state, site.account_uid)
        .is_ok_and(|applied| !Payload::open(applied).is_err_and(|error| damaged(&error)))
}

/// Notes where checks are in force and where they can be left out, before that counts.
fn remember(state: &Path, policy: &Policy) -> Result<(), FileError> {
    let mut known = past::read(state)?;
    if known.add(policy) {
        past::write(state, &known)?;
    }
    Ok(())
}

/// What a policy holds, in one line.
#[must_use]
pub fn summary(policy: &Policy) -> String {
    let mut parts = vec![
        counted(policy.users.len(), "user", "users"),
        counted(policy.groups.len(), "group", "groups"),
        counted(policy.schemes.len(), "scheme", "schemes"),
        counted(policy.projects.len(), "project", "projects"),
        counted(policy.grants.len(), "grant", "grants"),
    ];
    if !policy.entitlements.is_empty() {
        parts.push(counted(policy.entitlements.len(), "entitlement", "entitlements"));
    }
    parts.join(", ")
}

/// Hooks find the state by the site file, before they can read any policy.
///
/// # Errors
/// The policy says that it lies elsewhere; in words, several lines.
pub fn same_store(site: &Site, policy: &Policy) -> Result<(), String> {
    let written = Path::new(policy.settings.store.as_ref());
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if real(written) == real(&site.state) {
        return Ok(());
    }
    Err(format!(
        "the policy says that state lies in `{}` ([store] path; without one that is the default), this installation keeps it in `{}`\n\
         write into the policy:\n  [store]\n  path = {:?}",
        written.display(),
        site.state.display(),
        site.state.display().to_string()
    ))
}
