//! The decision: may this person do this to this ref, now? One pure function, [`decide`].
//!
//! Knows how permits, forbids and grants combine (02-policy.md, "How a push is decided"); not where
//! they, the person or the changed paths come from. Nothing matched is refused; an error is refused.
//!
//! [`consider()`] looks at one entry, `judge` combines them, `verdict` is the answer; [`bypass`] says
//! which checks somebody's entries lift.

pub mod bypass;
mod consider;
mod judge;
mod verdict;

pub use crate::policy::refs::Paths;
pub use consider::{Outcome, consider};
pub use verdict::{Allowed, Decision, Reason, Refused, Verdict, Why};

use crate::policy::entry::{Enforce, Entry};
use crate::policy::members::{Answers, Ask, Standing};
use crate::policy::model::Require;
use crate::push::action::Action;
use crate::pusher::source::Source;
use chrono::{DateTime, Duration, Utc};
use std::collections::BTreeSet;

/// Everything that could speak about one person in one repository.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    /// The person.
    pub standing: &'a Standing,
    /// Entries of the project's scheme, and the grants that apply in the repository.
    pub entries: Vec<&'a Entry>,
    /// The project's own `enforce`.
    pub enforce: Enforce,
    /// `[[identity.require]]`
    pub require: &'a [Require],
    /// Sources that named this person.
    pub confirmed_by: &'a [Source],
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What is done.
    pub action: Action,
    /// To which ref, full name; not looked at for reading.
    pub name: &'a [u8],
    /// The paths that it changes.
    pub paths: Paths<'a>,
    /// The time of decision.
    pub now: DateTime<Utc>,
    /// How much earlier every end of a permit or grant counts.
    pub margin: Duration,
    /// How far ahead turns of windows matter to the answer.
    pub horizon: Duration,
}

/// What must be found out before [`decide`] can answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Memberships of the person to ask about.
    pub lookups: BTreeSet<Ask>,
    /// Whether an entry speaks about changed paths, so that they decide.
    pub paths: bool,
}

/// What [`decide`] would have to know that `answers` and `question.paths` may not say yet.
#[must_use]
pub fn needs(scope: &Scope<'_>, question: &Question<'_>, answers: &Answers) -> Needs {
    needs_of(scope, question, &trace(scope, question, answers))
}

/// What became of every entry, in order.
fn trace(scope: &Scope<'_>, question: &Question<'_>, answers: &Answers) -> Vec<Outcome> {
    let each = scope.entries.iter();
    each.map(|entry| consider(entry, scope.standing, question, answers)).collect()
}

fn needs_of(scope: &Scope<'_>, question: &Question<'_>, trace: &[Outcome]) -> Needs {
    let mut needs = Needs::default();
    let settled = settled(scope, trace);
    let (mut path_forbid, mut path_permit, mut plain_permit) = (false, false, false);
    for (entry, outcome) in scope.entries.iter().zip(trace) {
        match outcome {
            Outcome::Applies if entry.is_forbid() => path_forbid |= entry.paths.is_some(),
            Outcome::Applies if entry.looks_at_paths() => path_permit = true,
            Outcome::Applies => plain_permit = true,
            Outcome::Unasked(asks) => {
                let asks = asks.iter().filter(|ask| matters(entry, ask, settled));
                needs.lookups.extend(asks.cloned());
            }
            _ => {}
        }
    }
    let has_paths = !matches!(question.action, Action::Read | Action::Delete);
    needs.paths = has_paths && (path_forbid || (path_permit && !plain_permit));
    needs
}

/// Whether a permit that looks at no paths applies, so that no other permit is needed.
fn settled(scope: &Scope<'_>, trace: &[Outcome]) -> bool {
    let both = scope.entries.iter().zip(trace);
    both.into_iter().any(|(entry, outcome)| {
        *outcome == Outcome::Applies && !entry.is_forbid() && !entry.looks_at_paths()
    })
}

/// Whether what is asked about an entry can change the answer. Where another permit settles it,
/// Jira is not asked what one more would say: a Jira that is down is in nobody's way who needs it not.
fn matters(entry: &Entry, ask: &Ask, settled: bool) -> bool {
    entry.is_forbid() || !settled || matches!(ask, Ask::Group(_))
}

/// Decides. Look-ups that `answers` lacks refuse.
#[must_use]
pub fn decide(scope: &Scope<'_>, question: &Question<'_>, answers: &Answers) -> Decision {
    let trace = trace(scope, question, answers);
    let verdict = judge::judge(scope, question, answers, &trace);
    Decision { verdict, trace }
}

/// Decides, unless memberships have to be asked about first: then says which. Every entry is considered
/// once.
///
/// # Errors
/// The memberships that the answer may depend on and `answers` lacks.
pub fn decide_or_ask(
    scope: &Scope<'_>,
    question: &Question<'_>,
    answers: &Answers,
) -> Result<Decision, BTreeSet<Ask>> {
    let trace = trace(scope, question, answers);
    let lookups = needs_of(scope, question, &trace).lookups;
    if !lookups.is_empty() {
        return Err(lookups);
    }
    let verdict = judge::judge(scope, question, answers, &trace);
    Ok(Decision { verdict, trace })
}

#[cfg(test)]
mod tests;
