//! Personal access tokens: what one looks like, what it may be used for, and until when.
//!
//! Knows the secret's form and the rules of a token. Does not know where tokens are kept, nor the
//! clock: the time comes as a value, random bytes through a closure.
//!
//! A secret is `rwt_`, the token's id, `_`, 32 random characters and a checksum. The prefix lets a
//! scanner find one that leaked; the checksum tells a typing error from a guess without a look-up.
//! Only its SHA-256 is ever kept: with 190 random bits there is nothing that a slow hash would add.

use crate::policy::name::UserName;
use crate::policy::pattern::{Broken, Pattern};
use crate::policy::span::Span;
use chrono::{DateTime, Utc};
use hmac::digest::CtOutput;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt;

/// What every secret begins with.
pub const PREFIX: &str = "rwt_";
/// What stands before a token's id where a key is named: in a door's statement, in the trail.
pub const KEY: &str = "token:";
/// Characters of the random part: 190 bits.
const RANDOM: usize = 32;
/// Characters of the checksum: CRC-32 in base 62.
const SUM: usize = 6;
/// Characters of an id: 40 bits.
const ID: usize = 8;
/// Digits and letters that are not mistaken for one another when they are read aloud.
const ID_LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A token's name, which is no secret: `7f3k92qd`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(Box<str>);

/// A text that is not the id of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a token; one looks like `7f3k92qd`")]
pub struct NotATokenId;

impl TokenId {
    /// Of five random bytes.
    #[must_use]
    pub fn of(random: [u8; 5]) -> Self {
        let bits = random.iter().fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
        let letter = |at: u32| ID_LETTERS.get(((bits >> (35 - 5 * at)) & 31) as usize).copied();
        let text: String = (0..8).filter_map(letter).map(char::from).collect();
        Self(text.into())
    }

    /// Reads an id exactly as it is written.
    ///
    /// # Errors
    /// [`NotATokenId`].
    pub fn parse(text: &str) -> Result<Self, NotATokenId> {
        let fits = text.len() == ID && text.bytes().all(|byte| ID_LETTERS.contains(&byte));
        if fits { Ok(Self(text.into())) } else { Err(NotATokenId) }
    }

    /// Of a key as a door's statement names it; `None` where it is no token.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Result<Self, NotATokenId>> {
        key.strip_prefix(KEY).map(Self::parse)
    }

    /// As a door's statement names it: `token:7f3k92qd`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{KEY}{self}")
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TokenId {
    type Error = NotATokenId;
    fn try_from(text: String) -> Result<Self, NotATokenId> {
        Self::parse(&text)
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> String {
        id.0.into()
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is not a secret; never quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Not of the form at all: a password of something else, or cut short.
    #[error("it is not a token of refwarden: one begins with `rwt_` and has 51 characters")]
    Form,
    /// Of the form, but a character is wrong.
    #[error("it is mistyped: its checksum does not fit")]
    Sum,
}

/// A token's secret, for the moment in which it is made or compared. `Debug` does not show it.
#[derive(Clone)]
pub struct Secret {
    text: Box<str>,
    id: TokenId,
}

impl Secret {
    /// Length of a secret, in characters.
    pub const LENGTH: usize = PREFIX.len() + ID + 1 + RANDOM + SUM;

    /// A new secret of the token `id`, from bytes that nobody can guess.
    #[must_use]
    pub fn of(id: &TokenId, random: &mut dyn FnMut() -> u8) -> Self {
        let mut text = format!("{PREFIX}{id}_");
        while text.len() < PREFIX.len() + ID + 1 + RANDOM {
            // Of 256 values the last 8 would make some characters likelier than others.
            let letter = Some(random()).filter(|byte| *byte < 248);
            let letter = letter.and_then(|byte| BASE62.get(usize::from(byte % 62)));
            text.extend(letter.map(|letter| char::from(*letter)));
        }
        let sum = checksum(text.as_bytes());
        text.push_str(&sum);
        Self { text: text.into(), id: id.clone() }
    }

    /// Reads a secret exactly as it was shown.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let form = SecretError::Form;
        if text.len() != Self::LENGTH {
            return Err(form);
        }
        let rest = text.strip_prefix(PREFIX).ok_or(form)?;
        let (id, rest) = rest.split_once('_').ok_or(form)?;
        let id = TokenId::parse(id).map_err(|_| form)?;
        if !rest.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(form);
        }
        let (body, sum) = text.split_at_checked(Self::LENGTH - SUM).ok_or(form)?;
        if checksum(body.as_bytes()) != sum {
            return Err(SecretError::Sum);
        }
        Ok(Self { text: text.into(), id })
    }

    /// Which token's.
    #[must_use]
    pub const fn id(&self) -> &TokenId {
        &self.id
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.text.as_bytes()).into())
    }

    /// The secret itself: to be shown once, to whom it belongs.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.id)
    }
}

/// SHA-256 of a secret. Comparing takes the same time whatever differs.
#[derive(Clone, Copy)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// As it was kept.
    #[must_use]
    pub const fn kept(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// To be kept.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        let constant_time = |hash: &Self| CtOutput::<Sha256>::new(hash.0.into());
        constant_time(self) == constant_time(other)
    }
}

impl Eq for SecretHash {}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash")
    }
}

/// CRC-32 (IEEE 802.3, as in zlib) of a text, in base 62; GitHub's tokens end with the same.
pub(crate) fn checksum(text: &[u8]) -> String {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    let crc = text
        .iter()
        .fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)));
    let mut left = !crc;
    let mut digits = Vec::with_capacity(SUM);
    for _ in 0..SUM {
        digits.extend(BASE62.get((left % 62) as usize).map(|digit| char::from(*digit)));
        left /= 62;
    }
    digits.iter().rev().collect()
}

/// What a token may be used for; never more than its user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Clone and fetch.
    Read,
    /// Push: create, update, force and delete, as far as the policy lets its user.
    Push,
    /// Ask for access, withdraw and give back.
    Request,
    /// Answer requests of others.
    Approve,
    /// Read the audit trail.
    Audit,
    /// Locks, revoking, whatever `[global] administer` gives.
    Administer,
}

impl Scope {
    /// Every scope there is.
    pub const ALL: [Self; 6] =
        [Self::Read, Self::Push, Self::Request, Self::Approve, Self::Audit, Self::Administer];
    /// What a token has if nothing is asked for.
    pub const DEFAULT: [Self; 2] = [Self::Read, Self::Push];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Push => "push",
            Self::Request => "request",
            Self::Approve => "approve",
            Self::Audit => "audit",
            Self::Administer => "administer",
        }
    }

    /// The scope that a word means.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.word() == word)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What of a token never changes after it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Whose it is.
    pub user: UserName,
    /// What it is for, in its maker's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Box<str>>,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// Where; empty is everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<Pattern>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// By whom, as the trail has it.
    pub by: Box<str>,
    /// It holds before this instant.
    pub until: DateTime<Utc>,
}

impl Terms {
    /// Whether it is good for a repository.
    ///
    /// # Errors
    /// [`Broken`]: a pattern can't be evaluated; it is a no.
    pub fn covers(&self, repository: &[u8]) -> Result<bool, Broken> {
        covers(&self.repositories, repository)
    }
}

/// Whether a list of patterns, empty for everywhere, is about a repository.
///
/// # Errors
/// [`Broken`]: a pattern can't be evaluated; it is a no.
pub fn covers(repositories: &[Pattern], repository: &[u8]) -> Result<bool, Broken> {
    if repositories.is_empty() {
        return Ok(true);
    }
    for pattern in repositories {
        if pattern.matches(repository, None)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A token, but for its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its name.
    pub id: TokenId,
    /// What was agreed.
    pub terms: Terms,
    /// When it was taken back, and by whom. Final.
    pub revoked: Option<(DateTime<Utc>, Box<str>)>,
    /// When it was last used, to the minute.
    pub last_used: Option<DateTime<Utc>>,
}

/// Whether a token is good at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Live,
    /// Its time is over.
    Ended,
    /// It was taken back.
    Revoked,
}

impl Standing {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Ended => "ended",
            Self::Revoked => "revoked",
        }
    }
}

impl Token {
    /// The instant from which it holds no more: its own end, or what `longest` (`[tokens]
    /// max-lifetime`) leaves of it today.
    #[must_use]
    pub fn ends(&self, longest: Span) -> DateTime<Utc> {
        let cap = self.terms.created.checked_add_signed(longest.delta());
        cap.map_or(self.terms.until, |cap| cap.min(self.terms.until))
    }

    /// What it is at `now`; `longest` is `None` where the policy has no `[tokens]`: none holds then.
    /// Before its making or its last use (a clock that was set back) it holds no more than after
    /// its end.
    #[must_use]
    pub fn standing(&self, now: DateTime<Utc>, longest: Option<Span>) -> Standing {
        let newest = self.last_used.map_or(self.terms.created, |used| used.max(self.terms.created));
        let live = |longest| now < self.ends(longest) && now + SKEW >= newest;
        match (&self.revoked, longest) {
            (Some(_), _) => Standing::Revoked,
            (None, Some(longest)) if live(longest) => Standing::Live,
            _ => Standing::Ended,
        }
    }

    /// Whether it holds at `now`.
    #[must_use]
    pub fn holds(&self, now: DateTime<Utc>, longest: Option<Span>) -> bool {
        self.standing(now, longest) == Standing::Live
    }
}

/// How far the clock may be behind what is known of a token.
const SKEW: chrono::TimeDelta = chrono::TimeDelta::seconds(2);

#[cfg(test)]
mod tests;
