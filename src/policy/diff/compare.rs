//! Two sets of entries against every question that can tell them apart.

use super::super::entry::{Enforce, Entry};
use super::super::members::{Answers, Standing};
use super::super::name::UserName;
use super::super::refs::{ChangedPath, RefPattern, RefScope, Space};
use super::classes::{covers, paths, ref_names, touches};
use super::names::Names;
use super::walk::TooLarge;
use super::when::instants;
use super::{Level, Touching};
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

/// One difference, for one kind of person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Difference {
    pub before: Level,
    pub after: Level,
    pub action: Action,
    /// What the patterns of the entries that made the difference say; empty for reading.
    pub refs: Vec<String>,
    /// Entries, by their place among those of a side; whether it is the old side.
    pub through: Vec<(bool, usize)>,
    pub touching: Touching,
    pub from: Option<DateTime<Utc>>,
    /// An example of a ref.
    pub name: Vec<u8>,
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
    questions: HashMap<Option<UserName>, Result<Subjects, TooLarge>>,
    known: HashMap<Kind, Result<Rc<Differences>, TooLarge>>,
}

/// How the two sides differ for a kind of person.
#[derive(Default)]
pub(super) struct Differences {
    /// Each question that is answered otherwise.
    pub all: Vec<Short>,
    /// The first of those that are told as one.
    pub short: Vec<Short>,
}

/// What is told, and an example of it.
pub(super) type Short = (Rc<Difference>, Rc<Difference>);

impl Differences {
    fn new(found: Vec<Difference>) -> Self {
        let mut seen = HashSet::new();
        let mut differences = Self::default();
        for example in found {
            let both = (Rc::new(example.without_example()), Rc::new(example));
            if seen.insert((Rc::clone(&both.0), both.1.through.clone())) {
                differences.short.push(both.clone());
            }
            differences.all.push(both);
        }
        differences
    }
}

/// Refs and paths that make a difference.
struct Subjects {
    refs: Vec<Vec<u8>>,
    paths: Vec<ChangedPath>,
}

impl Subjects {
    /// All that a push may change which can make a difference.
    fn touching(&self, action: Action) -> Vec<Touching> {
        if self.paths.is_empty() || matches!(action, Action::Read | Action::Delete) {
            return vec![Touching::Any];
        }
        let each = self.paths.iter().map(|path| Touching::path(path.clone()));
        [Touching::Nothing, Touching::Unknown].into_iter().chain(each).collect()
    }
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
        let found = self.compare(&person()).map(|found| Rc::new(Differences::new(found)));
        self.known.insert(kind, found.clone());
        found
    }

    fn compare(&mut self, person: &Person<'_>) -> Result<Vec<Difference>, TooLarge> {
        let name = person.user.filter(|_| !self.names.are_blind()).cloned();
        if !self.questions.contains_key(&name) {
            let entries = both(self.old.as_ref(), self.new.as_ref());
            let subjects = ref_names(&entries, name.as_ref())
                .and_then(|refs| Ok(Subjects { refs, paths: paths(&entries, name.as_ref())? }));
            self.questions.insert(name.clone(), subjects);
        }
        let Some(Ok(subjects)) = self.questions.get(&name) else { return Err(TooLarge) };
        let asked = subjects.refs.len() * (subjects.paths.len() + 2) * self.instants.len();
        if asked * Action::ALL.len() > QUESTIONS {
            return Err(TooLarge);
        }
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        for at in &self.instants {
            for action in Action::ALL {
                let nothing = [Vec::new()];
                let read = action == Action::Read;
                for name in if read { nothing.as_slice() } else { &subjects.refs } {
                    let here = self.at(person, subjects, action, name, *at);
                    // Told once, from its first instant on.
                    let new = |d: &Difference| seen.insert(Difference { from: None, ..d.clone() });
                    found.extend(here.into_iter().filter(new));
                }
            }
        }
        Ok(found)
    }

    /// Differences at one instant for one action on one ref, over all that it may change.
    fn at(
        &self,
        person: &Person<'_>,
        subjects: &Subjects,
        action: Action,
        name: &[u8],
        at: DateTime<Utc>,
    ) -> Vec<Difference> {
        let touching = subjects.touching(action);
        let count = touching.len();
        let mut found = Vec::new();
        for touching in touching {
            let path = touching.changed();
            let paths = match (&touching, action) {
                (_, Action::Read | Action::Delete) => Paths::None,
                (Touching::Unknown, _) => Paths::Unknown,
                _ => Paths::Known(path.as_slice()),
            };
            let question = Question {
                action,
                name,
                paths,
                now: at,
                margin: Duration::zero(),
                horizon: Duration::zero(),
            };
            found.extend(self.ask(person, &question, touching));
        }
        // The same whatever is changed: say so once.
        let same = |a: &Difference, b: &Difference| (a.before, a.after) == (b.before, b.after);
        let all_same = found.first().is_some_and(|one| found.iter().all(|d| same(one, d)));
        if count > 1 && found.len() == count && all_same {
            found.truncate(1);
            found.iter_mut().for_each(|difference| difference.touching = Touching::Any);
        }
        found
    }

    fn ask(
        &self,
        person: &Person<'_>,
        question: &Question<'_>,
        touching: Touching,
    ) -> Option<Difference> {
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
        let (through, entries) = self.reasons(old.as_ref(), new.as_ref(), before < after);
        let user = person.user;
        let mut refs: Vec<String> =
            entries.iter().flat_map(|entry| said(entry, question, user)).collect();
        refs.sort();
        refs.dedup();
        let touching = touching.said_by(&entries, user);
        let from = (question.now > self.now).then_some(question.now);
        let name = question.name.to_vec();
        let action = question.action;
        Some(Difference { before, after, action, refs, through, touching, from, name })
    }

    /// What refuses where it is refused, else what permits where it is allowed; and whether those
    /// are entries of the old side.
    fn reasons(
        &self,
        old: Option<&Decision>,
        new: Option<&Decision>,
        gains: bool,
    ) -> (Vec<(bool, usize)>, Vec<&'p Entry>) {
        let refusing = refusing(if gains { old } else { new });
        let (old_side, positions) = match (refusing.is_empty(), gains) {
            (false, _) => (gains, refusing),
            (true, true) => (false, permitting(new)),
            (true, false) => (true, permitting(old)),
        };
        let side = if old_side { &self.old } else { &self.new };
        let entries = side.as_ref().map_or(&[][..], |side| &side.entries);
        let entries = positions.iter().filter_map(|at| entries.get(*at).copied()).collect();
        (positions.into_iter().map(|at| (old_side, at)).collect(), entries)
    }
}

impl Difference {
    /// The question alone, and its answers.
    pub(super) fn without_reason(&self) -> Self {
        Self {
            refs: Vec::new(),
            through: Vec::new(),
            touching: self.touching.without_patterns(),
            ..self.clone()
        }
    }

    /// What two differences have in common that are told as one.
    pub(super) fn without_example(&self) -> Self {
        let (name, through) = (Vec::new(), Vec::new());
        Self { name, through, touching: self.touching.kind(), ..self.clone() }
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

/// The patterns by which an entry covers the ref.
fn said(entry: &Entry, question: &Question<'_>, user: Option<&UserName>) -> Vec<String> {
    if question.action == Action::Read || !covers(entry, question.name, user) {
        return Vec::new();
    }
    let alone = |pattern: &&RefPattern| {
        let scope = RefScope { include: vec![(*pattern).clone()], exclude: Vec::new() };
        scope.forbids(question.name, user).unwrap_or(true)
    };
    let words = |pattern: &RefPattern| match pattern.space {
        Space::Tags => format!("tags {}", pattern.pattern),
        Space::Branches | Space::Refs => pattern.pattern.to_string(),
    };
    match (entry.refs.include.is_empty(), entry.is_forbid()) {
        (true, true) => vec!["any ref".into()],
        (true, false) => vec!["any branch or tag".into()],
        (false, _) => entry.refs.include.iter().filter(alone).map(words).collect(),
    }
}

impl Touching {
    fn path(path: ChangedPath) -> Self {
        Self::Path { patterns: Vec::new(), example: path.path, link: path.link }
    }

    fn changed(&self) -> Vec<ChangedPath> {
        match self {
            Self::Path { example, link, .. } => {
                vec![ChangedPath { path: example.clone(), link: *link }]
            }
            _ => Vec::new(),
        }
    }

    /// The same with the patterns by which the entries cover the path.
    fn said_by(self, entries: &[&Entry], user: Option<&UserName>) -> Self {
        let Self::Path { example, link, .. } = self else { return self };
        let path = ChangedPath { path: example, link };
        let looking = entries.iter().filter(|entry| touches(entry, &path, user));
        let included = looking.filter_map(|e| e.paths.as_ref()).flat_map(|paths| &paths.include);
        let matching = included.filter(|pattern| {
            let folder =
                link && pattern.as_glob().is_some_and(|g| g.passes_through(&path.path, user));
            folder || pattern.matches(&path.path, user).unwrap_or(true)
        });
        let mut patterns: Vec<String> = matching.map(ToString::to_string).collect();
        patterns.sort();
        patterns.dedup();
        Self::Path { patterns, example: path.path, link }
    }

    fn without_patterns(&self) -> Self {
        match self {
            Self::Path { example, link, .. } => {
                Self::Path { patterns: Vec::new(), example: example.clone(), link: *link }
            }
            other => other.clone(),
        }
    }

    /// Without the example.
    pub(super) fn kind(&self) -> Self {
        match self {
            Self::Path { patterns, .. } => {
                Self::Path { patterns: patterns.clone(), example: Vec::new(), link: false }
            }
            other => other.clone(),
        }
    }
}
