//! Who belongs to what: groups nest, roles are filled per project, some groups are looked up.
//!
//! A membership that the policy alone decides is *settled*; one that depends on a look-up names the
//! groups to ask about, and the answers come in as [`Answers`].

use super::entry::Holder;
use super::model::{Group, Member, Policy, Project};
use super::name::{GroupName, RoleName, UserName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What was answered about one person, by group that is looked up; an error is the reason.
pub type Answers = BTreeMap<GroupName, Result<bool, String>>;

/// For every group that contains looked-up groups, directly or nested: which.
pub type LookupsOf = BTreeMap<GroupName, BTreeSet<GroupName>>;

/// One person, or somebody without an identity, in one project.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The person; `None` has no identity.
    pub user: Option<UserName>,
    /// Groups that the policy alone puts the person in, nested ones included.
    pub groups: BTreeSet<GroupName>,
    /// Roles in the project that the policy alone gives.
    pub roles: BTreeSet<RoleName>,
    /// Whether the person leads the project.
    pub lead: bool,
    /// Looked-up groups that would put the person in a group.
    pub group_lookups: LookupsOf,
    /// Looked-up groups that would give the person a role in the project.
    pub role_lookups: BTreeMap<RoleName, BTreeSet<GroupName>>,
}

/// Whether somebody is among holders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// By this one.
    Yes(Holder),
    /// By none.
    No,
    /// It depends on looked-up groups that nobody has asked about yet.
    Unasked(BTreeSet<GroupName>),
    /// A look-up failed, and no other holder settles it.
    Failed(GroupName, String),
}

impl Standing {
    /// A person's standing: `groups` are all that the policy alone puts the person in.
    #[must_use]
    pub fn new(
        user: UserName,
        groups: BTreeSet<GroupName>,
        project: &Project,
        group_lookups: &LookupsOf,
    ) -> Self {
        let mut roles = BTreeSet::new();
        let mut role_lookups: BTreeMap<RoleName, BTreeSet<GroupName>> = BTreeMap::new();
        for (role, members) in &project.roles {
            let settled = members.iter().any(|member| match member {
                Member::User(name) => *name == user,
                Member::Group(name) => groups.contains(name),
            });
            if settled {
                roles.insert(role.clone());
                continue;
            }
            let asked = members.iter().filter_map(|member| match member {
                Member::Group(name) => group_lookups.get(name),
                Member::User(_) => None,
            });
            let asked: BTreeSet<GroupName> = asked.flatten().cloned().collect();
            if !asked.is_empty() {
                role_lookups.insert(role.clone(), asked);
            }
        }
        let lead = project.lead.as_ref() == Some(&user);
        let group_lookups = group_lookups.clone();
        Self { user: Some(user), groups, roles, lead, group_lookups, role_lookups }
    }

    /// Whether the person is among `holders`: settled memberships first, then the answers.
    #[must_use]
    pub fn among(&self, holders: &[Holder], answers: &Answers) -> Held {
        if let Some(holder) = holders.iter().find(|holder| self.settled(holder)) {
            return Held::Yes(holder.clone());
        }
        let mut unasked = BTreeSet::new();
        let mut failed = None;
        for holder in holders {
            for group in self.lookups(holder) {
                match answers.get(group) {
                    Some(Ok(true)) => return Held::Yes(holder.clone()),
                    Some(Ok(false)) => {}
                    Some(Err(reason)) => failed = Some((group.clone(), reason.clone())),
                    None => {
                        unasked.insert(group.clone());
                    }
                }
            }
        }
        match failed {
            _ if !unasked.is_empty() => Held::Unasked(unasked),
            Some((group, reason)) => Held::Failed(group, reason),
            None => Held::No,
        }
    }

    fn settled(&self, holder: &Holder) -> bool {
        match holder {
            Holder::Anyone => true,
            Holder::Authenticated => self.user.is_some(),
            Holder::User(name) => self.user.as_ref() == Some(name),
            Holder::Group(name) => self.groups.contains(name),
            Holder::Role(name) => self.roles.contains(name),
            Holder::Lead => self.lead,
            // No issue is in play: nobody.
            Holder::Assignee | Holder::Reporter | Holder::Field(_) => false,
        }
    }

    fn lookups(&self, holder: &Holder) -> impl Iterator<Item = &GroupName> {
        let set = match holder {
            Holder::Group(name) => self.group_lookups.get(name),
            Holder::Role(name) => self.role_lookups.get(name),
            _ => None,
        };
        set.into_iter().flatten().filter(|_| self.user.is_some())
    }
}

/// For every group that contains looked-up groups: which, itself included where it is one.
#[must_use]
pub fn lookups_of(groups: &BTreeMap<GroupName, Group>) -> LookupsOf {
    let leaf = |group: &GroupName| matches!(groups.get(group), Some(Group::Lookup(_)));
    groups
        .keys()
        .map(|name| (name.clone(), below(name, groups).into_iter().filter(|n| leaf(n)).collect()))
        .filter(|(_, found): &(_, BTreeSet<_>)| !found.is_empty())
        .collect()
}

/// A group and all that are nested in it; a cycle ends where it closes.
fn below(name: &GroupName, groups: &BTreeMap<GroupName, Group>) -> BTreeSet<GroupName> {
    let mut seen = BTreeSet::from([name.clone()]);
    let mut open = vec![name.clone()];
    while let Some(next) = open.pop() {
        let Some(Group::Members(members)) = groups.get(&next) else { continue };
        for member in members {
            if let Member::Group(inner) = member
                && seen.insert(inner.clone())
            {
                open.push(inner.clone());
            }
        }
    }
    seen
}

/// For every user in any group: all groups that the policy alone puts the user in.
#[must_use]
pub fn groups_of(groups: &BTreeMap<GroupName, Group>) -> BTreeMap<UserName, BTreeSet<GroupName>> {
    let mut of: BTreeMap<UserName, BTreeSet<GroupName>> = BTreeMap::new();
    for outer in groups.keys() {
        for inner in below(outer, groups) {
            let Some(Group::Members(members)) = groups.get(&inner) else { continue };
            for member in members {
                if let Member::User(user) = member {
                    of.entry(user.clone()).or_default().insert(outer.clone());
                }
            }
        }
    }
    of
}

impl Policy {
    /// The standing of an active, declared user in a project, worked out from the whole policy.
    /// A hook reads the same from the compiled form.
    #[must_use]
    pub fn standing(&self, user: &UserName, project: &Project) -> Standing {
        let groups = groups_of(&self.groups).remove(user).unwrap_or_default();
        Standing::new(user.clone(), groups, project, &lookups_of(&self.groups))
    }
}
