//! Which refs and paths an entry speaks about.

use super::name::UserName;
use super::pattern::{Broken, Given, Pattern};
use serde::{Deserialize, Serialize};
use std::fmt;

const HEADS: &[u8] = b"refs/heads/";
const TAGS: &[u8] = b"refs/tags/";
/// Refs of refwarden's own, which no permit ever covers.
const OWN: &[u8] = b"refs/refwarden/";

/// Under which prefix a pattern was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Space {
    /// `branches = […]`: what follows `refs/heads/`.
    Branches,
    /// `tags = […]`: what follows `refs/tags/`.
    Tags,
    /// `refs = […]`: the full name.
    Refs,
}

/// One pattern over ref names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefPattern {
    /// Where it applies.
    pub space: Space,
    /// What it matches there.
    pub pattern: Pattern,
}

impl RefPattern {
    fn matches(&self, name: &[u8], given: Given<'_>) -> Result<bool, Broken> {
        let rest = match self.space {
            Space::Branches => name.strip_prefix(HEADS),
            Space::Tags => name.strip_prefix(TAGS),
            Space::Refs => Some(name),
        };
        rest.map_or(Ok(false), |rest| self.pattern.matches(rest, given))
    }

    /// Whether the pattern reaches outside heads and tags as far as `name`: it is a glob over full
    /// names whose literal part spells out the folder below `refs/`.
    fn spells_folder_of(&self, name: &[u8]) -> bool {
        let (Space::Refs, Some(glob)) = (self.space, self.pattern.as_glob()) else {
            return false;
        };
        let below = name.strip_prefix(b"refs/".as_slice()).unwrap_or_default();
        match below.iter().position(|&b| b == b'/') {
            Some(slash) => name
                .get(.."refs/".len() + slash + 1)
                .is_some_and(|folder| glob.literal_prefix().starts_with(folder)),
            None => glob.is_literal(),
        }
    }
}

/// The refs of an entry: those of `include` (all, if it is empty) but those of `exclude`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefScope {
    /// `branches`, `tags`, `refs`.
    pub include: Vec<RefPattern>,
    /// `except-branches`, `except-tags`, `except-refs`.
    pub exclude: Vec<RefPattern>,
}

impl RefScope {
    /// Whether `${issue}` stands in a pattern.
    #[must_use]
    pub fn has_issue(&self) -> bool {
        self.include.iter().chain(&self.exclude).any(|one| one.pattern.has_issue())
    }

    /// Whether a forbid covers `name`: whatever its patterns match, every ref without any.
    ///
    /// # Errors
    /// [`Broken`] when a pattern can't be evaluated.
    pub fn forbids<'a>(&self, name: &[u8], given: impl Into<Given<'a>>) -> Result<bool, Broken> {
        let given = given.into();
        let included = self.include.is_empty() || any(&self.include, name, given, |_| true)?;
        Ok(included && !any(&self.exclude, name, given, |_| true)?)
    }

    /// Whether a permit or grant covers `name`: heads and tags as its patterns match, refs
    /// elsewhere only by a glob that spells their folder out, our own refs never.
    ///
    /// # Errors
    /// [`Broken`] when a pattern can't be evaluated.
    pub fn permits<'a>(&self, name: &[u8], given: impl Into<Given<'a>>) -> Result<bool, Broken> {
        let given = given.into();
        if name.starts_with(OWN) {
            return Ok(false);
        }
        let usual = name.starts_with(HEADS) || name.starts_with(TAGS);
        let included = match (self.include.is_empty(), usual) {
            (true, usual) => usual,
            (false, true) => any(&self.include, name, given, |_| true)?,
            (false, false) => any(&self.include, name, given, |p| p.spells_folder_of(name))?,
        };
        Ok(included && !any(&self.exclude, name, given, |_| true)?)
    }
}

fn any(
    patterns: &[RefPattern],
    name: &[u8],
    given: Given<'_>,
    eligible: impl Fn(&RefPattern) -> bool,
) -> Result<bool, Broken> {
    for pattern in patterns {
        if eligible(pattern) && pattern.matches(name, given)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The paths of an entry: those of `include` (all, if it is empty) but those of `exclude`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathScope {
    /// `paths`.
    pub include: Vec<Pattern>,
    /// `except-paths`.
    pub exclude: Vec<Pattern>,
}

impl fmt::Display for PathScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |all: &[Pattern]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match (self.include.is_empty(), self.exclude.is_empty()) {
            (true, true) => f.write_str("all paths"),
            (true, false) => write!(f, "all paths except {}", list(&self.exclude)),
            (false, true) => write!(f, "paths {}", list(&self.include)),
            (false, false) => {
                write!(f, "paths {} except {}", list(&self.include), list(&self.exclude))
            }
        }
    }
}

/// A path that an update changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangedPath {
    /// From the repository's root, as git stores it.
    pub path: Vec<u8>,
    /// Whether the old or the new entry is a symbolic link or a submodule.
    pub link: bool,
}

/// The changed paths of an update, as far as they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paths<'a> {
    /// There are none to speak of: a deletion, or reading.
    None,
    /// They can't be computed.
    Unknown,
    /// All of them.
    Known(&'a [ChangedPath]),
}

impl PathScope {
    /// Whether a permit covers the path; what `except-paths` takes away goes with a link or submodule
    /// above it too.
    ///
    /// # Errors
    /// [`Broken`] when a pattern can't be evaluated.
    pub fn permits(&self, path: &ChangedPath, user: Option<&UserName>) -> Result<bool, Broken> {
        if above(&self.exclude, path, user) {
            return Ok(false);
        }
        let path = path.path.as_slice();
        let included = self.include.is_empty() || matches(&self.include, path, user)?;
        Ok(included && !matches(&self.exclude, path, user)?)
    }

    /// Whether a forbid covers the path; `x/y/**` also covers a link or submodule `x/y` or `x`,
    /// because what lies below it would change with it.
    ///
    /// # Errors
    /// [`Broken`] when a pattern can't be evaluated.
    pub fn forbids(&self, path: &ChangedPath, user: Option<&UserName>) -> Result<bool, Broken> {
        let name = path.path.as_slice();
        let included = self.include.is_empty()
            || matches(&self.include, name, user)?
            || above(&self.include, path, user);
        Ok(included && !matches(&self.exclude, name, user)?)
    }
}

/// Whether the path is a link or submodule at a folder that one of the patterns spells out.
fn above(patterns: &[Pattern], path: &ChangedPath, user: Option<&UserName>) -> bool {
    let passes = |pattern: &Pattern| {
        pattern.as_glob().is_some_and(|glob| glob.passes_through(&path.path, user))
    };
    path.link && patterns.iter().any(passes)
}

fn matches(patterns: &[Pattern], subject: &[u8], user: Option<&UserName>) -> Result<bool, Broken> {
    for pattern in patterns {
        if pattern.matches(subject, user)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(refs: &[&str], except: &[&str]) -> RefScope {
        let parse = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| RefPattern {
                    space: Space::Refs,
                    pattern: Pattern::parse(text).unwrap(),
                })
                .collect()
        };
        RefScope { include: parse(refs), exclude: parse(except) }
    }

    #[test]
    fn a_link_above_a_folder_that_a_pattern_spells_out_is_taken_for_what_lies_below() {
        let scope = |include: &[&str], exclude: &[&str]| {
            let parse = |texts: &[&str]| texts.iter().map(|t| Pattern::parse(t).unwrap()).collect();
            PathScope { include: parse(include), exclude: parse(exclude) }
        };
        let at = |path: &str, link| ChangedPath { path: path.into(), link };
        for (pattern, path, covered) in [
            ("x/**", "x", true),
            ("infra/deploy/**", "infra", true),
            ("infra/deploy/**", "infra/deploy", true),
            ("infra/deploy/**", "infra/other", false),
            ("ops/key.txt", "ops", true),
            ("ops/key.txt", "op", false),
            ("{a,b}/c", "b", true),
            ("*/c", "b", true),
            ("a/**/c", "a", true),
            ("a/**/c", "a/b", false),
            ("**/c", "b", false),
            ("**/c/**", "b/c", true),
            ("c", "c", true),
            ("regex:a/.*", "a", false),
        ] {
            let forbid = scope(&[pattern], &[]);
            assert_eq!(forbid.forbids(&at(path, true), None).unwrap(), covered, "{pattern} {path}");
            let permit = scope(&[], &[pattern]);
            assert_eq!(
                permit.permits(&at(path, true), None).unwrap(),
                !covered,
                "{pattern} {path}"
            );
            let plain = pattern == path;
            assert_eq!(forbid.forbids(&at(path, false), None).unwrap(), plain, "{pattern} {path}");
            assert_eq!(permit.permits(&at(path, false), None).unwrap(), !plain, "{pattern} {path}");
        }
        // A permit's own paths reach no further by it.
        assert!(!scope(&["x/**"], &[]).permits(&at("x", true), None).unwrap());
    }

    #[test]
    fn a_permit_reaches_outside_heads_and_tags_only_where_the_folder_is_spelled_out() {
        let permits =
            |refs: &[&str], name: &str| scope(refs, &[]).permits(name.as_bytes(), None).unwrap();
        assert!(permits(&[], "refs/heads/a/b") && permits(&[], "refs/tags/v1"));
        assert!(!permits(&[], "refs/notes/commits") && !permits(&[], "refs/stash"));
        assert!(permits(&["refs/notes/**"], "refs/notes/commits"));
        assert!(permits(&["refs/notes/c*"], "refs/notes/commits"));
        for wide in [
            "refs/**",
            "**",
            "refs/{notes,heads}/**",
            "refs/n*/**",
            "regex:refs/notes/.*",
            "refs/${user}/**",
        ] {
            assert!(!permits(&[wide], "refs/notes/commits"), "{wide}");
        }
        assert!(
            permits(&["refs/**"], "refs/heads/x")
                && permits(&["regex:refs/tags/.*"], "refs/tags/x")
        );
        assert!(permits(&["refs/stash"], "refs/stash") && !permits(&["refs/*"], "refs/stash"));
        assert!(!permits(&["refs/refwarden/**"], "refs/refwarden/x"));
    }

    #[test]
    fn a_forbid_covers_whatever_it_matches_and_everything_when_it_names_nothing() {
        let forbids =
            |refs: &[&str], name: &str| scope(refs, &[]).forbids(name.as_bytes(), None).unwrap();
        assert!(forbids(&[], "refs/notes/x") && forbids(&["refs/**"], "refs/notes/x"));
        assert!(!scope(&[], &["refs/notes/**"]).forbids(b"refs/notes/x", None).unwrap());
    }

    #[test]
    fn a_link_in_place_of_a_forbidden_folder_is_forbidden() {
        let scope =
            PathScope { include: vec![Pattern::parse("secrets/**").unwrap()], exclude: vec![] };
        let path = |path: &str, link| ChangedPath { path: path.into(), link };
        assert!(scope.forbids(&path("secrets", true), None).unwrap());
        assert!(!scope.forbids(&path("secrets", false), None).unwrap());
        assert!(scope.forbids(&path("secrets/a", false), None).unwrap());
        assert!(!scope.permits(&path("secrets", true), None).unwrap());
    }
}
