//! Who belongs to what: groups nest, roles are filled per project, some groups are looked up.
//!
//! A membership that the policy alone decides is *settled*; one that depends on a look-up names the
//! groups to ask about, and the answers come in as [`Answers`].

use super::entry::Holder;
use super::model::{Group, Member, Policy, Project};
use super::name::{GroupName, RoleName, UserName};
use super::pattern::Given;
use crate::push::IssueKey;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

/// A membership of one person that the policy does not know: it is asked about elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ask {
    /// In a looked-up group.
    Group(GroupName),
    /// In Jira's role of that name, in Jira's project of that key.
    Role(Box<str>, Box<str>),
    /// The lead of Jira's project of that key.
    Lead(Box<str>),
    /// Named by the issue as this holder: its assignee, reporter, or in a field.
    Issue(IssueKey, Holder),
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(name) => write!(f, "@{name}"),
            Self::Role(name, project) => write!(f, "`{name}` of {project} in Jira"),
            Self::Lead(project) => write!(f, "the lead of {project} in Jira"),
            Self::Issue(key, holder) => write!(f, "{holder} of {key}"),
        }
    }
}

impl From<GroupName> for Ask {
    fn from(name: GroupName) -> Self {
        Self::Group(name)
    }
}

/// A project's key in Jira, and what its roles are called there.
pub type JiraRoles = (Box<str>, BTreeMap<RoleName, Box<str>>);

/// What was answered about one person; an error is the reason.
pub type Answers = BTreeMap<Ask, Result<bool, String>>;

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
    /// Where Jira says who has the project's roles and leads it: its project there, and what each
    /// role is called there.
    pub jira_roles: Option<JiraRoles>,
    /// Keys of the projects in Jira whose issues a ref's name may name.
    pub issues_of: Vec<Box<str>>,
}

/// Whether somebody is among holders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// By this one.
    Yes(Holder),
    /// By none.
    No,
    /// It depends on memberships that nobody has asked about yet.
    Unasked(BTreeSet<Ask>),
    /// A look-up failed, and no other holder settles it.
    Failed(Ask, String),
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
        Self {
            user: Some(user),
            groups,
            roles,
            lead,
            group_lookups,
            role_lookups,
            jira_roles: project.jira_keys.first().cloned().zip(project.jira_roles.clone()),
            issues_of: project.jira_keys.clone(),
        }
    }

    /// What the variables of a pattern stand for.
    #[must_use]
    pub fn given(&self) -> Given<'_> {
        Given { user: self.user.as_ref(), issues_of: &self.issues_of }
    }

    /// Whether the person is among `holders`, no issue in play: settled memberships first, then
    /// the answers.
    #[must_use]
    pub fn among(&self, holders: &[Holder], answers: &Answers) -> Held {
        self.among_on(holders, &[], answers)
    }

    /// The same with `issues` in play: whoever an issue names must be named by all of them.
    #[must_use]
    pub fn among_on(&self, holders: &[Holder], issues: &[IssueKey], answers: &Answers) -> Held {
        if let Some(holder) = holders.iter().find(|holder| self.settled(holder)) {
            return Held::Yes(holder.clone());
        }
        let mut unasked = BTreeSet::new();
        let mut failed = None;
        for holder in holders {
            for way in self.ways(holder, issues) {
                match all_of(way, answers) {
                    Held::Yes(_) => return Held::Yes(holder.clone()),
                    Held::No => {}
                    Held::Failed(ask, reason) => failed = Some((ask, reason)),
                    Held::Unasked(asks) => unasked.extend(asks),
                }
            }
        }
        match failed {
            _ if !unasked.is_empty() => Held::Unasked(unasked),
            Some((ask, reason)) => Held::Failed(ask, reason),
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
            Holder::Assignee | Holder::Reporter | Holder::Field(_) => false,
        }
    }

    /// Ways to be a holder by what is asked elsewhere; each takes a yes to all of its questions.
    fn ways(&self, holder: &Holder, issues: &[IssueKey]) -> Vec<Vec<Ask>> {
        let any = |groups: Option<&BTreeSet<GroupName>>| {
            groups.into_iter().flatten().map(|name| vec![Ask::Group(name.clone())]).collect()
        };
        match holder {
            _ if self.user.is_none() => Vec::new(),
            Holder::Group(name) => any(self.group_lookups.get(name)),
            Holder::Role(name) => match &self.jira_roles {
                None => any(self.role_lookups.get(name)),
                Some((project, roles)) => {
                    let there = roles.get(name).into_iter();
                    there.map(|role| vec![Ask::Role(role.clone(), project.clone())]).collect()
                }
            },
            Holder::Lead => {
                let project = self.jira_roles.iter().map(|(project, _)| project);
                project.map(|project| vec![Ask::Lead(project.clone())]).collect()
            }
            Holder::Assignee | Holder::Reporter | Holder::Field(_) if !issues.is_empty() => {
                vec![issues.iter().map(|key| Ask::Issue(key.clone(), holder.clone())).collect()]
            }
            _ => Vec::new(),
        }
    }
}

/// Whether all of a way was answered with yes; one no settles it. The holder of a `Yes` is nobody's.
fn all_of(way: Vec<Ask>, answers: &Answers) -> Held {
    let mut unasked = BTreeSet::new();
    let mut failed = None;
    for ask in way {
        match answers.get(&ask) {
            Some(Ok(true)) => {}
            Some(Ok(false)) => return Held::No,
            Some(Err(reason)) => failed = Some((ask, reason.clone())),
            None => _ = unasked.insert(ask),
        }
    }
    match failed {
        Some((ask, reason)) => Held::Failed(ask, reason),
        None if !unasked.is_empty() => Held::Unasked(unasked),
        None => Held::Yes(Holder::Authenticated),
    }
}

/// For every group that contains looked-up groups: which, itself included where it is one.
#[must_use]
pub fn lookups_of(groups: &BTreeMap<GroupName, Group>) -> LookupsOf {
    let mut found = LookupsOf::new();
    let mut nesting = Nesting::new(groups);
    let leaves = groups.iter().filter(|(_, group)| matches!(group, Group::Lookup(_)));
    for (leaf, _) in leaves {
        for outer in nesting.around(leaf) {
            found.entry(outer.clone()).or_default().insert(leaf.clone());
        }
    }
    found
}

/// Which groups each group is nested in; walked from the inside out, so that deep nesting costs
/// no more than there are memberships to tell.
struct Nesting<'a> {
    names: Vec<&'a GroupName>,
    numbers: HashMap<&'a GroupName, usize>,
    /// By number: the groups that have it as a member.
    outer: Vec<Vec<usize>>,
    /// By number: the walk that met it last.
    met: Vec<usize>,
    walks: usize,
}

impl<'a> Nesting<'a> {
    fn new(groups: &'a BTreeMap<GroupName, Group>) -> Self {
        let names: Vec<&GroupName> = groups.keys().collect();
        let numbers: HashMap<_, _> = names.iter().copied().zip(0..).collect();
        let mut outer = vec![Vec::new(); names.len()];
        for (number, group) in groups.values().enumerate() {
            let Group::Members(members) = group else { continue };
            for member in members {
                if let Member::Group(inner) = member
                    && let Some(around) = numbers.get(inner).and_then(|at| outer.get_mut(*at))
                {
                    around.push(number);
                }
            }
        }
        let met = vec![0; names.len()];
        Self { names, numbers, outer, met, walks: 0 }
    }

    /// The numbers, in order, of the group and of all that it is nested in; a cycle ends where it
    /// closes.
    fn numbers_around(&mut self, name: &GroupName) -> Vec<usize> {
        self.walks += 1;
        let mut found: Vec<usize> = Vec::new();
        let mut open: Vec<usize> = self.numbers.get(name).copied().into_iter().collect();
        while let Some(next) = open.pop() {
            let Some(met) = self.met.get_mut(next).filter(|met| **met != self.walks) else {
                continue;
            };
            *met = self.walks;
            found.push(next);
            open.extend(self.outer.get(next).into_iter().flatten());
        }
        found.sort_unstable();
        found
    }

    fn around(&mut self, name: &GroupName) -> impl Iterator<Item = &'a GroupName> {
        let numbers = self.numbers_around(name);
        numbers.into_iter().filter_map(|number| self.names.get(number).copied())
    }
}

/// For every user in any group: all groups that the policy alone puts the user in.
#[must_use]
pub fn groups_of(groups: &BTreeMap<GroupName, Group>) -> BTreeMap<UserName, BTreeSet<GroupName>> {
    let mut nesting = Nesting::new(groups);
    let mut of: BTreeMap<&UserName, Vec<usize>> = BTreeMap::new();
    for (name, group) in groups {
        let Group::Members(members) = group else { continue };
        let users: Vec<&UserName> = members.iter().filter_map(Member::user).collect();
        if users.is_empty() {
            continue;
        }
        let around = nesting.numbers_around(name);
        users.into_iter().for_each(|user| of.entry(user).or_default().extend(&around));
    }
    let named = |mut numbers: Vec<usize>| {
        numbers.sort_unstable();
        numbers.dedup();
        numbers
            .iter()
            .filter_map(|number| nesting.names.get(*number))
            .map(|n| (*n).clone())
            .collect()
    };
    of.into_iter().map(|(user, numbers)| (user.clone(), named(numbers))).collect()
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

#[cfg(test)]
mod tests {
    use super::super::lab;
    use super::super::model::Lookup;
    use super::*;
    use proptest::prelude::*;

    /// All groups below one, found the slow way.
    fn below<'a>(
        name: &'a GroupName,
        groups: &'a BTreeMap<GroupName, Group>,
    ) -> BTreeSet<&'a GroupName> {
        let mut seen = BTreeSet::from([name]);
        loop {
            let inner = seen.iter().filter_map(|name| groups.get(*name)).flat_map(|g| match g {
                Group::Members(members) => members.iter().filter_map(Member::group).collect(),
                Group::Lookup(_) => Vec::new(),
            });
            let more: BTreeSet<_> = inner.chain(seen.iter().copied()).collect();
            if more.len() == seen.len() {
                return seen;
            }
            seen = more;
        }
    }

    fn nested(
        links: &[(u8, u8)],
        users: &[(u8, u8)],
        looked_up: &[u8],
    ) -> BTreeMap<GroupName, Group> {
        let name = |number: u8| lab::group(&format!("g{number}"));
        let mut groups: BTreeMap<_, Vec<Member>> = (0..8).map(|n| (name(n), vec![])).collect();
        for (outer, inner) in links {
            groups.get_mut(&name(*outer)).unwrap().push(Member::Group(name(*inner)));
        }
        for (group, user) in users {
            let user = Member::User(lab::user(&format!("u{user}")));
            groups.get_mut(&name(*group)).unwrap().push(user);
        }
        let mut groups: BTreeMap<_, _> =
            groups.into_iter().map(|(name, members)| (name, Group::Members(members))).collect();
        for number in looked_up {
            groups.insert(name(*number), Group::Lookup(Lookup::Unix("staff".into())));
        }
        groups
    }

    proptest! {
        #[test]
        fn nesting_is_followed_to_its_end_also_in_circles(
            links in prop::collection::vec((0..8_u8, 0..9_u8), 0..12),
            users in prop::collection::vec((0..8_u8, 0..4_u8), 0..8),
            looked_up in prop::collection::vec(0..8_u8, 0..3),
        ) {
            let groups = nested(&links, &users, &looked_up);
            let (mut of, mut lookups) = (BTreeMap::new(), LookupsOf::new());
            for outer in groups.keys() {
                for inner in below(outer, &groups) {
                    match groups.get(inner) {
                        Some(Group::Members(members)) => for user in members.iter().filter_map(Member::user) {
                            of.entry(user.clone()).or_insert_with(BTreeSet::new).insert(outer.clone());
                        },
                        Some(Group::Lookup(_)) => {
                            lookups.entry(outer.clone()).or_default().insert(inner.clone());
                        }
                        None => {}
                    }
                }
            }
            prop_assert_eq!(groups_of(&groups), of);
            prop_assert_eq!(lookups_of(&groups), lookups);
        }
    }
}
