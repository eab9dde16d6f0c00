//! A record as a row of a table.

use super::super::view;
use super::books::Held;
use crate::access::{Phase, Record, State, What};
use crate::text::{Safe, csv};
use chrono::{DateTime, Utc};

/// Longest cell, in bytes.
const MAX_CELL: usize = 8000;

const COLUMNS: [&str; 28] = [
    "id",
    "state",
    "person",
    "entitlement",
    "project",
    "repository",
    "what",
    "asked_at",
    "asked_by",
    "reason",
    "ticket",
    "approvers",
    "approved_at",
    "from",
    "until",
    "extended_by",
    "ended_at",
    "ended_by",
    "notes",
    "break_glass",
    "attested",
    "attested_by",
    "max_uses",
    "uses_spent",
    "pushes",
    "pushed",
    "in_trail",
    "chain",
];

/// The row of column names.
pub fn head() -> String {
    csv::row(COLUMNS)
}

/// The row of a record; `chain` is what verifying the trail's chain has shown.
pub fn row(
    record: &Record,
    state: &State,
    held: &Held,
    (now, chain): (DateTime<Utc>, &str),
) -> String {
    let request = &state.request;
    let terms = state.terms.as_ref();
    let closed = matches!(state.phase, Phase::Closed);
    let when = |is_it: fn(&What) -> bool| record.events.iter().filter(move |e| is_it(&e.what));
    let approved = when(|what| matches!(what, What::Approved { terms: Some(_), .. })).next();
    let extended = when(|what| matches!(what, What::ExtensionApproved { .. }));
    let attested = when(|what| matches!(what, What::Attested { .. })).next();
    let approvers: Vec<String> = state.approvals.iter().map(|(by, _)| by.to_string()).collect();
    let notes = record.events.iter().filter_map(|event| {
        Some(format!("{} ({}): {}", event.by, event.what.word(), event.what.note()?))
    });
    let pushed = held.uses.iter().map(|one| match &one.push {
        Some(push) => format!("{} push {push}", view::stamp(one.at)),
        None => view::stamp(one.at),
    });
    let glass = terms.is_some_and(|terms| terms.break_glass);
    let if_glass = |text: String| if glass { text } else { String::new() };
    let if_closed = |text: String| if closed { text } else { String::new() };
    let cells: [String; 28] = [
        record.id.to_string(),
        view::word(state, now).to_owned(),
        request.person.to_string(),
        request.entitlement.to_string(),
        request.project.to_string(),
        request.repository.clone(),
        view::what(request),
        view::stamp(state.asked_at),
        state.asked_by.to_string(),
        request.reason.clone().unwrap_or_default(),
        request.ticket.clone().unwrap_or_default(),
        approvers.join(", "),
        approved.map(|event| view::stamp(event.at)).unwrap_or_default(),
        terms.map(|terms| view::stamp(terms.from)).unwrap_or_default(),
        terms.map(|terms| view::stamp(terms.until)).unwrap_or_default(),
        extended.map(|event| event.by.to_string()).collect::<Vec<_>>().join(", "),
        if_closed(view::stamp(state.last.2)),
        if_closed(format!("{} ({})", state.last.1, state.last.0)),
        notes.collect::<Vec<_>>().join("; "),
        glass.to_string(),
        if_glass((!state.unattested).to_string()),
        attested.map(|event| event.by.to_string()).unwrap_or_default(),
        terms.and_then(|terms| terms.max_uses).map(|uses| uses.to_string()).unwrap_or_default(),
        state.uses.spent.to_string(),
        held.uses.len().to_string(),
        pushed.collect::<Vec<_>>().join("; "),
        held.words(),
        chain.to_owned(),
    ];
    csv::row(cells.map(|cell| Safe::new(cell.as_bytes(), MAX_CELL).to_string()))
}
