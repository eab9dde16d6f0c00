//! Where a command's words go: one place that prints, so that a closed pipe is no panic.

use std::io::Write;

/// `1 user`, `2 users`.
#[must_use]
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A command's standard output, as lines for people or as JSON.
#[derive(Debug)]
pub struct Out {
    /// Whether `--json` was given.
    pub json: bool,
}

impl Out {
    /// Prints a line; a reader that went away is not an error.
    pub fn line(&self, text: impl std::fmt::Display) {
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }

    /// Prints one JSON value on a line of its own.
    pub fn value(&self, value: &serde_json::Value) {
        self.line(value);
    }

    /// Prints a line on standard error.
    pub fn note(&self, text: impl std::fmt::Display) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Asks a yes-or-no question on the terminal; anything but `y` or `yes` is a no.
    #[must_use]
    pub fn confirm(&self, question: &str) -> bool {
        let mut error = std::io::stderr().lock();
        let _ = write!(error, "{question} [y/N] ");
        let _ = error.flush();
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }
}
