//! The last line of a file, read from its end.
//!
//! Knows how to find it in time that does not depend on the file's length, and what is wrong with
//! it; not what comes of that.

use super::line::{End, Flaw, Line};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Longest line that is written or read, in bytes: a push of some 100 000 refs.
pub const MAX_LINE: usize = 64 << 20;

/// How many damaged lines are walked over in search of a good one.
const LOOK_BACK: usize = 64;

/// How a file ends.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tail {
    /// It has no byte.
    Empty,
    /// With a whole line.
    Whole(End),
    /// With something else.
    Damaged {
        /// What is wrong with the last line.
        flaw: String,
        /// The last line before it that is whole, if one is near.
        good: Option<End>,
    },
    /// With a line of a newer program's version.
    Newer(u64),
}

impl Tail {
    /// The last whole line.
    pub(super) fn good(&self) -> Option<End> {
        match self {
            Tail::Whole(end) => Some(*end),
            Tail::Damaged { good, .. } => *good,
            Tail::Empty | Tail::Newer(_) => None,
        }
    }
}

/// Looks at the end of `file`, which is `length` bytes long.
pub(super) fn read(file: &File, length: u64) -> io::Result<Tail> {
    if length == 0 {
        return Ok(Tail::Empty);
    }
    let Some((start, text)) = line_before(file, length)? else {
        return Ok(Tail::Damaged { flaw: "its last line has no end".into(), good: None });
    };
    let flaw = match whole(&text) {
        Ok(line) => return Ok(Tail::Whole(line.end)),
        Err(Flaw::Version(version)) => return Ok(Tail::Newer(version)),
        Err(_) if text.last() != Some(&b'\n') => "its last line is cut short".into(),
        Err(flaw) => format!("its last line is damaged: {flaw}"),
    };
    Ok(Tail::Damaged { flaw, good: last_good(file, start)? })
}

fn last_good(file: &File, mut end: u64) -> io::Result<Option<End>> {
    for _ in 0..LOOK_BACK {
        let Some((start, text)) = line_before(file, end)? else { return Ok(None) };
        if let Ok(line) = whole(&text) {
            return Ok(Some(line.end));
        }
        end = start;
    }
    Ok(None)
}

fn whole(text: &[u8]) -> Result<Line, Flaw> {
    Line::read(text.strip_suffix(b"\n").ok_or(Flaw::NotJson)?)
}

/// Start and bytes, newline included, of the line that ends at `end`; `None` at the file's start
/// or where it is longer than [`MAX_LINE`].
fn line_before(file: &File, end: u64) -> io::Result<Option<(u64, Vec<u8>)>> {
    let mut size = 4096_usize;
    while end > 0 && size <= 2 * MAX_LINE {
        let from = end.saturating_sub(u64::try_from(size).unwrap_or(u64::MAX));
        let mut bytes = vec![0; usize::try_from(end - from).unwrap_or(size)];
        file.read_exact_at(&mut bytes, from)?;
        let before_newline = bytes.split_last().map_or(&[][..], |(_, rest)| rest);
        if let Some(at) = before_newline.iter().rposition(|b| *b == b'\n') {
            let text = bytes.split_off(at + 1);
            return Ok(Some((end - u64::try_from(text.len()).unwrap_or(end), text)));
        }
        if from == 0 {
            return Ok(Some((0, bytes)));
        }
        size *= 2;
    }
    Ok(None)
}
