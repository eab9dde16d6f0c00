//! `content`: added lines that look like what must not be pushed.
//!
//! Knows that a line is added where no old version of the file has it: lines that were moved or
//! doubled are not, and what was there before is not this push's doing. Every file is looked at,
//! binary ones too: a NUL in front hides nothing, nor does UTF-16. Never shows what it found.

use super::message::{SIZE_LIMIT, broken};
use super::secrets::{Kind, STARTER};
use crate::policy::checks::{Search, Secret};
use crate::policy::pattern::Broken;
use gix::bstr::ByteSlice;
use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

/// Largest file that is looked at, in bytes; larger ones are refused, not passed over.
pub const LARGEST: u64 = 8 << 20;
/// How many lines are looked for in an old version before its lines are gathered.
const FEW: u32 = 16;

/// The expressions of one rule, ready.
pub struct Searcher<'a> {
    kinds: Vec<Looked<'a>>,
    /// All of them over many lines at once: most files have nothing of the kind.
    any: RegexSet,
    /// Whether one is tied to the ends of a line in a way that only shows in a line by itself.
    by_line: bool,
}

struct Looked<'a> {
    name: &'a str,
    regex: Regex,
    kind: Option<&'static Kind>,
}

impl<'a> Searcher<'a> {
    /// The starter set, if it is wanted, and the policy's own.
    ///
    /// # Errors
    /// [`Broken`] where an expression that was accepted before no longer compiles.
    pub fn new(starter: bool, secrets: &'a [Secret]) -> Result<Self, Broken> {
        let starter = if starter { STARTER } else { &[] };
        let mut kinds = Vec::with_capacity(starter.len() + secrets.len());
        for kind in starter {
            kinds.push(Looked { name: kind.name, regex: line(kind.pattern)?, kind: Some(kind) });
        }
        for secret in secrets {
            kinds.push(Looked { name: &secret.name, regex: line(&secret.pattern.0)?, kind: None });
        }
        let sources: Vec<&str> = kinds.iter().map(|looked| looked.regex.as_str()).collect();
        let by_line = sources.iter().any(|source| is_tied(source));
        let mut set = RegexSetBuilder::new(&sources);
        set.unicode(false).multi_line(true).crlf(true).size_limit(SIZE_LIMIT * (1 + sources.len()));
        let all = || Search(sources.join("|").into());
        let any = set.build().map_err(|error| broken(&all(), &error))?;
        Ok(Self { kinds, any, by_line })
    }

    /// Shows the number of each added line, from 1, with the name of what it looks like. What may be
    /// UTF-16 is searched a second time without its NULs.
    pub fn search(&self, new: &[u8], olds: &[&[u8]], meet: &mut dyn FnMut(usize, &str)) {
        let Some(narrow) = narrowed(new) else { return self.search_bytes(new, olds, meet) };
        let mut told: BTreeSet<(usize, String)> = BTreeSet::new();
        self.search_bytes(new, olds, &mut |line, name| {
            told.insert((line, name.to_owned()));
            meet(line, name);
        });
        let olds: Vec<Cow<'_, [u8]>> = olds.iter().copied().map(narrow_or_as_it_is).collect();
        let olds: Vec<&[u8]> = olds.iter().map(|old| &**old).collect();
        self.search_bytes(&narrow, &olds, &mut |line, name| {
            if told.insert((line, name.to_owned())) {
                meet(line, name);
            }
        });
    }

    fn search_bytes(&self, new: &[u8], olds: &[&[u8]], meet: &mut dyn FnMut(usize, &str)) {
        let (start, end) = differing(new, olds);
        let part = new.get(start..end).unwrap_or_default();
        if part.is_empty() || !(self.by_line || self.any.is_match(part)) {
            return;
        }
        let mut known = Known::new(olds);
        let first = 1 + new.get(..start).unwrap_or_default().find_iter(b"\n").count();
        for (number, line) in (first..).zip(part.lines()) {
            if !(self.by_line || self.any.is_match(line)) {
                continue;
            }
            let found = self.kinds.iter().filter(|looked| looked.is_in(line));
            let mut found = found.peekable();
            if found.peek().is_some() && !known.has(line) {
                found.for_each(|looked| meet(number, looked.name));
            }
        }
    }
}

impl Looked<'_> {
    fn is_in(&self, line: &[u8]) -> bool {
        match self.kind {
            Some(kind) => self.regex.find_iter(line).any(|found| kind.is(found.as_bytes())),
            None => self.regex.is_match(line),
        }
    }
}

fn line(source: &str) -> Result<Regex, Broken> {
    let mut builder = RegexBuilder::new(source);
    builder.unicode(false).multi_line(true).crlf(true).size_limit(SIZE_LIMIT);
    builder.build().map_err(|error| broken(&Search(source.into()), &error))
}

/// Whether `\A` or `\z` may stand in it; what does not parse does not compile either.
fn is_tied(source: &str) -> bool {
    let mut parser = regex_syntax::ParserBuilder::new();
    let parsed =
        parser.unicode(false).utf8(false).multi_line(true).crlf(true).build().parse(source);
    parsed.is_ok_and(|tree| {
        let looks = tree.properties().look_set();
        looks.contains(regex_syntax::hir::Look::Start)
            || looks.contains(regex_syntax::hir::Look::End)
    })
}

/// The whole lines of `new` between those that it begins and ends with as the first old version
/// does.
fn differing(new: &[u8], olds: &[&[u8]]) -> (usize, usize) {
    let Some(old) = olds.first() else { return (0, new.len()) };
    let head = new.iter().zip(*old).take_while(|(a, b)| a == b).count();
    if head == new.len() && head == old.len() {
        return (0, 0);
    }
    let start = new.get(..head).unwrap_or_default().rfind_byte(b'\n').map_or(0, |at| at + 1);
    let most = new.len().min(old.len()) - start;
    let tail = new.iter().rev().zip(old.iter().rev()).take(most);
    let tail = tail.take_while(|(a, b)| a == b).count();
    // From behind the first line's end on: what stands before it may be the end of another line.
    let end = new.len() - tail;
    let rest = new.get(end..).unwrap_or_default();
    (start, rest.find_byte(b'\n').map_or(new.len(), |at| end + at + 1))
}

/// The text without the NULs that stand in every second byte for a while, as in UTF-16, whichever
/// byte comes first and whatever stands before; `None` where there are none. At most as long as it was.
fn narrowed(text: &[u8]) -> Option<Vec<u8>> {
    text.find_byte(0)?;
    let is_nul = |at: Option<usize>| at.and_then(|at| text.get(at)) == Some(&0);
    let is_wide = |at: usize| {
        is_nul(Some(at))
            && !is_nul(at.checked_sub(1))
            && !is_nul(Some(at + 1))
            && (is_nul(at.checked_sub(2)) || is_nul(Some(at + 2)))
    };
    let bare = text.strip_prefix(b"\xff\xfe").or(text.strip_prefix(b"\xfe\xff"));
    let start = text.len() - bare.unwrap_or(text).len();
    let kept: Vec<u8> = (start..text.len())
        .filter(|at| !is_wide(*at))
        .filter_map(|at| text.get(at).copied())
        .collect();
    (kept.len() < text.len() - start).then_some(kept)
}

fn narrow_or_as_it_is(text: &[u8]) -> Cow<'_, [u8]> {
    narrowed(text).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The lines of old versions.
struct Known<'a> {
    olds: &'a [&'a [u8]],
    asked: u32,
    hasher: RandomState,
    /// Their hashes, in order, once more than a few were asked for.
    hashes: Option<Vec<u64>>,
}

impl<'a> Known<'a> {
    fn new(olds: &'a [&'a [u8]]) -> Self {
        Self { olds, asked: 0, hasher: RandomState::new(), hashes: None }
    }

    fn has(&mut self, line: &[u8]) -> bool {
        self.asked += 1;
        if self.asked <= FEW {
            return self.olds.iter().any(|old| old.lines().any(|other| other == line));
        }
        let hashes = self.hashes.get_or_insert_with(|| {
            let lines = self.olds.iter().flat_map(|old| old.lines());
            let mut hashes: Vec<u64> = lines.map(|line| self.hasher.hash_one(line)).collect();
            hashes.sort_unstable();
            hashes
        });
        hashes.binary_search(&self.hasher.hash_one(line)).is_ok()
    }
}

#[cfg(test)]
mod tests;
