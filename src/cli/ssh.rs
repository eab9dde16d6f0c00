//! `refwarden ssh`: the forced command. Orders the steps of the ssh door: who it is, what is asked,
//! then git or one of refwarden's own verbs.
//!
//! [`verbs`] has what people may ask for, [`page`] what they see who ask for nothing.

mod page;
mod verbs;

use super::exit::Exit;
use crate::code::Code;
use crate::door::record::{self, Request};
use crate::door::serve::Visitor;
use crate::door::ssh::git;
use crate::door::ssh::line::{self, Line, LineError};
use crate::door::ssh::login::{self, Login};
use crate::hook::Refusal;
use crate::hook::desk::Desk;
use crate::os::env;
use crate::policy::name::UserName;
use crate::pusher::Source;
use chrono::{DateTime, Utc};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;

/// Arguments of `ssh`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "In authorized_keys, one line a key (or let `refwarden ssh-keys` write them):\n  \
    restrict,command=\"/usr/local/lib/refwarden/refwarden ssh bob --key SHA256:...\" ssh-ed25519 AAAA...\n\
    People then use:  git clone ssh://git@HOST/NAME   and:  ssh git@HOST help"
)]
pub struct Args {
    /// Whose key it is: the user's name in the policy.
    user: String,
    /// The key's fingerprint; it must still be that user's in the applied policy.
    #[arg(long, value_name = "FINGERPRINT")]
    key: Option<String>,
    /// The authority's fingerprint, where a certificate opened the door; it must still be listed.
    #[arg(long, value_name = "FINGERPRINT", requires = "key")]
    ca: Option<String>,
    /// The certificate's end: from then on nothing is let through.
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    until: Option<DateTime<Utc>>,
}

fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    let time = DateTime::parse_from_rfc3339(text).map_err(|error| error.to_string())?;
    Ok(time.with_timezone(&Utc))
}

/// Runs the verb; git takes this process's place where it is served.
#[must_use]
pub fn run(args: &Args) -> Exit {
    let asked = env::variable("SSH_ORIGINAL_COMMAND").map(OsStringExt::into_vec);
    let asked = asked.unwrap_or_default();
    match answer(args, &asked) {
        Ok(exit) => exit,
        Err(No::Refused(refusal)) => {
            tell(&git::words(&refusal), &asked);
            exit_of(refusal.code)
        }
        Err(No::Line(error)) => {
            tell(&format!("refwarden: {error}"), &asked);
            Exit::Usage
        }
    }
}

/// Why nothing was done.
enum No {
    Refused(Refusal),
    Line(LineError),
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn answer(args: &Args, asked: &[u8]) -> Result<Exit, No> {
    let desk = Desk::open()?;
    let login = Login {
        user: args.user.clone(),
        key: args.key.clone(),
        ca: args.ca.clone(),
        until: args.until,
    };
    let line = line::parse(asked);
    let visitor = login::enter(&desk, &login)
        .inspect_err(|refusal| shut(&desk, &login, line.as_ref().ok(), refusal))?;
    match line.map_err(No::Line)? {
        Line::Git(service, repository) => {
            Err(git::serve(&desk, &visitor, service, &repository).into())
        }
        Line::Nothing => Ok(verbs::guarded(&desk, false, || page::show(&desk, &visitor))),
        Line::Verb(words) => Ok(verbs::run(&desk, &visitor, &words)),
    }
}

/// Records that somebody was not let in: by name only where the policy knows it.
fn shut(desk: &Desk, login: &Login, line: Option<&Line>, refusal: &Refusal) {
    let (service, asked): (_, &[u8]) = match line {
        Some(Line::Git(service, repository)) => (Some(*service), repository),
        _ => (None, b""),
    };
    let known = UserName::parse(&login.user).ok().filter(|_| refusal.code == Code::InactiveUser);
    let visitor =
        known.map(|user| Visitor { user, key: login.key.clone(), address: None, until: None });
    let who = visitor.as_ref().map(|visitor| (visitor, &Source::Ssh));
    record::refused(desk, Request { who, service }, asked, (refusal.code, None));
}

/// A git client is told in git's own form, a person on standard error.
fn tell(words: &str, asked: &[u8]) {
    if line::is_for_git(asked) {
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(&git::error_packet(words)).and_then(|()| stdout.flush());
    } else {
        let _ = writeln!(std::io::stderr().lock(), "{words}");
    }
}

/// The server's own faults are told from refusals.
fn exit_of(code: Code) -> Exit {
    if code.number() > 500 && code != Code::NoSlip { Exit::Unavailable } else { Exit::Refused }
}
