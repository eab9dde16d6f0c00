//! Who somebody is by a personal access token: the secret they show, held against the table.
//!
//! Knows when a token opens a door, and how failures are told and bounded. To the outside every
//! failure is the same; the trail and syslog say which it was. What the token then lets do is asked
//! of [`Held`] by the door, and once more by the hooks at a push.

use super::rest::Rest;
use crate::audit::{Actor, Event, PolicyRecord, Record, Text};
use crate::hook::Refusal;
use crate::hook::desk::{Desk, hex};
use crate::hook::tokens;
use crate::os::clock;
use crate::os::syslog::{self, Severity};
use crate::policy::name::UserName;
use crate::policy::pattern::Pattern;
use crate::pusher::token::{self, Scope, Secret, SecretHash, Standing, TokenId};
use crate::store::door_key;
use crate::store::fails::Fails;
use crate::store::sqlite::token_brief;
use crate::text::Safe;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;
use std::time::Duration;

/// A token that opened a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its id, without a prefix; [`Held::key`] is what a door's statement names.
    pub id: String,
    /// Whose it is: an active user of the policy.
    pub user: UserName,
    /// What it is for.
    pub scopes: BTreeSet<Scope>,
    /// Where it is good; empty is everywhere.
    pub repositories: Vec<Pattern>,
    /// It holds before this instant.
    pub until: DateTime<Utc>,
}

impl Held {
    /// Whether it is for this.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Whether it is good for a repository; where that can't be told, it is not.
    #[must_use]
    pub fn covers(&self, repository: &[u8]) -> bool {
        token::covers(&self.repositories, repository).unwrap_or(false)
    }

    /// As a door's statement names it: `token:7f3k92qd`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}{}", token::KEY, self.id)
    }
}

/// Why a secret opens nothing. Nobody outside learns which it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Another password, or cut short.
    Form,
    /// Mistyped: the checksum does not fit.
    Mistyped,
    /// No token has this id, or its secret is another one.
    Unknown(TokenId),
    /// The token's time is over.
    Ended(TokenId, UserName),
    /// The token was taken back.
    Revoked(TokenId, UserName),
    /// Its user is not, or no longer, an active user of the policy.
    Inactive(TokenId, UserName),
}

/// Why nobody was let in.
#[derive(Debug)]
pub enum TokenRefusal {
    /// It is the client's fault: 401, in [`TokenRefusal::WORDS`].
    Bad(Why),
    /// It can't be told: 503, the words are for the admin.
    Server(Refusal),
}

impl TokenRefusal {
    /// All that a client is told, whatever was wrong.
    pub const WORDS: &str = "the token is unknown, has ended or was revoked";

    /// Whether it may have been a guess: whoever has the secret of an ended token guesses nothing.
    #[must_use]
    pub const fn is_guess(&self) -> bool {
        matches!(self, Self::Bad(Why::Form | Why::Mistyped | Why::Unknown(_)))
    }
}

/// Whose token `secret` is, if it holds now.
///
/// # Errors
/// [`TokenRefusal`]; tell it to [`failed`].
pub fn authenticate(desk: &Desk, rest: &Rest, secret: &str) -> Result<Held, TokenRefusal> {
    let secret = Secret::parse(secret).map_err(|error| {
        TokenRefusal::Bad(match error {
            token::SecretError::Form => Why::Form,
            token::SecretError::Sum => Why::Mistyped,
        })
    })?;
    let found = match tokens::briefed(desk, secret.id()).map_err(|error| server(&error))? {
        Some(found) => Some(found),
        None => (rest.token)(desk, secret.id()).map_err(TokenRefusal::Server)?,
    };
    let (found, kept) = found.unzip();
    // An unknown id costs the same comparison as a wrong secret.
    let same = secret.hash() == kept.unwrap_or(SecretHash::kept([0; 32]));
    let Some(token) = found.filter(|_| same) else {
        return Err(TokenRefusal::Bad(Why::Unknown(secret.id().clone())));
    };
    let now = clock::now().wall;
    let longest = desk.policy.settings().tokens.as_ref().map(|tokens| tokens.max_lifetime);
    let named = |why: fn(TokenId, UserName) -> Why| {
        TokenRefusal::Bad(why(token.id.clone(), token.terms.user.clone()))
    };
    match (token.standing(now, longest), longest) {
        (Standing::Revoked, _) => Err(named(Why::Revoked)),
        (Standing::Ended, _) | (_, None) => Err(named(Why::Ended)),
        (Standing::Live, Some(longest)) => {
            let user = desk
                .policy
                .user(&token.terms.user)
                .map_err(|error| TokenRefusal::Server(Refusal::server(error.code(), &error)))?;
            if !user.is_some_and(|user| user.declared.active) {
                return Err(named(Why::Inactive));
            }
            if token.last_used.is_none_or(|used| used + TOUCH <= now) {
                touch(desk, &token.id, now);
            }
            let until = token.ends(longest);
            let token::Terms { user, scopes, repositories, .. } = token.terms;
            Ok(Held { id: token.id.as_str().to_owned(), user, scopes, repositories, until })
        }
    }
}

/// A use is noted again after so long: as [`crate::store::tokens::USED_APART`].
const TOUCH: TimeDelta = crate::store::tokens::USED_APART;

/// That it was used; where that can't be noted now, the next use is.
fn touch(desk: &Desk, id: &TokenId, now: DateTime<Utc>) {
    let site = &desk.site;
    let _ = token_brief::note_use(&site.state, site.account_uid, id, now);
}

fn server(error: &tokens::TokensError) -> TokenRefusal {
    TokenRefusal::Server(Refusal::server(error.code(), error))
}

/// Whether a client's address may try a token now: not after 20 failures within five minutes.
///
/// # Errors
/// How long it has to wait: 429 with `Retry-After`. Ask before [`authenticate`].
pub fn may_try(desk: &Desk, address: &str) -> Result<(), Duration> {
    let key = door_key::read(&desk.site.state, desk.site.account_uid);
    let wait = key
        .ok()
        .and_then(|key| Fails::new(&desk.site.state, &key).wait(address, clock::now().wall));
    wait.map_or(Ok(()), Err)
}

/// Counts a failure against a client's address where it may have been a guess, and tells the admin:
/// syslog of each, the trail of tokens that were once good, at most once in ten minutes each.
pub fn failed(desk: &Desk, rest: &Rest, address: &str, refusal: &TokenRefusal) {
    let now = clock::now().wall;
    if refusal.is_guess()
        && let Ok(key) = door_key::read(&desk.site.state, desk.site.account_uid)
    {
        Fails::new(&desk.site.state, &key).count(address, now);
    }
    // First of all: the doors' own program leaves that, and all that follows, to another.
    if let TokenRefusal::Bad(why) = refusal
        && let Some((id, user)) = why.of()
    {
        tell(desk, rest, address, (id, user, why));
    }
    let words = match refusal {
        TokenRefusal::Server(refusal) => refusal.for_admin(),
        TokenRefusal::Bad(why) => why.for_admin(),
    };
    let from = Safe::new(address.as_bytes(), 64);
    let _ = syslog::send(Severity::Warning, &format!("token refused, from {from}: {words}"));
}

fn tell(desk: &Desk, rest: &Rest, address: &str, (id, user, why): (&TokenId, &UserName, &Why)) {
    let now = clock::now().wall;
    if !(rest.token_refused)(desk, id, now) {
        return;
    }
    let mut line = Record::new(Event::TOKEN_REFUSED, crate::os::host_name());
    line.actor = Some(Actor {
        user: Some(Text::new(user.as_str())),
        source: Some(Text::new("http")),
        key: Some(Text::new(id.key())),
        address: Some(Text::new(address)),
    });
    line.reason = Some(Text::new(why.for_admin()));
    line.policy = Some(PolicyRecord { digest: Text::new(hex(&desk.digest)) });
    if let Err(error) = desk.trail().append(&line, now) {
        let words = format!("a refused token was not recorded: {error}");
        let _ = syslog::send(Severity::Error, &words);
    }
}

impl Why {
    /// What it was, for trail and syslog; never holds anything of the secret.
    #[must_use]
    pub fn for_admin(&self) -> String {
        match self {
            Self::Form => "it is not a token".into(),
            Self::Mistyped => "it is mistyped".into(),
            Self::Unknown(id) => format!("there is no token {id} with this secret"),
            Self::Ended(id, user) => format!("token {id} of {user} has ended"),
            Self::Revoked(id, user) => format!("token {id} of {user} was revoked"),
            Self::Inactive(id, user) => {
                format!("token {id} is of {user}, who is not an active user of the policy")
            }
        }
    }

    /// The token whose secret was shown.
    const fn of(&self) -> Option<(&TokenId, &UserName)> {
        match self {
            Self::Form | Self::Mistyped | Self::Unknown(_) => None,
            Self::Ended(id, user) | Self::Revoked(id, user) | Self::Inactive(id, user) => {
                Some((id, user))
            }
        }
    }
}

#[cfg(test)]
mod tests;
