//! What a person's name can mean to the patterns of some entries.
//!
//! Two people are alike if exchanging their names wherever one is a whole component of a ref or a
//! path changes no match. Then an answer about one holds for the other, with the other's name.

use super::super::entry::Entry;
use super::super::name::UserName;
use super::super::pattern::{Pattern, USER};
use super::super::refs::{RefPattern, Space};
use super::classes::{folders, usual};
use super::crowd::Crowd;
use super::walk::{BAD_PATH, Component, Machine, TooLarge};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

/// Most people who are looked at one by one where nobody is known to be like another.
const EACH: usize = 100;

/// How names part people.
pub(super) enum Names {
    /// No pattern looks at the name.
    Blind,
    /// The class of everybody, by number.
    Classes(Vec<usize>),
    /// A pattern could look at any part of a name: nobody is like another.
    Each,
}

impl Names {
    /// `people`: everybody by number, `None` for somebody without an identity.
    pub(super) fn new(entries: &[&Entry], people: &[Option<&UserName>]) -> Self {
        let refs: Vec<&RefPattern> =
            entries.iter().flat_map(|e| e.refs.include.iter().chain(&e.refs.exclude)).collect();
        let scopes = entries.iter().filter_map(|entry| entry.paths.as_ref());
        let paths: Vec<&Pattern> =
            scopes.flat_map(|paths| paths.include.iter().chain(&paths.exclude)).collect();
        let (with_user, plain): (Vec<&Pattern>, Vec<&Pattern>) =
            refs.iter().map(|r| &r.pattern).chain(paths).partition(|pattern| pattern.has_user());
        if with_user.is_empty() {
            return Self::Blind;
        }
        let Some(pieces) = pieces(&with_user) else { return Self::Each };
        let Ok(machines) = machines(&refs, &plain) else { return Self::Each };
        let mut classes = vec![0; people.len()];
        let like = |user: &UserName| {
            let matches = |piece: &Pattern| piece.matches(user.as_str().as_bytes(), None);
            pieces.iter().map(|piece| matches(piece).unwrap_or(true)).collect::<Vec<bool>>()
        };
        refine(&mut classes, people.iter().map(|user| user.map(like)));
        for machine in &machines {
            let Ok(mut component) = Component::new(machine) else { return Self::Each };
            let mut key = |user: &UserName| component.key(user.as_str().as_bytes());
            refine(&mut classes, people.iter().map(|user| user.map(&mut key)));
        }
        Self::Classes(classes)
    }

    /// The crowd, parted; with each part the number of its class.
    pub(super) fn parts(&self, crowd: &Crowd) -> Result<Vec<(usize, Crowd)>, TooLarge> {
        match self {
            Self::Blind => Ok(vec![(0, crowd.clone())]),
            Self::Classes(classes) => {
                let mut parts: BTreeMap<usize, Crowd> = BTreeMap::new();
                for number in crowd.iter() {
                    let class = classes.get(number).copied().unwrap_or_default();
                    parts.entry(class).or_default().insert(number);
                }
                Ok(parts.into_iter().collect())
            }
            Self::Each if crowd.len() > EACH => Err(TooLarge),
            Self::Each => Ok(crowd.iter().map(|n| (n, Crowd::from_iter([n]))).collect()),
        }
    }

    /// Whether a name may stand for any part of a ref or a path.
    pub(super) fn are_parts(&self) -> bool {
        matches!(self, Self::Each)
    }

    pub(super) fn are_blind(&self) -> bool {
        matches!(self, Self::Blind)
    }
}

/// Parts every class further by `keys`, one for everybody.
fn refine<K: Eq + Hash>(classes: &mut [usize], keys: impl Iterator<Item = K>) {
    let mut known = HashMap::new();
    for (class, key) in classes.iter_mut().zip(keys) {
        let next = known.len();
        *class = *known.entry((*class, key)).or_insert(next);
    }
}

/// The components of patterns in which `${user}` stands; `None` where it is not a component, or
/// where a component can't be told from the text.
fn pieces(patterns: &[&Pattern]) -> Option<Vec<Pattern>> {
    if patterns.iter().any(|pattern| pattern.as_glob().is_none()) {
        return None;
    }
    let texts: BTreeSet<&str> = patterns
        .iter()
        .flat_map(|pattern| pattern.text().split('/'))
        .filter(|p| *p != USER)
        .collect();
    // Not so for part of a component: a brace that a slash cut, or `${user}` beside other text.
    let piece =
        |text: &&str| Pattern::parse(text).ok().filter(|p| !p.has_user() && p.as_glob().is_some());
    texts.iter().map(piece).collect()
}

/// The other patterns, and the names that nothing can have, each where it applies.
fn machines(refs: &[&RefPattern], plain: &[&Pattern]) -> Result<Vec<Machine>, TooLarge> {
    let of = |space: Space| {
        let here = refs.iter().filter(move |r| r.space == space && !r.pattern.has_user());
        here.map(|r| r.pattern.to_regex(None)).collect::<BTreeSet<String>>()
    };
    let mut full = usual();
    full.extend(folders(refs));
    full.extend(of(Space::Refs));
    let mut paths = vec![BAD_PATH.to_owned()];
    let listed: BTreeSet<*const Pattern> =
        refs.iter().map(|r| std::ptr::from_ref(&r.pattern)).collect();
    let others = plain.iter().filter(|pattern| !listed.contains(&std::ptr::from_ref(**pattern)));
    paths.extend(others.map(|pattern| pattern.to_regex(None)));
    let each = [
        full,
        of(Space::Branches).into_iter().collect(),
        of(Space::Tags).into_iter().collect(),
        paths,
    ];
    each.iter().map(|patterns| Machine::new(patterns)).collect()
}
