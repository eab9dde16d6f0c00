//! A pushed policy that has landed: applied, at once or by whoever comes next.
//!
//! Knows that the branch's value of now is what counts, whoever moved it there last, and that nothing
//! is applied that pre-receive has not judged. What it would change is judged again, since another
//! policy may count by now.

use super::judge;
use crate::audit::{Actor, Event, Push, Record, Text};
use crate::git::{GitEnv, Reader, RefValue};
use crate::hook::apply::{self, NotApplied, Ready};
use crate::hook::desk::{self, Desk};
use crate::hook::judge as repositories;
use crate::os::site::Site;
use crate::os::syslog::{self, Severity};
use crate::os::{clock, faults};
use crate::policy::model::{Policy, PolicyHome};
use crate::push::{RefName, RefUpdate};
use crate::report::Raw;
use crate::store::landing::{self, Judged};
use gix::ObjectId;
use std::path::PathBuf;

/// How often it is begun anew because somebody else was at it too.
const ROUNDS: u32 = 8;
/// Digits of a digest or an id that are told.
const DIGITS: usize = 12;

/// How the policy's branch and the policy that counts stand to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Landing {
    /// The policy comes from no repository, or nothing was pushed there yet.
    Nothing,
    /// What the branch holds counts.
    Counts {
        /// The commit.
        commit: ObjectId,
        /// What the policy is called.
        digest: [u8; 32],
        /// Whether it was applied only now.
        now: bool,
    },
    /// The branch holds what was not pushed past the hooks, or was replaced by hand since.
    Unjudged(ObjectId),
}

/// A landed policy that could not be applied.
#[derive(Debug)]
pub struct Failed {
    /// Who pushed it.
    judged: Judged,
    /// The commit.
    commit: ObjectId,
    /// Why.
    pub words: String,
}

/// What is wrong with the branch or its policy.
#[derive(Debug, thiserror::Error)]
pub enum LandError {
    /// What counts, or what the branch holds, can't be read.
    #[error("{0}")]
    Unreadable(String),
    /// It landed, and can't be applied.
    #[error("the policy of {} can't be applied: {}", .0.commit, .0.words)]
    Failed(Box<Failed>),
}

/// What the policy's branch holds, judged as a push of it would be.
pub struct Held {
    /// The commit.
    pub commit: ObjectId,
    /// The policy, or why it may not count, in lines.
    pub policy: Result<Ready, Vec<Raw>>,
}

/// Reads what the branch holds now and asks whether it may take the place of `old`; `None` where nothing
/// was pushed there yet.
///
/// # Errors
/// [`LandError::Unreadable`].
pub fn held(site: &Site, old: &Policy, home: &PolicyHome) -> Result<Option<Held>, LandError> {
    let Some((reader, commit)) = branch(site, home)? else { return Ok(None) };
    let policy = judge(site, old, home, &reader, commit).map(|(ready, _)| ready);
    let lines = |no: super::No| {
        let head = format!("{} {}", no.code, no.code.title()).into_bytes();
        std::iter::once(head).chain(no.lines).collect()
    };
    Ok(Some(Held { commit, policy: policy.map_err(lines) }))
}

/// Applies what the policy's branch holds, where that was judged and does not count yet.
///
/// # Errors
/// [`LandError`]; what counted goes on counting.
pub fn catch_up(site: &Site) -> Result<Landing, LandError> {
    for _ in 1..ROUNDS {
        match once(site)? {
            Some(landing) => return Ok(landing),
            None => continue,
        }
    }
    Err(LandError::Unreadable("other policies were applied all the time".into()))
}

/// `None` where somebody else changed the policy or the branch meanwhile.
fn once(site: &Site) -> Result<Option<Landing>, LandError> {
    let (policy, seen) =
        desk::open_policy(site).map_err(|no| LandError::Unreadable(no.for_admin()))?;
    let Some(home) = policy.settings().home.clone() else { return Ok(Some(Landing::Nothing)) };
    let Some((_, commit)) = branch(site, &home)? else { return Ok(Some(Landing::Nothing)) };
    if policy.commit() == Some(&commit.to_string()) {
        let _ = landing::forget(&site.state, commit);
        return Ok(Some(Landing::Counts { commit, digest: seen, now: false }));
    }
    let Some(judged) = landing::read(&site.state, commit) else {
        return Ok(Some(Landing::Unjudged(commit)));
    };
    let failed = |words: String| {
        LandError::Failed(Box::new(Failed { judged: judged.clone(), commit, words }))
    };
    let old = policy.policy().map_err(|error| failed(error.to_string()))?;
    let ready = match held(site, &old, &home)? {
        Some(held) if held.commit == commit => held.policy,
        _ => return Ok(None),
    };
    let ready = ready.map_err(|lines| {
        let lines: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
        failed(lines.join("; "))
    })?;
    faults::point("policy-judged-again");
    let record = record(Event::POLICY_APPLIED, &judged, &home, commit).with("how", "push");
    let still_there = || match branch(site, &home) {
        Ok(Some((_, now))) if now == commit => Ok(()),
        _ => Err(NotApplied::Moved),
    };
    match apply::put(site, &ready, Some(seen), record, still_there) {
        Ok(()) => {
            let _ = landing::forget(&site.state, commit);
            Ok(Some(Landing::Counts { commit, digest: ready.digest, now: true }))
        }
        Err(NotApplied::Overtaken | NotApplied::Moved) => Ok(None),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn record(event: Event, judged: &Judged, home: &PolicyHome, commit: ObjectId) -> Record {
    let mut record = Record::new(event, crate::os::host_name());
    let (user, source) = (Text::new(&judged.user), Text::new(&judged.source));
    record.actor = Some(Actor { user: Some(user), source: Some(source), ..Actor::default() });
    record.push = Some(Push { id: Some(Text::new(&judged.push)), receive_pack: None });
    record.repository = Some(Text::new(home.repository.as_bytes()));
    record.with("commit", commit.to_string())
}

/// The policy's repository, and what its branch holds; `None` where there is no such branch.
fn branch(site: &Site, home: &PolicyHome) -> Result<Option<(Reader, ObjectId)>, LandError> {
    let Some(folder) = find(site, home) else {
        let words = format!("there is no repository `{}` below the root", home.repository);
        return Err(LandError::Unreadable(words));
    };
    let read = || {
        let reader = Reader::open(&folder, &GitEnv::default(), site.account_uid)?;
        let value = reader.ref_value(&RefName::new(home.branch.as_bytes()))?;
        Ok((reader, value))
    };
    let found = read().map_err(|error: crate::git::GitError| {
        LandError::Unreadable(format!("`{}`: {error}", folder.display()))
    })?;
    match found {
        (reader, RefValue::Direct(commit)) => Ok(Some((reader, commit))),
        (_, RefValue::Missing) => Ok(None),
        (_, RefValue::Symbolic(_)) => {
            let words = format!("`{}` of `{}` is symbolic", home.branch, home.repository);
            Err(LandError::Unreadable(words))
        }
    }
}

/// The git directory of the policy's own repository, where it is there under its own name.
#[must_use]
pub fn find(site: &Site, home: &PolicyHome) -> Option<PathBuf> {
    let name = &*home.repository;
    let spelled = [format!("{name}.git"), format!("{name}/.git"), name.to_owned()];
    spelled.iter().find_map(|spelled| {
        let folder = std::fs::canonicalize(site.root.join(spelled)).ok()?;
        let own = repositories::repository(&site.root, &folder)? == name.as_bytes();
        (own && folder.join("objects").is_dir()).then_some(folder)
    })
}

/// After a push has landed in `below_root`: applies what it brought; the lines are for the pusher.
pub fn landed(desk: &Desk, below_root: Option<&[u8]>, updates: &[RefUpdate]) -> Vec<Raw> {
    let Some(home) = super::home_of(desk, below_root) else { return Vec::new() };
    let governed = |update: &RefUpdate| update.name.as_bytes() == home.branch.as_bytes();
    let Some(pushed) = updates.iter().find(|update| governed(update)) else { return Vec::new() };
    faults::point("policy-landed");
    match catch_up(&desk.site) {
        Ok(landing) => told(&landing, pushed.change.new_id()),
        Err(error) => {
            not_applied(desk, home, &error);
            vec![
                format!("warning: the policy has landed and does not count yet: {error}").into(),
                b"hint: `refwarden sweep` on the server tries again, `refwarden doctor` says what is wrong".to_vec(),
            ]
        }
    }
}

fn told(landing: &Landing, pushed: Option<ObjectId>) -> Vec<Raw> {
    let line = match landing {
        Landing::Counts { commit, digest, .. } => {
            let digest: String = desk::hex(digest).chars().take(DIGITS).collect();
            let whose = if Some(*commit) == pushed { "" } else { ", which was pushed after this" };
            format!("the policy counts now: {digest}, commit {}{whose}", commit.to_hex_with_len(DIGITS))
        }
        Landing::Unjudged(_) => {
            "warning: the policy has landed and does not count: another one was applied on the server meanwhile; push a further commit".to_owned()
        }
        Landing::Nothing => "warning: the policy no longer comes from here".to_owned(),
    };
    vec![line.into()]
}

/// To the trail if it takes lines, else to syslog.
fn not_applied(desk: &Desk, home: &PolicyHome, error: &LandError) {
    let words = error.to_string();
    let _ = syslog::send(Severity::Error, &words);
    let LandError::Failed(failed) = error else { return };
    let mut line = record(Event::POLICY_NOT_APPLIED, &failed.judged, home, failed.commit);
    line.reason = Some(Text::new(&failed.words));
    if let Err(error) = desk.trail().append(&line, clock::now().wall) {
        let _ = syslog::send(Severity::Error, &format!("not recorded: {error}"));
    }
}
