//! Who may read a repository: the decision's `read`, with locks and grants joined as at a push.
//!
//! Knows where the facts come from; the rule is `decision`'s. Nothing here tells a reader why they
//! were refused: who may not read learns nothing of the repository, not even that it is there.

use crate::access::Id;
use crate::code::Code;
use crate::decision::{self, Decision, Paths, Question, Scope, Verdict};
use crate::hook::Refusal;
use crate::hook::desk::Desk;
use crate::hook::{lent, ruling};
use crate::policy::entry::{Enforce, Kind};
use crate::policy::members::Answers;
use crate::policy::name::{ProjectName, UserName};
use crate::policy::scope::Ground;
use crate::push::action::Action;
use chrono::Duration;

/// What came of asking whether somebody may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The repository's project; `None` where none has it.
    pub project: Option<ProjectName>,
    /// The code of a refusal; `None` is a yes.
    pub refused: Option<Code>,
    /// The code of what would have been a no where the project only warns.
    pub warned: Option<Code>,
    /// The grants that a yes rests on.
    pub grants: Vec<Id>,
    /// The version of the store that was asked, where there is one.
    pub store: Option<u64>,
}

impl Reading {
    fn refused(project: Option<ProjectName>, code: Code) -> Self {
        Self { project, refused: Some(code), warned: None, grants: Vec::new(), store: None }
    }
}

/// Whether `user` (`None`: somebody without an identity) may read the repository called `place`.
///
/// # Errors
/// [`Refusal`] where it can't be decided: no policy, no store, a look-up that failed. It is a no.
pub fn may_read(desk: &Desk, user: Option<&UserName>, place: &[u8]) -> Result<Reading, Refusal> {
    let mut ground = match desk.policy.ground(user, place) {
        Ok(ground) => ground,
        Err(error) => {
            let code = error.code();
            return match code {
                Code::NoProject | Code::UnknownUser | Code::InactiveUser => {
                    Ok(Reading::refused(None, code))
                }
                _ => Err(Refusal::server(code, &error)),
            };
        }
    };
    let mut answers = Answers::new();
    let access = lent::opened(desk)?;
    if let Some(store) = &access.store {
        lent::lay_locks(desk, &mut ground, place, store.as_ref())?;
    }
    let mut reading = decide(desk, user, &ground, &mut answers)?;
    if let (Some(Code::NoPermit), Some(person), Some(store)) =
        (reading.refused, user, &access.store)
    {
        let open = store.of_person(person, desk.now.wall).map_err(|error| lent::refusal(&error))?;
        for grant in lent::live(desk, &ground, place, open.open)? {
            ground.entries.extend(grant.entries);
        }
        reading = decide(desk, user, &ground, &mut answers)?;
    }
    Ok(Reading { store: access.version, ..reading })
}

fn decide(
    desk: &Desk,
    user: Option<&UserName>,
    ground: &Ground,
    answers: &mut Answers,
) -> Result<Reading, Refusal> {
    let scope = Scope {
        standing: &ground.standing,
        entries: ground.entries.iter().collect(),
        // A project that only warns warns people whom it knows; nobody else comes in by that.
        enforce: if user.is_some() { ground.project.enforce } else { Enforce::Refuse },
        require: &[],
        confirmed_by: &[],
    };
    let question = Question {
        action: Action::Read,
        name: b"",
        paths: Paths::None,
        now: desk.now.wall,
        margin: ruling::MARGIN,
        horizon: Duration::zero(),
    };
    let project = ground.name.clone();
    loop {
        match decision::decide_or_ask(&scope, &question, answers) {
            Ok(decision) => return Ok(outcome(project, &decision, &scope)),
            Err(groups) => {
                // Groups are asked about people whom the policy knows.
                let Some(user) = user else {
                    return Ok(Reading::refused(Some(project), Code::NoPermit));
                };
                for group in groups {
                    let answer = ruling::ask(desk, user, &group);
                    answers.insert(group, answer);
                }
            }
        }
    }
}

fn outcome(project: ProjectName, decision: &Decision, scope: &Scope<'_>) -> Reading {
    match &decision.verdict {
        Verdict::Refused(refused) => Reading::refused(Some(project), refused.code()),
        Verdict::Allowed(allowed) => {
            let applied = scope.entries.iter().zip(&decision.trace);
            let lent = applied.filter_map(|(entry, outcome)| match (&entry.kind, outcome) {
                (Kind::Lent(id), decision::Outcome::Applies) => Id::parse(id).ok(),
                _ => None,
            });
            Reading {
                project: Some(project),
                refused: None,
                warned: allowed.warnings().first().map(|warning| warning.code),
                grants: lent.collect(),
                store: None,
            }
        }
    }
}
