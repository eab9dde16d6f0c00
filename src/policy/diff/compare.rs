//! Two sets of entries against every question that can tell them apart.

use super::super::entry::{Enforce, Entry};
use super::super::members::{Answers, Standing};
use super::super::name::UserName;
use super::Level;
use super::names::Names;
use super::told::{Differences, Subjects};
use super::walk::TooLarge;
use super::when::instants;
use crate::decision::{Decision, Paths, Question, Scope, Verdict, decide};
use crate::push::action::Action;
use chrono::{DateTime, Duration, Utc};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Most questions that are asked about one kind of person in one project.
const QUESTIONS: usize = 4_000_000;

/// One policy's word about a project.
#[derive(Clone)]
pub(super) struct Side<'p> {
    pub entries: Vec<&'p Entry>,
    pub enforce: Enforce,
}

/// One question that is answered otherwise, for one kind of person.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Answered {
    pub before: Level,
    pub after: Level,
    pub action: Action,
    /// The class of the ref; 0 for reading.
    pub name: usize,
    pub touching: Touched,
    pub from: Option<DateTime<Utc>>,
    /// The entries that make the difference, by their place among those of a side; whether it is
    /// the old side.
    pub through: Vec<(bool, usize)>,
    /// What permits where those refuse.
    pub by: Vec<(bool, usize)>,
}

/// What a push changes, its path by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Touched {
    Any,
    Nothing,
    Unknown,
    Path(usize),
}

/// Two sides, and everything that distinguishes questions to them. All projects in which the same
/// is written before and after share one, so it knows entries by their position only.
pub(super) struct Bench<'p> {
    pub old: Option<Side<'p>>,
    pub new: Option<Side<'p>>,
    pub names: Names,
    instants: Vec<DateTime<Utc>>,
    now: DateTime<Utc>,
    /// By name, where patterns look at it.
    questions: HashMap<Option<UserName>, Result<Rc<Subjects>, TooLarge>>,
    known: HashMap<Kind, Result<Rc<Differences>, TooLarge>>,
}

/// What tells people apart: whom the entries are about, before and after, and the name.
pub(super) type Kind = (Meant, usize);

/// Whom the entries are about, before and after; `None` for somebody who is not active.
pub(super) type Meant = [Option<Vec<bool>>; 2];

/// Somebody, before and after.
pub(super) struct Person<'a> {
    pub user: Option<&'a UserName>,
    pub standings: [Option<Standing>; 2],
    pub answers: &'a Answers,
}

impl<'p> Bench<'p> {
    /// `people`: everybody by number.
    pub(super) fn new(
        [old, new]: [Option<Side<'p>>; 2],
        people: &[Option<&UserName>],
        now: DateTime<Utc>,
    ) -> Self {
        let entries = both(old.as_ref(), new.as_ref());
        let (names, instants) = (Names::new(&entries, people), instants(&entries, now));
        let (questions, known) = (HashMap::new(), HashMap::new());
        Self { old, new, names, instants, now, questions, known }
    }

    /// How the two sides differ for a kind of person; worked out once, for the first one.
    pub(super) fn differences<'a>(
        &mut self,
        kind: Kind,
        person: impl FnOnce() -> Person<'a>,
    ) -> Result<Rc<Differences>, TooLarge> {
        if let Some(known) = self.known.get(&kind) {
            return known.clone();
        }
        let found = self.compare(&person()).map(Rc::new);
        self.known.insert(kind, found.clone());
        found
    }

    fn compare(&mut self, person: &Person<'_>) -> Result<Differences, TooLarge> {
        let name = person.user.filter(|_| !self.names.are_blind()).cloned();
        let subjects = self.subjects(name.as_ref())?;
        let asked =
            subjects.refs.alike.len() * (subjects.paths.alike.len() + 2) * self.instants.len();
        if asked * Action::ALL.len() > QUESTIONS {
            return Err(TooLarge);
        }
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        for at in &self.instants {
            // Nobody pushes without an identity.
            let asked = |action: &Action| person.user.is_some() || *action == Action::Read;
            for action in Action::ALL.into_iter().filter(asked) {
                let names: Vec<&[u8]> = match action {
                    Action::Read => vec![b""],
                    _ => subjects.refs.first().map(Vec::as_slice).collect(),
                };
                for name in names.into_iter().enumerate() {
                    let here = self.at(person, &subjects, action, name, *at);
                    // Told once, from its first instant on.
                    let new = |d: &Answered| {
                        seen.insert(Answered { from: None, by: Vec::new(), ..d.clone() })
                    };
                    found.extend(here.into_iter().filter(new));
                }
            }
        }
        let entries = both(self.old.as_ref(), self.new.as_ref());
        Ok(Differences::new(found, subjects, &entries))
    }

    /// What there is to ask about for somebody of that name.
    fn subjects(&mut self, name: Option<&UserName>) -> Result<Rc<Subjects>, TooLarge> {
        if let Some(known) = self.questions.get(&name.cloned()) {
            return known.clone();
        }
        let entries = both(self.old.as_ref(), self.new.as_ref());
        let older = self.old.as_ref().map_or(0, |side| side.entries.len());
        let found = Subjects::new(&entries, older, (name, self.names.are_parts())).map(Rc::new);
        self.questions.insert(name.cloned(), found.clone());
        found
    }

    /// Differences at one instant for one action on one ref, over all that it may change.
    fn at(
        &self,
        person: &Person<'_>,
        subjects: &Subjects,
        action: Action,
        (class, name): (usize, &[u8]),
        at: DateTime<Utc>,
    ) -> Vec<Answered> {
        let touched = subjects.touched(action);
        let count = touched.len();
        let mut found = Vec::new();
        for touched in touched {
            let path = subjects.changed(touched);
            let paths = match (touched, action) {
                (_, Action::Read | Action::Delete) => Paths::None,
                (Touched::Unknown, _) => Paths::Unknown,
                _ => Paths::Known(path),
            };
            let question = Question {
                action,
                name,
                paths,
                now: at,
                margin: Duration::zero(),
                horizon: Duration::zero(),
            };
            found.extend(self.ask(person, &question, (class, touched)));
        }
        // The same whatever is changed: say so once.
        let same = |a: &Answered, b: &Answered| (a.before, a.after) == (b.before, b.after);
        let all_same = found.first().is_some_and(|one| found.iter().all(|d| same(one, d)));
        if count > 1 && found.len() == count && all_same {
            found.truncate(1);
            found.iter_mut().for_each(|answered| answered.touching = Touched::Any);
        }
        found
    }

    fn ask(
        &self,
        person: &Person<'_>,
        question: &Question<'_>,
        (name, touching): (usize, Touched),
    ) -> Option<Answered> {
        let decide = |side: &Option<Side<'p>>, standing: &Option<Standing>| {
            let (side, standing) = (side.as_ref()?, standing.as_ref()?);
            let scope = Scope {
                standing,
                entries: side.entries.clone(),
                enforce: side.enforce,
                require: &[],
                confirmed_by: &[],
            };
            Some(decide(&scope, question, person.answers))
        };
        let [was, is] = &person.standings;
        let (old, new) = (decide(&self.old, was), decide(&self.new, is));
        let (before, after) = (level(old.as_ref()), level(new.as_ref()));
        if before == after {
            return None;
        }
        let [through, by] = reasons(old.as_ref(), new.as_ref(), before < after);
        let from = (question.now > self.now).then_some(question.now);
        let action = question.action;
        Some(Answered { before, after, action, name, touching, from, through, by })
    }
}

/// What refuses where it is refused, and what permits on the other side; else what permits where it
/// is allowed. Each with whether it is of the old side.
fn reasons(old: Option<&Decision>, new: Option<&Decision>, gains: bool) -> [Vec<(bool, usize)>; 2] {
    let of = |old: bool, positions: Vec<usize>| -> Vec<(bool, usize)> {
        positions.into_iter().map(|at| (old, at)).collect()
    };
    let refusing = refusing(if gains { old } else { new });
    let permitting = of(!gains, permitting(if gains { new } else { old }));
    match refusing.is_empty() {
        true => [permitting, Vec::new()],
        false => [of(gains, refusing), permitting],
    }
}

fn both<'p>(old: Option<&Side<'p>>, new: Option<&Side<'p>>) -> Vec<&'p Entry> {
    old.into_iter().chain(new).flat_map(|side| side.entries.iter().copied()).collect()
}

fn level(decision: Option<&Decision>) -> Level {
    match decision.map(|decision| &decision.verdict) {
        None | Some(Verdict::Refused(_)) => Level::Refused,
        Some(Verdict::Allowed(yes)) if yes.warnings().is_empty() => Level::Allowed,
        Some(Verdict::Allowed(_)) => Level::Warned,
    }
}

/// Entries that refuse, or would if they were not `enforce = "warn"`.
fn refusing(decision: Option<&Decision>) -> Vec<usize> {
    match decision.map(|decision| &decision.verdict) {
        None => Vec::new(),
        Some(Verdict::Refused(no)) => no.reasons().filter_map(|reason| reason.entry).collect(),
        Some(Verdict::Allowed(yes)) => {
            yes.warnings().iter().filter_map(|reason| reason.entry).collect()
        }
    }
}

fn permitting(decision: Option<&Decision>) -> Vec<usize> {
    match decision.map(|decision| &decision.verdict) {
        Some(Verdict::Allowed(yes)) => yes.permits().to_vec(),
        _ => Vec::new(),
    }
}
