//! `post-receive`: records what landed, and closes the slip. It never changes the outcome.

use super::desk::Desk;
use super::judge::{self, Known, MAX_REFS};
use super::{End, Refusal, foreign, record, settle};
use crate::audit::Event;
use crate::os::syslog::{self, Severity};
use crate::os::{env, faults, files};
use crate::push::line;
use crate::store::slip::{self, Key, Slip};
use std::path::{Path, PathBuf};

/// Longest list of refs on stdin, in bytes.
const MAX_STDIN: usize = 64 << 20;

/// Runs the hook. What fails goes to syslog; git has moved the refs already.
///
/// # Errors
/// None; it has the form of the other hooks.
pub fn main() -> Result<End, Refusal> {
    faults::point("post-receive-started");
    let stdin = files::read_stdin(MAX_STDIN).unwrap_or_default();
    if let Err(words) = landed(&stdin) {
        let _ = syslog::send(Severity::Error, &format!("post-receive: {words}"));
    }
    faults::point("post-receive-recorded");
    let argv0 = env::arguments().into_iter().next().map(PathBuf::from).unwrap_or_default();
    if let Err(refusal) = foreign::run(&argv0, &[], Some(&stdin)) {
        let _ = syslog::send(Severity::Warning, &refusal.for_admin());
    }
    Ok(End::Go)
}

fn landed(stdin: &[u8]) -> Result<(), String> {
    let desk = Desk::open().map_err(|refusal| refusal.for_admin())?;
    let slip = read_slip(&desk);
    let format = stdin.iter().position(|&b| b == b' ').map_or(40, |at| at);
    let format = if format == 64 { gix::hash::Kind::Sha256 } else { gix::hash::Kind::Sha1 };
    let updates = line::parse(stdin, format, MAX_REFS).map_err(|problems| {
        problems.first().map(|problem| problem.fault.to_string()).unwrap_or_default()
    })?;
    let here = std::fs::canonicalize(".").map_err(|error| error.to_string())?;
    let repository = judge::repository(&desk.site.root, &here);
    let known = Known { updates, repository, ..Known::default() };
    let mut line = record::begin(&desk, Event::PUSH_LANDED, &known);
    if let (Some(slip), Some(push)) = (&slip, &mut line.push) {
        push.id = Some(crate::audit::Text::new(&slip.head.push));
    }
    desk.trail().append(&line, desk.now.wall).map_err(|error| error.to_string())?;
    if let Some(slip) = slip {
        slip::close(&desk.site.state, &slip.head.key).map_err(|error| error.to_string())?;
    }
    settle::own_repository(&desk);
    Ok(())
}

fn read_slip(desk: &Desk) -> Option<Slip> {
    let service = desk.service.as_ref()?;
    let key = Key::new(service, Path::new(".")).ok()?;
    slip::read(&desk.site.state, &key).ok()
}
