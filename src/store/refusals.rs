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
    let count = counts(state, key).add(user.as_str().as_bytes(), now);
    match count.now {
        MOST => Told::Last,
        more if more > MOST => Told::Counted,
        _ => Told::Line { unrecorded: count.before.saturating_sub(MOST) },
    }
}

const fn counts<'a>(state: &'a Path, key: &'a [u8; 32]) -> Counts<'a> {
    Counts { state, key, name: FILE_NAME, window: WINDOW }
}

/// Whether refusals of somebody whose window is over are told nowhere yet.
#[must_use]
pub fn is_any_untold(state: &Path, key: &[u8; 32], now: DateTime<Utc>) -> bool {
    counts(state, key).is_any_over(MOST, now)
}

/// Tells how many refusals of a person, whose window is over, had no line; then they are forgotten.
/// True where there were some.
///
/// # Errors
/// What `tell` says; they stay counted.
pub fn close<E>(
    (state, key): (&Path, &[u8; 32]),
    user: &UserName,
    now: DateTime<Utc>,
    tell: impl FnOnce(u32) -> Result<(), E>,
) -> Result<bool, E> {
    let who = (user.as_str().as_bytes(), MOST);
    counts(state, key).close(who, now, |count| tell(count.saturating_sub(MOST)))
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

    #[test]
    fn what_nobody_follows_up_is_told_once_when_the_window_is_over() {
        let state = tempfile::tempdir().unwrap();
        let noon = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let [alice, bob] = ["alice", "bob"].map(|name| UserName::parse(name).unwrap());
        for _ in 0..MOST {
            let _ = count(state.path(), &[7; 32], &alice, noon);
        }
        for _ in 0..MOST + 5 {
            let _ = count(state.path(), &[7; 32], &bob, noon);
        }
        let close = |user, seconds, works: bool| {
            let mut told = Vec::new();
            let now = noon + TimeDelta::seconds(seconds);
            let tell = |count| {
                told.push(count);
                works.then_some(()).ok_or("no line")
            };
            let done = close((state.path(), &[7; 32]), user, now, tell);
            (done, told)
        };
        let is_any =
            |seconds| is_any_untold(state.path(), &[7; 32], noon + TimeDelta::seconds(seconds));
        assert_eq!((close(&bob, 59, true), is_any(59)), ((Ok(false), vec![]), false));
        assert_eq!((close(&alice, 60, true), is_any(60)), ((Ok(false), vec![]), true));
        assert_eq!(close(&bob, 60, false), (Err("no line"), vec![5]));
        assert_eq!(close(&bob, 60, true), (Ok(true), vec![5]));
        assert_eq!((close(&bob, 60, true), is_any(60)), ((Ok(false), vec![]), false));
        let again = count(state.path(), &[7; 32], &bob, noon + TimeDelta::seconds(90));
        assert_eq!(again, Told::Line { unrecorded: 0 });
    }
}
