//! `refwarden policy explain`: a verdict without a push, and why.
//!
//! The same decision function as at a push, over the applied policy or any file. With `--stdin` it
//! answers JSON lines, as fast as they come.

use super::exit::Exit;
use super::out::Out;
use super::policy as policy_verb;
use super::site::{self, Here};
use super::{Failure, when};
use crate::code::Code;
use crate::decision::{self, Decision, Outcome, Paths, Question, Verdict};
use crate::os::{clock, groups};
use crate::policy::entry::{Entry, Kind};
use crate::policy::members::Answers;
use crate::policy::model::{Group, Policy};
use crate::policy::name::{GroupName, UserName};
use crate::policy::refs::ChangedPath;
use crate::policy::scope::Scopes;
use crate::push::Action;
use crate::pusher::Source;
use chrono::{DateTime, Duration, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;

/// Arguments of `policy explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The user; without it, somebody without an identity.
    #[arg(long = "as", value_name = "USER")]
    user: Option<String>,
    /// The repository's name, without `.git`.
    #[arg(long, value_name = "NAME", required_unless_present = "stdin")]
    repository: Option<String>,
    /// What is done.
    #[arg(long, required_unless_present = "stdin", value_parser = ["read", "create", "update", "force", "delete"])]
    action: Option<String>,
    /// To which ref: a full name, or a branch.
    #[arg(long = "ref", value_name = "REF", required_if_eq_any = [("action", "create"), ("action", "update"), ("action", "force"), ("action", "delete")])]
    reference: Option<String>,
    /// A path that it changes; may be given often. Without any, the paths count as unknown.
    #[arg(long = "path", value_name = "PATH")]
    paths: Vec<String>,
    /// It changes no path at all.
    #[arg(long, conflicts_with = "paths")]
    no_paths: bool,
    /// At another time than now.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Ask this policy instead of the applied one.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Read questions as JSON lines {user, repository, action, ref, paths?, time?}, answer one a line.
    #[arg(long, conflicts_with_all = ["user", "repository", "action", "reference", "paths", "at"])]
    stdin: bool,
}

/// A question as JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked<'a> {
    #[serde(borrow, default)]
    user: Option<Cow<'a, str>>,
    #[serde(borrow)]
    repository: Cow<'a, str>,
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow, default, rename = "ref")]
    reference: Option<Cow<'a, str>>,
    #[serde(default)]
    paths: Option<Vec<AskedPath>>,
    #[serde(borrow, default)]
    time: Option<Cow<'a, str>>,
}

/// A changed path: its name, or also whether it is a symbolic link or submodule.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum AskedPath {
    Name(String),
    Entry { path: String, link: bool },
}

impl From<AskedPath> for ChangedPath {
    fn from(path: AskedPath) -> Self {
        match path {
            AskedPath::Name(path) => Self { path: path.into(), link: false },
            AskedPath::Entry { path, link } => Self { path: path.into(), link },
        }
    }
}

/// Runs the verb.
///
/// # Errors
/// No such policy, or a question that is none.
pub fn run(args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let (policy, account) = match &args.policy {
        Some(path) => {
            (policy_verb::load(path, None, out)?.policy, rustix::process::geteuid().as_raw())
        }
        None => {
            let here = Here::open()?;
            site::become_account(&here.site)?;
            (here.policy.policy()?, here.site.account_uid)
        }
    };
    let mut bench = Bench::new(&policy, account);
    if args.stdin { bench.answer_all(out) } else { bench.answer_one(args, out) }
}

/// A policy, and all that was worked out about it so far.
struct Bench<'p> {
    policy: &'p Policy,
    account: u32,
    scopes: Scopes<'p>,
    sources: Vec<Source>,
    answers: BTreeMap<UserName, Answers>,
    none: Answers,
}

/// An answer: what was decided, or why nothing could be.
enum Answered<'p> {
    Decided(Decision, Vec<&'p Entry>),
    Refused(Code, String),
}

impl<'p> Bench<'p> {
    fn new(policy: &'p Policy, account: u32) -> Self {
        // A further source that a ref asks for is evidence, not policy: taken as given.
        let sources =
            policy.settings.require.iter().map(|require| require.source.clone()).collect();
        Self {
            policy,
            account,
            scopes: Scopes::new(policy),
            sources,
            answers: BTreeMap::new(),
            none: Answers::new(),
        }
    }

    fn ask(
        &mut self,
        user: Option<&str>,
        repository: &[u8],
        question: &Question<'_>,
    ) -> Answered<'p> {
        let name = match user.map(UserName::parse) {
            None => None,
            Some(Ok(name)) => Some(name),
            Some(Err(error)) => return Answered::Refused(Code::UnknownUser, error.to_string()),
        };
        if name.is_none() && question.action != Action::Read {
            return Answered::Refused(
                Code::NoIdentity,
                "nobody can push without an identity".into(),
            );
        }
        let (scope, _) = match self.scopes.scope(name.as_ref(), repository, &self.sources) {
            Ok(found) => found,
            Err(error) => return Answered::Refused(error.code(), error.to_string()),
        };
        let known = name.as_ref().and_then(|name| self.answers.get(name)).unwrap_or(&self.none);
        let needs = decision::needs(&scope, question, known);
        if let (Some(name), false) = (&name, needs.lookups.is_empty()) {
            let answers = self.answers.entry(name.clone()).or_default();
            for group in needs.lookups {
                let answer = look_up(self.policy, name, &group, self.account);
                answers.insert(group, answer);
            }
        }
        let known = name.as_ref().and_then(|name| self.answers.get(name)).unwrap_or(&self.none);
        let decision = decision::decide(&scope, question, known);
        Answered::Decided(decision, self.scopes.entries(repository))
    }

    fn answer_all(&mut self, out: &Out) -> anyhow::Result<Exit> {
        let _ = out;
        let mut input = BufReader::new(std::io::stdin().lock());
        let mut output = std::io::BufWriter::new(std::io::stdout().lock());
        let (mut line, mut exit) = (Vec::new(), Exit::Done);
        loop {
            line.clear();
            if input.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let answer = self.answer_line(&line).unwrap_or_else(|words| {
                exit = Exit::Usage;
                json!({ "error": words })
            });
            serde_json::to_writer(&mut output, &answer)?;
            output.write_all(b"\n")?;
            if input.buffer().is_empty() {
                output.flush()?;
            }
        }
        output.flush()?;
        Ok(exit)
    }

    fn answer_line(&mut self, line: &[u8]) -> Result<Value, String> {
        let asked: Asked<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let action = Action::parse(&asked.action)
            .ok_or_else(|| format!("`{}` is not an action", asked.action))?;
        let now = match asked.time.as_deref() {
            None => clock::now().wall,
            Some(text) => DateTime::parse_from_rfc3339(text)
                .map_err(|error| format!("`time`: {error}"))?
                .to_utc(),
        };
        let changed: Option<Vec<ChangedPath>> =
            asked.paths.map(|paths| paths.into_iter().map(Into::into).collect());
        let reference = match (asked.reference.as_deref(), action) {
            (Some(name), _) => full_name(name),
            (None, Action::Read) => String::new(),
            (None, _) => return Err("`ref` is missing".into()),
        };
        let question = question(action, &reference, changed.as_deref(), now);
        let answered = self.ask(asked.user.as_deref(), asked.repository.as_bytes(), &question);
        Ok(self.short(&answered))
    }

    fn short(&self, answered: &Answered<'_>) -> Value {
        match answered {
            Answered::Refused(code, words) => {
                json!({ "verdict": "refused", "code": code.to_string(), "entry": null, "why": words })
            }
            Answered::Decided(decision, entries) => {
                let place = |at: Option<usize>| {
                    at.and_then(|at| entries.get(at)).map(|entry| self.place_json(entry))
                };
                match &decision.verdict {
                    Verdict::Allowed(allowed) => {
                        let warning =
                            allowed.warnings().first().map(|warning| warning.code.to_string());
                        let entry = place(allowed.permits().first().copied());
                        json!({ "verdict": "allowed", "code": null, "entry": entry, "would_refuse": warning })
                    }
                    Verdict::Refused(refused) => {
                        let entry = place(refused.reasons().next().and_then(|first| first.entry));
                        json!({ "verdict": "refused", "code": refused.code().to_string(), "entry": entry })
                    }
                }
            }
        }
    }

    fn place_json(&self, entry: &Entry) -> Value {
        let file = self.policy.files.get(usize::from(entry.place.file));
        json!({ "file": file, "line": entry.place.line })
    }

    fn place(&self, entry: &Entry) -> String {
        let file =
            self.policy.files.get(usize::from(entry.place.file)).map_or("policy", String::as_str);
        format!("{file}:{}", entry.place.line)
    }

    fn answer_one(&mut self, args: &Args, out: &Out) -> anyhow::Result<Exit> {
        let now = clock::now().wall;
        let at = args.at.as_deref().map(|text| when::parse(text, now)).transpose()?.unwrap_or(now);
        let action = args.action.as_deref().and_then(Action::parse);
        let action = action.ok_or_else(|| Failure::new(Exit::Usage, "--action is missing"))?;
        let reference = full_name(args.reference.as_deref().unwrap_or_default());
        let changed: Vec<ChangedPath> = args
            .paths
            .iter()
            .map(|path| ChangedPath { path: path.clone().into(), link: false })
            .collect();
        let known = (args.no_paths || !changed.is_empty()).then_some(changed.as_slice());
        let question = question(action, &reference, known, at);
        let repository = args.repository.clone().unwrap_or_default();
        let answered = self.ask(args.user.as_deref(), repository.as_bytes(), &question);
        if out.json {
            let mut value = self.short(&answered);
            if let (Value::Object(map), Answered::Decided(decision, entries)) =
                (&mut value, &answered)
            {
                map.insert("entries".into(), self.trace_json(decision, entries));
            }
            out.value(&value);
        } else {
            let user = args.user.as_deref().unwrap_or("somebody without an identity");
            out.line(format!(
                "{user}: {action} {reference} in {repository}, {}",
                at.format("%Y-%m-%d %H:%M:%S UTC")
            ));
            self.tell(&answered, out);
        }
        Ok(match answered {
            Answered::Decided(Decision { verdict: Verdict::Allowed(_), .. }, _) => Exit::Done,
            _ => Exit::Refused,
        })
    }

    fn trace_json(&self, decision: &Decision, entries: &[&Entry]) -> Value {
        let both = entries.iter().zip(&decision.trace);
        both.map(|(entry, outcome)| {
            json!({ "entry": self.place_json(entry), "kind": kind(entry), "outcome": words(outcome) })
        })
        .collect()
    }

    fn tell(&self, answered: &Answered<'_>, out: &Out) {
        let (decision, entries) = match answered {
            Answered::Refused(code, words) => {
                return out.line(format!("refused: {code} {}: {words}", code.title()));
            }
            Answered::Decided(decision, entries) => (decision, entries),
        };
        let by = |at: Option<usize>| {
            at.and_then(|at| entries.get(at)).map(|entry| format!(", by {}", self.place(entry)))
        };
        match &decision.verdict {
            Verdict::Allowed(allowed) => {
                out.line(format!(
                    "allowed{}",
                    by(allowed.permits().first().copied()).unwrap_or_default()
                ));
                for warning in allowed.warnings() {
                    let by = by(warning.entry).unwrap_or_default();
                    out.line(format!(
                        "  warn-only, else refused: {} {}{by}",
                        warning.code,
                        warning.code.title()
                    ));
                }
            }
            Verdict::Refused(refused) => {
                for reason in refused.reasons() {
                    let by = by(reason.entry).unwrap_or_default();
                    out.line(format!("refused: {} {}{by}", reason.code, reason.code.title()));
                }
            }
        }
        out.line("entries considered:");
        for (entry, outcome) in entries.iter().zip(&decision.trace) {
            let what = format!("{:20} {:7} {}", self.place(entry), kind(entry), entry.permissions);
            out.line(format!("  {what:52} {}", words(outcome)));
        }
    }
}

/// A branch's name made full.
#[must_use]
pub fn full_name(name: &str) -> String {
    if name.starts_with("refs/") || name.is_empty() {
        name.to_owned()
    } else {
        format!("refs/heads/{name}")
    }
}

fn question<'a>(
    action: Action,
    name: &'a str,
    changed: Option<&'a [ChangedPath]>,
    now: DateTime<Utc>,
) -> Question<'a> {
    let paths = match (action, changed) {
        (Action::Read | Action::Delete, _) => Paths::None,
        (_, None) => Paths::Unknown,
        (_, Some(changed)) => Paths::Known(changed),
    };
    // `explain` uses the ends as they are written.
    Question {
        action,
        name: name.as_bytes(),
        paths,
        now,
        margin: Duration::zero(),
        horizon: Duration::zero(),
    }
}

fn look_up(
    policy: &Policy,
    user: &UserName,
    group: &GroupName,
    account: u32,
) -> Result<bool, String> {
    let Some(Group::Lookup(lookup)) = policy.groups.get(group) else {
        return Err("it is not a looked-up group".into());
    };
    let unix = policy.users.get(user).and_then(|user| user.unix.as_deref());
    groups::member(lookup, user, unix, account)
}

fn kind(entry: &Entry) -> &'static str {
    match entry.kind {
        Kind::Permit => "permit",
        Kind::Forbid => "forbid",
        Kind::Grant(_) => "grant",
    }
}

/// Why an entry speaks or not.
#[must_use]
pub fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applies => "applies".into(),
        Outcome::OtherAction => "about other actions".into(),
        Outcome::OtherPeople => "about other people".into(),
        Outcome::Excepted(holder) => format!("excepts {holder}"),
        Outcome::OtherRefs => "about other refs".into(),
        Outcome::NoPaths => "about changed paths, and a deletion has none".into(),
        Outcome::NotNow => "not at this time".into(),
        Outcome::Ended => "has ended".into(),
        Outcome::Unasked(_) => "depends on a group that nobody looked up".into(),
        Outcome::LookupFailed(group, why) => format!("@{group} could not be looked up: {why}"),
        Outcome::Broken(broken) => broken.to_string(),
    }
}
