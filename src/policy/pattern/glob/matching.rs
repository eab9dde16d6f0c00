//! Whether a name is what a glob means, without backtracking over more than the last `*` and `**`;
//! and the glob as an expression.

use super::{Component, Token};
use crate::policy::name::UserName;
use crate::policy::pattern::Given;
use crate::push::issue::length_at;

/// Greedy with one way back: the last `**` takes one component more each time the rest fails.
pub(super) fn components_match(pattern: &[Component], subject: &[u8], given: Given<'_>) -> bool {
    let parts: Vec<&[u8]> = subject.split(|&b| b == b'/').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return false;
    }
    let (mut p, mut s) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while s < parts.len() {
        let here = match (pattern.get(p), parts.get(s)) {
            (Some(Component::AnyDepth), _) => {
                // At the very end `**` wants at least one component, and there is one left: `s`.
                if p + 1 == pattern.len() {
                    return true;
                }
                back = Some((p, s));
                p += 1;
                continue;
            }
            (Some(Component::Tokens(tokens)), Some(part)) => tokens_match(tokens, part, given),
            _ => false,
        };
        if here {
            p += 1;
            s += 1;
        } else if let Some((bp, bs)) = back {
            p = bp + 1;
            s = bs + 1;
            back = Some((bp, bs + 1));
        } else {
            return false;
        }
    }
    p == pattern.len()
}

fn tokens_match(tokens: &[Token], part: &[u8], given: Given<'_>) -> bool {
    let (mut t, mut s) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        let rest = part.get(s..).unwrap_or_default();
        let step = match tokens.get(t) {
            None if rest.is_empty() => return true,
            None => None,
            Some(Token::Star) => {
                back = Some((t, s));
                t += 1;
                continue;
            }
            Some(Token::Issue) => {
                let before = s.checked_sub(1).and_then(|at| part.get(at)).copied();
                length_at(before, rest, given.issues_of)
            }
            Some(token) => token.length_at(rest, given.user),
        };
        if let Some(length) = step {
            t += 1;
            s += length;
            continue;
        }
        match back {
            Some((bt, bs)) if bs < part.len() => {
                t = bt + 1;
                s = bs + 1;
                back = Some((bt, bs + 1));
            }
            _ => return false,
        }
    }
}

impl Token {
    /// How many bytes of `rest` this token takes, if it matches there.
    fn length_at(&self, rest: &[u8], user: Option<&UserName>) -> Option<usize> {
        let first = rest.first().copied();
        let one = |yes: bool| yes.then_some(1);
        match self {
            Token::Byte(byte) => one(first == Some(*byte)),
            Token::Any => one(first.is_some()),
            Token::Class { negated, ranges } => {
                let byte = first?;
                let inside = ranges.iter().any(|&(low, high)| (low..=high).contains(&byte));
                one(inside != *negated)
            }
            Token::User => {
                let name = user?.as_str();
                rest.starts_with(name.as_bytes()).then_some(name.len())
            }
            Token::Issue | Token::Slash | Token::Star | Token::DoubleStar => None,
        }
    }
}

/// The same as an expression.
pub(super) fn components_regex(components: &[Component], user: Option<&UserName>) -> String {
    // Components are at least one byte long and never contain a slash.
    const COMPONENT: &str = "[^/]+";
    let mut out = String::new();
    for (at, component) in components.iter().enumerate() {
        let last = at + 1 == components.len();
        match component {
            Component::AnyDepth if last => {
                out.push_str(&format!("{COMPONENT}(?:/{COMPONENT})*"));
            }
            Component::AnyDepth => out.push_str(&format!("(?:{COMPONENT}/)*")),
            Component::Tokens(tokens) => {
                for token in tokens {
                    out.push_str(&token.regex(user));
                }
                if !last {
                    out.push('/');
                }
            }
        }
    }
    out
}

impl Token {
    fn regex(&self, user: Option<&UserName>) -> String {
        match self {
            Token::Byte(byte) => format!("\\x{byte:02x}"),
            Token::Slash => "/".into(),
            Token::Any => "[^/]".into(),
            Token::Star | Token::DoubleStar => "[^/]*".into(),
            Token::User => match user {
                Some(user) => regex_syntax::escape(user.as_str()),
                None => "[^\\x00-\\xff]".into(),
            },
            // Any project's: boundaries and the known projects are not told.
            Token::Issue => "[A-Z][0-9A-Z_]*-[1-9][0-9]*".into(),
            Token::Class { negated, ranges } => {
                let body: String = ranges
                    .iter()
                    .map(|(low, high)| format!("\\x{low:02x}-\\x{high:02x}"))
                    .collect();
                if *negated { format!("[^/{body}]") } else { format!("[{body}]") }
            }
        }
    }
}
