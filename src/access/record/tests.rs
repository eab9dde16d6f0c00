use super::*;
use crate::access::lab;
use chrono::TimeDelta;
use proptest::prelude::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_700_000_000 + seconds)
}

fn name(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

fn by(text: &str) -> Actor {
    Actor { user: Some(name(text)), ..Actor::default() }
}

fn event(seconds: i64, actor: Actor, what: What) -> Event {
    Event { at: at(seconds), by: actor, what }
}

fn request() -> Request {
    Request {
        max_uses: Some(2),
        reason: Some("PAY-42 retry storm".into()),
        ..lab::request(at(1000))
    }
}

fn asked() -> State {
    State::begin(&event(0, by("bob"), What::Requested(Box::new(request())))).unwrap()
}

fn terms(from: i64, until: i64) -> Terms {
    Terms { from: at(from), until: at(until), max_uses: Some(2), break_glass: false }
}

fn yes(terms: Option<Terms>) -> What {
    What::Approved { note: None, terms }
}

fn lent() -> State {
    step(asked(), &event(10, by("alice"), yes(Some(terms(10, 3610))))).unwrap()
}

fn words(result: Result<State, Illegal>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_request_is_approved_and_ends_by_the_clock() {
    let state = lent();
    for (seconds, standing) in [
        (10, Standing::Active),
        (3609, Standing::Active),
        (3610, Standing::Ended),
        (i64::from(u32::MAX), Standing::Ended),
    ] {
        assert_eq!(state.standing(at(seconds)), standing, "{seconds}");
    }
}

#[test]
fn a_session_opened_late_in_its_window_does_not_get_the_whole_duration_again() {
    let state = lent();
    let used = step(state, &event(3600, Actor::rule(), reserve("p"))).unwrap();
    assert_eq!(used.standing(at(3611)), Standing::Ended);
}

#[test]
fn nobody_approves_their_own_request_by_any_name_or_key() {
    let own = step(asked(), &event(5, by("bob"), yes(Some(terms(5, 10)))));
    assert_eq!(words(own), "nobody approves their own request");
    let mut first = event(0, by("bob"), What::Requested(Box::new(request())));
    first.by.key = Some("SHA256:x".into());
    let state = State::begin(&first).unwrap();
    let mut second_name = by("robert");
    second_name.key = Some("SHA256:x".into());
    assert!(words(step(state, &event(5, second_name, yes(None)))).contains("own request"));
    let server = Actor { server: Some("root@host".into()), ..Actor::default() };
    assert!(words(step(asked(), &event(5, server, yes(None)))).contains("only a person"));
    let denied = step(asked(), &event(5, by("bob"), What::Denied { note: None }));
    assert!(words(denied).contains("own request"));
}

#[test]
fn the_server_closes_what_is_open_and_approves_nothing() {
    let server = || Actor { server: Some("root@host".into()), ..Actor::default() };
    let denied = step(asked(), &event(5, server(), What::Denied { note: None })).unwrap();
    assert_eq!((denied.phase, denied.last.1), (Phase::Closed, server()));
    let nobody = step(asked(), &event(5, Actor::rule(), What::Denied { note: None }));
    assert!(words(nobody).contains("only a person"));
    let (duration, pending_until) = (Span::of_seconds(60).unwrap(), at(900));
    let more = What::ExtensionAsked { duration, reason: None, pending_until };
    let state = step(lent(), &event(20, by("bob"), more)).unwrap();
    let yes = What::ExtensionApproved { note: None, until: Some(at(3670)) };
    assert!(words(step(state.clone(), &event(30, server(), yes))).contains("only a person"));
    let no = What::ExtensionDenied { note: None };
    let own = step(state.clone(), &event(30, by("bob"), no.clone()));
    assert!(words(own).contains("own request"));
    let state = step(state, &event(30, server(), no)).unwrap();
    assert_eq!((state.extension.is_none(), state.standing(at(40))), (true, Standing::Active));
}

#[test]
fn one_person_approves_once() {
    let state = step(asked(), &event(5, by("alice"), yes(None))).unwrap();
    assert_eq!(state.phase, Phase::Pending);
    let again = step(state, &event(6, by("alice"), yes(Some(terms(6, 10)))));
    assert_eq!(words(again), "alice approved it before");
}

#[test]
fn approving_again_neither_moves_the_end_nor_revives() {
    for state in [lent(), closed()] {
        let before = state.clone();
        let again = step(state, &event(20, by("carol"), yes(Some(terms(20, 99_999)))));
        assert!(words(again).starts_with("it can't be approved: it was "));
        assert_eq!(before.terms, Some(terms(10, 3610)));
    }
}

fn closed() -> State {
    step(lent(), &event(15, by("carol"), What::Revoked { note: None })).unwrap()
}

#[test]
fn whoever_comes_too_late_is_told_who_was_first() {
    let denied = step(asked(), &event(5, by("alice"), What::Denied { note: None })).unwrap();
    let late = step(denied, &event(6, by("carol"), yes(None)));
    assert_eq!(
        words(late),
        "it can't be approved: it was denied by alice, 2023-11-14 22:13:25 UTC"
    );
}

#[test]
fn a_request_that_nobody_answered_is_closed_to_all() {
    let what = [yes(None), What::Denied { note: None }, What::Withdrawn];
    for (what, who) in what.into_iter().zip(["alice", "alice", "bob"]) {
        assert!(words(step(asked(), &event(1000, by(who), what))).contains("nobody answered"));
    }
    assert_eq!(asked().standing(at(1000)), Standing::Unanswered);
}

#[test]
fn only_the_asker_withdraws_and_returns() {
    assert!(words(step(asked(), &event(5, by("alice"), What::Withdrawn))).contains("only bob"));
    assert!(words(step(lent(), &event(15, by("alice"), What::Returned))).contains("only bob"));
    let back = step(lent(), &event(15, by("bob"), What::Returned)).unwrap();
    assert_eq!(back.standing(at(16)), Standing::Closed);
}

#[test]
fn what_has_ended_is_not_revoked_returned_or_extended() {
    let ask = What::ExtensionAsked {
        duration: Span::of_seconds(60).unwrap(),
        reason: None,
        pending_until: at(9999),
    };
    for (who, what) in
        [("carol", What::Revoked { note: None }), ("bob", What::Returned), ("bob", ask)]
    {
        let words = words(step(lent(), &event(3610, by(who), what)));
        assert!(words.starts_with("the grant ended"), "{words}");
    }
}

fn ask_more() -> What {
    What::ExtensionAsked {
        duration: Span::of_seconds(600).unwrap(),
        reason: None,
        pending_until: at(2000),
    }
}

#[test]
fn more_time_is_approved_by_another_and_never_shortens() {
    let state = step(lent(), &event(100, by("bob"), ask_more())).unwrap();
    let yes = |until| What::ExtensionApproved { note: None, until: Some(until) };
    let own = step(state.clone(), &event(110, by("bob"), yes(at(4210))));
    assert!(words(own).contains("own request"));
    let shorter = step(state.clone(), &event(110, by("alice"), yes(at(3000))));
    assert!(words(shorter).contains("later than before"));
    let unanswered = step(state.clone(), &event(2000, by("alice"), yes(at(4210))));
    assert!(words(unanswered).contains("nobody waits"));
    let state = step(state, &event(110, by("alice"), yes(at(4210)))).unwrap();
    assert_eq!((state.standing(at(4209)), state.extensions), (Standing::Active, 1));
    assert!(step(state, &event(120, by("carol"), yes(at(9000)))).is_err());
}

#[test]
fn a_no_to_more_time_leaves_the_grant() {
    let state = step(lent(), &event(100, by("bob"), ask_more())).unwrap();
    let state =
        step(state, &event(110, by("alice"), What::ExtensionDenied { note: None })).unwrap();
    assert_eq!(state.standing(at(3609)), Standing::Active);
    assert_eq!(state.standing(at(3610)), Standing::Ended);
}

fn reserve(key: &str) -> What {
    What::Reserved { key: key.into(), host: "h".into() }
}

#[test]
fn two_uses_are_two_pushes_whatever_is_still_under_way() {
    let rule = Actor::rule;
    let state = step(lent(), &event(20, rule(), reserve("p1"))).unwrap();
    assert!(step(state.clone(), &event(20, rule(), reserve("p1"))).is_err());
    let state = step(state, &event(21, rule(), reserve("p2"))).unwrap();
    assert_eq!((state.standing(at(22)), state.uses_left()), (Standing::UsedUp, Some(0)));
    assert!(step(state.clone(), &event(22, rule(), reserve("p3"))).is_err());
    let state = step(state, &event(23, rule(), What::Released { key: "p1".into() })).unwrap();
    let state = step(state, &event(24, rule(), What::Spent { key: "p2".into() })).unwrap();
    assert!(step(state.clone(), &event(25, rule(), What::Spent { key: "p2".into() })).is_err());
    assert_eq!((state.uses.spent, state.uses_left()), (1, Some(1)));
}

#[test]
fn a_push_under_way_is_settled_after_a_revocation() {
    let state = step(lent(), &event(12, Actor::rule(), reserve("p"))).unwrap();
    let state = step(state, &event(15, by("carol"), What::Revoked { note: None })).unwrap();
    let state = step(state, &event(16, Actor::rule(), What::Spent { key: "p".into() })).unwrap();
    assert_eq!((state.uses.spent, state.standing(at(17))), (1, Standing::Closed));
}

#[test]
fn broken_glass_is_the_askers_own_and_waits_for_somebody_else() {
    let glass = Terms { break_glass: true, ..terms(5, 600) };
    let other = step(asked(), &event(5, by("alice"), yes(Some(glass.clone()))));
    assert!(words(other).contains("only bob"));
    let state = step(asked(), &event(5, by("bob"), yes(Some(glass)))).unwrap();
    assert!(state.unattested && state.standing(at(6)) == Standing::Active);
    let own = step(state.clone(), &event(7, by("bob"), What::Attested { note: None }));
    assert!(words(own).contains("took themselves"));
    let late = step(state, &event(99_999, by("alice"), What::Attested { note: None })).unwrap();
    assert!(!late.unattested && late.standing(at(99_999)) == Standing::Ended);
}

#[test]
fn a_grant_that_would_end_before_it_begins_is_not_made() {
    for (from, until) in [(10, 10), (10, 9), (2, 5)] {
        assert!(step(asked(), &event(6, by("alice"), yes(Some(terms(from, until))))).is_err());
    }
}

#[test]
fn what_does_not_begin_with_a_request_lends_nothing() {
    let id = Id::of([0; 5]);
    let yes = event(5, by("alice"), yes(Some(terms(5, 600))));
    assert!(Record { id: id.clone(), events: vec![] }.state().is_err());
    assert!(Record { id, events: vec![yes] }.state().is_err());
}

fn any_event() -> impl Strategy<Value = Event> {
    let who = prop::sample::select(vec!["bob", "alice", "carol", "dave"]);
    let what = prop_oneof![
        Just(yes(None)),
        (0_i64..3000, 1_i64..3000).prop_map(|(from, more)| yes(Some(terms(from, from + more)))),
        Just(yes(Some(Terms { break_glass: true, ..terms(0, 900) }))),
        Just(What::Denied { note: None }),
        Just(What::Withdrawn),
        Just(What::Revoked { note: None }),
        Just(What::Returned),
        Just(ask_more()),
        (0_i64..5000).prop_map(|t| What::ExtensionApproved { note: None, until: Some(at(t)) }),
        Just(What::Attested { note: None }),
        Just(reserve("p")),
        Just(reserve("q")),
        Just(What::Spent { key: "p".into() }),
        Just(What::Released { key: "p".into() }),
    ];
    (0_i64..3000, who, what, any::<bool>()).prop_map(|(seconds, who, what, rule)| {
        let actor = if rule { Actor::rule() } else { by(who) };
        event(seconds, actor, what)
    })
}

/// A history of the events that fit, in the order of their times, and its states.
fn history(mut events: Vec<Event>) -> (Vec<Event>, Vec<State>) {
    events.sort_by_key(|event| event.at);
    let (mut kept, mut states) = (Vec::new(), vec![asked()]);
    for event in events {
        if let Ok(next) = step(states.last().unwrap().clone(), &event) {
            kept.push(event);
            states.push(next);
        }
    }
    (kept, states)
}

proptest! {
    #[test]
    fn a_closed_record_never_moves(events in proptest::collection::vec(any_event(), 0..25)) {
        let (_, states) = history(events);
        for pair in states.windows(2) {
            if pair[0].phase == Phase::Closed {
                prop_assert_eq!(&pair[1].phase, &Phase::Closed);
                prop_assert_eq!(&pair[0].terms, &pair[1].terms);
            }
        }
    }

    #[test]
    fn a_later_time_never_revives(
        events in proptest::collection::vec(any_event(), 0..25), a in 0_i64..9000, b in 0_i64..9000,
    ) {
        let (_, states) = history(events);
        let last = states.last().unwrap();
        let (early, late) = (a.min(b), a.max(b));
        let gone = [Standing::Ended, Standing::Closed, Standing::UsedUp, Standing::Unanswered];
        if gone.contains(&last.standing(at(early))) {
            prop_assert_ne!(last.standing(at(late)), Standing::Active);
            prop_assert_ne!(last.standing(at(late)), Standing::Scheduled);
        }
    }

    /// Uses never pass the limit, and after approval who, scope and limits never change but for an
    /// end that an approved extension moves later.
    #[test]
    fn limits_hold(events in proptest::collection::vec(any_event(), 0..40)) {
        let (_, states) = history(events);
        for pair in states.windows(2) {
            prop_assert_eq!(&pair[0].request, &pair[1].request);
            if let (Some(before), Some(after)) = (&pair[0].terms, &pair[1].terms) {
                prop_assert_eq!((before.from, before.max_uses), (after.from, after.max_uses));
                prop_assert!(after.until >= before.until);
                prop_assert!(pair[1].uses.taken() <= 2);
            }
        }
    }

    /// Without any one of its events a history is no longer one, or it lends no more than with it:
    /// but for the closing ones, and a store never loses events (its count of them says so).
    #[test]
    fn removing_an_event_never_widens(
        events in proptest::collection::vec(any_event(), 0..25), which in 0_usize..25, now in 0_i64..5000,
    ) {
        let (kept, states) = history(events);
        let Some(removed) = kept.get(which) else { return Ok(()) };
        let takes_away = matches!(
            removed.what,
            What::Denied { .. } | What::Withdrawn | What::Revoked { .. } | What::Returned
                | What::Reserved { .. } | What::Spent { .. } | What::ExtensionDenied { .. }
        );
        if takes_away {
            return Ok(());
        }
        let mut rest = kept.iter().enumerate().filter(|(at, _)| *at != which).map(|(_, e)| e);
        let without = rest.try_fold(asked(), |state, event| step(state, event).ok());
        if let Some(without) = without
            && without.standing(at(now)) == Standing::Active
        {
            let full = states.last().unwrap();
            prop_assert!(
                full.standing(at(now)) == Standing::Active || full.phase == Phase::Closed
                    || full.standing(at(now)) == Standing::UsedUp
            );
        }
    }
}
