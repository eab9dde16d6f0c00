//! Checks at a push: which are run on which ref, what they find, and what lifts them.
//!
//! Refs that are allowed otherwise are looked at, all in one go. What the checks find is the
//! engine's matter (`check`, `git`), who may leave one out the decision's.

mod borrow;
mod issues;
mod offer;
mod people;

use super::Refusal;
use super::judge::{Ruled, git_refusal};
use super::lent::Access;
use super::ruling::Ruling;
use crate::access::options::Asked;
use crate::check::{self, Failed, Run};
use crate::code::Code;
use crate::decision::bypass::Lift;
use crate::os::files::FileError;
use crate::policy::checks::Check;
use crate::policy::entry::{Enforce, Entry, Kind, Place};
use crate::policy::past::PastCheck;
use crate::policy::pattern::Broken;
use crate::policy::uncovered::Uncovered;
use crate::push::{Action, RefUpdate};
use crate::store::past;
use chrono::{DateTime, Utc};
use std::cell::OnceCell;

/// What checks say to one ref.
#[derive(Default)]
pub struct Checked {
    /// Those that fail and that nothing lifts, in the policy's order.
    pub failures: Vec<Failure>,
    /// Those that were left out, and by what.
    pub lifted: Vec<Lifted>,
}

/// A check that fails.
pub struct Failure {
    /// Its name.
    pub check: Box<str>,
    /// Where it is written.
    pub place: Place,
    /// The admin's words.
    pub help: Option<Box<str>>,
    /// Whether it refuses; else it only warns.
    pub counts: bool,
    /// What was found, and by which of its keys.
    pub found: Vec<(&'static str, Failed)>,
    /// Why it could not be told whether a bypass holds.
    pub unsettled: Option<String>,
}

/// A check that is left out.
pub struct Lifted {
    /// Its name.
    pub check: Box<str>,
    /// Index of the entry that lifts it.
    pub by: usize,
    /// From when on that no longer holds, where that is within the horizon.
    pub ends: Option<DateTime<Utc>>,
}

impl Checked {
    /// The code, where a check refuses.
    #[must_use]
    pub fn refused(&self) -> Option<Code> {
        self.failures.iter().find(|one| one.counts).map(Failure::code)
    }

    /// The code of the first check that only warns.
    #[must_use]
    pub fn warned(&self) -> Option<Code> {
        self.failures.first().filter(|_| self.refused().is_none()).map(Failure::code)
    }

    /// The earliest end of what lifts checks.
    #[must_use]
    pub fn ends(&self) -> Option<DateTime<Utc>> {
        self.lifted.iter().filter_map(|one| one.ends).min()
    }
}

impl Failure {
    /// Of the first of its keys that found something.
    #[must_use]
    pub fn code(&self) -> Code {
        self.found.first().map_or(Code::Internal, |(_, failed)| failed.code)
    }
}

/// Adds what the checks say to the answers.
///
/// # Errors
/// [`Refusal`] where the push can't be judged.
pub fn rule(
    ruling: &mut Ruling<'_>,
    updates: &[RefUpdate],
    mut ruled: Vec<Ruled>,
    asked: &Asked,
    access: &mut Access,
) -> Result<Vec<Ruled>, Refusal> {
    let checks = ruling.desk.policy.checks(&ruling.ground.name, &ruling.place);
    let checks = checks.map_err(|error| Refusal::server(error.code(), &error))?;
    if checks.is_empty() {
        return Ok(ruled);
    }
    let runs = runs(ruling, updates, &mut ruled, &checks)?;
    if runs.iter().all(Vec::is_empty) {
        return Ok(ruled);
    }
    let found = inspect(ruling, updates, &checks, &runs)?;
    for (((update, one), runs), found) in updates.iter().zip(&mut ruled).zip(&runs).zip(found) {
        one.checked.failures = failures(ruling, &checks, runs, found);
        asked_elsewhere(ruling, update, one);
    }
    if ruled.iter().any(|one| one.checked.refused().is_some()) {
        borrow::lift(ruling, updates, &mut ruled, access)?;
        access.used.retain(|lent| rests_on(ruling, &ruled, lent.id.as_str()));
        offer::offer(ruling, updates, &ruled, asked, access)?;
    }
    Ok(ruled)
}

/// Whether a ref that still goes through needs the grant: others may have been refused since.
pub(super) fn rests_on(ruling: &Ruling<'_>, ruled: &[Ruled], id: &str) -> bool {
    let entries = &ruling.ground.entries;
    let is_it = |at: usize| {
        entries.get(at).is_some_and(|e| matches!(&e.kind, Kind::Lent(other) if **other == *id))
    };
    ruled.iter().filter(|one| one.refused().is_none()).any(|one| {
        let lifted = one.checked.lifted.iter().map(|lifted| lifted.by);
        one.answer.permits().iter().copied().chain(lifted).any(is_it)
    })
}

/// Which checks are run on each ref: those that govern it and that nothing of the person's own lifts.
fn runs(
    ruling: &Ruling<'_>,
    updates: &[RefUpdate],
    ruled: &mut [Ruled],
    checks: &[Check],
) -> Result<Vec<Vec<usize>>, Refusal> {
    let mut all = Vec::new();
    for (update, one) in updates.iter().zip(ruled) {
        let mut runs = Vec::new();
        for (at, check) in checks.iter().enumerate() {
            let Some(action) = looked_at(one) else { break };
            let governs = check.refs.forbids(update.name.as_bytes(), None);
            if !governs.map_err(|broken| Refusal::server(Code::Internal, &broken))? {
                continue;
            }
            match own(ruling, update, action, &check.name) {
                Some(lifted) => one.checked.lifted.push(lifted),
                None => runs.push(at),
            }
        }
        all.push(runs);
    }
    Ok(all)
}

/// What a ref's update does, where checks look at it: a deletion brings nothing.
fn looked_at(one: &Ruled) -> Option<Action> {
    one.action.filter(|action| *action != Action::Delete && one.refused().is_none())
}

/// Whether something that is not lent lifts a check.
fn own(ruling: &Ruling<'_>, update: &RefUpdate, action: Action, check: &str) -> Option<Lifted> {
    let Lift::By(by, ends) = ruling.lifts(update, action, check) else { return None };
    let lent = ruling.ground.entries.get(by).is_some_and(|e| matches!(e.kind, Kind::Lent(_)));
    (!lent).then(|| Lifted { check: check.into(), by, ends })
}

/// Runs them, all refs together.
fn inspect(
    ruling: &mut Ruling<'_>,
    updates: &[RefUpdate],
    checks: &[Check],
    runs: &[Vec<usize>],
) -> Result<Vec<Vec<Failed>>, Refusal> {
    let base = ruling.base().map_err(|error| git_refusal(&error))?;
    let lendable = ruling.desk.policy.entitlements(&ruling.ground.name, &ruling.place);
    let lendable = lendable.map_err(|error| Refusal::server(error.code(), &error))?;
    let entries: Vec<&Entry> =
        ruling.ground.entries.iter().chain(lendable.iter().map(|(_, one)| &one.entry)).collect();
    let past = past::read(&ruling.desk.site.state).map_err(|error| past_refusal(&error))?;
    let of = |check: &Check| past.of(&check.name, &ruling.ground.name, &ruling.place);
    let been: Result<Vec<_>, Broken> = checks.iter().map(of).collect();
    let been = been.map_err(|broken| Refusal::server(Code::Internal, &broken))?;
    let knows: Vec<_> =
        checks.iter().zip(&been).map(|(check, been)| knows(check, &entries, been)).collect();
    let people = people::Everybody::new(ruling);
    let run = |at: &usize| {
        let (check, knows) = (checks.get(*at)?, knows.get(*at)?);
        Some(Run { check, knows })
    };
    let mut asked = Vec::new();
    for (update, runs) in updates.iter().zip(runs).filter(|(_, runs)| !runs.is_empty()) {
        asked.push(check::Asked { update, runs: runs.iter().filter_map(run).collect() });
    }
    let found = ruling.inspect(&asked, base, &people).map_err(|error| git_refusal(&error))?;
    let mut found = found.into_iter();
    let each = runs.iter().map(|runs| match runs.is_empty() {
        true => Some(Vec::new()),
        false => found.next(),
    });
    each.collect::<Option<Vec<_>>>().ok_or_else(Refusal::defect)
}

/// Whether what a ref holds is known to a check: the check governs it, and nobody may go past it there;
/// nor has it been otherwise.
fn knows<'a>(
    check: &'a Check,
    entries: &'a [&Entry],
    been: &'a PastCheck<'_>,
) -> impl Fn(&[u8]) -> Result<bool, Broken> + use<'a> {
    let uncovered = OnceCell::new();
    move |name| {
        let lifted = || Uncovered::by(entries.iter().copied(), &check.name);
        let of = || Uncovered::of(lifted().chain(been.lifted.iter().copied()));
        Ok(check.refs.forbids(name, None)?
            && been.always_governed(name)?
            && !uncovered.get_or_init(of).covers(name)?)
    }
}

fn past_refusal(error: &FileError) -> Refusal {
    Refusal::server(Code::NoPolicy, error)
}

/// What was found, by check.
fn failures(
    ruling: &Ruling<'_>,
    checks: &[Check],
    runs: &[usize],
    found: Vec<Failed>,
) -> Vec<Failure> {
    let mut failures: Vec<(usize, Failure)> = Vec::new();
    for failed in found {
        let Some(at) = runs.get(failed.run).copied() else { continue };
        let Some(check) = checks.get(at) else { continue };
        let key = check.rules.get(failed.rule).map_or("", check::key);
        match failures.iter_mut().find(|(other, _)| *other == at) {
            Some((_, failure)) => failure.found.push((key, failed)),
            None => failures.push((
                at,
                Failure {
                    check: check.name.clone(),
                    place: check.place,
                    help: check.help.clone(),
                    counts: check.enforce == Enforce::Refuse
                        && ruling.ground.project.enforce == Enforce::Refuse,
                    found: vec![(key, failed)],
                    unsettled: None,
                },
            )),
        }
    }
    failures.sort_by_key(|(at, _)| *at);
    failures.into_iter().map(|(_, failure)| failure).collect()
}

/// Leaves out what a group that had to be looked up lifts: asked about only where a check fails.
fn asked_elsewhere(ruling: &mut Ruling<'_>, update: &RefUpdate, one: &mut Ruled) {
    let Some(action) = one.action else { return };
    let Checked { failures, lifted } = &mut one.checked;
    failures.retain_mut(|failure| {
        if let Lift::Unasked(groups) = ruling.lifts(update, action, &failure.check) {
            ruling.look_up(groups);
        }
        if let Lift::Failed(why) = ruling.lifts(update, action, &failure.check) {
            failure.unsettled = Some(why);
        }
        let own = own(ruling, update, action, &failure.check);
        let stays = own.is_none();
        lifted.extend(own);
        stays
    });
}
