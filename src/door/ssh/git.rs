//! Serves git over ssh: finds the repository, asks who may read it, and becomes git.
//!
//! Knows the order of the steps and the words of a refusal. A repository that is not there and one
//! that may not be read are answered alike, by the same steps.

use crate::code::Code;
use crate::door::place::{self, Place};
use crate::door::reading::{self, Reading};
use crate::door::record::{self, Request};
use crate::door::rest::Rest;
use crate::door::serve::{self, ServeError, Service, Visitor};
use crate::hook::Refusal;
use crate::hook::desk::Desk;
use crate::os::env;
use crate::os::syslog::{self, Severity};
use crate::policy::name::UserName;
use crate::pusher::Source;
use crate::pusher::proof::Door;
use crate::text::Safe;

/// Longest refusal, in bytes; git's lines may have 65 516.
const MAX_WORDS: usize = 900;
/// Longest name of a repository that is repeated to who asked for it, in bytes.
const MAX_NAME: usize = 200;

/// Serves `asked`; returns only where git was not started, and says why.
#[must_use]
pub fn serve(
    desk: &Desk,
    rest: &Rest,
    visitor: &Visitor,
    (service, asked): (Service, &[u8]),
) -> Refusal {
    let request = Request { who: Some((visitor, &Source::Ssh)), service: Some(service) };
    let found = place::find(&desk.site.root, asked);
    // What is not there is judged as well, so that neither time nor a failing store tells them apart.
    let name = found.as_ref().map_or_else(|| place::bare(asked), |place| &place.name);
    let reading = match reading::may_read(desk, rest, Some(&visitor.user), name) {
        Ok(reading) => reading,
        Err(refusal) => {
            record::refused(desk, request, name, (refusal.code, None));
            return refusal;
        }
    };
    let project = reading.project.as_ref().map(|project| project.as_str());
    match (&found, reading.refused) {
        (Some(place), None) => become_git(desk, rest, request, (place, &reading)),
        (Some(_), Some(code)) => {
            record::refused(desk, request, name, (code, project));
            hidden(asked, &visitor.user)
        }
        (None, _) => {
            record::refused(desk, request, asked, (Code::NoProject, None));
            hidden(asked, &visitor.user)
        }
    }
}

/// The same for what is not there and for what may not be read.
#[must_use]
pub fn hidden(asked: &[u8], user: &UserName) -> Refusal {
    let name = Safe::new(asked, MAX_NAME);
    let words = format!("there is no repository `{name}` that {user} may read");
    Refusal::new(Code::NoProject, [words])
}

fn become_git(
    desk: &Desk,
    rest: &Rest,
    request: Request<'_>,
    (place, reading): (&Place, &Reading),
) -> Refusal {
    let (Some((visitor, _)), Some(service)) = (request.who, request.service) else {
        return Refusal::defect();
    };
    let project = reading.project.as_ref().map(|project| project.as_str());
    let no = |refusal: Refusal| {
        record::refused(desk, request, &place.name, (refusal.code, project));
        refusal
    };
    let mut variables = Vec::new();
    if service == Service::ReceivePack {
        match serve::is_guarded(&desk.site, place) {
            Ok(true) => {}
            Ok(false) => return no(unguarded()),
            Err(error) => return no(failed(&error)),
        }
        match serve::proof(&desk.site, Door::Ssh, visitor, place) {
            Ok(proof) => variables = proof,
            Err(error) => return no(failed(&error)),
        }
    }
    if let Err(refusal) = record::allowed(desk, rest, request, place, reading) {
        return refusal;
    }
    let mut command = serve::clean("git", &desk.site, &serve::home(&desk.site));
    command.envs(variables);
    if let Some(protocol) = serve::protocol(env::variable("GIT_PROTOCOL")) {
        command.env("GIT_PROTOCOL", protocol);
    }
    command.arg(service.command());
    if service == Service::UploadPack {
        // This folder, and none that git would try by adding to its name.
        command.arg("--strict");
    }
    failed(&serve::becoming({
        command.arg(&place.git_dir);
        command
    }))
}

fn unguarded() -> Refusal {
    let words = "the hooks of this repository are not installed, so nothing would judge a push: \
                 tell the server's admin (`refwarden repo install`)";
    Refusal::new(Code::NoSlip, [words])
}

fn failed(error: &ServeError) -> Refusal {
    let code = match error {
        ServeError::Key(_) | ServeError::Site(_) => Code::NotTrusted,
        ServeError::Git(error) => error.code(),
        ServeError::File(_) | ServeError::Start(_) => Code::Internal,
    };
    Refusal::server(code, error)
}

/// A refusal in one line, and for the admin in the host's log where it is the server's fault.
#[must_use]
pub fn words(refusal: &Refusal) -> String {
    if refusal.admin.is_some() {
        let _ = syslog::send(Severity::Error, &format!("ssh door: {}", refusal.for_admin()));
    }
    let facts = refusal.details.join(b"; ".as_slice());
    let plain = facts.len() <= MAX_WORDS && facts.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let facts = match String::from_utf8(facts) {
        // Names in it were escaped already.
        Ok(facts) if plain => facts,
        Ok(facts) => Safe::new(facts.as_bytes(), MAX_WORDS).to_string(),
        Err(error) => Safe::new(error.as_bytes(), MAX_WORDS).to_string(),
    };
    match refusal.code {
        // Whose number tells nothing more than the words.
        Code::NoProject => format!("refwarden: {facts}"),
        code => format!("refwarden: {code} {}: {facts}", code.title()),
    }
}

/// The one line that git clients show as `remote error`, in place of git's first answer.
///
/// Source: git's Documentation/gitprotocol-pack, "error-line".
#[must_use]
pub fn error_packet(words: &str) -> Vec<u8> {
    let line = format!("ERR {words}");
    [format!("{:04x}", line.len() + 4).into_bytes(), line.into_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_packet_of_its_own_length() {
        assert_eq!(error_packet("no"), b"000aERR no");
        let long = words(&Refusal::new(Code::UnknownUser, ["x".repeat(100_000)]));
        assert!(error_packet(&long).len() < 2000 && long.contains("RW102"), "{long}");
    }

    #[test]
    fn nothing_of_a_name_reaches_the_client_raw() {
        let words =
            words(&hidden("a\x1b[2J\u{202e}\n0000".as_bytes(), &UserName::parse("bob").unwrap()));
        assert!(words.contains(r"`a\x1b[2J\u{202e}\x0a0000`"), "{words}");
    }

    #[test]
    fn a_fault_of_the_server_names_whom_to_tell_and_keeps_the_detail() {
        let error = std::io::Error::other("/var/lib/x is gone");
        let words = words(&Refusal::server(Code::Store, &error));
        assert!(words.contains("RW504") && words.contains("tell the server's admin"), "{words}");
        assert!(!words.contains("/var/lib"), "{words}");
    }
}
