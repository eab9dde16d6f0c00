//! Permits that give more than anybody may have meant.

use super::{Lint, Use};
use crate::policy::diag::At;
use crate::policy::entry::{Entry, Holder, Kind, Permissions};
use crate::policy::model::{Policy, Project};
use crate::policy::refs::Space;

/// What a project without `base` is taken to build on.
const USUAL: [&str; 2] = ["refs/heads/main", "refs/heads/master"];

impl Lint<'_> {
    pub(super) fn wide(&mut self, one: &Use<'_>, at: At) {
        let entry = one.entry;
        if entry.kind != Kind::Permit {
            return;
        }
        if to_everybody(entry)
            && everywhere(entry)
            && entry.permissions.intersects(Permissions::PUSH)
        {
            let what = format!("everybody may `{}` on every branch", entry.permissions);
            let cure = "name the people, or the branches: `users/${user}/**` is everybody's own";
            self.report("everybody-everywhere", at, what, cure);
        }
        let rewritten = one.projects.iter().find_map(|(name, project)| {
            let branch = rewritten(self.policy, entry, project)?;
            Some(format!("{branch} of {name}"))
        });
        if let Some(branch) = rewritten {
            let rights = match (
                entry.permissions.intersects(Permissions::FORCE),
                entry.permissions.intersects(Permissions::DELETE),
            ) {
                (true, true) => "force and delete",
                (true, false) => "force",
                _ => "delete",
            };
            let what = format!("this permit lets people {rights} {branch}");
            let cure = "leave that branch out by `except-branches`, or forbid it; lend the right by an entitlement";
            self.report("rewrites-default-branch", at, what, cure);
        }
    }
}

fn to_everybody(entry: &Entry) -> bool {
    entry.to.iter().flatten().any(|to| matches!(to, Holder::Authenticated | Holder::Anyone))
}

/// Whether an entry is about all branches and whatever they hold.
fn everywhere(entry: &Entry) -> bool {
    let all = entry.refs.include.iter().any(|one| match one.space {
        Space::Branches => matches!(one.pattern.text(), "**" | "regex:.*"),
        Space::Refs => matches!(one.pattern.text(), "**" | "refs/**" | "refs/heads/**"),
        Space::Tags => false,
    });
    (all || entry.refs.include.is_empty()) && entry.refs.exclude.is_empty() && entry.paths.is_none()
}

/// The branch of a project that others build on, where the entry lets people rewrite it and no forbid
/// stands guard over it, be it with exceptions.
fn rewritten(policy: &Policy, entry: &Entry, project: &Project) -> Option<String> {
    let usual = || USUAL.into_iter().map(str::to_owned).collect();
    let branches: Vec<String> =
        project.base.as_ref().map_or_else(usual, |base| vec![base.to_string()]);
    let rights = [Permissions::FORCE, Permissions::DELETE];
    let given: Vec<Permissions> =
        rights.into_iter().filter(|right| entry.permissions.intersects(*right)).collect();
    let scheme = policy.schemes.get(&project.scheme);
    let guarded = |right: Permissions, branch: &str| {
        let mut entries = scheme.into_iter().flat_map(|scheme| &scheme.entries);
        entries.any(|one| {
            let always = one.is_forbid() && one.paths.is_none() && one.when.is_always();
            let about = one.permissions.intersects(right) && one.to.is_none();
            always && about && one.refs.forbids(branch.as_bytes(), None) == Ok(true)
        })
    };
    let open = |branch: &String| {
        let covered = entry.refs.permits(branch.as_bytes(), None) == Ok(true);
        covered && given.iter().any(|right| !guarded(*right, branch))
    };
    branches.into_iter().find(open)
}
