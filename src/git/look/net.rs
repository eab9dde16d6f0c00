//! `forbid-paths` and `only-paths` over the net difference of a ref's values.
//!
//! A merge that takes an older side shows in no commit's own difference. So the net difference is
//! judged too, but for the paths that some commit of `old..new` changes itself: those are that
//! commit's matter, here or where it was pushed first.

use super::judge::Judge;
use super::paint::Bits;
use super::ready::{OfPath, Ready};
use super::sides::{Seat, Side};
use super::tally::{Reach, Tally};
use super::{Known, Push};
use crate::check::{Found, Subject, refs};
use crate::git::GitError;
use crate::git::commits::Node;
use crate::git::limits::Meter;
use crate::git::range::{self, Range};
use gix::bstr::BString;
use std::collections::{BTreeMap, HashSet};

/// `old..new`
pub(super) fn range(push: &Push<'_>, old: Option<Node>, new: Node) -> Result<Range, GitError> {
    range::of(push.history, old, new, &Meter::new(push.limits))
}

/// Judges the net difference of each ref of a check.
pub(super) fn judge(
    push: &Push<'_>,
    side: &Side<'_>,
    bit: Bits,
    ready: &Ready<'_>,
    known: &Known<'_>,
    judge: &mut Judge<'_>,
    tally: &mut Tally<'_>,
) -> Result<(), GitError> {
    let is_place =
        |rule: &&(usize, OfPath<'_>)| matches!(rule.1, OfPath::Forbid(_) | OfPath::Only(_));
    let rules: Vec<&(usize, OfPath<'_>)> = ready.of_path.iter().filter(is_place).collect();
    if rules.is_empty() {
        return Ok(());
    }
    let tips: Vec<Node> = side.seats.iter().map(|seat| seat.tip).collect();
    for seat in &side.seats {
        let mut found = Places::new();
        for start in starts(push, seat, &tips, bit, known)? {
            found.append(&mut places(push, start, seat.tip, &rules, known, judge)?);
        }
        for ((rule, path), mut words) in found {
            words.extend_from_slice(b" (by a merge, or by what was dropped)");
            let subject = Subject::Path { commit: None, path, line: None };
            tally.tell((seat.at, seat.run, rule), Found { subject, words });
        }
    }
    Ok(())
}

/// What rules have against paths.
type Places = BTreeMap<(usize, BString), Vec<u8>>;

/// A value from which a ref comes.
#[derive(Clone, Copy)]
struct Start {
    old: Node,
    /// The ref need not have been there: only what came after they parted counts.
    is_base: bool,
}

/// What the ref's new value is held against: its old one, for a new ref the project's base. Where
/// that is not there, whatever the ref takes up that is known to the check already; what begins with
/// nothing was put there by one of its own commits.
fn starts(
    push: &Push<'_>,
    seat: &Seat,
    tips: &[Node],
    bit: Bits,
    known: &Known<'_>,
) -> Result<Vec<Start>, GitError> {
    let start = |is_base| move |old| Start { old, is_base };
    if !push.asked.get(seat.at).is_some_and(|asked| refs::is_new(asked.update)) {
        let old = push.ends.get(seat.at).and_then(|ends| ends.old);
        return Ok(old.into_iter().map(start(false)).collect());
    }
    if push.base.is_some() {
        return Ok(push.base.into_iter().map(start(true)).collect());
    }
    let meter = Meter::new(push.limits);
    let is_new = |node: Node| known.get(node).is_some_and(|(_, bits)| bits & bit != 0);
    let reach = Reach::of(seat.tip, tips, bit, known, &meter)?;
    let mut below: Vec<Node> = Vec::new();
    for (index, (_, commit, bits)) in (0..).zip(&known.painted.commits) {
        if bits & bit != 0 && reach.has(index) {
            below.extend(commit.parents.iter().copied().filter(|parent| !is_new(*parent)));
        }
    }
    below.sort_unstable();
    below.dedup();
    let highest = range::highest(push.history, &below, &meter)?;
    Ok(highest.into_iter().map(start(false)).collect())
}

/// What the rules have against the net difference, and no commit on the way did itself.
fn places(
    push: &Push<'_>,
    start: Start,
    tip: Node,
    rules: &[&(usize, OfPath<'_>)],
    known: &Known<'_>,
    judge: &mut Judge<'_>,
) -> Result<Places, GitError> {
    let old = start.old;
    let mut found = Places::new();
    if known.get(tip).is_some_and(|(commit, _)| commit.parents == [old]) {
        return Ok(found);
    }
    let tree = known.tree(tip)?;
    let mut steps = None;
    let bases = if start.is_base {
        let steps = steps.insert(range(push, Some(old), tip)?);
        range::highest(push.history, &steps.boundary, &Meter::new(push.limits))?
    } else {
        vec![old]
    };
    let meter = Meter::new(push.limits);
    for base in bases {
        let base = known.tree(base)?;
        judge.compare(tree, &[base], &mut |files, difference| {
            for (rule, asked) in rules {
                if let Some(words) = files.place(asked, difference)? {
                    found.insert((*rule, difference.path.clone()), words);
                }
            }
            meter.paths(found.len())
        })?;
    }
    if found.is_empty() {
        return Ok(found);
    }
    let steps = match steps {
        Some(steps) => steps,
        None => range(push, Some(old), tip)?,
    };
    let changed = changed(&steps, known, &found, judge)?;
    found.retain(|(_, path), _| !changed.contains(path));
    Ok(found)
}

/// The paths of `found` that a commit changes itself.
fn changed(
    steps: &Range,
    known: &Known<'_>,
    found: &Places,
    judge: &mut Judge<'_>,
) -> Result<HashSet<BString>, GitError> {
    let wanted: HashSet<&BString> = found.keys().map(|(_, path)| path).collect();
    let mut changed = HashSet::new();
    judge.forget();
    let trees: std::collections::HashMap<Node, gix::ObjectId> =
        steps.commits.iter().map(|(node, commit)| (*node, commit.tree)).collect();
    for (_, commit) in &steps.commits {
        let tree =
            |node: &Node| trees.get(node).map_or_else(|| known.tree(*node), |tree| Ok(*tree));
        let parents = commit.parents.iter().map(tree).collect::<Result<Vec<_>, _>>()?;
        judge.compare(commit.tree, &parents, &mut |_, difference| {
            if wanted.contains(difference.path) {
                changed.insert(difference.path.clone());
            }
            Ok(())
        })?;
        if changed.len() == wanted.len() {
            break;
        }
    }
    Ok(changed)
}
