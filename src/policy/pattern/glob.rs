//! Globs: `*` and `?` stay in a component, `**` crosses, `[a-z]`, `[!a]`, `{a,b}`, `\` escapes.
//!
//! Matching takes time proportional to pattern times subject at worst: there is no backtracking
//! over more than the last `*` and the last `**`, so no name that a client makes up is slow.

use super::{PatternError, USER};
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
}

#[derive(Debug, Clone, PartialEq)]
enum Component {
    /// `**`: any number of components, none included (at the end: at least one).
    AnyDepth,
    Tokens(Vec<Token>),
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
    Class { negated: bool, ranges: Vec<(u8, u8)> },
}

impl Glob {
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        let mut lexer = Lexer { rest: text.as_bytes() };
        let lines = lexer.alternation()?;
        let alternatives = lines.into_iter().map(split).collect::<Result<Arc<_>, _>>()?;
        Ok(Self {
            alternatives,
            literal_prefix: literal_prefix(text.as_bytes()),
            has_user: text.contains(USER),
        })
    }

    pub(super) fn has_user(&self) -> bool {
        self.has_user
    }

    /// The bytes before the first `*`, `?`, `[`, `{` or `${user}`, escapes resolved.
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
        self.alternatives.len() == 1
            && self.alternatives.iter().flatten().all(|component| match component {
                Component::AnyDepth => false,
                Component::Tokens(tokens) => tokens.iter().all(|t| matches!(t, Token::Byte(_))),
            })
    }

    /// Whether the glob is `**` alone.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(&*self.alternatives, [one] if one.as_slice() == [Component::AnyDepth])
    }

    /// For a glob that ends in `/**`, whether the part before it matches `subject`.
    #[must_use]
    pub fn folder_matches(&self, subject: &[u8], user: Option<&UserName>) -> bool {
        self.alternatives.iter().any(|components| match components.split_last() {
            Some((Component::AnyDepth, folder)) if !folder.is_empty() => {
                components_match(folder, subject, user)
            }
            _ => false,
        })
    }

    pub(super) fn matches(&self, subject: &[u8], user: Option<&UserName>) -> bool {
        if self.has_user && user.is_none() {
            return false;
        }
        self.alternatives.iter().any(|components| components_match(components, subject, user))
    }

    pub(super) fn to_regex(&self, user: Option<&UserName>) -> String {
        let each: Vec<String> =
            self.alternatives.iter().map(|components| components_regex(components, user)).collect();
        format!("(?s-u)\\A(?:{})\\z", each.join("|"))
    }
}

/// Reads tokens; braces are multiplied out as they are met.
struct Lexer<'a> {
    rest: &'a [u8],
}

impl Lexer<'_> {
    fn alternation(&mut self) -> Result<Vec<Vec<Token>>, PatternError> {
        let mut lines: Vec<Vec<Token>> = vec![Vec::new()];
        let mut size = 0;
        while let Some((&byte, after)) = self.rest.split_first() {
            if byte == b'{' {
                self.rest = after;
                let parts = self.braces()?;
                size = multiplied(&lines, &parts)?;
                lines = multiply(&lines, &parts);
            } else {
                let token = self.token()?;
                size += lines.len();
                if size > MAX_TOKENS {
                    return Err(PatternError::TooManyAlternatives);
                }
                for line in &mut lines {
                    line.push(token.clone());
                }
            }
        }
        Ok(lines)
    }

    /// After `{`: what the commas separate, up to `}`.
    fn braces(&mut self) -> Result<Vec<Vec<Token>>, PatternError> {
        let mut parts = vec![Vec::new()];
        loop {
            match self.rest.split_first() {
                None => return Err(PatternError::Braces("`{` without its `}`")),
                Some((b'{', _)) => {
                    return Err(PatternError::Braces("braces can't stand in braces"));
                }
                Some((b'}', after)) => {
                    self.rest = after;
                    return Ok(parts);
                }
                Some((b',', after)) => {
                    self.rest = after;
                    parts.push(Vec::new());
                }
                Some(_) => {
                    let token = self.token()?;
                    if let Some(part) = parts.last_mut() {
                        part.push(token);
                    }
                }
            }
        }
    }

    fn token(&mut self) -> Result<Token, PatternError> {
        if let Some(after) = self.rest.strip_prefix(USER.as_bytes()) {
            self.rest = after;
            return Ok(Token::User);
        }
        if self.rest.starts_with(b"${") {
            return Err(PatternError::UnknownVariable);
        }
        if let Some(after) = self.rest.strip_prefix(b"**") {
            self.rest = after;
            return Ok(Token::DoubleStar);
        }
        let Some((&byte, after)) = self.rest.split_first() else {
            return Err(PatternError::Empty);
        };
        self.rest = after;
        Ok(match byte {
            b'/' => Token::Slash,
            b'*' => Token::Star,
            b'?' => Token::Any,
            b'[' => self.class()?,
            b'}' => return Err(PatternError::Braces("`}` without its `{`")),
            b'\\' => Token::Byte(self.escaped()?),
            other => Token::Byte(other),
        })
    }

    fn escaped(&mut self) -> Result<u8, PatternError> {
        let Some((&byte, after)) = self.rest.split_first() else {
            return Err(PatternError::Escape);
        };
        if byte == b'/' {
            return Err(PatternError::Class("`\\/`: a slash needs no backslash"));
        }
        self.rest = after;
        Ok(byte)
    }

    /// After `[`: up to `]`.
    fn class(&mut self) -> Result<Token, PatternError> {
        const OPEN: PatternError = PatternError::Class("`[` without its `]`");
        let negated = if let Some(after) = self.rest.strip_prefix(b"!") {
            self.rest = after;
            true
        } else {
            false
        };
        let mut ranges = Vec::new();
        loop {
            match self.rest.first() {
                None => return Err(OPEN),
                Some(b']') if ranges.is_empty() => {
                    return Err(PatternError::Class(
                        "an empty class; write `[\\]]` for the bracket",
                    ));
                }
                Some(b']') => {
                    self.rest = self.rest.get(1..).unwrap_or_default();
                    return Ok(Token::Class { negated, ranges });
                }
                Some(b'^') if ranges.is_empty() && !negated => {
                    return Err(PatternError::Class("a negated class is written `[!…]`"));
                }
                Some(_) => ranges.push(self.range()?),
            }
        }
    }

    fn range(&mut self) -> Result<(u8, u8), PatternError> {
        let low = self.class_byte()?;
        let high = match self.rest {
            [b'-', b']', ..] => low,
            [b'-', ..] => {
                self.rest = self.rest.get(1..).unwrap_or_default();
                self.class_byte()?
            }
            _ => low,
        };
        if low > high {
            return Err(PatternError::Class("a range that ends before it begins"));
        }
        Ok((low, high))
    }

    fn class_byte(&mut self) -> Result<u8, PatternError> {
        if self.rest.starts_with(b"${") {
            return Err(PatternError::UserInClass);
        }
        let Some((&byte, after)) = self.rest.split_first() else {
            return Err(PatternError::Class("`[` without its `]`"));
        };
        self.rest = after;
        match byte {
            b'\\' => self.escaped(),
            b'/' => Err(PatternError::Class("a class never matches `/`")),
            other if !other.is_ascii() => Err(PatternError::Class(
                "a class holds single bytes; write other characters in braces",
            )),
            other => Ok(other),
        }
    }
}

/// The tokens that [`multiply`] would make.
fn multiplied(lines: &[Vec<Token>], parts: &[Vec<Token>]) -> Result<usize, PatternError> {
    let sum = |lists: &[Vec<Token>]| lists.iter().map(Vec::len).sum::<usize>();
    let size = sum(lines) * parts.len() + sum(parts) * lines.len();
    if lines.len() * parts.len() > MAX_ALTERNATIVES || size > MAX_TOKENS {
        return Err(PatternError::TooManyAlternatives);
    }
    Ok(size)
}

fn multiply(lines: &[Vec<Token>], parts: &[Vec<Token>]) -> Vec<Vec<Token>> {
    lines
        .iter()
        .flat_map(|line| parts.iter().map(move |part| [line.as_slice(), part.as_slice()].concat()))
        .collect()
}

/// Cuts a line of tokens at its slashes.
fn split(line: Vec<Token>) -> Result<Vec<Component>, PatternError> {
    line.split(|token| *token == Token::Slash)
        .map(|tokens| match tokens {
            [] => Err(PatternError::EmptyComponent),
            [Token::DoubleStar] => Ok(Component::AnyDepth),
            tokens if tokens.contains(&Token::DoubleStar) => Err(PatternError::DoubleStar),
            // `{*,b}*` is one by way of braces: written so it looks as if it crossed.
            tokens if tokens.windows(2).any(|two| *two == [Token::Star, Token::Star]) => {
                Err(PatternError::DoubleStar)
            }
            tokens => Ok(Component::Tokens(tokens.to_vec())),
        })
        .collect()
}

fn literal_prefix(text: &[u8]) -> Box<[u8]> {
    let mut prefix = Vec::new();
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        if matches!(byte, b'*' | b'?' | b'[' | b'{') || rest.starts_with(USER.as_bytes()) {
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

/// Greedy with one way back: the last `**` takes one component more each time the rest fails.
fn components_match(pattern: &[Component], subject: &[u8], user: Option<&UserName>) -> bool {
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
            (Some(Component::Tokens(tokens)), Some(part)) => tokens_match(tokens, part, user),
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

fn tokens_match(tokens: &[Token], part: &[u8], user: Option<&UserName>) -> bool {
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
            Some(token) => token.length_at(rest, user),
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
            Token::Slash | Token::Star | Token::DoubleStar => None,
        }
    }
}

fn components_regex(components: &[Component], user: Option<&UserName>) -> String {
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
