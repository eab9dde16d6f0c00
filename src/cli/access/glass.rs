//! Breaking glass: taken at once by a person, told to everybody, and attested by somebody who could
//! have approved it. Until then its taker may ask for and take nothing new.

use super::failure::{damaged, ledger_failure};
use super::moves;
use super::office::Office;
use super::people;
use super::request::{file, tell};
use super::wish::{self, Scoped, Wanted};
use super::{bounded, told};
use crate::access::{Event, Id, Standing, State, What, ask, step};
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::hook::ledger::{Effect, LedgerError};
use crate::os::clock;
use crate::store::access::{Change, StoreError};

/// How often it is tried again when the person's records moved.
const TRIES: u32 = 64;

/// Arguments of `access break-glass`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: refwarden access break-glass emergency --as bob --repository payments/api \\\n             \
    --branches main --update --reason 'payments are down, PAY-99'"
)]
pub struct GlassArgs {
    #[command(flatten)]
    pub(in crate::cli) scoped: Scoped,
}

/// Arguments of `access attest`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: refwarden access attest 7f3k-92qd --as alice \\\n             \
    --note 'looked at the three commits, fine'")]
pub struct AttestArgs {
    /// The grant, its id whole.
    pub(in crate::cli) id: String,
    /// What you found, in your own words: notices, `show` and an auditor get them.
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) note: Option<String>,
}

/// Takes access at once; somebody has to attest it.
///
/// # Errors
/// Why it was not taken.
pub fn break_glass(office: &Office<'_>, args: &GlassArgs, out: &Out) -> anyhow::Result<Exit> {
    office.sound_now()?;
    office.only_in_person("break glass")?;
    let person = office.person()?;
    let wanted = wish::read(office, &args.scoped, None, "break-glass")?;
    let user = office.people.active(person).map_err(damaged)?;
    if user.is_none_or(|user| user.service) {
        let words = format!("{person} is a service, and services never break glass");
        return Err(Failure::new(Exit::Refused, words).into());
    }
    if !wanted.entitlement.break_glass {
        let words = format!("`{}` can't be taken by breaking glass", wanted.request.entitlement);
        return Err(Failure::new(Exit::Refused, words).into());
    }
    let (id, state) = file(office, &wanted, false)?;
    let state = match state.standing(clock::now().wall) {
        Standing::Pending => take(office, &wanted, &id)?,
        _ => state,
    };
    Ok(tell(office, &id, &state, out))
}

/// The second half of breaking glass: what was just filed begins. The person's records are compared
/// again, so that two at once do not both get through.
fn take(office: &Office<'_>, wanted: &Wanted, id: &Id) -> anyhow::Result<State> {
    let person = &wanted.request.person;
    for turn in 0..TRIES {
        let now = office.sound_now()?;
        let others = office.open_of(person, now)?.without(id);
        if let Err(words) = others.may_ask(u32::MAX, now) {
            let words = format!("{words}; request {id} stays and waits for approval");
            return Err(Failure::new(Exit::Refused, words).into());
        }
        let (record, state) = office.record(id)?;
        let mut terms = ask::terms(&state.request, &wanted.entitlement, None, now)
            .map_err(|words| Failure::new(Exit::Refused, words))?;
        terms.break_glass = true;
        let what = What::Approved { note: None, terms: Some(terms) };
        let event = Event { at: now, by: office.caller.actor.clone(), what };
        let next = step(state, &event).map_err(|illegal| {
            let why = illegal.told(office.here.settings().timezone);
            Failure::new(Exit::Refused, format!("{id}: {why}"))
        })?;
        let change = Change { person: Some(others.human), ..Change::default() };
        match office.add(id, record.version(), &next, &event, Effect::MayWiden, change) {
            Ok(_) => return Ok(next),
            Err(LedgerError::Store(StoreError::Moved)) => moves::pause(turn),
            Err(error) => return Err(ledger_failure(&error).into()),
        }
    }
    Err(moves::busy().into())
}

/// Attests.
///
/// # Errors
/// Who may not; there is nothing to attest.
pub fn attest(office: &Office<'_>, args: &AttestArgs, out: &Out) -> anyhow::Result<Exit> {
    office.only_in_person("attest")?;
    office.person()?;
    let id = office.id(&args.id)?;
    let note = bounded(args.note.as_ref(), "--note")?;
    let moved = office.move_on(&id, Effect::MayWiden, |state, _| {
        if !state.terms.as_ref().is_some_and(|terms| terms.break_glass) {
            let words = format!("{id} has nothing to attest: it was not taken without approval");
            return Err(Failure::new(Exit::Refused, words).into());
        }
        if state.unattested
            && let Err(words) = office.could_attest(state)?
        {
            let words = words.replacen(people::OWN, "nobody attests what they took themselves", 1);
            return Err(Failure::new(Exit::Refused, words).into());
        }
        Ok((office.caller.actor.clone(), What::Attested { note: note.clone() }))
    })?;
    let words = format!("{id}: attested by {}", office.caller.actor);
    Ok(told(&moved, &words, out))
}
