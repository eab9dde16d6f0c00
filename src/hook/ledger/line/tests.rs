use super::*;
use crate::access::{Seen, Terms, lab, step};
use crate::policy::name::UserName;
use crate::policy::span::Span;
use chrono::TimeDelta;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_700_000_000 + seconds)
}

fn by(name: &str) -> Actor {
    Actor { user: Some(UserName::parse(name).unwrap()), ..Actor::default() }
}

fn id() -> Id {
    Id::of([7; 5])
}

fn seen(name: &[u8]) -> Seen {
    let name = crate::push::RefName::new(name).to_string();
    let (old, new) = ("0".repeat(40), "1".repeat(40));
    let seen = serde_json::json!({ "name": name, "action": "update", "old": old, "new": new });
    serde_json::from_value(seen).unwrap()
}

fn event(who: &str, what: What) -> Event {
    Event { at: at(10), by: by(who), what }
}

/// bob's request, and alice's yes to it.
fn approved(request: Request) -> (State, Event) {
    let asked = event("bob", What::Requested(Box::new(request)));
    let terms = Terms { from: at(10), until: at(3610), max_uses: Some(3), break_glass: false };
    let yes = event(
        "alice",
        What::Approved { note: Some("for the incident".into()), terms: Some(terms) },
    );
    (step(State::begin(&asked).unwrap(), &yes).unwrap(), yes)
}

fn detail(line: &Record, key: &str) -> Option<String> {
    line.detail.get(&Text::new(key)).map(ToString::to_string)
}

#[test]
fn a_yes_tells_what_was_lent_and_in_whose_words() {
    let request = Request {
        seen: vec![seen(b"refs/heads/main"), seen(b"refs/heads/\xff\xc3\xa9")],
        reason: Some("PAY-42 retry storm".into()),
        ticket: Some("PAY-42".into()),
        ..lab::request(at(1000))
    };
    let (state, yes) = approved(request);
    let line = line(&id(), &state, &yes);
    assert_eq!(line.event.as_str(), "access.approved");
    let names: Vec<Vec<u8>> = line.refs.iter().map(|one| one.name.to_bytes()).collect();
    assert_eq!(names, [b"refs/heads/main".to_vec(), b"refs/heads/\xff\xc3\xa9".to_vec()]);
    assert_eq!(line.refs[0].action, Some("update".into()));
    assert_eq!(
        (line.refs[0].old.as_str(), line.refs[0].new.as_str()),
        ("0".repeat(40).as_str(), "1".repeat(40).as_str())
    );
    for (key, value) in [
        ("scope", "update of refs/heads/main"),
        ("note", "for the incident"),
        ("at", "2023-11-14T22:13:30.000000Z"),
        ("from", "2023-11-14T22:13:30.000000Z"),
        ("until", "2023-11-14T23:13:30.000000Z"),
        ("uses", "3"),
        ("uses-left", "3"),
        ("person", "bob"),
    ] {
        assert_eq!(detail(&line, key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(
        (line.reason, line.ticket),
        (Some("PAY-42 retry storm".into()), Some("PAY-42".into()))
    );
    assert_eq!(line.approvers, ["alice".into()]);
}

#[test]
fn more_time_is_told_with_the_words_that_asked_for_it() {
    let (state, _) = approved(lab::request(at(1000)));
    let duration = Span::of_seconds(600).unwrap();
    let reason = Some("still on it, all night".to_owned());
    let asks = event("bob", What::ExtensionAsked { duration, reason, pending_until: at(900) });
    let line = line(&id(), &step(state, &asks).unwrap(), &asks);
    assert_eq!(line.reason, Some("still on it, all night".into()));
    assert_eq!(detail(&line, "more").as_deref(), Some("10 min"));
}

#[test]
fn a_request_of_any_size_makes_a_line_of_bounded_size() {
    let long = [b"refs/heads/".as_slice(), &[b'x'; 4000]].concat();
    let mut request = lab::request(at(1000));
    request.seen = vec![seen(&long); 500];
    request.refs.include =
        vec![crate::access::request::exactly(b"refs/heads/topic").unwrap(); 5000];
    request.reason = Some("x".repeat(1000));
    let (state, yes) = approved(request);
    let line = line(&id(), &state, &yes);
    let text = serde_json::to_string(&line).unwrap();
    assert!(text.len() < 4 * MAX_BYTES, "{}", text.len());
    let left_out: usize = detail(&line, "refs-left-out").unwrap().parse().unwrap();
    assert_eq!(line.refs.len() + left_out, 500);
    assert!(detail(&line, "scope").unwrap().ends_with("and 4900 more"));
}

#[test]
fn no_word_of_a_person_leaves_its_field() {
    let evil = "x\n{\"seq\":1}\r\n\u{202e}\u{1b}[2J";
    let mut request = lab::request(at(1000));
    (request.reason, request.ticket) = (Some(evil.into()), Some(evil.into()));
    request.checks = vec![evil.into()];
    request.repository = evil.into();
    let (state, _) = approved(request);
    let no = event("alice", What::Revoked { note: Some(evil.into()) });
    let line = line(&id(), &step(state, &no).unwrap(), &no);
    let text = serde_json::to_string(&line).unwrap();
    assert!(!text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{text}");
}
