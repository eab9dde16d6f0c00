//! The audit trail: one JSON object a line, hash-chained, on the disk before an answer is yes.
//!
//! Knows how to write, keep, check and show the trail; not what deserves a line, and whose it is.
//! A record becomes a line ([`mod@line`]), lines follow one another in files ([`trail`]), and [`verify`]
//! walks them all. The chain shows that a line was changed or taken out of the middle; a cut tail
//! shows against a [`checkpoint`] or against what syslog was told.

#![expect(clippy::disallowed_methods, reason = "the trail's own files are opened and renamed here")]

pub mod canonical;
pub mod checkpoint;
pub mod error;
pub mod export;
mod head;
mod held;
pub mod line;
pub mod read;
pub mod record;
mod rotate;
pub mod show;
mod siblings;
mod stamp;
mod tail;
pub mod text;
pub mod trail;
pub mod verify;

pub use error::TrailError;
pub use record::{
    Actor, Entry, Event, PolicyRecord, Push, Record, RefRecord, StoreRecord, Verdict,
};
pub use text::Text;
pub use trail::{Appended, Trail};
