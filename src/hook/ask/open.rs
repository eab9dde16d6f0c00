//! What one human has open, under whatever name: what the cap of open requests and an unattested
//! glass are held against.
//!
//! A service counts as its owner, as it does where nobody approves their own request; names that the
//! policy does not know to be one human are two. A record that can't be read counts against asking.

use crate::access::{Id, Standing, State};
use crate::hook::desk::Payload;
use crate::policy::compiled::{Compiled, CompiledError};
use crate::policy::name::UserName;
use crate::store::access::{AccessStore, Filter, OfPerson, StoreError};
use chrono::{DateTime, TimeDelta, Utc};

/// The open records of one human.
pub struct Open {
    /// Those of the name that asks.
    own: OfPerson,
    /// The human's own name, and the token that anything decided about them stands on.
    pub human: (UserName, u64),
    /// Those of the human's other names.
    others: Vec<crate::access::Record>,
    /// When requests were filed within [`RECENT`], under any name, the latest first.
    filed: Vec<DateTime<Utc>>,
}

/// How long what was filed counts, in hours, also where it was withdrawn or answered since.
const RECENT: i64 = 1;
/// So many times `max-open` may be filed in that time: whoever files and withdraws makes as many
/// notices, events and lines of the trail as they like otherwise.
const TIMES_OPEN: u32 = 4;
/// As many as may be filed in that time at least.
const LEAST: u32 = 20;

/// The human behind a name: their own name, and their other ones.
pub struct Human {
    name: UserName,
    others: Vec<UserName>,
}

/// The human behind `person`; names count active or not.
///
/// # Errors
/// The applied policy is damaged.
pub fn human(policy: &Compiled<Payload>, person: &UserName) -> Result<Human, CompiledError> {
    let users = policy.policy()?.users;
    let human = |name: &UserName| users.get(name).and_then(|user| user.owner.clone());
    let me = human(person).unwrap_or_else(|| person.clone());
    let same = |name: &&UserName| human(name).as_ref().unwrap_or(name) == &me && *name != person;
    let others = users.keys().filter(same).cloned().collect();
    Ok(Human { name: me, others })
}

impl Open {
    /// Reads what `person` and the other names of the `human` behind have open at `now`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn of(
        store: &dyn AccessStore,
        person: &UserName,
        human: &Human,
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        // The token first: what any name files meanwhile moves it.
        let token = store.of_person(&human.name, now)?.token;
        let own = store.of_person(person, now)?;
        let mut others = Vec::new();
        let mut filed = filed(store, person, now)?;
        for name in &human.others {
            others.extend(store.of_person(name, now)?.open);
            filed.extend(self::filed(store, name, now)?);
        }
        filed.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Self { own, human: (human.name.clone(), token), others, filed })
    }

    /// The same without one record.
    #[must_use]
    pub fn without(mut self, id: &Id) -> Self {
        self.own.open.retain(|record| record.id != *id);
        self
    }

    /// The name's open request of the same scope.
    #[must_use]
    pub fn same(&self, fingerprint: &str, now: DateTime<Utc>) -> Option<(Id, State)> {
        self.own.open.iter().find_map(|record| {
            let state = record.state().ok()?;
            let same = state.standing(now) == Standing::Pending
                && state.request.fingerprint() == fingerprint;
            same.then(|| (record.id.clone(), state))
        })
    }

    /// Whether the human may ask for anything now.
    ///
    /// # Errors
    /// Words: too many open requests, or too many filed of late, a broken glass that nobody has
    /// attested, or a record that can't be read.
    pub fn may_ask(&self, max_open: u32, now: DateTime<Utc>) -> Result<(), String> {
        let mut waiting = 0_usize;
        for record in self.own.open.iter().chain(&self.others) {
            let id = &record.id;
            let state = record.state().map_err(|illegal| {
                format!("your record {id} is damaged ({illegal}): tell the server's admin")
            })?;
            if state.unattested {
                return Err(format!(
                    "an approver must attest {id} first (broken glass): until then nothing new"
                ));
            }
            waiting += usize::from(state.standing(now) == Standing::Pending);
        }
        match u32::try_from(waiting).is_ok_and(|waiting| waiting < max_open) {
            true => self.may_file(max_open),
            false => Err(format!("{waiting} of your requests wait already: withdraw one")),
        }
    }

    fn may_file(&self, max_open: u32) -> Result<(), String> {
        let most = max_open.saturating_mul(TIMES_OPEN).max(LEAST);
        let nth = usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(1);
        // Once this one is out of the hour there is room for one more.
        let Some(oldest) = self.filed.get(nth) else { return Ok(()) };
        let again = *oldest + TimeDelta::hours(RECENT);
        Err(format!(
            "{} requests were filed for you within the hour: again at {}",
            self.filed.len(),
            again.format("%H:%M:%S UTC")
        ))
    }
}

fn filed(
    store: &dyn AccessStore,
    name: &UserName,
    now: DateTime<Utc>,
) -> Result<Vec<DateTime<Utc>>, StoreError> {
    let since = Some(now - TimeDelta::hours(RECENT));
    let recent = store.list(&Filter { person: Some(name.clone()), since, ..Filter::default() })?;
    Ok(recent.iter().filter_map(|record| Some(record.events.first()?.at)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Record;

    fn open(own: Vec<Record>, others: Vec<Record>) -> Open {
        let human = (UserName::parse("bob").unwrap(), 1);
        Open { own: OfPerson { token: 1, open: own }, human, others, filed: Vec::new() }
    }

    #[test]
    fn what_was_withdrawn_counts_for_an_hour() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::hours(5);
        let mut open = open(vec![], vec![]);
        open.filed = (1..=19).map(|minutes| now - TimeDelta::minutes(minutes)).collect();
        assert_eq!(open.may_ask(1, now), Ok(()));
        open.filed.push(now - TimeDelta::minutes(50));
        let words = open.may_ask(5, now).unwrap_err();
        assert!(
            words.contains("20 requests") && words.contains("again at 05:10:00 UTC"),
            "{words}"
        );
        assert_eq!(open.may_ask(6, now), Ok(()));
        assert_eq!(open.may_ask(u32::MAX, now), Ok(()));
    }

    #[test]
    fn a_record_that_cannot_be_read_is_no_reason_to_ask_for_more() {
        let id = Id::parse("7f3k-92qd").unwrap();
        let damaged = Record { id: id.clone(), events: Vec::new() };
        let now = DateTime::UNIX_EPOCH;
        let none = open(vec![], vec![]);
        assert_eq!(none.may_ask(1, now), Ok(()));
        assert!(none.may_ask(0, now).is_err());
        let own = open(vec![damaged.clone()], vec![]);
        assert!(own.may_ask(20, now).unwrap_err().contains("7f3k-92qd is damaged"));
        assert!(own.without(&id).may_ask(20, now).is_ok());
        let other = open(vec![], vec![damaged]);
        assert!(other.may_ask(20, now).unwrap_err().contains("is damaged"));
    }
}
