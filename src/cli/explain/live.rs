//! What the store joins to the policy: locks, and grants that were asked for.
//!
//! Knows how to read them once for many questions; how they speak is the decision's. A grant that
//! allows certain values of its refs alone does not speak here: a question names no value.

use crate::access::{Lock, Standing, State, lend};
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::site::Here;
use crate::cli::store as store_verb;
use crate::os::clock;
use crate::policy::entry::Entry;
use crate::policy::model::Policy;
use crate::policy::name::{ProjectName, UserName};
use crate::policy::pattern::Broken;
use crate::store::access::Filter;
use crate::store::open::Mode;
use std::collections::HashMap;

/// Locks and lent rights of a moment.
#[derive(Default)]
pub struct Live {
    locks: Vec<(Entry, Lock)>,
    /// By person and repository.
    lent: HashMap<UserName, HashMap<Vec<u8>, Vec<Grant>>>,
}

struct Grant {
    state: State,
    entries: Vec<Entry>,
}

impl Live {
    /// Reads what holds now; grants only of `person` and in `repository` where they are given.
    ///
    /// # Errors
    /// There is a store, and it can't be read: no push is judged then either.
    pub fn read(
        here: &Here,
        policy: &Policy,
        (person, repository): (Option<&str>, Option<&str>),
    ) -> anyhow::Result<Self> {
        let Some(store) = store_verb::opened_if_any(here, Mode::Read)? else {
            return Ok(Self::default());
        };
        let now = clock::now().wall;
        let unusable = |error: crate::store::access::StoreError| {
            anyhow::Error::from(Failure::new(Exit::Unavailable, error.to_string()))
        };
        let locks = store.locks(now).map_err(unusable)?;
        let mut live = Self::default();
        for lock in locks {
            live.locks.push((lend::lock_for(&lock, None, None), lock.clone()));
            // For the services of whom it is about.
            let services = policy
                .users
                .iter()
                .filter(|(_, user)| user.owner.is_some() && user.owner == lock.scope.person);
            for (name, user) in services {
                let entry = lend::lock_for(&lock, Some(name), user.owner.as_ref());
                live.locks.push((entry, lock.clone()));
            }
        }
        let filter = Filter {
            person: person.and_then(|name| UserName::parse(name).ok()),
            repository: repository.map(str::to_owned),
            open_at: Some(now),
            ..Filter::default()
        };
        for record in store.list(&filter).map_err(unusable)? {
            let version = record.version();
            let damaged = format!("the record {} is damaged", record.id);
            let state = record.state().map_err(|_| Failure::new(Exit::Unavailable, damaged))?;
            let Some(today) = policy.entitlements.get(&state.request.entitlement) else { continue };
            if !state.request.pins.is_empty() {
                continue;
            }
            let Some(lent) = lend::lent(&record.id, state, version, today) else { continue };
            let request = &lent.state.request;
            let of_person = live.lent.entry(request.person.clone()).or_default();
            let here = of_person.entry(request.repository.clone().into_bytes()).or_default();
            here.push(Grant { state: lent.state, entries: lent.entries });
        }
        Ok(live)
    }

    /// What speaks beside the policy about somebody in a repository.
    ///
    /// # Errors
    /// [`Broken`] when a pattern can't be evaluated.
    pub fn entries(
        &self,
        policy: &Policy,
        project: &ProjectName,
        (user, repository): (Option<&UserName>, &[u8]),
    ) -> Result<Vec<&Entry>, Broken> {
        let mut found = Vec::new();
        for (entry, lock) in &self.locks {
            if lock.is_about(project, repository)? {
                found.push(entry);
            }
        }
        let grants = user.and_then(|user| self.lent.get(user)?.get(repository));
        for grant in grants.into_iter().flatten() {
            if grant.is_open() && grant.applies(policy, project, repository)? {
                found.extend(&grant.entries);
            }
        }
        Ok(found)
    }
}

impl Grant {
    /// Neither taken back nor used up; whether its time runs is the decision's to say.
    fn is_open(&self) -> bool {
        let Some(terms) = &self.state.terms else { return false };
        self.state.standing(terms.from) == Standing::Active
    }

    fn applies(
        &self,
        policy: &Policy,
        project: &ProjectName,
        repository: &[u8],
    ) -> Result<bool, Broken> {
        match policy.entitlements.get(&self.state.request.entitlement) {
            Some(today) => today.applies(project, repository),
            None => Ok(false),
        }
    }
}
