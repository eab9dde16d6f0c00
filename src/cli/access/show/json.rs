//! A request as programs are shown it.

use super::super::view;
use super::found::Found;
use super::note;
use crate::access::request::spelled;
use crate::access::{Id, Record, State};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// All of it; the fields are stable.
pub(super) fn as_json(
    id: &Id,
    record: &Record,
    state: &State,
    found: &Found,
    now: DateTime<Utc>,
) -> Value {
    let mut value = view::json(id, state, now);
    let events: Vec<Value> = record
        .events
        .iter()
        .map(|event| {
            json!({
                "at": view::stamp(event.at),
                "event": event.what.word(),
                "by": view::actor(&event.by),
                "note": note(&event.what),
            })
        })
        .collect();
    let others: Vec<Value> = found
        .others
        .iter()
        .map(|other| json!({ "user": other.user, "entry": other.entry }))
        .collect();
    let last = found
        .last
        .found
        .as_ref()
        .map(|(at, by, name)| json!({ "at": view::stamp(*at), "by": by, "ref": name }));
    let pins: Vec<&str> = state.request.pins.iter().map(|pin| pin.new.as_str()).collect();
    let except: Vec<String> = state.request.refs.exclude.iter().map(spelled).collect();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("events".into(), events.into());
        fields.insert("holders".into(), others.into());
        fields.insert("last_moved".into(), last.into());
        fields.insert("last_moved_is_sure".into(), (!found.last.cut).into());
        fields.insert("can_answer".into(), found.approvers.clone().into());
        fields.insert("approval_rule".into(), found.rule.clone().into());
        fields.insert("approvals_missing".into(), found.missing.into());
        fields.insert("pins".into(), pins.into());
        fields.insert("except".into(), except.into());
    }
    value
}
