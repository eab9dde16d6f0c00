//! Reading: each answer is of one moment, because it is one statement or one transaction.

use super::super::access::{Filter, Idempotency, Notice, OfPerson, Status, StoreError};
use super::Sqlite;
use super::row::{self, micros};
use crate::access::{Event, Id, Lock, Record, What};
use crate::policy::name::UserName;
use chrono::{DateTime, Utc};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Params, Row};
use serde::de::DeserializeOwned;

/// What every query for whole records begins with; a record without events still shows.
const WHOLE: &str = "SELECT r.id, r.events, r.person, e.seq, e.body, e.sum FROM records r \
                     LEFT JOIN events e ON e.id = r.id WHERE ";

pub(super) fn status(store: &Sqlite) -> Result<Status, StoreError> {
    let sql = "SELECT version, newest FROM meta";
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?));
    let (version, newest) =
        store.connection.query_row(sql, [], read).map_err(|error| store.wrong(error))?;
    let version = u64::try_from(version).map_err(|_| store.damaged("its version is below zero"))?;
    let newest = newest.map(|at| {
        DateTime::from_timestamp_micros(at).ok_or_else(|| store.damaged("a time out of range"))
    });
    Ok(Status { version, newest: newest.transpose()? })
}

pub(super) fn of_person(
    store: &Sqlite,
    person: &UserName,
    now: DateTime<Utc>,
) -> Result<OfPerson, StoreError> {
    // First, without a transaction: a token newer than the records would hide what they lack, one
    // that is older is refused when it is compared.
    let token = token(&store.connection, person).map_err(|e| store.wrong(e))?;
    Ok(OfPerson { token, open: open_of(store, person, now)? })
}

pub(super) fn open_of(
    store: &Sqlite,
    person: &UserName,
    now: DateTime<Utc>,
) -> Result<Vec<Record>, StoreError> {
    let sql = "r.person = ?1 AND r.open_until > ?2 ORDER BY r.id, e.seq";
    let open = whole(store, sql, (person.as_str(), micros(now)))?;
    match open.iter().all(|record| is_of(record, person)) {
        true => Ok(open),
        false => Err(store.damaged("a record stands under another person's name")),
    }
}

fn is_of(record: &Record, person: &UserName) -> bool {
    match record.events.first().map(|event| &event.what) {
        Some(What::Requested(request)) => request.person == *person,
        _ => false,
    }
}

/// A person's token; nobody of that name has asked yet: 0.
pub(super) fn token(connection: &Connection, person: &UserName) -> rusqlite::Result<u64> {
    let sql = "SELECT token FROM people WHERE person = ?1";
    let read = |row: &Row<'_>| row.get::<_, i64>(0);
    let found = connection.query_row(sql, [person.as_str()], read).optional()?;
    Ok(found.and_then(|token| u64::try_from(token).ok()).unwrap_or(0))
}

pub(super) fn record(store: &Sqlite, id: &Id) -> Result<Option<Record>, StoreError> {
    Ok(whole(store, "r.id = ?1 ORDER BY e.seq", [id.as_str()])?.pop())
}

pub(super) fn list(store: &Sqlite, filter: &Filter) -> Result<Vec<Record>, StoreError> {
    let mut wanted: Vec<&str> = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    let text = |text: &str| Some(Value::Text(text.to_owned()));
    let at = |at: DateTime<Utc>| Value::Integer(micros(at));
    for (sql, value) in [
        ("person = ?", filter.person.as_ref().and_then(|it| text(it.as_str()))),
        ("repository = ?", filter.repository.as_deref().and_then(text)),
        ("entitlement = ?", filter.entitlement.as_ref().and_then(|it| text(it.as_str()))),
        ("open_until > ?", filter.open_at.map(at)),
        ("asked_at >= ?", filter.since.map(at)),
        ("asked_at < ?", filter.until.map(at)),
    ] {
        if let Some(value) = value {
            wanted.push(sql);
            values.push(value);
        }
    }
    if filter.reserved {
        // By the index of what is open: the few that are so for good.
        wanted.push("open_until = ? AND reserved > 0");
        values.push(Value::Integer(row::ALWAYS));
    }
    let wanted = if wanted.is_empty() { "1".to_owned() } else { wanted.join(" AND ") };
    let limit = if filter.limit == 0 { i64::MAX } else { count(filter.limit) };
    values.push(Value::Integer(limit));
    let chosen =
        format!("SELECT id FROM records WHERE {wanted} ORDER BY asked_at DESC, id LIMIT ?");
    let sql = format!("r.id IN ({chosen}) ORDER BY r.asked_at DESC, r.id, e.seq");
    whole(store, &sql, rusqlite::params_from_iter(values))
}

pub(super) fn locks(store: &Sqlite, now: DateTime<Utc>) -> Result<Vec<Lock>, StoreError> {
    let sql = "SELECT id, body, sum FROM locks WHERE lifted_at IS NULL \
               AND (until IS NULL OR until > ?1) ORDER BY id";
    let read = |row: &Row<'_>| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
    };
    let lock = |(id, body, sum): (String, String, i64)| {
        if sum != row::sum(&id, 0, &body) {
            return Err(store.damaged(format!("the lock `{id}` has changed")));
        }
        parsed(store, "a lock", &body)
    };
    rows(store, sql, [micros(now)], read)?.into_iter().map(lock).collect()
}

pub(super) fn done(store: &Sqlite, key: &str) -> Result<Option<Idempotency>, StoreError> {
    let sql = "SELECT content, id FROM idempotency WHERE key = ?1";
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?));
    let found = store.connection.query_row(sql, [key], read).optional();
    let Some((content, id)) = found.map_err(|error| store.wrong(error))? else { return Ok(None) };
    let id = self::id(store, &id)?;
    Ok(Some(Idempotency { key: key.to_owned(), content, id }))
}

pub(super) fn due(
    store: &Sqlite,
    now: DateTime<Utc>,
    most: usize,
) -> Result<Vec<Notice>, StoreError> {
    let sql = "SELECT body, due, tries FROM outbox WHERE due <= ?1 ORDER BY due, id LIMIT ?2";
    let read = |row: &Row<'_>| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, u32>(2)?))
    };
    let rows = rows(store, sql, (micros(now), count(most)), read)?;
    let notice = |(body, due, tries): (String, i64, u32)| {
        let kept: Notice = parsed(store, "a notice", &body)?;
        let due = DateTime::from_timestamp_micros(due).unwrap_or(kept.due);
        Ok(Notice { due, tries, ..kept })
    };
    rows.into_iter().map(notice).collect()
}

/// Whole records by a condition that orders them, and each one's events.
pub(super) fn whole(
    store: &Sqlite,
    condition: &str,
    values: impl Params,
) -> Result<Vec<Record>, StoreError> {
    let read = |row: &Row<'_>| {
        let event = match row.get::<_, Option<u32>>(3)? {
            Some(seq) => Some((seq, row.get::<_, String>(4)?, row.get::<_, i64>(5)?)),
            None => None,
        };
        Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?, event))
    };
    let rows = rows(store, &format!("{WHOLE}{condition}"), values, read)?;
    let mut found: Vec<(u32, Record)> = Vec::new();
    for (text, events, event) in rows {
        if found.last().is_none_or(|(_, record)| record.id.as_str() != text) {
            found.push((events, Record { id: id(store, &text)?, events: Vec::new() }));
        }
        let (Some((_, record)), Some((seq, body, sum))) = (found.last_mut(), event) else {
            continue;
        };
        if seq != record.version() {
            return Err(store.damaged(format!("an event of `{text}` is missing")));
        }
        if sum != row::sum(&text, seq, &body) {
            return Err(store.damaged(format!("event {seq} of `{text}` has changed")));
        }
        record.events.push(parsed::<Event>(store, "an event", &body)?);
    }
    for (events, record) in &found {
        if *events != record.version() || *events == 0 {
            return Err(store.damaged(format!("events of `{}` are missing", record.id)));
        }
    }
    Ok(found.into_iter().map(|(_, record)| record).collect())
}

fn rows<T>(
    store: &Sqlite,
    sql: &str,
    values: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    let all = || -> rusqlite::Result<Vec<T>> {
        store.connection.prepare(sql)?.query_map(values, read)?.collect()
    };
    all().map_err(|error| store.wrong(error))
}

fn parsed<T: DeserializeOwned>(store: &Sqlite, what: &str, body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|error| store.damaged(format!("{what}: {error}")))
}

fn id(store: &Sqlite, text: &str) -> Result<Id, StoreError> {
    Id::parse(text).map_err(|error| store.damaged(error.to_string()))
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
