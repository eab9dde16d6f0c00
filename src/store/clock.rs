//! Whether the clock may be believed beside the newest time that is recorded.
//!
//! Knows one comparison; where the newest time comes from (the store, the trail) is told by whoever
//! asks.

use chrono::{DateTime, TimeDelta, Utc};

/// How far the clock may be behind what is recorded.
pub const TOLERANCE: TimeDelta = TimeDelta::seconds(2);

/// Whether nothing recorded lies in the future: a clock that was set back would revive what has
/// ended, so it refuses (RW505).
#[must_use]
pub fn is_sound(now: DateTime<Utc>, newest: Option<DateTime<Utc>>) -> bool {
    newest.is_none_or(|newest| newest.signed_duration_since(now) <= TOLERANCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seconds_behind_are_let_be_and_no_more() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        assert!(is_sound(now, None));
        assert!(is_sound(now, Some(now - TimeDelta::days(1))));
        assert!(is_sound(now, Some(now + TOLERANCE)));
        assert!(!is_sound(now, Some(now + TOLERANCE + TimeDelta::nanoseconds(1))));
        assert!(!is_sound(DateTime::<Utc>::MIN_UTC, Some(DateTime::<Utc>::MAX_UTC)));
    }
}
