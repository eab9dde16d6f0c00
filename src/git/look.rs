//! One look at what a push brings, for all checks on all of its refs.
//!
//! Knows in which order history, differences and files are read for the rules of `check`. Commits
//! are judged once, however many refs and checks they are new to; what is wrong with them is only
//! counted at first, and told in words for the few of each ref that are shown.

mod commit;
mod issues;
mod judge;
mod merges;
mod names;
mod net;
mod paint;
mod path;
mod ready;
mod searched;
mod sides;
mod tags;
mod tally;
mod turns;

use super::GitError;
use super::commits::{Commit, History, Node};
use super::limits::{Limits, Meter};
use super::refs::Refs;
use crate::check::{Asked, Failed, Found, People, Subject};
use crate::policy::checks::Check;
use gix::ObjectId;
use judge::Judge;
use paint::{Bits, Painted, Proof};
use ready::Ready;
use sides::{Ends, Seat, Side};
use std::cell::Cell;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use tally::{Reach, Tally};

/// What the checks find, for each ref of `asked`.
///
/// Whether something is new at all can take a walk over everything that others ever pushed. So what
/// may be new, if that is little, is judged first: what passes needs no proof, because judging too
/// much can only refuse too much. Only where something is wrong, it is all done again with proof.
pub(super) fn at(
    history: &History,
    refs: &Refs,
    asked: &[Asked<'_>],
    base: Option<ObjectId>,
    people: &dyn People,
    limits: &Limits<'_>,
) -> Result<Vec<Vec<Failed>>, GitError> {
    let doubt = Cell::new(false);
    let found = once(history, refs, asked, base, people, limits, Proof::Later(&doubt));
    let passes = found.as_ref().is_ok_and(|all| all.iter().all(Vec::is_empty));
    if passes || !doubt.get() {
        return found;
    }
    once(history, refs, asked, base, people, limits, Proof::Now)
}

fn once(
    history: &History,
    refs: &Refs,
    asked: &[Asked<'_>],
    base: Option<ObjectId>,
    people: &dyn People,
    limits: &Limits<'_>,
    proof: Proof<'_>,
) -> Result<Vec<Vec<Failed>>, GitError> {
    let meter = Meter::new(limits);
    history.repeats.begin();
    let mut tally = Tally::new(asked);
    names::judge(refs, asked, people.pusher(), &mut tally)?;
    tags::judge(history, asked, people, &meter, &mut tally)?;
    let ends = sides::ends(history, asked, &meter)?;
    no_commits(asked, &ends, &mut tally);
    let base = match base {
        Some(base) => history.peel(base, &meter)?.map(|base| history.node(base)).transpose()?,
        None => None,
    };
    let push = Push { history, refs, ends: &ends, asked, base, people, limits, proof };
    let sides = sides::of(asked, &ends)?;
    let ready = compiled(&sides)?;
    for sides in sides.chunks(paint::SIDES) {
        push.look(sides, &ready, &mut tally)?;
    }
    Ok(tally.finish())
}

/// The rules of each check, made ready once, however many sides it has.
fn compiled<'a>(sides: &[Side<'a>]) -> Result<Compiled<'a>, GitError> {
    let mut all = Compiled::new();
    for side in sides {
        if let Entry::Vacant(place) = all.entry(std::ptr::from_ref(side.check)) {
            place.insert(Ready::of(side.check)?);
        }
    }
    Ok(all)
}

type Compiled<'a> = HashMap<*const Check, Ready<'a>>;

/// What stands for no commit can't be judged by what commits are asked.
fn no_commits(asked: &[Asked<'_>], ends: &[Ends], tally: &mut Tally<'_>) {
    for (at, (asked, ends)) in asked.iter().zip(ends).enumerate() {
        if ends.new.is_some() || asked.update.change.new_id().is_none() {
            continue;
        }
        for (run, one) in asked.runs.iter().enumerate() {
            for (rule, _) in
                one.check.rules.iter().enumerate().filter(|(_, rule)| sides::needs_commits(rule))
            {
                let words = b"the ref would stand for a file or a folder, not for a commit, and this check \
                              judges commits: push a commit (or a tag of one), or ask the admin \
                              to leave this ref out of the check";
                let found = Found { subject: Subject::Ref, words: words.to_vec() };
                tally.tell((at, run, rule), found);
            }
        }
    }
}

/// One push before the checks.
struct Push<'a> {
    history: &'a History,
    refs: &'a Refs,
    ends: &'a [Ends],
    asked: &'a [Asked<'a>],
    base: Option<Node>,
    people: &'a dyn People,
    limits: &'a Limits<'a>,
    proof: Proof<'a>,
}

/// A violation of one commit: how often which rule of which side is broken.
struct Broken {
    commit: u32,
    side: u8,
    rule: u16,
    count: u32,
}

impl Push<'_> {
    fn look(
        &self,
        sides: &[Side<'_>],
        compiled: &Compiled<'_>,
        tally: &mut Tally<'_>,
    ) -> Result<(), GitError> {
        let ready = sides.iter().filter_map(|side| compiled.get(&std::ptr::from_ref(side.check)));
        let ready: Vec<&Ready<'_>> = ready.collect();
        let painted = paint::walk(self.history, self.refs, sides, self.limits, self.proof)?;
        let meter = Meter::new(self.limits);
        let mut judge = Judge::new(self.history, self.people, &ready, &meter);
        let known = Known::new(self.history, &painted);
        let mut broken: Vec<Broken> = Vec::new();
        for (index, (node, commit, bits)) in (0..).zip(&painted.commits) {
            let tree = |node| known.tree(node);
            judge.commit(*node, commit, *bits, &tree, &mut |side, rule, _| {
                count(&mut broken, index, side, rule);
            })?;
        }
        self.tell(sides, &known, &broken, &mut judge, tally)?;
        judge.forget();
        for ((side, ready), bit) in sides.iter().zip(&ready).zip(paint::bits()) {
            net::judge(self, side, bit, ready, &known, &mut judge, tally)?;
        }
        merges::judge(self, sides, &ready, &known, tally)?;
        issues::judge(self, sides, &ready, &known, tally)
    }

    /// Shares out what was found among the refs that lead to it, in words.
    fn tell(
        &self,
        sides: &[Side<'_>],
        known: &Known<'_>,
        broken: &[Broken],
        judge: &mut Judge<'_>,
        tally: &mut Tally<'_>,
    ) -> Result<(), GitError> {
        let meter = Meter::new(self.limits);
        for (at, (side, bit)) in sides.iter().zip(paint::bits()).enumerate() {
            let mine = |one: &&Broken| usize::from(one.side) == at;
            if !broken.iter().any(|one| mine(&one)) {
                continue;
            }
            let tips: Vec<Node> = side.seats.iter().map(|seat| seat.tip).collect();
            let mut wanted: BTreeMap<u32, Vec<&Seat>> = BTreeMap::new();
            for seat in &side.seats {
                let reach = Reach::of(seat.tip, &tips, bit, known, &meter)?;
                let reached = broken.iter().filter(mine).filter(|one| reach.has(one.commit));
                let reached = reached.map(|one| (one.commit, usize::from(one.rule), one.count));
                for index in tally.count(seat, reached) {
                    wanted.entry(index).or_default().push(seat);
                }
            }
            judge.forget();
            for (index, seats) in wanted {
                let Some((node, commit, _)) = known.painted.commits.get(index as usize) else {
                    continue;
                };
                let tree = |node| known.tree(node);
                judge.commit(*node, commit, bit, &tree, &mut |_, rule, found| {
                    for seat in &seats {
                        tally.show((seat.at, seat.run, rule), found.clone());
                    }
                })?;
            }
        }
        Ok(())
    }
}

fn count(broken: &mut Vec<Broken>, commit: u32, side: usize, rule: usize) {
    let (side, rule) =
        (u8::try_from(side).unwrap_or(u8::MAX), u16::try_from(rule).unwrap_or(u16::MAX));
    // Of one commit only: a few, at the end.
    let mut last = broken.iter_mut().rev().take_while(|one| one.commit == commit);
    match last.find(|one| (one.side, one.rule) == (side, rule)) {
        Some(one) => one.count = one.count.saturating_add(1),
        None => broken.push(Broken { commit, side, rule, count: 1 }),
    }
}

/// The painted commits by node.
struct Known<'a> {
    history: &'a History,
    painted: &'a Painted,
    /// Places in `painted`, by node: there may be very many.
    sorted: Vec<u32>,
    /// The place that was found last: mostly the next question is about the one behind it.
    last: Cell<u32>,
}

impl<'a> Known<'a> {
    fn new(history: &'a History, painted: &'a Painted) -> Self {
        let mut sorted: Vec<u32> = (0..).take(painted.commits.len()).collect();
        let node = |at: &u32| painted.commits.get(*at as usize).map(|(node, ..)| *node);
        sorted.sort_unstable_by_key(node);
        Self { history, painted, sorted, last: Cell::new(0) }
    }

    fn place(&self, node: Node) -> Option<u32> {
        let node_at = |at: &u32| self.painted.commits.get(*at as usize).map(|(node, ..)| *node);
        let last = self.last.get();
        let near = [last, last.saturating_add(1)].into_iter().find(|at| node_at(at) == Some(node));
        let found = || self.sorted.binary_search_by_key(&Some(node), node_at).ok();
        let place = near.or_else(|| self.sorted.get(found()?).copied())?;
        self.last.set(place);
        Some(place)
    }

    fn get(&self, node: Node) -> Option<(&'a Commit, Bits)> {
        let (_, commit, bits) = self.painted.commits.get(self.place(node)? as usize)?;
        Some((commit, *bits))
    }

    fn tree(&self, node: Node) -> Result<ObjectId, GitError> {
        match self.get(node) {
            Some((commit, _)) => Ok(commit.tree),
            None => self.history.commit(node).map(|commit| commit.tree),
        }
    }
}

#[cfg(test)]
mod tests;
