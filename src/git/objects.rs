//! Every object a push can name: quarantine, repository and alternates as one.
//!
//! Knows where git keeps objects, loose and packed. Each folder is opened when the ones before it
//! lack an object. Objects come as they are stored: no replace refs, no grafts.

use super::error::detail_of;
use super::{GitEnv, GitError, alternates};
use gix::hash::Kind;
use gix::objs::{Data, Kind as ObjectKind};
use gix::odb::loose;
use gix::odb::pack::Bundle;
use gix::odb::pack::cache::DecodeEntry;
use gix::odb::pack::data::decode::header::ResolvedBase;
use gix::oid;
use gix::zlib::Inflate;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Bytes of decoded pack entries that are kept to build deltas on.
const PACK_CACHE: usize = 8 << 20;

/// The object folders of one push.
pub struct Objects {
    format: Kind,
    /// The quarantine; outside pre-receive there is none.
    quarantine: Option<Folder>,
    main: Folder,
    /// What `GIT_ALTERNATE_OBJECT_DIRECTORIES` names.
    named: Vec<PathBuf>,
    alternates: OnceCell<Vec<Folder>>,
    inflate: RefCell<Inflate>,
    cache: RefCell<PackCache>,
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
            inflate: RefCell::default(),
            cache: RefCell::default(),
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
        let kind = self.first(|folder| folder.find(id, buffer, self))?;
        let object_hash = self.format;
        Ok(kind.map(|kind| Data { kind, data: buffer.as_slice(), object_hash }))
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
            if folder.header(id, self)?.is_some() {
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
        Ok(quarantine.header(id, self)?.is_some() && !self.was_there(id)?)
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
        let same = |a: &Path, b: &Path| a == b || a.canonicalize().ok() == b.canonicalize().ok();
        paths.retain(|path| !same(path, &self.main.path));
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
}

/// A pack; `None` once it is known to be gone.
struct Pack {
    index: PathBuf,
    bundle: OnceCell<Option<Bundle>>,
}

impl Folder {
    fn new(path: PathBuf, format: Kind) -> Self {
        let loose = loose::Store::at(&path, format);
        Self { path, format, loose, packs: RefCell::default(), listed: Cell::new(false) }
    }

    fn find(
        &self,
        id: &oid,
        buffer: &mut Vec<u8>,
        all: &Objects,
    ) -> Result<Option<ObjectKind>, GitError> {
        let damaged = |error: gix::Error| GitError::damaged(id.to_owned(), error);
        let packed = self.in_packs(id, all, |bundle| {
            let (inflate, cache) = (&mut *all.inflate.borrow_mut(), &mut *all.cache.borrow_mut());
            let found = bundle.find(id, buffer, inflate, cache).map_err(damaged)?;
            Ok(found.map(|(data, _)| data.kind))
        })?;
        if packed.is_some() {
            return Ok(packed);
        }
        Ok(self.loose.try_find(id, buffer).map_err(damaged)?.map(|data| data.kind))
    }

    fn header(&self, id: &oid, all: &Objects) -> Result<Option<(ObjectKind, u64)>, GitError> {
        let damaged = |error: gix::Error| GitError::damaged(id.to_owned(), error);
        let packed = self.in_packs(id, all, |bundle| {
            pack_header(bundle, id, &mut all.inflate.borrow_mut()).map_err(damaged)
        })?;
        if packed.is_some() {
            return Ok(packed);
        }
        Ok(self.loose.try_header(id).map_err(damaged)?.map(|(size, kind)| (kind, size)))
    }

    /// The first answer of a pack; the pack that had it is asked first the next time.
    fn in_packs<T>(
        &self,
        id: &oid,
        all: &Objects,
        mut ask: impl FnMut(&Bundle) -> Result<Option<T>, GitError>,
    ) -> Result<Option<T>, GitError> {
        self.relist(false)?;
        let mut packs = self.packs.borrow_mut();
        for position in 0..packs.len() {
            let Some(pack) = packs.get(position) else { break };
            let Some(bundle) = self.open(pack, all)? else { continue };
            if bundle.index.lookup(id).is_some()
                && let Some(found) = ask(bundle)?
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
        let listing = match std::fs::read_dir(&folder) {
            Ok(listing) => listing,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(());
            }
            Err(error) => return Err(GitError::io("list", &folder)(error)),
        };
        let mut packs = self.packs.borrow_mut();
        packs.retain(|pack| !matches!(pack.bundle.get(), Some(None)));
        for entry in listing {
            let index = entry.map_err(GitError::io("list", &folder))?.path();
            let is_index = index.extension().is_some_and(|extension| extension == "idx");
            if is_index && !packs.iter().any(|pack| pack.index == index) {
                packs.push(Pack { index, bundle: OnceCell::new() });
            }
        }
        Ok(())
    }
}

fn pack_header(
    bundle: &Bundle,
    id: &oid,
    inflate: &mut Inflate,
) -> gix::Result<Option<(ObjectKind, u64)>> {
    let offset = |id: &oid| bundle.index.lookup(id).map(|at| bundle.index.pack_offset_at_index(at));
    let Some(at) = offset(id) else { return Ok(None) };
    let base =
        |id: &oid| offset(id).map(|at| bundle.pack.entry(at).map(ResolvedBase::InPack)).transpose();
    let found = bundle.pack.decode_header(bundle.pack.entry(at)?, inflate, &base)?;
    Ok(Some((found.kind, found.object_size)))
}

/// Decoded entries of packs by pack and offset, thrown away all together when there are too many.
#[derive(Default)]
struct PackCache {
    entries: HashMap<(u32, u64), CachedEntry>,
    bytes: usize,
}

/// Kind, size in the pack, content.
type CachedEntry = (ObjectKind, usize, Box<[u8]>);

impl DecodeEntry for PackCache {
    fn put(&mut self, pack: u32, offset: u64, data: &[u8], kind: ObjectKind, packed: usize) {
        if data.len() > PACK_CACHE / 8 {
            return;
        }
        if self.bytes + data.len() > PACK_CACHE {
            *self = Self::default();
        }
        self.bytes += data.len();
        self.entries.insert((pack, offset), (kind, packed, data.into()));
    }

    fn get(&mut self, pack: u32, offset: u64, out: &mut Vec<u8>) -> Option<(ObjectKind, usize)> {
        let (kind, packed, data) = self.entries.get(&(pack, offset))?;
        out.clear();
        out.extend_from_slice(data);
        Some((*kind, *packed))
    }
}
