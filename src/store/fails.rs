//! How often tokens failed from each client address.
//!
//! Knows what an address is here; what counts as a failure is the door's matter. What can't be read
//! counts as no failure: tokens are not guessed, with or without this.

use super::counts::Counts;
use chrono::{DateTime, Utc};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// Its name in the state folder.
pub const FILE_NAME: &str = "token-fails";
/// Failures that an address has in a window before it has to wait.
pub const MOST: u32 = 20;
/// Length of a window, in seconds.
pub const WINDOW: i64 = 300;

/// The counts of a state folder.
pub struct Fails<'a>(Counts<'a>);

impl<'a> Fails<'a> {
    /// Of this state folder; `key` is the doors' key.
    #[must_use]
    pub const fn new(state: &'a Path, key: &'a [u8; 32]) -> Self {
        Self(Counts { state, key, name: FILE_NAME, window: WINDOW })
    }

    /// How long an address has to wait before it may try again; `None`: it may.
    #[must_use]
    pub fn wait(&self, address: &str, now: DateTime<Utc>) -> Option<Duration> {
        let (count, end) = self.0.so_far(&subscriber(address), now)?;
        let left = end.saturating_sub(now.timestamp());
        (count >= MOST).then(|| Duration::from_secs(left.unsigned_abs().max(1)))
    }

    /// Counts a failure; the count of this window, 0 where it could not be counted.
    pub fn count(&self, address: &str, now: DateTime<Utc>) -> u32 {
        self.0.add(&subscriber(address), now).now
    }
}

/// Whose address it is. Of IPv6 a subscriber has a whole /64.
fn subscriber(address: &str) -> Vec<u8> {
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.octets().to_vec(),
        Ok(IpAddr::V6(address)) => address.octets().into_iter().take(8).collect(),
        // All that is no address shares one count.
        Err(_) => Vec::new(),
    }
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
        assert!(size <= super::super::counts::MOST_BYTES, "{size}");
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
