//! A record as people and programs are shown it.
//!
//! Every word of a person's is quoted, marked as theirs, and escaped; the JSON's fields are stable.

use crate::access::request::spelled;
use crate::access::{Actor, Id, Phase, Request, Standing, State};
use crate::cli::out::{Out, counted};
use crate::policy::entry::Permissions;
use crate::policy::refs::{RefPattern, RefScope, Space};
use crate::policy::window::Zone;
use crate::policy::zone;
use crate::text::Safe;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

/// Longest line, in bytes.
const MAX_LINE: usize = 4000;
/// Longest name or pattern in a line about a record, in bytes.
const MAX_NAME: usize = 80;
/// Most patterns, checks or parts that such a line spells out.
const MAX_NAMES: usize = 4;

/// Prints a line with whatever is in it escaped.
pub fn say(out: &Out, text: impl AsRef<str>) {
    out.line(safe(text.as_ref()));
}

/// Prints several lines, each escaped, and an empty one after them.
pub fn say_lines(out: &Out, text: &str) {
    text.lines().for_each(|line| say(out, line));
    out.line("");
}

/// The same on standard error.
pub fn note(out: &Out, text: impl AsRef<str>) {
    out.note(safe(text.as_ref()));
}

/// As printable ASCII; what is that already stays as it is, escapes included.
fn safe(text: &str) -> String {
    let plain = text.len() <= MAX_LINE && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if plain { text.to_owned() } else { Safe::new(text.as_bytes(), MAX_LINE).to_string() }
}

/// Somebody's own words, so that they can't be taken for ours.
#[must_use]
pub fn quoted(words: &str) -> String {
    cut(words, MAX_LINE / 2)
}

fn cut(words: &str, most: usize) -> String {
    let escaped = Safe::new(words.as_bytes(), most).as_str().replace('"', "\\\"");
    format!("\"{escaped}\"")
}

/// A time for people: the site's zone, and UTC.
#[must_use]
pub fn time(at: DateTime<Utc>, zone: Zone) -> String {
    zone::told(at, zone)
}

/// What the state is called: `pending`, `active`, `denied`, ….
#[must_use]
pub fn word(state: &State, now: DateTime<Utc>) -> &'static str {
    match state.standing(now) {
        Standing::Closed => state.last.0,
        Standing::UsedUp => "used-up",
        other => other.word(),
    }
}

/// `update of release/2.4 and create of tags v*`
#[must_use]
pub fn what(request: &Request) -> String {
    let parts = request.parts().map(|(set, scope)| format!("{set} of {}", refs(scope)));
    let mut text = parts.collect::<Vec<_>>().join(" and ");
    if let Some(paths) = &request.paths {
        let some = named(paths.include.iter().map(|one| one.to_string()));
        text.push_str(&format!(" for {some}"));
        if !paths.exclude.is_empty() {
            let but = named(paths.exclude.iter().map(|one| one.to_string()));
            text.push_str(&format!(" but {but}"));
        }
    }
    if !request.checks.is_empty() {
        let checks = named(request.checks.iter().map(ToString::to_string));
        text.push_str(&format!(" of checks {checks}"));
    }
    text
}

/// `main, release/*`, `tags v*`
#[must_use]
pub fn refs(scope: &RefScope) -> String {
    let list = |patterns: &[RefPattern]| {
        let (tags, others): (Vec<_>, Vec<_>) =
            patterns.iter().partition(|one| one.space == Space::Tags);
        let of = |all: Vec<&RefPattern>| named(all.iter().map(|one| one.pattern.to_string()));
        match (others.is_empty(), tags.is_empty()) {
            (true, _) => format!("tags {}", of(tags)),
            (false, true) => of(others),
            (false, false) => format!("{}, tags {}", of(others), of(tags)),
        }
    };
    let all = scope.include.is_empty();
    let text = if all { "every branch and tag".to_owned() } else { list(&scope.include) };
    match scope.exclude.is_empty() {
        true => text,
        false => format!("{text} but {}", list(&scope.exclude)),
    }
}

/// A few names, and how many more there are: what somebody asks for fills no page.
fn named(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(MAX_NAMES);
    let shown: Vec<String> = all.take(MAX_NAMES).map(|name| capped(&name)).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// A name or pattern that somebody chose: as it is where it is short and nothing in it could be taken
/// for our words; else quoted, and cut.
#[must_use]
pub fn capped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-*?+@#=%[]{}^~!$:".contains(&byte);
    match !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(plain) {
        true => name.to_owned(),
        false => cut(name, MAX_NAME),
    }
}

/// One line about a record, as `list` has it.
#[must_use]
pub fn line(id: &Id, state: &State, now: DateTime<Utc>, zone: Zone) -> String {
    let request = &state.request;
    let head = format!(
        "{id}  {:10}  {}: {} in {}, {}",
        word(state, now),
        request.person,
        what(request),
        capped(&request.repository),
        request.entitlement
    );
    let tail = match (&state.phase, state.standing(now)) {
        (Phase::Approved(terms), Standing::Active) => {
            format!(", until {}", time(terms.until, zone))
        }
        (Phase::Approved(terms), Standing::Scheduled) => {
            format!(", from {}", time(terms.from, zone))
        }
        // Another push may give its use back, so the end is still worth knowing.
        (Phase::Approved(terms), Standing::UsedUp) => {
            format!(", every use is spent or put aside; would end {}", time(terms.until, zone))
        }
        (Phase::Approved(terms), _) => format!(", ended {}", time(terms.until, zone)),
        (Phase::Pending, _) => {
            format!(", {}, waits until {}", request.duration, time(request.pending_until, zone))
        }
        (Phase::Closed, _) => format!(", by {}, {}", state.last.1, time(state.last.2, zone)),
    };
    let left = state.uses_left().filter(|_| state.standing(now) == Standing::Active);
    let left = left.map(|left| format!(", {} left", counted(left as usize, "use", "uses")));
    let left = left.unwrap_or_default();
    let more =
        state.extension_pending(now).map(|asked| format!(", asks for {} more", asked.duration));
    let glass = if state.unattested { ", BROKEN GLASS: not attested" } else { "" };
    format!("{head}{tail}{left}{}{glass}", more.unwrap_or_default())
}

/// The record as JSON.
#[must_use]
pub fn json(id: &Id, state: &State, now: DateTime<Utc>) -> Value {
    let request = &state.request;
    let parts: Vec<Value> = request.parts().map(|(set, refs)| part(set, refs)).collect();
    json!({
        "id": id.as_str(),
        "state": word(state, now),
        "person": request.person.as_str(),
        "entitlement": request.entitlement.as_str(),
        "project": request.project.as_str(),
        "repository": request.repository,
        "parts": parts,
        "paths": request.paths.as_ref().map(ToString::to_string),
        "checks": request.checks,
        "duration_seconds": request.duration.seconds(),
        "wanted_from": request.from.map(stamp),
        "reason": request.reason,
        "ticket": request.ticket,
        "pushed": request.seen,
        "pinned": !request.pins.is_empty(),
        "asked_at": stamp(state.asked_at),
        "asked_by": actor(&state.asked_by),
        "pending_until": stamp(request.pending_until),
        "approvals": state.approvals.iter().map(|(by, at)| json!({ "by": actor(by), "at": stamp(*at) })).collect::<Vec<_>>(),
        "from": state.terms.as_ref().map(|terms| stamp(terms.from)),
        "until": state.terms.as_ref().map(|terms| stamp(terms.until)),
        "max_uses": state.terms.as_ref().map_or(request.max_uses, |terms| terms.max_uses),
        "uses_spent": state.uses.spent,
        "uses_reserved": state.uses.reserved.len(),
        "uses_left": state.uses_left(),
        "break_glass": state.terms.as_ref().is_some_and(|terms| terms.break_glass),
        "unattested": state.unattested,
        "extensions": state.extensions,
        "extension": state.extension_pending(now).map(|asked| json!({
            "duration_seconds": asked.duration.seconds(),
            "reason": asked.reason,
            "pending_until": stamp(asked.pending_until),
            "approvals": asked.approvals.iter().map(|(by, at)| json!({ "by": actor(by), "at": stamp(*at) })).collect::<Vec<_>>(),
        })),
        "last": { "event": state.last.0, "by": actor(&state.last.1), "at": stamp(state.last.2) },
    })
}

fn part(set: Permissions, refs: &RefScope) -> Value {
    let all = |patterns: &[RefPattern]| -> Vec<String> { patterns.iter().map(spelled).collect() };
    let permissions: Vec<String> = set.to_string().split(", ").map(str::to_owned).collect();
    json!({ "permissions": permissions, "refs": all(&refs.include), "except": all(&refs.exclude) })
}

/// Who did something.
#[must_use]
pub fn actor(by: &Actor) -> Value {
    json!({
        "text": by.to_string(),
        "user": by.user.as_ref().map(|user| user.as_str()),
        "source": by.source,
        "key": by.key,
        "server": by.server,
    })
}

/// RFC 3339, UTC, milliseconds.
#[must_use]
pub fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_cannot_pass_for_the_rest_of_its_line() {
        assert_eq!(capped("release/*"), "release/*");
        let fake = "main in payments/api, hotfix, until 2030";
        assert_eq!(capped(fake), format!("\"{fake}\""));
        assert_eq!(capped("a\"\n7f3k-92qd"), r#""a\"\x0a7f3k-92qd""#);
        assert!(capped(&"x".repeat(5000)).len() <= MAX_NAME + 2);
        assert_eq!(capped(""), "\"\"");
        let many = named((0..9).map(|n| format!("b{n}")).collect::<Vec<_>>().into_iter());
        assert_eq!(many, "b0, b1, b2, b3 and 5 more");
    }
}
