//! Who may read a repository: the decision's `read`, with locks and grants joined as at a push.
//!
//! Knows where the facts come from; the rule is `decision`'s. Nothing here tells a reader why they
//! were refused: who may not read learns nothing of the repository, not even that it is there.

use super::rest::Rest;
use crate::access::Id;
use crate::code::Code;
use crate::decision::{self, Decision, Paths, Question, Scope, Verdict};
use crate::hook::Refusal;
use crate::hook::desk::Desk;
use crate::hook::lent::{self, Access};
use crate::hook::ruling;
use crate::os::syslog::{self, Severity};
use crate::policy::entry::{Enforce, Kind};
use crate::policy::members::Answers;
use crate::policy::name::{ProjectName, UserName};
use crate::policy::scope::Ground;
use crate::policy::spoken;
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
/// A yes by a standing right needs no more of the store than its brief; for anything else the store
/// is opened, also where it could change nothing, so that a failing one tells nobody which
/// repositories there are.
///
/// # Errors
/// [`Refusal`] where it can't be decided: no policy, no store, a look-up that failed. It is a no.
pub fn may_read(
    desk: &Desk,
    rest: &Rest,
    user: Option<&UserName>,
    place: &[u8],
) -> Result<Reading, Refusal> {
    let mut answers = Answers::new();
    let mut briefly = Access::default();
    if lent::briefed(desk, &mut briefly)? {
        let reading = read_by(desk, &briefly, user, place, &mut answers)?;
        if reading.refused.is_none() {
            return Ok(reading);
        }
    }
    read_by(desk, &(rest.store)(desk)?, user, place, &mut answers)
}

fn read_by(
    desk: &Desk,
    access: &Access,
    user: Option<&UserName>,
    place: &[u8],
    answers: &mut Answers,
) -> Result<Reading, Refusal> {
    let reading = match judge(desk, access, user, place, answers)? {
        Judged::No(project, code) => Reading::refused(project, code),
        Judged::Said(ground, decision) => outcome(&ground, &decision),
    };
    Ok(Reading { store: access.version, ..reading })
}

/// A repository that somebody may read, and what they may do there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readable {
    /// The repository's name.
    pub name: Vec<u8>,
    /// Its project.
    pub project: ProjectName,
    /// Permits that speak for them, in words; grants are not among them.
    pub standing: Vec<String>,
}

/// The repositories among `names` that `user` may read, in their order.
///
/// # Errors
/// As [`may_read`].
pub fn readable(
    desk: &Desk,
    user: &UserName,
    names: impl Iterator<Item = Vec<u8>>,
) -> Result<Vec<Readable>, Refusal> {
    let access = lent::opened(desk)?;
    let mut found = Vec::new();
    // Each group is asked once for all of them.
    let mut answers = Answers::new();
    for name in names {
        if let Judged::Said(ground, decision) =
            judge(desk, &access, Some(user), &name, &mut answers)?
            && matches!(decision.verdict, Verdict::Allowed(_))
        {
            let standing = standing(&ground, &decision);
            found.push(Readable { name, project: ground.name, standing });
        }
    }
    Ok(found)
}

fn standing(ground: &Ground, decision: &Decision) -> Vec<String> {
    let both = ground.entries.iter().zip(&decision.trace);
    let permits = both.filter(|(entry, outcome)| {
        matches!(entry.kind, Kind::Permit) && **outcome == decision::Outcome::Applies
    });
    permits.map(|(entry, _)| spoken::lends(entry)).collect()
}

/// What came of the question.
enum Judged {
    /// Nobody could be asked about: a no.
    No(Option<ProjectName>, Code),
    /// The decision says, entry by entry.
    Said(Box<Ground>, Decision),
}

fn judge(
    desk: &Desk,
    access: &Access,
    user: Option<&UserName>,
    place: &[u8],
    answers: &mut Answers,
) -> Result<Judged, Refusal> {
    let mut ground = match desk.policy.ground(user, place) {
        Ok(ground) => ground,
        Err(error) => {
            let code = error.code();
            return match code {
                Code::NoProject | Code::UnknownUser | Code::InactiveUser => {
                    Ok(Judged::No(None, code))
                }
                _ => Err(Refusal::server(code, &error)),
            };
        }
    };
    if let Some(store) = &access.store {
        let unlocked = lent::lay_locks(desk, &mut ground, place, store.as_ref())?;
        if unlocked {
            desk.take_brief(store.as_ref());
        }
    }
    let Some(mut decision) = decide(desk, user, &ground, answers) else {
        return Ok(Judged::No(Some(ground.name), Code::NoPermit));
    };
    let decided = matches!(decision.verdict, Verdict::Allowed(_));
    if decided && let Some(code) = jira_refuses(desk, user, &ground) {
        return Ok(Judged::No(Some(ground.name), code));
    }
    if let (Verdict::Refused(refused), Some(person), Some(store)) =
        (&decision.verdict, user, &access.store)
        && refused.code() == Code::NoPermit
    {
        let open = store.open_of(person, desk.now.wall).map_err(|error| lent::refusal(&error))?;
        for grant in lent::live(desk, &ground, place, open)? {
            ground.entries.extend(grant.entries);
        }
        if let Some(again) = decide(desk, user, &ground, answers) {
            decision = again;
        }
        let decided = matches!(decision.verdict, Verdict::Allowed(_));
        if decided && let Some(code) = jira_refuses(desk, Some(person), &ground) {
            return Ok(Judged::No(Some(ground.name), code));
        }
    }
    Ok(Judged::Said(Box::new(ground), decision))
}

/// `read-needs`: the code of a no where Jira does not let somebody see the project's code, or can't
/// be asked. Somebody whom it does not know may not.
fn jira_refuses(desk: &Desk, user: Option<&UserName>, ground: &Ground) -> Option<Code> {
    let permission = ground.project.read_needs.as_deref()?;
    let declared = user.and_then(|user| desk.policy.user(user).ok().flatten());
    let person = declared.and_then(|user| user.declared.jira);
    let elsewhere = desk.elsewhere();
    let (Some(person), Some(jira)) = (person, elsewhere.jira()) else {
        return Some(Code::NoPermit);
    };
    match jira.permits(&person, permission, &ground.project.jira_keys) {
        Ok(true) => None,
        Ok(false) => Some(Code::NoPermit),
        Err(error) => {
            let _ = syslog::send(Severity::Error, &format!("Jira: {}", error.for_admin()));
            Some(Code::Lookup)
        }
    }
}

/// `None` where groups would have to be asked about somebody without an identity.
fn decide(
    desk: &Desk,
    user: Option<&UserName>,
    ground: &Ground,
    answers: &mut Answers,
) -> Option<Decision> {
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
            Ok(decision) => return Some(decision),
            Err(asks) => {
                let user = user?;
                let elsewhere = desk.elsewhere();
                for ask in asks {
                    let projects = &ground.project.jira_keys;
                    let answer = ruling::ask(desk, user, &ask, &elsewhere, projects);
                    answers.insert(ask, answer);
                }
            }
        }
    }
}

fn outcome(ground: &Ground, decision: &Decision) -> Reading {
    let project = Some(ground.name.clone());
    match &decision.verdict {
        Verdict::Refused(refused) => Reading::refused(project, refused.code()),
        Verdict::Allowed(allowed) => {
            let applied = ground.entries.iter().zip(&decision.trace);
            let lent = applied.filter_map(|(entry, outcome)| match (&entry.kind, outcome) {
                (Kind::Lent(id), decision::Outcome::Applies) => Id::parse(id).ok(),
                _ => None,
            });
            Reading {
                project,
                refused: None,
                warned: allowed.warnings().first().map(|warning| warning.code),
                grants: lent.collect(),
                store: None,
            }
        }
    }
}
