//! The JSON of a notice: `type`, `timestamp`, `data`, as Standard Webhooks has it.
//!
//! Knows the stable fields that docs/notices.md lists; a receiver may rely on them, and must
//! leave aside those that it does not know.

use super::words::{self, Style};
use super::{Around, ENDING, Happened, OfLock};
use crate::access::event::{Actor, What};
use crate::access::id::Id;
use crate::access::lock::Lock;
use crate::access::request::{Part, Request, spelled};
use crate::access::seen::Seen;
use crate::policy::entry::Permissions;
use crate::policy::name::UserName;
use crate::policy::refs::RefPattern;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use std::collections::BTreeMap;

/// Longest text of a person's, in characters.
const MAX_WORDS: usize = 4000;
/// Most refs of each list.
const MAX_REFS: usize = 200;

type Commands = Vec<(&'static str, String)>;

#[derive(Serialize)]
struct Body<'a, D> {
    r#type: &'a str,
    timestamp: String,
    data: D,
}

/// Who did it.
#[derive(Serialize)]
struct By {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
}

#[derive(Serialize)]
struct OfRecord<'a> {
    text: String,
    id: &'a Id,
    seq: u32,
    state: &'static str,
    person: &'a str,
    entitlement: &'a str,
    project: &'a str,
    repository: &'a str,
    permissions: Vec<String>,
    refs: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    except: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    more: Vec<More>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paths: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    checks: &'a [Box<str>],
    pinned: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pushed: Vec<&'a Seen>,
    duration_seconds: u32,
    asker_says: Option<String>,
    ticket: Option<String>,
    by: By,
    by_says: Option<String>,
    approvals: Vec<String>,
    approvers: Vec<&'a str>,
    pending_until: String,
    from: Option<String>,
    until: Option<String>,
    max_uses: Option<u32>,
    uses_left: Option<u32>,
    break_glass: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    extension: Option<MoreTime>,
    server: Option<&'a str>,
    host: &'a str,
    commands: BTreeMap<&'static str, String>,
}

/// A further part of what is asked for.
#[derive(Serialize)]
struct More {
    permissions: Vec<String>,
    refs: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    except: Vec<String>,
}

#[derive(Serialize)]
struct MoreTime {
    duration_seconds: u32,
    asker_says: Option<String>,
    pending_until: String,
}

#[derive(Serialize)]
struct OfLocked<'a> {
    text: String,
    id: &'a Id,
    person: Option<&'a str>,
    project: Option<&'a str>,
    repository: Option<String>,
    refs: Vec<String>,
    except: Vec<String>,
    permissions: Vec<String>,
    message: String,
    by: By,
    until: Option<String>,
    server: Option<&'a str>,
    host: &'a str,
    commands: BTreeMap<&'static str, String>,
}

/// An event of a record.
pub fn of_event(word: &str, happened: &Happened<'_>, around: &Around<'_>, slack: bool) -> String {
    let event = happened.event;
    record(word, Some(&event.what), event.at, happened, around, slack)
}

/// The end of a grant, told at `due`.
pub fn of_ending(
    due: DateTime<Utc>,
    happened: &Happened<'_>,
    around: &Around<'_>,
    slack: bool,
) -> String {
    record(ENDING, None, due, happened, around, slack)
}

fn record(
    word: &str,
    what: Option<&What>,
    at: DateTime<Utc>,
    happened: &Happened<'_>,
    around: &Around<'_>,
    slack: bool,
) -> String {
    // Who can answer is of interest only where an answer is waited for.
    let asks = matches!(what, Some(What::Requested(_) | What::ExtensionAsked { .. }));
    let asks = asks || word == "access.approval" || word == "access.broke-glass";
    let around = &Around { approvers: if asks { around.approvers } else { &[] }, ..*around };
    let person = &happened.after.request.person;
    let commands = commands(word, happened.id, person, around);
    let text = |style| words::of_event(what, happened, around, &commands, style);
    if slack {
        return chat(text(Style::Chat));
    }
    let mut data = of_record(what, at, happened, around);
    data.text = text(Style::Plain);
    data.commands = commands.into_iter().collect();
    written(word, at, data)
}

fn of_record<'a>(
    what: Option<&What>,
    at: DateTime<Utc>,
    happened: &Happened<'a>,
    around: &Around<'a>,
) -> OfRecord<'a> {
    let (state, event) = (happened.after, happened.event);
    let request: &Request = &state.request;
    let terms = state.terms.as_ref();
    OfRecord {
        text: String::new(),
        id: happened.id,
        seq: happened.seq,
        state: state.standing(at).word(),
        person: request.person.as_str(),
        entitlement: request.entitlement.as_str(),
        project: request.project.as_str(),
        repository: &request.repository,
        permissions: permissions(request.permissions),
        refs: refs(&request.refs.include),
        except: refs(&request.refs.exclude),
        more: request.more.iter().take(MAX_REFS).map(more).collect(),
        paths: request.paths.as_ref().map(ToString::to_string),
        checks: &request.checks,
        pinned: !request.pins.is_empty(),
        pushed: request.seen.iter().take(MAX_REFS).collect(),
        duration_seconds: request.duration.seconds(),
        asker_says: request.reason.as_deref().map(own_words),
        ticket: request.ticket.as_deref().map(own_words),
        by: by(if what.is_some() { &event.by } else { const { &RULE } }),
        by_says: what.and_then(What::note).map(|note| own_words(note)),
        approvals: state.approvals.iter().map(|(actor, _)| actor.to_string()).collect(),
        approvers: around.approvers.iter().map(|name| name.as_str()).collect(),
        pending_until: time(request.pending_until),
        from: terms.map(|terms| time(terms.from)),
        until: terms.map(|terms| time(terms.until)),
        max_uses: terms.map_or(request.max_uses, |terms| terms.max_uses),
        uses_left: state.uses_left(),
        break_glass: terms.is_some_and(|terms| terms.break_glass),
        extension: state.extension_pending(at).map(|asked| MoreTime {
            duration_seconds: asked.duration.seconds(),
            asker_says: asked.reason.as_deref().map(own_words),
            pending_until: time(asked.pending_until),
        }),
        server: around.server,
        host: around.host,
        commands: BTreeMap::new(),
    }
}

const RULE: Actor = Actor { user: None, source: None, key: None, address: None, server: None };

/// A lock, laid or lifted.
pub fn of_lock(
    word: &str,
    at: DateTime<Utc>,
    lock: &Lock,
    what: OfLock<'_>,
    around: &Around<'_>,
    slack: bool,
) -> String {
    let (title, by, commands) = match what {
        OfLock::Laid => {
            let unlock = format!("{} unlock {}", around.command, lock.id);
            ("laid a lock", by(&lock.by), vec![("unlock", unlock)])
        }
        OfLock::Lifted(_, who) => {
            let by = By { text: own_words(who), user: None, source: None, server: None };
            ("lifted a lock", by, Vec::new())
        }
    };
    let text = |style| words::of_lock(lock, title, &by.text, around, &commands, style);
    if slack {
        return chat(text(Style::Chat));
    }
    let data = OfLocked {
        text: text(Style::Plain),
        id: &lock.id,
        person: lock.scope.person.as_ref().map(|name| name.as_str()),
        project: lock.scope.project.as_ref().map(|name| name.as_str()),
        repository: lock.scope.repository.as_ref().map(ToString::to_string),
        refs: refs(&lock.scope.refs.include),
        except: refs(&lock.scope.refs.exclude),
        permissions: permissions(lock.permissions),
        message: own_words(&lock.message),
        by,
        until: lock.until.map(time),
        server: around.server,
        host: around.host,
        commands: commands.into_iter().collect(),
    };
    written(word, at, data)
}

/// What can be done next, each a line to copy.
fn commands(word: &str, id: &Id, person: &UserName, around: &Around<'_>) -> Commands {
    let verbs: &[&'static str] = match word {
        "access.requested"
        | "access.approval"
        | "access.extension-asked"
        | "access.extension-approved" => &["approve", "deny", "show"],
        "access.broke-glass" => &["attest", "revoke", "show"],
        ENDING => &["extend", "show"],
        "access.approved" | "access.extended" | "access.used" => &["revoke", "show"],
        _ => &["show"],
    };
    // On the server a person is acted for by name; a door knows who they are.
    let on_server = !around.command.starts_with("ssh ");
    let more_time = matches!(word, "access.extension-asked" | "access.extension-approved");
    let line = |verb: &&'static str| {
        let mut line = format!("{} access {verb} {id}", around.command);
        if more_time && matches!(*verb, "approve" | "deny") {
            line.push_str(" --extension");
        }
        match (*verb, around.approvers) {
            _ if !on_server => {}
            ("extend", _) => line.push_str(&format!(" --as {person}")),
            ("approve" | "deny" | "attest", [only]) => line.push_str(&format!(" --as {only}")),
            ("approve" | "deny" | "attest", _) => line.push_str(" --as NAME"),
            _ => {}
        }
        (*verb, line)
    };
    // What does not work is not shown to be copied.
    let in_person = on_server && !around.answered_on_server;
    let works = |verb: &&&str| !in_person || !matches!(**verb, "approve" | "attest");
    verbs.iter().filter(works).map(line).collect()
}

fn by(actor: &Actor) -> By {
    By {
        text: actor.to_string(),
        user: actor.user.as_ref().map(ToString::to_string),
        source: actor.source.clone(),
        server: actor.server.clone(),
    }
}

fn more(part: &Part) -> More {
    More {
        permissions: permissions(part.permissions),
        refs: refs(&part.refs.include),
        except: refs(&part.refs.exclude),
    }
}

fn permissions(set: Permissions) -> Vec<String> {
    set.to_string().split(", ").filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn refs(patterns: &[RefPattern]) -> Vec<String> {
    patterns.iter().take(MAX_REFS).map(spelled).collect()
}

/// As they were typed, but not without end.
fn own_words(text: &str) -> String {
    text.chars().take(MAX_WORDS).collect()
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn chat(text: String) -> String {
    serde_json::json!({ "text": text }).to_string()
}

fn written<D: Serialize>(word: &str, at: DateTime<Utc>, data: D) -> String {
    // Strings, numbers and lists of them always have a form as JSON.
    serde_json::to_string(&Body { r#type: word, timestamp: time(at), data }).unwrap_or_default()
}
