//! Lists and inline tables.

use toml_edit::{Array, InlineTable, RawString, Value};

const INDENT: &str = "    ";

/// Lays out what is inside a value. What has comments where they can't stay is left as it is.
pub(super) fn lay(value: &mut Value, depth: usize) {
    match value {
        Value::Array(array) => list(array, depth),
        Value::InlineTable(table) if on_one_line(table) => inline(table, depth),
        _ => {}
    }
}

fn text(raw: Option<&RawString>) -> &str {
    raw.and_then(RawString::as_str).unwrap_or_default()
}

fn list(array: &mut Array, depth: usize) {
    let count = array.len();
    let between =
        |(at, value): (usize, &Value)| at + 1 < count && text(value.decor().suffix()).contains('#');
    if array.iter().enumerate().any(between) {
        return;
    }
    // Without a comma after it, what stands behind the last word is its own.
    let behind = array.iter().last().map(|last| text(last.decor().suffix()).to_owned());
    let end = behind.unwrap_or_default() + text(Some(array.trailing()));
    let befores: Vec<String> =
        array.iter().map(|value| text(value.decor().prefix()).to_owned()).collect();
    let breaks = |text: &String| text.contains(['\n', '#']);
    let multiple = befores.iter().any(breaks) || breaks(&end);
    for value in array.iter_mut() {
        value.decor_mut().clear();
        lay(value, depth + usize::from(multiple));
    }
    array.set_trailing_comma(multiple && count > 0);
    if !multiple {
        array.set_trailing("");
        return;
    }
    let inside = INDENT.repeat(depth + 1);
    for (value, before) in array.iter_mut().zip(&befores) {
        value.decor_mut().set_prefix(lines(before, &inside) + &inside);
    }
    array.set_trailing(lines(&end, &inside) + &INDENT.repeat(depth));
}

/// The comment on the line that ends, then those on lines of their own.
fn lines(before: &str, indent: &str) -> String {
    let mut all = before.split('\n').map(str::trim);
    let mut laid = match all.next().unwrap_or_default() {
        "" => String::new(),
        comment => format!("  {comment}"),
    };
    laid.push('\n');
    for comment in all.filter(|line| !line.is_empty()) {
        laid.push_str(indent);
        laid.push_str(comment);
        laid.push('\n');
    }
    laid
}

/// Whether a table in braces has neither line breaks nor comments of its own.
fn on_one_line(table: &InlineTable) -> bool {
    let breaks = |raw: Option<&RawString>| text(raw).contains(['\n', '#']);
    let plain = table.iter().all(|(name, value)| {
        let key = table.key(name);
        let decors = [key.map(|key| key.leaf_decor()), Some(value.decor())];
        let own = decors.into_iter().flatten().all(|d| !breaks(d.prefix()) && !breaks(d.suffix()));
        own && match value {
            Value::InlineTable(inner) => on_one_line(inner),
            _ => true,
        }
    });
    plain && !breaks(Some(table.trailing()))
}

fn inline(table: &mut InlineTable, depth: usize) {
    for (mut key, value) in table.iter_mut() {
        key.leaf_decor_mut().clear();
        key.dotted_decor_mut().clear();
        value.decor_mut().clear();
        lay(value, depth);
    }
    table.set_trailing_comma(false);
    table.set_trailing("");
}
