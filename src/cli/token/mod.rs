//! `refwarden token`: personal access tokens, over [`crate::hook::token_ledger`].
//!
//! Every verb is a function of an [`Office`], as in `access`: a door hands in another caller. A
//! secret is shown once, to whoever made it, and nothing but its SHA-256 is kept.

mod book;
mod credential;
mod make;
mod show;

use super::Failure;
use super::access::{self, Caller, Office};
use super::exit::Exit;
use super::out::Out;
use super::site::{self, Here};
use crate::store::open::Mode;
use chrono::{DateTime, Utc};
use clap::Subcommand;

/// Arguments of `token`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A token makes no token: over HTTP there is none of these verbs that widens. \
    On the server root and the hosting account make tokens with --user NAME, or as a person with --as NAME; \
    the trail says so."
)]
pub struct Args {
    /// Act for this user of the policy; marked as done on the server.
    #[arg(long = "as", value_name = "NAME", global = true)]
    acting_for: Option<String>,
    #[command(subcommand)]
    verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a token; its secret is printed once.
    Create(make::CreateArgs),
    /// Tokens of one's own and of one's services; all of them for who administers.
    List(show::ListArgs),
    /// All that the server knows of one token; its secret it does not know.
    Show(show::ShowArgs),
    /// Take tokens back at once; pushes under way are stopped where no ref has moved yet.
    Revoke(make::RevokeArgs),
    /// Make a token like one that is there, and take that one back.
    Rotate(make::RotateArgs),
    /// git's credential helper: makes a token for the next hour when git asks for a password.
    Credential(credential::CredentialArgs),
}

/// Runs the verb on the server.
///
/// # Errors
/// Not root and not the hosting account; and whatever the verb says.
pub fn run(args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let here = Here::open()?;
    site::become_account(&here.site)?;
    let caller = access::on_server(&here, args.acting_for.as_deref())?;
    let office = Office::open(&here, caller, mode(&args.verb))?;
    perform(&office, &args.verb, out)
}

/// Runs the verb for somebody whom the ssh door let in, by a certificate until `end`.
///
/// # Errors
/// `--as`; a token that could outlive the certificate; and whatever the verb says.
pub fn at_door(
    here: &Here,
    caller: Caller,
    args: &Args,
    end: Option<DateTime<Utc>>,
    out: &Out,
) -> anyhow::Result<Exit> {
    access::as_oneself(args.acting_for.as_deref())?;
    let makes = matches!(args.verb, Verb::Create(_) | Verb::Rotate(_) | Verb::Credential(_));
    if end.is_some() && makes {
        let words = "a certificate makes no token, which could outlive it: come with a key";
        return Err(Failure::new(Exit::Refused, words).into());
    }
    perform(&Office::open(here, caller, mode(&args.verb))?, &args.verb, out)
}

/// How the store of records is opened for a verb.
const fn mode(verb: &Verb) -> Mode {
    match verb {
        Verb::List(_) | Verb::Show(_) => Mode::Read,
        _ => Mode::Write,
    }
}

/// Does a verb, whoever asks for it by whatever door.
///
/// # Errors
/// A [`Failure`] that says how to end.
pub fn perform(office: &Office<'_>, verb: &Verb, out: &Out) -> anyhow::Result<Exit> {
    if !office.caller.is_server() {
        office.person()?;
    }
    match verb {
        Verb::Create(args) => make::create(office, args, out),
        Verb::List(args) => show::list(office, args, out),
        Verb::Show(args) => show::show(office, args, out),
        Verb::Revoke(args) => make::revoke(office, args, out),
        Verb::Rotate(args) => make::rotate(office, args, out),
        Verb::Credential(args) => credential::answer(office, args, out),
    }
}
