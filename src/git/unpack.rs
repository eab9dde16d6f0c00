//! Objects out of packs.
//!
//! Knows the entries of a pack and how deltas are applied (gitformat-pack(5)). `gix` can do that
//! too, but copies each object some times over and unpacks the last base of a chain anew for every
//! object that rests on it; a walk over history spends its time there.

use super::error::detail_of;
use crate::text::Safe;
use gix::objs::Kind;
use gix::odb::pack::Bundle;
use gix::odb::pack::data::entry::Header;
use gix::odb::pack::data::{Entry, Offset};
use gix::zlib::Inflate;
use std::collections::HashMap;
use std::rc::Rc;

/// Bytes of objects after which those are forgotten that were not used since the last time; so
/// twice as many are kept.
const KEPT: usize = 6 << 20;

/// An object as it is, unpacked.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) kind: Kind,
    pub(super) data: Rc<Vec<u8>>,
}

/// Pack and offset.
type Place = (u32, Offset);

/// Unpacks, and remembers what later deltas may rest on.
#[derive(Default)]
pub(super) struct Unpacker {
    pub(super) inflate: Inflate,
    recent: HashMap<Place, Object>,
    before: HashMap<Place, Object>,
    /// Bytes in `recent`.
    size: usize,
    delta: Vec<u8>,
}

impl Unpacker {
    /// The object at an offset of a pack; packs are told apart by `bundle.pack.id`.
    pub(super) fn object(&mut self, bundle: &Bundle, at: Offset) -> Result<Object, Safe> {
        let (mut at, mut chain) = (at, Vec::new());
        let mut object = loop {
            if let Some(known) = self.known((bundle.pack.id, at)) {
                break known;
            }
            let entry = bundle.pack.entry(at).map_err(detail_of)?;
            if let Some(kind) = entry.header.as_kind() {
                let mut data = Vec::new();
                self.inflate(bundle, &entry, &mut data)?;
                break self.keep((bundle.pack.id, at), Object { kind, data: Rc::new(data) });
            }
            let base = base(bundle, &entry)?;
            chain.push((at, entry));
            at = base;
            if chain.len() > bundle.index.num_objects() as usize {
                return Err(detail_of("its deltas go round in a circle"));
            }
        };
        while let Some((at, entry)) = chain.pop() {
            let mut delta = std::mem::take(&mut self.delta);
            self.inflate(bundle, &entry, &mut delta)?;
            let data =
                apply(&object.data, &delta).ok_or_else(|| detail_of("a delta is malformed"))?;
            self.delta = delta;
            object = Object { kind: object.kind, data: Rc::new(data) };
            object = self.keep((bundle.pack.id, at), object);
        }
        Ok(object)
    }

    fn inflate(&mut self, bundle: &Bundle, entry: &Entry, out: &mut Vec<u8>) -> Result<(), Safe> {
        let size = usize::try_from(entry.decompressed_size).unwrap_or(usize::MAX);
        out.clear();
        out.try_reserve_exact(size).map_err(detail_of)?;
        out.resize(size, 0);
        bundle.pack.decompress_entry(entry, &mut self.inflate, out).map_err(detail_of)?;
        Ok(())
    }

    fn known(&mut self, place: Place) -> Option<Object> {
        if let Some(known) = self.recent.get(&place) {
            return Some(known.clone());
        }
        let known = self.before.remove(&place)?;
        Some(self.keep(place, known))
    }

    fn keep(&mut self, place: Place, object: Object) -> Object {
        let size = object.data.len() + size_of::<(Place, Object)>();
        if size > KEPT / 8 {
            return object;
        }
        if self.size + size > KEPT {
            self.before = std::mem::take(&mut self.recent);
            self.size = 0;
        }
        self.size += size;
        self.recent.insert(place, object.clone());
        object
    }
}

/// Where the entry is that a delta rests on.
fn base(bundle: &Bundle, entry: &Entry) -> Result<Offset, Safe> {
    let base = match entry.header {
        Header::OfsDelta { base_distance } => entry.checked_base_pack_offset(base_distance),
        Header::RefDelta { base_id } => {
            bundle.index.lookup(base_id).map(|at| bundle.index.pack_offset_at_index(at))
        }
        _ => None,
    };
    base.ok_or_else(|| detail_of("the base of a delta is not in the pack"))
}

/// Builds what a delta makes of its base; `None` where it is malformed (git's `patch_delta`).
fn apply(base: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
    let (base_size, rest) = size(delta)?;
    let (size, mut rest) = size(rest)?;
    if base_size != base.len() {
        return None;
    }
    let mut out = Vec::new();
    out.try_reserve_exact(size).ok()?;
    while let Some((&order, after)) = rest.split_first() {
        let (piece, after) = match order {
            0 => return None,
            1..=0x7f => after.split_at_checked(usize::from(order))?,
            _ => copied(base, order, after)?,
        };
        if piece.len() > size - out.len() {
            return None;
        }
        out.extend_from_slice(piece);
        rest = after;
    }
    (out.len() == size).then_some(out)
}

/// The piece of the base that an order names by the bytes that follow it, and what follows those.
fn copied<'a, 'b>(base: &'a [u8], order: u8, mut rest: &'b [u8]) -> Option<(&'a [u8], &'b [u8])> {
    let mut number = |bits: std::ops::Range<u8>| {
        let first = bits.start;
        bits.filter(|bit| order & (1 << bit) != 0).try_fold(0_usize, |number, bit| {
            let (byte, after) = rest.split_first()?;
            rest = after;
            Some(number | usize::from(*byte) << (8 * (bit - first)))
        })
    };
    let (start, length) = (number(0..4)?, number(4..7)?);
    let length = if length == 0 { 0x1_0000 } else { length };
    Some((base.get(start..start.checked_add(length)?)?, rest))
}

/// A size, seven bits a byte, lowest first.
fn size(delta: &[u8]) -> Option<(usize, &[u8])> {
    let (mut size, mut rest, mut shift) = (0_u64, delta, 0);
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        // Git's sizes end far below.
        if shift > 56 {
            return None;
        }
        size |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some((usize::try_from(size).ok()?, rest));
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests list packs")]
mod tests {
    use super::super::testing::Repo;
    use super::*;
    use gix::ObjectId;
    use proptest::prelude::*;

    /// A history of a large folder, packed; deltas name their bases by offset or by id.
    fn packed(by_offset: &str) -> (Repo, Vec<ObjectId>) {
        let repo = Repo::new();
        let mut names: Vec<String> = (0..300).map(|n| format!("file{n}")).collect();
        let mut parents = Vec::new();
        for n in 0..12 {
            names[n * 7] = format!("other{n}");
            let text = "line\n".repeat(2000 + n);
            let files: Vec<_> = names.iter().map(|name| (name.as_str(), &*text)).collect();
            parents = vec![repo.commit(&files[..20 + n * 20], &parents)];
        }
        repo.set("refs/heads/main", parents[0]);
        repo.git(&["config", "repack.useDeltaBaseOffset", by_offset]);
        repo.git(&["repack", "-adfq", "--depth=50", "--window=20"]);
        let ids = repo.git(&["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]);
        let ids = ids.lines().map(|id| ObjectId::from_hex(id.as_bytes()).unwrap()).collect();
        (repo, ids)
    }

    fn kinds_of_deltas(repo: &Repo) -> (usize, usize) {
        let bundle = bundle(repo);
        let entries = (0..bundle.index.num_objects())
            .map(|at| bundle.pack.entry(bundle.index.pack_offset_at_index(at)).unwrap().header);
        entries.fold((0, 0), |(by_offset, by_id), header| match header {
            Header::OfsDelta { .. } => (by_offset + 1, by_id),
            Header::RefDelta { .. } => (by_offset, by_id + 1),
            _ => (by_offset, by_id),
        })
    }

    fn bundle(repo: &Repo) -> Bundle {
        let packs = std::fs::read_dir(repo.dir.join("objects/pack")).unwrap();
        let mut paths = packs.map(|entry| entry.unwrap().path());
        let index = paths.find(|path| path.extension().is_some_and(|e| e == "idx")).unwrap();
        Bundle::at(&index, repo.format).unwrap()
    }

    #[test]
    fn every_object_is_unpacked_as_gix_does_it() {
        for by_offset in [true, false] {
            let (repo, ids) = packed(&by_offset.to_string());
            let (offsets, names) = kinds_of_deltas(&repo);
            assert!(if by_offset { offsets } else { names } > 10, "{offsets} {names}");
            let bundle = bundle(&repo);
            let (mut unpacker, mut inflate) = (Unpacker::default(), Inflate::default());
            let mut buffer = Vec::new();
            for id in ids.iter().chain(ids.iter().rev()) {
                let at = bundle.index.lookup(id).unwrap();
                let object = unpacker.object(&bundle, bundle.index.pack_offset_at_index(at));
                let object = object.unwrap();
                let never = &mut gix::odb::pack::cache::Never;
                let want = bundle.get_object_by_index(at, &mut buffer, &mut inflate, never);
                let want = want.unwrap().0;
                assert_eq!((object.kind, &object.data[..]), (want.kind, want.data));
            }
        }
    }

    #[test]
    fn what_is_kept_stays_in_bounds() {
        let mut unpacker = Unpacker::default();
        for at in 0..200 {
            let data = Rc::new(vec![0; 1 << 19]);
            unpacker.keep((0, at), Object { kind: Kind::Blob, data });
            unpacker.known((0, at / 2));
            let kept = unpacker.recent.values().chain(unpacker.before.values());
            assert!(kept.map(|object| object.data.len()).sum::<usize>() <= 2 * KEPT);
        }
        assert!(unpacker.known((0, 199)).is_some());
        assert!(unpacker.known((0, 0)).is_none());
    }

    #[test]
    fn malformed_deltas_are_refused() {
        let base = b"0123456789";
        assert_eq!(apply(base, &[10, 5, 0x91, 2, 3, 2, b'x', b'y']).unwrap(), b"234xy");
        for bad in [
            &[][..],
            &[10],                   // no size
            &[9, 1, 1, b'x'],        // another base
            &[10, 1, 0],             // an order that is kept for later
            &[10, 1, 2, b'x'],       // cut short
            &[10, 1, 2, b'x', b'y'], // more than was said
            &[10, 3, 2, b'x', b'y'], // less than was said
            &[10, 3, 0x91, 8, 3],    // past the base's end
            &[10, 3, 0x91, 8],       // cut short
            &[10, 3, 0x80],          // all of 64 KiB
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        ] {
            assert_eq!(apply(base, bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_delta_is_applied_or_refused(base: Vec<u8>, delta: Vec<u8>) {
            let _ = apply(&base, &delta);
        }
    }
}
