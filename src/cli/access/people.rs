//! People by the policy that is applied today: who may approve, whom a list means, who is who.
//!
//! Looked-up groups are asked about, and what nobody could answer is a no with a reason.

use crate::access::quorum::{self, Approver};
use crate::access::{Actor, Lock, State};
use crate::hook::desk::Payload;
use crate::hook::elsewhere::Elsewhere;
use crate::policy::compiled::{Compiled, CompiledError};
use crate::policy::entry::Holder;
use crate::policy::members::{Answers, Ask, Held};
use crate::policy::model::{Approval, Entitlement, Project, User};
use crate::policy::name::UserName;
use chrono::{DateTime, Utc};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Why somebody does not answer what is their own.
pub const OWN: &str = "nobody approves their own request";

/// The people of the applied policy.
pub struct People<'a> {
    policy: &'a Compiled<Payload>,
    elsewhere: Elsewhere,
    answers: RefCell<BTreeMap<UserName, Answers>>,
    locks: Vec<Lock>,
}

/// How far a quorum is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    /// Slots that stay empty.
    pub missing: usize,
    /// Lists in which one more person would help, as `1 more of role:maintainer` has them.
    pub lists: Vec<String>,
}

impl Quorum {
    /// `1 more of alice, ann`; `2 more, the next of role:maintainer, or of alice, ann`
    #[must_use]
    pub fn words(&self) -> String {
        let (missing, lists) = (self.missing, self.lists.join(", or of "));
        match (missing, self.lists.len()) {
            (_, 0) => format!("{missing} more"),
            (1, _) | (_, 1) => format!("{missing} more of {lists}"),
            _ => format!("{missing} more, the next of {lists}"),
        }
    }
}

impl<'a> People<'a> {
    /// Of `policy`; `state` is the site's state folder, and commands that look groups up run as the
    /// account with the uid `account`.
    #[must_use]
    pub fn new(policy: &'a Compiled<Payload>, state: &Path, account: u32) -> Self {
        let elsewhere = Elsewhere::new(policy.settings(), state, account);
        Self { policy, elsewhere, answers: RefCell::default(), locks: Vec::new() }
    }

    /// The same, of a moment in which these locks hold.
    #[must_use]
    pub fn under(self, locks: Vec<Lock>) -> Self {
        Self { locks, ..self }
    }

    /// The lock by which somebody does nothing at all, under whatever name of theirs.
    ///
    /// # Errors
    /// The applied policy is damaged.
    pub fn suspended(&self, name: &UserName) -> Result<Option<&Lock>, CompiledError> {
        if self.locks.is_empty() {
            return Ok(None);
        }
        let human = self.human(name)?;
        let about = |lock: &&Lock| lock.suspends().is_some_and(|who| who == name || *who == human);
        Ok(self.locks.iter().find(about))
    }

    /// Whether a lock names somebody, or the person behind the name.
    ///
    /// # Errors
    /// The applied policy is damaged.
    pub fn is_named(&self, name: &UserName, lock: &Lock) -> Result<bool, CompiledError> {
        let human = self.human(name)?;
        Ok(lock.scope.person.as_ref().is_some_and(|who| who == name || *who == human))
    }

    /// Whom memberships are asked of that the policy does not know.
    #[must_use]
    pub const fn elsewhere(&self) -> &Elsewhere {
        &self.elsewhere
    }

    /// An active user.
    ///
    /// # Errors
    /// The applied policy is damaged.
    pub fn active(&self, name: &UserName) -> Result<Option<User>, CompiledError> {
        Ok(self.policy.user(name)?.map(|user| user.declared).filter(|user| user.active))
    }

    /// The person behind a name: a service or second name counts as its owner.
    ///
    /// # Errors
    /// The applied policy is damaged.
    pub fn human(&self, name: &UserName) -> Result<UserName, CompiledError> {
        let owner = self.policy.user(name)?.and_then(|user| user.declared.owner);
        Ok(owner.unwrap_or_else(|| name.clone()))
    }

    /// Whether an active user is among holders in a project.
    ///
    /// # Errors
    /// The applied policy is damaged.
    pub fn held(
        &self,
        name: &UserName,
        project: &Project,
        holders: &[Holder],
    ) -> Result<Held, CompiledError> {
        let Some(standing) = self.policy.standing(name, project)? else { return Ok(Held::No) };
        match standing.among(holders, &self.answers(name)) {
            Held::Unasked(groups) => {
                self.look_up(name, groups)?;
                Ok(standing.among(holders, &self.answers(name)))
            }
            held => Ok(held),
        }
    }

    /// What was answered about a person so far.
    #[must_use]
    pub fn answers(&self, name: &UserName) -> Answers {
        self.answers.borrow().get(name).cloned().unwrap_or_default()
    }

    /// Asks about memberships, so that the answers are there.
    ///
    /// # Errors
    /// The applied policy is damaged.
    pub fn look_up(&self, name: &UserName, wanted: BTreeSet<Ask>) -> Result<(), CompiledError> {
        let Some(user) = self.policy.user(name)?.map(|user| user.declared) else { return Ok(()) };
        for ask in wanted {
            let lookup = match &ask {
                Ask::Group(group) => self.policy.lookup(group)?,
                _ => None,
            };
            let answer = self.elsewhere.answer((name, &user), &ask, lookup.as_ref(), &[]);
            self.answers.borrow_mut().entry(name.clone()).or_default().insert(ask, answer);
        }
        Ok(())
    }

    /// Why a person can't answer a request, or which of its lists they stand in.
    ///
    /// # Errors
    /// The applied policy is damaged; the inner error is words for the person.
    pub fn approver(
        &self,
        name: &UserName,
        state: &State,
        entitlement: &Entitlement,
        project: &Project,
    ) -> Result<Result<Vec<usize>, String>, CompiledError> {
        if let Some(words) = self.unfit(name, state)? {
            return Ok(Err(words));
        }
        let mut fits = Vec::new();
        let mut failed = None;
        for (at, list) in entitlement.approval.iter().enumerate() {
            match self.held(name, project, &list.from)? {
                Held::Yes(_) => fits.push(at),
                Held::Failed(ask, reason) => {
                    let place = match &ask {
                        Ask::Group(_) => format!("in {ask}"),
                        _ => ask.to_string(),
                    };
                    failed =
                        Some(format!("whether {name} is {place} could not be asked: {reason}"));
                }
                Held::No | Held::Unasked(_) => {}
            }
        }
        if !fits.is_empty() {
            return Ok(Ok(fits));
        }
        let lists = listed(&entitlement.approval, |_| true);
        Ok(Err(failed.unwrap_or_else(|| {
            format!(
                "{name} is not among those who approve `{}`: {lists}",
                state.request.entitlement
            )
        })))
    }

    /// Words where a person answers no request of this asker, whatever list they stand in.
    ///
    /// # Errors
    /// The applied policy is damaged.
    pub fn unfit(&self, name: &UserName, state: &State) -> Result<Option<String>, CompiledError> {
        match self.active(name)? {
            None => Ok(Some(format!("{name} is not an active user of the policy"))),
            Some(user) if user.service => {
                Ok(Some(format!("{name} is a service, and services approve nothing")))
            }
            Some(_) => match self.suspended(name)? {
                Some(lock) => Ok(Some(locked(name, lock))),
                None => self.same_as_asker(name, state),
            },
        }
    }

    /// Words where the name is the asker's own, under whatever name.
    fn same_as_asker(
        &self,
        name: &UserName,
        state: &State,
    ) -> Result<Option<String>, CompiledError> {
        let asker = &state.request.person;
        if name == asker {
            return Ok(Some(OWN.into()));
        }
        let user = self.policy.user(asker)?.map(|user| user.declared);
        if user.is_some_and(|user| user.service && user.owner.is_none()) {
            return Ok(Some(format!(
                "{asker} is a service without an owner, so nobody can be told apart from who asks: give `[users.{asker}]` an owner"
            )));
        }
        if self.human(name)? == self.human(asker)? {
            return Ok(Some(format!("{OWN}: {name} and {asker} are one person ([users] owner)")));
        }
        let key = state.asked_by.key.as_deref();
        let holder = key.map(|key| self.policy.by_key(key)).transpose()?.flatten();
        Ok((holder.as_ref() == Some(name))
            .then(|| format!("{OWN}: it was asked for with a key of {name}")))
    }

    /// How far the quorum is with these yeses, counting only those who still hold their list.
    ///
    /// # Errors
    /// The applied policy is damaged.
    pub fn quorum<'y>(
        &self,
        yeses: impl IntoIterator<Item = &'y (Actor, DateTime<Utc>)>,
        state: &State,
        entitlement: &Entitlement,
        project: &Project,
    ) -> Result<Quorum, CompiledError> {
        let mut approvers = Vec::new();
        for (actor, _) in yeses {
            let Some(name) = &actor.user else { continue };
            if let Ok(fits) = self.approver(name, state, entitlement, project)? {
                approvers.push(Approver { person: Some(self.human(name)?), fits });
            }
        }
        let counts: Vec<u32> = entitlement.approval.iter().map(|list| list.count).collect();
        let missing = quorum::missing(&counts, &approvers);
        let helps = |at: usize| {
            let mut more = approvers.clone();
            more.push(Approver { person: None, fits: vec![at] });
            quorum::missing(&counts, &more) < missing
        };
        let lists = entitlement.approval.iter().enumerate().filter(|(at, _)| helps(*at));
        let lists = lists.map(|(_, list)| holders(&list.from)).collect();
        Ok(Quorum { missing, lists })
    }
}

/// Words about somebody who is locked.
#[must_use]
pub fn locked(name: &UserName, lock: &Lock) -> String {
    format!("{name} is locked ({}): {}", lock.id, lock.message)
}

/// `1 of role:maintainer, lead and 2 of @security`
fn listed(lists: &[Approval], wanted: impl Fn(usize) -> bool) -> String {
    let chosen = lists.iter().enumerate().filter(|(at, _)| wanted(*at));
    let words: Vec<String> =
        chosen.map(|(_, list)| format!("{} of {}", list.count, holders(&list.from))).collect();
    if words.is_empty() { "nobody".into() } else { words.join(" and ") }
}

fn holders(holders: &[Holder]) -> String {
    holders.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
