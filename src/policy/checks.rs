//! `[[checks]]`: what a pushed commit, tag or ref must look like (03-push.md, "Checks").
//!
//! Knows what was written and where it applies; what a commit looks like is judged elsewhere.

use super::entry::{Enforce, Place};
use super::issue_rule::IssueRule;
use super::model::applies;
use super::name::ProjectName;
use super::pattern::{Broken, Pattern};
use super::refs::{PathScope, RefScope};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One of `[[checks]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name, which `bypass` entries lift it by.
    pub name: Box<str>,
    /// Where it is written.
    pub place: Place,
    /// `projects`; with `repositories` empty too it applies in every project.
    pub projects: BTreeSet<ProjectName>,
    /// `repositories`
    pub repositories: Vec<Pattern>,
    /// Which refs, read as a forbid's.
    pub refs: RefScope,
    /// Whether it refuses.
    pub enforce: Enforce,
    /// The admin's words for whom it refuses.
    pub help: Option<Box<str>>,
    /// What it asks for, one for each key that is written.
    pub rules: Vec<Rule>,
}

impl Check {
    /// Whether it applies in the repository: it names none, its project, or its own name.
    ///
    /// # Errors
    /// [`Broken`] when a pattern can't be evaluated.
    pub fn applies(&self, project: &ProjectName, repository: &[u8]) -> Result<bool, Broken> {
        if self.projects.is_empty() && self.repositories.is_empty() {
            return Ok(true);
        }
        applies(&self.projects, &self.repositories, project, repository)
    }
}

/// A regular expression that is searched for, not one that matches a whole name. It is over bytes,
/// in Rust `regex` syntax, without Unicode classes; what is kept is its source, which was parsed once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search(pub Box<str>);

/// What one key of a check asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rule {
    /// `subject`: found in the subject (the first paragraph) of every commit's message.
    Subject(Search),
    /// `message`: found in the whole of every commit's message.
    Message(Search),
    /// `max-subject`, in characters.
    MaxSubject(u32),
    /// `committer = "pusher"`
    Committer,
    /// `author`
    Author(Author),
    /// `signed`
    Signed {
        /// `"commits"`
        commits: bool,
        /// `"tags"`
        tags: bool,
    },
    /// `annotated-tags = true`
    AnnotatedTags,
    /// `merges`
    Merges(Merges),
    /// `max-file-size`, in bytes, of every new blob.
    MaxFileSize {
        /// Bytes that are still fine.
        bytes: u64,
        /// `lfs = true`: says that large files go by LFS, whose pointers count as what they are.
        lfs: bool,
    },
    /// `forbid-paths`
    ForbidPaths(PathScope),
    /// `only-paths`
    OnlyPaths(PathScope),
    /// `max-path-length`, in UTF-16 units where a path is UTF-8, else in bytes.
    MaxPathLength(u32),
    /// `case-conflicts = true`
    CaseConflicts,
    /// `reserved-names = true`
    ReservedNames,
    /// `symlinks = "inside"`
    SymlinksInside,
    /// `submodules`: patterns of URLs that are allowed; `"none"` allows none.
    Submodules(Vec<Pattern>),
    /// `content` and `content-paths`
    Content {
        /// `"secrets"`: the starter set that comes with refwarden, as this build knows it.
        starter: bool,
        /// Named patterns over added lines.
        secrets: Vec<Secret>,
        /// Which files are looked at; `None` is all.
        paths: Option<PathScope>,
    },
    /// `ref-name`: the whole of what follows `refs/heads/` or `refs/tags/`, else the full name.
    RefName(Pattern),
    /// `ref-case-conflicts = true`
    RefCaseConflicts,
    /// `issue`: of the issues that the ref's name, a commit or an option names.
    Issue(IssueRule),
}

impl Rule {
    /// The key of the policy that it is written with.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Subject(_) => "subject",
            Self::Message(_) => "message",
            Self::MaxSubject(_) => "max-subject",
            Self::Committer => "committer",
            Self::Author(_) => "author",
            Self::Signed { .. } => "signed",
            Self::AnnotatedTags => "annotated-tags",
            Self::Merges(_) => "merges",
            Self::MaxFileSize { .. } => "max-file-size",
            Self::ForbidPaths(_) => "forbid-paths",
            Self::OnlyPaths(_) => "only-paths",
            Self::MaxPathLength(_) => "max-path-length",
            Self::CaseConflicts => "case-conflicts",
            Self::ReservedNames => "reserved-names",
            Self::SymlinksInside => "symlinks",
            Self::Submodules(_) => "submodules",
            Self::Content { .. } => "content",
            Self::RefName(_) => "ref-name",
            Self::RefCaseConflicts => "ref-case-conflicts",
            Self::Issue(_) => "issue",
        }
    }
}

/// `author`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Author {
    /// One of the pusher's own addresses.
    Pusher,
    /// An address of any user of the policy.
    Known,
}

/// `merges`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Merges {
    /// No merge commits.
    None,
    /// Nothing but merges as first-parent steps.
    Only,
}

/// What added text must not look like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// What it is called in the report; the text itself is never shown.
    pub name: Box<str>,
    /// What is looked for.
    pub pattern: Search,
}
