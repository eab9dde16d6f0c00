//! What a verb has before it: the applied policy, the store, who acts, and how a record is moved.

use super::caller::Caller;
use super::people::People;
use crate::access::{Actor, Event, Id, Lock, Record, State, What, step};
use crate::audit;
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::site::Here;
use crate::cli::store;
use crate::hook::desk;
use crate::hook::ledger::{self, Effect, Ledger, LedgerError, Made};
use crate::os::clock;
use crate::policy::compiled::CompiledError;
use crate::policy::diag;
use crate::policy::entry::{Enforce, Holder, Place};
use crate::policy::members::Held;
use crate::policy::model::{Entitlement, NoProject, Project};
use crate::policy::name::{EntitlementName, ProjectName, SchemeName, UserName};
use crate::store::access::{AccessStore, Append, Change, Filter, StoreError};
use crate::store::open::{self, Mode};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often a move is decided again because somebody else was first.
const TRIES: u32 = 64;
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
}

/// A record that was moved.
pub struct Moved {
    /// Which.
    pub id: Id,
    /// As it is now.
    pub state: State,
    /// When it was moved.
    pub at: DateTime<Utc>,
    /// Why the trail has no line of it, where it was made all the same.
    pub unrecorded: Option<audit::TrailError>,
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
        let people = People::new(&here.policy, site.account_uid);
        Ok(Self { here, caller, store, people })
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

    /// Makes a change with its lines in the trail, and starts telling of it.
    ///
    /// # Errors
    /// [`LedgerError`]: nothing was changed.
    pub fn make(
        &self,
        change: &Change,
        lines: Vec<audit::Record>,
        effect: Effect,
        now: DateTime<Utc>,
    ) -> Result<Made, LedgerError> {
        let ledger = Ledger {
            store: self.store.as_ref(),
            trail: self.here.trail(),
            state: &self.here.site.state,
            digest: *self.here.policy.digest(),
        };
        let made = ledger.make(change, lines, effect, now)?;
        if !change.notices.is_empty() {
            ledger::tell_later(&self.here.policy);
        }
        Ok(made)
    }

    /// The person who acts.
    ///
    /// # Errors
    /// Nobody is named, or nobody of that name is active.
    pub fn person(&self) -> anyhow::Result<&UserName> {
        let Some(name) = self.caller.person() else {
            let words = "on the server this is done for a person: say who with --as NAME";
            return Err(Failure::new(Exit::Usage, words).into());
        };
        if self.people.active(name).map_err(damaged)?.is_some() {
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

    /// `--as` is off for what only people may do.
    ///
    /// # Errors
    /// It is, and the server acts for somebody.
    pub fn only_in_person(&self, what: &str) -> anyhow::Result<()> {
        if self.caller.stands_in() && !self.here.settings().access.server_approvals {
            let words = format!(
                "`--as` does not {what} on this server ([access] server-approvals = false): \
                 each person does it over a door"
            );
            return Err(Failure::new(Exit::Refused, words).into());
        }
        Ok(())
    }

    /// One record, whole and folded.
    ///
    /// # Errors
    /// There is none of that id, or it can't be read.
    pub fn record(&self, id: &Id) -> anyhow::Result<(Record, State)> {
        let found = self.store.record(id).map_err(|error| store_failure(&error))?;
        let record = found.ok_or_else(|| self.no_record(id.as_str()))?;
        let state = record.state().map_err(|illegal| {
            Failure::new(Exit::Unavailable, format!("the record {id} is damaged: {illegal}"))
        })?;
        Ok((record, state))
    }

    /// Reads an id as it was typed, whole.
    ///
    /// # Errors
    /// It is none; the nearest that there is, is named.
    pub fn id(&self, text: &str) -> anyhow::Result<Id> {
        Id::parse(text).map_err(|_| self.no_record(text).into())
    }

    fn no_record(&self, wrong: &str) -> Failure {
        let filter = Filter { limit: NEAR, ..Filter::default() };
        let records = self.store.list(&filter).unwrap_or_default();
        let seen = records.iter().filter(|record| {
            record.state().is_ok_and(|state| self.may_see(&state).unwrap_or(false))
        });
        let near = diag::nearest(wrong, seen.map(|record| record.id.as_str()));
        let wrong = crate::text::Safe::new(wrong.as_bytes(), 40);
        Failure::new(Exit::NotFound, format!("there is no request `{wrong}`{}", mean(near)))
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

    /// Which approval lists the person who acts stands in.
    ///
    /// # Errors
    /// Why they can't answer, in words.
    pub fn could_approve(&self, state: &State) -> anyhow::Result<Result<Vec<usize>, String>> {
        let Some(name) = self.caller.person() else {
            return Ok(Err("only a person can approve: say who with --as NAME".into()));
        };
        let request = &state.request;
        let Some(entitlement) =
            self.here.policy.entitlement(&request.entitlement).map_err(damaged)?
        else {
            return Ok(Err(format!("there is no entitlement `{}` any more", request.entitlement)));
        };
        let project = match self.place(&request.repository) {
            Ok((_, project)) => project,
            Err(error) => return Ok(Err(error.to_string())),
        };
        self.people
            .approver(name, state, &entitlement, &project)
            .map_err(|error| damaged(error).into())
    }

    /// Whether the person who acts is among holders that `[global]` names, in whatever project.
    ///
    /// # Errors
    /// The applied policy is damaged.
    pub fn is_among(&self, holders: &[Holder], project: Option<&Project>) -> anyhow::Result<bool> {
        let Some(name) = self.caller.person() else { return Ok(self.caller.is_server()) };
        among(&self.people, name, holders, project)
    }

    /// Whether the one who acts may see a record: their own, one that they could approve, or any for
    /// the server and for whom `[global] audit` and `administer` name.
    ///
    /// # Errors
    /// The applied policy is damaged.
    pub fn may_see(&self, state: &State) -> anyhow::Result<bool> {
        let Some(name) = self.caller.person() else { return Ok(self.caller.is_server()) };
        if *name == state.request.person {
            return Ok(true);
        }
        Ok(self.sees_all()? || self.could_approve(state)?.is_ok())
    }

    /// What the commands of the one who acts begin with.
    #[must_use]
    pub fn command(&self) -> String {
        match self.caller.actor.server {
            Some(_) => "refwarden".into(),
            None => desk::door(&self.here.site, self.here.settings()),
        }
    }

    /// Whether the one who acts may see everything.
    ///
    /// # Errors
    /// The applied policy is damaged.
    pub fn sees_all(&self) -> anyhow::Result<bool> {
        let settings = self.here.settings();
        Ok(self.is_among(&settings.auditors, None)? || self.is_among(&settings.administer, None)?)
    }

    /// Moves a record: `decide` says how, and is asked again whenever somebody else was first.
    ///
    /// # Errors
    /// What `decide` says; who moved the record before; store or trail can't be written.
    pub fn move_on(
        &self,
        id: &Id,
        effect: Effect,
        mut decide: impl FnMut(&State, DateTime<Utc>) -> anyhow::Result<(Actor, What)>,
    ) -> anyhow::Result<Moved> {
        for turn in 0..TRIES {
            let (record, state) = self.record(id)?;
            let now = match effect {
                Effect::MayWiden => self.sound_now()?,
                Effect::TakesAway => clock::now().wall,
            };
            let (by, what) = decide(&state, now)?;
            let event = Event { at: now, by, what };
            let next = step(state, &event)
                .map_err(|illegal| Failure::new(Exit::Refused, format!("{id}: {illegal}")))?;
            match self.add(id, record.version(), &next, &event, effect, Change::default()) {
                Ok(made) => {
                    let unrecorded = made.unrecorded;
                    return Ok(Moved { id: id.clone(), state: next, at: now, unrecorded });
                }
                Err(LedgerError::Store(StoreError::Moved)) => pause(turn),
                Err(error) => return Err(ledger_failure(&error).into()),
            }
        }
        Err(busy().into())
    }

    /// Adds one event, its line and its notices to what `change` holds already.
    ///
    /// # Errors
    /// [`LedgerError`]: nothing was changed.
    pub fn add(
        &self,
        id: &Id,
        after: u32,
        next: &State,
        event: &Event,
        effect: Effect,
        mut change: Change,
    ) -> Result<Made, LedgerError> {
        let line = ledger::line(id, next, event);
        let seq = after.saturating_add(1);
        change.notices.extend(ledger::notices(&self.here.policy, (id, seq), next, event));
        change.appends.push(Append { id: id.clone(), after, event: event.clone() });
        self.make(&change, vec![line], effect, event.at)
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

/// Whether an active user is among holders that `[global]` names.
///
/// # Errors
/// The applied policy is damaged.
pub fn is_among(here: &Here, name: &UserName, holders: &[Holder]) -> anyhow::Result<bool> {
    among(&People::new(&here.policy, here.site.account_uid), name, holders, None)
}

fn among(
    people: &People<'_>,
    name: &UserName,
    holders: &[Holder],
    project: Option<&Project>,
) -> anyhow::Result<bool> {
    let nowhere = nowhere();
    let Some(project) = project.or(nowhere.as_ref()) else { return Ok(false) };
    let held = people.held(name, project, holders).map_err(damaged)?;
    Ok(matches!(held, Held::Yes(_)))
}

/// Waits a little, longer each turn, so that many at once do not stumble over each other.
pub fn pause(turn: u32) {
    let [random] = crate::os::random::bytes();
    let most = u64::from(turn.min(10) + 1) * u64::from(random) / 32;
    std::thread::sleep(Duration::from_millis(1 + most));
}

/// It was tried often enough.
#[must_use]
pub fn busy() -> Failure {
    Failure::new(Exit::Failed, "others kept changing the same record: try again")
}

/// `; did you mean bob?`
fn mean(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

/// A project in which nobody has a role: `[global]` names people, not roles.
fn nowhere() -> Option<Project> {
    Some(Project {
        place: Place { file: 0, line: 0 },
        title: None,
        repositories: Vec::new(),
        scheme: SchemeName::parse("default").ok()?,
        lead: None,
        base: None,
        jira_keys: Vec::new(),
        roles: BTreeMap::new(),
        enforce: Enforce::Refuse,
    })
}

/// The applied policy can't be read.
#[must_use]
pub fn damaged(error: CompiledError) -> Failure {
    Failure::new(Exit::Unavailable, error.to_string())
}

/// A store's error as the end of a command.
#[must_use]
pub fn store_failure(error: &StoreError) -> Failure {
    let exit = match error {
        StoreError::Illegal(_) => Exit::Refused,
        StoreError::Moved | StoreError::Taken => Exit::Failed,
        _ => Exit::Unavailable,
    };
    Failure::new(exit, error.to_string())
}

/// The same of a change.
#[must_use]
pub fn ledger_failure(error: &LedgerError) -> Failure {
    match error {
        LedgerError::Store(error) => store_failure(error),
        LedgerError::Trail(_) | LedgerError::Epoch(_) => {
            Failure::new(Exit::Unavailable, error.to_string())
        }
    }
}
