//! Asking by push option: from a refused push to a request, and what the pusher is told.

mod look;
mod open;

pub use open::{Open, human};

use super::desk::Desk;
use super::judge::{Answer, Known, Ruled};
use super::ledger::{self, Effect, Ledger, LedgerError};
use super::lent;
use super::ruling::{self, Ruling};
use crate::access::ask::{self, Wish};
use crate::access::options::Asked;
use crate::access::request::{Part, exactly};
use crate::access::{Actor, Event, Id, Pin, Request, Seen, State, What, fit, lend};
use crate::audit::Record as Line;
use crate::code::Code;
use crate::decision::{Decision, Verdict, Why};
use crate::os::clock;
use crate::policy::entry::{Enforce, Permissions};
use crate::policy::members::Held;
use crate::policy::model::Entitlement;
use crate::policy::name::EntitlementName;
use crate::policy::refs::RefScope;
use crate::policy::window::Window;
use crate::push::{Action, RefUpdate};
use crate::pusher::Pusher;
use crate::report::{self, Raw};
use crate::store::access::{Append, Change, StoreError};
use chrono::{DateTime, Utc};

/// Most entitlements that are tried out for one refused push.
pub(super) const MAX_TRIED: usize = 100;
/// Most refs of a push for which entitlements are looked for at all.
const MAX_PUSH: usize = 1000;
/// Most decisions that trying out may take.
const MAX_DECISIONS: usize = 100_000;
/// Most refs of one push that access is asked for.
const MAX_REFS: usize = 100;
/// How often a request is tried again when the person's other requests moved.
const TRIES: u32 = 20;

/// Finds out what the person could ask for, so that the push would go through: entitlements they are
/// eligible for, narrowest first. Called when refs are refused for want of a permit.
pub fn fitting(
    ruling: &mut Ruling<'_>,
    updates: &[RefUpdate],
    ruled: &[Ruled],
) -> Result<Vec<(EntitlementName, Entitlement)>, super::Refusal> {
    let wanting: Vec<bool> = ruled.iter().map(wants).collect();
    let hopeless = ruled.iter().any(|one| one.answer.refused_by_rights().is_some() && !wants(one));
    let many = wanting.iter().filter(|wants| **wants).count() > MAX_REFS;
    if hopeless || many || updates.len() > MAX_PUSH || !wanting.contains(&true) {
        return Ok(Vec::new());
    }
    let all = ruling.desk.policy.entitlements(&ruling.ground.name, &ruling.place);
    let all = all.map_err(|error| super::Refusal::server(error.code(), &error))?;
    let mut fitting = Vec::new();
    // A refusal must not cost more than a pusher can afford to cause again and again.
    let most = MAX_TRIED.min(MAX_DECISIONS / updates.len().max(1));
    for (name, entitlement) in all.into_iter().take(most) {
        if eligible(ruling, &entitlement) && helps(ruling, updates, ruled, (&name, &entitlement))? {
            fitting.push((name, entitlement));
        }
    }
    fit::narrowest_first(&mut fitting);
    Ok(fitting)
}

/// Whether a ref is refused for want of a permit, whatever else there is against it for a time.
fn wants(ruled: &Ruled) -> bool {
    let Some(decision) = decided(ruled) else { return false };
    let Verdict::Refused(refused) = &decision.verdict else { return false };
    let mut reasons = refused.reasons();
    let lendable = |code| matches!(code, Code::NoPermit | Code::PathNotCovered | Code::Forbidden);
    reasons.all(|reason| lendable(reason.code))
        && refused
            .reasons()
            .any(|reason| matches!(reason.why, Why::NoPermit | Why::PathsUncovered(..)))
}

fn decided(ruled: &Ruled) -> Option<&Decision> {
    match &ruled.answer {
        Answer::Decided(decision) => Some(decision),
        Answer::Fault(..) => None,
    }
}

pub(super) fn eligible(ruling: &mut Ruling<'_>, entitlement: &Entitlement) -> bool {
    let holders = entitlement.entry.to.clone().unwrap_or_default();
    matches!(ruling.held(&holders), Held::Yes(_))
}

/// Whether every ref would be allowed with a grant of the entitlement, now or before it ended.
fn helps(
    ruling: &mut Ruling<'_>,
    updates: &[RefUpdate],
    ruled: &[Ruled],
    (name, entitlement): (&EntitlementName, &Entitlement),
) -> Result<bool, super::Refusal> {
    let Some(wanting) = wanting(updates, ruled) else { return Ok(false) };
    let Some(request) = scope(ruling, wanting, name) else { return Ok(false) };
    let before = ruling.ground.entries.len();
    let entries = lend::entries("?", &request, entitlement, &Window::default());
    ruling.ground.entries.extend(entries);
    let tried = ruling.all(updates);
    let now = ruling.desk.now.wall;
    let end = now + entitlement.max_duration.delta();
    let helps = tried.map(|tried| tried.iter().all(|one| would_pass(ruling, one, (now, end))));
    ruling.ground.entries.truncate(before);
    helps
}

/// Allowed, or stopped by nothing but forbids that end before the window does (04-access.md: a
/// request is refused when a forbid without paths covers the whole asked window).
fn would_pass(
    ruling: &Ruling<'_>,
    ruled: &Ruled,
    (now, end): (DateTime<Utc>, DateTime<Utc>),
) -> bool {
    let Some(decision) = decided(ruled) else { return false };
    let Verdict::Refused(refused) = &decision.verdict else { return true };
    refused.reasons().all(|reason| {
        let entry = reason.entry.and_then(|at| ruling.ground.entries.get(at));
        reason.code == Code::Forbidden
            && entry.is_some_and(|entry| {
                entry.enforce == Enforce::Refuse && entry.when.next(false, now, end).is_some()
            })
    })
}

/// A ref, what is done to it, and what is asked for that.
type Wanting<'u> = Vec<(&'u RefUpdate, Action, Permissions)>;

/// The refused refs, each with the right that it lacks.
fn wanting<'u>(updates: &'u [RefUpdate], ruled: &[Ruled]) -> Option<Wanting<'u>> {
    let refused = updates.iter().zip(ruled).filter(|(_, one)| wants(one));
    refused.map(|(update, one)| Some((update, one.action?, permission(one.action?)))).collect()
}

/// A request for what refs need, and no more; `None` where it can't be asked for.
pub(super) fn scope(
    ruling: &Ruling<'_>,
    wanting: Wanting<'_>,
    name: &EntitlementName,
) -> Option<Request> {
    let mut parts: Vec<(Permissions, RefScope)> = Vec::new();
    let (mut pins, mut seen) = (Vec::new(), Vec::new());
    for (update, action, asked) in wanting {
        let pattern = exactly(update.name.as_bytes())?;
        match parts.iter_mut().find(|(other, _)| *other == asked) {
            Some((_, refs)) => refs.include.push(pattern),
            None => parts.push((asked, RefScope { include: vec![pattern], exclude: vec![] })),
        }
        let null = ruling::null(update);
        seen.push(Seen {
            name: update.name.to_string(),
            action: action.as_str().to_owned(),
            old: update.change.old().unwrap_or(null).to_string(),
            new: update.change.new_id().unwrap_or(null).to_string(),
            brought: None,
        });
        pins.push(Pin { name: update.name.as_bytes().to_vec(), new: ruling::value(update) });
    }
    if seen.len() > MAX_REFS {
        return None;
    }
    let mut parts = parts.into_iter().map(|(permissions, refs)| Part { permissions, refs });
    let first = parts.next()?;
    Some(Request {
        person: ruling.user.clone(),
        entitlement: name.clone(),
        project: ruling.ground.name.clone(),
        repository: String::from_utf8(ruling.place.clone()).ok()?,
        permissions: first.permissions,
        refs: first.refs,
        more: parts.collect(),
        paths: None,
        checks: Vec::new(),
        pins,
        duration: crate::policy::span::Span::of_seconds(1)?,
        from: None,
        max_uses: None,
        reason: None,
        ticket: None,
        pending_until: ruling.desk.now.wall,
        seen,
    })
}

fn permission(action: Action) -> Permissions {
    match action {
        Action::Read => Permissions::READ,
        Action::Create => Permissions::CREATE,
        Action::Update => Permissions::UPDATE,
        Action::Force => Permissions::FORCE,
        Action::Delete => Permissions::DELETE,
    }
}

/// The scope of a request by the entitlement that was named, ready to be fitted; and the
/// entitlement. `None` where it would not help.
pub fn wanted(
    ruling: &mut Ruling<'_>,
    updates: &[RefUpdate],
    ruled: &[Ruled],
    fitting: &[(EntitlementName, Entitlement)],
    asked: &Asked,
) -> Option<(Request, Entitlement)> {
    let named = asked.entitlement.as_ref()?;
    let (name, entitlement) = fitting.iter().find(|(name, _)| name == named)?;
    let request = scope(ruling, wanting(updates, ruled)?, name)?;
    Some((looked(ruling, updates, request, entitlement), entitlement.clone()))
}

/// The request with what an approver wants to know of the push, and with pins only where the
/// entitlement asks for them.
pub(super) fn looked(
    ruling: &mut Ruling<'_>,
    updates: &[RefUpdate],
    mut request: Request,
    entitlement: &Entitlement,
) -> Request {
    if !entitlement.pin {
        request.pins.clear();
    }
    if request.paths.is_none() {
        request.paths = request.paths_of(entitlement);
    }
    look::look(ruling, updates, &mut request.seen);
    request
}

/// What came of asking.
pub enum Came {
    /// A request waits: filed now (RW451) or before (RW452); then also what it does not take over
    /// from this one.
    Waiting(Code, Id, State, Option<String>),
    /// Approved by rule, or before: push again (RW457).
    Approved(Id, State),
    /// It was not filed, for these reasons.
    No(Vec<String>),
}

/// Files a request, or finds the open one that is the same.
///
/// # Errors
/// The store or the trail can't be written: nothing was filed.
pub fn file(
    desk: &Desk,
    known: &Known,
    (request, entitlement): (Request, Entitlement),
    asked: &Asked,
) -> Result<Came, LedgerError> {
    let wish = Wish {
        duration: asked.duration,
        from: None,
        uses: asked.uses,
        reason: asked.reason.clone(),
        ticket: asked.ticket.clone(),
    };
    let now = clock::now().wall;
    let fingerprint = request.fingerprint();
    let fitted = ask::fit(wish, request, &entitlement, now);
    let Some(store) = desk.store_for_change()? else {
        return Ok(Came::No(vec!["this site has no store yet: `refwarden store init`".into()]));
    };
    let ledger = Ledger {
        store: store.as_ref(),
        trail: desk.trail(),
        state: &desk.site.state,
        digest: desk.digest,
    };
    let by = known.pusher.as_ref().map(actor).unwrap_or_default();
    let person = by.user.clone().ok_or(StoreError::Moved)?;
    let elsewhere = desk.elsewhere();
    let human = match human(&desk.policy, &person) {
        Ok(human) => human,
        Err(error) => return Ok(Came::No(vec![error.to_string()])),
    };
    for _ in 0..TRIES {
        let open = Open::of(store.as_ref(), &person, &human, now)?;
        if let Some((id, state)) = open.same(&fingerprint, now) {
            let kept = fitted.as_ref().ok().and_then(|wanted| state.request.keeps(wanted));
            return Ok(Came::Waiting(Code::RequestWaiting, id, state, kept));
        }
        let request = match &fitted {
            Ok(request) => request.clone(),
            Err(words) => return Ok(Came::No(words.clone())),
        };
        let trouble = elsewhere.ticket_trouble(request.ticket.as_deref(), &entitlement);
        if let Some(words) = trouble {
            return Ok(Came::No(vec![words]));
        }
        if let Err(words) = open.may_ask(desk.policy.settings().access.max_open, now) {
            return Ok(Came::No(vec![words]));
        }
        let event = Event { at: now, by: by.clone(), what: What::Requested(Box::new(request)) };
        let done = new_record(desk, &ledger, event, open.human, known);
        match done {
            Err(LedgerError::Store(StoreError::Moved | StoreError::Taken)) => {}
            Err(error) => return Err(error),
            Ok((id, state)) => return by_rule(desk, &ledger, &entitlement, id, state),
        }
    }
    Err(StoreError::Moved.into())
}

/// Who pushes, as an actor.
#[must_use]
pub fn actor(pusher: &Pusher) -> Actor {
    Actor {
        user: Some(pusher.user.clone()),
        source: Some(pusher.source.to_string()),
        key: pusher.key.clone(),
        address: pusher.address.clone(),
        server: None,
    }
}

fn new_record(
    desk: &Desk,
    ledger: &Ledger<'_>,
    event: Event,
    person: (crate::policy::name::UserName, u64),
    known: &Known,
) -> Result<(Id, State), LedgerError> {
    let id = Id::of(crate::os::random::bytes());
    let state = State::begin(&event).map_err(|_| StoreError::Moved)?;
    let mut line = ledger::line(&id, &state, &event);
    line.push = super::record::begin(desk, crate::audit::Event::PUSH_DECIDED, known).push;
    let change = Change {
        appends: vec![Append { id: id.clone(), after: 0, event: event.clone() }],
        person: Some(person),
        notices: ledger::notices(&desk.policy, (&id, 1), &state, &event),
        ..Change::default()
    };
    ledger.make(&change, vec![line], Effect::MayWiden, event.at)?;
    Ok((id, state))
}

/// `auto`: approved by rule, while its window is open.
fn by_rule(
    desk: &Desk,
    ledger: &Ledger<'_>,
    entitlement: &Entitlement,
    id: Id,
    state: State,
) -> Result<Came, LedgerError> {
    let now = state.asked_at;
    let filed = |id, state| Ok(Came::Waiting(Code::RequestFiled, id, state, None));
    let Some(auto) = entitlement.auto.as_ref().filter(|auto| auto.when.holds(now)) else {
        return filed(id, state);
    };
    let Ok(terms) = ask::terms(&state.request, entitlement, Some(auto.max_duration), now) else {
        return filed(id, state);
    };
    let what = What::Approved { note: None, terms: Some(terms) };
    let event = Event { at: now, by: Actor::rule(), what };
    let Ok(next) = crate::access::step(state.clone(), &event) else { return filed(id, state) };
    let line: Line = ledger::line(&id, &next, &event);
    let change = Change {
        appends: vec![Append { id: id.clone(), after: 1, event: event.clone() }],
        notices: ledger::notices(&desk.policy, (&id, 2), &next, &event),
        ..Change::default()
    };
    match ledger.make(&change, vec![line], Effect::MayWiden, now) {
        Ok(_) => Ok(Came::Approved(id, next)),
        Err(LedgerError::Store(StoreError::Moved)) => filed(id, state),
        Err(error) => Err(error),
    }
}

/// The store's refusal as a refusal of the push.
pub fn refusal(error: &LedgerError) -> super::Refusal {
    match error {
        LedgerError::Store(error) => lent::refusal(error),
        LedgerError::Trail(error) => super::Refusal::server(error.code(), error),
        LedgerError::Epoch(error) => super::Refusal::server(Code::Store, error),
    }
}

/// `bob asks for update of release/2.4 in payments/api, 1 h, hotfix`
#[must_use]
pub fn told(id: &Id, state: &State) -> Raw {
    let request = &state.request;
    let what = |permissions: Permissions| match request.checks.is_empty() {
        true => format!("{permissions} of"),
        false => format!("{permissions} of {} on", request.checks.join(", ")),
    };
    let parts: Vec<String> = request
        .parts()
        .map(|(permissions, refs)| format!("{} {}", what(permissions), report::refs(refs)))
        .collect();
    format!(
        "request {id}: {} asks for {} in {}, {}, {}",
        request.person,
        parts.join(" and "),
        request.repository,
        request.duration,
        request.entitlement
    )
    .into_bytes()
}
