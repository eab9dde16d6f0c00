use super::super::*;
use super::bed::{Outbox, Receiver, at, to_url};
use crate::access::lab;
use crate::access::notice::{Around, Happened, of_event};
use crate::access::request::Request;
use crate::access::{Actor, Event, Id, Record, Terms, What};
use crate::policy::name::UserName;
use crate::policy::span::Span;
use crate::store::access::{Append, Change};

fn by(text: &str) -> Actor {
    Actor { user: Some(UserName::parse(text).unwrap()), ..Actor::default() }
}

fn event(seconds: i64, who: &str, what: What) -> Event {
    Event { at: at(seconds), by: by(who), what }
}

fn hour() -> Span {
    Span::of_seconds(3600).unwrap()
}

/// Asked for and approved until an hour from now.
fn lent() -> Vec<Event> {
    let request = Request { duration: hour(), ..lab::request(at(1000)) };
    let terms = Some(Terms { from: at(0), until: at(3600), max_uses: None, break_glass: false });
    vec![
        event(-60, "bob", What::Requested(Box::new(request))),
        event(0, "alice", What::Approved { note: None, terms }),
    ]
}

/// The outbox after the last of `events`, with the notices of each.
fn outbox(settings: &[Notify], events: &[Event]) -> Outbox {
    let id = Id::parse("7f3k-92qd").unwrap();
    let outbox = Outbox::new();
    let around = Around {
        host: "git1",
        server: None,
        command: "refwarden",
        zone: crate::policy::window::Zone::default(),
        answered_on_server: true,
        approvers: &[],
    };
    for (after, event) in (0..).zip(events) {
        let events = events[..=after as usize].to_vec();
        let record = Record { id: id.clone(), events };
        let state = record.state().unwrap();
        let happened = Happened { id: &id, seq: record.version(), event, after: &state };
        let notices = of_event(settings, &happened, &around);
        let appends = vec![Append { id: id.clone(), after, event: event.clone() }];
        outbox.commit(&Change { appends, notices, ..Change::default() });
    }
    outbox
}

fn before_end(receiver: &Receiver) -> [Notify; 1] {
    let ten_minutes = Span::of_seconds(600);
    [Notify { events: vec![], before_end: ten_minutes, ..to_url(&receiver.url) }]
}

#[test]
fn the_end_of_a_grant_is_told_in_time() {
    let receiver = Receiver::saying("200 OK");
    let settings = before_end(&receiver);
    let outbox = outbox(&settings, &lent());
    assert_eq!(outbox.deliver(&settings, 2999), Delivery::default());
    assert_eq!(outbox.deliver(&settings, 3000).sent, 1);
    let seen = receiver.seen();
    assert!(seen[0].body.contains(r#""type":"access.ending""#), "{seen:?}");
}

#[test]
fn the_end_of_a_grant_that_no_longer_runs_is_not_told() {
    for what in [What::Returned, What::Revoked { note: None }] {
        let receiver = Receiver::saying("200 OK");
        let settings = before_end(&receiver);
        let mut events = lent();
        events.push(event(100, "bob", what));
        let outbox = outbox(&settings, &events);
        assert_eq!(outbox.deliver(&settings, 3000), Delivery { dropped: 1, ..Delivery::default() });
        assert!(receiver.seen().is_empty() && outbox.left().is_empty());
    }
    let receiver = Receiver::saying("200 OK");
    let settings = before_end(&receiver);
    assert_eq!(outbox(&settings, &lent()).deliver(&settings, 3600).dropped, 1, "too late");
}

#[test]
fn an_extended_grant_is_told_to_end_once_and_at_its_new_end() {
    let receiver = Receiver::saying("200 OK");
    let settings = before_end(&receiver);
    let mut events = lent();
    let asked = What::ExtensionAsked { duration: hour(), reason: None, pending_until: at(9000) };
    events.push(event(100, "bob", asked));
    let until = Some(at(7200));
    events.push(event(200, "alice", What::ExtensionApproved { note: None, until }));
    let outbox = outbox(&settings, &events);
    assert_eq!(outbox.deliver(&settings, 3000), Delivery { dropped: 1, ..Delivery::default() });
    assert_eq!(outbox.deliver(&settings, 6600), Delivery { sent: 1, ..Delivery::default() });
}
