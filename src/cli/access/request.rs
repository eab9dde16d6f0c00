//! `access request`: a wish becomes a record, or finds the open one that is the same.

use super::failure::{ledger_failure, store_failure};
use super::moves;
use super::office::Office;
use super::scope::{self, Asked};
use super::wish::{self, Scoped, Wanted, ahead, as_options};
use super::{copied, view};
use crate::access::{Actor, Event, Id, Request, Standing, State, What, ask};
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::hook::ledger::{self, Effect, LedgerError};
use crate::os::{clock, random};
use crate::policy::name::UserName;
use crate::policy::span::Span;
use crate::store::access::{Append, Change, Idempotency, StoreError};
use chrono::{DateTime, Utc};
use std::time::Duration;

/// How often a request is tried again when the person's other requests moved.
const TRIES: u32 = 64;
/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(500);

/// Arguments of `access request`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: refwarden access request hotfix --as bob --repository payments/api \\\n             \
    --branches release/2.4 --update --for 1h --reason 'PAY-42 retry storm' --wait 10m"
)]
pub struct Args {
    #[command(flatten)]
    pub(in crate::cli) scoped: Scoped,
    /// Not before this time: 2026-11-22T10:00:00Z, or 2h for so long from now.
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) from: Option<String>,
    /// Wait so long for the answer, at most 1 d; exit code 5 where none came.
    #[arg(long, value_name = "DURATION")]
    pub(in crate::cli) wait: Option<String>,
}

/// Files a request, or finds the open one that is the same.
///
/// # Errors
/// Why it was not filed.
pub fn run(office: &Office<'_>, args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let now = office.sound_now()?;
    let from =
        args.from.as_deref().map(|text| ahead(text, now).map(|at| (text, at))).transpose()?;
    let wait = args.wait.as_deref().map(wish::wait).transpose()?;
    let wanted = wish::read(office, &args.scoped, from, "request")?;
    let (id, mut state) = file(office, &wanted, true)?;
    let mine = ask::fit(wanted.wish.clone(), wanted.request.clone(), &wanted.entitlement, now);
    if let Some(words) = mine.ok().and_then(|mine| state.request.keeps(&mine)) {
        view::note(out, words);
    }
    if state.standing(now) == Standing::Pending
        && let Some(next) = by_rule(office, &wanted, &id, &state)?
    {
        state = next;
    }
    if let Some(wait) = wait {
        state = wait_for(office, &id, state, wait)?;
        if state.standing(clock::now().wall) == Standing::Pending {
            let words = format!("nobody has answered within {wait}: {id} stays open, look again");
            view::note(out, words);
        }
    }
    Ok(tell(office, &id, &state, out))
}

/// Files the request; with `find`, an open one that is the same is found instead.
///
/// # Errors
/// Why it was not filed.
pub fn file(office: &Office<'_>, wanted: &Wanted, find: bool) -> anyhow::Result<(Id, State)> {
    let fingerprint = wanted.request.fingerprint();
    let person = wanted.request.person.clone();
    for turn in 0..TRIES {
        let now = office.sound_now()?;
        if let Some(found) = done_before(office, wanted)? {
            return Ok(found);
        }
        let open = office.open_of(&person, now)?;
        if let Some(found) = open.same(&fingerprint, now).filter(|_| find) {
            return Ok(found);
        }
        let request = fitted(office, wanted, now)?;
        let max_open = office.here.settings().access.max_open;
        open.may_ask(max_open, now).map_err(|words| Failure::new(Exit::Refused, words))?;
        let what = What::Requested(Box::new(request));
        let event = Event { at: now, by: office.caller.actor.clone(), what };
        match new_record(office, wanted, event, open.human, find) {
            Err(LedgerError::Store(StoreError::Moved | StoreError::Taken)) => moves::pause(turn),
            Err(error) => return Err(ledger_failure(&error).into()),
            Ok(filed) => return Ok(filed),
        }
    }
    Err(moves::busy().into())
}

/// What the same command did under its key before.
fn done_before(office: &Office<'_>, wanted: &Wanted) -> anyhow::Result<Option<(Id, State)>> {
    let Some((key, content)) = &wanted.key else { return Ok(None) };
    let Some(done) = office.store.done(key).map_err(|e| store_failure(&e))? else {
        return Ok(None);
    };
    if done.content != *content {
        let words = format!("this idempotency key was used for something else ({})", done.id);
        return Err(Failure::conflict(words).into());
    }
    let (_, state) = office.record(&done.id)?;
    Ok(Some((done.id, state)))
}

/// The request within its entitlement, with nothing against it.
fn fitted(office: &Office<'_>, wanted: &Wanted, now: DateTime<Utc>) -> anyhow::Result<Request> {
    let all = |words: Vec<String>| Failure::new(Exit::Refused, words.join("; "));
    let fitted = ask::fit(wanted.wish.clone(), wanted.request.clone(), &wanted.entitlement, now);
    let request = fitted.map_err(|words| all(words.iter().map(|w| as_options(w)).collect()))?;
    let elsewhere = office.people.elsewhere();
    let trouble = elsewhere.ticket_trouble(request.ticket.as_deref(), &wanted.entitlement);
    if let Some(words) = trouble {
        return Err(all(vec![words]).into());
    }
    let from = request.from.unwrap_or(now);
    let asked = Asked { from, until: from + request.duration.delta() };
    match scope::against(office, &request, &wanted.entitlement, asked)? {
        words if words.is_empty() => Ok(request),
        words => Err(all(words).into()),
    }
}

fn new_record(
    office: &Office<'_>,
    wanted: &Wanted,
    event: Event,
    human: (UserName, u64),
    told: bool,
) -> Result<(Id, State), LedgerError> {
    let id = Id::of(random::bytes());
    let state = State::begin(&event).map_err(|_| StoreError::Moved)?;
    let line = ledger::line(&id, &state, &event);
    // Of a broken glass its own event tells, at once.
    let notices = match told {
        true => ledger::notices(&office.here.policy, (&id, 1), &state, &event),
        false => Vec::new(),
    };
    let change = Change {
        appends: vec![Append { id: id.clone(), after: 0, event: event.clone() }],
        person: Some(human),
        notices,
        idempotency: wanted.key.clone().map(|(key, content)| Idempotency {
            key,
            content,
            id: id.clone(),
        }),
        ..Change::default()
    };
    office.make(&change, vec![line], Effect::MayWiden, event.at)?;
    Ok((id, state))
}

/// `auto`: approved by rule, while its window is open.
fn by_rule(
    office: &Office<'_>,
    wanted: &Wanted,
    id: &Id,
    state: &State,
) -> anyhow::Result<Option<State>> {
    let now = clock::now().wall;
    let Some(auto) = wanted.entitlement.auto.as_ref().filter(|auto| auto.when.holds(now)) else {
        return Ok(None);
    };
    // Also of a request that was filed before: what stops asking now stops the rule.
    let open = office.open_of(&wanted.request.person, now)?;
    let asked = Asked { from: now, until: now + state.request.duration.delta() };
    let against = scope::against(office, &state.request, &wanted.entitlement, asked)?;
    let fits = ask::still_fits(&state.request, &wanted.entitlement, now);
    if open.may_ask(u32::MAX, now).is_err() || !against.is_empty() || fits.is_err() {
        return Ok(None);
    }
    let cap = Some(auto.max_duration);
    let Ok(terms) = ask::terms(&state.request, &wanted.entitlement, cap, now) else {
        return Ok(None);
    };
    let moved = office.move_on(id, Effect::MayWiden, |_, _| {
        Ok((Actor::rule(), What::Approved { note: None, terms: Some(terms.clone()) }))
    });
    match moved {
        Ok(moved) => Ok(Some(moved.state)),
        // Somebody has answered meanwhile.
        Err(error) if exit_of(&error) == Some(Exit::Refused) => Ok(Some(office.record(id)?.1)),
        Err(error) => Err(error),
    }
}

fn exit_of(error: &anyhow::Error) -> Option<Exit> {
    error.downcast_ref::<Failure>().map(|failure| failure.exit)
}

fn wait_for(office: &Office<'_>, id: &Id, state: State, wait: Span) -> anyhow::Result<State> {
    let end = clock::now().boot + Duration::from_secs(wait.seconds().into());
    let mut state = state;
    while state.standing(clock::now().wall) == Standing::Pending && clock::now().boot < end {
        std::thread::sleep(LOOK);
        state = office.record(id)?.1;
    }
    Ok(state)
}

/// Tells what stands now; the exit code is the answer.
pub fn tell(office: &Office<'_>, id: &Id, state: &State, out: &Out) -> Exit {
    let now = clock::now().wall;
    if out.json {
        out.value(&view::json(id, state, now));
    } else {
        view::say(out, view::line(id, state, now, office.here.settings().timezone));
    }
    match state.standing(now) {
        Standing::Pending => {
            let names = ledger::approvers(&office.here.policy, state);
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            if !out.json && !names.is_empty() {
                view::say(out, format!("can approve: {}", names.join(", ")));
            }
            let commands = copied::answers(office, id, state, &names, now);
            for (verb, command) in commands.iter().filter(|_| !out.json) {
                view::say(out, format!("{verb}: {command}"));
            }
            Exit::Waiting
        }
        Standing::Active | Standing::Scheduled => Exit::Done,
        _ => Exit::Refused,
    }
}
