//! The one way for text from outside to reach a terminal, a log or a report.
//!
//! Knows how to make any bytes plain ASCII; not where they came from or where they go.

pub mod csv;

use gix::bstr::ByteSlice;
use std::fmt::{self, Write};
use std::path::Path;

/// What replaces the part that did not fit.
const CUT: &str = "...";

/// A word as a shell reads it back.
#[must_use]
pub fn shell(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// `1 user`, `2 users`.
#[must_use]
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A path as a word of a command to type.
#[must_use]
pub fn shell_path(path: &Path) -> String {
    shell(&path.to_string_lossy())
}

/// Text from outside as printable ASCII: what is shown can neither move a cursor nor hide.
///
/// Printable ASCII stays, a backslash is doubled. ASCII control characters and bytes that are not
/// UTF-8 become `\xNN`, all other characters `\u{…}`: bidirectional and zero-width ones can be seen.
/// Two texts that were not cut are shown alike only if they are the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Safe(String);

impl Safe {
    /// Escapes `bytes` to at most `max` bytes, `...` included where they are cut.
    #[must_use]
    pub fn new(bytes: &[u8], max: usize) -> Self {
        let mut out = String::with_capacity(bytes.len().min(max));
        let mut uncut = 0;
        for (start, end, character) in bytes.char_indices() {
            escape(&mut out, character, bytes.get(start..end).unwrap_or_default());
            if out.len() > max {
                out.truncate(uncut);
                out.extend(CUT.chars().take(max - uncut));
                break;
            }
            if out.len() + CUT.len() <= max {
                uncut = out.len();
            }
        }
        Self(out)
    }

    /// The bytes of a text that was escaped whole; of any other text, some bytes.
    #[must_use]
    pub fn read_back(text: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let (bytes, after) = unescaped(rest).unwrap_or_else(|| {
                let mut buffer = [0; 4];
                let bytes = first.encode_utf8(&mut buffer).as_bytes().to_vec();
                (bytes, rest.get(first.len_utf8()..).unwrap_or_default())
            });
            out.extend(bytes);
            rest = after;
        }
        out
    }

    /// The escaped text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Appends `character`, read from `raw`; what is not UTF-8 was read as U+FFFD.
fn escape(out: &mut String, character: char, raw: &[u8]) {
    let invalid = character == char::REPLACEMENT_CHARACTER && raw != "\u{fffd}".as_bytes();
    if invalid || character.is_ascii_control() {
        for byte in raw {
            let _ = write!(out, "\\x{byte:02x}");
        }
    } else if character == '\\' {
        out.push_str("\\\\");
    } else if character.is_ascii() {
        out.push(character);
    } else {
        let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
    }
}

/// The escape that `text` begins with, and what follows it.
fn unescaped(text: &str) -> Option<(Vec<u8>, &str)> {
    let text = text.strip_prefix('\\')?;
    if let Some(rest) = text.strip_prefix('\\') {
        return Some((vec![b'\\'], rest));
    }
    if let Some(digits) = text.strip_prefix("u{") {
        let (digits, rest) = digits.split_once('}')?;
        let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
        return Some((character.to_string().into_bytes(), rest));
    }
    let (digits, rest) = text.strip_prefix('x')?.split_at_checked(2)?;
    Some((vec![u8::from_str_radix(digits, 16).ok()?], rest))
}

impl fmt::Display for Safe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Bytes as two lower-case hexadecimal digits each.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(if half < 10 { b'0' + half } else { b'a' + half - 10 });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
#[allow(clippy::string_slice, reason = "what is cut here is ASCII")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_with_a_blank_is_one_word_of_a_command() {
        assert_eq!(shell_path(Path::new("/srv/git/a.git")), "/srv/git/a.git");
        assert_eq!(shell_path(Path::new("/srv/noti zen.git")), "'/srv/noti zen.git'");
    }

    fn safe(bytes: &[u8]) -> String {
        Safe::new(bytes, 1000).to_string()
    }

    /// Reads the escapes back: the naive second form.
    fn undo(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if let Some(hex) = rest.strip_prefix("\\x") {
                out.push(u8::from_str_radix(&hex[..2], 16).unwrap());
                rest = &hex[2..];
            } else if let Some(hex) = rest.strip_prefix("\\u{") {
                let (number, after) = hex.split_once('}').unwrap();
                let c = char::from_u32(u32::from_str_radix(number, 16).unwrap()).unwrap();
                out.extend(c.to_string().bytes());
                rest = after;
            } else {
                let width = if c == '\\' { 2 } else { 1 };
                out.push(c as u8);
                rest = &rest[width..];
            }
        }
        out
    }

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(safe(b"\x1b]0;owned\x07\r\n\t\x7f"), r"\x1b]0;owned\x07\x0d\x0a\x09\x7f");
        assert_eq!(safe("\u{9b}2J".as_bytes()), r"\u{9b}2J");
    }

    #[test]
    fn bidi_and_zero_width_characters_are_seen() {
        assert_eq!(safe("a\u{202e}b\u{200b}c".as_bytes()), r"a\u{202e}b\u{200b}c");
    }

    #[test]
    fn bytes_that_are_not_utf8_differ_from_the_replacement_character() {
        assert_eq!(safe(b"\xff\xe2\x82"), r"\xff\xe2\x82");
        assert_eq!(safe("\u{fffd}".as_bytes()), r"\u{fffd}");
    }

    #[test]
    fn a_backslash_cannot_fake_an_escape() {
        assert_eq!(safe(br"\x1b"), r"\\x1b");
    }

    #[test]
    fn the_cap_holds_and_never_splits_an_escape() {
        assert_eq!(Safe::new(b"abcdef", 6).as_str(), "abcdef");
        assert_eq!(Safe::new(b"abcdefg", 6).as_str(), "abc...");
        assert_eq!(Safe::new(b"ab\x1b\x1b\x1b", 8).as_str(), "ab...");
        assert_eq!(Safe::new(b"abc", 2).as_str(), "..");
        assert_eq!(Safe::new(b"abc", 0).as_str(), "");
    }

    proptest! {
        #[test]
        fn any_bytes_become_plain_ascii_that_reads_back(bytes: Vec<u8>) {
            let text = Safe::new(&bytes, usize::MAX).to_string();
            prop_assert!(text.bytes().all(|b| (0x20..0x7f).contains(&b)));
            prop_assert_eq!(&undo(&text), &bytes);
            prop_assert_eq!(Safe::read_back(&text), bytes);
        }

        #[test]
        fn reading_back_what_nobody_escaped_ends(text: String) {
            let _ = Safe::read_back(&text);
        }

        #[test]
        fn any_text_becomes_plain_ascii_that_reads_back(given: String) {
            let text = safe(given.as_bytes());
            prop_assert!(text.bytes().all(|b| (0x20..0x7f).contains(&b)));
            prop_assert_eq!(undo(&text), given.as_bytes());
        }

        #[test]
        fn no_text_is_longer_than_its_cap(bytes: Vec<u8>, max in 0_usize..40) {
            prop_assert!(Safe::new(&bytes, max).as_str().len() <= max);
        }
    }
}
