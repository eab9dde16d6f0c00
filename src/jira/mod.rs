//! Jira, asked for facts during a push: who an issue names, who has a role, who is in a group.
//!
//! Knows how to ask within a push's time, what to remember, and what holds while nobody answers; not
//! what a fact permits. Facts are asked for, never "may they push": both flavors have them, and they
//! can be kept and told.
//!
//! [`client`](self) one call; `wire` what answers look like; `keep` files of what was learnt;
//! `breaker` that a dead Jira costs one push its time and the next ones nothing; `people` who is named;
//! `write` what landed commits do to an issue, outside of any push.

#![cfg_attr(
    test,
    expect(clippy::disallowed_methods, reason = "tests make the files that they look at")
)]

mod breaker;
mod client;
mod failure;
mod keep;
mod people;
mod rule;
mod token;
mod wire;
mod write;

pub use client::{Me, Server};
pub use failure::JiraError;
pub use people::Question;
pub use wire::{Category, Issue, Person};
pub use write::Act;

use crate::os::clock;
use crate::policy::model::{JiraSettings, WhenDown};
use crate::push::IssueKey;
use breaker::Breaker;
use client::Client;
use keep::Keep;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Most issues that one push may make us ask about.
const MAX_ISSUES: usize = 20;
/// How long `no such issue` is believed: somebody is just making it.
const ABSENT: Duration = Duration::from_secs(4);
/// How long the types of fields are believed.
const FIELDS: Duration = Duration::from_secs(24 * 3600);

/// Something that Jira said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known<T> {
    /// What.
    pub value: T,
    /// How long ago, where Jira does not answer now and it was kept.
    pub age: Option<Duration>,
}

/// Jira, for one push or one command: every question is asked once.
pub struct Jira {
    settings: JiraSettings,
    account_uid: u32,
    keep: Keep,
    breaker: Breaker,
    client: OnceCell<Client>,
    /// When this push has had its time, by the boot clock; from the first question on.
    end: OnceCell<Duration>,
    issues: RefCell<BTreeMap<IssueKey, Asked<Option<Issue>>>>,
    others: RefCell<BTreeMap<String, Asked<String>>>,
    /// Whether the token was seen to be good.
    signed_in: OnceCell<()>,
    told: RefCell<BTreeSet<String>>,
}

type Asked<T> = Result<Known<T>, JiraError>;

impl Jira {
    /// Nothing is asked or opened yet. `state` is the site's state folder.
    #[must_use]
    pub fn new(settings: &JiraSettings, state: &Path, account_uid: u32) -> Self {
        let folder = folder(state);
        Self {
            keep: Keep::new(&folder, settings),
            breaker: Breaker::new(&folder),
            settings: settings.clone(),
            account_uid,
            client: OnceCell::new(),
            end: OnceCell::new(),
            issues: RefCell::default(),
            others: RefCell::default(),
            signed_in: OnceCell::new(),
            told: RefCell::default(),
        }
    }

    /// What the settings say.
    #[must_use]
    pub const fn settings(&self) -> &JiraSettings {
        &self.settings
    }

    /// What people should know about the answers so far: kept facts and how old they are, what was
    /// left out while Jira is down, issues that moved.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        self.told.borrow().iter().cloned().collect()
    }

    /// The issues that were asked about.
    #[must_use]
    pub fn asked(&self) -> Vec<IssueKey> {
        self.issues.borrow().keys().cloned().collect()
    }

    fn tell(&self, words: String) {
        self.told.borrow_mut().insert(words);
    }

    /// An issue; `None` where there is none that our account may see.
    ///
    /// # Errors
    /// [`JiraError`]: it can't be known.
    pub fn issue(&self, key: &IssueKey) -> Result<Known<Option<Issue>>, JiraError> {
        if let Some(asked) = self.issues.borrow().get(key) {
            return asked.clone();
        }
        if self.issues.borrow().len() >= MAX_ISSUES {
            return Err(JiraError::TooMany(MAX_ISSUES));
        }
        let asked = self.fresh_issue(key);
        if let Ok(Known { age: Some(age), .. }) = &asked {
            self.tell(format!(
                "Jira does not answer: what it said of {key} {} s ago was used",
                age.as_secs()
            ));
        }
        self.issues.borrow_mut().insert(key.clone(), asked.clone());
        asked
    }

    fn fresh_issue(&self, key: &IssueKey) -> Asked<Option<Issue>> {
        let name = format!("issue/{key}");
        let fields = self.settings.fields.as_slice();
        let kept = self.keep.read::<wire::Kept>(&name).filter(|kept| kept.value.has(fields));
        if let Some(kept) = &kept {
            let fresh = match kept.value.issue {
                Some(_) => seconds(self.settings.fresh_issue.seconds()),
                None => ABSENT,
            };
            if kept.age <= fresh {
                return Ok(Known { value: kept.value.issue.clone(), age: None });
            }
        }
        let types = match fields.is_empty() {
            true => BTreeMap::new(),
            false => self.field_types()?,
        };
        let answer = self.ask(|client, time| client.issue(key, fields, &types, time));
        let answer = match answer {
            Ok(None) => self.signed_in().map(|()| None),
            other => other,
        };
        match answer {
            Ok(issue) => {
                let fields = fields.to_vec();
                self.keep.write(&name, &wire::Kept { issue: issue.clone(), fields });
                Ok(Known { value: issue, age: None })
            }
            Err(error) => {
                let kept = kept.map(|kept| (kept.value.issue, kept.age));
                let found = kept.filter(|(issue, _)| issue.is_some());
                self.stale(error, found)
            }
        }
    }

    /// What every field holds.
    fn field_types(&self) -> Result<BTreeMap<String, wire::FieldType>, JiraError> {
        let known = self.kept("fields", FIELDS, |client, time| client.fields(time))?;
        Ok(known.value)
    }

    /// A fact that is kept for a while, as `name`.
    fn kept<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        fresh: Duration,
        ask: impl FnOnce(&Client, Duration) -> Result<T, JiraError>,
    ) -> Result<Known<T>, JiraError> {
        let asked = self.others.borrow().get(name).cloned();
        let asked = match asked {
            Some(asked) => asked,
            None => {
                let asked = self.kept_text(name, fresh, ask);
                self.others.borrow_mut().insert(name.to_owned(), asked.clone());
                asked
            }
        };
        let Known { value, age } = asked?;
        let value = serde_json::from_str(&value).map_err(|_| JiraError::Form("a kept fact"))?;
        Ok(Known { value, age })
    }

    fn kept_text<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        fresh: Duration,
        ask: impl FnOnce(&Client, Duration) -> Result<T, JiraError>,
    ) -> Asked<String> {
        let text = |value: &T| {
            serde_json::to_string(value).map_err(|_| JiraError::Form("what is to be kept"))
        };
        let kept = self.keep.read::<T>(name);
        if let Some(kept) = kept.as_ref().filter(|kept| kept.age <= fresh) {
            return Ok(Known { value: text(&kept.value)?, age: None });
        }
        match self.ask(ask) {
            Ok(value) => {
                self.keep.write(name, &value);
                Ok(Known { value: text(&value)?, age: None })
            }
            Err(error) => {
                let kept = kept.map(|kept| Ok::<_, JiraError>((text(&kept.value)?, kept.age)));
                let known = self.stale(error, kept.transpose()?)?;
                let age = known.age.unwrap_or_default().as_secs();
                self.tell(format!("Jira does not answer: what it said {age} s ago was used"));
                Ok(known)
            }
        }
    }

    /// What holds when Jira is down: what is kept, where the policy takes that and it is young enough.
    fn stale<T>(&self, error: JiraError, kept: Option<(T, Duration)>) -> Asked<T> {
        match (self.settings.when_down, kept) {
            (WhenDown::Cache(most), Some((value, age)))
                if error.is_down() && age <= seconds(most.seconds()) =>
            {
                Ok(Known { value, age: Some(age) })
            }
            _ => Err(error),
        }
    }

    /// One call, if Jira is not known to be down and the push has time left.
    fn ask<T>(
        &self,
        call: impl FnOnce(&Client, Duration) -> Result<T, JiraError>,
    ) -> Result<T, JiraError> {
        let now = clock::now();
        if self.breaker.is_open(now.wall) {
            return Err(JiraError::Resting);
        }
        let most = Duration::from_millis(self.settings.push_timeout_ms.into());
        let end = *self.end.get_or_init(|| now.boot.saturating_add(most));
        let left = end.saturating_sub(now.boot);
        if left.is_zero() {
            return Err(JiraError::OutOfTime);
        }
        let time = left.min(Duration::from_millis(self.settings.timeout_ms.into()));
        let answer = call(self.client()?, time);
        match &answer {
            Err(error) if error.is_down() => {
                self.breaker.failed(clock::now().wall, error.cost_time());
            }
            Err(_) => {}
            Ok(_) => self.breaker.answered(),
        }
        answer
    }

    fn client(&self) -> Result<&Client, JiraError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::open(&self.settings, self.account_uid)?;
        Ok(self.client.get_or_init(|| client))
    }

    /// A bad token can look as if nothing were there (Cloud answers as to somebody anonymous), so
    /// whoever we are is asked before "no such issue" is believed.
    fn signed_in(&self) -> Result<(), JiraError> {
        if self.signed_in.get().is_none() {
            self.kept("myself", Duration::from_secs(300), |client, time| client.me(time))?;
            let _ = self.signed_in.set(());
        }
        Ok(())
    }

    /// Who we are there: `doctor` says so. Never from what is kept.
    ///
    /// # Errors
    /// [`JiraError`].
    pub fn me(&self) -> Result<Me, JiraError> {
        let time = Duration::from_millis(self.settings.timeout_ms.into());
        self.client()?.me(time)
    }

    /// What it says of itself, to anybody.
    ///
    /// # Errors
    /// [`JiraError`].
    pub fn server(&self) -> Result<Server, JiraError> {
        let time = Duration::from_millis(self.settings.timeout_ms.into());
        self.client()?.server(time)
    }
}

/// Where facts are kept.
fn folder(state: &Path) -> PathBuf {
    state.join("jira")
}

/// Removes what was kept and is too old to be of any use: it holds ids of people.
pub fn sweep(state: &Path) {
    keep::sweep(&folder(state), clock::now().wall);
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(number.into())
}

#[cfg(test)]
mod contract;
#[cfg(test)]
#[path = "../../tests/it/support/fake_jira.rs"]
mod fake;
#[cfg(test)]
mod tests;
