//! git-http-backend, as the door starts it.
//!
//! Knows the variables that it needs and where it lies. Every one is written anew from what was
//! parsed and checked: nothing of the web server's environment is passed on, so that git can't read
//! a request in another way than the door did.

use super::request::{Body, Method, Part, Request, content_type};
use super::who::Person;
use crate::door::place::Place;
use crate::door::serve::{self, Service};
use crate::hook::desk::Desk;
use crate::pusher::Source;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The command that serves `part` of `place`, without the proof for the hooks.
#[must_use]
pub fn command(
    desk: &Desk,
    request: &Request,
    person: Option<&Person>,
    (place, part): (&Place, &Part),
) -> Command {
    let home = serve::home(&desk.site);
    let program = program();
    let mut command = match program.to_str() {
        Some(program) => serve::clean(program, &desk.site, &home),
        None => serve::clean("git", &desk.site, &home),
    };
    if program == Path::new("git") {
        command.arg("http-backend");
    }
    let path = [place.git_dir.as_os_str().as_bytes(), &part.path()].concat();
    command.env("PATH_TRANSLATED", OsStr::from_bytes(&path));
    command.env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("GIT_CONFIG_PARAMETERS", closed(part));
    command.env("REQUEST_METHOD", method(request.method));
    command.env("QUERY_STRING", part.query());
    command.envs(request.address.map(|address| ("REMOTE_ADDR", address.to_string())));
    if let Some(person) = person {
        command.env("REMOTE_USER", remote_user(desk, request, person));
    }
    let protocol = request.protocol.clone().map(OsString::from_vec);
    command.envs(serve::protocol(protocol).map(|protocol| ("GIT_PROTOCOL", protocol)));
    if let Part::Exchange(service) = part {
        body(&mut command, &request.body, *service);
    }
    command
}

/// git knows no difference between the two.
fn method(method: Method) -> &'static str {
    if method == Method::Head { "GET" } else { method.as_str() }
}

/// The length is not told: of a body that ends before it, git-http-backend reads nothing forever, at
/// the whole of a processor. Without it the input is read to its end, by whoever needs it.
fn body(command: &mut Command, body: &Body, service: Service) {
    command.env("CONTENT_TYPE", content_type(service));
    if body.is_gzip {
        command.env("HTTP_CONTENT_ENCODING", "gzip");
    }
}

/// Settings that close every way but the one that was asked for and checked, whatever the
/// repository's own say. What is asked for stays as they say.
///
/// In the form that git before 2.31 reads as well.
fn closed(part: &Part) -> String {
    let service = match part {
        Part::File(_) => None,
        part => Some(part.service()),
    };
    let ways = [
        ("http.getanyfile", None),
        ("http.uploadpack", Some(Service::UploadPack)),
        ("http.receivepack", Some(Service::ReceivePack)),
        ("http.uploadarchive", Some(Service::UploadArchive)),
    ];
    let shut = ways.iter().filter(|(_, way)| *way != service);
    let shut: Vec<String> = shut.map(|(name, _)| format!("'{name}=false'")).collect();
    shut.join(" ")
}

/// What the source `remote-user` calls the person, so that hooks which read it as well agree.
fn remote_user(desk: &Desk, request: &Request, person: &Person) -> OsString {
    let user = &person.visitor.user;
    if let (Source::RemoteUser, Some(given)) = (&person.source, &request.remote_user) {
        return OsString::from_vec(given.clone());
    }
    let known = desk.policy.user(user).ok().flatten();
    let names = known.and_then(|known| known.declared.names.get("remote-user").cloned());
    let name = names.and_then(|names| names.first().cloned());
    name.map_or_else(|| user.to_string(), Into::into).into()
}

/// git-http-backend of the first git on the path; `git` itself where it does not lie as usual.
fn program() -> PathBuf {
    let folders = serve::PATH.split(':').map(Path::new);
    let git = folders.map(|folder| folder.join("git")).find(|git| git.is_file());
    let real = git.and_then(|git| std::fs::canonicalize(git).ok());
    let prefix = real.as_deref().and_then(|git| git.parent()?.parent());
    let usual = ["libexec/git-core/git-http-backend", "lib/git-core/git-http-backend"];
    let found = prefix
        .and_then(|prefix| usual.iter().map(|path| prefix.join(path)).find(|path| path.is_file()));
    found.unwrap_or_else(|| PathBuf::from("git"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_but_the_one_that_was_checked_is_closed() {
        let file = closed(&Part::File(b"HEAD".to_vec()));
        assert_eq!(
            file,
            "'http.uploadpack=false' 'http.receivepack=false' 'http.uploadarchive=false'"
        );
        let push = closed(&Part::Exchange(Service::ReceivePack));
        assert_eq!(
            push,
            "'http.getanyfile=false' 'http.uploadpack=false' 'http.uploadarchive=false'"
        );
        let read = closed(&Part::Advertisement(Service::UploadPack));
        assert!(!read.contains("uploadpack") && read.contains("getanyfile"));
    }

    #[test]
    fn the_program_is_there() {
        let program = program();
        assert!(program.is_absolute() && program.ends_with("git-http-backend"), "{program:?}");
    }
}
