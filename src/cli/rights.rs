//! Rights as lines: who gains and loses what, and what a project's scheme gives.

use super::Failure;
use super::exit::Exit;
use super::out::Out;
use super::site::Here;
use crate::policy::diff::{self, Diff};
use crate::policy::entry::{Entry, Kind};
use crate::policy::model::{Member, Policy, Project, may_meet};
use crate::policy::name::ProjectName;
use crate::policy::refs::Space;
use crate::policy::spoken::{self, sentence};
use crate::policy::zone;
use serde_json::json;

/// Most lines of a difference that are printed.
const MOST: usize = 200;

/// Prints in short what the first policy says.
pub fn tell_first(policy: &Policy, out: &Out) {
    if !out.json {
        out.line("the first policy of this site:");
        diff::summary(policy).iter().for_each(|line| out.line(line));
    }
}

/// Prints who gains and loses what, in short where it is very much.
pub fn tell(diff: &Diff, out: &Out) {
    tell_at_most(diff, MOST, out);
}

/// Prints who gains and loses what, nothing left out.
pub fn tell_all(diff: &Diff, out: &Out) {
    tell_at_most(diff, usize::MAX, out);
}

fn tell_at_most(diff: &Diff, most: usize, out: &Out) {
    if out.json {
        out.value(&diff.to_json());
    } else if diff.is_empty() {
        out.line("nobody gains or loses anything");
    } else {
        diff.lines(most).iter().for_each(|line| out.line(line));
    }
}

/// `refwarden policy show`.
///
/// # Errors
/// No such project.
pub fn show(project: Option<&str>, out: &Out) -> anyhow::Result<Exit> {
    let here = Here::open()?;
    let policy = here.policy.policy()?;
    let mut found = false;
    for (name, details) in
        policy.projects.iter().filter(|(name, _)| project.is_none_or(|p| p == name.as_str()))
    {
        found = true;
        if out.json {
            out.value(&project_json(&policy, name, details))
        } else {
            tell_project(&policy, name, details, out)
        }
    }
    match (found, project) {
        (false, Some(project)) => {
            Err(Failure::new(Exit::NotFound, format!("there is no project `{project}`")).into())
        }
        _ => Ok(Exit::Done),
    }
}

fn tell_project(policy: &Policy, name: &ProjectName, project: &Project, out: &Out) {
    let repositories: Vec<String> = project.repositories.iter().map(ToString::to_string).collect();
    out.line(format!("{name}: {} (scheme {})", repositories.join(", "), project.scheme));
    for (role, members) in &project.roles {
        let members: Vec<String> = members.iter().map(member).collect();
        out.line(format!(
            "  role:{role} = {}",
            if members.is_empty() { "nobody".into() } else { members.join(", ") }
        ));
    }
    for entry in entries(policy, name, project) {
        out.line(format!("  {}", line(policy, entry)));
    }
    for entitlement in entitlements(policy, name, project) {
        out.line(format!("  {entitlement}"));
    }
    for check in checks(policy, name, project) {
        out.line(format!("  {check}"));
    }
}

/// The checks of a project, or of repositories that it has as far as can be seen.
fn checks(policy: &Policy, name: &ProjectName, project: &Project) -> Vec<String> {
    let here = policy.checks.iter().filter(|one| {
        one.projects.is_empty() && one.repositories.is_empty()
            || one.projects.contains(name)
            || one.repositories.iter().any(|own| may_meet(own, project))
    });
    here.map(|one| {
        let file = policy.files.get(usize::from(one.place.file)).map_or("policy", String::as_str);
        format!("{}, {file}:{}", spoken::check(one), one.place.line)
    })
    .collect()
}

/// What can be asked for in a project, or in repositories that it has as far as can be seen.
fn entitlements(policy: &Policy, name: &ProjectName, project: &Project) -> Vec<String> {
    let here = policy.entitlements.iter().filter(|(_, one)| {
        one.projects.contains(name) || one.repositories.iter().any(|own| may_meet(own, project))
    });
    here.map(|(name, one)| {
        let place = one.entry.place;
        let file = policy.files.get(usize::from(place.file)).map_or("policy", String::as_str);
        format!("{}, {file}:{}", sentence(name, one), place.line)
    })
    .collect()
}

fn entries<'a>(
    policy: &'a Policy,
    name: &ProjectName,
    project: &Project,
) -> impl Iterator<Item = &'a Entry> {
    let scheme = policy.schemes.get(&project.scheme).into_iter().flat_map(|scheme| &scheme.entries);
    let grants = policy
        .grants
        .iter()
        .filter(|grant| grant.projects.contains(name))
        .map(|grant| &grant.entry);
    let grants: Vec<&Entry> = grants.collect();
    scheme.chain(grants)
}

fn member(member: &Member) -> String {
    match member {
        Member::User(name) => name.to_string(),
        Member::Group(name) => format!("@{name}"),
    }
}

fn line(policy: &Policy, entry: &Entry) -> String {
    let kind = match &entry.kind {
        Kind::Permit => "permit".to_owned(),
        Kind::Forbid => "forbid".to_owned(),
        Kind::Grant(id) | Kind::Lent(id) => format!("grant {id}"),
        Kind::Entitlement(name) => format!("entitlement {name}"),
        Kind::Lock(id) => format!("lock {id}"),
    };
    let join = |list: Vec<String>| list.join(", ");
    let mut text = format!("{kind} `{}`", entry.permissions);
    let refs = |list: &[crate::policy::refs::RefPattern]| {
        join(
            list.iter()
                .map(|one| match one.space {
                    Space::Branches => format!("branches {}", one.pattern),
                    Space::Tags => format!("tags {}", one.pattern),
                    Space::Refs => one.pattern.to_string(),
                })
                .collect(),
        )
    };
    if !entry.refs.include.is_empty() {
        text.push_str(&format!(" on {}", refs(&entry.refs.include)));
    }
    if !entry.refs.exclude.is_empty() {
        text.push_str(&format!(" but {}", refs(&entry.refs.exclude)));
    }
    if let Some(paths) = &entry.paths {
        text.push_str(&format!(" for {paths}"));
    }
    match &entry.to {
        Some(to) => {
            text.push_str(&format!(" to {}", join(to.iter().map(ToString::to_string).collect())))
        }
        None => text.push_str(" to everyone"),
    }
    if !entry.except.is_empty() {
        text.push_str(&format!(
            " except {}",
            join(entry.except.iter().map(ToString::to_string).collect())
        ));
    }
    if let Some(until) = entry.when.until {
        text.push_str(&format!(" until {}", zone::told(until, policy.settings.timezone)));
    }
    let file = policy.files.get(usize::from(entry.place.file)).map_or("policy", String::as_str);
    format!("{text}, {file}:{}", entry.place.line)
}

fn project_json(policy: &Policy, name: &ProjectName, project: &Project) -> serde_json::Value {
    let lines: Vec<String> =
        entries(policy, name, project).map(|entry| line(policy, entry)).collect();
    let roles: serde_json::Map<String, serde_json::Value> = project
        .roles
        .iter()
        .map(|(role, members)| (role.to_string(), members.iter().map(member).collect()))
        .collect();
    json!({
        "project": name.as_str(),
        "repositories": project.repositories.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "scheme": project.scheme.as_str(),
        "roles": roles,
        "entries": lines,
        "entitlements": entitlements(policy, name, project),
    })
}
