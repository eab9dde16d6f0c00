//! A valid policy: every name in it is declared, every pattern parses, every window is sound.
//!
//! Only [`super::load()`] makes one from TOML.

pub use super::lending::{
    AccessSettings, Approval, Auto, Entitlement, Extend, Notify, NotifyTo, SharedStore,
    TokenSettings,
};

pub use super::jira::{Flavor, JiraSettings, SmartCommits, WhenDown};

use super::checks::Check;
use super::entry::{Enforce, Entry, Holder, Place};
use super::name::{EntitlementName, GroupName, ProjectName, RoleName, SchemeName, UserName};
use super::pattern::Pattern;
use super::refs::RefScope;
use super::window::Zone;
use crate::pusher::source::Source;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroU32;

/// The whole of it.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Files it was read from, the main one first, as a message names them.
    pub files: Vec<String>,
    /// `[server]`, `[store]`, `[audit]`, `[identity]`, `[global]`: what every push needs.
    pub settings: Settings,
    /// `[users]`
    pub users: BTreeMap<UserName, User>,
    /// `[groups]`
    pub groups: BTreeMap<GroupName, Group>,
    /// `[roles]`
    pub roles: BTreeMap<RoleName, Vec<Member>>,
    /// `[schemes]`, `extends` already copied in.
    pub schemes: BTreeMap<SchemeName, Scheme>,
    /// `[projects]`
    pub projects: BTreeMap<ProjectName, Project>,
    /// `[[grants]]`
    pub grants: Vec<Grant>,
    /// `[entitlements]`
    pub entitlements: BTreeMap<EntitlementName, Entitlement>,
    /// `[[checks]]`
    pub checks: Vec<Check>,
}

/// What every push needs, whoever pushes where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// `[server] name`
    pub name: Option<Box<str>>,
    /// `[server] help`
    pub help: Option<Box<str>>,
    /// `[server] timezone`
    pub timezone: Zone,
    /// `[server] refuse`
    pub refuse: Refuse,
    /// `[server] max-commits-per-push`
    pub max_commits: u32,
    /// `[server] secure-mode`: nobody reads or writes past the doors, and `doctor` holds the host to it.
    pub secure: bool,
    /// `[server] policy-repository` and `policy-branch`: where a policy comes from by a push.
    pub home: Option<PolicyHome>,
    /// `[store] path`, absolute.
    pub store: Box<str>,
    /// `[audit] file`, absolute.
    pub audit: Box<str>,
    /// `[audit] reads`
    pub reads: Reads,
    /// `[identity] sources`, in order.
    pub sources: Vec<Source>,
    /// `[identity] ssh-ca`: who signs certificates that open the ssh door.
    pub ssh_ca: Vec<SshCa>,
    /// `[[identity.require]]`
    pub require: Vec<Require>,
    /// `[global] administer`
    pub administer: Vec<Holder>,
    /// `[global] audit`
    pub auditors: Vec<Holder>,
    /// `[global] max-refs-per-push`
    pub max_refs: Option<u32>,
    /// `[global] bulk-change`
    pub bulk_change: Vec<Holder>,
    /// `[access]`
    pub access: AccessSettings,
    /// `[tokens]`; without it none is made, and none holds.
    pub tokens: Option<TokenSettings>,
    /// `[jira]`; without it nobody is named by an issue.
    pub jira: Option<JiraSettings>,
    /// `[[notify]]`
    pub notify: Vec<Notify>,
    /// `[store]`, where several hosts share one; `None` is the embedded store.
    pub shared_store: Option<SharedStore>,
}

/// The repository and branch whose pushes bring the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyHome {
    /// The repository's folder below the root, without `.git`.
    pub repository: Box<str>,
    /// The branch, as a full ref name.
    pub branch: Box<str>,
}

/// `[audit] reads`: which allowed reads have a line in the trail. Refused ones always have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reads {
    /// Every one, on the disk before git starts.
    #[default]
    All,
    /// One in so many, by chance.
    OneIn(NonZeroU32),
}

impl Reads {
    /// Reads `all` or `1/N`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let Some(number) = text.strip_prefix("1/") else {
            return (text == "all").then_some(Self::All);
        };
        let plain = number.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| number.parse().ok().map(Self::OneIn)).flatten()
    }

    /// The number of reads for which there is one line.
    #[must_use]
    pub const fn one_in(self) -> NonZeroU32 {
        match self {
            Self::All => NonZeroU32::MIN,
            Self::OneIn(number) => number,
        }
    }
}

impl fmt::Display for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::OneIn(number) => write!(f, "1/{number}"),
        }
    }
}

/// A key that signs user certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshCa {
    /// `TYPE BASE64`, no comment.
    pub line: Box<str>,
    /// `SHA256:…`
    pub fingerprint: Box<str>,
}

/// `[server] refuse`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refuse {
    /// One refused ref refuses the whole push.
    #[default]
    Push,
    /// Only itself.
    Ref,
}

/// `[[identity.require]]`: refs on which a further source must name the same person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Require {
    /// Where it is written.
    pub place: Place,
    /// Which refs, read as a forbid's.
    pub refs: RefScope,
    /// The source that is asked for.
    pub source: Source,
}

/// `[users.X]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Where it is written.
    pub place: Place,
    /// The person's full name.
    pub full_name: Option<Box<str>>,
    /// A service never approves and never breaks glass.
    pub service: bool,
    /// Counts as the same person wherever distinct people are needed.
    pub owner: Option<UserName>,
    /// An inactive user holds nothing.
    pub active: bool,
    /// Case as written; compared case-folded.
    pub emails: Vec<Box<str>>,
    /// OpenSSH public key lines.
    pub ssh_keys: Vec<Box<str>>,
    /// Armored OpenPGP public key blocks.
    pub gpg_keys: Vec<Box<str>>,
    /// The host's account.
    pub unix: Option<Box<str>>,
    /// Jira's account id or user name.
    pub jira: Option<Box<str>>,
    /// What each source calls the user, where that is not the plain name.
    pub names: BTreeMap<Box<str>, Vec<Box<str>>>,
}

/// `[groups] X`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Group {
    /// Written in the policy.
    Members(Vec<Member>),
    /// Looked up at the push.
    Lookup(Lookup),
}

/// Membership that something outside the policy knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lookup {
    /// The host's group of that name.
    Unix(Box<str>),
    /// A program and its arguments, `${user}` in them.
    Command(Vec<Box<str>>),
    /// Jira's group of that name.
    Jira(Box<str>),
}

/// A member of a group or role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Member {
    /// `"alice"`
    User(UserName),
    /// `"@core"`
    Group(GroupName),
}

impl Member {
    /// The user, where it is one.
    #[must_use]
    pub fn user(&self) -> Option<&UserName> {
        match self {
            Self::User(name) => Some(name),
            Self::Group(_) => None,
        }
    }

    /// The group, where it is one.
    #[must_use]
    pub fn group(&self) -> Option<&GroupName> {
        match self {
            Self::User(_) => None,
            Self::Group(name) => Some(name),
        }
    }
}

/// `[schemes.X]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheme {
    /// The admin's words.
    pub description: Option<Box<str>>,
    /// Own entries and those of the schemes it extends.
    pub entries: Vec<Entry>,
}

/// `[projects.X]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Where it is written.
    pub place: Place,
    /// For people to read.
    pub title: Option<Box<str>>,
    /// Globs over repository names.
    pub repositories: Vec<Pattern>,
    /// Which scheme, `default` unless it says otherwise.
    pub scheme: SchemeName,
    /// The project's lead.
    pub lead: Option<UserName>,
    /// The branch that a new ref is compared with, as a full ref name.
    pub base: Option<Box<str>>,
    /// `jira-keys`
    pub jira_keys: Vec<Box<str>>,
    /// `roles-from = "jira"`: what Jira calls each role. Roles and lead are asked for there.
    pub jira_roles: Option<BTreeMap<RoleName, Box<str>>>,
    /// `read-needs`: the permission of Jira's that a reader needs as well.
    pub read_needs: Option<Box<str>>,
    /// Members of every role that has any here: the project's own key, else `default-members`.
    pub roles: BTreeMap<RoleName, Vec<Member>>,
    /// `enforce`
    pub enforce: Enforce,
}

/// `[[grants]]`: an entry, and where it applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What it lends, to whom, until when.
    pub entry: Entry,
    /// `projects`
    pub projects: BTreeSet<ProjectName>,
    /// `repositories`
    pub repositories: Vec<Pattern>,
}

impl Grant {
    /// Whether it applies in the repository: its project is named, or its own name matches.
    ///
    /// # Errors
    /// [`super::pattern::Broken`] when a pattern can't be evaluated.
    pub fn applies(
        &self,
        project: &ProjectName,
        repository: &[u8],
    ) -> Result<bool, super::pattern::Broken> {
        applies(&self.projects, &self.repositories, project, repository)
    }
}

/// Whether a project is named, or a repository's own name matches.
pub(super) fn applies(
    projects: &BTreeSet<ProjectName>,
    repositories: &[Pattern],
    project: &ProjectName,
    repository: &[u8],
) -> Result<bool, super::pattern::Broken> {
    if projects.contains(project) {
        return Ok(true);
    }
    for pattern in repositories {
        if pattern.matches(repository, None)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Why no project, or no single one, has the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoProject {
    /// None names it: RW105.
    None,
    /// These two do: RW503.
    Ambiguous(ProjectName, ProjectName),
}

/// Finds the project of a repository among `(project, its patterns)`: an exact name wins, `**`
/// alone loses, and among the rest there may be only one.
///
/// # Errors
/// [`NoProject`] where there is none or no single one.
pub fn project_of<'a>(
    repository: &[u8],
    projects: impl Iterator<Item = (&'a ProjectName, &'a [Pattern])>,
) -> Result<&'a ProjectName, NoProject> {
    let mut best: Option<(u8, &ProjectName)> = None;
    let mut rival: Option<&ProjectName> = None;
    for (name, patterns) in projects {
        let Some(rank) = patterns.iter().filter_map(|p| rank(p, repository)).max() else {
            continue;
        };
        match best {
            Some((other, _)) if other > rank => {}
            Some((other, _)) if other == rank => rival = Some(name),
            _ => (best, rival) = (Some((rank, name)), None),
        }
    }
    match (best, rival) {
        (Some((_, one)), Some(two)) => Err(NoProject::Ambiguous(one.clone(), two.clone())),
        (Some((_, one)), None) => Ok(one),
        (None, _) => Err(NoProject::None),
    }
}

/// Whether a project may have repositories that a pattern matches, as far as can be seen without
/// looking at the repositories: the fixed beginning of one goes on from the other's.
#[must_use]
pub fn may_meet(pattern: &Pattern, project: &Project) -> bool {
    let begin = |pattern: &'_ Pattern| -> Vec<u8> {
        pattern.as_glob().map(|glob| glob.literal_prefix().to_vec()).unwrap_or_default()
    };
    let one = begin(pattern);
    project.repositories.iter().any(|own| {
        let own = begin(own);
        own.starts_with(&one) || one.starts_with(&own)
    })
}

/// 2 for an exact name, 0 for `**`, 1 for anything else that matches.
fn rank(pattern: &Pattern, repository: &[u8]) -> Option<u8> {
    let glob = pattern.as_glob()?;
    if !pattern.matches(repository, None).ok()? {
        return None;
    }
    Some(if glob.is_literal() {
        2
    } else if glob.is_everything() {
        0
    } else {
        1
    })
}
