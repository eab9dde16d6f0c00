//! Whether an entitlement can work at all: somebody may ask, and enough others could say yes.
//!
//! Knows who could be whom as far as the policy tells. A look-up may name any active user, because
//! only declared ones are ever identified.

use super::Check;
use super::grants::exact;
use crate::access::quorum::{Approver, met};
use crate::policy::diag::{At, PolicyCode, Problem};
use crate::policy::entry::Holder;
use crate::policy::members::{LookupsOf, groups_of, lookups_of};
use crate::policy::model::{
    Approval, Entitlement, Group, Member, Project, User, may_meet, project_of,
};
use crate::policy::name::{GroupName, ProjectName, UserName};
use crate::policy::raw::Table;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Most names that a message lists.
const NAMED: usize = 5;

/// Who is in what, as far as the policy tells.
pub(super) struct People<'p> {
    users: &'p BTreeMap<UserName, User>,
    active: BTreeSet<&'p UserName>,
    members: HashMap<GroupName, BTreeSet<&'p UserName>>,
    lookups: LookupsOf,
}

/// What stands against an entitlement in a project.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trouble {
    /// Nobody may ask.
    Nobody,
    /// It is never approved, for this reason.
    Never(String),
}

impl<'p> People<'p> {
    pub fn new(users: &'p BTreeMap<UserName, User>, groups: &BTreeMap<GroupName, Group>) -> Self {
        let active: BTreeSet<&UserName> =
            users.iter().filter(|(_, user)| user.active).map(|(name, _)| name).collect();
        let mut members: HashMap<GroupName, BTreeSet<&UserName>> = HashMap::new();
        for (user, of) in groups_of(groups) {
            let Some(name) = active.get(&user).copied() else { continue };
            for group in of {
                members.entry(group).or_default().insert(name);
            }
        }
        Self { users, active, members, lookups: lookups_of(groups) }
    }

    /// Whether the holders are users by name, and all of them services.
    pub fn are_all_services(&self, holders: &[Holder]) -> bool {
        let service = |holder: &Holder| match holder {
            Holder::User(name) => self.users.get(name).is_some_and(|user| user.service),
            _ => false,
        };
        !holders.is_empty() && holders.iter().all(service)
    }

    /// Active users who may be among the holders in a project.
    fn possible(&self, holders: &[Holder], project: &Project) -> BTreeSet<&'p UserName> {
        let mut found = BTreeSet::new();
        for holder in holders {
            match holder {
                Holder::User(name) => found.extend(self.active.get(name)),
                Holder::Lead | Holder::Role(_) if project.jira_roles.is_some() => {
                    return self.active.clone();
                }
                Holder::Lead => {
                    found.extend(project.lead.iter().filter_map(|l| self.active.get(l)))
                }
                Holder::Group(name) => self.add_group(name, &mut found),
                Holder::Role(role) => {
                    for member in project.roles.get(role).into_iter().flatten() {
                        match member {
                            Member::User(name) => found.extend(self.active.get(name)),
                            Member::Group(name) => self.add_group(name, &mut found),
                        }
                    }
                }
                // No issue is in play where somebody asks or approves.
                Holder::Assignee | Holder::Reporter | Holder::Field(_) => {}
                _ => return self.active.clone(),
            }
        }
        found
    }

    fn add_group(&self, name: &GroupName, found: &mut BTreeSet<&'p UserName>) {
        match self.lookups.contains_key(name) {
            true => found.extend(&self.active),
            false => found.extend(self.members.get(name).into_iter().flatten()),
        }
    }

    /// Who counts as the person behind a name: the owner of a service.
    fn person(&self, name: &'p UserName) -> &'p UserName {
        let user = self.users.get(name).filter(|user| user.service);
        user.and_then(|user| user.owner.as_ref()).unwrap_or(name)
    }

    fn is_service(&self, name: &UserName) -> bool {
        self.users.get(name).is_some_and(|user| user.service)
    }

    fn trouble(&self, entitlement: &Entitlement, project: &Project) -> Option<Trouble> {
        let eligible = entitlement.entry.to.as_deref().unwrap_or_default();
        let eligible = self.possible(eligible, project);
        if eligible.is_empty() {
            return Some(Trouble::Nobody);
        }
        let asking: BTreeSet<&UserName> = eligible.iter().map(|name| self.person(name)).collect();
        let lists = &entitlement.approval;
        let mut fits: BTreeMap<&UserName, Vec<usize>> = BTreeMap::new();
        for (list, approval) in lists.iter().enumerate() {
            let possible = self.possible(&approval.from, project);
            for name in possible.into_iter().filter(|name| !self.is_service(name)) {
                fits.entry(name).or_default().push(list);
            }
        }
        never(lists, &asking, &fits).map(Trouble::Never)
    }
}

/// Why lists are never filled, whoever asks.
fn never(
    lists: &[Approval],
    asking: &BTreeSet<&UserName>,
    fits: &BTreeMap<&UserName, Vec<usize>>,
) -> Option<String> {
    let counts: Vec<u32> = lists.iter().map(|list| list.count).collect();
    let wanted: u64 = counts.iter().copied().map(u64::from).sum();
    let could = named(fits.keys().copied());
    if wanted > 0 && fits.is_empty() {
        return Some("nobody could ever say yes".into());
    }
    if wanted > fits.len() as u64 {
        let people = if wanted == 1 { "person" } else { "different people" };
        return Some(format!("it takes {wanted} {people}, and only {could} could say yes"));
    }
    // Who fit the same lists are alike, so of each kind one is left out in turn.
    let mut kinds: BTreeMap<&[usize], usize> = BTreeMap::new();
    fits.values().for_each(|lists| *kinds.entry(lists).or_default() += 1);
    if !filled(&counts, &kinds, None) {
        return Some(format!(
            "one person counts once, and {could} can't fill every list with different people"
        ));
    }
    let own: BTreeSet<Option<&[usize]>> =
        asking.iter().map(|name| fits.get(name).map(Vec::as_slice)).collect();
    let possible = own.iter().any(|own| filled(&counts, &kinds, *own));
    (!possible)
        .then(|| format!("nobody approves their own request, and only {could} could say yes"))
}

/// Whether the lists can be filled, with one person less of the kind `without`.
fn filled(counts: &[u32], kinds: &BTreeMap<&[usize], usize>, without: Option<&[usize]>) -> bool {
    let wanted = counts.iter().map(|count| *count as usize).sum::<usize>();
    let mut approvers = Vec::new();
    for (lists, people) in kinds {
        let people = people - usize::from(without == Some(*lists));
        for _ in 0..people.min(wanted) {
            approvers.push(Approver { person: approvers.len(), fits: lists.to_vec() });
        }
    }
    met(counts, &approvers)
}

fn named<'a>(names: impl ExactSizeIterator<Item = &'a UserName>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let shown: Vec<String> = names.take(NAMED).map(|name| format!("`{name}`")).collect();
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

impl Check<'_> {
    /// Reports an entitlement that can be asked for by nobody, or never approved, where it applies.
    pub(super) fn may_work(
        &mut self,
        table: &Table,
        at: At,
        entitlement: &Entitlement,
        projects: &BTreeMap<ProjectName, Project>,
        people: &People<'_>,
    ) {
        let certain = certain(entitlement, projects);
        let open = |project: &Project| {
            let patterns = entitlement.repositories.iter().filter(|own| exact(own).is_none());
            patterns.into_iter().any(|own| may_meet(own, project))
        };
        let troubles: Vec<(&ProjectName, Trouble)> = certain
            .iter()
            .filter_map(|(name, project)| Some((*name, people.trouble(entitlement, project)?)))
            .collect();
        let works = troubles.len() < certain.len();
        let elsewhere =
            projects.iter().filter(|(name, one)| !certain.contains_key(*name) && open(one));
        let mut others = elsewhere.map(|(_, project)| people.trouble(entitlement, project));
        let mut first_other = None;
        let works = works
            || others.any(|trouble| match trouble {
                None => true,
                Some(trouble) => {
                    first_other.get_or_insert(trouble);
                    false
                }
            });
        match (works, troubles.as_slice()) {
            (true, []) => {}
            (true, [(name, first), rest @ ..]) => {
                let more = match rest.len() {
                    0 => format!("in `{name}`"),
                    more => format!("in `{name}` and {more} more projects"),
                };
                self.somewhere(table, at, &more, first);
            }
            (false, all) => {
                let first = all.iter().map(|(_, trouble)| trouble);
                let never = first.clone().find(|trouble| **trouble != Trouble::Nobody);
                let shown = never.or(first.clone().next()).or(first_other.as_ref()).cloned();
                self.nowhere(table, at, shown.as_ref());
            }
        }
    }

    fn somewhere(&mut self, table: &Table, at: At, place: &str, trouble: &Trouble) {
        let key = |key: &str| table.get(key).map_or(at, |item| item.key);
        let (code, at, message) = match trouble {
            Trouble::Nobody => {
                (PolicyCode::NobodyEligible, key("eligible"), format!("nobody is eligible {place}"))
            }
            Trouble::Never(why) => (
                PolicyCode::QuorumSomewhere,
                key("approval"),
                format!("this can never be met {place}: {why}"),
            ),
        };
        self.problems.push(Problem::new(code, at, message));
    }

    fn nowhere(&mut self, table: &Table, at: At, trouble: Option<&Trouble>) {
        let key = |key: &str| table.get(key).map_or(at, |item| item.key);
        let (code, at, message) = match trouble {
            // No project at all: that is told elsewhere.
            None => return,
            Some(Trouble::Nobody) => {
                (PolicyCode::NobodyEligible, key("eligible"), "nobody is eligible".to_owned())
            }
            Some(Trouble::Never(why)) => {
                (PolicyCode::QuorumNever, key("approval"), format!("this can never be met: {why}"))
            }
        };
        self.problems.push(Problem::new(code, at, message));
    }
}

/// Projects in which it certainly applies: named ones, and those of repositories spelled out.
fn certain<'a>(
    entitlement: &Entitlement,
    projects: &'a BTreeMap<ProjectName, Project>,
) -> BTreeMap<&'a ProjectName, &'a Project> {
    let named = entitlement.projects.iter().filter_map(|name| projects.get_key_value(name));
    let spelled = entitlement.repositories.iter().filter_map(exact).filter_map(|repository| {
        let all = projects.iter().map(|(name, p)| (name, p.repositories.as_slice()));
        projects.get_key_value(project_of(repository, all).ok()?)
    });
    named.chain(spelled).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::lab;
    use super::*;
    use proptest::prelude::*;

    /// Tries every assignment of different people to the slots that are left.
    fn fill(counts: &mut [u32], people: &[(u8, Vec<usize>)]) -> bool {
        if counts.iter().all(|count| *count == 0) {
            return true;
        }
        let Some(((_, fits), rest)) = people.split_first() else { return false };
        if fill(counts, rest) {
            return true;
        }
        fits.iter().any(|list| {
            if counts[*list] == 0 {
                return false;
            }
            counts[*list] -= 1;
            let filled = fill(counts, rest);
            counts[*list] += 1;
            filled
        })
    }

    proptest! {
        #[test]
        fn an_approval_is_refused_exactly_where_no_one_who_asks_could_ever_get_it(
            counts in prop::collection::vec(1..3_u32, 1..4),
            fits in prop::collection::vec(prop::collection::btree_set(0..4_usize, 0..3), 0..5),
            asking in prop::collection::btree_set(0..6_u8, 1..4),
        ) {
            let people: Vec<(u8, Vec<usize>)> = fits
                .iter()
                .map(|lists| lists.iter().copied().filter(|list| *list < counts.len()).collect())
                .zip(0..)
                .filter(|(lists, _): &(Vec<usize>, u8)| !lists.is_empty())
                .map(|(lists, number)| (number, lists))
                .collect();
            let possible = asking.iter().any(|asker| {
                let others: Vec<_> =
                    people.iter().filter(|(number, _)| number != asker).cloned().collect();
                fill(&mut counts.clone(), &others)
            });
            let names: Vec<UserName> = (0..6).map(|n| lab::user(&format!("u{n}"))).collect();
            let lists: Vec<Approval> =
                counts.iter().map(|count| Approval { from: vec![], count: *count }).collect();
            let asking = asking.iter().map(|n| &names[usize::from(*n)]).collect();
            let fits =
                people.iter().map(|(n, lists)| (&names[usize::from(*n)], lists.clone())).collect();
            prop_assert_eq!(never(&lists, &asking, &fits).is_none(), possible);
        }
    }
}
