//! The commits that a new value has and an old one has not: `old..new`.
//!
//! Always right, with skewed clocks and without a commit-graph too. The walk from both ends stops
//! where a date-ordered walk would; what it took for new is then proved to be so.

use super::GitError;
use super::ancestry::reaches;
use super::commits::{Commit, History, Node, Rank};
use super::limits::Meter;
use super::walk::{Marks, Queue, Visit};
use std::rc::Rc;

/// Reachable from the new value.
const NEW: u8 = 1;
/// Reachable from the old value.
const OLD: u8 = 2;
/// Its parents are marked [`NEW`].
const NEW_DONE: u8 = 4;
/// Its parents are marked [`OLD`].
const OLD_DONE: u8 = 8;

/// With more lowest commits than this to prove new, all of the old side is walked instead.
const MAX_PROOFS: usize = 8;

/// `old..new`, and where it ends.
pub(super) struct Range {
    /// The commits of the range.
    pub(super) commits: Vec<(Node, Rc<Commit>)>,
    /// The first commits below it; each is reachable from both values.
    pub(super) boundary: Vec<Node>,
}

/// The range from `old` (nothing: from the roots) to `new`.
pub(super) fn of(
    history: &History,
    old: Option<Node>,
    new: Node,
    meter: &Meter<'_>,
) -> Result<Range, GitError> {
    let (marks, queue) = (Marks::new(history)?, Queue::default());
    let mut walk = Walk { history, marks, queue, open: 0, found: Vec::new(), meter };
    walk.mark(new, NEW)?;
    if let Some(old) = old {
        walk.mark(old, OLD)?;
    }
    while walk.open > 0 && walk.visit_next()? {}
    if let Some(old) = old
        && !walk.is_proved(&[old])?
    {
        while walk.visit_next()? {}
    }
    Ok(walk.finish(new))
}

/// The first commits that a walk meets and that no old value has, at most `most`, and whether it was
/// cut short. Where it was, dates that lie may have it meet commits that an old value has too.
pub(super) fn first(
    history: &History,
    olds: &[Node],
    new: Node,
    most: usize,
    meter: &Meter<'_>,
) -> Result<(Vec<Node>, bool), GitError> {
    let (marks, queue) = (Marks::new(history)?, Queue::default());
    let mut walk = Walk { history, marks, queue, open: 0, found: Vec::new(), meter };
    walk.mark(new, NEW)?;
    olds.iter().try_for_each(|old| walk.mark(*old, OLD))?;
    while walk.open > 0 {
        if walk.found.len() >= most {
            return Ok((walk.found.iter().map(|(node, _)| *node).collect(), true));
        }
        if !walk.visit_next()? {
            break;
        }
    }
    if !walk.is_proved(olds)? {
        while walk.visit_next()? {}
    }
    Ok((walk.finish(new).commits.iter().map(|(node, _)| *node).collect(), false))
}

struct Walk<'a> {
    history: &'a History,
    marks: Marks,
    queue: Queue,
    /// How many waiting commits are, as far as is known, new.
    open: usize,
    found: Vec<(Node, Rc<Commit>)>,
    meter: &'a Meter<'a>,
}

impl Walk<'_> {
    fn visit_next(&mut self) -> Result<bool, GitError> {
        let Some(visit) = self.queue.pop() else { return Ok(false) };
        self.visit(visit)?;
        if self.meter.is_over(self.found.len()) {
            self.settle()?;
        }
        Ok(true)
    }

    fn visit(&mut self, visit: Visit) -> Result<(), GitError> {
        let is_old = self.marks.get(visit.node) & OLD != 0;
        match !is_old && visit.commit.rank.is_new() {
            true => self.meter.commit()?,
            false => self.meter.known(visit.node.is_in_graph())?,
        }
        let (mark, done) = if is_old { (OLD, OLD_DONE) } else { (NEW, NEW_DONE) };
        if self.marks.add(visit.node, done) & done != 0 {
            return Ok(());
        }
        for parent in &visit.commit.parents {
            self.mark(*parent, mark)?;
        }
        if !is_old {
            self.open -= 1;
            self.found.push((visit.node, visit.commit));
        }
        Ok(())
    }

    /// What was found is more than a push may bring, unless the old side, which dates that lie may
    /// keep waiting, has some of it: all of that is walked before the push is refused.
    fn settle(&mut self) -> Result<(), GitError> {
        let mut aside = Vec::new();
        while let Some(visit) = self.queue.pop() {
            if self.marks.get(visit.node) & OLD != 0 {
                self.visit(visit)?;
            } else {
                aside.push(visit);
            }
        }
        aside.into_iter().for_each(|visit| self.queue.put_back(visit));
        let marks = &self.marks;
        self.found.retain(|(node, _)| marks.get(*node) & OLD == 0);
        match self.meter.is_over(self.found.len()) {
            true => Err(self.meter.too_many()),
            false => Ok(()),
        }
    }

    fn mark(&mut self, node: Node, mark: u8) -> Result<(), GitError> {
        let before = self.marks.add(node, mark);
        if before & (mark | OLD) != 0 {
            return Ok(());
        }
        if mark == NEW {
            self.open += 1;
        } else if before & (NEW | NEW_DONE) == NEW {
            self.open -= 1;
        }
        self.queue.push(self.history, node, self.meter)
    }

    fn is_found(&self, node: Node) -> bool {
        self.marks.get(node) & (NEW_DONE | OLD) == NEW_DONE
    }

    /// Whether the old values lead to nothing that was found: if one did, then also to one of the
    /// lowest commits found.
    fn is_proved(&self, olds: &[Node]) -> Result<bool, GitError> {
        if olds.is_empty() {
            return Ok(true);
        }
        let mut open = Vec::new();
        for (node, commit) in self.found.iter().filter(|(node, _)| self.is_found(*node)) {
            let is_lowest = !commit.parents.iter().any(|parent| self.is_found(*parent));
            // Commits of the graph come after all others, children before parents.
            let by_graph = self.history.generation(*node)?.is_some();
            if is_lowest && !by_graph && !self.history.is_new(*node)? {
                open.push(*node);
            }
        }
        if open.len() > MAX_PROOFS {
            return Ok(false);
        }
        for node in open {
            if reaches(self.history, olds, node, self.meter)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn finish(mut self, new: Node) -> Range {
        let marks = &self.marks;
        self.found.retain(|(node, _)| marks.get(*node) & OLD == 0);
        let parents = self.found.iter().flat_map(|(_, commit)| &commit.parents);
        let mut boundary: Vec<Node> =
            parents.chain([&new]).filter(|node| marks.get(**node) & OLD != 0).copied().collect();
        boundary.sort_unstable();
        boundary.dedup();
        Range { commits: self.found, boundary }
    }
}

/// Those of `boundary`, which is in order, that no other one of them leads to: the merge bases of the two values.
pub(super) fn highest(
    history: &History,
    boundary: &[Node],
    meter: &Meter<'_>,
) -> Result<Vec<Node>, GitError> {
    let candidates = walk_down(history, boundary, meter)?;
    if candidates.len() < 2 {
        return Ok(candidates);
    }
    let mut kept = Vec::new();
    for node in candidates {
        let others: Vec<Node> = boundary.iter().copied().filter(|other| *other != node).collect();
        if !reaches(history, &others, node, meter)? {
            kept.push(node);
        }
    }
    Ok(kept)
}

/// Leaves out what a walk from all of `boundary` meets soon; all but one mostly.
fn walk_down(
    history: &History,
    boundary: &[Node],
    meter: &Meter<'_>,
) -> Result<Vec<Node>, GitError> {
    const BELOW: u8 = 1;
    let (mut marks, mut queue) = (Marks::new(history)?, Queue::default());
    let mut lowest: Option<Rank> = None;
    let mut left: Vec<Node> = boundary.to_vec();
    let mut parents: Vec<Node> = Vec::new();
    for node in boundary {
        let commit = history.commit(*node)?;
        lowest = Some(lowest.map_or(commit.rank, |rank| rank.min(commit.rank)));
        parents.extend(commit.parents);
    }
    loop {
        for parent in std::mem::take(&mut parents) {
            if marks.add(parent, BELOW) == 0 {
                if boundary.binary_search(&parent).is_ok() {
                    left.retain(|node| *node != parent);
                }
                queue.push(history, parent, meter)?;
            }
        }
        if left.len() < 2 || queue.rank() < lowest {
            return Ok(left);
        }
        let Some(visit) = queue.pop() else { return Ok(left) };
        meter.known(visit.node.is_in_graph())?;
        parents.clone_from(&visit.commit.parents);
    }
}
