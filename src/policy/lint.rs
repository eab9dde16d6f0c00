//! What is valid, and yet hardly what anybody wants: entries that never apply, and rights that are
//! wider than they look.
//!
//! Knows a valid policy and where its words stand; what makes a policy invalid, or is odd about a single
//! entry whatever the others say, is `check`'s matter. A finding is only made where it is certain: a
//! group that is looked up may have anybody, and patterns too intricate to compare hide nothing.
//!
//! [`home`]: who may push the policy itself; [`checks`]: what nobody is asked; [`people`]: whom an entry can be about; [`shadow`]: what a forbid leaves of a permit; [`wide`]: what
//! is permitted to too many; [`usage`]: what no push has met.

mod checks;
mod home;
mod people;
mod shadow;
pub mod usage;
mod wide;

use super::diag::{At, Problems};
use super::entry::{Entry, Kind, Place};
use super::model::{Policy, Project, may_meet};
use super::name::{ProjectName, SchemeName};
use super::raw::{self, Table};
use super::refs::{RefPattern, Space};
use super::source::Sources;
use chrono::{DateTime, Utc};
use people::People;
use std::collections::{BTreeMap, BTreeSet};

/// Something that is hardly wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind, a stable word.
    pub word: &'static str,
    /// Where.
    pub at: At,
    /// What, user text in backticks; as it was written, so escape it before showing it.
    pub what: String,
    /// What to do about it.
    pub cure: &'static str,
}

/// Every word that a finding may have, with what it means.
pub const WORDS: &[(&str, &str)] = &[
    ("nobody", "no active user can be whom the entry is about"),
    ("empty-group", "a group without an active member"),
    ("empty-role", "a role that nobody fills in any project"),
    ("unused-scheme", "a scheme that no project uses"),
    ("nowhere", "a grant or entitlement for repositories that no project has"),
    (
        "shadowed",
        "a permit, or one of its patterns, of which a forbid for everybody leaves nothing",
    ),
    ("ended", "a window, grant or entitlement that is over"),
    ("everybody-everywhere", "a permit to push to every branch for everybody"),
    ("rewrites-default-branch", "a permit to force or delete the branch that others build on"),
    ("lifts-nothing", "a `bypass` of checks that apply nowhere in its projects"),
    ("asks-nobody", "a check that everybody may go past everywhere"),
    ("locked-out", "a policy repository from which nobody who administers could change the policy"),
    ("policy-for-others", "a policy repository that others than administrators may push to"),
    ("unused", "a permit or grant that no push has met, with `--unused`"),
    ("unasked", "an entitlement that nobody has asked for, with `--unused`"),
];

/// An entry, and the projects in which it speaks.
struct Use<'p> {
    entry: &'p Entry,
    projects: Vec<(&'p ProjectName, &'p Project)>,
}

struct Lint<'p> {
    policy: &'p Policy,
    sources: &'p Sources,
    root: Table,
    people: People<'p>,
    now: DateTime<Utc>,
    found: Vec<Finding>,
}

/// All findings as of `now`, by place.
#[must_use]
pub fn lint(policy: &Policy, sources: &Sources, now: DateTime<Utc>) -> Vec<Finding> {
    let (root, _) = raw::read(sources, &mut Problems::default());
    let people = People::new(policy);
    let mut lint = Lint { policy, sources, root, people, now, found: Vec::new() };
    lint.declared();
    lint.home();
    let uses = uses(policy);
    for one in &uses {
        lint.entry(one);
    }
    lint.checks(&uses);
    lint.entitlements();
    in_order(lint.found)
}

fn in_order(mut found: Vec<Finding>) -> Vec<Finding> {
    found.sort_by(|a, b| (a.at, a.word, &a.what).cmp(&(b.at, b.word, &b.what)));
    found.dedup();
    found
}

/// Every entry of a scheme that some project uses, and every grant, each once.
fn uses(policy: &Policy) -> Vec<Use<'_>> {
    let mut by_scheme: BTreeMap<&SchemeName, Vec<(&ProjectName, &Project)>> = BTreeMap::new();
    for (name, project) in &policy.projects {
        by_scheme.entry(&project.scheme).or_default().push((name, project));
    }
    let mut all: BTreeMap<Place, Vec<Use<'_>>> = BTreeMap::new();
    for (scheme, projects) in by_scheme {
        for entry in policy.schemes.get(scheme).into_iter().flat_map(|scheme| &scheme.entries) {
            let here = all.entry(entry.place).or_default();
            // A scheme that extends another has copies of its entries.
            match here.iter_mut().find(|known| known.entry == entry) {
                Some(known) => known.projects.extend(&projects),
                None => here.push(Use { entry, projects: projects.clone() }),
            }
        }
    }
    let grants = policy.grants.iter().map(|grant| {
        let projects = reached(policy, &grant.projects, &grant.repositories);
        Use { entry: &grant.entry, projects }
    });
    all.into_values().flatten().chain(grants).collect()
}

/// The projects that are named, or may have a repository that is.
fn reached<'p>(
    policy: &'p Policy,
    projects: &BTreeSet<ProjectName>,
    repositories: &[super::pattern::Pattern],
) -> Vec<(&'p ProjectName, &'p Project)> {
    let reaches = |(name, project): &(&ProjectName, &Project)| {
        projects.contains(*name) || repositories.iter().any(|own| may_meet(own, project))
    };
    policy.projects.iter().filter(reaches).collect()
}

impl Lint<'_> {
    fn report(&mut self, word: &'static str, at: At, what: impl Into<String>, cure: &'static str) {
        self.found.push(Finding { word, at, what: what.into(), cure });
    }

    fn entry(&mut self, one: &Use<'_>) {
        let (entry, at) = (one.entry, self.sources.line_at(one.entry.place));
        let kind = kind(entry);
        if one.projects.is_empty() {
            let cure = "mend its `repositories`, or remove it";
            return self.report(
                "nowhere",
                at,
                format!("no project has a repository of this {kind}"),
                cure,
            );
        }
        if entry.when.until.is_some_and(|until| until <= self.now) {
            let what = format!("this {kind} has ended");
            return self.report("ended", at, what, "remove it, or give it another end");
        }
        if !one.projects.iter().any(|(_, project)| self.people.somebody(entry, project)) {
            let what = format!("no active user can be whom this {kind} is about");
            return self.report("nobody", at, what, "name somebody who is active, or remove it");
        }
        self.bypass(one, at);
        if !entry.is_forbid() {
            self.shadowed(one, at);
            self.wide(one, at);
        }
    }

    /// Groups, roles and schemes.
    fn declared(&mut self) {
        let empty = |name: &str| self.people.is_empty_group(name);
        let groups: Vec<(String, At)> =
            places(&self.root, "groups").filter(|(name, _)| empty(name)).collect();
        for (name, at) in groups {
            let what = format!("the group `{name}` has no active member");
            self.report("empty-group", at, what, "add somebody, or remove the group");
        }
        let roles: Vec<(String, At)> = places(&self.root, "roles").collect();
        for (name, at) in roles {
            let filled = |project: &Project| {
                if project.jira_roles.is_some() {
                    return true;
                }
                let members = project.roles.iter().find(|(role, _)| role.as_str() == name);
                members.is_some_and(|(_, members)| self.people.any_member(members))
            };
            if !self.policy.projects.values().any(filled) {
                let what = format!("nobody fills the role `{name}` in any project");
                self.report("empty-role", at, what, "fill it in a project, or remove it");
            }
        }
        let used = self.used_schemes();
        let schemes: Vec<(String, At)> =
            places(&self.root, "schemes").filter(|(name, _)| !used.contains(name)).collect();
        for (name, at) in schemes {
            let what = format!("no project uses the scheme `{name}`");
            self.report("unused-scheme", at, what, "name it in a project, or remove it");
        }
    }

    /// Those of projects, those that they extend, and `default`, which must be there.
    fn used_schemes(&self) -> BTreeSet<String> {
        let mut used = BTreeSet::from(["default".to_owned()]);
        let mut open: Vec<String> =
            self.policy.projects.values().map(|project| project.scheme.to_string()).collect();
        while let Some(name) = open.pop() {
            let table = self.root.table("schemes").and_then(|schemes| schemes.table(&name));
            let extends =
                table.and_then(|table| table.text("extends")).map(|word| word.text.to_owned());
            if used.insert(name) || extends.as_ref().is_some_and(|next| !used.contains(next)) {
                open.extend(extends);
            }
        }
        used
    }

    fn entitlements(&mut self) {
        for (name, one) in &self.policy.entitlements {
            let at = self.sources.line_at(one.entry.place);
            if reached(self.policy, &one.projects, &one.repositories).is_empty() {
                let what = format!("no project has a repository of the entitlement `{name}`");
                self.report("nowhere", at, what, "mend its `repositories`, or remove it");
            }
            if one.max_until.is_some_and(|until| until <= self.now) {
                let what = format!(
                    "nothing of the entitlement `{name}` lives past `max-until`, which is over"
                );
                self.report("ended", at, what, "remove it, or give it another end");
            }
        }
    }

    /// Where a pattern of an entry stands; the entry's line where that can't be told.
    fn pattern_at(&self, entry: &Entry, pattern: &RefPattern) -> At {
        let key = match pattern.space {
            Space::Branches => "branches",
            Space::Tags => "tags",
            Space::Refs => "refs",
        };
        let tables = self.tables().filter(|(at, _)| self.sources.place(*at) == entry.place);
        let words = tables.filter_map(|(_, table)| table.texts(key)).flat_map(|texts| texts.words);
        let mut found = words.filter(|word| word.text == pattern.pattern.text());
        found.next().map_or_else(|| self.sources.line_at(entry.place), |word| word.at)
    }

    /// The tables of permits and grants.
    fn tables(&self) -> impl Iterator<Item = (At, &Table)> {
        let schemes = self.root.named("schemes").filter_map(|(_, node)| node.table());
        schemes.flat_map(|scheme| scheme.tables("permit")).chain(self.root.tables("grants"))
    }
}

/// The names of a section, and where each stands.
fn places(root: &Table, section: &str) -> impl Iterator<Item = (String, At)> {
    root.named(section).map(|(word, node)| {
        let at = if node.at.file == word.at.file { word.at } else { node.at };
        (word.text.to_owned(), at)
    })
}

fn kind(entry: &Entry) -> &'static str {
    match entry.kind {
        Kind::Permit => "permit",
        Kind::Forbid | Kind::Lock(_) => "forbid",
        Kind::Grant(_) | Kind::Lent(_) => "grant",
        Kind::Entitlement(_) => "entitlement",
    }
}

#[cfg(test)]
mod tests;
