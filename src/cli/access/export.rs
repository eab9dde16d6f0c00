//! `access export`: the complete population of requests and grants of a time, for an auditor.
//!
//! Everything that was asked for, lent or ended within the time is in it, whatever became of it, and
//! the result of walking the trail's chain stands beside it. Each record is held against the trail.

mod books;
mod table;

use super::failure::store_failure;
use super::office::Office;
use super::view;
use crate::access::{Id, Illegal, Phase, Record, State};
use crate::audit::{self, Event, Record as Line, Text};
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::cli::{Failure, when};
use crate::os::clock;
use crate::store::access::Filter;
use books::{Books, Held, Use};
use chrono::{DateTime, TimeDelta, Utc};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How many records are read at once.
const PAGE: usize = 2000;

/// Arguments of `access export`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: refwarden access export --from 2026-07-01T00:00:00Z \\\n             \
    --to 2026-10-01T00:00:00Z --format csv"
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
    let mut export = Export {
        office,
        out,
        format: args.format,
        now,
        chain: if sound { "whole" } else { "NOT whole" },
        books: Books::read(office)?,
        read_again: false,
        done: BTreeSet::new(),
        findings: Vec::new(),
    };
    export.head(from, to, chain);
    let count = each(office, (from, to), now, &mut |record, state| export.record(record, state))?;
    export.others((from, to))?;
    export.end(count);
    note_reading(office, out);
    if !sound {
        out.note("the trail's chain is NOT whole: `refwarden audit verify` says where");
    }
    Ok(if sound && export.findings.is_empty() { Exit::Done } else { Exit::Failed })
}

/// An export under way.
struct Export<'a> {
    office: &'a Office<'a>,
    out: &'a Out,
    format: Format,
    now: DateTime<Utc>,
    chain: &'static str,
    books: Books,
    /// What was made while the trail was read is no finding: it is read once more at the first one.
    read_again: bool,
    done: BTreeSet<String>,
    findings: Vec<String>,
}

impl Export<'_> {
    fn head(&self, from: DateTime<Utc>, to: DateTime<Utc>, chain: Value) {
        match self.format {
            Format::Jsonl => self.out.value(&json!({
                "export": "access", "host": crate::os::host_name(),
                "from": view::stamp(from), "to": view::stamp(to), "made_at": view::stamp(self.now),
                "made_by": view::actor(&self.office.caller.actor), "chain": chain,
            })),
            Format::Csv => self.out.line(table::head().trim_end()),
        }
    }

    fn record(&mut self, record: &Record, state: &State) -> anyhow::Result<()> {
        let held = self.hold(record, state)?;
        match self.format {
            Format::Jsonl => self.out.value(&as_json(record, state, &held, self.now)),
            Format::Csv => {
                let row = table::row(record, state, &held, (self.now, self.chain));
                self.out.line(row.trim_end());
            }
        }
        Ok(())
    }

    /// The record against the trail, both as they are now where they did not agree at first.
    fn hold(&mut self, record: &Record, state: &State) -> anyhow::Result<Held> {
        self.done.insert(record.id.to_string());
        let mut held = self.books.hold(record, state);
        if !held.agrees() {
            self.read_again()?;
            let again = self.office.store.record(&record.id);
            let again = again.map_err(|error| store_failure(&error))?;
            let both = again.and_then(|again| again.state().ok().map(|state| (again, state)));
            held = both.map_or(held, |(record, state)| self.books.hold(&record, &state));
        }
        if !held.agrees() {
            self.findings.push(format!("{}: {}", record.id, held.words()));
        }
        Ok(held)
    }

    fn read_again(&mut self) -> anyhow::Result<()> {
        if !std::mem::replace(&mut self.read_again, true) {
            self.books = Books::read(self.office)?;
        }
        Ok(())
    }

    /// Records of which the trail tells within the time, and which are not among those shown.
    fn others(&mut self, within: (DateTime<Utc>, DateTime<Utc>)) -> anyhow::Result<()> {
        for text in self.books.ids(within) {
            if self.done.contains(&text) {
                continue;
            }
            let record = match Id::parse(&text) {
                Ok(id) => self.office.store.record(&id).map_err(|error| store_failure(&error))?,
                Err(_) => None,
            };
            match record {
                None => {
                    let lines = self.books.lines_of(&text);
                    self.findings.push(format!(
                        "{text}: the store has no such record, the trail tells of {lines}"
                    ));
                }
                Some(record) => {
                    let state = record.state().map_err(|illegal| damaged(&record.id, &illegal))?;
                    self.hold(&record, &state)?;
                }
            }
        }
        Ok(())
    }

    fn end(&self, count: usize) {
        if self.format == Format::Jsonl {
            for finding in &self.findings {
                self.out.value(&json!({ "finding": finding }));
            }
            self.out.value(&json!({ "records": count, "findings": self.findings.len() }));
        }
        for finding in &self.findings {
            view::note(self.out, format!("store and trail do not agree: {finding}"));
        }
        if !self.findings.is_empty() {
            self.out.note(
                "a line without its event is left by a command that was killed, or by a store that \
                 was put back; an event without its line by somebody who went past refwarden",
            );
        }
    }
}

fn damaged(id: &Id, illegal: &Illegal) -> Failure {
    Failure::new(Exit::Unavailable, format!("the record {id} is damaged: {illegal}"))
}

/// Hands on every record that lived in the time, page by page, oldest asked for last.
fn each(
    office: &Office<'_>,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    now: DateTime<Utc>,
    see: &mut dyn FnMut(&Record, &State) -> anyhow::Result<()>,
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
            let state = record.state().map_err(|illegal| damaged(&record.id, &illegal))?;
            oldest = oldest.min(state.asked_at);
            seen.push((state.asked_at, record.id.clone()));
            if at_edge.contains(&record.id) {
                continue;
            }
            if over(&state).is_none_or(|end| end >= from || end > now) {
                count += 1;
                see(&record, &state)?;
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

fn as_json(record: &Record, state: &State, held: &Held, now: DateTime<Utc>) -> Value {
    let mut value = view::json(&record.id, state, now);
    let events: Vec<Value> = record
        .events
        .iter()
        .map(|e| {
            json!({
                "at": view::stamp(e.at), "event": e.what.word(), "by": view::actor(&e.by),
                "note": e.what.note(),
            })
        })
        .collect();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("events".into(), events.into());
        let push = |one: &Use| json!({ "at": view::stamp(one.at), "push": one.push });
        fields.insert("pushes".into(), held.uses.iter().map(push).collect());
        let (missing, extra) = (&held.missing, &held.extra);
        fields.insert(
            "trail".into(),
            json!({
                "agrees": held.agrees(), "missing": missing, "extra": extra,
                "elsewhere": held.elsewhere,
            }),
        );
    }
    value
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
