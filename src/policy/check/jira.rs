//! `[jira]`, and what projects, roles and entitlements take from there.

use super::Check;
use super::notify::{Address, address};
use crate::policy::diag::{At, PolicyCode};
use crate::policy::entry::{Entry, Holder};
use crate::policy::issue_rule::{IssueRule, jql_trouble};
use crate::policy::model::{Flavor, JiraSettings, WhenDown};
use crate::policy::name::RoleName;
use crate::policy::raw::{Table, Word, Words};
use crate::policy::span::Span;
use crate::push::issue::Spot;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

const FLAVORS: [(&str, Flavor); 2] =
    [("cloud", Flavor::Cloud), ("data-center", Flavor::DataCenter)];
/// One question, in milliseconds: its default, and what it may be.
const CALL: (u32, RangeInclusive<u32>) = (1500, 100..=10_000);
/// All questions of a push: the pusher waits for them.
const PUSH: (u32, RangeInclusive<u32>) = (5000, 100..=30_000);
const FRESH_ISSUE: u32 = 30;
const FRESH_PEOPLE: u32 = 600;
/// What is older says nothing about today.
const OLDEST: u32 = 86_400;

impl Check<'_> {
    pub(super) fn jira(&mut self) -> Option<JiraSettings> {
        let root = self.root;
        let table = root.table("jira")?;
        let at = root.get("jira").map_or(At::top(0), |item| item.key);
        for key in ["url", "flavor", "token-file"] {
            self.require(table, at, key);
        }
        let flavor = self.choice(table, "flavor", &FLAVORS, Flavor::Cloud);
        let (timeout_ms, push_timeout_ms) = (
            self.milliseconds(table, "timeout", &CALL),
            self.milliseconds(table, "push-timeout", &PUSH),
        );
        let span = |seconds| Span::of_seconds(seconds);
        let email = self.jira_email(table, flavor);
        let (issue, people) = (self.age(table, "cache-issues"), self.age(table, "cache-people"));
        Some(JiraSettings {
            url: self.jira_url(table).unwrap_or_default(),
            flavor,
            email,
            token_file: self.path_if_any(table, "token-file").unwrap_or_default(),
            timeout_ms,
            push_timeout_ms,
            key_from: self.key_from(table),
            fresh_issue: issue.or(span(FRESH_ISSUE))?,
            fresh_people: people.or(span(FRESH_PEOPLE))?,
            when_down: self.when_down(table),
            fields: Vec::new(),
            smart: self.smart_commits(table),
        })
    }

    fn jira_url(&mut self, table: &Table) -> Option<Box<str>> {
        let Word { text, at } = table.text("url")?;
        let what = "`url` is where Jira is, as in `https://example.atlassian.net`";
        let found = self.safe_url(text, at, what);
        if let Some(Address { rest, .. }) = found.then(|| address(text)).flatten()
            && rest.contains(['?', '#'])
        {
            self.report(PolicyCode::BadUrl, at, format!("`{text}`: {what}, nothing after it"));
        }
        Some(text.trim_end_matches('/').into())
    }

    fn jira_email(&mut self, table: &Table, flavor: Flavor) -> Option<Box<str>> {
        let email = self.line(table, "email");
        let at = table.get("flavor").map_or(At::top(0), |item| item.node.at);
        match (flavor, &email) {
            (Flavor::Cloud, None) if table.has("flavor") => {
                let message = "a token of Jira Cloud is somebody's: `email` says whose";
                self.report(PolicyCode::JiraPairs, at, message);
            }
            (Flavor::DataCenter, Some(_)) => {
                let message = "a token of Jira Data Center stands alone: leave `email` out";
                self.report(PolicyCode::JiraPairs, at, message);
            }
            _ => {}
        }
        email
    }

    /// `1500ms` or `2s`.
    fn milliseconds(
        &mut self,
        table: &Table,
        key: &str,
        (default, range): &(u32, RangeInclusive<u32>),
    ) -> u32 {
        let Some(Word { text, at }) = table.text(key) else { return *default };
        let (number, unit) = match text.strip_suffix("ms") {
            Some(number) => (number, 1),
            None => (text.strip_suffix('s').unwrap_or_default(), 1000),
        };
        let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let number = number.parse::<u32>().ok().filter(|_| plain);
        let length = number.and_then(|number| number.checked_mul(unit));
        if let Some(length) = length.filter(|length| range.contains(length)) {
            return length;
        }
        let message = format!(
            "`{key}` is `1500ms` or `2s`, from {} to {} ms, not `{text}`",
            range.start(),
            range.end()
        );
        self.report(PolicyCode::BadSpan, at, message);
        *default
    }

    /// How long something that Jira said is good for.
    fn age(&mut self, table: &Table, key: &str) -> Option<Span> {
        let span = self.span(table, key)?;
        self.not_too_old(span, table.text(key)?);
        Some(span)
    }

    fn not_too_old(&mut self, span: Span, word: Word<'_>) {
        if span.seconds() > OLDEST {
            let message = format!("`{}` is longer than a day: people come and go", word.text);
            self.report(PolicyCode::OverCap, word.at, message);
        }
    }

    fn key_from(&mut self, table: &Table) -> Vec<Spot> {
        let Some(words) = table.texts("key-from") else { return Spot::ALL.to_vec() };
        let known = || Spot::ALL.iter().map(|spot| spot.as_str());
        let mut found = Vec::new();
        for Word { text, at } in words.words {
            match Spot::ALL.iter().find(|spot| spot.as_str() == text) {
                Some(spot) => found.push(*spot),
                None => {
                    let words: Vec<String> = known().map(|word| format!("`{word}`")).collect();
                    let message = format!("`key-from` lists {}, not `{text}`", words.join(", "));
                    self.report(PolicyCode::UnknownValue, at, message);
                }
            }
        }
        found
    }

    fn when_down(&mut self, table: &Table) -> WhenDown {
        let Some(word) = table.text("when-down") else { return WhenDown::Refuse };
        match word.text {
            "refuse" => return WhenDown::Refuse,
            "without-issue-roles" => return WhenDown::WithoutIssueRoles,
            _ => {}
        }
        let Some(span) = word.text.strip_prefix("cache:").and_then(|span| Span::parse(span).ok())
        else {
            let message = format!(
                "`when-down` is `refuse`, `cache:15m` or `without-issue-roles`, not `{}`",
                word.text
            );
            self.report(PolicyCode::UnknownValue, word.at, message);
            return WhenDown::Refuse;
        };
        self.not_too_old(span, word);
        WhenDown::Cache(span)
    }

    /// `roles-from = "jira"`: what each role is called there.
    pub(super) fn jira_roles(&mut self, table: &Table) -> Option<BTreeMap<RoleName, Box<str>>> {
        let at = table.text("roles-from")?.at;
        if !self.choice(table, "roles-from", &[("jira", true)], false) {
            return None;
        }
        self.needs_jira("`roles-from`", at);
        if table.texts("jira-keys").is_none_or(|words| words.words.len() != 1) {
            let message = "`roles-from` needs one project of Jira's: list its key in `jira-keys`";
            self.report(PolicyCode::JiraPairs, at, message);
        }
        for key in ["roles", "lead"] {
            if let Some(item) = table.get(key) {
                let message = format!("`{key}` is taken from Jira here: leave it out");
                self.report(PolicyCode::JiraPairs, item.key, message);
            }
        }
        let root = self.root;
        let mut roles = BTreeMap::new();
        for (word, node) in root.named("roles") {
            let there = node.table().and_then(|role| role.text("jira")).map(|word| word.text);
            if let Ok(name) = RoleName::parse(word.text) {
                roles.insert(name, there.unwrap_or(word.text).into());
            }
        }
        Some(roles)
    }

    /// `read-needs = "jira-permission:X"`: the permission that a reader needs there as well.
    pub(super) fn read_needs(&mut self, table: &Table) -> Option<Box<str>> {
        let Word { text, at } = table.text("read-needs")?;
        let permission = text.strip_prefix("jira-permission:").filter(|name| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
        });
        if permission.is_none() {
            let message = format!(
                "`read-needs` is a permission of Jira's, as in `jira-permission:VIEW_DEV_TOOLS`, not `{text}`"
            );
            self.report(PolicyCode::UnknownValue, at, message);
        }
        self.needs_jira("`read-needs`", at);
        let jira = self.root.table("jira").and_then(|jira| jira.text("flavor"));
        if jira.is_some_and(|flavor| flavor.text == "data-center") {
            let message = "Jira Data Center can't say who has a permission: only Cloud can";
            self.report(PolicyCode::JiraPairs, at, message);
        }
        if table.texts("jira-keys").is_none_or(|words| words.words.is_empty()) {
            let message =
                "`read-needs` is about projects of Jira's: list their keys in `jira-keys`";
            self.report(PolicyCode::JiraPairs, at, message);
        }
        permission.map(Into::into)
    }

    /// `issue` of a check.
    pub(super) fn issue_rule(&mut self, check: &Table) -> Option<IssueRule> {
        const CATEGORIES: [&str; 4] = ["undefined", "new", "indeterminate", "done"];
        let table = check.table("issue")?;
        let at = check.get("issue").map_or(At::top(0), |item| item.key);
        let category = self.one_or_more(table, "status-category");
        for word in category.iter().filter(|word| !CATEGORIES.contains(&word.text)) {
            let message = format!(
                "`status-category` is `new`, `indeterminate` or `done`, not `{}`",
                word.text
            );
            self.report(PolicyCode::UnknownValue, word.at, message);
        }
        let texts = |words: Vec<Word<'_>>| words.into_iter().map(|word| word.text.into()).collect();
        let rule = IssueRule {
            required: table.bool("required") == Some(true),
            exists: table.bool("exists") == Some(true),
            status: texts(self.one_or_more(table, "status")),
            category: texts(category),
            kind: texts(self.one_or_more(table, "type")),
            assignee: table.has("assignee")
                && self.choice(table, "assignee", &[("pusher", true)], false),
            fix_version: texts(self.one_or_more(table, "fix-version")),
            jql: self.jql(table),
        };
        if rule == IssueRule::default() {
            let message = "this `issue` asks for nothing";
            self.report_help(
                PolicyCode::NoRule,
                at,
                message,
                "write `issue = { required = true }`",
            );
        }
        if rule.asks_jira() {
            self.needs_jira("this", at);
        }
        Some(rule)
    }

    fn jql(&mut self, table: &Table) -> Option<Box<str>> {
        let Word { text, at } = table.text("jql")?;
        if let Some(trouble) = jql_trouble(text) {
            self.report(PolicyCode::BadText, at, format!("this JQL can't be used: {trouble}"));
        }
        Some(text.into())
    }

    /// One text, or a list of them.
    pub(super) fn one_or_more<'t>(&mut self, table: &'t Table, key: &str) -> Vec<Word<'t>> {
        if let Some(word) = table.text(key) {
            return vec![word];
        }
        let Some(words) = table.texts(key) else { return Vec::new() };
        self.not_empty(&words, key);
        words.words
    }

    /// Something of Jira's is there only where there is a Jira.
    pub(super) fn needs_jira(&mut self, what: &str, at: At) {
        if !self.root.has("jira") {
            let message = format!("{what} is asked of Jira, and there is no `[jira]`");
            self.report(PolicyCode::JiraPairs, at, message);
        }
    }

    /// The id of a field: it becomes part of an address.
    pub(super) fn field_id(&mut self, word: Word<'_>, id: &str) {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        if id.is_empty() || id.len() > 100 || !id.bytes().all(plain) {
            let message =
                "`field:` is followed by the id of a field, as in `field:customfield_10202`";
            self.report(PolicyCode::BadHolder, word.at, message);
        }
    }

    /// An issue's people count where its key stands in the ref's name: a pattern that does not ask
    /// for one says something else than was meant.
    pub(super) fn issue_people(&mut self, to: &Words<'_>, entry: &Entry) {
        let named = entry.refs.include.iter().all(|one| one.pattern.has_issue());
        if entry.is_forbid() || (named && !entry.refs.include.is_empty()) {
            return;
        }
        let of_issue =
            |text: &str| matches!(text, "assignee" | "reporter") || text.starts_with("field:");
        if let Some(word) = to.words.iter().find(|word| of_issue(word.text)) {
            let message = format!(
                "`{}` counts only where an issue's key stands in the ref's name, and not every pattern here asks for one",
                word.text
            );
            let help = "write `${issue}` where the key stands, as in `feature/${issue}-*`";
            self.report_help(PolicyCode::IssueAnywhere, word.at, message, help);
        }
    }
}

/// Ids of all fields that the holders name.
pub(super) fn fields<'h>(holders: impl Iterator<Item = &'h Holder>) -> Vec<Box<str>> {
    let found: BTreeSet<&Box<str>> = holders
        .filter_map(|holder| match holder {
            Holder::Field(id) => Some(id),
            _ => None,
        })
        .collect();
    found.into_iter().cloned().collect()
}
