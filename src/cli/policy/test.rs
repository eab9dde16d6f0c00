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
use crate::decision::bypass::{self, Lift};
use crate::decision::{self, Decision, Paths, Question, Scope, Verdict};
use crate::os::{clock, files};
use crate::policy::cases::{self, Case, Expect, MAX_BYTES};
use crate::policy::checks::Check;
use crate::policy::entry::{Entry, Holder};
use crate::policy::members::{Answers, Ask, Held, lookups_of};
use crate::policy::model::Policy;
use crate::policy::name::{ProjectName, UserName};
use crate::policy::scope::Scopes;
use crate::push::Action;
use crate::pusher::Source;
use chrono::{DateTime, Duration, Utc};
use clap::ValueEnum;
use std::collections::BTreeSet;
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
    /// The checks that are run on what such a push brings, by name.
    checks: BTreeSet<String>,
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
        self.answer.verdict == self.case.expect
            && (code.is_none() || code == self.answer.code)
            && self.case.checks.as_ref().is_none_or(|checks| *checks == self.answer.checks)
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
            checks: BTreeSet::new(),
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
            Ok((scope, project)) => {
                let question = question(case, self.now);
                let mut said = Said::of(self.policy, case, user.as_ref());
                let needs = |answers: &Answers| decision::needs(&scope, &question, answers).lookups;
                said.settle(&needs);
                let decision = decision::decide(&scope, &question, &said.answers);
                let checks = match &decision.verdict {
                    Verdict::Refused(_) => BTreeSet::new(),
                    Verdict::Allowed(_) => {
                        looked_at(self.policy, project, (&scope, &question), &mut said)
                    }
                };
                let answers = said.answers;
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
                answered(decision, checks, considered.collect())
            }
        }
    }
}

/// What a case says of memberships that are looked up elsewhere.
struct Said<'a> {
    policy: &'a Policy,
    case: &'a Case,
    user: Option<&'a UserName>,
    answers: Answers,
}

impl<'a> Said<'a> {
    fn of(policy: &'a Policy, case: &'a Case, user: Option<&'a UserName>) -> Self {
        let mut said = Self { policy, case, user, answers: Answers::new() };
        let groups = lookups_of(&policy.groups).into_values().flatten();
        groups.for_each(|group| said.add(group.into()));
        said
    }

    fn add(&mut self, ask: Ask) {
        let answer = self.answer(&ask);
        self.answers.insert(ask, Ok(answer));
    }

    /// Answers what is asked, until nothing is.
    fn settle(&mut self, asked: &dyn Fn(&Answers) -> BTreeSet<Ask>) {
        loop {
            let asks = asked(&self.answers);
            if asks.is_empty() {
                return;
            }
            asks.into_iter().for_each(|ask| self.add(ask));
        }
    }

    /// As hooks would be told: Jira names nobody whose account there the policy does not have.
    fn answer(&self, ask: &Ask) -> bool {
        let known = self.user.and_then(|user| self.policy.users.get(user));
        let in_jira = self.policy.settings.jira.is_some()
            && known.is_some_and(|declared| declared.jira.is_some());
        match ask {
            Ask::Group(group) => self.case.looked_up.contains(group),
            Ask::Role(role, _) => in_jira && self.case.jira_roles.contains(&**role),
            Ask::Lead(_) => false,
            Ask::Issue(key, holder) => {
                let mut issues = self.case.issues.iter().filter(|issue| issue.key == *key);
                let user = self.user.filter(|_| in_jira);
                user.is_some_and(|user| issues.any(|issue| issue.names(holder, user)))
            }
        }
    }
}

/// The checks that govern the ref and that nothing lifts for the person: what is pushed would be looked
/// at by them.
fn looked_at(
    policy: &Policy,
    project: &ProjectName,
    (scope, question): (&Scope<'_>, &Question<'_>),
    said: &mut Said<'_>,
) -> BTreeSet<String> {
    if matches!(question.action, Action::Read | Action::Delete) {
        return BTreeSet::new();
    }
    let repository = said.case.repository.as_bytes();
    let governs = |check: &&Check| {
        check.applies(project, repository) == Ok(true)
            && check.refs.forbids(question.name, None) == Ok(true)
    };
    let mut found = BTreeSet::new();
    for check in policy.checks.iter().filter(governs) {
        let lifts = |answers: &Answers| bypass::lifts(scope, question, answers, &check.name);
        said.settle(&|answers| match lifts(answers) {
            Lift::Unasked(asks) => asks,
            _ => BTreeSet::new(),
        });
        if !matches!(lifts(&said.answers), Lift::By(..)) {
            found.insert(check.name.to_string());
        }
    }
    found
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

fn answered(
    decision: Decision,
    checks: BTreeSet<String>,
    entries: Vec<Considered<'_>>,
) -> Answer<'_> {
    let (verdict, code) = match &decision.verdict {
        Verdict::Refused(refused) => (Expect::Refused, Some(refused.code())),
        Verdict::Allowed(allowed) => match allowed.warnings().first() {
            Some(warning) => (Expect::WouldRefuse, Some(warning.code)),
            None => (Expect::Allowed, None),
        },
    };
    Answer { verdict, code, checks, why: Ok((decision, entries)) }
}
