//! Entitlements as people read them: what, where, for whom, how long, approved by whom.

use super::checks::{Check, Rule};
use super::entry::{Enforce, Entry};
use super::model::{Approval, Entitlement};
use super::name::{EntitlementName, ProjectName};
use super::pattern::Pattern;
use super::refs::{RefPattern, RefScope, Space};
use std::collections::BTreeSet;

/// All of an entitlement in one line, as `policy show` has it.
#[must_use]
pub fn sentence(name: &EntitlementName, entitlement: &Entitlement) -> String {
    let to = list(entitlement.entry.to.iter().flatten());
    let mut text = format!(
        "entitlement {name}: {to} may ask for {} {}, up to {}",
        lends(&entitlement.entry),
        place(entitlement),
        entitlement.max_duration
    );
    if let Some(uses) = entitlement.max_uses {
        text.push_str(&format!(" and {uses} {}", if uses == 1 { "push" } else { "pushes" }));
    }
    if !entitlement.approval.is_empty() {
        text.push_str(&format!(", approved by {}", approval(&entitlement.approval)));
    }
    if let Some(auto) = &entitlement.auto {
        text.push_str(&format!(", or by rule for up to {}", auto.max_duration));
    }
    if entitlement.break_glass {
        text.push_str(", or at once by break-glass");
    }
    text
}

/// What it lends: `push on release/*`, `update on main for paths docs/**`.
#[must_use]
pub fn lends(entry: &Entry) -> String {
    let mut text = format!("{}{}", entry.permissions, refs(&entry.refs));
    if let Some(paths) = &entry.paths {
        text.push_str(&format!(" for {paths}"));
    }
    if !entry.checks.is_empty() {
        text.push_str(&format!(" of {}", entry.checks.join(", ")));
    }
    text
}

/// A check in one line: `check subject: subject, max-subject on main in PAY (warn-only)`.
#[must_use]
pub fn check(check: &Check) -> String {
    let keys = list(check.rules.iter().map(Rule::key));
    let warns = if check.enforce == Enforce::Warn { " (warn-only)" } else { "" };
    format!("check {}: {keys}{}{warns}", check.name, check_place(check))
}

/// Which refs a check governs, and where: ` on main in PAY`.
#[must_use]
pub fn check_place(check: &Check) -> String {
    let place = match check.projects.is_empty() && check.repositories.is_empty() {
        true => "everywhere".into(),
        false => within(&check.projects, &check.repositories),
    };
    format!("{} {place}", refs(&check.refs))
}

/// Where it applies: `in PAY, WEB and tools/*`.
#[must_use]
pub fn place(entitlement: &Entitlement) -> String {
    within(&entitlement.projects, &entitlement.repositories)
}

fn within(projects: &BTreeSet<ProjectName>, repositories: &[Pattern]) -> String {
    let projects = list(projects);
    let repositories = list(repositories);
    match (projects.is_empty(), repositories.is_empty()) {
        (_, true) => format!("in {projects}"),
        (true, false) => format!("in {repositories}"),
        (false, false) => format!("in {projects} and {repositories}"),
    }
}

/// Who says yes: `1 of role:maintainer, lead and 2 of @security`.
#[must_use]
pub fn approval(lists: &[Approval]) -> String {
    let each = |one: &Approval| format!("{} of {}", one.count, list(&one.from));
    match lists {
        [] => "nobody".into(),
        lists => lists.iter().map(each).collect::<Vec<_>>().join(" and "),
    }
}

/// Holders, projects and the like, with commas.
pub(super) fn list<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    all.into_iter().map(|one| one.to_string()).collect::<Vec<_>>().join(", ")
}

/// ` on main, tags v* except x`, or nothing where no refs are named.
#[must_use]
pub fn refs(scope: &RefScope) -> String {
    let words = |one: &RefPattern| match one.space {
        Space::Tags => format!("tags {}", one.pattern),
        Space::Branches | Space::Refs => one.pattern.to_string(),
    };
    let all = |patterns: &[RefPattern]| list(patterns.iter().map(words));
    match (scope.include.is_empty(), scope.exclude.is_empty()) {
        (true, true) => String::new(),
        (false, true) => format!(" on {}", all(&scope.include)),
        (true, false) => format!(" except on {}", all(&scope.exclude)),
        (false, false) => format!(" on {} except {}", all(&scope.include), all(&scope.exclude)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Holder, Permissions};
    use super::super::lab;
    use super::super::model::Auto;
    use super::super::window::Window;
    use super::*;

    #[test]
    fn a_check_is_told_in_one_line() {
        let mut one = lab::check("form", Rule::MaxSubject(72));
        one.rules.push(Rule::Merges(super::super::checks::Merges::None));
        assert_eq!(check(&one), "check form: max-subject, merges everywhere");
        one.projects = [lab::project("PAY")].into();
        one.refs.include = lab::on(Space::Branches, &["main"]);
        one.enforce = Enforce::Warn;
        assert_eq!(check(&one), "check form: max-subject, merges on main in PAY (warn-only)");
    }

    #[test]
    fn an_entitlement_is_told_in_one_line() {
        let developers = [Holder::Group(lab::group("core")), Holder::Lead];
        let mut one = lab::entitlement("hotfix", &developers, "PAY");
        one.entry.refs.include = lab::on(Space::Branches, &["release/*"]);
        let name = lab::entitlement_name("hotfix");
        assert_eq!(
            sentence(&name, &one),
            "entitlement hotfix: @core, lead may ask for push on release/* in PAY, up to 1 h, \
             approved by 1 of alice"
        );
        one.entry.permissions = Permissions::BYPASS;
        one.entry.checks = vec!["subject".into()];
        one.repositories = vec![lab::pattern("tools/*")];
        one.max_uses = Some(2);
        one.auto = Some(Auto { when: Window::default(), max_duration: one.max_duration });
        one.break_glass = true;
        one.approval.push(Approval { from: vec![Holder::Lead], count: 2 });
        assert_eq!(
            sentence(&name, &one),
            "entitlement hotfix: @core, lead may ask for bypass on release/* of subject in PAY and \
             tools/*, up to 1 h and 2 pushes, approved by 1 of alice and 2 of lead, or by rule for \
             up to 1 h, or at once by break-glass"
        );
    }
}
