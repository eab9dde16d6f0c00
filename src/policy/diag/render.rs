//! Problems as text for a terminal and as JSON.
//!
//! Plain ASCII, whatever stands in the file: a hostile policy must not speak to the terminal.

use super::{At, Problem, Severity};
use crate::policy::source::Sources;
use serde_json::{Value, json};
use std::fmt::Write;

/// Most problems that [`to_text`] shows.
pub const MAX_SHOWN: usize = 100;
/// Columns of a source line that are shown.
const WIDTH: usize = 90;
/// Characters of a message or help that are shown.
const MAX_MESSAGE: usize = 500;

/// A place as people count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position<'a> {
    /// Name of the file.
    pub file: &'a str,
    /// Counted from 1.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
}

/// Where a range of bytes begins.
#[must_use]
pub fn position(at: At, sources: &Sources) -> Position<'_> {
    let (line, text, start) = sources.line_of(at);
    let before = text.get(..start).unwrap_or(text);
    let column = u32::try_from(before.chars().count()).unwrap_or(u32::MAX).saturating_add(1);
    Position { file: sources.name(at.file), line, column }
}

/// The first [`MAX_SHOWN`] problems as text, each with its line, and how many more there are.
#[must_use]
pub fn to_text(problems: &[Problem], sources: &Sources) -> String {
    let mut out = String::new();
    for problem in problems.iter().take(MAX_SHOWN) {
        one(&mut out, problem, sources);
    }
    if let Some(more @ 1..) = problems.len().checked_sub(MAX_SHOWN) {
        let _ = writeln!(out, "and {more} more");
    }
    out
}

fn one(out: &mut String, problem: &Problem, sources: &Sources) {
    let severity = severity(problem);
    let message = escaped(&problem.message);
    let _ = writeln!(out, "{}: {severity} {}: {message}", place(problem.at, sources), problem.code);
    excerpt(out, problem.at, sources);
    for (at, note) in &problem.also {
        let _ = writeln!(out, "  {}: {}", place(*at, sources), escaped(note));
    }
    if let Some(help) = &problem.help {
        let _ = writeln!(out, "  help: {}", escaped(help));
    }
}

fn severity(problem: &Problem) -> &'static str {
    match problem.code.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn place(at: At, sources: &Sources) -> String {
    let Position { file, line, column } = position(at, sources);
    format!("{}:{line}:{column}", escaped(file))
}

/// The line, and carets under the range; nothing where the range is about the whole file.
fn excerpt(out: &mut String, at: At, sources: &Sources) {
    if at == At::top(at.file) {
        return;
    }
    let (number, line, start) = sources.line_of(at);
    let length = usize::try_from(at.end.saturating_sub(at.start)).unwrap_or(usize::MAX);
    let end = start.saturating_add(length).min(line.len());
    let part = |from: usize, to: usize| line.get(from..to).unwrap_or_default();
    // A very long line is escaped only near the range.
    let (before, cut_before) = last(part(0, start), WIDTH / 2);
    let (under, _) = first(part(start, end), WIDTH / 2);
    let used = before.len() + under.len();
    let rest = part(start, line.len());
    let (shown, cut_after) = first(rest, WIDTH.saturating_sub(used).max(1) + under.len());
    let dots = |cut: bool| if cut { "..." } else { "" };
    let margin = number.to_string().len();
    let lead = dots(cut_before);
    let _ = writeln!(out, "  {number} | {lead}{before}{shown}{}", dots(cut_after));
    let indent = " ".repeat(lead.len() + before.len());
    let carets = "^".repeat(under.len().max(1));
    let _ = writeln!(out, "  {:margin$} | {indent}{carets}", "");
}

/// The beginning of `text`, escaped, of about `width` columns; whether something was cut.
fn first(text: &str, width: usize) -> (String, bool) {
    let mut out = String::new();
    for c in text.chars() {
        if out.len() >= width {
            return (out, true);
        }
        show(&mut out, c);
    }
    (out, false)
}

/// The end of `text`, likewise.
fn last(text: &str, width: usize) -> (String, bool) {
    let skip = text.char_indices().rev().nth(width).map(|(at, _)| at);
    let tail = skip.and_then(|at| text.get(at..)).unwrap_or(text);
    let (mut shown, _) = first(tail, usize::MAX);
    let mut cut = skip.is_some();
    if shown.len() > 2 * width {
        shown = shown.split_off(shown.len() - width);
        cut = true;
    }
    (shown, cut)
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == MAX_MESSAGE {
            out.push_str("...");
            break;
        }
        show(&mut out, c);
    }
    out
}

/// Printable ASCII stays, a tab becomes one space, all else becomes an escape in ASCII.
fn show(out: &mut String, c: char) {
    match c {
        '\t' => out.push(' '),
        ' '..='~' => out.push(c),
        c if c.is_ascii() => {
            let _ = write!(out, "\\x{:02x}", u32::from(c));
        }
        c => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
    }
}

/// A problem as JSON, its texts escaped as on a terminal.
#[must_use]
pub fn to_json(problem: &Problem, sources: &Sources) -> Value {
    let placed = |at: At| {
        let Position { file, line, column } = position(at, sources);
        json!({ "file": escaped(file), "line": line, "column": column })
    };
    let also = problem.also.iter().map(|(at, note)| {
        let mut value = placed(*at);
        if let Some(object) = value.as_object_mut() {
            object.insert("note".into(), escaped(note).into());
        }
        value
    });
    json!({
        "code": problem.code.to_string(),
        "title": problem.code.title(),
        "severity": severity(problem),
        "place": placed(problem.at),
        "message": escaped(&problem.message),
        "help": problem.help.as_deref().map(escaped),
        "also": also.collect::<Vec<_>>(),
    })
}
