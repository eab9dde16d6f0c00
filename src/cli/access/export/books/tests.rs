use super::*;
use crate::access::{Actor, Event as Change, Id, Terms, lab};
use crate::policy::name::UserName;
use chrono::TimeDelta;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_700_000_000 + seconds)
}

fn event(seconds: i64, who: &str, what: What) -> Change {
    let by = Actor { user: UserName::parse(who).ok(), ..Actor::default() };
    Change { at: at(seconds), by, what }
}

/// bob's grant with one push under it.
fn lent(max_uses: Option<u32>) -> Record {
    let terms = Terms { from: at(10), until: at(3610), max_uses, break_glass: false };
    let mut events = vec![
        event(0, "bob", What::Requested(Box::new(lab::request(at(1000))))),
        event(10, "alice", What::Approved { note: None, terms: Some(terms) }),
    ];
    if max_uses.is_some() {
        let key = || "r:1".to_owned();
        events.push(event(20, "", What::Reserved { key: key(), host: "h".into() }));
        events.push(event(21, "", What::Spent { key: key() }));
    }
    Record { id: Id::of([7; 5]), events }
}

/// What the trail would tell of it.
fn told(record: &Record) -> Vec<Told> {
    let events = record.events.iter().filter(|e| !matches!(e.what, What::Reserved { .. }));
    let told = |(seq, event): (usize, &Change)| Told {
        seq: seq as u64 + 1,
        time: event.at,
        word: ledger::word(&event.what).as_str().to_owned(),
        at: Some(ledger::stamp(event.at)),
        push: matches!(event.what, What::Spent { .. }).then(|| "push1".to_owned()),
    };
    events.enumerate().map(told).collect()
}

fn held(record: &Record, lines: Vec<Told>) -> Held {
    let lines = BTreeMap::from([(record.id.to_string(), lines)]);
    Books { lines, ..Books::default() }.hold(record, &record.state().unwrap())
}

#[test]
fn a_record_whose_every_event_has_its_line_agrees() {
    let record = lent(Some(2));
    let held = held(&record, told(&record));
    assert!(held.agrees());
    assert_eq!(held.words(), "every event");
    assert_eq!(held.uses, [Use { at: at(21), push: Some("push1".into()) }]);
}

#[test]
fn an_approval_written_into_the_store_alone_is_found() {
    let record = lent(Some(2));
    let mut lines = told(&record);
    lines.remove(1);
    let held = held(&record, lines);
    assert_eq!(held.words(), "the trail lacks access.approved (2023-11-14T22:13:30.000000Z)");
}

#[test]
fn a_line_of_another_time_does_not_stand_in_for_the_event() {
    let record = lent(Some(2));
    let mut lines = told(&record);
    lines[1].at = Some(ledger::stamp(at(11)));
    let held = held(&record, lines);
    assert_eq!((held.missing.len(), held.extra.len()), (1, 1));
}

#[test]
fn a_revocation_taken_out_of_the_store_is_found() {
    let record = lent(Some(2));
    let mut revoked = record.clone();
    revoked.events.push(event(30, "alice", What::Revoked { note: None }));
    let held = held(&record, told(&revoked));
    assert_eq!(held.words(), "the record lacks access.revoked (line 4)");
}

#[test]
fn lines_of_an_earlier_version_count_by_their_word() {
    let record = lent(Some(2));
    let lines = told(&record).into_iter().map(|one| Told { at: None, ..one }).collect();
    assert!(held(&record, lines).agrees());
}

#[test]
fn pushes_whose_uses_nobody_counts_are_told_by_the_trail_alone() {
    let record = lent(None);
    let mut lines = told(&record);
    for (seq, push) in [(3, "a"), (4, "b"), (5, "b")] {
        let (word, push) = ("access.used".to_owned(), Some(push.to_owned()));
        lines.push(Told { seq, time: at(40), word, at: Some(ledger::stamp(at(40))), push });
    }
    let held = held(&record, lines);
    assert!(held.agrees(), "{held:?}");
    assert_eq!(held.uses.len(), 2, "one was written down twice");
}

#[test]
fn a_use_that_the_store_does_not_count_is_found() {
    let record = lent(Some(2));
    let mut lines = told(&record);
    lines.push(Told { seq: 9, push: Some("push2".into()), ..lines[2].clone() });
    assert_eq!(held(&record, lines).words(), "the record lacks access.used (line 9)");
}

#[test]
fn what_is_older_than_the_trail_is_said_and_no_finding() {
    let record = lent(None);
    let mut lines = told(&record);
    lines.remove(0);
    let lines = BTreeMap::from([(record.id.to_string(), lines)]);
    let books = Books { lines, begins: Some(at(5)), shared: false };
    let held = books.hold(&record, &record.state().unwrap());
    assert!(held.agrees());
    assert_eq!(held.words(), "1 not in the trail that is here");
}
