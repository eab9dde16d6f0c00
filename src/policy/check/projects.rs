//! Projects: repositories, scheme, lead, base branch, members of roles.

use super::Check;
use super::entry::ENFORCE;
use super::names::Named;
use super::repositories::Claim;
use crate::policy::diag::{At, PolicyCode};
use crate::policy::entry::{Enforce, Entry, Permissions};
use crate::policy::model::{Member, Project, Scheme};
use crate::policy::name::{ProjectName, RoleName, SchemeName};
use crate::policy::raw::{Table, Word};
use crate::push::issue::is_project;
use gix::refs::FullName;
use std::collections::BTreeMap;

const HEADS: &str = "refs/heads/";

type Members = BTreeMap<RoleName, Vec<Member>>;

impl Check<'_> {
    pub(super) fn projects(
        &mut self,
        roles: &Members,
        schemes: &BTreeMap<SchemeName, Scheme>,
    ) -> BTreeMap<ProjectName, Project> {
        let root = self.root;
        let mut projects = BTreeMap::new();
        let mut claims = Vec::new();
        for (word, node) in root.named("projects") {
            let Some(table) = node.table() else { continue };
            let Some(project) = self.project(word, node.at, table, roles, schemes) else {
                continue;
            };
            let (project, patterns) = project;
            let claim = |(pattern, at)| Claim { project: word.text, pattern, at };
            claims.extend(patterns.into_iter().map(claim));
            if let Ok(name) = ProjectName::parse(word.text) {
                projects.insert(name, project);
            }
        }
        self.overlaps(&claims);
        projects
    }

    fn project(
        &mut self,
        word: Word<'_>,
        at: At,
        table: &Table,
        roles: &Members,
        schemes: &BTreeMap<SchemeName, Scheme>,
    ) -> Option<(Project, Vec<(crate::policy::pattern::Pattern, At)>)> {
        self.require(table, at, "repositories");
        let patterns = self.repositories(table);
        let scheme = self.scheme_of(table)?;
        let base = table.text("base").and_then(|word| self.base(word));
        let limits_paths = schemes.get(&scheme).is_some_and(|s| s.entries.iter().any(needs_base));
        if limits_paths && !table.has("base") {
            let why = format!("the scheme `{scheme}` has entries with paths");
            self.base_missing(word, &why);
        }
        let project = Project {
            place: self.place(at),
            title: self.line(table, "name"),
            repositories: patterns.iter().map(|(pattern, _)| pattern.clone()).collect(),
            scheme,
            lead: table.text("lead").and_then(|word| self.user(word)),
            base,
            jira_keys: self.jira_keys(table),
            jira_roles: self.jira_roles(table),
            read_needs: self.read_needs(table),
            roles: match table.has("roles-from") {
                true => Members::new(),
                false => self.project_roles(table, roles),
            },
            enforce: self.choice(table, "enforce", ENFORCE, Enforce::Refuse),
        };
        let _ = self.line(table, "description");
        Some((project, patterns))
    }

    fn scheme_of(&mut self, table: &Table) -> Option<SchemeName> {
        let Some(word) = table.text("scheme") else { return SchemeName::parse("default").ok() };
        self.is_declared(Named::Scheme, word, "")
            .then(|| SchemeName::parse(word.text).ok())
            .flatten()
    }

    pub(super) fn base_missing(&mut self, project: Word<'_>, why: &str) {
        let message = format!("`{}` needs `base`: {why}", project.text);
        let help = "name the branch that a new branch is compared with, as in `base = \"main\"`";
        self.report_help(PolicyCode::BaseMissing, project.at, message, help);
    }

    /// The base branch as a full ref name.
    fn base(&mut self, word: Word<'_>) -> Option<Box<str>> {
        self.branch("base", word)
    }

    /// The branch that a key names, as a full ref name.
    pub(super) fn branch(&mut self, key: &str, Word { text, at }: Word<'_>) -> Option<Box<str>> {
        if let Some(branch) = text.strip_prefix(HEADS) {
            let help = format!("did you mean `{branch}`?");
            let message = format!("`{key}` is a branch, without `refs/heads/`");
            self.report_help(PolicyCode::BadBase, at, message, help);
            return None;
        }
        let name = format!("{HEADS}{text}");
        let is_name = FullName::try_from(name.as_str()).is_ok();
        if !is_name || text.starts_with("refs/") || text == "HEAD" {
            let message = format!("`{text}` is not the name of a branch");
            self.report(PolicyCode::BadBase, at, message);
            return None;
        }
        Some(name.into())
    }

    fn jira_keys(&mut self, table: &Table) -> Vec<Box<str>> {
        let Some(words) = table.texts("jira-keys") else { return Vec::new() };
        for Word { text, at } in &words.words {
            if !is_project(text) {
                let message = format!("`{text}` is not the key of a Jira project");
                self.report(PolicyCode::BadText, *at, message);
            }
        }
        words.words.iter().map(|word| word.text.into()).collect()
    }

    /// Members of every role: a key that is there, even empty, ends the fallback.
    fn project_roles(&mut self, table: &Table, defaults: &Members) -> Members {
        let mut members = defaults.clone();
        for (word, node) in table.named("roles") {
            let known = self.is_declared(Named::Role, word, "");
            let own = node.words().map(|words| self.members(&words)).unwrap_or_default();
            if let (true, Ok(name)) = (known, RoleName::parse(word.text)) {
                members.insert(name, own);
            }
        }
        members
    }
}

/// Whether an entry looks at changed paths, so at what a new branch is compared with. A deletion
/// has none.
pub(super) fn needs_base(entry: &Entry) -> bool {
    let moves = Permissions::PUSH.with(Permissions::FORCE);
    entry.paths.is_some() && entry.permissions.intersects(moves)
}
