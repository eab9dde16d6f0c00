//! Reading the repository that a push is for, before git has let the push in.
//!
//! Knows git's storage: objects (quarantine and alternates included), refs, configuration, history.
//! It finds facts and judges nothing: who may do what is `decision`'s matter. Replace refs and
//! grafts are never looked at. [`Reader`] is the door; the rest is behind it.

mod alternates;
pub mod ancestry;
pub mod brought;
pub mod changed;
mod child;
mod commits;
pub mod config;
pub mod env;
pub mod error;
pub mod files;
pub mod limits;
mod look;
pub mod news;
pub mod objects;
mod packed;
mod range;
pub mod reader;
pub mod refs;
mod reftable;
mod repo;
mod tree;
mod unpack;
mod walk;

pub use brought::Brought;
pub use changed::{Changed, ChangedPath};
pub use config::RepoConfig;
pub use env::GitEnv;
pub use error::GitError;
pub use files::CommitFiles;
pub use limits::{Limits, PATH_COST};
pub use news::News;
pub use reader::Reader;
pub use refs::RefValue;

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod testing;
