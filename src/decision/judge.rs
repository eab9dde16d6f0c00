//! Combines what the entries say. Their order never matters.

use super::consider::{Outcome, consider};
use super::verdict::{Allowed, Reason, Refused, Verdict, Why};
use super::{Paths, Question, Scope, matters, settled};
use crate::code::Code;
use crate::policy::entry::{Enforce, Entry, Kind, Place};
use crate::policy::members::{Answers, Ask};
use crate::policy::pattern::Broken;
use crate::policy::refs::ChangedPath;
use chrono::{DateTime, Utc};
use std::cmp::Reverse;

/// Most paths that a reason carries.
const SHOWN_PATHS: usize = 10;

pub(super) fn judge(
    scope: &Scope<'_>,
    q: &Question<'_>,
    answers: &Answers,
    trace: &[Outcome],
) -> Verdict {
    let hard = hard_reasons(scope, q, trace);
    let counts = |entry: &Entry| entry.enforce == Enforce::Refuse;
    let (enforced, all) =
        match (reasons(scope, q, trace, counts), reasons(scope, q, trace, |_| true)) {
            (Ok(enforced), Ok(all)) => (enforced, all),
            (Err(broken), _) | (_, Err(broken)) => {
                return refused(vec![broken_reason(None, &broken)]);
            }
        };
    let warn_only = scope.enforce == Enforce::Warn;
    let refusing = if warn_only { hard } else { [hard, enforced].concat() };
    if !refusing.is_empty() {
        return refused(refusing);
    }
    match rests_on(scope, q, trace) {
        Err(broken) => refused(vec![broken_reason(None, &broken)]),
        Ok(permits) => {
            let ends = if warn_only { None } else { ends(scope, q, answers, trace, &permits) };
            Verdict::Allowed(Allowed { permits, ends, warnings: in_order(all) })
        }
    }
}

fn refused(reasons: Vec<Reason>) -> Verdict {
    let mut reasons = in_order(reasons);
    let first = match reasons.is_empty() {
        true => Reason { code: Code::Internal, entry: None, why: Why::NoPermit },
        false => reasons.remove(0),
    };
    Verdict::Refused(Refused { first, others: reasons })
}

/// The reason that gives the code first.
fn in_order(mut reasons: Vec<Reason>) -> Vec<Reason> {
    reasons.sort_by_key(|reason| (precedence(reason.code), reason.entry));
    reasons
}

/// What can't be decided comes first, then 02-policy.md's order.
fn precedence(code: Code) -> u8 {
    match code {
        Code::Locked => 2,
        Code::Forbidden => 3,
        Code::PathNotCovered => 4,
        Code::NoPermit => 5,
        Code::NoIdentity => 1,
        _ => 0,
    }
}

fn broken_reason(entry: Option<usize>, broken: &Broken) -> Reason {
    Reason { code: Code::Internal, entry, why: Why::Broken(broken.to_string()) }
}

/// Reasons that `enforce = "warn"` never softens: what could not be evaluated, identity, locks.
fn hard_reasons(scope: &Scope<'_>, q: &Question<'_>, trace: &[Outcome]) -> Vec<Reason> {
    let settled = settled(scope, trace);
    let counts = |at: usize, ask: &Ask| {
        scope.entries.get(at).is_none_or(|entry| matters(entry, ask, settled))
    };
    let unknown = |at, ask: &Ask, reason: &str| Reason {
        code: Code::Lookup,
        entry: Some(at),
        why: Why::LookupFailed(ask.clone(), reason.to_owned()),
    };
    let failed = trace.iter().enumerate().filter_map(|(at, outcome)| match outcome {
        Outcome::LookupFailed(ask, reason) => counts(at, ask).then(|| unknown(at, ask, reason)),
        Outcome::Unasked(asks) => {
            let ask = asks.iter().find(|ask| counts(at, ask))?;
            Some(unknown(at, ask, "nobody looked it up"))
        }
        Outcome::Broken(broken) => Some(broken_reason(Some(at), broken)),
        Outcome::Applies if is_lock(scope, at) => {
            Some(Reason { code: Code::Locked, entry: Some(at), why: Why::Forbidden })
        }
        _ => None,
    });
    let missing = scope.require.iter().filter_map(|require| {
        if scope.confirmed_by.contains(&require.source) {
            return None;
        }
        match require.refs.forbids(q.name, scope.standing.given()) {
            Ok(false) => None,
            Ok(true) => Some(Reason {
                code: Code::NoIdentity,
                entry: None,
                why: Why::SourceMissing(require.source.clone()),
            }),
            Err(broken) => Some(broken_reason(None, &broken)),
        }
    });
    failed.chain(missing).collect()
}

fn is_lock(scope: &Scope<'_>, at: usize) -> bool {
    scope.entries.get(at).is_some_and(|entry| matches!(entry.kind, Kind::Lock(_)))
}

/// Indexes and entries that apply.
fn applying<'a>(
    scope: &'a Scope<'_>,
    trace: &'a [Outcome],
) -> impl Iterator<Item = (usize, &'a Entry)> {
    (0..)
        .zip(scope.entries.iter().zip(trace))
        .filter(|(_, (_, outcome))| **outcome == Outcome::Applies)
        .map(|(at, (entry, _))| (at, *entry))
}

/// Steps 4, 5 and 6, over the forbids that `counts` lets speak and all permits.
fn reasons(
    scope: &Scope<'_>,
    q: &Question<'_>,
    trace: &[Outcome],
    counts: impl Fn(&Entry) -> bool,
) -> Result<Vec<Reason>, Broken> {
    let user = scope.standing.user.as_ref();
    let mut found = Vec::new();
    for (at, entry) in applying(scope, trace).filter(|(_, e)| e.is_forbid() && counts(e)) {
        if matches!(entry.kind, Kind::Lock(_)) {
            continue;
        }
        let (code, why) = match (&entry.paths, q.paths) {
            (None, _) => (Code::Forbidden, Why::Forbidden),
            (Some(_), Paths::None) => continue,
            (Some(_), Paths::Unknown) => (Code::PathNotCovered, Why::PathsUnknown),
            (Some(paths), Paths::Known(changed)) => {
                match some(changed, |p| paths.forbids(p, user))? {
                    (_, 0) => continue,
                    (first, count) => (Code::PathNotCovered, Why::PathsForbidden(first, count)),
                }
            }
        };
        found.push(Reason { code, entry: Some(at), why });
    }
    let permits: Vec<&Entry> = permits(scope, q, trace).map(|(_, entry)| entry).collect();
    if permits.is_empty() {
        found.push(Reason { code: Code::NoPermit, entry: None, why: Why::NoPermit });
    } else if let Paths::Known(changed) = q.paths {
        let (first, count) = some(changed, |p| Ok(!covered(&permits, p, user)?))?;
        if count > 0 {
            let why = Why::PathsUncovered(first, count);
            found.push(Reason { code: Code::PathNotCovered, entry: None, why });
        }
    }
    Ok(found)
}

/// Permits and grants that match; those that look at paths do not where the paths are unknown.
fn permits<'a>(
    scope: &'a Scope<'_>,
    q: &Question<'_>,
    trace: &'a [Outcome],
) -> impl Iterator<Item = (usize, &'a Entry)> {
    let blind = q.paths == Paths::Unknown;
    applying(scope, trace).filter(move |(_, e)| !(e.is_forbid() || blind && e.looks_at_paths()))
}

fn covered(
    permits: &[&Entry],
    path: &ChangedPath,
    user: Option<&crate::policy::name::UserName>,
) -> Result<bool, Broken> {
    for entry in permits {
        if entry.permits_path(path, user)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The first paths for which `test` holds, and how many there are.
fn some(
    changed: &[ChangedPath],
    test: impl Fn(&ChangedPath) -> Result<bool, Broken>,
) -> Result<(Vec<Vec<u8>>, usize), Broken> {
    let (mut first, mut count) = (Vec::new(), 0);
    for path in changed {
        if test(path)? {
            count += 1;
            if first.len() < SHOWN_PATHS {
                first.push(path.path.clone());
            }
        }
    }
    Ok((first, count))
}

/// The permits that the yes rests on: standing ones before grants, late ends before early ones, and
/// only those without which something would be left uncovered. Lent grants come last, in the order
/// in which the scope has them: which of them is charged is decided there (04-access.md).
fn rests_on(scope: &Scope<'_>, q: &Question<'_>, trace: &[Outcome]) -> Result<Vec<usize>, Broken> {
    let user = scope.standing.user.as_ref();
    let mut candidates: Vec<(usize, &Entry)> = permits(scope, q, trace).collect();
    candidates.sort_by_key(|(at, entry)| {
        let end = end(entry, q);
        match entry.kind {
            Kind::Lent(_) => (2, false, Reverse(None), Place { file: 0, line: 0 }, *at),
            Kind::Grant(_) => (1, end.is_some(), Reverse(end), entry.place, *at),
            _ => (0, end.is_some(), Reverse(end), entry.place, *at),
        }
    });
    let mut left: Vec<&ChangedPath> = match q.paths {
        Paths::Known(changed) => changed.iter().collect(),
        Paths::None | Paths::Unknown => Vec::new(),
    };
    if left.is_empty() {
        // Nobody asked for paths, so a permit without them is there, and the yes rests on that one.
        let plain = candidates.iter().find(|(_, entry)| !entry.looks_at_paths());
        return Ok(plain.or(candidates.first()).map(|(at, _)| *at).into_iter().collect());
    }
    let mut used = Vec::new();
    for (at, entry) in candidates {
        let before = left.len();
        if entry.looks_at_paths() {
            let mut still = Vec::new();
            for path in left {
                if !entry.permits_path(path, user)? {
                    still.push(path);
                }
            }
            left = still;
        } else {
            left.clear();
        }
        if left.len() < before {
            used.push(at);
        }
        if left.is_empty() {
            break;
        }
    }
    Ok(used)
}

/// When a permit stops to count, if it does within the horizon.
pub(super) fn end(entry: &Entry, q: &Question<'_>) -> Option<DateTime<Utc>> {
    let horizon = q.now.checked_add_signed(q.horizon)?.checked_add_signed(q.margin)?;
    entry.when.next(false, q.now, horizon)?.checked_sub_signed(q.margin)
}

/// The earliest turn that would change the answer: an end of what it rests on, the start of a forbid.
fn ends(
    scope: &Scope<'_>,
    q: &Question<'_>,
    answers: &Answers,
    trace: &[Outcome],
    permits: &[usize],
) -> Option<DateTime<Utc>> {
    let permits = permits.iter().filter_map(|at| scope.entries.get(*at)).filter_map(|e| end(e, q));
    let horizon = q.now.checked_add_signed(q.horizon)?;
    let coming = scope.entries.iter().zip(trace).filter_map(|(entry, outcome)| {
        let waits = entry.is_forbid()
            && entry.enforce == Enforce::Refuse
            && matches!(outcome, Outcome::NotNow);
        if !waits {
            return None;
        }
        let start = entry.when.next(true, q.now, horizon)?;
        let then = Question { now: start, ..*q };
        let still = consider(entry, scope.standing, &then, answers);
        let spares = matches!(still, Outcome::Excepted(_) | Outcome::OtherPeople);
        (!spares && speaks_of_paths(entry, scope, q)).then_some(start)
    });
    permits.chain(coming).min()
}

fn speaks_of_paths(entry: &Entry, scope: &Scope<'_>, q: &Question<'_>) -> bool {
    let user = scope.standing.user.as_ref();
    match (&entry.paths, q.paths) {
        (Some(paths), Paths::Known(changed)) => {
            some(changed, |p| paths.forbids(p, user)).is_ok_and(|(_, count)| count > 0)
        }
        // Not asked for, because nothing that holds now needs them: think the worst.
        _ => true,
    }
}
