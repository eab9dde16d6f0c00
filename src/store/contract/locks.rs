//! Locks: laid, ended by the clock, lifted.

use super::super::access::Change;
use super::*;
use crate::access::{Lock, LockScope};
use crate::policy::pattern::Pattern;

fn lock(number: u8, until: Option<i64>) -> Lock {
    Lock {
        id: id(number),
        scope: LockScope::default(),
        permissions: Permissions::UPDATE,
        message: "incident".into(),
        by: by("alice"),
        at: at(0),
        until: until.map(at),
    }
}

fn lay(locks: Vec<Lock>) -> Change {
    Change { locks, ..Change::default() }
}

fn lift(number: u8, seconds: i64) -> Change {
    Change { lifts: vec![(id(number), at(seconds), "alice".into())], ..Change::default() }
}

fn held(store: &dyn AccessStore, seconds: i64) -> Vec<Id> {
    let mut held: Vec<Id> = store.locks(at(seconds)).unwrap().into_iter().map(|l| l.id).collect();
    held.sort();
    held
}

pub(crate) fn a_lock_holds_from_now_on_until_its_end(make: Make) {
    let store = make();
    assert_eq!(held(&*store, 0), []);
    let before = store.status().unwrap().version;
    let after = store.commit(&lay(vec![lock(1, Some(100)), lock(2, Some(200))])).unwrap();
    assert!(after > before);
    assert_eq!(held(&*store, 99), [id(1), id(2)]);
    assert_eq!(held(&*store, 100), [id(2)]);
    assert_eq!(held(&*store, 200), []);
    assert_taken(&store.commit(&lay(vec![lock(3, None), lock(2, None)])));
    assert_eq!(held(&*store, 150), [id(2)], "nothing of a refused change stays");
}

pub(crate) fn a_lock_is_lifted_once(make: Make) {
    let store = make();
    store.commit(&lay(vec![lock(1, None), lock(2, None)])).unwrap();
    let before = store.status().unwrap().version;
    assert!(store.commit(&lift(1, 10)).unwrap() > before);
    assert_eq!(held(&*store, 11), [id(2)]);
    assert_moved(&store.commit(&lift(1, 20)));
    assert_moved(&store.commit(&lift(9, 20)));
    assert_taken(&store.commit(&lay(vec![lock(1, None)])));
    assert_eq!(held(&*make(), 11), [id(2)]);
}

pub(crate) fn a_lock_without_an_end_holds_until_it_is_lifted(make: Make) {
    let store = make();
    store.commit(&lay(vec![lock(1, None)])).unwrap();
    assert_eq!(held(&*store, i64::from(i32::MAX)), [id(1)]);
    store.commit(&lift(1, 5)).unwrap();
    assert_eq!(held(&*store, 6), []);
}

pub(crate) fn a_lock_comes_back_as_it_was_laid(make: Make) {
    let store = make();
    let mut whole = lock(1, Some(77));
    whole.scope.person = Some(user("bob"));
    whole.scope.project = Some(ProjectName::parse("PAY").unwrap());
    whole.scope.repository = Some(Pattern::parse("payments/**").unwrap());
    whole.scope.refs =
        RefScope { include: vec![exactly(b"refs/tags/v1").unwrap()], exclude: vec![] };
    whole.message = "'\"\0\n<script>".into();
    store.commit(&lay(vec![whole.clone()])).unwrap();
    assert_eq!(make().locks(at(0)).unwrap(), [whole]);
    assert_eq!(store.status().unwrap().newest, Some(at(0)));
}
