//! Who gains and loses what between two policies: computed, not sampled.
//!
//! Every question that could tell the two apart is asked of the decision itself, under both. Knows
//! how to find those questions; not what a policy means, and not who asks.
//!
//! - [`walk`]: patterns become an automaton, whose states are all the classes of names there are;
//! - [`classes`]: so the refs, paths and repositories to ask about;
//! - [`people`]: people about whom the same entries speak are one, whole crowds of them ([`crowd`]),
//!   as far as their [`names`] do not matter; [`when`]: instants likewise;
//! - [`contents`]: schemes that say the same are one;
//! - [`sites`]: which repositories, and whom, to ask about; [`compare`]: asks;
//! - [`told`]: what is answered otherwise in few words, by the patterns that [`regions`] finds;
//! - [`gather`]: what many people or projects share is told once, [`places`]: in which repositories;
//!   [`moves`]: of repositories;
//! - [`settings`]: what no decision shows; [`entitlements`]: what can be asked for; [`checks`]: what
//!   commits must look like;
//!   [`render`]: for people and machines;
//! - [`first`]: a summary where there is nothing to compare with.
//!
//! What is too large to compute is said to be, and what changed is listed instead.

mod checks;
pub(crate) mod classes;
mod compare;
mod contents;
mod crowd;
mod entitlements;
mod first;
mod gather;
mod moves;
mod names;
mod people;
mod places;
mod regions;
mod render;
mod settings;
mod sites;
mod told;
pub(crate) mod walk;
mod when;

pub use first::summary;

use contents::Contents;
use people::Everybody;

use super::entry::{Entry, Place};
use super::model::Policy;
use super::name::{GroupName, ProjectName, UserName};
use super::refs::ChangedPath;
use crate::push::action::Action;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// How far somebody gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Refused.
    Refused,
    /// Allowed with a warning: `enforce = "warn"`.
    Warned,
    /// Allowed.
    Allowed,
}

/// Where an entry is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spot {
    /// The file, as messages name it.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// In the policy that was applied before.
    pub before: bool,
}

impl Spot {
    fn new(place: Place, files: &[String], before: bool) -> Self {
        let file = files.get(usize::from(place.file)).cloned();
        Self { file: file.unwrap_or_else(|| "policy".into()), line: place.line, before }
    }
}

/// What a push changes, where that makes a difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Touching {
    /// It makes none.
    Any,
    /// A push that changes no path.
    Nothing,
    /// A push whose changed paths can't be known.
    Unknown,
    /// A push that changes a path like this one.
    Path {
        /// Of the entries that make the difference.
        patterns: Vec<String>,
        /// Such a path.
        example: Vec<u8>,
        /// Whether the example is a symbolic link or a submodule.
        link: bool,
    },
}

/// In which of the project's repositories, before and after.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Repositories {
    /// All.
    All,
    /// Those that one of the patterns matches.
    Matching(Vec<String>),
    /// All but those.
    AllBut(Vec<String>),
    /// Some that no patterns of the two policies tell apart from the rest.
    Some,
}

/// Who gains or loses something.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Who {
    /// By name.
    pub users: BTreeSet<UserName>,
    /// Whether these are all active users of the policy.
    pub everyone: bool,
    /// People without an identity.
    pub anonymous: bool,
    /// Only where these groups, which are looked up, have them as members.
    pub looked_up: BTreeSet<GroupName>,
}

/// Somebody can do something that they could not, or the other way round.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Whether it is a gain.
    pub gains: bool,
    /// Who.
    pub who: Who,
    /// What.
    pub actions: BTreeSet<Action>,
    /// Where.
    pub projects: BTreeSet<ProjectName>,
    /// In which repositories of these.
    pub repositories: Repositories,
    /// One such repository; empty where they are too intricate to name one.
    pub example_repository: Vec<u8>,
    /// Every pattern that has such refs, or where it takes both, `one within other`; empty for
    /// reading, and where no entry speaks of refs.
    pub refs: Vec<String>,
    /// One such ref, of the first user; empty for reading.
    pub example: Vec<u8>,
    /// Which changed paths.
    pub touching: Touching,
    /// From when on; `None` is now.
    pub from: Option<DateTime<Utc>>,
    /// How far they got.
    pub before: Level,
    /// How far they get.
    pub after: Level,
    /// The entries that make the difference.
    pub through: Vec<Spot>,
}

/// Something else that changed, in words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// One line.
    pub text: String,
    /// Whether somebody may gain something by it.
    pub widens: bool,
}

/// What lies between two policies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff {
    /// Rights, gains first.
    pub changes: Vec<Change>,
    /// All else.
    pub notes: Vec<Note>,
}

impl Diff {
    /// Whether anybody gains anything, or may.
    #[must_use]
    pub fn widened(&self) -> bool {
        self.changes.iter().any(|change| change.gains) || self.notes.iter().any(|note| note.widens)
    }

    /// Whether nothing changed that would matter to anybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.notes.is_empty()
    }
}

/// Compares two policies as of `now` and every later turn of their windows.
#[must_use]
pub fn diff(old: &Policy, new: &Policy, now: DateTime<Utc>) -> Diff {
    let mut everybody = Everybody::new(old, new);
    let mut contents = Contents::default();
    let (mut changes, mut notes) = sites::compare(&mut everybody, &mut contents, now);
    entitlements::compare(&everybody, &mut notes);
    checks::compare([old, new], &mut notes);
    settings::compare(&everybody, &mut contents, &mut notes);
    changes.sort_by(|a, b| order(a).cmp(&order(b)));
    Diff { changes, notes }
}

/// A ref name for every way in which the entries can cover refs; `None` where they are too intricate
/// to tell.
#[must_use]
pub fn ref_classes(entries: &[&Entry], user: Option<&UserName>) -> Option<Vec<Vec<u8>>> {
    let found = classes::ref_names(entries, user).ok()?;
    Some(found.first().cloned().collect())
}

/// A changed path for every way in which the entries can cover paths; `None` where they are too
/// intricate to tell.
#[must_use]
pub fn path_classes(entries: &[&Entry], user: Option<&UserName>) -> Option<Vec<ChangedPath>> {
    let found = classes::paths(entries, user).ok()?;
    Some(found.first().cloned().collect())
}

/// Gains first, settled before looked up, then by project.
fn order(change: &Change) -> impl Ord + '_ {
    (!change.gains, &change.who.looked_up, &change.projects, change)
}

#[cfg(test)]
mod tests;
