//! Records: their events come back, whole and in order, and nothing is ever half done.

use super::super::access::{Append, Change, Filter, StoreError};
use super::*;

pub(crate) fn what_is_committed_reads_back_whole(make: Make) {
    let store = make();
    let events = vec![asked(request()), yes(), reserved(20, "push-1")];
    history(&*store, &id(1), events.clone());
    for client in [store, make()] {
        let record = client.record(&id(1)).unwrap().unwrap();
        assert_eq!((record.id.clone(), &record.events), (id(1), &events));
        assert_eq!(record.state().unwrap().uses.taken(), 1);
        assert_eq!(client.record(&id(2)).unwrap(), None);
    }
}

pub(crate) fn an_id_that_is_taken_makes_no_second_record(make: Make) {
    let store = make();
    history(&*store, &id(1), vec![asked(request()), yes()]);
    let other = Request { person: user("carol"), ..request() };
    assert_taken(&store.commit(&append(id(1), 0, asked(other))));
    assert_eq!(store.record(&id(1)).unwrap().unwrap().events.len(), 2);
    assert_eq!(open_of(&*store, "carol", 20), []);
}

pub(crate) fn a_change_decided_on_older_events_is_refused(make: Make) {
    let store = make();
    history(&*store, &id(1), vec![asked(request()), yes()]);
    let denied = event(20, "carol", What::Denied { note: None });
    assert_moved(&store.commit(&append(id(1), 1, denied.clone())));
    assert_moved(&store.commit(&append(id(1), 3, denied.clone())));
    assert_moved(&store.commit(&append(id(2), 1, denied)));
    assert_eq!(store.record(&id(1)).unwrap().unwrap().events.len(), 2);
    assert_eq!(store.record(&id(2)).unwrap(), None);
}

pub(crate) fn an_event_that_does_not_fit_changes_nothing(make: Make) {
    let store = make();
    history(&*store, &id(1), vec![asked(request())]);
    let before = store.status().unwrap();
    let own = event(5, "bob", What::Approved { note: None, terms: None });
    for (after, wrong) in [(1, own), (1, event(5, "carol", What::Withdrawn)), (0, yes())] {
        let name = if after == 0 { id(2) } else { id(1) };
        let result = store.commit(&append(name, after, wrong));
        assert!(matches!(result, Err(StoreError::Illegal(_))), "{result:?}");
    }
    assert_eq!(store.record(&id(1)).unwrap().unwrap().events.len(), 1);
    assert_eq!(store.record(&id(2)).unwrap(), None);
    assert_eq!(store.status().unwrap().newest, before.newest);
}

pub(crate) fn a_change_of_several_records_is_whole_or_not_at_all(make: Make) {
    let store = make();
    for number in 1..=3 {
        history(&*store, &id(number), vec![asked(request())]);
    }
    let one = |number: u8, after| Append { id: id(number), after, event: yes() };
    let mut change = Change { appends: vec![one(1, 1), one(2, 1), one(3, 2)], ..Change::default() };
    assert_moved(&store.commit(&change));
    let counts = || -> Vec<usize> {
        (1..=3).map(|n| store.record(&id(n)).unwrap().unwrap().events.len()).collect()
    };
    assert_eq!(counts(), [1, 1, 1]);
    change.appends[2].after = 1;
    let before = store.status().unwrap().version;
    let after = store.commit(&change).unwrap();
    assert!(after > before);
    assert_eq!(counts(), [2, 2, 2]);
}

pub(crate) fn events_are_only_added(make: Make) {
    let store = make();
    let mut lasting = request();
    lasting.max_uses = Some(1000);
    let terms = Terms { from: at(10), until: at(3610), max_uses: Some(1000), break_glass: false };
    let mut events = vec![asked(lasting)];
    events.push(event(10, "alice", What::Approved { note: None, terms: Some(terms) }));
    for number in 0..40 {
        let key = format!("push-{number}");
        events.push(reserved(20 + number, &key));
        let what = if number % 2 == 0 { What::Spent { key } } else { What::Released { key } };
        events.push(Event { at: at(20 + number), by: Actor::rule(), what });
    }
    for (after, event) in events.iter().enumerate() {
        let after = u32::try_from(after).unwrap();
        store.commit(&append(id(1), after, event.clone())).unwrap();
        let now = store.record(&id(1)).unwrap().unwrap();
        assert_eq!(now.events, events[..=after as usize]);
    }
    let last = make().record(&id(1)).unwrap().unwrap();
    assert_eq!(last.state().unwrap().uses.spent, 20);
}

pub(crate) fn hostile_text_comes_back_as_it_was(make: Make) {
    let store = make();
    let texts = [
        "'; DROP TABLE events; --\"".to_owned(),
        "nul \0 and \n newline \r\t \u{7f}\u{1b}[2J".to_owned(),
        "\u{202e}bidi \u{1f600} \u{feff} \u{ffff}".to_owned(),
        "% _ * ? [ ] { } \\ / .. $(x) `x`".to_owned(),
        "x".repeat(1 << 20),
        String::new(),
    ];
    for (number, text) in texts.iter().enumerate() {
        let id = id(u8::try_from(number).unwrap());
        let mut evil = request();
        evil.reason = Some(text.clone());
        evil.ticket = Some(text.chars().take(100).collect());
        evil.repository = format!("a{}", text.chars().take(100).collect::<String>());
        let wanted = evil.repository.clone();
        let event = asked(evil);
        store.commit(&append(id.clone(), 0, event.clone())).unwrap();
        assert_eq!(store.record(&id).unwrap().unwrap().events, std::slice::from_ref(&event));
        let filter = Filter { repository: Some(wanted), ..Filter::default() };
        let found = store.list(&filter).unwrap();
        assert_eq!(found.len(), if text.is_empty() { 1 } else { found.len().max(1) });
        assert!(found.iter().any(|record| record.id == id), "{text:?}");
    }
    assert_eq!(open_of(&*store, "bob", 1).len(), texts.len());
}

pub(crate) fn every_filter_of_the_list_narrows_it(make: Make) {
    let store = make();
    let ask = |number: u8, seconds: i64, request: Request| {
        let event = Event { at: at(seconds), ..asked(request) };
        store.commit(&append(id(number), 0, event)).unwrap();
    };
    let entitlement = |name| EntitlementName::parse(name).unwrap();
    ask(1, 0, request());
    ask(2, 10, Request { person: user("carol"), ..request() });
    ask(3, 20, Request { repository: "payments/web".into(), ..request() });
    ask(4, 30, Request { entitlement: entitlement("deploy"), ..request() });
    let approved = Event { at: at(40), ..yes() };
    store.commit(&append(id(4), 1, approved)).unwrap();
    store.commit(&append(id(4), 2, reserved(50, "push"))).unwrap();
    store.commit(&append(id(3), 1, event(60, "bob", What::Withdrawn))).unwrap();
    let ids = |filter: Filter| -> Vec<Id> {
        store.list(&filter).unwrap().into_iter().map(|record| record.id).collect()
    };
    let all = Filter::default();
    assert_eq!(ids(all.clone()), [id(4), id(3), id(2), id(1)], "newest first");
    assert_eq!(ids(Filter { limit: 2, ..all.clone() }), [id(4), id(3)]);
    assert_eq!(ids(Filter { person: Some(user("carol")), ..all.clone() }), [id(2)]);
    assert_eq!(ids(Filter { repository: Some("payments/web".into()), ..all.clone() }), [id(3)]);
    let deploy = Filter { entitlement: Some(entitlement("deploy")), ..all.clone() };
    assert_eq!(ids(deploy), [id(4)]);
    assert_eq!(ids(Filter { open_at: Some(at(70)), ..all.clone() }), [id(4), id(2), id(1)]);
    // A use put aside outlasts the end of everything.
    assert_eq!(ids(Filter { open_at: Some(at(99_999)), ..all.clone() }), [id(4)]);
    assert_eq!(ids(Filter { reserved: true, ..all.clone() }), [id(4)]);
    assert_eq!(ids(Filter { since: Some(at(10)), until: Some(at(30)), ..all.clone() }).len(), 2);
    let both = Filter { person: Some(user("bob")), open_at: Some(at(70)), limit: 1, ..all };
    assert_eq!(ids(both), [id(4)]);
}
