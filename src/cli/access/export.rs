//! `access export`: the complete population of requests and grants of a time, for an auditor.
//!
//! Everything that was asked for, lent or ended within the time is in it, whatever became of it, and
//! the result of walking the trail's chain stands beside it.

use super::failure::store_failure;
use super::office::Office;
use super::view;
use crate::access::{Id, Phase, Record, State};
use crate::audit::{self, Event, Record as Line, Text};
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::cli::{Failure, when};
use crate::os::clock;
use crate::store::access::Filter;
use chrono::{DateTime, TimeDelta, Utc};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How many records are read at once.
const PAGE: usize = 2000;

/// Arguments of `access export`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: refwarden access export --from 2026-07-01T00:00:00Z --to 2026-10-01T00:00:00Z --format csv"
)]
pub struct Args {
    /// From this time on: 2026-11-22T10:00:00Z, or 30d, 12h, 15m ago.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before this time; now, without it.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// `jsonl`: a head, one record a line, an end; `csv`: one row a record.
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Format,
}

/// Form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON value a line.
    Jsonl,
    /// Comma-separated values.
    Csv,
}

const COLUMNS: [&str; 22] = [
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
    "ended_at",
    "ended_by",
    "break_glass",
    "attested",
    "max_uses",
    "uses_spent",
    "chain",
];

/// Exports.
///
/// # Errors
/// Who may not; store or trail can't be read.
pub fn run(office: &Office<'_>, args: &Args, out: &Out) -> anyhow::Result<Exit> {
    if !office.sees_all()? {
        let words = "an export is for root, the hosting account, and those in [global] audit";
        return Err(Failure::new(Exit::Refused, words).into());
    }
    let now = clock::now().wall;
    let from = args.from.as_deref().map(|text| when::parse(text, now)).transpose()?;
    let from = from.unwrap_or(DateTime::UNIX_EPOCH);
    let to = args.to.as_deref().map(|text| when::parse(text, now)).transpose()?.unwrap_or(now);
    let host = Text::new(crate::os::host_name());
    let verified = office.here.trail().verify(&host, now, None)?;
    let sound = verified.is_sound();
    let chain = json!({
        "sound": sound,
        "lines": verified.lines,
        "first": verified.first,
        "last": verified.last.as_ref().map(|(seq, hash)| json!({ "seq": seq, "hash": hash.to_string() })),
        "bad": verified.bad.as_ref().map(|bad| format!("{}:{}: {}", bad.at.file.display(), bad.at.line, bad.problem)),
    });
    let shown = if sound { "whole" } else { "NOT whole" };
    match args.format {
        Format::Jsonl => out.value(&json!({
            "export": "access", "host": crate::os::host_name(),
            "from": view::stamp(from), "to": view::stamp(to), "made_at": view::stamp(now),
            "made_by": view::actor(&office.caller.actor), "chain": chain,
        })),
        Format::Csv => out.line(row(COLUMNS.map(str::to_owned)).trim_end()),
    }
    let count = each(office, (from, to), now, &mut |record, state| match args.format {
        Format::Jsonl => out.value(&as_json(record, state, now)),
        Format::Csv => out.line(row(cells(&record.id, record, state, (now, shown))).trim_end()),
    })?;
    if args.format == Format::Jsonl {
        out.value(&json!({ "records": count }));
    }
    note_reading(office, out);
    if !sound {
        out.note("the trail's chain is NOT whole: `refwarden audit verify` says where");
    }
    Ok(if sound { Exit::Done } else { Exit::Failed })
}

/// Hands on every record that lived in the time, page by page, oldest asked for last.
fn each(
    office: &Office<'_>,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    now: DateTime<Utc>,
    see: &mut dyn FnMut(&Record, &State),
) -> anyhow::Result<usize> {
    let (mut until, mut count) = (to, 0);
    let mut at_edge: BTreeSet<Id> = BTreeSet::new();
    loop {
        let filter = Filter { until: Some(until), limit: PAGE, ..Filter::default() };
        let page = office.store.list(&filter).map_err(|error| store_failure(&error))?;
        let full = page.len() == PAGE;
        let mut oldest = until;
        let mut seen: Vec<(DateTime<Utc>, Id)> = Vec::new();
        for record in page {
            let state = record.state().map_err(|illegal| {
                let words = format!("the record {} is damaged: {illegal}", record.id);
                Failure::new(Exit::Unavailable, words)
            })?;
            oldest = oldest.min(state.asked_at);
            seen.push((state.asked_at, record.id.clone()));
            if at_edge.contains(&record.id) {
                continue;
            }
            if over(&state).is_none_or(|end| end >= from || end > now) {
                count += 1;
                see(&record, &state);
            }
        }
        // Those asked for in the page's last microsecond are read again with the next.
        let next = oldest + TimeDelta::microseconds(1);
        if !full || next >= until {
            return Ok(count);
        }
        at_edge = seen.into_iter().filter(|(at, _)| *at < next).map(|(_, id)| id).collect();
        until = next;
    }
}

/// When it was over, or will be.
fn over(state: &State) -> Option<DateTime<Utc>> {
    match &state.phase {
        Phase::Closed => Some(state.last.2),
        Phase::Approved(terms) => Some(terms.until),
        Phase::Pending => Some(state.request.pending_until),
    }
}

fn as_json(record: &Record, state: &State, now: DateTime<Utc>) -> Value {
    let mut value = view::json(&record.id, state, now);
    let events: Vec<Value> = record
        .events
        .iter()
        .map(|e| json!({ "at": view::stamp(e.at), "event": e.what.word(), "by": view::actor(&e.by) }))
        .collect();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("events".into(), events.into());
    }
    value
}

fn cells(
    id: &Id,
    record: &Record,
    state: &State,
    (now, chain): (DateTime<Utc>, &str),
) -> [String; 22] {
    let request = &state.request;
    let terms = state.terms.as_ref();
    let closed = matches!(state.phase, Phase::Closed);
    let approved = record
        .events
        .iter()
        .find(|event| matches!(&event.what, crate::access::What::Approved { terms: Some(_), .. }));
    let approvers: Vec<String> = state.approvals.iter().map(|(by, _)| by.to_string()).collect();
    let glass = terms.is_some_and(|terms| terms.break_glass);
    [
        id.to_string(),
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
        if closed { view::stamp(state.last.2) } else { String::new() },
        if closed { format!("{} ({})", state.last.1, state.last.0) } else { String::new() },
        glass.to_string(),
        if glass { (!state.unattested).to_string() } else { String::new() },
        terms.and_then(|terms| terms.max_uses).map(|uses| uses.to_string()).unwrap_or_default(),
        state.uses.spent.to_string(),
        chain.to_owned(),
    ]
}

/// One row (RFC 4180), every cell escaped, and none of them a formula.
fn row<const N: usize>(cells: [String; N]) -> String {
    let cell = |text: &String| {
        let safe = crate::text::Safe::new(text.as_bytes(), 8000);
        let formula = safe.as_str().starts_with(['=', '+', '-', '@']);
        let text = if formula { format!("'{safe}") } else { safe.to_string() };
        format!("\"{}\"", text.replace('"', "\"\""))
    };
    let mut line = cells.iter().map(cell).collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

/// Who exports stands in the trail; that it could not be written is no reason to hide the rest.
fn note_reading(office: &Office<'_>, out: &Out) {
    let mut record =
        Line::new(Event::AUDIT_READ, crate::os::host_name()).with("how", "access export");
    record.actor = Some(audit::Actor {
        user: Some(Text::new(office.caller.actor.to_string())),
        ..audit::Actor::default()
    });
    if let Err(error) = office.here.trail().append(&record, clock::now().wall) {
        view::note(out, format!("this reading could not be recorded: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_breaks_its_row() {
        let cells =
            ["=1+1", "@x", "a \"b\", c", "line\nbreak", "+1", "-1", "plain"].map(str::to_owned);
        assert_eq!(
            row(cells),
            "\"'=1+1\",\"'@x\",\"a \"\"b\"\", c\",\"line\\x0abreak\",\"'+1\",\"'-1\",\"plain\"\r\n"
        );
    }
}
