//! One line of a scheme, and whom it may be about.

use super::name::{GroupName, RoleName, UserName};
use super::pattern::Broken;
use super::refs::{ChangedPath, PathScope, RefScope};
use super::window::Window;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where something was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Index into the policy's list of files.
    pub file: u16,
    /// Counted from 1.
    pub line: u32,
}

/// A set of permissions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permissions(u8);

impl Permissions {
    /// `read`
    pub const READ: Self = Self(1);
    /// `create`
    pub const CREATE: Self = Self(2);
    /// `update`
    pub const UPDATE: Self = Self(4);
    /// `force`
    pub const FORCE: Self = Self(8);
    /// `delete`
    pub const DELETE: Self = Self(16);
    /// `bypass`
    pub const BYPASS: Self = Self(32);
    /// `push` = create + update
    pub const PUSH: Self = Self(2 | 4);
    /// `write` = create + update + force + delete
    pub const WRITE: Self = Self(2 | 4 | 8 | 16);

    const NAMES: [(&'static str, Self); 8] = [
        ("read", Self::READ),
        ("create", Self::CREATE),
        ("update", Self::UPDATE),
        ("force", Self::FORCE),
        ("delete", Self::DELETE),
        ("bypass", Self::BYPASS),
        ("push", Self::PUSH),
        ("write", Self::WRITE),
    ];

    /// Every word that a policy may write, shorthands last.
    pub fn words() -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().map(|(name, _)| *name)
    }

    /// The permission or shorthand of that name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(name, _)| *name == word).map(|(_, set)| *set)
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any of `other` is in it.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Permissions {
    /// The shortest words for it: `push`, `create, delete`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut words = Vec::new();
        for (word, set) in Self::NAMES.iter().rev() {
            if rest & set.0 == set.0 {
                words.push(*word);
                rest &= !set.0;
            }
        }
        words.sort_by_key(|word| Self::words().position(|w| w == *word));
        f.write_str(&words.join(", "))
    }
}

/// To whom a right is given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Holder {
    /// `"alice"`
    User(UserName),
    /// `"@core"`
    Group(GroupName),
    /// `"role:developer"`
    Role(RoleName),
    /// `"lead"` of the push's project
    Lead,
    /// `"assignee"` of the issue in play
    Assignee,
    /// `"reporter"` of the issue in play
    Reporter,
    /// `"field:customfield_10202"`: people in that field of the issue in play
    Field(Box<str>),
    /// `"authenticated"`: any identified, active user
    Authenticated,
    /// `"anyone"`: also people without an identity
    Anyone,
}

impl Holder {
    /// Whether it is somebody whom the issue in play names.
    #[must_use]
    pub const fn is_of_an_issue(&self) -> bool {
        matches!(self, Self::Assignee | Self::Reporter | Self::Field(_))
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "{name}"),
            Self::Group(name) => write!(f, "@{name}"),
            Self::Role(name) => write!(f, "role:{name}"),
            Self::Lead => f.write_str("lead"),
            Self::Assignee => f.write_str("assignee"),
            Self::Reporter => f.write_str("reporter"),
            Self::Field(field) => write!(f, "field:{field}"),
            Self::Authenticated => f.write_str("authenticated"),
            Self::Anyone => f.write_str("anyone"),
        }
    }
}

/// What an entry does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// `[[schemes.X.permit]]`
    Permit,
    /// `[[schemes.X.forbid]]`
    Forbid,
    /// `[[grants]]`, by its id
    Grant(Box<str>),
    /// What an entitlement can lend, by its name; never an entry of a scheme.
    Entitlement(Box<str>),
    /// A grant that was asked for and approved, by its id.
    Lent(Box<str>),
    /// A lock, by its id.
    Lock(Box<str>),
}

/// Whether a refusal counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Enforce {
    /// It does.
    #[default]
    Refuse,
    /// It is reported and recorded, and the push goes through.
    Warn,
}

/// A permit, a forbid, or a hand-written grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What it does.
    pub kind: Kind,
    /// Where it is written.
    pub place: Place,
    /// What it is about.
    pub permissions: Permissions,
    /// Whom it is about; `None` (forbids only) is everyone.
    pub to: Option<Vec<Holder>>,
    /// Whom it is not about.
    pub except: Vec<Holder>,
    /// Which refs.
    pub refs: RefScope,
    /// Which changed paths; `None` does not look at them.
    pub paths: Option<PathScope>,
    /// When.
    pub when: Window,
    /// Names of checks that a `bypass` lifts; `*` is all of them.
    pub checks: Vec<Box<str>>,
    /// The admin's words for whom it refuses.
    pub reason: Option<Box<str>>,
    /// Forbids only.
    pub enforce: Enforce,
    /// A lent grant's entitlement as it is today: the grant covers only what both cover.
    pub within: Option<Box<Entry>>,
}

impl Entry {
    /// Whether its answer depends on changed paths.
    #[must_use]
    pub fn looks_at_paths(&self) -> bool {
        self.paths.is_some() || self.within.as_ref().is_some_and(|within| within.looks_at_paths())
    }

    /// Whether it, read as a permit or grant, covers a changed path.
    ///
    /// # Errors
    /// [`Broken`] when a pattern can't be evaluated.
    pub fn permits_path(
        &self,
        path: &ChangedPath,
        user: Option<&UserName>,
    ) -> Result<bool, Broken> {
        if let Some(paths) = &self.paths
            && !paths.permits(path, user)?
        {
            return Ok(false);
        }
        match &self.within {
            Some(within) => within.permits_path(path, user),
            None => Ok(true),
        }
    }

    /// Whether it is about `bypass` of the check of this name.
    #[must_use]
    pub fn lifts(&self, check: &str) -> bool {
        self.permissions.intersects(Permissions::BYPASS)
            && self.checks.iter().any(|one| &**one == "*" || &**one == check)
    }

    /// Whether it takes rights away.
    #[must_use]
    pub fn is_forbid(&self) -> bool {
        matches!(self.kind, Kind::Forbid | Kind::Lock(_))
    }
}
