//! Earlier pushes of a repository whose receive-pack nobody can see, settled by its refs before the
//! next one is judged.
//!
//! A ref that such a push has moved is where it was promised to go until another push moves it on:
//! what nobody settles by then could later be taken for a push that never landed.

use super::super::Refusal;
use super::super::charge::Outcome;
use super::super::desk::Desk;
use super::super::lent;
use super::SweepError;
use super::uses::{self, Books, Used};
use crate::access::Id;
use crate::code::Code;
use crate::os::clock;
use crate::push::RefUpdate;
use crate::store::access::AccessStore;
use crate::store::promise::{self, Promise};

/// Settles what they have put aside, so far as the refs tell, whether a receive-pack can be seen of
/// this push or not. Refs that it does not name may still be moving: those are left to post-receive
/// and the sweep.
///
/// # Errors
/// [`Refusal`]: a use could not be settled, and might be given twice.
pub fn settle(desk: &Desk, folder: &[u8], updates: &[RefUpdate]) -> Result<(), Refusal> {
    let keys = promise::keys(&desk.site.state);
    for key in keys.map_err(|error| Refusal::server(Code::Store, &error))? {
        let promise = promise::read(&desk.site.state, &key).filter(|one| one.folder == folder);
        let Some(promise) = promise else { continue };
        let outcome = match moves_on(desk, &promise, updates) {
            true => Some(Outcome::Landed),
            false => uses::promised(&desk.site, &promise, clock::now().wall - promise.at),
        };
        if let Some(outcome) = outcome {
            end(desk, &key, &promise, outcome)?;
        }
    }
    Ok(())
}

/// Whether one of the updates begins where the earlier push ended.
fn moves_on(desk: &Desk, promise: &Promise, updates: &[RefUpdate]) -> bool {
    let named = |name: &[u8]| updates.iter().any(|update| update.name.as_bytes() == name);
    let Ok(reader) = uses::reader(&desk.site, &promise.folder) else { return false };
    let mut refs = promise.refs.iter().filter(|one| named(&one.name));
    refs.any(|one| uses::value(&reader, one) == Some(one.new))
}

fn end(desk: &Desk, key: &str, promise: &Promise, outcome: Outcome) -> Result<(), Refusal> {
    let store = desk.store_for_change().map_err(|error| lent::refusal(&error))?;
    let Some(store) = store else { return Ok(()) };
    let grants = put_aside(store.as_ref(), key, promise)?;
    let refs = uses::landed(&desk.site, promise);
    let used = Used { key, push: &promise.push, refs: &refs };
    let books = Books { site: &desk.site, policy: &desk.policy, store: store.as_ref() };
    let ended = uses::end(books, &grants, used, outcome);
    ended.map(|_| ()).map_err(|words| Refusal::server(Code::Store, &SweepError::Use(words)))
}

/// The grants of which it still has a use; the others have been settled, or are not counted.
fn put_aside(store: &dyn AccessStore, key: &str, promise: &Promise) -> Result<Vec<Id>, Refusal> {
    let mut grants = Vec::new();
    for id in &promise.grants {
        let record = store.record(id).map_err(|error| lent::refusal(&error))?;
        let state = record.and_then(|record| record.state().ok());
        if state.is_some_and(|state| state.uses.reserved.contains_key(key)) {
            grants.push(id.clone());
        }
    }
    Ok(grants)
}
