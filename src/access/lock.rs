//! A lock: a forbid laid by hand that works at once and beats every permit and every grant.

use super::event::Actor;
use super::id::Id;
use crate::policy::entry::Permissions;
use crate::policy::name::{ProjectName, UserName};
use crate::policy::pattern::{Broken, Pattern};
use crate::policy::refs::RefScope;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What a lock is about; what is left empty does not narrow it, so an empty one is about everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockScope {
    /// Only this person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<UserName>,
    /// Only this project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectName>,
    /// Only repositories that match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<Pattern>,
    /// Only refs that match, read as a forbid's.
    #[serde(default)]
    pub refs: RefScope,
}

/// A lock that was laid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Its id.
    pub id: Id,
    /// What it is about.
    pub scope: LockScope,
    /// Which actions it stops.
    pub permissions: Permissions,
    /// What the pusher is told.
    pub message: String,
    /// Who laid it.
    pub by: Actor,
    /// When.
    pub at: DateTime<Utc>,
    /// Exclusive; `None` holds until it is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

impl Lock {
    /// Whether it still holds at `now`, unless it was lifted.
    #[must_use]
    pub fn holds(&self, now: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Whom it takes everything from: the person, wherever they are and whatever they would do. Such
    /// a one also decides nothing about others while it holds.
    #[must_use]
    pub fn suspends(&self) -> Option<&UserName> {
        let narrower = LockScope { person: None, ..self.scope.clone() } != LockScope::default();
        let every =
            [Permissions::CREATE, Permissions::UPDATE, Permissions::FORCE, Permissions::DELETE];
        let all = every.iter().all(|one| self.permissions.intersects(*one));
        self.scope.person.as_ref().filter(|_| all && !narrower)
    }

    /// Whether it is about the repository at all.
    ///
    /// # Errors
    /// [`Broken`] when its pattern can't be evaluated.
    pub fn is_about(&self, project: &ProjectName, repository: &[u8]) -> Result<bool, Broken> {
        let project = self.scope.project.as_ref().is_none_or(|wanted| wanted == project);
        match &self.scope.repository {
            Some(pattern) if project => pattern.matches(repository, None),
            _ => Ok(project),
        }
    }
}
