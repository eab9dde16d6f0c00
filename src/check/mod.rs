//! What a pushed commit, tag or ref must look like: the rules of `[[checks]]` over plain facts.
//!
//! Knows what each rule asks of a commit's text, a path, a file or a name. Knows no repository:
//! which commits are new and what they change is found by `git::look`, which asks the rules here.

pub mod content;
pub mod issue;
#[cfg(test)]
pub(crate) mod lab;
pub mod links;
pub mod message;
pub mod modules;
pub mod names;
pub mod paths;
pub mod people;
pub mod refs;
pub mod secrets;
pub mod signed;
pub mod text;

use crate::code::Code;
use crate::policy::checks::{Check, Rule};
use crate::policy::name::UserName;
use crate::policy::pattern::Broken;
use crate::push::RefUpdate;
use crate::pusher::certificate::KeyRing;
use gix::ObjectId;
use gix::bstr::BString;

/// Most single findings of one rule that are kept; the others are counted.
pub const KEPT: usize = 10;

/// Whether what the ref of this full name holds is known to a check: an existing ref that the check
/// governs and that no `bypass` of the check covers.
pub type Knows<'a> = &'a dyn Fn(&[u8]) -> Result<bool, Broken>;

/// One check as it is run on one ref of a push.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// What is asked for.
    pub check: &'a Check,
    /// Asked once for each existing ref, and only where the push brings something that an existing
    /// ref could have. The same for all refs on which the check is run; the pushed ref's own old
    /// value is always known, whatever this says.
    pub knows: Knows<'a>,
}

/// One ref of a push, and the checks that are run on it.
pub struct Asked<'a> {
    /// From what to what; its old value must be the ref's. Nothing is found on a deletion.
    pub update: &'a RefUpdate,
    /// Those that govern the ref and that nothing lifts.
    pub runs: Vec<Run<'a>>,
}

/// What one rule of one check found on one ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Which of [`Asked::runs`].
    pub run: usize,
    /// Which of the check's rules.
    pub rule: usize,
    /// The stable code of the rule's kind.
    pub code: Code,
    /// The first [`KEPT`], newest commits first.
    pub found: Vec<Found>,
    /// All of them, those of `found` included.
    pub count: usize,
}

/// One violation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub subject: Subject,
    /// What is wrong, in words that name neither the commit nor the path. May hold bytes of the
    /// pusher's: to be sanitized before it is shown.
    pub words: Vec<u8>,
}

/// What a violation is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The ref itself, or what it stands for.
    Ref,
    /// A commit, or a tag object.
    Object(ObjectId),
    /// A path.
    Path {
        /// In this commit; `None` where it shows only in the net difference of the ref's values.
        commit: Option<ObjectId>,
        /// From the repository's root; any bytes.
        path: BString,
        /// The line, from 1, where it is about one.
        line: Option<usize>,
    },
}

/// Whose addresses and keys are whose, by the applied policy; of active users only. Errors are words
/// for the admin.
pub trait People: KeyRing {
    /// Who pushes.
    fn pusher(&self) -> &UserName;

    /// The user with the e-mail address, which was folded by [`fold_email`]: compare it with
    /// folded ones.
    ///
    /// # Errors
    /// When the look-up itself failed.
    fn by_email(&self, folded: &str) -> Result<Option<UserName>, String>;

    /// The user with the ssh key (`SHA256:…`) or OpenPGP primary key (40 capital hex digits).
    ///
    /// # Errors
    /// When the look-up itself failed.
    fn by_key(&self, fingerprint: &str) -> Result<Option<UserName>, String>;

    /// What is known of issues, for this pusher.
    fn issues(&self) -> &dyn issue::Issues;
}

/// An e-mail address as it is compared: case does not count.
#[must_use]
pub fn fold_email(address: &str) -> String {
    address.to_lowercase()
}

/// The key of the policy that a rule is written with.
#[must_use]
pub const fn key(rule: &Rule) -> &'static str {
    rule.key()
}

/// The stable code of what a rule refuses.
#[must_use]
pub const fn code(rule: &Rule) -> Code {
    match rule {
        Rule::Subject(_) | Rule::Message(_) | Rule::MaxSubject(_) => Code::CheckMessage,
        Rule::Committer => Code::CheckCommitter,
        Rule::Author(_) => Code::CheckAuthor,
        Rule::Signed { .. } => Code::CheckSignature,
        Rule::AnnotatedTags => Code::CheckAnnotated,
        Rule::Merges(_) => Code::CheckMerges,
        Rule::MaxFileSize { .. } => Code::CheckFileSize,
        Rule::ForbidPaths(_) | Rule::OnlyPaths(_) => Code::CheckPath,
        Rule::MaxPathLength(_) => Code::CheckPathLength,
        Rule::CaseConflicts => Code::CheckCase,
        Rule::ReservedNames => Code::CheckReserved,
        Rule::SymlinksInside => Code::CheckSymlink,
        Rule::Submodules(_) => Code::CheckSubmodule,
        Rule::Content { .. } => Code::CheckContent,
        Rule::RefName(_) => Code::CheckRefName,
        Rule::RefCaseConflicts => Code::CheckRefCase,
        Rule::Issue(_) => Code::CheckIssue,
    }
}
