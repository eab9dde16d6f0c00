//! Claims: while a change is written to the trail, nobody else moves what it rests on.
//!
//! A first transaction compares all that the change compares, and claims each key that it will
//! write and somebody might compare; a second one makes the change and ends the claims. Others
//! wait for a claim, shortly. Claims stand under a lease: of a process that was killed in between
//! a line without its change stays in the trail, and nothing else for longer than the lease.

use super::super::access::{Change, StoreError};
use super::change::{Ready, Swapped};
use super::wire::{self, Txn};
use super::{Call, Etcd};
use crate::os::clock;
use std::time::Duration;

/// How long a claim stands of a process that was killed, in seconds: longer than the trail takes.
const LEASE: u32 = 15;
/// Between two looks at a claim.
const PAUSE: Duration = Duration::from_millis(20);

/// A change whose keys are claimed.
struct Held {
    ready: Ready,
    /// The claims' value: that they are ours.
    name: String,
    lease: u64,
}

impl Etcd {
    pub(super) fn make_recorded(
        &self,
        change: &Change,
        record: &mut dyn FnMut() -> bool,
    ) -> Result<Option<u64>, StoreError> {
        let held = self.claim(change)?;
        // Each with a deadline of its own: the trail may have taken a while.
        if !record() {
            // It would end by itself.
            let _ = self.call().end_lease(held.lease);
            return Ok(None);
        }
        match self.call().swap(held.txn())? {
            Some(version) => Ok(Some(version)),
            None => self.lapsed(change).map(Some),
        }
    }

    /// The change's keys, claimed at a moment at which nothing had moved.
    fn claim(&self, change: &Change) -> Result<Held, StoreError> {
        let call = self.call();
        loop {
            let ready = call.ready(change)?;
            if !call.is_claimed(&ready.claims)? {
                // Asked for as late as can be: the lease runs from here on.
                let (lease, name) = (call.grant(LEASE)?, self.random()?.to_string());
                let held = Held { ready, name, lease };
                match call.hold(&held)? {
                    Swapped::Made(_) => return Ok(held),
                    Swapped::Moved => return Err(call.why(&held.ready.unused)?),
                    Swapped::Claimed => {}
                }
            }
            call.pause()?;
        }
    }

    /// Recording took longer than the lease. If nothing has moved since, the change still holds.
    fn lapsed(&self, change: &Change) -> Result<u64, StoreError> {
        self.make(change).map_err(|error| match error {
            // Not to be tried again: it would be recorded twice.
            StoreError::Moved | StoreError::Taken | StoreError::Illegal(_) => {
                self.client.unavailable(format!(
                    "recording took longer than {LEASE} s, and meanwhile: {error}; nothing was changed"
                ))
            }
            error => error,
        })
    }
}

impl Held {
    /// The change itself, where the claims are still ours, and their end.
    fn txn(&self) -> Txn {
        let mut txn = self.ready.txn.clone();
        for claim in &self.ready.claims {
            txn.compare.push(wire::is_value(claim, self.name.as_bytes()));
            txn.success.push(wire::delete(claim));
        }
        txn
    }
}

impl Call<'_> {
    fn is_claimed(&self, claims: &[String]) -> Result<bool, StoreError> {
        let found = self.read(claims.iter().map(|claim| wire::get(claim)).collect())?.found;
        Ok(found.iter().any(|found| !found.kvs.is_empty()))
    }

    /// Lays the claims; sent again it finds them and knows them by their value.
    fn hold(&self, held: &Held) -> Result<Swapped, StoreError> {
        let (claims, name) = (&held.ready.claims, held.name.as_bytes());
        let mut txn = Txn { compare: held.ready.txn.compare.clone(), ..Txn::default() };
        for claim in claims {
            txn.compare.push(wire::is_absent(claim));
            txn.success.push(wire::put_leased(claim, name, held.lease));
            txn.failure.push(wire::get(claim));
        }
        let done = self.txn(txn)?;
        let laid = || done.found.iter().flat_map(|found| &found.kvs);
        let ours = laid().filter(|pair| pair.value == name).count();
        Ok(match (done.succeeded, laid().next()) {
            (true, _) => Swapped::Made(done.revision),
            (false, Some(_)) if ours == claims.len() => Swapped::Made(done.revision),
            (false, Some(_)) => Swapped::Claimed,
            (false, None) => Swapped::Moved,
        })
    }

    /// Waits a moment for a claim to end; [`StoreError::Moved`] once the call's time is over.
    pub(super) fn pause(&self) -> Result<(), StoreError> {
        let left = self.until.saturating_sub(clock::now().boot);
        if left <= PAUSE {
            return Err(StoreError::Moved);
        }
        std::thread::sleep(PAUSE);
        Ok(())
    }
}
