//! Globs: `*` and `?` stay in a component, `**` crosses, `[a-z]`, `[!a]`, `{a,b}`, `\` escapes.
//!
//! Matching takes time proportional to pattern times subject at worst: there is no backtracking
//! over more than the last `*` and the last `**`, so no name that a client makes up is slow.

mod lexer;
mod matching;

use super::{Given, ISSUE, PatternError, USER};
use crate::policy::name::UserName;
use std::sync::Arc;

/// Most alternatives that the braces of one pattern may stand for.
pub const MAX_ALTERNATIVES: usize = 256;
/// Most characters and wildcards in all alternatives of one pattern together.
pub const MAX_TOKENS: usize = 16_384;

/// A parsed glob.
#[derive(Debug, Clone)]
pub struct Glob {
    /// Shared by all copies: a scheme that extends another has the other's entries as well.
    alternatives: Arc<[Vec<Component>]>,
    literal_prefix: Box<[u8]>,
    has_user: bool,
    has_issue: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Component {
    /// `**`: any number of components, none included (at the end: at least one).
    AnyDepth,
    Tokens(Vec<Token>),
}

/// The only name that the components match.
fn spelled(components: &[Component]) -> Option<Vec<u8>> {
    let each = components.iter().map(|component| match component {
        Component::AnyDepth => None,
        Component::Tokens(tokens) => tokens
            .iter()
            .map(|token| if let Token::Byte(byte) = token { Some(*byte) } else { None })
            .collect::<Option<Vec<u8>>>(),
    });
    Some(each.collect::<Option<Vec<_>>>()?.join(&b'/'))
}

impl Component {
    fn size(&self) -> usize {
        match self {
            Self::AnyDepth => 1,
            Self::Tokens(tokens) => tokens.len() + 1,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Byte(u8),
    Slash,
    Any,
    Star,
    DoubleStar,
    User,
    Issue,
    Class { negated: bool, ranges: Vec<(u8, u8)> },
}

impl Glob {
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        let alternatives = lexer::alternatives(text)?.into();
        Ok(Self {
            alternatives,
            literal_prefix: literal_prefix(text.as_bytes()),
            has_user: text.contains(USER),
            has_issue: text.contains(ISSUE),
        })
    }

    pub(super) fn has_user(&self) -> bool {
        self.has_user
    }

    pub(super) fn has_issue(&self) -> bool {
        self.has_issue
    }

    /// The bytes before the first `*`, `?`, `[`, `{` or variable, escapes resolved.
    #[must_use]
    pub fn literal_prefix(&self) -> &[u8] {
        &self.literal_prefix
    }

    /// Characters and wildcards of all alternatives together.
    pub(super) fn size(&self) -> usize {
        self.alternatives.iter().flatten().map(Component::size).sum()
    }

    /// Whether the glob matches only one name, the one it spells.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.alternatives.len() == 1 && self.names().is_some()
    }

    /// The names that it spells, where it matches no others: `a/b` and `a/c` of `a/{b,c}`.
    #[must_use]
    pub fn names(&self) -> Option<Vec<Vec<u8>>> {
        self.alternatives.iter().map(|one| spelled(one)).collect()
    }

    /// Whether the glob is `**` alone.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(&*self.alternatives, [one] if one.as_slice() == [Component::AnyDepth])
    }

    /// Whether `subject` is a folder that the glob spells out on its way to something below: `x` of
    /// `x/**`, `a` and `a/b` of `a/b/*.sh`. Behind a `**` no folder is spelled out but the whole part
    /// before a `/**` at the end.
    #[must_use]
    pub fn passes_through(&self, subject: &[u8], user: Option<&UserName>) -> bool {
        let depth = subject.split(|&byte| byte == b'/').count();
        self.alternatives.iter().any(|components| {
            let whole = match components.split_last() {
                Some((Component::AnyDepth, folder)) if !folder.is_empty() => {
                    matching::components_match(folder, subject, user.into())
                }
                _ => false,
            };
            let way = components.split_at_checked(depth).filter(|(_, rest)| !rest.is_empty());
            whole
                || way.is_some_and(|(way, _)| {
                    !way.contains(&Component::AnyDepth)
                        && matching::components_match(way, subject, user.into())
                })
        })
    }

    pub(super) fn matches(&self, subject: &[u8], given: Given<'_>) -> bool {
        if self.has_user && given.user.is_none() {
            return false;
        }
        self.alternatives
            .iter()
            .any(|components| matching::components_match(components, subject, given))
    }

    pub(super) fn to_regex(&self, user: Option<&UserName>) -> String {
        let each: Vec<String> = self
            .alternatives
            .iter()
            .map(|components| matching::components_regex(components, user))
            .collect();
        format!("(?s-u)\\A(?:{})\\z", each.join("|"))
    }
}

fn literal_prefix(text: &[u8]) -> Box<[u8]> {
    let mut prefix = Vec::new();
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        if matches!(byte, b'*' | b'?' | b'[' | b'{') || is_variable(rest) {
            break;
        }
        rest = after;
        if byte == b'\\'
            && let Some((&escaped, after)) = rest.split_first()
        {
            prefix.push(escaped);
            rest = after;
            continue;
        }
        prefix.push(byte);
    }
    prefix.into()
}

fn is_variable(rest: &[u8]) -> bool {
    rest.starts_with(USER.as_bytes()) || rest.starts_with(ISSUE.as_bytes())
}
