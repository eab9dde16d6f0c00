//! Reads: one look costs what is open, not what has been.

use super::super::access::{Filter, OfPerson, Status, StoreError};
use super::keys::{self, behind, last};
use super::wire::{self, Found, Pair, Range};
use super::{Call, Etcd, Failed, Keys};
use crate::access::{Event, Id, Lock, Record};
use crate::policy::name::UserName;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Records, or people's indexes, that are read at once.
const BATCH: usize = 64;

/// What a listing needs to know of a record before it reads it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Asked {
    pub person: UserName,
    pub entitlement: String,
    pub repository: String,
}

impl Etcd {
    pub(super) fn look_status(&self) -> Result<Status, StoreError> {
        let mut steps = self.version_steps().to_vec();
        steps.push(wire::get(&self.keys.alone("newest")));
        let done = self.call().read(steps)?;
        let missing = || self.damaged("the time of the newest event is missing");
        let newest = done.found.get(2).and_then(|found| found.kvs.first()).ok_or_else(missing)?;
        let text = std::str::from_utf8(&newest.value).map_err(|_| missing())?;
        let newest = match text {
            "" => None,
            text => Some(keys::time(text).ok_or_else(missing)?),
        };
        Ok(Status { version: self.version(&done.found)?, newest })
    }

    /// Reads of what [`Etcd::version`] adds up.
    pub(super) fn version_steps(&self) -> [Value; 2] {
        [wire::get(&self.keys.alone("version")), wire::get(&self.keys.alone("base"))]
    }

    /// The store's version, from the first two reads.
    pub(super) fn version(&self, found: &[Found]) -> Result<u64, StoreError> {
        let [version, base, ..] = found else { return Err(self.damaged("its version is missing")) };
        let (version, base) = (version.kvs.first(), base.kvs.first());
        let base = base.and_then(number);
        let sum = version.zip(base).and_then(|(version, base)| version.version.checked_add(base));
        sum.ok_or_else(|| self.damaged("its version is missing"))
    }

    /// Count and salt: the count alone would come again after a restore.
    pub(super) fn look_epoch(&self) -> Result<u64, StoreError> {
        let pair = self.call().one(&self.keys.alone("epoch"))?;
        let wrong = || self.damaged("its epoch is missing");
        let pair = pair.ok_or_else(wrong)?;
        let salt = number(&pair).ok_or_else(wrong)?;
        Ok((pair.version << 32) | (salt & u64::from(u32::MAX)))
    }

    pub(super) fn look_of_person(
        &self,
        person: &UserName,
        now: DateTime<Utc>,
    ) -> Result<OfPerson, StoreError> {
        let call = self.call();
        loop {
            match call.of_person(person, now) {
                // Compacted between the two reads: the deadline ends this.
                Err(Failed::Compacted) => {}
                other => return Ok(other?),
            }
        }
    }

    pub(super) fn look_locks(&self, now: DateTime<Utc>) -> Result<Vec<Lock>, StoreError> {
        let (from, to) = self.keys.since("holding", now);
        let found = self.call().range(from, to)?;
        let mut locks =
            found.kvs.iter().map(|pair| self.parse(pair)).collect::<Result<Vec<Lock>, _>>()?;
        locks.retain(|lock| lock.holds(now));
        locks.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(locks)
    }

    pub(super) fn look_list(&self, filter: &Filter) -> Result<Vec<Record>, StoreError> {
        let mut records = match (filter.open_at, filter.reserved) {
            (_, true) => self.load(&self.ids("held")?, filter)?,
            (Some(at), _) => self.load(&self.open_ids(filter, at)?, filter)?,
            (None, false) => self.newest(filter)?,
        };
        let asked_at = |record: &Record| record.events.first().map(|event| event.at);
        records.sort_by(|a, b| asked_at(b).cmp(&asked_at(a)).then_with(|| a.id.cmp(&b.id)));
        if filter.limit > 0 {
            records.truncate(filter.limit);
        }
        Ok(records)
    }

    fn ids(&self, kind: &str) -> Result<Vec<Id>, StoreError> {
        let all = self.keys.of(kind, "");
        let mut ids = Vec::new();
        Call::pages(self, (all.clone(), behind(&all)), |pair| {
            ids.push(self.id(&pair)?);
            Ok(true)
        })?;
        Ok(ids)
    }

    fn id(&self, pair: &Pair) -> Result<Id, StoreError> {
        Id::parse(last(&pair.key)).map_err(|_| self.damaged(format!("the key `{}`", pair.key)))
    }

    /// Ids of open records: of one person, or of all who ever asked, person by person.
    fn open_ids(&self, filter: &Filter, at: DateTime<Utc>) -> Result<Vec<Id>, StoreError> {
        let people = match &filter.person {
            Some(person) => vec![person.clone()],
            None => self.people()?,
        };
        let mut ids = Vec::new();
        for some in people.chunks(BATCH) {
            let range = |person: &UserName| {
                let (from, to) = self.keys.open_at(person, at);
                Range { from, to, ..Range::default() }.step()
            };
            let done = self.call().read(some.iter().map(range).collect())?;
            for pair in done.found.iter().flat_map(|found| &found.kvs) {
                ids.push(self.id(pair)?);
            }
        }
        Ok(ids)
    }

    fn people(&self) -> Result<Vec<UserName>, StoreError> {
        let all = self.keys.of("person", "");
        let mut people = Vec::new();
        Call::pages(self, (all.clone(), behind(&all)), |pair| {
            let name = UserName::parse(last(&pair.key));
            people.push(name.map_err(|_| self.damaged(format!("the key `{}`", pair.key)))?);
            Ok(true)
        })?;
        Ok(people)
    }

    /// Records of any standing, newest first, only as many as the limit wants.
    fn newest(&self, filter: &Filter) -> Result<Vec<Record>, StoreError> {
        let most = if filter.limit == 0 { usize::MAX } else { filter.limit };
        let batch = most.min(BATCH);
        let (mut ids, mut records) = (Vec::new(), Vec::new());
        Call::pages(self, self.keys.asked_between(filter.since, filter.until), |pair| {
            if fits(&self.parse::<Asked>(&pair)?, filter) {
                ids.push(self.id(&pair)?);
            }
            if ids.len() == batch {
                records.append(&mut self.load(&std::mem::take(&mut ids), filter)?);
            }
            Ok(records.len() < most)
        })?;
        records.append(&mut self.load(&ids, filter)?);
        Ok(records)
    }

    fn load(&self, ids: &[Id], filter: &Filter) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        for some in ids.chunks(BATCH) {
            records.append(&mut self.call().records(some, 0)?);
        }
        let mut kept = Vec::with_capacity(records.len());
        for record in records {
            if self.is_wanted(&record, filter)? {
                kept.push(record);
            }
        }
        Ok(kept)
    }

    fn is_wanted(&self, record: &Record, filter: &Filter) -> Result<bool, StoreError> {
        let state = record
            .state()
            .map_err(|error| self.damaged(format!("record {}: {error}", record.id)))?;
        let asked = Asked {
            person: state.request.person.clone(),
            entitlement: state.request.entitlement.to_string(),
            repository: state.request.repository.clone(),
        };
        Ok(fits(&asked, filter)
            && filter.open_at.is_none_or(|at| keys::is_open(&state, at))
            && (!filter.reserved || !state.uses.reserved.is_empty())
            && filter.since.is_none_or(|since| state.asked_at >= since)
            && filter.until.is_none_or(|until| state.asked_at < until))
    }
}

/// A value that is a number.
pub(super) fn number(pair: &Pair) -> Option<u64> {
    std::str::from_utf8(&pair.value).ok()?.parse().ok()
}

fn fits(asked: &Asked, filter: &Filter) -> bool {
    let entitlement = filter.entitlement.as_ref();
    filter.person.as_ref().is_none_or(|wanted| *wanted == asked.person)
        && entitlement.is_none_or(|wanted| wanted.as_str() == asked.entitlement)
        && filter.repository.as_ref().is_none_or(|wanted| *wanted == asked.repository)
}

impl Call<'_> {
    /// One key.
    pub(super) fn one(&self, key: &str) -> Result<Option<Pair>, Failed> {
        let mut found = self.read(vec![wire::get(key)])?.found;
        Ok(found.pop().and_then(|mut found| found.kvs.pop()))
    }

    /// One range, in one answer.
    pub(super) fn range(&self, from: String, to: String) -> Result<Found, Failed> {
        let step = Range { from, to, ..Range::default() }.step();
        Ok(self.read(vec![step])?.found.pop().unwrap_or_default())
    }

    /// The index, then the records as they were with it.
    fn of_person(&self, person: &UserName, now: DateTime<Utc>) -> Result<OfPerson, Failed> {
        let keys: &Keys = &self.etcd.keys;
        let (from, to) = keys.open_at(person, now);
        let index = Range { from, to, ..Range::default() }.step();
        let done = self.read(vec![wire::get(&keys.of("person", person.as_str())), index])?;
        let token = done.found.first().and_then(|found| found.kvs.first());
        let token = token.map_or(0, |pair| pair.mod_revision);
        let open = done.found.get(1).map(|found| found.kvs.as_slice()).unwrap_or_default();
        let ids = open.iter().map(|pair| self.etcd.id(pair)).collect::<Result<Vec<Id>, _>>()?;
        let records = self.records(&ids, done.revision)?;
        if records.len() != ids.len() {
            return Err(self.etcd.damaged("an open record is missing").into());
        }
        let mut open = Vec::with_capacity(records.len());
        for record in records {
            let state = record.state();
            let state = state.map_err(|e| self.etcd.damaged(format!("{}: {e}", record.id)))?;
            if state.request.person != *person {
                return Err(self.etcd.damaged("a record stands under another's name").into());
            }
            if keys::is_open(&state, now) {
                open.push(record);
            }
        }
        Ok(OfPerson { token, open })
    }

    /// Records as they were at a revision (0: now), each whole; those that are not there are left
    /// out. What is too long for one answer is asked for in halves.
    pub(super) fn records(&self, ids: &[Id], revision: u64) -> Result<Vec<Record>, Failed> {
        if ids.len() > BATCH {
            return self.halves(ids, revision);
        }
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let range = |id: &Id| {
            let (from, to) = self.etcd.keys.events(id);
            Range { from, to, limit: 0, revision }.step()
        };
        let done = match self.read(ids.iter().map(range).collect()) {
            Err(Failed::Long(_)) if ids.len() > 1 => return self.halves(ids, revision),
            other => other?,
        };
        let mut records = Vec::with_capacity(ids.len());
        for (id, found) in ids.iter().zip(done.found) {
            if !found.kvs.is_empty() {
                records.push(self.fold(id, &found)?);
            }
        }
        Ok(records)
    }

    fn halves(&self, ids: &[Id], revision: u64) -> Result<Vec<Record>, Failed> {
        let (some, others) = ids.split_at(ids.len() / 2);
        let mut records = self.records(some, revision)?;
        records.append(&mut self.records(others, revision)?);
        Ok(records)
    }

    /// A gap in the numbers is an error: what is missing might have closed the record.
    fn fold(&self, id: &Id, found: &Found) -> Result<Record, StoreError> {
        let mut events = Vec::with_capacity(found.kvs.len());
        for (pair, n) in found.kvs.iter().zip(0..) {
            if pair.key != self.etcd.keys.event(id, n) {
                return Err(self.etcd.damaged(format!("event {n} of record {id} is missing")));
            }
            events.push(self.etcd.parse::<Event>(pair)?);
        }
        Ok(Record { id: id.clone(), events })
    }
}
