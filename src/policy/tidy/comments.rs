//! Comments and blank lines around keys, values and headers.

use super::values;
use toml_edit::{KeyMut, RawString, Value};

/// Fewest blanks before a comment that follows something.
const GAP: usize = 1;

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

/// Lays out a key and its value, the first of its table or not. The comment beside them stays in its
/// column, as far as they leave it.
pub(super) fn lay(prefix: &str, key: &mut KeyMut<'_>, value: &mut Value, first: bool) {
    let text =
        |raw: Option<&RawString>| raw.and_then(RawString::as_str).unwrap_or_default().to_owned();
    let (above, beside) = (text(key.leaf_decor().prefix()), text(value.decor().suffix()));
    let name = format!("{prefix}{}", key.display_repr());
    let indent = above.rsplit('\n').next().unwrap_or_default();
    let behind = text(key.leaf_decor().suffix());
    let before = format!("{indent}{name}{behind}={}", with_prefix(value));
    key.dotted_decor_mut().clear();
    key.leaf_decor_mut().clear();
    key.leaf_decor_mut().set_prefix(lead(&above, first));
    value.decor_mut().clear();
    values::lay(value, 0);
    let after = last_line(&format!("{name} = {}", value.to_string().trim()));
    let column = (last_line(&before) + gap(&beside)).max(after + GAP);
    value.decor_mut().set_suffix(match beside.trim() {
        "" => String::new(),
        comment => format!("{}{comment}", " ".repeat(column - after)),
    });
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
