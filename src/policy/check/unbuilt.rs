//! Parts of a policy whose meaning is not built yet: their syntax is checked, they are noted, and
//! `policy apply` refuses them, so that nothing that is written is ignored.

use super::Check;
use super::entry::ENFORCE;
use super::patterns::Reach;
use crate::policy::entry::Enforce;
use crate::policy::raw::Table;
use std::collections::BTreeMap;

impl Check<'_> {
    /// Sections that later parts of refwarden will read.
    pub(super) fn later_parts(&mut self) {
        let root = self.root;
        let mut names = BTreeMap::new();
        for (at, table) in root.tables("checks") {
            self.require(table, at, "name");
            if let Some(name) = table.text("name") {
                self.name(name);
                self.once(&mut names, name, "check");
            }
            self.pushed_commits(table);
            self.mark_unbuilt("`[[checks]]`", at);
        }
    }

    /// `[jira] smart-commits`
    pub(super) fn unbuilt_jira(&mut self, jira: &Table) {
        if let Some(item) = jira.get("smart-commits") {
            self.mark_unbuilt("`[jira] smart-commits`", item.key);
        }
    }

    pub(super) fn unbuilt_settings(&mut self, server: &Table) {
        if let Some(item) = server.get("policy-repository") {
            self.mark_unbuilt("`[server] policy-repository`", item.key);
        }
    }

    fn pushed_commits(&mut self, table: &Table) {
        self.projects_of(table);
        self.repositories(table);
        self.ref_scope(table, Reach::Forbid, false);
        self.choice(table, "enforce", ENFORCE, Enforce::Refuse);
        self.issue_rule(table);
    }
}
