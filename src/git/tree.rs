//! Which paths differ between a tree and others.
//!
//! Knows tree objects, and nothing of renames: a path is one name in the tree, bytes as they are.
//! Compares one tree with any number of others at once; a path counts that differs from every one.

use super::GitError;
use super::limits::Meter;
use super::objects::Objects;
use gix::ObjectId;
use gix::bstr::{BString, ByteSlice};
use gix::hash;
use gix::objs::Kind;
use gix::objs::tree::EntryKind;
use std::collections::HashMap;
use std::rc::Rc;

/// How many entries of trees are kept.
const MAX_CACHED: usize = 200_000;

/// Paths and whether a symbolic link or submodule is or was there.
pub(super) type Paths = HashMap<BString, bool>;

/// One name in a tree.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    name: BString,
    kind: EntryKind,
    id: ObjectId,
}

type Tree = Rc<[Entry]>;

/// Compares trees, and remembers those it has read.
pub(super) struct Trees<'a> {
    objects: &'a Objects,
    cache: HashMap<ObjectId, Tree>,
    cached: usize,
}

/// A folder to compare: `None` where there is no such folder.
struct Level {
    prefix: BString,
    new: Option<ObjectId>,
    olds: Vec<Option<ObjectId>>,
}

impl<'a> Trees<'a> {
    pub(super) fn new(objects: &'a Objects) -> Self {
        Self { objects, cache: HashMap::new(), cached: 0 }
    }

    /// Adds to `paths` what differs in `new` from every one of `olds`; from the empty tree where
    /// there are none.
    pub(super) fn compare(
        &mut self,
        new: ObjectId,
        olds: &[ObjectId],
        paths: &mut Paths,
        meter: &Meter<'_>,
    ) -> Result<(), GitError> {
        let olds =
            if olds.is_empty() { vec![None] } else { olds.iter().copied().map(Some).collect() };
        // A list and not the call stack: trees may be nested as deep as their author likes.
        let mut levels = vec![Level { prefix: BString::default(), new: Some(new), olds }];
        while let Some(level) = levels.pop() {
            meter.step()?;
            if !level.olds.contains(&level.new) {
                self.compare_level(&level, &mut levels, paths)?;
                meter.paths(paths.len())?;
            }
        }
        Ok(())
    }

    fn compare_level(
        &mut self,
        level: &Level,
        levels: &mut Vec<Level>,
        paths: &mut Paths,
    ) -> Result<(), GitError> {
        let new = self.read(level.new)?;
        let olds = level.olds.iter().map(|old| self.read(*old)).collect::<Result<Vec<_>, _>>()?;
        let mut new = new.iter().peekable();
        let mut olds: Vec<_> = olds.iter().map(|old| old.iter().peekable()).collect();
        loop {
            let heads = olds.iter_mut().filter_map(|old| old.peek()).copied();
            let Some(name) = heads.chain(new.peek().copied()).map(|entry| &entry.name).min() else {
                return Ok(());
            };
            let new = new.next_if(|entry| entry.name == *name);
            let olds: Vec<_> =
                olds.iter_mut().map(|old| old.next_if(|entry| entry.name == *name)).collect();
            compare_entry(level, name, new, &olds, levels, paths);
        }
    }

    /// The entries in order of their plain names; git's own order sees a `/` behind folders.
    fn read(&mut self, id: Option<ObjectId>) -> Result<Tree, GitError> {
        let Some(id) = id.filter(|id| !id.is_empty_tree()) else { return Ok(Rc::new([])) };
        if let Some(known) = self.cache.get(&id) {
            return Ok(Rc::clone(known));
        }
        let tree = self.parse(id)?;
        if self.cached + tree.len() > MAX_CACHED {
            self.cache.clear();
            self.cached = 0;
        }
        self.cached += tree.len();
        self.cache.insert(id, Rc::clone(&tree));
        Ok(tree)
    }

    fn parse(&self, id: ObjectId) -> Result<Tree, GitError> {
        let mut buffer = Vec::new();
        let data = self.objects.find(&id, &mut buffer)?;
        if data.kind != Kind::Tree {
            return Err(GitError::damaged(id, "it is no tree"));
        }
        let malformed = || GitError::damaged(id, "it is no tree");
        let (mut entries, mut rest) = (Vec::new(), data.data);
        while !rest.is_empty() {
            let (entry, after) = entry(rest, self.objects.format()).ok_or_else(malformed)?;
            entries.push(entry);
            rest = after;
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        // Of two entries of one name, nobody knows which one counts.
        let twice = |pair: &[Entry]| matches!(pair, [a, b] if a.name == b.name);
        if entries.windows(2).any(twice) {
            return Err(GitError::damaged(id, "the tree has one name twice"));
        }
        Ok(entries.into())
    }
}

/// The entry at the start of a tree, and what follows it (git's `decode_tree_entry`).
///
/// Not `gix`'s parser: it takes the mode `140000`, which to git is a submodule, for a folder, and a
/// folder could be replaced unseen.
fn entry(data: &[u8], format: hash::Kind) -> Option<(Entry, &[u8])> {
    let (mode, rest) = data.split_at_checked(data.find_byte(b' ')?)?;
    let (name, rest) = rest.get(1..)?.split_at_checked(rest.find_byte(0)?.checked_sub(1)?)?;
    let (id, rest) = rest.get(1..)?.split_at_checked(format.len_in_bytes())?;
    let (kind, id) = (kind(mode)?, ObjectId::try_from(id).ok()?);
    (!name.is_empty()).then(|| (Entry { name: name.into(), kind, id }, rest))
}

/// What git takes an entry for: its `get_mode` and `canon_mode`. A mode of more bits than git has
/// kinds for is nobody's.
fn kind(mode: &[u8]) -> Option<EntryKind> {
    const KIND: u32 = 0o170_000;
    let digit = |bits: u32, digit: &u8| match digit {
        b'0'..=b'7' => Some((bits << 3) | u32::from(digit - b'0')),
        _ => None,
    };
    let bits = mode.iter().try_fold(0, |bits, next| digit(bits, next).filter(|b| *b <= 0o177_777));
    let bits = bits.filter(|_| !mode.is_empty())?;
    Some(match bits & KIND {
        0o040_000 => EntryKind::Tree,
        0o120_000 => EntryKind::Link,
        0o100_000 if bits & 0o100 != 0 => EntryKind::BlobExecutable,
        0o100_000 => EntryKind::Blob,
        _ => EntryKind::Commit,
    })
}

/// Compares what stands under one name, as a file and as a folder.
fn compare_entry(
    level: &Level,
    name: &BString,
    new: Option<&Entry>,
    olds: &[Option<&Entry>],
    levels: &mut Vec<Level>,
    paths: &mut Paths,
) {
    let path = || {
        let mut path = level.prefix.clone();
        path.extend_from_slice(name);
        path
    };
    if olds.iter().all(|old| file(*old) != file(new)) {
        let link = olds.iter().chain([&new]).any(|entry| is_link(*entry));
        *paths.entry(path()).or_insert(false) |= link;
    }
    if olds.iter().all(|old| folder(*old) != folder(new)) {
        let mut prefix = path();
        prefix.push(b'/');
        let olds = olds.iter().map(|old| folder(*old)).collect();
        levels.push(Level { prefix, new: folder(new), olds });
    }
}

fn file(entry: Option<&Entry>) -> Option<(EntryKind, ObjectId)> {
    entry.filter(|entry| entry.kind != EntryKind::Tree).map(|entry| (entry.kind, entry.id))
}

fn folder(entry: Option<&Entry>) -> Option<ObjectId> {
    entry.filter(|entry| entry.kind == EntryKind::Tree).map(|entry| entry.id)
}

fn is_link(entry: Option<&Entry>) -> bool {
    entry.is_some_and(|entry| matches!(entry.kind, EntryKind::Link | EntryKind::Commit))
}
