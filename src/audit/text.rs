//! Text as the trail stores it: any bytes in, no control character out, and the bytes back again.
//!
//! Knows one escape, `\xNN` for a byte; not what the text means. Printable UTF-8 stays as it is, so
//! that a name in any script stays readable and searchable. A backslash is escaped too, hence
//! nothing is ambiguous; git allows none in a ref name (`git help check-ref-format`, rule 10).

use serde::{Deserialize, Serialize};
use std::fmt;

/// A text of the trail, escaped once on its way in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(String);

impl Text {
    /// Escapes `bytes`: whatever is not printable UTF-8, and the backslash, becomes `\xNN`.
    #[must_use]
    pub fn new(bytes: impl AsRef<[u8]>) -> Self {
        Self(escape(bytes.as_ref(), |c| c == '\\' || !is_printable(c)))
    }

    /// A text that was escaped before, as read from a line.
    pub(super) fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The escaped text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes that were given to [`Text::new`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        unescape(&self.0)
    }

    /// The text for a person's eyes; a line that somebody wrote by hand is not trusted to be escaped.
    #[must_use]
    pub(super) fn shown(&self) -> String {
        printable(&self.0)
    }

    /// The text in printable ASCII alone, for a terminal.
    #[must_use]
    pub(super) fn ascii(&self) -> String {
        ascii(&self.0)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<crate::code::Code> for Text {
    fn from(code: crate::code::Code) -> Self {
        Self(code.to_string())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// `text` with its unprintable characters escaped and backslashes left alone.
pub(super) fn printable(text: &str) -> String {
    escape(text.as_bytes(), |c| !is_printable(c))
}

/// `text` with everything but printable ASCII escaped and backslashes left alone.
pub(super) fn ascii(text: &str) -> String {
    escape(text.as_bytes(), |c| !matches!(c, ' '..='~'))
}

fn escape(bytes: &[u8], is_escaped: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_escaped(c) {
                let mut buffer = [0; 4];
                push_bytes(&mut out, c.encode_utf8(&mut buffer).as_bytes());
            } else {
                out.push(c);
            }
        }
        push_bytes(&mut out, chunk.invalid());
    }
    out
}

fn push_bytes(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        out.push_str("\\x");
        out.extend([byte >> 4, byte & 15].map(|n| char::from_digit(n.into(), 16).unwrap_or('0')));
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        match escaped_byte(rest) {
            Some(byte) => {
                out.push(byte);
                rest = rest.get(4..).unwrap_or_default();
            }
            None => {
                out.push(first);
                rest = tail;
            }
        }
    }
    out
}

fn escaped_byte(rest: &[u8]) -> Option<u8> {
    let [b'\\', b'x', high, low, ..] = rest else { return None };
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|n| u8::try_from(n).ok());
    Some((digit(*high)? << 4) | digit(*low)?)
}

/// Whether `c` neither steers a terminal nor hides: no control characters (C0, DEL, C1), no line
/// and paragraph separators, no zero-width, bidi or other format characters (Unicode `Cf`), no
/// private use, no noncharacters, no variation selectors and tags.
fn is_printable(c: char) -> bool {
    let hidden = matches!(u32::from(c),
        0xad | 0x34f | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890 | 0x891 | 0x8e2
        | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f | 0x2028..=0x202e
        | 0x2060..=0x206f | 0x2800 | 0x3164 | 0xe000..=0xf8ff | 0xfdd0..=0xfdef | 0xfe00..=0xfe0f
        | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0x110bd | 0x110cd | 0x13430..=0x1345f
        | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0x10_ffff);
    !c.is_control() && !hidden && u32::from(c) & 0xfffe != 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_bidi_and_raw_bytes_are_escaped_and_letters_stay() {
        let given = b"refs/heads/\xff\n\x1b[31m\x7f\xc2\x9b\xe2\x80\xae\\\xc3\xa9";
        let text = Text::new(given);
        let expected = "refs/heads/\\xff\\x0a\\x1b[31m\\x7f\\xc2\\x9b\\xe2\\x80\\xae\\x5c\u{e9}";
        assert_eq!(text.as_str(), expected);
        assert_eq!(text.to_bytes(), given);
        assert!(text.ascii().is_ascii());
        assert_eq!(text.shown(), text.as_str());
    }

    #[test]
    fn a_text_that_was_not_escaped_is_escaped_when_shown() {
        let forged: Text = serde_json::from_str(r#""\u001b[2J\\x41""#).unwrap();
        assert_eq!(forged.to_string(), r"\x1b[2J\x41");
    }

    proptest! {
        #[test]
        fn the_bytes_come_back(bytes: Vec<u8>) {
            let text = Text::new(&bytes);
            prop_assert!(text.as_str().chars().all(is_printable));
            prop_assert_eq!(text.to_bytes(), bytes);
        }
    }
}
