//! What a check asks for: each of its keys, and which of them go together.

use super::Check;
use crate::policy::checks::{Author, Merges, Rule, Secret};
use crate::policy::diag::{At, PolicyCode, Problem};
use crate::policy::pattern::Pattern;
use crate::policy::raw::{Item, Table, Value, Word};
use crate::policy::refs::PathScope;
use std::collections::BTreeMap;

/// The word for the patterns that come with refwarden.
pub(super) const STARTER: &str = "secrets";
/// Keys that ask for nothing.
const WHERE: [&str; 11] = [
    "name",
    "projects",
    "repositories",
    "branches",
    "tags",
    "refs",
    "except-branches",
    "except-tags",
    "except-refs",
    "enforce",
    "help",
];
/// Units of sizes.
const UNITS: [(&str, u64); 8] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];
/// Most bytes of `max-file-size`: 1 TiB.
const LARGEST: u64 = 1 << 40;

impl Check<'_> {
    /// Every rule of a check, in a fixed order.
    pub(super) fn rules(&mut self, table: &Table, at: At) -> Vec<Rule> {
        let mut rules = Vec::new();
        self.of_messages(table, &mut rules);
        self.of_people(table, &mut rules);
        self.of_history(table, &mut rules);
        self.of_files(table, &mut rules);
        self.of_trees(table, &mut rules);
        rules.extend(self.content(table));
        rules.extend(self.ref_name(table).map(Rule::RefName));
        rules.extend(yes(table, "ref-case-conflicts").then_some(Rule::RefCaseConflicts));
        rules.extend(self.issue_rule(table).map(Rule::Issue));
        let off = |item: &Item| matches!(item.node.value, Value::Bool(false));
        let asks = |key: &str, item: &Item| !WHERE.contains(&key) && !off(item);
        if !table.items.iter().any(|(key, item)| asks(key, item)) {
            let message = "this check asks for nothing: it has no rule";
            let help =
                "add one, as in `subject = \"^(PAY-[0-9]+): \"` (docs/checks.md has them all)";
            self.report_help(PolicyCode::NoRule, at, message, help);
        }
        rules
    }

    fn of_messages(&mut self, table: &Table, rules: &mut Vec<Rule>) {
        rules.extend(self.search(table, "subject").map(Rule::Subject));
        rules.extend(self.search(table, "message").map(Rule::Message));
        rules.extend(self.count(table, "max-subject").map(Rule::MaxSubject));
    }

    fn of_people(&mut self, table: &Table, rules: &mut Vec<Rule>) {
        let committer = self.choice(table, "committer", &[("pusher", true)], false);
        rules.extend(committer.then_some(Rule::Committer));
        let authors = [("pusher", Some(Author::Pusher)), ("known", Some(Author::Known))];
        rules.extend(self.choice(table, "author", &authors, None).map(Rule::Author));
        rules.extend(self.signed(table));
    }

    fn of_history(&mut self, table: &Table, rules: &mut Vec<Rule>) {
        rules.extend(yes(table, "annotated-tags").then_some(Rule::AnnotatedTags));
        let merges = [("none", Some(Merges::None)), ("only", Some(Merges::Only))];
        rules.extend(self.choice(table, "merges", &merges, None).map(Rule::Merges));
    }

    /// `"commits"`, `"tags"`, or both in a list.
    fn signed(&mut self, table: &Table) -> Option<Rule> {
        let words = match table.text("signed") {
            Some(word) => vec![word],
            None => {
                let words = table.texts("signed")?;
                self.not_empty(&words, "signed");
                words.words
            }
        };
        let (mut commits, mut tags) = (false, false);
        for Word { text, at } in words {
            match text {
                "commits" => commits = true,
                "tags" => tags = true,
                other => {
                    let message = format!("`signed` is `commits` or `tags`, not `{other}`");
                    let problem = Problem::new(PolicyCode::UnknownValue, at, message);
                    self.problems.push_near(problem, other, ["commits", "tags"], "");
                }
            }
        }
        (commits || tags).then_some(Rule::Signed { commits, tags })
    }

    fn of_files(&mut self, table: &Table, rules: &mut Vec<Rule>) {
        let lfs = yes(table, "lfs");
        rules.extend(
            self.size(table, "max-file-size").map(|bytes| Rule::MaxFileSize { bytes, lfs }),
        );
        if let Some(item) = table.get("lfs").filter(|_| !table.has("max-file-size")) {
            let message = "`lfs` says how `max-file-size` is meant, and that is not here";
            self.report(PolicyCode::RuleClash, item.key, message);
        }
        let (forbidden, only) =
            (self.some_paths(table, "forbid-paths"), self.some_paths(table, "only-paths"));
        self.disjoint(table, forbidden.as_ref(), only.as_ref());
        rules.extend(forbidden.map(Rule::ForbidPaths));
        rules.extend(only.map(Rule::OnlyPaths));
    }

    /// A path that is asked for and forbidden could never be changed.
    fn disjoint(&mut self, table: &Table, forbidden: Option<&PathScope>, only: Option<&PathScope>) {
        let (Some(forbidden), Some(only)) = (forbidden, only) else { return };
        let gone = |one: &Pattern| {
            forbidden.include.iter().any(|other| other == one || other.text() == "**")
        };
        if only.include.iter().all(gone)
            && let Some(item) = table.get("only-paths")
        {
            let message =
                "`forbid-paths` forbids all that `only-paths` leaves: nothing could change";
            self.report(PolicyCode::RuleClash, item.key, message);
        }
    }

    fn some_paths(&mut self, table: &Table, key: &str) -> Option<PathScope> {
        table.texts(key)?;
        let include = self.paths(table, key, false);
        (!include.is_empty()).then_some(PathScope { include, exclude: Vec::new() })
    }

    fn of_trees(&mut self, table: &Table, rules: &mut Vec<Rule>) {
        rules.extend(self.count(table, "max-path-length").map(Rule::MaxPathLength));
        rules.extend(yes(table, "case-conflicts").then_some(Rule::CaseConflicts));
        rules.extend(yes(table, "reserved-names").then_some(Rule::ReservedNames));
        let inside = self.choice(table, "symlinks", &[("inside", true)], false);
        rules.extend(inside.then_some(Rule::SymlinksInside));
        rules.extend(self.submodules(table).map(Rule::Submodules));
    }

    /// `"none"`, or a list of patterns of URLs.
    fn submodules(&mut self, table: &Table) -> Option<Vec<Pattern>> {
        if let Some(Word { text, at }) = table.text("submodules") {
            if text == "none" {
                return Some(Vec::new());
            }
            let message = format!("`submodules` is `none` or a list of URLs, not `{text}`");
            let help = format!("write `submodules = [\"{text}\"]`");
            self.report_help(PolicyCode::UnknownValue, at, message, help);
            return None;
        }
        let words = table.texts("submodules")?;
        if words.empty {
            let message = "`submodules` is empty";
            let help = "write `submodules = \"none\"` to allow none";
            self.report_help(PolicyCode::EmptyList, words.at, message, help);
        }
        let urls: Vec<Pattern> =
            words.words.iter().filter_map(|word| self.module_url(*word)).collect();
        (!urls.is_empty()).then_some(urls)
    }

    /// A glob over URLs: what follows `://` is one like any other.
    fn module_url(&mut self, word: Word<'_>) -> Option<Pattern> {
        if word.text == "none" {
            let message = "`none` stands alone: `submodules = \"none\"`";
            self.report(PolicyCode::UnknownValue, word.at, message);
            return None;
        }
        let split = word.text.split_once("://");
        let Some((scheme, rest)) = split.filter(|_| !word.text.starts_with("regex:")) else {
            return self.pattern(word, false);
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        if scheme.is_empty() || !scheme.bytes().all(plain) {
            let message = format!("`{}`: what stands before `://` is a plain word", word.text);
            self.report(PolicyCode::BadPattern, word.at, message);
            return None;
        }
        let below = self.pattern(Word { text: rest, at: word.at }, false)?;
        let expression = below.to_regex(None);
        let inner = expression.strip_prefix("(?s-u)\\A").and_then(|e| e.strip_suffix("\\z"))?;
        let scheme = regex_syntax::escape(scheme);
        Pattern::parse(&format!("regex:{scheme}://{inner}")).ok()
    }

    /// `10MiB`, or a plain number of bytes.
    fn size(&mut self, table: &Table, key: &str) -> Option<u64> {
        let (size, at) = match table.int(key) {
            Some((number, at)) => (u64::try_from(number).ok(), at),
            None => {
                let Word { text, at } = table.text(key)?;
                let Some(size) = parse_size(text) else {
                    let message = format!("`{text}` is not a size");
                    let help =
                        "write a number and a unit, as in `10MiB` (B, KiB, MiB, GiB, kB, MB, GB)";
                    self.report_help(PolicyCode::BadSize, at, message, help);
                    return None;
                };
                (Some(size), at)
            }
        };
        let size = size.filter(|size| (1..=LARGEST).contains(size));
        if size.is_none() {
            let message = format!("`{key}` is from 1 B to 1024 GiB");
            self.report(PolicyCode::OutOfRange, at, message);
        }
        size
    }

    /// `content` and `content-paths`.
    fn content(&mut self, table: &Table) -> Option<Rule> {
        let paths = self.some_paths(table, "content-paths");
        let Some(item) = table.get("content") else {
            if let Some(item) = table.get("content-paths") {
                let message =
                    "`content-paths` says where `content` is looked for, and that is not here";
                self.report(PolicyCode::RuleClash, item.key, message);
            }
            return None;
        };
        let Value::List(list) = &item.node.value else { return None };
        if list.is_empty() {
            self.report(PolicyCode::EmptyList, item.node.at, "`content` is empty");
        }
        let (mut starter, mut secrets, mut names) = (false, Vec::new(), BTreeMap::new());
        for node in list {
            if let Some(word) = node.word() {
                starter |= self.is_starter(word);
            } else if let Some(named) = node.table() {
                self.require(named, node.at, "name");
                self.require(named, node.at, "pattern");
                let name = self.line(named, "name");
                if let Some(word) = named.text("name") {
                    self.once(&mut names, word, "pattern");
                }
                let pattern = named.text("pattern").and_then(|word| self.unwanted(word));
                if let (Some(name), Some(pattern)) = (name, pattern) {
                    secrets.push(Secret { name, pattern });
                }
            }
        }
        (starter || !secrets.is_empty()).then_some(Rule::Content { starter, secrets, paths })
    }

    fn is_starter(&mut self, Word { text, at }: Word<'_>) -> bool {
        if text != STARTER {
            let message = format!("there is no set of patterns `{text}`");
            let help = "write `\"secrets\"` for those that come with refwarden, or \
                        `{ name = \"what it is\", pattern = \"…\" }`";
            self.report_help(PolicyCode::UnknownValue, at, message, help.replace('…', "..."));
        }
        text == STARTER
    }
}

fn yes(table: &Table, key: &str) -> bool {
    table.bool(key).unwrap_or(false)
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = unit.trim_start();
    let (_, factor) = UNITS.iter().find(|(word, _)| *word == unit)?;
    // What is too large for a number is over the cap as well.
    Some(number.parse::<u64>().ok()?.saturating_mul(*factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_a_number_and_a_unit() {
        for (text, size) in [
            ("10MiB", Some(10 << 20)),
            ("1 GiB", Some(1 << 30)),
            ("5kB", Some(5_000)),
            ("7B", Some(7)),
            ("99999999999GiB", Some(u64::MAX)),
            ("7", None),
            ("MiB", None),
            ("1.5MiB", None),
            ("-1MiB", None),
            ("10mib", None),
            ("99999999999999999999B", None),
            ("", None),
        ] {
            assert_eq!(parse_size(text), size, "{text}");
        }
    }
}
