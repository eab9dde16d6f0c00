//! Questions and answers as JSON lines.

use super::bench::{Answered, Bench};
use super::words::{full_name, question};
use crate::cli::exit::Exit;
use crate::cli::out::json_line;
use crate::code::Code;
use crate::decision::Verdict;
use crate::os::clock;
use crate::policy::entry::{Entry, Kind};
use crate::policy::model::Policy;
use crate::policy::refs::ChangedPath;
use crate::push::Action;
use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::borrow::Cow;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};

/// An answer as JSON, written as it is: there may be very many.
#[derive(Debug, Serialize)]
pub(super) struct Short<'a> {
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

/// Where an entry is written, or which record of the store it is.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Spot<'a> {
    Written { file: Option<&'a str>, line: u32 },
    Lock { lock: &'a str },
    Grant { grant: &'a str },
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

impl<'p> Bench<'p> {
    pub(super) fn answer_all(
        &mut self,
        input: impl Read,
        output: impl Write,
    ) -> std::io::Result<Exit> {
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

    pub(super) fn short<'a>(&'a self, answered: &'a Answered<'_>) -> Short<'a> {
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

    pub(super) fn spot<'a>(&'a self, entry: &'a Entry) -> Spot<'a> {
        match &entry.kind {
            Kind::Lock(id) => return Spot::Lock { lock: id },
            Kind::Lent(id) => return Spot::Grant { grant: id },
            _ => {}
        }
        let file = self.policy.files.get(usize::from(entry.place.file)).map(String::as_str);
        Spot::Written { file, line: entry.place.line }
    }
}
