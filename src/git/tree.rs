//! Which paths differ between a tree and others.
//!
//! Knows which trees to read, and nothing of renames: a path is one name in the tree, bytes as they
//! are. Compares one tree with any number of others at once; a path counts that differs from every
//! one.

mod entries;
mod lately;

use super::GitError;
use super::commits::History;
use super::limits::{Meter, Repeats};
use super::objects::Objects;
use entries::{Entries, Entry};
use gix::ObjectId;
use gix::bstr::BString;
use gix::objs::Kind;
use gix::objs::tree::EntryKind;
use lately::Lately;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Bytes of trees after which those are forgotten that were not used since the last time; so
/// twice as many are kept.
const KEPT: usize = 4 << 20;
/// Bytes of a tree that are read in about the time that one of its names takes.
const BYTES_PER_NAME: usize = 512;
/// With fewer trees than this to compare with, another one costs next to nothing.
const MANY_OLDS: usize = 16;

/// Paths and whether a symbolic link or submodule is or was there.
pub(super) type Paths = HashMap<BString, bool>;

/// Compares trees, and remembers those it has read.
pub(super) struct Trees<'a> {
    objects: &'a Objects,
    repeats: &'a Repeats,
    lately: Lately,
    recent: HashMap<ObjectId, Rc<Entries>>,
    before: HashMap<ObjectId, Rc<Entries>>,
    /// Bytes in `recent`.
    size: usize,
    path: BString,
}

/// A folder to compare: `None` where there is no such folder.
struct Level {
    prefix: BString,
    new: Option<ObjectId>,
    olds: Vec<Option<ObjectId>>,
    /// It is in a folder that was compared with the same ones lately.
    again: bool,
}

/// A name under which a tree has something else than the trees it is compared with.
pub(super) struct Difference<'a> {
    /// From the root, a folder's without a `/` at its end.
    pub(super) path: &'a BString,
    /// An old tree other than the first has the same: it is no difference, and only shown because
    /// the name is new beside those of the first.
    pub(super) is_settled: bool,
    any: Entry<'a>,
    new: Option<Entry<'a>>,
    old: Option<Entry<'a>>,
    tree: &'a Entries,
    olds: &'a [Rc<Entries>],
    /// The tree's names by how they fold, once somebody asked: there may be very many.
    folded: &'a OnceCell<HashMap<Vec<u8>, Alike>>,
}

/// Names of one tree that fold alike, by their places.
struct Alike {
    /// In the tree's order.
    first: usize,
    /// One that the first old tree has too.
    known: Option<usize>,
}

/// What stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) kind: EntryKind,
    pub(super) id: ObjectId,
}

impl Item {
    fn of(entry: &Entry<'_>) -> Option<Self> {
        Some(Self { kind: entry.kind, id: entry.id()? })
    }

    /// The id, where it is that of a blob.
    pub(super) fn blob(self) -> Option<ObjectId> {
        let is_blob = !matches!(self.kind, EntryKind::Tree | EntryKind::Commit);
        is_blob.then_some(self.id)
    }
}

impl Difference<'_> {
    /// Whether it is about a folder, there now or before.
    pub(super) const fn is_folder(&self) -> bool {
        self.any.is_folder()
    }

    /// Whether a symbolic link or submodule is or was there.
    pub(super) fn is_link(&self) -> bool {
        self.new.iter().any(Entry::is_link) || self.old_entries().any(|entry| entry.is_link())
    }

    /// What stands there now.
    pub(super) fn now(&self) -> Option<Item> {
        self.new.as_ref().and_then(Item::of)
    }

    /// What stood there, in whichever of the old trees had something there.
    pub(super) fn olds(&self) -> impl Iterator<Item = Item> {
        self.old_entries().filter_map(|entry| Item::of(&entry))
    }

    /// Whether none of the old trees had anything there.
    pub(super) fn is_added(&self) -> bool {
        self.new.is_some() && self.old_entries().next().is_none()
    }

    /// Another name in the same folder that folds alike, for a name that the first old tree has not;
    /// nothing where another old tree has them both. Of several new ones all but one tell.
    pub(super) fn twin(&self, fold: fn(&[u8]) -> Vec<u8>) -> Option<&[u8]> {
        if self.new.is_none() || self.old.is_some() {
            return None;
        }
        let first = self.olds.first()?;
        let folded = self.folded.get_or_init(|| {
            let mut all: HashMap<Vec<u8>, Alike> = HashMap::new();
            for (at, entry) in self.tree.iter().enumerate() {
                let alike = all.entry(fold(entry.name));
                let alike = alike.or_insert(Alike { first: at, known: None });
                if alike.known.is_none() && first.find(&entry).is_some() {
                    alike.known = Some(at);
                }
            }
            all
        });
        let alike = folded.get(&fold(self.any.name))?;
        let twin = self.tree.get(alike.known.unwrap_or(alike.first))?;
        let both =
            |tree: &Rc<Entries>| tree.find(&twin).is_some() && tree.find(&self.any).is_some();
        let is_self = twin.name == self.any.name && twin.is_folder() == self.any.is_folder();
        (!is_self && !self.olds.iter().any(both)).then_some(twin.name)
    }

    fn old_entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let others = self.olds.iter().skip(1).filter_map(|tree| tree.find(&self.any));
        self.old.into_iter().chain(others)
    }
}

impl<'a> Trees<'a> {
    /// Whatever was compared before by others counts as new.
    pub(super) fn new(history: &'a History) -> Self {
        Self {
            objects: &history.objects,
            repeats: &history.repeats,
            lately: Lately::new(),
            recent: HashMap::new(),
            before: HashMap::new(),
            size: 0,
            path: BString::default(),
        }
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
        self.each_difference(new, olds, meter, &mut |difference| {
            if difference.is_folder() || difference.is_settled {
                return Ok(());
            }
            if note(paths, difference.path, difference.is_link()) {
                meter.keep(difference.path.len());
            }
            meter.paths(paths.len())?;
            meter.room()
        })
    }

    /// Shows what differs in `new` from every one of `olds`, folders too; what is in the empty tree
    /// where there are none.
    pub(super) fn each_difference(
        &mut self,
        new: ObjectId,
        olds: &[ObjectId],
        meter: &Meter<'_>,
        show: &mut dyn FnMut(&Difference<'_>) -> Result<(), GitError>,
    ) -> Result<(), GitError> {
        let olds =
            if olds.is_empty() { vec![None] } else { olds.iter().copied().map(Some).collect() };
        self.repeats.refund();
        // A list and not the call stack: trees may be nested as deep as their author likes.
        let mut levels =
            vec![Level { prefix: BString::default(), new: Some(new), olds, again: false }];
        while let Some(mut level) = levels.pop() {
            meter.drop(level.prefix.len());
            meter.step()?;
            if !level.olds.contains(&level.new) {
                level.again |= self.lately.again(level.new, &level.olds);
                self.compare_level(&level, &mut levels, meter, show)?;
                meter.room()?;
            }
        }
        Ok(())
    }

    fn compare_level(
        &mut self,
        level: &Level,
        levels: &mut Vec<Level>,
        meter: &Meter<'_>,
        show: &mut dyn FnMut(&Difference<'_>) -> Result<(), GitError>,
    ) -> Result<(), GitError> {
        let new = self.read(level.new, None)?;
        let olds = level.olds.iter().map(|old| self.read(*old, Some(&new)));
        let olds = olds.collect::<Result<Vec<_>, _>>()?;
        let Some((first, others)) = olds.split_first() else { return Ok(()) };
        let path = &mut self.path;
        let (mut shown, folded) = (Ok(()), OnceCell::new());
        let mut names: usize = 0;
        new.differences(first, |now, old| {
            names += 1;
            let Some(any) = now.or(old) else { return };
            let others = || others.iter().map(|tree| tree.find(&any));
            let is_settled = others().any(|other| other == now);
            if shown.is_err() || (is_settled && old.is_some()) {
                return;
            }
            path.clear();
            path.extend_from_slice(&level.prefix);
            path.extend_from_slice(any.name);
            let (tree, olds, folded) = (&new, &olds, &folded);
            shown = show(&Difference { path, is_settled, any, new: now, old, tree, olds, folded });
            if any.is_folder() && !is_settled {
                path.push(b'/');
                let id = |entry: Option<Entry<'_>>| entry.and_then(|entry| entry.id());
                let olds = std::iter::once(old).chain(others()).map(id).collect();
                meter.keep(path.len());
                let (prefix, new, again) = (path.clone(), id(now), level.again);
                levels.push(Level { prefix, new, olds, again });
            }
        });
        let again = if level.again { names + new.size() / BYTES_PER_NAME } else { 0 };
        self.repeats.add(again + names * (olds.len() / MANY_OLDS))?;
        shown
    }

    /// Reads a tree; it is probably much like `like`.
    fn read(
        &mut self,
        id: Option<ObjectId>,
        like: Option<&Entries>,
    ) -> Result<Rc<Entries>, GitError> {
        let Some(id) = id.filter(|id| !id.is_empty_tree()) else { return Ok(Rc::default()) };
        if let Some(known) = self.recent.get(&id) {
            return Ok(Rc::clone(known));
        }
        let tree = match self.before.remove(&id) {
            Some(known) => known,
            None => Rc::new(self.parse(id, like)?),
        };
        if self.size > KEPT {
            self.before = std::mem::take(&mut self.recent);
            self.size = 0;
        }
        self.size += tree.size();
        self.recent.insert(id, Rc::clone(&tree));
        Ok(tree)
    }

    fn parse(&self, id: ObjectId, like: Option<&Entries>) -> Result<Entries, GitError> {
        let (object, _) = self.objects.get(&id)?;
        if object.kind != Kind::Tree {
            return Err(GitError::damaged(id, "it is no tree"));
        }
        Entries::parse(object.data, self.objects.format().len_in_bytes(), like)
            .map_err(|words| GitError::damaged(id, words))
    }
}

/// Adds a path, and says whether it is a new one; most are known from other commits.
fn note(paths: &mut Paths, path: &BString, link: bool) -> bool {
    match paths.get_mut(path) {
        Some(known) => *known |= link,
        None => {
            paths.insert(path.clone(), link);
            return true;
        }
    }
    false
}
