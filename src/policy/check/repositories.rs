//! Patterns over repository names, and repositories that two projects claim.

use super::{Check, overlap};
use crate::policy::diag::{At, PolicyCode, Problem};
use crate::policy::pattern::{Glob, Pattern};
use crate::policy::raw::{Table, Word};
use std::collections::{BTreeMap, HashSet};

/// A project's pattern and where it stands.
pub(super) struct Claim<'a> {
    pub project: &'a str,
    pub pattern: Pattern,
    pub at: At,
}

impl Check<'_> {
    /// `repositories` of a table.
    pub(super) fn repositories(&mut self, table: &Table) -> Vec<(Pattern, At)> {
        let Some(words) = table.texts("repositories") else { return Vec::new() };
        self.not_empty(&words, "repositories");
        let each = |word: Word<'_>| Some((self.repository(word)?, word.at));
        words.words.into_iter().filter_map(each).collect()
    }

    fn repository(&mut self, word: Word<'_>) -> Option<Pattern> {
        if word.text.starts_with("regex:") {
            let message = "repositories are matched by globs, so that their project can be found";
            self.report(PolicyCode::RegexMisplaced, word.at, message);
            return None;
        }
        let pattern = self.pattern(word, false)?;
        if let Some(bare) = word.text.strip_suffix(".git") {
            let message = "the name of a repository does not end in `.git`";
            let help = format!("did you mean `{bare}`?");
            self.report_help(PolicyCode::NeverMatches, word.at, message, help);
        }
        Some(pattern)
    }

    /// Reports what can be seen of RW503 without looking at the repositories: equal patterns, and
    /// a pattern below another project's `folder/**`. An exact name beats such a folder, and so a
    /// pattern whose names all stand exactly somewhere claims nothing.
    pub(super) fn overlaps(&mut self, claims: &[Claim<'_>]) {
        let exact = exact_names(claims);
        let settled = |claim: &&Claim<'_>| {
            let names = claim.pattern.as_glob().and_then(Glob::names);
            names.is_some_and(|names| names.len() > 1 && names.iter().all(|n| exact.contains(n)))
        };
        let claims: Vec<&Claim<'_>> = claims.iter().filter(|claim| !settled(claim)).collect();
        let mut equal: BTreeMap<Vec<u8>, &Claim<'_>> = BTreeMap::new();
        let mut folders: BTreeMap<&[u8], &Claim<'_>> = BTreeMap::new();
        let mut told = HashSet::new();
        for (at, claim) in claims.iter().copied().enumerate() {
            match equal.get(&meaning(claim)) {
                Some(first) if first.project != claim.project => {
                    told.insert(at);
                    self.overlap(first, claim);
                }
                Some(_) => {}
                None => {
                    equal.insert(meaning(claim), claim);
                }
            }
            if let Some(folder) = whole_folder(&claim.pattern) {
                folders.entry(folder).or_insert(claim);
            }
        }
        for (at, claim) in claims.iter().copied().enumerate() {
            let Some(glob) = claim.pattern.as_glob().filter(|glob| !glob.is_literal()) else {
                continue;
            };
            let prefix = glob.literal_prefix();
            let slashes = (1..).zip(prefix).filter(|(_, byte)| **byte == b'/');
            let outer = slashes
                .filter_map(|(end, _)| folders.get(prefix.get(..end)?))
                .find(|outer| outer.project != claim.project);
            if let Some(outer) = outer
                && outer.pattern.text() != claim.pattern.text()
            {
                told.insert(at);
                self.overlap(outer, claim);
            }
        }
        self.meetings(&claims, &exact, &told);
    }

    /// Reports the globs that have a name in common which nobody names exactly.
    fn meetings(&mut self, claims: &[&Claim<'_>], exact: &HashSet<Vec<u8>>, told: &HashSet<usize>) {
        let vies = |claim: &Claim<'_>| {
            let glob = claim.pattern.as_glob();
            glob.is_some_and(|glob| !glob.is_literal() && !glob.is_everything())
        };
        let numbered = claims.iter().copied().enumerate().filter(|(_, claim)| vies(claim));
        let (numbers, claims): (Vec<usize>, Vec<&Claim<'_>>) = numbered.unzip();
        let told = (0..).zip(&numbers).filter(|(_, number)| told.contains(number));
        let told = told.map(|(at, _)| at).collect();
        for (one, other, name) in overlap::meetings(&claims, exact, &told) {
            if let (Some(first), Some(second)) = (claims.get(one), claims.get(other)) {
                let name = crate::text::Safe::new(&name, 200);
                let message = format!(
                    "`{}` and `{}` both match `{name}`, which would be in two projects, `{}` and `{}`",
                    first.pattern, second.pattern, first.project, second.project
                );
                let problem = Problem::new(PolicyCode::RepositoriesOverlap, second.at, message);
                let help = "make them disjoint, or name what both match exactly in one of them";
                let place = format!("`{}` has it here", first.project);
                self.problems.push(problem.help(help).also(first.at, place));
            }
        }
    }

    fn overlap(&mut self, first: &Claim<'_>, second: &Claim<'_>) {
        let message = format!(
            "whatever `{}` matches is in two projects, `{}` and `{}`",
            second.pattern, first.project, second.project
        );
        let problem = Problem::new(PolicyCode::RepositoriesOverlap, second.at, message);
        self.problems.push(problem.also(first.at, format!("`{}` has it here", first.project)));
    }
}

/// What tells equal patterns: the name, where it is exact, in whatever spelling; else the text.
fn meaning(claim: &Claim<'_>) -> Vec<u8> {
    let exact = claim.pattern.as_glob().filter(|glob| glob.is_literal()).and_then(Glob::names);
    match exact.and_then(|names| names.into_iter().next()) {
        Some(name) => [b"=".as_slice(), &name].concat(),
        None => [b"*".as_slice(), claim.pattern.text().as_bytes()].concat(),
    }
}

/// The repositories that projects name one by one.
fn exact_names(claims: &[Claim<'_>]) -> HashSet<Vec<u8>> {
    let globs = claims.iter().filter_map(|claim| claim.pattern.as_glob());
    globs.filter(|glob| glob.is_literal()).filter_map(Glob::names).flatten().collect()
}

/// For `folder/**` with a plain folder: `folder/`.
fn whole_folder(pattern: &Pattern) -> Option<&[u8]> {
    let prefix = pattern.as_glob()?.literal_prefix();
    let plain = !pattern.text().contains('\\');
    (plain && pattern.text().as_bytes().strip_prefix(prefix)? == b"**" && prefix.ends_with(b"/"))
        .then_some(prefix)
}
