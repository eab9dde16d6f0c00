//! The lines of a report, with their bounds.

use crate::text::Safe;

/// Longest line, in bytes (all of them ASCII).
pub const MAX_COLUMNS: usize = 100;
/// Longest report, in bytes: a hook that writes more than a pipe holds can hang (facts: 64 KiB).
pub const MAX_BYTES: usize = 16 * 1024;
/// Kept free for what every report ends with.
const RESERVE: usize = 512;

/// Lines as they are written.
#[derive(Debug)]
pub struct Lines {
    prefix: &'static str,
    text: String,
}

impl Lines {
    pub(super) fn new(prefix: &'static str) -> Self {
        Self { prefix, text: String::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether only [`Lines::always`] still writes.
    pub(super) fn is_full(&self) -> bool {
        self.text.len() + self.prefix.len() + MAX_COLUMNS + 1 > MAX_BYTES - RESERVE
    }

    pub(super) fn push(&mut self, raw: &[u8]) {
        self.escaped(0, Safe::new(raw, MAX_BYTES).as_str());
    }

    pub(super) fn indented(&mut self, indent: usize, raw: &[u8]) {
        self.escaped(indent, Safe::new(raw, MAX_BYTES).as_str());
    }

    pub(super) fn blank(&mut self) {
        self.escaped(0, "");
    }

    /// Writes text that is plain ASCII already, on as many lines as it takes.
    pub(super) fn escaped(&mut self, indent: usize, text: &str) {
        let mut indent = indent;
        let mut rest = text.trim_end();
        loop {
            if self.is_full() {
                return;
            }
            let room = MAX_COLUMNS - self.prefix.len() - indent;
            let (line, more) = split(rest, room);
            self.write(&format!("{:indent$}{line}", ""));
            if more.is_empty() {
                return;
            }
            if rest.len() == text.trim_end().len() {
                indent += 2;
            }
            rest = more;
        }
    }

    /// Writes one short line also when the report is full.
    pub(super) fn always(&mut self, text: &str) {
        let room = MAX_COLUMNS - self.prefix.len();
        let safe = Safe::new(text.as_bytes(), room);
        self.write(safe.as_str());
    }

    fn write(&mut self, line: &str) {
        self.text.push_str(self.prefix);
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// Cuts at the last space that fits, or in the middle of a word that is too long.
fn split(text: &str, room: usize) -> (&str, &str) {
    if text.len() <= room {
        return (text, "");
    }
    let head = text.get(..room).unwrap_or(text);
    let at = head.rfind(' ').filter(|at| *at > room / 2).unwrap_or(room);
    let (line, rest) = text.split_at_checked(at).unwrap_or((text, ""));
    (line, rest.trim_start())
}
