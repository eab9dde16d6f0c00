//! What is declared, and whether it is rightly named.

use super::Check;
use crate::policy::diag::{At, PolicyCode, Problem};
use crate::policy::name::{self, HOLDER_WORDS};
use crate::policy::raw::{Table, Word};
use std::collections::{BTreeMap, BTreeSet};

/// Kinds of things that a policy declares by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    User,
    Group,
    Role,
    Scheme,
    Project,
    Check,
}

/// The names that are declared, valid or not.
#[derive(Debug, Default)]
pub(super) struct Declared<'a> {
    users: BTreeSet<&'a str>,
    groups: BTreeSet<&'a str>,
    roles: BTreeSet<&'a str>,
    schemes: BTreeSet<&'a str>,
    projects: BTreeSet<&'a str>,
    checks: BTreeSet<&'a str>,
}

impl<'a> Declared<'a> {
    pub fn of(root: &'a Table) -> Self {
        let names = |section| root.named(section).map(|(name, _)| name.text).collect();
        let check = |(_, table): (At, &'a Table)| table.text("name").map(|name| name.text);
        Self {
            users: names("users"),
            groups: names("groups"),
            roles: names("roles"),
            schemes: names("schemes"),
            projects: names("projects"),
            checks: root.tables("checks").filter_map(check).collect(),
        }
    }

    pub fn all(&self, kind: Named) -> &BTreeSet<&'a str> {
        match kind {
            Named::User => &self.users,
            Named::Group => &self.groups,
            Named::Role => &self.roles,
            Named::Scheme => &self.schemes,
            Named::Project => &self.projects,
            Named::Check => &self.checks,
        }
    }
}

const SECTIONS: [&str; 6] = ["users", "groups", "roles", "schemes", "projects", "entitlements"];

impl Check<'_> {
    /// Syntax of every declared name, words that users can't be called, users that look alike.
    pub(super) fn names(&mut self) {
        let root = self.root;
        for section in SECTIONS {
            for (word, _) in root.named(section) {
                self.name(word);
            }
        }
        let mut alike: BTreeMap<String, Word<'_>> = BTreeMap::new();
        for (word, _) in root.named("users") {
            if HOLDER_WORDS.contains(&word.text) {
                let message =
                    format!("`{}` stands for a holder, so no user has that name", word.text);
                self.report(PolicyCode::ReservedName, word.at, message);
            }
            if let Some(first) = alike.insert(word.text.to_ascii_lowercase(), word) {
                let message = format!("`{}` and `{}` differ only in case", first.text, word.text);
                let problem = Problem::new(PolicyCode::NamesAlike, word.at, message);
                self.problems.push(problem.also(first.at, "the other one"));
            }
        }
        if !self.declared.schemes.contains("default") {
            let message = "the scheme `default` is required: what a project gets that names none";
            let problem = Problem::new(PolicyCode::NoDefaultScheme, At::top(0), message);
            self.problems.push(problem.help("add `[schemes.default]`"));
        }
    }

    pub(super) fn name(&mut self, Word { text, at }: Word<'_>) {
        if let Err(error) = name::check(text) {
            self.report(PolicyCode::BadName, at, format!("`{text}`: {error}"));
        }
    }

    /// Whether something of that kind and name is declared; reports it where not. `prefix` is what
    /// stands before the name there.
    pub(super) fn is_declared(
        &mut self,
        kind: Named,
        Word { text, at }: Word<'_>,
        prefix: &str,
    ) -> bool {
        let known = self.declared.all(kind);
        if known.contains(text) {
            return true;
        }
        let what = match kind {
            Named::User => "user",
            Named::Group => "group",
            Named::Role => "role",
            Named::Scheme => "scheme",
            Named::Project => "project",
            Named::Check => "check",
        };
        let problem =
            Problem::new(PolicyCode::NotDeclared, at, format!("there is no {what} `{text}`"));
        self.problems.push_near(problem, text, known.iter().copied(), prefix);
        false
    }
}
