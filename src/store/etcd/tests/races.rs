//! Hosts that want the same thing at once.

use super::cluster::common;
use super::*;
use std::sync::Barrier;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(20);

#[test]
fn of_two_hundred_pairs_on_a_last_use_one_each_gets_it() {
    let store = common().made("/pairs");
    (0..200).for_each(|number| lend(&store, &id(number), "bob", 1));
    let barrier = Barrier::new(2);
    let host = |own: &'static str| {
        let store = common().store("/pairs", DEADLINE);
        let barrier = &barrier;
        move || -> Vec<bool> {
            (0..200)
                .map(|number| {
                    barrier.wait();
                    match store.commit(&reserve(&id(number), 2, own)) {
                        Ok(_) => true,
                        Err(StoreError::Moved) => false,
                        Err(other) => panic!("{other}"),
                    }
                })
                .collect()
        }
    };
    let (one, other) = std::thread::scope(|scope| {
        let (one, other) = (scope.spawn(host("one")), scope.spawn(host("other")));
        (one.join().unwrap(), other.join().unwrap())
    });
    for (number, (a, b)) in (0..).zip(one.iter().zip(&other)) {
        assert!(a != b, "pair {number}: {a} and {b}");
        let state = store.record(&id(number)).unwrap().unwrap().state().unwrap();
        let winner = if *a { "one" } else { "other" };
        assert_eq!(state.uses.reserved.keys().collect::<Vec<_>>(), [winner]);
        assert_eq!(state.uses_left(), Some(0));
    }
    assert!(one.contains(&true) && other.contains(&true), "a race, not a queue");
}

#[test]
fn of_sixteen_approvers_at_once_each_counts_once_and_none_starves() {
    let store = common().made("/sixteen");
    store.commit(&ask(&id(1), "bob", 0)).unwrap();
    let before = store.status().unwrap().version;
    let approver = |number: usize| {
        let store = common().store("/sixteen", DEADLINE);
        move || loop {
            let after = store.record(&id(1)).unwrap().unwrap().version();
            let yes = What::Approved { note: None, terms: None };
            let change = append(&id(1), after, 5, by(&format!("approver{number}")), yes);
            match store.commit(&change) {
                Ok(version) => return version,
                Err(StoreError::Moved) => {}
                Err(other) => panic!("{other}"),
            }
        }
    };
    let mut versions: Vec<u64> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..16).map(|number| scope.spawn(approver(number))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    versions.sort_unstable();
    assert_eq!(versions, (before + 1..=before + 16).collect::<Vec<_>>());
    let record = store.record(&id(1)).unwrap().unwrap();
    assert_eq!(record.state().unwrap().approvals.len(), 16);
}

#[test]
fn hosts_that_change_other_records_never_stand_in_each_others_way() {
    let store = common().made("/apart");
    let before = store.status().unwrap().version;
    let host = |number: u32| {
        let store = common().store("/apart", DEADLINE);
        // Once, without trying again: the person, the version and the newest time are shared.
        move || {
            for turn in 0..20 {
                store.commit(&ask(&id(number * 100 + turn), "bob", i64::from(turn))).unwrap();
            }
        }
    };
    std::thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(host(number));
        }
    });
    let after = store.status().unwrap();
    assert_eq!((after.version, after.newest), (before + 160, Some(at(19))));
}

#[test]
fn a_decision_on_what_a_person_has_open_falls_when_that_moves() {
    let store = common().made("/token");
    store.commit(&ask(&id(1), "bob", 0)).unwrap();
    let token = store.of_person(&name("bob"), at(5)).unwrap().token;
    let with = |number: u32, token: u64| Change {
        person: Some((name("bob"), token)),
        ..ask(&id(number), "bob", 1)
    };
    store.commit(&with(2, token)).unwrap();
    assert!(matches!(store.commit(&with(3, token)), Err(StoreError::Moved)));
    assert!(store.record(&id(3)).unwrap().is_none());
}

#[test]
fn a_claim_that_ended_while_recording_is_no_way_past_another_change() {
    let store = common().made("/lapsed");
    let claims = store.keys.of("claim", "");
    let lapse = || {
        let all = wire::delete_range(&claims, &super::super::keys::behind(&claims));
        let txn = wire::Txn { success: vec![all], ..wire::Txn::default() };
        store.call().send(&txn).unwrap();
    };
    // Nothing has moved: the change still holds, and its line is true.
    let made = store.commit_recorded(&ask(&id(1), "bob", 0), &mut || {
        lapse();
        true
    });
    made.unwrap().unwrap();
    // Another has moved it: told, and not to be tried again.
    let denied = append(&id(1), 1, 5, by("carol"), What::Denied { note: None });
    let made = store.commit_recorded(&append(&id(1), 1, 10, by("alice"), yes(1)), &mut || {
        lapse();
        store.commit(&denied).unwrap();
        true
    });
    assert!(is_unavailable(made).contains("nothing was changed"));
    assert_eq!(store.record(&id(1)).unwrap().unwrap().state().unwrap().last.0, "denied");
}
