//! One entry against one question: does it speak, and if not, why not?

use super::Question;
use crate::policy::entry::{Entry, Holder, Permissions};
use crate::policy::members::{Answers, Held, Standing};
use crate::policy::name::GroupName;
use crate::policy::pattern::Broken;
use crate::policy::window::Window;
use crate::push::action::Action;
use std::collections::BTreeSet;

/// What came of looking at an entry; changed paths are looked at later, over all entries together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Person, action, ref and time match.
    Applies,
    /// It is about other actions.
    OtherAction,
    /// It is about other people.
    OtherPeople,
    /// Its `except` takes the person away, by this holder.
    Excepted(Holder),
    /// It is about other refs.
    OtherRefs,
    /// It looks at changed paths, and a deletion has none.
    NoPaths,
    /// Its window opens later, or is shut at this hour.
    NotNow,
    /// Its window has ended.
    Ended,
    /// It depends on groups that have not been asked about.
    Unasked(BTreeSet<GroupName>),
    /// It depends on a group that could not be looked up.
    LookupFailed(GroupName, String),
    /// Its pattern could not be evaluated.
    Broken(Broken),
}

/// Looks at one entry.
#[must_use]
pub fn consider(
    entry: &Entry,
    standing: &Standing,
    q: &Question<'_>,
    answers: &Answers,
) -> Outcome {
    look(entry, standing, q, answers, &|entry| speaks_of(entry, q.action))
}

/// Looks at one entry, about what `speaks` says that it speaks of.
pub(super) fn look(
    entry: &Entry,
    standing: &Standing,
    q: &Question<'_>,
    answers: &Answers,
    speaks: &dyn Fn(&Entry) -> bool,
) -> Outcome {
    // A lent grant speaks where its entitlement, as it is today, would speak as well.
    if let Some(within) = &entry.within {
        match look(within, standing, q, answers, speaks) {
            Outcome::Applies => {}
            silent => return silent,
        }
    }
    if !speaks(entry) {
        return Outcome::OtherAction;
    }
    match covers(entry, standing, q) {
        Err(broken) => return Outcome::Broken(broken),
        Ok(false) => return Outcome::OtherRefs,
        Ok(true) => {}
    }
    if q.action == Action::Delete && entry.looks_at_paths() {
        return Outcome::NoPaths;
    }
    // People who are settled not to be meant are told so, rather than that the time is wrong.
    let people = people(entry, standing, answers);
    if matches!(people, Outcome::OtherPeople | Outcome::Excepted(_)) {
        return people;
    }
    match time(entry, q) {
        Outcome::Applies => people,
        other => other,
    }
}

fn speaks_of(entry: &Entry, action: Action) -> bool {
    let asked = match action {
        Action::Read => Permissions::READ,
        Action::Create => Permissions::CREATE,
        Action::Update => Permissions::UPDATE,
        Action::Force => Permissions::FORCE,
        Action::Delete => Permissions::DELETE,
    };
    let also = match (entry.is_forbid(), action) {
        // Whoever may not read may not push.
        (true, _) => Permissions::READ,
        // Whoever may change something may read.
        (false, Action::Read) => Permissions::WRITE,
        (false, _) => asked,
    };
    entry.permissions.intersects(asked.with(also))
}

fn covers(entry: &Entry, standing: &Standing, q: &Question<'_>) -> Result<bool, Broken> {
    let user = standing.user.as_ref();
    match (q.action, entry.is_forbid()) {
        (Action::Read, _) => Ok(true),
        (_, true) => entry.refs.forbids(q.name, user),
        (_, false) => entry.refs.permits(q.name, user),
    }
}

fn people(entry: &Entry, standing: &Standing, answers: &Answers) -> Outcome {
    let meant = entry.to.as_ref().map(|to| standing.among(to, answers));
    let excepted = standing.among(&entry.except, answers);
    match (meant, excepted) {
        (Some(Held::No), _) => Outcome::OtherPeople,
        (_, Held::Yes(holder)) => Outcome::Excepted(holder),
        (Some(Held::Unasked(groups)), _) | (_, Held::Unasked(groups)) => Outcome::Unasked(groups),
        (Some(Held::Failed(group, reason)), _) | (_, Held::Failed(group, reason)) => {
            Outcome::LookupFailed(group, reason)
        }
        (Some(Held::Yes(_)) | None, Held::No) => Outcome::Applies,
    }
}

fn time(entry: &Entry, q: &Question<'_>) -> Outcome {
    let window = &entry.when;
    let open = window.holds(q.now)
        && (entry.is_forbid()
            || q.now.checked_add_signed(q.margin).is_some_and(|t| window.holds(t)));
    if open {
        Outcome::Applies
    } else if ended(window, q) {
        Outcome::Ended
    } else {
        Outcome::NotNow
    }
}

fn ended(window: &Window, q: &Question<'_>) -> bool {
    window.until.is_some_and(|until| q.now.checked_add_signed(q.margin).is_none_or(|t| t >= until))
}
