//! The answer as a type: an [`Allowed`] can be made in this module's parent only.

use super::consider::Outcome;
use crate::code::Code;
use crate::policy::members::Ask;
use crate::pusher::source::Source;
use chrono::{DateTime, Utc};

/// The answer, and what became of every entry of the scope, in its order.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Yes or no.
    pub verdict: Verdict,
    /// One outcome for each entry of the scope.
    pub trace: Vec<Outcome>,
}

/// Yes or no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Allowed(Allowed),
    /// No.
    Refused(Refused),
}

/// A yes, which only the decision can make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    pub(super) permits: Vec<usize>,
    pub(super) ends: Option<DateTime<Utc>>,
    pub(super) warnings: Vec<Reason>,
}

impl Allowed {
    /// Indexes of the permits and grants that the yes rests on; none where only a warning let it by.
    #[must_use]
    pub fn permits(&self) -> &[usize] {
        &self.permits
    }

    /// The instant from which the yes no longer holds, where one lies within the horizon.
    #[must_use]
    pub fn ends(&self) -> Option<DateTime<Utc>> {
        self.ends
    }

    /// What would have refused, were it not `enforce = "warn"`.
    #[must_use]
    pub fn warnings(&self) -> &[Reason] {
        &self.warnings
    }
}

/// A no: at least one reason, the one that gives the code first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub(super) first: Reason,
    pub(super) others: Vec<Reason>,
}

impl Refused {
    /// The code of the refusal.
    #[must_use]
    pub fn code(&self) -> Code {
        self.first.code
    }

    /// Every reason, the deciding one first.
    pub fn reasons(&self) -> impl Iterator<Item = &Reason> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

/// One reason for a no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Its code.
    pub code: Code,
    /// Index of the entry that refuses, where it is one.
    pub entry: Option<usize>,
    /// What happened.
    pub why: Why,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// A forbid matches.
    Forbidden,
    /// A forbid covers these changed paths (the first ones, and how many there are in all).
    PathsForbidden(Vec<Vec<u8>>, usize),
    /// No matching permit covers these changed paths (the first ones, and how many in all).
    PathsUncovered(Vec<Vec<u8>>, usize),
    /// A forbid that looks at paths matches, and the paths can't be known.
    PathsUnknown,
    /// No permit matches.
    NoPermit,
    /// The ref asks for this source too, and it did not name the person.
    SourceMissing(Source),
    /// A membership could not be looked up.
    LookupFailed(Ask, String),
    /// A pattern could not be evaluated.
    Broken(String),
}
