//! `refwarden policy test`: cases with expected answers, asked of a policy.
//!
//! Knows how a case is asked and what is told of it; the files' form is [`crate::policy::cases`]'s.
//! Nothing outside is asked: which looked-up groups have somebody is said in the case.

mod told;

use super::which::{self, Which};
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::cli::site;
use crate::code::Code;
use crate::decision::{self, Decision, Paths, Question, Verdict};
use crate::os::{clock, files};
use crate::policy::cases::{self, Case, Expect, MAX_BYTES};
use crate::policy::entry::{Entry, Holder};
use crate::policy::members::{Answers, Held, lookups_of};
use crate::policy::model::Policy;
use crate::policy::name::{GroupName, UserName};
use crate::policy::scope::Scopes;
use crate::push::Action;
use crate::pusher::Source;
use chrono::{DateTime, Duration, Utc};
use clap::ValueEnum;
use std::path::{Path, PathBuf};

/// The name of the test file where none is given.
const BESIDE: &str = "policy-tests.toml";

/// Arguments of `policy test`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files with cases; without any, `policy-tests.toml` beside the policy.
    files: Vec<PathBuf>,
    /// Ask this file instead of the applied policy; needs no installation.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// `text`: what failed, and why; `junit`: XML for a build server.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for people.
    Text,
    /// JUnit's XML.
    Junit,
}

/// A case, its file, and what came of it.
struct Tested<'a> {
    file: &'a str,
    case: &'a Case,
    answer: Answer<'a>,
}

/// What was answered.
struct Answer<'a> {
    verdict: Expect,
    code: Option<Code>,
    /// The decision and its entries, or why nothing could be decided.
    why: Result<(Decision, Vec<Considered<'a>>), String>,
}

/// An entry, and whether it is about the person.
struct Considered<'a> {
    entry: &'a Entry,
    meant: bool,
}

impl Tested<'_> {
    fn passed(&self) -> bool {
        let code = self.case.code;
        self.answer.verdict == self.case.expect && (code.is_none() || code == self.answer.code)
    }
}

/// Runs the verb: exit code 1 when a case fails.
///
/// # Errors
/// A test file that is none (exit code 2) or not there (6), or no such policy.
pub fn run(args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let read = test_files(args)?;
    let which = args.policy.clone().map_or(Which::Applied, Which::File);
    let policy = which::open(&which, out)?;
    let mut asker = Asker::new(&policy);
    let mut tested = Vec::new();
    for (file, cases) in &read {
        for case in cases {
            tested.push(Tested { file, case, answer: asker.ask(case) });
        }
    }
    told::tell(&tested, &policy, args, out);
    let failed = tested.iter().any(|one| !one.passed());
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// Every test file with its cases; read before root becomes the hosting account.
fn test_files(args: &Args) -> anyhow::Result<Vec<(String, Vec<Case>)>> {
    let beside = |policy: &Path| policy.with_file_name(BESIDE);
    let paths = match (&args.policy, args.files.as_slice()) {
        (Some(policy), []) => vec![beside(policy)],
        (None, []) => vec![beside(&site::find()?.policy)],
        (_, files) => files.to_vec(),
    };
    let (mut all, mut wrong) = (Vec::new(), Vec::new());
    for path in paths {
        let name = path.display().to_string();
        let bytes = files::read_limited(&path, MAX_BYTES).map_err(|error| {
            let exit = if error.is_absent() { Exit::NotFound } else { Exit::Failed };
            Failure::new(exit, error.to_string())
        })?;
        match String::from_utf8(bytes).map_err(|_| format!("{name}: not UTF-8")) {
            Ok(text) => match cases::parse(&text) {
                Ok(cases) => all.push((name, cases)),
                Err(problems) => wrong.extend(problems.iter().map(|one| format!("{name}:{one}"))),
            },
            Err(words) => wrong.push(words),
        }
    }
    if wrong.is_empty() {
        return Ok(all);
    }
    Err(Failure::new(Exit::Usage, wrong.join("\n")).into())
}

/// Asks cases about one policy.
struct Asker<'p> {
    policy: &'p Policy,
    scopes: Scopes<'p>,
    sources: Vec<Source>,
    now: DateTime<Utc>,
}

impl<'p> Asker<'p> {
    fn new(policy: &'p Policy) -> Self {
        let sources = policy.settings.require.iter().map(|one| one.source.clone()).collect();
        Self { policy, scopes: Scopes::new(policy), sources, now: clock::now().wall }
    }

    fn ask(&mut self, case: &Case) -> Answer<'p> {
        let none = |code, words: String| Answer {
            verdict: Expect::Refused,
            code: Some(code),
            why: Err(words),
        };
        let user = match case.who.as_deref().map(UserName::parse).transpose() {
            Ok(user) => user,
            Err(error) => return none(Code::UnknownUser, error.to_string()),
        };
        if user.is_none() && case.action != Action::Read {
            return none(Code::NoIdentity, "nobody can push without an identity".into());
        }
        let sources = case.evidence.as_ref().unwrap_or(&self.sources);
        let scope = self.scopes.scope(user.as_ref(), case.repository.as_bytes(), sources);
        match scope {
            Err(error) => none(error.code(), error.to_string()),
            Ok((scope, _)) => {
                let answers = answers(self.policy, case);
                let decision = decision::decide(&scope, &question(case, self.now), &answers);
                let among = |holders: &[Holder]| {
                    matches!(scope.standing.among(holders, &answers), Held::Yes(_))
                };
                let meant: Vec<bool> = scope
                    .entries
                    .iter()
                    .map(|entry| entry.to.as_deref().is_none_or(among) && !among(&entry.except))
                    .collect();
                drop(scope);
                let entries = self.scopes.entries(case.repository.as_bytes()).into_iter();
                let considered = entries.zip(meant);
                let considered = considered.map(|(entry, meant)| Considered { entry, meant });
                answered(decision, considered.collect())
            }
        }
    }
}

fn answers(policy: &Policy, case: &Case) -> Answers {
    let asked = lookups_of(&policy.groups).into_values().flatten();
    let answer = |group: GroupName| {
        let member = case.looked_up.contains(&group);
        (group.into(), Ok(member))
    };
    asked.map(answer).collect()
}

/// Ends count as they are written, as in `explain`.
fn question(case: &Case, now: DateTime<Utc>) -> Question<'_> {
    let paths = match (case.action, &case.paths) {
        (Action::Read | Action::Delete, _) => Paths::None,
        (_, None) => Paths::Unknown,
        (_, Some(paths)) => Paths::Known(paths),
    };
    Question {
        action: case.action,
        name: case.reference.as_bytes(),
        paths,
        now: case.when.unwrap_or(now),
        margin: Duration::zero(),
        horizon: Duration::zero(),
    }
}

fn answered(decision: Decision, entries: Vec<Considered<'_>>) -> Answer<'_> {
    let (verdict, code) = match &decision.verdict {
        Verdict::Refused(refused) => (Expect::Refused, Some(refused.code())),
        Verdict::Allowed(allowed) => match allowed.warnings().first() {
            Some(warning) => (Expect::WouldRefuse, Some(warning.code)),
            None => (Expect::Allowed, None),
        },
    };
    Answer { verdict, code, why: Ok((decision, entries)) }
}
