//! How much of a push is looked at before it is refused.
//!
//! Knows counts and asks a clock that it is given; reads none itself.

use super::GitError;
use std::cell::Cell;

/// How often the clock is asked: once in so many steps.
const STEPS_PER_LOOK: u32 = 256;

/// What a path takes in memory beside its own bytes, about.
pub const PATH_COST: u64 = 120;

/// Most commits outside the commit-graph that one walk reads of what the repository had before: each
/// takes some sixty bytes for as long as the walk takes.
const MAX_KNOWN: u32 = 1_800_000;

/// More bytes than this at once are worth a look at the clock.
const BYTES_PER_LOOK: u64 = 64 * 1024;

/// The bounds of one walk; past them a push is refused, never judged in part.
pub struct Limits<'a> {
    /// Most commits that the push may bring to its refs; what other refs have does not count.
    pub max_commits: u32,
    /// Most changed paths of one ref update.
    pub max_paths: u32,
    /// Most bytes that changed paths may take in memory, [`PATH_COST`] for each path in it: a few
    /// small trees that name each other often stand for more paths than there is memory.
    pub max_path_bytes: u64,
    /// Says whether the time budget of the push is spent.
    pub expired: &'a dyn Fn() -> bool,
}

/// Most names that a push may have compared which were compared before.
const MAX_REPEATED: u32 = 1_000_000;
/// How many each commit may: in any history a little is taken back, or done on two branches.
const USUAL: u64 = 50;

/// Counts what a push has compared again: a few small trees that name each other often stand for
/// more paths than can be looked at, and two of them taken in turns for as many as there are commits.
#[derive(Debug, Default)]
pub(super) struct Repeats(Cell<u64>);

impl Repeats {
    /// Somebody else looks at the push, from its beginning.
    pub(super) fn begin(&self) {
        self.0.set(0);
    }

    /// One more commit, which may repeat a little.
    pub(super) fn refund(&self) {
        self.0.set(self.0.get().saturating_sub(USUAL));
    }

    /// So many names were compared again, or work was done that takes as long.
    pub(super) fn add(&self, count: usize) -> Result<(), GitError> {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.0.set(self.0.get().saturating_add(count));
        if self.0.get() <= u64::from(MAX_REPEATED) {
            return Ok(());
        }
        let what = "repeated paths";
        Err(GitError::Limit { what, max: MAX_REPEATED, cure: "push it in parts" })
    }
}

/// Counts what a walk has looked at.
pub(super) struct Meter<'a> {
    limits: &'a Limits<'a>,
    commits: Cell<u32>,
    known: Cell<u32>,
    /// Whether the work is about what the repository had before: then the push is not to blame.
    is_known: Cell<bool>,
    steps: Cell<u32>,
    bytes: Cell<u64>,
}

impl<'a> Meter<'a> {
    pub(super) const fn new(limits: &'a Limits<'a>) -> Self {
        Self {
            limits,
            commits: Cell::new(0),
            known: Cell::new(0),
            is_known: Cell::new(false),
            steps: Cell::new(0),
            bytes: Cell::new(0),
        }
    }

    /// One more commit that the push brings.
    pub(super) fn commit(&self) -> Result<(), GitError> {
        self.is_known.set(false);
        let count = self.commits.get().saturating_add(1);
        self.commits.set(count);
        if count > self.limits.max_commits {
            return Err(self.too_many());
        }
        self.step()
    }

    /// One more commit that the repository had before. It does not count against the push: others
    /// may have pushed it. Time bounds the walk, and memory where the commit-graph does not help.
    pub(super) fn known(&self, is_in_graph: bool) -> Result<(), GitError> {
        self.is_known.set(true);
        if !is_in_graph {
            let count = self.known.get().saturating_add(1);
            self.known.set(count);
            if count > MAX_KNOWN {
                return Err(GitError::History("more memory than it may take"));
            }
        }
        self.step()
    }

    /// Whether so many commits are more than the push may bring.
    pub(super) fn is_over(&self, commits: usize) -> bool {
        u32::try_from(commits).map_or(true, |commits| commits > self.limits.max_commits)
    }

    /// The push brings more commits than it may.
    pub(super) const fn too_many(&self) -> GitError {
        let cure = "the admin can raise `[server] max-commits-per-push`";
        GitError::Limit { what: "commits", max: self.limits.max_commits, cure }
    }

    /// Holds `count` changed paths against their limit.
    pub(super) fn paths(&self, count: usize) -> Result<(), GitError> {
        let max = self.limits.max_paths;
        if u32::try_from(count).is_ok_and(|count| count <= max) {
            return Ok(());
        }
        Err(GitError::Limit { what: "changed paths", max, cure: "push it in parts" })
    }

    /// One more path of so many bytes is kept. The limit is held at [`Self::room`].
    pub(super) fn keep(&self, length: usize) {
        let cost = PATH_COST.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        self.bytes.set(self.bytes.get().saturating_add(cost));
    }

    /// A path of so many bytes is kept no more.
    pub(super) fn drop(&self, length: usize) {
        let cost = PATH_COST.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        self.bytes.set(self.bytes.get().saturating_sub(cost));
    }

    /// Whether what is kept has gone beyond its limit: then nothing more is to be collected.
    pub(super) const fn is_full(&self) -> bool {
        self.bytes.get() > self.limits.max_path_bytes
    }

    /// Holds what is kept against its limit.
    pub(super) fn room(&self) -> Result<(), GitError> {
        if !self.is_full() {
            return Ok(());
        }
        let max = u32::try_from(self.limits.max_path_bytes >> 20).unwrap_or(u32::MAX);
        let what = "MiB of changed paths";
        Err(GitError::Limit { what, max, cure: "push it in parts" })
    }

    /// One more piece of work: asks the clock now and then, at the first step too.
    pub(super) fn step(&self) -> Result<(), GitError> {
        let steps = self.steps.get();
        self.steps.set(steps.wrapping_add(1));
        if steps.is_multiple_of(STEPS_PER_LOOK) { self.time() } else { Ok(()) }
    }

    /// So many bytes to read: as much work as that many small pieces.
    pub(super) fn bytes(&self, count: u64) -> Result<(), GitError> {
        self.step()?;
        if count >= BYTES_PER_LOOK { self.time() } else { Ok(()) }
    }

    /// Asks the clock, before work that takes long.
    pub(super) fn time(&self) -> Result<(), GitError> {
        match (self.limits.expired)() {
            false => Ok(()),
            true if self.is_known.get() => Err(GitError::History("longer than the time budget")),
            true => Err(GitError::Time),
        }
    }
}
