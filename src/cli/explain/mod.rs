//! `refwarden policy explain`: a verdict without a push, and why.
//!
//! The same decision function as at a push, over the applied policy with the locks and lent rights of
//! now, or over any file. With `--stdin` it
//! answers JSON lines, as fast as they come.
//!
//! [`mod@bench`] asks, [`live`] knows what the store joins, [`lines`] talks JSON, [`tell`] talks to people, [`mod@words`] has what they share.

mod bench;
mod issue;
mod lines;
mod live;
mod tell;
mod words;

pub use lines::answer_lines;
pub use live::Live;
pub use words::{full_name, words};

use super::exit::Exit;
use super::out::Out;
use super::policy as policy_verb;
use super::site::Here;
use bench::Bench;
use std::path::PathBuf;

/// Arguments of `policy explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The user; without it, somebody without an identity.
    #[arg(long = "as", value_name = "USER")]
    pub(in crate::cli) user: Option<String>,
    /// The repository's name: its path below the site's root, without `.git`.
    #[arg(long, value_name = "NAME", required_unless_present = "stdin")]
    pub(in crate::cli) repository: Option<String>,
    /// What is done.
    #[arg(long, required_unless_present = "stdin", value_parser = ["read", "create", "update", "force", "delete"])]
    pub(in crate::cli) action: Option<String>,
    /// To which ref: a full name, or a branch.
    #[arg(long = "ref", value_name = "REF", required_if_eq_any = [("action", "create"), ("action", "update"), ("action", "force"), ("action", "delete")])]
    pub(in crate::cli) reference: Option<String>,
    /// A path that it changes; may be given often. Without any the paths count as unknown: then
    /// permits with paths do not match, and forbids with paths do.
    #[arg(long = "path", value_name = "PATH")]
    pub(in crate::cli) paths: Vec<String>,
    /// A changed path that is, or was, a symbolic link or a submodule; may be given often.
    #[arg(long = "link", value_name = "PATH")]
    pub(in crate::cli) links: Vec<String>,
    /// It changes no path at all.
    #[arg(long, conflicts_with_all = ["paths", "links"])]
    pub(in crate::cli) no_paths: bool,
    /// At another time than now: 2026-11-22T10:00:00Z, or 30d, 12h, 15m for so long ago.
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) at: Option<String>,
    /// Also tell what Jira says of this issue, as far as a decision looks at it.
    #[arg(long, value_name = "KEY", conflicts_with = "stdin")]
    pub(in crate::cli) issue: Option<String>,
    /// Ask this file instead of the applied policy; needs no installation.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) policy: Option<PathBuf>,
    /// Read questions as JSON lines {user, repository, action, ref, paths?, time?}, answer one a line;
    /// `ref` is a full name, or a branch. Exit code 2 when a line was no question.
    #[arg(long, conflicts_with_all = ["user", "repository", "action", "reference", "paths", "links", "at"])]
    pub(in crate::cli) stdin: bool,
}

impl Args {
    /// Whom it is about.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The repository that it is about.
    #[must_use]
    pub fn repository(&self) -> &str {
        self.repository.as_deref().unwrap_or_default()
    }

    /// Whether it would read files of the server, or standard input.
    #[must_use]
    pub const fn is_for_the_server(&self) -> bool {
        self.policy.is_some() || self.stdin
    }

    /// The same about `user`.
    pub fn ask_about(&mut self, user: &str) {
        self.user = Some(user.to_owned());
    }
}

/// Answers one question about the applied policy, once it is clear that the one who asks may know.
///
/// # Errors
/// A question that is none.
pub fn answer(here: &Here, args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let policy = here.policy.policy()?;
    let live = Live::read(here, &policy, (args.user(), args.repository.as_deref()))?;
    Bench::new(&policy, here.site.account_uid).with(&live).answer_one(args, out)
}

/// Runs the verb.
///
/// # Errors
/// No such policy, or a question that is none.
pub fn run(args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let (policy, account, live) = match &args.policy {
        Some(path) => {
            let policy = policy_verb::load(path, None, out)?.policy;
            (policy, rustix::process::geteuid().as_raw(), Live::default())
        }
        None => {
            let here = Here::open()?;
            let policy = here.policy.policy()?;
            let about = (args.user(), args.repository.as_deref());
            let live = Live::read(&here, &policy, about)?;
            (policy, here.site.account_uid, live)
        }
    };
    let mut bench = Bench::new(&policy, account).with(&live);
    if args.stdin {
        Ok(bench.answer_all(std::io::stdin().lock(), std::io::stdout().lock())?)
    } else {
        bench.answer_one(args, out)
    }
}
