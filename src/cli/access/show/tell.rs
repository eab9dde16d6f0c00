//! A request as people are shown it, row by row.

use super::super::office::Office;
use super::super::{copied, view};
use super::found::Found;
use super::note;
use crate::access::event::Actor;
use crate::access::seen::{Brought, Safely};
use crate::access::{Id, Phase, Record, Seen, State};
use crate::cli::out::{Out, counted};
use crate::policy::window::Zone;
use chrono::{DateTime, Utc};

/// Most refs that are listed.
const MOST: usize = 20;

/// Tells all that there is.
pub(super) fn tell(
    office: &Office<'_>,
    (id, record, state): (&Id, &Record, &State),
    found: &Found,
    now: DateTime<Utc>,
    out: &Out,
) {
    let zone = office.here.settings().timezone;
    let request = &state.request;
    view::say(out, view::line(id, state, now, zone));
    let row = |key: &str, words: String| view::say(out, format!("  {key:11} {words}"));
    row("asked by", by(&state.asked_by));
    row(
        "wants",
        format!("{} in {} (project {})", view::what(request), request.repository, request.project),
    );
    row("for", length(state, zone));
    if let Some(reason) = &request.reason {
        row("says", format!("{} ({}'s own words)", view::quoted(reason), request.person));
    }
    if let Some(ticket) = &request.ticket {
        row("ticket", view::quoted(ticket));
    }
    for seen in request.seen.iter().take(MOST) {
        rows_of_push(seen, &row);
    }
    if request.seen.len() > MOST {
        row("", format!("and {} more refs", request.seen.len() - MOST));
    }
    if !request.pins.is_empty() {
        row("pinned", "only these commits, nothing else".into());
    }
    rows_of_answer(state, found, now, &row);
    for (verb, command) in copied::answers(office, id, state, &found.approvers, now) {
        row(verb, command);
    }
    if let Phase::Approved(terms) = &state.phase {
        row(
            "lent",
            format!(
                "from {} until {}",
                view::time(terms.from, zone),
                view::time(terms.until, zone)
            ),
        );
    }
    if let Some(left) = state.uses_left() {
        let reserved = state.uses.reserved.len();
        row(
            "uses",
            format!(
                "{left} left, {} spent, {reserved} put aside by pushes under way",
                state.uses.spent
            ),
        );
    }
    if let Some(asked) = state.extension_pending(now) {
        let why = asked
            .reason
            .as_deref()
            .map(|why| format!(", {} ({}'s own words)", view::quoted(why), request.person));
        row("more time", format!("asks for {} more{}", asked.duration, why.unwrap_or_default()));
    }
    for other in &found.others {
        row("others", format!("{} may do that already, {}", other.user, other.entry));
    }
    if found.more_others > 0 {
        row("", format!("and {} more", found.more_others));
    }
    row("last used", last_used(found, zone));
    for event in &record.events {
        let note =
            note(&event.what).map(|note| format!(": {}", view::quoted(note))).unwrap_or_default();
        row(
            "event",
            format!("{}  {} by {}{note}", view::time(event.at, zone), event.what.word(), event.by),
        );
    }
}

fn rows_of_push(seen: &Seen, row: &dyn Fn(&str, String)) {
    let (old, new) = (short(&seen.old), short(&seen.new));
    let name = view::capped(&seen.name);
    let forced = if seen.action == "force" { "  NOT a step forward" } else { "" };
    row("pushed", format!("{name}  {}  {old}..{new}{forced}", seen.action));
    let Some(Brought { commits, more_commits, authors, more_authors, files, more_files }) =
        &seen.brought
    else {
        return;
    };
    let over = if *more_commits { "more than " } else { "" };
    let commits = counted(*commits as usize, "commit", "commits");
    row("commits", format!("{over}{commits}{}", listed(" by ", authors, *more_authors)));
    if !authors.is_empty() {
        row("", "(authors by the commits' own account)".into());
    }
    row(
        "files",
        match more_files {
            Some(0) if files.is_empty() => "none changed".into(),
            Some(more) => listed("", files, *more),
            None => "too many to list".into(),
        },
    );
}

/// `"a", "b" and 3 more`; empty where there is nothing.
fn listed(before: &str, all: &[Safely], more: u32) -> String {
    let mut shown: Vec<String> = all.iter().map(|one| format!("\"{}\"", one.as_str())).collect();
    let more = match (more, shown.is_empty()) {
        (0, true) => return String::new(),
        (0, false) => String::new(),
        (more, true) => return format!("{before}{more} that are not listed"),
        (more, false) => format!(" and {more} more"),
    };
    let last = shown.pop().unwrap_or_default();
    let begin: String = shown.iter().map(|one| format!("{one}, ")).collect();
    format!("{before}{begin}{last}{more}")
}

fn last_used(found: &Found, zone: Zone) -> String {
    let cut = "; the trail is too long to be read to its end here: `refwarden audit show` does";
    let cut = if found.last.cut { cut } else { "" };
    match &found.last.found {
        Some((at, by, name)) => {
            format!("{by} moved {}, {}{cut}", view::capped(name), view::time(*at, zone))
        }
        None if found.last.cut => format!("not found{cut}"),
        None => "nobody has moved such a ref, by the trail".into(),
    }
}

fn rows_of_answer(state: &State, found: &Found, now: DateTime<Utc>, row: &dyn Fn(&str, String)) {
    let yeses: Vec<String> = state.approvals.iter().map(|(by, _)| by.to_string()).collect();
    if !yeses.is_empty() {
        row("said yes", yeses.join(", "));
    }
    if state.unattested {
        row("attested", "NO: taken without approval, and nobody has attested it".into());
    }
    let more_time = state.extension_pending(now).is_some();
    if matches!(state.phase, Phase::Pending) || state.unattested || more_time {
        if let Some(rule) = &found.rule {
            row("needs", rule.clone());
        }
        let missing =
            if found.missing > 0 { format!("{} more of ", found.missing) } else { String::new() };
        let names = if found.approvers.is_empty() {
            "nobody by the policy alone".into()
        } else {
            found.approvers.join(", ")
        };
        row("can answer", format!("{missing}{names}"));
    }
}

fn by(actor: &Actor) -> String {
    let source = actor.source.as_deref().map(|source| format!(", by {source}")).unwrap_or_default();
    let key = actor.key.as_deref().map(|key| format!(", key {key}")).unwrap_or_default();
    format!("{actor}{source}{key}")
}

fn length(state: &State, zone: Zone) -> String {
    let request = &state.request;
    let uses = request.max_uses.map(|uses| format!(", {uses} pushes at most")).unwrap_or_default();
    let from = match request.from {
        Some(from) => format!(" from {} on", view::time(from, zone)),
        None => " from the approval on".into(),
    };
    format!("{}{from}{uses}, by entitlement {}", request.duration, request.entitlement)
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
