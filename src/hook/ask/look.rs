//! What a refused push brings, looked at when access is asked for, so that an approver need not
//! trust the asker's words. Nothing is decided by it, so what can't be read is left out.

use crate::access::seen::{Brought, MAX_COMMITS, Room, Seen};
use crate::git::{Changed, Limits};
use crate::hook::ruling::Ruling;
use crate::os::clock;
use crate::push::RefUpdate;
use std::time::Duration;

/// Most refs of a push that are looked at.
const MAX_REFS: usize = 10;
/// Most commits that may be new on one ref; those of the old value cost time only.
const MAX_WALK: u32 = 20_000;
/// Most changed paths that are counted.
const MAX_PATHS: u32 = 10_000;
/// What they may take in memory, in bytes.
const MAX_PATH_BYTES: u64 = 16 << 20;
/// How long all of it may take.
const BUDGET: Duration = Duration::from_secs(3);

/// Adds to each of `seen` what its update brings.
pub(super) fn look(ruling: &mut Ruling<'_>, updates: &[RefUpdate], seen: &mut [Seen]) {
    let end = clock::now().boot.saturating_add(BUDGET);
    let expired = || clock::now().boot >= end;
    let limits = Limits {
        max_commits: MAX_WALK,
        max_paths: MAX_PATHS,
        max_path_bytes: MAX_PATH_BYTES,
        expired: &expired,
    };
    let mut room = Room::default();
    for one in seen.iter_mut().take(MAX_REFS) {
        let update = updates.iter().find(|update| update.name.to_string() == one.name);
        one.brought = update.and_then(|update| brought(ruling, update, &limits, &mut room));
    }
}

fn brought(
    ruling: &mut Ruling<'_>,
    update: &RefUpdate,
    limits: &Limits<'_>,
    room: &mut Room,
) -> Option<Brought> {
    let base = ruling.base().ok()?;
    let most = usize::try_from(MAX_COMMITS).ok()?;
    let history = ruling.reader.brought(update, base, most, limits).ok()??;
    let (authors, more_authors) = room.authors(history.authors.iter().map(|one| one.as_slice()));
    let (files, more_files) = match ruling.reader.changed(update, base, limits) {
        Ok(Changed::Known(paths)) => {
            let (files, more) = room.files(paths.iter().map(|one| one.path.as_slice()));
            (files, Some(more))
        }
        _ => (Vec::new(), None),
    };
    Some(Brought {
        commits: history.commits,
        more_commits: history.more,
        authors,
        more_authors,
        files,
        more_files,
    })
}
