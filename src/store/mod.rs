//! The state folder: slips, the epoch, the doors' key, the applied policy, the count of nameless refusals.
//!
//! Knows how each is kept and what a crash can leave; not what a policy or a push means. The
//! folder belongs to the hosting account and nobody else can enter it.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests lay files and damage them"))]

pub mod access;
pub mod applied;
pub mod clock;
#[cfg(test)]
pub(crate) mod contract;
mod counts;
pub mod door_key;
pub mod epoch;
pub mod etcd;
pub mod fails;
pub mod jira_note;
pub mod landing;
pub mod leftovers;
pub mod open;
pub mod past;
pub mod promise;
pub mod refusals;
pub mod slip;
pub mod sqlite;
pub mod swept;
pub mod tokens;
