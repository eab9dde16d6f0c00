//! One difference before the rules that look at paths, and at the files behind them.
//!
//! Knows which file has to be read for which rule, and how much of it; sizes come first.

use super::ready::OfPath;
use super::searched::{Search, Searched};
use crate::check::modules::{self, Modules};
use crate::check::{content, links, names, paths};
use crate::git::GitError;
use crate::git::commits::History;
use crate::git::limits::Meter;
use crate::git::tree::{Difference, Item};
use crate::policy::name::UserName;
use crate::policy::pattern::Pattern;
use crate::policy::refs::{ChangedPath, PathScope};
use gix::ObjectId;
use gix::bstr::ByteSlice;
use gix::objs::tree::EntryKind;
use std::cell::RefCell;
use std::rc::Rc;

/// Bytes of a file with findings that are searched in about the time that a name of a tree takes.
const BYTES_PER_NAME: u64 = 64;

/// Tells of a violation: a line's number, where there is one, and words.
pub(super) type Tell<'a> = &'a mut dyn FnMut(Option<usize>, Vec<u8>);

/// The files of one push, and who pushes.
pub(super) struct Files<'a> {
    history: &'a History,
    user: &'a UserName,
    meter: &'a Meter<'a>,
    searched: Searched,
    /// The last `.gitmodules`: each submodule of a tree asks for it.
    modules: RefCell<Option<(ObjectId, Described)>>,
}

/// What a `.gitmodules` says, or why it can't be read.
type Described = Rc<Result<Modules, &'static str>>;

impl<'a> Files<'a> {
    pub(super) fn new(history: &'a History, user: &'a UserName, meter: &'a Meter<'a>) -> Self {
        Self { history, user, meter, searched: Searched::default(), modules: RefCell::default() }
    }

    /// What the rule has against the difference; `modules` reads a tree's `.gitmodules`.
    pub(super) fn judge(
        &self,
        rule: &OfPath<'_>,
        difference: &Difference<'_>,
        modules: &dyn Fn() -> Result<Option<ObjectId>, GitError>,
        tell: Tell<'_>,
    ) -> Result<(), GitError> {
        let path = difference.path.as_slice();
        let words = match rule {
            OfPath::CaseConflicts => difference.twin(names::fold).map(twin),
            _ if difference.is_settled || difference.is_folder() => None,
            OfPath::Forbid(_) | OfPath::Only(_) => self.place(rule, difference)?,
            OfPath::MaxLength(most) if difference.is_added() => {
                paths::too_long(path, *most).map(String::into_bytes)
            }
            OfPath::Reserved if difference.is_added() => reserved(path),
            OfPath::MaxLength(_) | OfPath::Reserved => None,
            OfPath::MaxSize { bytes, lfs } => self.size(difference, *bytes, *lfs)?,
            OfPath::LinksInside => self.link(difference)?,
            OfPath::Submodules(allowed) => {
                self.submodule(allowed, difference, modules, tell)?;
                None
            }
            OfPath::Content { searcher, paths } => {
                self.content(searcher, *paths, difference, tell)?;
                None
            }
        };
        if let Some(words) = words {
            tell(None, words);
        }
        Ok(())
    }

    /// `forbid-paths` and `only-paths`
    pub(super) fn place(
        &self,
        rule: &OfPath<'_>,
        difference: &Difference<'_>,
    ) -> Result<Option<Vec<u8>>, GitError> {
        let path = ChangedPath { path: difference.path.to_vec(), link: difference.is_link() };
        let found = match rule {
            OfPath::Forbid(scope) => paths::forbidden(scope, &path, self.user),
            OfPath::Only(scope) => paths::outside(scope, &path, self.user),
            _ => Ok(None),
        };
        Ok(found.map_err(GitError::Pattern)?.map(|words| words.as_bytes().to_vec()))
    }

    fn size(
        &self,
        difference: &Difference<'_>,
        most: u64,
        lfs: bool,
    ) -> Result<Option<Vec<u8>>, GitError> {
        let Some(id) = new_blob(difference) else { return Ok(None) };
        let size = self.size_of(&id)?;
        let cure = if lfs { "; large files go by git LFS" } else { "" };
        let words =
            || format!("the file has {size} bytes, at most {most} may be{cure}").into_bytes();
        Ok((size > most).then(words))
    }

    fn link(&self, difference: &Difference<'_>) -> Result<Option<Vec<u8>>, GitError> {
        let Some(link) = difference.now().filter(|item| item.kind == EntryKind::Link) else {
            return Ok(None);
        };
        if difference.olds().any(|old| old == link) {
            return Ok(None);
        }
        if self.size_of(&link.id)? > links::LONGEST {
            return Ok(Some(b"the link's target is too long to be followed".to_vec()));
        }
        let target = self.read(&link.id)?;
        Ok(links::leaves(difference.path, &target).map(|words| words.as_bytes().to_vec()))
    }

    fn content(
        &self,
        searcher: &content::Searcher<'_>,
        paths: Option<&PathScope>,
        difference: &Difference<'_>,
        tell: Tell<'_>,
    ) -> Result<(), GitError> {
        let Some(id) = new_blob(difference) else { return Ok(()) };
        if let Some(paths) = paths {
            let path = ChangedPath { path: difference.path.to_vec(), link: difference.is_link() };
            if !paths.permits(&path, Some(self.user)).map_err(GitError::Pattern)? {
                return Ok(());
            }
        }
        let old_ids: Vec<ObjectId> = difference.olds().filter_map(Item::blob).collect();
        let search = Search::new(searcher, id, old_ids);
        let before = self.searched.found(&search);
        if before == Some(false) {
            return Ok(());
        }
        let mut found: usize = 0;
        let size = self.search(searcher, &search, &mut |line, words| {
            found += 1;
            tell(line, words);
        })?;
        if before.is_some() {
            let names = usize::try_from(size / BYTES_PER_NAME).unwrap_or(usize::MAX);
            self.history.repeats.add(found.saturating_add(names))?;
        }
        self.searched.note(search, found > 0);
        Ok(())
    }

    /// Searches a file, and gives its size.
    fn search(
        &self,
        searcher: &content::Searcher<'_>,
        search: &Search,
        tell: Tell<'_>,
    ) -> Result<u64, GitError> {
        let size = self.size_of(&search.new)?;
        if size > content::LARGEST {
            let most = content::LARGEST;
            let words = format!("the file has {size} bytes: only up to {most} are searched");
            tell(None, words.into_bytes());
            return Ok(0);
        }
        self.meter.bytes(size)?;
        let new = self.read(&search.new)?;
        let mut olds = Vec::new();
        for old in &search.olds {
            // What can't be read because it is too large has no line that is known.
            if self.size_of(old)? <= content::LARGEST {
                olds.push(self.read(old)?);
            }
        }
        let olds: Vec<&[u8]> = olds.iter().map(|old| old.as_slice()).collect();
        searcher.search(&new, &olds, &mut |line, name| {
            tell(Some(line), format!("looks like a secret: {name}").into_bytes());
        });
        Ok(size)
    }

    fn submodule(
        &self,
        allowed: &[Pattern],
        difference: &Difference<'_>,
        modules: &dyn Fn() -> Result<Option<ObjectId>, GitError>,
        tell: Tell<'_>,
    ) -> Result<(), GitError> {
        let Some(new) = difference.now() else { return Ok(()) };
        if new.kind == EntryKind::Commit {
            if difference.olds().any(|old| old == new) {
                return Ok(());
            }
            let all = match modules()? {
                Some(id) if !allowed.is_empty() => self.modules(&id)?,
                _ => Rc::new(Ok(Modules::default())),
            };
            let words = match &*all {
                Ok(all) => {
                    let found = all.refuses(difference.path, allowed, self.user);
                    found.map_err(GitError::Pattern)?
                }
                Err(words) => Some(words.as_bytes().to_vec()),
            };
            words.into_iter().for_each(|words| tell(None, words));
        } else if difference.path.as_slice() == modules::FILE {
            for words in self.urls(allowed, new, difference)? {
                tell(None, words);
            }
        }
        Ok(())
    }

    /// What a changed `.gitmodules` says that it may not.
    fn urls(
        &self,
        allowed: &[Pattern],
        new: Item,
        difference: &Difference<'_>,
    ) -> Result<Vec<Vec<u8>>, GitError> {
        if new.kind == EntryKind::Link {
            return Ok(vec![b"`.gitmodules` is a symbolic link".to_vec()]);
        }
        let mut olds = Vec::new();
        for old in difference.olds().filter_map(Item::blob) {
            // An old one that can't be read says nothing.
            olds.push(self.modules(&old)?);
        }
        let olds: Vec<&Modules> = olds.iter().filter_map(|old| (**old).as_ref().ok()).collect();
        let all = self.modules(&new.id)?;
        let all = match &*all {
            Ok(all) => all,
            Err(words) => return Ok(vec![words.as_bytes().to_vec()]),
        };
        all.new_urls(&olds, allowed, self.user).map_err(GitError::Pattern)
    }

    fn modules(&self, id: &ObjectId) -> Result<Described, GitError> {
        if let Some((known, all)) = &*self.modules.borrow()
            && known == id
        {
            return Ok(Rc::clone(all));
        }
        let all = Rc::new(if self.size_of(id)? > modules::LARGEST {
            Err("`.gitmodules` is too large to be read")
        } else {
            Modules::parse(&self.read(id)?)
        });
        self.modules.replace(Some((*id, Rc::clone(&all))));
        Ok(all)
    }

    fn size_of(&self, id: &ObjectId) -> Result<u64, GitError> {
        let (kind, size) = self.history.objects.header(id)?.ok_or(GitError::Missing(*id))?;
        if kind == gix::objs::Kind::Blob {
            return Ok(size);
        }
        Err(GitError::damaged(*id, "it is no blob"))
    }

    fn read(&self, id: &ObjectId) -> Result<Rc<Vec<u8>>, GitError> {
        Ok(self.history.objects.get(id)?.0.data)
    }
}

/// The blob that stands there now and stood in none of the old trees.
fn new_blob(difference: &Difference<'_>) -> Option<ObjectId> {
    let id = difference.now().and_then(Item::blob)?;
    (!difference.olds().any(|old| old.blob() == Some(id))).then_some(id)
}

fn reserved(path: &[u8]) -> Option<Vec<u8>> {
    let (name, words) =
        path.split_str("/").find_map(|name| Some((name, names::reserved(name)?)))?;
    Some([b"`", name, b"`: ", words.as_bytes()].concat())
}

fn twin(other: &[u8]) -> Vec<u8> {
    [b"the same as `", other, b"` in that folder where case does not count"].concat()
}
