use super::*;
use crate::access::lab;
use crate::access::{Actor, Event, What, step};
use crate::policy::entry::{Enforce, Entry, Kind, Permissions, Place};
use crate::policy::model::{Auto, Extend};
use crate::policy::name::UserName;
use crate::policy::refs::RefScope;
use crate::policy::window::Window;
use std::collections::BTreeSet;

fn now() -> DateTime<Utc> {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

fn span(text: &str) -> Span {
    Span::parse(text).unwrap()
}

pub(crate) fn entitlement() -> Entitlement {
    Entitlement {
        description: None,
        entry: Entry {
            kind: Kind::Entitlement("hotfix".into()),
            place: Place { file: 0, line: 1 },
            permissions: Permissions::PUSH,
            to: Some(vec![]),
            except: vec![],
            refs: RefScope::default(),
            paths: None,
            when: Window::default(),
            checks: vec![],
            reason: None,
            enforce: Enforce::Refuse,
            within: None,
        },
        projects: BTreeSet::new(),
        repositories: vec![],
        max_duration: span("4h"),
        default_duration: span("1h"),
        max_until: None,
        max_ahead: span("7d"),
        max_uses: None,
        pending: span("24h"),
        reason_required: true,
        ticket: None,
        ticket_status: vec![],
        approval: vec![],
        auto: None,
        break_glass: false,
        pin: false,
        extend: Some(Extend { times: 1, max_duration: span("30m") }),
    }
}

fn request() -> Request {
    Request { duration: span("1s"), ..lab::request(now()) }
}

fn wish() -> Wish {
    Wish { reason: Some("PAY-42 retry storm".into()), ..Wish::default() }
}

fn fitted(wish: Wish, entitlement: &Entitlement) -> Result<Request, Vec<String>> {
    fit(wish, request(), entitlement, now())
}

#[test]
fn a_wish_takes_the_defaults_of_its_entitlement() {
    let request = fitted(wish(), &entitlement()).unwrap();
    assert_eq!((request.duration, request.max_uses), (span("1h"), None));
    assert_eq!(request.pending_until, now() + span("24h").delta());
}

#[test]
fn every_broken_rule_is_said_at_once() {
    let entitlement = Entitlement {
        max_uses: Some(2),
        ticket: Some(Pattern::parse("regex:PAY-[0-9]+").unwrap()),
        max_until: Some(now()),
        ..entitlement()
    };
    let wish = Wish {
        duration: Some(span("5h")),
        from: Some(now() + span("8d").delta()),
        uses: Some(3),
        reason: Some("  short  ".into()),
        ticket: Some("OPS-1".into()),
    };
    assert_eq!(fitted(wish, &entitlement).unwrap_err().len(), 6);
}

#[test]
fn a_ticket_matches_whole_or_stands_in_the_reason_between_boundaries() {
    let entitlement =
        Entitlement { ticket: Some(Pattern::parse("regex:PAY-[0-9]+").unwrap()), ..entitlement() };
    let ticket = |ticket: Option<&str>, reason: &str| {
        let wish =
            Wish { ticket: ticket.map(Into::into), reason: Some(reason.into()), ..Wish::default() };
        fitted(wish, &entitlement).ok().and_then(|request| request.ticket)
    };
    assert_eq!(ticket(Some("PAY-42"), "long enough text").as_deref(), Some("PAY-42"));
    assert_eq!(ticket(None, "retry storm (PAY-42).").as_deref(), Some("PAY-42"));
    for (given, reason) in [
        (Some("PAY-42x"), "PAY-42 in the reason"),
        (Some(""), "PAY-42 in the reason"),
        (None, "XPAY-42 is another"),
        (None, "PAY-42-b is another"),
        (None, "no ticket here"),
    ] {
        assert_eq!(ticket(given, reason), None, "{given:?} {reason}");
    }
}

#[test]
fn the_clock_starts_at_approval_or_at_the_wanted_begin() {
    let request = fitted(wish(), &entitlement()).unwrap();
    let late = now() + span("20h").delta();
    let terms_late = terms(&request, &entitlement(), None, late).unwrap();
    assert_eq!((terms_late.from, terms_late.until), (late, late + span("1h").delta()));
    let wished = Wish { from: Some(now() + span("2d").delta()), ..wish() };
    let request = fitted(wished, &entitlement()).unwrap();
    let terms = terms(&request, &entitlement(), None, now()).unwrap();
    assert_eq!(terms.from, now() + span("2d").delta());
}

#[test]
fn caps_are_those_of_today_and_of_this_entitlement() {
    let request = fitted(wish(), &entitlement()).unwrap();
    let end = now() + span("30m").delta();
    let tighter = Entitlement {
        max_duration: span("10m"),
        max_uses: Some(1),
        max_until: Some(end),
        ..entitlement()
    };
    let got = terms(&request, &tighter, None, now()).unwrap();
    assert_eq!((got.until, got.max_uses), (now() + span("10m").delta(), Some(1)));
    let cut = Entitlement { max_until: Some(end), ..entitlement() };
    assert_eq!(terms(&request, &cut, None, now()).unwrap().until, end);
    assert!(terms(&request, &cut, None, end).is_err());
    let auto = Auto { when: Window::default(), max_duration: span("5m") };
    let got = terms(&request, &entitlement(), Some(auto.max_duration), now()).unwrap();
    assert_eq!(got.until, now() + span("5m").delta());
}

#[test]
fn more_time_has_a_cap_and_a_number_of_its_own() {
    let by = |name: &str| Actor { user: UserName::parse(name).ok(), ..Actor::default() };
    let asked = Event {
        at: now(),
        by: by("bob"),
        what: What::Requested(Box::new(fitted(wish(), &entitlement()).unwrap())),
    };
    let state = State::begin(&asked).unwrap();
    assert!(extended(&state, &entitlement(), None).is_err());
    let terms = terms(&state.request, &entitlement(), None, now()).unwrap();
    let yes = What::Approved { note: None, terms: Some(terms) };
    let state = step(state, &Event { at: now(), by: by("alice"), what: yes }).unwrap();
    let (more, until) = extended(&state, &entitlement(), None).unwrap();
    assert_eq!((more, until), (span("30m"), now() + span("1h30m").delta()));
    assert!(extended(&state, &entitlement(), Some(span("31m"))).is_err());
    let never = Entitlement { extend: None, ..entitlement() };
    assert!(extended(&state, &never, None).is_err());
    let again = State { extensions: 1, ..state };
    assert!(extended(&again, &entitlement(), None).is_err());
}
