//! How often tokens failed from each client address: one small file of fixed size.
//!
//! Knows the file and its arithmetic; what counts as a failure is the door's matter. The file has
//! room for 4096 addresses and never grows: whoever comes from more of them pushes out the oldest
//! counts, and no other address is ever refused. Addresses are kept as a keyed hash, so nobody can
//! choose one that falls together with another. What can't be read counts as no failure: tokens are
//! not guessed, with or without this.

use crate::os::files;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use rustix::fs::{Mode, OFlags};
use sha2::Sha256;
use std::fs::File;
use std::net::IpAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Its name in the state folder.
pub const FILE_NAME: &str = "token-fails";
/// Failures that an address has in a window before it has to wait.
pub const MOST: u32 = 20;
/// Length of a window, in seconds.
pub const WINDOW: i64 = 300;

const LOCK_NAME: &str = "token-fails.lock";
const LOCK_WAIT: Duration = Duration::from_millis(100);
/// Sets of slots, and slots in each: an address belongs to one set.
const SETS: u64 = 1024;
const SLOTS: usize = 4;
/// `tag (8) began (8) count (4)`, little-endian.
const SLOT: usize = 20;
const SET: usize = SLOTS * SLOT;

/// The counts of a state folder.
pub struct Fails<'a> {
    state: &'a Path,
    key: &'a [u8; 32],
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    tag: u64,
    began: i64,
    count: u32,
}

impl<'a> Fails<'a> {
    /// Of this state folder; `key` is the doors' key.
    #[must_use]
    pub const fn new(state: &'a Path, key: &'a [u8; 32]) -> Self {
        Self { state, key }
    }

    /// How long an address has to wait before it may try again; `None`: it may.
    #[must_use]
    pub fn wait(&self, address: &str, now: DateTime<Utc>) -> Option<Duration> {
        let file = self.open(false)?;
        let (set, tag) = self.place(address);
        let slot = read(&file, set).into_iter().find(|slot| slot.is(tag, now.timestamp()))?;
        let left = slot.began.saturating_add(WINDOW).saturating_sub(now.timestamp());
        (slot.count >= MOST).then(|| Duration::from_secs(left.unsigned_abs().max(1)))
    }

    /// Counts a failure; the count of this window, 0 where it could not be counted.
    pub fn count(&self, address: &str, now: DateTime<Utc>) -> u32 {
        let Ok(_lock) = files::lock(&self.state.join(LOCK_NAME), LOCK_WAIT) else { return 0 };
        let Some(file) = self.open(true) else { return 0 };
        let (set, tag) = self.place(address);
        let mut slots = read(&file, set);
        let now = now.timestamp();
        let own = slots.iter().position(|slot| slot.is(tag, now));
        let oldest = || (0..SLOTS).min_by_key(|at| slots.get(*at).map_or(0, |slot| slot.began));
        let Some(slot) = own.or_else(oldest).and_then(|at| slots.get_mut(at)) else { return 0 };
        *slot = match own {
            Some(_) => Slot { count: slot.count.saturating_add(1), ..*slot },
            None => Slot { tag, began: now, count: 1 },
        };
        let count = slot.count;
        let bytes: Vec<u8> = slots.iter().flat_map(Slot::bytes).collect();
        file.write_all_at(&bytes, offset(set)).map_or(0, |()| count)
    }

    fn open(&self, write: bool) -> Option<File> {
        let path: PathBuf = self.state.join(FILE_NAME);
        let how = if write { OFlags::RDWR | OFlags::CREATE } else { OFlags::RDONLY };
        let flags = how | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600)).ok().map(File::from)
    }

    /// Set and tag of an address. Of IPv6 a subscriber has a whole /64.
    fn place(&self, address: &str) -> (u64, u64) {
        let who = match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(IpAddr::V4(address)) => address.octets().to_vec(),
            Ok(IpAddr::V6(address)) => address.octets().into_iter().take(8).collect(),
            // All that is no address shares one count.
            Err(_) => Vec::new(),
        };
        let mut block = [0; 64];
        block.iter_mut().zip(self.key).for_each(|(to, from)| *to = *from);
        let mac = Hmac::<Sha256>::new(&block.into()).chain_update(b"refwarden fails 1\n");
        let hash = mac.chain_update(&who).finalize().into_bytes();
        let number = |at: usize| {
            hash.iter().skip(at).take(8).fold(0_u64, |all, byte| (all << 8) | u64::from(*byte))
        };
        (number(0) % SETS, number(8))
    }
}

impl Slot {
    /// Whether it counts this address now; a window from the future, by a clock that was wrong, is
    /// over as well.
    fn is(&self, tag: u64, now: i64) -> bool {
        let open = self.began..self.began.saturating_add(WINDOW);
        self.count > 0 && self.tag == tag && open.contains(&now)
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    const KEY: [u8; 32] = [7; 32];

    fn noon() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
    }

    #[test]
    fn an_address_waits_after_its_failures_and_no_other_does() {
        let state = tempfile::tempdir().unwrap();
        let fails = Fails::new(state.path(), &KEY);
        assert_eq!(fails.wait("192.0.2.7", noon()), None);
        for count in 1..=MOST {
            assert_eq!(fails.wait("192.0.2.7", noon()), None, "{count}");
            assert_eq!(fails.count("192.0.2.7", noon()), count);
        }
        assert_eq!(fails.wait("192.0.2.7", noon()), Some(Duration::from_secs(300)));
        assert_eq!(fails.wait("::ffff:192.0.2.7", noon()), Some(Duration::from_secs(300)));
        assert_eq!(fails.wait("192.0.2.8", noon()), None);
        assert_eq!(fails.wait("2001:db8::7", noon()), None);
        let later = noon() + TimeDelta::seconds(WINDOW);
        assert_eq!(fails.wait("192.0.2.7", later), None);
        assert_eq!(fails.count("192.0.2.7", later), 1);
    }

    #[test]
    fn another_address_of_the_same_subscriber_is_no_fresh_start() {
        let state = tempfile::tempdir().unwrap();
        let fails = Fails::new(state.path(), &KEY);
        for host in 0..MOST {
            fails.count(&format!("2001:db8::{host:x}"), noon());
        }
        assert!(fails.wait("2001:db8::ffff", noon()).is_some());
        assert!(fails.wait("2001:db8:0:1::", noon()).is_none());
    }

    #[test]
    fn an_attacker_with_many_addresses_fills_no_disk_and_locks_nobody_out() {
        let state = tempfile::tempdir().unwrap();
        let fails = Fails::new(state.path(), &KEY);
        for host in 0..10_000_u32 {
            fails.count(&std::net::Ipv4Addr::from(host).to_string(), noon());
        }
        let size = std::fs::metadata(state.path().join(FILE_NAME)).unwrap().len();
        assert!(size <= SETS * SET as u64, "{size}");
        assert_eq!(fails.wait("198.51.100.1", noon()), None);
    }

    #[test]
    fn a_clock_set_back_and_a_damaged_file_lock_nobody_out() {
        let state = tempfile::tempdir().unwrap();
        let fails = Fails::new(state.path(), &KEY);
        for _ in 0..MOST {
            fails.count("192.0.2.7", noon());
        }
        assert_eq!(fails.wait("192.0.2.7", noon() - TimeDelta::days(1)), None);
        std::fs::write(state.path().join(FILE_NAME), b"x").unwrap();
        assert_eq!(fails.wait("192.0.2.7", noon()), None);
        assert_eq!(fails.count("192.0.2.7", noon()), 1);
    }
}
