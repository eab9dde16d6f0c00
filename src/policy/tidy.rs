//! A policy's text in its canonical layout: spacing, and the order of keys inside a table.
//!
//! Knows TOML and where keys usually stand ([`mod@order`]); nothing of what they mean. Comments stay with
//! the key or table that they stand before or beside; tables, and the words of a list, stay in their
//! order. What comes out is read again and compared: a text that would mean something else is never
//! given back.
//!
//! - one blank before and after `=`, none inside brackets, one inside braces;
//! - a list that has a line break in it has one word a line, and a comma after the last;
//! - at most one blank line in a row, none at a table's top, none at the end;
//! - a comment after a value or header stays in its column, as far as there is a blank before it.

mod comments;
mod order;
mod values;

use comments::{lay, lead, trailing};
use order::order;
use toml_edit::{DocumentMut, Item, Table, Value};

/// Why a text has no canonical layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TidyError {
    /// It is not TOML.
    #[error("{line}: not TOML: {words}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// In words.
        words: String,
    },
    /// The outcome would mean something else: a fault of ours, so nothing is given back.
    #[error("it can't be laid out without a change of what it says; please report this")]
    Changed,
}

/// The canonical layout of a text.
///
/// # Errors
/// [`TidyError`].
pub fn tidy(text: &str) -> Result<String, TidyError> {
    let mut document: DocumentMut = text.parse().map_err(|error| syntax(text, &error))?;
    let end = format!("{}\n", document.trailing().as_str().unwrap_or_default());
    let end = lead(&end, false);
    table(document.as_table_mut(), &[]);
    document.set_trailing(end.trim_end());
    let laid = document.to_string();
    let laid = match laid.trim_matches(['\n', ' ']) {
        "" => String::new(),
        laid => format!("{laid}\n"),
    };
    let read = |text: &str| toml::from_str::<toml::Table>(text).ok();
    match (read(text), read(&laid)) {
        (Some(before), Some(after)) if before == after => Ok(laid),
        _ => Err(TidyError::Changed),
    }
}

fn syntax(text: &str, error: &toml_edit::TomlError) -> TidyError {
    let at = error.span().map_or(0, |span| span.start);
    let line = 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    TidyError::Syntax { line, words: error.message().lines().collect::<Vec<_>>().join(": ") }
}

/// Lays out a table and all below it.
fn table(table: &mut Table, path: &[&str]) {
    let known = order(path);
    let rank = |key: &str| known.iter().position(|known| *known == key).unwrap_or(known.len());
    table.sort_values_by(|one, _, other, _| rank(one.get()).cmp(&rank(other.get())));
    let mut first = true;
    values_of(table, "", &mut |prefix, key, value| {
        lay(prefix, key, value, first);
        first = false;
    });
    for (mut key, item) in table.iter_mut() {
        let name = key.get().to_owned();
        let path = [path, &[name.as_str()]].concat();
        match item {
            Item::Table(inner) if !inner.is_dotted() => {
                key.leaf_decor_mut().clear();
                header(inner);
                self::table(inner, &path);
            }
            Item::ArrayOfTables(all) => {
                key.leaf_decor_mut().clear();
                for inner in all.iter_mut() {
                    header(inner);
                    self::table(inner, &path);
                }
            }
            _ => {}
        }
        key.dotted_decor_mut().clear();
    }
}

/// The comments above a header, and the one beside it.
fn header(table: &mut Table) {
    if table.is_implicit() {
        return;
    }
    let decor = table.decor_mut();
    let text = |raw: Option<&toml_edit::RawString>| {
        raw.and_then(|raw| raw.as_str()).unwrap_or_default().to_owned()
    };
    let (above, beside) = (text(decor.prefix()), text(decor.suffix()));
    decor.set_prefix(lead(&above, false));
    decor.set_suffix(trailing(&beside));
}

/// Every value of a table, those of dotted keys too, in the order in which they are written.
fn values_of(
    table: &mut Table,
    prefix: &str,
    see: &mut dyn FnMut(&str, &mut toml_edit::KeyMut<'_>, &mut Value),
) {
    for (mut key, item) in table.iter_mut() {
        match item {
            Item::Value(value) => see(prefix, &mut key, value),
            Item::Table(inner) if inner.is_dotted() => {
                let prefix = format!("{prefix}{}.", key.display_repr());
                values_of(inner, &prefix, see);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
