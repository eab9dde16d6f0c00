//! Whether one commit leads to another.
//!
//! Always right: dates only say where to look first. The search follows parents from the sources
//! and leaves out what can't lead to the target: its own ancestors (history has no cycles), and by
//! the commit-graph whatever has no greater generation.

use super::GitError;
use super::commits::{History, Node, Rank};
use super::limits::Meter;
use super::walk::{Marks, Queue};
use gix::ObjectId;
use gix::objs::Kind;

/// Reachable from a source.
const FROM: u8 = 1;
/// A proper ancestor of the target.
const BELOW: u8 = 2;
/// Its parents are marked [`FROM`].
const FROM_DONE: u8 = 4;
/// Its parents are marked [`BELOW`].
const BELOW_DONE: u8 = 8;

/// Whether both are commits, not tags, and `old` is an ancestor of `new`, or `new` itself.
pub(super) fn is_forward(
    history: &History,
    old: ObjectId,
    new: ObjectId,
    meter: &Meter<'_>,
) -> Result<bool, GitError> {
    // One commit more: the ordinary push, for which nothing old need be opened. What a commit names
    // as its parent is a commit: git itself refuses a push in which it is not.
    match history.is_child(new, old)? {
        None => return Ok(false),
        Some(true) => return Ok(true),
        Some(false) => {}
    }
    if history.kind(old)? != Kind::Commit {
        return Ok(false);
    }
    reaches(history, &[history.node(new)?], history.node(old)?, meter)
}

/// Whether `target` is one of `sources` or an ancestor of one.
pub(super) fn reaches(
    history: &History,
    sources: &[Node],
    target: Node,
    meter: &Meter<'_>,
) -> Result<bool, GitError> {
    if sources.contains(&target) {
        return Ok(true);
    }
    let floor = history.generation(target)?;
    let marks = Marks::new(history)?;
    let queue = Queue::default();
    // With a generation to stop at, the target's ancestors are never met.
    let below_is_marked = floor.is_some();
    let mut search =
        Search { history, target, floor, marks, queue, open: 0, below_is_marked, meter };
    for source in sources {
        search.mark(*source, FROM)?;
    }
    search.run()
}

struct Search<'a> {
    history: &'a History,
    target: Node,
    /// The target's generation, where the commit-graph tells it.
    floor: Option<u32>,
    marks: Marks,
    queue: Queue,
    /// How many waiting commits may still lead to the target.
    open: usize,
    below_is_marked: bool,
    meter: &'a Meter<'a>,
}

impl Search<'_> {
    fn run(&mut self) -> Result<bool, GitError> {
        while self.open > 0 {
            self.mark_below()?;
            let Some(visit) = self.queue.pop().filter(|_| self.open > 0) else { break };
            match visit.commit.rank.is_new() {
                true => self.meter.commit()?,
                false => self.meter.known(visit.node.is_in_graph())?,
            }
            let bits = self.marks.get(visit.node);
            let (mark, done) = match bits {
                _ if bits & BELOW != 0 => (BELOW, BELOW_DONE),
                _ => (FROM, FROM_DONE),
            };
            if self.marks.add(visit.node, done) & done != 0 {
                continue;
            }
            self.open -= usize::from(mark == FROM);
            for parent in &visit.commit.parents {
                if mark == FROM && *parent == self.target {
                    return Ok(true);
                }
                self.mark(*parent, mark)?;
            }
        }
        Ok(false)
    }

    /// Begins to mark the target's ancestors, once no commits wait that the push brought: mostly
    /// those lead to the target, and nothing old is read.
    fn mark_below(&mut self) -> Result<(), GitError> {
        if self.below_is_marked || self.queue.rank().is_some_and(Rank::is_new) {
            return Ok(());
        }
        self.below_is_marked = true;
        for parent in self.history.commit(self.target)?.parents {
            self.mark(parent, BELOW)?;
        }
        Ok(())
    }

    fn mark(&mut self, node: Node, mark: u8) -> Result<(), GitError> {
        if self.is_out_of_the_way(node)? {
            return Ok(());
        }
        let before = self.marks.add(node, mark);
        // An ancestor of the target needs no more looking at from above.
        if before & mark != 0 || (mark == FROM && before & BELOW != 0) {
            return Ok(());
        }
        let waits_from_above = before & (FROM | FROM_DONE) == FROM;
        match mark {
            FROM => self.open += 1,
            _ => self.open -= usize::from(waits_from_above),
        }
        self.queue.push(self.history, node, self.meter)
    }

    /// Whether the commit-graph tells that `node` does not lead to the target.
    fn is_out_of_the_way(&self, node: Node) -> Result<bool, GitError> {
        match (self.target, node) {
            (Node::Object(_), Node::Graph(_)) => Ok(true),
            (Node::Graph(_), Node::Graph(_)) => {
                let height = self.history.generation(node)?;
                Ok(self.floor.zip(height).is_some_and(|(floor, height)| height <= floor))
            }
            _ => Ok(false),
        }
    }
}
