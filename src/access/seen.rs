//! What the server saw of a refused push, kept with the request for whom has to answer it.
//!
//! Every text in it came from outside and was escaped and cut before it was stored; how many there
//! can be is bounded, so that a push can't make its request a large one.

use crate::text::Safe;
use serde::{Deserialize, Serialize};

/// Most commits of one ref that are looked at.
pub const MAX_COMMITS: u32 = 1000;
/// Most authors of one push that are kept.
pub const MAX_AUTHORS: usize = 20;
/// Most changed paths of one push that are kept.
pub const MAX_FILES: usize = 50;
/// Longest author or path, in bytes once it is escaped.
const MAX_TEXT: usize = 200;

/// One ref of the refused push, as the server saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Full name, escaped for people.
    pub name: String,
    /// `create`, `update`, `force`, `delete`.
    pub action: String,
    /// Object id before, zeros where there was none.
    pub old: String,
    /// Object id after, zeros where there is none.
    pub new: String,
    /// What it brings; absent where nothing does, where it was not looked at, and in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brought: Option<Brought>,
}

/// What a ref of the refused push brings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brought {
    /// Commits that the new value has and the old one has not; a new ref is compared with the
    /// project's base branch.
    pub commits: u32,
    /// There are more commits than were looked at.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more_commits: bool,
    /// Who wrote them by the commits' own account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<Safely>,
    /// Further authors that were not kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_authors: u32,
    /// Changed paths, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Safely>,
    /// Further paths that were not kept; `None` where not even their number is known.
    #[serde(default)]
    pub more_files: Option<u32>,
}

/// Text from outside that was escaped when it was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Safely(String);

impl Safely {
    /// Escapes and cuts.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(Safe::new(bytes, MAX_TEXT).to_string())
    }

    /// The escaped text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How much of one push may still be kept.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    authors: usize,
    files: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { authors: MAX_AUTHORS, files: MAX_FILES }
    }
}

impl Room {
    /// Keeps as many of `authors` as there is room for, and counts the others.
    pub fn authors<'t>(&mut self, authors: impl ExactSizeIterator<Item = &'t [u8]>) -> Kept {
        keep(&mut self.authors, authors)
    }

    /// The same of paths.
    pub fn files<'t>(&mut self, files: impl ExactSizeIterator<Item = &'t [u8]>) -> Kept {
        keep(&mut self.files, files)
    }
}

/// What was kept, and how many were not.
pub type Kept = (Vec<Safely>, u32);

fn keep<'t>(room: &mut usize, all: impl ExactSizeIterator<Item = &'t [u8]>) -> Kept {
    let more = u32::try_from(all.len().saturating_sub(*room)).unwrap_or(u32::MAX);
    let kept: Vec<Safely> = all.take(*room).map(Safely::new).collect();
    *room = room.saturating_sub(kept.len());
    (kept, more)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_push_is_bounded_over_all_its_refs_and_says_what_is_not() {
        let many: Vec<Vec<u8>> = (0..40).map(|n| format!("src/{n}").into_bytes()).collect();
        let mut room = Room::default();
        let all = || many.iter().map(Vec::as_slice);
        assert_eq!(
            (room.files(all()).0.len(), room.files(all())),
            (40, {
                let kept: Vec<Safely> = all().take(10).map(Safely::new).collect();
                (kept, 30)
            })
        );
        assert_eq!(room.files(all()), (Vec::new(), 40));
        let (kept, more) = room.authors([b"\x1b[2J\xe2\x80\xae".as_slice()].into_iter());
        assert_eq!((kept[0].as_str(), more), (r"\x1b[2J\u{202e}", 0));
        assert!(Safely::new(&[b'x'; 5000]).as_str().len() <= MAX_TEXT);
    }

    #[test]
    fn a_record_from_before_still_reads() {
        let old = r#"{"name":"refs/heads/main","action":"update","old":"1","new":"2"}"#;
        let seen: Seen = serde_json::from_str(old).unwrap();
        assert_eq!(seen.brought, None);
        assert_eq!(serde_json::to_string(&seen).unwrap(), old);
    }
}
