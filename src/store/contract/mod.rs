//! What must hold of every store, as one suite that each backend runs over itself.
//!
//! A backend names a function that makes a fresh, empty store, and gets one test a rule:
//!
//! ```ignore
//! fn fresh() -> (Keeper, impl Fn() -> Box<dyn AccessStore> + Sync) { … }
//! crate::store::contract::contract_tests!(fresh);
//! ```
//!
//! Each call of the returned function is another client of that one store, as another process
//! would be; the keeper is dropped when the test is over.

pub(crate) mod clients;
pub(crate) mod locks;
pub(crate) mod open;
pub(crate) mod outbox;
pub(crate) mod races;
pub(crate) mod recorded;
pub(crate) mod records;

use super::access::{AccessStore, Append, Change, StoreError};
use crate::access::lab;
use crate::access::request::exactly;
use crate::access::{Actor, Event, Id, Request, Terms, What};
use crate::policy::entry::Permissions;
use crate::policy::name::{EntitlementName, ProjectName, UserName};
use crate::policy::refs::RefScope;
use crate::policy::span::Span;
use chrono::{DateTime, TimeDelta, Utc};

/// Makes another client of the one store.
pub(crate) type Make<'a> = &'a (dyn Fn() -> Box<dyn AccessStore> + Sync);

/// One test for each rule of the suite.
macro_rules! contract_tests {
    ($fresh:path: $($part:ident { $($rule:ident)+ })+) => {
        $($(
            #[test]
            fn $rule() {
                let (keeper, make) = $fresh();
                $crate::store::contract::$part::$rule(&make);
                drop(keeper);
            }
        )+)+
    };
    ($fresh:path) => {
        $crate::store::contract::contract_tests! { $fresh:
            records {
                what_is_committed_reads_back_whole
                an_id_that_is_taken_makes_no_second_record
                a_change_decided_on_older_events_is_refused
                an_event_that_does_not_fit_changes_nothing
                a_change_of_several_records_is_whole_or_not_at_all
                events_are_only_added
                hostile_text_comes_back_as_it_was
                every_filter_of_the_list_narrows_it
            }
            open {
                a_pending_request_is_open_until_its_answer_is_late
                a_grant_is_open_until_its_end_or_an_event_that_closes_it
                a_broken_glass_is_open_until_it_is_attested
                a_use_put_aside_is_open_until_it_is_settled
                an_extension_keeps_a_grant_open_longer
                the_token_moves_with_every_event_of_the_person_and_no_other
            }
            locks {
                a_lock_holds_from_now_on_until_its_end
                a_lock_is_lifted_once
                a_lock_without_an_end_holds_until_it_is_lifted
                a_lock_comes_back_as_it_was_laid
            }
            clients {
                a_key_that_was_used_tells_what_it_did
                the_version_only_rises
                an_accepted_store_has_a_version_above_the_floor
                the_newest_time_is_that_of_the_newest_event
                a_clock_that_was_reset_takes_the_newest_time_back
            }
            outbox {
                notices_are_due_oldest_first_and_not_before
                a_notice_that_was_delivered_is_gone
                two_senders_do_not_both_take_a_notice
                a_change_that_fails_sends_no_notice
            }
            races {
                one_of_sixteen_makes_the_record
                approve_withdraw_and_deny_at_once_leave_one_winner
                sixteen_requests_decided_on_one_token_leave_one
                the_last_use_is_put_aside_once_by_thirty_two
                what_many_clients_add_to_many_records_is_all_there
            }
            recorded {
                of_sixteen_approvers_at_once_one_is_recorded
                of_sixteen_decisions_on_one_token_one_is_recorded
                what_can_not_be_made_is_not_recorded
                a_change_that_could_not_be_recorded_is_not_made
                while_a_change_is_recorded_nobody_moves_what_it_rests_on
                whoever_dies_while_recording_holds_nobody_off_for_long
            }
        }
    };
}
pub(crate) use contract_tests;

/// Some seconds after a fixed day.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_790_000_000 + seconds)
}

pub(crate) fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

pub(crate) fn by(name: &str) -> Actor {
    Actor { user: Some(user(name)), source: Some("ssh".into()), ..Actor::default() }
}

/// The `number`th id of a test.
pub(crate) fn id(number: u8) -> Id {
    Id::of([7, 7, 7, 7, number])
}

/// bob asks for `hotfix` in `payments/api`; unanswered after 1000 s.
pub(crate) fn request() -> Request {
    Request {
        max_uses: Some(1),
        reason: Some("PAY-42 retry storm".into()),
        ..lab::request(at(1000))
    }
}

pub(crate) fn event(seconds: i64, who: &str, what: What) -> Event {
    Event { at: at(seconds), by: by(who), what }
}

pub(crate) fn asked(request: Request) -> Event {
    let who = request.person.as_str().to_owned();
    event(0, &who, What::Requested(Box::new(request)))
}

/// alice's yes: from 10 s to 3610 s, one use.
pub(crate) fn yes() -> Event {
    let terms = Terms { from: at(10), until: at(3610), max_uses: Some(1), break_glass: false };
    event(10, "alice", What::Approved { note: None, terms: Some(terms) })
}

pub(crate) fn reserved(seconds: i64, key: &str) -> Event {
    let what = What::Reserved { key: key.into(), host: "h1".into() };
    Event { at: at(seconds), by: Actor::rule(), what }
}

pub(crate) fn append(id: Id, after: u32, event: Event) -> Change {
    Change { appends: vec![Append { id, after, event }], ..Change::default() }
}

/// Adds events to a record that has none.
pub(crate) fn history(store: &dyn AccessStore, id: &Id, events: Vec<Event>) {
    for (after, event) in events.into_iter().enumerate() {
        let after = u32::try_from(after).unwrap();
        store.commit(&append(id.clone(), after, event)).unwrap();
    }
}

/// The ids of a person's open records.
pub(crate) fn open_of(store: &dyn AccessStore, who: &str, seconds: i64) -> Vec<Id> {
    let found = store.of_person(&user(who), at(seconds)).unwrap();
    found.open.into_iter().map(|record| record.id).collect()
}

#[track_caller]
pub(crate) fn assert_moved<T: std::fmt::Debug>(result: &Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Moved)), "{result:?}");
}

#[track_caller]
pub(crate) fn assert_taken<T: std::fmt::Debug>(result: &Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Taken)), "{result:?}");
}
