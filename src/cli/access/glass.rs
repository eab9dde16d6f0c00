//! `access attest`: somebody who could have approved says that they have looked at a broken glass.

use super::office::Office;
use super::{bounded, told};
use crate::access::What;
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::hook::ledger::Effect;

/// Arguments of `access attest`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: refwarden access attest 7f3k-92qd --as alice --note 'looked at the three commits, fine'"
)]
pub struct Args {
    /// The grant, its id whole.
    id: String,
    /// What there is to say to it.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// Attests.
///
/// # Errors
/// Who may not; there is nothing to attest.
pub fn attest(office: &Office<'_>, args: &Args, out: &Out) -> anyhow::Result<Exit> {
    office.only_in_person("attest")?;
    office.person()?;
    let id = office.id(&args.id)?;
    let note = bounded(args.note.as_ref(), "--note")?;
    let moved = office.move_on(&id, Effect::MayWiden, |state, _| {
        if state.unattested
            && let Err(words) = office.could_approve(state)?
        {
            return Err(Failure::new(Exit::Refused, words).into());
        }
        Ok((office.caller.actor.clone(), What::Attested { note: note.clone() }))
    })?;
    let words = format!("{id}: attested by {}", office.caller.actor);
    Ok(told(&moved, &words, out))
}
