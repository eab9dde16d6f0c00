//! What a push does to a ref.

use std::fmt;

/// The five things that a person can do, one permission each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Fetch, clone, list: no ref changes.
    Read,
    /// A ref that did not exist.
    Create,
    /// A ref moves forward: from commit to commit, the old one an ancestor of the new one.
    Update,
    /// A ref moves otherwise.
    Force,
    /// A ref goes away.
    Delete,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 5] = [Self::Read, Self::Create, Self::Update, Self::Force, Self::Delete];

    /// The permission's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Force => "force",
            Self::Delete => "delete",
        }
    }

    /// The action of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
