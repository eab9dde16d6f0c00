//! What is answered otherwise, told in as few words as have all of it.
//!
//! Refs about which the same entries make the same difference are told together, by every pattern
//! that has one of them. Names in it are shapes: [`MARK`] stands for the name of whoever is told of,
//! so that people who are alike share them.

use super::super::entry::Entry;
use super::super::name::UserName;
use super::super::refs::ChangedPath;
use super::classes::{Classes, paths, ref_names};
use super::compare::{Answered, Touched};
use super::crowd::Crowd;
use super::regions::{Sheet, listed};
use super::walk::TooLarge;
use super::{Level, Touching};
use crate::push::action::Action;
use chrono::{DateTime, Utc};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Stands for a user's name in a name; no ref and no path has it.
const MARK: u8 = 0;

/// One difference, for one kind of person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Difference {
    pub before: Level,
    pub after: Level,
    pub action: Action,
    /// The patterns by which it is told; empty for reading.
    pub refs: Vec<String>,
    pub touching: Touching,
    pub from: Option<DateTime<Utc>>,
    /// An example of a ref.
    pub name: Vec<u8>,
}

/// What is told, and by which entries, each by its place among those of a side; whether it is the
/// old side.
pub(super) type Short = (Rc<Difference>, Vec<(bool, usize)>);

/// Refs and paths that make a difference to somebody of a name.
pub(super) struct Subjects {
    pub refs: Classes<Vec<u8>>,
    pub paths: Classes<ChangedPath>,
    user: Option<UserName>,
    /// Whether the name may stand in any part of a name.
    anywhere: bool,
    /// How many entries the old side has.
    older: usize,
    /// Of refs and of paths; made where something differs.
    sheets: OnceCell<[Sheet; 2]>,
}

impl Subjects {
    /// `user`: where patterns look at the name.
    pub(super) fn new(
        entries: &[&Entry],
        older: usize,
        (user, anywhere): (Option<&UserName>, bool),
    ) -> Result<Self, TooLarge> {
        let (refs, paths) = (ref_names(entries, user)?, paths(entries, user)?);
        Ok(Self { refs, paths, user: user.cloned(), anywhere, older, sheets: OnceCell::new() })
    }

    /// All that a push may change which can make a difference.
    pub(super) fn touched(&self, action: Action) -> Vec<Touched> {
        if self.paths.alike.is_empty() || matches!(action, Action::Read | Action::Delete) {
            return vec![Touched::Any];
        }
        let each = (0..self.paths.alike.len()).map(Touched::Path);
        [Touched::Nothing, Touched::Unknown].into_iter().chain(each).collect()
    }

    /// The paths that are changed.
    pub(super) fn changed(&self, touched: Touched) -> &[ChangedPath] {
        let Touched::Path(class) = touched else { return &[] };
        let first = self.paths.alike.get(class).and_then(|class| class.first());
        first.and_then(|at| self.paths.each.get(*at..=*at)).unwrap_or_default()
    }

    /// The example of a class of refs; none for reading.
    fn name(&self, answered: &Answered) -> Vec<u8> {
        let class = self.refs.alike.get(answered.name).filter(|_| answered.action != Action::Read);
        let name = class.and_then(|class| self.refs.each.get(*class.first()?));
        name.map_or_else(Vec::new, |name| self.shape(name))
    }

    fn touching(&self, touched: Touched, patterns: Vec<String>) -> Touching {
        match touched {
            Touched::Any => Touching::Any,
            Touched::Nothing => Touching::Nothing,
            Touched::Unknown => Touching::Unknown,
            Touched::Path(_) => {
                let path = self.changed(touched).first();
                let example = path.map_or_else(Vec::new, |p| self.shape(&p.path));
                Touching::Path { patterns, example, link: path.is_some_and(|path| path.link) }
            }
        }
    }

    /// The name with [`MARK`] wherever the user's name is a whole component, or stands anywhere.
    fn shape(&self, name: &[u8]) -> Vec<u8> {
        let Some(user) = &self.user else { return name.to_vec() };
        let user = user.as_str().as_bytes();
        let (mut shape, mut left) = (Vec::new(), name);
        while let Some(byte) = left.first() {
            let whole = |rest: &[u8]| {
                shape.last().is_none_or(|last| *last == b'/')
                    && rest.first().is_none_or(|b| *b == b'/')
            };
            match left.strip_prefix(user).filter(|rest| self.anywhere || whole(rest)) {
                Some(rest) => {
                    shape.push(MARK);
                    left = rest;
                }
                None => {
                    shape.push(*byte);
                    left = left.get(1..).unwrap_or_default();
                }
            }
        }
        shape
    }

    /// Entries by their place among those of both sides.
    fn places(&self, of_sides: &[(bool, usize)]) -> Vec<usize> {
        of_sides.iter().map(|(old, at)| if *old { *at } else { self.older + at }).collect()
    }
}

/// How the two sides differ for a kind of person.
pub(super) struct Differences {
    /// Each question that is answered otherwise.
    all: Vec<Answered>,
    /// All of it, told.
    pub short: Vec<Short>,
    subjects: Rc<Subjects>,
}

/// Questions that are told as one, but for the refs and paths.
type Alike = (Level, Level, Action, Option<DateTime<Utc>>, Vec<(bool, usize)>, Touched);

impl Differences {
    pub(super) fn new(all: Vec<Answered>, subjects: Rc<Subjects>, entries: &[&Entry]) -> Self {
        if !all.is_empty() {
            subjects.sheets.get_or_init(|| {
                let user = subjects.user.as_ref();
                let paths = Sheet::of_paths(entries, &subjects.paths.each, user);
                [Sheet::of_refs(entries, &subjects.refs.each, user), paths]
            });
        }
        let mut differences = Self { all, short: Vec::new(), subjects };
        differences.short = differences.told(|_| true);
        differences
    }

    /// What is told of the questions that `keep` keeps, given as differences without patterns.
    pub(super) fn told(&self, mut keep: impl FnMut(&Difference) -> bool) -> Vec<Short> {
        let mut groups: BTreeMap<Alike, Vec<&Answered>> = BTreeMap::new();
        for one in self.all.iter().filter(|one| keep(&self.bare(one))) {
            let touching = match one.touching {
                Touched::Path(_) => Touched::Path(0),
                other => other,
            };
            let key = (one.before, one.after, one.action, one.from, one.through.clone(), touching);
            groups.entry(key).or_default().push(one);
        }
        groups.into_values().flat_map(|group| self.rectangles(&group)).collect()
    }

    fn bare(&self, one: &Answered) -> Difference {
        let Answered { before, after, action, from, .. } = *one;
        let (name, touching) =
            (self.subjects.name(one), self.subjects.touching(one.touching, Vec::new()));
        Difference { before, after, action, refs: Vec::new(), touching, from, name }
    }

    /// Refs of which the same changed paths make a difference are told together.
    fn rectangles(&self, group: &[&Answered]) -> Vec<Short> {
        let mut paths: BTreeMap<usize, Crowd> = BTreeMap::new();
        for one in group {
            let touched = paths.entry(one.name).or_default();
            if let Touched::Path(class) = one.touching {
                touched.insert(class);
            }
        }
        let mut told: BTreeMap<Crowd, Vec<&Answered>> = BTreeMap::new();
        for one in group {
            let paths = paths.get(&one.name).cloned().unwrap_or_default();
            told.entry(paths).or_default().push(one);
        }
        told.into_values().filter_map(|together| self.tell(&together)).collect()
    }

    fn tell(&self, together: &[&Answered]) -> Option<Short> {
        let [refs, paths] = self.subjects.sheets.get()?;
        let first = together.first()?;
        let of_ref = |one: &Answered| members(&self.subjects.refs, one.name);
        let of_path = |one: &Answered| match one.touching {
            Touched::Path(class) => members(&self.subjects.paths, class),
            _ => Crowd::default(),
        };
        let refs = match first.action {
            Action::Read => Vec::new(),
            _ => self.patterns(refs, together, of_ref),
        };
        let patterns = listed(self.patterns(paths, together, of_path));
        let shapes = together.iter().map(|one| self.bare(one));
        // Of equal length and order for everybody, whatever the name is.
        let example = shapes.min_by_key(|one| (one.name.len(), one.name.clone(), rank(one)))?;
        let touching = match example.touching {
            Touching::Path { example, link, .. } => Touching::Path { patterns, example, link },
            other => other,
        };
        Some((Rc::new(Difference { refs, touching, ..example }), first.through.clone()))
    }

    /// Every pattern that has one of the names.
    fn patterns(
        &self,
        sheet: &Sheet,
        together: &[&Answered],
        names: impl Fn(&Answered) -> Crowd,
    ) -> Vec<String> {
        let mut parts: BTreeMap<Vec<usize>, Crowd> = BTreeMap::new();
        for one in together {
            parts.entry(self.subjects.places(&one.by)).or_default().extend(&names(one));
        }
        let mut all = Crowd::default();
        let mut regions = BTreeSet::new();
        let through = together.first().map(|one| self.subjects.places(&one.through));
        for (by, names) in parts {
            regions.extend(sheet.regions(&names, through.as_deref().unwrap_or_default(), &by));
            all.extend(&names);
        }
        sheet.words(regions, &all)
    }
}

/// Shorter paths first, and what is no link.
fn rank(one: &Difference) -> (bool, usize, Touching) {
    match &one.touching {
        Touching::Path { example, link, .. } => (*link, example.len(), one.touching.clone()),
        other => (false, 0, other.clone()),
    }
}

fn members<T>(classes: &Classes<T>, class: usize) -> Crowd {
    classes.alike.get(class).into_iter().flatten().copied().collect()
}

/// The shape as a name for that user.
pub(super) fn spelled(shape: &[u8], user: Option<&UserName>) -> Vec<u8> {
    let user = user.map_or("", UserName::as_str).as_bytes();
    let bytes = shape.iter().map(|byte| match *byte {
        MARK => user,
        _ => std::slice::from_ref(byte),
    });
    bytes.collect::<Vec<_>>().concat()
}
