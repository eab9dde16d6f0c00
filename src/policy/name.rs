//! Names of what a policy declares, as types: a `UserName` is never mistaken for a `GroupName`.
//!
//! Knows the one syntax they share; not whether anything of that name is declared.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest name, in bytes.
pub const MAX_NAME: usize = 64;

/// Words that stand for holders, so no user may be called so.
pub const HOLDER_WORDS: [&str; 6] =
    ["lead", "assignee", "reporter", "authenticated", "anyone", "role"];

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("a name can't be empty")]
    Empty,
    /// More than [`MAX_NAME`] bytes.
    #[error("a name has at most {MAX_NAME} bytes")]
    TooLong,
    /// Something outside `[A-Za-z0-9][A-Za-z0-9._-]*`.
    #[error(
        "a name consists of letters, digits, `.`, `_` and `-`, and begins with a letter or digit"
    )]
    Syntax,
}

/// Tests `[A-Za-z0-9][A-Za-z0-9._-]*`, at most 64 bytes.
///
/// # Errors
/// The first rule that `text` breaks.
pub fn check(text: &str) -> Result<(), NameError> {
    let Some(first) = text.bytes().next() else {
        return Err(NameError::Empty);
    };
    if text.len() > MAX_NAME {
        return Err(NameError::TooLong);
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if first.is_ascii_alphanumeric() && text.bytes().all(plain) {
        Ok(())
    } else {
        Err(NameError::Syntax)
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Box<str>);

        impl $type {
            /// Parses a name.
            ///
            /// # Errors
            /// [`NameError`] when `text` is not a name.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                check(text).map(|()| Self(text.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.into()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(/** A person or service declared in `[users]`. */ UserName);
name!(/** A group declared in `[groups]`. */ GroupName);
name!(/** A project role declared in `[roles]`. */ RoleName);
name!(/** A permission scheme declared in `[schemes]`. */ SchemeName);
name!(/** A project declared in `[projects]`. */ ProjectName);
name!(/** What people may ask for, declared in `[entitlements]`. */ EntitlementName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_contract_says() {
        for good in ["a", "A9", "0", "a.b_c-d", &"x".repeat(64)] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", "-a", ".a", "_a", "a b", "a/b", "ä", "a\n", "a:b", &"x".repeat(65)] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
