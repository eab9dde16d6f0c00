//! Changes that are written to the trail first: a line for each that is made, and for no other.

use super::super::access::{Change, Idempotency, StoreError};
use super::races::{at_once, one_wins};
use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Longer than anybody may be held off by a process that is gone.
const LONG: Duration = Duration::from_secs(40);

/// Makes a change whose line is a number added to `lines`.
fn make(store: &dyn AccessStore, change: &Change, lines: &AtomicUsize) -> Result<u64, StoreError> {
    let made = store.commit_recorded(change, &mut || {
        lines.fetch_add(1, Ordering::SeqCst);
        // As long as a trail takes, so that others come in between if they can.
        std::thread::sleep(Duration::from_millis(30));
        true
    });
    made.map(Option::unwrap)
}

pub(crate) fn of_sixteen_approvers_at_once_one_is_recorded(new: Make) {
    history(&*new(), &id(1), vec![asked(request())]);
    let lines = AtomicUsize::new(0);
    let results = at_once(new, 16, |store, number| {
        let yes = Event { by: by(&format!("approver{number}")), ..yes() };
        make(store, &append(id(1), 1, yes), &lines)
    });
    one_wins(&results);
    assert_eq!(lines.load(Ordering::SeqCst), 1, "{results:?}");
    assert_eq!(new().record(&id(1)).unwrap().unwrap().events.len(), 2);
}

pub(crate) fn of_sixteen_decisions_on_one_token_one_is_recorded(new: Make) {
    let token = new().of_person(&user("bob"), at(0)).unwrap().token;
    let lines = AtomicUsize::new(0);
    let results = at_once(new, 16, |store, number| {
        let person = Some((user("bob"), token));
        let change = Change { person, ..append(id(number), 0, asked(request())) };
        // Half of them are not recorded, as a push's reservation is not.
        if number % 2 == 0 { make(store, &change, &lines) } else { store.commit(&change) }
    });
    one_wins(&results);
    let won = results.iter().position(Result::is_ok).unwrap();
    assert_eq!(lines.load(Ordering::SeqCst), usize::from(won % 2 == 0));
    assert_eq!(open_of(&*new(), "bob", 0).len(), 1);
}

pub(crate) fn what_can_not_be_made_is_not_recorded(new: Make) {
    let store = new();
    history(&*store, &id(1), vec![asked(request()), yes()]);
    let idempotency = Some(Idempotency { key: "k".into(), content: "c".into(), id: id(1) });
    let keyed = Change { idempotency, ..Change::default() };
    store.commit(&keyed).unwrap();
    let person = Some((user("bob"), 123_456_789));
    let lifts = vec![(id(9), at(30), "alice".to_owned())];
    let moved = [
        append(id(1), 1, event(20, "bob", What::Withdrawn)),
        append(id(2), 3, yes()),
        Change { person, ..append(id(3), 0, asked(request())) },
        Change { lifts, ..Change::default() },
    ];
    let lines = AtomicUsize::new(0);
    moved.iter().for_each(|change| assert_moved(&make(&*store, change, &lines)));
    assert_taken(&make(&*store, &append(id(1), 0, asked(request())), &lines));
    assert_taken(&make(&*store, &keyed, &lines));
    let illegal = make(&*store, &append(id(1), 2, event(20, "bob", What::Withdrawn)), &lines);
    assert!(matches!(illegal, Err(StoreError::Illegal(_))), "{illegal:?}");
    assert_eq!(lines.load(Ordering::SeqCst), 0);
}

pub(crate) fn a_change_that_could_not_be_recorded_is_not_made(new: Make) {
    let store = new();
    let before = store.status().unwrap();
    let change = append(id(1), 0, asked(request()));
    assert_eq!(store.commit_recorded(&change, &mut || false).unwrap(), None);
    assert_eq!(store.record(&id(1)).unwrap(), None);
    assert_eq!(store.status().unwrap(), before);
    // Nobody is held off by what was given up.
    let start = Instant::now();
    let lines = AtomicUsize::new(0);
    let version = make(&*new(), &change, &lines).unwrap();
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(version > before.version);
    assert!(make(&*store, &Change::default(), &lines).unwrap() > version);
}

pub(crate) fn while_a_change_is_recorded_nobody_moves_what_it_rests_on(new: Make) {
    history(&*new(), &id(1), vec![asked(request()), yes()]);
    let revoked = event(20, "alice", What::Revoked { note: None });
    let store = new();
    std::thread::scope(|scope| {
        let mut others = Vec::new();
        let made = store.commit_recorded(&append(id(1), 2, revoked), &mut || {
            // A push that puts the use aside, and a second person's command.
            others.push(scope.spawn(|| new().commit(&append(id(1), 2, reserved(20, "push")))));
            others.push(scope.spawn(|| {
                let returned = append(id(1), 2, event(20, "bob", What::Returned));
                make(&*new(), &returned, &AtomicUsize::new(0))
            }));
            std::thread::sleep(Duration::from_millis(300));
            assert_eq!(new().record(&id(1)).unwrap().unwrap().version(), 2);
            true
        });
        made.unwrap().unwrap();
        others.into_iter().for_each(|other| assert_moved(&other.join().unwrap()));
    });
    let state = new().record(&id(1)).unwrap().unwrap().state().unwrap();
    assert_eq!((state.last.0, state.uses.taken()), ("revoked", 0));
}

pub(crate) fn whoever_dies_while_recording_holds_nobody_off_for_long(new: Make) {
    history(&*new(), &id(1), vec![asked(request()), yes()]);
    let token = new().of_person(&user("bob"), at(20)).unwrap().token;
    let revoked = event(20, "alice", What::Revoked { note: None });
    let person = Some((user("bob"), token));
    let change = Change { person, ..append(id(1), 2, revoked) };
    // Nothing of what follows `record` is run, as if the process had been killed there.
    let died = std::thread::scope(|scope| {
        let dies =
            || new().commit_recorded(&change, &mut || std::panic::resume_unwind(Box::new(())));
        scope.spawn(dies).join()
    });
    assert!(died.is_err());
    assert_eq!(new().record(&id(1)).unwrap().unwrap().version(), 2, "nothing was changed");
    let start = Instant::now();
    while let Err(error) = new().commit(&append(id(1), 2, reserved(20, "push"))) {
        assert!(matches!(error, StoreError::Moved), "{error}");
        assert!(start.elapsed() < LONG, "held off for {:?}", start.elapsed());
    }
    let again = append(id(1), 3, event(30, "alice", What::Revoked { note: None }));
    make(&*new(), &again, &AtomicUsize::new(0)).unwrap();
}
