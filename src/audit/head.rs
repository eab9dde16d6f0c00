//! The side file `audit.jsonl.head`: where the chain ended when it was last written to.
//!
//! Knows its form; not what a difference to the trail means. It is written over in place without
//! waiting for the disk, after the line is safe: so it may lag behind the trail, but a trail that
//! lags behind it has lost lines. It also counts pushes without an identity until the next line.

use super::line::{End, Hash};
use super::stamp;
use rustix::fs::OFlags;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// `seq hash time unidentified store`, each of fixed width, and a newline. Store 0 is none.
const LENGTH: usize = 20 + 1 + 64 + 1 + 24 + 1 + 10 + 1 + 20 + 1;
/// The same without the store, as an earlier version wrote it.
const LENGTH_BEFORE: usize = LENGTH - 21;
const MAX_COUNT: u64 = 9_999_999_999;

/// What the side file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// The last line, [`End::NOTHING`] before the first.
    pub(super) end: End,
    /// Pushes refused without an identity since that line.
    pub(super) unidentified: u64,
}

/// What was found in the side file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// It was never written.
    Nothing,
    /// What it says.
    Mark(Mark),
    /// Something that refwarden does not write.
    Garbage,
}

impl Found {
    /// The mark, if it can be read.
    pub(super) fn mark(self) -> Option<Mark> {
        if let Found::Mark(mark) = self { Some(mark) } else { None }
    }
}

/// The opened side file.
pub(super) struct Head(File);

impl Head {
    /// Opens the side file, making it where it is missing; `None` where that can't be: the trail
    /// goes on without it.
    pub(super) fn open(path: &Path, account_uid: u32) -> Option<Self> {
        let file = crate::os::trust::open_trail(path, account_uid).ok()?;
        // Linux appends with `pwrite` too where O_APPEND is set (pwrite(2), "BUGS").
        rustix::fs::fcntl_setfl(&file, OFlags::empty()).ok()?;
        super::held::give(&file, account_uid).ok()?;
        Some(Self(file))
    }

    /// Reads it.
    pub(super) fn read(&self) -> Found {
        let mut bytes = [0; LENGTH + 1];
        match self.0.read_at(&mut bytes, 0) {
            Ok(0) => Found::Nothing,
            Ok(length @ (LENGTH | LENGTH_BEFORE)) => {
                bytes.get(..length).and_then(parse).map_or(Found::Garbage, Found::Mark)
            }
            _ => Found::Garbage,
        }
    }

    /// Writes it; says whether it worked.
    pub(super) fn write(&self, mark: &Mark) -> bool {
        let Some(text) = form(mark) else { return false };
        let length = u64::try_from(LENGTH).unwrap_or_default();
        let fits = self.0.metadata().is_ok_and(|about| about.len() <= length);
        (fits || self.0.set_len(0).is_ok()) && self.0.write_all_at(text.as_bytes(), 0).is_ok()
    }
}

/// The store version in the side file at `path`, looked at without the trail's lock: it may be one
/// line behind, and half of a line is taken for nothing.
pub(super) fn store_of(path: &Path) -> Option<u64> {
    let file = super::siblings::open(path).ok()?;
    Head(file).read().mark()?.end.store
}

fn form(mark: &Mark) -> Option<String> {
    let (end, count) = (mark.end, mark.unidentified.min(MAX_COUNT));
    let time = stamp::write(end.time)?;
    let store = end.store.unwrap_or(0);
    Some(format!("{:020} {} {time} {count:010} {store:020}\n", end.seq, end.hash))
}

fn parse(bytes: &[u8]) -> Option<Mark> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut words = text.strip_suffix('\n')?.split(' ');
    let seq = words.next()?.parse().ok()?;
    let hash = Hash::parse(words.next()?)?;
    let time = stamp::read(words.next()?)?;
    let unidentified = words.next()?.parse().ok()?;
    let store = words.next().map(|store| store.parse().ok());
    let store = store.unwrap_or(Some(0))?;
    let mark =
        Mark { end: End { seq, hash, time, store: Some(store).filter(|s| *s > 0) }, unidentified };
    let plausible = seq <= super::canonical::MAX_INTEGER / 2 && is_form(&mark, text)?;
    plausible.then_some(mark)
}

fn is_form(mark: &Mark, text: &str) -> Option<bool> {
    let form = form(mark)?;
    let before = form.strip_suffix(" 00000000000000000000\n").map(|form| format!("{form}\n"));
    Some(form == text || before.is_some_and(|form| form == text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(seq: u64) -> Mark {
        let time = stamp::read("2026-11-22T02:05:54.123Z").unwrap();
        Mark { end: End { seq, hash: Hash::of(b"x"), time, store: Some(9) }, unidentified: 3 }
    }

    #[test]
    fn it_reads_back_and_is_written_in_place() {
        let text = form(&mark(7)).unwrap();
        assert_eq!(text.len(), LENGTH);
        assert_eq!(parse(text.as_bytes()), Some(mark(7)));
        let file = tempfile::tempfile().unwrap();
        let head = Head(file);
        assert_eq!(head.read(), Found::Nothing);
        assert!(head.write(&mark(7)) && head.write(&mark(8)));
        assert_eq!(head.read(), Found::Mark(mark(8)));
    }

    #[test]
    fn the_head_of_an_earlier_version_is_read_and_written_anew() {
        let without = Mark { end: End { store: None, ..mark(7).end }, ..mark(7) };
        let text = form(&without).unwrap().replace(" 00000000000000000000\n", "\n");
        assert_eq!(text.len(), LENGTH_BEFORE);
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(text.as_bytes(), 0).unwrap();
        let head = Head(file);
        assert_eq!(head.read(), Found::Mark(without));
        assert!(head.write(&mark(8)));
        assert_eq!(head.read(), Found::Mark(mark(8)));
    }

    #[test]
    fn garbage_is_told_apart_and_written_over() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[0; 500], 0).unwrap();
        let head = Head(file);
        assert_eq!(head.read(), Found::Garbage);
        assert!(head.write(&mark(7)));
        assert_eq!(head.read(), Found::Mark(mark(7)));
        for bad in ["", "7 x y z\n", &form(&mark(7)).unwrap().replace('7', "+")] {
            assert_eq!(parse(bad.as_bytes()), None);
        }
        assert_eq!(parse(form(&mark(u64::MAX)).unwrap().as_bytes()), None);
    }
}
