//! `[jira] smart-commits`.

use super::Check;
use super::patterns::Reach;
use crate::policy::diag::{At, PolicyCode};
use crate::policy::model::SmartCommits;
use crate::policy::raw::Table;
use crate::push::smart::spelled;
use std::collections::BTreeSet;

impl Check<'_> {
    pub(super) fn smart_commits(&mut self, jira: &Table) -> Option<SmartCommits> {
        let table = jira.table("smart-commits")?;
        let at = jira.get("smart-commits").map_or(At::top(0), |item| item.key);
        self.require(table, at, "branches");
        let transitions = self.transitions(table);
        let smart = SmartCommits {
            branches: self.ref_scope(table, Reach::Permit, false),
            comment: table.bool("comment") == Some(true),
            transitions,
        };
        if !smart.comment && smart.transitions.is_empty() {
            let message = "these `smart-commits` do nothing";
            let help = "write `comment = true`, or list `transitions`";
            self.report_help(PolicyCode::NoRule, at, message, help);
        }
        Some(smart)
    }

    /// Names that a message can spell, and that are told apart there.
    fn transitions(&mut self, table: &Table) -> Vec<Box<str>> {
        let Some(words) = table.texts("transitions") else { return Vec::new() };
        self.not_empty(&words, "transitions");
        let mut seen = BTreeSet::new();
        for word in &words.words {
            let spelled = spelled(word.text);
            let trouble = if spelled.is_empty() || word.text.chars().any(char::is_control) {
                Some("is no name")
            } else if spelled == "comment" {
                Some("is written like the command that comments")
            } else if !seen.insert(spelled) {
                Some("is written in a message like another one of the list")
            } else {
                None
            };
            if let Some(trouble) = trouble {
                let message = format!("the transition `{}` {trouble}", word.text);
                self.report(PolicyCode::BadText, word.at, message);
            }
        }
        words.words.iter().map(|word| word.text.into()).collect()
    }
}
