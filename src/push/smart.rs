//! Commands to Jira that a commit's message spells: `PAY-42 #comment text`, `PAY-1 PAY-2 #in-review`.
//!
//! Knows how a command is told from text; not which commits count, nor what becomes of a command. A
//! small part of Jira's own syntax: on one line, keys, then at once commands that the policy lists.

use super::IssueKey;
use std::collections::BTreeSet;

/// Most bytes of a message that are searched.
const MAX_MESSAGE: usize = 64 * 1024;
/// Longest comment, in characters.
const MAX_COMMENT: usize = 2000;
/// The command that is no transition.
const COMMENT: &str = "comment";

/// What is done to an issue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Command {
    /// Something is said: one line, without characters that show nothing.
    Comment(String),
    /// It takes the transition of that name, as the policy writes it.
    Transition(Box<str>),
}

/// Which commands there are.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    /// Whether `#comment` is one.
    pub comment: bool,
    /// Names of transitions; a blank is written as `-`, and case does not count.
    pub transitions: &'a [Box<str>],
}

/// The commands of a message about issues of `projects`, in its order, each once.
#[must_use]
pub fn commands(
    message: &[u8],
    projects: &[Box<str>],
    words: &Words<'_>,
) -> Vec<(IssueKey, Command)> {
    let message = message.get(..MAX_MESSAGE).unwrap_or(message);
    let text = String::from_utf8_lossy(message);
    let mut seen = BTreeSet::new();
    let mut found: Vec<_> =
        text.split(['\n', '\r']).flat_map(|l| line(l, projects, words)).collect();
    found.retain(|one| seen.insert(one.clone()));
    found
}

/// How a transition is written in a message.
#[must_use]
pub fn spelled(transition: &str) -> String {
    transition.split_whitespace().collect::<Vec<_>>().join("-").to_lowercase()
}

/// A word of a line, and where it stands.
struct Token<'a> {
    text: &'a str,
    at: usize,
}

fn line(line: &str, projects: &[Box<str>], words: &Words<'_>) -> Vec<(IssueKey, Command)> {
    let all = tokens(line);
    let known: Vec<(usize, Option<Box<str>>)> = (0..)
        .zip(&all)
        .filter_map(|(number, token)| Some((number, command(token.text, words)?)))
        .collect();
    let Some((first, _)) = known.first() else { return Vec::new() };
    let keys = keys_before(all.get(..*first).unwrap_or_default(), projects);
    let mut found = Vec::new();
    for (place, (number, transition)) in known.iter().enumerate() {
        let end = known.get(place + 1).and_then(|(next, _)| all.get(*next)).map(|token| token.at);
        let start = all.get(*number).map(|token| token.at + token.text.len());
        let command = match transition {
            Some(name) => Some(Command::Transition(name.clone())),
            None => said(line, start, end.unwrap_or(line.len())).map(Command::Comment),
        };
        found.extend(
            command
                .into_iter()
                .flat_map(|command| keys.iter().map(move |key| (key.clone(), command.clone()))),
        );
    }
    found
}

fn tokens(line: &str) -> Vec<Token<'_>> {
    let mut at = 0;
    let mut all = Vec::new();
    for part in line.split_inclusive(char::is_whitespace) {
        let text = part.trim_end();
        if !text.is_empty() {
            all.push(Token { text, at });
        }
        at += part.len();
    }
    all
}

/// Whether a word is a command: `None` within for a comment, else the transition's name.
fn command(word: &str, words: &Words<'_>) -> Option<Option<Box<str>>> {
    let word = word.strip_prefix('#')?.to_lowercase();
    if word == COMMENT {
        return words.comment.then_some(None);
    }
    words.transitions.iter().find(|name| spelled(name) == word).map(|name| Some(name.clone()))
}

/// The keys that stand right before a command, nothing between them but blanks and commas.
fn keys_before(before: &[Token<'_>], projects: &[Box<str>]) -> Vec<IssueKey> {
    let key = |text: &str| {
        let key = IssueKey::parse(text).ok()?;
        projects.iter().any(|project| **project == *key.project()).then_some(key)
    };
    let one = |token: &Token<'_>| -> Option<Vec<IssueKey>> {
        let parts = token.text.split(',').filter(|part| !part.is_empty());
        parts.map(key).collect()
    };
    let mut found: Vec<IssueKey> = before.iter().rev().map_while(one).flatten().collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// What a comment says: one line, cut where it is too long; `None` where it says nothing.
fn said(line: &str, start: Option<usize>, end: usize) -> Option<String> {
    let text = clean(line.get(start?..end)?.trim());
    let mut characters = text.chars();
    let mut cut: String = characters.by_ref().take(MAX_COMMENT).collect();
    if characters.next().is_some() {
        cut.push('…');
    }
    (!cut.is_empty()).then_some(cut)
}

/// Without what shows nothing, or makes text look like other text.
#[must_use]
pub fn clean(text: &str) -> String {
    text.chars().map(|one| if is_unseen(one) { '\u{fffd}' } else { one }).collect()
}

/// Control characters, those that change the direction of text, tags, and marks of no width.
fn is_unseen(one: char) -> bool {
    one.is_control()
        || matches!(
            one,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(message: &str) -> Vec<String> {
        let transitions: [Box<str>; 2] = ["Done".into(), "In Review".into()];
        let words = Words { comment: true, transitions: &transitions };
        let projects: [Box<str>; 2] = ["PAY".into(), "OPS".into()];
        let shown = |(key, command): (IssueKey, Command)| match command {
            Command::Comment(text) => format!("{key}: {text}"),
            Command::Transition(name) => format!("{key} -> {name}"),
        };
        commands(message.as_bytes(), &projects, &words).into_iter().map(shown).collect()
    }

    #[test]
    fn keys_then_commands_on_one_line() {
        assert_eq!(found("PAY-1 #comment it works"), ["PAY-1: it works"]);
        assert_eq!(found("Retry: mend it, PAY-1 #Done"), ["PAY-1 -> Done"]);
        assert_eq!(
            found("x\n\nPAY-1, OPS-2 #in-review #comment two of them\r\n"),
            [
                "OPS-2 -> In Review",
                "PAY-1 -> In Review",
                "OPS-2: two of them",
                "PAY-1: two of them"
            ]
        );
        assert_eq!(
            found("PAY-1,PAY-2 #done now #comment  a  b "),
            ["PAY-1 -> Done", "PAY-2 -> Done", "PAY-1: a  b", "PAY-2: a  b"]
        );
        assert_eq!(
            found("PAY-1 #comment see #12 and #time 2h #done"),
            ["PAY-1: see #12 and #time 2h", "PAY-1 -> Done"]
        );
        // The same twice is once.
        assert_eq!(found("PAY-1 #done\nPAY-1 #done"), ["PAY-1 -> Done"]);
    }

    #[test]
    fn text_that_only_looks_like_a_command_is_none() {
        for message in [
            "PAY-1 #comment",
            "PAY-1 #comment \t",
            "PAY-1: #done",
            "PAY-1 mend it #done",
            "#done PAY-1",
            "PAY-1\n#done",
            "PAY-1 #done.",
            "PAY-1 #doneit",
            "PAY-1 #close",
            "PAY-1#done",
            "PAY-01 #done",
            "pay-1 #done",
            "XPAY-1 #done",
            "SEC-1 #done",
            "PAY-1 done",
            "PAY-1 #",
        ] {
            assert_eq!(found(message), Vec::<String>::new(), "{message}");
        }
        // Of the word before the keys nothing is asked.
        assert_eq!(found("PAY-9x PAY-1 #done"), ["PAY-1 -> Done"]);
    }

    #[test]
    fn what_is_not_listed_is_no_command() {
        let projects: [Box<str>; 1] = ["PAY".into()];
        let none = Words { comment: false, transitions: &[] };
        assert!(commands(b"PAY-1 #comment x #done", &projects, &none).is_empty());
        let all = Words { comment: true, transitions: &["comment".into()] };
        let found = commands(b"PAY-1 #comment x", &projects, &all);
        assert!(matches!(found[0].1, Command::Comment(_)));
        assert!(commands(b"PAY-1 #comment x", &[], &all).is_empty());
    }

    #[test]
    fn a_comment_cannot_hide_or_turn_text_or_grow_without_end() {
        assert_eq!(
            found("PAY-1 #comment a\u{202e}b\0c\u{1b}[31m"),
            ["PAY-1: a\u{fffd}b\u{fffd}c\u{fffd}[31m"]
        );
        assert_eq!(found("PAY-1 #comment \u{e0041}x"), ["PAY-1: \u{fffd}x"]);
        let long = found(&format!("PAY-1 #comment {}", "ä".repeat(9000)));
        assert_eq!(long[0].chars().count(), "PAY-1: ".len() + MAX_COMMENT + 1);
        // What follows 64 KiB is not read.
        assert!(found(&format!("{}\nPAY-1 #done", "x".repeat(MAX_MESSAGE))).is_empty());
    }

    #[test]
    fn bytes_that_are_no_text_make_no_key() {
        let projects: [Box<str>; 1] = ["PAY".into()];
        let words = Words { comment: true, transitions: &[] };
        assert!(commands(b"\xffPAY-1 #comment x", &projects, &words).is_empty());
        let found = commands(b"PAY-1 #comment \xff", &projects, &words);
        assert_eq!(found[0].1, Command::Comment("\u{fffd}".into()));
    }

    proptest! {
        #[test]
        fn whatever_is_said_it_is_about_listed_things_and_one_clean_line(
            message in "([A-Z]{2,3}-[0-9]{1,3}|#comment|#done|#in-review|,|[ \n\t\r#]|\\PC|\\pC){0,40}"
        ) {
            let transitions: [Box<str>; 2] = ["Done".into(), "In Review".into()];
            let words = Words { comment: true, transitions: &transitions };
            let projects: [Box<str>; 1] = ["PAY".into()];
            for (key, command) in commands(message.as_bytes(), &projects, &words) {
                prop_assert_eq!(key.project(), "PAY");
                prop_assert!(message.contains(key.as_str()));
                match command {
                    Command::Transition(name) => prop_assert!(transitions.contains(&name)),
                    Command::Comment(text) => {
                        prop_assert!(!text.is_empty() && !text.chars().any(is_unseen));
                        prop_assert!(text.chars().count() <= MAX_COMMENT + 1);
                    }
                }
            }
        }

        #[test]
        fn a_command_is_found_behind_any_words(before in "[a-z :.!]{0,30}", text in "[a-z]{1,20}") {
            let message = format!("{before} PAY-7 #comment {text}");
            prop_assert_eq!(found(&message), [format!("PAY-7: {text}")]);
        }
    }
}
