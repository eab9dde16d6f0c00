//! Problems of a policy file: what is wrong, where, and what would cure it.
//!
//! Knows places and how a problem is shown; not what makes a policy wrong.

mod code;
mod render;

pub use code::{PolicyCode, Severity};
pub use render::{MAX_SHOWN, Position, position, to_json, to_text};

/// Most problems that are collected; a hostile file can make millions.
pub const MAX_PROBLEMS: usize = 10_000;
/// After so many problems nobody reads suggestions, which cost a look at every known name.
const MAX_SUGGESTIONS: usize = 200;

/// A range of bytes in one of the policy's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// Index into the policy's list of files.
    pub file: u16,
    /// First byte.
    pub start: u32,
    /// After the last byte.
    pub end: u32,
}

impl At {
    /// The beginning of a file, for what is about the file as a whole.
    #[must_use]
    pub const fn top(file: u16) -> Self {
        Self { file, start: 0, end: 0 }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind of thing.
    pub code: PolicyCode,
    /// Where.
    pub at: At,
    /// What is wrong, user text in backticks; as it was written, so escape it before showing it.
    pub message: String,
    /// What would cure it.
    pub help: Option<String>,
    /// Other places that belong to it, each with a word on it.
    pub also: Vec<(At, String)>,
}

impl Problem {
    /// A problem without help.
    pub fn new(code: PolicyCode, at: At, message: impl Into<String>) -> Self {
        Self { code, at, message: message.into(), help: None, also: Vec::new() }
    }

    /// Says what would cure it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Names another place that belongs to it.
    #[must_use]
    pub fn also(mut self, at: At, note: impl Into<String>) -> Self {
        self.also.push((at, note.into()));
        self
    }

    /// Says which of `known` was probably meant by `word`, if one is near; `prefix` is what is
    /// written before it.
    #[must_use]
    pub fn suggest<'a>(
        self,
        word: &str,
        known: impl IntoIterator<Item = &'a str>,
        prefix: &str,
    ) -> Self {
        match nearest(word, known) {
            Some(found) => self.help(format!("did you mean `{prefix}{found}`?")),
            None => self,
        }
    }
}

/// The word of `known` that differs least from `word`, if it differs little.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let most = (word.chars().count() / 3).max(1);
    let folded = word.to_lowercase();
    known
        .into_iter()
        .filter(|known| known.len().abs_diff(word.len()) <= most)
        .map(|known| (strsim::damerau_levenshtein(&folded, &known.to_lowercase()), known))
        .filter(|(distance, _)| *distance <= most && *distance < word.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// The problems found so far.
#[derive(Debug, Default)]
pub struct Problems {
    found: Vec<Problem>,
    /// A file does not parse or can't be read, so what seems to be absent may just be unread.
    partial: bool,
    /// How many are errors, kept or not.
    errors: usize,
}

impl Problems {
    /// Adds one, as long as there is room.
    pub fn push(&mut self, problem: Problem) {
        if self.partial && problem.code.is_about_absence() {
            return;
        }
        // Not asked of `found`: thousands of warnings must not crowd an error out.
        self.errors += usize::from(problem.code.severity() == Severity::Error);
        if self.found.len() < MAX_PROBLEMS {
            self.found.push(problem);
        }
    }

    /// Adds one, with the word of `known` that was probably meant.
    pub fn push_near<'a>(
        &mut self,
        problem: Problem,
        word: &str,
        known: impl IntoIterator<Item = &'a str>,
        prefix: &str,
    ) {
        let few = self.found.len() < MAX_SUGGESTIONS;
        self.push(if few { problem.suggest(word, known, prefix) } else { problem });
    }

    /// From now on, nothing is called missing.
    pub fn set_partial(&mut self) {
        self.partial = true;
    }

    /// Keeps only some.
    pub(super) fn retain(&mut self, keep: impl FnMut(&Problem) -> bool) {
        self.found.retain(keep);
    }

    /// Whether any of them makes the policy invalid.
    #[must_use]
    pub fn has_error(&self) -> bool {
        self.partial || self.errors > 0
    }

    /// How many errors there are so far.
    pub(super) fn errors(&self) -> usize {
        self.errors
    }

    /// All of them, by place, each once.
    #[must_use]
    pub fn into_sorted(self) -> Vec<Problem> {
        let mut found = self.found;
        found.sort_by(|a, b| (a.at, a.code, &a.message).cmp(&(b.at, b.code, &b.message)));
        found.dedup();
        found
    }
}

#[cfg(test)]
mod tests;
