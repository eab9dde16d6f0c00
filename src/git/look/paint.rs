//! Which commits are new to which check: one walk for all of them.
//!
//! Each check is a colour of its own: "reachable from a pushed value", "reachable from a known one".
//! Both run down the history together. Other refs are read only when the walk comes to a commit that
//! the push did not bring and that no pushed ref had. Always right, as `range` is: where dates
//! could have misled the walk, what it took for new is proved, or everything known is walked.

use super::sides::Side;
use crate::git::GitError;
use crate::git::ancestry::reaches;
use crate::git::commits::{Commit, History, Node};
use crate::git::limits::{Limits, Meter};
use crate::git::refs::Refs;
use crate::git::walk::Queue;
use gix::ObjectId;
use std::collections::HashMap;
use std::rc::Rc;

/// Most sides of one walk.
pub(super) const SIDES: usize = 32;
/// With more lowest commits than this to prove new, all that is known is walked instead.
const MAX_PROOFS: usize = 8;

/// One bit a side.
pub(super) type Bits = u32;

/// What is known of a commit.
#[derive(Debug, Clone, Copy, Default)]
struct Paint {
    new: Bits,
    old: Bits,
    sent_new: Bits,
    sent_old: Bits,
}

impl Paint {
    /// New as far as is known, and its parents do not know.
    const fn open(self) -> Bits {
        self.new & !self.old & !self.sent_new
    }

    const fn unsent(self) -> Bits {
        self.open() | (self.old & !self.sent_old)
    }
}

/// Commits that are new to somebody.
pub(super) struct Painted {
    /// Newest first, as far as dates tell.
    pub(super) commits: Vec<(Node, Rc<Commit>, Bits)>,
}

/// Walks from the pushed values.
pub(super) fn walk(
    history: &History,
    refs: &Refs,
    sides: &[Side<'_>],
    limits: &Limits<'_>,
) -> Result<Painted, GitError> {
    let meter = &Meter::new(limits);
    let graph = vec![Paint::default(); history.graph_size()?];
    let (objects, queue) = (HashMap::new(), Queue::default());
    let olds = sides.iter().map(|side| side.olds.clone()).collect();
    let mut walk = Walk {
        history,
        refs,
        sides,
        graph,
        objects,
        queue,
        open: 0,
        found: Vec::new(),
        olds,
        has_read_refs: false,
        limits,
        meter,
    };
    for (side, bit) in sides.iter().zip(bits()) {
        for old in &side.olds {
            walk.add(*old, 0, bit)?;
        }
        for seat in &side.seats {
            walk.add(seat.tip, bit, 0)?;
        }
    }
    while walk.open > 0 && walk.visit_next()? {}
    if !walk.is_proved()? {
        while walk.visit_next()? {}
    }
    Ok(walk.finish())
}

/// The bit of each side.
pub(super) fn bits() -> impl Iterator<Item = Bits> {
    (0..SIDES).map(|side| 1 << side)
}

struct Walk<'a> {
    history: &'a History,
    refs: &'a Refs,
    sides: &'a [Side<'a>],
    /// For commits of the commit-graph, by place.
    graph: Vec<Paint>,
    /// For all others.
    objects: HashMap<ObjectId, Paint>,
    queue: Queue,
    /// How many commits are open.
    open: usize,
    found: Vec<(Node, Rc<Commit>, Bits)>,
    /// The known values of each side.
    olds: Vec<Vec<Node>>,
    has_read_refs: bool,
    limits: &'a Limits<'a>,
    meter: &'a Meter<'a>,
}

impl Walk<'_> {
    fn paint(&self, node: Node) -> Paint {
        let found = match node {
            Node::Graph(position) => self.graph.get(position as usize),
            Node::Object(id) => self.objects.get(&id),
        };
        found.copied().unwrap_or_default()
    }

    fn set(&mut self, node: Node, paint: Paint) {
        let was_open = self.paint(node).open() != 0;
        match node {
            Node::Graph(position) => {
                if let Some(slot) = self.graph.get_mut(position as usize) {
                    *slot = paint;
                }
            }
            Node::Object(id) => {
                self.objects.insert(id, paint);
            }
        }
        match (was_open, paint.open() != 0) {
            (false, true) => self.open += 1,
            (true, false) => self.open -= 1,
            _ => {}
        }
    }

    fn add(&mut self, node: Node, new: Bits, old: Bits) -> Result<(), GitError> {
        let before = self.paint(node);
        let after = Paint { new: before.new | new, old: before.old | old, ..before };
        if (after.new, after.old) == (before.new, before.old) {
            return Ok(());
        }
        self.set(node, after);
        if before.unsent() == 0 && after.unsent() != 0 {
            self.queue.push(self.history, node, self.meter)?;
        }
        Ok(())
    }

    fn visit_next(&mut self) -> Result<bool, GitError> {
        let Some(visit) = self.queue.pop() else { return Ok(false) };
        if !self.has_read_refs && self.paint(visit.node).open() != 0 && !visit.commit.rank.is_new()
        {
            self.has_read_refs = true;
            self.read_refs()?;
            // What is known may lead to this very commit: it comes first then.
            self.queue.put_back(visit);
            return Ok(true);
        }
        let (node, commit) = (visit.node, visit.commit);
        let paint = self.paint(node);
        let (new, old) = (paint.open(), paint.old & !paint.sent_old);
        if new != 0 && paint.sent_new == 0 {
            self.meter.commit()?;
            self.found.push((node, Rc::clone(&commit), 0));
        }
        self.meter.step()?;
        let sent =
            Paint { sent_new: paint.sent_new | new, sent_old: paint.sent_old | old, ..paint };
        self.set(node, sent);
        for parent in &commit.parents {
            self.add(*parent, new, old)?;
        }
        Ok(true)
    }

    /// Finds what existing refs hold that is known to each side: first those at which the walk
    /// stands, which mostly is all that there is to know.
    fn read_refs(&mut self) -> Result<(), GitError> {
        let mut known: Vec<(ObjectId, Bits)> = Vec::new();
        let (sides, meter) = (self.sides, self.meter);
        self.refs.each_value(&mut |name, id| {
            meter.step()?;
            let mut all = 0;
            for (side, bit) in sides.iter().zip(bits()) {
                if (side.knows)(name).map_err(GitError::Pattern)? {
                    all |= bit;
                }
            }
            if all != 0 {
                known.push((id, all));
            }
            Ok(())
        })?;
        known.sort_unstable();
        for (id, bits) in &known {
            let node = self.history.node(*id)?;
            if self.paint(node).new != 0 {
                self.add(node, 0, *bits)?;
            }
        }
        if self.open == 0 {
            return Ok(());
        }
        known.dedup();
        for (id, known) in known {
            let Some(node) = self.commit_of(id)? else { continue };
            for (olds, bit) in self.olds.iter_mut().zip(bits()) {
                if known & bit != 0 {
                    olds.push(node);
                }
            }
            self.add(node, 0, known)?;
        }
        Ok(())
    }

    /// The commit that a ref stands for; nothing where its object is gone, which makes less known.
    fn commit_of(&self, id: ObjectId) -> Result<Option<Node>, GitError> {
        let node = self.history.node(id)?;
        if matches!(node, Node::Graph(_)) {
            return Ok(Some(node));
        }
        match self.history.peel(id, self.meter) {
            Ok(id) => id.map(|id| self.history.node(id)).transpose(),
            Err(GitError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether nothing known leads to what was found: if it did, then also to one of the lowest of
    /// it. Commits of the graph come after all others, children before parents.
    fn is_proved(&self) -> Result<bool, GitError> {
        for (olds, bit) in self.olds.iter().zip(bits()) {
            let is_found = |node: Node| {
                let paint = self.paint(node);
                paint.new & !paint.old & bit != 0
            };
            let mut open = Vec::new();
            for (node, commit, _) in self.found.iter().filter(|found| is_found(found.0)) {
                let is_lowest = !commit.parents.iter().any(|parent| is_found(*parent));
                if is_lowest
                    && !commit.rank.is_new()
                    && self.history.generation(*node)?.is_none()
                    && !self.history.is_new(*node)?
                {
                    open.push(*node);
                }
            }
            if open.len() > MAX_PROOFS {
                return Ok(false);
            }
            for node in open {
                let meter = Meter::new(self.limits);
                if !olds.is_empty() && reaches(self.history, olds, node, &meter)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn finish(mut self) -> Painted {
        let mut commits = std::mem::take(&mut self.found);
        for (node, _, bits) in &mut commits {
            let paint = self.paint(*node);
            *bits = paint.new & !paint.old;
        }
        commits.retain(|(_, _, bits)| *bits != 0);
        Painted { commits }
    }
}
