//! How parts of a policy are written down.
//!
//! Knows TOML strings, and permits and forbids before they are text; the layout is
//! [`crate::policy::tidy`]'s.

use super::Place;
use crate::policy::entry::Permissions;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// A permit or a forbid that is to be written. Two that say the same are equal, wherever they come from.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Whether it takes away.
    pub forbid: bool,
    /// What it is about.
    pub permissions: Permissions,
    /// `to`, `except`, `branches` and the other lists, by key; an empty one is not written.
    pub lists: BTreeMap<&'static str, Vec<String>>,
    /// What it was made of.
    pub places: BTreeSet<Place>,
}

impl Entry {
    fn sameness(&self) -> (bool, String, &BTreeMap<&'static str, Vec<String>>) {
        (self.forbid, self.permissions.to_string(), &self.lists)
    }

    /// A list of it.
    #[must_use]
    pub fn list(&self, key: &str) -> &[String] {
        self.lists.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// Adds to a list what it does not have.
    pub fn add(&mut self, key: &'static str, words: impl IntoIterator<Item = String>) {
        let mut words = words.into_iter().peekable();
        if words.peek().is_none() {
            return;
        }
        let list = self.lists.entry(key).or_default();
        for word in words {
            if !list.contains(&word) {
                list.push(word);
            }
        }
    }

    /// The entry as a table of a scheme.
    pub fn write(&self, scheme: &str, out: &mut String) {
        let kind = if self.forbid { "forbid" } else { "permit" };
        let places: Vec<String> = self.places.iter().map(ToString::to_string).collect();
        out.push('\n');
        if let Some((first, others)) = places.split_first() {
            let more = if others.len() > 3 {
                format!(" and {} more", others.len() - 3)
            } else {
                String::new()
            };
            let others: String = others.iter().take(3).map(|place| format!(", {place}")).collect();
            comment(out, &format!("{first}{others}{more}"));
        }
        let _ = writeln!(out, "[[schemes.{scheme}.{kind}]]");
        let said = self.permissions.to_string();
        let mut words: Vec<String> = said.split(", ").map(str::to_owned).collect();
        // What covers most first.
        words.sort_by_key(|word| !matches!(word.as_str(), "read" | "push" | "write"));
        let _ = writeln!(out, "permissions = {}", list(&words));
        for (key, words) in self.lists.iter().filter(|(_, words)| !words.is_empty()) {
            let _ = writeln!(out, "{key} = {}", list(words));
        }
        if let (true, Some(place)) = (self.forbid, self.places.first()) {
            let _ = writeln!(out, "reason = {}", quoted(&format!("denied by {place}")));
        }
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.sameness() == other.sameness()
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.sameness().cmp(&other.sameness())
    }
}

/// A text as TOML; one with a backslash as it stands, where that is possible.
#[must_use]
pub fn quoted(text: &str) -> String {
    let plain = text.chars().all(|c| !c.is_control() && c != '\'');
    if text.contains(['\\', '"']) && plain {
        return format!("'{text}'");
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => _ = write!(out, "\\u{:04X}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Texts as a TOML list; a long one with a line for each.
#[must_use]
pub fn list(words: &[String]) -> String {
    let each: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let line = format!("[{}]", each.join(", "));
    if line.len() <= 90 {
        return line;
    }
    format!("[\n    {},\n]", each.join(",\n    "))
}

/// A comment, on as many lines as it takes; nothing of it can leave the comment.
pub fn comment(out: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_ascii_whitespace() {
        if line.len() + word.len() > 100 && line.len() > 1 {
            out.push_str(&line);
            out.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.extend(word.chars().map(|c| if c.is_control() { '?' } else { c }));
    }
    out.push_str(&line);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_reads_back_as_it_was() {
        for text in ["a", "regex:v\\.1", "it's \\", "\"", "a\nb\u{7f}", "'\\\"", ""] {
            let read: toml::Table = format!("x = {}", quoted(text)).parse().unwrap();
            assert_eq!(read.get("x").and_then(|x| x.as_str()), Some(text), "{text:?}");
        }
    }

    #[test]
    fn a_comment_stays_a_comment() {
        let mut out = String::new();
        comment(&mut out, &format!("a\u{b}b [users.mallory] {}", "word ".repeat(40)));
        assert!(out.lines().all(|line| line.starts_with('#') && line.len() < 110), "{out}");
    }
}
