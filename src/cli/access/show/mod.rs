//! `access show`: all that the server knows of one request, for whom has to decide.
//!
//! Everything but the asker's and approvers' own words, which are quoted, was found out by the
//! server: nothing here came from the client's side of the push.

mod found;
mod json;
mod tell;

use super::office::Office;
use crate::access::What;
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::os::clock;
use found::find_out;
use json::as_json;
use tell::tell;

/// Arguments of `access show`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: refwarden access show 7f3k-92qd")]
pub struct Args {
    /// The request or grant, its id whole.
    pub(in crate::cli) id: String,
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
        return Err(office.no_record(id.as_str()).into());
    }
    let found = find_out(office, &state, now)?;
    match out.json {
        true => out.value(&as_json(&id, &record, &state, &found, now)),
        false => tell(office, (&id, &record, &state), &found, now, out),
    }
    Ok(Exit::Done)
}

/// What somebody said with an event.
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
