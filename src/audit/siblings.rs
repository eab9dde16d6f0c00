//! The files around a trail: rotated ones, damaged ones, and those that can't be read.
//!
//! Knows what they are called and in which order they follow one another; judges no line but the
//! first of each. The order comes from the lines' own numbers, since logrotate renames at will.

use super::line::{End, Line};
use super::tail::{self, MAX_LINE, Tail};
use super::text::Text;
use crate::os::files::FileError;
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
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

/// Whether any earlier part can be there.
pub(super) fn are_there(trail: &Path) -> bool {
    list(trail).map_or(true, |found| !found.parts.is_empty())
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

/// What the earlier parts of a trail tell whoever goes on with it.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    /// The last whole line of the part that reaches furthest.
    pub(super) end: Option<End>,
    /// Parts with a damaged tail that no line has recorded: name and flaw.
    pub(super) damaged: Vec<(OsString, String)>,
    /// A part of a newer program, and its version.
    pub(super) newer: Option<(PathBuf, u64)>,
}

/// Looks at the end of every earlier part; those that can't be read are left out.
pub(super) fn earlier(trail: &Path) -> Result<Earlier, FileError> {
    let parts = list(trail)?.parts;
    let mut found = Earlier::default();
    for path in &parts {
        let Some(tail) = tail_of(path) else { continue };
        found.end = found.end.into_iter().chain(tail.good()).max_by_key(|end| end.seq);
        match tail {
            Tail::Newer(version) => found.newer = Some((path.clone(), version)),
            Tail::Damaged { flaw, .. } => {
                found.damaged.push((path.file_name().unwrap_or_default().to_owned(), flaw));
            }
            Tail::Empty | Tail::Whole(_) => {}
        }
    }
    if !found.damaged.is_empty() {
        let kept: Vec<_> =
            parts.iter().filter_map(|p| part(p).ok()?).flat_map(|p| p.kept()).collect();
        found.damaged.retain(|(name, _)| !kept.contains(name));
    }
    Ok(found)
}

fn tail_of(path: &Path) -> Option<Tail> {
    let file = open(path).ok()?;
    tail::read(&file, file.metadata().ok()?.len()).ok()
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
    /// The names of the damaged files that the first line records.
    pub(super) fn kept(&self) -> Vec<OsString> {
        let first = self.first.as_ref().filter(|l| l.text("event") == Some("audit.damaged"));
        let names = first.and_then(|line| line.detail("kept")).unwrap_or_default();
        // No file's name holds a slash.
        let names = names.split('/').filter(|name| !name.is_empty());
        names.map(|name| OsString::from_vec(Text::stored(name).to_bytes())).collect()
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
    let known = recorded(&parts);
    parts.sort_by_key(|part| {
        let own = part.first.as_ref().map(|line| line.end.seq);
        let key = own.or_else(|| part.path.file_name().and_then(|name| known.get(name).copied()));
        (key.unwrap_or(u64::MAX), own.is_some(), part.path == trail, part.path.clone())
    });
    Ok(parts)
}

/// Names of damaged files, each with the number of the line that records it.
pub(super) fn recorded(parts: &[Part]) -> BTreeMap<OsString, u64> {
    let names = parts.iter().filter_map(|part| Some((part, part.first.as_ref()?.end.seq)));
    names.flat_map(|(part, seq)| part.kept().into_iter().map(move |name| (name, seq))).collect()
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
