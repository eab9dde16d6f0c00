//! Commits that landed and are new to a set of refs, with their text.
//!
//! Knows history alone: which refs count, and what a message says, is for others. For work after a
//! push: more commits than are looked at are none.

use super::GitError;
use super::commits::History;
use super::limits::{Limits, Meter};
use super::range;
use gix::ObjectId;

/// A commit, as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Its id.
    pub id: ObjectId,
    /// The object: headers and message.
    pub text: Vec<u8>,
}

/// The commits of `new` that none of `olds` has, oldest first as far as dates tell, merges left out;
/// `None` where there are more than `most`.
pub(super) fn of(
    history: &History,
    olds: &[ObjectId],
    new: ObjectId,
    most: usize,
    limits: &Limits<'_>,
) -> Result<Option<Vec<News>>, GitError> {
    let meter = Meter::new(limits);
    let Some(new) = history.peel(new, &meter)? else { return Ok(Some(Vec::new())) };
    let mut known = Vec::new();
    for old in olds {
        if let Some(old) = history.peel(*old, &meter)? {
            known.push(history.node(old)?);
        }
    }
    let (nodes, more) = range::first(history, &known, history.node(new)?, most, &meter)?;
    if more {
        return Ok(None);
    }
    let mut found = Vec::new();
    let mut buffer = Vec::new();
    for node in nodes.into_iter().rev() {
        if history.commit(node)?.parents.len() < 2 {
            let id = history.id(node)?;
            let text = history.objects.find(&id, &mut buffer)?.data.to_vec();
            found.push(News { id, text });
        }
    }
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Repo;
    use super::*;

    fn ids(repo: &Repo, olds: &[ObjectId], new: ObjectId, most: usize) -> Option<Vec<ObjectId>> {
        let expired = || false;
        let limits =
            Limits { max_commits: 1000, max_paths: 1, max_path_bytes: 1, expired: &expired };
        let news = repo.reader().news(olds, new, most, &limits).unwrap();
        news.map(|news| news.into_iter().map(|one| one.id).collect())
    }

    #[test]
    fn what_any_other_ref_has_is_no_news_and_a_merge_is_none() {
        let repo = Repo::new();
        let base = repo.commit(&[("a", "1")], &[]);
        let (left, right) =
            (repo.commit(&[("a", "2")], &[base]), repo.commit(&[("b", "2")], &[base]));
        let merge = repo.commit(&[("a", "2"), ("b", "2")], &[left, right]);
        let tip = repo.commit(&[("a", "3")], &[merge]);
        let all = |olds: &[ObjectId]| {
            let mut found = ids(&repo, olds, tip, 10).unwrap();
            found.sort_unstable();
            found
        };
        let sorted = |mut ids: Vec<ObjectId>| {
            ids.sort_unstable();
            ids
        };
        assert_eq!(all(&[]), sorted(vec![base, left, right, tip]));
        assert_eq!(all(&[left]), sorted(vec![right, tip]));
        assert_eq!(all(&[left, right]), vec![tip]);
        assert!(all(&[tip, base]).is_empty());
        // Moved back.
        assert!(ids(&repo, &[tip], left, 10).unwrap().is_empty());
        // A tree is no commit, neither new nor old.
        let blob = repo.blob("x");
        assert!(ids(&repo, &[blob], blob, 10).unwrap().is_empty());
    }

    #[test]
    fn the_oldest_comes_first_with_its_text_and_too_many_are_none() {
        let repo = Repo::new();
        let one = repo.commit(&[("a", "1")], &[]);
        let two = repo.commit(&[("a", "2")], &[one]);
        let three = repo.commit(&[("a", "3")], &[two]);
        assert_eq!(ids(&repo, &[one], three, 2), Some(vec![two, three]));
        assert_eq!(ids(&repo, &[one], three, 1), None);
        let expired = || false;
        let limits = Limits { max_commits: 9, max_paths: 1, max_path_bytes: 1, expired: &expired };
        let news = repo.reader().news(&[two], three, 9, &limits).unwrap().unwrap();
        assert!(news[0].text.starts_with(b"tree "));
    }
}
