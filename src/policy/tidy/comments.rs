//! Comments and blank lines around keys, values and headers.

use super::values;
use toml_edit::{KeyMut, RawString, Value};

/// Fewest blanks before a comment that follows something.
const GAP: usize = 2;

/// What stands above a key or a header: comments at the margin, at most one blank line in a row.
pub(super) fn lead(above: &str, at_top: bool) -> String {
    let mut lines: Vec<&str> = above.split('\n').map(str::trim).collect();
    // What follows the last line break is the indent of what comes.
    lines.pop();
    let mut laid = String::new();
    let mut blank = at_top;
    for line in lines {
        if line.is_empty() && blank {
            continue;
        }
        blank = line.is_empty();
        laid.push_str(line);
        laid.push('\n');
    }
    laid
}

/// A comment beside a header, as far away as it stood.
pub(super) fn trailing(beside: &str) -> String {
    let comment = beside.trim();
    match comment.is_empty() {
        true => String::new(),
        false => format!("{}{comment}", " ".repeat(gap(beside).max(GAP))),
    }
}

fn gap(text: &str) -> usize {
    text.chars().take_while(|c| c.is_whitespace()).count()
}

/// A key and its value, laid out.
pub(super) struct Row {
    /// Characters of its last line, without the comment.
    width: usize,
    /// The comment beside it.
    comment: String,
    /// The column in which the comment stood.
    column: usize,
    /// Whether it goes on from the line above.
    goes_on: bool,
}

impl Row {
    /// Lays out a key and its value, but for the comment beside it.
    pub(super) fn lay(prefix: &str, key: &mut KeyMut<'_>, value: &mut Value, first: bool) -> Self {
        let text = |raw: Option<&RawString>| {
            raw.and_then(RawString::as_str).unwrap_or_default().to_owned()
        };
        let above = text(key.leaf_decor().prefix());
        let beside = text(value.decor().suffix());
        let name = format!("{prefix}{}", key.display_repr());
        let indent = above.rsplit('\n').next().unwrap_or_default();
        let before =
            format!("{indent}{name}{}={}", text(key.leaf_decor().suffix()), with_prefix(value));
        let laid = lead(&above, first);
        key.leaf_decor_mut().clear();
        key.leaf_decor_mut().set_prefix(laid.clone());
        value.decor_mut().clear();
        values::lay(value, 0);
        let after = format!("{name} = {}", value.to_string().trim());
        Self {
            width: last_line(&after),
            comment: beside.trim().to_owned(),
            column: last_line(&before) + gap(&beside),
            goes_on: !first && laid.is_empty(),
        }
    }
}

/// A value as it was written, with what stands before it and nothing behind.
fn with_prefix(value: &Value) -> String {
    let mut copy = value.clone();
    copy.decor_mut().set_suffix("");
    copy.to_string()
}

fn last_line(text: &str) -> usize {
    text.rsplit('\n').next().unwrap_or_default().chars().count()
}

/// What follows each value: its comment, in one column over lines that go on from each other.
pub(super) fn align(rows: &[Row]) -> Vec<String> {
    rows.chunk_by(|_, next| next.goes_on)
        .flat_map(|run| {
            let commented = || run.iter().filter(|row| !row.comment.is_empty());
            let column = commented().map(|row| row.column.max(row.width + GAP)).max().unwrap_or(0);
            run.iter().map(move |row| match row.comment.is_empty() {
                true => String::new(),
                false => format!("{}{}", " ".repeat(column - row.width), row.comment),
            })
        })
        .collect()
}
