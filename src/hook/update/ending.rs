//! The end of a push of which `update` refuses a ref for a reason that holds for all of them.
//!
//! Told once, with one line in the trail; later refs of the push find the mark on its slip. Refs that
//! were confirmed before have moved where git moves each after its `update` (before 2.51): they stay,
//! and the report names them. Where git first asks for all of them, none has; the client could put
//! off their moving for as long as it likes by not reading what is said of the later ones. So
//! receive-pack is ended then, and nothing of the push moves.

use super::{End, Refusal, desk, keep};
use crate::hook::{say, settle};
use crate::os::clock;
use crate::os::process::{self, ReceivePack};
use crate::os::site::Site;
use crate::os::syslog::{self, Severity};
use crate::store::slip::{Opened, SlipRef, State};
use std::time::Duration;

/// Most refs that are named as moved already.
const MAX_MOVED: usize = 20;
/// How long the words have to reach a client that reads, before receive-pack is ended.
const WORDS: Duration = Duration::from_millis(250);

/// Refuses the ref `asked` and every later one, and ends the push where earlier ones could still move.
pub fn end(
    site: &Site,
    (service, slip): (&ReceivePack, &Opened),
    asked: &SlipRef,
    mut refusal: Refusal,
) -> End {
    note("a push that is over was not marked so", slip.mark(State::Over));
    let confirmed = slip.confirmed().ok();
    let moved = moved(site, slip, confirmed.as_deref());
    // What can't be told may be waiting to move.
    let waits = match (&confirmed, &moved) {
        (Some(confirmed), Some(moved)) => moved.len() < confirmed.len(),
        _ => true,
    };
    explain(&mut refusal, asked, moved.as_deref().unwrap_or_default(), waits);
    refusal.frame.id = Some(slip.head().push.clone());
    let told = clock::now().boot;
    say(&refusal.render());
    let _ = syslog::send(Severity::Warning, &refusal.for_admin());
    keep(site, asked, Some(slip.head()), &refusal);
    if waits {
        std::thread::sleep(WORDS.saturating_sub(clock::now().boot.saturating_sub(told)));
        stop(site, service, slip, confirmed.as_deref());
    }
    End::Stop
}

/// Which of the refs that were confirmed are where the push wanted them; `None` where nobody can tell.
fn moved<'a>(
    site: &Site,
    slip: &Opened,
    confirmed: Option<&'a [SlipRef]>,
) -> Option<Vec<&'a SlipRef>> {
    match confirmed? {
        [] => Some(Vec::new()),
        confirmed => settle::landed(site, &slip.head().folder, confirmed),
    }
}

/// What became of the rest of the push.
fn explain(refusal: &mut Refusal, asked: &SlipRef, moved: &[&SlipRef], waits: bool) {
    let rest = if waits { "nothing else of this push is moved" } else { "nor is any later one" };
    let rest = [b"the ref ".as_slice(), &asked.name, b" was not moved, ", rest.as_bytes()];
    refusal.details.insert(0, rest.concat());
    let named = moved.iter().take(MAX_MOVED);
    let named = named.map(|one| [b"moved before, and stays: ".as_slice(), &one.name].concat());
    refusal.details.extend(named);
    if let Some(more @ 1..) = moved.len().checked_sub(MAX_MOVED) {
        refusal.details.push(format!("and {more} more have moved").into_bytes());
    }
    refusal.frame.one_ref = !waits || !moved.is_empty();
}

/// Ends receive-pack, and settles the push. While this process lives receive-pack waits for it, so
/// that what has not moved by then never does.
fn stop(site: &Site, service: &ReceivePack, slip: &Opened, confirmed: Option<&[SlipRef]>) {
    match process::end(service) {
        Ok(true) => {}
        Ok(false) => return note("receive-pack", Err("it runs on although it was ended")),
        Err(error) => return note("receive-pack could not be ended", Err(error)),
    }
    if moved(site, slip, confirmed).is_some_and(|moved| moved.is_empty()) {
        note("a push of which nothing moved was not marked so", slip.mark(State::Void));
    }
    match desk::open_policy(site) {
        Err(refusal) => note("sweep", Err(refusal.for_admin())),
        Ok((policy, _)) => {
            let own = slip.head().key.file_name();
            note("sweep", settle::sweep(site, &policy, &own, 1).map(|_| ()));
        }
    }
}

fn note(what: &str, result: Result<(), impl std::fmt::Display>) {
    if let Err(error) = result {
        let _ = syslog::send(Severity::Error, &format!("{what}: {error}"));
    }
}
