//! Which repositories to compare, and who is asked about in each.

use super::super::entry::Enforce;
use super::super::members::{Answers, Standing};
use super::super::model::Policy;
use super::super::name::{GroupName, ProjectName};
use super::super::scope::{NoScope, Site, site};
use super::classes::repositories;
use super::compare::{Bench, Meant, Person, Side};
use super::contents::Contents;
use super::crowd::Crowd;
use super::gather::Gathered;
use super::moves::Moves;
use super::people::{Everybody, lookups_in_play, memberships, signature};
use super::places::Places;
use super::render::some_of;
use super::told::Difference;
use super::walk::TooLarge;
use super::{Change, Note, Spot};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Most projects that have notes of their own; more have one together.
const NOTES: usize = 10;

/// A repository's place in the two policies, old and new.
pub(super) type Pair<'p> = [Option<Site<'p>>; 2];

struct Comparison<'c, 'p> {
    everybody: &'c mut Everybody<'p>,
    contents: &'c mut Contents,
    now: DateTime<Utc>,
    benches: HashMap<BenchKey, Bench<'p>>,
    gathered: Gathered<'p>,
    notes: Vec<Note>,
    too_large: BTreeMap<&'p ProjectName, BTreeSet<Spot>>,
    many_lookups: BTreeSet<&'p ProjectName>,
}

/// What is written, so that projects in which the same is written share the work.
type BenchKey = [Option<(Vec<u32>, bool)>; 2];

pub(super) fn compare<'p>(
    everybody: &mut Everybody<'p>,
    contents: &mut Contents,
    now: DateTime<Utc>,
) -> (Vec<Change>, Vec<Note>) {
    let mut comparison = Comparison {
        everybody,
        contents,
        now,
        benches: HashMap::new(),
        gathered: Gathered::default(),
        notes: Vec::new(),
        too_large: BTreeMap::new(),
        many_lookups: BTreeSet::new(),
    };
    let (pairs, places) = comparison.pairs();
    comparison.gathered = Gathered::new(places);
    let mut pairs: Vec<(usize, Pair<'p>)> = pairs.into_iter().enumerate().collect();
    pairs.sort_by_key(|(_, pair)| name(pair));
    for (number, pair) in &pairs {
        comparison.pair(*number, pair);
    }
    comparison.say_what_is_missing();
    let Comparison { everybody, gathered, notes, .. } = comparison;
    (gathered.changes(everybody), notes)
}

/// The project that changes are told of.
fn name<'p>(pair: &Pair<'p>) -> Option<&'p ProjectName> {
    let [old, new] = pair;
    new.as_ref().or(old.as_ref()).map(|site| site.name)
}

impl<'p> Comparison<'_, 'p> {
    /// Before and after.
    fn policies(&self) -> [&'p Policy; 2] {
        self.everybody.sides.each_ref().map(|people| people.policy)
    }

    /// Every pair of sites that some repository has, each once, and their repositories.
    fn pairs(&mut self) -> (Vec<Pair<'p>>, Places<'p>) {
        let policies = self.policies();
        let of = |policy: &'p Policy| {
            let projects = policy.projects.values().flat_map(|project| &project.repositories);
            projects.chain(policy.grants.iter().flat_map(|grant| &grant.repositories))
        };
        let Ok(names) = repositories(policies.into_iter().flat_map(of)) else {
            return self.pairs_by_name();
        };
        let mut places = Places::new(names.clone(), policies.into_iter().flat_map(of));
        let mut seen = HashMap::new();
        let mut pairs: Vec<Pair<'p>> = Vec::new();
        let mut moves = Moves::default();
        for (repository, repository_name) in names.iter().enumerate() {
            let sites = policies.map(|policy| site(policy, repository_name));
            let next = pairs.len();
            let number = *seen.entry(sites.each_ref().map(identity)).or_insert(next);
            if number == next {
                moves.note(repository_name, &sites);
                pairs.push(sites.map(Result::ok));
            }
            if let Some(told) = pairs.get(number).and_then(name) {
                places.add(repository, number, told);
            }
        }
        self.notes.extend(moves.notes());
        (pairs, places)
    }

    /// Where repositories are too intricate: projects of the same name.
    fn pairs_by_name(&mut self) -> (Vec<Pair<'p>>, Places<'p>) {
        self.notes.push(Note {
            text: "which repositories belong to which project is too large to compute: projects \
                   of the same name are compared, without grants by `repositories`"
                .into(),
            widens: true,
        });
        let policies = self.policies();
        let names: BTreeSet<&ProjectName> =
            policies.iter().flat_map(|policy| policy.projects.keys()).collect();
        let named = |policy: &'p Policy, name: &ProjectName| {
            let (name, project) = policy.projects.get_key_value(name)?;
            let scheme = policy.schemes.get(&project.scheme)?;
            let grants = policy.grants.iter().filter(|grant| grant.projects.contains(name));
            let entries = scheme.entries.iter().chain(grants.map(|grant| &grant.entry)).collect();
            Some(Site { name, project, entries })
        };
        let pairs = names.into_iter().map(|name| policies.map(|policy| named(policy, name)));
        (pairs.collect(), Places::default())
    }

    fn pair(&mut self, number: usize, pair: &Pair<'p>) {
        let Some(name) = name(pair) else { return };
        let key = pair.each_ref().map(|site| {
            let site = site.as_ref()?;
            let warns = site.project.enforce == Enforce::Warn;
            Some((self.contents.numbers(&site.entries), warns))
        });
        let [was, is] = &key;
        let same = was.is_some() && was == is;
        if same && self.everybody.unmoved && same_people(pair) {
            return;
        }
        let mut bench = self.benches.remove(&key).unwrap_or_else(|| {
            let side = |site: &Option<Site<'p>>| {
                let site = site.as_ref()?;
                Some(Side { entries: site.entries.clone(), enforce: site.project.enforce })
            };
            Bench::new(pair.each_ref().map(side), &self.everybody.names, self.now)
        });
        if self.ask_everybody((name, number, pair), &mut bench, same).is_err() {
            let spots = only_once(pair, &key, self.policies());
            self.too_large.entry(name).or_default().extend(spots);
        }
        self.benches.insert(key, bench);
    }

    fn ask_everybody(
        &mut self,
        here: (&'p ProjectName, usize, &Pair<'p>),
        bench: &mut Bench<'p>,
        same: bool,
    ) -> Result<(), TooLarge> {
        let (name, _, pair) = here;
        let crowds = self.everybody.crowds(pair.each_ref().map(Option::as_ref));
        let groups = self.lookups(pair);
        let (sets, all) = memberships(&groups);
        if !all {
            self.many_lookups.insert(name);
        }
        let mut said = Said::default();
        for set in sets {
            let answer = |group: &GroupName| (group.clone().into(), Ok(set.contains(group)));
            let answers: Answers = groups.iter().map(answer).collect();
            for crowd in &crowds {
                // Nobody knows whether somebody without an identity is a member of anything.
                if !set.is_empty() && crowd.contains(0) {
                    continue;
                }
                let meant = self.meant(pair, crowd, &answers);
                let [was, is] = &meant;
                if same && was == is {
                    continue;
                }
                let parts = bench.names.parts(crowd)?;
                for (class, part) in parts.into_iter().flat_map(apart) {
                    let Some(first) = part.first() else { continue };
                    let found = bench.differences((meant.clone(), class), || Person {
                        user: self.everybody.names.get(first).copied().flatten(),
                        standings: self.standings(pair, first),
                        answers: &answers,
                    })?;
                    if groups.is_empty() {
                        self.gathered.record(here, &set, found.short.iter(), &part);
                    } else {
                        let news = found.told(|question| said.is_new(first, &set, question));
                        self.gathered.record(here, &set, news.iter(), &part);
                    }
                }
            }
        }
        Ok(())
    }

    fn lookups(&self, pair: &Pair<'p>) -> BTreeSet<GroupName> {
        let here = pair.iter().zip(&self.everybody.sides).filter_map(|(site, people)| {
            let site = site.as_ref()?;
            Some(lookups_in_play(&people.lookups, site.project, &site.entries))
        });
        here.flatten().collect()
    }

    /// Somebody's standing, before and after.
    fn standings(&self, pair: &Pair<'p>, number: usize) -> [Option<Standing>; 2] {
        let user = self.everybody.names.get(number).copied().flatten();
        let [old, new] = &self.everybody.sides;
        let [was, is] = pair.each_ref().map(Option::as_ref);
        [(old, was), (new, is)].map(|(people, site)| people.standing(user, site?.project))
    }

    /// Whom of a crowd the entries are about, which is the same for all of it.
    fn meant(&self, pair: &Pair<'p>, crowd: &Crowd, answers: &Answers) -> Meant {
        let [was, is] = self.standings(pair, crowd.first().unwrap_or_default());
        let [old, new] = pair.each_ref().map(Option::as_ref);
        [(was, old), (is, new)].map(|(standing, site)| {
            signature(standing.as_ref(), site.map_or(&[][..], |site| &site.entries), answers)
        })
    }

    /// What was too much to ask may hide a gain.
    fn say_what_is_missing(&mut self) {
        let said = |spots: &BTreeSet<Spot>| match spots.is_empty() {
            true => "none: its people or its `enforce` did".to_owned(),
            false => some_of(
                spots
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .iter()
                    .map(String::as_str),
            ),
        };
        let mut texts = Vec::new();
        if self.too_large.len() <= NOTES {
            texts.extend(self.too_large.iter().map(|(name, spots)| {
                format!("{name} is too large to compute; entries that changed: {}", said(spots))
            }));
        } else {
            let spots = self.too_large.values().flatten().cloned().collect();
            let names = some_of(self.too_large.keys().map(|name| name.as_str()));
            texts.push(format!(
                "{names} are too large to compute; entries that changed: {}",
                said(&spots)
            ));
        }
        if !self.many_lookups.is_empty() {
            let names = some_of(self.many_lookups.iter().map(|name| name.as_str()));
            texts
                .push(format!("in {names}, not every combination of looked-up groups is compared"));
        }
        self.notes.extend(texts.into_iter().map(|text| Note { text, widens: true }));
    }
}

/// What was said already of somebody, and so of all who are alike, with fewer memberships.
#[derive(Default)]
struct Said(HashMap<(usize, Difference), Vec<BTreeSet<GroupName>>>);

impl Said {
    fn is_new(&mut self, first: usize, set: &BTreeSet<GroupName>, question: &Difference) -> bool {
        let known = self.0.entry((first, question.clone())).or_default();
        let new = !known.iter().any(|fewer| fewer.is_subset(set) && fewer != set);
        known.push(set.clone());
        new
    }
}

/// Where entries are written that only one of the policies has.
fn only_once(pair: &Pair<'_>, key: &BenchKey, policies: [&Policy; 2]) -> Vec<Spot> {
    let mut spots = Vec::new();
    for (side, (site, policy)) in pair.iter().zip(policies).enumerate() {
        let other = key.get(1 - side).and_then(Option::as_ref).map(|(numbers, _)| numbers);
        let own = key.get(side).and_then(Option::as_ref).map(|(numbers, _)| numbers);
        let entries = site.iter().flat_map(|site| &site.entries);
        for (entry, number) in entries.zip(own.into_iter().flatten()) {
            if !other.is_some_and(|other| other.contains(number)) {
                spots.push(Spot::new(entry.place, &policy.files, side == 0));
            }
        }
    }
    spots
}

/// Whether the two sites give the same roles to the same people.
fn same_people(pair: &Pair<'_>) -> bool {
    let [old, new] = pair
        .each_ref()
        .map(|site| site.as_ref().map(|site| (&site.project.roles, &site.project.lead)));
    old == new
}

pub(super) type Found<'p> = Result<Site<'p>, NoScope>;

/// The same for two repositories in which the same is written about everybody.
fn identity<'p>(site: &Found<'p>) -> Result<(&'p ProjectName, Vec<usize>), String> {
    let address = |entry: &&_| std::ptr::from_ref::<super::super::entry::Entry>(*entry).addr();
    match site {
        Ok(site) => Ok((site.name, site.entries.iter().map(address).collect())),
        Err(none) => Err(none.to_string()),
    }
}

/// Nobody without an identity pushes, so they are not asked about together with users.
fn apart((class, part): (usize, Crowd)) -> impl Iterator<Item = (usize, Crowd)> {
    let nobody = Crowd::from_iter([0]);
    let (alone, users) = match part.contains(0) {
        true => (Some((usize::MAX, nobody.clone())), part.without(&nobody)),
        false => (None, part),
    };
    let users = (!users.is_empty()).then_some((class, users));
    alone.into_iter().chain(users)
}
