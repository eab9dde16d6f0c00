//! `[[checks]]`: where each applies, and what it asks for.

use super::Check;
use super::entry::ENFORCE;
use super::patterns::Reach;
use crate::policy::checks::{Check as Pushed, Rule};
use crate::policy::diag::{At, PolicyCode};
use crate::policy::entry::Enforce;
use crate::policy::model::Project;
use crate::policy::name::ProjectName;
use crate::policy::pattern::{Glob, Pattern};
use crate::policy::raw::Table;
use crate::policy::refs::{RefScope, Space};
use std::collections::BTreeMap;

impl Check<'_> {
    pub(super) fn checks(&mut self, projects: &BTreeMap<ProjectName, Project>) -> Vec<Pushed> {
        let root = self.root;
        let mut names = BTreeMap::new();
        let mut all = Vec::new();
        for (at, table) in root.tables("checks") {
            self.require(table, at, "name");
            if let Some(name) = table.text("name") {
                self.name(name);
                self.once(&mut names, name, "check");
            }
            all.push(self.pushed(table, at, projects));
        }
        all
    }

    fn pushed(
        &mut self,
        table: &Table,
        at: At,
        projects: &BTreeMap<ProjectName, Project>,
    ) -> Pushed {
        let named = self.projects_of(table);
        let repositories = self.repositories(table);
        self.in_some_project(&repositories, projects);
        let refs = self.ref_scope(table, Reach::Forbid, false);
        let rules = self.rules(table, at);
        if governs_nothing(&refs) {
            let message = "this check governs no ref: what it names is excepted again";
            self.report(PolicyCode::CheckNowhere, at, message);
        }
        self.about_tags(table, &refs, &rules);
        if rules.iter().any(|rule| matches!(rule, Rule::ForbidPaths(_) | Rule::OnlyPaths(_))) {
            self.about_paths(table, &repositories, projects);
        }
        Pushed {
            name: table.text("name").map(|name| name.text).unwrap_or_default().into(),
            place: self.place(at),
            projects: named,
            repositories: repositories.into_iter().map(|(pattern, _)| pattern).collect(),
            refs,
            enforce: self.choice(table, "enforce", ENFORCE, Enforce::Refuse),
            help: self.line(table, "help"),
            rules,
        }
    }

    /// Where paths are asked for, a new branch has to be compared with something: what a merge takes
    /// from an older side shows nowhere else.
    fn about_paths(
        &mut self,
        table: &Table,
        repositories: &[(Pattern, At)],
        projects: &BTreeMap<ProjectName, Project>,
    ) {
        let name = table.text("name").map(|name| name.text).unwrap_or_default();
        let why = format!("the check `{name}` asks for paths");
        self.bases(table, repositories, projects, &why);
        if table.has("projects") || table.has("repositories") {
            return;
        }
        for (word, node) in self.root.named("projects") {
            if node.table().is_some_and(|project| !project.has("base")) {
                self.base_missing(word, &why);
            }
        }
    }

    /// What is asked of tags needs a tag to be asked of.
    fn about_tags(&mut self, table: &Table, refs: &RefScope, rules: &[Rule]) {
        let branches = |one: &crate::policy::refs::RefPattern| one.space == Space::Branches;
        if refs.include.is_empty() || !refs.include.iter().all(branches) {
            return;
        }
        let tags = |rule: &&Rule| {
            matches!(rule, Rule::AnnotatedTags | Rule::Signed { commits: false, tags: true })
        };
        let Some(rule) = rules.iter().find(tags) else { return };
        let key = if *rule == Rule::AnnotatedTags { "annotated-tags" } else { "signed" };
        let Some(item) = table.get(key) else { return };
        let message = "this is asked of tags, and the check governs branches alone";
        let help = "add `tags = [\"**\"]`, or leave `branches` out";
        self.report_help(PolicyCode::CheckNowhere, item.key, message, help);
    }
}

/// Whether all that is named is excepted again, as far as the patterns show it as they are written.
fn governs_nothing(refs: &RefScope) -> bool {
    let everything = |space: Space| {
        refs.exclude.iter().any(|out| {
            (out.space == space || out.space == Space::Refs)
                && out.pattern.as_glob().is_some_and(Glob::is_everything)
        })
    };
    if refs.include.is_empty() {
        return everything(Space::Refs);
    }
    refs.include.iter().all(|one| everything(one.space) || refs.exclude.contains(one))
}
