//! `refwarden access`, `lock` and `unlock`: rights that are lent, over [`crate::hook::ledger`].
//!
//! Every verb is a function of an [`Office`] (policy, store, who acts by which door) and its
//! arguments: a door hands in another [`Caller`], and nothing else changes.

pub(super) mod answer;
mod caller;
mod copied;
mod export;
pub(super) mod failure;
pub mod glass;
pub mod list;
pub mod lock;
pub(super) mod moves;
mod office;
pub(super) mod own;
mod people;
pub(super) mod request;
mod review;
pub(super) mod revoke;
mod rights;
mod scope;
pub(super) mod show;
pub(super) mod view;
pub(super) mod wish;

pub use caller::Caller;
pub use office::Office;
pub use rights::{is_among, may_ask_for, may_ask_in};

use super::Failure;
use super::exit::Exit;
use super::out::Out;
use super::site::Here;
use crate::policy::name::UserName;
use crate::store::open::Mode;
use clap::Subcommand;

/// Arguments of `access`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "On the server root and the hosting account may list, show, revoke, lock and export. \
    For a person they act with --as NAME, and the trail, notices and `show` say so."
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
    /// Ask for access; exit code 5 while it waits, 0 once it is approved.
    Request(request::Args),
    /// Requests and grants: what waits, what is live, what has ended.
    List(list::Args),
    /// All that the server knows of one request.
    Show(show::Args),
    /// Say yes to a request, or to more time; exit code 5 while others must follow.
    Approve(answer::ApproveArgs),
    /// Say no to a request, or to more time.
    Deny(answer::DenyArgs),
    /// Take back a request of one's own that nobody has answered.
    Withdraw(own::Args),
    /// End grants at once; pushes under way are stopped where no ref has moved yet.
    Revoke(revoke::Args),
    /// Give back a grant of one's own before its end.
    Return(own::Args),
    /// Ask for more time; approved like a request.
    Extend(own::ExtendArgs),
    /// Take access at once, without approval: everybody is told, and somebody must attest it.
    BreakGlass(glass::GlassArgs),
    /// Say that a broken glass was looked at; until then its taker may ask for nothing new.
    Attest(glass::AttestArgs),
    /// Standing rights, and when each was last used.
    Review(review::Args),
    /// Every grant of a time, for an auditor, with the result of verifying the trail.
    Export(export::Args),
}

/// Runs the verb on the server.
///
/// # Errors
/// Not root and not the hosting account; and whatever the verb says.
pub fn run(args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let here = Here::open()?;
    let caller = on_server(&here, args.acting_for.as_deref())?;
    let mode = mode(&args.verb);
    let office = Office::open(&here, caller, mode)?;
    if office.caller.stands_in() {
        office.person()?;
    }
    if mode == Mode::Read {
        warn(&office, out);
    }
    perform(&office, &args.verb, out)
}

impl Args {
    /// The repository in which something is asked for, or taken.
    #[must_use]
    pub fn asks_in(&self) -> Option<&str> {
        match &self.verb {
            Verb::Request(args) => Some(args.scoped.repository()),
            Verb::BreakGlass(args) => Some(args.scoped.repository()),
            _ => None,
        }
    }
}

/// Runs the verb for somebody whom a door let in.
///
/// # Errors
/// `--as`, which is for the server alone; and whatever the verb says.
pub fn at_door(here: &Here, caller: Caller, args: &Args, out: &Out) -> anyhow::Result<Exit> {
    as_oneself(args.acting_for.as_deref())?;
    let office = Office::open(here, caller, mode(&args.verb))?;
    office.person()?;
    perform(&office, &args.verb, out)
}

/// Over a door everybody acts as who they are.
///
/// # Errors
/// Somebody would rather be somebody else.
pub(super) fn as_oneself(acting_for: Option<&str>) -> anyhow::Result<()> {
    match acting_for {
        None => Ok(()),
        Some(_) => {
            let words = "`--as` is for the server's admin: over this door you act as yourself";
            Err(Failure::new(Exit::Usage, words).into())
        }
    }
}

/// How the store is opened for a verb.
pub(super) const fn mode(verb: &Verb) -> Mode {
    match verb {
        Verb::List(_) | Verb::Show(_) | Verb::Review(_) | Verb::Export(_) => Mode::Read,
        _ => Mode::Write,
    }
}

/// What is shown may be wrong where trail, store and clock do not agree; it is shown all the same.
fn warn(office: &Office<'_>, out: &Out) {
    match office.problem() {
        Ok(None) => {}
        Ok(Some(words)) => view::note(out, format!("note: {words}")),
        Err(error) => view::note(out, format!("note: {error}")),
    }
}

/// Whoever runs a command on the server, for a person where one is named.
pub(super) fn on_server(here: &Here, user: Option<&str>) -> anyhow::Result<Caller> {
    let user = user.map(UserName::parse).transpose();
    let user = user.map_err(|error| Failure::new(Exit::Usage, format!("--as: {error}")))?;
    Ok(Caller::on_server(here.actor.clone(), user))
}

/// Does a verb, whoever asks for it by whatever door.
///
/// # Errors
/// A [`Failure`] that says how to end.
pub fn perform(office: &Office<'_>, verb: &Verb, out: &Out) -> anyhow::Result<Exit> {
    match verb {
        Verb::Request(args) => request::run(office, args, out),
        Verb::List(args) => list::run(office, args, out),
        Verb::Show(args) => show::run(office, args, out),
        Verb::Approve(args) => answer::approve(office, args, out),
        Verb::Deny(args) => answer::deny(office, args, out),
        Verb::Withdraw(args) => own::withdraw(office, args, out),
        Verb::Revoke(args) => revoke::run(office, args, out),
        Verb::Return(args) => own::give_back(office, args, out),
        Verb::Extend(args) => own::extend(office, args, out),
        Verb::BreakGlass(args) => glass::break_glass(office, args, out),
        Verb::Attest(args) => glass::attest(office, args, out),
        Verb::Review(args) => review::run(office, args, out),
        Verb::Export(args) => export::run(office, args, out),
    }
}

/// Words that a note, reason or message may have, at most so many bytes.
pub(super) fn bounded(text: Option<&String>, what: &str) -> anyhow::Result<Option<String>> {
    match text {
        Some(text) if text.trim().is_empty() => {
            Err(Failure::new(Exit::Usage, format!("{what} is empty")).into())
        }
        Some(text) if text.len() > MAX_WORDS => {
            Err(Failure::new(Exit::Usage, format!("{what} has more than {MAX_WORDS} bytes")).into())
        }
        text => Ok(text.cloned()),
    }
}

/// Longest note, in bytes.
const MAX_WORDS: usize = crate::access::options::MAX_REASON;

/// Tells what came of a move: JSON, or a line; and that the trail lacks it, where it does.
fn told(moved: &moves::Moved, words: &str, out: &Out) -> Exit {
    if out.json {
        out.value(&view::json(&moved.id, &moved.state, moved.at));
    } else {
        view::say(out, words);
    }
    match &moved.unrecorded {
        None => Exit::Done,
        Some(error) => {
            view::note(out, format!("it was done, but the trail has no line of it: {error}"));
            Exit::Unavailable
        }
    }
}
