//! What a door asks of others than the small files beside the store: the store itself, the table of
//! tokens, and refwarden's own interface for programs.
//!
//! The doors' own program holds none of that, and so starts in a fraction of the time: where one of
//! these is asked for there, it becomes `refwarden`, which begins anew. Until then it has read nothing
//! of what the client sends, and written nothing down.

use super::http::Api;
use crate::hook::Refusal;
use crate::hook::desk::Desk;
use crate::hook::lent::{self, Access};
use crate::hook::tokens;
use crate::pusher::token::{SecretHash, Token, TokenId};
use crate::store::open::Mode;
use crate::store::tokens::TokenStore;
use chrono::{DateTime, Utc};

/// What of a token is kept.
pub type Kept = Option<(Token, SecretHash)>;

/// Who is asked.
#[derive(Clone, Copy)]
pub struct Rest {
    /// Opens the store, held against trail and clock.
    pub store: fn(&Desk) -> Result<Access, Refusal>,
    /// The store's version now.
    pub version: fn(&Desk) -> Option<u64>,
    /// Looks a token up in the table.
    pub token: fn(&Desk, &TokenId) -> Result<Kept, Refusal>,
    /// Notes that a token which no longer holds was tried; says whether it was noted.
    pub token_refused: fn(&Desk, &TokenId, DateTime<Utc>) -> bool,
    /// Answers programs; `None` where that needs the whole program.
    pub api: Option<Api>,
}

impl Rest {
    /// All of it, but the interface for programs, which is the command's.
    pub const WHOLE: Self = Self { store: lent::opened, version, token, token_refused, api: None };
}

fn version(desk: &Desk) -> Option<u64> {
    Some(desk.store().ok()??.status().ok()?.version)
}

fn token(desk: &Desk, id: &TokenId) -> Result<Kept, Refusal> {
    tokens::looked_up(desk, id).map_err(|error| Refusal::server(error.code(), &error))
}

fn token_refused(desk: &Desk, id: &TokenId, now: DateTime<Utc>) -> bool {
    let site = &desk.site;
    let store = TokenStore::open(&site.state, site.account_uid, Mode::Write).ok().flatten();
    store.is_some_and(|store| store.refused(id, now).unwrap_or(false))
}
