//! Why a receiver did not take a notice. No secret and no path of a URL is ever in it.

use super::secret::SecretError;
use crate::os::child::ChildError;
use crate::os::trust::TrustError;
use std::time::Duration;

/// Why a receiver did not take a notice.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Neither https nor http to this very host.
    #[error("its URL is neither https nor http on loopback")]
    Url,
    /// It answered, but not with a success.
    #[error("it answered {status}")]
    Answer {
        /// The status of HTTP.
        status: u16,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// It did not answer.
    #[error("{0}")]
    NoAnswer(String),
    /// The notice can't be signed.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The command's path is not absolute.
    #[error("the command's path is not absolute")]
    NotAbsolute,
    /// Others could have written the command.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The command could not be run, or took too long.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// A taker that is no receiver of the policy's could not take it now.
    #[error("{0}")]
    NotNow(String),
    /// It will never take it.
    #[error("{0}")]
    Never(String),
    /// The command ended with a failure.
    #[error("the command ended with {0}")]
    Status(std::process::ExitStatus),
}

impl Failure {
    /// Whether it is about this notice, whose next try would fail the same, and not about who takes it.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Never(_))
    }

    /// How long the receiver asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Answer { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
