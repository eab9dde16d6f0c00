//! Permits, forbids and grants: what they have in common.

use super::Check;
use super::holders::Role;
use super::names::Named;
use super::patterns::{REF_KEYS, Reach};
use crate::policy::diag::{At, PolicyCode, Problem};
use crate::policy::entry::{Enforce, Entry, Kind, Permissions};
use crate::policy::raw::{Table, Word};
use crate::policy::window::Window;

/// `enforce`
pub(super) const ENFORCE: &[(&str, Enforce)] =
    &[("refuse", Enforce::Refuse), ("warn", Enforce::Warn)];

impl Check<'_> {
    /// An entry, whose window is given.
    pub(super) fn entry(&mut self, table: &Table, at: At, kind: Kind, when: Window) -> Entry {
        let forbids = kind == Kind::Forbid;
        let permissions = self.permissions(table, at);
        let read_only = permissions == Permissions::READ;
        let to = self.entry_holders(table, "to", !forbids, read_only);
        if !forbids {
            self.require(table, at, "to");
        }
        let except = self.entry_holders(table, "except", forbids, read_only);
        let reach = if forbids { Reach::Forbid } else { Reach::Permit };
        let entry = Entry {
            place: self.place(at),
            permissions,
            to,
            except: except.unwrap_or_default(),
            refs: self.ref_scope(table, reach, true),
            paths: self.path_scope(table),
            when,
            checks: self.checks_of(table, at, permissions),
            reason: self.line(table, "reason"),
            enforce: self.choice(table, "enforce", ENFORCE, Enforce::Refuse),
            kind,
            within: None,
        };
        self.scope_fits(table, permissions);
        if let Some(words) = table.texts("to") {
            self.issue_people(&words, &entry);
        }
        entry
    }

    fn entry_holders(
        &mut self,
        table: &Table,
        key: &str,
        adds: bool,
        anyone: bool,
    ) -> Option<Vec<crate::policy::entry::Holder>> {
        let words = table.texts(key)?;
        self.not_empty(&words, key);
        Some(self.holders(&words, Role { adds, anyone, push: true }))
    }

    pub(super) fn permissions(&mut self, table: &Table, at: At) -> Permissions {
        let mut all = Permissions::default();
        self.require(table, at, "permissions");
        let Some(words) = table.texts("permissions") else { return all };
        self.not_empty(&words, "permissions");
        for Word { text, at } in words.words {
            match Permissions::parse(text) {
                Some(one) => all = all.with(one),
                None => {
                    let message = format!("there is no permission `{text}`");
                    let problem = Problem::new(PolicyCode::UnknownValue, at, message);
                    let mut problem = problem.suggest(text, Permissions::words(), "");
                    if problem.help.is_none() {
                        let all = Permissions::words().collect::<Vec<_>>().join(", ");
                        problem = problem.help(format!("there are {all}"));
                    }
                    self.problems.push(problem);
                }
            }
        }
        all
    }

    /// `checks`, which entries with `bypass` carry and no others.
    pub(super) fn checks_of(
        &mut self,
        table: &Table,
        at: At,
        permissions: Permissions,
    ) -> Vec<Box<str>> {
        let bypass = permissions.intersects(Permissions::BYPASS);
        if bypass && !table.has("checks") {
            let message = "`bypass` needs `checks`: which checks don't apply";
            let help = "write `checks = [\"*\"]` for all of them";
            self.report_help(PolicyCode::BypassChecks, at, message, help);
        }
        if let Some(item) = table.get("checks")
            && !bypass
            && !permissions.is_empty()
        {
            let message = "`checks` goes with the permission `bypass` alone";
            self.report(PolicyCode::BypassChecks, item.key, message);
        }
        let Some(words) = table.texts("checks") else { return Vec::new() };
        self.not_empty(&words, "checks");
        for word in &words.words {
            if word.text != "*" {
                self.is_declared(Named::Check, *word, "");
            }
        }
        words.words.iter().map(|word| word.text.into()).collect()
    }

    /// Refs and paths only where the permissions have any.
    pub(super) fn scope_fits(&mut self, table: &Table, permissions: Permissions) {
        let path_keys = ["paths", "except-paths"];
        let ref_keys = REF_KEYS.iter().map(|(key, _, _)| *key);
        if permissions.intersects(Permissions::READ) {
            for item in ref_keys.chain(path_keys).filter_map(|key| table.get(key)) {
                let message = "`read` is about the whole repository: it has no refs and no paths";
                let help = "write `read` as an entry of its own";
                self.report_help(PolicyCode::ReadScope, item.key, message, help);
            }
        }
        if permissions.intersects(Permissions::BYPASS)
            && let Some(item) = path_keys.iter().find_map(|key| table.get(key))
        {
            let message = "`bypass` lifts a check as a whole: it has no paths";
            let help = "write `bypass` as an entry of its own";
            self.report_help(PolicyCode::BypassScope, item.key, message, help);
        }
        if permissions == Permissions::DELETE
            && let Some(item) = path_keys.iter().find_map(|key| table.get(key))
        {
            let message = "a deletion has no paths, so this entry never applies";
            self.report(PolicyCode::PathsOfDeletion, item.key, message);
        }
    }
}
