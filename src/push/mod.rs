//! What a push asks for, as values: its ref updates, their names, the action of each.
//!
//! Knows the text git gives a hook on stdin and the rules for names of new refs; not the
//! repository: what exists there is told by the caller.

pub mod action;
pub mod hygiene;
pub mod issue;
pub mod line;
pub mod message;
pub mod ref_name;
pub mod smart;

pub use action::Action;
pub use issue::IssueKey;
pub use line::{Change, LineProblem, RefUpdate};
pub use ref_name::RefName;
