//! A glob's text as components, one list for each alternative that its braces stand for.

use super::{Component, MAX_ALTERNATIVES, MAX_TOKENS, Token};
use crate::policy::pattern::{ISSUE, PatternError, USER};
use crate::push::issue::{begins_after, ends_before};

/// The alternatives of a text.
///
/// # Errors
/// [`PatternError`]: it is no glob, or stands for too many.
pub(super) fn alternatives(text: &str) -> Result<Vec<Vec<Component>>, PatternError> {
    let mut lexer = Lexer { rest: text.as_bytes() };
    lexer.alternation()?.into_iter().map(split).collect()
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
        if let Some(after) = self.rest.strip_prefix(ISSUE.as_bytes()) {
            self.rest = after;
            return Ok(Token::Issue);
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
            tokens if tokens.windows(2).any(is_no_boundary) => Err(PatternError::Issue(
                "`${issue}` matches nothing there: a key stands apart from letters, digits and `_`, \
                 and does not follow `-`",
            )),
            tokens => Ok(Component::Tokens(tokens.to_vec())),
        })
        .collect()
}

/// Where a key could not begin or end, whatever the name.
fn is_no_boundary(two: &[Token]) -> bool {
    match two {
        [Token::Byte(byte), Token::Issue] => !begins_after(*byte),
        [Token::Issue, Token::Byte(byte)] => !ends_before(*byte),
        [Token::Issue, Token::Issue] => true,
        _ => false,
    }
}
