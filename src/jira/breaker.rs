//! That a dead Jira costs one push its time and the next ones nothing.
//!
//! Knows one file: when calls failed. One call that took all its time, or three failures within a
//! minute, and nobody asks for half a minute.

use crate::os::files;
use chrono::{DateTime, TimeDelta, Utc};
use std::path::{Path, PathBuf};

const FAILURES: usize = 3;
const WITHIN: TimeDelta = TimeDelta::seconds(60);
const REST: TimeDelta = TimeDelta::seconds(30);
const MAX_BYTES: usize = 4096;

/// The file, and nothing kept of it: other pushes write it too.
pub(super) struct Breaker(PathBuf);

/// What the file holds.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct State {
    failed: Vec<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

impl State {
    fn is_open(&self, now: DateTime<Utc>) -> bool {
        // A clock that was set back must not keep Jira shut.
        self.until.is_some_and(|until| now < until && until - now <= REST)
    }

    fn fail(&mut self, now: DateTime<Utc>, slow: bool) {
        self.failed.retain(|at| (now - *at).abs() < WITHIN);
        self.failed.push(now);
        if slow || self.failed.len() >= FAILURES {
            self.until = now.checked_add_signed(REST);
            self.failed.clear();
        }
    }
}

impl Breaker {
    pub(super) fn new(folder: &Path) -> Self {
        Self(folder.join("breaker.json"))
    }

    pub(super) fn is_open(&self, now: DateTime<Utc>) -> bool {
        self.read().is_open(now)
    }

    pub(super) fn failed(&self, now: DateTime<Utc>, slow: bool) {
        let mut state = self.read();
        state.fail(now, slow);
        self.write(&state);
    }

    /// Clears what was there, if anything was.
    pub(super) fn answered(&self) {
        if self.0.exists() {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn read(&self) -> State {
        let bytes = files::read_limited(&self.0, MAX_BYTES).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// A breaker that can't be written costs time and nothing else.
    fn write(&self, state: &State) {
        let Ok(bytes) = serde_json::to_vec(state) else { return };
        if let Some(folder) = self.0.parent() {
            let _ = files::ensure_folder(folder);
        }
        let _ = files::write_fleeting(&self.0, &bytes, 0o600);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    #[test]
    fn one_slow_failure_or_three_quick_ones_within_a_minute_open_it_for_half_a_minute() {
        let mut slow = State::default();
        slow.fail(at(0), true);
        assert!(slow.is_open(at(29)) && !slow.is_open(at(30)));
        let mut quick = State::default();
        quick.fail(at(0), false);
        quick.fail(at(10), false);
        assert!(!quick.is_open(at(10)));
        quick.fail(at(59), false);
        assert!(quick.is_open(at(60)) && !quick.is_open(at(89)));
        let mut rare = State::default();
        for second in [0, 61, 122, 183] {
            rare.fail(at(second), false);
            assert!(!rare.is_open(at(second)));
        }
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_keep_it_open() {
        let mut state = State::default();
        state.fail(at(1_000_000), true);
        assert!(!state.is_open(at(0)));
    }

    #[test]
    fn a_damaged_file_is_no_breaker() {
        let folder = tempfile::tempdir().unwrap();
        let breaker = Breaker::new(folder.path());
        breaker.failed(at(0), true);
        assert!(breaker.is_open(at(1)));
        std::fs::write(folder.path().join("breaker.json"), "{").unwrap();
        assert!(!breaker.is_open(at(1)));
        breaker.failed(at(0), true);
        breaker.answered();
        assert!(!breaker.is_open(at(1)));
    }
}
