//! The means of a walk over history: marks on commits, and the order in which they are visited.
//!
//! Knows nothing of what a walk is for.

use super::GitError;
use super::commits::{Commit, History, Node, Rank};
use super::limits::Meter;
use gix::ObjectId;
use std::collections::{BinaryHeap, HashMap};
use std::rc::Rc;

/// Bits on commits: an array for those of the commit-graph, a map for the others.
pub(super) struct Marks {
    graph: Vec<u8>,
    objects: HashMap<ObjectId, u8>,
}

impl Marks {
    pub(super) fn new(history: &History) -> Result<Self, GitError> {
        Ok(Self { graph: vec![0; history.graph_size()?], objects: HashMap::new() })
    }

    /// The bits of `node`.
    pub(super) fn get(&self, node: Node) -> u8 {
        match node {
            Node::Graph(position) => self.graph.get(position as usize).copied().unwrap_or(0),
            Node::Object(id) => self.objects.get(&id).copied().unwrap_or(0),
        }
    }

    /// Adds `bits` and tells which were there before.
    pub(super) fn add(&mut self, node: Node, bits: u8) -> u8 {
        let slot = match node {
            Node::Graph(position) => self.graph.get_mut(position as usize),
            Node::Object(id) => Some(self.objects.entry(id).or_insert(0)),
        };
        slot.map_or(0, |slot| {
            let before = *slot;
            *slot |= bits;
            before
        })
    }
}

/// A commit that waits to be visited.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) node: Node,
    pub(super) commit: Rc<Commit>,
}

impl Visit {
    /// Reads a commit.
    pub(super) fn read(history: &History, node: Node, meter: &Meter<'_>) -> Result<Self, GitError> {
        let commit = history.commit(node)?;
        // A commit is as long as its author likes.
        meter.bytes(commit.size)?;
        Ok(Self { node, commit: Rc::new(commit) })
    }
}

/// The commits that wait, highest rank first.
#[derive(Default)]
pub(super) struct Queue(BinaryHeap<Visit>);

impl Queue {
    /// Reads a commit and lets it wait.
    pub(super) fn push(
        &mut self,
        history: &History,
        node: Node,
        meter: &Meter<'_>,
    ) -> Result<(), GitError> {
        self.0.push(Visit::read(history, node, meter)?);
        Ok(())
    }

    /// The next commit.
    pub(super) fn pop(&mut self) -> Option<Visit> {
        self.0.pop()
    }

    /// Lets a commit wait again.
    pub(super) fn put_back(&mut self, visit: Visit) {
        self.0.push(visit);
    }

    /// What waits, in no order.
    pub(super) fn waiting(self) -> impl Iterator<Item = Visit> {
        self.0.into_iter()
    }

    /// The rank of the next commit.
    pub(super) fn rank(&self) -> Option<Rank> {
        self.0.peek().map(|visit| visit.commit.rank)
    }
}

impl Visit {
    fn order(&self) -> (Rank, Node) {
        (self.commit.rank, self.node)
    }
}

impl PartialEq for Visit {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Visit {}

impl PartialOrd for Visit {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Visit {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}
