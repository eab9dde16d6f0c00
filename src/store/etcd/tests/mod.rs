//! Over the real etcd (Debian: etcd-server, etcd-client): without it these tests fail.

mod basics;
mod cluster;
mod failures;
mod proxy;
mod races;
mod secured;

use super::{Etcd, wire};
use crate::access::request::exactly;
use crate::access::{Actor, Event, Id, Lock, LockScope, Request, Terms, What};
use crate::policy::entry::Permissions;
use crate::policy::name::{EntitlementName, ProjectName, UserName};
use crate::policy::refs::RefScope;
use crate::policy::span::Span;
use crate::store::access::{AccessStore, Append, Change, StoreError};
use chrono::{DateTime, TimeDelta, Utc};

/// Seconds after an instant that all tests share.
fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_700_000_000 + seconds)
}

fn name(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

fn by(text: &str) -> Actor {
    Actor { user: Some(name(text)), ..Actor::default() }
}

fn id(number: u32) -> Id {
    let [a, b, c, d] = number.to_be_bytes();
    Id::of([0, a, b, c, d])
}

fn request(person: &str) -> Request {
    Request {
        person: name(person),
        entitlement: EntitlementName::parse("hotfix").unwrap(),
        project: ProjectName::parse("PAY").unwrap(),
        repository: "payments/api".into(),
        permissions: Permissions::UPDATE,
        refs: RefScope { include: vec![exactly(b"refs/heads/main").unwrap()], exclude: vec![] },
        paths: None,
        checks: vec![],
        pins: vec![],
        duration: Span::of_seconds(3600).unwrap(),
        from: None,
        max_uses: Some(1),
        reason: Some("PAY-42 retry storm".into()),
        ticket: None,
        pending_until: at(1000),
        seen: vec![],
    }
}

fn append(id: &Id, after: u32, seconds: i64, actor: Actor, what: What) -> Change {
    let event = Event { at: at(seconds), by: actor, what };
    Change { appends: vec![Append { id: id.clone(), after, event }], ..Change::default() }
}

fn ask(id: &Id, person: &str, seconds: i64) -> Change {
    append(id, 0, seconds, by(person), What::Requested(Box::new(request(person))))
}

fn yes(uses: u32) -> What {
    let terms = Terms { from: at(10), until: at(3610), max_uses: Some(uses), break_glass: false };
    What::Approved { note: None, terms: Some(terms) }
}

fn reserve(id: &Id, after: u32, key: &str) -> Change {
    let what = What::Reserved { key: key.into(), host: "host".into() };
    append(id, after, 20, Actor::rule(), what)
}

/// A grant of `uses` uses.
fn lend(store: &Etcd, id: &Id, person: &str, uses: u32) {
    store.commit(&ask(id, person, 0)).unwrap();
    store.commit(&append(id, 1, 10, by("alice"), yes(uses))).unwrap();
}

fn lock(number: u32, until: Option<DateTime<Utc>>) -> Lock {
    Lock {
        id: id(number),
        scope: LockScope::default(),
        permissions: Permissions::UPDATE,
        message: "frozen".into(),
        by: by("alice"),
        at: at(0),
        until,
    }
}

#[track_caller]
fn is_unavailable<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Unavailable { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}
