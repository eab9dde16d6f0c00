//! Regular expressions that are searched for. What does not parse is pointed at inside the string.

use super::Check;
use crate::policy::checks::Search;
use crate::policy::diag::{At, PolicyCode};
use crate::policy::pattern::{MAX_PATTERN, Pattern};
use crate::policy::raw::{Table, Word};
use regex_syntax::hir::Hir;
use std::ops::Range;

/// Largest compiled expression, in bytes.
const SIZE_LIMIT: usize = 4 << 20;

impl Check<'_> {
    /// The expression of a key.
    pub(super) fn search(&mut self, table: &Table, key: &str) -> Option<Search> {
        let word = table.text(key)?;
        let tree = self.expression(word, key)?;
        if finds_anything(&tree) {
            let message = format!("`{key}` is found in any text, so it refuses nothing");
            self.report(PolicyCode::BadSearch, word.at, message);
        }
        Some(Search(word.text.into()))
    }

    /// The expression of something that may not be there.
    pub(super) fn unwanted(&mut self, word: Word<'_>) -> Option<Search> {
        let tree = self.expression(word, "pattern")?;
        if finds_anything(&tree) {
            let message = "this is found in any text, so it refuses everything";
            self.report(PolicyCode::BadSearch, word.at, message);
        }
        Some(Search(word.text.into()))
    }

    /// `ref-name`: an expression for the whole of a name.
    pub(super) fn ref_name(&mut self, table: &Table) -> Option<Pattern> {
        let word = table.text("ref-name")?;
        let tree = self.expression(word, "ref-name")?;
        let expression = format!("regex:{}", word.text);
        let pattern = self.pattern(Word { text: &expression, at: word.at }, false)?;
        if tree.properties().maximum_len() == Some(0) {
            let message = "`ref-name` matches no name at all";
            self.report(PolicyCode::BadSearch, word.at, message);
        }
        Some(pattern)
    }

    fn expression(&mut self, Word { text, at }: Word<'_>, key: &str) -> Option<Hir> {
        if let Some(bare) = text.strip_prefix("regex:") {
            let message = format!("`{key}` is a regular expression as it stands");
            self.report_help(PolicyCode::BadSearch, at, message, format!("write `{bare}`"));
            return None;
        }
        if text.is_empty() || text.len() > MAX_PATTERN {
            let message = format!("an expression has from 1 to {MAX_PATTERN} bytes");
            self.report(PolicyCode::BadSearch, at, message);
            return None;
        }
        match parse(text) {
            Ok(tree) => Some(tree),
            Err((message, range)) => {
                let at = range.and_then(|range| self.inside(at, text, &range)).unwrap_or(at);
                let message = format!("`{text}`: not a regular expression: {message}");
                self.report(PolicyCode::BadSearch, at, message);
                None
            }
        }
    }

    /// The place of a part of a string; none where the string is written with escapes, so that
    /// places in it are not places in the file.
    fn inside(&self, at: At, text: &str, range: &Range<usize>) -> Option<At> {
        let written = self.sources.text(at);
        let quotes = written.len().checked_sub(text.len())? / 2;
        if written.get(quotes..quotes + text.len())? != text {
            return None;
        }
        let byte = |offset: usize| u32::try_from(offset).ok()?.checked_add(at.start);
        let (start, end) = (byte(quotes + range.start)?, byte(quotes + range.end)?);
        // What is missing at the end has no width: point at the last character.
        let end = end.min(at.end);
        let start = if start < end { start } else { end.checked_sub(1)?.max(at.start) };
        Some(At { start, end, ..at })
    }
}

/// As [`Search`] is compiled.
fn parse(text: &str) -> Result<Hir, (String, Option<Range<usize>>)> {
    let parsed = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(text);
    let span = |span: &regex_syntax::ast::Span| Some(span.start.offset..span.end.offset);
    let tree = parsed.map_err(|error| match &error {
        regex_syntax::Error::Parse(error) => (error.kind().to_string(), span(error.span())),
        regex_syntax::Error::Translate(error) => (error.kind().to_string(), span(error.span())),
        other => (other.to_string().lines().last().unwrap_or_default().to_owned(), None),
    })?;
    let built = regex::bytes::RegexBuilder::new(text).unicode(false).size_limit(SIZE_LIMIT).build();
    match built {
        Ok(_) => Ok(tree),
        Err(error) => {
            let words = error.to_string();
            Err((words.lines().last().unwrap_or_default().trim().to_owned(), None))
        }
    }
}

/// Whether it is found at the beginning of whatever there is.
fn finds_anything(tree: &Hir) -> bool {
    let properties = tree.properties();
    properties.minimum_len() == Some(0) && properties.look_set().is_empty()
}
