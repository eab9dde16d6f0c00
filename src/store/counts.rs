//! How often something happened of late, for each of many who did it: one small file of fixed size.
//!
//! Knows the file and its arithmetic; who is counted for what, and what follows, is the caller's
//! matter. The file has room for 4096 of them and never grows: whoever comes from more pushes out the
//! oldest counts, and nobody else's. They are kept as a keyed hash, so nobody can choose a name that
//! falls together with another. What can't be read counts as nothing.

use crate::os::files;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use rustix::fs::{Mode, OFlags};
use sha2::Sha256;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

const LOCK_WAIT: Duration = Duration::from_millis(100);
/// Sets of slots, and slots in each: whoever is counted belongs to one set.
const SETS: u64 = 1024;
const SLOTS: usize = 4;
/// `tag (8) began (8) count (4)`, little-endian.
const SLOT: usize = 20;
const SET: usize = SLOTS * SLOT;

/// The counts of one file.
pub(super) struct Counts<'a> {
    /// The state folder.
    pub(super) state: &'a Path,
    /// The doors' key.
    pub(super) key: &'a [u8; 32],
    /// The file's name there; its lock has `.lock` after it.
    pub(super) name: &'static str,
    /// Length of a window, in seconds.
    pub(super) window: i64,
}

/// What somebody's count is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// In this window; 0 where it could not be counted.
    pub(super) now: u32,
    /// In the window before, where this is the first of a new one.
    pub(super) before: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    tag: u64,
    began: i64,
    count: u32,
}

impl Counts<'_> {
    /// How many were counted of `who` in this window, and when that ends.
    pub(super) fn so_far(&self, who: &[u8], now: DateTime<Utc>) -> Option<(u32, i64)> {
        let file = self.open(false)?;
        let (set, tag) = self.place(who);
        let open = |slot: &Slot| slot.tag == tag && self.is_open(slot, now.timestamp());
        let slot = read(&file, set).into_iter().find(open)?;
        Some((slot.count, slot.began.saturating_add(self.window)))
    }

    /// Counts one more.
    pub(super) fn add(&self, who: &[u8], now: DateTime<Utc>) -> Count {
        self.try_add(who, now).unwrap_or_default()
    }

    fn try_add(&self, who: &[u8], now: DateTime<Utc>) -> Option<Count> {
        let lock = self.state.join([self.name, ".lock"].concat());
        let _lock = files::lock(&lock, LOCK_WAIT).ok()?;
        let file = self.open(true)?;
        let (set, tag) = self.place(who);
        let mut slots = read(&file, set);
        let now = now.timestamp();
        let own = slots.iter().position(|slot| slot.count > 0 && slot.tag == tag);
        let oldest = || (0..SLOTS).min_by_key(|at| slots.get(*at).map_or(0, |slot| slot.began));
        let slot = own.or_else(oldest).and_then(|at| slots.get_mut(at))?;
        let before = if own.is_some() { slot.count } else { 0 };
        let count = if own.is_some() && self.is_open(slot, now) {
            *slot = Slot { count: before.saturating_add(1), ..*slot };
            Count { now: slot.count, before: 0 }
        } else {
            *slot = Slot { tag, began: now, count: 1 };
            Count { now: 1, before }
        };
        write(&file, set, &slots).then_some(count)
    }

    /// Whether anybody has more than `most` in a window that is over.
    pub(super) fn is_any_over(&self, most: u32, now: DateTime<Utc>) -> bool {
        let Some(file) = self.open(false) else { return false };
        let over = |slot: &Slot| slot.count > most && !self.is_open(slot, now.timestamp());
        (0..SETS).any(|set| read(&file, set).iter().any(over))
    }

    /// Forgets the count of `who` in a window that is over, if it is above `most` and `take` takes it.
    /// Nobody counts meanwhile.
    pub(super) fn close<E>(
        &self,
        (who, most): (&[u8], u32),
        now: DateTime<Utc>,
        take: impl FnOnce(u32) -> Result<(), E>,
    ) -> Result<bool, E> {
        let lock = self.state.join([self.name, ".lock"].concat());
        let (Ok(_lock), Some(file)) = (files::lock(&lock, LOCK_WAIT), self.open(true)) else {
            return Ok(false);
        };
        let (set, tag) = self.place(who);
        let mut slots = read(&file, set);
        let over = |slot: &&mut Slot| {
            slot.tag == tag && slot.count > most && !self.is_open(slot, now.timestamp())
        };
        let Some(slot) = slots.iter_mut().find(over) else { return Ok(false) };
        take(slot.count)?;
        *slot = Slot::default();
        Ok(write(&file, set, &slots))
    }

    /// Whether it counts now; a window from the future, by a clock that was wrong, is over as well.
    fn is_open(&self, slot: &Slot, now: i64) -> bool {
        let open = slot.began..slot.began.saturating_add(self.window);
        slot.count > 0 && open.contains(&now)
    }

    fn open(&self, write: bool) -> Option<File> {
        let how = if write { OFlags::RDWR | OFlags::CREATE } else { OFlags::RDONLY };
        let flags = how | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let path = self.state.join(self.name);
        rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600)).ok().map(File::from)
    }

    /// Set and tag of somebody.
    fn place(&self, who: &[u8]) -> (u64, u64) {
        let mut block = [0; 64];
        block.iter_mut().zip(self.key).for_each(|(to, from)| *to = *from);
        let mac = Hmac::<Sha256>::new(&block.into()).chain_update(b"refwarden fails 1\n");
        let hash = mac.chain_update(who).finalize().into_bytes();
        let number = |at: usize| {
            hash.iter().skip(at).take(8).fold(0_u64, |all, byte| (all << 8) | u64::from(*byte))
        };
        (number(0) % SETS, number(8))
    }
}

impl Slot {
    fn bytes(&self) -> Vec<u8> {
        let (tag, began) = (self.tag.to_le_bytes(), self.began.to_le_bytes());
        tag.into_iter().chain(began).chain(self.count.to_le_bytes()).collect()
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first_chunk()?;
        let (began, rest) = rest.split_first_chunk()?;
        let (tag, began) = (u64::from_le_bytes(*tag), i64::from_le_bytes(*began));
        Some(Self { tag, began, count: u32::from_le_bytes(*rest.first_chunk()?) })
    }
}

fn offset(set: u64) -> u64 {
    set * SET as u64
}

/// The slots of a set; those beyond the end of the file are empty.
fn read(file: &File, set: u64) -> [Slot; SLOTS] {
    let mut bytes = [0; SET];
    let mut slots = [Slot::default(); SLOTS];
    if file.read_exact_at(&mut bytes, offset(set)).is_ok() {
        let found = bytes.chunks_exact(SLOT).filter_map(Slot::of);
        slots.iter_mut().zip(found).for_each(|(to, from)| *to = from);
    }
    slots
}

fn write(file: &File, set: u64, slots: &[Slot; SLOTS]) -> bool {
    let bytes: Vec<u8> = slots.iter().flat_map(Slot::bytes).collect();
    file.write_all_at(&bytes, offset(set)).is_ok()
}

/// Most bytes that such a file has.
#[cfg(test)]
pub(super) const MOST_BYTES: u64 = SETS * SET as u64;
