//! Where a command's words go: one place that prints, so that a closed pipe is no panic; or that keeps
//! them, for a door that answers in another form.

use serde_json::Value;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};

pub use crate::text::counted;

/// A command's standard output, as lines for people or as JSON.
#[derive(Debug)]
pub struct Out {
    /// Whether `--json` was given.
    pub json: bool,
    kept: Option<RefCell<Kept>>,
}

/// What a verb said, where nothing is printed.
#[derive(Debug, Default)]
pub struct Kept {
    /// Its JSON values.
    pub values: Vec<Value>,
    /// Everything else.
    pub notes: Vec<String>,
}

impl Out {
    /// Prints.
    #[must_use]
    pub const fn new(json: bool) -> Self {
        Self { json, kept: None }
    }

    /// Keeps JSON values and notes until they are [`Out::taken`].
    #[must_use]
    pub fn keeping() -> Self {
        Self { json: true, kept: Some(RefCell::default()) }
    }

    /// What was kept.
    #[must_use]
    pub fn taken(self) -> Kept {
        self.kept.map(RefCell::into_inner).unwrap_or_default()
    }

    /// Prints a line; a reader that went away is not an error.
    pub fn line(&self, text: impl std::fmt::Display) {
        match &self.kept {
            Some(kept) => kept.borrow_mut().notes.push(text.to_string()),
            None => _ = writeln!(std::io::stdout().lock(), "{text}"),
        }
    }

    /// Prints one JSON value on a line of its own.
    pub fn value(&self, value: &Value) {
        match &self.kept {
            Some(kept) => kept.borrow_mut().values.push(value.clone()),
            None => self.line(json_line(value)),
        }
    }

    /// Prints a line on standard error.
    pub fn note(&self, text: impl std::fmt::Display) {
        match &self.kept {
            Some(kept) => kept.borrow_mut().notes.push(text.to_string()),
            None => _ = writeln!(std::io::stderr().lock(), "{text}"),
        }
    }

    /// Whether somebody is there to be asked: questions and answers go over a terminal.
    #[must_use]
    pub fn is_asked() -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Asks a yes-or-no question on the terminal; anything but `y` or `yes` is a no.
    #[must_use]
    pub fn confirm(&self, question: &str) -> bool {
        if self.kept.is_some() {
            return false;
        }
        let mut error = std::io::stderr().lock();
        let _ = write!(error, "{question} [y/N] ");
        let _ = error.flush();
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }
}

/// `value` on one line of printable ASCII: JSON lets DEL, C1 and bidi characters stand as they are,
/// and a terminal may obey them.
#[must_use]
pub fn json_line(value: &impl serde::Serialize) -> String {
    // Values of ours have string keys and no infinite numbers, so they can always be written.
    let text = serde_json::to_string(value).unwrap_or_default();
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text;
    }
    let mut line = String::with_capacity(text.len() * 2);
    for unit in text.encode_utf16() {
        match char::from_u32(unit.into()) {
            Some(c @ ' '..='~') => line.push(c),
            // Whatever is not ASCII stands in a string.
            _ => {
                let _ = write!(line, "\\u{unit:04x}");
            }
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn del_c1_and_bidi_characters_in_json_do_not_reach_the_terminal() {
        let value = json!({ "use\u{7f}": "\u{9b}2J\u{202e}\u{1f600}\n", "plain": "a\\b" });
        let line = json_line(&value);
        assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{line}");
        assert!(line.contains(r"\u007f") && line.contains(r"\u009b2J\u202e\ud83d\ude00\n"));
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
    }
}
