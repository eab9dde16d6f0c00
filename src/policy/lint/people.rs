//! Whom an entry can be about: the policy's own word, and anybody where a group is looked up.

use crate::policy::entry::{Entry, Holder};
use crate::policy::members::{groups_of, lookups_of};
use crate::policy::model::{Group, Member, Policy, Project};
use crate::policy::name::{GroupName, UserName};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct People<'p> {
    policy: &'p Policy,
    /// Active users by group, nested ones counted.
    members: BTreeMap<GroupName, BTreeSet<UserName>>,
    /// Groups in which a look-up may put anybody.
    open: BTreeSet<GroupName>,
}

impl<'p> People<'p> {
    pub(super) fn new(policy: &'p Policy) -> Self {
        let mut members: BTreeMap<GroupName, BTreeSet<UserName>> = BTreeMap::new();
        for (user, groups) in groups_of(&policy.groups) {
            if policy.users.get(&user).is_some_and(|declared| declared.active) {
                groups.into_iter().for_each(|group| {
                    members.entry(group).or_default().insert(user.clone());
                });
            }
        }
        Self { policy, members, open: lookups_of(&policy.groups).into_keys().collect() }
    }

    fn active(&self) -> impl Iterator<Item = &'p UserName> {
        self.policy.users.iter().filter(|(_, user)| user.active).map(|(name, _)| name)
    }

    fn is_active(&self, user: &UserName) -> bool {
        self.policy.users.get(user).is_some_and(|user| user.active)
    }

    /// Whether a group that is written in the policy has nobody.
    pub(super) fn is_empty_group(&self, name: &str) -> bool {
        let group = self.policy.groups.iter().find(|(group, _)| group.as_str() == name);
        group.is_some_and(|(name, group)| matches!(group, Group::Members(_)) && !self.any_in(name))
    }

    fn any_in(&self, group: &GroupName) -> bool {
        self.open.contains(group) || self.members.get(group).is_some_and(|all| !all.is_empty())
    }

    /// Whether somebody active may be among members of a role.
    pub(super) fn any_member(&self, members: &[Member]) -> bool {
        members.iter().any(|member| match member {
            Member::User(name) => self.is_active(name),
            Member::Group(name) => self.any_in(name),
        })
    }

    /// Whether an entry can be about anybody in a project.
    pub(super) fn somebody(&self, entry: &Entry, project: &Project) -> bool {
        let spared =
            |user: &UserName| entry.except.iter().any(|holder| self.is(holder, user, project));
        let everyone = || self.active().any(|user| !spared(user));
        let Some(to) = &entry.to else { return everyone() };
        to.iter().any(|holder| match holder {
            Holder::Anyone => true,
            Holder::Authenticated => everyone(),
            Holder::User(name) => self.is_active(name) && !spared(name),
            Holder::Lead | Holder::Role(_) if project.jira_roles.is_some() => everyone(),
            Holder::Lead => {
                project.lead.as_ref().is_some_and(|lead| self.is_active(lead) && !spared(lead))
            }
            Holder::Group(name) => self.some_in(name, &spared),
            Holder::Role(role) => project.roles.get(role).into_iter().flatten().any(|m| match m {
                Member::User(name) => self.is_active(name) && !spared(name),
                Member::Group(name) => self.some_in(name, &spared),
            }),
            // An issue may name anybody, where there is a Jira.
            Holder::Assignee | Holder::Reporter | Holder::Field(_) => {
                self.policy.settings.jira.is_some() && everyone()
            }
        })
    }

    fn some_in(&self, group: &GroupName, spared: &dyn Fn(&UserName) -> bool) -> bool {
        let members = self.members.get(group).into_iter().flatten();
        let looked_up = self.open.contains(group) && self.active().any(|user| !spared(user));
        looked_up || members.into_iter().any(|user| !spared(user))
    }

    /// Whether the policy alone makes an active user this holder.
    fn is(&self, holder: &Holder, user: &UserName, project: &Project) -> bool {
        let in_group = |name| self.members.get(name).is_some_and(|all| all.contains(user));
        match holder {
            Holder::Anyone | Holder::Authenticated => true,
            Holder::User(name) => name == user,
            Holder::Lead => project.lead.as_ref() == Some(user),
            Holder::Group(name) => in_group(name),
            Holder::Role(role) => project.roles.get(role).into_iter().flatten().any(|m| match m {
                Member::User(name) => name == user,
                Member::Group(name) => in_group(name),
            }),
            Holder::Assignee | Holder::Reporter | Holder::Field(_) => false,
        }
    }
}
