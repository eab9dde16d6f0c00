//! What people do with what is their own: withdraw a request, give a grant back, ask for more time.

use super::office::Office;
use super::scope::{self, Asked};
use super::wish::{as_options, span};
use super::{bounded, told, view};
use crate::access::{Standing, State, What, ask};
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::hook::ledger::Effect;
use crate::policy::span::Span;
use chrono::{DateTime, Utc};

/// Arguments of `access withdraw` and `access return`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: refwarden access return 7f3k-92qd --as bob")]
pub struct Args {
    /// The request or grant, its id whole.
    pub(in crate::cli) id: String,
}

/// Arguments of `access extend`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: refwarden access extend 7f3k-92qd --as bob --for 30m \\\n             \
    --reason 'the fix needs a second round'"
)]
pub struct ExtendArgs {
    /// The grant, its id whole.
    pub(in crate::cli) id: String,
    /// How much more; without it, as much as the entitlement allows.
    #[arg(long = "for", value_name = "DURATION")]
    pub(in crate::cli) duration: Option<String>,
    /// Why, by the entitlement's rules for reason and ticket, as for a request.
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
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

/// Asks for more time, under the rules of asking.
///
/// # Errors
/// The entitlement does not extend, or not so long or so often, or not for these words; it would
/// lend nothing; it is somebody else's, or over.
pub fn extend(office: &Office<'_>, args: &ExtendArgs, out: &Out) -> anyhow::Result<Exit> {
    office.person()?;
    let id = office.id(&args.id)?;
    let more = args.duration.as_deref().map(|text| span("--for", text)).transpose()?;
    let reason = bounded(args.reason.as_ref(), "--reason")?;
    let moved = office.move_on(&id, Effect::MayWiden, |state, now| {
        let asked = (more, reason.clone());
        Ok((office.caller.actor.clone(), wish_for_more(office, state, asked, now)?))
    })?;
    let zone = office.here.settings().timezone;
    told(&moved, &view::line(&id, &moved.state, moved.at, zone), out);
    Ok(Exit::Waiting)
}

fn wish_for_more(
    office: &Office<'_>,
    state: &State,
    (more, reason): (Option<Span>, Option<String>),
    now: DateTime<Utc>,
) -> anyhow::Result<What> {
    let refuse = |words: String| Failure::new(Exit::Refused, words);
    let person = &state.request.person;
    if office.caller.person() != Some(person) {
        let words = format!("only {person} can do that: it is their own request");
        return Err(refuse(words).into());
    }
    if state.standing(now) == Standing::UsedUp {
        let words = "every use of it is spent or put aside, more time would lend nothing: ask anew";
        return Err(refuse(words.into()).into());
    }
    office.open_of(person, now)?.may_ask(u32::MAX, now).map_err(refuse)?;
    let entitlement = office.entitlement(&state.request.entitlement)?;
    let (duration, until) = ask::extended(state, &entitlement, more).map_err(refuse)?;
    ask::fits_more(&state.request, reason.as_deref(), &entitlement).map_err(|words| {
        refuse(words.iter().map(|words| as_options(words)).collect::<Vec<_>>().join("; "))
    })?;
    let from = state.terms.as_ref().map_or(now, |terms| terms.until);
    let against = scope::against(office, &state.request, &entitlement, Asked { from, until })?;
    if !against.is_empty() {
        return Err(refuse(format!("it would lend nothing: {}", against.join("; "))).into());
    }
    let pending_until = now + entitlement.pending.delta();
    Ok(What::ExtensionAsked { duration, reason, pending_until })
}
