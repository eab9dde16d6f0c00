//! `issue`: which issues a ref or a commit names, and what the check has against them.
//!
//! Knows where a key counts and what is said of one that is missing or misspelt. What an issue is
//! like is asked of [`Issues`].

use super::text::CommitText;
use crate::policy::issue_rule::IssueRule;
use crate::push::issue::{self, IssueKey, Spot, Text};

/// Where issues are looked for, and who knows what they are like.
pub trait Issues {
    /// Keys of the projects whose issues count.
    fn projects(&self) -> &[Box<str>];

    /// Where a push may name one.
    fn key_from(&self) -> &[Spot];

    /// The push's options.
    fn options(&self) -> &[Vec<u8>];

    /// What is wrong with an issue that is in play: also that it can't be told.
    fn wrong(&self, rule: &IssueRule, key: &IssueKey) -> Vec<String>;
}

/// What a commit has to do with a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It names no issue, which is wrong only where its ref names none and one is required.
    Unnamed(Vec<u8>),
    /// What it names does not do, or it can't be read.
    Wrong(Vec<u8>),
}

/// Whether commits are looked at at all.
#[must_use]
pub fn looks_at_commits(issues: &dyn Issues) -> bool {
    let of_commit = |spot: &Spot| matches!(spot, Spot::Subject | Spot::Body | Spot::Trailer);
    issues.key_from().iter().any(of_commit)
}

/// What is wrong with a commit; nothing where it names an issue and all of them do.
#[must_use]
pub fn of_commit(text: &CommitText<'_>, rule: &IssueRule, issues: &dyn Issues) -> Option<Fault> {
    let message = match text.message() {
        Ok(message) => message,
        Err(words) => return Some(Fault::Wrong(words.into_bytes())),
    };
    let messages = [message];
    let text = Text { messages: &messages, ..Text::default() };
    let keys = named(&text, issues);
    if keys.is_empty() {
        let words = unnamed("it", message, issues);
        return Some(Fault::Unnamed(words.into_bytes()));
    }
    wrong(&keys, rule, issues).map(|words| Fault::Wrong(words.into_bytes()))
}

/// The issues that the ref's name and the push's options name, for all of its commits.
#[must_use]
pub fn of_ref(name: &[u8], issues: &dyn Issues) -> Vec<IssueKey> {
    named(&Text { name, options: issues.options(), ..Text::default() }, issues)
}

/// What is said of a ref that names none, where commits are not looked at.
#[must_use]
pub fn unnamed_ref(name: &[u8], issues: &dyn Issues) -> String {
    unnamed("the ref's name", name, issues)
}

/// What is wrong with issues in play; all must pass.
#[must_use]
pub fn wrong(keys: &[IssueKey], rule: &IssueRule, issues: &dyn Issues) -> Option<String> {
    if !rule.asks_jira() {
        return None;
    }
    let wrong: Vec<String> = keys.iter().flat_map(|key| issues.wrong(rule, key)).collect();
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

fn named(text: &Text<'_>, issues: &dyn Issues) -> Vec<IssueKey> {
    issue::in_play(text, issues.projects(), issues.key_from()).into_keys().collect()
}

fn unnamed(what: &str, text: &[u8], issues: &dyn Issues) -> String {
    let projects = issues.projects();
    if projects.is_empty() {
        return "no issue can be named: the project has no `jira-keys`".into();
    }
    let small = issue::misspelt(text, projects);
    match small.first() {
        Some(key) => {
            format!("{what} names no issue: keys are written in capitals, as in {key}")
        }
        None => format!("{what} names no issue of {}", projects.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Lab(Vec<Spot>, Vec<Vec<u8>>);

    impl Issues for Lab {
        fn projects(&self) -> &[Box<str>] {
            static PAY: std::sync::LazyLock<Vec<Box<str>>> =
                std::sync::LazyLock::new(|| vec!["PAY".into()]);
            &PAY
        }

        fn key_from(&self) -> &[Spot] {
            &self.0
        }

        fn options(&self) -> &[Vec<u8>] {
            &self.1
        }

        fn wrong(&self, _: &IssueRule, key: &IssueKey) -> Vec<String> {
            if key.as_str() == "PAY-1" { vec![] } else { vec![format!("{key}: no")] }
        }
    }

    fn said(message: &str, rule: &IssueRule, lab: &Lab) -> String {
        let raw = format!("tree 0\n\n{message}");
        match of_commit(&CommitText::parse(raw.as_bytes()), rule, lab) {
            None => "fine".into(),
            Some(Fault::Unnamed(words)) => {
                format!("unnamed: {}", String::from_utf8(words).unwrap())
            }
            Some(Fault::Wrong(words)) => format!("wrong: {}", String::from_utf8(words).unwrap()),
        }
    }

    #[test]
    fn all_issues_of_a_commit_must_pass_and_a_small_letter_is_told() {
        let lab = Lab(Spot::ALL.to_vec(), vec![]);
        let exists = IssueRule { exists: true, ..IssueRule::default() };
        let required = IssueRule { required: true, ..IssueRule::default() };
        assert_eq!(said("PAY-1: x", &exists, &lab), "fine");
        assert_eq!(said("PAY-1: x\n\nand PAY-2", &exists, &lab), "wrong: PAY-2: no");
        assert_eq!(said("PAY-1: x\n\nand PAY-2", &required, &lab), "fine");
        assert!(said("pay-1: x", &required, &lab).ends_with("in capitals, as in PAY-1"));
        assert_eq!(said("x", &required, &lab), "unnamed: it names no issue of PAY");
        assert!(said("PAY-1\0PAY-2", &required, &lab).starts_with("wrong: the message has a NUL"));
    }

    #[test]
    fn a_key_counts_only_where_the_policy_looks_for_it() {
        let lab = Lab(vec![Spot::Subject], vec![b"issue=PAY-1".to_vec()]);
        let required = IssueRule { required: true, ..IssueRule::default() };
        assert!(looks_at_commits(&lab));
        assert!(said("x\n\nPAY-1", &required, &lab).starts_with("unnamed"));
        assert!(of_ref(b"refs/heads/PAY-1", &lab).is_empty());
        let lab = Lab(vec![Spot::Option, Spot::Ref], vec![b"issue=PAY-1".to_vec()]);
        assert!(!looks_at_commits(&lab));
        assert_eq!(of_ref(b"refs/heads/PAY-2", &lab).len(), 2);
        assert!(unnamed_ref(b"refs/heads/pay-3", &lab).ends_with("as in PAY-3"));
    }
}
