//! What checks have been: where each was in force, and where it could be left out, under every policy
//! that ever counted.
//!
//! Knows scopes by the check's name. What a ref holds was seen by a check only if the check governed
//! the ref, and nobody could leave it out there, all the time: else a grant of `bypass` that is taken
//! away, or a check that grows, would make what was pushed past it pass for seen.

use super::entry::Entry;
use super::model::{Policy, applies};
use super::name::ProjectName;
use super::pattern::{Broken, Pattern};
use super::refs::RefScope;
use super::uncovered::Uncovered;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Every scope of every check, by its name. A check of a new name has no past: it governs what comes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    checks: BTreeMap<Box<str>, Was>,
}

/// The scopes of a check, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Was {
    governed: Vec<Scope>,
    lifted: Vec<Scope>,
}

/// Refs of some repositories; without projects and patterns, of all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Scope {
    projects: BTreeSet<ProjectName>,
    repositories: Vec<Pattern>,
    refs: RefScope,
}

impl Scope {
    fn applies(&self, project: &ProjectName, repository: &[u8]) -> Result<bool, Broken> {
        let everywhere = self.projects.is_empty() && self.repositories.is_empty();
        Ok(everywhere || applies(&self.projects, &self.repositories, project, repository)?)
    }
}

impl Past {
    /// Adds what a policy that is about to count says; whether there was anything new.
    pub fn add(&mut self, policy: &Policy) -> bool {
        let before = self.clone();
        for check in &policy.checks {
            let was = self.checks.entry(check.name.clone()).or_default();
            put(&mut was.governed, (&check.projects, &check.repositories, &check.refs));
            for scope in lifted(policy, &check.name) {
                put(&mut was.lifted, (&scope.projects, &scope.repositories, &scope.refs));
            }
        }
        *self != before
    }

    /// What a check has been in a repository.
    ///
    /// # Errors
    /// [`Broken`] when a pattern can't be evaluated.
    pub fn of(
        &self,
        check: &str,
        project: &ProjectName,
        repository: &[u8],
    ) -> Result<PastCheck<'_>, Broken> {
        let Some(was) = self.checks.get(check) else { return Ok(PastCheck::default()) };
        let here = |scopes| here(scopes, project, repository);
        Ok(PastCheck { governed: here(&was.governed)?, lifted: here(&was.lifted)? })
    }
}

/// What a check has been in one repository.
#[derive(Debug, Default)]
pub struct PastCheck<'a> {
    governed: Vec<&'a RefScope>,
    /// Where somebody could leave it out.
    pub lifted: Vec<&'a RefScope>,
}

impl PastCheck<'_> {
    /// Whether it governed a ref whenever it was in force.
    ///
    /// # Errors
    /// [`Broken`] when a pattern can't be evaluated.
    pub fn always_governed(&self, name: &[u8]) -> Result<bool, Broken> {
        for scope in &self.governed {
            if !scope.forbids(name, None)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn here<'a>(
    scopes: &'a [Scope],
    project: &ProjectName,
    repository: &[u8],
) -> Result<Vec<&'a RefScope>, Broken> {
    let mut found = Vec::new();
    for scope in scopes {
        if scope.applies(project, repository)? {
            found.push(&scope.refs);
        }
    }
    Ok(found)
}

/// Adds a scope; one that differs by its projects only becomes one with both's.
fn put(
    scopes: &mut Vec<Scope>,
    (projects, repositories, refs): (&BTreeSet<ProjectName>, &[Pattern], &RefScope),
) {
    let everywhere = projects.is_empty() && repositories.is_empty();
    let same = |scope: &&mut Scope| {
        let is_everywhere = scope.projects.is_empty() && scope.repositories.is_empty();
        scope.refs == *refs && scope.repositories == repositories && is_everywhere == everywhere
    };
    match scopes.iter_mut().find(same) {
        Some(scope) => scope.projects.extend(projects.iter().cloned()),
        None => scopes.push(Scope {
            projects: projects.clone(),
            repositories: repositories.to_vec(),
            refs: refs.clone(),
        }),
    }
}

/// Where permits, grants and entitlements lift a check.
fn lifted(policy: &Policy, check: &str) -> Vec<Scope> {
    let mut found = Vec::new();
    let mut add = |entries: &[&Entry], projects: &BTreeSet<ProjectName>, places: &[Pattern]| {
        found.extend(Uncovered::by(entries.iter().copied(), check).map(|refs| Scope {
            projects: projects.clone(),
            repositories: places.to_vec(),
            refs: refs.clone(),
        }));
    };
    for (name, scheme) in &policy.schemes {
        let users = policy.projects.iter().filter(|(_, project)| project.scheme == *name);
        let users: BTreeSet<ProjectName> = users.map(|(name, _)| name.clone()).collect();
        if !users.is_empty() {
            add(&scheme.entries.iter().collect::<Vec<_>>(), &users, &[]);
        }
    }
    for grant in &policy.grants {
        add(&[&grant.entry], &grant.projects, &grant.repositories);
    }
    for one in policy.entitlements.values() {
        add(&[&one.entry], &one.projects, &one.repositories);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::lab;
    use super::*;
    use crate::policy::load_file;
    use crate::policy::source::{NoIncludes, SourceFile};

    /// A policy with the check `sob` on `branches`, and with `rest`.
    fn policy(branches: &str, rest: &str) -> Policy {
        let text = format!(
            "version = 1\n[identity]\nsources = [\"gitea\"]\n[users.al]\n[schemes.default]\n{rest}\n\
             [projects.PAY]\nrepositories = [\"pay/**\"]\n[projects.WEB]\nrepositories = [\"web\"]\n\
             [[checks]]\nname = \"sob\"\nbranches = {branches}\nmessage = \"x\"\n"
        );
        let main = SourceFile { name: "policy.toml".into(), text };
        load_file(main, "/etc/refwarden", &NoIncludes).1.unwrap().0
    }

    /// Whether what a ref holds was seen by `sob` all the time.
    fn seen(past: &Past, project: &str, repository: &str, name: &str) -> bool {
        let was = past.of("sob", &lab::project(project), repository.as_bytes()).unwrap();
        let lifted = Uncovered::of(was.lifted.iter().copied());
        was.always_governed(name.as_bytes()).unwrap() && !lifted.covers(name.as_bytes()).unwrap()
    }

    #[test]
    fn a_bypass_that_was_taken_away_and_a_check_that_grew_are_remembered() {
        let grant = "[[grants]]\nid = \"g\"\nto = [\"al\"]\nprojects = [\"PAY\"]\n\
                     permissions = [\"bypass\"]\nchecks = [\"sob\"]\nbranches = [\"rel/1\"]\n\
                     until = 2099-01-01T00:00:00Z\nreason = \"r\"\n";
        let mut past = Past::default();
        assert!(past.add(&policy("[\"main\", \"rel/*\"]", grant)));
        assert!(past.add(&policy("[\"main\", \"rel/*\", \"fix/*\"]", "")));
        assert!(!past.add(&policy("[\"main\", \"rel/*\"]", "")), "all of it is known");
        assert!(seen(&past, "PAY", "pay/a", "refs/heads/main"));
        assert!(!seen(&past, "PAY", "pay/a", "refs/heads/rel/1"));
        assert!(seen(&past, "PAY", "pay/a", "refs/heads/rel/2"));
        assert!(seen(&past, "WEB", "web", "refs/heads/rel/1"), "nobody could there");
        assert!(!seen(&past, "PAY", "pay/a", "refs/heads/fix/1"));
    }

    #[test]
    fn a_project_more_is_no_scope_more() {
        let permit = "[[schemes.default.permit]]\npermissions = [\"bypass\"]\nchecks = [\"*\"]\n\
                      branches = [\"w/*\"]\nto = [\"al\"]\n";
        let mut small = policy("[\"main\"]", permit);
        let web = small.projects.remove(&lab::project("WEB")).unwrap();
        let mut past = Past::default();
        past.add(&small);
        assert!(seen(&past, "WEB", "web", "refs/heads/main"));
        small.projects.insert(lab::project("WEB"), web);
        assert!(past.add(&small));
        assert_eq!(past.checks["sob"].lifted.len(), 1);
        assert!(!seen(&past, "WEB", "web", "refs/heads/w/1"));
    }
}
