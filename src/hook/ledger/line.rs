//! The trail's lines about requests and grants.
//!
//! Knows what an auditor asks of each: who, for whom, which refs and actions, why, by whose yes, for
//! how long. What a person names is bounded here, so that no line outgrows the trail.

use crate::access::request::spelled;
use crate::access::{Actor, Event, Id, Request, State, What};
use crate::audit::{self, Record, RefRecord, Text};
use crate::policy::refs::{RefPattern, RefScope};
use crate::text::Safe;
use chrono::{DateTime, SecondsFormat, Utc};

/// Most refs that a line lists.
const MAX_REFS: usize = 100;
/// Longest list of refs and longest scope, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// The trail's line about an event of a record; `state` is the record after it.
#[must_use]
pub fn line(id: &Id, state: &State, event: &Event) -> Record {
    let mut line = Record::new(word(&event.what), crate::os::host_name());
    let request = &state.request;
    line.actor = Some(actor(&event.by));
    line.repository = Some(Text::new(&request.repository));
    line.project = Some(Text::new(request.project.as_str()));
    line.request = Some(Text::new(id.as_str()));
    line.entitlement = Some(Text::new(request.entitlement.as_str()));
    line.reason = request.reason.as_ref().map(Text::new);
    line.ticket = request.ticket.as_ref().map(Text::new);
    line.approvers =
        state.approvals.iter().map(|(actor, _)| Text::new(actor.to_string())).collect();
    if state.terms.is_some() {
        line.grant = Some(Text::new(id.as_str()));
    }
    // The line's own time is never before the line before; this is the store's.
    line = line.with("at", stamp(event.at)).with("person", Text::new(request.person.as_str()));
    with_limits(with_words(with_scope(line, request), event), state)
}

/// The trail's word for an event of a record.
#[must_use]
pub fn word(what: &What) -> audit::Event {
    match what {
        What::Spent { .. } => audit::Event::ACCESS_USED,
        // A yes that others must follow lends nothing yet.
        What::Approved { terms: None, .. } => audit::Event::named("access.approval"),
        what => audit::Event::named(&format!("access.{}", what.word())),
    }
}

/// A time of the store, to the microsecond that the store keeps.
#[must_use]
pub fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// The refs of the refused push as it was seen, and what is asked for in patterns.
fn with_scope(mut line: Record, request: &Request) -> Record {
    let mut bytes = 0;
    let seen = request.seen.iter().take(MAX_REFS).take_while(|one| {
        bytes += one.name.len() + one.old.len() + one.new.len();
        bytes <= MAX_BYTES
    });
    line.refs = seen
        .map(|one| RefRecord {
            // Escaped already, by the type that people read; the trail has its own escapes.
            name: Text::new(Safe::read_back(&one.name)),
            old: Text::new(&one.old),
            new: Text::new(&one.new),
            action: Some(Text::new(&one.action)),
            ..RefRecord::default()
        })
        .collect();
    let left_out = request.seen.len() - line.refs.len();
    if left_out > 0 {
        line = line.with("refs-left-out", left_out.to_string());
    }
    let scope = request.parts().map(|(actions, refs)| part(&actions.to_string(), refs));
    line = line.with("scope", bounded(&scope.collect::<Vec<_>>().join("; ")));
    if let Some(paths) = &request.paths {
        line = line.with("paths", bounded(&paths.to_string()));
    }
    if !request.checks.is_empty() {
        line = line.with("checks", bounded(&request.checks.join(" ")));
    }
    if !request.pins.is_empty() {
        line = line.with("pinned", request.pins.len().to_string());
    }
    line
}

/// `create, update of refs/heads/release/* except refs/heads/release/1`
fn part(actions: &str, refs: &RefScope) -> String {
    let listed = |patterns: &[RefPattern]| {
        let shown: Vec<String> = patterns.iter().take(MAX_REFS).map(spelled).collect();
        match patterns.len().saturating_sub(MAX_REFS) {
            0 => shown.join(" "),
            more => format!("{} and {more} more", shown.join(" ")),
        }
    };
    let mut text = match refs.include.is_empty() {
        true => format!("{actions} of every branch and tag"),
        false => format!("{actions} of {}", listed(&refs.include)),
    };
    if !refs.exclude.is_empty() {
        text.push_str(" except ");
        text.push_str(&listed(&refs.exclude));
    }
    text
}

/// What somebody said with this event, and what else only this event tells.
fn with_words(mut line: Record, event: &Event) -> Record {
    if let Some(note) = event.what.note() {
        line = line.with("note", bounded(note));
    }
    if let What::ExtensionAsked { duration, reason, .. } = &event.what {
        line.reason = reason.as_ref().map(Text::new);
        line = line.with("more", duration.to_string());
    }
    line
}

fn with_limits(mut line: Record, state: &State) -> Record {
    let request = &state.request;
    line = match &state.terms {
        None => {
            let line = line.with("for", request.duration.to_string());
            let from = request.from.map(|from| line.clone().with("from", stamp(from)));
            from.unwrap_or(line)
        }
        Some(terms) => line.with("from", stamp(terms.from)).with("until", stamp(terms.until)),
    };
    if let Some(max) = state.terms.as_ref().map_or(request.max_uses, |terms| terms.max_uses) {
        line = line.with("uses", max.to_string());
    }
    if let Some(left) = state.uses_left() {
        line = line.with("uses-left", left.to_string());
    }
    line
}

fn bounded(text: &str) -> Text {
    let kept = text.floor_char_boundary(MAX_BYTES);
    match text.split_at_checked(kept) {
        Some((kept, rest)) if !rest.is_empty() => Text::new(format!("{kept}...")),
        _ => Text::new(text),
    }
}

/// An actor as the trail has it.
#[must_use]
pub fn actor(by: &Actor) -> audit::Actor {
    let who = match (&by.user, &by.server) {
        (Some(user), _) => user.to_string(),
        (None, Some(server)) => server.clone(),
        (None, None) => "refwarden".to_owned(),
    };
    audit::Actor {
        user: Some(Text::new(who)),
        source: by.server.as_ref().map_or(by.source.as_ref().map(Text::new), |server| {
            Some(Text::new(format!("server {server}")))
        }),
        key: by.key.as_ref().map(Text::new),
        address: by.address.as_ref().map(Text::new),
    }
}

#[cfg(test)]
mod tests;
