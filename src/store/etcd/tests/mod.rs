//! Over the real etcd (Debian: etcd-server, etcd-client): without it these tests fail.

mod basics;
mod cluster;
mod failures;
mod proxy;
mod races;
mod secured;

use super::{Etcd, wire};
use crate::access::{Actor, Event, Id, Lock, LockScope, Request, Terms, What};
use crate::policy::entry::Permissions;
use crate::store::access::{AccessStore, Append, Change, StoreError};
use crate::store::contract::{at, by, request, user as name};
use chrono::{DateTime, Utc};

/// The suite that every backend passes, each rule below a prefix of its own.
mod contract {
    use super::AccessStore;
    use super::cluster::common;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    type Made = Box<dyn Fn() -> Box<dyn AccessStore> + Sync>;

    fn fresh() -> (String, Made) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("/contract{}", COUNT.fetch_add(1, Ordering::SeqCst));
        common().made(&prefix);
        let own = prefix.clone();
        (prefix, Box::new(move || Box::new(common().store(&own, Duration::from_secs(20)))))
    }

    crate::store::contract::contract_tests!(fresh);
}

fn id(number: u32) -> Id {
    let [a, b, c, d] = number.to_be_bytes();
    Id::of([0, a, b, c, d])
}

fn append(id: &Id, after: u32, seconds: i64, actor: Actor, what: What) -> Change {
    let event = Event { at: at(seconds), by: actor, what };
    Change { appends: vec![Append { id: id.clone(), after, event }], ..Change::default() }
}

fn ask(id: &Id, person: &str, seconds: i64) -> Change {
    let asked = Request { person: name(person), ..request() };
    append(id, 0, seconds, by(person), What::Requested(Box::new(asked)))
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
