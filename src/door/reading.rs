//! Who may read a repository: the decision's `read`, with locks and grants joined as at a push.
//!
//! Knows where the facts come from; the rule is `decision`'s. Nothing here tells a reader why they
//! were refused: who may not read learns nothing of the repository, not even that it is there.

use crate::access::Id;
use crate::code::Code;
use crate::decision::{self, Paths, Question, Scope, Verdict};
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
    /// The grants that a yes rests on.
    pub grants: Vec<Id>,
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
                    Ok(Reading { project: None, refused: Some(code), grants: Vec::new() })
                }
                _ => Err(Refusal::server(code, &error)),
            };
        }
    };
    let mut answers = Answers::new();
    let store = lent::opened(desk)?;
    if let Some(store) = &store {
        lent::lay_locks(desk, &mut ground, place, store.as_ref())?;
    }
    let standing = decide(desk, user, &ground, &mut answers)?;
    let project = Some(ground.name.clone());
    let (Some(Code::NoPermit), Some(person), Some(store)) = (standing.0, user, &store) else {
        return Ok(Reading { project, refused: standing.0, grants: Vec::new() });
    };
    let open = store.of_person(person, desk.now.wall).map_err(|error| lent::refusal(&error))?;
    for grant in lent::live(desk, &ground, place, open.open, None)? {
        ground.entries.extend(grant.entries);
    }
    let (refused, grants) = decide(desk, user, &ground, &mut answers)?;
    Ok(Reading { project, refused, grants })
}

/// The code of a no, and the grants that a yes rests on.
fn decide(
    desk: &Desk,
    user: Option<&UserName>,
    ground: &Ground,
    answers: &mut Answers,
) -> Result<(Option<Code>, Vec<Id>), Refusal> {
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
    loop {
        match decision::decide_or_ask(&scope, &question, answers) {
            Ok(decision) => return Ok(outcome(&decision, &scope)),
            Err(groups) => {
                // Groups are asked about people whom the policy knows.
                let Some(user) = user else { return Ok((Some(Code::NoPermit), Vec::new())) };
                for group in groups {
                    let answer = ruling::ask(desk, user, &group);
                    answers.insert(group, answer);
                }
            }
        }
    }
}

fn outcome(decision: &decision::Decision, scope: &Scope<'_>) -> (Option<Code>, Vec<Id>) {
    match &decision.verdict {
        Verdict::Refused(refused) => (Some(refused.code()), Vec::new()),
        Verdict::Allowed(_) => {
            let applied = scope.entries.iter().zip(&decision.trace);
            let lent = applied.filter_map(|(entry, outcome)| match (&entry.kind, outcome) {
                (Kind::Lent(id), decision::Outcome::Applies) => Id::parse(id).ok(),
                _ => None,
            });
            (None, lent.collect())
        }
    }
}
