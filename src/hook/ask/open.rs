//! What one human has open, under whatever name: what the cap of open requests and an unattested
//! glass are held against.
//!
//! A service counts as its owner, as it does where nobody approves their own request; names that the
//! policy does not know to be one human are two. A record that can't be read counts against asking.

use crate::access::{Id, Standing, State};
use crate::hook::desk::Payload;
use crate::policy::compiled::{Compiled, CompiledError};
use crate::policy::name::UserName;
use crate::store::access::{AccessStore, OfPerson, StoreError};
use chrono::{DateTime, Utc};

/// The open records of one human.
pub struct Open {
    /// Those of the name that asks.
    pub own: OfPerson,
    /// Those of the human's other names.
    others: Vec<crate::access::Record>,
}

/// The other names of the human behind `person`, active or not.
///
/// # Errors
/// The applied policy is damaged.
pub fn other_names(
    policy: &Compiled<Payload>,
    person: &UserName,
) -> Result<Vec<UserName>, CompiledError> {
    let users = policy.policy()?.users;
    let human = |name: &UserName| users.get(name).and_then(|user| user.owner.clone());
    let me = human(person).unwrap_or_else(|| person.clone());
    let same = |name: &&UserName| human(name).as_ref().unwrap_or(name) == &me && *name != person;
    Ok(users.keys().filter(same).cloned().collect())
}

impl Open {
    /// Reads what `person` and their `other_names` have open at `now`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn of(
        store: &dyn AccessStore,
        person: &UserName,
        other_names: &[UserName],
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        // The token first: what the others file meanwhile is not under it, what this name does is.
        let own = store.of_person(person, now)?;
        let mut others = Vec::new();
        for name in other_names {
            others.extend(store.of_person(name, now)?.open);
        }
        Ok(Self { own, others })
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
    /// Words: too many open requests, a broken glass that nobody has attested, or a record that
    /// can't be read.
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
            true => Ok(()),
            false => Err(format!("{waiting} of your requests wait already: withdraw one")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Record;

    #[test]
    fn a_record_that_cannot_be_read_is_no_reason_to_ask_for_more() {
        let id = Id::parse("7f3k-92qd").unwrap();
        let damaged = Record { id: id.clone(), events: Vec::new() };
        let now = DateTime::UNIX_EPOCH;
        let empty = || OfPerson { token: 1, open: Vec::new() };
        let none = Open { own: empty(), others: Vec::new() };
        assert_eq!(none.may_ask(1, now), Ok(()));
        assert!(none.may_ask(0, now).is_err());
        let own = Open { own: OfPerson { token: 1, open: vec![damaged.clone()] }, others: vec![] };
        assert!(own.may_ask(20, now).unwrap_err().contains("7f3k-92qd is damaged"));
        assert!(own.without(&id).may_ask(20, now).is_ok());
        let other = Open { own: empty(), others: vec![damaged] };
        assert!(other.may_ask(20, now).unwrap_err().contains("is damaged"));
    }
}
