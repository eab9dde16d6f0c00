//! Changing: everything that a change was decided on is compared, and everything is written, in
//! one transaction that takes the write lock first.

use super::super::access::{Append, Change, Idempotency, Notice, StoreError};
use super::row::{Row, micros, micros_up, sum};
use super::{Sqlite, fault, read};
use crate::access::record::State;
use crate::access::{Lock, step};
use crate::os::faults;
use crate::policy::name::UserName;
use chrono::{DateTime, Utc};
use rusqlite::{Params, Transaction, TransactionBehavior, params};
use std::collections::BTreeSet;

/// How far a change moves what stands beside the version.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moves {
    /// The version rises above this, and by one at least.
    pub(super) above: u64,
    /// The newest time is this one, unless there is a newer one.
    pub(super) newest: Option<DateTime<Utc>>,
}

/// Makes a change, and raises the version.
pub(super) fn changing(
    store: &Sqlite,
    change: impl FnOnce(&Transaction<'_>) -> Result<Moves, StoreError>,
) -> Result<u64, StoreError> {
    transaction(store, |open| {
        let Moves { above, newest } = change(open)?;
        let above = i64::try_from(above).map_err(|_| store.damaged("a version out of range"))?;
        let sql = "UPDATE meta SET version = max(version, ?1) + 1, \
                   newest = max(ifnull(newest, ?2), ifnull(?2, newest)) RETURNING version";
        let values = (above, newest.map(micros));
        let version = open.query_row(sql, values, |row| row.get::<_, i64>(0));
        let version = version.map_err(|error| store.wrong(error))?;
        u64::try_from(version).map_err(|_| store.damaged("its version is below zero"))
    })
}

/// One transaction: whole or not at all, on the disk when it returns.
fn transaction<T>(
    store: &Sqlite,
    change: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let begun = Transaction::new_unchecked(&store.connection, TransactionBehavior::Immediate);
    let open = begun.map_err(|error| store.wrong(error))?;
    store.named_on_disk()?;
    // Only now: whoever puts another file in place holds the lock that was waited for.
    if !store.is_in_place() {
        return Err(fault::unavailable(&store.path, "it was replaced meanwhile: try again"));
    }
    let result = change(&open)?;
    faults::point("store-committing");
    open.commit().map_err(|error| store.wrong(error))?;
    faults::point("store-committed");
    Ok(result)
}

pub(super) fn commit(
    store: &Sqlite,
    change: &Change,
    record: &mut dyn FnMut() -> bool,
) -> Result<Option<u64>, StoreError> {
    let mut given_up = false;
    let made = changing(store, |open| {
        let mut work = Work { store, open, newest: None, people: BTreeSet::new() };
        if let Some((person, token)) = &change.person
            && read::token(open, person).map_err(|error| store.wrong(error))? != *token
        {
            return Err(StoreError::Moved);
        }
        work.people.extend(change.person.as_ref().map(|(person, _)| person.clone()));
        change.appends.iter().try_for_each(|append| work.append(append))?;
        work.people.iter().try_for_each(|person| work.touch(person))?;
        change.locks.iter().try_for_each(|lock| work.lay(lock))?;
        for (id, at, by) in &change.lifts {
            let sql = "UPDATE locks SET lifted_at = ?2, lifted_by = ?3 \
                       WHERE id = ?1 AND lifted_at IS NULL";
            work.one(sql, (id.as_str(), micros(*at), by))?;
            work.at(*at);
        }
        change.notices.iter().try_for_each(|notice| work.queue(notice))?;
        change.idempotency.iter().try_for_each(|key| work.keep(key))?;
        // The transaction has the write lock: what was compared stays as it is until it ends.
        given_up = !record();
        let moves = Moves { above: 0, newest: work.newest };
        if given_up { Err(StoreError::Moved) } else { Ok(moves) }
    });
    if given_up { Ok(None) } else { made.map(Some) }
}

/// A change that is being made.
struct Work<'a> {
    store: &'a Sqlite,
    open: &'a Transaction<'a>,
    /// The newest time in it so far.
    newest: Option<DateTime<Utc>>,
    /// Whose token moves.
    people: BTreeSet<UserName>,
}

impl Work<'_> {
    fn run(&self, sql: &str, values: impl Params) -> Result<usize, StoreError> {
        self.open.execute(sql, values).map_err(|error| self.store.wrong(error))
    }

    /// Runs what must find its one row.
    fn one(&self, sql: &str, values: impl Params) -> Result<(), StoreError> {
        if self.run(sql, values)? == 1 { Ok(()) } else { Err(StoreError::Moved) }
    }

    /// Runs an insertion of a name that nobody has.
    fn take(&self, sql: &str, values: impl Params) -> Result<(), StoreError> {
        if self.run(sql, values)? == 1 { Ok(()) } else { Err(StoreError::Taken) }
    }

    fn append(&mut self, append: &Append) -> Result<(), StoreError> {
        let state = match append.after {
            0 => {
                let state = State::begin(&append.event)?;
                self.begin(append, &state)?;
                self.add(append)?;
                self.update(append, &Row::of(&state))?;
                state
            }
            after => {
                let state = step(self.state(append, after)?, &append.event)?;
                self.add(append)?;
                self.update(append, &Row::of(&state))?;
                state
            }
        };
        self.people.insert(state.request.person);
        self.at(append.event.at);
        Ok(())
    }

    /// The record's state, if it is the one that the change was decided on.
    fn state(&self, append: &Append, after: u32) -> Result<State, StoreError> {
        let record = read::record(self.store, &append.id)?;
        let record = record.filter(|record| record.version() == after).ok_or(StoreError::Moved)?;
        let broken = |_| self.store.damaged(format!("the events of `{}` don't fit", append.id));
        record.state().map_err(broken)
    }

    fn begin(&self, append: &Append, state: &State) -> Result<(), StoreError> {
        let request = &state.request;
        let sql = "INSERT INTO records (id, events, person, repository, entitlement, asked_at, \
                   reserved) VALUES (?1, 0, ?2, ?3, ?4, ?5, 0) ON CONFLICT DO NOTHING";
        let values = params![
            append.id.as_str(),
            request.person.as_str(),
            request.repository,
            request.entitlement.as_str(),
            micros(state.asked_at),
        ];
        self.take(sql, values)
    }

    fn add(&self, append: &Append) -> Result<(), StoreError> {
        let sql = "INSERT INTO events (id, seq, at, body, sum) VALUES (?1, ?2, ?3, ?4, ?5)";
        let (id, at, body) =
            (append.id.as_str(), micros(append.event.at), self.json(&append.event)?);
        let sum = sum(id, append.after, &body);
        self.run(sql, (id, append.after, at, body, sum)).map(drop)
    }

    /// Counts the event, and tells what it made of the record.
    fn update(&self, append: &Append, row: &Row) -> Result<(), StoreError> {
        let sql = "UPDATE records SET events = ?2, open_until = ?3, reserved = ?4 WHERE id = ?1";
        let events = append.after.saturating_add(1);
        self.one(sql, (append.id.as_str(), events, row.open_until, row.reserved))
    }

    fn touch(&self, person: &UserName) -> Result<(), StoreError> {
        let sql = "INSERT INTO people (person, token) VALUES (?1, 1) \
                   ON CONFLICT (person) DO UPDATE SET token = token + 1";
        self.run(sql, [person.as_str()]).map(drop)
    }

    fn at(&mut self, at: DateTime<Utc>) {
        self.newest = self.newest.max(Some(at));
    }

    fn lay(&mut self, lock: &Lock) -> Result<(), StoreError> {
        let sql = "INSERT INTO locks (id, until, body, sum) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT DO NOTHING";
        let (id, until, body) = (lock.id.as_str(), lock.until.map(micros_up), self.json(lock)?);
        let sum = sum(id, 0, &body);
        self.take(sql, (id, until, body, sum))?;
        self.at(lock.at);
        Ok(())
    }

    fn queue(&self, notice: &Notice) -> Result<(), StoreError> {
        let sql = "INSERT INTO outbox (id, due, tries, body) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT DO NOTHING";
        // Not before: rounded up.
        let values = (&notice.id, micros_up(notice.due), notice.tries, self.json(notice)?);
        self.take(sql, values)
    }

    fn keep(&self, key: &Idempotency) -> Result<(), StoreError> {
        let sql = "INSERT INTO idempotency (key, content, id) VALUES (?1, ?2, ?3) \
                   ON CONFLICT DO NOTHING";
        self.take(sql, (&key.key, &key.content, key.id.as_str()))
    }

    fn json(&self, value: &impl serde::Serialize) -> Result<String, StoreError> {
        serde_json::to_string(value)
            .map_err(|error| fault::unavailable(&self.store.path, error.to_string()))
    }
}

pub(super) fn reset_newest(store: &Sqlite, now: DateTime<Utc>) -> Result<u64, StoreError> {
    changing(store, |open| {
        let sql = "UPDATE meta SET newest = ?1 WHERE newest > ?1";
        open.execute(sql, [micros(now)]).map_err(|error| store.wrong(error))?;
        Ok(Moves::default())
    })
}

pub(super) fn delivered(store: &Sqlite, id: &str) -> Result<(), StoreError> {
    transaction(store, |open| {
        let sql = "DELETE FROM outbox WHERE id = ?1";
        open.execute(sql, [id]).map(drop).map_err(|error| store.wrong(error))
    })
}

pub(super) fn postpone(
    store: &Sqlite,
    id: &str,
    tries: u32,
    due: DateTime<Utc>,
) -> Result<bool, StoreError> {
    transaction(store, |open| {
        let sql = "UPDATE outbox SET due = ?3, tries = tries + 1 WHERE id = ?1 AND tries = ?2";
        let moved = open.execute(sql, (id, tries, micros_up(due)));
        moved.map(|rows| rows == 1).map_err(|error| store.wrong(error))
    })
}
