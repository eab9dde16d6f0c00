//! What is a merge, and `merges = "only"`.
//!
//! Knows that a commit with two parents may bring nothing together: the same parent named twice, or
//! a parent and an ancestor of it. Then it is a merge only where it changes nothing either, as
//! `git merge --no-ff` makes it.

use super::paint::bits;
use super::ready::Ready;
use super::sides::Side;
use super::tally::Tally;
use super::{Known, Push, net};
use crate::check::{Found, Subject};
use crate::git::GitError;
use crate::git::commits::{Commit, History, Node};
use crate::git::limits::Meter;
use crate::git::walk::{Marks, Queue};
use gix::ObjectId;
use std::collections::HashMap;
use std::rc::Rc;

/// What a step of the ref's own is told.
const NO_MERGE: &[u8] = b"it is no merge, and only merges may be steps of this ref";
/// What a root is told.
const ROOT: &[u8] = b"it has no parent: only in an empty repository may history begin here";

/// Whether a commit brings together what its author did not put into it: two parents of which
/// neither leads to the other, or one beyond the other and exactly that one's tree.
pub(super) fn is_merge(
    push: &Push<'_>,
    commit: &Commit,
    known: &Known<'_>,
) -> Result<bool, GitError> {
    if commit.parents.len() < 2 {
        return Ok(false);
    }
    let mut parents = commit.parents.iter().copied();
    let Some(mut latest) = parents.next() else { return Ok(false) };
    for parent in parents {
        match later(push, latest, parent)? {
            Some(later) => latest = later,
            None => return Ok(true),
        }
    }
    Ok(known.tree(latest)? == commit.tree)
}

/// Which of two commits leads to the other. Both sides are walked down together until what waits is
/// reached from both: mostly that is soon, in what the push brought as well. Dates only say where to
/// look first: what lies between the two is reached from one alone, so none of it is left out.
fn later(push: &Push<'_>, one: Node, other: Node) -> Result<Option<Node>, GitError> {
    if one == other {
        return Ok(Some(one));
    }
    let (history, meter) = (push.history, Meter::new(push.limits));
    let (marks, queue) = (Marks::new(history)?, Queue::default());
    let mut walk = Walk { history, marks, queue, open: 0, meter };
    walk.mark(one, ONE)?;
    walk.mark(other, OTHER)?;
    while walk.open > 0 {
        let Some((parents, bits)) = walk.visit_next()? else { break };
        for parent in parents {
            if bits & ONE != 0 && parent == other {
                return Ok(Some(one));
            }
            if bits & OTHER != 0 && parent == one {
                return Ok(Some(other));
            }
            for bit in [ONE, OTHER].into_iter().filter(|bit| bits & bit != 0) {
                walk.mark(parent, bit)?;
            }
        }
    }
    Ok(None)
}

/// Reached from the one.
const ONE: u8 = 1;
/// Reached from the other.
const OTHER: u8 = 2;
/// The parents of what has a bit know it too, once that stands so much higher as well.
const DONE: u8 = 2;

struct Walk<'a> {
    history: &'a History,
    marks: Marks,
    queue: Queue,
    /// How many commits wait that are reached from one side alone.
    open: usize,
    meter: Meter<'a>,
}

impl Walk<'_> {
    fn mark(&mut self, node: Node, bit: u8) -> Result<(), GitError> {
        let before = self.marks.add(node, bit);
        if before & bit != 0 {
            return Ok(());
        }
        let other = (ONE | OTHER) ^ bit;
        if before & other == 0 {
            self.open += 1;
        } else if before & (other << DONE) == 0 {
            self.open -= 1;
        }
        self.queue.push(self.history, node, &self.meter)
    }

    /// The parents of the next commit, and what they have to be told.
    fn visit_next(&mut self) -> Result<Option<(Vec<Node>, u8)>, GitError> {
        let Some(visit) = self.queue.pop() else { return Ok(None) };
        self.meter.step()?;
        let bits = self.marks.get(visit.node);
        let told = bits & (ONE | OTHER) & !(bits >> DONE);
        if told != 0 && bits & (ONE | OTHER) != ONE | OTHER {
            self.open -= 1;
        }
        self.marks.add(visit.node, told << DONE);
        Ok(Some((visit.commit.parents.clone(), told)))
    }
}

/// `merges = "only"`: what the ref's own first-parent steps are, from its old value on; for a new
/// ref, from what is known on.
pub(super) fn judge(
    push: &Push<'_>,
    sides: &[Side<'_>],
    ready: &[&Ready<'_>],
    known: &Known<'_>,
    tally: &mut Tally<'_>,
) -> Result<(), GitError> {
    for ((side, ready), bit) in sides.iter().zip(ready).zip(bits()) {
        let Some(rule) = ready.only_merges else { continue };
        for seat in &side.seats {
            let old = push.ends.get(seat.at).and_then(|ends| ends.old);
            let steps = match old {
                Some(old) => net::range(push, Some(old), seat.tip)?.commits,
                None => {
                    let mine = known.painted.commits.iter().filter(|(_, _, bits)| bits & bit != 0);
                    mine.map(|(node, commit, _)| (*node, Rc::clone(commit))).collect()
                }
            };
            first_parents(push, seat.tip, &steps, known, old.is_none(), &mut |id, words| {
                let found = Found { subject: Subject::Object(id), words: words.to_vec() };
                tally.tell((seat.at, seat.run, rule), found);
            })?;
        }
    }
    Ok(())
}

fn first_parents(
    push: &Push<'_>,
    tip: Node,
    steps: &[(Node, Rc<Commit>)],
    known: &Known<'_>,
    is_new: bool,
    tell: &mut dyn FnMut(ObjectId, &[u8]),
) -> Result<(), GitError> {
    let steps: HashMap<Node, &Commit> =
        steps.iter().map(|(node, commit)| (*node, commit.as_ref())).collect();
    let mut at = tip;
    while let Some(commit) = steps.get(&at) {
        let Some(first) = commit.parents.first() else {
            if !is_new || has_refs(push)? {
                tell(push.history.id(at)?, ROOT);
            }
            break;
        };
        if !is_merge(push, commit, known)? {
            tell(push.history.id(at)?, NO_MERGE);
        }
        at = *first;
    }
    Ok(())
}

/// Whether the repository had any ref before the push.
fn has_refs(push: &Push<'_>) -> Result<bool, GitError> {
    let meter = Meter::new(push.limits);
    let mut any = false;
    push.refs.each_value(&mut |_, _, _| {
        any = true;
        meter.step()
    })?;
    Ok(any)
}
