//! Uses of grants: put aside before the yes, spent when the push has landed, given back when it has
//! not. Each step is compare-and-swap on the grant's record.

use super::desk::Desk;
use super::judge::Known;
use super::lent::{self, Access};
use super::{Refusal, ledger};
use crate::access::{Actor, Event, Id, State, What};
use crate::code::Code;
use crate::os::process::{self, ReceivePack};
use crate::os::{clock, faults};
use crate::store::access::{AccessStore, Append, Change, StoreError};
use chrono::{DateTime, Utc};
use gix::bstr::ByteSlice;
use sha2::{Digest as _, Sha256};

/// How often a lost compare-and-swap is tried again.
const TRIES: u32 = 50;

/// What came of putting uses aside.
pub enum Aside {
    /// No grant with counted uses is needed.
    Nothing,
    /// One use of each of these.
    Of(Vec<Id>),
    /// Another push was first: decide again.
    Again,
}

/// The name of this push in the store.
///
/// With a receive-pack above us it says which, so that a sweep can see whether that is still there;
/// without one it is made of what the push does, so that post-receive finds it (03-push.md).
#[must_use]
pub fn key(push: &str, service: Option<&ReceivePack>, known: &Known) -> String {
    if let Some(ReceivePack { pid, start_time, host, .. }) = service {
        return format!("r:{pid}:{start_time}:{}:{}:{push}", host.boot_id, host.pid_namespace);
    }
    let mut refs: Vec<Vec<u8>> = known
        .updates
        .iter()
        .map(|update| {
            let id = |id: Option<gix::ObjectId>| id.map(|id| id.to_string()).unwrap_or_default();
            let ids = format!(" {} {}\n", id(update.change.old()), id(update.change.new_id()));
            [update.name.as_bytes(), ids.as_bytes()].concat()
        })
        .collect();
    refs.sort_unstable();
    let hash = Sha256::new_with_prefix(&known.git_dir).chain_update(refs.concat()).finalize();
    format!("d:{}", super::desk::hex(hash.as_slice().get(..16).unwrap_or_default()))
}

/// Puts one use of every counted grant aside that the answers rest on.
///
/// # Errors
/// [`Refusal`] RW504: the store can't be written.
pub fn reserve(desk: &Desk, access: &mut Access, key: &str) -> Result<Aside, Refusal> {
    let counted: Vec<_> = access.used.iter().filter(|lent| lent.is_counted()).collect();
    if counted.is_empty() {
        return Ok(Aside::Nothing);
    }
    // A receive-pack that was killed before we looked for it: nothing will land, and nobody could
    // tell the use from one of a push that is served without a receive-pack.
    if desk.service.is_none() && process::nobody_listens() {
        return Err(Refusal::new(
            Code::PushAgain,
            ["whoever served this push is gone: push again"],
        ));
    }
    let host = crate::os::host_name();
    let at = clock::now().wall;
    let append = |lent: &&crate::access::lend::Lent| Append {
        id: lent.id.clone(),
        after: lent.version,
        event: Event {
            at,
            by: Actor::rule(),
            what: What::Reserved { key: key.to_owned(), host: host.clone() },
        },
    };
    let change = Change { appends: counted.iter().map(append).collect(), ..Change::default() };
    let ids = counted.iter().map(|lent| lent.id.clone()).collect();
    let store = desk.store_for_change().map_err(|error| lent::refusal(&error))?;
    let Some(store) = store else { return Err(Refusal::defect()) };
    match store.commit(&change) {
        Ok(version) => {
            faults::point("use-reserved");
            access.version = Some(version);
            access.store = Some(store);
            Ok(Aside::Of(ids))
        }
        Err(StoreError::Moved) => Ok(Aside::Again),
        Err(error) => Err(lent::refusal(&error)),
    }
}

/// How a reservation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The push landed, or it can't be shown that it did not.
    Landed,
    /// Nothing of it landed.
    NotLanded,
}

/// Ends the reservations of a push, and tells the grants whose state that changed. `record` writes
/// the trail before each is durable; a `false` from it leaves that use put aside.
///
/// # Errors
/// [`StoreError`]; what is left is settled by the next sweep.
pub fn settle(
    store: &dyn AccessStore,
    (grants, key): (&[Id], &str),
    outcome: Outcome,
    now: DateTime<Utc>,
    record: &mut dyn FnMut(&(Id, State, Event)) -> bool,
) -> Result<Vec<(Id, State, Event)>, StoreError> {
    let mut settled = Vec::new();
    for id in grants {
        settled.extend(one(store, (id, key), outcome, now, record)?);
    }
    Ok(settled)
}

fn one(
    store: &dyn AccessStore,
    (id, key): (&Id, &str),
    outcome: Outcome,
    now: DateTime<Utc>,
    record: &mut dyn FnMut(&(Id, State, Event)) -> bool,
) -> Result<Option<(Id, State, Event)>, StoreError> {
    for _ in 0..TRIES {
        let Some(kept) = store.record(id)? else { return Ok(None) };
        let after = kept.version();
        let Ok(state) = kept.state() else { return Ok(None) };
        if !state.uses.reserved.contains_key(key) {
            return Ok(None);
        }
        let key = key.to_owned();
        let what = match outcome {
            Outcome::Landed => What::Spent { key },
            Outcome::NotLanded => What::Released { key },
        };
        // Never before what is recorded already: a clock that was set back meanwhile.
        let event = Event { at: now.max(state.last.2), by: Actor::rule(), what };
        let Ok(next) = crate::access::step(state, &event) else { return Ok(None) };
        let append = Append { id: id.clone(), after, event: event.clone() };
        let change = Change { appends: vec![append], ..Change::default() };
        let done = (id.clone(), next, event);
        match store.commit_recorded(&change, &mut || record(&done)) {
            Ok(Some(_)) => return Ok(Some(done)),
            Ok(None) => return Ok(None),
            Err(StoreError::Moved) => {}
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Moved)
}

/// Gives back what was put aside for a push that is refused after all; what fails waits for a sweep.
pub fn give_back(access: &Access, grants: &[Id], key: &str) {
    let Some(store) = &access.store else { return };
    let now = clock::now().wall;
    let given = settle(store.as_ref(), (grants, key), Outcome::NotLanded, now, &mut |_| true);
    if let Err(error) = given {
        let _ = crate::os::syslog::send(
            crate::os::syslog::Severity::Warning,
            &format!("a use stays put aside until the next sweep: {error}"),
        );
    }
}

/// The trail's line about a use that was spent.
pub fn line((id, state, event): &(Id, State, Event), push: &str) -> crate::audit::Record {
    let mut line = ledger::line(id, state, event);
    line.push = Some(crate::audit::Push {
        id: Some(crate::audit::Text::new(push.as_bytes().as_bstr().as_bytes())),
        receive_pack: None,
    });
    line
}
