//! Locks and grants at a push: joins them to what the policy says, and finds which grants it rests on.

use super::Refusal;
use super::ask;
use super::desk::Desk;
use super::judge::{Answer, Ruled};
use super::ruling::Ruling;
use crate::access::lend::{self, Lent};
use crate::access::options::Asked;
use crate::access::{Record, Request, Standing, State};
use crate::audit::{Text, TrailError};
use crate::code::Code;
use crate::policy::model::Entitlement;
use crate::policy::name::EntitlementName;
use crate::policy::scope::Ground;
use crate::policy::window::Zone;
use crate::policy::zone;
use crate::push::RefUpdate;
use crate::report::Raw;
use crate::store::access::{AccessStore, Filter, Status, StoreError};
use crate::store::sqlite::brief::Said;
use chrono::{DateTime, Duration, Utc};

/// How far the clock may be behind the newest thing in the store, or ahead of us a host that shares it.
const SKEW: Duration = Duration::seconds(2);
/// Most grants of one person that are looked at in one push.
const MAX_LENT: usize = 200;

/// Most decisions that finding the grants to charge may take.
const MAX_DECISIONS: usize = 1_000_000;
/// Most refused refs that earlier requests are looked for.
const MAX_TOLD: usize = 20;
/// How far back earlier requests are looked for, and how many.
const EARLIER: Duration = Duration::days(30);
const MAX_EARLIER: usize = 50;

/// The store at this push.
#[derive(Default)]
pub struct Access {
    /// It, where there is one and it had to be asked.
    pub store: Option<Box<dyn AccessStore>>,
    /// Its version when it was asked.
    pub version: Option<u64>,
    /// The epoch that several hosts share, read before anything that it guards.
    pub shared_epoch: Option<u64>,
    /// The grants that the answers rest on.
    pub used: Vec<Lent>,
    /// What the pusher could ask for, narrowest first; looked for only where a permit is wanting.
    pub fitting: Vec<(EntitlementName, Entitlement)>,
    /// What the pusher did ask for, with the scope of this push.
    pub wanted: Option<(Request, Entitlement)>,
    /// Lines about earlier requests and grants that would have covered a refused ref.
    pub earlier: Vec<Raw>,
}

/// A refusal because of the store.
pub fn refusal(error: &StoreError) -> Refusal {
    let code = match error {
        StoreError::Trust(_) => Code::NotTrusted,
        _ => Code::Store,
    };
    Refusal::server(code, error)
}

/// One answer for each update, by standing rights first, then with grants.
///
/// # Errors
/// [`Refusal`] where the push as a whole can't be judged.
pub fn rule(
    ruling: &mut Ruling<'_>,
    updates: &[RefUpdate],
    asked: &Asked,
    access: &mut Access,
) -> Result<Vec<Ruled>, Refusal> {
    // The trail first: a change in between makes the store newer, never older.
    let noted = ruling.desk.trail().noted_store();
    let look = ruling.desk.brief();
    match look.said {
        // A trail that knows of a store all the same refuses the yes when it is recorded.
        Said::NoStore if noted.is_none() => return ruling.all(updates),
        Said::Whole(status) if is_right(ruling.desk, status, noted)? => {
            access.version = Some(status.version);
            let standing = ruling.all(updates)?;
            if !standing.iter().any(could_be_lent) {
                return Ok(standing);
            }
        }
        Said::NoStore | Said::Nothing | Said::Whole(_) => {}
    }
    open(ruling.desk, access, |desk| desk.store_to_ask(look.file))?;
    let Some(store) = access.store.take() else { return ruling.all(updates) };
    let ruled = with_store(ruling, updates, access, store.as_ref())?;
    if ruled.iter().any(could_be_lent) {
        let about = |state: &State| state.request.checks.is_empty();
        access.fitting = ask::fitting(ruling, updates, &ruled)?;
        access.wanted = ask::wanted(ruling, updates, &ruled, &access.fitting, asked);
        access.earlier = earlier(ruling, updates, &ruled, (&could_be_lent, &about), store.as_ref());
    }
    access.store = Some(store);
    Ok(ruled)
}

/// The store, where there is one, held against the trail and the clock: for a reader.
pub(crate) fn opened(desk: &Desk) -> Result<Access, Refusal> {
    let mut access = Access::default();
    open(desk, &mut access, Desk::store)?;
    Ok(access)
}

/// Whether the brief says all that a push by standing rights needs: the store is the one that the
/// trail knows, its clock is behind ours. Where anything is wrong the store is asked.
fn is_right(desk: &Desk, status: Status, noted: Option<u64>) -> Result<bool, Refusal> {
    let known = noted.map_or_else(|| known_store(desk), |version| Ok(Some(version)))?;
    Ok(TrailError::of_store(Some(status.version), known).is_ok()
        && sound(desk.now.wall, status.newest).is_ok())
}

/// Whether the brief says all that somebody who comes by a standing right needs; then its version
/// is the store's.
pub(crate) fn briefed(desk: &Desk, access: &mut Access) -> Result<bool, Refusal> {
    match desk.brief().said {
        Said::NoStore => Ok(known_store(desk)?.is_none()),
        Said::Whole(status) if is_right(desk, status, None)? => {
            access.version = Some(status.version);
            Ok(true)
        }
        Said::Nothing | Said::Whole(_) => Ok(false),
    }
}

fn known_store(desk: &Desk) -> Result<Option<u64>, Refusal> {
    let host = Text::new(crate::os::host_name());
    let known = desk.trail().known_store(&host, desk.now.wall);
    known.map_err(|error| Refusal::server(error.code(), &error))
}

/// Opens the store, where there is one, and holds its clock against ours.
pub(super) fn open(
    desk: &Desk,
    access: &mut Access,
    opening: impl FnOnce(&Desk) -> Result<Option<Box<dyn AccessStore>>, StoreError>,
) -> Result<(), Refusal> {
    // The trail first: a change in between makes the store newer, never older.
    let trailed = |error: TrailError| Refusal::server(error.code(), &error);
    let known = known_store(desk)?;
    let Some(store) = opening(desk).map_err(|error| refusal(&error))? else {
        return TrailError::of_store(None, known).map_err(trailed);
    };
    access.shared_epoch = store.epoch().map_err(|error| refusal(&error))?;
    let status = store.status().map_err(|error| refusal(&error))?;
    TrailError::of_store(Some(status.version), known).map_err(trailed)?;
    sound(desk.now.wall, status.newest)?;
    access.version = Some(status.version);
    access.store = Some(store);
    Ok(())
}

/// The clock is not behind what has happened already.
fn sound(now: DateTime<Utc>, newest: Option<DateTime<Utc>>) -> Result<(), Refusal> {
    match newest {
        Some(newest) if newest > now + SKEW => {
            let mut refusal = Refusal::new(
                Code::Clock,
                ["the server's clock is behind its own records; tell the server's admin"],
            );
            refusal.admin = Some(format!(
                "the newest event in the store is of {}: `refwarden store reset-clock` once the clock is right",
                zone::told(newest, Zone::default())
            ));
            Err(refusal)
        }
        _ => Ok(()),
    }
}

/// Joins the locks that are about the repository to what could speak; says whether none holds
/// anywhere.
pub(crate) fn lay_locks(
    desk: &Desk,
    ground: &mut Ground,
    place: &[u8],
    store: &dyn AccessStore,
) -> Result<bool, Refusal> {
    let locks = store.locks(desk.now.wall).map_err(|error| refusal(&error))?;
    if locks.is_empty() {
        return Ok(true);
    }
    let declared = ground.standing.user.as_ref().map(|user| desk.policy.user(user)).transpose();
    let declared = declared.map_err(|error| Refusal::server(error.code(), &error))?.flatten();
    let owner = declared.and_then(|user| user.declared.owner);
    for lock in locks {
        let about = lock.is_about(&ground.name, place);
        if about.map_err(|broken| Refusal::server(Code::Internal, &broken))? {
            let user = ground.standing.user.as_ref();
            let entry = lend::lock_for(&lock, user, owner.as_ref());
            ground.entries.push(entry);
        }
    }
    Ok(false)
}

fn with_store(
    ruling: &mut Ruling<'_>,
    updates: &[RefUpdate],
    access: &mut Access,
    store: &dyn AccessStore,
) -> Result<Vec<Ruled>, Refusal> {
    let now = ruling.desk.now.wall;
    let unlocked = lay_locks(ruling.desk, &mut ruling.ground, &ruling.place, store)?;
    let standing = ruling.all(updates)?;
    if !standing.iter().any(could_be_lent) {
        // The next push like this one need not open it; one that is lent a use changes it anyway.
        if unlocked {
            ruling.desk.take_brief(store);
        }
        return Ok(standing);
    }
    let person = ruling.user.clone();
    let open = store.open_of(&person, now).map_err(|error| refusal(&error))?;
    let grants = live(ruling.desk, &ruling.ground, &ruling.place, open)?;
    if grants.is_empty() {
        return Ok(standing);
    }
    let first = ruling.ground.entries.len();
    for lent in &grants {
        for entry in &lent.entries {
            if !lent.state.request.pins.is_empty() {
                let at = ruling.ground.entries.len();
                ruling.pinned.push((at, lent.state.request.clone()));
            }
            ruling.ground.entries.push(entry.clone());
        }
    }
    let ruled = ruling.all(updates)?;
    needed(ruling, updates, ruled, (first, grants), access)
}

/// Whether more permits could turn it into a yes.
pub fn could_be_lent(ruled: &Ruled) -> bool {
    matches!(ruled.answer.refused_by_rights(), Some(Code::NoPermit | Code::PathNotCovered))
}

/// The person's grants here that run now by the entitlement as it is today, in the order in which
/// they are charged. What ends within the margin has ended (03-push.md, "The slip"): the decision
/// sees to that.
pub(crate) fn live(
    desk: &Desk,
    ground: &Ground,
    place: &[u8],
    open: Vec<Record>,
) -> Result<Vec<Lent>, Refusal> {
    let mut found = Vec::new();
    for record in open {
        let version = record.version();
        let id = record.id.clone();
        let state = record.state().map_err(|illegal| Refusal::server(Code::Store, &illegal))?;
        if state.request.repository.as_bytes() != place {
            continue;
        }
        if state.standing(desk.now.wall) != Standing::Active || found.len() == MAX_LENT {
            continue;
        }
        let today = desk.policy.entitlement(&state.request.entitlement);
        let today = today.map_err(|error| Refusal::server(error.code(), &error))?;
        let Some(today) = today else { continue };
        let applies = today.applies(&ground.name, place);
        if applies.map_err(|broken| Refusal::server(Code::Internal, &broken))? {
            found.extend(lend::lent(&id, state, version, &today));
        }
    }
    found.sort_by(|a, b| a.order().cmp(&b.order()));
    Ok(found)
}

/// Leaves out every grant without which the same refs are allowed, the ones to be charged last
/// first: what stays is charged, and only that.
fn needed(
    ruling: &mut Ruling<'_>,
    updates: &[RefUpdate],
    mut ruled: Vec<Ruled>,
    (first, grants): (usize, Vec<Lent>),
    access: &mut Access,
) -> Result<Vec<Ruled>, Refusal> {
    let wanted = allowed(&ruled);
    if !wanted.contains(&true) {
        return Ok(ruled);
    }
    if grants.len().saturating_mul(updates.len()) > MAX_DECISIONS {
        let words = format!(
            "the push names {} refs, and you hold {} grants here: push in parts",
            updates.len(),
            grants.len()
        );
        return Err(Refusal::new(Code::Limit, [words]));
    }
    let mut places = Vec::new();
    let mut at = first;
    for lent in &grants {
        places.push(at..at + lent.entries.len());
        at += lent.entries.len();
    }
    let mut used = Vec::new();
    for (lent, place) in grants.into_iter().zip(places).rev() {
        ruling.left_out.extend(place.clone());
        let without = ruling.all(updates)?;
        if allowed(&without) == wanted {
            ruled = without;
        } else {
            place.for_each(|at| _ = ruling.left_out.remove(&at));
            used.push(lent);
        }
    }
    if !used.is_empty() {
        ruled = ruling.all(updates)?;
    }
    used.reverse();
    access.used = used;
    Ok(ruled)
}

/// Whether a ref is refused for what could be lent.
type Lacking<'a> = dyn Fn(&Ruled) -> bool + 'a;
/// Whether a request is about what the push lacks.
type About<'a> = dyn Fn(&State) -> bool + 'a;

/// The pusher's latest request or grant for each refused ref, where it no longer lends: what they
/// would ask themselves first.
pub(super) fn earlier(
    ruling: &Ruling<'_>,
    updates: &[RefUpdate],
    ruled: &[Ruled],
    (lacking, about): (&Lacking<'_>, &About<'_>),
    store: &dyn AccessStore,
) -> Vec<Raw> {
    let now = ruling.desk.now.wall;
    let filter = Filter {
        person: Some(ruling.user.clone()),
        repository: String::from_utf8(ruling.place.clone()).ok(),
        since: now.checked_sub_signed(EARLIER),
        limit: MAX_EARLIER,
        ..Filter::default()
    };
    let records = store.list(&filter).unwrap_or_default();
    let states: Vec<(&Record, State)> =
        records.iter().filter_map(|record| Some((record, record.state().ok()?))).collect();
    let mut lines: Vec<Raw> = Vec::new();
    let refused = updates.iter().zip(ruled).filter(|(_, one)| lacking(one));
    for (update, _) in refused.take(MAX_TOLD) {
        let name = update.name.as_bytes();
        let covers = |state: &State| {
            about(state)
                && state.request.parts().any(|(_, refs)| refs.permits(name, None).unwrap_or(false))
        };
        let covering = states.iter().find(|(_, state)| covers(state));
        let zone = ruling.desk.policy.settings().timezone;
        let line = covering.and_then(|(record, state)| became(record, state, (now, zone)));
        if let Some(line) = line.filter(|line| !lines.contains(line)) {
            lines.push(line);
        }
    }
    lines
}

/// What became of a request or grant, as a line for its asker.
fn became(record: &Record, state: &State, (now, zone): (DateTime<Utc>, Zone)) -> Option<Raw> {
    let id = &record.id;
    let said = record.events.iter().rev().find(|event| event.what.word() == state.last.0);
    let said = said.and_then(|event| event.what.note()).map(|note| format!(": {note}"));
    let said = said.unwrap_or_default();
    let at = |time: DateTime<Utc>| zone::told(time, zone);
    let (word, by, when) = &state.last;
    let end = |terms: &Option<crate::access::Terms>| {
        terms.as_ref().map(|terms| at(terms.until)).unwrap_or_default()
    };
    let (code, words) = match (state.standing(now + super::ruling::MARGIN), *word) {
        (Standing::Pending, _) => {
            (Code::RequestWaiting, format!("your request {id} waits for approval"))
        }
        (Standing::Ended, _) => {
            (Code::GrantEnded, format!("your grant {id} ended {}", end(&state.terms)))
        }
        (Standing::UsedUp, _) => {
            (Code::GrantUsedUp, format!("every use of your grant {id} is spent or put aside"))
        }
        (Standing::Closed, "denied") => (
            Code::RequestDenied,
            format!("your request {id} was denied by {by}, {}{said}", at(*when)),
        ),
        (Standing::Closed, "revoked") => (
            Code::GrantRevoked,
            format!("your grant {id} was revoked by {by}, {}{said}", at(*when)),
        ),
        _ => return None,
    };
    Some(format!("{code} {words}").into_bytes())
}

fn allowed(ruled: &[Ruled]) -> Vec<bool> {
    ruled
        .iter()
        .map(|one| {
            matches!(&one.answer, Answer::Decided(_)) && one.answer.refused_by_rights().is_none()
        })
        .collect()
}
