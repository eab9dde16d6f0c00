//! The name of a request, of the grant that it becomes, and of their record: `7f3k-92qd`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Digits and letters that are not mistaken for one another when they are read aloud.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Eight characters of 40 random bits, with a dash in the middle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(Box<str>);

/// A text that is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a request; one looks like `7f3k-92qd`")]
pub struct NotAnId;

impl Id {
    /// Of five random bytes.
    #[must_use]
    pub fn of(random: [u8; 5]) -> Self {
        let bits = random.iter().fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
        let letter = |at: u32| LETTERS.get(((bits >> (35 - 5 * at)) & 31) as usize).copied();
        let mut text: String = (0..8).filter_map(letter).map(char::from).collect();
        text.insert(4, '-');
        Self(text.into())
    }

    /// Reads an id as written; capitals count as small letters.
    ///
    /// # Errors
    /// [`NotAnId`].
    pub fn parse(text: &str) -> Result<Self, NotAnId> {
        let text = text.to_ascii_lowercase();
        let fits = text.len() == 9
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 => byte == b'-',
                _ => LETTERS.contains(&byte),
            });
        if fits { Ok(Self(text.into())) } else { Err(NotAnId) }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Id {
    type Error = NotAnId;
    fn try_from(text: String) -> Result<Self, NotAnId> {
        Self::parse(&text)
    }
}

impl From<Id> for String {
    fn from(id: Id) -> String {
        id.0.into()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_counts_and_what_is_said_is_read_back() {
        assert_eq!(Id::of([0; 5]).as_str(), "0000-0000");
        assert_eq!(Id::of([255; 5]).as_str(), "zzzz-zzzz");
        assert_ne!(Id::of([0, 0, 0, 0, 1]), Id::of([0, 0, 0, 1, 0]));
        let id = Id::of([1, 2, 3, 4, 5]);
        assert_eq!(Id::parse(&id.as_str().to_uppercase()), Ok(id));
        for bad in
            ["", "7f3k92qd", "7f3k-92q", "7f3k-92qdx", "7f3k-92qi", "7f3k-92q\u{e9}", "../x-yyyy"]
        {
            assert_eq!(Id::parse(bad), Err(NotAnId), "{bad}");
        }
    }
}
