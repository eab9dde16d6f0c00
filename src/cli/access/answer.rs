//! `access approve` and `access deny`: of a request, or of more time for a grant.

use super::office::{Office, damaged};
use super::people::Quorum;
use super::scope::{self, Asked};
use super::{bounded, told, view};
use crate::access::{Phase, Standing, State, What, ask};
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::hook::ledger::Effect;
use crate::policy::model::{Entitlement, Project};
use chrono::{DateTime, Utc};

/// Arguments of `access approve`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: refwarden access approve 7f3k-92qd --as alice --note 'go ahead, PAY-42'"
)]
pub struct ApproveArgs {
    /// The request, its id whole.
    id: String,
    /// A word to it.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// Arguments of `access deny`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: refwarden access deny 7f3k-92qd --as alice --note 'after the freeze'"
)]
pub struct DenyArgs {
    /// The request, its id whole.
    id: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// Says yes.
///
/// # Errors
/// Who may not, what is against it, or who moved it before.
pub fn approve(office: &Office<'_>, args: &ApproveArgs, out: &Out) -> anyhow::Result<Exit> {
    office.only_in_person("approve")?;
    office.person()?;
    let id = office.id(&args.id)?;
    let note = bounded(args.note.as_ref(), "--note")?;
    let mut missing = Quorum { missing: 0, lists: Vec::new() };
    let moved = office.move_on(&id, Effect::MayWiden, |state, now| {
        let extension = is_extension(state, now);
        if !extension && state.standing(now) != Standing::Pending {
            // Nobody's to approve any more: the state machine says who moved it.
            let what = What::Approved { note: note.clone(), terms: None };
            return Ok((office.caller.actor.clone(), what));
        }
        let (entitlement, project) = allowed(office, state)?;
        let vote = (office.caller.actor.clone(), now);
        let before = match (extension, &state.extension) {
            (true, Some(asked)) => asked.approvals.as_slice(),
            _ => state.approvals.as_slice(),
        };
        let yeses = before.iter().chain([&vote]);
        missing = office.people.quorum(yeses, state, &entitlement, &project).map_err(damaged)?;
        let met = missing.missing == 0;
        let what = match extension {
            true => more_time(office, state, &entitlement, (met, now), note.clone())?,
            false => yes(office, state, &entitlement, (met, now), note.clone())?,
        };
        Ok((vote.0, what))
    })?;
    let zone = office.here.settings().timezone;
    if missing.missing == 0 {
        let exit = told(&moved, &view::line(&id, &moved.state, moved.at, zone), out);
        return Ok(exit);
    }
    let words = format!("{id}: {} said yes; {}", office.caller.actor, missing.words());
    told(&moved, &words, out);
    Ok(Exit::Waiting)
}

fn is_extension(state: &State, now: DateTime<Utc>) -> bool {
    state.extension_pending(now).is_some()
}

/// The entitlement and project of today, where the one who acts may answer.
fn allowed(office: &Office<'_>, state: &State) -> anyhow::Result<(Entitlement, Project)> {
    if let Err(words) = office.could_approve(state)? {
        return Err(Failure::new(Exit::Refused, words).into());
    }
    let entitlement = office.entitlement(&state.request.entitlement)?;
    let (_, project) = office.place(&state.request.repository)?;
    Ok((entitlement, project))
}

fn yes(
    office: &Office<'_>,
    state: &State,
    entitlement: &Entitlement,
    (met, now): (bool, DateTime<Utc>),
    note: Option<String>,
) -> anyhow::Result<What> {
    let terms = ask::terms(&state.request, entitlement, None, now)
        .map_err(|words| Failure::new(Exit::Refused, words))?;
    honour(office, state, entitlement, Asked { from: terms.from, until: terms.until })?;
    Ok(What::Approved { note, terms: met.then_some(terms) })
}

fn more_time(
    office: &Office<'_>,
    state: &State,
    entitlement: &Entitlement,
    (met, now): (bool, DateTime<Utc>),
    note: Option<String>,
) -> anyhow::Result<What> {
    let asked = state.extension_pending(now).map(|asked| asked.duration);
    let (_, until) = ask::extended(state, entitlement, asked)
        .map_err(|words| Failure::new(Exit::Refused, words))?;
    let from = match &state.phase {
        Phase::Approved(terms) => terms.until,
        _ => now,
    };
    honour(office, state, entitlement, Asked { from, until })?;
    Ok(What::ExtensionApproved { note, until: met.then_some(until) })
}

/// What stops a request stops its approval too.
fn honour(
    office: &Office<'_>,
    state: &State,
    entitlement: &Entitlement,
    asked: Asked,
) -> anyhow::Result<()> {
    match scope::against(office, &state.request, entitlement, asked)? {
        words if words.is_empty() => Ok(()),
        words => {
            let words = format!("it would lend nothing: {}", words.join("; "));
            Err(Failure::new(Exit::Refused, words).into())
        }
    }
}

/// Says no.
///
/// # Errors
/// Who may not, or who moved it before.
pub fn deny(office: &Office<'_>, args: &DenyArgs, out: &Out) -> anyhow::Result<Exit> {
    office.person()?;
    let id = office.id(&args.id)?;
    let note = bounded(args.note.as_ref(), "--note")?;
    let moved = office.move_on(&id, Effect::MayWiden, |state, now| {
        let by = office.caller.actor.clone();
        let extension = is_extension(state, now);
        if extension || state.standing(now) == Standing::Pending {
            allowed(office, state)?;
        }
        let note = note.clone();
        Ok((by, if extension { What::ExtensionDenied { note } } else { What::Denied { note } }))
    })?;
    let what = if matches!(moved.state.phase, Phase::Closed) {
        "denied"
    } else {
        "extension denied, no more time"
    };
    Ok(told(&moved, &format!("{id}: {what}, by {}", office.caller.actor), out))
}
