//! Names that no new ref may have, in any repository and under any policy.
//!
//! Knows the names alone. It judges creations only: refs that exist with such a name may be
//! updated and deleted. Which refs exist is told by the caller.

use super::RefName;
use crate::code::Code;
use gix::bstr::ByteSlice;
use std::collections::{HashMap, HashSet};

/// Why no new ref may have a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// Refused by git-check-ref-format(1), or by receive-pack for want of a second component.
    #[error("git does not take this as the name of a ref")]
    Format,
    /// Not in `refs/`.
    #[error("the name of a ref begins with `refs/`")]
    Outside,
    /// Read as an option by careless programs.
    #[error("a part of the name begins with `-`")]
    Dash,
    /// Read as an object where a ref is meant.
    #[error("a part of the name looks like an object id")]
    ObjectId,
    /// Shown as something else than it is.
    #[error("the name has control, bidirectional or zero-width characters")]
    Invisible,
    /// Taken for the repository's own `HEAD`.
    #[error("a branch can't be called `HEAD`")]
    Head,
    /// A ref of another namespace, which other rules govern.
    #[error(
        "`refs/namespaces/` holds the refs of other namespaces, which no push to this repository may make"
    )]
    Namespace,
    /// Belongs to one work tree.
    #[error("`refs/bisect/`, `refs/worktree/` and `refs/rewritten/` belong to a work tree")]
    PerWorktree,
    /// A tag and a branch of one name.
    #[error("`{0}` has the same name")]
    Twin(RefName),
    /// Two names that are one file where case does not count.
    #[error("`{0}` differs only in case")]
    CaseTwin(RefName),
}

impl NameFault {
    /// The stable code of the fault.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Namespace => Code::ProcReceive,
            _ => Code::BadRefName,
        }
    }
}

/// What is wrong with `name` as that of a new ref, by itself: every fault.
#[must_use]
pub fn faults(name: &RefName) -> Vec<NameFault> {
    let bytes = name.as_bytes();
    let Some(below) = bytes.strip_prefix(b"refs/") else {
        return vec![NameFault::Outside];
    };
    let parts = || below.split(|&b| b == b'/');
    let in_any = |folders: &[&[u8]]| parts().next().is_some_and(|first| folders.contains(&first));
    let rules = [
        (!git_takes(bytes), NameFault::Format),
        (parts().any(|part| part.starts_with(b"-")), NameFault::Dash),
        (parts().any(is_object_id), NameFault::ObjectId),
        (below.chars().any(is_invisible), NameFault::Invisible),
        (below == b"heads/HEAD", NameFault::Head),
        (in_any(&[b"namespaces"]), NameFault::Namespace),
        (in_any(&[b"bisect", b"worktree", b"rewritten"]), NameFault::PerWorktree),
    ];
    rules.into_iter().filter_map(|(broken, fault)| broken.then_some(fault)).collect()
}

/// As receive-pack decides for a value: `refs/`, then at least two components by git's rules.
fn git_takes(name: &[u8]) -> bool {
    let levels = name.iter().filter(|&&b| b == b'/').count();
    levels >= 2 && gix::validate::reference::name(name.as_bstr()).is_ok()
}

fn is_object_id(part: &[u8]) -> bool {
    matches!(part.len(), 40 | 64) && part.iter().all(u8::is_ascii_hexdigit)
}

/// Controls, and the format characters of Unicode 15 that have no width or turn the direction.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The tag of a branch's name, the branch of a tag's.
fn twin(name: &RefName) -> Option<RefName> {
    let other = |folder: &[u8], short: &[u8]| RefName::new([folder, short].concat());
    let tag = name.branch().map(|short| other(b"refs/tags/", short));
    tag.or_else(|| name.tag().map(|short| other(b"refs/heads/", short)))
}

/// New tags named as a branch and new branches named as a tag, old or of the same push.
///
/// # Errors
/// The first error of `exists`, which is asked once for each of `created` that could have a twin.
pub fn twins<E>(
    created: &[&RefName],
    mut exists: impl FnMut(&RefName) -> Result<bool, E>,
) -> Result<Vec<(RefName, NameFault)>, E> {
    let pushed: HashSet<&RefName> = created.iter().copied().collect();
    let mut found = Vec::new();
    for name in created {
        if let Some(other) = twin(name)
            && (pushed.contains(&other) || exists(&other)?)
        {
            found.push(((*name).clone(), NameFault::Twin(other)));
        }
    }
    Ok(found)
}

/// Finds new names that differ only in case from an existing one or from another new one: for
/// repositories with `core.ignoreCase`. Made to meet very many existing names.
pub struct CaseTwins<'a> {
    created: &'a [&'a RefName],
    by_fold: HashMap<Vec<u8>, Vec<&'a RefName>>,
    /// Of the keys: most existing names are told by it alone.
    lengths: HashSet<usize>,
    found: HashMap<&'a RefName, RefName>,
    folded: Vec<u8>,
}

impl<'a> CaseTwins<'a> {
    /// For the names of one push.
    #[must_use]
    pub fn new(created: &'a [&'a RefName]) -> Self {
        let mut by_fold: HashMap<Vec<u8>, Vec<&RefName>> = HashMap::new();
        let mut folded = Vec::new();
        for name in created {
            fold(name.as_bytes(), &mut folded);
            by_fold.entry(folded.clone()).or_default().push(name);
        }
        let lengths = by_fold.keys().map(Vec::len).collect();
        Self { created, by_fold, lengths, found: HashMap::new(), folded }
    }

    /// Takes note of a name that exists.
    pub fn meet(&mut self, other: &[u8]) {
        if other.is_ascii() && !self.lengths.contains(&other.len()) {
            return;
        }
        fold(other, &mut self.folded);
        let alike = self.by_fold.get(&self.folded).into_iter().flatten();
        for name in alike.filter(|name| name.as_bytes() != other) {
            self.found.entry(name).or_insert_with(|| RefName::new(other));
        }
    }

    /// What was found, in the order of the push.
    #[must_use]
    pub fn faults(mut self) -> Vec<(RefName, NameFault)> {
        for name in self.created {
            self.meet(name.as_bytes());
        }
        let fault = |name: &RefName| self.found.get(name).cloned().map(NameFault::CaseTwin);
        self.created.iter().filter_map(|name| Some(((*name).clone(), fault(name)?))).collect()
    }
}

/// As a file system that ignores case sees the name; bytes that are not UTF-8 stay.
fn fold(name: &[u8], folded: &mut Vec<u8>) {
    folded.clear();
    match std::str::from_utf8(name) {
        Ok(text) if !text.is_ascii() => folded.extend_from_slice(text.to_lowercase().as_bytes()),
        _ => folded.extend(name.iter().map(u8::to_ascii_lowercase)),
    }
}

#[cfg(test)]
mod tests;
