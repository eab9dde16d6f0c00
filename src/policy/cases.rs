//! Tests of a policy: who does what, and what is to be answered.
//!
//! Knows the TOML of a test file; not the policy, and not how a case is asked. A file without a
//! single case is an error, because it would pass.

use super::entry::Holder;
use super::name::{GroupName, UserName};
use super::refs::ChangedPath;
use crate::code::Code;
use crate::push::IssueKey;
use crate::push::action::Action;
use crate::pusher::source::Source;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;
use toml::value::Datetime;

/// Largest test file, in bytes.
pub const MAX_BYTES: usize = 16 << 20;
/// Most cases of one file, after lists are multiplied out.
pub const MAX_CASES: usize = 100_000;

/// What is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// A plain yes.
    Allowed,
    /// A yes with a warning: `enforce = "warn"`.
    WouldRefuse,
    /// A no.
    Refused,
}

impl Expect {
    /// As test files and reports write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::WouldRefuse => "would-refuse",
            Self::Refused => "refused",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Allowed, Self::WouldRefuse, Self::Refused].into_iter().find(|e| e.as_str() == word)
    }
}

/// One question, and what is to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The line of its table, counted from 1.
    pub line: usize,
    /// What it shows; made of the question where the file gives none.
    pub name: String,
    /// The user's name as it was written; `None` is somebody without an identity.
    pub who: Option<String>,
    /// The repository's name.
    pub repository: String,
    /// What is done.
    pub action: Action,
    /// The ref's full name; empty for reading.
    pub reference: String,
    /// The changed paths; `None` where they can't be known.
    pub paths: Option<Vec<ChangedPath>>,
    /// The time of decision; `None` is now.
    pub when: Option<DateTime<Utc>>,
    /// Sources that named the person; `None` is every one that the policy asks for.
    pub evidence: Option<Vec<Source>>,
    /// Looked-up groups that have the person; nothing is ever looked up.
    pub looked_up: BTreeSet<GroupName>,
    /// Roles that the person has in the project's Jira, by Jira's names.
    pub jira_roles: BTreeSet<String>,
    /// Whom issues name; of others nothing is known, and they name nobody.
    pub issues: Vec<Issue>,
    /// The checks that are to be run on what the push brings, in order of their names; `None` is not
    /// compared.
    pub checks: Option<BTreeSet<String>>,
    /// The answer.
    pub expect: Expect,
    /// Its code, where that is to be compared as well.
    pub code: Option<Code>,
}

/// Whom an issue names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Its key.
    pub key: IssueKey,
    /// People of the policy, by what the issue names them as.
    pub people: BTreeMap<Holder, BTreeSet<UserName>>,
}

impl Issue {
    /// Whether it names the person so.
    #[must_use]
    pub fn names(&self, holder: &Holder, person: &UserName) -> bool {
        self.people.get(holder).is_some_and(|people| people.contains(person))
    }
}

/// What is wrong with a test file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {words}")]
pub struct Wrong {
    /// Counted from 1.
    pub line: usize,
    /// In words.
    pub words: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawFile {
    #[serde(default)]
    defaults: RawDefaults,
    #[serde(default)]
    case: Vec<Spanned<RawCase>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawDefaults {
    repository: Option<Many>,
    when: Option<Datetime>,
    evidence: Option<Vec<String>>,
    looked_up: Option<Vec<String>>,
    jira_roles: Option<Vec<String>>,
    issue: Option<Issues>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawCase {
    name: Option<String>,
    who: Option<Many>,
    repository: Option<Many>,
    #[serde(rename = "ref")]
    reference: Option<Many>,
    action: Many,
    paths: Option<Vec<RawPath>>,
    when: Option<Datetime>,
    evidence: Option<Vec<String>>,
    looked_up: Option<Vec<String>>,
    jira_roles: Option<Vec<String>>,
    issue: Option<Issues>,
    checks: Option<Vec<String>>,
    expect: String,
    code: Option<String>,
}

/// One issue, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Issues {
    One(RawIssue),
    List(Vec<RawIssue>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawIssue {
    key: String,
    assignee: Option<String>,
    reporter: Option<String>,
    #[serde(default)]
    fields: BTreeMap<String, Many>,
}

/// One text, or several that are asked about one by one.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Many {
    One(String),
    List(Vec<String>),
}

impl Many {
    fn list(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::List(list) => list,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawPath {
    Name(String),
    Entry(RawEntry),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    path: String,
    link: bool,
}

/// Reads a test file.
///
/// # Errors
/// Everything that is wrong with it, by line; of a text that is not TOML, or has unknown keys, the
/// first thing alone.
pub fn parse(text: &str) -> Result<Vec<Case>, Vec<Wrong>> {
    let line_of = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    let file: RawFile = toml::from_str(text).map_err(|error| {
        let line = line_of(error.span().map_or(0, |span| span.start));
        vec![Wrong { line, words: error.message().to_owned() }]
    })?;
    let (mut cases, mut wrong) = (Vec::new(), Vec::new());
    for spanned in &file.case {
        let line = line_of(spanned.span().start);
        match expanded(spanned.get_ref(), &file.defaults, line) {
            Ok(more) if cases.len() + more.len() <= MAX_CASES => cases.extend(more),
            Ok(_) => {
                wrong.push(Wrong { line, words: format!("a file has at most {MAX_CASES} cases") });
                break;
            }
            Err(words) => wrong.push(Wrong { line, words }),
        }
    }
    if cases.is_empty() && wrong.is_empty() {
        wrong.push(Wrong { line: 1, words: "there is no `[[case]]`".into() });
    }
    if wrong.is_empty() { Ok(cases) } else { Err(wrong) }
}

/// The case for every person, repository, ref and action that its lists name.
fn expanded(raw: &RawCase, defaults: &RawDefaults, line: usize) -> Result<Vec<Case>, String> {
    let repositories = raw.repository.as_ref().or(defaults.repository.as_ref());
    let repositories = filled(repositories, "repository")?.ok_or("`repository` is missing")?;
    let actions = filled(Some(&raw.action), "action")?.unwrap_or_default();
    let people = filled(raw.who.as_ref(), "who")?;
    let people = people.map_or(vec![None], |all| all.iter().map(Some).collect());
    let refs = filled(raw.reference.as_ref(), "ref")?;
    let model = model(raw, defaults, line)?;
    let mut cases = Vec::new();
    let count = people.len().saturating_mul(repositories.len()).saturating_mul(actions.len());
    if count.saturating_mul(refs.map_or(1, <[String]>::len)) > MAX_CASES {
        return Err(format!("its lists make more than {MAX_CASES} cases"));
    }
    for action in actions {
        let action = Action::parse(action).ok_or_else(|| {
            format!("`{action}` is not an action: read, create, update, force, delete")
        })?;
        let refs = of_action(action, refs)?;
        for who in &people {
            for repository in repositories {
                for reference in &refs {
                    let mut case = Case {
                        who: (*who).cloned(),
                        repository: repository.clone(),
                        action,
                        reference: reference.clone(),
                        ..model.clone()
                    };
                    case.name = named(&case, raw.name.as_deref());
                    cases.push(case);
                }
            }
        }
    }
    // Which of many failed is told by their names.
    if cases.len() == 1
        && let (Some(case), Some(name)) = (cases.first_mut(), &raw.name)
    {
        case.name.clone_from(name);
    }
    Ok(cases)
}

fn filled<'a>(many: Option<&'a Many>, key: &str) -> Result<Option<&'a [String]>, String> {
    match many.map(Many::list) {
        Some([]) => Err(format!("`{key}` is an empty list: no case would be asked")),
        other => Ok(other),
    }
}

fn of_action(action: Action, refs: Option<&[String]>) -> Result<Vec<String>, String> {
    match (action, refs) {
        (Action::Read, None) => Ok(vec![String::new()]),
        (Action::Read, Some(_)) => Err("`read` is about a whole repository: no `ref`".into()),
        (_, None) => Err("`ref` is missing".into()),
        (_, Some(refs)) => refs.iter().map(|name| full_name(name)).collect(),
    }
}

fn full_name(name: &str) -> Result<String, String> {
    match name {
        "" => Err("`ref` is empty".into()),
        _ if name.starts_with("refs/") => Ok(name.to_owned()),
        _ => Ok(format!("refs/heads/{name}")),
    }
}

fn named(case: &Case, given: Option<&str>) -> String {
    let who = case.who.as_deref().unwrap_or("nobody known");
    let mut words = format!("{who} {} ", case.action);
    if !case.reference.is_empty() {
        words.push_str(&case.reference);
        words.push(' ');
    }
    words.push_str(&format!("in {}", case.repository));
    given.map_or(words.clone(), |given| format!("{given}: {words}"))
}

/// What all cases of a table share.
fn model(raw: &RawCase, defaults: &RawDefaults, line: usize) -> Result<Case, String> {
    let expect = Expect::parse(&raw.expect).ok_or_else(|| {
        format!("`expect` is `{}`: write allowed, refused or would-refuse", raw.expect)
    })?;
    let evidence = raw.evidence.as_ref().or(defaults.evidence.as_ref());
    let looked_up = raw.looked_up.as_ref().or(defaults.looked_up.as_ref());
    let roles = raw.jira_roles.as_ref().or(defaults.jira_roles.as_ref());
    let group = |name: &String| {
        let name = name.strip_prefix('@').unwrap_or(name);
        GroupName::parse(name).map_err(|error| format!("`looked-up`: {error}"))
    };
    let source = |name: &String| {
        Source::parse(name).map_err(|error| format!("`evidence`: `{name}`: {error}"))
    };
    Ok(Case {
        line,
        name: String::new(),
        who: None,
        repository: String::new(),
        action: Action::Read,
        reference: String::new(),
        paths: raw.paths.as_ref().map(|paths| paths.iter().map(changed).collect()),
        when: raw.when.or(defaults.when).map(instant).transpose()?,
        evidence: evidence.map(|all| all.iter().map(source).collect()).transpose()?,
        looked_up: looked_up
            .map(|all| all.iter().map(group).collect())
            .unwrap_or(Ok(BTreeSet::new()))?,
        jira_roles: roles.map(|all| all.iter().cloned().collect()).unwrap_or_default(),
        issues: issues(raw.issue.as_ref().or(defaults.issue.as_ref()))?,
        checks: raw.checks.as_ref().map(|all| all.iter().cloned().collect()),
        expect,
        code: code(raw.code.as_deref(), expect)?,
    })
}

fn issues(raw: Option<&Issues>) -> Result<Vec<Issue>, String> {
    let all = match raw {
        None => &[][..],
        Some(Issues::One(one)) => std::slice::from_ref(one),
        Some(Issues::List(all)) => all,
    };
    all.iter().map(issue).collect()
}

fn issue(raw: &RawIssue) -> Result<Issue, String> {
    let key = IssueKey::parse(&raw.key).map_err(|error| format!("`issue`: {error}"))?;
    let person = |name: &String| {
        UserName::parse(name).map_err(|error| format!("`issue`: `{name}`: {error}"))
    };
    let mut people = BTreeMap::new();
    for (holder, name) in [(Holder::Assignee, &raw.assignee), (Holder::Reporter, &raw.reporter)] {
        let name = name.as_ref().map(person).transpose()?;
        people.insert(holder, name.into_iter().collect());
    }
    for (field, names) in &raw.fields {
        let named = names.list().iter().map(person).collect::<Result<_, _>>()?;
        people.insert(Holder::Field(field.as_str().into()), named);
    }
    Ok(Issue { key, people })
}

fn changed(raw: &RawPath) -> ChangedPath {
    match raw {
        RawPath::Name(path) => ChangedPath { path: path.clone().into(), link: false },
        RawPath::Entry(entry) => ChangedPath { path: entry.path.clone().into(), link: entry.link },
    }
}

fn instant(time: Datetime) -> Result<DateTime<Utc>, String> {
    DateTime::parse_from_rfc3339(&time.to_string()).map(|time| time.with_timezone(&Utc)).map_err(
        |_| {
            format!(
                "`when` is {time}: write an instant with seconds and offset, 2026-12-31T18:00:00Z"
            )
        },
    )
}

fn code(word: Option<&str>, expect: Expect) -> Result<Option<Code>, String> {
    let Some(word) = word else { return Ok(None) };
    if expect == Expect::Allowed {
        return Err(format!("`code` is {word}, but what is allowed has no code"));
    }
    let found = Code::ALL.iter().copied().find(|code| code.to_string() == word);
    found.map(Some).ok_or_else(|| format!("`{word}` is not a code of a refusal"))
}

#[cfg(test)]
mod tests;
