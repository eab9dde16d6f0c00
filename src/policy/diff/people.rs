//! The people of two policies, in classes that nothing but a name could tell apart.

use super::super::entry::{Entry, Holder};
use super::super::members::{Answers, Held, LookupsOf, Standing, groups_of, lookups_of};
use super::super::model::{Member, Policy, Project};
use super::super::name::{GroupName, RoleName, UserName};
use super::super::pattern::Pattern;
use std::collections::{BTreeMap, BTreeSet};

/// Most looked-up groups of which every combination is compared.
const COMBINED: usize = 4;

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

/// Users with the same groups before and after, by those groups.
pub(super) type Classes =
    BTreeMap<(Option<BTreeSet<GroupName>>, Option<BTreeSet<GroupName>>), BTreeSet<UserName>>;

/// Everybody who is active in either policy.
pub(super) fn classes(old: &People<'_>, new: &People<'_>) -> Classes {
    let mut classes = Classes::new();
    for user in old.policy.users.keys().chain(new.policy.users.keys()) {
        let groups = (old.groups(user), new.groups(user));
        if groups != (None, None) {
            classes.entry(groups).or_default().insert(user.clone());
        }
    }
    classes
}

/// Users whom a project or its entries name one by one.
pub(super) fn mentioned(project: &Project, entries: &[&Entry]) -> BTreeSet<UserName> {
    let members = project.roles.values().flatten().filter_map(|member| match member {
        Member::User(user) => Some(user),
        Member::Group(_) => None,
    });
    let holders = entries.iter().flat_map(|entry| entry.to.iter().flatten().chain(&entry.except));
    let holders = holders.filter_map(|holder| match holder {
        Holder::User(user) => Some(user),
        _ => None,
    });
    members.chain(&project.lead).chain(holders).cloned().collect()
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
    for group in groups {
        let with: Vec<_> = sets
            .iter()
            .filter(|set| all || set.len() < 2)
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

/// How a person's name can matter to the patterns of some entries.
pub(super) struct Names {
    /// No pattern looks at the name.
    pub blind: bool,
    /// Single components that names could match; `None` where each name has to be looked at.
    pieces: Option<Vec<Pattern>>,
}

/// What tells people apart by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum NameClass {
    /// Nothing does.
    Any,
    /// Somebody without a name.
    Nobody,
    /// Those who match these pieces.
    Like(Vec<bool>),
    /// Nobody else.
    Only(UserName),
}

impl Names {
    /// Two names are alike if every component of every pattern matches both or neither, and
    /// `${user}` is always a whole component: then exchanging them in a ref or path changes no
    /// match. A `regex:` could look at any part of a name, so there nobody is like another.
    pub(super) fn new(entries: &[&Entry]) -> Self {
        let refs = entries.iter().flat_map(|e| e.refs.include.iter().chain(&e.refs.exclude));
        let scopes = entries.iter().filter_map(|entry| entry.paths.as_ref());
        let paths = scopes.flat_map(|paths| paths.include.iter().chain(&paths.exclude));
        let patterns: Vec<&Pattern> = refs.map(|r| &r.pattern).chain(paths).collect();
        let blind = !patterns.iter().any(|pattern| pattern.has_user());
        let fixed = ["refs", "heads", "tags", "refwarden"];
        let texts: BTreeSet<&str> = patterns.iter().map(|pattern| pattern.text()).collect();
        let pieces = texts.iter().flat_map(|text| text.split('/')).chain(fixed);
        let pieces: BTreeSet<&str> = pieces.filter(|p| *p != super::super::pattern::USER).collect();
        let pieces = match patterns.iter().all(|pattern| pattern.as_glob().is_some()) {
            true => pieces.into_iter().map(Self::piece).collect(),
            false => None,
        };
        Self { blind, pieces }
    }

    /// `None` for part of a component: a brace that a slash cut, or `${user}` beside other text.
    fn piece(text: &str) -> Option<Pattern> {
        Pattern::parse(text)
            .ok()
            .filter(|pattern| !pattern.has_user() && pattern.as_glob().is_some())
    }

    pub(super) fn class(&self, user: Option<&UserName>) -> NameClass {
        let Some(user) = user.filter(|_| !self.blind) else {
            return if self.blind { NameClass::Any } else { NameClass::Nobody };
        };
        let Some(pieces) = &self.pieces else { return NameClass::Only(user.clone()) };
        let like = |piece: &Pattern| piece.matches(user.as_str().as_bytes(), None).unwrap_or(true);
        NameClass::Like(pieces.iter().map(like).collect())
    }
}
