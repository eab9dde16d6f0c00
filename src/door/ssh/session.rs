//! One command of somebody who came in by ssh: who it is, what is asked, then git.
//!
//! Knows the order of the steps, and how a refusal is told. What is no matter of git's is handed back
//! to whoever called.

use super::git;
use super::line::{self, Line, LineError};
use super::login::{self, Login};
use crate::code::Code;
use crate::door::record::{self, Request};
use crate::door::rest::Rest;
use crate::door::serve::Visitor;
use crate::hook::Refusal;
use crate::hook::desk::Desk;
use crate::os::env;
use crate::policy::name::UserName;
use crate::pusher::Source;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;

/// Why nothing was done.
#[derive(Debug)]
pub enum No {
    /// It may not be, or can't be told.
    Refused(Refusal),
    /// The command can't be taken apart.
    Line(LineError),
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl No {
    /// The exit code: 2 usage, 3 refused, 7 the server's own fault.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Line(_) => 2,
            Self::Refused(refusal) => {
                let code = refusal.code;
                if code.number() > 500 && code != Code::NoSlip { 7 } else { 3 }
            }
        }
    }

    /// Tells it: a git client in git's own form, a person on standard error.
    pub fn tell(&self, asked: &[u8]) {
        let words = match self {
            Self::Refused(refusal) => git::words(refusal),
            Self::Line(error) => format!("refwarden: {error}"),
        };
        if line::is_for_git(asked) {
            let mut stdout = std::io::stdout().lock();
            let _ = stdout.write_all(&git::error_packet(&words)).and_then(|()| stdout.flush());
        } else {
            let _ = writeln!(std::io::stderr().lock(), "{words}");
        }
    }
}

/// What the client asked for, as sshd tells it.
#[must_use]
pub fn asked() -> Vec<u8> {
    env::variable("SSH_ORIGINAL_COMMAND").map(OsStringExt::into_vec).unwrap_or_default()
}

/// Lets somebody in and becomes git; what else they ask for is `other`'s.
///
/// # Errors
/// [`No`]: they are not let in, or git is not started for them.
pub fn answer<T>(
    rest: &Rest,
    login: &Login,
    asked: &[u8],
    other: impl FnOnce(&Desk, &Visitor, Line) -> T,
) -> Result<T, No> {
    let desk = Desk::open_at_door()?;
    let line = line::parse(asked);
    let visitor = login::enter(&desk, login)
        .inspect_err(|refusal| shut(&desk, login, line.as_ref().ok(), refusal))?;
    match line.map_err(No::Line)? {
        Line::Git(service, repository) => {
            Err(git::serve(&desk, rest, &visitor, (service, &repository)).into())
        }
        line => Ok(other(&desk, &visitor, line)),
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
