//! Rights that nobody has used: permits and grants that no recorded push has met, entitlements that
//! nobody has asked for.
//!
//! Knows pushes as they are handed in, one by one; not where they are recorded. A push meets an entry
//! that is about its person, action, ref and time; its changed paths are not looked at, so that what
//! may have been used is never called unused. Forbids are left out: one that never speaks does its work.

use super::{Finding, in_order, kind, reached};
use crate::decision::{Outcome, Paths, Question, consider};
use crate::policy::entry::{Entry, Permissions, Place};
use crate::policy::members::Answers;
use crate::policy::model::Policy;
use crate::policy::name::UserName;
use crate::policy::scope::Scopes;
use crate::policy::source::Sources;
use crate::push::action::Action;
use chrono::{DateTime, Duration, Utc};
use std::collections::BTreeSet;

const CURE: &str =
    "narrow it, or remove it and let people ask: an entitlement lends it when it is needed";

/// One ref of a recorded push.
#[derive(Debug, Clone)]
pub struct Pushed<'a> {
    /// Who pushed.
    pub user: &'a UserName,
    /// Where.
    pub repository: &'a [u8],
    /// What was done.
    pub action: Action,
    /// To which ref, full name.
    pub name: &'a [u8],
    /// When.
    pub time: DateTime<Utc>,
}

/// What of a policy was met so far.
pub struct Usage<'p> {
    policy: &'p Policy,
    scopes: Scopes<'p>,
    met: BTreeSet<Place>,
    asked: BTreeSet<String>,
}

impl<'p> Usage<'p> {
    /// Nothing was met.
    #[must_use]
    pub fn new(policy: &'p Policy) -> Self {
        Self { policy, scopes: Scopes::new(policy), met: BTreeSet::new(), asked: BTreeSet::new() }
    }

    /// Somebody pushed, whatever came of it.
    pub fn pushed(&mut self, push: &Pushed<'_>) {
        let Ok((scope, _)) = self.scopes.scope(Some(push.user), push.repository, &[]) else {
            return;
        };
        let question = Question {
            action: push.action,
            name: push.name,
            paths: Paths::Unknown,
            now: push.time,
            margin: Duration::zero(),
            horizon: Duration::zero(),
        };
        for entry in &scope.entries {
            if self.met.contains(&entry.place) {
                continue;
            }
            // A group that nobody asked about may have had the person.
            let outcome = consider(entry, scope.standing, &question, &Answers::new());
            if matches!(outcome, Outcome::Applies | Outcome::Unasked(_) | Outcome::Broken(_)) {
                self.met.insert(entry.place);
            }
        }
    }

    /// Somebody asked for what an entitlement lends.
    pub fn asked(&mut self, entitlement: &str) {
        self.asked.insert(entitlement.to_owned());
    }

    /// What was not met, of that which `before` had as well, a policy that counted when the looking
    /// began.
    #[must_use]
    pub fn findings(
        &self,
        before: &Policy,
        sources: &Sources,
        since: DateTime<Utc>,
    ) -> Vec<Finding> {
        let since = since.format("%Y-%m-%dT%H:%M:%SZ");
        let old = entries(before);
        let stood = |entry: &Entry| old.iter().any(|old| same(old, entry));
        let mut found = Vec::new();
        for entry in entries(self.policy) {
            let pushes = entry.permissions.intersects(Permissions::WRITE) && !entry.is_forbid();
            if pushes && !self.met.contains(&entry.place) && stood(entry) {
                let what = format!("no push since {since} has met this {}", kind(entry));
                found.push(Finding {
                    word: "unused",
                    at: sources.line_at(entry.place),
                    what,
                    cure: CURE,
                });
            }
        }
        for (name, one) in &self.policy.entitlements {
            if !self.asked.contains(name.as_str()) && before.entitlements.contains_key(name) {
                let what = format!("nobody has asked for the entitlement `{name}` since {since}");
                let at = sources.line_at(one.entry.place);
                let cure = "remove it, or tell people that it is there";
                found.push(Finding { word: "unasked", at, what, cure });
            }
        }
        in_order(found)
    }
}

/// Every entry that some project uses.
fn entries(policy: &Policy) -> Vec<&Entry> {
    let used: BTreeSet<_> = policy.projects.values().map(|project| &project.scheme).collect();
    let schemes = used.into_iter().filter_map(|name| policy.schemes.get(name));
    let grants = policy.grants.iter();
    let grants = grants.filter(|one| !reached(policy, &one.projects, &one.repositories).is_empty());
    let grants: Vec<&Entry> = grants.map(|grant| &grant.entry).collect();
    schemes.flat_map(|scheme| &scheme.entries).chain(grants).collect()
}

/// Whether two entries say the same, wherever they stand.
fn same(one: &Entry, other: &Entry) -> bool {
    one.permissions == other.permissions
        && one.to == other.to
        && one.refs == other.refs
        && Entry { place: one.place, ..other.clone() } == *one
}
