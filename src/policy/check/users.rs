//! Users, and what tells one from the other.

use super::Check;
use super::unique::Taken;
use crate::policy::diag::{At, PolicyCode, Problem};
use crate::policy::model::User;
use crate::policy::name::{MAX_NAME, UserName};
use crate::policy::raw::{Node, Table, Word};
use crate::pusher::keys::{KeyError, ssh_fingerprint};
use crate::pusher::openpgp::primary_fingerprint;
use crate::pusher::source::{self, NAME_KEYS};
use std::collections::{BTreeMap, BTreeSet};

/// What makes a key the key it is; its comment or its headers don't count.
type Fingerprint = fn(&str) -> Result<String, KeyError>;
type Names = BTreeMap<Box<str>, Vec<Box<str>>>;

impl Check<'_> {
    pub(super) fn users(&mut self) -> BTreeMap<UserName, User> {
        let root = self.root;
        let mut taken = Taken::default();
        let mut users = BTreeMap::new();
        for (word, node) in root.named("users") {
            let Some(table) = node.table() else { continue };
            let user = self.declared_user(word, node, table, &mut taken);
            if let Ok(name) = UserName::parse(word.text) {
                users.insert(name, user);
            }
        }
        self.names_at_sources();
        users
    }

    fn declared_user(
        &mut self,
        word: Word<'_>,
        node: &Node,
        table: &Table,
        taken: &mut Taken,
    ) -> User {
        let name = word.text;
        let service = self.choice(table, "kind", &[("person", false), ("service", true)], false);
        let unix = table.text("unix").unwrap_or(word);
        self.take(taken, "Unix name", unix.text.to_owned(), name, unix.at);
        if let Some(jira) = table.text("jira") {
            self.take(taken, "Jira id", jira.text.to_lowercase(), name, jira.at);
        }
        User {
            place: self.place(node.at),
            full_name: self.line(table, "name"),
            service,
            owner: self.owner(word, table, service),
            active: table.bool("active").unwrap_or(true),
            emails: self.emails(table, name, taken),
            ssh_keys: self.keys(table, "ssh-keys", name, taken),
            gpg_keys: self.keys(table, "gpg-keys", name, taken),
            unix: self.line(table, "unix"),
            jira: self.line(table, "jira"),
            names: self.external_names(table, service),
        }
    }

    /// The person behind a service.
    fn owner(&mut self, user: Word<'_>, table: &Table, service: bool) -> Option<UserName> {
        let word = table.text("owner")?;
        let owner = self.user(word)?;
        let written = self.root.table("users").and_then(|users| users.table(word.text));
        let kind = written.and_then(|owner| owner.text("kind"));
        let message = if !service {
            format!("`{}` is a person, and only a service has an owner", user.text)
        } else if user.text == word.text {
            format!("`{}` can't own itself", user.text)
        } else if kind.is_some_and(|kind| kind.text == "service") {
            format!("`{}` is a service: a person owns a service", word.text)
        } else {
            return Some(owner);
        };
        self.report(PolicyCode::BadOwner, word.at, message);
        None
    }

    fn emails(&mut self, table: &Table, user: &str, taken: &mut Taken) -> Vec<Box<str>> {
        let words = table.texts("emails").map(|words| words.words).unwrap_or_default();
        for Word { text, at } in &words {
            if is_email(text) {
                self.take(taken, "e-mail", text.to_lowercase(), user, *at);
            } else {
                let message = format!("`{text}` is not an e-mail address");
                self.report(PolicyCode::BadEmail, *at, message);
            }
        }
        words.iter().map(|word| word.text.into()).collect()
    }

    fn keys(
        &mut self,
        table: &Table,
        list: &'static str,
        user: &str,
        taken: &mut Taken,
    ) -> Vec<Box<str>> {
        let words = table.texts(list).map(|words| words.words).unwrap_or_default();
        let (what, read): (_, Fingerprint) = match list {
            "ssh-keys" => ("ssh key", ssh_fingerprint),
            _ => ("OpenPGP key", primary_fingerprint),
        };
        for word in &words {
            match read(word.text) {
                Ok(key) => self.take(taken, what, key, user, word.at),
                Err(error) => self.report(PolicyCode::BadKey, word.at, error.to_string()),
            }
        }
        words.iter().map(|word| word.text.trim().into()).collect()
    }

    fn external_names(&mut self, table: &Table, service: bool) -> Names {
        let mut names = Names::new();
        for (key, node) in table.named("names") {
            if !source::is_name_key(key.text) {
                let message = format!("`{}` is no source that can have names of its own", key.text);
                let problem = Problem::new(PolicyCode::BadSource, key.at, message);
                self.problems.push_near(problem, key.text, NAME_KEYS, "");
            }
            if key.text == source::GITLAB_DEPLOY_KEY && !service {
                let message =
                    "a deploy key of GitLab's is never a person: whoever has it is unknown";
                let help = "give it a user of its own, with `kind = \"service\"` and an `owner`";
                self.report_help(PolicyCode::BadExternalName, key.at, message, help);
            }
            let words = node.words().map(|words| words.words).unwrap_or_default();
            for word in &words {
                self.external_name(key.text, *word);
            }
            let list = words.iter().map(|word| word.text.into()).collect();
            names.insert(key.text.into(), list);
        }
        names
    }

    /// A source's names are at most 64 bytes, and a deploy key is a number other than 0.
    fn external_name(&mut self, key: &str, Word { text, at }: Word<'_>) {
        let number = !source::plain_name_counts(key) && source::is_name_key(key);
        let digits = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        let message = if text.is_empty() || text.len() > MAX_NAME {
            format!("a name has 1 to {MAX_NAME} bytes")
        } else if text.chars().any(char::is_control) {
            "a name has no control characters".to_owned()
        } else if number && !digits {
            format!("`{text}`: a deploy key has a number")
        } else {
            return;
        };
        self.report(PolicyCode::BadExternalName, at, message);
    }

    /// Per source, a name means one user at most; plain names count for those without `names`.
    fn names_at_sources(&mut self) {
        let root = self.root;
        let mut given: BTreeMap<&str, BTreeMap<&str, Vec<Word<'_>>>> = BTreeMap::new();
        for (user, node) in root.named("users") {
            for (key, list) in node.table().into_iter().flat_map(|table| table.named("names")) {
                let words = list.words().map(|words| words.words).unwrap_or_default();
                given.entry(key.text).or_default().insert(user.text, words);
            }
        }
        for (key, by_user) in given {
            let mut known: BTreeMap<&str, (&str, At)> = BTreeMap::new();
            let renamed: BTreeSet<&str> = by_user.keys().copied().collect();
            if source::plain_name_counts(key) {
                let plain = root.named("users").map(|(word, _)| word);
                let plain = plain.filter(|word| !renamed.contains(word.text));
                known.extend(plain.map(|word| (word.text, (word.text, word.at))));
            }
            for (user, words) in by_user {
                for word in words {
                    self.name_once(key, user, word, &mut known);
                }
            }
        }
    }

    fn name_once<'w>(
        &mut self,
        key: &str,
        user: &'w str,
        word: Word<'w>,
        known: &mut BTreeMap<&'w str, (&'w str, At)>,
    ) {
        let Some((other, first)) = known.insert(word.text, (user, word.at)) else { return };
        let message = format!("at `{key}`, `{}` means `{other}` as well as `{user}`", word.text);
        let problem = Problem::new(PolicyCode::SharedName, word.at, message);
        self.problems.push(problem.also(first, format!("`{other}` has it here")));
    }
}

/// One `@` with something on both sides, and nothing that could be read otherwise.
fn is_email(text: &str) -> bool {
    let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | ',' | '"');
    let sides = text.split_once('@');
    sides.is_some_and(|(user, host)| {
        !user.is_empty() && !host.is_empty() && !host.contains('@') && !text.contains(odd)
    })
}
