//! refwarden: decides inside `git push` who may push what, to which ref, until when.
//!
//! Three rings, imports point inwards only (`tests/it/rings.rs` holds them to it):
//!
//! - use cases order the steps: `hook`, `door`, `cli`;
//! - effects touch disk, environment, clock and processes: `git`, `store`, `audit`, `notify`, `jira`,
//!   `os`;
//! - pure code takes values and gives values: `code`, `text`, `push`, `pusher`, `policy`,
//!   `access`, `decision`, `check`, `report`, `import`.
//!
//! Start reading at `hooks/pre_receive.rs` and walk inwards.

pub mod access;
pub mod audit;
pub mod check;
pub mod cli;
pub mod code;
pub mod decision;
pub mod door;
pub mod git;
pub mod hook;
pub mod import;
pub mod jira;
pub mod notify;
pub mod os;
pub mod policy;
pub mod push;
pub mod pusher;
pub mod report;
pub mod store;
pub mod text;

/// Of the memory that musl hands out every few blocks are a system call and a page of their own, and
/// given back at once: a fifth of what a hook's start to end took.
#[cfg(target_env = "musl")]
#[global_allocator]
static HEAP: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;
