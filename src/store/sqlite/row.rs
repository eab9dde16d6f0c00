//! Between the tables and what the program means: instants, and a record's row for the indexes.

use crate::access::record::{Phase, State};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

/// Open whatever the clock says.
pub(super) const ALWAYS: i64 = i64::MAX;

/// Microseconds since 1970, rounded down.
pub(super) fn micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

/// The same rounded up: nothing counts as ended before its end.
pub(super) fn micros_up(at: DateTime<Utc>) -> i64 {
    micros(at) + i64::from(!at.timestamp_subsec_nanos().is_multiple_of(1000))
}

/// The first 64 bits of a SHA-256 over a body and where it belongs: a byte that changed on the disk
/// can be valid JSON, and SQLite's pages carry no sums.
pub(super) fn sum(id: &str, seq: u32, body: &str) -> i64 {
    let place = format!("{id} {seq}\n");
    let hash = Sha256::new_with_prefix(place).chain_update(body).finalize();
    hash.first_chunk().map_or(0, |first| i64::from_be_bytes(*first))
}

/// What the indexes must know of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Open before this instant: the end of waiting or of the grant, [`ALWAYS`] for what must be
    /// settled or attested whatever the clock says; `None` is never again.
    pub(super) open_until: Option<i64>,
    /// Uses put aside.
    pub(super) reserved: i64,
}

impl Row {
    /// Of a record in this state.
    pub(super) fn of(state: &State) -> Self {
        let end = match &state.phase {
            Phase::Pending => Some(state.request.pending_until),
            Phase::Approved(terms) => Some(terms.until),
            Phase::Closed => None,
        };
        let reserved = i64::try_from(state.uses.reserved.len()).unwrap_or(i64::MAX);
        let always = state.unattested || reserved > 0;
        Self { open_until: if always { Some(ALWAYS) } else { end.map(micros_up) }, reserved }
    }
}
