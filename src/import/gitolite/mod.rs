//! A gitolite configuration as a policy with the same verdicts.
//!
//! gitolite asks its rules in order and takes the first that fits; a policy has no order, and forbids
//! beat permits. So every permit is what its rule allows without what earlier rules deny to the same
//! people, and a denial that nothing earlier speaks against is a forbid.
//!
//! - [`lines`]: the text after everything that is done before it is read; [`conf`]: what it says;
//! - [`world`]: which repositories have the same rules, and who there is;
//! - [`overlap`]: whether sets of refs have members in common;
//! - [`push`], [`paths`], [`reads`]: the entries of one list of rules;
//! - [`mod@write`]: the policy's text; [`ask`]: the questions by which both can be compared.

pub mod ask;
mod conf;
mod lines;
mod overlap;
mod paths;
mod push;
mod reads;
mod world;
mod write;

pub use lines::Files;
pub use world::Found;

use super::{Imported, Notes, Place};
use std::collections::{BTreeMap, BTreeSet};

/// Why nothing could be read: gitolite itself would refuse it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {words}")]
pub struct Wrong {
    /// Where.
    pub place: Place,
    /// What.
    pub words: String,
}

impl Wrong {
    fn new(place: &Place, words: impl Into<String>) -> Self {
        Self { place: place.clone(), words: words.into() }
    }

    fn inner(error: &dyn std::error::Error) -> Self {
        Self::new(&Place { file: "refwarden".into(), line: 0 }, error.to_string())
    }
}

/// What an import is told besides the configuration.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The main file, relative to its folder.
    pub main: String,
    /// Roles of wild repositories, `CREATOR` left out.
    pub roles: BTreeSet<String>,
    /// Repositories that exist.
    pub found: Vec<Found>,
    /// Folders below `refs/` that rules about every ref are to reach, besides heads and tags.
    pub folders: Vec<String>,
    /// The branch that new branches are compared with where paths matter.
    pub base: String,
    /// Public keys of users.
    pub keys: BTreeMap<String, Vec<String>>,
}

/// Reads a configuration and writes it as a policy; and what is needed to compare the two.
///
/// # Errors
/// [`Wrong`] where gitolite would refuse the configuration.
pub fn import(files: &dyn Files, options: &Options) -> Result<(Imported, ask::Asked), Wrong> {
    let mut notes = Notes::default();
    let mut roles = options.roles.clone();
    roles.insert("CREATOR".into());
    let conf = conf::read(&options.main, files, &roles, &mut notes)?;
    let world = world::World::new(&conf, options, &mut notes);
    let written = write::write(&world, options, &mut notes);
    let asked = ask::Asked::new(&world, &written, options);
    Ok((Imported { text: written.text, notes: notes.into_vec() }, asked))
}

#[cfg(test)]
mod tests;
