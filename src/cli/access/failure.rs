//! Errors of policy, store and trail as the end of a command.

use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::hook::ledger::LedgerError;
use crate::policy::compiled::CompiledError;
use crate::store::access::StoreError;

/// The applied policy can't be read.
#[must_use]
pub fn damaged(error: CompiledError) -> Failure {
    Failure::new(Exit::Unavailable, error.to_string())
}

/// A store's error as the end of a command.
#[must_use]
pub fn store_failure(error: &StoreError) -> Failure {
    let exit = match error {
        StoreError::Illegal(_) => Exit::Refused,
        StoreError::Moved | StoreError::Taken => Exit::Failed,
        _ => Exit::Unavailable,
    };
    Failure::new(exit, error.to_string())
}

/// The same of a change.
#[must_use]
pub fn ledger_failure(error: &LedgerError) -> Failure {
    match error {
        LedgerError::Store(error) => store_failure(error),
        LedgerError::Trail(_) | LedgerError::Epoch(_) => {
            Failure::new(Exit::Unavailable, error.to_string())
        }
    }
}
