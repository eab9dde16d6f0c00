//! The interface for programs: what a request needs before its verb may run.
//!
//! Knows the order: is the address there, who asks, is their token for it, is the body what it has to
//! be. What a verb does and who may do it is the command's ([`crate::cli::access`]), told by
//! [`super::verbs`]. Every change is posted as JSON with a token: no page of another site can make a
//! browser send that.

use super::answer;
use super::fields::Fields;
use super::route::{self, DOCUMENT, Found, Route};
use crate::cli::access::{Caller, Office};
use crate::cli::exit::Exit;
use crate::cli::site::Here;
use crate::cli::{Failure, access};
use crate::door::http::answer::Answer;
use crate::door::http::request::{Bad, Method, Request};
use crate::door::http::who::{self, Person};
use crate::door::rest::Rest;
use crate::hook::desk::Desk;
use crate::policy::name::UserName;
use crate::pusher::token::Scope;
use std::io::Read;
use std::time::Duration;

/// The document that describes the interface.
pub const OPENAPI: &str = include_str!("../../../docs/openapi.json");
/// Longest body, in bytes.
const MAX_BODY: u64 = 64 * 1024;
/// How long it may take to come: 64 KiB on a line of 60 kbit/s.
const BODY_WAIT: Duration = Duration::from_secs(10);

/// A request that may be answered: who asks, for what.
pub struct Asked<'a> {
    /// What the door has before it.
    pub desk: &'a Desk,
    /// The site and its applied policy, as verbs take it.
    pub here: &'a Here,
    /// Who asks.
    pub person: &'a Person,
    /// The id in the address; empty where there is none.
    pub id: String,
    /// What the client calls this attempt.
    pub idempotency_key: Option<String>,
}

impl Asked<'_> {
    /// Who asks.
    #[must_use]
    pub const fn user(&self) -> &UserName {
        &self.person.visitor.user
    }

    /// Whether the token is for one of these; without a token the web server's own login is.
    #[must_use]
    pub fn has(&self, scopes: &[Scope]) -> bool {
        has(self.person, scopes)
    }

    /// Whether the token is good for a repository.
    #[must_use]
    pub fn covers(&self, repository: &str) -> bool {
        self.person.held.as_ref().is_none_or(|held| held.covers(repository.as_bytes()))
    }

    /// Whether the token is for some repositories alone.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.person.held.as_ref().is_some_and(|held| !held.repositories.is_empty())
    }

    /// As access and the trail have them.
    #[must_use]
    pub fn caller(&self) -> Caller {
        let visitor = self.person.visitor.clone();
        let source = self.person.source.to_string();
        Caller::at_door(visitor.user, source, visitor.key, visitor.address)
    }

    /// The office for a verb, for somebody who is active.
    ///
    /// # Errors
    /// There is no store, or it can't be used.
    pub fn office(&self, verb: &access::Verb) -> anyhow::Result<Office<'_>> {
        let office = Office::open(self.here, self.caller(), access::mode(verb))?;
        office.person()?;
        Ok(office)
    }
}

fn has(person: &Person, scopes: &[Scope]) -> bool {
    person.held.as_ref().is_none_or(|held| scopes.iter().any(|scope| held.may(*scope)))
}

/// Answers a request for what follows the interface's own address.
#[must_use]
pub fn answer(desk: &Desk, request: &Request, rest: &[u8]) -> Answer {
    if rest == DOCUMENT.as_bytes() {
        return match request.method {
            Method::Get | Method::Head => Answer::json("200 OK", OPENAPI.trim_end().into()),
            _ => Answer::bad(Bad::Method("GET, HEAD")),
        };
    }
    let (route, id) = match route::find(request.method, rest) {
        Found::Route(route, id) => (route, id),
        Found::Method(allow) => return Answer::bad(Bad::Method(allow)),
        Found::Nothing => return Answer::bad(Bad::NoSuchAddress),
    };
    let person = match who::identify(desk, &Rest::WHOLE, request) {
        Ok(Some(person)) => person,
        Ok(None) => return who::log_in(desk, "show a token: `Authorization: Bearer rwt_...`"),
        Err(answer) => return answer,
    };
    match admitted(request, route, &person) {
        Ok(fields) => run(desk, request, (route, id), &person, fields),
        Err(answer) => answer,
    }
}

/// What the request says, if its token is for this and its body is what it has to be.
fn admitted(request: &Request, route: &Route, person: &Person) -> Result<Vec<u8>, Answer> {
    if !has(person, route.scopes) {
        let words: Vec<String> = route.scopes.iter().map(|one| format!("`{one}`")).collect();
        let words = format!("your token has no scope {}", words.join(" or "));
        return Err(Answer::error("403 Forbidden", &words));
    }
    if route.method == Method::Get {
        return Ok(request.query.clone());
    }
    if !request.query.is_empty() {
        return Err(Answer::error("400 Bad Request", "this address takes no query"));
    }
    if request.body.is_gzip || !is_json(&request.body.content_type) {
        return Err(Answer::bad(Bad::Type));
    }
    body(request)
}

/// `application/json`, with or without saying that it is UTF-8.
fn is_json(content_type: &[u8]) -> bool {
    let mut parts = content_type.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let is = |part: Option<&[u8]>, wanted: &[u8]| {
        part.is_some_and(|part| part.eq_ignore_ascii_case(wanted))
    };
    let kind = is(parts.next(), b"application/json");
    kind && match parts.next() {
        None => true,
        charset => is(charset, b"charset=utf-8") && parts.next().is_none(),
    }
}

fn body(request: &Request) -> Result<Vec<u8>, Answer> {
    let too_large = || {
        let words = format!("a body has at most {MAX_BODY} bytes");
        Answer::error("413 Content Too Large", &words)
    };
    let most = request.body.length.unwrap_or(MAX_BODY + 1);
    if request.body.length.is_some_and(|length| length > MAX_BODY) {
        return Err(too_large());
    }
    let Some(read) = in_time(BODY_WAIT, move || {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().take(most).read_to_end(&mut bytes);
        read.ok().map(|_| bytes)
    }) else {
        return Err(Answer::error("408 Request Timeout", "the body did not come in time"));
    };
    let bytes = read.unwrap_or_default();
    match u64::try_from(bytes.len()).unwrap_or(u64::MAX) {
        read if read > MAX_BODY => Err(too_large()),
        // Half a body is none: what was cut off may have been the limit.
        read if request.body.length.is_none_or(|length| length == read) => Ok(bytes),
        _ => Err(Answer::error("400 Bad Request", "the body is cut short")),
    }
}

/// What `work` gives, if that is there before the deadline; its thread ends with the process.
fn in_time<T: Send + 'static>(
    wait: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    is_done.recv_timeout(wait).ok()
}

fn run(
    desk: &Desk,
    request: &Request,
    (route, id): (&Route, String),
    person: &Person,
    said: Vec<u8>,
) -> Answer {
    let done = || -> anyhow::Result<Answer> {
        let fields = match route.method {
            Method::Get => Fields::of_query(&said)?,
            _ => Fields::of_body(&said)?,
        };
        let key = request.idempotency_key.clone().map(String::from_utf8).transpose();
        let idempotency_key =
            key.map_err(|_| Failure::new(Exit::Usage, "`Idempotency-Key` is not plain text"))?;
        let here = Here::open()?;
        (route.run)(&Asked { desk, here: &here, person, id, idempotency_key }, fields)
    };
    done().unwrap_or_else(|error| answer::error(desk, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_another_site_is_not_json() {
        for good in [
            "application/json",
            "Application/JSON ; charset=UTF-8",
            "application/json;charset=utf-8",
        ] {
            assert!(is_json(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=application/json",
            "text/plain; application/json",
            "application/json; charset=utf-16",
            "application/json, text/plain",
            "application/jsonp",
        ] {
            assert!(!is_json(bad.as_bytes()), "{bad}");
        }
    }
}
