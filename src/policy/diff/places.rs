//! In which repositories of its project something changes.

use super::super::name::ProjectName;
use super::super::pattern::Pattern;
use super::Repositories;
use super::crowd::Crowd;
use std::collections::BTreeMap;

/// Repositories that can be told apart, and the comparisons that they belong to, all by number.
#[derive(Default)]
pub(super) struct Places<'p> {
    /// For every set of patterns, a repository that just these match.
    names: Vec<Vec<u8>>,
    patterns: Vec<(String, Crowd)>,
    /// By comparison.
    of: Vec<Crowd>,
    /// Of each project that is told.
    projects: BTreeMap<&'p ProjectName, Crowd>,
}

impl<'p> Places<'p> {
    pub(super) fn new<'a>(
        names: Vec<Vec<u8>>,
        patterns: impl Iterator<Item = &'a Pattern>,
    ) -> Self {
        let by_text: BTreeMap<String, &Pattern> =
            patterns.map(|pattern| (pattern.to_string(), pattern)).collect();
        let matching = |pattern: &Pattern| {
            let all = (0..).zip(&names);
            let matching = all.filter(|(_, name)| pattern.matches(name, None).unwrap_or(true));
            matching.map(|(number, _)| number).collect::<Crowd>()
        };
        let patterns =
            by_text.into_iter().map(|(text, pattern)| (text, matching(pattern))).collect();
        Self { names, patterns, ..Self::default() }
    }

    /// Adds a repository to a comparison, whose changes are told of the project.
    pub(super) fn add(&mut self, repository: usize, comparison: usize, told: &'p ProjectName) {
        if comparison >= self.of.len() {
            self.of.resize(comparison + 1, Crowd::default());
        }
        self.of.get_mut(comparison).into_iter().for_each(|of| of.insert(repository));
        self.projects.entry(told).or_default().insert(repository);
    }

    /// What these comparisons are about in words, and one of the repositories.
    pub(super) fn told(
        &self,
        project: &ProjectName,
        comparisons: impl Iterator<Item = usize>,
    ) -> (Repositories, Vec<u8>) {
        let mut here = Crowd::default();
        comparisons.filter_map(|at| self.of.get(at)).for_each(|of| here.extend(of));
        let example = here.first().and_then(|at| self.names.get(at)).cloned();
        (self.words(project, &here), example.unwrap_or_default())
    }

    fn words(&self, project: &ProjectName, here: &Crowd) -> Repositories {
        let all = self.projects.get(project).cloned().unwrap_or_default();
        let elsewhere = all.clone().without(here);
        if elsewhere.is_empty() {
            return Repositories::All;
        }
        if let Some(patterns) = self.exactly(here, &all) {
            return Repositories::Matching(patterns);
        }
        match self.exactly(&elsewhere, &all) {
            Some(patterns) => Repositories::AllBut(patterns),
            None => Repositories::Some,
        }
    }

    /// Patterns that among all of a project's repositories match just these, few and wide ones.
    fn exactly(&self, these: &Crowd, all: &Crowd) -> Option<Vec<String>> {
        let within = self.patterns.iter().map(|(text, set)| (text, set.and(all)));
        let mut within: Vec<_> = within.filter(|(_, set)| set.is_within(these)).collect();
        within.sort_by_key(|(_, set)| std::cmp::Reverse(set.len()));
        let (mut found, mut left) = (Vec::new(), these.clone());
        for (text, set) in within {
            if set.meets(&left) {
                found.push(text.clone());
                left = left.without(&set);
            }
        }
        left.is_empty().then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::lab;
    use super::*;

    #[test]
    fn repositories_are_told_by_patterns_where_these_say_it_exactly() {
        let names = ["0", "web/0", "web/1", "web/api"].map(|name| name.as_bytes().to_vec());
        let patterns = ["**", "web/*", "*/api"].map(lab::pattern);
        let mut places = Places::new(names.to_vec(), patterns.iter());
        let project = lab::project("P");
        (0..4).for_each(|at| places.add(at, at, &project));
        let told = |of: &[usize]| places.told(&project, of.iter().copied());
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(told(&[0, 1, 2, 3]), (Repositories::All, b"0".to_vec()));
        assert_eq!(told(&[1, 2, 3]).0, Repositories::Matching(texts(&["web/*"])));
        assert_eq!(told(&[3]).0, Repositories::Matching(texts(&["*/api"])));
        assert_eq!(told(&[0]), (Repositories::AllBut(texts(&["web/*"])), b"0".to_vec()));
        assert_eq!(told(&[0, 3]), (Repositories::Some, b"0".to_vec()));
        assert_eq!(told(&[1]), (Repositories::Some, b"web/0".to_vec()));
    }
}
