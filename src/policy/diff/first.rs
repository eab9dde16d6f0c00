//! The first policy: nothing to compare it with, so a short account of who may what.

use super::super::entry::{Entry, Holder};
use super::super::members::{Answers, Held};
use super::super::model::Policy;
use super::super::name::{ProjectName, UserName};
use super::super::refs::{RefScope, Space};
use super::people::People;
use super::render::capped;

/// Most lines about rights.
const LINES: usize = 40;
/// Most lines about one project.
const LINES_A_PROJECT: usize = 10;

/// How much there is, and for each project whom its permits and grants are for, in short.
#[must_use]
pub fn summary(policy: &Policy) -> Vec<String> {
    let active = policy.users.values().filter(|user| user.active).count();
    let count = format!("users that are active: {active} of {}", policy.users.len());
    let people = People::new(policy);
    let rights = policy.projects.keys().flat_map(|name| of_project(&people, name)).collect();
    std::iter::once(count).chain(capped(rights, LINES, "lines: `refwarden policy show`")).collect()
}

fn of_project(people: &People<'_>, name: &ProjectName) -> Vec<String> {
    let Some(project) = people.policy.projects.get(name) else { return Vec::new() };
    let scheme = people.policy.schemes.get(&project.scheme);
    let grants = people.policy.grants.iter().filter(|grant| grant.projects.contains(name));
    let entries = scheme.into_iter().flat_map(|scheme| &scheme.entries);
    let entries = entries.chain(grants.map(|grant| &grant.entry));
    let lines = entries.map(|entry| {
        let verb = if entry.is_forbid() { "may not" } else { "may" };
        let permissions = &entry.permissions;
        let (who, refs) = (who(people, name, entry), refs(&entry.refs));
        let paths = entry.paths.as_ref().map(|paths| format!(" for {paths}")).unwrap_or_default();
        format!("{name}: {who} {verb} {permissions}{refs}{paths}")
    });
    capped(lines.collect(), LINES_A_PROJECT, &format!("entries of {name}"))
}

/// The holders, and how many people the policy alone makes of them.
fn who(people: &People<'_>, name: &ProjectName, entry: &Entry) -> String {
    let Some(to) = &entry.to else { return "everyone".into() };
    let holders: Vec<String> = to.iter().map(ToString::to_string).collect();
    let named = to.iter().all(|holder| matches!(holder, Holder::User(_)));
    let Some(project) = people.policy.projects.get(name).filter(|_| !named) else {
        return holders.join(", ");
    };
    let none = Answers::new();
    let held = |user: &&UserName| {
        let standing = people.standing(Some(user), project);
        standing.is_some_and(|standing| matches!(standing.among(to, &none), Held::Yes(_)))
    };
    match people.policy.users.keys().filter(held).count() {
        1 => format!("{} (1 user)", holders.join(", ")),
        count => format!("{} ({count} users)", holders.join(", ")),
    }
}

fn refs(scope: &RefScope) -> String {
    let words = |(space, pattern): (Space, String)| match space {
        Space::Tags => format!("tags {pattern}"),
        Space::Branches | Space::Refs => pattern,
    };
    let list = |patterns: &[super::super::refs::RefPattern]| {
        let each = patterns.iter().map(|p| words((p.space, p.pattern.to_string())));
        each.collect::<Vec<String>>().join(", ")
    };
    match (scope.include.is_empty(), scope.exclude.is_empty()) {
        (true, true) => String::new(),
        (false, true) => format!(" on {}", list(&scope.include)),
        (true, false) => format!(" except on {}", list(&scope.exclude)),
        (false, false) => format!(" on {} except {}", list(&scope.include), list(&scope.exclude)),
    }
}
