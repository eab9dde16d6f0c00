//! The laboratory: a site, people who push, and what came of it.
//!
//! Knows how an installation lies on disk and how to run git hermetically; no rule of the policy.

mod child;
#[expect(dead_code, reason = "the store's own tests use the rest")]
pub mod etcd;
#[expect(dead_code, reason = "the client's own tests use the rest")]
pub mod fake_jira;
mod fault;
mod git;
mod outcome;
mod person;
mod policy;
pub mod processes;
mod repo;
mod site;
mod trail;
mod wire;

pub use child::{Gate, Guard, wait_until};
pub use fault::Fault;
pub use git::Git;
pub use outcome::{Outcome, Refs};
pub use person::Person;
pub use policy::{Policy, forbid, grant, permit};
pub use repo::{Format, Repo};
pub use site::{Run, Site, own_account};
pub use trail::Trail;
pub use wire::{Wire, null, pack_of};

use std::path::Path;

/// Whether the tests run as root, who alone can become somebody else or mount something.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says why a test proves nothing here.
pub fn skip(why: &str) {
    println!("skipped: {why}");
}

/// Sets the permission bits of a file or folder.
pub fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Writes an executable shell script.
pub fn script(path: &Path, body: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    chmod(path, 0o755);
}

/// Where a program is on this machine.
pub fn find_program(name: &str) -> Option<std::path::PathBuf> {
    [
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/sbin",
        "/usr/bin",
        "/sbin",
        "/bin",
        "/usr/lib/git-core",
    ]
    .iter()
    .map(|folder| Path::new(folder).join(name))
    .find(|path| path.is_file())
}
