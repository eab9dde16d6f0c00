//! Asks the decision about one policy, and remembers what was worked out.

use super::live::Live;
use crate::access::fit;
use crate::code::Code;
use crate::decision::bypass::{self, Lift};
use crate::decision::{self, Decision, Question, Verdict};
use crate::hook::elsewhere::Elsewhere;
use crate::policy::checks::Check;
use crate::policy::entry::Entry;
use crate::policy::members::{Answers, Ask};
use crate::policy::model::{Entitlement, Group, Policy};
use crate::policy::name::{EntitlementName, UserName};
use crate::policy::scope::{NoScope, Scopes};
use crate::push::Action;
use crate::pusher::Source;
use std::collections::BTreeMap;
use std::path::Path;

/// A policy, and all that was worked out about it so far.
pub(super) struct Bench<'p> {
    pub policy: &'p Policy,
    pub(super) elsewhere: Elsewhere,
    live: Option<&'p Live>,
    scopes: Scopes<'p>,
    sources: Vec<Source>,
    answers: BTreeMap<UserName, Answers>,
    none: Answers,
}

/// An answer: what was decided, or why nothing could be.
pub(super) enum Answered<'p> {
    Decided(Decision, Vec<&'p Entry>),
    Refused(Code, String),
}

/// A check that governs a ref.
pub(super) struct Governing<'p> {
    /// It.
    pub check: &'p Check,
    /// What lifts it for the one who was asked about.
    pub lifted: Option<&'p Entry>,
    /// Permits and grants by which somebody may go past it here.
    pub past: Vec<&'p Entry>,
    /// Entitlements that lend that.
    pub asked: Vec<&'p EntitlementName>,
}

impl<'p> Bench<'p> {
    pub(super) fn new(policy: &'p Policy, account: u32) -> Self {
        let state = Path::new(&*policy.settings.store);
        let elsewhere = Elsewhere::new(&policy.settings, state, account);
        // A further source that a ref asks for is evidence, not policy: taken as given.
        let sources =
            policy.settings.require.iter().map(|require| require.source.clone()).collect();
        Self {
            policy,
            elsewhere,
            live: None,
            scopes: Scopes::new(policy),
            sources,
            answers: BTreeMap::new(),
            none: Answers::new(),
        }
    }

    /// The same, with what the store joins.
    pub(super) fn with(self, live: &'p Live) -> Self {
        Self { live: Some(live), ..self }
    }

    pub(super) fn ask(
        &mut self,
        user: Option<&str>,
        repository: &[u8],
        question: &Question<'_>,
    ) -> Answered<'p> {
        let name = match user.map(UserName::parse) {
            None => None,
            Some(Ok(name)) => Some(name),
            Some(Err(error)) => return Answered::Refused(Code::UnknownUser, error.to_string()),
        };
        if name.is_none() && question.action != Action::Read {
            return Answered::Refused(
                Code::NoIdentity,
                "nobody can push without an identity".into(),
            );
        }
        match self.decided(name.as_ref(), repository, question, None) {
            Ok((decision, joined)) => {
                let written = self.scopes.entries(repository);
                Answered::Decided(decision, [written, joined].concat())
            }
            Err(error) => Answered::Refused(error.code(), error.to_string()),
        }
    }

    /// The decision, as if somebody who may ask for `lent` had been lent it.
    fn decided(
        &mut self,
        name: Option<&UserName>,
        repository: &[u8],
        question: &Question<'_>,
        lent: Option<&Entry>,
    ) -> Result<(Decision, Vec<&'p Entry>), NoScope> {
        let (live, policy) = (self.live, self.policy);
        let (mut scope, project) = self.scopes.scope(name, repository, &self.sources)?;
        let joined = match live {
            Some(live) => live.entries(policy, project, (name, repository))?,
            None => Vec::new(),
        };
        scope.entries.extend(&joined);
        scope.entries.extend(lent);
        let known = name.and_then(|name| self.answers.get(name)).unwrap_or(&self.none);
        let decision = match (decision::decide_or_ask(&scope, question, known), name) {
            (Ok(decision), _) => decision,
            (Err(_), None) => decision::decide(&scope, question, known),
            (Err(asks), Some(name)) => {
                let standing = scope.standing;
                let answers = self.answers.entry(name.clone()).or_default();
                for ask in asks {
                    let answer =
                        look_up(self.policy, name, &ask, &self.elsewhere, &standing.issues_of);
                    answers.insert(ask, answer);
                }
                decision::decide(&scope, question, answers)
            }
        };
        Ok((decision, joined))
    }

    /// The checks that govern the ref, and whether each is lifted.
    pub(super) fn checks(
        &mut self,
        user: Option<&str>,
        repository: &[u8],
        question: &Question<'_>,
    ) -> Vec<Governing<'p>> {
        let name = user.and_then(|user| UserName::parse(user).ok());
        let brings = !matches!(question.action, Action::Read | Action::Delete);
        let Some(name) = name.filter(|_| brings) else { return Vec::new() };
        let policy = self.policy;
        // In the order of the scope, which is asked about again for what it says.
        if self.scopes.scope(Some(&name), repository, &self.sources).is_err() {
            return Vec::new();
        }
        let entries: Vec<&'p Entry> = self.scopes.entries(repository);
        let Ok((scope, project)) = self.scopes.scope(Some(&name), repository, &self.sources) else {
            return Vec::new();
        };
        let answers = self.answers.entry(name.clone()).or_default();
        let governs = |check: &&Check| {
            check.applies(project, repository) == Ok(true)
                && check.refs.forbids(question.name, None) == Ok(true)
        };
        let lendable = || {
            let all = policy.entitlements.iter();
            all.filter(|(_, one)| one.applies(project, repository) == Ok(true))
        };
        let covers = |entry: &Entry, check: &str| {
            entry.lifts(check) && entry.refs.permits(question.name, Some(&name)) == Ok(true)
        };
        let mut found = Vec::new();
        for check in policy.checks.iter().filter(governs) {
            if let Lift::Unasked(asks) = bypass::lifts(&scope, question, answers, &check.name) {
                for ask in asks {
                    let issues_of = &scope.standing.issues_of;
                    let answer = look_up(policy, &name, &ask, &self.elsewhere, issues_of);
                    answers.insert(ask, answer);
                }
            }
            let lifted = match bypass::lifts(&scope, question, answers, &check.name) {
                Lift::By(at, _) => entries.get(at).copied(),
                _ => None,
            };
            let permits = entries.iter().copied();
            let past = permits.filter(|e| !e.is_forbid() && covers(e, &check.name)).collect();
            let asked = lendable().filter(|(_, one)| covers(&one.entry, &check.name));
            let asked = asked.map(|(name, _)| name).collect();
            found.push(Governing { check, lifted, past, asked });
        }
        found
    }

    /// The entitlements by which somebody who is refused could ask for this, narrowest first.
    pub(super) fn fitting(
        &mut self,
        user: Option<&str>,
        repository: &[u8],
        question: &Question<'_>,
    ) -> Vec<(&'p EntitlementName, &'p Entitlement)> {
        let Some(name) = user.and_then(|user| UserName::parse(user).ok()) else {
            return Vec::new();
        };
        let Ok((_, project)) = self.scopes.scope(Some(&name), repository, &self.sources) else {
            return Vec::new();
        };
        let all = self.policy.entitlements.iter();
        let here = all.filter(|(_, one)| one.applies(project, repository) == Ok(true));
        let mut fitting: Vec<_> = here
            .filter(|(_, one)| {
                let lent = self.decided(Some(&name), repository, question, Some(&one.entry));
                lent.is_ok_and(|(decision, _)| matches!(decision.verdict, Verdict::Allowed(_)))
            })
            .collect();
        fitting.sort_by_cached_key(|(name, one)| fit::breadth(name, one));
        fitting
    }
}

fn look_up(
    policy: &Policy,
    user: &UserName,
    ask: &Ask,
    elsewhere: &Elsewhere,
    projects: &[Box<str>],
) -> Result<bool, String> {
    let lookup = match ask {
        Ask::Group(group) => match policy.groups.get(group) {
            Some(Group::Lookup(lookup)) => Some(lookup),
            _ => None,
        },
        _ => None,
    };
    let declared = policy.users.get(user).ok_or("the policy does not know this user")?;
    elsewhere.answer((user, declared), ask, lookup, projects)
}
