//! A change as one transaction.
//!
//! What it appends to is read and folded first; the transaction then compares that nothing of it
//! has moved. Of several hosts that change one record at once, etcd lets one through, and changes
//! of other records never stand in its way. What another has claimed (`claim`) is waited for.
//!
//! A change that takes a right away writes the epoch in the same transaction: whoever read the
//! epoch before it has overtaken slips, whoever reads it afterwards sees the change.

use super::super::access::{Append, Change, Notice, StoreError};
use super::keys::{self, sortable};
use super::look::{Asked, number};
use super::wire::{self, Txn};
use super::{Call, Etcd};
use crate::access::{Id, Lock, Phase, Record, State, step};
use crate::os::clock;
use crate::policy::name::UserName;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// How long a change's own key is kept: longer than any call asks for it again.
const KEPT: TimeDelta = TimeDelta::minutes(10);

/// A lock, and when and by whom it was lifted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Laid {
    pub lock: Lock,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted: Option<(DateTime<Utc>, String)>,
}

/// What a change rests on, as it was read.
struct Read {
    records: BTreeMap<Id, Record>,
    locks: BTreeMap<Id, (u64, Laid)>,
}

/// The transaction while it is put together.
struct Plan<'a> {
    etcd: &'a Etcd,
    txn: Txn,
    /// Keys that must not exist; one that does makes the change [`StoreError::Taken`].
    unused: Vec<String>,
    /// Keys that the change compares, or that others do.
    guarded: Vec<String>,
    people: BTreeSet<UserName>,
    newest: Option<DateTime<Utc>>,
    takes_away: bool,
}

/// A change as a transaction, good for as long as what it compares stays as it is.
pub(super) struct Ready {
    pub txn: Txn,
    /// As in [`Plan`].
    pub unused: Vec<String>,
    /// Where others claim what this change moves.
    pub claims: Vec<String>,
}

/// What came of a transaction.
pub(super) enum Swapped {
    /// It was made, and this is the version after it.
    Made(u64),
    /// Somebody claims what it moves.
    Claimed,
    /// What it compares has moved.
    Moved,
}

impl Etcd {
    pub(super) fn make(&self, change: &Change) -> Result<u64, StoreError> {
        let call = self.call();
        loop {
            let Ready { mut txn, unused, claims } = call.ready(change)?;
            txn.compare.extend(claims.iter().map(|claim| wire::is_absent(claim)));
            match call.swap_beside(txn, &claims)? {
                Swapped::Made(version) => return Ok(version),
                Swapped::Moved => return Err(call.why(&unused)?),
                Swapped::Claimed => call.pause()?,
            }
        }
    }
}

impl<'a> Plan<'a> {
    fn new(etcd: &'a Etcd) -> Self {
        Self {
            etcd,
            txn: Txn::default(),
            unused: Vec::new(),
            guarded: Vec::new(),
            people: BTreeSet::new(),
            newest: None,
            takes_away: false,
        }
    }

    fn put(&mut self, key: &str, value: &[u8]) {
        self.txn.success.push(wire::put(key, value));
    }

    fn delete(&mut self, key: &str) {
        self.txn.success.push(wire::delete(key));
    }

    fn put_new(&mut self, key: String, value: &[u8]) {
        self.put_absent(&key, value);
        self.unused.push(key);
    }

    fn queue(&mut self, notice: &Notice) -> Result<(), StoreError> {
        let key = self.etcd.keys.of("notice", &notice.id);
        self.txn.compare.push(wire::is_absent(&key));
        self.put(&key, &self.etcd.json(notice)?);
        self.put(&self.etcd.keys.due(notice.due, &notice.id), b"");
        // Not claimed: its id is made of the event that it is about, and that is.
        self.unused.push(key);
        Ok(())
    }

    fn put_absent(&mut self, key: &str, value: &[u8]) {
        self.txn.compare.push(wire::is_absent(key));
        self.put(key, value);
        self.guarded.push(key.to_owned());
    }

    fn happened(&mut self, at: DateTime<Utc>) {
        self.newest = self.newest.max(Some(at));
    }

    fn append(&mut self, append: &Append, read: &Read) -> Result<(), StoreError> {
        let (id, event) = (&append.id, &append.event);
        let value = self.etcd.json(event)?;
        self.happened(event.at);
        let key = self.etcd.keys.event(id, append.after);
        if append.after == 0 {
            let state = State::begin(event)?;
            self.put_new(key, &value);
            self.asked(id, &state)?;
            self.index(id, None, &state);
            return Ok(());
        }
        let record = read.records.get(id).ok_or(StoreError::Moved)?;
        if record.version() != append.after {
            return Err(StoreError::Moved);
        }
        let before = record.state();
        let before = before.map_err(|e| self.etcd.damaged(format!("record {id}: {e}")))?;
        let state = step(before.clone(), event)?;
        self.put_absent(&key, &value);
        self.takes_away |=
            matches!((&before.phase, &state.phase), (Phase::Approved(_), Phase::Closed));
        self.index(id, Some(&before), &state);
        Ok(())
    }

    fn asked(&mut self, id: &Id, state: &State) -> Result<(), StoreError> {
        let asked = Asked {
            person: state.request.person.clone(),
            entitlement: state.request.entitlement.to_string(),
            repository: state.request.repository.clone(),
        };
        let value = self.etcd.json(&asked)?;
        let key = self.etcd.keys.asked(state.asked_at, id);
        self.put(&key, &value);
        Ok(())
    }

    /// Where the record stands in the indexes, before and after.
    fn index(&mut self, id: &Id, before: Option<&State>, after: &State) {
        let person = &after.request.person;
        self.people.insert(person.clone());
        let (old, new) = (before.and_then(keys::open_until), keys::open_until(after));
        if old != new {
            let place = |until: String| self.etcd.keys.open(person, &until, id);
            let (old, new) = (old.map(place), new.map(place));
            old.iter().for_each(|key| self.delete(key));
            new.iter().for_each(|key| self.put(key, b""));
        }
        let held = |state: &State| !state.uses.reserved.is_empty();
        let key = self.etcd.keys.of("held", id.as_str());
        match (before.is_some_and(held), held(after)) {
            (false, true) => self.put(&key, b""),
            (true, false) => self.delete(&key),
            _ => {}
        }
    }

    fn lock(&mut self, lock: &Lock) -> Result<(), StoreError> {
        let laid = self.etcd.json(&Laid { lock: lock.clone(), lifted: None })?;
        self.happened(lock.at);
        self.takes_away = true;
        self.put_new(self.etcd.keys.of("lock", lock.id.as_str()), &laid);
        let holding = self.etcd.keys.holding(lock.until, &lock.id);
        let value = self.etcd.json(lock)?;
        self.put(&holding, &value);
        Ok(())
    }

    fn lift(&mut self, lift: &(Id, DateTime<Utc>, String), read: &Read) -> Result<(), StoreError> {
        let (id, at, by) = lift;
        let (revision, laid) = read.locks.get(id).ok_or(StoreError::Moved)?;
        if laid.lifted.is_some() {
            return Err(StoreError::Moved);
        }
        self.happened(*at);
        let key = self.etcd.keys.of("lock", id.as_str());
        self.txn.compare.push(wire::is_at(&key, *revision));
        let lifted = Some((*at, by.clone()));
        let value = self.etcd.json(&Laid { lock: laid.lock.clone(), lifted })?;
        self.put(&key, &value);
        self.guarded.push(key);
        self.delete(&self.etcd.keys.holding(laid.lock.until, id));
        Ok(())
    }

    /// The person's token, notices, the idempotency key.
    fn rest(&mut self, change: &Change) -> Result<(), StoreError> {
        if let Some((person, token)) = &change.person {
            let key = self.etcd.keys.of("person", person.as_str());
            self.txn.compare.push(wire::is_at(&key, *token));
            self.guarded.push(key);
        }
        for notice in &change.notices {
            self.queue(notice)?;
        }
        if let Some(done) = &change.idempotency {
            self.put_new(self.etcd.keys.of("done", &done.key), &self.etcd.json(done)?);
        }
        Ok(())
    }

    fn end(mut self) -> Result<Ready, StoreError> {
        for person in std::mem::take(&mut self.people) {
            let key = self.etcd.keys.of("person", person.as_str());
            self.put(&key, b"");
            self.guarded.push(key);
        }
        if self.takes_away {
            let salt = self.etcd.random()?.to_string();
            self.put(&self.etcd.keys.alone("epoch"), salt.as_bytes());
        }
        if let Some(newest) = self.newest {
            // Later ones win, whatever order hosts commit in.
            let (key, value) = (self.etcd.keys.alone("newest"), sortable(newest));
            let later = wire::is_sorted(&key, Ordering::Less, value.as_bytes());
            let step = wire::nested(later, wire::put(&key, value.as_bytes()));
            self.txn.success.push(step);
        }
        self.put(&self.etcd.keys.alone("version"), b"");
        let claims: BTreeSet<String> =
            self.guarded.iter().map(|key| self.etcd.keys.claim(key)).collect();
        let claims = claims.into_iter().collect();
        Ok(Ready { txn: self.txn, unused: self.unused, claims })
    }
}

impl Call<'_> {
    /// Reads what the change rests on, and puts its transaction together.
    pub(super) fn ready(&self, change: &Change) -> Result<Ready, StoreError> {
        let read = self.read_for(change)?;
        let mut plan = Plan::new(self.etcd);
        for append in &change.appends {
            plan.append(append, &read)?;
        }
        for lock in &change.locks {
            plan.lock(lock)?;
        }
        for lift in &change.lifts {
            plan.lift(lift, &read)?;
        }
        plan.rest(change)?;
        plan.end()
    }

    /// Records that are appended to and locks that are lifted, at one revision.
    fn read_for(&self, change: &Change) -> Result<Read, StoreError> {
        let known = change.appends.iter().filter(|append| append.after > 0);
        let ids: Vec<Id> = known.map(|append| append.id.clone()).collect();
        let records = self.records(&ids, 0)?;
        let records = records.into_iter().map(|record| (record.id.clone(), record)).collect();
        let mut locks = BTreeMap::new();
        for (id, ..) in &change.lifts {
            let pair = self.one(&self.etcd.keys.of("lock", id.as_str()))?;
            if let Some(pair) = pair {
                locks.insert(id.clone(), (pair.mod_revision, self.etcd.parse(&pair)?));
            }
        }
        Ok(Read { records, locks })
    }

    /// Makes a change that bears being sent twice, and returns the version after it; `None` where
    /// what it compares has moved.
    ///
    /// The change's own key tells that from a change that was made and whose answer was lost.
    pub(super) fn swap(&self, txn: Txn) -> Result<Option<u64>, StoreError> {
        Ok(match self.swap_beside(txn, &[])? {
            Swapped::Made(version) => Some(version),
            Swapped::Claimed | Swapped::Moved => None,
        })
    }

    /// The same, which also tells whether one of `claims` was in its way.
    pub(super) fn swap_beside(
        &self,
        mut txn: Txn,
        claims: &[String],
    ) -> Result<Swapped, StoreError> {
        let keys = &self.etcd.keys;
        let (own, [from, to]) = keys.change(clock::now().wall, self.etcd.random()?, KEPT);
        txn.compare.push(wire::is_absent(&own));
        txn.success.push(wire::put(&own, b""));
        txn.success.push(wire::delete_range(&from, &to));
        txn.success.extend(self.etcd.version_steps());
        txn.failure.extend(self.etcd.version_steps());
        txn.failure.push(wire::get(&own));
        txn.failure.extend(claims.iter().map(|claim| wire::get(claim)));
        let done = self.txn(txn)?;
        let mut found = done.found.iter().skip(2).map(|found| !found.kvs.is_empty());
        if done.succeeded || found.next() == Some(true) {
            return self.etcd.version(&done.found).map(Swapped::Made);
        }
        Ok(if found.any(|claimed| claimed) { Swapped::Claimed } else { Swapped::Moved })
    }

    /// Raises the version above `floor`, which may be far.
    pub(super) fn raise_above(&self, floor: u64) -> Result<u64, StoreError> {
        let base = self.etcd.keys.alone("base");
        loop {
            let found = self.read(self.etcd.version_steps().to_vec())?.found;
            let version = self.etcd.version(&found)?;
            let pair = found.get(1).and_then(|found| found.kvs.first());
            let (now, revision) = pair.map_or((0, 0), |p| (number(p).unwrap_or(0), p.mod_revision));
            let wanted = now.saturating_add(floor.saturating_sub(version));
            let mut txn = Txn { compare: vec![wire::is_at(&base, revision)], ..Txn::default() };
            txn.success.push(wire::put(&base, wanted.to_string().as_bytes()));
            txn.success.push(wire::put(&self.etcd.keys.alone("version"), b""));
            if let Some(version) = self.swap(txn)? {
                return Ok(version);
            }
        }
    }

    /// Takes the newest time back to `at`, where it is later.
    pub(super) fn reset_newest(&self, at: DateTime<Utc>) -> Result<u64, StoreError> {
        let (key, value) = (self.etcd.keys.alone("newest"), sortable(at));
        let later = wire::is_sorted(&key, Ordering::Greater, value.as_bytes());
        let step = wire::nested(later, wire::put(&key, value.as_bytes()));
        let raise = wire::put(&self.etcd.keys.alone("version"), b"");
        let txn = Txn { success: vec![step, raise], ..Txn::default() };
        self.swap(txn)?.ok_or(StoreError::Moved)
    }

    /// Why the conditions did not hold.
    pub(super) fn why(&self, unused: &[String]) -> Result<StoreError, StoreError> {
        if unused.is_empty() {
            return Ok(StoreError::Moved);
        }
        let done = self.read(unused.iter().map(|key| wire::get(key)).collect())?;
        let taken = done.found.iter().any(|found| !found.kvs.is_empty());
        Ok(if taken { StoreError::Taken } else { StoreError::Moved })
    }
}
