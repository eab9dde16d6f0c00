//! `refwarden lock` and `unlock`: a forbid laid by hand, that works at once and beats everything.

mod read;
mod words;

use super::failure::{damaged, ledger_failure, store_failure};
use super::moves;
use super::office::Office;
use super::view;
use crate::access::notice::{self, Around, OfLock};
use crate::access::{Actor, Id, Lock, LockScope};
use crate::audit::{self, Record as Line, Text};
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::cli::site::Here;
use crate::cli::{Failure, access};
use crate::hook::desk;
use crate::hook::ledger::{self, Effect, LedgerError};
use crate::os::{clock, random};
use crate::policy::diag;
use crate::store::access::{Change, Notice, StoreError};
use crate::store::open::Mode;
use clap::Subcommand;
use read::read;
use serde_json::json;
use words::{about, as_json, one_line};

/// How often a lock is tried again.
const TRIES: u32 = 16;

/// Arguments of `lock`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    refwarden lock --project PAY --branches 'release/*' --for 4h --message 'release freeze'\n  \
    refwarden lock list")]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(group(clap::ArgGroup::new("about").required(true).multiple(true)
    .args(["user", "project", "repository", "branches", "tags", "refs", "all"])))]
pub struct Args {
    #[command(subcommand)]
    pub(in crate::cli) verb: Option<Verb>,
    /// Act for this user of the policy; marked as done on the server.
    #[arg(long = "as", value_name = "NAME", global = true)]
    pub(in crate::cli) actor: Option<String>,
    /// Only this person.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) user: Option<String>,
    /// Only this project.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) project: Option<String>,
    /// Only repositories that match.
    #[arg(long, value_name = "PATTERN")]
    pub(in crate::cli) repository: Option<String>,
    /// Only these branches.
    #[arg(long, value_name = "PATTERN", num_args = 1.., value_delimiter = ',')]
    pub(in crate::cli) branches: Vec<String>,
    /// Only these tags.
    #[arg(long, value_name = "PATTERN", num_args = 1.., value_delimiter = ',')]
    pub(in crate::cli) tags: Vec<String>,
    /// Only these refs, by full name.
    #[arg(long, value_name = "PATTERN", num_args = 1.., value_delimiter = ',')]
    pub(in crate::cli) refs: Vec<String>,
    /// Everything on this server.
    #[arg(long, conflicts_with_all = ["user", "project", "repository", "branches", "tags", "refs"])]
    pub(in crate::cli) all: bool,
    /// Only these actions: create, update, force, delete; without any, all of them.
    #[arg(long, value_name = "WORD", num_args = 1.., value_delimiter = ',')]
    pub(in crate::cli) permissions: Vec<String>,
    /// What the pusher is told.
    #[arg(long, value_name = "TEXT", required = true)]
    pub(in crate::cli) message: Option<String>,
    /// It ends by itself after so long.
    #[arg(long = "for", value_name = "DURATION", conflicts_with = "until")]
    pub(in crate::cli) duration: Option<String>,
    /// It ends by itself at this time.
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) until: Option<String>,
}

/// What else to do with locks.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Locks that hold.
    List,
}

/// Arguments of `unlock`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: refwarden unlock 4tq0-8m2c")]
pub struct UnlockArgs {
    /// Locks, their ids whole.
    #[arg(value_name = "ID", required = true)]
    pub(in crate::cli) ids: Vec<String>,
    /// Act for this user of the policy; marked as done on the server.
    #[arg(long = "as", value_name = "NAME")]
    pub(in crate::cli) actor: Option<String>,
}

/// Lays a lock, or lists them, on the server.
///
/// # Errors
/// Who may not; a scope that is none; the store can't be written.
pub fn run(args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let here = open(args.actor.as_deref())?;
    let mode = if args.verb.is_some() { Mode::Read } else { Mode::Write };
    let office = Office::open(&here.0, here.1, mode)?;
    match args.verb {
        Some(Verb::List) => list(&office, out),
        None => lay(&office, args, out),
    }
}

/// Lays a lock, or lists them, for somebody whom a door let in.
///
/// # Errors
/// As [`run`], and `--as`.
pub fn at_door(
    here: &Here,
    caller: access::Caller,
    args: &Args,
    out: &Out,
) -> anyhow::Result<Exit> {
    access::as_oneself(args.actor.as_deref())?;
    match args.verb {
        Some(Verb::List) => list(&Office::open(here, caller, Mode::Read)?, out),
        None => lay(&Office::open(here, caller, Mode::Write)?, args, out),
    }
}

/// Lifts locks for somebody whom a door let in.
///
/// # Errors
/// As [`unlock`], and `--as`.
pub fn unlock_at_door(
    here: &Here,
    caller: access::Caller,
    args: &UnlockArgs,
    out: &Out,
) -> anyhow::Result<Exit> {
    access::as_oneself(args.actor.as_deref())?;
    lift(&Office::open(here, caller, Mode::Write)?, args, out)
}

/// Lifts locks, on the server.
///
/// # Errors
/// Who may not; there is no such lock; the store can't be written.
pub fn unlock(args: &UnlockArgs, out: &Out) -> anyhow::Result<Exit> {
    let here = open(args.actor.as_deref())?;
    let office = Office::open(&here.0, here.1, Mode::Write)?;
    lift(&office, args, out)
}

fn open(actor: Option<&str>) -> anyhow::Result<(Here, access::Caller)> {
    let here = Here::open()?;
    let caller = access::on_server(&here, actor)?;
    Ok((here, caller))
}

/// Locks are for the server, and for whom `[global] administer` names.
fn require_admin(office: &Office<'_>) -> anyhow::Result<()> {
    if office.caller.is_server() {
        return Ok(());
    }
    let person = office.person()?;
    if office.administers()? {
        return Ok(());
    }
    let words = format!("{person} is not among those who administer ([global] administer)");
    Err(Failure::new(Exit::Refused, words).into())
}

/// Lays a lock.
///
/// # Errors
/// As [`run`].
pub fn lay(office: &Office<'_>, args: &Args, out: &Out) -> anyhow::Result<Exit> {
    require_admin(office)?;
    let now = clock::now().wall;
    let lock = read(office, args, now)?;
    for turn in 0..TRIES {
        let lock = Lock { id: Id::of(random::bytes()), ..lock.clone() };
        let change = Change {
            locks: vec![lock.clone()],
            notices: notices(office, &lock, OfLock::Laid),
            ..Change::default()
        };
        let lines = vec![line("lock.laid", &lock, &office.caller.actor)];
        match office.make(&change, lines, Effect::TakesAway, now) {
            Ok(made) => {
                if out.json {
                    out.value(&as_json(&lock));
                } else {
                    view::say(out, one_line(&lock, office.here.settings().timezone));
                    view::say(
                        out,
                        format!("lift it with: {} unlock {}", office.command(), lock.id),
                    );
                }
                let Some(error) = made.unrecorded else { return Ok(Exit::Done) };
                view::note(out, format!("it was done, but the trail has no line of it: {error}"));
                return Ok(Exit::Unavailable);
            }
            Err(LedgerError::Store(StoreError::Moved | StoreError::Taken)) => moves::pause(turn),
            Err(error) => return Err(ledger_failure(&error).into()),
        }
    }
    Err(moves::busy().into())
}

fn notices(office: &Office<'_>, lock: &Lock, what: OfLock<'_>) -> Vec<Notice> {
    let settings = office.here.settings();
    let host = crate::os::host_name();
    let around = Around {
        host: &host,
        server: settings.name.as_deref(),
        command: &desk::door(&office.here.site, settings),
        zone: settings.timezone,
        answered_on_server: settings.access.server_approvals,
        approvers: &[],
    };
    notice::of_lock(&settings.notify, lock, what, &around)
}

/// The trail's line about a lock.
fn line(word: &str, lock: &Lock, by: &Actor) -> Line {
    let mut line = Line::new(audit::Event::named(word), crate::os::host_name());
    line.actor = Some(ledger::actor(by));
    line.project = lock.scope.project.as_ref().map(|name| Text::new(name.as_str()));
    line.reason = Some(Text::new(&lock.message));
    line = line.with("lock", Text::new(lock.id.as_str())).with("about", Text::new(about(lock)));
    match lock.until {
        Some(until) => line.with("until", until.to_rfc3339()),
        None => line,
    }
}

/// Lists the locks that hold.
///
/// # Errors
/// As [`run`].
pub fn list(office: &Office<'_>, out: &Out) -> anyhow::Result<Exit> {
    if !office.caller.is_server() {
        office.person()?;
    }
    let all_seen = office.sees_all()?;
    let now = clock::now().wall;
    let mut found = 0;
    for lock in office.store.locks(now).map_err(|error| store_failure(&error))? {
        // Who is locked is told so when they push; others need not know, nor which repositories there
        // are: theirs are one's own locks, and those about everything.
        let scope = &lock.scope;
        let own = scope.person.as_ref().is_some_and(|name| Some(name) == office.caller.person());
        if !all_seen && !own && scope != &LockScope::default() {
            continue;
        }
        found += 1;
        match out.json {
            true => out.value(&as_json(&lock)),
            false => view::say(out, one_line(&lock, office.here.settings().timezone)),
        }
    }
    if found == 0 {
        out.note("nothing is locked");
    }
    Ok(Exit::Done)
}

/// Lifts locks.
///
/// # Errors
/// As [`unlock`].
pub fn lift(office: &Office<'_>, args: &UnlockArgs, out: &Out) -> anyhow::Result<Exit> {
    require_admin(office)?;
    for turn in 0..TRIES {
        let now = office.sound_now()?;
        let locks = office.store.locks(now).map_err(|error| store_failure(&error))?;
        let wanted = find(&args.ids, &locks)?;
        if let Some(person) = office.caller.person() {
            for lock in &wanted {
                if office.people.is_named(person, lock).map_err(damaged)? {
                    let words =
                        format!("nobody lifts a lock on themselves: {} names {person}", lock.id);
                    return Err(Failure::new(Exit::Refused, words).into());
                }
            }
        }
        let by = office.caller.actor.to_string();
        let lifts = wanted.iter().map(|lock| (lock.id.clone(), now, by.clone()));
        let told = wanted.iter().flat_map(|lock| notices(office, lock, OfLock::Lifted(now, &by)));
        let change =
            Change { lifts: lifts.collect(), notices: told.collect(), ..Change::default() };
        let lines = wanted.iter().map(|lock| line("lock.lifted", lock, &office.caller.actor));
        match office.make(&change, lines.collect(), Effect::MayWiden, now) {
            Ok(_) => {
                tell_lifted(&wanted, &by, out);
                return Ok(Exit::Done);
            }
            Err(LedgerError::Store(StoreError::Moved)) => moves::pause(turn),
            Err(error) => return Err(ledger_failure(&error).into()),
        }
    }
    Err(moves::busy().into())
}

fn tell_lifted(locks: &[&Lock], by: &str, out: &Out) {
    for lock in locks {
        match out.json {
            true => out.value(&json!({ "lifted": lock.id.as_str() })),
            false => view::say(out, format!("{}: lifted by {by}", lock.id)),
        }
    }
}

/// Locks by id, each once.
fn find<'l>(ids: &[String], locks: &'l [Lock]) -> anyhow::Result<Vec<&'l Lock>> {
    let mut found: Vec<&Lock> = Vec::new();
    for text in ids {
        let id = Id::parse(text).ok();
        let lock = locks.iter().find(|lock| Some(&lock.id) == id.as_ref()).ok_or_else(|| {
            let near = diag::nearest(text, locks.iter().map(|lock| lock.id.as_str()));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let shown = crate::text::Safe::new(text.as_bytes(), 40);
            Failure::new(Exit::NotFound, format!("no lock `{shown}` holds{near}"))
        })?;
        if !found.iter().any(|other| other.id == lock.id) {
            found.push(lock);
        }
    }
    Ok(found)
}
