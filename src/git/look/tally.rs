//! What was found on each ref: all of it counted, the first of it kept.
//!
//! Knows bounds, and which commits one ref leads to; no rule.

use super::Known;
use super::paint::Bits;
use super::sides::Seat;
use crate::check::{self, Asked, Failed, Found, KEPT};
use crate::git::GitError;
use crate::git::commits::Node;
use crate::git::limits::Meter;
use std::collections::{BTreeMap, BTreeSet};

/// Of which ref, which run, which rule.
pub(super) type Place = (usize, usize, usize);

/// All findings of a push.
pub(super) struct Tally<'a> {
    asked: &'a [Asked<'a>],
    found: BTreeMap<Place, (usize, Vec<Found>)>,
}

impl<'a> Tally<'a> {
    pub(super) const fn new(asked: &'a [Asked<'a>]) -> Self {
        Self { asked, found: BTreeMap::new() }
    }

    /// Counts a violation and keeps its words, if it is one of the first.
    pub(super) fn tell(&mut self, place: Place, found: Found) {
        self.found.entry(place).or_default().0 += 1;
        self.show(place, found);
    }

    /// Keeps the words of a violation that is counted already.
    pub(super) fn show(&mut self, place: Place, found: Found) {
        let kept = &mut self.found.entry(place).or_default().1;
        if kept.len() < KEPT {
            kept.push(found);
        }
    }

    /// Counts violations on one ref, each of a commit, a rule, so and so many; the commits whose
    /// words are wanted, in order.
    pub(super) fn count(
        &mut self,
        seat: &Seat,
        broken: impl Iterator<Item = (u32, usize, u32)>,
    ) -> BTreeSet<u32> {
        let mut wanted = BTreeSet::new();
        for (commit, rule, count) in broken {
            let (all, _) = self.found.entry((seat.at, seat.run, rule)).or_default();
            if *all < KEPT {
                wanted.insert(commit);
            }
            *all += count as usize;
        }
        wanted
    }

    /// For each ref, in the order of its checks and their rules.
    pub(super) fn finish(self) -> Vec<Vec<Failed>> {
        let mut all: Vec<Vec<Failed>> = self.asked.iter().map(|_| Vec::new()).collect();
        for ((at, run, rule), (count, found)) in self.found {
            let asked = self.asked.get(at).and_then(|asked| asked.runs.get(run));
            let code = asked.and_then(|run| run.check.rules.get(rule)).map(check::code);
            if let (Some(failed), Some(code)) = (all.get_mut(at), code) {
                failed.push(Failed { run, rule, code, found, count });
            }
        }
        all
    }
}

/// Which of the painted commits one value leads to.
pub(super) enum Reach {
    All,
    These(Vec<bool>),
}

impl Reach {
    /// From `tip`, one of `tips`, by commits that have `bit`: whatever is new is reached by new
    /// commits alone.
    pub(super) fn of(
        tip: Node,
        tips: &[Node],
        bit: Bits,
        known: &Known<'_>,
        meter: &Meter<'_>,
    ) -> Result<Self, GitError> {
        if tips.iter().all(|other| *other == tip) {
            return Ok(Self::All);
        }
        let mut reached = vec![false; known.painted.commits.len()];
        let mut open = vec![tip];
        while let Some(node) = open.pop() {
            meter.step()?;
            let Some(place) = known.place(node) else { continue };
            let is_mine = known.get(node).is_some_and(|(_, bits)| bits & bit != 0);
            let Some(slot) = reached.get_mut(place as usize).filter(|slot| is_mine && !**slot)
            else {
                continue;
            };
            *slot = true;
            open.extend(known.get(node).into_iter().flat_map(|(commit, _)| &commit.parents));
        }
        Ok(Self::These(reached))
    }

    pub(super) fn has(&self, commit: u32) -> bool {
        match self {
            Self::All => true,
            Self::These(reached) => reached.get(commit as usize).copied().unwrap_or(false),
        }
    }
}
