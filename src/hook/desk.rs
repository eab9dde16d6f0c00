//! What a hook has before it when it judges: the site, the applied policy, the time.

use super::Refusal;
use super::elsewhere::Elsewhere;
use crate::audit::Trail;
use crate::code::Code;
use crate::os::clock::{self, Now};
use crate::os::env::{EnvError, HookEnv};
use crate::os::process::{self, ReceivePack};
use crate::os::site::Site;
use crate::os::syslog::{self, Severity};
use crate::os::trust::Inspected;
use crate::policy::compiled::{Compiled, CompiledError, ReadAt};
use crate::policy::model::Settings;
use crate::store;
use crate::store::access::{AccessStore, StoreError};
use crate::store::applied::{self, Applied, AppliedError, PAYLOAD_AT};
use crate::store::epoch::{self, EpochError};
use crate::store::open::Mode;
use crate::store::sqlite::brief::{self, Look, Said};
pub use crate::text::hex;
use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

/// How long to wait for a change of the policy that is under way.
const WAIT: Duration = Duration::from_secs(5);

/// Up to this length, in bytes, a policy is read at once instead of in parts.
const SHORT: u64 = 64 * 1024;

/// The payload of an applied policy's file.
#[derive(Debug)]
pub struct Payload {
    applied: Applied,
    /// All of it, where it is short.
    whole: Option<Vec<u8>>,
}

impl Payload {
    /// Opens an applied policy, the present one or a kept one.
    ///
    /// # Errors
    /// It is of a format that this program does not know, or damaged.
    pub fn open(applied: Applied) -> Result<Compiled<Self>, CompiledError> {
        let (digest, length) = (applied.digest, applied.payload_bytes);
        // What can't be read at once says so when it is read in parts.
        let whole = (length <= SHORT).then(|| applied.payload().ok()).flatten();
        let policy = Compiled::open(Self { applied, whole }, length)?;
        match *policy.digest() == digest {
            true => Ok(policy),
            false => Err(CompiledError::Damaged("its digest is another one")),
        }
    }
}

impl ReadAt for Payload {
    fn read_at(&self, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
        if let Some(whole) = &self.whole {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let part = whole.get(start..start.saturating_add(length));
            return Ok(part.ok_or(std::io::ErrorKind::UnexpectedEof)?.to_vec());
        }
        let mut bytes = vec![0; length];
        let at = offset.checked_add(PAYLOAD_AT).ok_or(std::io::ErrorKind::InvalidInput)?;
        self.applied.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }
}

/// Everything that is the same for all pushes of this moment, and the push's own id.
pub struct Desk {
    /// The site file.
    pub site: Site,
    /// The epoch, read before anything that it guards.
    pub epoch: u64,
    /// Digest of the applied policy.
    pub digest: [u8; 32],
    /// The applied policy.
    pub policy: Compiled<Payload>,
    /// The time of decision.
    pub now: Now,
    /// The receive-pack that this hook belongs to, where there is one.
    pub service: Option<ReceivePack>,
    /// The environment, or what is wrong with it.
    pub env: Result<HookEnv, EnvError>,
    /// The push's id.
    pub id: String,
}

impl Desk {
    /// Opens what a hook judges by.
    ///
    /// # Errors
    /// [`Refusal`]: no trusted site, another account, no epoch, no applied policy.
    pub fn open() -> Result<Self, Refusal> {
        let service =
            process::receive_pack().map_err(|error| Refusal::server(Code::Internal, &error))?;
        Self::opened(service)
    }

    /// The same for a door, above which no receive-pack is.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_at_door() -> Result<Self, Refusal> {
        Self::opened(None)
    }

    fn opened(service: Option<ReceivePack>) -> Result<Self, Refusal> {
        let untrusted = |error: &dyn std::error::Error| Refusal::server(Code::NotTrusted, error);
        let site = Site::find().map_err(|error| untrusted(&error))?;
        site.check_account().map_err(|error| untrusted(&error))?;
        let epoch = epoch::settled(&site.state, WAIT)
            .map_err(|error| Refusal::server(no_store(&site.state, &error), &error))?;
        let (policy, digest) = open_policy(&site)?;
        let now = clock::now();
        let id = push_id(now, service.as_ref());
        Ok(Self { site, epoch, digest, policy, now, service, env: HookEnv::capture(), id })
    }

    /// The time now: that of decision and what has passed since, as no clock that is set can change it.
    #[must_use]
    pub fn wall(&self) -> DateTime<Utc> {
        let since = TimeDelta::from_std(clock::now().boot.saturating_sub(self.now.boot));
        self.now.wall + since.unwrap_or_default()
    }

    /// The store of access records; `None` where there never was one.
    ///
    /// # Errors
    /// [`StoreError`]: it is there and can't be used.
    pub fn store(&self) -> Result<Option<Box<dyn AccessStore>>, StoreError> {
        self.open_store(Mode::Read)
    }

    /// The same, for somebody who may change it afterwards, and may have looked at its file.
    ///
    /// # Errors
    /// As [`Self::store`].
    pub fn store_to_ask(
        &self,
        looked: Option<Inspected>,
    ) -> Result<Option<Box<dyn AccessStore>>, StoreError> {
        let (settings, site) = (self.policy.settings(), &self.site);
        store::open::open_to_ask(settings, &site.state, site.account_uid, looked)
    }

    /// The same, to be changed.
    ///
    /// # Errors
    /// As [`Self::store`].
    pub fn store_for_change(&self) -> Result<Option<Box<dyn AccessStore>>, StoreError> {
        self.open_store(Mode::Write)
    }

    /// What the brief beside this host's own store says; of a shared one nothing.
    #[must_use]
    pub fn brief(&self) -> Look {
        let site = &self.site;
        match self.policy.settings().shared_store {
            None => brief::read(&site.state, site.account_uid, self.epoch, self.now.wall),
            Some(_) => Look { said: Said::Nothing, file: None },
        }
    }

    /// Takes a brief of this host's own store, for the pushes after this one.
    pub fn take_brief(&self, store: &dyn AccessStore) {
        if self.policy.settings().shared_store.is_none() {
            let site = &self.site;
            let _ = brief::take(store, &site.state, site.account_uid, self.epoch, self.now.wall);
        }
    }

    fn open_store(&self, mode: Mode) -> Result<Option<Box<dyn AccessStore>>, StoreError> {
        let settings = self.policy.settings();
        store::open::open(settings, &self.site.state, self.site.account_uid, mode)
    }

    /// Whom memberships are asked of that the policy does not know.
    #[must_use]
    pub fn elsewhere(&self) -> Elsewhere {
        Elsewhere::new(self.policy.settings(), &self.site.state, self.site.account_uid)
    }

    /// The audit trail of the applied policy.
    #[must_use]
    pub fn trail(&self) -> Trail<'static> {
        trail(&self.site, &self.policy.settings().audit)
    }
}

/// How a person reaches refwarden's own commands: over ssh, where that door is open.
#[must_use]
pub fn door(site: &Site, settings: &Settings) -> String {
    super::ssh_door(settings, &site.account).unwrap_or_else(|| "refwarden".to_owned())
}

/// The trail at `file`, its lock in the state folder.
#[must_use]
pub fn trail(site: &Site, file: &str) -> Trail<'static> {
    Trail::new(Path::new(file), &site.state.join("audit.lock"), site.account_uid, &|line| {
        syslog::send(Severity::Info, line)
    })
}

/// Opens the policy that was applied last, and tells its digest.
///
/// # Errors
/// [`Refusal`] RW501 where there is none that this program knows, RW502 where it is not trusted.
pub fn open_policy(site: &Site) -> Result<(Compiled<Payload>, [u8; 32]), Refusal> {
    let applied = applied::open(&site.state, site.account_uid).map_err(|error| {
        let code = match error {
            AppliedError::Trust(_) => Code::NotTrusted,
            _ => Code::NoPolicy,
        };
        Refusal::server(code, &error)
    })?;
    let digest = applied.digest;
    let policy = Payload::open(applied).map_err(|error| Refusal::server(error.code(), &error))?;
    Ok((policy, digest))
}

/// A state folder that was never made means that nothing was ever applied.
fn no_store(state: &Path, error: &EpochError) -> Code {
    if matches!(error, EpochError::File(error) if error.is_timeout()) {
        return Code::Timeout;
    }
    if state.join(epoch::FILE_NAME).exists() { Code::Store } else { Code::NoPolicy }
}

/// An id that people can say: the day, and six characters of a hash over what is unique.
fn push_id(now: Now, service: Option<&ReceivePack>) -> String {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let (above, start) = service.map_or((0, 0), |s| (s.pid, s.start_time));
    let unique = format!("{} {above} {start} {}", now.boot.as_nanos(), std::process::id());
    let hash = Sha256::digest(unique.as_bytes());
    let letters = hash.iter().take(6).filter_map(|byte| LETTERS.get(usize::from(byte & 31)));
    let letters: String = letters.map(|letter| char::from(*letter)).collect();
    let (year, month, day) = (now.wall.year(), now.wall.month(), now.wall.day());
    format!("{year:04}{month:02}{day:02}-{letters}")
}
