//! People and checks for tests.

use super::People;
use super::issue::Issues;
use crate::policy::checks::{Check, Rule};
use crate::policy::entry::{Enforce, Place};
use crate::policy::issue_rule::IssueRule;
use crate::policy::name::UserName;
use crate::policy::refs::RefScope;
use crate::push::issue::{IssueKey, Spot};
use crate::pusher::certificate::KeyRing;
use crate::pusher::openpgp::OpenPgp;
use std::collections::{BTreeMap, BTreeSet};

/// Who has which address and which key; bob pushes.
#[derive(Default)]
pub struct Crowd {
    pub emails: BTreeMap<String, &'static str>,
    pub keys: BTreeMap<String, &'static str>,
    pub openpgp: Option<Box<dyn OpenPgp>>,
    pub fails: bool,
}

pub static BOB: std::sync::LazyLock<UserName> =
    std::sync::LazyLock::new(|| UserName::parse("bob").unwrap());

impl Crowd {
    pub fn new() -> Self {
        let emails = [("t@t", "bob"), ("bob@x.org", "bob"), ("alice@x.org", "alice")];
        let emails = emails.map(|(address, user)| (address.to_owned(), user)).into();
        Self { emails, ..Self::default() }
    }

    fn of(&self, found: Option<&&str>) -> Result<Option<UserName>, String> {
        if self.fails {
            return Err("the directory is down".into());
        }
        Ok(found.map(|user| UserName::parse(user).unwrap()))
    }
}

impl KeyRing for Crowd {
    fn has_ssh_key(&self, fingerprint: &str) -> Result<bool, String> {
        Ok(self.of(self.keys.get(fingerprint))?.is_some())
    }

    fn openpgp(&self) -> Option<&dyn OpenPgp> {
        self.openpgp.as_deref()
    }
}

impl People for Crowd {
    fn pusher(&self) -> &UserName {
        &BOB
    }

    fn by_email(&self, folded: &str) -> Result<Option<UserName>, String> {
        self.of(self.emails.get(folded))
    }

    fn by_key(&self, fingerprint: &str) -> Result<Option<UserName>, String> {
        self.of(self.keys.get(fingerprint))
    }

    fn issues(&self) -> &dyn Issues {
        &NoIssues
    }
}

/// Nothing can be named.
pub struct NoIssues;

impl Issues for NoIssues {
    fn projects(&self) -> &[Box<str>] {
        &[]
    }

    fn key_from(&self) -> &[Spot] {
        &Spot::ALL
    }

    fn options(&self) -> &[Vec<u8>] {
        &[]
    }

    fn wrong(&self, _: &IssueRule, key: &IssueKey) -> Vec<String> {
        vec![format!("{key}: nobody can be asked about it")]
    }
}

/// A check of these rules, everywhere.
pub fn check(name: &str, rules: Vec<Rule>) -> Check {
    Check {
        name: name.into(),
        place: Place { file: 0, line: 1 },
        projects: BTreeSet::new(),
        repositories: vec![],
        refs: RefScope::default(),
        enforce: Enforce::Refuse,
        help: None,
        rules,
    }
}
