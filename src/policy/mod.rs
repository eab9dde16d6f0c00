//! The policy: what its TOML may say, and what it means once it is valid.
//!
//! Two stages: a spanned raw form that reports every problem at once, then a model that is valid by
//! construction. `policy apply` writes a compiled form of which a hook reads only the pusher's and
//! the project's part.

pub mod bulk;
pub mod by_hand;
pub mod cases;
mod check;
pub mod checks;
pub mod compiled;
pub mod diag;
pub mod diff;
pub mod entry;
pub mod issue_rule;
mod jira;
#[cfg(test)]
pub(crate) mod lab;
mod lending;
pub mod lint;
mod load;
pub mod lockout;
pub mod members;
pub mod model;
pub mod name;
pub mod past;
pub mod pattern;
mod raw;
pub mod refs;
pub mod replay;
pub mod scope;
pub mod source;
pub mod span;
pub mod spoken;
pub mod tidy;
pub mod uncovered;
pub mod window;
pub mod zone;

pub use load::{Loaded, load, load_file};
