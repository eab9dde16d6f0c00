//! What the server finds out about a request besides its record: who can answer it, who holds the
//! right already, when it was last used.

use super::super::failure::damaged;
use super::super::office::Office;
use crate::access::event::Actor;
use crate::access::{State, quorum};
use crate::audit::read::{self, ReadError, Seen as Line};
use crate::audit::{Event as Word, Text};
use crate::cli::Failure;
use crate::cli::exit::Exit;
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
use std::collections::HashMap;
use std::io;
use std::path::Path;

/// Most people that are listed.
const MOST: usize = 20;
/// How long the trail is read for the last use.
const READING: std::time::Duration = std::time::Duration::from_secs(5);

/// Somebody who holds the right already, and by which entry.
pub(super) struct Other {
    pub(super) user: String,
    pub(super) entry: String,
}

/// What the server found out besides the record.
pub(super) struct Found {
    pub(super) others: Vec<Other>,
    pub(super) more_others: usize,
    pub(super) last: LastUse,
    pub(super) approvers: Vec<String>,
    pub(super) rule: Option<String>,
    pub(super) missing: usize,
}

/// When a ref that is asked for was last moved, by the trail.
#[derive(Debug, Default)]
pub(super) struct LastUse {
    /// When, by whom, which ref.
    pub(super) found: Option<(DateTime<Utc>, String, String)>,
    /// The trail is too long to be read to its end: there may be a later one.
    pub(super) cut: bool,
}

/// Finds it out.
///
/// # Errors
/// Policy or trail can't be read.
pub(super) fn find_out(
    office: &Office<'_>,
    state: &State,
    now: DateTime<Utc>,
) -> anyhow::Result<Found> {
    let policy = office.here.policy.policy().map_err(damaged)?;
    let (others, more_others) = others(office, &policy, state, now);
    let approvers = ledger::approvers(&office.here.policy, state);
    let entitlement = policy.entitlements.get(&state.request.entitlement);
    let yeses = answered(state, now);
    let missing = match (entitlement, office.place(&state.request.repository)) {
        (Some(entitlement), Ok((_, project))) => {
            office.people.quorum(yeses, state, entitlement, &project).map_err(damaged)?.missing
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

/// The yeses to what is open: to more time where that is asked for, else to the request.
fn answered(state: &State, now: DateTime<Utc>) -> &[(Actor, DateTime<Utc>)] {
    match state.extension_pending(now) {
        Some(asked) => &asked.approvals,
        None => &state.approvals,
    }
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
        looked_up.values().flatten().map(|group| (group.clone().into(), Ok(false))).collect();
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

fn last_used(office: &Office<'_>, state: &State) -> anyhow::Result<LastUse> {
    let end = clock::now().boot.saturating_add(READING);
    let found = last_moved(&office.here.audit_file(), state, &|| clock::now().boot >= end);
    found.map_err(|error| Failure::new(Exit::Unavailable, error.to_string()).into())
}

/// A push that landed is known by its id; who made it was written down when it was decided. The
/// trail is read from its beginning, until `expired` says so.
fn last_moved(
    trail: &Path,
    state: &State,
    expired: &dyn Fn() -> bool,
) -> Result<LastUse, ReadError> {
    let request = &state.request;
    let repository = Some(Text::new(&request.repository));
    let covers = |name: &[u8]| {
        let mut parts = request.parts();
        parts.any(|(_, refs)| refs.permits(name, Some(&request.person)).unwrap_or(false))
    };
    let mut pushers: HashMap<Text, String> = HashMap::new();
    let mut last = LastUse::default();
    let done = read::each(trail, &read::Filter::default(), &mut |seen| {
        if expired() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let Line::Line { line, record, .. } = seen else { return Ok(()) };
        if record.repository != repository {
            return Ok(());
        }
        let moved = record.refs.iter().find(|one| covers(&one.name.to_bytes()));
        let push = record.push.as_ref().and_then(|push| push.id.clone());
        let (Some(moved), Some(push)) = (moved, push) else { return Ok(()) };
        let by = record.actor.as_ref().and_then(|actor| actor.user.as_ref());
        if record.lets_through() {
            pushers.insert(push, by.map_or_else(|| "somebody".to_owned(), ToString::to_string));
        } else if record.event == Word::PUSH_LANDED {
            let by = pushers.remove(&push).unwrap_or_else(|| "somebody".into());
            last.found = Some((line.end.time, by, moved.name.to_string()));
        }
        Ok(())
    });
    match done {
        Err(ReadError::Output(error)) if error.kind() == io::ErrorKind::TimedOut => {
            last.cut = true;
        }
        done => done?,
    }
    Ok(last)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test writes its own files")]
mod tests {
    use super::*;
    use crate::access::request::exactly;
    use crate::access::{Event, Request, What};
    use crate::policy::name::{EntitlementName, ProjectName, UserName};
    use crate::policy::span::Span;

    fn state() -> State {
        let request = Request {
            person: UserName::parse("bob").unwrap(),
            entitlement: EntitlementName::parse("hotfix").unwrap(),
            project: ProjectName::parse("PAY").unwrap(),
            repository: "app".into(),
            permissions: Permissions::UPDATE,
            refs: RefScope { include: vec![exactly(b"refs/heads/main").unwrap()], exclude: vec![] },
            more: Vec::new(),
            paths: None,
            checks: Vec::new(),
            pins: Vec::new(),
            duration: Span::of_seconds(60).unwrap(),
            from: None,
            max_uses: None,
            reason: None,
            ticket: None,
            pending_until: DateTime::UNIX_EPOCH,
            seen: Vec::new(),
        };
        let what = What::Requested(Box::new(request));
        State::begin(&Event { at: DateTime::UNIX_EPOCH, by: Actor::default(), what }).unwrap()
    }

    #[test]
    fn a_trail_that_takes_too_long_is_said_to_be_read_in_part() {
        let folder = tempfile::tempdir().unwrap();
        let trail = folder.path().join("audit.jsonl");
        std::fs::write(&trail, "not a line of ours\n").unwrap();
        let found = last_moved(&trail, &state(), &|| true).unwrap();
        assert!(found.cut && found.found.is_none());
        let found = last_moved(&trail, &state(), &|| false).unwrap();
        assert!(!found.cut && found.found.is_none());
    }
}
