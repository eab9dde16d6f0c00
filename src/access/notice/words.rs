//! A notice for people: a few lines of plain ASCII, or the same for a chat.
//!
//! Knows that every text may come from outside. In a chat such text stands in a code span, where
//! neither a link nor a mention works, and `&`, `<`, `>` are escaped as Slack asks for it.

use super::{Around, Happened};
use crate::access::event::{Actor, What};
use crate::access::lock::Lock;
use crate::access::record::{Phase, Standing};
use crate::access::request::{Request, spelled};
use crate::policy::refs::{RefPattern, RefScope};
use crate::policy::window::Zone;
use crate::policy::zone;
use crate::text::Safe;

/// Longest text from outside, in bytes once it is escaped.
const MAX_WORDS: usize = 600;
/// Longest name, likewise.
const MAX_NAME: usize = 200;
/// Most refs and people that are listed.
const MAX_LISTED: usize = 10;

/// For whom the lines are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Mail, a pager, a terminal.
    Plain,
    /// Slack's `text`, and what is made after it.
    Chat,
}

impl Style {
    fn escaped(self, text: &str, max: usize) -> String {
        let safe = Safe::new(text.as_bytes(), max);
        match self {
            Self::Plain => safe.to_string(),
            Self::Chat => {
                safe.as_str().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
            }
        }
    }

    fn code(self, text: &str, max: usize) -> String {
        match self {
            Self::Plain => self.escaped(text, max),
            Self::Chat => format!("`{}`", self.escaped(&text.replace('`', "'"), max)),
        }
    }

    fn name(self, text: &str) -> String {
        self.code(text, MAX_NAME)
    }

    /// Somebody's own words, marked as such.
    fn quoted(self, text: &str) -> String {
        match self {
            Self::Plain => format!("\"{}\"", self.escaped(text, MAX_WORDS)),
            Self::Chat => self.code(text, MAX_WORDS),
        }
    }

    fn listed(self, names: &[String]) -> String {
        let shown: Vec<String> =
            names.iter().take(MAX_LISTED).map(|name| self.name(name)).collect();
        match names.len().saturating_sub(MAX_LISTED) {
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    }
}

/// An event of a record, or the end of its grant where `what` is none.
pub fn of_event(
    what: Option<&What>,
    happened: &Happened<'_>,
    around: &Around<'_>,
    commands: &[(&'static str, String)],
    style: Style,
) -> String {
    let state = happened.after;
    let by = match what {
        Some(_) => &happened.event.by,
        None => &Actor::rule(),
    };
    let mut lines = vec![
        headline(&title(what, by, &state.request, style), around, style),
        scope(happened, around.zone, style),
    ];
    let person = &state.request.person;
    let asked = match what {
        Some(What::ExtensionAsked { reason, .. }) => reason.as_ref(),
        _ => state.request.reason.as_ref(),
    };
    lines.extend(asked.map(|words| format!("{person} says: {}", style.quoted(words))));
    let ticket = state.request.ticket.as_ref();
    lines.extend(ticket.map(|ticket| format!("ticket: {}", style.quoted(ticket))));
    let note = what.and_then(What::note);
    lines.extend(note.map(|note| format!("{} says: {}", named(by, style), style.quoted(note))));
    if !around.approvers.is_empty() {
        let names: Vec<String> = around.approvers.iter().map(ToString::to_string).collect();
        lines.push(format!("can answer: {}", style.listed(&names)));
    }
    lines.extend(commands.iter().map(|(verb, line)| format!("{verb}: {}", style.name(line))));
    lines.join("\n")
}

/// A lock, laid or lifted by `by`.
pub fn of_lock(
    lock: &Lock,
    title: &str,
    by: &str,
    around: &Around<'_>,
    commands: &[(&'static str, String)],
    style: Style,
) -> String {
    let title = format!("{} {title}", style.escaped(by, MAX_NAME));
    let scope = &lock.scope;
    let mut about = vec![format!("no {}{}", lock.permissions, of_refs(&scope.refs, style))];
    about.extend(scope.person.as_ref().map(|person| format!("by {person}")));
    about.extend(scope.project.as_ref().map(|project| format!("in project {project}")));
    let repository = scope.repository.as_ref().map(ToString::to_string);
    about.extend(repository.map(|text| format!("in {}", style.name(&text))));
    about.extend(lock.until.map(|until| format!("until {}", zone::told(until, around.zone))));
    let mut lines = vec![headline(&title, around, style)];
    lines.push(format!("{}: {}", lock.id, about.join(" ")));
    if !lock.message.is_empty() {
        lines.push(format!("message: {}", style.quoted(&lock.message)));
    }
    lines.extend(commands.iter().map(|(verb, line)| format!("{verb}: {}", style.name(line))));
    lines.join("\n")
}

fn headline(title: &str, around: &Around<'_>, style: Style) -> String {
    let server = around.server.unwrap_or(around.host);
    format!("{}: {title}", style.escaped(server, MAX_NAME))
}

fn named(by: &Actor, style: Style) -> String {
    style.escaped(&by.to_string(), MAX_NAME)
}

fn title(what: Option<&What>, by: &Actor, request: &Request, style: Style) -> String {
    let by = named(by, style);
    let Some(what) = what else { return "a grant ends soon".into() };
    match what {
        What::ExtensionAsked { duration, .. } => {
            return format!("{} asks for {duration} more", request.person);
        }
        What::Spent { .. } => return format!("{} pushed under a grant", request.person),
        _ => {}
    }
    let done = match what.word() {
        "requested" => "asks for access",
        "broke-glass" => "broke the glass: granted without approval",
        "approved" if matches!(what, What::Approved { terms: None, .. }) => {
            "said yes to a request; others must follow"
        }
        "approved" => "approved a request",
        "denied" => "denied a request",
        "withdrawn" => "withdrew a request",
        "revoked" => "revoked a grant",
        "returned" => "gave a grant back",
        "extended" => "extended a grant",
        "extension-approved" => "said yes to more time; others must follow",
        "extension-denied" => "denied more time; the grant goes on to its end",
        "attested" => "attested a broken glass",
        other => other,
    };
    format!("{by} {done}")
}

/// What, where, for how long.
fn scope(happened: &Happened<'_>, zone: Zone, style: Style) -> String {
    let time = |at| zone::told(at, zone);
    let (state, request) = (happened.after, &happened.after.request);
    let long = match &state.phase {
        Phase::Approved(terms) => {
            let uses = terms.max_uses.map_or(String::new(), |max| {
                let noun = if max == 1 { "push" } else { "pushes" };
                format!(", at most {max} {noun}")
            });
            let ahead = state.standing(happened.event.at) == Standing::Scheduled;
            let from = if ahead { format!("from {} ", time(terms.from)) } else { String::new() };
            format!("{from}until {}{uses}", time(terms.until))
        }
        _ => format!("for {}", request.duration),
    };
    format!(
        "{} {}: {}, {} in {}, {long}",
        happened.id,
        request.entitlement,
        request.person,
        wanted(request, style),
        style.name(&request.repository)
    )
}

/// Everything that narrows or widens what is asked for: who approves it may read nothing else.
fn wanted(request: &Request, style: Style) -> String {
    let mut parts: Vec<String> = request
        .parts()
        .map(|(permissions, refs)| format!("{permissions}{}", of_refs(refs, style)))
        .collect();
    parts.extend(request.paths.as_ref().map(|paths| style.name(&paths.to_string())));
    if !request.checks.is_empty() {
        let names: Vec<String> = request.checks.iter().map(ToString::to_string).collect();
        parts.push(format!("lifts {}", style.listed(&names)));
    }
    if !request.pins.is_empty() {
        parts.push("only to the commits that were pushed".into());
    }
    parts.join("; ")
}

fn of_refs(refs: &RefScope, style: Style) -> String {
    let names = |patterns: &[RefPattern]| -> Vec<String> { patterns.iter().map(spelled).collect() };
    let listed = match refs.include.is_empty() {
        true => String::new(),
        false => format!(" of {}", style.listed(&names(&refs.include))),
    };
    match refs.exclude.is_empty() {
        true => listed,
        false => format!("{listed} except {}", style.listed(&names(&refs.exclude))),
    }
}
