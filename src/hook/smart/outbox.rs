//! From what landed to the outbox: reads the new commits, and files what they say.
//!
//! Knows which commits are new and how much is taken from one push; not how anything is sent. Run by
//! the sweep, never by a hook.

use super::super::desk::{self, Payload};
use super::super::settle::SweepError;
use super::{Landing, settings};
use crate::access::{Id, Notice};
use crate::audit::{Event, Push, Record, Text};
use crate::check::text::CommitText;
use crate::git::{GitEnv, GitError, Limits, News, Reader, RefValue};
use crate::os::clock;
use crate::os::process::Host;
use crate::os::site::Site;
use crate::policy::compiled::Compiled;
use crate::policy::model::SmartCommits;
use crate::push::smart::{self, Command, Words};
use crate::push::{IssueKey, RefName};
use crate::store::access::{AccessStore, Change, Idempotency, StoreError};
use crate::store::jira_note;
use chrono::TimeDelta;
use gix::ObjectId;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// Whom the outbox's entries are for.
pub(super) const TARGET: &str = "jira";
/// Most new commits of one ref: more are somebody's history, not somebody's work.
const MAX_COMMITS: usize = 1000;
/// Most commands of one push.
const MAX_COMMANDS: usize = 20;
/// Most other refs whose commits are no news.
const MAX_OTHERS: usize = 10_000;
/// How long a push that can't be read is kept.
const PATIENCE: TimeDelta = TimeDelta::days(2);
/// Time to read one push.
const BUDGET: Duration = Duration::from_secs(20);

/// An entry of the outbox: one command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Order {
    pub issue: String,
    /// Keys of projects that the issue may have moved to.
    pub projects: Vec<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transition: Option<Box<str>>,
    pub push: String,
    pub user: String,
    pub evidence: String,
    pub repository: String,
    /// The branch, as it may be shown.
    pub branch: String,
    pub commit: String,
}

/// Files what the commits of every push say that is over; how many commands that were. A push that
/// can't be read is tried again, for two days.
///
/// # Errors
/// [`SweepError`]: the notes, the store or the trail can't be used; what is not filed waits.
pub fn file(
    site: &Site,
    policy: &Compiled<Payload>,
    store: Option<&dyn AccessStore>,
) -> Result<usize, SweepError> {
    let all = jira_note::all(&site.state)?;
    if all.is_empty() {
        return Ok(0);
    }
    let host = Host::current()?;
    let mut filed = 0;
    for (name, landing) in &all {
        if !landing.landed && !landing.is_over(&host)? {
            continue;
        }
        let round = Round { site, policy, landing, all: &all };
        let found = match (settings(policy), store) {
            // Turned off meanwhile.
            (None, _) => Ok(Vec::new()),
            (Some(_), None) => Err("there is no store: run `refwarden store init`".to_owned()),
            (Some(smart), Some(_)) => round.orders(smart),
        };
        match (found, store) {
            (Ok(orders), Some(store)) => filed += round.put(store, orders)?,
            (Ok(_), None) => {}
            (Err(words), _) if clock::now().wall - landing.at > PATIENCE => {
                round.left_out(&words)?;
            }
            (Err(_), _) => continue,
        }
        jira_note::forget(&site.state, name);
    }
    Ok(filed)
}

struct Round<'a> {
    site: &'a Site,
    policy: &'a Compiled<Payload>,
    landing: &'a Landing,
    all: &'a [(String, Landing)],
}

impl Round<'_> {
    fn orders(&self, smart: &SmartCommits) -> Result<Vec<Order>, String> {
        let words = |error: GitError| error.to_string();
        let folder = Path::new(OsStr::from_bytes(&self.landing.folder));
        let reader = Reader::open(folder, &GitEnv::default(), self.site.account_uid);
        let reader = reader.map_err(words)?;
        let end = clock::now().boot + BUDGET;
        let expired = || clock::now().boot > end;
        let limits = Limits {
            max_commits: self.policy.settings().max_commits,
            max_paths: 1,
            max_path_bytes: 1,
            expired: &expired,
        };
        let known = self.known(&reader, smart).map_err(words)?;
        let mut orders = Vec::new();
        for one in &self.landing.refs {
            // Where nobody saw it land, it landed if it is there.
            let landed = self.landing.landed
                || match reader.ref_value(&RefName::new(one.name.as_slice())).map_err(words)? {
                    RefValue::Direct(now) => {
                        reader.is_forward(one.new, now, &limits).map_err(words)?
                    }
                    _ => false,
                };
            if !landed {
                continue;
            }
            let news = reader.news(&known, one.new, MAX_COMMITS, &limits).map_err(words)?;
            let branch = one.name.strip_prefix(b"refs/heads/").unwrap_or(&one.name);
            let branch = smart::clean(&String::from_utf8_lossy(branch));
            match news {
                Some(news) => {
                    orders.extend(news.iter().flat_map(|one| self.said(smart, one, &branch)));
                }
                None => {
                    let words = format!("more than {MAX_COMMITS} new commits in {branch}");
                    self.left_out(&words).map_err(|error| error.to_string())?;
                }
            }
        }
        Ok(orders)
    }

    /// The commits that are no news: what the refs of the push had before, and what the other refs
    /// have in which commits count. Of a ref that a push moved whose commits are not read yet, that is
    /// what it had before: else two pushes of one commit would each leave it to the other.
    fn known(&self, reader: &Reader, smart: &SmartCommits) -> Result<Vec<ObjectId>, GitError> {
        let mut before: BTreeMap<&[u8], ObjectId> = BTreeMap::new();
        for (_, landing) in self.all.iter().filter(|(_, one)| one.folder == self.landing.folder) {
            for one in &landing.refs {
                before.entry(&one.name).or_insert(one.old);
            }
        }
        before.extend(self.landing.refs.iter().map(|one| (one.name.as_slice(), one.old)));
        let mut others: Vec<Vec<u8>> = Vec::new();
        reader.each_name(&mut |name| {
            if others.len() < MAX_OTHERS && smart.governs(name) && !before.contains_key(name) {
                others.push(name.to_vec());
            }
        })?;
        let mut known: Vec<ObjectId> = before.into_values().filter(|id| !id.is_null()).collect();
        for name in others {
            if let RefValue::Direct(id) = reader.ref_value(&RefName::new(name.as_slice()))? {
                known.push(id);
            }
        }
        known.sort_unstable();
        known.dedup();
        Ok(known)
    }

    fn said(&self, smart: &SmartCommits, commit: &News, branch: &str) -> Vec<Order> {
        let words = Words { comment: smart.comment, transitions: &smart.transitions };
        // A message that two readers could read in two ways says nothing.
        let text = CommitText::parse(&commit.text);
        let Ok(message) = text.message() else { return Vec::new() };
        let commands = smart::commands(message, &self.landing.projects, &words);
        commands.into_iter().map(|one| self.order(one, commit.id, branch)).collect()
    }

    fn order(&self, (key, command): (IssueKey, Command), commit: ObjectId, branch: &str) -> Order {
        let Landing { push, user, evidence, repository, projects, .. } = self.landing;
        let (comment, transition) = match command {
            Command::Comment(text) => (Some(text), None),
            Command::Transition(name) => (None, Some(name)),
        };
        Order {
            issue: key.into(),
            projects: projects.clone(),
            comment,
            transition,
            push: push.clone(),
            user: user.clone(),
            evidence: evidence.clone(),
            repository: smart::clean(repository),
            branch: branch.to_owned(),
            commit: commit.to_string(),
        }
    }

    /// Each command of a commit is filed once in a repository, whatever becomes of it and to however
    /// many branches the commit is pushed: the store knows its name for ever.
    fn put(&self, store: &dyn AccessStore, orders: Vec<Order>) -> Result<usize, SweepError> {
        let mut filed = 0;
        for order in orders {
            if filed == MAX_COMMANDS {
                let words = format!("more than {MAX_COMMANDS} commands in one push");
                self.left_out(&words)?;
                break;
            }
            let change = self.change(&order);
            match store.commit(&change) {
                Ok(_) => filed += 1,
                Err(StoreError::Taken) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(filed)
    }

    fn change(&self, order: &Order) -> Change {
        let what =
            (&self.landing.folder, &order.commit, &order.issue, &order.comment, &order.transition);
        let hash = Sha256::digest(serde_json::to_vec(&what).unwrap_or_default());
        let name = crate::text::hex(hash.get(..12).unwrap_or_default());
        let id = hash.first_chunk::<5>().map_or(Id::of([0; 5]), |five| Id::of(*five));
        let now = clock::now().wall;
        let kind = if order.comment.is_some() { "comment" } else { "transition" };
        let notice = Notice {
            id: format!("{TARGET}-{name}"),
            target: TARGET.into(),
            event: format!("smart-commit.{kind}"),
            body: serde_json::to_string(order).unwrap_or_default(),
            at: now,
            due: now,
            while_lent: None,
            tries: 0,
        };
        let key = format!("smart-commit {name}");
        let idempotency = Some(Idempotency { key, content: crate::text::hex(&hash), id });
        Change { notices: vec![notice], idempotency, ..Change::default() }
    }

    fn left_out(&self, words: &str) -> Result<(), SweepError> {
        let mut line = Record::new(Event::SMART_COMMIT_LEFT_OUT, crate::os::host_name());
        line.push = Some(Push { id: Some(Text::new(&self.landing.push)), receive_pack: None });
        line.repository = Some(Text::new(&self.landing.repository));
        let trail = desk::trail(self.site, &self.policy.settings().audit);
        trail.append(&line.with("problem", words), clock::now().wall)?;
        Ok(())
    }
}
