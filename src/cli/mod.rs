//! The admin command `refwarden`: one file a verb, each of them a use case.
//!
//! Knows the command line; what a verb does stands in its own file.

pub mod access;
pub mod audit;
pub mod doctor;
pub mod exit;
pub mod explain;
pub mod export;
pub mod finding;
pub mod http;
pub mod import;

pub mod out;
pub mod policy;
pub mod receivers;
pub mod repo;
pub mod rights;

pub mod shell;
pub mod site;
pub mod ssh;
pub mod ssh_keys;
pub mod store;
pub mod sweep;
pub mod token;
pub mod when;
pub mod who;

use clap::{CommandFactory, Parser, Subcommand};
use exit::Exit;
use out::Out;

/// Decides inside `git push` who may push what, to which ref, until when.
#[derive(Debug, Parser)]
#[command(name = "refwarden", version, arg_required_else_help = true, max_term_width = 100)]
#[command(
    after_help = "Start with `refwarden doctor`; a refused push is explained by `refwarden policy explain`.\n\
    Exit codes: 0 done or allowed, 1 failed, 2 usage, 3 refused, 4 policy invalid, 5 waiting, 6 not found, 7 store or audit unavailable."
)]
pub struct Cli {
    /// Print JSON, one value a line, for scripts.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Check, apply, edit, show and explain the policy.
    #[command(subcommand)]
    Policy(policy::Verb),
    /// Everybody who can do something to a ref, and through which entry.
    Who(who::Args),
    /// Ask for access, answer, take back, review: rights that are lent and end by themselves.
    Access(access::Args),
    /// Stop pushes at once, whatever anybody may: a person, a project, a repository, refs, or all.
    Lock(access::lock::Args),
    /// Lift locks.
    Unlock(access::lock::UnlockArgs),
    /// Personal access tokens for the HTTP door: make, list, take back.
    Token(token::Args),
    /// Read, verify, rotate and export the audit trail.
    #[command(subcommand)]
    Audit(audit::Verb),
    /// Make a policy of what another program's rules say.
    #[command(subcommand)]
    Import(import::Verb),
    /// Write what a policy knows for other programs.
    #[command(subcommand)]
    Export(export::Verb),
    /// Put the hooks into repositories, take them out, say where they are.
    Repo(repo::RepoArgs),
    /// Look for what fails open or is broken, each finding with its cure; exit code 1 if anything
    /// does or is.
    Doctor(doctor::DoctorArgs),
    /// Settle pushes that were cut short (a client killed, a server restarted), and deliver notices
    /// that are due: run it from a timer. Says nothing when there is nothing to do.
    Sweep(sweep::Args),
    /// The state folder on this host: make its files, accept the clock.
    #[command(subcommand)]
    Store(store::Verb),
    /// What sshd runs for whoever came in with a key: serves git, and answers what people ask over
    /// ssh. Written into `authorized_keys` by `ssh-keys`; nobody types it.
    Ssh(ssh::Args),
    /// Tell sshd whose a key is (AuthorizedKeysCommand), or write an `authorized_keys` file.
    SshKeys(ssh_keys::Args),
    /// The HTTP door: a CGI that a web server runs in front of git-http-backend; nobody types it.
    #[command(after_help = http::HELP)]
    Http,
    /// Print completions for a shell.
    Completions(shell::CompletionsArgs),
    /// Print the manual page, or write all of them into a folder.
    Man(shell::ManArgs),
}

/// Runs the command line of this process; the exit code is the answer.
#[must_use]
pub fn main() -> std::process::ExitCode {
    if crate::door::http::is_called(&crate::os::env::arguments()) {
        return http::run();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            return std::process::ExitCode::from(code as u8);
        }
    };
    if matches!(cli.verb, Verb::Http) {
        return http::run();
    }
    let out = Out::new(cli.json);
    let exit = match run(&cli.verb, &out) {
        Ok(exit) => exit,
        Err(error) => fail(&error, &out),
    };
    std::process::ExitCode::from(exit as u8)
}

fn run(verb: &Verb, out: &Out) -> anyhow::Result<Exit> {
    match verb {
        Verb::Policy(verb) => policy::run(verb, out),
        Verb::Who(args) => who::run(args, out),
        Verb::Access(args) => access::run(args, out),
        Verb::Lock(args) => access::lock::run(args, out),
        Verb::Unlock(args) => access::lock::unlock(args, out),
        Verb::Token(args) => token::run(args, out),
        Verb::Audit(verb) => audit::run(verb, out),
        Verb::Import(verb) => import::run(verb, out),
        Verb::Export(verb) => export::run(verb, out),
        Verb::Repo(args) => repo::run(args, out),
        Verb::Doctor(args) => doctor::run(args, doctor::APPLIED, out),
        Verb::Sweep(args) => sweep::run(args, out),
        Verb::Store(verb) => store::run(verb, out),
        Verb::Ssh(args) => Ok(ssh::run(args)),
        Verb::SshKeys(args) => ssh_keys::run(args, out),
        // Taken before: its standard output is an answer by HTTP, whatever goes wrong.
        Verb::Http => Ok(Exit::Usage),
        Verb::Completions(args) => shell::completions(args, &mut Cli::command()),
        Verb::Man(args) => shell::man(args, Cli::command(), out),
    }
}

/// An error that knows how the command ends.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub struct Failure {
    /// What to tell.
    pub words: String,
    /// How to end.
    pub exit: Exit,
    /// Whether it is refused for what was done under the same idempotency key before.
    pub is_conflict: bool,
}

impl Failure {
    /// Words and an exit code.
    pub fn new(exit: Exit, words: impl Into<String>) -> Self {
        Self { words: words.into(), exit, is_conflict: false }
    }

    /// An idempotency key stands for something else already.
    pub fn conflict(words: impl Into<String>) -> Self {
        Self { is_conflict: true, ..Self::new(Exit::Refused, words) }
    }
}

/// An error with its causes, each of them once.
fn said(error: &anyhow::Error) -> String {
    let mut words = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Many errors hold the words of their cause already.
        if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

/// Prints an error with its causes, one line: what was being done, then why it failed.
fn fail(error: &anyhow::Error, out: &Out) -> Exit {
    let words = crate::text::Safe::new(said(error).as_bytes(), 4000);
    if out.json {
        out.value(&serde_json::json!({ "error": words.as_str() }));
    }
    out.note(format!("error: {words}"));
    error.downcast_ref::<Failure>().map_or(Exit::Failed, |failure| failure.exit)
}
