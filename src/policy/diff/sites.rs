//! Which repositories to compare, and the differences of all of them brought together.

use super::super::entry::{Enforce, Entry};
use super::super::members::{Answers, Standing};
use super::super::model::Policy;
use super::super::name::{GroupName, ProjectName, UserName};
use super::super::scope::{NoScope, Site, site};
use super::classes::repositories;
use super::compare::{Bench, Difference, Person, Side};
use super::people::{Classes, People, classes, lookups_in_play, memberships, mentioned, signature};
use super::walk::TooLarge;
use super::{Change, Note, Spot, Who};
use crate::push::action::Action;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A repository's place in the two policies.
struct Pair<'p> {
    old: Option<Site<'p>>,
    new: Option<Site<'p>>,
}

/// What, in which looked-up groups, and where; then an example of it, and who.
type Differences = BTreeMap<
    (Difference, BTreeSet<GroupName>, ProjectName),
    (Difference, BTreeSet<Option<UserName>>),
>;

struct Comparison<'p> {
    old: People<'p>,
    new: People<'p>,
    classes: Classes,
    now: DateTime<Utc>,
    benches: HashMap<BenchKey, Bench<'p>>,
    found: Differences,
    notes: Vec<Note>,
}

/// Entries by where they lie in memory, so that projects of one scheme share the work.
type BenchKey = [Option<(Vec<usize>, bool)>; 2];

pub(super) fn compare(old: &Policy, new: &Policy, now: DateTime<Utc>) -> (Vec<Change>, Vec<Note>) {
    let (old, new) = (People::new(old), People::new(new));
    let mut comparison = Comparison {
        classes: classes(&old, &new),
        old,
        new,
        now,
        benches: HashMap::new(),
        found: BTreeMap::new(),
        notes: Vec::new(),
    };
    for pair in comparison.pairs() {
        comparison.pair(&pair);
    }
    let notes = std::mem::take(&mut comparison.notes);
    (comparison.changes(), notes)
}

impl<'p> Comparison<'p> {
    /// Every pair of sites that some repository has, each once.
    fn pairs(&mut self) -> Vec<Pair<'p>> {
        let (old, new) = (self.old.policy, self.new.policy);
        let of = |policy: &'p Policy| {
            let projects = policy.projects.values().flat_map(|project| &project.repositories);
            projects.chain(policy.grants.iter().flat_map(|grant| &grant.repositories))
        };
        let Ok(names) = repositories(of(old).chain(of(new))) else {
            return self.pairs_by_name();
        };
        let mut seen = BTreeSet::new();
        let mut pairs = Vec::new();
        for name in names {
            let sites = (site(old, &name), site(new, &name));
            let key = (identity(&sites.0), identity(&sites.1));
            if !seen.insert(key) {
                continue;
            }
            self.note_move(&name, &sites.0, &sites.1);
            pairs.push(Pair { old: sites.0.ok(), new: sites.1.ok() });
        }
        pairs
    }

    /// Where repositories are too intricate: projects of the same name.
    fn pairs_by_name(&mut self) -> Vec<Pair<'p>> {
        self.notes.push(Note {
            text: "which repositories belong to which project is too large to compute: projects \
                   of the same name are compared, without grants by `repositories`"
                .into(),
            widens: true,
        });
        let (old, new) = (self.old.policy, self.new.policy);
        let names: BTreeSet<&ProjectName> =
            old.projects.keys().chain(new.projects.keys()).collect();
        let named = |policy: &'p Policy, name: &ProjectName| {
            let (name, project) = policy.projects.get_key_value(name)?;
            let scheme = policy.schemes.get(&project.scheme)?;
            let grants = policy.grants.iter().filter(|grant| grant.projects.contains(name));
            let entries = scheme.entries.iter().chain(grants.map(|grant| &grant.entry)).collect();
            Some(Site { name, project, entries })
        };
        let pair = |name: &ProjectName| Pair { old: named(old, name), new: named(new, name) };
        names.into_iter().map(pair).collect()
    }

    fn note_move(&mut self, name: &[u8], old: &Found<'p>, new: &Found<'p>) {
        let words = |site: &Found<'p>| match site {
            Ok(site) => format!("project {}", site.name),
            Err(NoScope::Ambiguous(one, two)) => format!("both {one} and {two} (refused)"),
            Err(NoScope::NoProject) => "no project".into(),
            Err(other) => format!("nowhere ({other})"),
        };
        let (before, after) = (words(old), words(new));
        if before != after {
            let example = name.escape_ascii();
            let text = format!("repositories like `{example}` move from {before} to {after}");
            self.notes.push(Note { text, widens: false });
        }
    }

    fn pair(&mut self, pair: &Pair<'p>) {
        let Some(name) = pair.new.as_ref().or(pair.old.as_ref()).map(|site| site.name) else {
            return;
        };
        let key = [&pair.old, &pair.new].map(|site| site.as_ref().map(bench_key));
        let mut bench = self.benches.remove(&key).unwrap_or_else(|| {
            let side = |site: &Option<Site<'p>>, people: &People<'p>| {
                let site = site.as_ref()?;
                let files = people.policy.files.as_slice();
                Some(Side { entries: site.entries.clone(), enforce: site.project.enforce, files })
            };
            Bench::new(side(&pair.old, &self.old), side(&pair.new, &self.new), self.now)
        });
        if self.ask_everybody(pair, name, &mut bench).is_err() {
            self.notes.push(too_large(name, &bench));
        }
        self.benches.insert(key, bench);
    }

    fn ask_everybody(
        &mut self,
        pair: &Pair<'p>,
        name: &ProjectName,
        bench: &mut Bench<'p>,
    ) -> Result<(), TooLarge> {
        let crowds = self.crowds(pair);
        let groups = self.lookups(pair);
        let (sets, all) = memberships(&groups);
        if !all {
            let text = format!("in {name}, not every combination of looked-up groups is compared");
            self.notes.push(Note { text, widens: false });
        }
        let mut said = Said::default();
        for set in sets {
            let answer = |group: &GroupName| (group.clone(), Ok(set.contains(group)));
            let answers: Answers = groups.iter().map(answer).collect();
            for crowd in &crowds {
                // Nobody knows whether somebody without an identity is a member of anything.
                if set.is_empty() || crowd.first().is_some_and(Option::is_some) {
                    self.ask_crowd(pair, name, bench, crowd, (&set, &answers), &mut said)?;
                }
            }
        }
        Ok(())
    }

    /// People with the same standing in both policies; those whom a site names stand alone.
    fn crowds(&self, pair: &Pair<'p>) -> Vec<Vec<Option<UserName>>> {
        let sites = pair.old.iter().chain(&pair.new);
        let singled: BTreeSet<UserName> =
            sites.flat_map(|site| mentioned(site.project, &site.entries)).collect();
        let mut crowds = vec![vec![None]];
        for users in self.classes.values() {
            let (alone, together): (Vec<_>, Vec<_>) = users
                .iter()
                .cloned()
                .map(Some)
                .partition(|user| user.as_ref().is_some_and(|user| singled.contains(user)));
            crowds.extend(alone.into_iter().map(|user| vec![user]));
            crowds.extend((!together.is_empty()).then_some(together));
        }
        crowds
    }

    fn lookups(&self, pair: &Pair<'p>) -> BTreeSet<GroupName> {
        let sides = [(&pair.old, &self.old), (&pair.new, &self.new)];
        let here = sides.into_iter().filter_map(|(site, people)| {
            let site = site.as_ref()?;
            Some(lookups_in_play(&people.lookups, site.project, &site.entries))
        });
        here.flatten().collect()
    }

    fn person<'a>(
        &self,
        pair: &Pair<'p>,
        user: Option<&'a UserName>,
        answers: &'a Answers,
    ) -> Person<'a> {
        let standing = |site: &Option<Site<'p>>, people: &People<'p>| {
            let site = site.as_ref()?;
            people.standing(user, site.project)
        };
        let (old, new) = (standing(&pair.old, &self.old), standing(&pair.new, &self.new));
        let about = |site: &Option<Site<'p>>, standing: Option<&Standing>| {
            signature(standing, site.as_ref().map_or(&[][..], |site| &site.entries), answers)
        };
        let kind = (about(&pair.old, old.as_ref()), about(&pair.new, new.as_ref()));
        Person { user, old, new, answers, kind }
    }

    fn ask_crowd(
        &mut self,
        pair: &Pair<'p>,
        name: &ProjectName,
        bench: &mut Bench<'p>,
        crowd: &[Option<UserName>],
        (set, answers): (&BTreeSet<GroupName>, &Answers),
        said: &mut Said,
    ) -> Result<(), TooLarge> {
        let Some(first) = crowd.first() else { return Ok(()) };
        let one = self.person(pair, first.as_ref(), answers);
        if bench.same && one.kind.0 == one.kind.1 {
            return Ok(());
        }
        for alike in bench.alike(crowd) {
            let Some(first) = alike.first() else { continue };
            let person = self.person(pair, first.as_ref(), answers);
            for difference in bench.differences(&person)? {
                if said.is_new(first, set, difference) {
                    self.record(name, set, difference, &alike);
                }
            }
        }
        Ok(())
    }

    fn record(
        &mut self,
        project: &ProjectName,
        set: &BTreeSet<GroupName>,
        difference: &Difference,
        alike: &[Option<UserName>],
    ) {
        let key = (difference.without_example(), set.clone(), project.clone());
        let (_, users) =
            self.found.entry(key).or_insert_with(|| (difference.clone(), BTreeSet::new()));
        users.extend(alike.iter().cloned());
    }

    /// Brings together what differs in the action alone, then what differs in the project alone.
    fn changes(self) -> Vec<Change> {
        let mut by_action: BTreeMap<_, (Difference, BTreeSet<Action>)> = BTreeMap::new();
        for ((what, set, project), (example, users)) in self.found {
            let action = what.action;
            let key = (Difference { action: Action::Read, ..what }, set, project, users);
            let read = action == Action::Read;
            let (_, actions) =
                by_action.entry((key, read)).or_insert_with(|| (example, BTreeSet::new()));
            actions.insert(action);
        }
        let mut by_project: BTreeMap<_, (Difference, BTreeSet<ProjectName>)> = BTreeMap::new();
        for (((what, set, project, users), _), (example, actions)) in by_action {
            let key = (what, set, users, actions);
            let (_, projects) = by_project.entry(key).or_insert_with(|| (example, BTreeSet::new()));
            projects.insert(project);
        }
        let active = |policy: &Policy| {
            let users = policy.users.iter().filter(|(_, user)| user.active);
            users.map(|(name, _)| name.clone()).collect::<BTreeSet<UserName>>()
        };
        let (old, new) = (active(self.old.policy), active(self.new.policy));
        let mut changes = Vec::new();
        for ((_, set, users, actions), (example, projects)) in by_project {
            let gains = example.before < example.after;
            let all = if gains { &new } else { &old };
            let anonymous = users.contains(&None);
            let users: BTreeSet<UserName> = users.into_iter().flatten().collect();
            let everyone = users.len() > 1 && users == *all;
            changes.push(Change {
                gains,
                who: Who { users, everyone, anonymous, looked_up: set },
                actions,
                projects,
                refs: example.refs,
                example: example.name,
                touching: example.touching,
                from: example.from,
                before: example.before,
                after: example.after,
                through: example.through,
            });
        }
        changes
    }
}

/// What was said already of somebody, and so of all who are alike, with fewer memberships.
#[derive(Default)]
struct Said(HashMap<(Option<UserName>, Difference), Vec<BTreeSet<GroupName>>>);

impl Said {
    fn is_new(
        &mut self,
        first: &Option<UserName>,
        set: &BTreeSet<GroupName>,
        difference: &Difference,
    ) -> bool {
        let known = self.0.entry((first.clone(), difference.without_reason())).or_default();
        let new = !known.iter().any(|fewer| fewer.is_subset(set) && fewer != set);
        known.push(set.clone());
        new
    }
}

type Found<'p> = Result<Site<'p>, NoScope>;

/// The same for two repositories in which the same is written about everybody.
fn identity(site: &Found<'_>) -> Result<(ProjectName, Vec<usize>), String> {
    match site {
        Ok(site) => Ok((site.name.clone(), bench_key(site).0)),
        Err(none) => Err(none.to_string()),
    }
}

fn bench_key(site: &Site<'_>) -> (Vec<usize>, bool) {
    let addresses = site.entries.iter().map(|entry| std::ptr::from_ref(*entry).addr());
    (addresses.collect(), site.project.enforce == Enforce::Warn)
}

/// What is said where a project can't be compared: the entries that are in one policy only.
fn too_large(name: &ProjectName, bench: &Bench<'_>) -> Note {
    let entries = |side: &Option<Side<'_>>| {
        side.iter()
            .flat_map(|side| {
                side.entries.iter().map(|e| ((*e).clone(), Spot::new(e.place, side.files, false)))
            })
            .collect::<Vec<(Entry, Spot)>>()
    };
    let (old, new) = (entries(&bench.old), entries(&bench.new));
    let within = |entry: &Entry, all: &[(Entry, Spot)]| {
        all.iter().any(|(other, _)| Entry { place: entry.place, ..other.clone() } == *entry)
    };
    let added = new.iter().filter(|(entry, _)| !within(entry, &old)).map(|(_, spot)| spot.clone());
    let gone = old.iter().filter(|(entry, _)| !within(entry, &new));
    let gone = gone.map(|(_, spot)| Spot { before: true, ..spot.clone() });
    let spots: Vec<String> = added.chain(gone).map(|spot| spot.to_string()).collect();
    let which = match spots.is_empty() {
        true => "none: its people or its `enforce` did".to_owned(),
        false => spots.join(", "),
    };
    let text = format!("{name} is too large to compute; entries that changed: {which}");
    Note { text, widens: true }
}
