//! The people of two policies, in crowds that nothing but a name could tell apart.

use super::super::entry::{Entry, Holder};
use super::super::members::{Answers, Held, LookupsOf, Standing, groups_of, lookups_of};
use super::super::model::{Member, Policy, Project};
use super::super::name::{GroupName, RoleName, UserName};
use super::super::scope::Site;
use super::crowd::Crowd;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// Most looked-up groups of which every combination is compared.
const COMBINED: usize = 4;
/// Most looked-up groups of which every pair is compared.
const PAIRED: usize = 16;

/// One policy's memberships.
pub(super) struct People<'p> {
    pub policy: &'p Policy,
    groups: BTreeMap<UserName, BTreeSet<GroupName>>,
    pub lookups: LookupsOf,
}

impl<'p> People<'p> {
    pub(super) fn new(policy: &'p Policy) -> Self {
        let (groups, lookups) = (groups_of(&policy.groups), lookups_of(&policy.groups));
        Self { policy, groups, lookups }
    }

    fn is_active(&self, user: &UserName) -> bool {
        self.policy.users.get(user).is_some_and(|user| user.active)
    }

    /// Active members of each group, in order of their numbers.
    fn members(&self, names: &[Option<&UserName>]) -> HashMap<GroupName, Vec<usize>> {
        let mut members: HashMap<GroupName, Vec<usize>> = HashMap::new();
        for (number, user) in names.iter().enumerate() {
            let user = user.filter(|user| self.is_active(user));
            for group in user.and_then(|user| self.groups.get(user)).into_iter().flatten() {
                match members.get_mut(group) {
                    Some(of) => of.push(number),
                    None => drop(members.insert(group.clone(), vec![number])),
                }
            }
        }
        members
    }

    /// The groups of an active user.
    pub(super) fn groups(&self, user: &UserName) -> Option<BTreeSet<GroupName>> {
        self.is_active(user).then(|| self.groups.get(user).cloned().unwrap_or_default())
    }

    /// An active user's standing, or that of somebody without an identity.
    pub(super) fn standing(&self, user: Option<&UserName>, project: &Project) -> Option<Standing> {
        match user {
            None => Some(Standing::default()),
            Some(user) => {
                let groups = self.groups(user)?;
                Some(Standing::new(user.clone(), groups, project, &self.lookups))
            }
        }
    }
}

/// Everybody who is active in either policy, by number; the number 0 has no identity.
pub(super) struct Everybody<'p> {
    /// By number.
    pub names: Vec<Option<&'p UserName>>,
    /// Before and after.
    pub sides: [People<'p>; 2],
    /// Whether the same people are active, in the same groups, before and after.
    pub unmoved: bool,
    numbers: HashMap<&'p UserName, usize>,
    /// By number: whether active before and after.
    active: Vec<[bool; 2]>,
    /// Before and after: active members of groups that the policy alone decides.
    members: [HashMap<GroupName, Vec<usize>>; 2],
    parted: HashMap<Vec<GroupName>, Rc<Vec<Crowd>>>,
}

impl<'p> Everybody<'p> {
    pub(super) fn new(old: &'p Policy, new: &'p Policy) -> Self {
        let sides = [People::new(old), People::new(new)];
        let users: BTreeSet<&UserName> = old.users.keys().chain(new.users.keys()).collect();
        let active = |user: &UserName| sides.each_ref().map(|people| people.is_active(user));
        let users = users.into_iter().filter(|user| active(user) != [false, false]);
        let names: Vec<Option<&UserName>> = std::iter::once(None).chain(users.map(Some)).collect();
        let active: Vec<[bool; 2]> =
            names.iter().map(|user| user.map_or([true, true], active)).collect();
        let numbers = names.iter().zip(0..).filter_map(|(user, at)| Some(((*user)?, at))).collect();
        let members = sides.each_ref().map(|people| people.members(&names));
        let same_groups = members.iter().zip(members.iter().skip(1)).all(|(old, new)| old == new);
        let unmoved = same_groups && active.iter().all(|[old, new]| old == new);
        Self { names, sides, unmoved, numbers, active, members, parted: HashMap::new() }
    }

    /// Everybody in crowds of the same standing in both sites; their names may still part them.
    pub(super) fn crowds(&mut self, sites: [Option<&Site<'p>>; 2]) -> Vec<Crowd> {
        let groups: BTreeSet<&GroupName> =
            sites.into_iter().flatten().flat_map(groups_in).collect();
        let by_groups = self.by_groups(groups.into_iter().cloned().collect());
        let mut named: BTreeMap<usize, Vec<Tag>> = BTreeMap::new();
        for (side, site) in sites.into_iter().enumerate() {
            for (user, tag) in site.into_iter().flat_map(|site| tags(side, site)) {
                if let Some(number) = self.numbers.get(user) {
                    named.entry(*number).or_default().push(tag);
                }
            }
        }
        let alone: Crowd = named.keys().copied().collect();
        let mut apart: BTreeMap<(usize, Vec<Tag>), Crowd> = BTreeMap::new();
        for (number, mut tags) in named {
            tags.sort_unstable();
            tags.dedup();
            let class = by_groups.iter().position(|crowd| crowd.contains(number));
            apart.entry((class.unwrap_or_default(), tags)).or_default().insert(number);
        }
        let rest = by_groups.iter().map(|crowd| crowd.clone().without(&alone));
        apart.into_values().chain(rest).filter(|crowd| crowd.first().is_some()).collect()
    }

    /// Everybody parted by who is active and in which of `groups`, before and after.
    fn by_groups(&mut self, groups: Vec<GroupName>) -> Rc<Vec<Crowd>> {
        if let Some(known) = self.parted.get(&groups) {
            return Rc::clone(known);
        }
        let mut within: Vec<Vec<(usize, usize)>> = vec![Vec::new(); self.names.len()];
        for (side, members) in self.members.iter().enumerate() {
            for (at, group) in groups.iter().enumerate() {
                for number in members.get(group).into_iter().flatten() {
                    within.get_mut(*number).into_iter().for_each(|of| of.push((side, at)));
                }
            }
        }
        let mut crowds: BTreeMap<_, Crowd> = BTreeMap::new();
        for (number, (within, active)) in within.into_iter().zip(&self.active).enumerate() {
            crowds.entry((number > 0, *active, within)).or_default().insert(number);
        }
        let crowds = Rc::new(crowds.into_values().collect());
        self.parted.insert(groups, Rc::clone(&crowds));
        crowds
    }

    /// Active people who are settled to be among the holders in a project of that side, and
    /// looked-up groups that more could come from.
    pub(super) fn held(
        &self,
        side: usize,
        holders: &[Holder],
        project: &Project,
    ) -> (Crowd, BTreeSet<GroupName>) {
        let (mut crowd, mut asked) = (Crowd::default(), BTreeSet::new());
        let mut member = |member: &Member| match member {
            Member::User(name) => self.add_user(side, name, &mut crowd),
            Member::Group(name) => {
                let members = self.members.get(side).and_then(|all| all.get(name));
                members.into_iter().flatten().for_each(|number| crowd.insert(*number));
                let lookups = self.sides.get(side).and_then(|people| people.lookups.get(name));
                asked.extend(lookups.into_iter().flatten().cloned());
            }
        };
        for holder in holders {
            match holder {
                Holder::User(name) => member(&Member::User(name.clone())),
                Holder::Group(name) => member(&Member::Group(name.clone())),
                Holder::Role(role) => {
                    project.roles.get(role).into_iter().flatten().for_each(&mut member);
                }
                Holder::Lead => {
                    project.lead.iter().for_each(|lead| member(&Member::User(lead.clone())));
                }
                Holder::Authenticated | Holder::Anyone => {
                    return (self.active(side), BTreeSet::new());
                }
                Holder::Assignee | Holder::Reporter | Holder::Field(_) => {}
            }
        }
        (crowd, asked)
    }

    fn add_user(&self, side: usize, name: &UserName, crowd: &mut Crowd) {
        if let Some(number) = self.numbers.get(name)
            && self.active.get(*number).and_then(|of| of.get(side)) == Some(&true)
        {
            crowd.insert(*number);
        }
    }

    /// Everybody who is active on that side, somebody without an identity left out.
    pub(super) fn active(&self, side: usize) -> Crowd {
        let active = self.active.iter().zip(0..).skip(1);
        active.filter(|(of, _)| of.get(side) == Some(&true)).map(|(_, number)| number).collect()
    }
}

/// What in a site names a user: on which side, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tag {
    Role(usize, usize),
    Lead(usize),
    Holder(usize, usize),
}

fn tags<'a>(side: usize, site: &'a Site<'_>) -> Vec<(&'a UserName, Tag)> {
    let roles = site.project.roles.values().enumerate().flat_map(move |(at, members)| {
        members.iter().filter_map(Member::user).map(move |user| (user, Tag::Role(side, at)))
    });
    let lead = site.project.lead.iter().map(|user| (user, Tag::Lead(side)));
    let lists = site.entries.iter().flat_map(|e| [e.to.as_deref().unwrap_or_default(), &e.except]);
    let holders = lists.enumerate().flat_map(move |(at, holders)| {
        holders.iter().filter_map(move |holder| match holder {
            Holder::User(user) => Some((user, Tag::Holder(side, at))),
            _ => None,
        })
    });
    roles.chain(lead).chain(holders).collect()
}

/// Groups that a site asks about.
fn groups_in<'a>(site: &'a Site<'_>) -> impl Iterator<Item = &'a GroupName> {
    let members = site.project.roles.values().flatten().filter_map(Member::group);
    let holders = site.entries.iter().flat_map(|e| e.to.iter().flatten().chain(&e.except));
    members.chain(holders.filter_map(|holder| match holder {
        Holder::Group(group) => Some(group),
        _ => None,
    }))
}

/// Whom each entry is about: one bit an entry, `None` for somebody who is not active.
pub(super) fn signature(
    standing: Option<&Standing>,
    entries: &[&Entry],
    answers: &Answers,
) -> Option<Vec<bool>> {
    let standing = standing?;
    let among = |holders: &[Holder]| matches!(standing.among(holders, answers), Held::Yes(_));
    let meant =
        |entry: &&Entry| entry.to.as_ref().is_none_or(|to| among(to)) && !among(&entry.except);
    Some(entries.iter().map(meant).collect())
}

/// Looked-up groups that could decide whom the entries are about.
pub(super) fn lookups_in_play(
    lookups: &LookupsOf,
    project: &Project,
    entries: &[&Entry],
) -> BTreeSet<GroupName> {
    let holders = entries.iter().flat_map(|entry| entry.to.iter().flatten().chain(&entry.except));
    let of_role = |role: &RoleName| {
        let members = project.roles.get(role).into_iter().flatten();
        members.filter_map(|member| match member {
            Member::Group(group) => lookups.get(group),
            Member::User(_) => None,
        })
    };
    let found = holders.flat_map(|holder| match holder {
        Holder::Group(group) => lookups.get(group).into_iter().collect(),
        Holder::Role(role) => of_role(role).collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    found.flatten().cloned().collect()
}

/// The sets of looked-up groups that somebody may be in: none first, smaller before larger; and
/// whether these are all combinations there are.
pub(super) fn memberships(groups: &BTreeSet<GroupName>) -> (Vec<BTreeSet<GroupName>>, bool) {
    let mut sets: Vec<BTreeSet<GroupName>> = vec![BTreeSet::new()];
    let all = groups.len() <= COMBINED;
    let most = if groups.len() <= PAIRED { 2 } else { 1 };
    for group in groups {
        let with: Vec<_> = sets
            .iter()
            .filter(|set| all || set.len() < most)
            .map(|set| set.iter().chain([group]).cloned().collect())
            .collect();
        sets.extend(with);
    }
    if !all {
        sets.push(groups.clone());
    }
    sets.sort_by_key(BTreeSet::len);
    (sets, all)
}
