//! What the TOML parser finds wrong, as problems; also the same key twice in one file.

use super::node::at;
use crate::policy::diag::{At, MAX_PROBLEMS, PolicyCode, Problem, Problems};
use crate::policy::source::Sources;
use toml::de::Error;

/// The parser's word for the same key twice.
const TWICE: &str = "duplicate key";
/// For so many keys that are given twice the first place is looked up, which reads the file.
const MAX_FIRSTS: usize = 50;
/// What it says first where a list is not closed.
const LIST: &str = "missing comma between array elements";

/// Reports the parser's errors; gives the lines that don't parse.
pub(super) fn report(
    file: u16,
    errors: &[Error],
    sources: &Sources,
    problems: &mut Problems,
) -> Vec<u32> {
    let mut found: Vec<(At, &str)> = errors
        .iter()
        .take(MAX_PROBLEMS)
        .map(|error| {
            let at = error.span().map_or(At::top(file), |range| at(file, &range));
            (at, error.message())
        })
        .collect();
    found.sort_unstable();
    let (same, syntax): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, m)| *m == TWICE);
    for (count, (at, _)) in same.into_iter().enumerate() {
        problems.push(twice(at, sources, count < MAX_FIRSTS));
    }
    let lines = report_syntax(&syntax, sources, problems);
    if !lines.is_empty() {
        problems.set_partial();
    }
    lines
}

/// One mistake makes the parser stumble several times in its line, and a list that is not closed in
/// all lines after it, up to the next `]`: only the first time is reported.
fn report_syntax(found: &[(At, &str)], sources: &Sources, problems: &mut Problems) -> Vec<u32> {
    let mut lines: Vec<u32> = Vec::new();
    let mut in_list = false;
    for (at, message) in found {
        let line = sources.place(*at).line;
        let near = lines.last().is_some_and(|last| line - last <= u32::from(in_list) * 2);
        if !near {
            let problem = Problem::new(PolicyCode::Syntax, *at, words(message));
            in_list = message.starts_with(LIST);
            problems.push(if in_list {
                problem.help("is a list before this place not closed by `]`?")
            } else {
                problem
            });
        }
        lines.push(line);
    }
    lines.dedup();
    lines
}

fn words(message: &str) -> String {
    format!("this is not TOML: {}", message.to_lowercase())
}

fn twice(at: At, sources: &Sources, look: bool) -> Problem {
    let name = sources.text(at);
    let message = format!("`{name}` is given a second time");
    let problem = Problem::new(PolicyCode::SameKeyTwice, at, message);
    match look.then(|| first_of(at, name, sources)).flatten() {
        Some(first) => problem.also(first, "it is first given here"),
        None => problem,
    }
}

/// Where the key was given before. The parser does not say, so the text is asked: an equal header
/// for a header, the same key at the beginning of a line of this section for a key.
fn first_of(at: At, name: &str, sources: &Sources) -> Option<At> {
    let before = sources.text(At { start: 0, ..at });
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let (earlier, lead) = before.split_at_checked(line_start)?;
    if lead.trim_start().starts_with('[') {
        let header = sources.text(At { start: u32::try_from(line_start).ok()?, ..at });
        return find_line(earlier, header.trim(), name, at.file, |rest| {
            rest.starts_with([']', ' '])
        });
    }
    let section = earlier.rfind("\n[").unwrap_or_default();
    let (_, own) = earlier.split_at_checked(section)?;
    let found =
        find_line(own, name, name, at.file, |rest| rest.trim_start().starts_with(['=', '.']))?;
    let shift = u32::try_from(section).ok()?;
    Some(At { start: found.start + shift, end: found.end + shift, ..found })
}

/// The first line that begins with `beginning` and goes on as `goes_on` says: the place of `name`,
/// with which the beginning ends.
fn find_line(
    text: &str,
    beginning: &str,
    name: &str,
    file: u16,
    goes_on: impl Fn(&str) -> bool,
) -> Option<At> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        if trimmed.strip_prefix(beginning).is_some_and(&goes_on) {
            let end = start + (line.len() - trimmed.len()) + beginning.len();
            return Some(at(file, &(end - name.len()..end)));
        }
        start += line.len();
    }
    None
}
