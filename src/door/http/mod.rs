//! `refwarden http`: the HTTP door, a CGI in front of git-http-backend.
//!
//! Knows the order: what is asked for, who asks, whether they may, then becomes git. Refwarden's own
//! interface for programs is not known here, only where it lies and that it answers. The parts know
//! the rest: [`request`] what an address means, [`who`] who sends it, [`answer`] the words. Who may
//! not read learns the same of a repository that is there as of one that is not.

pub mod answer;
mod backend;
pub mod credentials;
pub mod request;
pub mod who;

use super::place::{self, Place};
use super::reading::{self, Reading};
use super::record;
use super::rest::Rest;
use super::serve::{self, ServeError, Service};
use crate::code::Code;
use crate::hook::Refusal;
use crate::hook::desk::Desk;
use crate::os::env;
use crate::os::syslog::{self, Severity};
use crate::pusher::proof::Door;
use crate::pusher::token::Scope;
use answer::Answer;
use request::{Bad, Method, Part, Request, Wanted};
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;
use who::Person;

/// Most bytes of a body that are taken in for an answer without git.
const MAX_DRAINED: u64 = 4 * 1024 * 1024;
/// How long that may take.
const DRAINING: Duration = Duration::from_secs(2);

/// Refwarden's own interface for programs: answers a request for what follows [`request::API`].
pub type Api = fn(&Desk, &Request, &[u8]) -> Answer;

/// The name by which a web server may run the door without an argument.
const NAME: &[u8] = b"refwarden-http";

/// Whether this program was started as the door, by `refwarden-http`.
///
/// Web servers make arguments out of a query without `=` (RFC 3875, section 4.4), so by this name
/// none counts.
#[must_use]
pub fn is_called(arguments: &[OsString]) -> bool {
    let name = arguments.first().and_then(|name| Path::new(name).file_name());
    name.is_some_and(|name| name.as_bytes() == NAME)
}

/// Serves the request that a web server put into this process's environment: becomes git, or
/// answers itself.
#[must_use]
pub fn run(rest: &Rest) -> ExitCode {
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
            let answer = std::panic::catch_unwind(|| serve(&request, rest));
            (answer.unwrap_or_else(|_| failed(&Refusal::defect())), has_body)
        }
        Ok(Err(Bad::NoRequest)) => return not_a_cgi(),
        Ok(Err(bad)) => (Answer::bad(bad), true),
        Err(_) => (failed(&Refusal::defect()), true),
    };
    let path = env::variable("PATH_INFO").map(OsStringExt::into_vec);
    let is_api = path.is_some_and(|path| path.starts_with(request::API));
    let answer = if is_api { answer.for_programs() } else { answer };
    match answer.write(&mut std::io::stdout().lock(), has_body) {
        Ok(()) => {
            drain();
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}

/// Takes in what the client still sends: nginx answers 502 in our place where nobody does. Bounded
/// by what git sends without asking first (`http.postBuffer`), and in time, for anybody can send.
fn drain() {
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut rest = std::io::stdin().lock().take(MAX_DRAINED);
        let _ = std::io::copy(&mut rest, &mut std::io::sink());
        let _ = done.send(());
    });
    // The thread ends with the process.
    let _ = is_done.recv_timeout(DRAINING);
}

fn not_a_cgi() -> ExitCode {
    crate::hook::say(&format!("error: {}\n", Bad::NoRequest));
    ExitCode::from(2)
}

/// Returns only where the door answers itself.
fn serve(request: &Request, rest: &Rest) -> Answer {
    let desk = match Desk::open_at_door() {
        Ok(desk) => desk,
        Err(refusal) => return failed(&refusal),
    };
    let command = match &request.wanted {
        Wanted::Git { repository, part } => admitted(&desk, rest, request, (repository, part)),
        Wanted::Api(address) => Err(match rest.api {
            Some(api) => api(&desk, request, address),
            None => failed(&Refusal::defect()),
        }),
    };
    match command {
        Ok(command) => failed(&server(&serve::becoming(command))),
        Err(answer) => answer,
    }
}

/// The command that serves the request, if it may be served.
fn admitted(
    desk: &Desk,
    rest: &Rest,
    request: &Request,
    (asked, part): (&[u8], &Part),
) -> Result<Command, Answer> {
    let person = who::identify(desk, rest, request)?;
    let person = person.as_ref();
    let service = part.service();
    match person {
        None if service == Service::ReceivePack => return Err(who_are_you(desk)),
        None => {}
        Some(person) => check_scope(person, service)?,
    }
    let (place, reading) = readable(desk, rest, person, (asked, part))?;
    if service == Service::ReceivePack {
        let guarded = serve::is_guarded(&desk.site, &place);
        if !guarded.map_err(|error| failed(&server(&error)))? {
            return Err(unguarded());
        }
    }
    if tells(request, part) {
        let told = record::allowed(desk, rest, line(person, part), &place, &reading);
        told.map_err(|refusal| failed(&refusal))?;
    }
    let mut command = backend::command(desk, request, person, (&place, part));
    if let (Part::Exchange(Service::ReceivePack), Some(person)) = (part, person)
        && person.held.is_some()
    {
        let proof = serve::proof(&desk.site, Door::Http, &person.visitor, &place);
        command.envs(proof.map_err(|error| failed(&server(&error)))?);
    }
    Ok(command)
}

/// What a token is not for is refused before anything is looked for.
fn check_scope(person: &Person, service: Service) -> Result<(), Answer> {
    let needed = match service {
        Service::ReceivePack => Scope::Push,
        Service::UploadPack | Service::UploadArchive => Scope::Read,
    };
    if person.held.as_ref().is_none_or(|held| held.may(needed)) {
        return Ok(());
    }
    let words = format!("error: refused by refwarden: your token has no scope `{}`", needed.word());
    Err(Answer::forbidden([words.as_str(), &person.line()]))
}

/// The repository, if it is there and may be read; the same answer where either is not so.
fn readable(
    desk: &Desk,
    rest: &Rest,
    person: Option<&Person>,
    (asked, part): (&[u8], &Part),
) -> Result<(Place, Reading), Answer> {
    let place = place::find(&desk.site.root, asked);
    let name = place.as_ref().map_or_else(|| place::bare(asked), |place| &place.name);
    let user = person.map(|person| &person.visitor.user);
    // Asked for what is not there as well: what can fail on the way fails for both alike.
    let reading = reading::may_read(desk, rest, user, name).map_err(|refusal| failed(&refusal))?;
    let is_covered =
        person.and_then(|person| person.held.as_ref()).is_none_or(|held| held.covers(name));
    let is_there = place.is_some();
    match place.filter(|_| reading.refused.is_none() && is_covered) {
        Some(place) => Ok((place, reading)),
        None => {
            if person.is_some() {
                let code = reading.refused.unwrap_or(match is_there {
                    true => Code::NoPermit,
                    false => Code::NoProject,
                });
                let project = reading.project.as_ref().filter(|_| is_there);
                let project = project.map(|name| name.as_str());
                record::refused(desk, line(person, part), asked, (code, project));
            }
            Err(unreadable(desk, person))
        }
    }
}

/// Whether the request tells something of the repository that no other line in the trail speaks of.
fn tells(request: &Request, part: &Part) -> bool {
    // As git will hear it.
    let protocol = serve::protocol(request.protocol.clone().map(OsString::from_vec));
    let is_second = protocol.is_some_and(|list| list.split(':').any(|one| one == "version=2"));
    match part {
        // The second protocol begins with what git can do; refs are asked for by themselves.
        Part::Advertisement(Service::UploadPack) => !is_second,
        // Every push has its line from the hooks.
        Part::Exchange(Service::ReceivePack) => false,
        _ => true,
    }
}

fn line<'a>(person: Option<&'a Person>, part: &Part) -> record::Request<'a> {
    let service = match part {
        Part::File(_) => None,
        part => Some(part.service()),
    };
    record::Request { who: person.map(|person| (&person.visitor, &person.source)), service }
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
    who::log_in(desk, "refwarden: log in; the password is a personal access token")
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
#[must_use]
pub fn failed(refusal: &Refusal) -> Answer {
    let _ = syslog::send(Severity::Warning, &refusal.for_admin());
    Answer::server(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_out_of_a_query_do_not_make_it_another_verb() {
        let called =
            |words: &[&str]| is_called(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(called(&["/usr/local/lib/refwarden/refwarden-http", "policy", "apply"]));
        assert!(called(&["refwarden-http"]));
        assert!(!called(&["refwarden", "refwarden-http"]));
        assert!(!called(&["/x/refwarden-http/refwarden", "http"]));
        assert!(!called(&[]));
    }
}
