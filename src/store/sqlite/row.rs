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
    pub(super) phase: &'static str,
    pub(super) open_until: Option<i64>,
    pub(super) until: Option<i64>,
    pub(super) max_uses: Option<u32>,
    pub(super) unattested: bool,
    pub(super) reserved: usize,
}

impl Row {
    /// Of a record in this state.
    pub(super) fn of(state: &State) -> Self {
        let (phase, end) = match &state.phase {
            Phase::Pending => ("pending", Some(state.request.pending_until)),
            Phase::Approved(terms) => ("approved", Some(terms.until)),
            Phase::Closed => ("closed", None),
        };
        let reserved = state.uses.reserved.len();
        let open = if state.unattested || reserved > 0 { Some(ALWAYS) } else { end.map(micros_up) };
        Self {
            phase,
            open_until: open,
            until: state.terms.as_ref().map(|terms| micros_up(terms.until)),
            max_uses: state.terms.as_ref().and_then(|terms| terms.max_uses),
            unattested: state.unattested,
            reserved,
        }
    }

    /// What only a decision moves: the phase, the end, the uses.
    pub(super) fn limits(&self) -> (&'static str, Option<i64>, Option<u32>) {
        (self.phase, self.until, self.max_uses)
    }
}
