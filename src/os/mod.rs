//! The operating system: clock, files, trust in files, environment, processes, children.
//!
//! Knows how to ask and change the host safely; not what a push, a policy or a slip is.

#![expect(clippy::disallowed_methods, reason = "this is where clock, files and children are asked")]

pub mod account;
pub mod child;
pub mod clock;
pub mod env;
pub mod faults;
pub mod files;
pub mod git_config;
pub mod gpg;
pub mod groups;
pub mod hooks_dir;
pub mod host_facts;
pub mod policy_files;
pub mod process;
pub mod random;
pub mod site;
pub mod sshd;
pub mod syslog;
pub mod trust;
pub mod web;

/// This host's name, as the kernel has it.
#[must_use]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
