//! What came of the cases: for people, as JSON, as JUnit's XML.
//!
//! Of a failure: its file and line, what was answered and by which entry, the entries that come near,
//! and the command that explains it whole.

use super::{Answer, Args, Considered, Format, Tested};
use crate::cli::explain::words;
use crate::cli::out::{Out, counted};
use crate::decision::{Outcome, Verdict};
use crate::policy::cases::{Case, Expect};
use crate::policy::entry::Entry;
use crate::policy::model::Policy;
use crate::policy::spoken::refs;
use crate::push::Action;
use crate::text::{Safe, shell};
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Most entries that are told of a failure.
const ENTRIES: usize = 8;

pub(super) fn tell(tested: &[Tested<'_>], policy: &Policy, args: &Args, out: &Out) {
    match args.format {
        Format::Junit => out.line(junit(tested, policy, args).trim_end()),
        Format::Text if out.json => {
            tested.iter().for_each(|one| out.value(&value(one, policy, args)))
        }
        Format::Text => {
            let failed: Vec<_> = tested.iter().filter(|one| !one.passed()).collect();
            for one in &failed {
                out.line(head(one));
                why(one, policy, args).iter().for_each(|line| out.line(format!("  {line}")));
            }
            let cases = counted(tested.len(), "case", "cases");
            match failed.len() {
                0 => out.line(format!("{cases}, all as expected")),
                count => out.line(format!("{cases}, {count} not as expected")),
            }
        }
    }
}

fn head(one: &Tested<'_>) -> String {
    let name = Safe::new(one.case.name.as_bytes(), 300);
    let file = Safe::new(one.file.as_bytes(), 300);
    format!("{file}:{}: {name}: {}", one.case.line, difference(one))
}

fn difference(one: &Tested<'_>) -> String {
    let answer = |verdict: Expect, code: Option<crate::code::Code>| match code {
        Some(code) => format!("{} {code}", verdict.as_str()),
        None => verdict.as_str().to_owned(),
    };
    let Answer { verdict, code, .. } = &one.answer;
    let expected = answer(one.case.expect, one.case.code);
    let (wanted, run) = (&one.case.checks, &one.answer.checks);
    let words = format!("expected {expected}, is {}", answer(*verdict, *code));
    match wanted.as_ref().filter(|wanted| *wanted != run) {
        None => words,
        Some(wanted) => format!("{words}; expected {}, run are {}", checks(wanted), checks(run)),
    }
}

/// `the checks key, subject`
fn checks(names: &BTreeSet<String>) -> String {
    if names.is_empty() {
        return "no checks".into();
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    format!("the checks {}", Safe::new(names.join(", ").as_bytes(), 500))
}

/// Why it was answered so, one fact a line.
fn why(one: &Tested<'_>, policy: &Policy, args: &Args) -> Vec<String> {
    let (decision, entries) = match &one.answer.why {
        Ok(both) => both,
        Err(words) => return vec![Safe::new(words.as_bytes(), 300).to_string()],
    };
    let mut lines = Vec::new();
    let by =
        |at: Option<usize>| at.and_then(|at| entries.get(at)).map(|one| place(policy, one.entry));
    match &decision.verdict {
        Verdict::Allowed(allowed) => {
            lines.extend(
                allowed
                    .permits()
                    .iter()
                    .filter_map(|at| by(Some(*at)))
                    .map(|by| format!("allowed by {by}")),
            );
            lines.extend(allowed.warnings().iter().map(|one| {
                let by = by(one.entry).map(|by| format!(" by {by}")).unwrap_or_default();
                format!("only a warning: {} {}{by}", one.code, one.code.title())
            }));
        }
        Verdict::Refused(refused) => lines.extend(refused.reasons().map(|one| {
            let by = by(one.entry).map(|by| format!(" by {by}")).unwrap_or_default();
            format!("refused: {} {}{by}", one.code, one.code.title())
        })),
    }
    let allowed = matches!(decision.verdict, Verdict::Allowed(_));
    let traced = || entries.iter().zip(&decision.trace);
    let about_it = traced().filter(|(_, outcome)| is_near(outcome));
    let near = about_it.chain(traced().filter(|(one, outcome)| is_beside(one, outcome, allowed)));
    let near: Vec<String> = near.map(|(one, outcome)| told(one.entry, outcome, policy)).collect();
    lines.extend(near.iter().take(ENTRIES).cloned());
    let left = entries.len() - near.len().min(ENTRIES);
    lines.extend((left > 0).then(|| format!("and {} more", counted(left, "entry", "entries"))));
    lines.push(format!("all of it: {}", command(one.case, args)));
    let asked = elsewhere(one.case);
    if !asked.is_empty() {
        let words = "that command asks the host and Jira, and does not know the case's";
        lines.push(format!("{words} {}", asked.join(", ")));
    }
    lines
}

/// Keys of the case for which `explain` has no words.
fn elsewhere(case: &Case) -> Vec<&'static str> {
    let keys = [
        ("`looked-up`", !case.looked_up.is_empty()),
        ("`jira-roles`", !case.jira_roles.is_empty()),
        ("`issue`", !case.issues.is_empty()),
        ("`evidence`", case.evidence.is_some()),
    ];
    keys.into_iter().filter(|(_, has)| *has).map(|(key, _)| key).collect()
}

/// Whether an entry is, or nearly is, about the question.
fn is_near(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::OtherAction | Outcome::OtherPeople | Outcome::OtherRefs)
}

/// Whether an entry would have answered otherwise, were it about the ref.
fn is_beside(one: &Considered<'_>, outcome: &Outcome, allowed: bool) -> bool {
    *outcome == Outcome::OtherRefs && one.meant && one.entry.is_forbid() == allowed
}

/// `policy.toml:31 permit push on users/${user}/**: about other refs`
fn told(entry: &Entry, outcome: &Outcome, policy: &Policy) -> String {
    let kind = if entry.is_forbid() { "forbid" } else { "permit" };
    let refs = match outcome {
        Outcome::OtherRefs => refs(&entry.refs),
        _ => String::new(),
    };
    let paths = entry.paths.as_ref().map(|paths| format!(" to {paths}")).unwrap_or_default();
    let (place, permissions) = (place(policy, entry), entry.permissions);
    format!("{place} {kind} {permissions}{refs}: {}{paths}", words(outcome))
}

fn place(policy: &Policy, entry: &Entry) -> String {
    let file = policy.files.get(usize::from(entry.place.file)).map_or("policy", String::as_str);
    format!("{file}:{}", entry.place.line)
}

/// The command that shows the whole trace.
fn command(case: &Case, args: &Args) -> String {
    let mut words = vec!["refwarden policy explain".to_owned()];
    let mut option = |name: &str, value: &str| words.push(format!("--{name} {}", shell(value)));
    if let Some(policy) = &args.policy {
        option("policy", &policy.display().to_string());
    }
    if let Some(who) = &case.who {
        option("as", who);
    }
    option("repository", &case.repository);
    option("action", case.action.as_str());
    if case.action != Action::Read {
        option("ref", &case.reference);
    }
    if let Some(when) = case.when {
        option("at", &when.format("%Y-%m-%dT%H:%M:%SZ").to_string());
    }
    for path in case.paths.iter().flatten() {
        let name = if path.link { "link" } else { "path" };
        option(name, &String::from_utf8_lossy(&path.path));
    }
    if case.paths.as_ref().is_some_and(Vec::is_empty) {
        words.push("--no-paths".into());
    }
    Safe::new(words.join(" ").as_bytes(), 2000).to_string()
}

fn value(one: &Tested<'_>, policy: &Policy, args: &Args) -> serde_json::Value {
    let (code, expected) = (one.answer.code, one.case.code);
    json!({
        "file": one.file,
        "line": one.case.line,
        "name": one.case.name,
        "passed": one.passed(),
        "expected": {
            "verdict": one.case.expect.as_str(), "code": expected.map(|c| c.to_string()),
            "checks": one.case.checks,
        },
        "answer": {
            "verdict": one.answer.verdict.as_str(), "code": code.map(|c| c.to_string()),
            "checks": one.answer.checks,
        },
        "why": if one.passed() { Vec::new() } else { why(one, policy, args) },
    })
}

/// JUnit's XML as build servers read it: one suite a file, plain ASCII.
fn junit(tested: &[Tested<'_>], policy: &Policy, args: &Args) -> String {
    let failures = |some: &[Tested<'_>]| some.iter().filter(|one| !one.passed()).count();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{}\" failures=\"{}\">\n",
        tested.len(),
        failures(tested)
    );
    for suite in tested.chunk_by(|one, next| one.file == next.file) {
        let file = escaped(suite.first().map_or("", |one| one.file));
        let (tests, failed) = (suite.len(), failures(suite));
        let _ =
            writeln!(xml, "  <testsuite name=\"{file}\" tests=\"{tests}\" failures=\"{failed}\">");
        for one in suite {
            let (name, line) = (escaped(&one.case.name), one.case.line);
            let _ = write!(
                xml,
                "    <testcase classname=\"{file}\" name=\"{name}\" file=\"{file}\" line=\"{line}\""
            );
            if one.passed() {
                xml.push_str("/>\n");
                continue;
            }
            let message = escaped(&difference(one));
            let lines: Vec<String> =
                why(one, policy, args).iter().map(|line| escaped(line)).collect();
            let text = format!("{file}:{line}\n{}", lines.join("\n"));
            let _ = writeln!(
                xml,
                ">\n      <failure message=\"{message}\">{text}</failure>\n    </testcase>"
            );
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// For an attribute or a text: XML allows no control characters at all, so they are spelled out.
fn escaped(text: &str) -> String {
    let safe = Safe::new(text.as_bytes(), 4000).to_string();
    safe.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_case_is_called_cannot_leave_its_attribute() {
        assert_eq!(escaped("\"/><x a='\u{1}&\u{9b}"), "&quot;/&gt;&lt;x a='\\x01&amp;\\u{9b}");
    }

    #[test]
    fn words_of_the_command_are_quoted_for_a_shell() {
        assert_eq!(shell("docs/a.md"), "docs/a.md");
        assert_eq!(shell("$(x) 'y'"), r"'$(x) '\''y'\'''");
        assert_eq!(shell(""), "''");
    }
}
