//! Permits of which forbids leave nothing: every ref and action that they cover is forbidden to
//! everybody, always. Computed over all classes of refs, not sampled.

use super::{Lint, Use, kind};
use crate::policy::diag::At;
use crate::policy::diff::ref_classes;
use crate::policy::entry::{Enforce, Entry, Permissions};
use crate::policy::model::{Policy, Project};
use crate::policy::name::UserName;
use crate::policy::pattern::USER;
use crate::policy::refs::{RefPattern, RefScope, Space};
use std::collections::BTreeMap;

/// Most people that are tried one by one where patterns have `${user}` in them.
const MOST: usize = 200;
const ACTIONS: [Permissions; 4] =
    [Permissions::CREATE, Permissions::UPDATE, Permissions::FORCE, Permissions::DELETE];

impl Lint<'_> {
    pub(super) fn shadowed(&mut self, one: &Use<'_>, at: At) {
        let Some(sides) = sides(self.policy, one) else { return };
        let entry = one.entry;
        let cure = "remove it, or give the forbid an `except`";
        let hidden =
            |entry: &Entry| sides.iter().all(|forbids| hidden(entry, forbids, self.policy));
        if hidden(entry) {
            let what =
                format!("nothing is left of this {}: {}", kind(entry), self.forbidden_by(&sides));
            return self.report("shadowed", at, what, cure);
        }
        if entry.refs.include.len() < 2 {
            return;
        }
        let alone = |pattern: &RefPattern| Entry {
            refs: RefScope { include: vec![pattern.clone()], exclude: entry.refs.exclude.clone() },
            ..entry.clone()
        };
        let patterns: Vec<_> =
            entry.refs.include.iter().filter(|pattern| hidden(&alone(pattern))).collect();
        for pattern in patterns {
            let text = pattern.pattern.text();
            let what = format!("nothing is left of `{text}`: {}", self.forbidden_by(&sides));
            self.report("shadowed", self.pattern_at(entry, pattern), what, cure);
        }
    }

    /// Where the forbids stand.
    fn forbidden_by(&self, sides: &[Vec<&Entry>]) -> String {
        let mut places: Vec<_> = sides.iter().flatten().map(|forbid| forbid.place).collect();
        places.sort_unstable();
        places.dedup();
        let spot = |place: &crate::policy::entry::Place| {
            let file =
                self.policy.files.get(usize::from(place.file)).map_or("policy", String::as_str);
            format!("{file}:{}", place.line)
        };
        format!(
            "it is forbidden to everybody by {}",
            places.iter().map(spot).collect::<Vec<_>>().join(", ")
        )
    }
}

/// For every scheme in which the entry stands, the forbids that always count for everybody; `None`
/// where one of its projects has none.
fn sides<'p>(policy: &'p Policy, one: &Use<'p>) -> Option<Vec<Vec<&'p Entry>>> {
    let mut sides = BTreeMap::new();
    for (_, project) in &one.projects {
        if !sides.contains_key(&project.scheme) || project.enforce == Enforce::Warn {
            let forbids = absolute(policy, project);
            if forbids.is_empty() {
                return None;
            }
            sides.insert(&project.scheme, forbids);
        }
    }
    Some(sides.into_values().collect())
}

fn absolute<'p>(policy: &'p Policy, project: &Project) -> Vec<&'p Entry> {
    let always = |entry: &&Entry| {
        let everybody = entry.to.is_none() && entry.except.is_empty();
        let counts = entry.enforce == Enforce::Refuse && project.enforce == Enforce::Refuse;
        entry.is_forbid() && everybody && counts && entry.paths.is_none() && entry.when.is_always()
    };
    let scheme = policy.schemes.get(&project.scheme);
    scheme.into_iter().flat_map(|scheme| &scheme.entries).filter(always).collect()
}

/// Whether every ref and action that the permit covers is forbidden, whoever pushes.
fn hidden(permit: &Entry, forbids: &[&Entry], policy: &Policy) -> bool {
    let named = |entry: &Entry| {
        entry.refs.include.iter().chain(&entry.refs.exclude).any(|one| one.pattern.has_user())
    };
    if !named(permit) && !forbids.iter().any(|forbid| named(forbid)) {
        return hidden_from(permit, forbids, None);
    }
    let active = || policy.users.iter().filter(|(_, user)| user.active);
    let few = active().nth(MOST).is_none();
    few && active().all(|(name, _)| hidden_from(permit, forbids, Some(name)))
}

fn hidden_from(permit: &Entry, forbids: &[&Entry], user: Option<&UserName>) -> bool {
    if forbids.iter().any(|forbid| {
        forbid.permissions.intersects(Permissions::READ) && forbid.refs == RefScope::default()
    }) {
        return true;
    }
    let of = |action: Permissions| {
        forbids.iter().copied().filter(move |forbid| forbid.permissions.intersects(action))
    };
    let asked = || ACTIONS.into_iter().filter(|action| permit.permissions.intersects(*action));
    // Most permits are told apart by this alone.
    if asked().any(|action| of(action).next().is_none()) {
        return false;
    }
    let left = |name: &Vec<u8>| {
        let forbidden =
            |action| of(action).any(|forbid| forbid.refs.forbids(name, user) == Ok(true));
        permit.refs.permits(name, user) == Ok(true) && !asked().all(forbidden)
    };
    // A plain example tells quickly that something is left; only all classes of refs that permit and
    // forbids tell apart show that nothing is.
    if examples(permit, user).iter().any(left) {
        return false;
    }
    let all: Vec<&Entry> = std::iter::once(permit).chain(asked().flat_map(of)).collect();
    let Some(names) = ref_classes(&all, user) else { return false };
    let some = names.iter().any(|name| permit.refs.permits(name, user) == Ok(true));
    // What can be read, or bypassed, no forbid of a push takes away.
    let reads = permit.permissions.intersects(Permissions::READ.with(Permissions::BYPASS));
    some && !reads && !names.iter().any(left)
}

/// Names that the permit may cover: its globs with a word in place of wildcards.
fn examples(permit: &Entry, user: Option<&UserName>) -> Vec<Vec<u8>> {
    if permit.refs.include.is_empty() {
        return vec![b"refs/heads/zz".to_vec(), b"refs/tags/zz".to_vec()];
    }
    let user = user.map_or("", UserName::as_str);
    let of = |one: &RefPattern| {
        let folder = match one.space {
            Space::Branches => "refs/heads/",
            Space::Tags => "refs/tags/",
            Space::Refs => "",
        };
        let text = one.pattern.text().replace("**", "*").replace('*', "zz").replace(USER, user);
        [folder, &text].concat().into_bytes()
    };
    permit.refs.include.iter().map(of).collect()
}
