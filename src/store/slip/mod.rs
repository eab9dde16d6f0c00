//! The slip: what pre-receive hands to `update`, one file a push.
//!
//! Knows its format, its key, when it ends and what it allows; not why a ref was allowed. It is
//! text: a head of one fact a line, an index of fixed width sorted by hash, then one line a ref,
//! so that `update` reads the head and one ref however many there are.
//! Nothing is synced to the disk: a slip is worth nothing after a reboot, and its key says so.

mod format;
mod store;

pub use format::parse_id;
pub use store::{
    Opened, Stale, StaleKind, all, close, exists_for, has_damaged, open, put_aside, read,
    remove_stale, repository_prefix, stale, write,
};

use crate::access::Id;
use crate::os::clock::Now;
use crate::os::files::FileError;
use crate::os::process::{Host, ReceivePack};
use chrono::{DateTime, Utc};
use gix::ObjectId;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Which push a slip belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// receive-pack's process id.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
    /// The boot and pid namespace of both.
    pub host: Host,
    /// Device and inode of the git directory.
    pub git_dir: (u64, u64),
    /// The account that the hooks run as.
    pub uid: u32,
}

impl Key {
    /// The key of the push that this receive-pack serves.
    ///
    /// # Errors
    /// The git directory can't be looked at.
    pub fn new(service: &ReceivePack, git_dir: &Path) -> Result<Self, FileError> {
        let wrong = |error| FileError::new(git_dir, "look at", error);
        let stat = rustix::fs::stat(git_dir).map_err(wrong)?;
        Ok(Self {
            pid: service.pid,
            start_time: service.start_time,
            host: service.host.clone(),
            git_dir: (stat.st_dev, stat.st_ino),
            uid: rustix::process::geteuid().as_raw(),
        })
    }

    /// The slip's file name: the repository in clear, so that its slips can be listed, and the
    /// rest hashed.
    #[must_use]
    pub fn file_name(&self) -> String {
        let text = format!(
            "{} {} {} {} {}",
            self.pid, self.start_time, self.host.boot_id, self.host.pid_namespace, self.uid
        );
        let hash = Sha256::digest(text.as_bytes());
        let hash = crate::text::hex(hash.get(..16).unwrap_or_default());
        format!("{}{hash}", repository_prefix(self.git_dir))
    }
}

/// All of a slip but its refs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The push that it belongs to.
    pub key: Key,
    /// The git directory's real path, for who settles the push later.
    pub folder: Vec<u8>,
    /// The push's name in report and trail: printable ASCII without blanks, at most 64 bytes.
    pub push: String,
    /// The applied policy that decided.
    pub digest: [u8; 32],
    /// The epoch before policy and store were read; even.
    pub epoch: u64,
    /// When it ends.
    pub end: End,
    /// The audit line that says yes.
    pub audit_seq: u64,
    /// Grants that the yes rests on.
    pub lent: Vec<Id>,
    /// Uses that were put aside for this push.
    pub reserved: Option<Reserved>,
    /// The epoch that several hosts share, where they do.
    pub shared_epoch: Option<u64>,
}

/// Uses that were put aside for a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    /// What the store calls this push: printable ASCII without blanks, at most 160 bytes.
    pub key: String,
    /// Of which grants.
    pub grants: Vec<Id>,
    /// Whether `update` confirms each ref, so that a slip that was never confirmed moved nothing.
    pub update: bool,
}

/// When a slip ends, by both clocks: the earlier counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// UTC; none when nothing it rests on ends.
    pub wall: Option<DateTime<Utc>>,
    /// Since boot.
    pub boot: Duration,
}

impl End {
    /// 60 s and 20 ms a ref from now, or `until` if that comes first (design, "The slip").
    ///
    /// `until` bounds the boot clock too: setting the wall clock back gains nothing.
    #[must_use]
    pub fn from_now(now: Now, until: Option<DateTime<Utc>>, refs: usize) -> Self {
        let refs = u32::try_from(refs).unwrap_or(u32::MAX);
        let longest = Duration::from_secs(60) + Duration::from_millis(20).saturating_mul(refs);
        let left = until.map_or(longest, |until| (until - now.wall).to_std().unwrap_or_default());
        Self { wall: until, boot: now.boot.saturating_add(left.min(longest)) }
    }

    fn is_over(&self, now: Now) -> bool {
        now.boot >= self.boot || self.wall.is_some_and(|end| now.wall >= end)
    }
}

/// One ref that may move, from exactly one value to another. Notes in JSON hold it as three texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Texts", into = "Texts")]
pub struct SlipRef {
    /// The full name, any bytes.
    pub name: Vec<u8>,
    /// The value before; all zero when it is made.
    pub old: ObjectId,
    /// The value after; all zero when it is deleted.
    pub new: ObjectId,
}

/// The name's bytes, and both ids in hex.
type Texts = (Vec<u8>, String, String);

impl From<SlipRef> for Texts {
    fn from(one: SlipRef) -> Self {
        (one.name, one.old.to_string(), one.new.to_string())
    }
}

impl TryFrom<Texts> for SlipRef {
    type Error = &'static str;

    fn try_from((name, old, new): Texts) -> Result<Self, Self::Error> {
        let id = |text: String| parse_id(text.as_bytes()).ok_or("it is no id");
        Ok(Self { name, old: id(old)?, new: id(new)? })
    }
}

/// How the world stands when `update` asks.
#[derive(Debug, Clone, Copy)]
pub struct Present<'a> {
    /// The time.
    pub now: Now,
    /// `epoch::read`.
    pub epoch: u64,
    /// `applied::digest`.
    pub digest: &'a [u8; 32],
}

/// Why a slip does not allow a ref to move: all but the last two mean "push again" (RW306).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SlipProblem {
    /// Past its end.
    #[error("what pre-receive allowed has ended")]
    Ended,
    /// A revocation, lock or apply came between, or is under way.
    #[error("access was changed meanwhile")]
    EpochChanged,
    /// Another policy was applied meanwhile.
    #[error("another policy was applied meanwhile")]
    DigestChanged,
    /// pre-receive did not allow this ref.
    #[error("pre-receive did not allow this ref")]
    NotNamed,
    /// pre-receive allowed this ref other values.
    #[error("pre-receive allowed this ref another move")]
    OtherValues,
}

impl Head {
    /// Whether this slip lets the ref move now; `found` is its entry for the ref, if it has one.
    ///
    /// # Errors
    /// The first [`SlipProblem`].
    pub fn allows(
        &self,
        found: Option<&SlipRef>,
        asked: &SlipRef,
        present: &Present<'_>,
    ) -> Result<(), SlipProblem> {
        if self.end.is_over(present.now) {
            return Err(SlipProblem::Ended);
        }
        if self.epoch != present.epoch || present.epoch & 1 == 1 {
            return Err(SlipProblem::EpochChanged);
        }
        if self.digest != *present.digest {
            return Err(SlipProblem::DigestChanged);
        }
        match found {
            Some(entry) if entry == asked => Ok(()),
            Some(entry) if entry.name == asked.name => Err(SlipProblem::OtherValues),
            _ => Err(SlipProblem::NotNamed),
        }
    }
}

/// A whole slip, as pre-receive writes it and the sweep reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slip {
    /// All but the refs.
    pub head: Head,
    /// The refs that may move.
    pub refs: Vec<SlipRef>,
    /// Whether `update` has confirmed any of them.
    pub confirmed: bool,
}

/// Why a slip can't be used (RW504; [`SlipError::None`] is RW510).
#[derive(Debug, thiserror::Error)]
pub enum SlipError {
    /// There is none: pre-receive did not run.
    #[error("there is no slip of this push")]
    None,
    /// It can't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not what this program writes.
    #[error("the slip `{}` is damaged", path.display())]
    Malformed {
        /// The slip's file.
        path: PathBuf,
    },
    /// It can't be written down as it is: too many refs, or a push id with blanks.
    #[error("the slip can't be written: {0}")]
    Unwritable(&'static str),
    /// It names another push than its file name says.
    #[error("the slip `{}` belongs to another push", path.display())]
    OtherPush {
        /// The slip's file.
        path: PathBuf,
    },
    /// Another account wrote it, or could have (RW502).
    #[error("the slip `{}` is not the hosting account's own file", path.display())]
    NotOurs {
        /// The slip's file.
        path: PathBuf,
    },
    /// It does not allow the ref to move.
    #[error(transparent)]
    Problem(#[from] SlipProblem),
}

#[cfg(test)]
mod tests;
