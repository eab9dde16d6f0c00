//! Why Jira did not say. Neither the token nor anything of an answer's text is ever in it.

use crate::os::files::FileError;
use crate::os::trust::TrustError;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a fact can't be known. What a pusher reads names no file; `for_admin` does.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JiraError {
    /// The token's file can't be used.
    #[error("the gate's own login to Jira can't be used; tell the admin")]
    Token(#[from] TokenError),
    /// 401.
    #[error("Jira does not take the gate's login; tell the admin")]
    Login,
    /// 403.
    #[error("the gate's account in Jira lacks the right to see {0}; tell the admin")]
    Right(String),
    /// 400 or 410: what we asked, or the policy, is wrong.
    #[error("Jira does not take the question about {0} (status {1}); tell the admin")]
    Question(String, u16),
    /// It did not answer, or not in time.
    #[error("Jira does not answer: {words}")]
    NoAnswer {
        /// In our words.
        words: String,
        /// Whether waiting for it took all the time it had.
        slow: bool,
    },
    /// 5xx, or 429.
    #[error("Jira does not answer: status {0}")]
    Status(u16),
    /// A redirect or a page for people: a login in front of it.
    #[error("Jira does not answer: something in front of it sent {0}")]
    InFront(&'static str),
    /// JSON of another form.
    #[error("Jira does not answer: {0} is not as it should be")]
    Form(&'static str),
    /// More than we read.
    #[error("Jira does not answer: the answer is too long")]
    TooLong,
    /// It failed a moment ago.
    #[error("Jira did not answer a moment ago and is left alone for half a minute")]
    Resting,
    /// The push has had its time.
    #[error("Jira does not answer: all the time for one push is used up")]
    OutOfTime,
    /// So many issues in one push.
    #[error("more than {0} issues in one push: push in parts")]
    TooMany(usize),
    /// It left the projects of the repository.
    #[error("{0} was moved to {1}, which is not an issue of this repository's projects")]
    Moved(String, String),
    /// A field that is not there, or holds no people.
    #[error("the field `{0}` of Jira {1}; tell the admin")]
    Field(String, String),
    /// An issue that something should be done to.
    #[error("there is no issue {0}, or the gate's account can't see it")]
    Absent(String),
    /// Its workflow does not have it from where the issue is.
    #[error(
        "{0} has no transition `{1}` from the state that it is in, or the gate's account may not take it"
    )]
    NoTransition(String, String),
    /// A role that the project does not have.
    #[error("the project in Jira has no role `{0}`; tell the admin")]
    NoRole(String),
}

impl JiraError {
    /// Whether it is the state of Jira, which passes, and not an answer.
    #[must_use]
    pub const fn is_down(&self) -> bool {
        matches!(
            self,
            Self::NoAnswer { .. }
                | Self::Status(_)
                | Self::InFront(_)
                | Self::Form(_)
                | Self::TooLong
                | Self::Resting
                | Self::OutOfTime
        )
    }

    /// Whether another try of the same would fail the same: neither a state of Jira, which passes, nor
    /// our login, which the admin mends.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !self.is_down() && !matches!(self, Self::Token(_) | Self::Login)
    }

    /// Whether it took all the time that a call may take.
    pub(super) const fn cost_time(&self) -> bool {
        matches!(self, Self::NoAnswer { slow: true, .. })
    }

    /// For the trail and the log: with the file.
    #[must_use]
    pub fn for_admin(&self) -> String {
        match self {
            Self::Token(error) => error.to_string(),
            other => other.to_string(),
        }
    }
}

/// Why there is no token.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TokenError {
    /// Others could have written it, or it can't be opened.
    #[error("{0}")]
    Trust(Arc<TrustError>),
    /// It can't be read.
    #[error("{0}")]
    File(Arc<FileError>),
    /// Its group or others can read it.
    #[error("`{}` (mode {mode:04o}) can be read by its group or by others: chmod 600 {}", path.display(), path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Empty, or not a single line of plain characters.
    #[error("`{}` does not hold a token: one line of plain characters", path.display())]
    Form {
        /// The file.
        path: PathBuf,
    },
    /// `[jira] url` is neither https nor loopback.
    #[error("`[jira] url` is neither https nor http on loopback")]
    Url,
}
