//! A ref's full name: bytes inside, escaped outside.
//!
//! Knows the folders of branches and tags; whether a name is acceptable is `hygiene`'s matter.

use crate::text::Safe;
use gix::bstr::{BStr, BString, ByteSlice};
use std::fmt;

/// Longest name as shown, in bytes.
const MAX_SHOWN: usize = 256;

/// The full name of a ref, any bytes: git takes names that are not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefName(BString);

impl RefName {
    /// Takes `bytes` as a full name, whatever they are.
    #[must_use]
    pub fn new(bytes: impl Into<BString>) -> Self {
        Self(bytes.into())
    }

    /// The name's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name as a byte string.
    #[must_use]
    pub fn as_bstr(&self) -> &BStr {
        self.0.as_bstr()
    }

    /// The part after `refs/heads/`, for a branch.
    #[must_use]
    pub fn branch(&self) -> Option<&[u8]> {
        self.0.strip_prefix(b"refs/heads/")
    }

    /// The part after `refs/tags/`, for a tag.
    #[must_use]
    pub fn tag(&self) -> Option<&[u8]> {
        self.0.strip_prefix(b"refs/tags/")
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Safe::new(&self.0, MAX_SHOWN).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_control_bytes_is_shown_escaped() {
        let name = RefName::new("refs/heads/\x1b[2J");
        assert_eq!(name.to_string(), r"refs/heads/\x1b[2J");
        assert_eq!(RefName::new(vec![b'a'; 9999]).to_string().len(), 256);
    }

    #[test]
    fn branches_and_tags_are_told_by_their_folder() {
        let name = RefName::new("refs/heads/a/b");
        assert_eq!((name.branch(), name.tag()), (Some(&b"a/b"[..]), None));
        let name = RefName::new("refs/tags/v1");
        assert_eq!((name.branch(), name.tag()), (None, Some(&b"v1"[..])));
        assert_eq!(RefName::new("refs/headsx").branch(), None);
    }
}
