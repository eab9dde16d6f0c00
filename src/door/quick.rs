//! The doors' own program: serves git to whoever may have it by what the small files beside the store
//! say, and becomes `refwarden`, the program beside it, for everything else.
//!
//! sshd and the web server start it once a connection, so most of its time is that of starting a
//! program: it holds no command line, no SQLite and no client of anything. It understands what
//! `refwarden ssh` and `refwarden-http` do, and no other words.

use super::http;
use super::rest::{Kept, Rest};
use super::ssh::line::{self, Line};
use super::ssh::login::Login;
use super::ssh::session;
use crate::code::Code;
use crate::hook::Refusal;
use crate::hook::desk::Desk;
use crate::hook::lent::Access;
use crate::os::site::Site;
use crate::os::{child, env};
use crate::pusher::token::TokenId;
use chrono::{DateTime, Utc};
use std::ffi::OsString;
use std::process::ExitCode;

/// What this program can't answer.
const REST: Rest = Rest {
    store: |_: &Desk| -> Result<Access, Refusal> { Err(leave()) },
    version: |_| {
        leave();
        None
    },
    token: |_: &Desk, _: &TokenId| -> Result<Kept, Refusal> { Err(leave()) },
    token_refused: |_, _, _| {
        leave();
        false
    },
    api: Some(|_, _, _| http::failed(&leave())),
};

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = env::arguments();
    if http::is_called(&arguments) {
        return http::run(&REST);
    }
    if matches!(arguments.get(1..), Some([verb]) if verb == "http") {
        return http::run(&REST);
    }
    // Whoever takes over says what is wrong; no place of the source goes to the client.
    std::panic::set_hook(Box::new(|_| {}));
    let ended = std::panic::catch_unwind(|| serve(arguments.get(1..).unwrap_or_default()));
    if let Ok(Some(code)) = ended {
        return code;
    }
    let refusal = session::No::from(leave());
    refusal.tell(&session::asked());
    ExitCode::from(refusal.status())
}

/// Serves git over ssh; `None` where that is not what is asked for.
fn serve(arguments: &[OsString]) -> Option<ExitCode> {
    let login = login(arguments)?;
    let asked = session::asked();
    if !matches!(line::parse(&asked), Ok(Line::Git(..))) {
        return None;
    }
    let no = session::answer(&REST, &login, &asked, |_, _, _| ()).err()?;
    no.tell(&asked);
    Some(ExitCode::from(no.status()))
}

/// The words of `refwarden ssh`, in the forms in which `ssh-keys` writes them.
fn login(arguments: &[OsString]) -> Option<Login> {
    let words: Option<Vec<&str>> = arguments.iter().map(|word| word.to_str()).collect();
    let mut words = words?.into_iter();
    let user = match (words.next(), words.next()) {
        (Some("ssh"), Some(user)) if !user.starts_with('-') => user.to_owned(),
        _ => return None,
    };
    let mut login = Login { user, key: None, ca: None, principal: None, until: None };
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, value),
            None => (word, words.next().filter(|value| !value.starts_with('-'))?),
        };
        let empty = match name {
            "--key" => login.key.replace(value.to_owned()).is_none(),
            "--ca" => login.ca.replace(value.to_owned()).is_none(),
            "--principal" => login.principal.replace(value.to_owned()).is_none(),
            "--until" => login.until.replace(instant(value)?).is_none(),
            _ => false,
        };
        if !empty {
            return None;
        }
    }
    // What the whole program would not take either, it says in its own words.
    (login.ca.is_none() || (login.key.is_some() && login.principal.is_some())).then_some(login)
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc))
}

/// Becomes `refwarden`; returns only why that could not be.
fn leave() -> Refusal {
    let program = Site::program().unwrap_or_default();
    Refusal::server(Code::Internal, &child::become_whole(&program))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Login> {
        login(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn what_ssh_keys_writes_is_understood() {
        let login = read("ssh bob --key SHA256:abc").unwrap();
        assert_eq!((login.user.as_str(), login.key.as_deref()), ("bob", Some("SHA256:abc")));
        let all =
            "ssh bob --key SHA256:a --ca SHA256:c --principal=-b --until 2026-01-01T00:00:00Z";
        let login = read(all).unwrap();
        assert_eq!(
            (login.ca.as_deref(), login.principal.as_deref()),
            (Some("SHA256:c"), Some("-b"))
        );
        assert_eq!(login.until.unwrap().timestamp(), 1_767_225_600);
        assert!(read("ssh bob").is_some());
    }

    #[test]
    fn anything_else_is_left_to_the_whole_program() {
        for line in [
            "",
            "ssh",
            "http",
            "ssh --help",
            "ssh bob carol",
            "ssh bob --key",
            "ssh bob --key --ca",
            "ssh bob --key a --key b",
            "ssh bob --ca c",
            "ssh bob --key a --ca c",
            "ssh bob --until tomorrow",
            "ssh bob --until",
            "ssh bob --json",
            "policy apply",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
