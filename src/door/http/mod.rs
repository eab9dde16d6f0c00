//! `refwarden http`: the HTTP door, a CGI in front of git-http-backend.
//!
//! Knows the order: what is asked for, who asks, whether they may, then becomes git. The parts know
//! the rest: [`request`] what an address means, [`who`] who sends it, [`answer`] the words. Who may
//! not read learns the same of a repository that is there as of one that is not.

mod answer;
mod backend;
pub mod credentials;
pub mod request;
mod who;

use super::place::{self, Place};
use super::reading;
use super::serve::{self, ServeError, Service};
use crate::code::Code;
use crate::hook::Refusal;
use crate::hook::desk::Desk;
use crate::os::env;
use crate::os::syslog::{self, Severity};
use crate::pusher::Source;
use crate::pusher::proof::Door;
use answer::Answer;
use request::{Bad, Method, Part, Request, Wanted};
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, ExitCode};
use who::Person;

/// Serves the request that a web server put into this process's environment: becomes git, or
/// answers itself.
#[must_use]
pub fn run() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let _ = syslog::send(Severity::Error, &format!("defect at {place}"));
    }));
    let parsed = std::panic::catch_unwind(|| {
        Request::parse(&|name| env::variable(name).map(OsStringExt::into_vec))
    });
    let (answer, has_body) = match parsed {
        Ok(Ok(request)) => {
            let has_body = request.method != Method::Head;
            let answer = std::panic::catch_unwind(|| serve(&request));
            (answer.unwrap_or_else(|_| failed(&Refusal::defect())), has_body)
        }
        Ok(Err(Bad::NoRequest)) => return not_a_cgi(),
        Ok(Err(bad)) => (Answer::bad(bad), true),
        Err(_) => (failed(&Refusal::defect()), true),
    };
    match answer.write(&mut std::io::stdout().lock(), has_body) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn not_a_cgi() -> ExitCode {
    crate::hook::say(&format!("error: {}\n", Bad::NoRequest));
    ExitCode::from(2)
}

/// Returns only where the door answers itself.
fn serve(request: &Request) -> Answer {
    let desk = match Desk::open() {
        Ok(desk) => desk,
        Err(refusal) => return failed(&refusal),
    };
    let command = match &request.wanted {
        Wanted::Git { repository, part } => admitted(&desk, request, repository, part),
        Wanted::Api(_) => Err(Answer::bad(Bad::NoSuchAddress)),
    };
    match command {
        Ok(command) => failed(&server(&serve::becoming(command))),
        Err(answer) => answer,
    }
}

/// The command that serves the request, if it may be served.
fn admitted(desk: &Desk, request: &Request, asked: &[u8], part: &Part) -> Result<Command, Answer> {
    let person = who::identify(desk, request)?;
    let service = part.service();
    if person.is_none() && service == Service::ReceivePack {
        return Err(who_are_you(desk));
    }
    let place = readable(desk, person.as_ref(), asked)?;
    let mut command = backend::command(desk, request, person.as_ref(), (&place, part));
    if let (Service::ReceivePack, Some(person)) = (service, &person) {
        if !serve::is_guarded(&desk.site, &place).map_err(|error| failed(&server(&error)))? {
            return Err(unguarded());
        }
        if *part == Part::Exchange(Service::ReceivePack) && person.source == Source::Http {
            let proof = serve::proof(&desk.site, Door::Http, &person.visitor, &place);
            command.envs(proof.map_err(|error| failed(&server(&error)))?);
        }
    }
    Ok(command)
}

/// The repository, if it is there and may be read; the same answer where either is not so.
fn readable(desk: &Desk, person: Option<&Person>, asked: &[u8]) -> Result<Place, Answer> {
    let place = place::find(&desk.site.root, asked);
    let name = place.as_ref().map_or(asked, |place| &place.name);
    let user = person.map(|person| &person.visitor.user);
    // Asked for what is not there as well: what can fail on the way fails for both alike.
    let reading = reading::may_read(desk, user, name).map_err(|refusal| failed(&refusal))?;
    match (place, reading.refused) {
        (Some(place), None) => Ok(place),
        _ => Err(unreadable(desk, person)),
    }
}

/// One text for what may not be read and for what is not there.
fn unreadable(desk: &Desk, person: Option<&Person>) -> Answer {
    let Some(person) = person else { return who_are_you(desk) };
    let who = person.line();
    let lines = [
        "error: refused by refwarden: there is no such repository, or you may not read it",
        who.as_str(),
    ];
    Answer::forbidden(lines.into_iter().chain(desk.policy.settings().help.as_deref()))
}

fn who_are_you(desk: &Desk) -> Answer {
    let settings = desk.policy.settings();
    let words = ["refwarden: log in; the password is a personal access token"];
    Answer::who_are_you(realm(desk), words.into_iter().chain(settings.help.as_deref()))
}

fn realm(desk: &Desk) -> &str {
    desk.policy.settings().name.as_deref().unwrap_or("git")
}

fn unguarded() -> Answer {
    Answer::forbidden([
        "error: refused by refwarden: its hooks do not run in this repository, so nothing can be pushed to it",
        "tell the server's admin: `refwarden doctor` shows what is wrong",
    ])
}

fn server(error: &ServeError) -> Refusal {
    let code = match error {
        ServeError::Key(_) | ServeError::Site(_) => Code::NotTrusted,
        _ => Code::Internal,
    };
    Refusal::server(code, error)
}

/// Tells the admin what went wrong, and the client that something did.
fn failed(refusal: &Refusal) -> Answer {
    let _ = syslog::send(Severity::Warning, &refusal.for_admin());
    Answer::server(refusal)
}
