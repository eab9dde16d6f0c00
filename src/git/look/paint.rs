//! Which commits are new to which check: one walk for all of them.
//!
//! Each check is a colour of its own: "reachable from a pushed value", "reachable from a known one".
//! Both run down the history together. Other refs are read only when the walk comes to a commit that
//! the push did not bring and that no pushed ref had. Always right, as `range` is: where dates
//! could have misled the walk, what it took for new is proved, or everything known is walked. What
//! others pushed costs time, and counts against nobody's limit of commits.

use super::sides::Side;
use super::turns::Turns;
use crate::git::GitError;
use crate::git::ancestry::reaches;
use crate::git::commits::{Commit, History, Node};
use crate::git::limits::{Limits, Meter};
use crate::git::refs::Refs;
use crate::git::walk::Visit;
use gix::ObjectId;
use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

/// Most sides of one walk.
pub(super) const SIDES: usize = 32;
/// With more lowest commits than this to prove new, all that is known is walked instead.
const MAX_PROOFS: usize = 8;
/// No more commits than this are taken for new without proof.
pub(super) const FEW: usize = 256;

/// When it is proved that what was found is new.
#[derive(Clone, Copy)]
pub(super) enum Proof<'a> {
    /// Not yet, if it is little: then this is set, and some of it may be known.
    Later(&'a Cell<bool>),
    /// At once.
    Now,
}

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
    proof: Proof<'_>,
) -> Result<Painted, GitError> {
    let meter = &Meter::new(limits);
    let graph = vec![Paint::default(); history.graph_size()?];
    let (objects, turns) = (HashMap::new(), Turns::default());
    let olds = sides.iter().map(|side| side.olds.clone()).collect();
    let mut walk = Walk {
        history,
        refs,
        sides,
        graph,
        objects,
        turns,
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
    while (walk.open > 0 || walk.turns.is_urgent()) && walk.visit_next()? {}
    if !walk.is_proved(proof)? {
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
    turns: Turns,
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
        let waits = before.unsent() != 0;
        let known = after.old & !before.old;
        if after.unsent() == 0 || (waits && known == 0) {
            return Ok(());
        }
        let visit = || Visit::read(self.history, node, self.meter);
        if known & before.sent_new != 0 {
            self.turns.push_urgent(visit()?);
        } else if !waits {
            self.turns.push(visit()?, after.open() != 0);
        } else if self.turns.has_others() {
            self.turns.push_known(visit()?);
        }
        Ok(())
    }

    fn visit_next(&mut self) -> Result<bool, GitError> {
        if self.turns.is_over() {
            let mut turns = std::mem::take(&mut self.turns);
            turns.begin(|visit| self.paint(visit.node).open() != 0);
            self.turns = turns;
        }
        let Some(visit) = self.turns.pop() else { return Ok(false) };
        if !self.has_read_refs && self.paint(visit.node).open() != 0 && !visit.commit.rank.is_new()
        {
            self.has_read_refs = true;
            self.read_refs()?;
            self.turns.start();
            // What is known may lead to this very commit: it comes first then.
            self.turns.push(visit, true);
            return Ok(true);
        }
        self.visit(visit)?;
        if self.meter.is_over(self.found.len()) {
            self.settle()?;
        }
        Ok(true)
    }

    fn visit(&mut self, visit: Visit) -> Result<(), GitError> {
        let (node, commit) = (visit.node, visit.commit);
        let paint = self.paint(node);
        let (new, old) = (paint.open(), paint.old & !paint.sent_old);
        let is_first = new != 0 && paint.sent_new == 0;
        match commit.rank.is_new() {
            true if is_first => self.meter.commit()?,
            true => self.meter.step()?,
            false => self.meter.known(node.is_in_graph())?,
        }
        if is_first {
            self.found.push((node, Rc::clone(&commit), 0));
        }
        let sent =
            Paint { sent_new: paint.sent_new | new, sent_old: paint.sent_old | old, ..paint };
        self.set(node, sent);
        for parent in &commit.parents {
            self.add(*parent, new, old)?;
        }
        Ok(())
    }

    /// What was found is more than a push may bring, unless some of it is known, and dates that lie
    /// keep that waiting: all that is known is walked before the push is refused.
    fn settle(&mut self) -> Result<(), GitError> {
        let mut aside = Vec::new();
        while let Some(visit) = self.turns.pop_any() {
            let paint = self.paint(visit.node);
            if paint.old & !paint.sent_old != 0 {
                self.visit(visit)?;
            } else if paint.open() != 0 {
                aside.push(visit);
            }
        }
        aside.into_iter().for_each(|visit| self.turns.push(visit, true));
        let mut found = std::mem::take(&mut self.found);
        found.retain(|(node, ..)| self.is_new(*node) != 0);
        self.found = found;
        match self.meter.is_over(self.found.len()) {
            true => Err(self.meter.too_many()),
            false => Ok(()),
        }
    }

    /// To which sides it is new, as far as is known.
    fn is_new(&self, node: Node) -> Bits {
        let paint = self.paint(node);
        paint.new & !paint.old
    }

    /// Finds what existing refs hold that is known to each side: first those at which the walk
    /// stands, which mostly is all that there is to know.
    fn read_refs(&mut self) -> Result<(), GitError> {
        let mut known: Vec<(ObjectId, Bits)> = Vec::new();
        let (sides, meter) = (self.sides, self.meter);
        self.refs.each_value(&mut |name, id, peeled| {
            meter.known(true)?;
            let mut all = 0;
            for (side, bit) in sides.iter().zip(bits()) {
                if (side.knows)(name).map_err(GitError::Pattern)? {
                    all |= bit;
                }
            }
            if all != 0 {
                known.push((peeled.unwrap_or(id), all));
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

    /// Whether nothing known leads to what was found, or that is for later.
    fn is_proved(&self, proof: Proof<'_>) -> Result<bool, GitError> {
        for (olds, bit) in self.olds.iter().zip(bits()).filter(|(olds, _)| !olds.is_empty()) {
            let open = self.lowest(bit)?;
            if let Proof::Later(doubt) = proof
                && !open.is_empty()
                && self.is_little()
            {
                doubt.set(true);
                return Ok(true);
            }
            if open.len() > MAX_PROOFS {
                return Ok(false);
            }
            for node in open {
                let meter = Meter::new(self.limits);
                if reaches(self.history, olds, node, &meter)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Whether few commits were found that the push did not bring.
    fn is_little(&self) -> bool {
        let is_older =
            |found: &&(Node, Rc<Commit>, Bits)| !found.1.rank.is_new() && self.is_new(found.0) != 0;
        self.found.iter().filter(is_older).take(FEW + 1).count() <= FEW
    }

    /// The lowest of what was found: if something known leads to any of it, then also to one of
    /// these. Commits of the graph come after all others, children before parents.
    fn lowest(&self, bit: Bits) -> Result<Vec<Node>, GitError> {
        let is_found = |node: Node| self.is_new(node) & bit != 0;
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
        Ok(open)
    }

    fn finish(mut self) -> Painted {
        let mut commits = std::mem::take(&mut self.found);
        for (node, _, bits) in &mut commits {
            *bits = self.is_new(*node);
        }
        commits.retain(|(_, _, bits)| *bits != 0);
        Painted { commits }
    }
}
