//! Every object a push can name: quarantine, repository and alternates as one.
//!
//! Knows where git keeps objects, loose and packed. Each folder is opened when the ones before it
//! lack an object. Objects come as they are stored: no replace refs, no grafts.

use super::error::detail_of;
use super::unpack::{Object, Unpacker};
use super::{GitEnv, GitError, alternates};
use gix::hash::Kind;
use gix::objs::{Data, Kind as ObjectKind};
use gix::odb::loose;
use gix::odb::pack::Bundle;
use gix::odb::pack::data::decode::header::ResolvedBase;
use gix::zlib::Inflate;
use gix::{ObjectId, oid};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Most loose objects of one first byte that are kept in mind: git packs them long before.
const MAX_FAN: usize = 4096;

/// The object folders of one push.
pub struct Objects {
    format: Kind,
    /// The quarantine; outside pre-receive there is none.
    quarantine: Option<Folder>,
    main: Folder,
    /// What `GIT_ALTERNATE_OBJECT_DIRECTORIES` names.
    named: Vec<PathBuf>,
    alternates: OnceCell<Vec<Folder>>,
    unpacker: RefCell<Unpacker>,
    opened: Cell<u32>,
}

impl Objects {
    /// Names the folders and opens none.
    #[must_use]
    pub fn new(common_dir: &Path, env: &GitEnv, format: Kind) -> Self {
        let main = common_dir.join("objects");
        let quarantine = env.path("GIT_QUARANTINE_PATH").or(env.path("GIT_OBJECT_DIRECTORY"));
        let named = env.get("GIT_ALTERNATE_OBJECT_DIRECTORIES").map(alternates::from_variable);
        Self {
            format,
            quarantine: quarantine.filter(|path| *path != main).map(|p| Folder::new(p, format)),
            main: Folder::new(main, format),
            named: named.unwrap_or_default(),
            alternates: OnceCell::new(),
            unpacker: RefCell::default(),
            opened: Cell::new(0),
        }
    }

    /// The hash of the repository's ids.
    #[must_use]
    pub const fn format(&self) -> Kind {
        self.format
    }

    /// Reads an object into `buffer`; `None` when no folder has it.
    ///
    /// # Errors
    /// When it is there but can't be read, or a folder can't be listed.
    pub fn try_find<'a>(
        &self,
        id: &oid,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Option<Data<'a>>, GitError> {
        let Some((object, _)) = self.look_up(id)? else { return Ok(None) };
        buffer.clear();
        buffer.extend_from_slice(&object.data);
        Ok(Some(Data { kind: object.kind, data: buffer.as_slice(), object_hash: self.format }))
    }

    /// An object that has to be there, and whether it was found in the quarantine.
    pub(super) fn get(&self, id: &oid) -> Result<(Object, bool), GitError> {
        self.look_up(id)?.ok_or(GitError::Missing(id.to_owned()))
    }

    fn look_up(&self, id: &oid) -> Result<Option<(Object, bool)>, GitError> {
        self.first(|folder| {
            let is_quarantine = self.quarantine.as_ref().is_some_and(|q| std::ptr::eq(q, folder));
            Ok(folder.find(id, self)?.map(|object| (object, is_quarantine)))
        })
    }

    /// Reads an object into `buffer`.
    ///
    /// # Errors
    /// As [`Self::try_find`], and [`GitError::Missing`].
    pub fn find<'a>(&self, id: &oid, buffer: &'a mut Vec<u8>) -> Result<Data<'a>, GitError> {
        self.try_find(id, buffer)?.ok_or(GitError::Missing(id.to_owned()))
    }

    /// An object's kind and size in bytes without reading it whole; `None` when no folder has it.
    ///
    /// # Errors
    /// As [`Self::try_find`].
    pub fn header(&self, id: &oid) -> Result<Option<(ObjectKind, u64)>, GitError> {
        self.first(|folder| folder.header(id, self))
    }

    /// Whether the repository or an alternate had the object before this push.
    ///
    /// # Errors
    /// As [`Self::try_find`].
    pub fn was_there(&self, id: &oid) -> Result<bool, GitError> {
        for folder in std::iter::once(&self.main).chain(self.alternates()?) {
            if folder.has(id, self)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the push brought the object and it was not there before.
    ///
    /// # Errors
    /// As [`Self::try_find`].
    pub fn is_new(&self, id: &oid) -> Result<bool, GitError> {
        let Some(quarantine) = &self.quarantine else { return Ok(false) };
        Ok(quarantine.has(id, self)? && !self.was_there(id)?)
    }

    /// The folders that may have a commit-graph, the repository's own first.
    pub(super) fn settled_folders(&self) -> Result<impl Iterator<Item = &Path>, GitError> {
        let alternates = self.alternates()?.iter().map(|folder| folder.path.as_path());
        Ok(std::iter::once(self.main.path.as_path()).chain(alternates))
    }

    /// The first answer of a folder; after none, once more with packs listed anew: a repack may
    /// have moved the object meanwhile.
    fn first<T>(
        &self,
        mut ask: impl FnMut(&Folder) -> Result<Option<T>, GitError>,
    ) -> Result<Option<T>, GitError> {
        for again in [false, true] {
            for folder in self.quarantine.iter().chain([&self.main]) {
                folder.relist(again)?;
                if let Some(found) = ask(folder)? {
                    return Ok(Some(found));
                }
            }
            for folder in self.alternates()? {
                folder.relist(again)?;
                if let Some(found) = ask(folder)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    fn alternates(&self) -> Result<&[Folder], GitError> {
        if let Some(known) = self.alternates.get() {
            return Ok(known);
        }
        let mut roots = vec![self.main.path.clone()];
        roots.extend(self.quarantine.as_ref().map(|folder| folder.path.clone()));
        let own = roots.len();
        roots.extend(self.named.iter().cloned());
        let mut paths = roots.get(own..).unwrap_or_default().to_vec();
        paths.extend(alternates::of(&roots)?);
        let main = alternates::identity(&self.main.path);
        let is_main = |path: &PathBuf| {
            *path == self.main.path || (main.is_some() && alternates::identity(path) == main)
        };
        paths.retain(|path| !is_main(path));
        let folders = paths.into_iter().map(|path| Folder::new(path, self.format)).collect();
        Ok(self.alternates.get_or_init(|| folders))
    }
}

impl gix::objs::Find for Objects {
    fn try_find<'a>(&self, id: &oid, buffer: &'a mut Vec<u8>) -> gix::Result<Option<Data<'a>>> {
        Self::try_find(self, id, buffer).map_err(gix::Error::from_error)
    }
}

impl gix::objs::FindHeader for Objects {
    fn try_header(&self, id: &oid) -> gix::Result<Option<gix::objs::Header>> {
        let found = self.header(id).map_err(gix::Error::from_error)?;
        Ok(found.map(|(kind, size)| gix::objs::Header { kind, size }))
    }
}

/// One folder of objects, its packs opened one by one as they are needed.
struct Folder {
    path: PathBuf,
    format: Kind,
    loose: loose::Store,
    packs: RefCell<Vec<Pack>>,
    listed: Cell<bool>,
    /// Loose objects by their first byte.
    fans: RefCell<HashMap<u8, Fan>>,
}

/// What is known of the loose objects of one first byte.
enum Fan {
    /// One of them was asked for.
    Asked,
    /// All that were there when a second one was asked for.
    Listed(HashSet<ObjectId>),
    /// They are too many to be kept.
    TooMany,
}

/// A pack; `None` once it is known to be gone.
struct Pack {
    index: PathBuf,
    bundle: OnceCell<Option<Bundle>>,
}

impl Folder {
    fn new(path: PathBuf, format: Kind) -> Self {
        let loose = loose::Store::at(&path, format);
        let (packs, fans) = (RefCell::default(), RefCell::default());
        Self { path, format, loose, packs, listed: Cell::new(false), fans }
    }

    fn find(&self, id: &oid, all: &Objects) -> Result<Option<Object>, GitError> {
        let packed = self.in_packs(id, all, |bundle, at| {
            let at = bundle.index.pack_offset_at_index(at);
            let object = all.unpacker.borrow_mut().object(bundle, at);
            object.map(Some).map_err(|words| GitError::damaged(id.to_owned(), words))
        })?;
        if packed.is_some() {
            return Ok(packed);
        }
        let mut data = Vec::new();
        let found = self.loose.try_find(id, &mut data);
        let kind = found.map_err(|e| GitError::damaged(id.to_owned(), e))?.map(|data| data.kind);
        Ok(kind.map(|kind| Object { kind, data: Rc::new(data) }))
    }

    fn header(&self, id: &oid, all: &Objects) -> Result<Option<(ObjectKind, u64)>, GitError> {
        let damaged = |error: gix::Error| GitError::damaged(id.to_owned(), error);
        let packed = self.in_packs(id, all, |bundle, at| {
            pack_header(bundle, at, &mut all.unpacker.borrow_mut().inflate)
                .map(Some)
                .map_err(damaged)
        })?;
        if packed.is_some() {
            return Ok(packed);
        }
        Ok(self.loose.try_header(id).map_err(damaged)?.map(|(size, kind)| (kind, size)))
    }

    /// Whether the object is there; it may be that it can't be read.
    fn has(&self, id: &oid, all: &Objects) -> Result<bool, GitError> {
        let packed = self.in_packs(id, all, |_, _| Ok(Some(())))?;
        Ok(packed.is_some() || self.is_loose(id)?)
    }

    /// Whether it is a loose object: one file is looked at, or at a second question all of those
    /// that begin alike are listed.
    fn is_loose(&self, id: &oid) -> Result<bool, GitError> {
        let mut fans = self.fans.borrow_mut();
        let fan = fans.entry(id.first_byte());
        let listed = match fan {
            Entry::Occupied(mut fan) => {
                if matches!(fan.get(), Fan::Asked) {
                    fan.insert(self.fan(id)?);
                }
                match fan.get() {
                    Fan::Listed(ids) => Some(ids.contains(id)),
                    Fan::Asked | Fan::TooMany => None,
                }
            }
            Entry::Vacant(fan) => {
                fan.insert(Fan::Asked);
                None
            }
        };
        let damaged = |error: gix::Error| GitError::damaged(id.to_owned(), error);
        let look = || Ok(self.loose.try_header(id).map_err(damaged)?.is_some());
        listed.map_or_else(look, Ok)
    }

    /// Lists the loose objects whose ids begin as `id` does.
    fn fan(&self, id: &oid) -> Result<Fan, GitError> {
        let prefix = id.to_hex_with_len(2).to_string();
        let folder = self.path.join(&prefix);
        let mut ids = HashSet::new();
        for name in names_in(&folder)? {
            let hex = [prefix.as_bytes(), name?.as_bytes()].concat();
            ids.extend(ObjectId::from_hex(&hex).ok());
            if ids.len() > MAX_FAN {
                return Ok(Fan::TooMany);
            }
        }
        Ok(Fan::Listed(ids))
    }

    /// The first answer of a pack; the pack that had it is asked first the next time.
    fn in_packs<T>(
        &self,
        id: &oid,
        all: &Objects,
        mut ask: impl FnMut(&Bundle, u32) -> Result<Option<T>, GitError>,
    ) -> Result<Option<T>, GitError> {
        self.relist(false)?;
        let mut packs = self.packs.borrow_mut();
        for position in 0..packs.len() {
            let Some(pack) = packs.get(position) else { break };
            let Some(bundle) = self.open(pack, all)? else { continue };
            if let Some(at) = bundle.index.lookup(id)
                && let Some(found) = ask(bundle, at)?
            {
                packs.swap(0, position);
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn open<'a>(&self, pack: &'a Pack, all: &Objects) -> Result<Option<&'a Bundle>, GitError> {
        if let Some(known) = pack.bundle.get() {
            return Ok(known.as_ref());
        }
        let opened = match Bundle::at(&pack.index, self.format) {
            Ok(mut bundle) => {
                // The pack cache tells packs apart by this number.
                bundle.pack.id = all.opened.get();
                all.opened.set(bundle.pack.id + 1);
                Some(bundle)
            }
            Err(_) if !pack.index.exists() || !pack.index.with_extension("pack").exists() => None,
            Err(error) => {
                let source = std::io::Error::other(detail_of(error).to_string());
                return Err(GitError::io("open", &pack.index)(source));
            }
        };
        Ok(pack.bundle.get_or_init(|| opened).as_ref())
    }

    /// Lists the packs if they were not, or `again`; those that are open stay so.
    fn relist(&self, again: bool) -> Result<(), GitError> {
        if self.listed.replace(true) && !again {
            return Ok(());
        }
        let folder = self.path.join("pack");
        let listing = names_in(&folder)?;
        let mut packs = self.packs.borrow_mut();
        packs.retain(|pack| !matches!(pack.bundle.get(), Some(None)));
        for entry in listing {
            let index = folder.join(entry?);
            let is_index = index.extension().is_some_and(|extension| extension == "idx");
            if is_index && !packs.iter().any(|pack| pack.index == index) {
                packs.push(Pack { index, bundle: OnceCell::new() });
            }
        }
        Ok(())
    }
}

/// The names in a folder; none where there is no such folder.
fn names_in(folder: &Path) -> Result<impl Iterator<Item = Result<OsString, GitError>>, GitError> {
    let listing = match std::fs::read_dir(folder) {
        Ok(listing) => Some(listing),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
        Err(error) => return Err(GitError::io("list", folder)(error)),
    };
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.map(|entry| entry.file_name()).map_err(GitError::io("list", folder))
    };
    Ok(listing.into_iter().flatten().map(name))
}

fn pack_header(bundle: &Bundle, at: u32, inflate: &mut Inflate) -> gix::Result<(ObjectKind, u64)> {
    let entry = |at| bundle.pack.entry(bundle.index.pack_offset_at_index(at));
    let base = |id: &oid| {
        bundle.index.lookup(id).map(|at| entry(at).map(ResolvedBase::InPack)).transpose()
    };
    let found = bundle.pack.decode_header(entry(at)?, inflate, &base)?;
    Ok((found.kind, found.object_size))
}
