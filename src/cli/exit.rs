//! How `refwarden` ends.

/// The exit codes of `refwarden`, stable for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or allowed.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Refused, denied, or something widened.
    Refused = 3,
    /// The policy is invalid.
    PolicyInvalid = 4,
    /// Waiting for approval.
    Waiting = 5,
    /// No such thing.
    NotFound = 6,
    /// The state folder or the audit trail cannot be used.
    Unavailable = 7,
}
