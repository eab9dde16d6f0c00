//! Many clients at once: exactly one wins, and every loser is told.

use super::super::access::{Change, StoreError};
use super::*;
use std::sync::Barrier;

/// Lets `count` clients do one thing each at the same moment; what each of them got.
pub(super) fn at_once<T: Send>(
    make: Make,
    count: u8,
    act: impl Fn(&dyn AccessStore, u8) -> T + Sync,
) -> Vec<T> {
    let barrier = Barrier::new(usize::from(count));
    let (act, barrier) = (&act, &barrier);
    std::thread::scope(|scope| {
        let one = |number| {
            move || {
                let store = make();
                barrier.wait();
                act(&*store, number)
            }
        };
        let all: Vec<_> = (0..count).map(|number| scope.spawn(one(number))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// Exactly one has done it; the others were told that they came too late.
#[track_caller]
pub(super) fn one_wins(results: &[Result<u64, StoreError>]) {
    let late = |result: &&Result<u64, StoreError>| {
        matches!(result, Err(StoreError::Moved | StoreError::Taken | StoreError::Illegal(_)))
    };
    let won = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!((won, results.iter().filter(late).count()), (1, results.len() - 1), "{results:?}");
}

pub(crate) fn one_of_sixteen_makes_the_record(make: Make) {
    let results = at_once(make, 16, |store, _| store.commit(&append(id(1), 0, asked(request()))));
    one_wins(&results);
    assert_eq!(make().record(&id(1)).unwrap().unwrap().events.len(), 1);
}

pub(crate) fn approve_withdraw_and_deny_at_once_leave_one_winner(make: Make) {
    for round in 0..4 {
        history(&*make(), &id(round), vec![asked(request())]);
        let results = at_once(make, 16, |store, number| {
            let event = match number % 3 {
                0 => yes(),
                1 => event(10, "bob", What::Withdrawn),
                _ => event(10, "carol", What::Denied { note: None }),
            };
            store.commit(&append(id(round), 1, event))
        });
        one_wins(&results);
        let record = make().record(&id(round)).unwrap().unwrap();
        assert_eq!(record.events.len(), 2);
        record.state().unwrap();
    }
}

pub(crate) fn sixteen_requests_decided_on_one_token_leave_one(make: Make) {
    let token = make().of_person(&user("bob"), at(0)).unwrap().token;
    let results = at_once(make, 16, |store, number| {
        let person = Some((user("bob"), token));
        store.commit(&Change { person, ..append(id(number), 0, asked(request())) })
    });
    one_wins(&results);
    assert_eq!(open_of(&*make(), "bob", 0).len(), 1);
}

pub(crate) fn the_last_use_is_put_aside_once_by_thirty_two(make: Make) {
    history(&*make(), &id(1), vec![asked(request()), yes()]);
    let taken = at_once(make, 32, |store, number| {
        // As a push does: look again and try again until no use is left.
        let key = format!("push-{number}");
        loop {
            let record = store.record(&id(1)).unwrap().unwrap();
            if record.state().unwrap().uses_left() == Some(0) {
                return false;
            }
            match store.commit(&append(id(1), record.version(), reserved(20, &key))) {
                Ok(_) => return true,
                Err(StoreError::Moved | StoreError::Illegal(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    });
    assert_eq!(taken.into_iter().filter(|taken| *taken).count(), 1);
    let state = make().record(&id(1)).unwrap().unwrap().state().unwrap();
    assert_eq!((state.uses.taken(), state.uses_left()), (1, Some(0)));
}

pub(crate) fn what_many_clients_add_to_many_records_is_all_there(make: Make) {
    let before = make().status().unwrap().version;
    at_once(make, 8, |store, number| {
        let person = Request { person: user(&format!("user{number}")), ..request() };
        history(store, &id(number), vec![asked(person), yes(), reserved(20, "push")]);
    });
    let store = make();
    for number in 0..8 {
        let open = store.of_person(&user(&format!("user{number}")), at(30)).unwrap().open;
        assert_eq!((open.len(), open[0].events.len()), (1, 3));
    }
    assert!(store.status().unwrap().version >= before + 24);
}
