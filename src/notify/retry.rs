//! When a notice that was not taken is tried again.

use crate::access::Notice;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// Seconds before each further try; all together about a day and a half.
const DELAYS: [u32; 9] = [30, 120, 600, 1800, 3600, 7200, 21_600, 43_200, 43_200];
/// Longest that a receiver may put us off, in seconds.
const MAX_PATIENCE: u64 = 6 * 3600;

/// How long after a try that fails the next one is: what the table says, up to a fifth longer, so
/// that notices that failed together do not come together. Always longer than a try may take.
pub fn after(notice: &Notice) -> TimeDelta {
    let tries = usize::try_from(notice.tries).unwrap_or(usize::MAX);
    let delay = DELAYS.get(tries).or(DELAYS.last()).copied().unwrap_or(3600);
    let hash = Sha256::digest(format!("{} {}", notice.id, notice.tries));
    let chance = hash.first().copied().unwrap_or(0);
    TimeDelta::milliseconds(i64::from(delay) * 1000 * (1275 + i64::from(chance)) / 1275)
}

/// `now` and so much more.
pub fn later(now: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    now.checked_add_signed(by).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Whether the try under way is the last.
pub fn is_last(notice: &Notice) -> bool {
    usize::try_from(notice.tries).map_or(true, |tries| tries >= DELAYS.len())
}

/// What a receiver's `Retry-After` asks for, within bounds.
pub fn bounded(wanted: Duration) -> TimeDelta {
    let seconds = wanted.as_secs().min(MAX_PATIENCE);
    TimeDelta::seconds(i64::try_from(seconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(id: &str, tries: u32) -> Notice {
        Notice {
            id: id.into(),
            target: String::new(),
            event: String::new(),
            body: String::new(),
            at: DateTime::UNIX_EPOCH,
            due: DateTime::UNIX_EPOCH,
            while_lent: None,
            tries,
        }
    }

    #[test]
    fn each_wait_is_at_least_as_long_as_the_table_says_and_at_most_a_fifth_longer() {
        for tries in 0..40 {
            let delay = i64::from(DELAYS.get(tries as usize).copied().unwrap_or(43_200));
            let after = after(&notice("a", tries)).num_milliseconds();
            assert!((delay * 1000..=delay * 1200).contains(&after), "{tries}: {after}");
        }
    }

    #[test]
    fn notices_that_failed_together_do_not_come_together() {
        let times: std::collections::BTreeSet<i64> =
            (0..50).map(|n| after(&notice(&n.to_string(), 0)).num_milliseconds()).collect();
        assert!(times.len() > 20, "{times:?}");
    }

    #[test]
    fn it_is_given_up_after_the_last_try_and_patience_has_bounds() {
        assert!(!is_last(&notice("a", 8)));
        assert!(is_last(&notice("a", 9)));
        assert!(is_last(&notice("a", u32::MAX)));
        assert_eq!(bounded(Duration::from_secs(90)).num_seconds(), 90);
        assert_eq!(bounded(Duration::MAX).num_seconds(), 6 * 3600);
    }
}
