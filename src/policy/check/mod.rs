//! From the tree of values to a valid policy, or to everything that is wrong with it.
//!
//! Knows every rule of 02-policy.md about what a policy may say. A part that is wrong is reported
//! and left out, and the rest is checked all the same; a policy with an error is never given out.

mod checks;
mod entitlements;
mod entry;
mod grants;
mod groups;
mod holders;
mod home;
mod jira;
mod names;
mod notify;
mod overlap;
mod patterns;
mod projects;
mod quorum;
mod repositories;
mod rules;
mod schemes;
mod search;
mod secure;
mod settings;
mod smart;
mod spans;
mod store;
mod tokens;
mod unique;
mod users;
mod when;

use super::diag::{At, PolicyCode, Problem, Problems};
use super::entry::{Holder, Place};
use super::model::Policy;
use super::raw::{Table, Word};
use super::source::Sources;
use super::window::Zone;
use names::Declared;
use quorum::People;
use std::collections::BTreeMap;

/// What is known while a policy is checked.
struct Check<'a> {
    sources: &'a Sources,
    root: &'a Table,
    problems: Problems,
    declared: Declared<'a>,
    /// `[server] timezone`
    zone: Zone,
    /// Where `[server] secure-mode = true` stands.
    secure: Option<At>,
    /// Holders where being one takes a right away: none may depend on a look-up.
    taking: Vec<(Holder, At)>,
    /// Of all patterns so far, as [`super::pattern::Pattern::size`] counts.
    pattern_size: usize,
}

/// Checks the whole policy; it means something only where no problem is an error.
pub(super) fn check(root: &Table, sources: &Sources, problems: Problems) -> (Policy, Problems) {
    let mut check = Check {
        sources,
        root,
        problems,
        declared: Declared::of(root),
        zone: Zone::default(),
        secure: None,
        taking: Vec::new(),
        pattern_size: 0,
    };
    let policy = check.policy();
    (policy, check.problems)
}

impl Check<'_> {
    fn policy(&mut self) -> Policy {
        self.version();
        self.names();
        let mut settings = self.settings();
        let users = self.users();
        let groups = self.groups();
        let roles = self.roles();
        let schemes = self.schemes();
        let projects = self.projects(&roles, &schemes);
        let grants = self.grants(&projects);
        let entitlements = match self.root.has("entitlements") {
            true => {
                let people = People::new(&users, &groups);
                self.entitlements(&projects, &people, &settings.notify)
            }
            false => BTreeMap::new(),
        };
        let checks = self.checks(&projects);
        if let Some(jira) = &mut settings.jira {
            let entries = schemes.values().flat_map(|scheme| &scheme.entries);
            let entries = entries.chain(grants.iter().map(|grant| &grant.entry));
            let lendable = entitlements.values().map(|one| &one.entry);
            let holders =
                entries.chain(lendable).flat_map(|e| e.to.iter().flatten().chain(&e.except));
            jira.fields = jira::fields(holders);
        }
        self.home_has_a_project(settings.home.as_ref(), &projects);
        self.look_ups(&groups, &roles, &projects);
        let files = self.sources.short_names();
        Policy {
            files,
            settings,
            users,
            groups,
            roles,
            schemes,
            projects,
            grants,
            entitlements,
            checks,
        }
    }

    fn version(&mut self) {
        match self.root.int("version") {
            Some((1, _)) => {}
            Some((_, at)) => {
                let problem = Problem::new(PolicyCode::Version, at, "the version is `1`");
                self.problems.push(problem.help("write `version = 1`"));
            }
            None if self.root.has("version") => {}
            None => {
                let message = "`version` is required";
                let problem = Problem::new(PolicyCode::MissingKey, At::top(0), message);
                self.problems.push(problem.help("begin the file with `version = 1`"));
            }
        }
    }

    fn report(&mut self, code: PolicyCode, at: At, message: impl Into<String>) {
        self.problems.push(Problem::new(code, at, message));
    }

    fn report_help(
        &mut self,
        code: PolicyCode,
        at: At,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.problems.push(Problem::new(code, at, message).help(help));
    }

    /// Reports a required key that is not there.
    fn require(&mut self, table: &Table, at: At, key: &str) {
        if !table.has(key) {
            self.report(PolicyCode::MissingKey, at, format!("`{key}` is required here"));
        }
    }

    fn place(&self, at: At) -> Place {
        self.sources.place(at)
    }

    /// One of a few words, or `default` where the key is not there.
    fn choice<T: Copy>(&mut self, table: &Table, key: &str, words: &[(&str, T)], default: T) -> T {
        let Some(Word { text, at }) = table.text(key) else { return default };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return *value;
        }
        let known: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let message = format!("`{key}` is {}, not `{text}`", known.join(" or "));
        let problem = Problem::new(PolicyCode::UnknownValue, at, message);
        self.problems.push_near(problem, text, words.iter().map(|(word, _)| *word), "");
        default
    }

    /// A number of things, at least one.
    fn count(&mut self, table: &Table, key: &str) -> Option<u32> {
        let (number, at) = table.int(key)?;
        match u32::try_from(number) {
            Ok(count @ 1..) => Some(count),
            _ => {
                let message = format!("`{key}` is a number from 1 to {}", u32::MAX);
                self.report(PolicyCode::OutOfRange, at, message);
                None
            }
        }
    }

    /// A text that must say something and has no control characters.
    fn line(&mut self, table: &Table, key: &str) -> Option<Box<str>> {
        let Word { text, at } = table.text(key)?;
        if text.trim().is_empty() {
            self.report(PolicyCode::BadText, at, format!("`{key}` can't be empty"));
        } else if text.contains('\0') {
            self.report(PolicyCode::BadText, at, format!("`{key}` can't hold a zero byte"));
        }
        Some(text.into())
    }
}

#[cfg(test)]
mod tests;
