//! Which paths differ between a tree and others.
//!
//! Knows which trees to read, and nothing of renames: a path is one name in the tree, bytes as they
//! are. Compares one tree with any number of others at once; a path counts that differs from every
//! one.

mod entries;

use super::GitError;
use super::limits::Meter;
use super::objects::Objects;
use entries::{Entries, Entry};
use gix::ObjectId;
use gix::bstr::BString;
use gix::objs::Kind;
use std::collections::HashMap;
use std::rc::Rc;

/// Bytes of trees after which those are forgotten that were not used since the last time; so
/// twice as many are kept.
const KEPT: usize = 4 << 20;

/// Paths and whether a symbolic link or submodule is or was there.
pub(super) type Paths = HashMap<BString, bool>;

/// Compares trees, and remembers those it has read.
pub(super) struct Trees<'a> {
    objects: &'a Objects,
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
}

impl<'a> Trees<'a> {
    pub(super) fn new(objects: &'a Objects) -> Self {
        let (recent, before) = (HashMap::new(), HashMap::new());
        Self { objects, recent, before, size: 0, path: BString::default() }
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
            meter.drop(level.prefix.len());
            meter.step()?;
            if !level.olds.contains(&level.new) {
                self.compare_level(&level, &mut levels, paths, meter)?;
                meter.paths(paths.len())?;
                meter.bytes()?;
            }
        }
        Ok(())
    }

    fn compare_level(
        &mut self,
        level: &Level,
        levels: &mut Vec<Level>,
        paths: &mut Paths,
        meter: &Meter<'_>,
    ) -> Result<(), GitError> {
        let new = self.read(level.new, None)?;
        let olds = level.olds.iter().map(|old| self.read(*old, Some(&new)));
        let olds = olds.collect::<Result<Vec<_>, _>>()?;
        let Some((first, others)) = olds.split_first() else { return Ok(()) };
        let path = &mut self.path;
        new.differences(first, |new, old| {
            let Some(any) = new.or(old).filter(|_| !meter.is_full()) else { return };
            let others = || others.iter().map(|tree| tree.find(&any));
            if others().any(|other| other == new) {
                return;
            }
            path.clear();
            path.extend_from_slice(&level.prefix);
            path.extend_from_slice(any.name);
            if any.is_folder() {
                path.push(b'/');
                let id = |entry: Option<Entry<'_>>| entry.and_then(|entry| entry.id());
                let olds = std::iter::once(old).chain(others()).map(id).collect();
                meter.keep(path.len());
                levels.push(Level { prefix: path.clone(), new: id(new), olds });
                return;
            }
            let mut all = [new, old].into_iter().chain(others()).flatten();
            if note(paths, path, all.any(|entry| entry.is_link())) {
                meter.keep(path.len());
            }
        });
        Ok(())
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
