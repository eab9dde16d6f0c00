//! Rules about changed paths, `VREF/NAME/`, as forbids with paths.
//!
//! gitolite asks them after the ref was found open, for every changed path: the first rule that fits
//! says, and where none does the path is open. So each denial is a forbid without what earlier rules
//! allow to the same people by the same action.

use super::conf::Rule;
use super::push::Ground;
use crate::import::Notes;
use crate::import::page::Entry;
use crate::import::perl::{Branch, Set};
use crate::policy::entry::Permissions;
use std::collections::{BTreeMap, BTreeSet};

const NAME: &str = "VREF/NAME/";

/// The three actions that have paths.
const MOVES: [Permissions; 3] = [Permissions::CREATE, Permissions::UPDATE, Permissions::FORCE];

/// Forbids by who is spared and which earlier rules allow something.
type Cut = (BTreeSet<String>, Vec<usize>);

impl Ground<'_> {
    pub(super) fn path_entries(&self, notes: &mut Notes) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (at, rule) in self.rules.iter().enumerate() {
            self.programs(rule, notes);
            if rule.perm.is_deny() && !rule.paths.is_empty() {
                self.path_forbids(at, rule, &mut entries);
                self.deletions(rule, notes);
            }
        }
        entries
    }

    fn programs(&self, rule: &Rule, notes: &mut Notes) {
        for text in &rule.programs {
            let words = match rule.perm.is_deny() {
                true => format!(
                    "`{text}` asks a program of gitolite's: what it denies is no longer denied"
                ),
                false => format!("`{text}` asks a program of gitolite's"),
            };
            notes.lost(&rule.place, words);
        }
        let odd = |set: &&Set| set.branches().any(|branch| path(branch).is_none());
        if rule.paths.iter().any(|set| odd(&set)) {
            let words = "a pattern of paths that is not tied to the beginning: nothing is open to these \
                         people where it would be asked";
            notes.lost(&rule.place, words);
        }
    }

    /// gitolite takes the deletion of a ref for the deletion of all files below it.
    fn deletions(&self, deny: &Rule, notes: &mut Notes) {
        let deletes = |rule: &&&Rule| {
            rule.perm.writes()
                && self.permissions(rule).intersects(Permissions::DELETE)
                && self.people.iter().any(|p| self.is_in(p, rule) && self.is_in(p, deny))
        };
        if let Some(rule) = self.rules.iter().find(|rule| deletes(rule)) {
            let words = format!(
                "whom {} lets delete refs may delete those with such paths too: a deletion changes none here",
                rule.place
            );
            notes.lost(&deny.place, words);
        }
    }

    fn path_forbids(&self, at: usize, deny: &Rule, entries: &mut Vec<Entry>) {
        let earlier: Vec<(usize, &Rule)> = self
            .rules
            .iter()
            .enumerate()
            .take(at)
            .filter(|(_, rule)| rule.perm.writes() && self.paths_meet(&rule.paths, &deny.paths))
            .map(|(at, rule)| (at, *rule))
            .collect();
        let mut found: BTreeMap<Cut, Permissions> = BTreeMap::new();
        for action in MOVES {
            let allowing: Vec<(usize, &Rule)> =
                earlier.iter().filter(|(_, rule)| self.letters(rule, action)).copied().collect();
            for cut in self.path_cuts(deny, &allowing) {
                let all = found.entry(cut).or_default();
                *all = all.with(action);
            }
        }
        for ((except, shields), permissions) in found {
            let mut entry = Entry { forbid: true, permissions, ..Entry::default() };
            if !deny.users.iter().any(|user| user == "@all") {
                entry.add("to", deny.users.iter().cloned());
            }
            entry.add("except", except);
            let shields: Vec<&Set> = shields
                .iter()
                .filter_map(|at| self.rules.get(*at))
                .flat_map(|rule| &rule.paths)
                .collect();
            let all = |paths: Vec<String>| {
                if paths.iter().any(|path| path == "**") { vec!["**".to_owned()] } else { paths }
            };
            let denied = all(deny.paths.iter().flat_map(said).collect());
            let spared: Vec<String> = shields.iter().flat_map(|set| spared(set)).collect();
            match denied.first().map(String::as_str) {
                Some("**") if !spared.is_empty() => {}
                _ => entry.add("paths", denied),
            }
            entry.add("except-paths", spared);
            entry.places.insert(deny.place.clone());
            entries.push(entry);
        }
    }

    /// Whom the denial spares by which earlier rules, for one action.
    fn path_cuts(&self, deny: &Rule, allowing: &[(usize, &Rule)]) -> BTreeSet<Cut> {
        let mut cuts = BTreeSet::new();
        for person in self.people.iter().filter(|person| self.is_in(person, deny)) {
            let (mine, others): (Vec<_>, Vec<_>) =
                allowing.iter().partition(|(_, rule)| self.is_in(person, rule));
            let whole = |deny: &Set| {
                mine.iter()
                    .flat_map(|(_, rule)| &rule.paths)
                    .any(|allow| self.overlaps.paths(deny, allow).inside)
            };
            if deny.paths.iter().all(whole) {
                continue;
            }
            let except = others
                .iter()
                .flat_map(|(_, rule)| &rule.users)
                .filter(|word| self.touches(word, deny))
                .cloned()
                .collect();
            cuts.insert((except, mine.iter().map(|(at, _)| *at).collect()));
        }
        cuts
    }

    fn paths_meet(&self, one: &[Set], other: &[Set]) -> bool {
        one.iter().any(|a| other.iter().any(|b| self.overlaps.paths(a, b).meets))
    }

    /// Whether the letters of a rule speak for an action.
    fn letters(&self, rule: &Rule, action: Permissions) -> bool {
        if action == Permissions::CREATE {
            !self.class.create_is_c || rule.perm.has('C')
        } else {
            action == Permissions::UPDATE || rule.perm.has('+')
        }
    }
}

fn path(branch: &Branch) -> Option<String> {
    let text = branch.without(NAME)?.path();
    let bare = text.trim_start_matches("regex:");
    (!bare.is_empty() && !bare.starts_with('/') && !bare.ends_with('/')).then_some(text)
}

/// Paths that are denied; all, where they can't be said.
fn said(set: &Set) -> Vec<String> {
    set.branches().map(|branch| path(branch).unwrap_or_else(|| "**".to_owned())).collect()
}

/// Paths that are spared; none, where they can't be said.
fn spared(set: &Set) -> Vec<String> {
    set.branches().filter_map(path).collect()
}
