//! What a pusher whose commits fail a check could ask for: the bypass of exactly those checks, on
//! exactly those refs.

use crate::access::options::Asked;
use crate::access::{Request, State};
use crate::access::{fit, lend};
use crate::decision::bypass::Lift;
use crate::hook::Refusal;
use crate::hook::ask::{self, MAX_TRIED};
use crate::hook::judge::Ruled;
use crate::hook::lent::{self, Access};
use crate::hook::ruling::Ruling;
use crate::policy::entry::Permissions;
use crate::policy::model::Entitlement;
use crate::policy::name::EntitlementName;
use crate::policy::window::Window;
use crate::push::RefUpdate;

/// Looks for entitlements, where nothing else is against the push.
pub(super) fn offer(
    ruling: &mut Ruling<'_>,
    updates: &[RefUpdate],
    ruled: &[Ruled],
    asked: &Asked,
    access: &mut Access,
) -> Result<(), Refusal> {
    let Some(names) = failing(ruled) else { return Ok(()) };
    let all = ruling.desk.policy.entitlements(&ruling.ground.name, &ruling.place);
    let all = all.map_err(|error| Refusal::server(error.code(), &error))?;
    let mut fitting = Vec::new();
    for (name, entitlement) in all.into_iter().take(MAX_TRIED) {
        if entitlement.entry.permissions.intersects(Permissions::BYPASS)
            && ask::eligible(ruling, &entitlement)
            && helps(ruling, updates, ruled, &names, (&name, &entitlement))
        {
            fitting.push((name, entitlement));
        }
    }
    fit::narrowest_first(&mut fitting);
    let named = asked.entitlement.as_ref();
    if let Some((name, one)) = named.and_then(|named| fitting.iter().find(|(n, _)| n == named))
        && let Some(request) = request(ruling, updates, ruled, &names, name)
    {
        access.wanted = Some((ask::looked(ruling, updates, request, one), one.clone()));
    }
    access.fitting = fitting;
    if let Some(store) = &access.store {
        let refused = |one: &Ruled| one.checked.refused().is_some();
        let about = |state: &State| names.iter().any(|name| state.request.checks.contains(name));
        access.earlier = lent::earlier(ruling, updates, ruled, (&refused, &about), store.as_ref());
    }
    Ok(())
}

/// The checks that refuse; nothing where refs are refused for something else too, or by different
/// checks: a request would lend more than the push needs.
fn failing(ruled: &[Ruled]) -> Option<Vec<Box<str>>> {
    let mut all: Option<Vec<Box<str>>> = None;
    for one in ruled.iter().filter(|one| one.refused().is_some()) {
        if one.answer.refused_by_rights().is_some() {
            return None;
        }
        let counting = one.checked.failures.iter().filter(|failure| failure.counts);
        let names: Vec<Box<str>> = counting.map(|failure| failure.check.clone()).collect();
        match &all {
            Some(others) if *others != names => return None,
            _ => all = Some(names),
        }
    }
    all
}

fn request(
    ruling: &Ruling<'_>,
    updates: &[RefUpdate],
    ruled: &[Ruled],
    names: &[Box<str>],
    entitlement: &EntitlementName,
) -> Option<Request> {
    let refused = updates.iter().zip(ruled).filter(|(_, one)| one.checked.refused().is_some());
    let wanting: Option<Vec<_>> =
        refused.map(|(update, one)| Some((update, one.action?, Permissions::BYPASS))).collect();
    let request = ask::scope(ruling, wanting?, entitlement)?;
    Some(Request { checks: names.to_vec(), ..request })
}

/// Whether a grant of the entitlement would lift all of them.
fn helps(
    ruling: &mut Ruling<'_>,
    updates: &[RefUpdate],
    ruled: &[Ruled],
    names: &[Box<str>],
    (name, entitlement): (&EntitlementName, &Entitlement),
) -> bool {
    let Some(request) = request(ruling, updates, ruled, names, name) else { return false };
    let before = ruling.ground.entries.len();
    let entries = lend::entries("?", &request, entitlement, &Window::default());
    ruling.ground.entries.extend(entries);
    let lifted = |update: &RefUpdate, one: &Ruled| {
        let Some(action) = one.action else { return false };
        names.iter().all(|name| matches!(ruling.lifts(update, action, name), Lift::By(..)))
    };
    let refused = |one: &Ruled| one.checked.refused().is_some();
    let helps = updates.iter().zip(ruled).all(|(update, one)| !refused(one) || lifted(update, one));
    ruling.ground.entries.truncate(before);
    helps
}
