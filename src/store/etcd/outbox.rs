//! The outbox: what is due, and who sends it.

use super::super::access::{Notice, StoreError};
use super::wire::{self, Range, Txn};
use super::{Call, Etcd};
use chrono::{DateTime, TimeDelta, Utc};

/// Notices that are read at once.
const BATCH: usize = 64;

impl Etcd {
    pub(super) fn notices_due(
        &self,
        now: DateTime<Utc>,
        most: usize,
    ) -> Result<Vec<Notice>, StoreError> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let from = self.keys.of("due", "");
        // Due at `now` itself too.
        let to =
            self.keys.due(now.checked_add_signed(TimeDelta::nanoseconds(1)).unwrap_or(now), "");
        let call = self.call();
        let step = Range { from, to, limit: most, revision: 0 }.step();
        let found = call.read(vec![step])?.found.pop().unwrap_or_default();
        let mut notices = Vec::new();
        for some in found.kvs.chunks(BATCH) {
            let key = |pair: &wire::Pair| {
                wire::get(&self.keys.of("notice", self.keys.id_of_due(&pair.key)))
            };
            for one in call.read(some.iter().map(key).collect())?.found {
                // Delivered by another between the two reads: it is not there.
                if let Some(pair) = one.kvs.first() {
                    notices.push(self.parse(pair)?);
                }
            }
        }
        Ok(notices)
    }

    pub(super) fn notice_delivered(&self, id: &str) -> Result<(), StoreError> {
        let call = self.call();
        loop {
            let Some((revision, notice)) = call.notice(id)? else { return Ok(()) };
            let key = self.keys.of("notice", id);
            let txn = Txn {
                compare: vec![wire::is_at(&key, revision)],
                success: vec![wire::delete(&key), wire::delete(&self.keys.due(notice.due, id))],
                failure: Vec::new(),
            };
            // Another has moved it meanwhile: look again, where it stands now.
            if call.txn(txn)?.succeeded {
                return Ok(());
            }
        }
    }

    pub(super) fn notice_postponed(
        &self,
        id: &str,
        tries: u32,
        due: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let call = self.call();
        let Some((revision, mut notice)) = call.notice(id)? else { return Ok(false) };
        if notice.tries != tries {
            return Ok(false);
        }
        let (key, old) = (self.keys.of("notice", id), self.keys.due(notice.due, id));
        notice.tries = tries.saturating_add(1);
        notice.due = due;
        let mut txn = Txn { compare: vec![wire::is_at(&key, revision)], ..Txn::default() };
        txn.success.push(wire::put(&key, &self.json(&notice)?));
        let new = self.keys.due(due, id);
        if new != old {
            txn.success.extend([wire::delete(&old), wire::put(&new, b"")]);
        }
        Ok(call.swap(txn)?.is_some())
    }
}

impl Call<'_> {
    fn notice(&self, id: &str) -> Result<Option<(u64, Notice)>, StoreError> {
        let pair = self.one(&self.etcd.keys.of("notice", id))?;
        pair.map(|pair| Ok((pair.mod_revision, self.etcd.parse(&pair)?))).transpose()
    }
}
