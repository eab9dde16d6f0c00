//! `issue` of `[[checks]]`: what the issue that a push names must be.
//!
//! Knows the rule and how to hold facts against it; where the facts come from, and which issue is in
//! play, is told by the caller.

use crate::push::issue::IssueKey;
use serde::{Deserialize, Serialize};

/// Functions of JQL that speak of whoever asks: that is the gate's account, never the pusher.
const OWN: [&str; 7] = [
    "currentuser",
    "currentlogin",
    "lastlogin",
    "projectswhereuserhasrole",
    "projectswhereuserhaspermission",
    "issuehistory",
    "watchedissues",
];

/// `issue = { … }`; what is not written asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueRule {
    /// An issue must be in play.
    pub required: bool,
    /// Every issue in play must be there. Implied by all that follow.
    pub exists: bool,
    /// Names of states.
    pub status: Vec<Box<str>>,
    /// Keys of categories of states: `new`, `indeterminate`, `done`.
    pub category: Vec<Box<str>>,
    /// Names of types.
    pub kind: Vec<Box<str>>,
    /// `assignee = "pusher"`
    pub assignee: bool,
    /// Names of versions, one of which it must be fixed in.
    pub fix_version: Vec<Box<str>>,
    /// A condition in Jira's own language.
    pub jql: Option<Box<str>>,
}

impl IssueRule {
    /// Whether Jira has to be asked: not where only a key is wanted.
    #[must_use]
    pub fn asks_jira(&self) -> bool {
        Self { required: self.required, ..Self::default() } != *self
    }
}

/// What is known of an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Name of its state.
    pub status: &'a str,
    /// Key of the state's category.
    pub category: &'a str,
    /// Name of its type.
    pub kind: &'a str,
    /// Whether the pusher is its assignee.
    pub is_pushers: bool,
    /// Names of its versions.
    pub fix_versions: &'a [String],
    /// Whether `jql` holds; `None` where it was not asked.
    pub jql: Option<bool>,
}

/// What is wrong with the issues in play, each with what is known of it (`None`: it is not there).
/// All must pass; none in play is wrong where one is required.
#[must_use]
pub fn violations(rule: &IssueRule, issues: &[(&IssueKey, Option<Facts<'_>>)]) -> Vec<String> {
    if issues.is_empty() {
        return if rule.required { vec!["no issue is named".into()] } else { Vec::new() };
    }
    if !rule.asks_jira() {
        return Vec::new();
    }
    issues.iter().flat_map(|(key, facts)| of_one(rule, key, facts.as_ref())).collect()
}

fn of_one(rule: &IssueRule, key: &IssueKey, facts: Option<&Facts<'_>>) -> Vec<String> {
    let Some(facts) = facts else {
        return vec![format!("{key}: there is no such issue, or the gate's account can't see it")];
    };
    let is_one =
        |list: &[Box<str>], word: &str| list.is_empty() || list.iter().any(|x| **x == *word);
    let any = |list: &[Box<str>], words: &[String]| {
        list.is_empty() || words.iter().any(|word| list.iter().any(|x| **x == **word))
    };
    let rules = [
        (is_one(&rule.status, facts.status), "status", &rule.status),
        (is_one(&rule.category, facts.category), "status-category", &rule.category),
        (is_one(&rule.kind, facts.kind), "type", &rule.kind),
        (any(&rule.fix_version, facts.fix_versions), "fix-version", &rule.fix_version),
    ];
    let mut wrong: Vec<String> = rules
        .into_iter()
        .filter(|(right, ..)| !right)
        .map(|(_, what, list)| format!("{key}: its {what} is not {}", list.join(" or ")))
        .collect();
    if rule.assignee && !facts.is_pushers {
        wrong.push(format!("{key}: you are not its assignee"));
    }
    // Not asked is not known, and not known is not allowed.
    if rule.jql.is_some() && facts.jql != Some(true) {
        wrong.push(format!("{key}: it is not what the check asks for by JQL"));
    }
    wrong
}

/// Why a condition in JQL can't be used; `None` where it can. It is put in brackets after a key, so
/// its own must match, outside of quotes.
#[must_use]
pub fn jql_trouble(jql: &str) -> Option<String> {
    let mut depth = 0_i32;
    let (mut quote, mut escaped) = (None, false);
    let mut bare = String::new();
    for c in jql.chars() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            (None, _) => {}
        }
        if c.is_control() || depth < 0 {
            return Some("its brackets do not match, or it has control characters".into());
        }
        bare.push(if quote.is_some() { ' ' } else { c.to_ascii_lowercase() });
    }
    if depth != 0 || quote.is_some() || jql.trim().is_empty() {
        return Some("its brackets or quotes do not match, or it is empty".into());
    }
    let words = bare.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    if bare.split_whitespace().collect::<Vec<_>>().join(" ").contains("order by") {
        return Some("it is a condition, without `ORDER BY`".into());
    }
    let own = words.into_iter().find(|word| OWN.contains(word))?;
    Some(format!("`{own}` is about whoever asks Jira, and that is never the pusher"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts<'a>() -> Facts<'a> {
        Facts {
            status: "In Progress",
            category: "indeterminate",
            kind: "Bug",
            is_pushers: true,
            fix_versions: &[],
            jql: Some(true),
        }
    }

    fn key() -> IssueKey {
        IssueKey::parse("PAY-1").unwrap()
    }

    #[test]
    fn each_key_asks_for_its_own() {
        let wrong = |rule: IssueRule| violations(&rule, &[(&key(), Some(facts()))]);
        let list =
            |words: &[&str]| words.iter().map(|word| (*word).into()).collect::<Vec<Box<str>>>();
        let none = IssueRule::default;
        for (rule, words) in [
            (IssueRule { status: list(&["Open", "Done"]), ..none() }, "status is not Open or Done"),
            (IssueRule { category: list(&["done"]), ..none() }, "status-category is not done"),
            (IssueRule { kind: list(&["Story"]), ..none() }, "type is not Story"),
            (IssueRule { fix_version: list(&["2.4"]), ..none() }, "fix-version is not 2.4"),
        ] {
            assert!(wrong(rule.clone())[0].contains(words), "{:?}", wrong(rule));
        }
        let good = IssueRule {
            required: true,
            exists: true,
            status: list(&["In Progress"]),
            category: list(&["indeterminate"]),
            kind: list(&["Bug"]),
            assignee: true,
            jql: Some("labels = x".into()),
            ..none()
        };
        assert!(wrong(good.clone()).is_empty());
        let others = Facts { is_pushers: false, jql: None, ..facts() };
        assert_eq!(violations(&good, &[(&key(), Some(others))]).len(), 2);
    }

    #[test]
    fn all_issues_must_pass_and_one_that_is_not_there_does_not() {
        let rule = IssueRule { exists: true, ..IssueRule::default() };
        let (one, two) = (key(), IssueKey::parse("PAY-2").unwrap());
        let found = violations(&rule, &[(&one, Some(facts())), (&two, None)]);
        assert!(found.len() == 1 && found[0].contains("PAY-2: there is no such issue"));
    }

    #[test]
    fn a_key_alone_asks_nothing_of_jira() {
        let rule = IssueRule { required: true, ..IssueRule::default() };
        assert!(!rule.asks_jira());
        assert_eq!(violations(&rule, &[]), ["no issue is named"]);
        assert!(violations(&rule, &[(&key(), None)]).is_empty());
        assert!(violations(&IssueRule::default(), &[]).is_empty());
    }

    #[test]
    fn jql_that_leaves_its_brackets_or_means_the_gate_is_refused() {
        for good in [
            "labels = hotfix",
            "fixVersion = \"2.4.0\" AND (labels = a OR labels = b)",
            "summary ~ \"currentUser() (\"",
            "assignee in membersOf('payments-devs')",
        ] {
            assert_eq!(jql_trouble(good), None, "{good}");
        }
        for bad in [
            "",
            " ",
            "a = 1) OR (b = 2",
            "(a = 1",
            "a = \"x",
            "a = 'x\\'",
            "a = 1\nOR b = 2",
            "assignee = currentUser()",
            "assignee = CURRENTUSER ()",
            "project in projectsWhereUserHasRole(\"x\")",
            "a = 1 ORDER  BY b",
        ] {
            assert!(jql_trouble(bad).is_some(), "{bad}");
        }
    }
}
