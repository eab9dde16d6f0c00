//! Lent rights: asked for with a reason, approved by somebody else, ended by the clock.
//!
//! Knows one record and how events move it (04-access.md); not where events are kept, who may
//! approve what by the applied policy, nor what time it is. Nothing here touches the world.
//!
//! Walk: [`request`] is what is asked for, [`event`] what can happen to it, [`record`] folds events
//! into a [`record::State`], [`quorum`] counts approvers, [`notice`] says who is told.

pub mod ask;
pub mod event;
pub mod fit;
pub mod id;
#[cfg(test)]
pub mod lab;
pub mod lend;
pub mod lock;
pub mod notice;
pub mod options;
pub mod quorum;
pub mod record;
pub mod request;
pub mod seen;

pub use event::{Actor, Event, Terms, What};
pub use id::Id;
pub use lock::{Lock, LockScope};
pub use notice::Notice;
pub use record::{Illegal, Phase, Record, Standing, State, Uses, step};
pub use request::{Part, Pin, Request};
pub use seen::Seen;
