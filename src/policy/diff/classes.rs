//! The classes of refs and paths that a set of entries can tell apart.

use super::super::entry::Entry;
use super::super::name::UserName;
use super::super::pattern::Pattern;
use super::super::refs::{ChangedPath, PathScope, RefPattern, RefScope, Space};
use super::walk::{BAD_PATH, BAD_REF, Machine, TooLarge, path_alphabet, ref_alphabet, walk};
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

/// What can be told apart by patterns, and which of it entries take alike.
pub(crate) struct Classes<T> {
    /// For every set of patterns, one that just these match.
    pub each: Vec<T>,
    /// Those that every entry takes alike, by number, shortest first; at least one.
    pub alike: Vec<Vec<usize>>,
}

impl<T> Classes<T> {
    fn new<K: Eq + Hash>(each: Vec<T>, key: impl Fn(&T) -> K) -> Self {
        let mut alike: Vec<Vec<usize>> = Vec::new();
        let mut known = HashMap::new();
        for (number, one) in each.iter().enumerate() {
            let next = alike.len();
            let at = *known.entry(key(one)).or_insert(next);
            match alike.get_mut(at) {
                Some(of) => of.push(number),
                None => alike.push(vec![number]),
            }
        }
        Self { each, alike }
    }

    /// One of each class.
    pub(crate) fn first(&self) -> impl Iterator<Item = &T> {
        self.alike.iter().filter_map(|class| self.each.get(*class.first()?))
    }
}

/// Ref names for every way in which the entries can cover refs.
pub(crate) fn ref_names(
    entries: &[&Entry],
    user: Option<&UserName>,
) -> Result<Classes<Vec<u8>>, TooLarge> {
    let patterns = entries.iter().flat_map(|e| e.refs.include.iter().chain(&e.refs.exclude));
    let patterns: Vec<&RefPattern> = patterns.collect();
    let of = |space: Space| {
        let here = patterns.iter().filter(move |pattern| pattern.space == space);
        here.map(|pattern| pattern.pattern.to_regex(user)).collect::<BTreeSet<String>>()
    };
    let mut full = usual();
    full.extend(folders(&patterns));
    full.extend(of(Space::Refs));
    let full = Machine::new(&full)?;
    let heads = Machine::new(&of(Space::Branches).into_iter().collect::<Vec<_>>())?;
    let tags = Machine::new(&of(Space::Tags).into_iter().collect::<Vec<_>>())?;
    let mut names = Vec::new();
    let worlds: [(&[u8], _); 3] =
        [(b"refs/heads/", Some(&heads)), (b"refs/tags/", Some(&tags)), (b"refs/", None)];
    for (prefix, second) in worlds {
        let elsewhere = second.is_none();
        let real = |_: &[u8], first: &[usize]| {
            let usual = elsewhere && (first.contains(&1) || first.contains(&2));
            (!first.contains(&0) && !usual).then_some(())
        };
        let found = walk(prefix, &ref_alphabet(), (&full, second), real)?;
        names.extend(found.into_iter().map(|found| found.name));
    }
    let covered = |name: &Vec<u8>| -> Vec<bool> {
        entries.iter().map(|entry| covers(entry, name, user)).collect()
    };
    Ok(Classes::new(names, covered))
}

/// What is known of every ref, whatever the entries: whether it can be one, and its folder.
pub(super) fn usual() -> Vec<String> {
    let folders = ["refs/heads/", "refs/tags/", "refs/refwarden/"].map(below);
    std::iter::once(BAD_REF.to_owned()).chain(folders).collect()
}

fn below(folder: &str) -> String {
    format!(r"(?s-u)\A(?:{}.*)\z", regex_syntax::escape(folder))
}

/// The folders below `refs/` that a glob spells out: permits look at them.
pub(super) fn folders(patterns: &[&RefPattern]) -> BTreeSet<String> {
    let prefixes = patterns.iter().filter(|pattern| pattern.space == Space::Refs);
    let prefixes = prefixes.filter_map(|pattern| pattern.pattern.as_glob());
    let folder = |prefix: &[u8]| {
        let below = prefix.strip_prefix(b"refs/")?;
        let slash = below.iter().position(|&b| b == b'/')?;
        std::str::from_utf8(prefix.get(..5 + slash + 1)?).ok().map(self::below)
    };
    prefixes.filter_map(|glob| folder(glob.literal_prefix())).collect()
}

/// Whether the entry covers the ref; a pattern that can't be evaluated counts as covering.
pub(super) fn covers(entry: &Entry, name: &[u8], user: Option<&UserName>) -> bool {
    in_scope(entry.is_forbid(), &entry.refs, name, user)
}

pub(super) fn in_scope(
    forbid: bool,
    refs: &RefScope,
    name: &[u8],
    user: Option<&UserName>,
) -> bool {
    if forbid { refs.forbids(name, user) } else { refs.permits(name, user) }.unwrap_or(true)
}

/// Changed paths for every way in which the entries can cover paths; none where no entry looks.
pub(crate) fn paths(
    entries: &[&Entry],
    user: Option<&UserName>,
) -> Result<Classes<ChangedPath>, TooLarge> {
    let scopes = entries.iter().filter_map(|entry| entry.paths.as_ref());
    let patterns: Vec<&Pattern> =
        scopes.flat_map(|paths| paths.include.iter().chain(&paths.exclude)).collect();
    if entries.iter().all(|entry| entry.paths.is_none()) {
        return Ok(Classes { each: Vec::new(), alike: Vec::new() });
    }
    let mut expressions = vec![BAD_PATH.to_owned()];
    let each: BTreeSet<String> = patterns.iter().map(|pattern| pattern.to_regex(user)).collect();
    expressions.extend(each);
    let machine = Machine::new(&expressions)?;
    let globs: Vec<_> = patterns.iter().filter_map(|pattern| pattern.as_glob()).collect();
    let folders = |path: &[u8], first: &[usize]| {
        let folders: Vec<bool> = globs.iter().map(|g| g.passes_through(path, user)).collect();
        (!first.contains(&0)).then_some(folders)
    };
    let found = walk(b"", &path_alphabet(), (&machine, None), folders)?;
    let both = |name: Vec<u8>| [false, true].map(|link| ChangedPath { path: name.clone(), link });
    let each = found.into_iter().flat_map(|found| both(found.name)).collect();
    let touched = |path: &ChangedPath| -> Vec<bool> {
        entries.iter().map(|entry| touches(entry, path, user)).collect()
    };
    Ok(Classes::new(each, touched))
}

/// Whether an entry that looks at paths covers this one.
pub(super) fn touches(entry: &Entry, path: &ChangedPath, user: Option<&UserName>) -> bool {
    entry.paths.as_ref().is_none_or(|paths| on_path(entry.is_forbid(), paths, path, user))
}

pub(super) fn on_path(
    forbid: bool,
    paths: &PathScope,
    path: &ChangedPath,
    user: Option<&UserName>,
) -> bool {
    if forbid { paths.forbids(path, user) } else { paths.permits(path, user) }.unwrap_or(true)
}

/// A repository for every way in which the patterns can match repositories.
pub(super) fn repositories<'a>(
    patterns: impl Iterator<Item = &'a Pattern>,
) -> Result<Vec<Vec<u8>>, TooLarge> {
    let mut expressions = vec![BAD_PATH.to_owned()];
    expressions.extend(patterns.map(|p| p.to_regex(None)).collect::<BTreeSet<String>>());
    let machine = Machine::new(&expressions)?;
    let real = |_: &[u8], first: &[usize]| (!first.contains(&0)).then_some(());
    let found = walk(b"", &path_alphabet(), (&machine, None), real)?;
    Ok(found.into_iter().map(|found| found.name).collect())
}
