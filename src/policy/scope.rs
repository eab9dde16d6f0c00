//! What could speak about one person in one repository: the ground that a decision stands on.
//!
//! Knows how to gather it from a whole policy in memory, with caches for many questions in a row;
//! a hook gathers the same from the compiled form.

use super::compiled::CompiledError;
use super::entry::Entry;
use super::members::{LookupsOf, Standing, groups_of, lookups_of};
use super::model::{NoProject, Policy, Project, Settings, project_of};
use super::name::{GroupName, ProjectName, UserName};
use super::pattern::Broken;
use crate::code::Code;
use crate::decision::Scope;
use crate::pusher::source::Source;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Most repositories that are remembered.
const REPOSITORIES: usize = 4096;
/// Most people that are remembered, over all projects.
const STANDINGS: usize = 1 << 16;

/// Why there is nothing to decide by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoScope {
    /// RW102
    #[error("the policy does not know this user")]
    UnknownUser,
    /// RW103
    #[error("this user is not active")]
    InactiveUser,
    /// RW105
    #[error("the repository is in no project")]
    NoProject,
    /// RW503
    #[error("the repository is in two projects, `{0}` and `{1}`")]
    Ambiguous(ProjectName, ProjectName),
    /// RW509
    #[error(transparent)]
    Broken(#[from] Broken),
    /// RW501
    #[error(transparent)]
    Compiled(#[from] CompiledError),
}

impl NoScope {
    /// The code of the refusal.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::UnknownUser => Code::UnknownUser,
            Self::InactiveUser => Code::InactiveUser,
            Self::NoProject => Code::NoProject,
            Self::Ambiguous(..) => Code::AmbiguousProject,
            Self::Broken(_) => Code::Internal,
            Self::Compiled(error) => error.code(),
        }
    }
}

impl From<NoProject> for NoScope {
    fn from(none: NoProject) -> Self {
        match none {
            NoProject::None => Self::NoProject,
            NoProject::Ambiguous(one, two) => Self::Ambiguous(one, two),
        }
    }
}

/// A person in a repository, and all that could speak about it; owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// The repository's project.
    pub name: ProjectName,
    /// The same.
    pub project: Project,
    /// The person there.
    pub standing: Standing,
    /// Of the project's scheme, then of the grants that apply.
    pub entries: Vec<Entry>,
}

impl Ground {
    /// The same as the decision takes it.
    #[must_use]
    pub fn scope<'a>(&'a self, settings: &'a Settings, confirmed_by: &'a [Source]) -> Scope<'a> {
        Scope {
            standing: &self.standing,
            entries: self.entries.iter().collect(),
            enforce: self.project.enforce,
            require: &settings.require,
            confirmed_by,
        }
    }
}

/// A repository's project and what is written about it.
#[derive(Debug, Clone)]
pub struct Site<'p> {
    /// The project's name.
    pub name: &'p ProjectName,
    /// The project.
    pub project: &'p Project,
    /// Of its scheme, then of the grants that apply.
    pub entries: Vec<&'p Entry>,
}

/// The site of a repository in a whole policy.
///
/// # Errors
/// [`NoScope`] about the repository.
pub fn site<'p>(policy: &'p Policy, repository: &[u8]) -> Result<Site<'p>, NoScope> {
    let all = policy.projects.iter().map(|(name, p)| (name, p.repositories.as_slice()));
    let name = project_of(repository, all)?;
    let (name, project) = policy.projects.get_key_value(name).ok_or(NoScope::NoProject)?;
    let scheme = policy.schemes.get(&project.scheme);
    let mut entries: Vec<&Entry> = scheme.into_iter().flat_map(|s| &s.entries).collect();
    for grant in &policy.grants {
        if grant.applies(name, repository)? {
            entries.push(&grant.entry);
        }
    }
    Ok(Site { name, project, entries })
}

fn active(policy: &Policy, user: &UserName) -> Result<(), NoScope> {
    match policy.users.get(user) {
        None => Err(NoScope::UnknownUser),
        Some(declared) if !declared.active => Err(NoScope::InactiveUser),
        Some(_) => Ok(()),
    }
}

/// Grounds of a whole policy, remembered.
#[derive(Debug)]
pub struct Scopes<'p> {
    policy: &'p Policy,
    groups: BTreeMap<UserName, BTreeSet<GroupName>>,
    lookups: LookupsOf,
    nobody: Standing,
    sites: HashMap<Vec<u8>, Result<Site<'p>, NoScope>>,
    standings: HashMap<(ProjectName, UserName), Standing>,
}

impl<'p> Scopes<'p> {
    /// Works out the memberships.
    #[must_use]
    pub fn new(policy: &'p Policy) -> Self {
        Self {
            policy,
            groups: groups_of(&policy.groups),
            lookups: lookups_of(&policy.groups),
            nobody: Standing::default(),
            sites: HashMap::new(),
            standings: HashMap::new(),
        }
    }

    /// The entries of a repository that was asked about, in the order of its scopes.
    #[must_use]
    pub fn entries(&self, repository: &[u8]) -> Vec<&'p Entry> {
        match self.sites.get(repository) {
            Some(Ok(site)) => site.entries.clone(),
            _ => Vec::new(),
        }
    }

    /// What could speak about a user, or somebody without an identity, in a repository.
    ///
    /// # Errors
    /// [`NoScope`]: RW102 or RW103 about the user, then RW105 or RW503 about the repository.
    pub fn scope<'a>(
        &'a mut self,
        user: Option<&UserName>,
        repository: &[u8],
        confirmed_by: &'a [Source],
    ) -> Result<(Scope<'a>, &'p ProjectName), NoScope> {
        if let Some(user) = user {
            active(self.policy, user)?;
        }
        if self.sites.len() >= REPOSITORIES {
            self.sites.clear();
        }
        if !self.sites.contains_key(repository) {
            self.sites.insert(repository.to_vec(), site(self.policy, repository));
        }
        let site = match self.sites.get(repository) {
            Some(Ok(site)) => site,
            Some(Err(none)) => return Err(none.clone()),
            None => return Err(NoScope::NoProject),
        };
        let standing = match user {
            None => &self.nobody,
            Some(user) => {
                if self.standings.len() >= STANDINGS {
                    self.standings.clear();
                }
                let key = (site.name.clone(), user.clone());
                self.standings.entry(key).or_insert_with(|| {
                    let groups = self.groups.get(user).cloned().unwrap_or_default();
                    Standing::new(user.clone(), groups, site.project, &self.lookups)
                })
            }
        };
        let scope = Scope {
            standing,
            entries: site.entries.clone(),
            enforce: site.project.enforce,
            require: &self.policy.settings.require,
            confirmed_by,
        };
        Ok((scope, site.name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{self, Dice};
    use super::super::model::User;
    use super::*;

    #[test]
    fn nobody_is_judged_where_there_is_nothing_to_judge_by() {
        let mut policy = lab::policy(&mut Dice::new(3));
        policy.users = [
            (lab::user("alice"), lab::declared()),
            (lab::user("dave"), User { active: false, ..lab::declared() }),
        ]
        .into();
        policy.projects = [
            (lab::project("A"), lab::plain_project(&["pay/*", "a"], "default")),
            (lab::project("B"), lab::plain_project(&["*/x"], "default")),
        ]
        .into();
        let mut scopes = Scopes::new(&policy);
        for (user, repository, code) in [
            ("alice", "other", 105),
            ("alice", "pay/x", 503),
            ("zed", "a", 102),
            ("dave", "a", 103),
            ("zed", "other", 102),
            ("dave", "pay/x", 103),
        ] {
            let none = scopes.scope(Some(&lab::user(user)), repository.as_bytes(), &[]);
            assert_eq!(none.unwrap_err().code().number(), code, "{user} in {repository}");
        }
        let (scope, project) = scopes.scope(Some(&lab::user("alice")), b"a", &[]).unwrap();
        assert_eq!((project, scope.standing.user.is_some()), (&lab::project("A"), true));
        let (scope, _) = scopes.scope(None, b"a", &[]).unwrap();
        assert_eq!(scope.standing, &Standing::default());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_stays_right() {
        let policy = Policy {
            projects: [(lab::project("A"), lab::plain_project(&["a/**"], "default"))].into(),
            ..Policy::default()
        };
        let mut scopes = Scopes::new(&policy);
        for number in 0..2 * REPOSITORIES + 1 {
            let name = format!("a/{number}");
            assert!(scopes.scope(None, name.as_bytes(), &[]).is_ok());
        }
        assert!(scopes.sites.len() <= REPOSITORIES);
        assert!(scopes.scope(None, b"b", &[]).is_err());
    }
}
