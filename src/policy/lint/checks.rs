//! Checks that ask nobody, and entries about checks that never run where the entry speaks.

use super::super::checks::Check;
use super::super::diag::At;
use super::super::entry::{Entry, Holder};
use super::super::model::{Project, may_meet};
use super::super::name::ProjectName;
use super::super::window::Window;
use super::{Lint, Use, kind};
use std::collections::BTreeSet;

impl Lint<'_> {
    /// A `bypass` of checks that apply in no project of the entry.
    pub(super) fn bypass(&mut self, one: &Use<'_>, at: At) {
        let named = &one.entry.checks;
        if named.is_empty() {
            return;
        }
        let all: Vec<&Check> =
            self.policy.checks.iter().filter(|check| one.entry.lifts(&check.name)).collect();
        let runs = |check: &&Check| {
            one.projects.iter().any(|(name, project)| applies(check, name, project))
        };
        if !all.iter().any(runs) {
            let what = format!("no check that this {} names applies there", kind(one.entry));
            self.report("lifts-nothing", at, what, "name other checks, or remove it");
        }
    }

    /// Checks that everybody may go past on every ref, wherever they apply.
    pub(super) fn checks(&mut self, uses: &[Use<'_>]) {
        for check in &self.policy.checks {
            let here: BTreeSet<&ProjectName> = self
                .policy
                .projects
                .iter()
                .filter(|(name, project)| applies(check, name, project))
                .map(|(name, _)| name)
                .collect();
            let lifted = |name: &&ProjectName| {
                let mut there = uses.iter().filter(|one| {
                    one.projects.iter().any(|(other, _)| other == name)
                        && one.entry.lifts(&check.name)
                });
                let forbid =
                    uses.iter().any(|one| one.entry.is_forbid() && one.entry.lifts(&check.name));
                !forbid && there.any(|one| is_for_all(one.entry))
            };
            if !here.is_empty() && here.iter().all(lifted) {
                let what = format!("everybody may go past the check `{}` everywhere", check.name);
                let at = self.sources.line_at(check.place);
                self.report("asks-nobody", at, what, "narrow the `bypass`, or remove the check");
            }
        }
    }
}

/// Whether a check may run in a project, as far as can be seen without its repositories.
fn applies(check: &Check, name: &ProjectName, project: &Project) -> bool {
    check.projects.is_empty() && check.repositories.is_empty()
        || check.projects.contains(name)
        || check.repositories.iter().any(|own| may_meet(own, project))
}

/// A permit for everybody, always, on heads and tags alike.
fn is_for_all(entry: &Entry) -> bool {
    !entry.is_forbid()
        && entry.to.as_ref().is_some_and(|to| to.contains(&Holder::Authenticated))
        && entry.except.is_empty()
        && entry.refs.include.is_empty()
        && entry.refs.exclude.is_empty()
        && entry.when == Window::default()
}
