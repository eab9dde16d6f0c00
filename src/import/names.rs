//! Names of others as names of a policy.
//!
//! A name that a policy can have stays; of any other the odd characters become `-`, and a number tells
//! it from names that exist.

use crate::policy::name::{self, HOLDER_WORDS, MAX_NAME};
use std::collections::{BTreeMap, BTreeSet};

/// What each foreign name became.
#[derive(Debug, Clone, Default)]
pub struct Names {
    made: BTreeMap<String, String>,
    taken: BTreeSet<String>,
    /// Whether holder words can't be names.
    people: bool,
}

impl Names {
    /// For users, whose names are never holder words.
    #[must_use]
    pub fn of_people() -> Self {
        Self { people: true, ..Self::default() }
    }

    /// Takes a name that nothing foreign gets.
    pub fn reserve(&mut self, name: &str) {
        self.taken.insert(name.to_lowercase());
    }

    /// Names all of `foreign`; those that can stay as they are come first, so that they do.
    pub fn add<'a>(&mut self, foreign: impl Iterator<Item = &'a str> + Clone) {
        let fits = |text: &&str| name::check(text).is_ok();
        for text in foreign.clone().filter(fits).chain(foreign.filter(|text| !fits(text))) {
            let _ = self.name(text);
        }
    }

    /// The name that stands for `foreign`, always the same.
    pub fn name(&mut self, foreign: &str) -> String {
        if let Some(made) = self.made.get(foreign) {
            return made.clone();
        }
        let made = self.unused(&fitting(foreign));
        self.taken.insert(made.to_lowercase());
        self.made.insert(foreign.to_owned(), made.clone());
        made
    }

    /// A name that nothing had before, for one of several things of the same title.
    pub fn fresh(&mut self, title: &str) -> String {
        let numbered = (2_u32..).map(|number| format!("{title}-{number}"));
        let mut all = std::iter::once(title.to_owned()).chain(numbered);
        let unused = all.find(|text| !self.made.contains_key(text));
        self.name(&unused.unwrap_or_default())
    }

    /// The name that stands for `foreign`, if it was named before.
    #[must_use]
    pub fn get(&self, foreign: &str) -> Option<&str> {
        self.made.get(foreign).map(String::as_str)
    }

    /// Every foreign name with what stands for it.
    #[must_use]
    pub fn all(&self) -> BTreeSet<(String, String)> {
        self.made.iter().map(|(from, to)| (from.clone(), to.clone())).collect()
    }

    /// Those that could not stay as they were.
    pub fn changed(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.made.iter().map(|(from, to)| (from.as_str(), to.as_str()));
        all.filter(|(from, to)| from != to)
    }

    fn unused(&self, base: &str) -> String {
        let free = |text: &str| {
            let is_word = self.people && HOLDER_WORDS.contains(&text);
            !is_word && !self.taken.contains(&text.to_lowercase())
        };
        if free(base) {
            return base.to_owned();
        }
        let short = base.get(..base.len().min(MAX_NAME - 8)).unwrap_or_default();
        let numbered = (2_u32..).map(|number| format!("{short}-{number}"));
        numbered.into_iter().find(|text| free(text)).unwrap_or_default()
    }
}

/// The nearest text that is a name.
fn fitting(foreign: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let mut text: String = foreign.chars().map(|c| if plain(c) { c } else { '-' }).collect();
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        text.insert(0, 'x');
    }
    text.truncate(MAX_NAME);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_where_they_can_and_never_meet() {
        let mut names = Names::of_people();
        let all = ["a@b", "a-b", "A-B", "lead", "_x", "ä"];
        names.add(all.iter().copied());
        assert_eq!(names.get("a-b"), Some("a-b"));
        let made: Vec<String> = all.iter().map(|text| names.name(text)).collect();
        assert_eq!(made, ["a-b-3", "a-b", "A-B-2", "lead-2", "x_x", "x-"]);
        assert!(made.iter().all(|text| name::check(text).is_ok()));
        assert_eq!(names.name(&"y".repeat(99)).len(), 64);
    }
}
