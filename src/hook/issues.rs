//! What a report and the trail say of the issues that a push names.
//!
//! Knows where a key was found and what Jira could say; never what stands in an issue, which the
//! pusher may not be allowed to see.

use super::elsewhere::Elsewhere;
use super::judge::Ruled;
use crate::code::Code;
use crate::policy::entry::Holder;
use crate::policy::scope::Ground;
use crate::push::issue::{self, Spot};
use crate::push::{IssueKey, RefUpdate};
use std::collections::BTreeSet;

/// Most lines about issues in a report.
const MAX_LINES: usize = 5;

/// What was learnt of issues while a push was judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Issues {
    /// The issues that Jira was asked about, or whose kept facts were used: key, place.
    pub used: Vec<String>,
    /// What people should know of the answers: old facts, issues that moved or are not there.
    pub told: Vec<String>,
    /// What a refused push should know: which issue was found where.
    pub found: Vec<String>,
}

impl Issues {
    /// Of a push that was ruled over.
    pub(super) fn of(
        elsewhere: &Elsewhere,
        ground: &Ground,
        updates: &[RefUpdate],
        ruled: &[Ruled],
        options: &[Vec<u8>],
    ) -> Self {
        let asked = elsewhere.jira().map(|jira| jira.asked()).unwrap_or_default();
        let used = asked.iter().map(|key| format!("{key} ({})", place(key, updates, options)));
        Self { used: used.collect(), told: elsewhere.told(), found: found(ground, updates, ruled) }
    }
}

/// Where a key was found first: an issue's people count by the ref's name, and checks look further.
fn place(key: &IssueKey, updates: &[RefUpdate], options: &[Vec<u8>]) -> &'static str {
    let projects = [key.project().into()];
    let names = |text: &[u8]| issue::find(text, &projects).contains(key);
    if updates.iter().any(|update| names(update.name.as_bytes())) {
        return Spot::Ref.as_str();
    }
    if options.iter().any(|option| names(option)) { Spot::Option.as_str() } else { "commit" }
}

/// Where the policy speaks of issues here, which one each refused ref names.
fn found(ground: &Ground, updates: &[RefUpdate], ruled: &[Ruled]) -> Vec<String> {
    let projects = &ground.project.jira_keys;
    let speaks = ground.entries.iter().any(|entry| {
        let people = entry.to.iter().flatten().any(Holder::is_of_an_issue);
        !entry.is_forbid() && (people || entry.refs.has_issue())
    });
    if !speaks || projects.is_empty() {
        return Vec::new();
    }
    let wanting = |one: &Ruled| matches!(one.refused(), Some(Code::NoPermit | Code::Lookup));
    let refused = updates.iter().zip(ruled).filter(|(_, one)| wanting(one));
    let lines: BTreeSet<String> =
        refused.map(|(update, _)| line(update.name.as_bytes(), projects)).collect();
    lines.into_iter().take(MAX_LINES).collect()
}

fn line(name: &[u8], projects: &[Box<str>]) -> String {
    let listed =
        |keys: Vec<IssueKey>| keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let keys = issue::find(name, projects);
    if !keys.is_empty() {
        return format!("in play: {}, found in {}", listed(keys), Spot::Ref.words());
    }
    let small = issue::misspelt(name, projects);
    if !small.is_empty() {
        return format!(
            "no issue is in play: keys are written in capitals, as in {}",
            listed(small)
        );
    }
    format!("no issue is in play: {} names none of {}", Spot::Ref.words(), projects.join(", "))
}
