//! Tokens as doors and hooks ask about them: the table held against the trail, and one token held
//! against the clock and the policy of now.
//!
//! Knows when a token is believed; its rules stand in `pusher::token`, its change in
//! [`super::token_ledger`].

use super::Refusal;
use super::desk::Desk;
use crate::audit::{Text, Trail, TrailError};
use crate::code::Code;
use crate::os::clock;
use crate::os::site::Site;
use crate::policy::model::Settings;
use crate::policy::name::UserName;
use crate::pusher::token::{Scope, SecretHash, Standing, Token, TokenId, covers};
use crate::store::access::StoreError;
use crate::store::open::Mode;
use crate::store::sqlite::token_brief::{self, Before};
use crate::store::tokens::{Mark, TokenStore};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// Why tokens can't be asked about.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The table can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is older than the trail says, or the trail can't be read.
    #[error(transparent)]
    Trail(#[from] TrailError),
}

impl TokensError {
    /// The code of the refusal.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Store(StoreError::Trust(_)) => Code::NotTrusted,
            Self::Store(_) => Code::Store,
            Self::Trail(error) => error.code(),
        }
    }
}

/// The version of the table that is known of: by the trail, or where that tells of a store that
/// several hosts share, by the mark beside it.
///
/// # Errors
/// It can't be read.
pub fn known(
    settings: &Settings,
    trail: &Trail<'_>,
    now: DateTime<Utc>,
) -> Result<Option<u64>, TrailError> {
    match &settings.shared_store {
        Some(_) => Ok(Mark::beside(trail.path()).read()?),
        None => trail.known_store(&Text::new(crate::os::host_name()), now),
    }
}

/// Opens the table, and refuses one that is older than what is known of it: tokens that were
/// revoked since its copy would live again. `None` where there never was one.
///
/// # Errors
/// [`TokensError`]: no token counts.
pub fn opened(
    site: &Site,
    settings: &Settings,
    trail: &Trail<'_>,
    mode: Mode,
) -> Result<Option<TokenStore>, TokensError> {
    // What is known first: a change in between makes the table newer, never older.
    let known = known(settings, trail, clock::now().wall)?;
    let store = TokenStore::open(&site.state, site.account_uid, mode)?;
    let version = store.as_ref().map(TokenStore::version).transpose()?;
    TrailError::of_store(version, known)?;
    Ok(store)
}

/// A token as its brief has it, where that counts and the table is not older than what is known of it.
///
/// # Errors
/// [`TokensError`]: no token counts.
pub fn briefed(desk: &Desk, id: &TokenId) -> Result<Option<(Token, SecretHash)>, TokensError> {
    let known = known(desk.policy.settings(), &desk.trail(), desk.now.wall)?;
    let found = token_brief::read(&desk.site.state, desk.site.account_uid, id);
    let right = |version| TrailError::of_store(Some(version), known).is_ok();
    Ok(found.filter(|(version, ..)| right(*version)).map(|(_, token, hash)| (token, hash)))
}

/// A token as the table has it; takes a brief of it for whoever asks next.
///
/// # Errors
/// [`TokensError`]: no token counts.
pub fn looked_up(desk: &Desk, id: &TokenId) -> Result<Option<(Token, SecretHash)>, TokensError> {
    let (state, account) = (&desk.site.state, desk.site.account_uid);
    let before = Before::look(state, account);
    let store = opened(&desk.site, desk.policy.settings(), &desk.trail(), Mode::Read)?;
    let Some(store) = store else { return Ok(None) };
    let found = store.find(id)?;
    if let (Some(before), Some((token, hash))) = (before, &found) {
        let _ = before.take(account, store.version()?, (token, hash), desk.now.wall);
    }
    Ok(found)
}

/// What the token behind a push lets it do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfPush {
    /// Which.
    pub id: TokenId,
    /// What for.
    pub scopes: BTreeSet<Scope>,
    /// Until when.
    pub until: DateTime<Utc>,
}

/// Looks the token up again with which a door let somebody in: it may have ended or been taken back
/// since, and a door checks no push.
///
/// # Errors
/// [`Refusal`] RW102: it holds no more, is another person's, has no scope `push`, or is not for this
/// repository; RW504 and its like where it can't be looked up.
pub fn of_push(
    desk: &Desk,
    id: &TokenId,
    user: &UserName,
    place: Option<&[u8]>,
) -> Result<OfPush, Refusal> {
    let settings = desk.policy.settings();
    let found = match briefed(desk, id) {
        Ok(None) => looked_up(desk, id),
        other => other,
    };
    let found = found.map_err(|error| Refusal::server(error.code(), &error))?;
    let no = |words: &str| Refusal::new(Code::UnknownUser, [format!("your token {id} {words}")]);
    let Some((token, _)) = found else { return Err(no("is not known here")) };
    let longest = settings.tokens.as_ref().map(|tokens| tokens.max_lifetime);
    match (token.standing(clock::now().wall, longest), longest) {
        (Standing::Live, Some(longest)) => {
            if token.terms.user != *user {
                return Err(no("is not yours"));
            }
            if !token.terms.scopes.contains(&Scope::Push) {
                return Err(no("has no scope `push`"));
            }
            let place = place.unwrap_or_default();
            let here = covers(&token.terms.repositories, place)
                .map_err(|broken| Refusal::server(Code::Internal, &broken))?;
            if !here {
                return Err(no("is not for this repository"));
            }
            let until = token.ends(longest);
            Ok(OfPush { id: token.id, scopes: token.terms.scopes, until })
        }
        (Standing::Revoked, _) => Err(no("was revoked")),
        _ => Err(no("has ended")),
    }
}
