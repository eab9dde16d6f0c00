//! Holds records against the trail: every event has its line, and every line its event.
//!
//! Knows what the trail tells of each record; not how an auditor is shown it. A line is written
//! before its change is made, so whoever is killed in between leaves a line without an event; an
//! event without a line is the work of somebody who went past refwarden.

use super::super::office::Office;
use crate::access::{Record, State, What};
use crate::audit::read::{self, ReadError, Seen};
use crate::audit::{Event, Text};
use crate::hook::ledger;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// A line of the trail about a record.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    seq: u64,
    time: DateTime<Utc>,
    word: String,
    /// The event's own time; lines of earlier versions have none.
    at: Option<String>,
    push: Option<String>,
}

/// What the trail tells of access.
#[derive(Debug, Default)]
pub struct Books {
    lines: BTreeMap<String, Vec<Told>>,
    /// Time of the first line, where older ones are no longer here.
    begins: Option<DateTime<Utc>>,
    /// Hosts that share the store have a trail each: this one need not tell of every event.
    shared: bool,
}

/// A push that landed under a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// When it was written down.
    pub at: DateTime<Utc>,
    /// The push's id, where it is known.
    pub push: Option<String>,
}

/// A record held against the trail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Events without a line.
    pub missing: Vec<String>,
    /// Events that are not expected here: older than the trail, or perhaps told on another host.
    pub elsewhere: usize,
    /// Lines without an event.
    pub extra: Vec<String>,
    /// What landed under it, as the trail tells.
    pub uses: Vec<Use>,
}

impl Held {
    /// Whether record and trail tell the same story.
    pub fn agrees(&self) -> bool {
        self.missing.is_empty() && self.extra.is_empty()
    }

    /// `every event`, or what is wrong.
    pub fn words(&self) -> String {
        let mut parts = Vec::new();
        if !self.missing.is_empty() {
            parts.push(format!("the trail lacks {}", self.missing.join(", ")));
        }
        if !self.extra.is_empty() {
            parts.push(format!("the record lacks {}", self.extra.join(", ")));
        }
        if parts.is_empty() && self.elsewhere == 0 {
            return "every event".into();
        }
        if self.elsewhere > 0 {
            parts.push(format!("{} not in the trail that is here", self.elsewhere));
        }
        parts.join("; ")
    }
}

impl Books {
    /// Reads the trail.
    ///
    /// # Errors
    /// A file can't be read; damaged lines are the chain's matter.
    pub fn read(office: &Office<'_>) -> Result<Self, ReadError> {
        let mut books =
            Self { shared: office.here.settings().shared_store.is_some(), ..Self::default() };
        let mut first = true;
        let trail = office.here.trail();
        read::each(trail.path(), &read::Filter::default(), &mut |seen| {
            let Seen::Line { line, record, .. } = seen else { return Ok(()) };
            if std::mem::take(&mut first) && line.end.seq > 1 {
                books.begins = Some(line.end.time);
            }
            let (word, id) = (record.event.as_str(), record.request.as_ref());
            if let (true, Some(id)) = (word.starts_with("access."), id) {
                let push = record.push.as_ref().and_then(|push| push.id.as_ref());
                books.lines.entry(id.to_string()).or_default().push(Told {
                    seq: line.end.seq,
                    time: line.end.time,
                    word: word.to_owned(),
                    at: record.detail.get(&Text::new("at")).map(ToString::to_string),
                    push: push.map(ToString::to_string),
                });
            }
            Ok(())
        })?;
        Ok(books)
    }

    /// Ids that the trail tells of within a time.
    pub fn ids(&self, (from, to): (DateTime<Utc>, DateTime<Utc>)) -> Vec<String> {
        let within = |told: &Told| told.time >= from && told.time < to;
        let ids = self.lines.iter().filter(|(_, lines)| lines.iter().any(within));
        ids.map(|(id, _)| id.clone()).collect()
    }

    /// What the trail tells of an id that the store does not know.
    pub fn lines_of(&self, id: &str) -> String {
        let lines = self.lines.get(id).map(Vec::as_slice).unwrap_or_default();
        lines.iter().map(shown).collect::<Vec<_>>().join(", ")
    }

    /// Holds a record against what the trail tells of it.
    pub fn hold(&self, record: &Record, state: &State) -> Held {
        let mut left: Vec<&Told> =
            self.lines.get(record.id.as_str()).into_iter().flatten().collect();
        let mut held = Held::default();
        for event in &record.events {
            if matches!(event.what, What::Reserved { .. } | What::Released { .. }) {
                continue;
            }
            let (word, at) = (ledger::word(&event.what), ledger::stamp(event.at));
            let is_it = |told: &&Told| {
                told.word == word.as_str() && told.at.as_ref().is_none_or(|told| *told == at)
            };
            match left.iter().position(is_it) {
                Some(place) => {
                    let told = left.remove(place);
                    if word == Event::ACCESS_USED {
                        held.uses.push(used(told));
                    }
                }
                None if self.shared || self.begins.is_some_and(|begins| event.at < begins) => {
                    held.elsewhere += 1;
                }
                None => held.missing.push(format!("{word} ({at})")),
            }
        }
        // No event tells of a push under a grant whose uses are not counted; and one whose
        // post-receive was killed in between is written down twice.
        let counted = state.terms.as_ref().is_none_or(|terms| terms.max_uses.is_some());
        for told in left {
            let is_use = told.word == Event::ACCESS_USED.as_str();
            let twice =
                told.push.is_some() && held.uses.iter().any(|other| other.push == told.push);
            match is_use && (!counted || twice) {
                true if twice => {}
                true => held.uses.push(used(told)),
                false => held.extra.push(shown(told)),
            }
        }
        held.uses.sort_by_key(|one| one.at);
        held
    }
}

fn used(told: &Told) -> Use {
    Use { at: told.time, push: told.push.clone() }
}

fn shown(told: &Told) -> String {
    format!("{} (line {})", told.word, told.seq)
}

#[cfg(test)]
mod tests;
