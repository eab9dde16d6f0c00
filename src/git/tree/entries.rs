//! The entries of one tree object.
//!
//! Knows the object's bytes and git's order of names; nothing of folders below. A tree is kept as
//! it was stored, with the places of its entries, so that what two trees share is skipped by bytes.

use gix::bstr::ByteSlice;
use gix::objs::tree::EntryKind;
use gix::{ObjectId, oid};
use std::cmp::Ordering;
use std::rc::Rc;

const MALFORMED: &str = "it is no tree";
/// Of two entries of one name, nobody knows which one counts.
const TWICE: &str = "the tree has one name twice";

/// A tree: its bytes with the entries in git's order, by name, a folder's as if a `/` stood behind.
#[derive(Debug, Default)]
pub(super) struct Entries {
    raw: Rc<Vec<u8>>,
    slots: Vec<Slot>,
    id_length: usize,
}

/// Where an entry's name begins and ends; the id follows after a NUL.
#[derive(Debug, Clone, Copy)]
struct Slot {
    name: u32,
    end: u32,
    kind: EntryKind,
}

/// One name in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a [u8],
    pub(super) kind: EntryKind,
    id: &'a [u8],
}

impl Entry<'_> {
    pub(super) const fn is_folder(&self) -> bool {
        matches!(self.kind, EntryKind::Tree)
    }

    pub(super) const fn is_link(&self) -> bool {
        matches!(self.kind, EntryKind::Link | EntryKind::Commit)
    }

    pub(super) fn id(&self) -> Option<ObjectId> {
        oid::try_from_bytes(self.id).ok().map(ToOwned::to_owned)
    }

    /// Git's order (`base_name_compare`), and files before folders where only odd names with a `/`
    /// make them alike: equal is what has one name and is both folders or both not.
    fn order(&self, other: &Self) -> Ordering {
        let shared = self.name.len().min(other.name.len());
        let (head, tail) = self.name.split_at_checked(shared).unwrap_or_default();
        let (other_head, other_tail) = other.name.split_at_checked(shared).unwrap_or_default();
        head.cmp(other_head)
            .then_with(|| rest(tail, self.is_folder()).cmp(rest(other_tail, other.is_folder())))
            .then_with(|| self.is_folder().cmp(&other.is_folder()))
    }
}

/// What a name is ordered by behind the part that it shares with another.
fn rest(tail: &[u8], folder: bool) -> impl Iterator<Item = u8> {
    tail.iter().copied().chain(folder.then_some(b'/'))
}

impl Entries {
    /// Reads a tree with ids of `id_length` bytes; the error says what is wrong with it. What is
    /// the same in `like`, mostly the tree of a neighbouring commit, is not read again.
    pub(super) fn parse(
        raw: Rc<Vec<u8>>,
        id_length: usize,
        like: Option<&Self>,
    ) -> Result<Self, &'static str> {
        if let Some(tree) = like.and_then(|like| Self::parse_like(&raw, id_length, like)) {
            return Ok(tree);
        }
        // An entry of an ordinary tree has about this many bytes.
        let mut slots = Vec::with_capacity(raw.len() / (id_length + 16));
        let mut at = 0;
        while at < raw.len() {
            let slot = slot(&raw, at, id_length).ok_or(MALFORMED)?;
            at = slot.end as usize + 1 + id_length;
            slots.push(slot);
        }
        let tree = Self { raw, slots, id_length };
        if tree.is_sound(0, tree.slots.len()) {
            return Ok(tree);
        }
        let tree = tree.sorted();
        if tree.is_sound(0, tree.slots.len()) { Ok(tree) } else { Err(TWICE) }
    }

    /// Reads what is not as in `like`; `None` where that does not show the tree to be sound.
    fn parse_like(raw: &Rc<Vec<u8>>, id_length: usize, like: &Self) -> Option<Self> {
        let (start, tail) = like.shared(raw);
        let mut slots = Vec::with_capacity(like.slots.len() + 8);
        slots.extend_from_slice(like.slots.get(..start)?);
        let mut tree = Self { raw: Rc::clone(raw), slots, id_length };
        let same = loop {
            let at = tree.slots.last().map_or(0, |slot| tree.after(slot));
            let rest = raw.len() - at;
            if rest <= tail
                && let Some(same) = like.entry_at(like.raw.len() - rest)
            {
                break same;
            }
            tree.slots.push(slot(raw, at, id_length)?);
        };
        let end = tree.slots.len();
        let shifted = |at: u32| u32::try_from(at as usize + raw.len() - like.raw.len()).ok();
        for slot in like.slots.get(same..)? {
            let (name, end) = (shifted(slot.name)?, shifted(slot.end)?);
            tree.slots.push(Slot { name, end, ..*slot });
        }
        tree.is_sound(start, end).then_some(tree)
    }

    /// Whether entries in order and without twins are still so with those from `start` to `end`.
    fn is_sound(&self, start: usize, end: usize) -> bool {
        let (before, behind) = (start.saturating_sub(1), (end + 1).min(self.slots.len()));
        let near = self.slots.get(before..behind).unwrap_or_default();
        near.is_sorted_by(|a, b| self.entry(a).order(&self.entry(b)).is_lt())
            && !self.has_twins(before)
    }

    /// Bytes that it takes.
    pub(super) fn size(&self) -> usize {
        self.raw.len() + self.slots.len() * size_of::<Slot>() + size_of::<Self>()
    }

    /// Shows what stands under each name that is not the same in both trees, a file and a folder of
    /// one name each for itself.
    pub(super) fn differences<'a>(
        &'a self,
        old: &'a Self,
        mut show: impl FnMut(Option<Entry<'a>>, Option<Entry<'a>>),
    ) {
        let (start, end, old_end) = self.unlike(old);
        let (mut at, mut old_at) = (start, start);
        loop {
            let one = self.get(at).filter(|_| at < end);
            let other = old.get(old_at).filter(|_| old_at < old_end);
            let order = match (&one, &other) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(one), Some(other)) => one.order(other),
            };
            at += usize::from(order.is_le());
            old_at += usize::from(order.is_ge());
            match order {
                Ordering::Less => show(one, None),
                Ordering::Greater => show(None, other),
                Ordering::Equal if one == other => {}
                Ordering::Equal => show(one, other),
            }
        }
    }

    /// All entries, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.slots.iter().map(|slot| self.entry(slot))
    }

    /// The entry of `like`'s name that is a folder if `like` is one.
    pub(super) fn find(&self, like: &Entry<'_>) -> Option<Entry<'_>> {
        let (mut low, mut high) = (0, self.slots.len());
        while low < high {
            let middle = low.midpoint(high);
            let entry = self.get(middle)?;
            match entry.order(like) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Some(entry),
            }
        }
        None
    }

    /// The entries that can differ: from the first result on, up to the second in `self` and the
    /// third in `old`.
    fn unlike(&self, old: &Self) -> (usize, usize, usize) {
        let (start, tail) = self.shared(&old.raw);
        let last = self.slots.partition_point(|slot| self.after(slot) <= self.raw.len() - tail);
        let end = (last + 1).min(self.slots.len());
        let begin = self.slots.get(..end).and_then(<[_]>::last).map_or(0, |slot| self.after(slot));
        let place = (old.raw.len() + begin).checked_sub(self.raw.len());
        match place.and_then(|place| old.entry_at(place)) {
            Some(old_end) if end >= start && old_end >= start => (start, end, old_end),
            _ => (start, self.slots.len(), old.slots.len()),
        }
    }

    /// How many entries at the start and, behind those, how many bytes at the end are also in `raw`.
    fn shared(&self, raw: &[u8]) -> (usize, usize) {
        let head = shared_head(&self.raw, raw);
        let tail = shared_tail(&self.raw, raw).min(self.raw.len().min(raw.len()) - head);
        // Whole entries of the same bytes, one after the other from the start, are the same ones.
        (self.slots.partition_point(|slot| self.after(slot) <= head), tail)
    }

    /// The entry that begins at `place`; the number of all at the end. From where an entry begins in
    /// two trees, the same bytes are the same entries.
    fn entry_at(&self, place: usize) -> Option<usize> {
        let at = self.slots.partition_point(|slot| self.after(slot) <= place);
        let before = self.slots.get(..at).and_then(<[_]>::last);
        (before.map_or(0, |slot| self.after(slot)) == place).then_some(at)
    }

    /// Where the entry's bytes end.
    const fn after(&self, slot: &Slot) -> usize {
        slot.end as usize + 1 + self.id_length
    }

    /// The entry at a place in the order.
    pub(super) fn get(&self, at: usize) -> Option<Entry<'_>> {
        self.slots.get(at).map(|slot| self.entry(slot))
    }

    fn entry(&self, slot: &Slot) -> Entry<'_> {
        let (name, end) = (slot.name as usize, slot.end as usize);
        Entry {
            name: self.raw.get(name..end).unwrap_or_default(),
            kind: slot.kind,
            id: self.raw.get(end + 1..end + 1 + self.id_length).unwrap_or_default(),
        }
    }

    /// The same entries in order, their bytes too: git sorts them, but whoever writes a tree may not.
    fn sorted(mut self) -> Self {
        let mut slots = std::mem::take(&mut self.slots);
        slots.sort_unstable_by(|a, b| self.entry(a).order(&self.entry(b)));
        let mut raw = Vec::with_capacity(self.raw.len());
        for slot in &mut slots {
            let entry = self.entry(slot);
            raw.extend_from_slice(slot.kind.as_octal_str());
            raw.push(b' ');
            slot.name = u32::try_from(raw.len()).unwrap_or(u32::MAX);
            raw.extend_from_slice(entry.name);
            slot.end = u32::try_from(raw.len()).unwrap_or(u32::MAX);
            raw.push(0);
            raw.extend_from_slice(entry.id);
        }
        Self { raw: Rc::new(raw), slots, ..self }
    }

    /// Whether a folder behind the entry `from` has the name of a file: a folder follows it.
    fn has_twins(&self, from: usize) -> bool {
        let slots = self.slots.get(from..).unwrap_or_default();
        slots.windows(2).any(|pair| {
            let [before, slot] = pair else { return false };
            if slot.kind != EntryKind::Tree {
                return false;
            }
            let (before, entry) = (self.entry(before), self.entry(slot));
            // Between a file and a folder of one name stand only names that begin with it.
            let near = before.name.starts_with(entry.name) || entry.name.ends_with(b"/");
            near && self.find(&Entry { kind: EntryKind::Blob, ..entry }).is_some()
        })
    }
}

/// The entry that begins at `at` (git's `decode_tree_entry`).
///
/// Not `gix`'s parser: it takes the mode `140000`, which to git is a submodule, for a folder, and a
/// folder could be replaced unseen.
fn slot(raw: &[u8], at: usize, id_length: usize) -> Option<Slot> {
    let rest = raw.get(at..)?;
    let (kind, mode) = mode(rest)?;
    let name = at + mode + 1;
    let length = raw.get(name..)?.find_byte(0).filter(|length| *length > 0)?;
    let end = name + length;
    raw.get(end + 1..end + 1 + id_length)?;
    Some(Slot { name: u32::try_from(name).ok()?, end: u32::try_from(end).ok()?, kind })
}

/// What git takes an entry for, its `get_mode` and `canon_mode`, and how long the mode is, a space
/// behind it. A mode of more bits than git has kinds for is nobody's.
fn mode(text: &[u8]) -> Option<(EntryKind, usize)> {
    const KIND: u32 = 0o170_000;
    let (mut bits, mut length) = (0_u32, 0);
    for digit in text {
        match digit {
            b' ' => break,
            b'0'..=b'7' => bits = (bits << 3) | u32::from(digit - b'0'),
            _ => return None,
        }
        length += 1;
        if bits > 0o177_777 {
            return None;
        }
    }
    let kind = match bits & KIND {
        0o040_000 => EntryKind::Tree,
        0o120_000 => EntryKind::Link,
        0o100_000 if bits & 0o100 != 0 => EntryKind::BlobExecutable,
        0o100_000 => EntryKind::Blob,
        _ => EntryKind::Commit,
    };
    (length > 0 && length < text.len()).then_some((kind, length))
}

/// How many bytes are compared at once: a word, because musl's own comparison goes byte by byte.
const STEP: usize = size_of::<u64>();

/// How many bytes both begin with.
fn shared_head(one: &[u8], other: &[u8]) -> usize {
    let ((steps, _), (others, _)) = (one.as_chunks(), other.as_chunks());
    let steps = steps.iter().zip(others).take_while(is_same).count() * STEP;
    let rest = one.iter().skip(steps).zip(other.iter().skip(steps));
    steps + rest.take_while(|(a, b)| a == b).count()
}

/// How many bytes both end with.
fn shared_tail(one: &[u8], other: &[u8]) -> usize {
    let ((_, steps), (_, others)) = (one.as_rchunks(), other.as_rchunks());
    let steps = steps.iter().rev().zip(others.iter().rev()).take_while(is_same).count() * STEP;
    let rest = one.iter().rev().skip(steps).zip(other.iter().rev().skip(steps));
    steps + rest.take_while(|(a, b)| a == b).count()
}

fn is_same((one, other): &(&[u8; STEP], &[u8; STEP])) -> bool {
    u64::from_ne_bytes(**one) == u64::from_ne_bytes(**other)
}

#[cfg(test)]
mod tests;
