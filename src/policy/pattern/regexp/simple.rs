//! Simple expressions, matched as they are written: a hook asks one question of most, and to make an
//! automaton takes far longer than the answer.
//!
//! Knows letters, digits, `/`, `_`, `-`, `\.`, `.`, classes of them, `?`, `*` and `+` after one of
//! these, and groups of plain words. Whatever else stands in an expression is left to the regex
//! library, so that nothing has two meanings.

/// An expression of this kind.
#[derive(Debug)]
pub(super) struct Simple(Vec<Part>);

#[derive(Debug)]
enum Part {
    /// One byte of a set, as often as the repeat says.
    Byte(Set, Repeat),
    /// One of the words.
    Words(Vec<Vec<u8>>),
}

#[derive(Debug)]
struct Set {
    negated: bool,
    /// Both ends are in it.
    ranges: Vec<(u8, u8)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Once,
    Maybe,
    Any,
    Some,
}

impl Simple {
    /// `None` where anything is not simple.
    pub(super) fn parse(expression: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = expression.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            let (set, after) = match first {
                b'(' => {
                    let (words, after) = words(after)?;
                    parts.push(Part::Words(words));
                    rest = after;
                    continue;
                }
                b'[' => class(after)?,
                b'.' => (Set { negated: true, ranges: Vec::new() }, after),
                b'\\' => (Set::of(b'.'), after.strip_prefix(b".")?),
                byte if is_plain(*byte) => (Set::of(*byte), after),
                _ => return None,
            };
            let (repeat, after) = match after.split_first() {
                Some((b'?', after)) => (Repeat::Maybe, after),
                Some((b'*', after)) => (Repeat::Any, after),
                Some((b'+', after)) => (Repeat::Some, after),
                _ => (Repeat::Once, after),
            };
            parts.push(Part::Byte(set, repeat));
            rest = after;
        }
        Some(Self(parts))
    }

    /// Whether the whole of `subject` matches, in time proportional to both.
    pub(super) fn matches(&self, subject: &[u8]) -> bool {
        // Where in the subject the parts so far can end.
        let mut ends = vec![false; subject.len() + 1];
        if let Some(begin) = ends.first_mut() {
            *begin = true;
        }
        for part in &self.0 {
            ends = match part {
                Part::Byte(set, Repeat::Once) => set.once(&ends, subject),
                Part::Byte(set, Repeat::Maybe) => either(set.once(&ends, subject), &ends),
                Part::Byte(set, Repeat::Any) => set.more(ends, subject),
                Part::Byte(set, Repeat::Some) => set.more(set.once(&ends, subject), subject),
                Part::Words(words) => after_words(words, &ends, subject),
            };
        }
        ends.last() == Some(&true)
    }
}

impl Set {
    fn of(byte: u8) -> Self {
        Self { negated: false, ranges: vec![(byte, byte)] }
    }

    fn has(&self, byte: u8) -> bool {
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&byte)) != self.negated
    }

    /// Where one more byte ends.
    fn once(&self, ends: &[bool], subject: &[u8]) -> Vec<bool> {
        let moved = ends.iter().zip(subject).map(|(end, byte)| *end && self.has(*byte));
        std::iter::once(false).chain(moved).collect()
    }

    /// Where any number of bytes more ends, none included.
    fn more(&self, ends: Vec<bool>, subject: &[u8]) -> Vec<bool> {
        let bytes = std::iter::once(None).chain(subject.iter().map(Some));
        let mut before = false;
        let step = |(end, byte): (bool, Option<&u8>)| {
            before = end || before && byte.is_some_and(|byte| self.has(*byte));
            before
        };
        ends.into_iter().zip(bytes).map(step).collect()
    }
}

fn either(one: Vec<bool>, other: &[bool]) -> Vec<bool> {
    one.into_iter().zip(other).map(|(one, other)| one || *other).collect()
}

fn after_words(words: &[Vec<u8>], ends: &[bool], subject: &[u8]) -> Vec<bool> {
    let mut next = vec![false; ends.len()];
    for (at, _) in ends.iter().enumerate().filter(|(_, end)| **end) {
        let rest = subject.get(at..).unwrap_or_default();
        for word in words.iter().filter(|word| rest.starts_with(word)) {
            if let Some(end) = next.get_mut(at + word.len()) {
                *end = true;
            }
        }
    }
    next
}

/// Stands for itself wherever it stands.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-')
}

/// What follows `(`: words between `|`, and `)` with no repeat after it.
fn words(text: &[u8]) -> Option<(Vec<Vec<u8>>, &[u8])> {
    let end = text.iter().position(|byte| *byte == b')')?;
    let (inner, after) = (text.get(..end)?, text.get(end + 1..)?);
    if matches!(after.first(), Some(b'?' | b'*' | b'+')) {
        return None;
    }
    let words: Vec<Vec<u8>> = inner.split(|byte| *byte == b'|').map(<[u8]>::to_vec).collect();
    let plain = |word: &Vec<u8>| !word.is_empty() && word.iter().all(|byte| is_plain(*byte));
    words.iter().all(plain).then_some((words, after))
}

/// What follows `[`: bytes and ranges of digits or letters, no `-` by itself.
fn class(text: &[u8]) -> Option<(Set, &[u8])> {
    let end = text.iter().position(|byte| *byte == b']')?;
    let (inner, after) = (text.get(..end)?, text.get(end + 1..)?);
    let (negated, mut rest) = match inner.strip_prefix(b"^") {
        Some(rest) => (true, rest),
        None => (false, inner),
    };
    let mut ranges = Vec::new();
    while let Some((first, after)) = rest.split_first() {
        let single = first.is_ascii_alphanumeric() || matches!(first, b'/' | b'_' | b'.');
        let (last, after) = match after {
            [b'-', last, after @ ..] => (last, after),
            after => (first, after),
        };
        let alike = first == last
            || first.is_ascii_digit() && last.is_ascii_digit()
            || first.is_ascii_lowercase() && last.is_ascii_lowercase()
            || first.is_ascii_uppercase() && last.is_ascii_uppercase();
        if !single || !alike || first > last {
            return None;
        }
        ranges.push((*first, *last));
        rest = after;
    }
    (!ranges.is_empty()).then_some((Set { negated, ranges }, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PARTS: [&str; 22] = [
        "a",
        "b",
        "Z",
        "0",
        "/",
        "_",
        "-",
        "\\.",
        ".",
        "[a-c]",
        "[^/]",
        "[A-Z0-9_]",
        "[.]",
        "[^a-b.]",
        "(a|bb)",
        "(ab)",
        "?",
        "*",
        "+",
        "|",
        "(?:a|b)",
        "\\d",
    ];

    fn full(expression: &str) -> Option<regex::bytes::Regex> {
        super::super::build(&super::super::wrap(expression)).ok()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn what_is_simple_means_what_the_regex_library_says(
            parts in prop::collection::vec(prop::sample::select(&PARTS[..]), 0..8),
            subjects in prop::collection::vec(
                prop::collection::vec(prop::sample::select(&b"abcZ0/_-.\n\xff"[..]), 0..7), 8),
        ) {
            let expression = parts.concat();
            if let Some(simple) = Simple::parse(&expression) {
                let full = full(&expression).expect("it is a regular expression too");
                for subject in subjects {
                    prop_assert_eq!(simple.matches(&subject), full.is_match(&subject));
                }
            }
        }
    }

    #[test]
    fn what_people_write_is_simple() {
        for (expression, yes, no) in [
            ("refs/heads/(tmp|wip)-[0-9]+", "refs/heads/wip-17", "refs/heads/wip-"),
            (
                "refs/heads/feature/[A-Z]+-[0-9]+.*",
                "refs/heads/feature/PAY-1-x",
                "refs/heads/PAY-1",
            ),
            ("v[0-9]+\\.[0-9]+", "v1.10", "v1x10"),
        ] {
            let simple = Simple::parse(expression).unwrap();
            assert!(simple.matches(yes.as_bytes()), "{expression}");
            assert!(!simple.matches(no.as_bytes()), "{expression}");
            assert!(
                !simple.matches(&[yes.as_bytes(), b"\n"].concat()) || expression.ends_with(".*")
            );
        }
    }

    #[test]
    fn whatever_has_another_meaning_somewhere_is_left_to_the_library() {
        for expression in [
            "a|b",
            "^a",
            "a$",
            "(?i)a",
            "(?:a)",
            "a{2}",
            "a+?",
            "a**",
            "(a|)",
            "()",
            "(a)+",
            "((a))",
            "[a-]",
            "[-a]",
            "[]a]",
            "[[:alpha:]]",
            "[a&&b]",
            "[a--b]",
            "[a~~b]",
            "[a-Z]",
            "[z-a]",
            "[0-z]",
            "[\\d]",
            "[ä]",
            "\\d",
            "\\-",
            "\\",
            "[a",
            "(a",
            "+",
            "ä",
            "a b",
            "#",
            "${user}",
        ] {
            assert!(Simple::parse(expression).is_none(), "{expression}");
        }
    }
}
