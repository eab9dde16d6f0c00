//! The outbox: notices leave it when they were sent, and no two senders send one.

use super::super::access::{Change, Notice};
use super::*;

fn notice(number: u8, due: i64) -> Notice {
    Notice {
        id: format!("msg_{number}"),
        target: "https://hooks.example.org/a?b='\"".into(),
        event: "access.requested".into(),
        body: "{\"text\":\"nul \\u0000 quote ' \u{1f600}\"}".into(),
        at: at(0),
        due: at(due),
        while_lent: Some(id(1)),
        tries: 0,
    }
}

fn queue(notices: Vec<Notice>) -> Change {
    Change { notices, ..Change::default() }
}

fn due(store: &dyn AccessStore, seconds: i64, most: usize) -> Vec<String> {
    store.due(at(seconds), most).unwrap().into_iter().map(|notice| notice.id).collect()
}

pub(crate) fn notices_are_due_oldest_first_and_not_before(make: Make) {
    let store = make();
    store.commit(&queue(vec![notice(3, 30), notice(1, 10), notice(2, 20)])).unwrap();
    assert_eq!(due(&*store, 9, 9), Vec::<String>::new());
    assert_eq!(due(&*store, 10, 9), ["msg_1"]);
    assert_eq!(due(&*make(), 99, 9), ["msg_1", "msg_2", "msg_3"]);
    assert_eq!(due(&*store, 99, 2), ["msg_1", "msg_2"]);
    assert_eq!(due(&*store, 99, 0), Vec::<String>::new());
    assert_eq!(store.due(at(10), 1).unwrap(), [notice(1, 10)]);
}

pub(crate) fn a_notice_that_was_delivered_is_gone(make: Make) {
    let store = make();
    store.commit(&queue(vec![notice(1, 10), notice(2, 20)])).unwrap();
    store.delivered("msg_1").unwrap();
    store.delivered("msg_1").unwrap();
    store.delivered("never there' --").unwrap();
    assert_eq!(due(&*make(), 99, 9), ["msg_2"]);
    assert!(!store.postpone("msg_1", 0, at(50)).unwrap(), "it does not come back");
    assert_eq!(due(&*store, 99, 9), ["msg_2"]);
}

pub(crate) fn two_senders_do_not_both_take_a_notice(make: Make) {
    let store = make();
    store.commit(&queue(vec![notice(1, 10)])).unwrap();
    for tries in 0..5 {
        let taken: usize = std::thread::scope(|scope| {
            let sender = || usize::from(make().postpone("msg_1", tries, at(20)).unwrap());
            let all: Vec<_> = (0..4).map(|_| scope.spawn(sender)).collect();
            all.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(taken, 1);
        assert_eq!(store.due(at(20), 9).unwrap(), [Notice { tries: tries + 1, ..notice(1, 20) }]);
    }
    assert!(!store.postpone("msg_1", 4, at(0)).unwrap(), "an old number of tries");
    assert_eq!(due(&*store, 19, 9), Vec::<String>::new());
}

pub(crate) fn a_change_that_fails_sends_no_notice(make: Make) {
    let store = make();
    let wrong = Change { notices: vec![notice(1, 0)], ..append(id(1), 1, yes()) };
    assert_moved(&store.commit(&wrong));
    assert_eq!(due(&*store, 99, 9), Vec::<String>::new());
}
