//! What a verb has before it: the applied policy, the store, who acts, and how a record is moved.

use super::caller::Caller;
use super::failure::{damaged, store_failure};
use super::people::{People, locked};
use crate::access::{Id, Lock, Record, State};
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::site::Here;
use crate::cli::store;
use crate::hook::ask::{self as by_push, Open};
use crate::hook::desk;
use crate::os::clock;
use crate::policy::diag;
use crate::policy::model::{Entitlement, NoProject, Project};
use crate::policy::name::{EntitlementName, ProjectName, UserName};
use crate::store::access::{AccessStore, Filter};
use crate::store::open::{self, Mode};
use chrono::{DateTime, Utc};

/// Most records that are looked through for an id like one that was mistyped.
const NEAR: usize = 2000;

/// All that a verb needs.
pub struct Office<'a> {
    /// The site and its applied policy.
    pub here: &'a Here,
    /// Who acts.
    pub caller: Caller,
    /// The store.
    pub store: Box<dyn AccessStore>,
    /// Who is who.
    pub people: People<'a>,
    /// Whether anything may be changed.
    mode: Mode,
}

impl<'a> Office<'a> {
    /// Opens the store; the process is the hosting account already.
    ///
    /// # Errors
    /// There is no store, or it can't be used.
    pub fn open(here: &'a Here, caller: Caller, mode: Mode) -> anyhow::Result<Self> {
        let site = &here.site;
        let store = open::open(here.settings(), &site.state, site.account_uid, mode);
        let store = store.map_err(|error| store_failure(&error))?.ok_or_else(|| {
            let words = "this site has no store of requests yet: run `refwarden store init`";
            Failure::new(Exit::Unavailable, words)
        })?;
        let locks = store.locks(clock::now().wall).map_err(|error| store_failure(&error))?;
        let people = People::new(&here.policy, &site.state, site.account_uid).under(locks);
        Ok(Self { here, caller, store, people, mode })
    }

    /// The present time, where trail, store and clock agree: nothing may be widened by a store that
    /// is older than the trail, or by a clock that is behind it.
    ///
    /// # Errors
    /// They do not.
    pub fn sound_now(&self) -> anyhow::Result<DateTime<Utc>> {
        match self.problem()? {
            Some(words) => Err(Failure::new(Exit::Unavailable, words).into()),
            None => Ok(clock::now().wall),
        }
    }

    /// Why no change can rest on the store.
    ///
    /// # Errors
    /// Store or trail can't be read.
    pub fn problem(&self) -> anyhow::Result<Option<String>> {
        let found = store::standing(&self.here.site, self.here.settings());
        let found = found.map_err(|error| Failure::new(Exit::Unavailable, error.to_string()))?;
        Ok(found.problem)
    }

    /// The person who acts.
    ///
    /// # Errors
    /// Nobody is named, nobody of that name is active, or they are locked and would change something.
    pub fn person(&self) -> anyhow::Result<&UserName> {
        let Some(name) = self.caller.person() else {
            let words = "on the server this is done for a person: say who with --as NAME";
            return Err(Failure::new(Exit::Usage, words).into());
        };
        if self.people.active(name).map_err(damaged)?.is_some() {
            // Looking harms nobody; whoever is locked changes nothing, least of all their own lock.
            if let (Mode::Write, Some(lock)) =
                (self.mode, self.people.suspended(name).map_err(damaged)?)
            {
                return Err(Failure::new(Exit::Refused, locked(name, lock)).into());
            }
            return Ok(name);
        }
        let words = format!("`{name}` is not an active user of the policy");
        Err(Failure::new(Exit::NotFound, words + &self.nearest_user(name.as_str())).into())
    }

    /// `; did you mean bob?`
    #[must_use]
    pub fn nearest_user(&self, wrong: &str) -> String {
        let Ok(policy) = self.here.policy.policy() else { return String::new() };
        let users = policy.users.iter().filter(|(_, user)| user.active);
        mean(diag::nearest(wrong, users.map(|(name, _)| name.as_str())))
    }

    /// One record, whole and folded. Over a door it is not there for whom may not see it, whatever
    /// they would do with it; on the server whoever acts for somebody may read it all anyway.
    ///
    /// # Errors
    /// There is none of that id, or it can't be read.
    pub fn record(&self, id: &Id) -> anyhow::Result<(Record, State)> {
        let found = self.store.record(id).map_err(|error| store_failure(&error))?;
        let record = found.ok_or_else(|| self.no_record(id.as_str()))?;
        let state = record.state().map_err(|illegal| {
            Failure::new(Exit::Unavailable, format!("the record {id} is damaged: {illegal}"))
        })?;
        match self.caller.stands_in() || self.may_see(&state)? {
            true => Ok((record, state)),
            false => Err(self.no_record(id.as_str()).into()),
        }
    }

    /// Reads an id as it was typed, whole.
    ///
    /// # Errors
    /// It is none; the nearest that there is, is named.
    pub fn id(&self, text: &str) -> anyhow::Result<Id> {
        Id::parse(text).map_err(|_| self.no_record(text).into())
    }

    /// One text for what is not there and for what one may not know of.
    pub(super) fn no_record(&self, wrong: &str) -> Failure {
        let filter = Filter { limit: NEAR, ..Filter::default() };
        let records = self.store.list(&filter).unwrap_or_default();
        let seen = records.iter().filter(|record| {
            record.state().is_ok_and(|state| self.may_see(&state).unwrap_or(false))
        });
        let near = diag::nearest(wrong, seen.map(|record| record.id.as_str()));
        let wrong = crate::text::Safe::new(wrong.as_bytes(), 40);
        let whose = if self.caller.person().is_some() { " that you may see" } else { "" };
        let words = format!("there is no request `{wrong}`{whose}{}", mean(near));
        Failure::new(Exit::NotFound, words)
    }

    /// An entitlement of the applied policy.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn entitlement(&self, name: &EntitlementName) -> anyhow::Result<Entitlement> {
        if let Some(found) = self.here.policy.entitlement(name).map_err(damaged)? {
            return Ok(found);
        }
        let policy = self.here.policy.policy().map_err(damaged)?;
        let all = policy.entitlements.keys().map(EntitlementName::as_str);
        let words =
            format!("there is no entitlement `{name}`{}", mean(diag::nearest(name.as_str(), all)));
        Err(Failure::new(Exit::NotFound, words).into())
    }

    /// The project of a repository.
    ///
    /// # Errors
    /// None or no single one names it.
    pub fn place(&self, repository: &str) -> anyhow::Result<(ProjectName, Project)> {
        let found = self.here.policy.project_of(repository.as_bytes()).map_err(damaged)?;
        found.map_err(|none| {
            let shown = crate::text::Safe::new(repository.as_bytes(), 200);
            let words = match none {
                NoProject::None => format!("`{shown}` is in no project"),
                NoProject::Ambiguous(one, two) => {
                    format!("`{shown}` is in two projects, `{one}` and `{two}`")
                }
            };
            Failure::new(Exit::NotFound, words).into()
        })
    }

    /// What the human behind a name has open, under whatever name.
    ///
    /// # Errors
    /// Store or policy can't be read.
    pub fn open_of(&self, person: &UserName, now: DateTime<Utc>) -> anyhow::Result<Open> {
        let human = by_push::human(&self.here.policy, person).map_err(damaged)?;
        let open = Open::of(self.store.as_ref(), person, &human, now);
        open.map_err(|error| store_failure(&error).into())
    }

    /// What the commands of the one who acts begin with.
    #[must_use]
    pub fn command(&self) -> String {
        match self.caller.actor.server {
            Some(_) => "refwarden".into(),
            None => desk::door(&self.here.site, self.here.settings()),
        }
    }

    /// Locks that hold now and are about a repository.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn locks(
        &self,
        project: &ProjectName,
        repository: &str,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Vec<Lock>> {
        let mut found = Vec::new();
        for lock in self.store.locks(now).map_err(|error| store_failure(&error))? {
            let about = lock.is_about(project, repository.as_bytes());
            if about.map_err(|broken| Failure::new(Exit::Failed, broken.to_string()))? {
                found.push(lock);
            }
        }
        Ok(found)
    }
}

/// `; did you mean bob?`
fn mean(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}
