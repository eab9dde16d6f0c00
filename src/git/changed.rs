//! The paths that an update changes.
//!
//! Knows the rule (the contract's "Changed paths of an update"): what any commit of `old..new`
//! changes, and the net difference of the two values. Who may change what is not known here.

use super::GitError;
use super::commits::{History, Node};
use super::limits::{Limits, Meter};
use super::range;
use super::tree::{Paths, Trees};
use crate::push::Change;
use gix::ObjectId;
use gix::bstr::BString;

/// The changed paths of one update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// The ref goes away: nothing is changed in it.
    None,
    /// The old or new value has no history of paths: it is a tree or blob, or a tag of one.
    Unknown,
    /// All of them, in order, each once.
    Known(Vec<ChangedPath>),
}

/// One changed path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangedPath {
    /// From the repository's root, without a leading `/`; any bytes.
    pub path: BString,
    /// Whether a symbolic link or submodule is or was there.
    pub link: bool,
}

/// The changed paths of `change`; a new ref is compared with `base`, or with nothing without one.
pub(super) fn of(
    history: &History,
    change: &Change,
    base: Option<ObjectId>,
    limits: &Limits<'_>,
) -> Result<Changed, GitError> {
    let Some(new) = change.new_id() else { return Ok(Changed::None) };
    let is_new = change.old().is_none();
    let old = if is_new { base } else { change.old() };
    let meter = Meter::new(limits);
    let Some(new) = history.peel(new, &meter)? else { return Ok(Changed::Unknown) };
    let old = match old {
        None => None,
        Some(old) => match history.peel(old, &meter)? {
            None => return Ok(Changed::Unknown),
            Some(old) => Some(history.node(old)?),
        },
    };
    let paths = union(history, history.node(new)?, old, is_new, &meter)?;
    let mut paths: Vec<_> =
        paths.into_iter().map(|(path, link)| ChangedPath { path, link }).collect();
    paths.sort_unstable();
    Ok(Changed::Known(paths))
}

fn union(
    history: &History,
    new: Node,
    old: Option<Node>,
    is_new: bool,
    meter: &Meter<'_>,
) -> Result<Paths, GitError> {
    let mut trees = Trees::new(history);
    let mut paths = Paths::new();
    let range = range::of(history, old, new, meter)?;
    // By place, because there may be very many.
    let node_at = |at: &usize| range.commits.get(*at).map(|(node, _)| *node);
    let mut sorted: Vec<usize> = (0..range.commits.len()).collect();
    sorted.sort_unstable_by_key(node_at);
    let known = |node: Node| {
        let found = sorted.binary_search_by_key(&Some(node), node_at).ok()?;
        Some(range.commits.get(*sorted.get(found)?)?.1.tree)
    };
    let tree = |node: Node| match known(node) {
        Some(tree) => Ok(tree),
        None => history.commit(node).map(|commit| commit.tree),
    };
    for (_, commit) in &range.commits {
        let parents = commit.parents.iter().map(|p| tree(*p)).collect::<Result<Vec<_>, _>>()?;
        trees.compare(commit.tree, &parents, &mut paths, meter)?;
    }
    // What the commits do is no repetition of what all of them do.
    let mut trees = Trees::new(history);
    let bases = match old {
        Some(old) if !is_new => vec![old],
        _ => range::highest(history, &range.boundary, meter)?,
    };
    if let [(_, commit)] = range.commits.as_slice()
        && commit.parents == bases
    {
        // What the only commit changes is all there is.
        return Ok(paths);
    }
    if bases.is_empty() {
        trees.compare(tree(new)?, &[], &mut paths, meter)?;
    }
    for base in bases {
        trees.compare(tree(new)?, &[tree(base)?], &mut paths, meter)?;
    }
    Ok(paths)
}

#[cfg(test)]
mod tests;
