//! By which patterns a set of refs or paths is told.
//!
//! Knows which of the names that can be told apart each pattern matches, so that patterns are
//! compared as sets; not what is decided about the names.

use super::super::entry::Entry;
use super::super::name::UserName;
use super::super::pattern::Pattern;
use super::super::refs::{ChangedPath, PathScope, RefPattern, RefScope, Space};
use super::classes::{in_scope, on_path};
use super::crowd::Crowd;
use std::collections::{BTreeSet, HashMap};

/// What stands for all paths where some patterns have to be told besides.
const ANY_PATH: &str = "any path";

/// Which names, by number, each pattern of some entries matches.
pub(super) struct Sheet {
    /// The pattern as it is told, and its names.
    patterns: Vec<(String, Crowd)>,
    /// By entry: the patterns that say what it is about.
    of: Vec<Vec<usize>>,
}

/// Patterns all of which match.
type Region = Vec<usize>;

impl Sheet {
    pub(super) fn of_refs(entries: &[&Entry], names: &[Vec<u8>], user: Option<&UserName>) -> Self {
        let mut filling = Filling::default();
        for entry in entries {
            let forbid = entry.is_forbid();
            let mut add = |text: String, include: Vec<RefPattern>| {
                let scope = RefScope { include, exclude: Vec::new() };
                let covered = |name: &Vec<u8>| in_scope(forbid, &scope, name, user);
                filling.pattern(text, forbid, || numbers(names, covered))
            };
            let mut one = |pattern: &RefPattern| add(word(pattern), vec![pattern.clone()]);
            let mut of: Vec<usize> = entry.refs.include.iter().map(&mut one).collect();
            for pattern in &entry.refs.exclude {
                one(pattern);
            }
            if of.is_empty() {
                let any = if forbid { "any ref" } else { "any branch or tag" };
                of.push(add(any.into(), Vec::new()));
            }
            filling.of.push(of);
        }
        Self { patterns: filling.patterns, of: filling.of }
    }

    pub(super) fn of_paths(
        entries: &[&Entry],
        names: &[ChangedPath],
        user: Option<&UserName>,
    ) -> Self {
        let mut filling = Filling::default();
        let none = PathScope::default();
        for entry in entries {
            let forbid = entry.is_forbid();
            let paths = entry.paths.as_ref().unwrap_or(&none);
            let mut add = |text: String, include: Vec<Pattern>| {
                let scope = PathScope { include, exclude: Vec::new() };
                let touched = |path: &ChangedPath| on_path(forbid, &scope, path, user);
                filling.pattern(text, forbid, || numbers(names, touched))
            };
            let mut one = |pattern: &Pattern| add(pattern.to_string(), vec![pattern.clone()]);
            let mut of: Vec<usize> = paths.include.iter().map(&mut one).collect();
            for pattern in &paths.exclude {
                one(pattern);
            }
            if of.is_empty() {
                of.push(add(ANY_PATH.into(), Vec::new()));
            }
            filling.of.push(of);
        }
        Self { patterns: filling.patterns, of: filling.of }
    }

    /// The patterns of the entries `through` that match any of `told`. Where these refuse, `by`
    /// permits: then only what both match.
    pub(super) fn regions(
        &self,
        told: &Crowd,
        through: &[usize],
        by: &[usize],
    ) -> BTreeSet<Region> {
        let of = |entries: &[usize]| {
            let all = entries.iter().filter_map(|entry| self.of.get(*entry)).flatten().copied();
            all.filter(|pattern| self.names(&[*pattern]).meets(told)).collect::<BTreeSet<usize>>()
        };
        let (reasons, permits) = (of(through), of(by));
        if permits.is_empty() {
            return reasons.into_iter().map(|pattern| vec![pattern]).collect();
        }
        let pairs = reasons.iter().flat_map(|one| permits.iter().map(|other| vec![*one, *other]));
        let met = pairs.filter(|pair| self.names(pair).meets(told));
        met.map(|pair| self.simplest(pair)).collect()
    }

    /// The regions in words, each as narrow as further patterns make it which have all of `told`
    /// that the region has.
    pub(super) fn words(&self, regions: BTreeSet<Region>, told: &Crowd) -> Vec<String> {
        let narrow = regions.into_iter().map(|region| self.narrowed(region, told));
        let say = |region: Region| {
            let texts = region.iter().filter_map(|at| self.patterns.get(*at));
            texts.map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(" within ")
        };
        narrow.map(say).collect::<BTreeSet<String>>().into_iter().collect()
    }

    fn narrowed(&self, region: Region, told: &Crowd) -> Region {
        let names = self.names(&region);
        let here = names.and(told);
        let fits = |(_, (_, set)): &(usize, &(String, Crowd))| {
            here.is_within(set) && !names.is_within(set)
        };
        let all = (0..).zip(&self.patterns).filter(fits);
        match all.min_by_key(|(_, (_, set))| set.and(&names).len()) {
            // Ends: each pattern that fits takes at least one name away.
            Some((pattern, _)) => {
                let narrower = self.simplest(region.into_iter().chain([pattern]).collect());
                self.narrowed(narrower, told)
            }
            None => region,
        }
    }

    /// Without patterns that hold wherever another of them does.
    fn simplest(&self, region: Region) -> Region {
        let mut kept: Region = Vec::new();
        for pattern in region {
            let set = self.names(&[pattern]);
            if kept.iter().any(|other| self.names(&[*other]).is_within(&set)) {
                continue;
            }
            kept.retain(|other| !set.is_within(&self.names(&[*other])));
            kept.push(pattern);
        }
        kept
    }

    /// What all of the patterns match.
    fn names(&self, region: &[usize]) -> Crowd {
        let mut sets = region.iter().filter_map(|at| self.patterns.get(*at)).map(|(_, set)| set);
        let first = sets.next().cloned().unwrap_or_default();
        sets.fold(first, |all, set| all.and(set))
    }
}

fn numbers<T>(names: &[T], is_one: impl Fn(&T) -> bool) -> Crowd {
    (0..).zip(names).filter(|(_, name)| is_one(name)).map(|(number, _)| number).collect()
}

/// The patterns found so far, each once.
#[derive(Default)]
struct Filling {
    patterns: Vec<(String, Crowd)>,
    of: Vec<Vec<usize>>,
    known: HashMap<(String, bool), usize>,
}

impl Filling {
    /// A pattern's number. Those of forbids match more than those of permits.
    fn pattern(&mut self, text: String, forbid: bool, names: impl FnOnce() -> Crowd) -> usize {
        if let Some(known) = self.known.get(&(text.clone(), forbid)) {
            return *known;
        }
        let number = self.patterns.len();
        self.patterns.push((text.clone(), names()));
        self.known.insert((text, forbid), number);
        number
    }
}

fn word(pattern: &RefPattern) -> String {
    match pattern.space {
        Space::Tags => format!("tags {}", pattern.pattern),
        Space::Branches | Space::Refs => pattern.pattern.to_string(),
    }
}

/// Path patterns as they are listed; none where all paths are meant.
pub(super) fn listed(patterns: Vec<String>) -> Vec<String> {
    match patterns.as_slice() {
        [one] if one == ANY_PATH => Vec::new(),
        _ => patterns,
    }
}
