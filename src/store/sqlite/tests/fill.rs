//! A store as it is after years: for `benches/push.sh` (P9), which has no other way to a million
//! grants in a minute.
//!
//! Rows are written as the store's own changes write them, but many in one transaction; a small one
//! is checked in every run.

use super::super::row::{Row, sum};
use super::*;
use crate::access::Request;
use crate::access::record::{State, step};
use chrono::TimeDelta;
use rusqlite::Transaction;

/// Askers; the first of them is bob.
const PEOPLE: usize = 1000;
/// Grants of one transaction.
const BATCH: usize = 20_000;

/// How many grants.
struct Size {
    ended: usize,
    live: usize,
}

/// What one person asked for and was lent until `until`: events as text, and the row beside them.
struct Grant {
    person: UserName,
    request: Request,
    bodies: [String; 2],
    times: [i64; 2],
    row: Row,
}

fn grant(person: usize, asked: DateTime<Utc>, until: DateTime<Utc>) -> Grant {
    let name = if person == 0 { "bob".to_owned() } else { format!("user{person}") };
    let mut request = request();
    request.person = user(&name);
    request.pending_until = asked + TimeDelta::days(1);
    request.max_uses = Some(3);
    let by = |name: &str| Actor { user: Some(user(name)), ..Actor::default() };
    let from = asked + TimeDelta::minutes(1);
    let terms = Terms { from, until, max_uses: Some(3), break_glass: false };
    let what = What::Requested(Box::new(request.clone()));
    let events = [
        Event { at: asked, by: by(&name), what },
        Event {
            at: from,
            by: by("alice"),
            what: What::Approved { note: None, terms: Some(terms) },
        },
    ];
    let state = step(State::begin(&events[0]).unwrap(), &events[1]).unwrap();
    Grant {
        person: user(&name),
        request,
        bodies: events.each_ref().map(|event| serde_json::to_string(event).unwrap()),
        times: events.each_ref().map(|event| event.at.timestamp_micros()),
        row: Row::of(&state),
    }
}

/// Adds grants with the ids from `first` on, in turn to all people.
fn add(open: &Transaction<'_>, grants: &[Grant], first: usize, count: usize) {
    let record = "INSERT INTO records (id, events, person, repository, entitlement, asked_at, \
                  open_until, reserved) VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6, 0)";
    let counted = "UPDATE records SET events = events + 1 WHERE id = ?1";
    let event = "INSERT INTO events (id, seq, at, body, sum) VALUES (?1, ?2, ?3, ?4, ?5)";
    let [mut record, mut event, mut counted] =
        [record, event, counted].map(|sql| open.prepare(sql).unwrap());
    for number in first..first + count {
        let Grant { person, request, bodies, times, row } = &grants[number % grants.len()];
        // In rising order: random ones would be as many pages read and written again.
        let id = Id::of((number as u64).to_be_bytes()[3..].try_into().unwrap());
        let (entitlement, repository) = (request.entitlement.as_str(), &request.repository);
        let values = rusqlite::params![
            id.as_str(),
            person.as_str(),
            repository,
            entitlement,
            times[0],
            row.open_until
        ];
        record.execute(values).unwrap();
        for seq in 0..2_u32 {
            let body = &bodies[seq as usize];
            let sum = sum(id.as_str(), seq, body);
            event.execute((id.as_str(), seq, times[seq as usize], body, sum)).unwrap();
            counted.execute([id.as_str()]).unwrap();
        }
    }
}

fn fill(store: &Sqlite, size: &Size, now: DateTime<Utc>) {
    let people = |asked: TimeDelta, until: TimeDelta| -> Vec<Grant> {
        (0..PEOPLE).map(|person| grant(person, now - asked, now + until)).collect()
    };
    let ended = people(TimeDelta::days(400), -TimeDelta::days(399));
    let live = people(TimeDelta::hours(1), TimeDelta::days(3650));
    let quick = "PRAGMA cache_size = -200000; PRAGMA cell_size_check = OFF; PRAGMA foreign_keys = OFF; \
                 PRAGMA synchronous = OFF";
    store.connection.execute_batch(quick).unwrap();
    // Some at a time, so that what is written leaves the log.
    for first in (0..size.ended).step_by(BATCH) {
        let open = store.connection.unchecked_transaction().unwrap();
        add(&open, &ended, first, BATCH.min(size.ended - first));
        open.commit().unwrap();
    }
    let open = store.connection.unchecked_transaction().unwrap();
    add(&open, &live, size.ended, size.live);
    for Grant { person, .. } in &live {
        open.execute("INSERT INTO people (person, token) VALUES (?1, 7)", [person.as_str()])
            .unwrap();
    }
    let sql = "UPDATE meta SET version = version + ?1, newest = ?2";
    let events = i64::try_from(2 * (size.ended + size.live)).unwrap();
    open.execute(sql, (events, live[0].times[1])).unwrap();
    open.commit().unwrap();
}

#[track_caller]
fn holds(store: &Sqlite, size: &Size, now: DateTime<Utc>) {
    let of_bob = store.of_person(&user("bob"), now).unwrap();
    assert_eq!(of_bob.open.len(), size.live / PEOPLE);
    assert!(of_bob.open.iter().all(|record| record.state().unwrap().uses_left() == Some(3)));
}

#[test]
fn what_is_filled_in_is_what_changes_would_have_written() {
    let (_folder, path) = made();
    let store = opened(&path);
    let (size, now) = (Size { ended: 2000, live: 1000 }, crate::os::clock::now().wall);
    fill(&store, &size, now);
    store.check().unwrap();
    holds(&store, &size, now);
    let of_bob = store.of_person(&user("bob"), now).unwrap().open.remove(0);
    let revoked = Event { at: now, by: Actor::rule(), what: What::Revoked { note: None } };
    store.commit(&append(of_bob.id.clone(), 2, revoked)).unwrap();
    assert_eq!(store.of_person(&user("bob"), now).unwrap().open.len(), 0);
}

/// `REFWARDEN_FILL=…/state.db cargo test --lib fill_the_store_of_the_benches -- --ignored`
#[test]
#[ignore = "only for benches/push.sh"]
fn fill_the_store_of_the_benches() {
    let path = PathBuf::from(std::env::var("REFWARDEN_FILL").unwrap());
    let store = opened(&path);
    let (size, now) = (Size { ended: 1_000_000, live: 10_000 }, crate::os::clock::now().wall);
    fill(&store, &size, now);
    holds(&store, &size, now);
}
