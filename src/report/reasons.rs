//! Reasons in words: by which entry, in which file and line, and who holds what is missing.

use super::Raw;
use crate::decision::{Decision, Outcome, Reason, Why};
use crate::policy::entry::{Entry, Holder, Kind, Place};
use crate::policy::members::{Ask, Standing};
use crate::policy::model::{Member, Project};
use crate::policy::name::ProjectName;
use crate::policy::refs::{RefPattern, RefScope, Space};
use crate::policy::window::Zone;
use crate::policy::zone;
use crate::push::Action;

/// Most entries that are named as a way in.
const MAX_WAYS: usize = 5;
/// Most people named for one holder.
const MAX_PEOPLE: usize = 4;

/// What reasons are told against.
#[derive(Debug, Clone, Copy)]
pub struct Background<'a> {
    /// The push's project.
    pub project: &'a ProjectName,
    /// The same.
    pub details: &'a Project,
    /// Entries of the scope, in its order.
    pub entries: &'a [&'a Entry],
    /// The policy's files.
    pub files: &'a [String],
    /// Whose wall clock people read.
    pub zone: Zone,
}

/// Who the pusher was taken to be, by which evidence, and what that makes of them here.
#[must_use]
pub fn who(user: &str, evidence: &str, standing: &Standing, project: Option<&ProjectName>) -> Raw {
    let mut text = format!("you are {user} ({evidence})");
    if let Some(project) = project {
        let mut parts: Vec<String> =
            standing.roles.iter().map(|role| format!("role:{role}")).collect();
        if standing.lead {
            parts.push("lead".into());
        }
        if !parts.is_empty() {
            text.push_str(&format!(", {} in {project}", parts.join(", ")));
        }
    }
    text.into()
}

/// The facts behind one reason, a line each.
#[must_use]
pub fn describe(
    reason: &Reason,
    decision: &Decision,
    action: Action,
    b: &Background<'_>,
) -> Vec<Raw> {
    let entry = reason.entry.and_then(|at| b.entries.get(at)).copied();
    match &reason.why {
        Why::Forbidden => entry.map(|entry| forbidden(entry, action, b)).into_iter().collect(),
        Why::PathsForbidden(paths, count) => {
            let mut lines = vec![path_line("forbidden", paths, *count)];
            lines.extend(entry.map(|entry| forbidden(entry, action, b)));
            lines
        }
        Why::PathsUncovered(paths, count) => {
            let mut lines = vec![path_line("no permit covers", paths, *count)];
            let yours = b.entries.iter().zip(&decision.trace);
            let yours = yours.filter(|(e, o)| **o == Outcome::Applies && !e.is_forbid());
            lines.extend(yours.take(MAX_WAYS).map(|(entry, _)| covers_paths(entry, b)));
            lines
        }
        Why::PathsUnknown => {
            let mut lines =
                vec![b"it does not point to a commit, so its paths can't be told".to_vec()];
            lines.extend(entry.map(|entry| forbidden(entry, action, b)));
            lines
        }
        Why::NoPermit => no_permit(decision, action, b),
        Why::SourceMissing(source) => {
            let how = if source.to_string() == "push-cert" { ": push with `--signed`" } else { "" };
            vec![format!("this ref also asks for who you are by `{source}`{how}").into()]
        }
        Why::LookupFailed(Ask::Group(group), why) => {
            vec![format!("group @{group} could not be looked up ({why}); tell the admin").into()]
        }
        Why::LookupFailed(ask, why) => {
            vec![format!("whether you are {ask} could not be found out ({why})").into()]
        }
        Why::Broken(why) => vec![format!("{why}; tell the admin").into()],
    }
}

/// `policy.toml:84`
#[must_use]
pub fn place(place: Place, b: &Background<'_>) -> String {
    let file = b.files.get(usize::from(place.file)).map_or("policy", String::as_str);
    format!("{file}:{}", place.line)
}

fn forbidden(entry: &Entry, action: Action, b: &Background<'_>) -> Raw {
    let reason = entry.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let refs = scope(&entry.refs, "every ref");
    // Who may not read may not push: the entry's own word would puzzle.
    let word = if entry.refs == RefScope::default()
        && !entry.permissions.to_string().contains(action.as_str())
    {
        entry.permissions.to_string()
    } else {
        action.to_string()
    };
    let by = match &entry.kind {
        Kind::Lock(id) => format!("lock {id}"),
        _ => place(entry.place, b),
    };
    format!("{refs} is closed to `{word}`{reason}, {by}").into()
}

fn path_line(what: &str, paths: &[Vec<u8>], count: usize) -> Raw {
    let mut line = format!("{what}: ").into_bytes();
    line.extend(paths.join(b", ".as_slice()));
    if count > paths.len() {
        line.extend(format!(" and {} more", count - paths.len()).into_bytes());
    }
    line
}

fn covers_paths(entry: &Entry, b: &Background<'_>) -> Raw {
    let scope = entry.paths.clone().unwrap_or_default();
    let list = |patterns: &[crate::policy::pattern::Pattern]| {
        patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let mut text = match scope.include.is_empty() {
        true => "yours covers every path".to_owned(),
        false => format!("yours covers {}", list(&scope.include)),
    };
    if !scope.exclude.is_empty() {
        text.push_str(&format!(" but {}", list(&scope.exclude)));
    }
    format!("{text}, {}", place(entry.place, b)).into()
}

/// Which entries would permit it, and what each lacks.
fn no_permit(decision: &Decision, action: Action, b: &Background<'_>) -> Vec<Raw> {
    let mut lines: Vec<Raw> = b
        .entries
        .iter()
        .zip(&decision.trace)
        .filter(|(entry, _)| !entry.is_forbid())
        .filter_map(|(entry, outcome)| way_in(entry, outcome, b))
        .collect();
    let more = lines.len().saturating_sub(MAX_WAYS);
    lines.truncate(MAX_WAYS);
    if more > 0 {
        lines.push(format!("and {more} more entries that are not for you").into());
    }
    if lines.is_empty() {
        let scheme = &b.details.scheme;
        lines.push(format!("nothing in scheme `{scheme}` or in a grant permits `{action}` on this ref to anybody").into());
    }
    lines
}

fn way_in(entry: &Entry, outcome: &Outcome, b: &Background<'_>) -> Option<Raw> {
    let place = place(entry.place, b);
    let what = match &entry.kind {
        Kind::Grant(id) | Kind::Lent(id) => format!("grant `{id}`"),
        _ => scope(&entry.refs, "every branch and tag"),
    };
    let text = match (outcome, &entry.kind) {
        (Outcome::OtherPeople, Kind::Grant(_) | Kind::Lent(_)) => return None,
        (Outcome::OtherPeople, _) => {
            let holders = entry.to.as_deref().unwrap_or_default();
            let holders: Vec<String> =
                holders.iter().map(|holder| people(holder, b.details)).collect();
            format!("{what} takes `{}` from {}, {place}", entry.permissions, holders.join(", "))
        }
        (Outcome::Excepted(holder), _) => format!("{what} excepts you as {holder}, {place}"),
        (Outcome::Ended, _) => {
            let until = entry.when.until.map(|until| zone::told(until, b.zone)).unwrap_or_default();
            format!("{what} gave you `{}` but has ended ({until}), {place}", entry.permissions)
        }
        (Outcome::NotNow, _) => {
            format!("{what} gives you `{}`, but not at this time, {place}", entry.permissions)
        }
        (Outcome::NoPaths, _) => {
            format!("{what} covers changed paths only, and a deletion has none, {place}")
        }
        (Outcome::Applies, _) => {
            format!("{what} covers certain paths only, and these can't be told, {place}")
        }
        _ => return None,
    };
    Some(text.into())
}

/// Refs of a request in words.
#[must_use]
pub fn refs(refs: &RefScope) -> String {
    scope(refs, "every branch and tag")
}

/// Refs in words; `all` is what an entry without patterns covers.
fn scope(refs: &RefScope, all: &str) -> String {
    let list = |patterns: &[RefPattern]| {
        patterns
            .iter()
            .map(|one| match one.space {
                Space::Branches | Space::Refs => one.pattern.to_string(),
                Space::Tags => format!("tags {}", one.pattern),
            })
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut text = if refs.include.is_empty() { all.to_owned() } else { list(&refs.include) };
    if !refs.exclude.is_empty() {
        text.push_str(&format!(" but {}", list(&refs.exclude)));
    }
    text
}

fn people(holder: &Holder, project: &Project) -> String {
    let names = match holder {
        Holder::Role(role) => {
            let members = project.roles.get(role).map(Vec::as_slice).unwrap_or_default();
            let mut names: Vec<String> = members.iter().take(MAX_PEOPLE).map(member).collect();
            if members.len() > MAX_PEOPLE {
                names.push("...".into());
            }
            if names.is_empty() { vec!["nobody".to_owned()] } else { names }
        }
        Holder::Lead => {
            vec![project.lead.as_ref().map_or("nobody".to_owned(), ToString::to_string)]
        }
        _ => return holder.to_string(),
    };
    format!("{holder} ({})", names.join(", "))
}

fn member(member: &Member) -> String {
    match member {
        Member::User(name) => name.to_string(),
        Member::Group(name) => format!("@{name}"),
    }
}
