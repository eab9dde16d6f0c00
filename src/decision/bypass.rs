//! `bypass`: which checks a person's live entries lift on a ref.
//!
//! Knows permits, grants and forbids of `bypass`; not what a check asks for. It gives no right to
//! the ref: that is decided before.

use super::consider::{Outcome, look};
use super::judge::end;
use super::{Question, Scope};
use crate::policy::entry::{Enforce, Entry, Kind};
use crate::policy::members::{Answers, Ask};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// Whether a check is lifted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lift {
    /// It is, by the entry of this index, until this instant where one lies within the horizon.
    By(usize, Option<DateTime<Utc>>),
    /// It is not, or a forbid takes that away.
    No,
    /// It depends on groups that have not been asked about.
    Unasked(BTreeSet<Ask>),
    /// It can't be told, for this reason.
    Failed(String),
}

/// Whether the check of this name is lifted for the question's person, ref and time: forbids first,
/// then permits, `[[grants]]`, and lent grants in the order in which they are charged.
#[must_use]
pub fn lifts(scope: &Scope<'_>, q: &Question<'_>, answers: &Answers, check: &str) -> Lift {
    let outcome =
        |entry: &Entry| look(entry, scope.standing, q, answers, &|entry| entry.lifts(check));
    let trace: Vec<(usize, &Entry, Outcome)> = (0..)
        .zip(&scope.entries)
        .map(|(at, entry)| (at, *entry, outcome(entry)))
        .filter(|(_, _, outcome)| *outcome != Outcome::OtherAction)
        .collect();
    if let Some(no) = forbidden(&trace) {
        return no;
    }
    let mut permits: Vec<&(usize, &Entry, Outcome)> =
        trace.iter().filter(|(_, entry, _)| !entry.is_forbid()).collect();
    permits.sort_by_key(|(at, entry, _)| match entry.kind {
        Kind::Lent(_) => (2, *at),
        Kind::Grant(_) => (1, *at),
        _ => (0, *at),
    });
    let mut unsettled = Lift::No;
    for (at, entry, outcome) in permits {
        match outcome {
            // A bypass has no paths; one that speaks of some all the same lifts nothing.
            Outcome::Applies if entry.looks_at_paths() => {}
            Outcome::Applies => return Lift::By(*at, ends(scope, q, check, entry)),
            other => unsettled = worse(unsettled, other),
        }
    }
    unsettled
}

/// A forbid that holds, or that can't be told not to.
fn forbidden(trace: &[(usize, &Entry, Outcome)]) -> Option<Lift> {
    let forbids = |entry: &Entry| entry.is_forbid() && entry.enforce == Enforce::Refuse;
    let all = trace.iter().filter(|(_, entry, _)| forbids(entry)).map(|(_, _, outcome)| outcome);
    if all.clone().any(|outcome| *outcome == Outcome::Applies) {
        return Some(Lift::No);
    }
    Some(all.fold(Lift::No, worse)).filter(|unsettled| *unsettled != Lift::No)
}

/// What stays open, the question that can still be asked first.
fn worse(before: Lift, outcome: &Outcome) -> Lift {
    match (before, outcome) {
        (Lift::Unasked(mut groups), Outcome::Unasked(more)) => {
            groups.extend(more.iter().cloned());
            Lift::Unasked(groups)
        }
        (_, Outcome::Unasked(groups)) => Lift::Unasked(groups.clone()),
        (Lift::No, Outcome::LookupFailed(ask, why)) => {
            Lift::Failed(format!("{ask} could not be looked up ({why})"))
        }
        (Lift::No, Outcome::Broken(broken)) => Lift::Failed(broken.to_string()),
        (before, _) => before,
    }
}

/// When the lifting stops: the entry's own end, or the beginning of a forbid.
fn ends(scope: &Scope<'_>, q: &Question<'_>, check: &str, by: &Entry) -> Option<DateTime<Utc>> {
    let horizon = q.now.checked_add_signed(q.horizon)?;
    let forbids = scope.entries.iter().filter(|entry| {
        entry.is_forbid() && entry.enforce == Enforce::Refuse && entry.lifts(check)
    });
    let coming = forbids.filter_map(|entry| entry.when.next(true, q.now, horizon));
    coming.chain(end(by, q)).min()
}

#[cfg(test)]
mod tests;
