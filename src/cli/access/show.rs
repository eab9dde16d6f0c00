//! `access show`: all that the server knows of one request, for whom has to decide.
//!
//! Everything but the asker's and approvers' own words, which are quoted, was found out by the
//! server: nothing here came from the client's side of the push.

use super::office::{Office, damaged};
use super::view;
use crate::access::event::{Actor, What};
use crate::access::request::spelled;
use crate::access::{Id, Phase, Record, State, quorum};
use crate::audit::read::{self, Seen as Line};
use crate::audit::{Event as Word, Text};
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::decision::{self, Paths, Question, Verdict};
use crate::hook::ledger;
use crate::os::clock;
use crate::policy::diff;
use crate::policy::entry::{Enforce, Entry, Holder, Kind, Permissions, Place};
use crate::policy::members::{Answers, lookups_of};
use crate::policy::model::Policy;
use crate::policy::refs::RefScope;
use crate::policy::scope::Scopes;
use crate::policy::spoken;
use crate::policy::window::Window;
use crate::push::Action;
use crate::pusher::Source;
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

/// Most people and refs that are listed.
const MOST: usize = 20;

/// Arguments of `access show`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: refwarden access show 7f3k-92qd")]
pub struct Args {
    /// The request or grant, its id whole.
    id: String,
}

/// Somebody who holds the right already, and by which entry.
struct Other {
    user: String,
    entry: String,
}

/// What the server found out besides the record.
struct Found {
    others: Vec<Other>,
    more_others: usize,
    last: Option<(DateTime<Utc>, String, String)>,
    approvers: Vec<String>,
    rule: Option<String>,
    missing: usize,
}

/// Shows a request.
///
/// # Errors
/// There is none of that id that the one who asks may see.
pub fn run(office: &Office<'_>, args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let now = clock::now().wall;
    let id = office.id(&args.id)?;
    let (record, state) = office.record(&id)?;
    if !office.may_see(&state)? {
        let words = format!("there is no request `{id}` that you may see");
        return Err(crate::cli::Failure::new(Exit::NotFound, words).into());
    }
    let found = find_out(office, &state, now)?;
    match out.json {
        true => out.value(&as_json(&id, &record, &state, &found, now)),
        false => tell(office, (&id, &record, &state), &found, now, out),
    }
    Ok(Exit::Done)
}

fn find_out(office: &Office<'_>, state: &State, now: DateTime<Utc>) -> anyhow::Result<Found> {
    let policy = office.here.policy.policy().map_err(damaged)?;
    let (others, more_others) = others(office, &policy, state, now);
    let approvers = ledger::approvers(&office.here.policy, state);
    let entitlement = policy.entitlements.get(&state.request.entitlement);
    let missing = match (entitlement, office.place(&state.request.repository)) {
        (Some(entitlement), Ok((_, project))) => {
            office
                .people
                .quorum(&state.approvals, state, entitlement, &project)
                .map_err(damaged)?
                .missing
        }
        (Some(entitlement), Err(_)) => {
            let counts: Vec<u32> = entitlement.approval.iter().map(|list| list.count).collect();
            quorum::missing::<Actor>(&counts, &[])
        }
        (None, _) => 0,
    };
    Ok(Found {
        others,
        more_others,
        last: last_used(office, state)?,
        approvers: approvers.iter().map(ToString::to_string).collect(),
        rule: entitlement.map(|entitlement| spoken::approval(&entitlement.approval)),
        missing,
    })
}

/// Who could do the same by the policy alone, for the first ref that is asked for.
fn others(
    office: &Office<'_>,
    policy: &Policy,
    state: &State,
    now: DateTime<Utc>,
) -> (Vec<Other>, usize) {
    let request = &state.request;
    let Some((name, action)) = example(state) else { return (Vec::new(), 0) };
    let question = Question {
        action,
        name: &name,
        paths: if action == Action::Delete { Paths::None } else { Paths::Known(&[]) },
        now,
        margin: Duration::zero(),
        horizon: Duration::zero(),
    };
    let sources: Vec<Source> =
        office.here.settings().require.iter().map(|require| require.source.clone()).collect();
    let looked_up = lookups_of(&policy.groups);
    // Memberships that are looked up elsewhere are not asked about: this is for orientation.
    let answers: Answers =
        looked_up.values().flatten().map(|group| (group.clone(), Ok(false))).collect();
    let mut scopes = Scopes::new(policy);
    let (mut found, mut more) = (Vec::new(), 0);
    for (user, _) in
        policy.users.iter().filter(|(name, user)| user.active && **name != request.person)
    {
        let Ok((scope, _)) = scopes.scope(Some(user), request.repository.as_bytes(), &sources)
        else {
            return (Vec::new(), 0);
        };
        let decision = decision::decide(&scope, &question, &answers);
        let Verdict::Allowed(allowed) = &decision.verdict else { continue };
        if found.len() == MOST {
            more += 1;
            continue;
        }
        let entry = allowed.permits().first().and_then(|at| scope.entries.get(*at));
        let entry = entry.map_or_else(String::new, |entry| place(policy, entry.place));
        found.push(Other { user: user.to_string(), entry });
    }
    (found, more)
}

fn place(policy: &Policy, place: Place) -> String {
    let file = policy.files.get(usize::from(place.file)).map_or("policy", String::as_str);
    format!("{file}:{}", place.line)
}

/// A ref and an action that the request is about.
fn example(state: &State) -> Option<(Vec<u8>, Action)> {
    let (permissions, refs) = state.request.parts().next()?;
    let entry = as_entry(permissions, refs.clone(), state);
    let user = &state.request.person;
    let names = diff::ref_classes(&[&entry], Some(user))?;
    let name =
        names.into_iter().find(|name| entry.refs.permits(name, Some(user)).unwrap_or(false))?;
    let action = [
        (Permissions::UPDATE, Action::Update),
        (Permissions::CREATE, Action::Create),
        (Permissions::FORCE, Action::Force),
        (Permissions::DELETE, Action::Delete),
    ]
    .into_iter()
    .find(|(one, _)| permissions.intersects(*one))?;
    Some((name, action.1))
}

fn as_entry(permissions: Permissions, refs: RefScope, state: &State) -> Entry {
    Entry {
        kind: Kind::Lent("?".into()),
        place: Place { file: 0, line: 0 },
        permissions,
        to: Some(vec![Holder::User(state.request.person.clone())]),
        except: Vec::new(),
        refs,
        paths: None,
        when: Window::default(),
        checks: Vec::new(),
        reason: None,
        enforce: Enforce::Refuse,
        within: None,
    }
}

/// When a ref that is asked for was last moved, which, and by whom, by the trail.
fn last_used(
    office: &Office<'_>,
    state: &State,
) -> anyhow::Result<Option<(DateTime<Utc>, String, String)>> {
    let request = &state.request;
    let filter = read::Filter {
        repository: Some(Text::new(&request.repository)),
        event: Some(Word::PUSH_LANDED),
        ..read::Filter::default()
    };
    let covers = |name: &[u8]| {
        let mut parts = request.parts();
        parts.any(|(_, refs)| refs.permits(name, Some(&request.person)).unwrap_or(false))
    };
    let mut last = None;
    read::each(&office.here.audit_file(), &filter, &mut |seen| {
        if let Line::Line { line, record, .. } = seen
            && let Some(one) = record.refs.iter().find(|one| covers(&one.name.to_bytes()))
        {
            let by = record.actor.as_ref().and_then(|actor| actor.user.as_ref());
            let by = by.map_or_else(|| "somebody".to_owned(), ToString::to_string);
            last = Some((line.end.time, by, one.name.to_string()));
        }
        Ok(())
    })?;
    Ok(last)
}

fn tell(
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
    row("for", length(state));
    if let Some(reason) = &request.reason {
        row("says", format!("{} ({}'s own words)", view::quoted(reason), request.person));
    }
    if let Some(ticket) = &request.ticket {
        row("ticket", view::quoted(ticket));
    }
    for seen in request.seen.iter().take(MOST) {
        row(
            "pushed",
            format!("{}  {}  {}..{}", seen.name, seen.action, short(&seen.old), short(&seen.new)),
        );
    }
    if request.seen.len() > MOST {
        row("", format!("and {} more refs", request.seen.len() - MOST));
    }
    if !request.pins.is_empty() {
        row("pinned", "only these commits, nothing else".into());
    }
    rows_of_answer(state, found, &row);
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
    row(
        "last used",
        match &found.last {
            Some((at, by, name)) => format!("{by} moved {name}, {}", view::time(*at, zone)),
            None => "nobody has moved such a ref, by the trail".into(),
        },
    );
    for event in &record.events {
        let note =
            note(&event.what).map(|note| format!(": {}", view::quoted(note))).unwrap_or_default();
        row(
            "event",
            format!("{}  {} by {}{note}", view::time(event.at, zone), event.what.word(), event.by),
        );
    }
}

fn rows_of_answer(state: &State, found: &Found, row: &dyn Fn(&str, String)) {
    let yeses: Vec<String> = state.approvals.iter().map(|(by, _)| by.to_string()).collect();
    if !yeses.is_empty() {
        row("said yes", yeses.join(", "));
    }
    if state.unattested {
        row("attested", "NO: taken without approval, and nobody has attested it".into());
    }
    if matches!(state.phase, Phase::Pending) || state.unattested {
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

fn length(state: &State) -> String {
    let request = &state.request;
    let uses = request.max_uses.map(|uses| format!(", {uses} pushes at most")).unwrap_or_default();
    let from = match request.from {
        Some(from) => format!(" from {} on", view::stamp(from)),
        None => " from the approval on".into(),
    };
    format!("{}{from}{uses}, by entitlement {}", request.duration, request.entitlement)
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

fn note(what: &What) -> Option<&str> {
    match what {
        What::Approved { note, .. }
        | What::Denied { note }
        | What::Revoked { note }
        | What::ExtensionApproved { note, .. }
        | What::ExtensionDenied { note }
        | What::Attested { note } => note.as_deref(),
        What::ExtensionAsked { reason, .. } => reason.as_deref(),
        _ => None,
    }
}

fn as_json(id: &Id, record: &Record, state: &State, found: &Found, now: DateTime<Utc>) -> Value {
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
        .as_ref()
        .map(|(at, by, name)| json!({ "at": view::stamp(*at), "by": by, "ref": name }));
    let pins: Vec<&str> = state.request.pins.iter().map(|pin| pin.new.as_str()).collect();
    let except: Vec<String> = state.request.refs.exclude.iter().map(spelled).collect();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("events".into(), events.into());
        fields.insert("holders".into(), others.into());
        fields.insert("last_moved".into(), last.into());
        fields.insert("can_answer".into(), found.approvers.clone().into());
        fields.insert("approval_rule".into(), found.rule.clone().into());
        fields.insert("approvals_missing".into(), found.missing.into());
        fields.insert("pins".into(), pins.into());
        fields.insert("except".into(), except.into());
    }
    value
}
