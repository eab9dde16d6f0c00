//! A person's open records, and the token that a decision over them is made on.

use super::super::access::Change;
use super::*;

pub(crate) fn a_pending_request_is_open_until_its_answer_is_late(make: Make) {
    let store = make();
    history(&*store, &id(1), vec![asked(request())]);
    assert_eq!(open_of(&*store, "bob", 0), [id(1)]);
    assert_eq!(open_of(&*store, "bob", 999), [id(1)]);
    assert_eq!(open_of(&*store, "bob", 1000), []);
    assert_eq!(open_of(&*store, "alice", 0), []);
    history(&*store, &id(2), vec![asked(request()), event(1, "bob", What::Withdrawn)]);
    assert_eq!(open_of(&*store, "bob", 0), [id(1)]);
}

pub(crate) fn a_grant_is_open_until_its_end_or_an_event_that_closes_it(make: Make) {
    let store = make();
    history(&*store, &id(1), vec![asked(request()), yes()]);
    let revoked = event(100, "alice", What::Revoked { note: None });
    history(&*store, &id(2), vec![asked(request()), yes(), revoked]);
    history(&*store, &id(3), vec![asked(request()), yes(), event(9, "bob", What::Returned)]);
    assert_eq!(open_of(&*store, "bob", 3609), [id(1)]);
    assert_eq!(open_of(&*store, "bob", 3610), []);
    let whole = store.of_person(&user("bob"), at(20)).unwrap().open;
    assert_eq!(whole[0].events, [asked(request()), yes()]);
}

pub(crate) fn a_broken_glass_is_open_until_it_is_attested(make: Make) {
    let store = make();
    let terms = Terms { from: at(10), until: at(20), max_uses: None, break_glass: true };
    let taken = event(10, "bob", What::Approved { note: None, terms: Some(terms) });
    history(&*store, &id(1), vec![asked(request()), taken]);
    assert_eq!(open_of(&*store, "bob", 15), [id(1)]);
    assert_eq!(open_of(&*store, "bob", 999_999), [id(1)]);
    let attested = event(1_000_000, "alice", What::Attested { note: None });
    store.commit(&append(id(1), 2, attested)).unwrap();
    assert_eq!(open_of(&*store, "bob", 1_000_001), []);
}

pub(crate) fn a_use_put_aside_is_open_until_it_is_settled(make: Make) {
    let store = make();
    let revoked = event(30, "alice", What::Revoked { note: None });
    history(&*store, &id(1), vec![asked(request()), yes(), reserved(20, "push"), revoked]);
    assert_eq!(open_of(&*store, "bob", 40), [id(1)]);
    assert_eq!(open_of(&*store, "bob", 999_999), [id(1)]);
    let spent = Event { at: at(50), by: Actor::rule(), what: What::Spent { key: "push".into() } };
    store.commit(&append(id(1), 4, spent)).unwrap();
    assert_eq!(open_of(&*store, "bob", 51), []);
}

pub(crate) fn an_extension_keeps_a_grant_open_longer(make: Make) {
    let store = make();
    let more = What::ExtensionAsked {
        duration: Span::of_seconds(600).unwrap(),
        reason: None,
        pending_until: at(3000),
    };
    let longer = What::ExtensionApproved { note: None, until: Some(at(4210)) };
    let events = vec![asked(request()), yes(), event(20, "bob", more), event(30, "alice", longer)];
    history(&*store, &id(1), events);
    assert_eq!(open_of(&*store, "bob", 4209), [id(1)]);
    assert_eq!(open_of(&*store, "bob", 4210), []);
}

pub(crate) fn the_token_moves_with_every_event_of_the_person_and_no_other(make: Make) {
    let store = make();
    let token = |who: &str| store.of_person(&user(who), at(0)).unwrap().token;
    let mut seen = vec![token("bob")];
    for (after, event) in [asked(request()), yes(), reserved(20, "push")].into_iter().enumerate() {
        let after = u32::try_from(after).unwrap();
        let stale = Change {
            person: Some((user("bob"), token("bob").wrapping_add(1))),
            ..append(id(1), after, event.clone())
        };
        assert_moved(&store.commit(&stale));
        let fresh = Change { person: Some((user("bob"), token("bob"))), ..stale };
        store.commit(&fresh).unwrap();
        assert!(!seen.contains(&token("bob")));
        seen.push(token("bob"));
        assert_moved(&store.commit(&Change { appends: vec![], ..fresh }));
    }
    let before = token("bob");
    let carol = Request { person: user("carol"), ..request() };
    history(&*store, &id(2), vec![asked(carol)]);
    assert_eq!(token("bob"), before);
}
