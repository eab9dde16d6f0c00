//! What commands rest on: keys that are sent twice, the version, the newest time.

use super::super::access::{Change, Idempotency};
use super::*;

fn keyed(number: u8, key: &str) -> Change {
    let idempotency = Idempotency { key: key.into(), content: "c0ffee".into(), id: id(number) };
    Change { idempotency: Some(idempotency), ..append(id(number), 0, asked(request())) }
}

pub(crate) fn a_key_that_was_used_tells_what_it_did(make: Make) {
    let store = make();
    let key = "bob:'\"\0\u{1f600}";
    assert_eq!(store.done(key).unwrap(), None);
    store.commit(&keyed(1, key)).unwrap();
    let done = make().done(key).unwrap().unwrap();
    assert_eq!((done.key.as_str(), done.content.as_str(), done.id), (key, "c0ffee", id(1)));
    assert_taken(&store.commit(&keyed(2, key)));
    assert_eq!(store.record(&id(2)).unwrap(), None, "nothing of a refused change stays");
    store.commit(&keyed(2, "bob:other")).unwrap();
}

pub(crate) fn the_version_only_rises(make: Make) {
    let store = make();
    let mut last = store.status().unwrap().version;
    let mut rises = |version: u64| {
        assert!(version > last, "{version} after {last}");
        assert_eq!(store.status().unwrap().version, version);
        last = version;
    };
    rises(store.raise().unwrap());
    rises(store.commit(&append(id(1), 0, asked(request()))).unwrap());
    rises(make().commit(&append(id(1), 1, yes())).unwrap());
    rises(make().raise().unwrap());
    rises(store.commit(&Change::default()).unwrap());
}

pub(crate) fn an_accepted_store_has_a_version_above_the_floor(make: Make) {
    let store = make();
    let first = store.raise_above(0).unwrap();
    let floor = first + 1000;
    let accepted = store.raise_above(floor).unwrap();
    assert!(accepted > floor);
    let next = store.raise_above(5).unwrap();
    assert!(next > accepted, "a low floor never lowers");
    assert_eq!(make().status().unwrap().version, next);
}

pub(crate) fn the_newest_time_is_that_of_the_newest_event(make: Make) {
    let store = make();
    assert_eq!(store.status().unwrap().newest, None);
    history(&*store, &id(1), vec![asked(request()), yes()]);
    assert_eq!(store.status().unwrap().newest, Some(at(10)));
    let earlier = Event { at: at(5), ..asked(request()) };
    store.commit(&append(id(2), 0, earlier)).unwrap();
    assert_eq!(make().status().unwrap().newest, Some(at(10)));
}

pub(crate) fn a_clock_that_was_reset_takes_the_newest_time_back(make: Make) {
    let store = make();
    let mut late = request();
    late.pending_until = at(1_000_000);
    let ahead = Event { at: at(500_000), ..asked(late) };
    let before = store.commit(&append(id(1), 0, ahead)).unwrap();
    assert!(store.reset_newest(at(100)).unwrap() > before);
    assert_eq!(make().status().unwrap().newest, Some(at(100)));
    store.reset_newest(at(200)).unwrap();
    assert_eq!(store.status().unwrap().newest, Some(at(100)), "it is never set forward");
    store.commit(&append(id(2), 0, Event { at: at(150), ..asked(request()) })).unwrap();
    assert_eq!(store.status().unwrap().newest, Some(at(150)));
}
