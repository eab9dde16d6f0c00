//! Where records, locks and notices are kept: one interface, two backends (SQLite, etcd), one
//! contract suite that both pass.
//!
//! Knows what must hold of any backend: events are only ever added, each change is one transaction
//! and compares what it was decided on, and a version tells a restored snapshot from the truth.

pub use crate::access::Notice;
use crate::access::{Event, Id, Lock, Record};
use crate::policy::name::{EntitlementName, UserName};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is none: nobody ran `refwarden store init`, or it was removed.
    #[error("there is no store at {at}: run `refwarden store init`")]
    Absent {
        /// File or endpoints.
        at: String,
    },
    /// What the change was decided on has moved meanwhile: read again, decide again.
    #[error("somebody else was first")]
    Moved,
    /// An id, or an idempotency key, that is taken.
    #[error("the id is taken")]
    Taken,
    /// Written by a newer refwarden.
    #[error("the store has schema {found}, this program knows up to {known}: upgrade refwarden")]
    Newer {
        /// The store's.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// It can't be understood; it is kept as it is.
    #[error("the store at {at} is damaged: {reason}")]
    Damaged {
        /// File or endpoints.
        at: String,
        /// What is wrong.
        reason: String,
    },
    /// It can't be read or written now.
    #[error("the store at {at} can't be used: {reason}")]
    Unavailable {
        /// File or endpoints.
        at: String,
        /// What is wrong.
        reason: String,
    },
    /// The event does not fit the record, which says who moved it before.
    #[error(transparent)]
    Illegal(#[from] crate::access::Illegal),
    /// Its file or folder is not trusted.
    #[error(transparent)]
    Trust(#[from] crate::os::trust::TrustError),
}

/// What a look at the store as a whole shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Raised by every change; a restored snapshot has an older one than the trail says.
    pub version: u64,
    /// Time of the newest event or lock; the clock may not be behind it.
    pub newest: Option<DateTime<Utc>>,
}

/// A person's open records and the token that a decision over them is made on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfPerson {
    /// Changes with every event in any record of the person.
    pub token: u64,
    /// Pending and not past their answer's end, approved and not ended, not attested, or with a use
    /// put aside: each whole.
    pub open: Vec<Record>,
}

/// One event to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// To which record.
    pub id: Id,
    /// How many events the record had when it was decided; 0 makes a new record.
    pub after: u32,
    /// The event; the backend folds the record with it and refuses what [`crate::access::step`] does.
    pub event: Event,
}

/// A change, made whole or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Events to add, at most one a record.
    pub appends: Vec<Append>,
    /// The token that a person's records were decided on, where the decision was about them together;
    /// it moves with the change. Of a human with several names it is the human's own name, so that
    /// two decisions about them never both count.
    pub person: Option<(UserName, u64)>,
    /// Locks to lay.
    pub locks: Vec<Lock>,
    /// Locks to lift: which, when, and by whom as shown.
    pub lifts: Vec<(Id, DateTime<Utc>, String)>,
    /// Notices to send afterwards.
    pub notices: Vec<Notice>,
    /// A key under which the same command, sent again, finds what it did.
    pub idempotency: Option<Idempotency>,
}

/// The key of a command that may be sent twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// Who sent it, and the key they chose.
    pub key: String,
    /// SHA-256 of what it asked for, hexadecimal: the same key with another content is refused.
    pub content: String,
    /// The record that it made or moved.
    pub id: Id,
}

/// Which records to list; what is `None` does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The asker.
    pub person: Option<UserName>,
    /// The repository.
    pub repository: Option<String>,
    /// The entitlement.
    pub entitlement: Option<EntitlementName>,
    /// Only open ones, as [`OfPerson::open`] has them, at this time (to the microsecond).
    pub open_at: Option<DateTime<Utc>>,
    /// Only those with a use put aside.
    pub reserved: bool,
    /// Asked for at or after.
    pub since: Option<DateTime<Utc>>,
    /// Asked for before.
    pub until: Option<DateTime<Utc>>,
    /// At most so many, newest first; 0 is no limit.
    pub limit: usize,
}

/// A push under way that rests on grants, registered under a lease by hosts that share a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderWay {
    /// The push, as its reservations name it.
    pub key: String,
    /// On which host.
    pub host: String,
    /// The grants that it rests on.
    pub grants: Vec<Id>,
    /// Where.
    pub repository: String,
    /// Who.
    pub person: UserName,
}

/// A store of access records. Every method may fail with [`StoreError`]; a caller that must know
/// and can't, refuses (RW504).
pub trait AccessStore {
    /// Version and newest time.
    ///
    /// # Errors
    /// [`StoreError`].
    fn status(&self) -> Result<Status, StoreError>;

    /// A person's open records.
    ///
    /// # Errors
    /// [`StoreError`].
    fn of_person(&self, person: &UserName, now: DateTime<Utc>) -> Result<OfPerson, StoreError>;

    /// The same without the token, for whoever decides about each record by itself.
    ///
    /// # Errors
    /// [`StoreError`].
    fn open_of(&self, person: &UserName, now: DateTime<Utc>) -> Result<Vec<Record>, StoreError> {
        self.of_person(person, now).map(|of_person| of_person.open)
    }

    /// One record, whole.
    ///
    /// # Errors
    /// [`StoreError`].
    fn record(&self, id: &Id) -> Result<Option<Record>, StoreError>;

    /// Records, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    fn list(&self, filter: &Filter) -> Result<Vec<Record>, StoreError>;

    /// Locks that hold at `now`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn locks(&self, now: DateTime<Utc>) -> Result<Vec<Lock>, StoreError>;

    /// What was done under an idempotency key.
    ///
    /// # Errors
    /// [`StoreError`].
    fn done(&self, key: &str) -> Result<Option<Idempotency>, StoreError>;

    /// Raises the version by itself, before a change is written to the trail with it: a snapshot
    /// taken before shows even if the change's own line is the trail's last.
    ///
    /// # Errors
    /// [`StoreError`].
    fn raise(&self) -> Result<u64, StoreError>;

    /// Raises the version above `floor`: of a store that was restored, once somebody has accepted it.
    ///
    /// # Errors
    /// [`StoreError`].
    fn raise_above(&self, floor: u64) -> Result<u64, StoreError>;

    /// Takes `newest` back to `now` where a wrong clock left it later, and raises the version.
    ///
    /// # Errors
    /// [`StoreError`].
    fn reset_newest(&self, now: DateTime<Utc>) -> Result<u64, StoreError>;

    /// Makes a change durable, and returns the version that it made.
    ///
    /// # Errors
    /// [`StoreError::Moved`] where anything it was decided on has moved, [`StoreError::Taken`] where
    /// a new record's, lock's or notice's id or an idempotency key exists, [`StoreError::Illegal`]
    /// where an event does not fit a record that has not moved; nothing was changed then.
    fn commit(&self, change: &Change) -> Result<u64, StoreError> {
        self.commit_recorded(change, &mut || true)?.ok_or(StoreError::Moved)
    }

    /// The same as [`Self::commit`], but once it is certain that nothing has moved, and before
    /// anything is durable, `record` is called to write the trail; `false` from it gives the change
    /// up, and then the answer is `None`. While `record` runs nobody else can move the same records.
    ///
    /// # Errors
    /// As [`Self::commit`]; `record` was not called for [`StoreError::Moved`] and [`StoreError::Taken`].
    /// Where hosts share the store, a `record` that takes longer than a claim lasts (15 s) may have
    /// been called for a change that somebody else overtook: [`StoreError::Unavailable`] says so.
    fn commit_recorded(
        &self,
        change: &Change,
        record: &mut dyn FnMut() -> bool,
    ) -> Result<Option<u64>, StoreError>;

    /// Notices that are due, oldest first, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn due(&self, now: DateTime<Utc>, most: usize) -> Result<Vec<Notice>, StoreError>;

    /// A notice was delivered, or given up: it leaves the outbox.
    ///
    /// # Errors
    /// [`StoreError`].
    fn delivered(&self, id: &str) -> Result<(), StoreError>;

    /// A notice was not taken: tried again at `due`. `false` where another process has moved it
    /// meanwhile (its number of tries is not `tries`), so that two senders do not both send.
    ///
    /// # Errors
    /// [`StoreError`].
    fn postpone(&self, id: &str, tries: u32, due: DateTime<Utc>) -> Result<bool, StoreError>;

    /// Registers a push under way where hosts share the store; a store of one host does nothing,
    /// its slips say the same.
    ///
    /// # Errors
    /// [`StoreError`].
    fn register(&self, push: &UnderWay, seconds: u32) -> Result<(), StoreError>;

    /// The push is over.
    ///
    /// # Errors
    /// [`StoreError`].
    fn unregister(&self, key: &str) -> Result<(), StoreError>;

    /// Pushes under way on all hosts that share the store.
    ///
    /// # Errors
    /// [`StoreError`].
    fn under_way(&self) -> Result<Vec<UnderWay>, StoreError>;

    /// The epoch, where hosts share it: `None` for a store of one host, whose epoch file says it.
    ///
    /// # Errors
    /// [`StoreError`].
    fn epoch(&self) -> Result<Option<u64>, StoreError>;

    /// Raises a shared epoch, for what hooks must notice and no change of this store is; a change
    /// that takes a right away raises it by itself. Nothing to do for a store of one host.
    ///
    /// # Errors
    /// [`StoreError`].
    fn raise_epoch(&self) -> Result<(), StoreError>;

    /// Readies a store for changes that was opened to be asked first
    /// ([`super::open::open_to_ask`]).
    ///
    /// # Errors
    /// [`StoreError`]: it can't be changed.
    fn ready_to_change(&self) -> Result<(), StoreError>;

    /// Writes a copy of everything to a new file.
    ///
    /// # Errors
    /// [`StoreError`]; a store that is backed up by its own means says so.
    fn backup(&self, to: &Path) -> Result<(), StoreError>;
}
