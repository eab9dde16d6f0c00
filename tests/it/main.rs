//! Promises proved through real `git push`: one binary for all integration tests.
//!
//! `cargo test --test it` runs everything but injected faults; `cargo test --features test-faults
//! --test it` runs those too. Root is not needed, but what only root can set up (another account, a
//! full disk) is skipped without it, and says so. As root, the hosting account is root itself, but
//! where a test gives the whole site to an ordinary uid (`Site::give_to`).

#![expect(
    clippy::disallowed_methods,
    clippy::string_slice,
    reason = "tests set up files, processes and times themselves, and cut texts that they made"
)]

#[cfg(test)]
mod support;

#[cfg(test)]
mod access;

#[cfg(test)]
mod cases;

#[cfg(test)]
mod doors;

#[cfg(test)]
mod whole;
