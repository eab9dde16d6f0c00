//! Coming from elsewhere: what another program's rules say, as a policy.
//!
//! Knows the languages of others ([`gitolite`], [`jira`], [`keys`]) and how a policy is written
//! ([`page`], [`names`]); not where files are, and not whether what comes out is valid: the one who
//! asked reads it again. What can't be said is always told, never left out silently, and what is said
//! instead never lets more through.

pub mod gitolite;
pub mod jira;
pub mod keys;
pub mod names;
pub mod page;
pub mod perl;

use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;

/// Where something was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file as it was named.
    pub file: Arc<str>,
    /// Counted from 1; 0 is the file as a whole.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

/// What is to be known about an import.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Whether it could not be carried over; else it is something that was decided.
    pub lost: bool,
    /// What it is about.
    pub place: Place,
    /// In words.
    pub words: String,
}

impl Note {
    /// The same for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let kind = if self.lost { "not-carried-over" } else { "decided" };
        let place = &self.place;
        json!({ "kind": kind, "file": *place.file, "line": place.line, "what": self.words })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.words)
    }
}

/// What was imported.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    /// The policy as TOML, in its canonical layout.
    pub text: String,
    /// Everything that is to be known, once each, by place.
    pub notes: Vec<Note>,
}

/// Notes as they are gathered.
#[derive(Debug, Clone, Default)]
pub struct Notes(std::collections::BTreeSet<Note>);

impl Notes {
    /// It could not be carried over.
    pub fn lost(&mut self, place: &Place, words: impl Into<String>) {
        self.0.insert(Note { lost: true, place: place.clone(), words: words.into() });
    }

    /// It was decided so.
    pub fn decided(&mut self, place: &Place, words: impl Into<String>) {
        self.0.insert(Note { lost: false, place: place.clone(), words: words.into() });
    }

    /// All of them, by place.
    #[must_use]
    pub fn into_vec(self) -> Vec<Note> {
        let mut all: Vec<Note> = self.0.into_iter().collect();
        all.sort_by(|one, other| (&one.place, one.lost).cmp(&(&other.place, other.lost)));
        all
    }
}
