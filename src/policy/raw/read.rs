//! Holds parsed TOML against the schema: unknown keys and wrong types are reported and left out.

use super::node::{Item, Node, Table, Value, at};
use super::schema::{self, Key, Shape};
use crate::policy::diag::{At, PolicyCode, Problem, Problems};
use crate::policy::source::Sources;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

pub(super) struct Reader<'a> {
    pub file: u16,
    pub sources: &'a Sources,
    /// Lines that don't parse: what is left of them is not judged.
    pub broken: &'a [u32],
}

impl Reader<'_> {
    pub fn root(&self, table: &DeTable<'_>, problems: &mut Problems) -> Table {
        self.fixed(table, true, schema::ROOT, PolicyCode::UnknownSection, problems)
    }

    fn at(&self, range: &Range<usize>) -> At {
        at(self.file, range)
    }

    fn report(&self, problems: &mut Problems, problem: Problem) {
        if !self.is_broken(problem.at) {
            problems.push(problem);
        }
    }

    fn is_broken(&self, at: At) -> bool {
        !self.broken.is_empty()
            && (at.start == at.end || self.broken.contains(&self.sources.place(at).line))
    }

    fn fixed(
        &self,
        table: &DeTable<'_>,
        explicit: bool,
        keys: &'static [Key],
        unknown: PolicyCode,
        problems: &mut Problems,
    ) -> Table {
        let mut out = Table { explicit, ..Table::default() };
        for (name, value) in table {
            let key = self.at(&name.span());
            match keys.iter().find(|(known, _)| *known == name.get_ref()) {
                Some((_, shape)) => {
                    let node = self.node(value, shape, problems);
                    out.items.insert(name.get_ref().as_ref().into(), Item { key, node });
                }
                None if self.is_broken(key) => {}
                None => {
                    let message = format!("`{}` is not known here", name.get_ref());
                    let problem = Problem::new(unknown, key, message);
                    let known = keys.iter().map(|(known, _)| *known);
                    problems.push_near(problem, name.get_ref(), known, "");
                }
            }
        }
        out
    }

    fn node(&self, value: &Spanned<DeValue<'_>>, shape: &Shape, problems: &mut Problems) -> Node {
        let at = self.at(&value.span());
        Node { at, value: self.value(value, at, shape, problems) }
    }

    fn value(
        &self,
        spanned: &Spanned<DeValue<'_>>,
        at: At,
        shape: &Shape,
        problems: &mut Problems,
    ) -> Value {
        match (spanned.get_ref(), shape) {
            (DeValue::String(text), Shape::Text) => Value::Text(text.as_ref().into()),
            (DeValue::Boolean(yes), Shape::Bool) => Value::Bool(*yes),
            (DeValue::Datetime(time), Shape::Time) => Value::Time(*time),
            (DeValue::Integer(number), Shape::Int) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => Value::Int(number),
                    Err(_) => self.wrong(at, "this number is too large", problems),
                }
            }
            (DeValue::Array(list), Shape::List(each)) => {
                Value::List(list.iter().map(|value| self.node(value, each, problems)).collect())
            }
            (DeValue::Table(table), Shape::Table(keys)) => {
                let explicit = self.is_explicit(at);
                Value::Table(self.fixed(table, explicit, keys, PolicyCode::UnknownKey, problems))
            }
            (DeValue::Table(table), Shape::Map(each)) => self.map(table, at, each, problems),
            (value, Shape::Either(shapes)) => match shapes.iter().find(|s| s.takes(value)) {
                Some(shape) => self.value(spanned, at, shape, problems),
                None => self.mismatch(at, shape, value, problems),
            },
            (value, shape) => self.mismatch(at, shape, value, problems),
        }
    }

    fn map(&self, table: &DeTable<'_>, at: At, each: &Shape, problems: &mut Problems) -> Value {
        let item = |(name, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
            let item = Item { key: self.at(&name.span()), node: self.node(value, each, problems) };
            (name.get_ref().as_ref().into(), item)
        };
        let items = table.iter().map(item).collect();
        Value::Table(Table { items, explicit: self.is_explicit(at) })
    }

    /// A header begins with `[`, an inline table with `{`; what a longer key implies with neither.
    fn is_explicit(&self, at: At) -> bool {
        self.sources.text(at).starts_with(['[', '{'])
    }

    fn mismatch(
        &self,
        at: At,
        shape: &Shape,
        found: &DeValue<'_>,
        problems: &mut Problems,
    ) -> Value {
        let message = format!("this is {}, not {}", found_words(found), shape.words());
        let mut problem = Problem::new(PolicyCode::WrongType, at, message);
        if let (Shape::List(_), DeValue::String(_)) = (shape, found) {
            problem = problem.help(format!("write `[{}]`", self.sources.text(at)));
        }
        let header = self.sources.text(at);
        if let (Shape::List(_), DeValue::Table(_), true) = (shape, found, header.starts_with('[')) {
            problem = problem.help(format!("write `[{header}]`, once for each entry"));
        }
        self.report(problems, problem);
        Value::Broken
    }

    fn wrong(&self, at: At, message: &str, problems: &mut Problems) -> Value {
        self.report(problems, Problem::new(PolicyCode::WrongType, at, message));
        Value::Broken
    }
}

fn found_words(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
