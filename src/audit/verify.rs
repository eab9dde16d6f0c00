//! Walking the chain over every file of a trail.
//!
//! Knows what may follow a line; reads each line once and keeps none. Damage that the trail itself
//! has recorded (`audit.damaged`) does not break the chain; it is listed, with the lines it cost.

use super::checkpoint::Checkpoint;
use super::line::{End, Flaw, Hash, Line};
use super::siblings::{Lines, Part, Snapshot};
use crate::os::files::FileError;
use std::path::{Path, PathBuf};

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: u64,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The line by itself.
    #[error("{0}")]
    Flaw(#[from] Flaw),
    /// The last line of a file has no newline.
    #[error("it is cut short")]
    Cut,
    /// Lines are missing before it.
    #[error("lines {first} to {last} are missing before it")]
    Gap {
        /// The first missing number.
        first: u64,
        /// The last missing number.
        last: u64,
    },
    /// Its number was there before.
    #[error("its number {0} is not after the line before")]
    Repeated(u64),
    /// `prev` is not the hash of the line before.
    #[error("it does not follow the line before: `prev` is another hash")]
    Prev,
    /// Its time is before the line before, and the clock was not reset there.
    #[error("its time is before the line before, and it is no `store.clock-reset`")]
    Time,
    /// The line that the checkpoint names is another one.
    #[error("it is not the line of the checkpoint: its hash is another")]
    Checkpoint,
}

/// The first line that breaks the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// Which line.
    pub at: Position,
    /// What is wrong with it.
    pub problem: Problem,
}

/// Damage that the trail has recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The first damaged line, or the `audit.damaged` line where no file was kept.
    pub at: Position,
    /// Number of the `audit.damaged` line.
    pub recorded: u64,
    /// How many lines were written and are gone.
    pub lost: u64,
}

/// How the trail compares with a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The line of the checkpoint is there.
    Found,
    /// The trail ends before it: its tail was cut.
    CutBefore,
    /// The trail begins after it: older files are not there.
    BeginsAfter,
    /// Another line has its number, or the walk ended at a bad line before.
    NotReached,
}

/// What a walk found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Whole lines read.
    pub lines: u64,
    /// Number of the first line, 0 without any. Over 1 where older files are not there any more.
    pub first: u64,
    /// Number and hash of the last line read.
    pub last: Option<(u64, Hash)>,
    /// The files, in the order of their lines.
    pub files: Vec<PathBuf>,
    /// Files that were not read because they are compressed.
    pub compressed: Vec<PathBuf>,
    /// Recorded damage.
    pub damages: Vec<Damage>,
    /// The first bad line; nothing after it was looked at.
    pub bad: Option<Bad>,
    /// The comparison with the checkpoint, where one was given.
    pub checkpoint: Option<Compared>,
}

impl Verified {
    /// Whether every line that was ever written from the first one on is there, unchanged.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let agrees = self.checkpoint.is_none_or(|c| c == Compared::Found);
        self.bad.is_none() && agrees && self.damages.iter().all(|damage| damage.lost == 0)
    }
}

/// Walks the trail at `path` and its rotated and damaged files, without its lock: for a copy, or
/// for somebody who may only read. [`super::trail::Trail::verify`] is for a trail in use.
///
/// # Errors
/// A file can't be read. A trail that is not there has no lines, and is no error.
pub fn verify(path: &Path, checkpoint: Option<&Checkpoint>) -> Result<Verified, FileError> {
    walk(Snapshot::take(path)?, checkpoint)
}

/// Walks the files of `snapshot`.
pub(super) fn walk(
    snapshot: Snapshot,
    checkpoint: Option<&Checkpoint>,
) -> Result<Verified, FileError> {
    let mut walk = Walk { found: Verified::default(), end: None, damaged: None, checkpoint };
    for part in &snapshot.parts {
        walk.found.files.push(part.path.clone());
        if walk.settle_damage(part) || walk.file(part, snapshot.lines(part)?)? {
            break;
        }
    }
    if let (None, Some((at, problem))) = (&walk.found.bad, walk.damaged.take()) {
        walk.found.bad = Some(Bad { at, problem });
    }
    walk.found.compressed = snapshot.compressed;
    walk.found.last = walk.end.map(|end| (end.seq, end.hash));
    walk.found.checkpoint = checkpoint.map(|point| walk.compare(point));
    Ok(walk.found)
}

struct Walk<'a> {
    found: Verified,
    end: Option<End>,
    /// Where the file before ended in damage that nothing has recorded so far.
    damaged: Option<(Position, Problem)>,
    checkpoint: Option<&'a Checkpoint>,
}

impl Walk<'_> {
    /// Whether the damage of the file before is not recorded by the file that follows it.
    fn settle_damage(&mut self, next: &Part) -> bool {
        let Some((at, problem)) = self.damaged.take() else { return false };
        let recorded =
            next.first.as_ref().filter(|_| next.kept().as_deref() == at.file.file_name());
        match recorded {
            None => {
                self.found.bad = Some(Bad { at, problem });
                true
            }
            Some(line) => {
                let (recorded, lost) = (line.end.seq, self.lost_before(line));
                self.found.damages.push(Damage { at, recorded, lost });
                false
            }
        }
    }

    fn lost_before(&self, line: &Line) -> u64 {
        let before = self.end.map_or(0, |end| end.seq);
        line.end.seq.saturating_sub(before).saturating_sub(1)
    }

    /// Reads one file; says whether it ends the walk.
    fn file(&mut self, part: &Part, mut lines: Lines) -> Result<bool, FileError> {
        while let Some(text) = lines.next()? {
            let line = match text.strip_suffix(b"\n") {
                None => Err(Problem::Cut),
                Some(text) => Line::read(text).map_err(Problem::from),
            };
            let at = || Position { file: part.path.clone(), line: lines.number };
            match line {
                Err(problem) => {
                    self.damaged = Some((at(), problem));
                    return Ok(false);
                }
                Ok(line) => {
                    if let Err(problem) = self.step(&line, at) {
                        self.found.bad = Some(Bad { at: at(), problem });
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    fn step(&mut self, line: &Line, at: impl Fn() -> Position) -> Result<(), Problem> {
        let event = line.text("event").unwrap_or_default();
        match self.end {
            None => self.found.first = line.end.seq,
            Some(before) => self.follows(before, line, event, &at)?,
        }
        if line.end.seq <= 1 && line.prev != Hash::NONE {
            return Err(Problem::Prev);
        }
        if self.checkpoint.is_some_and(|c| c.seq == line.end.seq && c.hash != line.end.hash) {
            return Err(Problem::Checkpoint);
        }
        self.found.lines += 1;
        self.end = Some(line.end);
        Ok(())
    }

    fn follows(
        &mut self,
        before: End,
        line: &Line,
        event: &str,
        at: &impl Fn() -> Position,
    ) -> Result<(), Problem> {
        let next = before.seq + 1;
        let records_damage = event == "audit.damaged";
        if line.end.seq < next {
            return Err(Problem::Repeated(line.end.seq));
        }
        if line.end.seq > next && !records_damage {
            return Err(Problem::Gap { first: next, last: line.end.seq - 1 });
        }
        if line.end.seq == next && line.prev != before.hash {
            return Err(Problem::Prev);
        }
        if line.end.time < before.time && event != "store.clock-reset" {
            return Err(Problem::Time);
        }
        let is_listed = self.found.damages.last().is_some_and(|d| d.recorded == line.end.seq);
        if records_damage && !is_listed {
            let lost = self.lost_before(line);
            self.found.damages.push(Damage { at: at(), recorded: line.end.seq, lost });
        }
        Ok(())
    }

    fn compare(&self, point: &Checkpoint) -> Compared {
        let last = self.end.map_or(0, |end| end.seq);
        let lost = |d: &Damage| (d.recorded - d.lost..d.recorded).contains(&point.seq);
        if self.found.bad.is_some() && last < point.seq || self.found.damages.iter().any(lost) {
            Compared::NotReached
        } else if last < point.seq {
            Compared::CutBefore
        } else if point.seq < self.found.first {
            Compared::BeginsAfter
        } else {
            Compared::Found
        }
    }
}

#[cfg(test)]
mod tests;
