//! What people do with what is their own: withdraw a request, give a grant back, ask for more time.

use super::office::{Office, store_failure};
use super::request::span;
use super::{bounded, told, view};
use crate::access::{What, ask};
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::hook::ask as by_push;
use crate::hook::ledger::Effect;

/// Arguments of `access withdraw` and `access return`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: refwarden access return 7f3k-92qd --as bob")]
pub struct Args {
    /// The request or grant, its id whole.
    id: String,
}

/// Arguments of `access extend`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: refwarden access extend 7f3k-92qd --as bob --for 30m --reason 'the fix needs a second round'"
)]
pub struct ExtendArgs {
    /// The grant, its id whole.
    id: String,
    /// How much more; without it, as much as the entitlement allows.
    #[arg(long = "for", value_name = "DURATION")]
    duration: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Takes back a request.
///
/// # Errors
/// It is somebody else's, or was moved before.
pub fn withdraw(office: &Office<'_>, args: &Args, out: &Out) -> anyhow::Result<Exit> {
    office.person()?;
    let id = office.id(&args.id)?;
    let moved = office.move_on(&id, Effect::MayWiden, |_, _| {
        Ok((office.caller.actor.clone(), What::Withdrawn))
    })?;
    Ok(told(&moved, &format!("{id}: withdrawn"), out))
}

/// Gives a grant back.
///
/// # Errors
/// It is somebody else's, or was moved before.
pub fn give_back(office: &Office<'_>, args: &Args, out: &Out) -> anyhow::Result<Exit> {
    office.person()?;
    let id = office.id(&args.id)?;
    let moved = office.move_on(&id, Effect::TakesAway, |_, _| {
        Ok((office.caller.actor.clone(), What::Returned))
    })?;
    Ok(told(&moved, &format!("{id}: given back"), out))
}

/// Asks for more time.
///
/// # Errors
/// The entitlement does not extend, or not so long or so often; it is somebody else's, or over.
pub fn extend(office: &Office<'_>, args: &ExtendArgs, out: &Out) -> anyhow::Result<Exit> {
    office.person()?;
    let id = office.id(&args.id)?;
    let more = args.duration.as_deref().map(|text| span("--for", text)).transpose()?;
    let reason = bounded(args.reason.as_ref(), "--reason")?;
    let moved = office.move_on(&id, Effect::MayWiden, |state, now| {
        let of_person = office.store.of_person(&state.request.person, now);
        let of_person = of_person.map_err(|error| store_failure(&error))?;
        by_push::may_ask(&of_person, u32::MAX, now)
            .map_err(|words| Failure::new(Exit::Refused, words))?;
        let entitlement = office.entitlement(&state.request.entitlement)?;
        let (duration, _) = ask::extended(state, &entitlement, more)
            .map_err(|words| Failure::new(Exit::Refused, words))?;
        let pending_until = now + entitlement.pending.delta();
        let what = What::ExtensionAsked { duration, reason: reason.clone(), pending_until };
        Ok((office.caller.actor.clone(), what))
    })?;
    let zone = office.here.settings().timezone;
    told(&moved, &view::line(&id, &moved.state, moved.at, zone), out);
    Ok(Exit::Waiting)
}
