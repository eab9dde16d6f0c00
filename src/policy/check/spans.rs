//! Lengths of time, and caps that they may not be over.

use super::Check;
use crate::policy::diag::{PolicyCode, Problem};
use crate::policy::raw::{Table, Word};
use crate::policy::span::Span;

impl Check<'_> {
    /// A length of time.
    pub(super) fn span(&mut self, table: &Table, key: &str) -> Option<Span> {
        let Word { text, at } = table.text(key)?;
        match Span::parse(text) {
            Ok(span) => Some(span),
            Err(error) => {
                self.report(PolicyCode::BadSpan, at, error.to_string());
                None
            }
        }
    }

    /// The same, which may be at most the `max-duration` of `outer`, and is that by default.
    pub(super) fn capped(
        &mut self,
        table: &Table,
        key: &str,
        outer: &Table,
        max: Option<Span>,
    ) -> Option<Span> {
        let own = self.span(table, key);
        if let (Some(own), Some(max), Some(word)) = (own, max, table.text(key))
            && own > max
        {
            let message =
                format!("`{key}` is {own}, longer than the entitlement's `max-duration`, {max}");
            let problem = Problem::new(PolicyCode::OverCap, word.at, message);
            let cap = outer.text("max-duration").map_or(word.at, |cap| cap.at);
            self.problems.push(problem.also(cap, "the cap"));
        }
        own.or(max)
    }
}
