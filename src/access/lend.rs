//! A grant as an entry of the decision: what was asked for, within what the entitlement is today.

use super::id::Id;
use super::record::State;
use super::request::Request;
use crate::policy::entry::{Enforce, Entry, Holder, Kind, Permissions, Place};
use crate::policy::model::Entitlement;
use crate::policy::name::UserName;
use crate::policy::refs::RefScope;
use crate::policy::window::Window;
use chrono::{DateTime, Utc};

/// A grant that may count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lent {
    /// Its id.
    pub id: Id,
    /// Its record.
    pub state: State,
    /// It as entries, one for each part of what was asked for.
    pub entries: Vec<Entry>,
    /// How many events the record had: what a reservation compares.
    pub version: u32,
}

impl Lent {
    /// Whether each push under it takes one of a number of uses.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.state.terms.as_ref().is_some_and(|terms| terms.max_uses.is_some())
    }

    /// Sorted so, the grant that should be charged first comes first: those whose uses are not
    /// counted, then the one that ends first (04-access.md, "At the push").
    #[must_use]
    pub fn order(&self) -> (bool, Option<DateTime<Utc>>, &Id) {
        (self.is_counted(), self.state.terms.as_ref().map(|terms| terms.until), &self.id)
    }
}

/// The entries of a request within an entitlement: for the decision, and for trying out whether a
/// request would help. `window` is when they count.
#[must_use]
pub fn entries(id: &str, request: &Request, within: &Entitlement, window: &Window) -> Vec<Entry> {
    let entry = |(permissions, refs): (Permissions, &RefScope)| Entry {
        kind: Kind::Lent(id.into()),
        place: within.entry.place,
        permissions,
        to: Some(vec![Holder::User(request.person.clone())]),
        except: Vec::new(),
        refs: refs.clone(),
        paths: request.paths.clone(),
        when: window.clone(),
        checks: request.checks.clone(),
        reason: None,
        enforce: Enforce::Refuse,
        within: Some(Box::new(within.entry.clone())),
    };
    request.parts().map(entry).collect()
}

/// The grant of an approved record by the entitlement as it is today; `None` where nothing was lent.
#[must_use]
pub fn lent(id: &Id, state: State, version: u32, within: &Entitlement) -> Option<Lent> {
    let terms = state.terms.as_ref()?;
    if within.pin && state.request.pins.is_empty() {
        return None;
    }
    // What the entitlement no longer allows ends with it, also for grants that were made before.
    let until = within.max_until.map_or(terms.until, |cap| cap.min(terms.until));
    let window = Window { from: Some(terms.from), until: Some(until), ..Window::default() };
    let entries = entries(id.as_str(), &state.request, within, &window);
    Some(Lent { id: id.clone(), state, entries, version })
}

/// A lock as an entry of the decision about `user`, a service of `owner` where that is somebody: what
/// is locked for the owner is locked for the service.
#[must_use]
pub fn lock_for(lock: &super::Lock, user: Option<&UserName>, owner: Option<&UserName>) -> Entry {
    let mut entry = self::lock(lock);
    if let (Some(user), Some(_)) =
        (user, owner.filter(|owner| lock.scope.person.as_ref() == Some(owner)))
    {
        entry.to = Some(vec![Holder::User(user.clone())]);
    }
    entry
}

/// A lock as an entry of the decision.
fn lock(lock: &super::Lock) -> Entry {
    Entry {
        kind: Kind::Lock(lock.id.as_str().into()),
        place: Place { file: 0, line: 0 },
        permissions: lock.permissions,
        to: lock.scope.person.clone().map(|person| vec![Holder::User(person)]),
        except: Vec::new(),
        refs: lock.scope.refs.clone(),
        paths: None,
        when: Window { until: lock.until, ..Window::default() },
        checks: Vec::new(),
        reason: Some(lock.message.as_str().into()),
        enforce: Enforce::Refuse,
        within: None,
    }
}
