//! Values with their places.

use crate::policy::diag::At;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::value::Datetime;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// Of a table: of its header, or of the key that implies it.
    pub at: At,
    /// The value.
    pub value: Value,
}

/// A value of TOML; floats are none that a policy could hold.
#[derive(Debug, Clone)]
pub enum Value {
    /// A string.
    Text(Box<str>),
    /// An integer.
    Int(i64),
    /// `true` or `false`.
    Bool(bool),
    /// Any of TOML's dates and times.
    Time(Datetime),
    /// An array, also of tables.
    List(Vec<Node>),
    /// A table.
    Table(Table),
    /// Something of a wrong type, which was reported.
    Broken,
}

/// A table.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// By key.
    pub items: BTreeMap<Box<str>, Item>,
    /// Whether it was written as such, by a header or in braces, not just implied by a longer key.
    pub explicit: bool,
}

/// A key of a table, and its value.
#[derive(Debug, Clone)]
pub struct Item {
    /// Where the key stands.
    pub key: At,
    /// Its value.
    pub node: Node,
}

/// A text and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Word<'a> {
    /// The text.
    pub text: &'a str,
    /// The place.
    pub at: At,
}

/// A list of texts and where it stands.
#[derive(Debug, Clone)]
pub struct Words<'a> {
    /// The texts.
    pub words: Vec<Word<'a>>,
    /// Of the whole list.
    pub at: At,
    /// Whether it holds nothing at all, not even something wrong.
    pub empty: bool,
}

impl Table {
    /// The item of a key, whatever its value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Item> {
        self.items.get(key)
    }

    /// Whether the key is there, even with a value of the wrong type.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.items.contains_key(key)
    }

    /// The text of a key.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<Word<'_>> {
        self.get(key).and_then(|item| item.node.word())
    }

    /// The texts of a key.
    #[must_use]
    pub fn texts(&self, key: &str) -> Option<Words<'_>> {
        self.get(key).and_then(|item| item.node.words())
    }

    /// The integer of a key.
    #[must_use]
    pub fn int(&self, key: &str) -> Option<(i64, At)> {
        match self.get(key).map(|item| &item.node) {
            Some(Node { at, value: Value::Int(number) }) => Some((*number, *at)),
            _ => None,
        }
    }

    /// The truth value of a key.
    #[must_use]
    pub fn bool(&self, key: &str) -> Option<bool> {
        match self.get(key).map(|item| &item.node.value) {
            Some(Value::Bool(yes)) => Some(*yes),
            _ => None,
        }
    }

    /// The date-time of a key.
    #[must_use]
    pub fn time(&self, key: &str) -> Option<(Datetime, At)> {
        match self.get(key).map(|item| &item.node) {
            Some(Node { at, value: Value::Time(time) }) => Some((*time, *at)),
            _ => None,
        }
    }

    /// The table of a key.
    #[must_use]
    pub fn table(&self, key: &str) -> Option<&Table> {
        self.get(key).and_then(|item| item.node.table())
    }

    /// The tables of an array of tables.
    pub fn tables(&self, key: &str) -> impl Iterator<Item = (At, &Table)> {
        let list = match self.get(key).map(|item| &item.node.value) {
            Some(Value::List(list)) => list.as_slice(),
            _ => &[],
        };
        list.iter().filter_map(|node| Some((node.at, node.table()?)))
    }

    /// Every `[key.X]` with its name; nothing where the section is not there.
    pub fn named(&self, key: &str) -> impl Iterator<Item = (Word<'_>, &Node)> {
        let items = self.table(key).into_iter().flat_map(|table| &table.items);
        items.map(|(name, item)| (Word { text: name, at: item.key }, &item.node))
    }
}

impl Node {
    /// The text, if it is one.
    #[must_use]
    pub fn word(&self) -> Option<Word<'_>> {
        match &self.value {
            Value::Text(text) => Some(Word { text, at: self.at }),
            _ => None,
        }
    }

    /// The texts, if it is a list.
    #[must_use]
    pub fn words(&self) -> Option<Words<'_>> {
        match &self.value {
            Value::List(list) => Some(Words {
                words: list.iter().filter_map(Self::word).collect(),
                at: self.at,
                empty: list.is_empty(),
            }),
            _ => None,
        }
    }

    /// The table, if it is one.
    #[must_use]
    pub fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }
}

/// A place from a range of bytes of a file.
pub(super) fn at(file: u16, range: &Range<usize>) -> At {
    let number = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
    At { file, start: number(range.start), end: number(range.end) }
}
