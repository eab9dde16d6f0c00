//! Who sends a request.
//!
//! Knows in which order a token and the web server's own login count, and what the client is told
//! where neither does; not what the person may do. A credential that is not good is never taken
//! for none: else a wrong password would read what everybody may.

use super::answer::Answer;
use super::credentials::{Credentials, Secret};
use super::request::Request;
use crate::door::rest::Rest;
use crate::door::serve::Visitor;
use crate::door::token::{self, Held, TokenRefusal};
use crate::hook::desk::Desk;
use crate::hook::identity::Users;
use crate::pusher::token::PREFIX;
use crate::pusher::{Evidence, Source, resolve};

/// Somebody whom the policy knows, and how they were known.
#[derive(Debug, Clone)]
pub struct Person {
    /// Who.
    pub visitor: Visitor,
    /// By which source of the policy.
    pub source: Source,
    /// The token they showed; `None` where the web server knew them.
    pub held: Option<Held>,
}

impl Person {
    /// `you are alice (http, token:7f3k92qd)`
    #[must_use]
    pub fn line(&self) -> String {
        match &self.visitor.key {
            Some(key) => format!("you are {} ({}, {key})", self.visitor.user, self.source),
            None => format!("you are {} ({})", self.visitor.user, self.source),
        }
    }
}

/// Names the sender of `request`; `None` where nothing says who that is.
///
/// # Errors
/// What to answer to somebody who did not say it well: 401, 403, 429, 503.
pub fn identify(desk: &Desk, rest: &Rest, request: &Request) -> Result<Option<Person>, Answer> {
    let sources = &desk.policy.settings().sources;
    let by_token = sources.contains(&Source::Http);
    match &request.credentials {
        // Before the web server's own login: some set `REMOTE_USER` to whatever name stands beside.
        Credentials::Secret(secret) if by_token && secret.expose().starts_with(PREFIX) => {
            shown(desk, rest, request, secret).map(Some)
        }
        _ if sources.contains(&Source::RemoteUser) && request.remote_user.is_some() => {
            by_server(desk, request).map(Some)
        }
        Credentials::None => Ok(None),
        Credentials::Secret(secret) if by_token => shown(desk, rest, request, secret).map(Some),
        Credentials::Secret(_) | Credentials::Malformed => Err(not_good(desk)),
    }
}

/// Whoever shows a token.
fn shown(desk: &Desk, rest: &Rest, request: &Request, secret: &Secret) -> Result<Person, Answer> {
    let address = request.address.map(|address| address.to_string());
    let counted = address.as_deref().unwrap_or("unknown");
    // A good token is let in whatever others from its address have tried: nobody guesses one.
    let held = token::authenticate(desk, rest, secret.expose()).map_err(|refusal| {
        let waits = token::may_try(desk, counted);
        token::failed(desk, rest, counted, &refusal);
        match refusal {
            TokenRefusal::Bad(_) => waits.map_or_else(Answer::too_many, |()| not_good(desk)),
            TokenRefusal::Server(refusal) => Answer::server(&refusal),
        }
    })?;
    let visitor = Visitor {
        user: held.user.clone(),
        key: Some(held.key()),
        address,
        until: Some(held.until),
    };
    Ok(Person { visitor, source: Source::Http, held: Some(held) })
}

fn not_good(desk: &Desk) -> Answer {
    let words = format!("error: refused by refwarden: {}", TokenRefusal::WORDS);
    log_in(desk, &words)
}

/// 401: without credentials, or with some that are not good.
#[must_use]
pub fn log_in(desk: &Desk, words: &str) -> Answer {
    let settings = desk.policy.settings();
    let realm = settings.name.as_deref().unwrap_or("git");
    Answer::who_are_you(realm, [words].into_iter().chain(settings.help.as_deref()))
}

/// The web server has asked for a password itself.
fn by_server(desk: &Desk, request: &Request) -> Result<Person, Answer> {
    let address = request.address.map(|address| address.to_string());
    let variable = |name: &str| match name {
        "REMOTE_USER" => request.remote_user.clone(),
        "REMOTE_ADDR" => address.clone().map(String::into_bytes),
        _ => None,
    };
    let account = &desk.site.account;
    let evidence = Evidence { variable: &variable, account, certificate: None, door: None };
    let source = Source::RemoteUser;
    let found = resolve(std::slice::from_ref(&source), &evidence, &Users(&desk.policy));
    let pusher = found.map_err(|refusal| {
        let head =
            format!("error: refused by refwarden: {} {}", refusal.code, refusal.code.title());
        Answer::forbidden([head.as_str(), &refusal.words, &refusal.hint])
    })?;
    let visitor = Visitor { user: pusher.user, key: None, address, until: None };
    Ok(Person { visitor, source, held: None })
}
