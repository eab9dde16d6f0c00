//! The five things that can be done to a ref, or to a repository by a reader.
//!
//! Knows their names as policies write them; which one a change is, `git` finds out.

use std::fmt;

/// What is done, as a policy names it (`push` and `write` are the policy's shorthands).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Fetch, clone, ls-remote, archive.
    Read,
    /// A ref that did not exist.
    Create,
    /// From commit to commit, the old one an ancestor of the new one.
    Update,
    /// Every other change of value.
    Force,
    /// A ref goes away.
    Delete,
}

impl Action {
    /// Every action there is.
    pub const ALL: [Self; 5] = [Self::Read, Self::Create, Self::Update, Self::Force, Self::Delete];

    /// The name in policies, reports and records.
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

    /// The action of that name; `None` for every other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_nothing_else_is_an_action() {
        for action in Action::ALL {
            assert_eq!(Action::parse(action.as_str()), Some(action));
        }
        for other in ["", "push", "write", "Update", "update "] {
            assert_eq!(Action::parse(other), None, "{other}");
        }
    }
}
