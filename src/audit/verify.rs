//! Walking the chain over every file of a trail.
//!
//! Knows what may follow a line; reads each line once and keeps none. Damage that the trail itself
//! has recorded (`audit.damaged`) does not break the chain; it is listed, with the lines it cost.

use super::checkpoint::Checkpoint;
use super::line::{End, Flaw, Hash, Line};
use super::siblings::{self, Lines, Part, Snapshot};
use crate::os::files::FileError;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Seek as _, SeekFrom};
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

impl std::fmt::Display for Compared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Found => "the checkpoint's line is there",
            Self::CutBefore => "the trail ends before the checkpoint: its tail was cut",
            Self::BeginsAfter => "the trail begins after the checkpoint: older files are missing",
            Self::NotReached => {
                "another line has the checkpoint's number, or a bad line stands before it"
            }
        })
    }
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

    /// The number that the trail begins at, where that is later than `from`: nothing here shows
    /// whether the lines before were moved away or cut off.
    #[must_use]
    pub fn begins_late(&self, from: u64) -> Option<u64> {
        Some(self.first).filter(|first| *first > from)
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

/// Walks the last `most` bytes of the file at `path` alone, without its lock: the first line there
/// that breaks the chain, its number counted from where the walk began. A last line that is just being
/// written breaks nothing.
///
/// # Errors
/// The file can't be read.
pub fn near_end(path: &Path, most: u64) -> Result<Option<Bad>, FileError> {
    let mut file = siblings::open(path)?;
    let wrong = |error| FileError::new(path, "read", error);
    let length = file.metadata().map_err(wrong)?.len();
    let from = length.saturating_sub(most);
    file.seek(SeekFrom::Start(from)).map_err(wrong)?;
    let mut lines = Lines::limited(file, length - from, path);
    if from > 0 {
        // The rest of a line.
        lines.next()?;
    }
    let part = Part { path: path.to_owned(), first: None };
    let mut walk =
        Walk { found: Verified::default(), end: None, recorded: BTreeMap::new(), checkpoint: None };
    Ok(match walk.file(&part, lines)? {
        Ok(()) | Err((_, Problem::Cut)) => None,
        Err((line, problem)) => Some(Bad { at: Position { file: part.path, line }, problem }),
    })
}

/// Walks the files of `snapshot`.
pub(super) fn walk(
    snapshot: Snapshot,
    checkpoint: Option<&Checkpoint>,
) -> Result<Verified, FileError> {
    let recorded = siblings::recorded(&snapshot.parts);
    let mut walk = Walk { found: Verified::default(), end: None, recorded, checkpoint };
    for part in &snapshot.parts {
        walk.found.files.push(part.path.clone());
        if let Err((line, problem)) = walk.file(part, snapshot.lines(part)?)? {
            walk.found.bad = Some(Bad { at: Position { file: part.path.clone(), line }, problem });
            break;
        }
    }
    walk.found.compressed = snapshot.compressed;
    walk.found.last = walk.end.map(|end| (end.seq, end.hash));
    walk.found.checkpoint = checkpoint.map(|point| walk.compare(point));
    Ok(walk.found)
}

struct Walk<'a> {
    found: Verified,
    end: Option<End>,
    /// Damaged files, each with the number of the line that records it.
    recorded: BTreeMap<OsString, u64>,
    checkpoint: Option<&'a Checkpoint>,
}

/// A line of the file at hand that breaks the chain, from 1, and how.
type Broken = (u64, Problem);

impl Walk<'_> {
    fn file(&mut self, part: &Part, mut lines: Lines) -> Result<Result<(), Broken>, FileError> {
        while let Some(text) = lines.next()? {
            let line = match text.strip_suffix(b"\n") {
                None => Err(Problem::Cut),
                Some(text) => Line::read(text).map_err(Problem::from),
            };
            let at = Position { file: part.path.clone(), line: lines.number };
            let step = match line {
                Ok(line) => self.step(&line, at),
                Err(problem) => return Ok(self.damaged(at, problem)),
            };
            if let Err(problem) = step {
                return Ok(Err((lines.number, problem)));
            }
        }
        Ok(Ok(()))
    }

    /// The rest of a file is skipped where a later line says that the file was found damaged.
    fn damaged(&mut self, at: Position, problem: Problem) -> Result<(), Broken> {
        let recorded = at.file.file_name().and_then(|name| self.recorded.get(name)).copied();
        match recorded.filter(|seq| *seq > self.end.map_or(0, |end| end.seq)) {
            None => Err((at.line, problem)),
            Some(recorded) => {
                self.found.damages.push(Damage { at, recorded, lost: 0 });
                Ok(())
            }
        }
    }

    fn step(&mut self, line: &Line, at: Position) -> Result<(), Problem> {
        let event = line.text("event").unwrap_or_default();
        if self.end.is_none() {
            self.found.first = line.end.seq;
        }
        if let Some(before) = self.end {
            follows(before, line, event)?;
        } else if line.end.seq <= 1 && line.prev != Hash::NONE {
            return Err(Problem::Prev);
        }
        if self.checkpoint.is_some_and(|c| c.seq == line.end.seq && c.hash != line.end.hash) {
            return Err(Problem::Checkpoint);
        }
        if event == "audit.damaged" {
            self.list_damage(line.end.seq, at);
        }
        self.found.lines += 1;
        self.end = Some(line.end);
        Ok(())
    }

    fn list_damage(&mut self, recorded: u64, at: Position) {
        let is_known = |damage: &&mut Damage| damage.recorded == recorded;
        let before = self.end.map(|end| end.seq);
        let lost = |before: u64| recorded.saturating_sub(before).saturating_sub(1);
        match self.found.damages.iter_mut().rfind(is_known) {
            Some(damage) => damage.lost = lost(before.unwrap_or(0)),
            // Without a line before, older files may have been given away as any others.
            None => {
                let lost = before.map_or(0, lost);
                self.found.damages.push(Damage { at, recorded, lost });
            }
        }
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

fn follows(before: End, line: &Line, event: &str) -> Result<(), Problem> {
    let (next, seq) = (before.seq + 1, line.end.seq);
    if seq < next {
        return Err(Problem::Repeated(seq));
    }
    if seq > next && event != "audit.damaged" {
        return Err(Problem::Gap { first: next, last: seq - 1 });
    }
    if seq == next && line.prev != before.hash {
        return Err(Problem::Prev);
    }
    if line.end.time < before.time && event != "store.clock-reset" {
        return Err(Problem::Time);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
