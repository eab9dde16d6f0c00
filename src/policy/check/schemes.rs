//! Schemes: their entries, and those of the schemes they extend.

use super::Check;
use super::names::Named;
use crate::policy::diag::{At, PolicyCode, Problem};
use crate::policy::entry::{Entry, Kind};
use crate::policy::model::Scheme;
use crate::policy::name::SchemeName;
use crate::policy::raw::{Table, Word};
use std::collections::BTreeMap;

/// Most schemes in one chain of `extends`.
const MAX_CHAIN: usize = 50;
/// Most entries of all schemes, copied ones included.
const MAX_ENTRIES: usize = 500_000;

/// A scheme as it is written.
struct Written<'a> {
    scheme: Scheme,
    extends: Option<Word<'a>>,
}

impl Check<'_> {
    pub(super) fn schemes(&mut self) -> BTreeMap<SchemeName, Scheme> {
        let root = self.root;
        let mut written = BTreeMap::new();
        for (word, node) in root.named("schemes") {
            let Some(table) = node.table() else { continue };
            let extends = table.text("extends");
            let extends = extends.filter(|word| self.is_declared(Named::Scheme, *word, ""));
            let scheme = self.own_entries(table);
            written.insert(word.text, Written { scheme, extends });
        }
        self.extended(&written)
    }

    fn own_entries(&mut self, table: &Table) -> Scheme {
        let mut entries = Vec::new();
        for (key, kind) in [("permit", Kind::Permit), ("forbid", Kind::Forbid)] {
            for (at, table) in table.tables(key) {
                let when = self.when(table);
                entries.push(self.entry(table, at, kind.clone(), when));
            }
        }
        Scheme { description: self.line(table, "description"), entries }
    }

    fn extended(&mut self, written: &BTreeMap<&str, Written<'_>>) -> BTreeMap<SchemeName, Scheme> {
        let mut total = 0;
        let mut out = BTreeMap::new();
        for (name, own) in written {
            let chain = match chain(name, written) {
                Ok(chain) => chain,
                Err(circle) => {
                    if let Some(problem) = circle {
                        self.problems.push(problem);
                    }
                    continue;
                }
            };
            total += chain.iter().map(|scheme| scheme.entries.len()).sum::<usize>();
            if total > MAX_ENTRIES {
                let message =
                    format!("the schemes have more than {MAX_ENTRIES} entries, copies included");
                let at = own.extends.map_or(At::top(0), |word| word.at);
                self.report(PolicyCode::TooLarge, at, message);
                break;
            }
            // What is extended comes first, as it would be read.
            let entries: Vec<Entry> =
                chain.iter().rev().flat_map(|scheme| scheme.entries.iter().cloned()).collect();
            if let Ok(name) = SchemeName::parse(name) {
                let description = own.scheme.description.clone();
                out.insert(name, Scheme { description, entries });
            }
        }
        out
    }
}

/// A scheme and those that it extends, nearest first. An error where that is a circle, with a
/// problem only from the first scheme of the circle, so that it is reported once.
fn chain<'a>(
    name: &str,
    written: &'a BTreeMap<&str, Written<'_>>,
) -> Result<Vec<&'a Scheme>, Option<Problem>> {
    let mut names: Vec<&str> = Vec::new();
    let mut schemes = Vec::new();
    let mut next = written.get_key_value(name);
    while let Some((name, one)) = next {
        names.push(*name);
        schemes.push(&one.scheme);
        let Some(extends) = one.extends else { break };
        if names.contains(&extends.text) {
            let is_first = names.iter().min() == names.first();
            let is_whole = names.first() == Some(&extends.text);
            let circle = format!("{} -> {}", names.join(" -> "), extends.text);
            let message = format!("these schemes extend each other: {circle}");
            let problem = Problem::new(PolicyCode::ExtendsCycle, extends.at, message);
            return Err((is_first && is_whole).then_some(problem));
        }
        if names.len() == MAX_CHAIN {
            let message = format!("more than {MAX_CHAIN} schemes in a chain of `extends`");
            return Err(Some(Problem::new(PolicyCode::TooLarge, extends.at, message)));
        }
        next = written.get_key_value(extends.text);
    }
    Ok(schemes)
}
