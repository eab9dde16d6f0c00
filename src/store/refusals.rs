//! How many reads of each person were refused of late, so that nobody fills the trail with them.
//!
//! Knows how many are told one by one; the lines are the door's matter. Where it can't be counted,
//! every refusal is told.

use super::counts::Counts;
use crate::policy::name::UserName;
use chrono::{DateTime, Utc};
use std::path::Path;

/// Its name in the state folder.
pub const FILE_NAME: &str = "read-refusals";
/// Refusals of a person within a window that have a line each.
pub const MOST: u32 = 30;
/// Length of a window, in seconds.
pub const WINDOW: i64 = 60;

/// What of a refusal goes to the trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// A line, which also tells how many had none in the person's window before.
    Line {
        /// So many.
        unrecorded: u32,
    },
    /// The last line of this window.
    Last,
    /// Nothing: it is counted.
    Counted,
}

/// Counts one more refusal of a person, and says what of it is told. A person, not an address: those
/// whom the policy knows are so many and no more, whatever addresses they come from.
#[must_use]
pub fn count(state: &Path, key: &[u8; 32], user: &UserName, now: DateTime<Utc>) -> Told {
    let counts = Counts { state, key, name: FILE_NAME, window: WINDOW };
    let count = counts.add(user.as_str().as_bytes(), now);
    match count.now {
        MOST => Told::Last,
        more if more > MOST => Told::Counted,
        _ => Told::Line { unrecorded: count.before.saturating_sub(MOST) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn a_person_has_so_many_lines_a_minute_and_the_rest_is_counted() {
        let state = tempfile::tempdir().unwrap();
        let noon = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let of = |user: &str, seconds| {
            let user = UserName::parse(user).unwrap();
            count(state.path(), &[7; 32], &user, noon + TimeDelta::seconds(seconds))
        };
        for _ in 1..MOST {
            assert_eq!(of("bob", 0), Told::Line { unrecorded: 0 });
        }
        assert_eq!(of("bob", 1), Told::Last);
        assert_eq!((of("bob", 2), of("bob", 59)), (Told::Counted, Told::Counted));
        assert_eq!(of("alice", 59), Told::Line { unrecorded: 0 }, "another person's are told");
        assert_eq!(of("bob", 3600), Told::Line { unrecorded: 2 }, "whenever they come again");
        assert_eq!(of("bob", 3600), Told::Line { unrecorded: 0 });
    }
}
