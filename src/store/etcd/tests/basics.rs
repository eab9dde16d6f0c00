//! What the store keeps, what it costs, and what it refuses.

use super::cluster::{common, open, shared};
use super::*;
use crate::access::Standing;
use crate::store::access::{Filter, Notice, UnderWay};
use crate::store::etcd::Failed;
use std::time::{Duration, Instant};

const NOW: i64 = 50;

#[test]
fn a_store_that_nobody_made_is_absent_for_every_call() {
    let store = common().store("/absent", Duration::from_secs(10));
    let absent = |error: StoreError| matches!(error, StoreError::Absent { .. });
    assert!(absent(store.status().unwrap_err()));
    assert!(absent(store.of_person(&name("bob"), at(0)).unwrap_err()));
    assert!(absent(store.record(&id(1)).unwrap_err()));
    assert!(absent(store.list(&Filter::default()).unwrap_err()));
    assert!(absent(store.locks(at(0)).unwrap_err()));
    assert!(absent(store.done("k").unwrap_err()));
    assert!(absent(store.raise().unwrap_err()));
    assert!(absent(store.raise_above(7).unwrap_err()));
    assert!(absent(store.reset_newest(at(0)).unwrap_err()));
    assert!(absent(store.commit(&ask(&id(1), "bob", 0)).unwrap_err()));
    assert!(absent(store.due(at(0), 9).unwrap_err()));
    assert!(absent(store.delivered("n").unwrap_err()));
    assert!(absent(store.postpone("n", 0, at(0)).unwrap_err()));
    assert!(absent(store.unregister("p").unwrap_err()));
    assert!(absent(store.under_way().unwrap_err()));
    assert!(absent(store.epoch().unwrap_err()));
    assert!(absent(store.raise_epoch().unwrap_err()));
    assert!(store.create().unwrap());
    assert!(!store.create().unwrap(), "made once");
    assert_eq!(store.status().unwrap().version, 1);
}

#[test]
fn a_newer_schema_and_leftovers_are_refused_and_kept() {
    let store = common().made("/newer");
    let put = |key: &str, value: &str| {
        let txn = wire::Txn {
            success: vec![wire::put(&store.keys.alone(key), value.as_bytes())],
            ..wire::Txn::default()
        };
        store.call().send(&txn).unwrap();
    };
    put("schema", "2");
    let newer = |result: Result<(), StoreError>| {
        assert!(matches!(result, Err(StoreError::Newer { found: 2, known: 1 })), "{result:?}");
    };
    newer(store.commit(&ask(&id(1), "bob", 0)).map(drop));
    newer(store.epoch().map(drop));
    newer(store.create().map(drop));
    put("schema", "1x");
    assert!(matches!(store.status(), Err(StoreError::Damaged { .. })));
    let gone = wire::Txn {
        success: vec![wire::delete(&store.keys.alone("schema"))],
        ..wire::Txn::default()
    };
    store.call().send(&gone).unwrap();
    assert!(matches!(store.create(), Err(StoreError::Damaged { .. })));
}

#[test]
fn a_record_goes_its_way_and_leaves_the_index() {
    let store = common().made("/way");
    let one = id(1);
    assert_eq!(store.of_person(&name("bob"), at(0)).unwrap().token, 0);
    lend(&store, &one, "bob", 2);
    let seen = store.of_person(&name("bob"), at(NOW)).unwrap();
    assert_eq!(seen.open.len(), 1);
    assert_eq!(seen.open[0].state().unwrap().standing(at(NOW)), Standing::Active);
    store.commit(&reserve(&one, 2, "p")).unwrap();
    let reserved = Filter { reserved: true, ..Filter::default() };
    assert_eq!(store.list(&reserved).unwrap().len(), 1);
    // Ended, but somebody has still to settle it.
    assert_eq!(store.of_person(&name("bob"), at(9999)).unwrap().open.len(), 1);
    store.commit(&append(&one, 3, 30, Actor::rule(), What::Spent { key: "p".into() })).unwrap();
    assert!(store.list(&reserved).unwrap().is_empty());
    assert!(store.of_person(&name("bob"), at(9999)).unwrap().open.is_empty());
    let after = store.of_person(&name("bob"), at(NOW)).unwrap();
    assert!(after.token > seen.token);
    store.commit(&append(&one, 4, 40, by("eve"), What::Revoked { note: None })).unwrap();
    assert!(store.of_person(&name("bob"), at(NOW)).unwrap().open.is_empty());
    assert_eq!(store.record(&one).unwrap().unwrap().version(), 5);
    assert_eq!(store.status().unwrap().newest, Some(at(40)));
}

#[test]
fn an_older_event_never_takes_the_newest_time_back() {
    let store = common().made("/time");
    store.commit(&ask(&id(1), "bob", 500)).unwrap();
    store.commit(&ask(&id(2), "bob", 400)).unwrap();
    let before = store.status().unwrap();
    assert_eq!(before.newest, Some(at(500)));
    let version = store.reset_newest(at(450)).unwrap();
    assert_eq!(store.status().unwrap().newest, Some(at(450)));
    assert!(version > before.version);
    store.reset_newest(at(460)).unwrap();
    assert_eq!(store.status().unwrap().newest, Some(at(450)), "never forward");
    assert!(store.raise_above(1_000_000).unwrap() > 1_000_000);
    assert_eq!(store.raise().unwrap(), 1_000_002);
    assert_eq!(store.raise_above(5).unwrap(), 1_000_003);
}

#[test]
fn an_event_that_is_missing_makes_the_record_damaged() {
    let store = common().made("/gap");
    lend(&store, &id(1), "bob", 1);
    let gap = wire::Txn {
        success: vec![wire::delete(&store.keys.event(&id(1), 0))],
        ..wire::Txn::default()
    };
    store.call().send(&gap).unwrap();
    assert!(matches!(store.record(&id(1)), Err(StoreError::Damaged { .. })));
    assert!(matches!(store.of_person(&name("bob"), at(NOW)), Err(StoreError::Damaged { .. })));
}

#[test]
fn a_change_too_large_for_etcd_is_refused_with_words() {
    let store = common().made("/large");
    let mut change = ask(&id(1), "bob", 0);
    if let What::Requested(request) = &mut change.appends[0].event.what {
        request.reason = Some("x".repeat(1_600_000));
    }
    assert!(is_unavailable(store.commit(&change)).contains("too large"));
    let many: Vec<Append> =
        (2..200).flat_map(|number| ask(&id(number), "bob", 0).appends).collect();
    let change = Change { appends: many, ..Change::default() };
    assert!(is_unavailable(store.commit(&change)).contains("steps of 128"));
    assert!(store.list(&Filter::default()).unwrap().is_empty());
    // What is let through here, etcd takes.
    let mut change = ask(&id(1), "bob", 0);
    if let What::Requested(request) = &mut change.appends[0].event.what {
        request.reason = Some("x".repeat(1_100_000));
    }
    store.commit(&change).unwrap();
    let most: Vec<Append> = (2..32).flat_map(|number| ask(&id(number), "bob", 0).appends).collect();
    store.commit(&Change { appends: most, ..Change::default() }).unwrap();
}

#[test]
fn answers_too_long_for_one_are_asked_for_in_halves() {
    let store = common().made("/halves");
    for number in 0..25 {
        let mut change = ask(&id(number), "bob", 0);
        if let What::Requested(request) = &mut change.appends[0].event.what {
            request.reason = Some("x".repeat(1_100_000));
        }
        store.commit(&change).unwrap();
    }
    assert_eq!(store.of_person(&name("bob"), at(NOW)).unwrap().open.len(), 25);
}

#[test]
fn locks_hold_until_they_end_or_are_lifted() {
    let store = common().made("/locks");
    let locks = vec![lock(1, None), lock(2, Some(at(100))), lock(3, None)];
    store.commit(&Change { locks: locks.clone(), ..Change::default() }).unwrap();
    assert_eq!(store.locks(at(99)).unwrap(), locks);
    assert_eq!(store.locks(at(100)).unwrap().len(), 2);
    let lifts = vec![(id(1), at(50), "alice".to_owned())];
    let lift = Change { lifts, ..Change::default() };
    store.commit(&lift).unwrap();
    assert_eq!(store.locks(at(200)).unwrap(), vec![lock(3, None)]);
    assert!(matches!(store.commit(&lift), Err(StoreError::Moved)), "lifted once");
    let again = Change { locks: vec![lock(1, None)], ..Change::default() };
    assert!(matches!(store.commit(&again), Err(StoreError::Taken)));
}

#[test]
fn the_outbox_gives_a_notice_to_one_sender() {
    let store = common().made("/outbox");
    let notice = |number: u32, due: i64| Notice {
        id: format!("n/{number}"),
        target: "https://example.org/hook".into(),
        event: "access.requested".into(),
        body: "{}".into(),
        at: at(0),
        due: at(due),
        while_lent: None,
        tries: 0,
    };
    let notices = vec![notice(1, 30), notice(2, 10), notice(3, 40)];
    store.commit(&Change { notices, ..Change::default() }).unwrap();
    let ids = |now: i64, most: usize| -> Vec<String> {
        store.due(at(now), most).unwrap().into_iter().map(|notice| notice.id).collect()
    };
    assert_eq!(ids(30, 9), ["n/2", "n/1"]);
    assert_eq!(ids(40, 1), ["n/2"]);
    assert!(ids(40, 0).is_empty() && ids(9, 9).is_empty());
    assert!(store.postpone("n/2", 0, at(35)).unwrap());
    assert!(!store.postpone("n/2", 0, at(36)).unwrap(), "another was first");
    assert_eq!(ids(40, 9), ["n/1", "n/2", "n/3"]);
    assert_eq!(store.due(at(40), 9).unwrap()[1].tries, 1);
    store.delivered("n/1").unwrap();
    store.delivered("n/1").unwrap();
    assert_eq!(ids(40, 9), ["n/2", "n/3"]);
    let again = Change { notices: vec![notice(2, 10)], ..Change::default() };
    assert!(matches!(store.commit(&again), Err(StoreError::Taken)));
}

#[test]
fn a_push_under_way_goes_with_its_lease() {
    let store = common().made("/pushes");
    let push = |key: &str| UnderWay {
        key: key.into(),
        host: "host".into(),
        grants: vec![id(1)],
        repository: "payments/api".into(),
        person: name("bob"),
    };
    store.register(&push("gone"), 1).unwrap();
    store.register(&push("a/b c"), 60).unwrap();
    store.register(&push("over"), 60).unwrap();
    store.unregister("over").unwrap();
    cluster::wait_until("the lease has ended", || {
        store.under_way().unwrap() == vec![push("a/b c")]
    });
}

#[test]
fn the_epoch_is_raised_and_never_comes_again() {
    let (store, other) =
        (common().made("/epoch"), common().store("/epoch", Duration::from_secs(9)));
    let mut last = store.epoch().unwrap().unwrap();
    for _ in 0..5 {
        store.raise_epoch().unwrap();
        let now = other.epoch().unwrap().unwrap();
        assert!(now > last);
        last = now;
    }
    // What takes a right away raises it by itself, what gives one does not.
    lend(&store, &id(1), "bob", 2);
    store.commit(&reserve(&id(1), 2, "p")).unwrap();
    assert_eq!(store.epoch().unwrap().unwrap(), last);
    store.commit(&append(&id(1), 3, 40, by("eve"), What::Revoked { note: None })).unwrap();
    let revoked = store.epoch().unwrap().unwrap();
    assert!(revoked > last);
    store.commit(&Change { locks: vec![lock(7, None)], ..Change::default() }).unwrap();
    assert!(store.epoch().unwrap().unwrap() > revoked);
    // A store lost and made anew counts from the beginning, with another salt.
    assert_ne!(
        common().made("/epoch2").epoch().unwrap().unwrap() & 0xffff_ffff,
        last & 0xffff_ffff
    );
}

#[test]
fn a_look_at_a_person_costs_what_is_open_however_much_has_been() {
    let store = common().made("/cost");
    // Ended long ago by time, and never touched again.
    for number in 0..300 {
        store.commit(&ask(&id(number), "bob", 0)).unwrap();
    }
    let mut late = ask(&id(1000), "bob", 2000);
    if let What::Requested(request) = &mut late.appends[0].event.what {
        request.pending_until = at(5000);
    }
    store.commit(&late).unwrap();
    let (from, to) = store.keys.open_at(&name("bob"), at(3000));
    assert_eq!(store.call().range(from, to).unwrap().kvs.len(), 1, "keys that are read");
    assert_eq!(store.of_person(&name("bob"), at(3000)).unwrap().open.len(), 1);
    let open = Filter { open_at: Some(at(3000)), ..Filter::default() };
    assert_eq!(store.list(&open).unwrap().len(), 1);
    let newest = Filter { limit: 7, ..Filter::default() };
    let listed = store.list(&newest).unwrap();
    assert_eq!((listed.len(), &listed[0].id), (7, &id(1000)));
    let between = Filter { since: Some(at(0)), until: Some(at(1)), ..Filter::default() };
    assert_eq!(store.list(&between).unwrap().len(), 300);
    let other = Filter { person: Some(name("eve")), ..Filter::default() };
    assert!(store.list(&other).unwrap().is_empty());
}

#[test]
fn a_revision_that_etcd_has_dropped_is_told_apart_so_that_the_look_begins_again() {
    let store = common().made("/compacted");
    lend(&store, &id(1), "bob", 1);
    let call = store.call();
    let old = call.read(vec![wire::get(&store.keys.alone("epoch"))]).unwrap().revision;
    lend(&store, &id(2), "bob", 1);
    let now = call.read(vec![wire::get(&store.keys.alone("epoch"))]).unwrap().revision;
    let compact = format!("{{\"revision\":\"{now}\",\"physical\":true}}");
    call.post("/v3/kv/compaction", &compact).unwrap();
    assert!(matches!(call.records(&[id(1)], old), Err(Failed::Compacted)));
    assert_eq!(store.of_person(&name("bob"), at(NOW)).unwrap().open.len(), 2);
}

#[test]
fn backup_says_how() {
    let store = open(&shared(&["http://127.0.0.1:1".into()], "/x"), Duration::from_secs(1));
    assert!(is_unavailable(store.backup("/x".as_ref())).contains("etcdctl snapshot save"));
}

/// Prints what docs/measured.md says; run it alone, with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn measure() {
    let store = common().made("/measure");
    for number in 0..500 {
        lend(&store, &id(number), "bob", 1);
    }
    let median = |what: &str, one: &mut dyn FnMut(u32)| {
        let mut times: Vec<Duration> = (0..201)
            .map(|turn| {
                let start = Instant::now();
                one(turn);
                start.elapsed()
            })
            .collect();
        times.sort();
        println!("{what}: median {:?}, 95% {:?}", times[100], times[190]);
    };
    median("epoch", &mut |_| _ = store.epoch().unwrap());
    median("of_person, none open", &mut |_| _ = store.of_person(&name("eve"), at(NOW)).unwrap());
    (500..510).for_each(|number| lend(&store, &id(number), "carol", 1));
    median("of_person, 10 open", &mut |_| _ = store.of_person(&name("carol"), at(NOW)).unwrap());
    median("locks", &mut |_| _ = store.locks(at(NOW)).unwrap());
    median("reserve", &mut |turn| _ = store.commit(&reserve(&id(turn), 2, "p")).unwrap());
    median("a request, recorded in no time", &mut |turn| {
        store.commit_recorded(&ask(&id(1000 + turn), "dora", 0), &mut || true).unwrap().unwrap();
    });
    median("raise", &mut |_| _ = store.raise().unwrap());
    median("a new connection and the epoch", &mut |_| {
        common().store("/measure", Duration::from_secs(3)).epoch().unwrap();
    });
}
