//! `forbid-paths` and `only-paths` over the net difference of a ref's values.
//!
//! A merge that takes an older side shows in no commit's own difference. So the net difference is
//! judged too, but for the paths that some commit of `old..new` changes itself: those are that
//! commit's matter, here or where it was pushed first.

use super::judge::Judge;
use super::ready::{OfPath, Ready};
use super::sides::Seat;
use super::tally::Tally;
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

/// Judges the net difference of one ref for one check.
pub(super) fn judge(
    push: &Push<'_>,
    seat: &Seat,
    ready: &Ready<'_>,
    known: &Known<'_>,
    judge: &mut Judge<'_>,
    tally: &mut Tally<'_>,
) -> Result<(), GitError> {
    let is_place =
        |rule: &&(usize, OfPath<'_>)| matches!(rule.1, OfPath::Forbid(_) | OfPath::Only(_));
    let rules: Vec<&(usize, OfPath<'_>)> = ready.of_path.iter().filter(is_place).collect();
    let ends = push.ends.get(seat.at);
    let is_new = push.asked.get(seat.at).is_some_and(|asked| refs::is_new(asked.update));
    let old = if is_new { push.base } else { ends.and_then(|ends| ends.old) };
    // Whatever a ref has that begins with nothing was put there by one of its commits.
    let Some(old) = old.filter(|_| !rules.is_empty()) else { return Ok(()) };
    if known.get(seat.tip).is_some_and(|(commit, _)| commit.parents == [old]) {
        return Ok(());
    }
    let tip = known.tree(seat.tip)?;
    let mut steps = None;
    let bases = if is_new {
        let steps = steps.insert(range(push, Some(old), seat.tip)?);
        range::highest(push.history, &steps.boundary, &Meter::new(push.limits))?
    } else {
        vec![old]
    };
    let meter = Meter::new(push.limits);
    let mut found: BTreeMap<(usize, BString), Vec<u8>> = BTreeMap::new();
    for base in bases {
        let base = known.tree(base)?;
        judge.compare(tip, &[base], &mut |files, difference| {
            for (rule, asked) in &rules {
                if let Some(words) = files.place(asked, difference)? {
                    found.insert((*rule, difference.path.clone()), words);
                }
            }
            meter.paths(found.len())
        })?;
    }
    if found.is_empty() {
        return Ok(());
    }
    let steps = match steps {
        Some(steps) => steps,
        None => range(push, Some(old), seat.tip)?,
    };
    let changed = changed(&steps, known, &found, judge)?;
    for ((rule, path), mut words) in found {
        if changed.contains(&path) {
            continue;
        }
        words.extend_from_slice(b" (by a merge, or by what was dropped)");
        let subject = Subject::Path { commit: None, path, line: None };
        tally.tell((seat.at, seat.run, rule), Found { subject, words });
    }
    Ok(())
}

/// The paths of `found` that a commit changes itself.
fn changed(
    steps: &Range,
    known: &Known<'_>,
    found: &BTreeMap<(usize, BString), Vec<u8>>,
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
