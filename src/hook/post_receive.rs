//! `post-receive`: records what landed, and closes the slip. It never changes the outcome.

use super::desk::Desk;
use super::judge::{self, Known, MAX_REFS};
use super::{End, Refusal, charge, foreign, record, settle};
use crate::audit::Event;
use crate::os::syslog::{self, Severity};
use crate::os::{env, faults, files};
use crate::push::line;
use crate::store::access::AccessStore;
use crate::store::slip::{self, Key, Slip};
use std::os::unix::ffi::OsStringExt;
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
    faults::point("post-receive-landed");
    let known = Known { git_dir: here.into_os_string().into_vec(), ..known };
    spend(&desk, slip.as_ref(), &known)?;
    if let Some(slip) = slip {
        slip::close(&desk.site.state, &slip.head.key).map_err(|error| error.to_string())?;
    }
    settle::own_repository(&desk);
    Ok(())
}

/// Turns the uses that were put aside for this push into spent ones. Without a slip (no receive-pack
/// is above us) the push is found by what it did.
fn spend(desk: &Desk, slip: Option<&Slip>, known: &Known) -> Result<(), String> {
    let rests_on_a_grant = slip.is_some_and(|slip| !slip.head.lent.is_empty());
    let unknown = slip.is_none() && desk.service.is_none();
    if !rests_on_a_grant && !unknown {
        return Ok(());
    }
    let key = match slip.and_then(|slip| slip.head.reserved.as_ref()) {
        Some(reserved) => reserved.key.clone(),
        None => {
            let push = slip.map_or(&desk.id, |slip| &slip.head.push);
            charge::key(push, desk.service.as_ref(), known)
        }
    };
    let store = desk.store_for_change().map_err(|error| error.to_string())?;
    let Some(store) = store else { return Ok(()) };
    let grants = match slip.and_then(|slip| slip.head.reserved.as_ref()) {
        Some(reserved) => reserved.grants.clone(),
        None if unknown => settle::reserved_for(store.as_ref(), &key)?,
        None => Vec::new(),
    };
    let push = slip.map_or(desk.id.as_str(), |slip| slip.head.push.as_str());
    settle::end(desk_of(desk, store.as_ref()), (&grants, &key), charge::Outcome::Landed, push)?;
    store.unregister(&key).map_err(|error| error.to_string())
}

fn desk_of<'a>(desk: &'a Desk, store: &'a dyn AccessStore) -> settle::Books<'a> {
    settle::Books { site: &desk.site, policy: &desk.policy, store }
}

fn read_slip(desk: &Desk) -> Option<Slip> {
    let service = desk.service.as_ref()?;
    let key = Key::new(service, Path::new(".")).ok()?;
    slip::read(&desk.site.state, &key).ok()
}
