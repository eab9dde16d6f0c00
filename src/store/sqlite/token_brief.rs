//! A token's brief: its row, in one small file beside the table, for the doors.
//!
//! Opening the table takes longer than all the rest of letting somebody in. Like [`super::brief`] it
//! is a copy, and counts only while file, log and journal are those that it was taken of: whatever is
//! written there, a revocation above all, leaves every brief behind. Of a token that was taken back
//! there is none. Nothing is refused by a brief, and nothing is lost with it.
//!
//! The last use of a token stands in a file of its own beside it: noting it in the table would leave
//! all briefs behind each minute, and let every reader wait for the disk.

use super::FILE_NAME;
use super::brief::{identity, is_quiet};
use super::open::{trusted, with_end};
use crate::os::files;
use crate::pusher::token::{SecretHash, Terms, Token, TokenId};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What follows the table's name before a token's id, of a brief and of a last use.
const BRIEF: &str = "-token-";
const USED: &str = "-used-";
const HEAD: &str = "refwarden-token 1\n";
/// Longest brief, in bytes; one of more patterns than that is looked up in the table.
const MAX_BYTES: usize = 16 * 1024;
const MAX_USED: usize = 40;
/// After so long a brief is swept; whoever needs it takes another.
const KEPT: TimeDelta = TimeDelta::days(1);
/// After so long no token lives any more that a last use tells of.
const USED_KEPT: TimeDelta = TimeDelta::days(3 * 366);

/// One line of a brief.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: u64,
    id: Box<str>,
    hash: [u8; 32],
    terms: Terms,
}

/// A token as its brief has it, if that counts: the table's version, the token, and its secret's hash.
#[must_use]
pub fn read(state: &Path, account_uid: u32, id: &TokenId) -> Option<(u64, Token, SecretHash)> {
    let found = trusted(&state.join(FILE_NAME), account_uid).ok()?;
    let file = found.open_beside(&[BRIEF, id.as_str()].concat(), account_uid).ok()?;
    let bytes = files::read_opened(&file, &found.path, MAX_BYTES).ok()?;
    let (line, of) = std::str::from_utf8(&bytes).ok()?.strip_prefix(HEAD)?.split_once('\n')?;
    if of != identity(&found) {
        return None;
    }
    let kept: Kept = serde_json::from_str(line).ok()?;
    let last_used = last_used(&found.path, id);
    let token = Token { id: id.clone(), terms: kept.terms, revoked: None, last_used };
    (*kept.id == *id.as_str()).then_some((kept.version, token, SecretHash::kept(kept.hash)))
}

/// Where the table is: what a brief is taken of, looked at before the token was.
pub struct Before(crate::os::trust::Inspected);

impl Before {
    /// Looks at the table.
    #[must_use]
    pub fn look(state: &Path, account_uid: u32) -> Option<Self> {
        trusted(&state.join(FILE_NAME), account_uid).ok().map(Self)
    }

    /// Takes a brief of a token that was read since, unless something was written meanwhile or just
    /// before. That it can't be taken is no error.
    pub fn take(
        &self,
        account_uid: u32,
        version: u64,
        (token, hash): (&Token, &SecretHash),
        now: DateTime<Utc>,
    ) -> Option<()> {
        if token.revoked.is_some() || !is_quiet(&self.0, now) {
            return None;
        }
        let id = token.id.as_str();
        let kept = Kept { version, id: id.into(), hash: *hash.bytes(), terms: token.terms.clone() };
        let text = format!("{HEAD}{}\n{}", serde_json::to_string(&kept).ok()?, identity(&self.0));
        if identity(&trusted(&self.0.path, account_uid).ok()?) != identity(&self.0) {
            return None;
        }
        let at = with_end(&self.0.path, &[BRIEF, id].concat());
        files::write_fleeting(&at, text.as_bytes(), 0o600).ok()
    }
}

/// When a token was used last, as far as that was noted beside the table at `table`.
pub(super) fn last_used(table: &Path, id: &TokenId) -> Option<DateTime<Utc>> {
    let bytes = files::read_limited(&with_end(table, &[USED, id.as_str()].concat()), MAX_USED);
    let text = String::from_utf8(bytes.ok()?).ok()?;
    DateTime::from_timestamp_micros(text.trim_end().parse().ok()?)
}

/// Notes that a token was used now; says whether that could be noted.
pub fn note_use(state: &Path, account_uid: u32, id: &TokenId, now: DateTime<Utc>) -> bool {
    let Ok(table) = trusted(&state.join(FILE_NAME), account_uid) else { return false };
    let at = with_end(&table.path, &[USED, id.as_str()].concat());
    let text = format!("{}\n", super::row::micros(now));
    files::write_fleeting(&at, text.as_bytes(), 0o600).is_ok()
}

/// Whether a file of the state folder, last written at `written`, is one of these and of no more use.
#[must_use]
pub fn is_stale(name: &[u8], written: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let Some(rest) = name.strip_prefix(FILE_NAME.as_bytes()) else { return false };
    let kept = match rest {
        rest if rest.starts_with(BRIEF.as_bytes()) => KEPT,
        rest if rest.starts_with(USED.as_bytes()) => USED_KEPT,
        _ => return false,
    };
    written.checked_add_signed(kept).is_some_and(|end| end < now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_ours_and_old_is_swept() {
        let now = DateTime::from_timestamp(2_000_000_000, 0).unwrap();
        let (day, years) = (now - TimeDelta::hours(25), now - TimeDelta::days(1200));
        assert!(is_stale(b"state.db-token-7f3k92qd", day, now));
        assert!(!is_stale(b"state.db-token-7f3k92qd", now, now));
        assert!(!is_stale(b"state.db-used-7f3k92qd", day, now));
        assert!(is_stale(b"state.db-used-7f3k92qd", years, now));
        for name in ["state.db", "state.db-wal", "state.db-brief", "x-token-1", "token-fails"] {
            assert!(!is_stale(name.as_bytes(), years, now), "{name}");
        }
    }
}
