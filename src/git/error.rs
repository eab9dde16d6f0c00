//! Why a push could not be read or is refused while reading it.
//!
//! Knows the words and the stable code of each; all of them refuse.

use crate::code::Code;
use crate::policy::pattern::Broken;
use crate::push::RefName;
use crate::text::Safe;
use gix::ObjectId;
use std::path::{Path, PathBuf};

/// Longest foreign detail in a message, in bytes.
const MAX_DETAIL: usize = 300;

/// What went wrong, with the object, ref or path it was about.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The push came in under a namespace.
    #[error("`GIT_NAMESPACE` is set: refs of a namespace are not judged")]
    Namespace,
    /// A ref that git would leave to another program.
    #[error(
        "`{0}` is left to a `proc-receive` hook by `receive.procReceiveRefs`, which nobody judges"
    )]
    ProcReceive(RefName),
    /// A ref that is hidden from pushes.
    #[error("`{0}` is hidden by `receive.hideRefs` or `transfer.hideRefs`")]
    Hidden(RefName),
    /// Somebody else owns the repository.
    #[error("`{}` belongs to uid {owner}, neither to the hosting account nor to root", shown(path))]
    Owner {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// A file or folder could not be read.
    #[error("can't {doing} `{}`: {source}", shown(path))]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The repository is of a kind that is not understood.
    #[error("can't judge this repository: {0}")]
    Unsupported(Safe),
    /// A configuration that can't be read.
    #[error("the repository's git configuration can't be read: {0}")]
    Config(Safe),
    /// An object that is named but not there.
    #[error("object `{0}` is not in the repository, nor did the push bring it")]
    Missing(ObjectId),
    /// An object that is there but can't be read.
    #[error("object `{id}` can't be read: {detail}")]
    Damaged {
        /// The object.
        id: ObjectId,
        /// What is wrong with it.
        detail: Safe,
    },
    /// A name under which no ref can be stored.
    #[error("`{0}` can't be the name of a ref")]
    BadName(RefName),
    /// A ref whose value can't be read.
    #[error("ref `{name}` is damaged on the server: {detail}")]
    BrokenRef {
        /// The ref.
        name: RefName,
        /// What is wrong with it.
        detail: Safe,
    },
    /// A ref that stands for another one.
    #[error("`{name}` stands for `{target}` on the server: push to `{target}`")]
    Symbolic {
        /// The ref.
        name: RefName,
        /// The ref it stands for.
        target: RefName,
    },
    /// The old value of a line is not the ref's value.
    #[error("`{0}` has moved meanwhile: fetch and try again")]
    Stale(RefName),
    /// More to read than the admin allows.
    #[error("the push has more than {max} {what} to look at; {cure}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How many are looked at.
        max: u32,
        /// What helps.
        cure: &'static str,
    },
    /// The time for one push is over.
    #[error("reading the push took longer than its time budget")]
    Time,
    /// What others pushed before takes more than there is for one push.
    #[error(
        "telling what is new from what the repository had before took {0}; this is not the push's \
         doing: the admin can run `git commit-graph write --reachable` in the repository"
    )]
    History(&'static str),
    /// A tag of a tag of a tag, and so on.
    #[error("`{id}` is a chain of more than {max} tags of tags: tag what it stands for itself")]
    Chain {
        /// The first tag.
        id: ObjectId,
        /// How long a chain may be.
        max: usize,
    },
    /// An expression of a check that can't be evaluated.
    #[error("{0}")]
    Pattern(Broken),
    /// Whose an address or key is could not be looked up.
    #[error("whose an address or key is could not be looked up: {0}")]
    LookUp(Safe),
    /// A git child process failed.
    #[error("`git {command}` failed: {detail}")]
    Child {
        /// Its subcommand.
        command: &'static str,
        /// What it said.
        detail: Safe,
    },
}

impl GitError {
    /// The stable code of the refusal.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Namespace | Self::ProcReceive(_) | Self::Hidden(_) => Code::ProcReceive,
            Self::Owner { .. } => Code::NotTrusted,
            Self::Missing(_) | Self::Damaged { .. } => Code::MissingObject,
            Self::BadName(_) => Code::BadRefName,
            Self::Symbolic { .. } => Code::SymbolicRef,
            Self::Stale(_) => Code::StaleOldId,
            Self::Limit { .. } | Self::Time | Self::History(_) | Self::Chain { .. } => Code::Limit,
            Self::LookUp(_) => Code::Lookup,
            Self::Pattern(_)
            | Self::Io { .. }
            | Self::Unsupported(_)
            | Self::Config(_)
            | Self::BrokenRef { .. }
            | Self::Child { .. } => Code::Internal,
        }
    }

    /// An error about an object from whatever `gix` or we found.
    pub(super) fn damaged(id: ObjectId, detail: impl ToString) -> Self {
        Self::Damaged { id, detail: detail_of(detail) }
    }

    /// An error about a ref's stored value.
    pub(super) fn broken(name: &RefName, detail: impl ToString) -> Self {
        Self::BrokenRef { name: name.clone(), detail: detail_of(detail) }
    }

    /// For `map_err`: an error of the system about `path`.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }
}

/// Foreign words, safe to show.
pub(super) fn detail_of(detail: impl ToString) -> Safe {
    Safe::new(detail.to_string().as_bytes(), MAX_DETAIL)
}

fn shown(path: &Path) -> Safe {
    Safe::new(path.as_os_str().as_encoded_bytes(), MAX_DETAIL)
}
