//! `refwarden store`: the state of this host, and the store of access records.
//!
//! Knows the order in which trail and store are written, so that whatever is killed in between
//! refuses pushes rather than letting them through; what a store is stands in `store`.

mod copies;
mod status;

use super::Failure;
use super::exit::Exit;
use super::out::Out;
use super::site::{self, Here};
use crate::audit::{Actor, Event, Record, StoreRecord, Text, TrailError};
use crate::hook::desk;
use crate::os::clock;
use crate::store::access::{AccessStore, StoreError};
use crate::store::open::{self, Mode};
use crate::store::tokens::{Mark, TokenStore};
use crate::store::{door_key, epoch};
use clap::Subcommand;
use std::path::PathBuf;
use std::time::Duration;

pub use status::{Standing, StandingError, standing};

/// How long to wait for another change.
const WAIT: Duration = Duration::from_secs(5);

/// What to do with the state.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make what is missing: the state folder's files, such as a lost epoch (RW504), and the store
    /// of access records. Recorded in the trail.
    Init,
    /// Where the store is, its version beside the trail's, and whether pushes can rest on it.
    Status,
    /// Make the present store the one that counts, although it is older than the trail says (put
    /// back from a copy) or empty (RW504). For root; recorded in the trail.
    Accept,
    /// Copy the store to a new file while it is in use. Copy the trail first.
    Backup {
        /// The new file; the hosting account must be able to make it.
        file: PathBuf,
    },
    /// Put a backup in the store's place; the store that was there is kept beside it.
    Restore {
        /// A file that `store backup` made, which only root or the hosting account can write.
        file: PathBuf,
    },
    /// Accept the clock as it is, after a wrong clock left a mark in the future (RW505). For root,
    /// or the owner of an installation of one person; recorded in the trail.
    ResetClock,
}

/// Runs the verb.
///
/// # Errors
/// The state folder, the store or the trail can't be used.
pub fn run(verb: &Verb, out: &Out) -> anyhow::Result<Exit> {
    match verb {
        Verb::Init => init(out),
        Verb::Status => status::run(out),
        Verb::Accept => accept(out),
        Verb::Backup { file } => copies::backup(file, out),
        Verb::Restore { file } => copies::restore(file, out),
        Verb::ResetClock => reset_clock(out),
    }
}

fn init(out: &Out) -> anyhow::Result<Exit> {
    let found = site::find()?;
    let by = site::actor(&found);
    site::become_account(&found)?;
    site::require_state(&found)?;
    epoch::create(&found.state)?;
    door_key::make(&found.state)?;
    // Where the trail and the store are is said by the policy.
    if desk::open_policy(&found).is_err() {
        out.note("no policy is applied yet: run this again after `refwarden policy apply`");
        return Ok(Exit::Done);
    }
    let here = Here::open()?;
    let known = known(&here)?;
    let made = open::create(here.settings(), &found.state, found.account_uid).map_err(failed)?;
    let version = opened(&here, Mode::Read)?.status().map_err(failed)?.version;
    // One that was made and not recorded, by a command that was killed, is recorded now.
    if made || known.is_none() {
        record(&here, &by, line(Event::STORE_INITIALIZED, version))?;
    }
    if let Err(error) = TrailError::of_store(Some(version), known) {
        out.note(format!("note: {error}"));
    }
    Ok(Exit::Done)
}

fn accept(out: &Out) -> anyhow::Result<Exit> {
    let here = as_root("only root may say which store counts: try with sudo")?;
    let known = known(&here)?.unwrap_or(0);
    let store = opened(&here, Mode::Write)?;
    let version = store.status().map_err(failed)?.version;
    let tokens = accept_tokens(&here, out)?;
    if version >= known {
        if tokens {
            return Ok(Exit::Done);
        }
        out.line(format!("nothing to accept: the store has version {version}, the trail {known}"));
        return Ok(Exit::Done);
    }
    // The line first: whoever is killed before the store has its version refuses as before.
    let accepted = line(Event::STORE_ACCEPTED, known.saturating_add(1));
    let accepted = accepted.with("was", version.to_string()).with("trail", known.to_string());
    let version = overtaking(&here, store.as_ref(), || {
        record(&here, &here.actor, accepted)?;
        store.raise_above(known).map_err(failed)
    })?;
    out.line(format!("accepted: the store has version {version}"));
    Ok(Exit::Done)
}

/// The same of this host's tokens, where the store is one that several hosts share.
fn accept_tokens(here: &Here, out: &Out) -> anyhow::Result<bool> {
    let site = &here.site;
    if here.settings().shared_store.is_none() {
        return Ok(false);
    }
    let mark = Mark::beside(&here.audit_file());
    let known = mark.read()?.unwrap_or(0);
    let store = TokenStore::open(&site.state, site.account_uid, Mode::Write).map_err(failed)?;
    let Some(store) = store else { return Ok(false) };
    let version = store.version().map_err(failed)?;
    if version >= known {
        return Ok(false);
    }
    let accepted = Record::new(Event::STORE_ACCEPTED, crate::os::host_name());
    let accepted = accepted.with("table", "tokens").with("was", version.to_string());
    record(here, &here.actor, accepted.with("trail", known.to_string()))?;
    let version = epoch::changing(&site.state, WAIT, || store.raise_above(known));
    let version = version.map_err(|error| Failure::new(Exit::Unavailable, error.to_string()))?;
    out.line(format!("accepted: the tokens of this host have version {version}"));
    Ok(true)
}

fn reset_clock(out: &Out) -> anyhow::Result<Exit> {
    let here = as_root("only root may say that the clock is right: try with sudo")?;
    let store = opened_if_any(&here, Mode::Write)?;
    let now = clock::now().wall;
    let mut record = by(&here.actor, Record::new(Event::CLOCK_RESET, crate::os::host_name()));
    if let Some(store) = &store {
        let version = store.status().map_err(failed)?.version;
        record.store = Some(StoreRecord { version });
    }
    let appended = here.trail().reset_clock(record, now)?;
    if let Some(store) = store {
        store.reset_newest(now).map_err(failed)?;
    }
    out.line(format!(
        "the trail goes on at {}",
        appended.time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    ));
    Ok(Exit::Done)
}

/// The site, as the hosting account, for what only root may say.
fn as_root(words: &str) -> anyhow::Result<Here> {
    let here = Here::open()?;
    // Where the hosting account is an ordinary person's own, there is no root to ask.
    if !here.by_root && !here.single_user() {
        return Err(Failure::new(Exit::Failed, words).into());
    }
    Ok(here)
}

/// Makes a change that every push under way must notice, on all hosts.
fn overtaking<T>(
    here: &Here,
    store: &dyn AccessStore,
    change: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    store.raise_epoch().map_err(failed)?;
    let done = epoch::changing(&here.site.state, WAIT, change).map_err(|error| match error {
        epoch::ChangeError::Epoch(error) => anyhow::Error::from(error),
        epoch::ChangeError::Change(error) => error,
    })?;
    store.raise_epoch().map_err(failed)?;
    Ok(done)
}

/// The store version that the trail knows.
fn known(here: &Here) -> anyhow::Result<Option<u64>> {
    let host = Text::new(crate::os::host_name());
    Ok(here.trail().known_store(&host, clock::now().wall)?)
}

/// The site's store, where there is one.
///
/// # Errors
/// It is there and can't be used.
pub(in crate::cli) fn opened_if_any(
    here: &Here,
    mode: Mode,
) -> anyhow::Result<Option<Box<dyn AccessStore>>> {
    let site = &here.site;
    open::open(here.settings(), &site.state, site.account_uid, mode).map_err(failed)
}

fn opened(here: &Here, mode: Mode) -> anyhow::Result<Box<dyn AccessStore>> {
    let absent = || {
        let at = here.site.state.join(crate::store::sqlite::FILE_NAME);
        failed(StoreError::Absent { at: at.display().to_string() })
    };
    opened_if_any(here, mode)?.ok_or_else(absent)
}

fn failed(error: StoreError) -> anyhow::Error {
    Failure::new(Exit::Unavailable, error.to_string()).into()
}

fn line(event: Event, version: u64) -> Record {
    let mut record = Record::new(event, crate::os::host_name());
    record.store = Some(StoreRecord { version });
    record
}

fn by(actor: &str, mut record: Record) -> Record {
    record.actor = Some(Actor { user: Some(Text::new(actor)), ..Actor::default() });
    record
}

fn record(here: &Here, actor: &str, record: Record) -> anyhow::Result<()> {
    here.trail().append(&by(actor, record), clock::now().wall)?;
    Ok(())
}
