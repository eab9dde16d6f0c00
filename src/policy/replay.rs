//! A recorded push, decided again by another policy.
//!
//! Knows what a record says and what it does not: the changed paths, the answers of look-ups, and
//! further evidence of who pushed are not in it. Each of them can only add rights or take rights away,
//! so the push is decided twice, with all of it against the pusher and with all of it for them; where
//! the two agree, so does whatever was the case. Where they do not, the answer is unknown: it is never
//! guessed. Nor are rights that were lent, and locks: they are not in a policy.

use super::diff::Level;
use super::members::{Answers, lookups_of};
use super::model::Policy;
use super::name::UserName;
use super::scope::Scopes;
use crate::code::Code;
use crate::decision::{self, Decision, Paths, Question, Verdict};
use crate::push::action::Action;
use crate::pusher::source::Source;
use chrono::{DateTime, Duration, Utc};

/// How much earlier ends count at a push (03-push.md).
const MARGIN: Duration = Duration::seconds(2);

/// One ref of a recorded push.
#[derive(Debug, Clone)]
pub struct Recorded<'a> {
    /// Who pushed.
    pub user: &'a UserName,
    /// The source that named the pusher; others may have confirmed it.
    pub source: Option<&'a Source>,
    /// Where.
    pub repository: &'a [u8],
    /// What was done.
    pub action: Action,
    /// To which ref, full name.
    pub name: &'a [u8],
    /// When it was decided.
    pub time: DateTime<Utc>,
    /// How many refs the push had.
    pub refs: usize,
    /// What was answered.
    pub was: Level,
    /// The code of that.
    pub code: Option<Code>,
    /// Whether the push used a right that was lent.
    pub lent: bool,
}

/// What the record does not tell, and the answer depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lacking {
    /// Which paths the push changed.
    Paths,
    /// Whether looked-up groups had the person.
    Groups,
    /// Which further sources named the person.
    Evidence,
    /// What a lent right covered.
    Lent,
    /// Whether a lock that was there then would be there.
    Lock,
}

impl Lacking {
    /// For a line of a list.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paths => "the trail does not record changed paths",
            Self::Groups => "the trail does not record who was in looked-up groups",
            Self::Evidence => "the trail does not record further evidence of who pushed",
            Self::Lent => "it went through by a right that was lent",
            Self::Lock => "it was locked",
        }
    }
}

/// What comes of deciding again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Again {
    /// The same.
    Same,
    /// Something else; the code where it is certain.
    Changes(Level, Option<Code>),
    /// It can't be told.
    Unknown(Lacking),
    /// It was refused by something that no policy of refs decides: an identity, the push's form, a
    /// check, the server.
    NotByPolicy,
}

/// Decides recorded pushes by a policy.
pub struct Replay<'p> {
    policy: &'p Policy,
    scopes: Scopes<'p>,
    sources: Vec<Source>,
    /// The answers of all look-ups: no, and yes.
    answers: [Answers; 2],
}

/// What a record leaves open.
#[derive(Clone, Copy)]
struct Open {
    paths: bool,
    groups: bool,
    evidence: bool,
}

impl<'p> Replay<'p> {
    /// Works out what many questions share.
    #[must_use]
    pub fn new(policy: &'p Policy) -> Self {
        let asked: Vec<_> = lookups_of(&policy.groups).into_values().flatten().collect();
        let answers = [false, true]
            .map(|member| asked.iter().map(|group| (group.clone().into(), Ok(member))).collect());
        let sources = policy.settings.require.iter().map(|one| one.source.clone()).collect();
        Self { policy, scopes: Scopes::new(policy), sources, answers }
    }

    /// Decides one ref again.
    pub fn again(&mut self, one: &Recorded<'_>) -> Again {
        let all = |yes| Open { paths: yes, groups: yes, evidence: yes };
        let (worst, best) = (self.level(one, all(false)), self.level(one, all(true)));
        if worst.0 != best.0 {
            return Again::Unknown(self.lacking(one, best.0));
        }
        let (is, code) = (best.0, best.1.filter(|_| best.1 == worst.1));
        match (one.was, is) {
            (Level::Refused, Level::Refused) => self.still_refused(one, code),
            (was, is) if was == is => Again::Same,
            // What a check says of commits is not asked again.
            (Level::Warned, Level::Allowed) if one.code.is_some_and(of_check) => Again::NotByPolicy,
            (Level::Refused, _) if one.code == Some(Code::Locked) => Again::Unknown(Lacking::Lock),
            (Level::Refused, _) if !one.code.is_some_and(by_policy) => Again::NotByPolicy,
            (_, Level::Refused | Level::Warned) if one.lent => Again::Unknown(Lacking::Lent),
            (_, is) => Again::Changes(is, code),
        }
    }

    fn still_refused(&self, one: &Recorded<'_>, code: Option<Code>) -> Again {
        match (one.code, code) {
            (Some(was), Some(is)) if was != is && by_policy(was) => {
                Again::Changes(Level::Refused, code)
            }
            _ => Again::Same,
        }
    }

    /// What makes the difference, the first that does alone.
    fn lacking(&mut self, one: &Recorded<'_>, best: Level) -> Lacking {
        let known = Open { paths: true, groups: true, evidence: true };
        if self.level(one, Open { paths: false, ..known }).0 != best {
            Lacking::Paths
        } else if self.level(one, Open { groups: false, ..known }).0 != best {
            Lacking::Groups
        } else if self.level(one, Open { evidence: false, ..known }).0 != best {
            Lacking::Evidence
        } else {
            // Only together do they make a difference: paths are always among them.
            Lacking::Paths
        }
    }

    /// The answer, with what is open taken for the pusher or against.
    fn level(&mut self, one: &Recorded<'_>, open: Open) -> (Level, Option<Code>) {
        let [no, yes] = &self.answers;
        let answers = if open.groups { yes } else { no };
        let own: Vec<Source> = one.source.cloned().into_iter().collect();
        let sources = if open.evidence { &self.sources } else { &own };
        let scope = match self.scopes.scope(Some(one.user), one.repository, sources) {
            Ok((scope, _)) => scope,
            Err(none) => return (Level::Refused, Some(none.code())),
        };
        let settings = &self.policy.settings;
        let (limit, bulk) = (settings.max_refs, &settings.bulk_change);
        if let Err(code) = super::bulk::too_many(one.refs, limit, bulk, scope.standing, answers) {
            return (Level::Refused, Some(code));
        }
        let paths = match (one.action, open.paths) {
            (Action::Read | Action::Delete, _) => Paths::None,
            // All that looks at paths is against the pusher, or nothing is.
            (_, false) => Paths::Unknown,
            (_, true) => Paths::Known(&[]),
        };
        let question = Question {
            action: one.action,
            name: one.name,
            paths,
            now: one.time,
            margin: MARGIN,
            horizon: Duration::zero(),
        };
        level(&decision::decide(&scope, &question, answers))
    }
}

fn level(decision: &Decision) -> (Level, Option<Code>) {
    match &decision.verdict {
        Verdict::Refused(refused) => (Level::Refused, Some(refused.code())),
        Verdict::Allowed(allowed) => match allowed.warnings().first() {
            Some(warning) => (Level::Warned, Some(warning.code)),
            None => (Level::Allowed, None),
        },
    }
}

/// Whether it is what a check says.
fn of_check(code: Code) -> bool {
    (401..=429).contains(&code.number())
}

/// Whether a policy alone says this no.
fn by_policy(code: Code) -> bool {
    matches!(
        code,
        Code::NoPermit
            | Code::Forbidden
            | Code::PathNotCovered
            | Code::TooManyRefs
            | Code::InactiveUser
            | Code::NoProject
            | Code::AmbiguousProject
    )
}

#[cfg(test)]
mod tests;
