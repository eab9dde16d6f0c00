//! Which key says what, all below the prefix of `[store] prefix`.
//!
//! | key | value |
//! | --- | --- |
//! | `schema` | the schema's number; every transaction compares it |
//! | `version` | how often it was written, added to `base`, is the store's version |
//! | `base` | 0, until a restored store was accepted |
//! | `newest` | time of the newest event or lock |
//! | `epoch` | a salt; how often it was written is the epoch's count |
//! | `record/ID/N` | event N of the record, JSON; written once, never again |
//! | `person/NAME` | empty; written with every event of the person's records |
//! | `open/NAME/UNTIL/ID` | empty; a record that is open until then, by its events |
//! | `asked/-TIME/ID` | person, repository and entitlement; one a record, newest first |
//! | `held/ID` | empty; a record with a use put aside |
//! | `lock/ID` | the lock, and when and by whom it was lifted, JSON |
//! | `holding/UNTIL/ID` | the lock, JSON, until it is lifted |
//! | `done/KEY` | what was done under an idempotency key, JSON |
//! | `notice/ID` | the notice, JSON, and its place among the due |
//! | `due/TIME/ID` | empty |
//! | `push/KEY` | a push under way, JSON, under a lease |
//! | `claim/KEY` | who writes KEY next, under a short lease: a change that is being recorded |
//! | `change/TIME-RANDOM` | empty; a change that was made in the last minutes |
//!
//! `UNTIL` and `TIME` sort by time, so that a read from now on never sees what has ended: the
//! cost of a look is that of what is open, however much has been.

use crate::access::{Id, Phase, State};
use crate::policy::name::UserName;
use chrono::{DateTime, TimeDelta, Utc};

/// The schema that this program writes and reads.
pub const SCHEMA: u32 = 1;

/// Sorts behind every time.
const NEVER: &str = "~";

/// The prefix with its slash.
#[derive(Debug, Clone)]
pub struct Keys(String);

impl Keys {
    /// Below `prefix`; a slash ends it, so that `a` and `ab` never mix.
    #[must_use]
    pub fn below(prefix: &str) -> Self {
        Self(format!("{}/", prefix.trim_end_matches('/')))
    }

    /// A key of one part, or the beginning of all keys of a kind where `rest` is empty.
    #[must_use]
    pub fn of(&self, kind: &str, rest: &str) -> String {
        format!("{}{kind}/{rest}", self.0)
    }

    /// A key that stands alone.
    #[must_use]
    pub fn alone(&self, name: &str) -> String {
        format!("{}{name}", self.0)
    }

    /// Where a key of this store is claimed.
    #[must_use]
    pub fn claim(&self, key: &str) -> String {
        self.of("claim", key.strip_prefix(&self.0).unwrap_or(key))
    }

    /// Event `n` of a record.
    #[must_use]
    pub fn event(&self, id: &Id, n: u32) -> String {
        format!("{}record/{id}/{n:010}", self.0)
    }

    /// From the first event of a record to behind its last.
    #[must_use]
    pub fn events(&self, id: &Id) -> (String, String) {
        (format!("{}record/{id}/", self.0), format!("{}record/{id}0", self.0))
    }

    /// A kind's keys from a time on, to its last.
    #[must_use]
    pub fn since(&self, kind: &str, from: DateTime<Utc>) -> (String, String) {
        (self.of(kind, &sortable(from)), behind(&self.of(kind, "")))
    }

    /// Where an open record stands in its person's index.
    #[must_use]
    pub fn open(&self, person: &UserName, until: &str, id: &Id) -> String {
        format!("{}open/{person}/{until}/{id}", self.0)
    }

    /// A person's records that are open at `now`.
    #[must_use]
    pub fn open_at(&self, person: &UserName, now: DateTime<Utc>) -> (String, String) {
        self.since(&format!("open/{person}"), now)
    }

    /// Where a record stands among all, newest first.
    #[must_use]
    pub fn asked(&self, at: DateTime<Utc>, id: &Id) -> String {
        self.of("asked", &format!("{}/{id}", backwards(at)))
    }

    /// Records asked for at or after `since` and before `until`, and some within a microsecond.
    #[must_use]
    pub fn asked_between(
        &self,
        since: Option<DateTime<Utc>>,
        until: Option<DateTime<Utc>>,
    ) -> (String, String) {
        let all = self.of("asked", "");
        let from = until.map_or(all.clone(), |until| format!("{all}{}", backwards(until)));
        let to = since.map_or(behind(&all), |since| format!("{all}{}~", backwards(since)));
        (from, to)
    }

    /// Where a lock that holds stands.
    #[must_use]
    pub fn holding(&self, until: Option<DateTime<Utc>>, id: &Id) -> String {
        let until = until.map_or_else(|| NEVER.to_owned(), sortable);
        self.of("holding", &format!("{until}/{id}"))
    }

    /// Where a notice stands among the due.
    #[must_use]
    pub fn due(&self, due: DateTime<Utc>, id: &str) -> String {
        self.of("due", &format!("{}/{id}", sortable(due)))
    }

    /// The notice that a key of [`Keys::due`] is about, whatever its id consists of.
    #[must_use]
    pub fn id_of_due<'a>(&self, key: &'a str) -> &'a str {
        let rest = key.strip_prefix(&self.of("due", "")).unwrap_or(key);
        rest.split_once('/').map_or(rest, |(_, id)| id)
    }

    /// A change's own key, and the changes before `kept` that nobody asks for any more.
    #[must_use]
    pub fn change(&self, at: DateTime<Utc>, random: u64, kept: TimeDelta) -> (String, [String; 2]) {
        let all = self.of("change", "");
        let own = format!("{all}{}-{random:016x}", sortable(at));
        let old = at.checked_sub_signed(kept).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let old = format!("{all}{}", sortable(old));
        (own, [all, old])
    }
}

/// Behind every key that begins so; `prefix` ends with a slash.
#[must_use]
pub fn behind(prefix: &str) -> String {
    format!("{}0", prefix.trim_end_matches('/'))
}

/// The last part of a key.
#[must_use]
pub fn last(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

/// A time whose text sorts as the time does, to the nanosecond.
#[must_use]
pub fn sortable(at: DateTime<Utc>) -> String {
    format!("{:016x}.{:03}", shifted(at), at.timestamp_subsec_nanos() % 1000)
}

/// Reads [`sortable`].
#[must_use]
pub fn time(text: &str) -> Option<DateTime<Utc>> {
    let (micros, nanos) = text.split_once('.')?;
    let micros = (u64::from_str_radix(micros, 16).ok()? ^ (1 << 63)).cast_signed();
    let whole = DateTime::from_timestamp_micros(micros)?;
    whole.checked_add_signed(TimeDelta::nanoseconds(nanos.parse().ok()?))
}

/// Microseconds since 1970, with the sign turned so that it sorts.
fn shifted(at: DateTime<Utc>) -> u64 {
    at.timestamp_micros().cast_unsigned() ^ (1 << 63)
}

fn backwards(at: DateTime<Utc>) -> String {
    format!("{:016x}", u64::MAX - shifted(at))
}

/// Until when a record is open, as its events say; `None` when it is not, whatever the time. One
/// that somebody has still to settle is open without end.
#[must_use]
pub fn open_until(state: &State) -> Option<String> {
    match &state.phase {
        _ if state.unattested || !state.uses.reserved.is_empty() => Some(NEVER.to_owned()),
        Phase::Pending => Some(sortable(state.request.pending_until)),
        Phase::Approved(terms) => Some(sortable(terms.until)),
        Phase::Closed => None,
    }
}

/// Whether a record is open at `now`.
#[must_use]
pub fn is_open(state: &State, now: DateTime<Utc>) -> bool {
    open_until(state).is_some_and(|until| sortable(now) < until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_prefix_never_reaches_into_another() {
        let (short, long) = (Keys::below("/a"), Keys::below("/a-b/"));
        let all = short.of("lock", "");
        assert_eq!(all, "/a/lock/");
        assert!(!long.of("lock", "x").starts_with("/a/"));
        assert!(short.of("lock", "x") < behind(&all));
        assert!(short.of("locks", "x") > behind(&all));
        let id = Id::of([1; 5]);
        let (from, to) = short.events(&id);
        assert!((from..to).contains(&short.event(&id, u32::MAX)));
    }

    #[test]
    fn people_whose_names_begin_alike_are_apart() {
        let keys = Keys::below("/p");
        let name = |text| UserName::parse(text).unwrap();
        let (from, to) = keys.open_at(&name("bob"), DateTime::<Utc>::MIN_UTC);
        for other in ["bob-x", "bob.x", "bobby", "bo", "BOB"] {
            let key = keys.open(&name(other), NEVER, &Id::of([0; 5]));
            assert!(!(from.clone()..to.clone()).contains(&key), "{other}");
        }
        let key = keys.open(&name("bob"), NEVER, &Id::of([255; 5]));
        assert!((from..to).contains(&key));
    }

    proptest! {
        #[test]
        fn times_sort_as_text(a in any::<i64>(), b in any::<i64>(), n in 0_u32..1_000_000_000) {
            let at = |s: i64| DateTime::from_timestamp(s % 200_000_000_000, n).unwrap();
            let (a, b) = (at(a), at(b));
            prop_assert_eq!(a.cmp(&b), sortable(a).cmp(&sortable(b)));
            prop_assert_eq!(b.cmp(&a), backwards(a).cmp(&backwards(b)));
            prop_assert_eq!(time(&sortable(a)), Some(a));
            prop_assert!(sortable(a).as_str() < NEVER);
        }
    }
}
