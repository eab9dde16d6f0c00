//! The files around a trail: rotated ones, damaged ones, and those that can't be read.
//!
//! Knows what they are called and in which order they follow one another; judges no line but the
//! first of each. The order comes from the lines' own numbers, since logrotate renames at will.

use super::line::Line;
use super::tail::{self, MAX_LINE, Tail};
use crate::os::files::FileError;
use rustix::fs::{Mode, OFlags};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const NOT_TRAILS: [&[u8]; 3] = [b".head", b".lock", b".new"];
const COMPRESSED: [&[u8]; 6] = [b".gz", b".xz", b".zst", b".bz2", b".lz4", b".zip"];

/// What lies beside a trail.
#[derive(Debug, Default)]
pub(super) struct Siblings {
    /// Earlier parts of the trail, in no order.
    pub(super) parts: Vec<PathBuf>,
    /// Parts that somebody compressed.
    pub(super) compressed: Vec<PathBuf>,
}

/// Lists the files whose names are the trail's with `.…` or `-…` after it.
pub(super) fn list(trail: &Path) -> Result<Siblings, FileError> {
    let folder = trail.parent().unwrap_or(Path::new("."));
    let wrong = |source: io::Error| FileError::new(folder, "list", source);
    let own = trail.file_name().unwrap_or_default();
    let mut found = Siblings::default();
    for item in std::fs::read_dir(folder).map_err(wrong)? {
        let item = item.map_err(wrong)?;
        if !item.file_type().map_err(wrong)?.is_file() || !is_part(own, &item.file_name()) {
            continue;
        }
        let is_compressed = COMPRESSED.iter().any(|end| item.file_name().as_bytes().ends_with(end));
        if is_compressed { &mut found.compressed } else { &mut found.parts }.push(item.path());
    }
    Ok(found)
}

fn is_part(own: &OsStr, name: &OsStr) -> bool {
    let after = name.as_bytes().strip_prefix(own.as_bytes()).unwrap_or_default();
    matches!(after.first(), Some(b'.' | b'-')) && !NOT_TRAILS.iter().any(|end| after.ends_with(end))
}

/// Opens a part of a trail to read it; never a link, never a FIFO.
pub(super) fn open(path: &Path) -> Result<File, FileError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let wrong = |error| FileError::new(path, "open", error);
    let file: File = rustix::fs::open(path, flags, Mode::empty())
        .map_err(io::Error::from)
        .map_err(wrong)?
        .into();
    match file.metadata() {
        Ok(about) if about.is_file() => Ok(file),
        Ok(_) => Err(wrong(io::Error::other("not a regular file"))),
        Err(error) => Err(wrong(error)),
    }
}

/// The earlier part that reaches furthest, and how it ends; parts that can't be read are left out.
pub(super) fn latest(trail: &Path) -> Result<Option<(PathBuf, Tail)>, FileError> {
    let tails = list(trail)?.parts.into_iter().filter_map(|path| {
        let file = open(&path).ok()?;
        let tail = tail::read(&file, file.metadata().ok()?.len()).ok()?;
        (tail != Tail::Empty).then_some((path, tail))
    });
    Ok(tails.max_by_key(|(_, tail)| tail.good().map_or(0, |end| end.seq)))
}

/// One file of a trail, with its first line where that is whole.
#[derive(Debug)]
pub(super) struct Part {
    /// Where it is.
    pub(super) path: PathBuf,
    /// Its first line.
    pub(super) first: Option<Line>,
}

impl Part {
    /// The name of the damaged file after which this one was begun.
    pub(super) fn kept(&self) -> Option<OsString> {
        let first = self.first.as_ref().filter(|l| l.text("event") == Some("audit.damaged"))?;
        let kept = super::text::Text::stored(first.detail("kept")?).to_bytes();
        Some(OsStr::from_bytes(&kept).to_owned())
    }
}

/// All files of a trail that have a byte, in the order of their lines, the trail itself included.
///
/// One whose first line is not whole stands before the file that was begun because of it, else
/// where its first line would have to be: at the end.
fn ordered(trail: &Path) -> Result<Vec<Part>, FileError> {
    let mut parts = Vec::new();
    for path in list(trail)?.parts.into_iter().chain([trail.to_owned()]) {
        match part(&path) {
            Ok(found) => parts.extend(found),
            Err(error) if error.is_absent() => {}
            Err(error) => return Err(error),
        }
    }
    let known: Vec<_> = parts.iter().filter_map(|p| Some((p.kept()?, seq(p)?))).collect();
    parts.sort_by_key(|part| {
        let name = part.path.file_name();
        let follower = known.iter().find(|(kept, _)| Some(kept.as_os_str()) == name);
        let key = seq(part).or_else(|| follower.map(|(_, seq)| *seq)).unwrap_or(u64::MAX);
        (key, part.first.is_some(), part.path == trail, part.path.clone())
    });
    Ok(parts)
}

fn seq(part: &Part) -> Option<u64> {
    part.first.as_ref().map(|line| line.end.seq)
}

fn part(path: &Path) -> Result<Option<Part>, FileError> {
    let mut lines = Lines::new(open(path)?, path);
    let first = match lines.next()? {
        None => return Ok(None),
        Some(text) => text.strip_suffix(b"\n").and_then(|text| Line::read(text).ok()),
    };
    Ok(Some(Part { path: path.to_owned(), first }))
}

/// The files of a trail as they were at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// The files in the order of their lines.
    pub(super) parts: Vec<Part>,
    /// Parts that were left out because they are compressed.
    pub(super) compressed: Vec<PathBuf>,
    trail: PathBuf,
    live: Option<(File, u64)>,
}

impl Snapshot {
    /// Notes which files there are and how long the trail itself is. Under the lock nothing is
    /// half written; without it the last line may be.
    pub(super) fn take(trail: &Path) -> Result<Self, FileError> {
        let compressed = list(trail)?.compressed;
        let live = match open(trail) {
            Ok(file) => {
                let about = file.metadata().map_err(|e| FileError::new(trail, "read", e))?;
                Some((file, about.len()))
            }
            Err(error) if error.is_absent() => None,
            Err(error) => return Err(error),
        };
        Ok(Self { parts: ordered(trail)?, compressed, trail: trail.to_owned(), live })
    }

    /// The lines of one of its parts.
    pub(super) fn lines(&self, part: &Part) -> Result<Lines, FileError> {
        match &self.live {
            Some((file, length)) if part.path == self.trail => {
                let file = file.try_clone().map_err(|e| FileError::new(&part.path, "open", e))?;
                Ok(Lines::limited(file, *length, &part.path))
            }
            _ => Ok(Lines::new(open(&part.path)?, &part.path)),
        }
    }
}

/// The lines of a file one after another, in one buffer.
pub(super) struct Lines {
    reader: BufReader<io::Take<File>>,
    path: PathBuf,
    buffer: Vec<u8>,
    /// How many lines were read.
    pub(super) number: u64,
}

impl Lines {
    /// Reads `file` from where it stands; `path` is for words.
    pub(super) fn new(file: File, path: &Path) -> Self {
        Self::limited(file, u64::MAX, path)
    }

    /// Reads at most `length` bytes of `file`.
    pub(super) fn limited(file: File, length: u64, path: &Path) -> Self {
        let reader = BufReader::with_capacity(1 << 16, file.take(length));
        Self { reader, path: path.to_owned(), buffer: Vec::new(), number: 0 }
    }

    /// The next line, newline included if it has one; of one longer than [`MAX_LINE`] a part.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, FileError> {
        self.buffer.clear();
        let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
        let size = (&mut self.reader).take(limit).read_until(b'\n', &mut self.buffer);
        match size {
            Ok(0) => Ok(None),
            Ok(_) => {
                self.number += 1;
                Ok(Some(&self.buffer))
            }
            Err(error) => Err(FileError::new(&self.path, "read", error)),
        }
    }
}
