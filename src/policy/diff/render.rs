//! A comparison as lines for people and as JSON.

use super::{Change, Diff, Level, Note, Repositories, Spot, Touching, Who};
use crate::policy::name::UserName;
use crate::push::action::Action;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::fmt;

/// Most names that a line lists.
const NAMES: usize = 10;
/// More names than this are counted.
const MANY: usize = 100;
/// Of those that are counted, how many are named.
const FEW: usize = 3;

impl Diff {
    /// One line a change, at most `most` of them and then how many there are besides.
    #[must_use]
    pub fn lines(&self, most: usize) -> Vec<String> {
        let mut changes: Vec<String> = self.changes.iter().map(ToString::to_string).collect();
        if self.notes.len() + changes.len() > most {
            changes = self.together();
        }
        let notes = self.notes.iter().map(|note| format!("note   {}", note.text));
        let all: Vec<String> = notes.chain(changes).collect();
        capped(all, most, "changes")
    }

    /// Changes that differ only in the people, projects and entries, as one line each.
    fn together(&self) -> Vec<String> {
        let mut groups: Vec<(Change, usize)> = Vec::new();
        let mut known = HashMap::new();
        for change in &self.changes {
            let who = (change.who.looked_up.clone(), change.who.anonymous);
            let what = (change.gains, change.actions.clone(), change.refs.clone());
            let how = (change.touching.kind(), change.from, change.before, change.after);
            let how = (how, change.repositories.clone());
            let at = *known.entry((who, what, how)).or_insert(groups.len());
            match groups.get_mut(at) {
                None => groups.push((change.clone(), 1)),
                Some((group, count)) => {
                    *count += 1;
                    group.who.users.extend(change.who.users.iter().cloned());
                    group.who.everyone |= change.who.everyone;
                    group.projects.extend(change.projects.iter().cloned());
                    group.through.extend(change.through.iter().cloned());
                }
            }
        }
        let line = |(group, count): (Change, usize)| match count {
            1 => group.to_string(),
            _ => format!("{group} (not all of them everywhere)"),
        };
        groups.into_iter().map(line).collect()
    }

    /// Everything, nothing left out.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "widened": self.widened(),
            "changes": self.changes.iter().map(Change::to_json).collect::<Vec<Value>>(),
            "notes": self.notes.iter().map(Note::to_json).collect::<Vec<Value>>(),
        })
    }
}

/// The first `most`, then a count.
pub(super) fn capped(mut all: Vec<String>, most: usize, what: &str) -> Vec<String> {
    if all.len() > most {
        let more = all.len() - most;
        all.truncate(most);
        all.push(format!("and {more} more {what}"));
    }
    all
}

/// `bob, carol and 12 more`, or where they are very many `987 projects (P1, P10, …)`.
fn counted<'a>(names: impl ExactSizeIterator<Item = &'a str>, what: &str) -> String {
    match names.len() {
        count if count > MANY => {
            let few: Vec<&str> = names.take(FEW).collect();
            format!("{count} {what} ({}, ...)", few.join(", "))
        }
        _ => some_of(names),
    }
}

/// `bob, carol and 12 more`
pub(super) fn some_of<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(NAMES);
    let shown: Vec<&str> = names.take(NAMES).collect();
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = match self.everyone {
            true => format!("everyone ({} users)", self.users.len()),
            false => counted(self.users.iter().map(UserName::as_str), "users"),
        };
        let nobody = "people without an identity";
        let groups: Vec<String> = self.looked_up.iter().map(|group| format!("@{group}")).collect();
        let groups = groups.join(" and ");
        match (self.looked_up.is_empty(), self.anonymous, self.users.is_empty()) {
            (true, true, true) => f.write_str(nobody),
            (true, true, false) => write!(f, "{names}, {nobody}"),
            (true, false, _) => f.write_str(&names),
            (false, ..) if self.everyone => write!(f, "members of {groups} (looked up)"),
            (false, ..) => write!(f, "{names} as members of {groups} (looked up)"),
        }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = if self.before { " (before)" } else { "" };
        write!(f, "{}:{}{before}", self.file, self.line)
    }
}

impl fmt::Display for Touching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => Ok(()),
            Self::Nothing => f.write_str(" where nothing changes"),
            Self::Unknown => f.write_str(" where the changed paths can't be known"),
            Self::Path { patterns, example, link } => {
                let link = if *link { ", a link" } else { "" };
                let shown = example.escape_ascii();
                match patterns.as_slice() {
                    [] => write!(f, " changing paths (e.g. {shown}{link})"),
                    _ => write!(f, " changing {} (e.g. {shown}{link})", patterns.join(", ")),
                }
            }
        }
    }
}

/// `push`, `write`, or the actions' own words.
fn words(actions: &BTreeSet<Action>) -> String {
    use Action::{Create, Delete, Force, Update};
    let mut rest = actions.clone();
    let mut words = Vec::new();
    for (word, set) in [
        ("write", [Create, Update, Force, Delete].as_slice()),
        ("push", [Create, Update].as_slice()),
    ] {
        if set.iter().all(|action| rest.contains(action)) {
            rest.retain(|action| !set.contains(action));
            words.push(word);
        }
    }
    words.extend(rest.into_iter().map(Action::as_str));
    words.join(", ")
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.gains { "gains " } else { "loses " };
        write!(f, "{verb} {}   {}", self.who, words(&self.actions))?;
        if !self.refs.is_empty() {
            write!(f, " on {}", self.refs.join(", "))?;
        }
        let projects = counted(self.projects.iter().map(|name| name.as_str()), "projects");
        write!(f, " in {projects}{}", self.places())?;
        if !self.example.is_empty() {
            write!(f, " (e.g. {})", self.example.escape_ascii())?;
        }
        write!(f, "{}", self.touching)?;
        if let Some(from) = self.from {
            write!(f, " from {}", from.format("%Y-%m-%dT%H:%M:%SZ"))?;
        }
        match (self.before, self.after) {
            (Level::Warned, Level::Allowed) => f.write_str(", no longer with a warning")?,
            (_, Level::Warned) => f.write_str(", with a warning (`enforce = \"warn\"`)")?,
            (Level::Warned, Level::Refused) => f.write_str(", until now with a warning")?,
            _ => {}
        }
        let through: Vec<String> = self.through.iter().map(ToString::to_string).collect();
        if through.is_empty() {
            return Ok(());
        }
        write!(f, ", {}", some_of(through.iter().map(String::as_str)))
    }
}

impl Change {
    /// In which repositories, where not in all of the project.
    fn places(&self) -> String {
        let which = match &self.repositories {
            Repositories::All => return String::new(),
            Repositories::Matching(patterns) => format!("repositories {}", patterns.join(", ")),
            Repositories::AllBut(patterns) => format!("all but {}", patterns.join(", ")),
            Repositories::Some => "some repositories".into(),
        };
        format!(" ({which}, e.g. {})", self.example_repository.escape_ascii())
    }

    fn to_json(&self) -> Value {
        let text = |name: &[u8]| (!name.is_empty()).then(|| name.escape_ascii().to_string());
        json!({
            "change": if self.gains { "gains" } else { "loses" },
            "users": self.who.users,
            "everyone": self.who.everyone,
            "anonymous": self.who.anonymous,
            "looked_up_groups": self.who.looked_up,
            "actions": self.actions.iter().map(|a| a.as_str()).collect::<Vec<_>>(),
            "projects": self.projects,
            "repositories": self.repositories.to_json(),
            "example_repository": text(&self.example_repository),
            "refs": self.refs,
            "example_ref": text(&self.example),
            "paths": self.touching.to_json(),
            "from": self.from.map(|from| from.format("%Y-%m-%dT%H:%M:%SZ").to_string()),
            "before": self.before.as_str(),
            "after": self.after.as_str(),
            "through": self.through.iter().map(Spot::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Repositories {
    fn to_json(&self) -> Value {
        match self {
            Self::All => Value::Null,
            Self::Matching(patterns) => json!({ "matching": patterns }),
            Self::AllBut(patterns) => json!({ "all_but": patterns }),
            Self::Some => json!("some"),
        }
    }
}

impl Touching {
    /// Without the example.
    fn kind(&self) -> Self {
        match self {
            Self::Path { patterns, .. } => {
                Self::Path { patterns: patterns.clone(), example: Vec::new(), link: false }
            }
            other => other.clone(),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Any => Value::Null,
            Self::Nothing => json!({ "changed": "nothing" }),
            Self::Unknown => json!({ "changed": "unknown" }),
            Self::Path { patterns, example, link } => json!({
                "changed": "path",
                "patterns": patterns,
                "example": example.escape_ascii().to_string(),
                "link": link,
            }),
        }
    }
}

impl Level {
    /// As JSON says it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Warned => "warned",
            Self::Allowed => "allowed",
        }
    }
}

impl Spot {
    fn to_json(&self) -> Value {
        json!({ "file": self.file, "line": self.line, "before": self.before })
    }
}

impl Note {
    fn to_json(&self) -> Value {
        json!({ "text": self.text, "widens": self.widens })
    }
}
