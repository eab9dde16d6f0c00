//! From the text of all files to one tree of values with places, each of its expected type.
//!
//! Knows TOML, the keys of each section and the types of their values ([`schema`]), and how files
//! join. What the values mean is [`super::check`]'s matter: it never sees a key that is unknown or
//! a value of the wrong type, because those are reported here and left out.

mod merge;
mod node;
mod read;
mod schema;
mod syntax;

pub use node::{Item, Node, Table, Value, Word, Words};

use super::diag::{At, PolicyCode, Problem, Problems};
use super::entry::Place;
use super::source::{SourceFile, Sources};
use std::collections::BTreeSet;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

/// Longest text of which every error is reported, in bytes.
const MAX_RECOVERED: usize = 1 << 20;

/// What the main file's `include` says; nothing where it says it wrongly.
pub(super) fn includes(sources: &Sources) -> Vec<(String, At)> {
    let Some((file, main)) = sources.files().next() else { return Vec::new() };
    let (tree, _) = tree(&main.text);
    let Some(DeValue::Array(list)) = tree.get_ref().get("include").map(|v| v.get_ref()) else {
        return Vec::new();
    };
    let text = |value: &Spanned<DeValue<'_>>| {
        let text = value.get_ref().as_str()?.to_owned();
        Some((text, node::at(file, &value.span())))
    };
    list.iter().filter_map(text).collect()
}

/// What parses of a text, and every error; of a long text the first error alone, because millions
/// of them would not fit into memory.
fn tree(text: &str) -> (Spanned<DeTable<'_>>, Vec<Error>) {
    if text.len() <= MAX_RECOVERED {
        return DeTable::parse_recoverable(text);
    }
    match DeTable::parse(text) {
        Ok(tree) => (tree, Vec::new()),
        Err(error) => (Spanned::new(0..0, DeTable::new()), vec![error]),
    }
}

/// Reads and joins all files; gives the lines that don't parse as well.
pub(super) fn read(sources: &Sources, problems: &mut Problems) -> (Table, BTreeSet<Place>) {
    let mut root = Table::default();
    let mut broken = BTreeSet::new();
    for (file, source) in sources.files() {
        let (tree, lines) = parse(file, source, sources, problems);
        merge::into(&mut root, tree, problems);
        broken.extend(lines.into_iter().map(|line| Place { file, line }));
    }
    (root, broken)
}

fn parse(
    file: u16,
    source: &SourceFile,
    sources: &Sources,
    problems: &mut Problems,
) -> (Table, Vec<u32>) {
    let (tree, errors) = tree(&source.text);
    let broken = syntax::report(file, &errors, sources, problems);
    let reader = read::Reader { file, sources, broken: &broken };
    let mut table = reader.root(tree.get_ref(), problems);
    if file > 0
        && let Some(item) = table.items.remove("include")
    {
        let message = "an included file can't include others";
        problems.push(Problem::new(PolicyCode::Include, item.key, message));
    }
    (table, broken)
}
