//! What time it is, by the wall and since boot.
//!
//! Knows the kernel's two clocks; not what any time means to a grant or a slip.

use chrono::{DateTime, Utc};
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::Duration;

/// One moment, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// `CLOCK_REALTIME`, UTC; an admin can set it back.
    pub wall: DateTime<Utc>,
    /// `CLOCK_BOOTTIME`: since boot, sleep included; nobody can set it back.
    pub boot: Duration,
}

/// Asks both clocks.
#[must_use]
pub fn now() -> Now {
    let real = Now {
        wall: wall(clock_gettime(ClockId::Realtime)),
        boot: boot(clock_gettime(ClockId::Boottime)),
    };
    super::faults::shifted(real)
}

/// A time that chrono can't express is past every end.
fn wall(time: Timespec) -> DateTime<Utc> {
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
    DateTime::from_timestamp(time.tv_sec, nanoseconds).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn boot(time: Timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(u64::MAX);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_go_forward() {
        let first = now();
        std::thread::sleep(Duration::from_millis(2));
        let second = now();
        assert!(second.boot >= first.boot + Duration::from_millis(2));
        assert!(second.wall > first.wall);
        assert!(first.wall.timestamp() > 1_700_000_000);
    }

    #[test]
    fn a_time_before_1970_or_beyond_all_calendars_does_not_panic() {
        assert_eq!(wall(Timespec { tv_sec: -1, tv_nsec: 0 }).timestamp(), -1);
        assert_eq!(wall(Timespec { tv_sec: i64::MAX, tv_nsec: 0 }), DateTime::<Utc>::MAX_UTC);
    }
}
