//! Patterns over refs and paths: those that parse, but match nothing or say nothing, are errors.

use super::Check;
use crate::policy::diag::{At, PolicyCode};
use crate::policy::name::UserName;
use crate::policy::pattern::{Pattern, PatternError};
use crate::policy::raw::{Table, Word};
use crate::policy::refs::{PathScope, RefPattern, RefScope, Space};
use regex_syntax::hir::literal::{Extractor, Literal};

const REFS: &[u8] = b"refs/";
const HEADS: &[u8] = b"refs/heads/";
const TAGS: &[u8] = b"refs/tags/";
const OWN: &str = "refs/refwarden";
/// Most characters of all patterns of a policy, braces multiplied out; 20 000 entries with ten
/// patterns of 20 characters each.
const MAX_PATTERNS: usize = 4_000_000;

/// How the refs of a scope are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Heads, tags and folders that are spelled out.
    Permit,
    /// Whatever matches.
    Forbid,
}

/// Keys that name refs.
pub(super) const REF_KEYS: [(&str, Space, bool); 6] = [
    ("branches", Space::Branches, true),
    ("tags", Space::Tags, true),
    ("refs", Space::Refs, true),
    ("except-branches", Space::Branches, false),
    ("except-tags", Space::Tags, false),
    ("except-refs", Space::Refs, false),
];

impl Check<'_> {
    /// `branches`, `tags`, `refs` and their `except-`; `user` says whether `${user}` may stand there.
    pub(super) fn ref_scope(&mut self, table: &Table, reach: Reach, user: bool) -> RefScope {
        let mut scope = RefScope::default();
        for (key, space, included) in REF_KEYS {
            let Some(words) = table.texts(key) else { continue };
            self.not_empty(&words, key);
            for word in words.words {
                let Some(pattern) = self.ref_pattern(word, space, user) else { continue };
                if included && reach == Reach::Permit && space == Space::Refs {
                    self.covers(word, &pattern);
                }
                let list = if included { &mut scope.include } else { &mut scope.exclude };
                list.push(RefPattern { space, pattern });
            }
        }
        scope
    }

    fn ref_pattern(&mut self, word: Word<'_>, space: Space, user: bool) -> Option<Pattern> {
        let pattern = self.pattern_with(word, user, user)?;
        match space {
            Space::Branches => self.prefix_twice(word, "branches", "refs/heads/"),
            Space::Tags => self.prefix_twice(word, "tags", "refs/tags/"),
            Space::Refs => self.full_name(word, &pattern),
        }
        Some(pattern)
    }

    /// A pattern; `user` says whether `${user}` may stand in it.
    pub(super) fn pattern(&mut self, word: Word<'_>, user: bool) -> Option<Pattern> {
        self.pattern_with(word, user, false)
    }

    fn pattern_with(
        &mut self,
        Word { text, at }: Word<'_>,
        user: bool,
        issue: bool,
    ) -> Option<Pattern> {
        if self.pattern_size > MAX_PATTERNS {
            return None;
        }
        let parsed = Pattern::parse(text);
        self.pattern_size += parsed.as_ref().map_or(0, Pattern::size);
        match parsed {
            Ok(_) if self.pattern_size > MAX_PATTERNS => {
                let message = format!(
                    "the patterns up to here have more than {MAX_PATTERNS} characters, braces multiplied out"
                );
                self.report(PolicyCode::TooLarge, at, message);
                None
            }
            Ok(pattern) if pattern.has_user() && !user => {
                let message = "`${user}` has no meaning here: it stands in the refs and paths of what people may do";
                self.report(PolicyCode::UserMisplaced, at, message);
                None
            }
            Ok(pattern) if pattern.has_issue() && !issue => {
                let message = "`${issue}` has no meaning here: it stands in patterns over refs";
                self.report(PolicyCode::UserMisplaced, at, message);
                None
            }
            Ok(pattern) => {
                if user {
                    self.bare_user(text, at);
                }
                Some(pattern)
            }
            Err(PatternError::TooLong) => {
                self.report(PolicyCode::BadPattern, at, PatternError::TooLong.to_string());
                None
            }
            Err(error) => {
                self.report(PolicyCode::BadPattern, at, format!("`{text}`: {error}"));
                None
            }
        }
    }

    /// `$user` without braces is taken as it stands, which nobody means.
    fn bare_user(&mut self, text: &str, at: At) {
        let bare = text
            .match_indices("$user")
            .any(|(found, _)| !text.get(..found).is_some_and(|before| before.ends_with('\\')));
        if bare {
            let message = format!("`$user` in `{text}` does not stand for the pusher's name");
            self.report_help(PolicyCode::BareUser, at, message, "write `${user}`");
        }
    }

    fn prefix_twice(&mut self, Word { text, at }: Word<'_>, key: &str, prefix: &str) {
        let bare = text.strip_prefix("regex:").unwrap_or(text);
        let Some(below) = bare.strip_prefix("refs/") else { return };
        let message = format!("`{key}` already means what is below `{prefix}`");
        let help = match bare.strip_prefix(prefix) {
            Some(rest) => format!("did you mean `{rest}`?"),
            None => format!("full names go into `refs`: did you mean `refs = [\"refs/{below}\"]`?"),
        };
        self.report_help(PolicyCode::PrefixTwice, at, message, help);
    }

    /// A full name begins with `refs/`.
    fn full_name(&mut self, Word { text, at }: Word<'_>, pattern: &Pattern) {
        let one_component =
            pattern.as_glob().is_some() && !text.contains('/') && !text.contains("**");
        let never = Beginnings::of(pattern).never_begin(REFS);
        if !never && !one_component {
            return;
        }
        let message = format!("`{text}` matches no ref: full names begin with `refs/`");
        let help = match text {
            "HEAD" => "`HEAD` is not pushed; name the branch".to_owned(),
            _ if text.starts_with("regex:") => "begin with `regex:refs/`".to_owned(),
            _ if text.starts_with("heads/") || text.starts_with("tags/") => {
                format!("did you mean `refs/{text}`?")
            }
            _ => format!("did you mean `branches = [\"{text}\"]`?"),
        };
        self.report_help(PolicyCode::NeverMatches, at, message, help);
    }

    /// Outside heads and tags a permit reaches only folders that a glob spells out.
    fn covers(&mut self, Word { text, at }: Word<'_>, pattern: &Pattern) {
        let beginnings = Beginnings::of(pattern);
        if beginnings.never_begin(REFS) {
            return;
        }
        let prefix = pattern.as_glob().map(|glob| glob.literal_prefix()).unwrap_or_default();
        let is_own = prefix.strip_prefix(OWN.as_bytes());
        if is_own.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/")) {
            let message = "refs below `refs/refwarden/` are never open to a push";
            self.report(PolicyCode::OwnRefs, at, message);
            return;
        }
        let below = prefix.strip_prefix(REFS).unwrap_or_default();
        let spelled = pattern.as_glob().is_some_and(|glob| glob.is_literal());
        if spelled || below.contains(&b'/') {
            return;
        }
        if beginnings.never_begin(HEADS) && beginnings.never_begin(TAGS) {
            let message = format!(
                "`{text}` covers nothing: outside heads and tags a permit covers only folders that a glob spells out"
            );
            let help = "spell each folder out, as in `refs/notes/**`";
            self.report_help(PolicyCode::CoversNothing, at, message, help);
        } else if beginnings.some_outside() {
            self.partly(text, at);
        }
    }

    fn partly(&mut self, text: &str, at: At) {
        let message = format!("`{text}` covers heads and tags alone, not all that it names");
        let help = "spell each other folder out, as in `refs/notes/**`";
        self.report_help(PolicyCode::PartlyCovers, at, message, help);
    }

    /// `paths` and `except-paths`.
    pub(super) fn path_scope(&mut self, table: &Table) -> Option<PathScope> {
        if !table.has("paths") && !table.has("except-paths") {
            return None;
        }
        let include = self.paths(table, "paths", true);
        let exclude = self.paths(table, "except-paths", true);
        Some(PathScope { include, exclude })
    }

    /// `user` says whether `${user}` may stand there.
    pub(super) fn paths(&mut self, table: &Table, key: &str, user: bool) -> Vec<Pattern> {
        let Some(words) = table.texts(key) else { return Vec::new() };
        self.not_empty(&words, key);
        words.words.into_iter().filter_map(|word| self.path(word, user)).collect()
    }

    fn path(&mut self, word: Word<'_>, user: bool) -> Option<Pattern> {
        let bare = word.text.strip_prefix("regex:").unwrap_or(word.text);
        let slash = bare.starts_with('/') || bare.ends_with('/');
        if slash && bare != "/" {
            let message = "paths start at the repository's root, without a slash at either end";
            let trimmed = bare.trim_matches('/');
            let help = if bare.ends_with('/') {
                format!("did you mean `{trimmed}/**`?")
            } else {
                format!("did you mean `{trimmed}`?")
            };
            self.report_help(PolicyCode::PathSlash, word.at, message, help);
            return None;
        }
        let pattern = self.pattern(word, user)?;
        let is_glob = pattern.as_glob().is_some();
        if is_glob && word.text.split('/').any(|part| matches!(part, "." | "..")) {
            let message = "no path in a tree has the component `.` or `..`";
            self.report(PolicyCode::NeverMatches, word.at, message);
        }
        Some(pattern)
    }
}

/// Texts one of which begins everything that a pattern matches, as far as that can be told.
struct Beginnings(Option<Vec<Literal>>);

impl Beginnings {
    fn of(pattern: &Pattern) -> Self {
        let anybody = UserName::parse("0").ok();
        let expression = pattern.to_regex(anybody.as_ref());
        let mut parser = regex_syntax::ParserBuilder::new().utf8(false).build();
        let tree = parser.parse(&expression).ok();
        let literals = tree.map(|tree| Extractor::new().extract(&tree));
        Self(literals.and_then(|sequence| sequence.literals().map(<[Literal]>::to_vec)))
    }

    /// Whether nothing that matches can begin with `wanted`.
    fn never_begin(&self, wanted: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|all| !all.iter().any(|one| may_begin(one, wanted)))
    }

    /// Whether some of them lead outside heads and tags.
    fn some_outside(&self) -> bool {
        let outside = |one| !may_begin(one, HEADS) && !may_begin(one, TAGS);
        self.0.as_ref().is_some_and(|all| all.iter().any(outside))
    }
}

fn may_begin(literal: &Literal, wanted: &[u8]) -> bool {
    let text = literal.as_bytes();
    text.starts_with(wanted) || (!literal.is_exact() && wanted.starts_with(text))
}
