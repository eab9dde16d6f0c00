//! The three hooks: each orders the steps of its part and owns no rule.
//!
//! `pre_receive` decides, `update` confirms, `post_receive` records. All that goes wrong on the way,
//! a panic included, is a refusal with a code.

pub mod apply;
pub(crate) mod ask;
mod charge;
mod checks;
pub mod desk;
mod door;
pub mod elsewhere;
pub mod foreign;
pub(crate) mod identity;
mod issues;
pub(crate) mod judge;
pub mod ledger;
pub(crate) mod lent;
pub mod policy_push;
pub mod post_receive;
pub mod pre_receive;
mod record;
mod refusal;
pub(crate) mod ruling;
pub mod settle;
pub mod smart;
mod tell;
pub mod token_ledger;
pub mod tokens;
pub mod update;
mod wait;

pub use refusal::Refusal;
pub use tell::ssh_door;

use crate::os;
use std::io::Write;
use std::process::ExitCode;

/// How a hook that was not refused ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// git goes on.
    Go,
    /// git stops here; all words have been said.
    Stop,
}

/// Runs a hook: its words go to standard error, and whatever happens it ends with 0 or 1.
#[must_use]
pub fn run(hook: fn() -> Result<End, Refusal>) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let _ = os::syslog::send(os::syslog::Severity::Error, &format!("defect at {place}"));
    }));
    let result = std::panic::catch_unwind(hook).unwrap_or_else(|_| Err(Refusal::defect()));
    match result {
        Ok(End::Go) => ExitCode::SUCCESS,
        Ok(End::Stop) => ExitCode::FAILURE,
        Err(refusal) => {
            say(&refusal.render());
            let _ = os::syslog::send(os::syslog::Severity::Warning, &refusal.for_admin());
            ExitCode::FAILURE
        }
    }
}

/// Writes to standard error; the client may be gone, and that changes nothing.
pub(crate) fn say(text: &str) {
    if !text.is_empty() {
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}
