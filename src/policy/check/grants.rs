//! `[[grants]]`: rights lent by hand, each with an end and a reason.

use super::Check;
use super::names::Named;
use super::projects::needs_base;
use crate::policy::diag::{At, PolicyCode, Problem};
use crate::policy::entry::Kind;
use crate::policy::model::{Grant, Project};
use crate::policy::name::ProjectName;
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
            let grant = Grant {
                projects: self.projects_of(table),
                repositories: self.repositories(table).into_iter().map(|(p, _)| p).collect(),
                entry,
            };
            self.bases(&grant, table, projects);
            grants.push(grant);
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

    /// Projects that a grant with paths names need `base` as well.
    fn bases(&mut self, grant: &Grant, table: &Table, projects: &BTreeMap<ProjectName, Project>) {
        if !needs_base(&grant.entry) {
            return;
        }
        for word in table.texts("projects").map(|words| words.words).unwrap_or_default() {
            let project = ProjectName::parse(word.text).ok().and_then(|name| projects.get(&name));
            let written = self.root.table("projects").and_then(|all| all.table(word.text));
            let has_base = written.is_some_and(|table| table.has("base"));
            if project.is_some() && !has_base {
                self.base_missing(word, "this grant has paths");
            }
        }
    }
}
