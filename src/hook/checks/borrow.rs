//! Checks that grants lift: only where one fails without, and only grants that make a ref pass.

use super::{Checked, Lifted};
use crate::access::lend::Lent;
use crate::decision::bypass::Lift;
use crate::hook::Refusal;
use crate::hook::judge::Ruled;
use crate::hook::lent::{self, Access};
use crate::hook::ruling::Ruling;
use crate::policy::entry::Kind;
use crate::policy::entry::Permissions;
use crate::push::RefUpdate;
use std::collections::BTreeSet;

/// A grant, and where its entries stand on the ground.
type Placed = (Lent, Vec<usize>);

/// Leaves out failing checks that the person's grants lift, and notes the grants.
pub(super) fn lift(
    ruling: &mut Ruling<'_>,
    updates: &[RefUpdate],
    ruled: &mut [Ruled],
    access: &mut Access,
) -> Result<(), Refusal> {
    if access.store.is_none() {
        lent::open(ruling.desk, access, |desk| desk.store_to_ask(None))?;
    }
    let Some(store) = &access.store else { return Ok(()) };
    let now = ruling.desk.now.wall;
    let open = store.open_of(&ruling.user, now).map_err(|error| lent::refusal(&error))?;
    let mut grants = lent::live(ruling.desk, &ruling.ground, &ruling.place, open)?;
    let lifts =
        |lent: &Lent| lent.entries.iter().any(|e| e.permissions.intersects(Permissions::BYPASS));
    grants.retain(lifts);
    if grants.is_empty() {
        return Ok(());
    }
    let placed = place(ruling, grants);
    let before = ruling.left_out.clone();
    let used = needed(ruling, updates, ruled, &placed);
    for (update, one) in updates.iter().zip(ruled.iter_mut()) {
        let Some(lifted) = passes(ruling, update, one) else { continue };
        let lifted_now = |name: &str| lifted.iter().any(|other| *other.check == *name);
        one.checked.failures.retain(|failure| !lifted_now(&failure.check));
        one.checked.lifted.extend(lifted);
    }
    ruling.left_out = before;
    for (lent, _) in placed.into_iter().zip(used).filter(|(_, used)| *used).map(|(one, _)| one) {
        if access.used.iter().all(|other| other.id != lent.id) {
            access.used.push(lent);
        }
    }
    Ok(())
}

/// Puts the grants' entries on the ground, once: some may stand there for what they permit.
fn place(ruling: &mut Ruling<'_>, grants: Vec<Lent>) -> Vec<Placed> {
    let mut all = Vec::new();
    for lent in grants {
        let is_it = |kind: &Kind| matches!(kind, Kind::Lent(id) if **id == *lent.id.as_str());
        let there = ruling.ground.entries.iter().enumerate().filter(|(_, e)| is_it(&e.kind));
        let mut places: Vec<usize> = there.map(|(at, _)| at).collect();
        if places.is_empty() {
            for entry in &lent.entries {
                let at = ruling.ground.entries.len();
                if !lent.state.request.pins.is_empty() {
                    ruling.pinned.push((at, lent.state.request.clone()));
                }
                ruling.ground.entries.push(entry.clone());
                places.push(at);
            }
        }
        all.push((lent, places));
    }
    all
}

/// Leaves out every grant without which the same refs pass, the ones to be charged last first; says
/// of each whether it stays.
fn needed(
    ruling: &mut Ruling<'_>,
    updates: &[RefUpdate],
    ruled: &[Ruled],
    placed: &[Placed],
) -> Vec<bool> {
    let passing = |ruling: &Ruling<'_>| -> Vec<bool> {
        updates
            .iter()
            .zip(ruled)
            .map(|(update, one)| passes(ruling, update, one).is_some())
            .collect()
    };
    ruling.left_out = BTreeSet::new();
    let wanted = passing(ruling);
    let mut used = vec![false; placed.len()];
    for ((_, places), used) in placed.iter().zip(&mut used).rev() {
        ruling.left_out.extend(places);
        if passing(ruling) != wanted {
            places.iter().for_each(|at| _ = ruling.left_out.remove(at));
            *used = true;
        }
    }
    used
}

/// What lifts every check that refuses a ref; `None` where something does not, or nothing refuses it.
fn passes(ruling: &Ruling<'_>, update: &RefUpdate, one: &Ruled) -> Option<Vec<Lifted>> {
    let (Some(action), Checked { failures, .. }) = (one.action, &one.checked) else { return None };
    one.checked.refused()?;
    let refusing = failures.iter().filter(|failure| failure.counts);
    let each = refusing.map(|failure| match ruling.lifts(update, action, &failure.check) {
        Lift::By(by, ends) => Some(Lifted { check: failure.check.clone(), by, ends }),
        _ => None,
    });
    each.collect()
}
