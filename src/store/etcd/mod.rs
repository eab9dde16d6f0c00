//! The store that several git hosts share: etcd v3 over its HTTP/JSON gateway.
//!
//! Knows keys, transactions and members; not what a record means beyond [`crate::access::step`].
//! Every read is linearizable and every transaction compares the schema's key first, so that a
//! store that is gone, newer, or without a majority is an error and never an empty answer.
//!
//! The store's version is how often the key `version` was written, which etcd counts itself (and a
//! base, for a restored store that was accepted): a write without any condition raises it, so hosts
//! that commit at once never wait for one another, and nothing but a change of ours moves it. etcd's revision would not do: whoever writes any key
//! of the cluster raises it, so that a restored snapshot soon looks as new as the trail says.
//!
//! A transaction may be done and its answer lost. Each change therefore writes a key of its own;
//! sent again it finds that key, and knows that it was done.
//!
//! Walk: [`client`] talks to members, [`wire`] is the gateway's form, [`keys`] the layout, `look`
//! reads, `change` commits, `claim` holds others off while the trail is written, `outbox` and `lease` do what their names say.

mod change;
mod claim;
mod client;
mod files;
mod keys;
mod lease;
mod look;
mod outbox;
mod status;
#[cfg(test)]
mod tests;
mod wire;

use super::access::{
    AccessStore, Change, Filter, Idempotency, Notice, OfPerson, Status, StoreError, UnderWay,
};
use crate::access::{Id, Lock, Record};
use crate::policy::model::SharedStore;
use crate::policy::name::UserName;
use chrono::{DateTime, Utc};
use client::{Client, Refused};
use keys::{Keys, SCHEMA};
use std::path::Path;
use std::time::Duration;
use wire::{Answer, Found, Pair, Range, Txn};

/// Longest request, in bytes of JSON: below etcd's `--max-request-bytes`, 1.5 MiB.
const MAX_REQUEST: usize = 1_500_000;
/// etcd's `--max-txn-ops`, by default.
const MAX_STEPS: usize = 128;
/// Keys of one page of a long read.
const PAGE: usize = 1000;

/// Records, locks and notices in etcd.
#[derive(Debug)]
pub struct Etcd {
    client: Client,
    keys: Keys,
}

/// One call of the store: all its requests share one deadline.
struct Call<'a> {
    etcd: &'a Etcd,
    until: Duration,
}

/// A transaction's outcome.
struct Done {
    /// Whether its conditions held.
    succeeded: bool,
    /// The revision that it is about.
    revision: u64,
    /// What each read found.
    found: Vec<Found>,
}

/// Why a call came to nothing, where the caller may know better.
#[derive(Debug)]
enum Failed {
    /// The revision that was asked about is gone: begin again.
    Compacted,
    /// The answer is too long: ask for less at once.
    Long(StoreError),
    /// All else.
    Store(StoreError),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Failed> for StoreError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Compacted => Self::Moved,
            Failed::Long(error) | Failed::Store(error) => error,
        }
    }
}

impl Etcd {
    /// The store at the endpoints of `[store]`. Nothing is read or connected before the first call;
    /// each call is over within `deadline`, but for [`AccessStore::list`], where it is each page.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] without any endpoint.
    pub fn open(
        shared: &SharedStore,
        account_uid: u32,
        deadline: Duration,
    ) -> Result<Self, StoreError> {
        let etcd = Self {
            client: Client::new(shared, account_uid, deadline),
            keys: Keys::below(&shared.prefix),
        };
        match shared.endpoints.is_empty() {
            true => Err(etcd.client.unavailable("no endpoint is configured")),
            false => Ok(etcd),
        }
    }

    /// Makes the store, for `refwarden store init`; `false` where there is one already.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Damaged`] where parts of one are left.
    pub fn create(&self) -> Result<bool, StoreError> {
        let (schema, version) = (self.keys.alone("schema"), self.keys.alone("version"));
        let random = self.random()?.to_string();
        let mine = format!("{SCHEMA} {random}");
        let txn = Txn {
            compare: vec![wire::is_absent(&schema), wire::is_absent(&version)],
            success: vec![
                wire::put(&schema, SCHEMA.to_string().as_bytes()),
                wire::put(&version, mine.as_bytes()),
                wire::put(&self.keys.alone("base"), b"0"),
                wire::put(&self.keys.alone("newest"), b""),
                wire::put(&self.keys.alone("epoch"), random.as_bytes()),
            ],
            failure: vec![wire::get(&schema), wire::get(&version)],
        };
        let call = self.call();
        let done = call.send(&txn)?;
        let mut found = done.found.iter().map(|one| one.kvs.first());
        let (schema, version) = (found.next().flatten(), found.next().flatten());
        match (done.succeeded, schema, version) {
            (true, ..) => Ok(true),
            (_, Some(schema), Some(version)) => {
                call.check_schema(Some(schema))?;
                // Ours: the answer was lost, and this is the second try.
                Ok(version.value == mine.as_bytes())
            }
            _ => Err(self.damaged("only a part of it is left")),
        }
    }

    fn call(&self) -> Call<'_> {
        Call { etcd: self, until: self.client.until() }
    }

    fn damaged(&self, reason: impl Into<String>) -> StoreError {
        StoreError::Damaged { at: self.client.at(), reason: reason.into() }
    }

    fn random(&self) -> Result<u64, StoreError> {
        let mut bytes = [0; 8];
        let flags = rustix::rand::GetRandomFlags::empty();
        match rustix::rand::getrandom(&mut bytes, flags) {
            Ok(8) => Ok(u64::from_ne_bytes(bytes)),
            _ => Err(self.client.unavailable("the system gives no random numbers")),
        }
    }

    /// A stored JSON value; one that can't be understood is an error, never left out.
    fn parse<T: serde::de::DeserializeOwned>(&self, pair: &Pair) -> Result<T, StoreError> {
        serde_json::from_slice(&pair.value)
            .map_err(|error| self.damaged(format!("the value of `{}`: {error}", pair.key)))
    }

    /// As JSON to be stored.
    fn json(&self, value: &impl serde::Serialize) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec(value).map_err(|error| self.client.unavailable(error.to_string()))
    }
}

impl Call<'_> {
    /// A transaction that holds only in a store of our schema; where it fails, its other branch.
    fn txn(&self, mut txn: Txn) -> Result<Done, Failed> {
        let schema = self.etcd.keys.alone("schema");
        txn.compare.push(wire::is_value(&schema, SCHEMA.to_string().as_bytes()));
        txn.failure.push(wire::get(&schema));
        let mut done = self.send(&txn)?;
        if !done.succeeded {
            let found = done.found.pop().unwrap_or_default();
            self.check_schema(found.kvs.first())?;
        }
        Ok(done)
    }

    fn check_schema(&self, pair: Option<&Pair>) -> Result<(), StoreError> {
        let at = || self.etcd.client.at();
        let pair = pair.ok_or_else(|| StoreError::Absent { at: at() })?;
        let text = std::str::from_utf8(&pair.value).ok();
        match text.and_then(|text| text.parse::<u32>().ok()) {
            Some(SCHEMA) => Ok(()),
            Some(found) if found > SCHEMA => Err(StoreError::Newer { found, known: SCHEMA }),
            _ => Err(self.etcd.damaged("its schema is not a number that this program knows")),
        }
    }

    /// Reads, all at one revision.
    fn read(&self, steps: Vec<serde_json::Value>) -> Result<Done, Failed> {
        let wanted = steps.len();
        let done = self.txn(Txn { success: steps, ..Txn::default() })?;
        match done.succeeded && done.found.len() == wanted {
            true => Ok(done),
            false => Err(Failed::Store(self.etcd.client.unavailable("an answer lacks parts"))),
        }
    }

    /// One range, whole, page by page, each within a deadline of its own.
    fn pages(
        etcd: &Etcd,
        range: (String, String),
        mut each: impl FnMut(Pair) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let (mut from, to) = range;
        loop {
            let page = Range { from, to: to.clone(), limit: PAGE, revision: 0 };
            let found = etcd.call().read(vec![page.step()])?.found.pop().unwrap_or_default();
            let Some(last) = found.kvs.last() else { return Ok(()) };
            // The least key behind the last one.
            from = format!("{}\0", last.key);
            for pair in found.kvs {
                if !each(pair)? {
                    return Ok(());
                }
            }
            if !found.more {
                return Ok(());
            }
        }
    }

    fn send(&self, txn: &Txn) -> Result<Done, Failed> {
        let body = txn.body();
        if body.len() > MAX_REQUEST || txn.steps() > MAX_STEPS {
            let words = format!(
                "the change is too large for one transaction: {} bytes of {MAX_REQUEST}, {} steps of {MAX_STEPS}",
                body.len(),
                txn.steps()
            );
            return Err(self.etcd.client.unavailable(words).into());
        }
        let bytes = self.post("/v3/kv/txn", &body)?;
        let answer: Answer = serde_json::from_slice(&bytes)
            .map_err(|error| self.etcd.client.unavailable(format!("a strange answer: {error}")))?;
        let (succeeded, revision) = (answer.succeeded, answer.revision());
        Ok(Done { succeeded, revision, found: answer.found() })
    }

    fn post(&self, path: &str, body: &str) -> Result<Vec<u8>, Failed> {
        self.etcd.client.post(path, body, self.until).map_err(|refused| match refused {
            Refused::Store(error) => Failed::Store(error),
            Refused::Answer(status) if status.is_compacted() => Failed::Compacted,
            Refused::Answer(status) => {
                let error = self.etcd.client.unavailable(&status.message);
                if status.is_long() { Failed::Long(error) } else { Failed::Store(error) }
            }
        })
    }
}

impl AccessStore for Etcd {
    fn status(&self) -> Result<Status, StoreError> {
        self.look_status()
    }

    fn of_person(&self, person: &UserName, now: DateTime<Utc>) -> Result<OfPerson, StoreError> {
        self.look_of_person(person, now)
    }

    fn record(&self, id: &Id) -> Result<Option<Record>, StoreError> {
        Ok(self.call().records(std::slice::from_ref(id), 0)?.pop())
    }

    fn list(&self, filter: &Filter) -> Result<Vec<Record>, StoreError> {
        self.look_list(filter)
    }

    fn locks(&self, now: DateTime<Utc>) -> Result<Vec<Lock>, StoreError> {
        self.look_locks(now)
    }

    fn done(&self, key: &str) -> Result<Option<Idempotency>, StoreError> {
        let pair = self.call().one(&self.keys.of("done", key))?;
        pair.map(|pair| self.parse(&pair)).transpose()
    }

    fn raise(&self) -> Result<u64, StoreError> {
        let mut steps = vec![wire::put(&self.keys.alone("version"), b"")];
        steps.extend(self.version_steps());
        let done = self.call().txn(Txn { success: steps, ..Txn::default() })?;
        self.version(&done.found)
    }

    fn raise_above(&self, floor: u64) -> Result<u64, StoreError> {
        self.call().raise_above(floor)
    }

    fn reset_newest(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        self.call().reset_newest(now)
    }

    /// One transaction: nothing is claimed for a change that is not recorded first.
    fn commit(&self, change: &Change) -> Result<u64, StoreError> {
        self.make(change)
    }

    fn commit_recorded(
        &self,
        change: &Change,
        record: &mut dyn FnMut() -> bool,
    ) -> Result<Option<u64>, StoreError> {
        self.make_recorded(change, record)
    }

    fn due(&self, now: DateTime<Utc>, most: usize) -> Result<Vec<Notice>, StoreError> {
        self.notices_due(now, most)
    }

    fn delivered(&self, id: &str) -> Result<(), StoreError> {
        self.notice_delivered(id)
    }

    fn postpone(&self, id: &str, tries: u32, due: DateTime<Utc>) -> Result<bool, StoreError> {
        self.notice_postponed(id, tries, due)
    }

    fn register(&self, push: &UnderWay, seconds: u32) -> Result<(), StoreError> {
        self.lease_push(push, seconds)
    }

    fn unregister(&self, key: &str) -> Result<(), StoreError> {
        self.end_push(key)
    }

    fn under_way(&self) -> Result<Vec<UnderWay>, StoreError> {
        self.pushes()
    }

    fn epoch(&self) -> Result<Option<u64>, StoreError> {
        self.look_epoch().map(Some)
    }

    fn raise_epoch(&self) -> Result<(), StoreError> {
        let salt = self.random()?.to_string();
        let steps = vec![wire::put(&self.keys.alone("epoch"), salt.as_bytes())];
        self.call().txn(Txn { success: steps, ..Txn::default() })?;
        Ok(())
    }

    fn ready_to_change(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn backup(&self, _to: &Path) -> Result<(), StoreError> {
        let words = "etcd is backed up by its own means: `etcdctl snapshot save FILE`";
        Err(self.client.unavailable(words))
    }
}
