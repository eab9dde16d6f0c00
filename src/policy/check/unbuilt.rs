//! Parts of a policy whose meaning is not built yet: their syntax is checked, they are noted, and
//! `policy apply` refuses them, so that nothing that is written is ignored.

use super::Check;
use super::entry::ENFORCE;
use super::holders::Role;
use super::patterns::Reach;
use crate::policy::diag::At;
use crate::policy::entry::Enforce;
use crate::policy::raw::Table;
use std::collections::BTreeMap;

impl Check<'_> {
    /// Sections that later parts of refwarden will read.
    pub(super) fn later_parts(&mut self) {
        let root = self.root;
        for (word, node) in root.named("entitlements") {
            if let Some(table) = node.table() {
                self.entitlement(table, node.at);
            }
            self.mark_unbuilt(format!("`[entitlements.{}]`", word.text), node.at);
        }
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
        for (at, table) in root.tables("notify") {
            self.projects_of(table);
            self.mark_unbuilt("`[[notify]]`", at);
        }
        for section in ["jira", "access", "tokens"] {
            if let Some(item) = root.get(section) {
                self.mark_unbuilt(format!("`[{section}]`"), item.key);
            }
        }
    }

    pub(super) fn unbuilt_settings(&mut self, server: &Table, store: &Table) {
        for (section, table, keys) in [
            ("server", server, &["secure-mode", "policy-repository"] as &[&str]),
            (
                "store",
                store,
                &["endpoints", "ca", "certificate", "key", "user", "password-file", "prefix"],
            ),
        ] {
            for key in keys {
                if let Some(item) = table.get(key) {
                    self.mark_unbuilt(format!("`[{section}] {key}`"), item.key);
                }
            }
        }
    }

    fn entitlement(&mut self, table: &Table, at: At) {
        self.applies_somewhere(table, at);
        self.projects_of(table);
        self.repositories(table);
        for key in ["eligible", "max-duration"] {
            self.require(table, at, key);
        }
        if !table.has("auto") {
            self.require(table, at, "approval");
        }
        self.permissions_of_entitlement(table, at);
        self.ref_scope(table, Reach::Permit, true);
        self.path_scope(table);
        if let Some(words) = table.texts("eligible") {
            self.not_empty(&words, "eligible");
            self.holders(&words, Role::ADDS);
        }
        for (at, slot) in table.tables("approval") {
            self.require(slot, at, "from");
            if let Some(words) = slot.texts("from") {
                self.not_empty(&words, "from");
                self.holders(&words, Role::ADDS);
            }
            self.count(slot, "count");
        }
        if let Some(auto) = table.table("auto") {
            self.when(auto);
        }
    }

    /// The words count; the entitlement itself says that it is not built.
    fn permissions_of_entitlement(&mut self, table: &Table, at: At) {
        let before = self.unbuilt.len();
        self.permissions(table, at);
        self.unbuilt.truncate(before);
    }

    fn pushed_commits(&mut self, table: &Table) {
        self.projects_of(table);
        self.repositories(table);
        self.ref_scope(table, Reach::Forbid, false);
        self.choice(table, "enforce", ENFORCE, Enforce::Refuse);
    }
}
