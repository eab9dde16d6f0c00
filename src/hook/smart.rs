//! Smart commits: which landed commits are to tell Jira something, and what.
//!
//! Knows the way from a push to the outbox. pre-receive notes who pushes what; post-receive, or the
//! sweep where that was killed, notes what landed; beside the push the commits are read and what they
//! say is put into the outbox, each command once. Nothing here ever refuses or holds up a push.

mod outbox;
mod taker;

pub use outbox::file;
pub use taker::Taker;

use super::charge;
use super::desk::{Desk, Payload};
use super::judge::Known;
use crate::os::files::FileError;
use crate::os::syslog::{self, Severity};
use crate::policy::compiled::Compiled;
use crate::policy::model::SmartCommits;
use crate::policy::scope::Ground;
use crate::store::jira_note::{self, By, Landing};
use crate::store::slip::{Key, SlipRef};
use std::path::Path;

/// The settings, where smart commits are on.
fn settings(policy: &Compiled<Payload>) -> Option<&SmartCommits> {
    policy.settings().jira.as_ref()?.smart.as_ref()
}

/// Notes a push that may land: `refs` are those that it may move.
pub(super) fn intend(
    desk: &Desk,
    known: &Known,
    ground: &Ground,
    refs: impl FnOnce() -> Vec<SlipRef>,
) {
    let Some(smart) = settings(&desk.policy) else { return };
    let projects = &ground.project.jira_keys;
    let (Some(pusher), false) = (&known.pusher, projects.is_empty()) else { return };
    let mut refs = refs();
    refs.retain(|one| !one.new.is_null() && smart.governs(&one.name));
    if refs.is_empty() {
        return;
    }
    let repository = known.repository.as_deref().unwrap_or_default();
    let landing = Landing {
        push: desk.id.clone(),
        at: desk.wall(),
        folder: known.git_dir.clone(),
        repository: String::from_utf8_lossy(repository).into_owned(),
        user: pusher.user.to_string(),
        evidence: pusher.source.to_string(),
        projects: projects.clone(),
        refs,
        landed: false,
        by: desk.service.as_ref().map(By::from),
    };
    warn(name(desk, known).and_then(|name| jira_note::keep(&desk.site.state, &name, &landing)));
}

/// Notes what of the push landed, and starts the work beside us.
pub(super) fn landed(desk: &Desk, known: &Known) {
    if settings(&desk.policy).is_none() {
        return;
    }
    let state = &desk.site.state;
    let noted = name(desk, known).map(|name| {
        let noted = jira_note::read(state, &name);
        noted.map(|noted| (name, noted))
    });
    let (name, mut noted) = match noted {
        Ok(Some(noted)) => noted,
        Ok(None) => return,
        Err(error) => return warn(Err(error)),
    };
    noted.refs.retain(|one| {
        let same = |name: &[u8]| name == one.name.as_slice();
        known.updates.iter().any(|update| same(update.name.as_bytes()))
    });
    noted.landed = true;
    warn(jira_note::keep(state, &name, &noted));
    if let Err(error) = crate::notify::detach() {
        let words = format!("smart commits wait for the next sweep: {error}");
        let _ = syslog::send(Severity::Warning, &words);
    }
}

/// What a push's note is called: by its receive-pack, or by what it does where none can be seen.
fn name(desk: &Desk, known: &Known) -> Result<String, FileError> {
    match &desk.service {
        Some(service) => Ok(Key::new(service, Path::new("."))?.file_name()),
        None => {
            let key = charge::key_of(&known.git_dir, &known.updates);
            Ok(key.strip_prefix("d:").unwrap_or(&key).to_owned())
        }
    }
}

fn warn(done: Result<(), FileError>) {
    if let Err(error) = done {
        let _ = syslog::send(Severity::Warning, &format!("smart commits: {error}"));
    }
}
