//! `refwarden policy explain`: a verdict without a push, and why.
//!
//! The same decision function as at a push, over the applied policy or any file. With `--stdin` it
//! answers JSON lines, as fast as they come.

use super::exit::Exit;
use super::out::{Out, json_line};
use super::policy as policy_verb;
use super::site::{self, Here};
use super::{Failure, when};
use crate::code::Code;
use crate::decision::{self, Decision, Outcome, Paths, Question, Verdict, Why};
use crate::os::{clock, groups};
use crate::policy::entry::{Entry, Kind};
use crate::policy::members::Answers;
use crate::policy::model::{Group, Policy};
use crate::policy::name::{GroupName, UserName};
use crate::policy::refs::ChangedPath;
use crate::policy::scope::Scopes;
use crate::push::Action;
use crate::pusher::Source;
use crate::text::Safe;
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::PathBuf;

/// Arguments of `policy explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The user; without it, somebody without an identity.
    #[arg(long = "as", value_name = "USER")]
    user: Option<String>,
    /// The repository's name: its path below the site's root, without `.git`.
    #[arg(long, value_name = "NAME", required_unless_present = "stdin")]
    repository: Option<String>,
    /// What is done.
    #[arg(long, required_unless_present = "stdin", value_parser = ["read", "create", "update", "force", "delete"])]
    action: Option<String>,
    /// To which ref: a full name, or a branch.
    #[arg(long = "ref", value_name = "REF", required_if_eq_any = [("action", "create"), ("action", "update"), ("action", "force"), ("action", "delete")])]
    reference: Option<String>,
    /// A path that it changes; may be given often. Without any the paths count as unknown: then
    /// permits with paths do not match, and forbids with paths do.
    #[arg(long = "path", value_name = "PATH")]
    paths: Vec<String>,
    /// It changes no path at all.
    #[arg(long, conflicts_with = "paths")]
    no_paths: bool,
    /// At another time than now: 2026-11-22T10:00:00Z, or 30d, 12h, 15m for so long ago.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Ask this file instead of the applied policy; needs no installation.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Read questions as JSON lines {user, repository, action, ref, paths?, time?}, answer one a line;
    /// `ref` is a full name, or a branch. Exit code 2 when a line was no question.
    #[arg(long, conflicts_with_all = ["user", "repository", "action", "reference", "paths", "at"])]
    stdin: bool,
}

/// An answer as JSON, written as it is: there may be very many.
#[derive(Debug, Serialize)]
struct Short<'a> {
    code: Option<Shown>,
    entry: Option<Spot<'a>>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    /// The code of a warning, `null` without one; only where the verdict is a yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    would_refuse: Option<Option<Shown>>,
}

impl<'a> Short<'a> {
    fn refused(code: Code, entry: Option<Spot<'a>>) -> Self {
        let code = Some(Shown(code));
        Self { code, entry, verdict: "refused", why: None, would_refuse: None }
    }
}

/// Where an entry is written.
#[derive(Debug, Serialize)]
struct Spot<'a> {
    file: Option<&'a str>,
    line: u32,
}

/// A code as people read it.
#[derive(Debug)]
struct Shown(Code);

impl Serialize for Shown {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
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
    if args.stdin {
        Ok(bench.answer_all(std::io::stdin().lock(), std::io::stdout().lock())?)
    } else {
        bench.answer_one(args, out)
    }
}

/// Answers questions about `policy` as `--stdin` does, one JSON line each; looked-up groups are
/// asked for as `account`.
///
/// # Errors
/// Reading or writing failed; a question that is none is answered as such.
pub fn answer_lines(
    policy: &Policy,
    account: u32,
    input: impl Read,
    output: impl Write,
) -> std::io::Result<Exit> {
    Bench::new(policy, account).answer_all(input, output)
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
        let decision = match (decision::decide_or_ask(&scope, question, known), &name) {
            (Ok(decision), _) => decision,
            (Err(_), None) => decision::decide(&scope, question, known),
            (Err(groups), Some(name)) => {
                let answers = self.answers.entry(name.clone()).or_default();
                for group in groups {
                    let answer = look_up(self.policy, name, &group, self.account);
                    answers.insert(group, answer);
                }
                decision::decide(&scope, question, answers)
            }
        };
        Answered::Decided(decision, self.scopes.entries(repository))
    }

    fn answer_all(&mut self, input: impl Read, output: impl Write) -> std::io::Result<Exit> {
        let (mut input, mut output) = (BufReader::new(input), BufWriter::new(output));
        let (mut line, mut exit, mut number) = (Vec::new(), Exit::Done, 0_u64);
        loop {
            line.clear();
            number += 1;
            if input.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let answer = match self.answered(&line) {
                Ok(answered) => json_line(&self.short(&answered)),
                Err(words) => {
                    exit = Exit::Usage;
                    json_line(&json!({ "error": words, "line": number }))
                }
            };
            writeln!(output, "{answer}")?;
            if input.buffer().is_empty() {
                output.flush()?;
            }
        }
        output.flush()?;
        Ok(exit)
    }

    fn answered(&mut self, line: &[u8]) -> Result<Answered<'p>, String> {
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
            (None | Some(""), Action::Read) => String::new(),
            (None | Some(""), _) => return Err("`ref` is missing".into()),
            (Some(name), _) => full_name(name),
        };
        let question = question(action, &reference, changed.as_deref(), now);
        Ok(self.ask(asked.user.as_deref(), asked.repository.as_bytes(), &question))
    }

    fn short<'a>(&'a self, answered: &'a Answered<'_>) -> Short<'a> {
        match answered {
            Answered::Refused(code, words) => {
                let why = Some(words.as_str());
                Short { why, ..Short::refused(*code, None) }
            }
            Answered::Decided(decision, entries) => {
                let spot = |at: Option<usize>| {
                    at.and_then(|at| entries.get(at)).map(|entry| self.spot(entry))
                };
                match &decision.verdict {
                    Verdict::Allowed(allowed) => Short {
                        code: None,
                        entry: spot(allowed.permits().first().copied()),
                        verdict: "allowed",
                        why: None,
                        would_refuse: Some(allowed.warnings().first().map(|one| Shown(one.code))),
                    },
                    Verdict::Refused(refused) => {
                        let entry = refused.reasons().next().and_then(|first| first.entry);
                        Short::refused(refused.code(), spot(entry))
                    }
                }
            }
        }
    }

    fn spot(&self, entry: &Entry) -> Spot<'_> {
        let file = self.policy.files.get(usize::from(entry.place.file)).map(String::as_str);
        Spot { file, line: entry.place.line }
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
        if reference.is_empty() && action != Action::Read {
            return Err(Failure::new(Exit::Usage, "--ref is empty").into());
        }
        let repository = args.repository.clone().unwrap_or_default();
        if let Some(name) = repository.strip_suffix(".git") {
            let words =
                format!("names of repositories end without `.git`: try --repository {name}");
            return Err(Failure::new(Exit::Usage, words).into());
        }
        let answered = self.ask(args.user.as_deref(), repository.as_bytes(), &question);
        if out.json {
            let mut value = json!(self.short(&answered));
            if let (Value::Object(map), Answered::Decided(decision, entries)) =
                (&mut value, &answered)
            {
                map.insert("entries".into(), self.trace_json(decision, entries));
            }
            out.value(&value);
        } else {
            let user = args.user.as_deref().unwrap_or("somebody without an identity");
            let reference =
                if reference.is_empty() { String::new() } else { format!(" {reference}") };
            out.line(format!(
                "{user}: {action}{reference} in {repository}, {}",
                at.format("%Y-%m-%d %H:%M:%S UTC")
            ));
            self.tell(&question, &answered, out);
        }
        Ok(match answered {
            Answered::Decided(Decision { verdict: Verdict::Allowed(_), .. }, _) => Exit::Done,
            _ => Exit::Refused,
        })
    }

    fn trace_json(&self, decision: &Decision, entries: &[&Entry]) -> Value {
        let both = entries.iter().zip(&decision.trace);
        both.map(|(entry, outcome)| {
            json!({ "entry": self.spot(entry), "kind": kind(entry), "outcome": words(outcome) })
        })
        .collect()
    }

    fn tell(&self, question: &Question<'_>, answered: &Answered<'_>, out: &Out) {
        let (decision, entries) = match answered {
            Answered::Refused(code, words) => {
                let why = if *code == Code::NoProject {
                    "names are paths below the site's root, without `.git`"
                } else {
                    words.as_str()
                };
                return out.line(format!("refused: {code} {}: {why}", code.title()));
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
                    let why = paths_of(&reason.why).unwrap_or_default();
                    out.line(format!("refused: {} {}{by}{why}", reason.code, reason.code.title()));
                }
            }
        }
        let (mut blind, unknown) = (false, question.paths == Paths::Unknown);
        out.line("entries considered:");
        for (entry, outcome) in entries.iter().zip(&decision.trace) {
            let what = format!("{:20} {:7} {}", self.place(entry), kind(entry), entry.permissions);
            let paths = entry.paths.as_ref().filter(|_| *outcome == Outcome::Applies);
            blind |= unknown && paths.is_some();
            let about = paths.map_or_else(String::new, |paths| format!(" to {paths}"));
            out.line(format!("  {what:52} {}{about}", words(outcome)));
        }
        if blind {
            out.line("the changed paths are unknown: say them with --path, or --no-paths");
        }
    }
}

/// The paths that a refusal is about.
fn paths_of(why: &Why) -> Option<String> {
    let (word, first, count) = match why {
        Why::PathsForbidden(first, count) => ("it covers", first, count),
        Why::PathsUncovered(first, count) => ("no permit covers", first, count),
        _ => return None,
    };
    let names: Vec<String> =
        first.iter().map(|path| Safe::new(path, 200).as_str().to_owned()).collect();
    let more = count.saturating_sub(first.len());
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    Some(format!(": {word} {}{more}", names.join(", ")))
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
