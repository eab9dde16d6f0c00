//! One entry against one question: does it speak, and if not, why not?

use super::Question;
use crate::policy::entry::{Entry, Holder, Permissions};
use crate::policy::members::{Answers, Ask, Held, Standing};
use crate::policy::pattern::Broken;
use crate::policy::window::Window;
use crate::push::action::Action;
use crate::push::issue::{self, IssueKey};
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
    /// It depends on memberships that have not been asked about.
    Unasked(BTreeSet<Ask>),
    /// It depends on a membership that could not be looked up.
    LookupFailed(Ask, String),
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
    let people = people(entry, standing, q, answers);
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
    let given = standing.given();
    match (q.action, entry.is_forbid()) {
        (Action::Read, _) => Ok(true),
        (_, true) => entry.refs.forbids(q.name, given),
        (_, false) => entry.refs.permits(q.name, given),
    }
}

fn people(entry: &Entry, standing: &Standing, q: &Question<'_>, answers: &Answers) -> Outcome {
    let issues = issues_for(entry, standing, q);
    let meant = entry.to.as_ref().map(|to| standing.among_on(to, &issues, answers));
    let excepted = standing.among_on(&entry.except, &issues, answers);
    match (meant, excepted) {
        (Some(Held::No), _) => Outcome::OtherPeople,
        (_, Held::Yes(holder)) => Outcome::Excepted(holder),
        (Some(Held::Unasked(asks)), _) | (_, Held::Unasked(asks)) => Outcome::Unasked(asks),
        (Some(Held::Failed(ask, reason)), _) | (_, Held::Failed(ask, reason)) => {
            Outcome::LookupFailed(ask, reason)
        }
        (Some(Held::Yes(_)) | None, Held::No) => Outcome::Applies,
    }
}

/// The issues whose people the entry is about: those of the ref's name, because a ref keeps its name
/// while a message or an option is only the pusher's word.
fn issues_for(entry: &Entry, standing: &Standing, q: &Question<'_>) -> Vec<IssueKey> {
    let names = entry.to.iter().flatten().chain(&entry.except).any(Holder::is_of_an_issue);
    match names && q.action != Action::Read {
        true => issue::find(q.name, &standing.issues_of),
        false => Vec::new(),
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
