//! `refwarden policy replay`: recorded pushes, decided again.
//!
//! Knows the trail, and how the outcome is told; the deciding is [`crate::policy::replay`]'s.

use super::which::{self, Which};
use crate::audit::read::{self, Filter, Seen};
use crate::audit::{Event, Record, RefRecord, Verdict};
use crate::cli::audit::note_reading;
use crate::cli::exit::Exit;
use crate::cli::out::{Out, counted};
use crate::cli::site::{self, Here};
use crate::cli::when;
use crate::code::Code;
use crate::os::clock;
use crate::policy::diff::Level;
use crate::policy::name::UserName;
use crate::policy::replay::{Again, Recorded, Replay};
use crate::push::Action;
use crate::pusher::Source;
use crate::text::Safe;
use chrono::{DateTime, Utc};
use serde_json::json;
use std::collections::BTreeMap;

/// Arguments of `policy replay`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// From this time on: 30d, 12h, 15m ago, or 2026-11-22T10:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: String,
    /// By which policy: a file, the digest of one that was applied, or, without it, the applied one.
    #[arg(long, value_name = "POLICY", default_value = "applied")]
    policy: String,
}

/// What is told as one: the same person, act and outcome.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    again: Again,
    user: String,
    repository: String,
    action: &'static str,
    name: String,
    was: Level,
    code: Option<Code>,
}

/// How often, and the last time.
struct Often {
    count: usize,
    last: DateTime<Utc>,
    push: Option<String>,
}

#[derive(Default)]
struct Tally {
    pushes: usize,
    refs: usize,
    same: usize,
    not_by_policy: usize,
    damaged: usize,
    kinds: BTreeMap<Kind, Often>,
}

/// Runs the verb: exit code 3 when a push that was refused would go through, or with less of a warning;
/// else 1 when one that went through would not, or not without a warning; else 0.
///
/// # Errors
/// No such policy, or the trail can't be read.
pub fn run(args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let since = when::parse(&args.since, clock::now().wall)?;
    let policy = which::open(&Which::parse(&args.policy), out)?;
    let here = Here::open()?;
    site::become_account(&here.site)?;
    let filter =
        Filter { event: Some(Event::PUSH_DECIDED), from: Some(since), ..Filter::default() };
    let (mut replay, mut tally) = (Replay::new(&policy), Tally::default());
    read::each(&here.audit_file(), &filter, &mut |seen| {
        match seen {
            Seen::Line { line, record, .. } => tally.push(&mut replay, record, line.end.time),
            Seen::Damaged { .. } => tally.damaged += 1,
        }
        Ok(())
    })?;
    note_reading(&here, "policy replay", out);
    tally.tell(out);
    Ok(tally.exit())
}

impl Tally {
    fn push(&mut self, replay: &mut Replay<'_>, record: &Record, time: DateTime<Utc>) {
        self.pushes += 1;
        let actor = record.actor.as_ref();
        let user = actor.and_then(|actor| UserName::parse(actor.user.as_ref()?.as_str()).ok());
        let source = actor.and_then(|actor| Source::parse(actor.source.as_ref()?.as_str()).ok());
        let left_out =
            record.detail.get(&"refs-left-out".into()).map(|count| count.as_str().parse());
        let left_out = left_out.and_then(Result::ok).unwrap_or(0);
        for one in &record.refs {
            self.refs += 1;
            let action = one.action.as_ref().and_then(|action| Action::parse(action.as_str()));
            let was = one.verdict.or(record.verdict).and_then(level);
            let (Some(user), Some(repository), Some(action), Some(was)) =
                (&user, &record.repository, action, was)
            else {
                // Nobody, or nothing that was judged by a policy.
                self.not_by_policy += 1;
                continue;
            };
            let code = code(one, record);
            let again = replay.again(&Recorded {
                user,
                source: source.as_ref(),
                repository: &repository.to_bytes(),
                action,
                name: &one.name.to_bytes(),
                time,
                refs: record.refs.len() + left_out,
                was,
                code,
                lent: record.grant.is_some() && record.entitlement.is_some(),
            });
            match again {
                Again::Same => self.same += 1,
                Again::NotByPolicy => self.not_by_policy += 1,
                Again::Changes(..) | Again::Unknown(_) => {
                    let (user, repository) = (user.to_string(), repository.to_string());
                    let (action, name) = (action.as_str(), one.name.to_string());
                    let kind = Kind { again, user, repository, action, name, was, code };
                    let push = record.push.as_ref().and_then(|push| push.id.as_ref());
                    let push = push.map(ToString::to_string);
                    let often = self.kinds.entry(kind);
                    let often = often.or_insert(Often { count: 0, last: time, push: None });
                    often.count += 1;
                    (often.last, often.push) = (time, push);
                }
            }
        }
    }

    fn count(&self, of: impl Fn(&Kind) -> bool) -> usize {
        self.kinds.iter().filter(|(kind, _)| of(kind)).map(|(_, often)| often.count).sum()
    }

    fn tell(&self, out: &Out) {
        for (kind, often) in &self.kinds {
            if out.json {
                out.value(&value(kind, often));
            } else {
                out.line(line(kind, often));
            }
        }
        let changes = self.count(|kind| matches!(kind.again, Again::Changes(..)));
        let unknown = self.count(|kind| matches!(kind.again, Again::Unknown(_)));
        if out.json {
            return out.value(&json!({
                "pushes": self.pushes, "refs": self.refs, "changes": changes, "unknown": unknown,
                "same": self.same, "not_by_policy": self.not_by_policy, "damaged_lines": self.damaged,
            }));
        }
        out.line(format!(
            "{}, {}: {changes} would change, {unknown} unknown, {} the same, {} not judged by a policy",
            counted(self.pushes, "push", "pushes"),
            counted(self.refs, "ref", "refs"),
            self.same,
            self.not_by_policy,
        ));
        if self.damaged > 0 {
            out.note(format!(
                "{} of the trail are damaged, and left out",
                counted(self.damaged, "line", "lines")
            ));
        }
    }

    fn exit(&self) -> Exit {
        let is = |kind: &Kind| match kind.again {
            Again::Changes(level, _) => Some((kind.was, level)),
            _ => None,
        };
        if self.count(|kind| is(kind).is_some_and(|(was, is)| was < is)) > 0 {
            Exit::Refused
        } else if self.count(|kind| is(kind).is_some_and(|(was, is)| was > is)) > 0 {
            Exit::Failed
        } else {
            Exit::Done
        }
    }
}

fn level(verdict: Verdict) -> Option<Level> {
    match verdict {
        Verdict::Allowed => Some(Level::Allowed),
        Verdict::WouldRefuse => Some(Level::Warned),
        Verdict::Refused => Some(Level::Refused),
        Verdict::Unknown => None,
    }
}

/// The ref's own code, else that of the whole push.
fn code(one: &RefRecord, record: &Record) -> Option<Code> {
    let word = match one.verdict {
        Some(_) => one.code.as_ref(),
        None => record.code.as_ref(),
    }?;
    Code::ALL.iter().copied().find(|code| code.to_string() == word.as_str())
}

/// As the trail says it.
fn words(level: Level, code: Option<Code>) -> String {
    let word = match level {
        Level::Refused => "refused",
        Level::Warned => "would-refuse",
        Level::Allowed => "allowed",
    };
    code.map_or(word.to_owned(), |code| format!("{word} {code}"))
}

fn line(kind: &Kind, often: &Often) -> String {
    let Kind { again, user, repository, action, name, was, code } = kind;
    let safe = |text: &str| Safe::new(text.as_bytes(), 200).to_string();
    let then = match again {
        Again::Changes(level, code) => words(*level, *code),
        Again::Unknown(lacking) => format!("unknown ({})", lacking.as_str()),
        Again::Same | Again::NotByPolicy => String::new(),
    };
    let times =
        if often.count == 1 { "once".into() } else { format!("{} times, last", often.count) };
    let last = often.last.format("%Y-%m-%dT%H:%M:%SZ");
    let push = often.push.as_deref().map(|id| format!(" (push {})", safe(id))).unwrap_or_default();
    format!(
        "{user} {action} {} in {}: {} -> {then}, {times} {last}{push}",
        safe(name),
        safe(repository),
        words(*was, *code)
    )
}

fn value(kind: &Kind, often: &Often) -> serde_json::Value {
    let Kind { again, user, repository, action, name, was, code } = kind;
    let (verdict, new, why) = match again {
        Again::Changes(level, code) => (words(*level, None), *code, None),
        Again::Unknown(lacking) => ("unknown".to_owned(), None, Some(lacking.as_str())),
        Again::Same | Again::NotByPolicy => (String::new(), None, None),
    };
    json!({
        "user": user, "action": action, "ref": name, "repository": repository,
        "was": { "verdict": words(*was, None), "code": code.map(|code| code.to_string()) },
        "is": { "verdict": verdict, "code": new.map(|code| code.to_string()), "why": why },
        "count": often.count,
        "last": often.last.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "push": often.push,
    })
}
