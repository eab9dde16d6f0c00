//! One answer, for a person or as one JSON value with the whole trace.

use super::Args;
use super::bench::{Answered, Bench, Governing};
use super::words::{full_name, kind, paths_of, question, words};
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::cli::{Failure, when};
use crate::code::Code;
use crate::decision::{Decision, Outcome, Paths, Question, Verdict};
use crate::os::clock;
use crate::policy::checks::Rule;
use crate::policy::entry::{Enforce, Entry, Kind};
use crate::policy::model::Entitlement;
use crate::policy::name::EntitlementName;
use crate::policy::refs::ChangedPath;
use crate::policy::spoken::{self, sentence};
use crate::policy::zone;
use crate::push::{Action, IssueKey};
use serde_json::{Value, json};

impl<'p> Bench<'p> {
    pub(super) fn answer_one(&mut self, args: &Args, out: &Out) -> anyhow::Result<Exit> {
        let now = clock::now().wall;
        let at = args.at.as_deref().map(|text| when::parse(text, now)).transpose()?.unwrap_or(now);
        let action = args.action.as_deref().and_then(Action::parse);
        let action = action.ok_or_else(|| Failure::new(Exit::Usage, "--action is missing"))?;
        let reference = full_name(args.reference.as_deref().unwrap_or_default());
        let of = |paths: &[String], link: bool| -> Vec<ChangedPath> {
            paths.iter().map(|path| ChangedPath { path: path.clone().into(), link }).collect()
        };
        let changed = [of(&args.paths, false), of(&args.links, true)].concat();
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
        let refused = matches!(
            &answered,
            Answered::Decided(Decision { verdict: Verdict::Refused(_), .. }, _)
        );
        let fitting = match refused {
            true => self.fitting(args.user.as_deref(), repository.as_bytes(), &question),
            false => Vec::new(),
        };
        let checks = self.checks(args.user.as_deref(), repository.as_bytes(), &question);
        let issue = match args.issue.as_deref().map(IssueKey::parse).transpose() {
            Err(error) => return Err(Failure::new(Exit::Usage, format!("--issue: {error}")).into()),
            Ok(key) => key.map(|key| {
                self.issue_lines(&key, args.user.as_deref(), repository.as_bytes(), &reference)
            }),
        };
        match out.json {
            true => {
                let mut value = self.value(&answered, &fitting, &checks);
                if let (Value::Object(map), Some(lines)) = (&mut value, issue) {
                    map.insert("issue".into(), json!(lines));
                }
                out.value(&value);
            }
            false => {
                let user = args.user.as_deref().unwrap_or("somebody without an identity");
                let space = if reference.is_empty() { "" } else { " " };
                let time = zone::told(at, self.policy.settings.timezone);
                out.line(format!("{user}: {action}{space}{reference} in {repository}, {time}"));
                self.tell(&question, &answered, out);
                self.tell_checks(&checks, out);
                issue.iter().flatten().for_each(|line| out.line(line.clone()));
                for (name, entitlement) in fitting {
                    out.line(format!("could be asked for: {}", sentence(name, entitlement)));
                }
            }
        }
        Ok(match answered {
            Answered::Decided(Decision { verdict: Verdict::Allowed(_), .. }, _) => Exit::Done,
            _ => Exit::Refused,
        })
    }

    fn value(
        &self,
        answered: &Answered<'_>,
        fitting: &[(&EntitlementName, &Entitlement)],
        checks: &[Governing<'_>],
    ) -> Value {
        let mut value = json!(self.short(answered));
        if let (Value::Object(map), Answered::Decided(decision, entries)) = (&mut value, answered) {
            map.insert("entries".into(), self.trace_json(decision, entries));
            let names: Vec<&str> = fitting.iter().map(|(name, _)| name.as_str()).collect();
            map.insert("could_ask_for".into(), json!(names));
            let checks: Vec<Value> = checks.iter().map(|one| self.check_json(one)).collect();
            map.insert("checks".into(), json!(checks));
        }
        value
    }

    fn check_json(&self, one: &Governing<'_>) -> Value {
        let asked: Vec<&str> = one.asked.iter().map(|name| name.as_str()).collect();
        let past: Vec<_> = one.past.iter().map(|entry| self.spot(entry)).collect();
        json!({
            "name": one.check.name,
            "asks_for": one.check.rules.iter().map(Rule::key).collect::<Vec<_>>(),
            "warn_only": one.check.enforce == Enforce::Warn,
            "lifted_by": one.lifted.map(|entry| self.spot(entry)),
            "bypass": past,
            "bypass_by_asking": asked,
        })
    }

    /// Which checks look at what the push brings, and who may go past them.
    fn tell_checks(&self, checks: &[Governing<'_>], out: &Out) {
        if !checks.is_empty() {
            out.line("checks on what it brings:");
        }
        for one in checks {
            let lifted = one.lifted.map(|entry| format!("lifted by {}", self.place(entry)));
            let file = self.policy.files.get(usize::from(one.check.place.file));
            let file = file.map_or("policy", String::as_str);
            let place = format!("{file}:{}", one.check.place.line);
            let state = lifted.unwrap_or_else(|| "is asked".into());
            out.line(format!("  {place:20} {}; {state}", spoken::check(one.check)));
            for entry in &one.past {
                let to = entry.to.iter().flatten().map(ToString::to_string).collect::<Vec<_>>();
                let place = self.place(entry);
                out.line(format!("    {} may go past it, {place}", to.join(", ")));
            }
            for name in &one.asked {
                out.line(format!("    going past it can be asked for: entitlement {name}"));
            }
        }
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

    fn place(&self, entry: &Entry) -> String {
        match &entry.kind {
            Kind::Lock(id) => return format!("lock {id}"),
            Kind::Lent(id) => return format!("grant {id}"),
            _ => {}
        }
        let file =
            self.policy.files.get(usize::from(entry.place.file)).map_or("policy", String::as_str);
        format!("{file}:{}", entry.place.line)
    }
}
