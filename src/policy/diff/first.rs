//! The first policy: nothing to compare it with, so a short account of who may what.

use super::super::entry::{Entry, Holder};
use super::super::members::{Answers, Held, Standing};
use super::super::model::Policy;
use super::super::name::ProjectName;
use super::super::spoken::{check, refs, sentence};
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
    let mut rights = Vec::new();
    for name in policy.projects.keys() {
        let entries = entries(policy, name);
        // Counting people is slow: not for lines that nobody sees.
        match rights.len() < LINES {
            true => rights.extend(of_project(&people, name, &entries)),
            false => rights.extend(vec![String::new(); entries.len().min(LINES_A_PROJECT + 1)]),
        }
    }
    rights.extend(policy.entitlements.iter().map(|(name, one)| sentence(name, one)));
    rights.extend(policy.checks.iter().map(check));
    std::iter::once(count).chain(capped(rights, LINES, "lines: `refwarden policy show`")).collect()
}

fn entries<'p>(policy: &'p Policy, name: &ProjectName) -> Vec<&'p Entry> {
    let scheme = policy.projects.get(name).and_then(|p| policy.schemes.get(&p.scheme));
    let grants = policy.grants.iter().filter(|grant| grant.projects.contains(name));
    let entries = scheme.into_iter().flat_map(|scheme| &scheme.entries);
    entries.chain(grants.map(|grant| &grant.entry)).collect()
}

fn of_project(people: &People<'_>, name: &ProjectName, entries: &[&Entry]) -> Vec<String> {
    let Some(project) = people.policy.projects.get(name) else { return Vec::new() };
    let users = people.policy.users.keys();
    let standings: Vec<Standing> =
        users.filter_map(|user| people.standing(Some(user), project)).collect();
    let mut lines: Vec<String> = Vec::new();
    for entry in entries.iter().take(LINES_A_PROJECT) {
        let verb = if entry.is_forbid() { "may not" } else { "may" };
        let (who, permissions) = (who(&standings, entry), &entry.permissions);
        let paths = entry.paths.as_ref().map(|paths| format!(" for {paths}")).unwrap_or_default();
        lines.push(format!("{name}: {who} {verb} {permissions}{}{paths}", refs(&entry.refs)));
    }
    let more = entries.len().saturating_sub(LINES_A_PROJECT);
    lines.extend((more > 0).then(|| format!("and {more} more entries of {name}")));
    lines
}

/// The holders, and how many people the policy alone makes of them.
fn who(standings: &[Standing], entry: &Entry) -> String {
    let Some(to) = &entry.to else { return "everyone".into() };
    let holders: Vec<String> = to.iter().map(ToString::to_string).collect();
    let named = to.iter().all(|holder| matches!(holder, Holder::User(_)));
    if named {
        return holders.join(", ");
    }
    let none = Answers::new();
    let held = |standing: &&Standing| matches!(standing.among(to, &none), Held::Yes(_));
    match standings.iter().filter(held).count() {
        1 => format!("{} (1 user)", holders.join(", ")),
        count => format!("{} ({count} users)", holders.join(", ")),
    }
}
