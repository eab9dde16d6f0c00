//! What an update brings, for people: how many commits, and whose by their own account.
//!
//! Knows nothing that a decision rests on: an author's name is what the commit claims. Where there
//! are more commits than are looked at, that is said, and the count is not a whole one.

use super::GitError;
use super::commits::{History, Node};
use super::limits::{Limits, Meter};
use super::range;
use crate::push::Change;
use gix::ObjectId;
use gix::bstr::BString;

/// What an update brings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Brought {
    /// Commits that the new value has and the old one has not.
    pub commits: u32,
    /// There are more than were looked at.
    pub more: bool,
    /// `Name <mail>` of each author, as the commits name them, each once, newest first.
    pub authors: Vec<BString>,
}

/// What `change` brings; a new ref is compared with `base`, or with nothing without one. `None` where
/// the ref goes away, or stands for no commit. At most `most` commits are looked at.
pub(super) fn of(
    history: &History,
    change: &Change,
    base: Option<ObjectId>,
    most: usize,
    limits: &Limits<'_>,
) -> Result<Option<Brought>, GitError> {
    let Some(new) = change.new_id() else { return Ok(None) };
    let meter = Meter::new(limits);
    let Some(new) = history.peel(new, &meter)? else { return Ok(None) };
    let old = change.old().or(base).map(|old| history.peel(old, &meter)).transpose()?.flatten();
    let old = old.map(|old| history.node(old)).transpose()?;
    let olds: Vec<_> = old.into_iter().collect();
    let (nodes, more) = range::first(history, &olds, history.node(new)?, most, &meter)?;
    let mut authors: Vec<BString> = Vec::new();
    for node in &nodes {
        let author = author(history, *node)?;
        if !authors.contains(&author) {
            authors.push(author);
        }
    }
    Ok(Some(Brought { commits: u32::try_from(nodes.len()).unwrap_or(u32::MAX), more, authors }))
}

fn author(history: &History, node: Node) -> Result<BString, GitError> {
    let id = history.id(node)?;
    Ok(history.author(id)?.unwrap_or_else(|| "an author that can't be read".into()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Repo;
    use super::*;

    fn seen(repo: &Repo, old: Option<ObjectId>, new: ObjectId, most: usize) -> Brought {
        let update = repo.update(old, Some(new), "refs/heads/main");
        let expired = || false;
        let limits = Limits {
            max_commits: 1000,
            max_paths: 1000,
            max_path_bytes: 1 << 20,
            expired: &expired,
        };
        repo.reader().brought(&update, None, most, &limits).unwrap().unwrap()
    }

    #[test]
    fn commits_are_counted_from_the_old_value_on_and_their_authors_named_once() {
        let repo = Repo::new();
        let one = repo.commit(&[("a", "1")], &[]);
        let two = repo.commit(&[("a", "2")], &[one]);
        let three = repo.commit(&[("a", "3")], &[two]);
        let found = seen(&repo, Some(one), three, 10);
        let expected = Brought { commits: 2, more: false, authors: vec!["T <t@t>".into()] };
        assert_eq!(found, expected);
        assert_eq!(seen(&repo, None, three, 10).commits, 3);
        // Moved back: nothing is new.
        assert_eq!(seen(&repo, Some(three), one, 10), Brought::default());
    }

    #[test]
    fn more_than_are_looked_at_is_said() {
        let repo = Repo::new();
        let mut at = repo.commit(&[("a", "0")], &[]);
        for number in 1..6 {
            at = repo.commit(&[("a", &number.to_string())], &[at]);
        }
        let found = seen(&repo, None, at, 4);
        assert_eq!((found.commits, found.more), (4, true));
        let found = seen(&repo, None, at, 6);
        assert_eq!((found.commits, found.more), (6, false));
    }

    #[test]
    fn what_stands_for_no_commit_brings_none() {
        let repo = Repo::new();
        let blob = repo.blob("x");
        let update = repo.update(None, Some(blob), "refs/tags/blob");
        let expired = || false;
        let limits =
            Limits { max_commits: 9, max_paths: 9, max_path_bytes: 1 << 20, expired: &expired };
        assert_eq!(repo.reader().brought(&update, None, 9, &limits).unwrap(), None);
    }
}
