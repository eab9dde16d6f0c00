//! What the answers for people and for programs share.

use crate::decision::{Outcome, Paths, Question, Why};
use crate::policy::entry::{Entry, Kind};
use crate::policy::refs::ChangedPath;
use crate::push::Action;
use crate::text::Safe;
use chrono::{DateTime, Duration, Utc};

/// The paths that a refusal is about.
pub(super) fn paths_of(why: &Why) -> Option<String> {
    let (word, first, count) = match why {
        Why::PathsForbidden(first, count) => ("it covers", first, count),
        Why::PathsUncovered(first, count) => ("no permit covers", first, count),
        _ => return None,
    };
    let names: Vec<String> =
        first.iter().map(|path| Safe::new(path, 200).as_str().to_owned()).collect();
    let more = count.saturating_sub(first.len());
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    Some(format!(": {word} {}{more}", names.join(", ")))
}

/// A branch's name made full.
#[must_use]
pub fn full_name(name: &str) -> String {
    if name.starts_with("refs/") || name.is_empty() {
        name.to_owned()
    } else {
        format!("refs/heads/{name}")
    }
}

pub(super) fn question<'a>(
    action: Action,
    name: &'a str,
    changed: Option<&'a [ChangedPath]>,
    now: DateTime<Utc>,
) -> Question<'a> {
    let paths = match (action, changed) {
        (Action::Read | Action::Delete, _) => Paths::None,
        (_, None) => Paths::Unknown,
        (_, Some(changed)) => Paths::Known(changed),
    };
    // `explain` uses the ends as they are written.
    Question {
        action,
        name: name.as_bytes(),
        paths,
        now,
        margin: Duration::zero(),
        horizon: Duration::zero(),
    }
}

pub(super) fn kind(entry: &Entry) -> &'static str {
    match entry.kind {
        Kind::Permit => "permit",
        Kind::Forbid => "forbid",
        Kind::Grant(_) | Kind::Lent(_) => "grant",
        Kind::Entitlement(_) => "entitlement",
        Kind::Lock(_) => "lock",
    }
}

/// Why an entry speaks or not.
#[must_use]
pub fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applies => "applies".into(),
        Outcome::OtherAction => "about other actions".into(),
        Outcome::OtherPeople => "about other people".into(),
        Outcome::Excepted(holder) => format!("excepts {holder}"),
        Outcome::OtherRefs => "about other refs".into(),
        Outcome::NoPaths => "about changed paths, and a deletion has none".into(),
        Outcome::NotNow => "not at this time".into(),
        Outcome::Ended => "has ended".into(),
        Outcome::Unasked(_) => "depends on a membership that nobody looked up".into(),
        Outcome::LookupFailed(ask, why) => format!("{ask} could not be looked up: {why}"),
        Outcome::Broken(broken) => broken.to_string(),
    }
}
