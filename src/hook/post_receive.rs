//! `post-receive`: records what landed, and closes the slip. It never changes the outcome.

use super::desk::Desk;
use super::judge::{self, Known, MAX_REFS};
use super::{End, Refusal, charge, foreign, ledger, policy_push, record, say, settle, smart};
use crate::access::{Id, notice};
use crate::audit::{Event, RefRecord};
use crate::os::syslog::{self, Severity};
use crate::os::{env, faults, files};
use crate::push::line;
use crate::pusher::Source;
use crate::report;
use crate::store::promise;
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
    let recorded = desk.trail().append(&line, desk.now.wall);
    faults::point("post-receive-landed");
    let applied = policy_push::landed(&desk, known.repository.as_deref(), &known.updates);
    say(&report::facts(&applied, desk.policy.settings().sources.contains(&Source::Gitlab)));
    recorded.map_err(|error| error.to_string())?;
    let known = Known { git_dir: here.into_os_string().into_vec(), ..known };
    smart::landed(&desk, &known);
    spend(&desk, slip.as_ref(), &known, &line.refs)?;
    if let Some(slip) = slip {
        slip::close(&desk.site.state, &slip.head.key).map_err(|error| error.to_string())?;
    }
    settle::own_repository(&desk);
    Ok(())
}

/// Turns the uses that were put aside for this push into spent ones, and writes down under which
/// grants it landed. Without a slip (no receive-pack is above us) a note tells which, found by what
/// the push did.
fn spend(
    desk: &Desk,
    slip: Option<&Slip>,
    known: &Known,
    refs: &[RefRecord],
) -> Result<(), String> {
    let Some(lent) = rests_on(desk, slip, known)? else { return Ok(()) };
    let store = desk.store_for_change().map_err(|error| error.to_string())?;
    let Some(store) = store else { return Ok(()) };
    let used = settle::Used { key: &lent.key, push: &lent.push, refs };
    let books = settle::Books { site: &desk.site, policy: &desk.policy, store: store.as_ref() };
    settle::end(books, &lent.grants, used, charge::Outcome::Landed)?;
    promise::forget(&desk.site.state, &lent.key);
    if notice::is_told(&desk.policy.settings().notify, Event::ACCESS_USED.as_str()) {
        ledger::tell_later(&desk.policy);
    }
    store.unregister(&lent.key).map_err(|error| error.to_string())
}

/// What a push rested on.
struct Lent {
    key: String,
    push: String,
    grants: Vec<Id>,
}

/// `None` for a push by standing rights: it opens no store.
fn rests_on(desk: &Desk, slip: Option<&Slip>, known: &Known) -> Result<Option<Lent>, String> {
    if let Some(slip) = slip {
        let key = match &slip.head.reserved {
            Some(reserved) => reserved.key.clone(),
            None => charge::key(&slip.head.push, desk.service.as_ref(), known),
        };
        let (push, grants) = (slip.head.push.clone(), slip.head.lent.clone());
        return Ok((!grants.is_empty()).then_some(Lent { key, push, grants }));
    }
    if desk.service.is_some() {
        return Ok(None);
    }
    let key = charge::key(&desk.id, None, known);
    if let Some(promise) = promise::read(&desk.site.state, &key) {
        return Ok(Some(Lent { key, push: promise.push, grants: promise.grants }));
    }
    // Put aside and not noted: by an earlier version, or the disk was full.
    let store = desk.store().map_err(|error| error.to_string())?;
    let grants = store.map(|store| settle::reserved_for(store.as_ref(), &key)).transpose()?;
    let push = desk.id.clone();
    Ok(grants.filter(|grants| !grants.is_empty()).map(|grants| Lent { key, push, grants }))
}

fn read_slip(desk: &Desk) -> Option<Slip> {
    let service = desk.service.as_ref()?;
    let key = Key::new(service, Path::new(".")).ok()?;
    slip::read(&desk.site.state, &key).ok()
}
