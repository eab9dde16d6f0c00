//! `[[grants]]`: rights lent by hand, each with an end and a reason.

use super::Check;
use super::names::Named;
use super::projects::needs_base;
use crate::policy::diag::{At, PolicyCode, Problem};
use crate::policy::entry::Kind;
use crate::policy::model::{Grant, Project, project_of};
use crate::policy::name::ProjectName;
use crate::policy::pattern::{Glob, Pattern};
use crate::policy::raw::{Table, Word};
use std::collections::{BTreeMap, BTreeSet};

impl Check<'_> {
    pub(super) fn grants(&mut self, projects: &BTreeMap<ProjectName, Project>) -> Vec<Grant> {
        let root = self.root;
        let mut ids = BTreeMap::new();
        let mut grants = Vec::new();
        for (at, table) in root.tables("grants") {
            for key in ["id", "until", "reason"] {
                self.require(table, at, key);
            }
            let id = table.text("id");
            if let Some(id) = id {
                self.name(id);
                self.once(&mut ids, id, "grant");
            }
            let when = self.interval(table);
            let id = id.map(|id| id.text).unwrap_or_default();
            let entry = self.entry(table, at, Kind::Grant(id.into()), when);
            self.applies_somewhere(table, at);
            let repositories = self.repositories(table);
            let names = self.projects_of(table);
            if needs_base(&entry) {
                self.bases(table, &repositories, projects, "this grant has paths");
            }
            let repositories = repositories.into_iter().map(|(pattern, _)| pattern).collect();
            grants.push(Grant { projects: names, repositories, entry });
        }
        grants
    }

    /// A name that may be given once.
    pub(super) fn once<'w>(
        &mut self,
        seen: &mut BTreeMap<&'w str, At>,
        word: Word<'w>,
        what: &str,
    ) {
        if let Some(first) = seen.insert(word.text, word.at) {
            let message = format!("there are two {what}s `{}`", word.text);
            let problem = Problem::new(PolicyCode::DuplicateName, word.at, message);
            self.problems.push(problem.also(first, "the other one"));
        }
    }

    /// `projects`, `repositories`, or both.
    pub(super) fn applies_somewhere(&mut self, table: &Table, at: At) {
        if !table.has("projects") && !table.has("repositories") {
            let message = "`projects` or `repositories` is required: where this applies";
            self.report(PolicyCode::NowhereApplies, at, message);
        }
    }

    /// `projects` of a table.
    pub(super) fn projects_of(&mut self, table: &Table) -> BTreeSet<ProjectName> {
        let Some(words) = table.texts("projects") else { return BTreeSet::new() };
        self.not_empty(&words, "projects");
        let known = |word: &Word<'_>| {
            self.is_declared(Named::Project, *word, "")
                .then(|| ProjectName::parse(word.text).ok())
                .flatten()
        };
        words.words.iter().filter_map(known).collect()
    }

    /// Projects that a grant with paths names, or can be seen to reach, need `base` as well.
    pub(super) fn bases(
        &mut self,
        table: &Table,
        repositories: &[(Pattern, At)],
        projects: &BTreeMap<ProjectName, Project>,
        why: &str,
    ) {
        let mut named: Vec<Word<'_>> = table.texts("projects").map_or_else(Vec::new, |t| t.words);
        for (pattern, at) in repositories {
            let reached = reached(pattern, projects);
            named.extend(reached.into_iter().map(|name| Word { text: name.as_str(), at: *at }));
        }
        for word in named {
            let project = ProjectName::parse(word.text).ok().and_then(|name| projects.get(&name));
            let written = self.root.table("projects").and_then(|all| all.table(word.text));
            let has_base = written.is_some_and(|table| table.has("base"));
            if project.is_some() && !has_base {
                self.base_missing(word, why);
            }
        }
    }
}

/// Projects that have a repository which the pattern matches, as far as can be seen without looking
/// at the repositories: one of the two is an exact name, or they are the same, or it is `**`.
fn reached<'p>(
    pattern: &Pattern,
    projects: &'p BTreeMap<ProjectName, Project>,
) -> Vec<&'p ProjectName> {
    if let Some(repository) = exact(pattern) {
        let all = projects.iter().map(|(name, p)| (name, p.repositories.as_slice()));
        return project_of(repository, all).into_iter().collect();
    }
    let everywhere = pattern.as_glob().is_some_and(Glob::is_everything);
    let meets = |own: &Pattern| {
        let inside = exact(own).is_some_and(|name| pattern.matches(name, None).unwrap_or(true));
        everywhere || inside || own.text() == pattern.text()
    };
    let reached = projects.iter().filter(|(_, project)| project.repositories.iter().any(meets));
    reached.map(|(name, _)| name).collect()
}

pub(super) fn exact(pattern: &Pattern) -> Option<&[u8]> {
    pattern.as_glob().filter(|glob| glob.is_literal()).map(|glob| glob.literal_prefix())
}
