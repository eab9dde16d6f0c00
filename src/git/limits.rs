//! How much of a push is looked at before it is refused.
//!
//! Knows counts and asks a clock that it is given; reads none itself.

use super::GitError;
use std::cell::Cell;

/// How often the clock is asked: once in so many steps.
const STEPS_PER_LOOK: u32 = 256;

/// More bytes than this at once are worth a look at the clock.
const BYTES_PER_LOOK: u64 = 64 * 1024;

/// The bounds of one walk; past them a push is refused, never judged in part.
pub struct Limits<'a> {
    /// Most commits that a walk may look at.
    pub max_commits: u32,
    /// Most changed paths of one ref update.
    pub max_paths: u32,
    /// Says whether the time budget of the push is spent.
    pub expired: &'a dyn Fn() -> bool,
}

/// Counts what a walk has looked at.
pub(super) struct Meter<'a> {
    limits: &'a Limits<'a>,
    commits: Cell<u32>,
    steps: Cell<u32>,
}

impl<'a> Meter<'a> {
    pub(super) const fn new(limits: &'a Limits<'a>) -> Self {
        Self { limits, commits: Cell::new(0), steps: Cell::new(0) }
    }

    /// One more commit.
    pub(super) fn commit(&self) -> Result<(), GitError> {
        let count = self.commits.get().saturating_add(1);
        self.commits.set(count);
        let max = self.limits.max_commits;
        if count > max {
            let cure = "the admin can raise `[server] max-commits-per-push`";
            return Err(GitError::Limit { what: "commits", max, cure });
        }
        self.step()
    }

    /// Holds `count` changed paths against their limit.
    pub(super) fn paths(&self, count: usize) -> Result<(), GitError> {
        let max = self.limits.max_paths;
        if u32::try_from(count).is_ok_and(|count| count <= max) {
            return Ok(());
        }
        Err(GitError::Limit { what: "changed paths", max, cure: "push it in parts" })
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
        if (self.limits.expired)() { Err(GitError::Time) } else { Ok(()) }
    }
}
