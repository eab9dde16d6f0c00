//! Repositories that move from one project to another.

use super::super::scope::NoScope;
use super::Note;
use super::render::some_of;
use super::sites::Found;
use std::collections::BTreeMap;

/// Most moves that have a line of their own; more are told together.
const LINES: usize = 10;

/// From where, and for each place where to: one such repository.
#[derive(Default)]
pub(super) struct Moves(BTreeMap<String, BTreeMap<String, String>>);

impl Moves {
    pub(super) fn note(&mut self, name: &[u8], [old, new]: &[Found<'_>; 2]) {
        let (before, after) = (words(old), words(new));
        if before != after {
            let example = name.escape_ascii().to_string();
            self.0.entry(before).or_default().entry(after).or_insert(example);
        }
    }

    pub(super) fn notes(self) -> Vec<Note> {
        let mut texts = Vec::new();
        for (before, moves) in self.0 {
            if moves.len() <= LINES {
                texts.extend(moves.iter().map(|(after, example)| {
                    format!(
                        "repositories like `{example}` (an example) move from {before} to {after}"
                    )
                }));
            } else {
                let examples = some_of(moves.values().map(String::as_str));
                let after = some_of(moves.keys().map(String::as_str));
                texts.push(format!(
                    "repositories like {examples} (examples) move from {before} to {after}"
                ));
            }
        }
        texts.into_iter().map(|text| Note { text, widens: false }).collect()
    }
}

fn words(site: &Found<'_>) -> String {
    match site {
        Ok(site) => format!("project {}", site.name),
        Err(NoScope::Ambiguous(one, two)) => format!("both {one} and {two} (refused)"),
        Err(NoScope::NoProject) => "no project".into(),
        Err(other) => format!("nowhere ({other})"),
    }
}
