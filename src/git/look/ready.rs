//! The rules of one check, ready to be asked: expressions compiled once a push.
//!
//! Knows what each rule has to be shown; what it says is `check`'s matter.

use super::sides::needs_commits;
use crate::check::content::Searcher;
use crate::check::message;
use crate::git::GitError;
use crate::policy::checks::{Author, Check, Merges, Rule};
use crate::policy::issue_rule::IssueRule;
use crate::policy::pattern::Pattern;
use crate::policy::refs::PathScope;
use regex::bytes::Regex;

/// What is asked of a commit's own text.
pub(super) enum OfCommit {
    Subject(Regex),
    Message(Regex),
    MaxSubject(u32),
    Committer,
    Author(Author),
    Signed,
    NoMerge,
}

/// What is asked of each difference.
pub(super) enum OfPath<'a> {
    Forbid(&'a PathScope),
    Only(&'a PathScope),
    MaxLength(u32),
    CaseConflicts,
    Reserved,
    MaxSize { bytes: u64, lfs: bool },
    LinksInside,
    Submodules(&'a [Pattern]),
    Content { searcher: Searcher<'a>, paths: Option<&'a PathScope> },
}

/// One check's rules by what they look at, each with its place among the check's.
#[derive(Default)]
pub(super) struct Ready<'a> {
    pub(super) of_commit: Vec<(usize, OfCommit)>,
    pub(super) of_path: Vec<(usize, OfPath<'a>)>,
    /// `merges = "only"`
    pub(super) only_merges: Option<usize>,
    /// `issue`
    pub(super) issue: Option<(usize, &'a IssueRule)>,
}

impl<'a> Ready<'a> {
    pub(super) fn of(check: &'a Check) -> Result<Self, GitError> {
        let mut ready = Self::default();
        for (at, rule) in check.rules.iter().enumerate() {
            if needs_commits(rule) {
                ready.add(at, rule)?;
            }
        }
        Ok(ready)
    }

    fn add(&mut self, at: usize, rule: &'a Rule) -> Result<(), GitError> {
        let compiled = |search| message::compile(search).map_err(GitError::Pattern);
        let of_commit = match rule {
            Rule::Subject(search) => Some(OfCommit::Subject(compiled(search)?)),
            Rule::Message(search) => Some(OfCommit::Message(compiled(search)?)),
            Rule::MaxSubject(most) => Some(OfCommit::MaxSubject(*most)),
            Rule::Committer => Some(OfCommit::Committer),
            Rule::Author(author) => Some(OfCommit::Author(*author)),
            Rule::Signed { commits: true, .. } => Some(OfCommit::Signed),
            Rule::Merges(Merges::None) => Some(OfCommit::NoMerge),
            Rule::Merges(Merges::Only) => {
                self.only_merges = Some(at);
                None
            }
            Rule::Issue(asked) => {
                self.issue = Some((at, asked));
                None
            }
            _ => None,
        };
        self.of_commit.extend(of_commit.map(|rule| (at, rule)));
        let of_path = match rule {
            Rule::ForbidPaths(scope) => Some(OfPath::Forbid(scope)),
            Rule::OnlyPaths(scope) => Some(OfPath::Only(scope)),
            Rule::MaxPathLength(most) => Some(OfPath::MaxLength(*most)),
            Rule::CaseConflicts => Some(OfPath::CaseConflicts),
            Rule::ReservedNames => Some(OfPath::Reserved),
            Rule::MaxFileSize { bytes, lfs } => Some(OfPath::MaxSize { bytes: *bytes, lfs: *lfs }),
            Rule::SymlinksInside => Some(OfPath::LinksInside),
            Rule::Submodules(allowed) => Some(OfPath::Submodules(allowed)),
            Rule::Content { starter, secrets, paths } => {
                let searcher = Searcher::new(*starter, secrets).map_err(GitError::Pattern)?;
                Some(OfPath::Content { searcher, paths: paths.as_ref() })
            }
            _ => None,
        };
        self.of_path.extend(of_path.map(|rule| (at, rule)));
        Ok(())
    }
}
