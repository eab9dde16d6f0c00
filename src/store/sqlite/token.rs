//! The table of tokens: always of this host, also where records are kept elsewhere.
//!
//! Knows rows and transactions; what a token is stands in `pusher::token`, and in which order a
//! change is told to the trail is the ledger's matter.

use super::super::access::StoreError;
use super::super::tokens::Change;
use super::row::{micros, micros_up, sum};
use super::{Sqlite, token_brief, write};
use crate::policy::name::UserName;
use crate::pusher::token::{SecretHash, Terms, Token, TokenId};
use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Params, Row, Transaction};
use std::time::Duration;

/// What every query begins with.
const WHOLE: &str = "SELECT id, person, until, hash, body, sum, revoked_at, revoked_by, last_used \
                     FROM tokens ";
/// How long a mere note of a refusal waits for other processes.
const NOTE_WAIT: Duration = Duration::from_millis(100);

/// A row, as SQLite has it.
struct Kept {
    id: String,
    person: String,
    until: i64,
    hash: [u8; 32],
    body: String,
    sum: i64,
    revoked: Option<(i64, String)>,
    last_used: Option<i64>,
}

impl Kept {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let revoked: (Option<i64>, Option<String>) = (row.get(6)?, row.get(7)?);
        Ok(Self {
            id: row.get(0)?,
            person: row.get(1)?,
            until: row.get(2)?,
            hash: row.get(3)?,
            body: row.get(4)?,
            sum: row.get(5)?,
            revoked: revoked.0.zip(revoked.1),
            last_used: row.get(8)?,
        })
    }
}

impl Sqlite {
    /// A token and the hash of its secret.
    pub(in crate::store) fn token(
        &self,
        id: &TokenId,
    ) -> Result<Option<(Token, SecretHash)>, StoreError> {
        Ok(self.tokens_where("WHERE id = ?1", [id.as_str()])?.pop())
    }

    /// Everybody's tokens, or one person's, by id.
    pub(in crate::store) fn tokens(
        &self,
        person: Option<&UserName>,
    ) -> Result<Vec<Token>, StoreError> {
        let found = match person {
            Some(person) => self.tokens_where("WHERE person = ?1 ORDER BY id", [person.as_str()]),
            None => self.tokens_where("ORDER BY id", []),
        };
        Ok(found?.into_iter().map(|(token, _)| token).collect())
    }

    fn tokens_where(
        &self,
        sql: &str,
        values: impl Params,
    ) -> Result<Vec<(Token, SecretHash)>, StoreError> {
        let read = || -> rusqlite::Result<Vec<Kept>> {
            let mut query = self.connection.prepare(&format!("{WHOLE}{sql}"))?;
            query.query_map(values, Kept::read)?.collect()
        };
        let kept = read().map_err(|error| self.wrong(error))?;
        kept.into_iter().map(|row| self.whole_token(row)).collect()
    }

    /// A row that holds together.
    fn whole_token(&self, row: Kept) -> Result<(Token, SecretHash), StoreError> {
        let wrong = |what: &str| self.damaged(format!("token `{}`: {what}", row.id));
        if row.sum != row_sum(&row.id, &row.hash, &row.body) {
            return Err(wrong("it was changed on the disk"));
        }
        let terms: Terms =
            serde_json::from_str(&row.body).map_err(|error| wrong(&error.to_string()))?;
        let fits = row.person == terms.user.as_str() && row.until == micros_up(terms.until);
        if !fits {
            return Err(wrong("its row and what it says differ"));
        }
        let at =
            |at| DateTime::from_timestamp_micros(at).ok_or_else(|| wrong("a time out of range"));
        let id = TokenId::parse(&row.id).map_err(|error| wrong(&error.to_string()))?;
        let revoked = row.revoked.as_ref();
        let revoked =
            revoked.map(|(when, by)| Ok::<_, StoreError>((at(*when)?, by.as_str().into())));
        // Where uses were noted before they had files of their own.
        let last_used = row.last_used.map(at).transpose()?;
        let last_used = last_used.max(token_brief::last_used(&self.path, &id));
        let token = Token { id, terms, revoked: revoked.transpose()?, last_used };
        Ok((token, SecretHash::kept(row.hash)))
    }

    /// Makes a change and raises the version, as [`super::super::access::AccessStore::commit_recorded`].
    pub(in crate::store) fn change_tokens(
        &self,
        change: &Change,
        record: &mut dyn FnMut() -> bool,
    ) -> Result<Option<u64>, StoreError> {
        let mut given_up = false;
        let made = write::changing(self, |open| {
            for (id, at, by) in &change.revoked {
                self.revoke_token(open, id, *at, by)?;
            }
            for (id, terms, hash) in &change.created {
                self.create_token(open, id, terms, hash)?;
            }
            given_up = !record();
            if given_up { Err(StoreError::Moved) } else { Ok(write::Moves::default()) }
        });
        if given_up { Ok(None) } else { made.map(Some) }
    }

    fn create_token(
        &self,
        open: &Transaction<'_>,
        id: &TokenId,
        terms: &Terms,
        hash: &SecretHash,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO tokens (id, person, until, hash, body, sum) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
        let body = serde_json::to_string(terms).map_err(|error| self.damaged(error.to_string()))?;
        let sum = row_sum(id.as_str(), hash.bytes(), &body);
        let until = micros_up(terms.until);
        let values = (id.as_str(), terms.user.as_str(), until, hash.bytes(), body, sum);
        match open.execute(sql, values).map_err(|error| self.wrong(error))? {
            1 => Ok(()),
            _ => Err(StoreError::Taken),
        }
    }

    fn revoke_token(
        &self,
        open: &Transaction<'_>,
        id: &TokenId,
        at: DateTime<Utc>,
        by: &str,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE tokens SET revoked_at = ?2, revoked_by = ?3 \
                   WHERE id = ?1 AND revoked_at IS NULL";
        let moved = open.execute(sql, (id.as_str(), micros(at), by));
        match moved.map_err(|error| self.wrong(error))? {
            1 => Ok(()),
            _ => Err(StoreError::Moved),
        }
    }

    /// Notes a refusal, unless one was noted less than `apart` ago; says whether it was. No change of
    /// rights: the version stays.
    pub(in crate::store) fn note_refusal(
        &self,
        id: &TokenId,
        now: DateTime<Utc>,
        apart: TimeDelta,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE tokens SET last_refused = ?2 \
                   WHERE id = ?1 AND ifnull(last_refused <= ?3, 1)";
        let before = now.checked_sub_signed(apart).unwrap_or(now);
        let noted = || -> rusqlite::Result<usize> {
            self.connection.busy_timeout(NOTE_WAIT)?;
            self.connection.execute(sql, (id.as_str(), micros(now), micros(before)))
        };
        noted().map(|rows| rows == 1).map_err(|error| self.wrong(error))
    }

    /// Looks whether every token is sound, for `restore` and `doctor`.
    pub(super) fn check_tokens(&self) -> Result<(), StoreError> {
        self.tokens(None).map(drop)
    }
}

fn row_sum(id: &str, hash: &[u8; 32], body: &str) -> i64 {
    sum(id, 0, &format!("{hash:?} {body}"))
}

#[cfg(test)]
mod tests;
