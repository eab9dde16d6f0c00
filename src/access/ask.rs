//! From a wish to a request that an entitlement takes, and from a yes to the grant's limits.
//!
//! Knows caps, reasons and tickets; whether the person is eligible and the refs are covered is the
//! decision's matter, because it is looked at at every use.

use super::event::Terms;
use super::record::State;
use super::request::Request;
use crate::policy::model::Entitlement;
use crate::policy::name::EntitlementName;
use crate::policy::pattern::Pattern;
use crate::policy::span::Span;
use chrono::{DateTime, Utc};

/// Shortest reason, in characters, white space at the ends not counted.
pub const MIN_REASON: usize = 10;

/// What is wished for beside the scope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// For how long; the entitlement's default where it is not said.
    pub duration: Option<Span>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Pushes that may land.
    pub uses: Option<u32>,
    /// The asker's words.
    pub reason: Option<String>,
    /// The ticket.
    pub ticket: Option<String>,
}

/// Fits a wish into an entitlement: `request` brings person and scope, and takes the rest.
///
/// # Errors
/// Every rule of the entitlement that the wish breaks, in words for the asker.
pub fn fit(
    wish: Wish,
    mut request: Request,
    entitlement: &Entitlement,
    now: DateTime<Utc>,
) -> Result<Request, Vec<String>> {
    let name = request.entitlement.clone();
    let mut wrong = Vec::new();
    let duration = wish.duration.unwrap_or(entitlement.default_duration);
    if duration > entitlement.max_duration {
        wrong.push(format!("`{name}` lends for at most {}", entitlement.max_duration));
    }
    if let Some(from) = wish.from
        && from > now + entitlement.max_ahead.delta()
    {
        wrong.push(format!("`{name}` may begin at most {} ahead", entitlement.max_ahead));
    }
    let begins = wish.from.unwrap_or(now).max(now);
    if entitlement.max_until.is_some_and(|end| begins >= end) {
        wrong.push(format!("`{name}` lends nothing any more"));
    }
    match (wish.uses, entitlement.max_uses) {
        (Some(wanted), Some(most)) if wanted > most => {
            wrong.push(format!("`{name}` lends at most {most} uses"));
        }
        _ => {}
    }
    wrong.extend(reason(&name, wish.reason.as_deref(), entitlement));
    let ticket = ticket(&wish, entitlement);
    if entitlement.ticket.is_some() && ticket.is_none() {
        wrong.push(ticket_words(&name, entitlement));
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    request.duration = duration;
    request.from = wish.from.filter(|from| *from > now);
    request.max_uses = wish.uses.or(entitlement.max_uses);
    request.reason = wish.reason;
    request.ticket = ticket.or(wish.ticket);
    request.pending_until = now + entitlement.pending.delta();
    Ok(request)
}

/// Whether an entitlement would still take a request that was filed before: its rules may have been
/// tightened since.
///
/// # Errors
/// As [`fit`].
pub fn still_fits(
    request: &Request,
    entitlement: &Entitlement,
    now: DateTime<Utc>,
) -> Result<(), Vec<String>> {
    if entitlement.pin && request.pins.is_empty() {
        let name = &request.entitlement;
        return Err(vec![format!("`{name}` lends only the commits of a refused push")]);
    }
    let wish = Wish {
        duration: Some(request.duration),
        from: request.from,
        uses: request.max_uses,
        reason: request.reason.clone(),
        ticket: request.ticket.clone(),
    };
    fit(wish, request.clone(), entitlement, now).map(|_| ())
}

/// Whether an entitlement takes what was said for more time: a reason as for a request; and a ticket,
/// in the reason or the one that the request named.
///
/// # Errors
/// Every rule of the entitlement that it breaks, in words for the asker.
pub fn fits_more(
    request: &Request,
    said: Option<&str>,
    entitlement: &Entitlement,
) -> Result<(), Vec<String>> {
    let name = &request.entitlement;
    let mut wrong: Vec<String> = reason(name, said, entitlement).into_iter().collect();
    let new = Wish { reason: said.map(str::to_owned), ..Wish::default() };
    let old = Wish { ticket: request.ticket.clone(), ..Wish::default() };
    let named = ticket(&new, entitlement).or_else(|| ticket(&old, entitlement));
    if entitlement.ticket.is_some() && named.is_none() {
        wrong.push(ticket_words(name, entitlement));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

fn reason(
    name: &EntitlementName,
    given: Option<&str>,
    entitlement: &Entitlement,
) -> Option<String> {
    let length = given.map_or(0, |reason| reason.trim().chars().count());
    match (given, entitlement.reason_required) {
        (None, false) => None,
        (None, true) => Some(format!(
            "`{name}` asks for a reason: -o reason='at least {MIN_REASON} characters'"
        )),
        (Some(_), _) if length < MIN_REASON => {
            Some(format!("a reason has at least {MIN_REASON} characters"))
        }
        (Some(_), _) => None,
    }
}

fn ticket_words(name: &EntitlementName, entitlement: &Entitlement) -> String {
    let pattern = entitlement.ticket.as_ref().map(Pattern::text).unwrap_or_default();
    let pattern = pattern.strip_prefix("regex:").unwrap_or(pattern);
    format!("`{name}` asks for a ticket that matches `{pattern}`: -o ticket=, or in the reason")
}

/// The ticket: what `ticket=` gave, if it matches whole, else the first token of the reason that does.
fn ticket(wish: &Wish, entitlement: &Entitlement) -> Option<String> {
    let pattern = entitlement.ticket.as_ref()?;
    let fits = |text: &str| pattern.matches(text.as_bytes(), None).unwrap_or(false);
    if let Some(given) = &wish.ticket {
        return fits(given).then(|| given.clone());
    }
    let reason = wish.reason.as_deref().unwrap_or_default();
    tokens(reason).find(|token| fits(token)).map(ToOwned::to_owned)
}

/// Words of a text, cut at everything that can't stand in a ticket's name, so that what stands on
/// either side of a ticket is a boundary.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '#' | '/');
    text.split(move |c: char| !part(c)).filter(|token| !token.is_empty())
}

/// The limits of a grant that is approved at `now`; `cap` is a shorter cap, as `auto` has one.
///
/// # Errors
/// Words: the entitlement ends before the grant would begin.
pub fn terms(
    request: &Request,
    entitlement: &Entitlement,
    cap: Option<Span>,
    now: DateTime<Utc>,
) -> Result<Terms, String> {
    let from = request.from.unwrap_or(now).max(now);
    let longest = entitlement.max_duration.min(cap.unwrap_or(entitlement.max_duration));
    let until = from + request.duration.min(longest).delta();
    let until = entitlement.max_until.map_or(until, |end| until.min(end));
    if until <= from {
        return Err(format!("`{}` lends nothing any more", request.entitlement));
    }
    let max_uses = match (request.max_uses, entitlement.max_uses) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    Ok(Terms { from, until, max_uses, break_glass: false })
}

fn times(count: u32) -> String {
    if count == 1 { "once".into() } else { format!("{count} times") }
}

/// The end of a grant with more time.
///
/// # Errors
/// Words: the entitlement does not extend, or not so long or so often.
pub fn extended(
    state: &State,
    entitlement: &Entitlement,
    more: Option<Span>,
) -> Result<(Span, DateTime<Utc>), String> {
    let name = &state.request.entitlement;
    let Some(extend) = &entitlement.extend else {
        return Err(format!("`{name}` can't be extended: ask again when it has ended"));
    };
    let Some(terms) = &state.terms else { return Err("it is not approved yet".into()) };
    if state.extensions >= extend.times {
        return Err(format!("`{name}` is extended at most {}", times(extend.times)));
    }
    let more = more.unwrap_or(extend.max_duration);
    if more > extend.max_duration {
        return Err(format!("`{name}` is extended by at most {}", extend.max_duration));
    }
    let until = terms.until + more.delta();
    let until = entitlement.max_until.map_or(until, |end| until.min(end));
    if until <= terms.until {
        return Err(format!("`{name}` lends nothing after the grant's end"));
    }
    Ok((more, until))
}

#[cfg(test)]
mod tests;
