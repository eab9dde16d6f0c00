//! The lines of a report held against every question that is answered otherwise: what they leave out,
//! and what of them is true of nothing.

use super::brute::{Asked, Differing, REFS, changed_paths, told_project};
use super::*;
use crate::policy::refs::RefPattern;
use std::collections::HashMap;

fn bits_of(covers: impl Fn(&[u8]) -> bool) -> u64 {
    let all = (0..).zip(REFS).filter(|(_, name)| covers(name.as_bytes()));
    all.fold(0, |bits, (bit, _)| bits | 1 << bit)
}

/// What a line says of one of its people, in bits.
struct Claim<'d> {
    change: &'d Change,
    /// By pattern; one that has all refs where none is told.
    refs: Vec<u64>,
    paths: u64,
}

impl<'d> Claim<'d> {
    fn new(change: &'d Change, user: Option<&UserName>) -> Self {
        let each = change.refs.iter().map(|text| bits_of(|name| ref_matches(text, name, user)));
        let refs = if change.refs.is_empty() { vec![u64::MAX] } else { each.collect() };
        let all = (0..).zip(changed_paths());
        let paths = all.filter(|(_, path)| path_matches(&change.touching, path, user));
        Self { change, refs, paths: paths.fold(0, |bits, (bit, _)| bits | 1 << bit) }
    }

    /// Whether it is about the question, its refs and paths aside.
    fn is_about(&self, asked: &Differing<'_>) -> bool {
        let change = self.change;
        (change.before, change.after) == asked.levels
            && change.actions.contains(&asked.action)
            && change.projects.contains(asked.project)
            && (change.who.looked_up.is_empty() || asked.member)
            && change.from.is_none_or(|from| from <= asked.now)
            && match (&change.touching, asked.paths) {
                (Touching::Any, _) | (Touching::Unknown, None) => true,
                (Touching::Nothing, Some(bits)) => bits == 0,
                (Touching::Path { .. }, Some(bits)) => bits & self.paths != 0,
                _ => false,
            }
    }

    /// Its paths, all of them where it says the same whatever is changed.
    fn all_paths(&self) -> u64 {
        if matches!(self.change.touching, Touching::Path { .. }) { self.paths } else { u64::MAX }
    }

    fn is_in(&self, repository: &str) -> bool {
        let any = |patterns: &[String]| {
            patterns.iter().any(|p| lab::pattern(p).matches(repository.as_bytes(), None).unwrap())
        };
        match &self.change.repositories {
            Repositories::All | Repositories::Some => true,
            Repositories::Matching(patterns) => any(patterns),
            Repositories::AllBut(patterns) => !any(patterns),
        }
    }
}

/// Whether a told pattern, or all of those that are told to hold together, match a ref.
fn ref_matches(text: &str, name: &[u8], user: Option<&UserName>) -> bool {
    let one = |text: &str| {
        let (space, text) = match text.strip_prefix("tags ") {
            Some(text) => (Space::Tags, text),
            None if text.starts_with("refs/") || text.starts_with("regex:refs/") => {
                (Space::Refs, text)
            }
            None => (Space::Branches, text),
        };
        let scope = RefScope { include: lab::on(space, &[text]), exclude: vec![] };
        scope.forbids(name, user).unwrap()
    };
    let usual = name.starts_with(b"refs/heads/") || name.starts_with(b"refs/tags/");
    text.split(" within ").all(|part| match part {
        "any ref" => true,
        "any branch or tag" => usual,
        part => one(part),
    })
}

fn path_matches(touching: &Touching, path: &ChangedPath, user: Option<&UserName>) -> bool {
    let Touching::Path { patterns, .. } = touching else { return false };
    let one = |text: &str| {
        let scope = PathScope { include: vec![lab::pattern(text)], exclude: vec![] };
        text == "any path" || scope.forbids(path, user).unwrap()
    };
    patterns.is_empty() || patterns.iter().any(|text| text.split(" within ").all(one))
}

/// The lines held against every question: what they leave out, and what of them is true of nothing.
pub(super) struct Held<'d> {
    claims: HashMap<String, Vec<(usize, Claim<'d>)>>,
    pub asked: Asked,
    pub left_out: Vec<String>,
    /// Line, pattern and repository of which something is true.
    met: HashSet<(usize, usize, String)>,
    /// The refs of which it is, by line, pattern and user.
    true_of: HashMap<(usize, usize, String), u64>,
}

impl<'d> Held<'d> {
    pub(super) fn new(found: &'d Diff) -> Self {
        let mut claims: HashMap<String, Vec<(usize, Claim<'d>)>> = HashMap::new();
        for (line, change) in found.changes.iter().enumerate() {
            let named = change.who.users.iter().map(|user| (user.to_string(), Some(user)));
            for (name, user) in named.chain(change.who.anonymous.then(|| (String::new(), None))) {
                claims.entry(name).or_default().push((line, Claim::new(change, user)));
            }
        }
        let (met, true_of) = (HashSet::new(), HashMap::new());
        Self { claims, asked: Asked::new(), left_out: Vec::new(), met, true_of }
    }

    pub(super) fn hold(&mut self, asked: &Differing<'_>) {
        let gains = asked.levels.0 < asked.levels.1;
        self.asked.insert((asked.user.into(), asked.project.to_string(), asked.action, gains));
        let claims = self.claims.get(asked.user).map_or(&[][..], Vec::as_slice);
        let about: Vec<_> = claims.iter().filter(|(_, claim)| claim.is_about(asked)).collect();
        for repository in asked.repositories {
            let here = || about.iter().filter(|(_, claim)| claim.is_in(repository));
            for (line, claim) in here() {
                let patterns = claim.refs.iter().enumerate();
                for (at, bits) in patterns.filter(|(_, bits)| *bits & asked.refs != 0) {
                    self.met.insert((*line, at, (*repository).to_owned()));
                    let of = self.true_of.entry((*line, at, asked.user.to_owned())).or_default();
                    *of |= bits & asked.refs;
                }
            }
            for bit in (0..REFS.len()).filter(|bit| asked.refs & (1 << bit) != 0) {
                let of = here().filter(|(_, c)| c.refs.iter().any(|bits| bits & (1 << bit) != 0));
                let (lines, paths) =
                    of.fold((0, 0), |(n, bits), (_, claim)| (n + 1, bits | claim.all_paths()));
                if lines == 0 || asked.paths.is_some_and(|asked| asked & !paths != 0) {
                    let name = REFS[bit];
                    let Differing { user, member, action, levels, paths, now, .. } = asked;
                    self.left_out.push(format!(
                        "{user} (member {member}) {action:?} {name} in {repository} at {now}: \
                         {levels:?}, paths {paths:?}"
                    ));
                }
            }
        }
    }

    /// Told patterns in place of which a narrower one, of entries about all of the line's
    /// repositories, has all that is true. Branches and tags only, of which no permit is shy.
    pub(super) fn too_wide(&self, old: &Policy, new: &Policy) -> Vec<String> {
        let usual =
            bits_of(|name| name.starts_with(b"refs/heads/") || name.starts_with(b"refs/tags/"));
        let mut found = Vec::new();
        for ((line, at, name), is_true) in &self.true_of {
            let claims = self.claims.get(name).into_iter().flatten();
            let Some((_, claim)) = claims.into_iter().find(|(number, _)| number == line) else {
                continue;
            };
            let Some(text) = claim.change.refs.get(*at).filter(|_| is_true & !usual == 0) else {
                continue;
            };
            let user = (!name.is_empty()).then(|| lab::user(name));
            let narrower = |pattern: &RefPattern| {
                let scope = RefScope { include: vec![pattern.clone()], exclude: vec![] };
                let bits = bits_of(|name| scope.forbids(name, user.as_ref()).unwrap());
                is_true & !bits == 0 && claim.refs[*at] & usual & !bits != 0
            };
            let here = REPOSITORIES.into_iter().chain(["web/b"]);
            let here = here.filter(|one| self.met.contains(&(*line, *at, (*one).to_owned())));
            let mut sets = here.map(|repository| {
                let sites = [old, new].map(|policy| site(policy, repository.as_bytes()).ok());
                let entries = sites.into_iter().flatten().flat_map(|site| site.entries);
                let patterns = entries.flat_map(|e| e.refs.include.iter().chain(&e.refs.exclude));
                let found = patterns.filter(|pattern| narrower(pattern));
                found.map(|pattern| pattern.pattern.to_string()).collect::<BTreeSet<String>>()
            });
            let first = sets.next().unwrap_or_default();
            let all = sets.fold(first, |all, set| &all & &set);
            if !all.is_empty() {
                found.push(format!("{text} for {name}, not {all:?}: {}", claim.change));
            }
        }
        found
    }

    /// Patterns and repositories of lines of which nothing is true.
    pub(super) fn untrue(&self, old: &Policy, new: &Policy) -> Vec<String> {
        let mut seen = HashSet::new();
        let all = self.claims.values().flatten().filter(|(line, _)| seen.insert(*line));
        let mut untrue = Vec::new();
        for (line, claim) in all {
            for at in 0..claim.refs.len() {
                let true_in =
                    |repository: &&str| self.met.contains(&(*line, at, (*repository).to_owned()));
                let claimed = |repository: &&str| {
                    let project = told_project(old, new, repository);
                    project.is_some_and(|p| claim.change.projects.contains(p))
                        && claim.is_in(repository)
                };
                let repositories = REPOSITORIES.into_iter().chain(["web/b"]).filter(claimed);
                let wrong: Vec<&str> = match claim.change.repositories {
                    Repositories::Some if repositories.clone().any(|one| true_in(&one)) => vec![],
                    _ => repositories.filter(|one| !true_in(one)).collect(),
                };
                if !wrong.is_empty() {
                    let pattern = claim.change.refs.get(at);
                    untrue.push(format!("{pattern:?} in {wrong:?}: {}", claim.change));
                }
            }
        }
        untrue
    }
}
