//! What commits must look like: before and after. Whatever is asked of fewer of them, or no longer,
//! widens; what can't be told to be narrower counts as wider.

use super::super::checks::{Check, Rule};
use super::super::entry::{Enforce, Place};
use super::super::model::Policy;
use super::super::pattern::Pattern;
use super::super::refs::RefScope;
use super::super::spoken;
use super::{Note, Spot};

pub(super) fn compare([old, new]: [&Policy; 2], notes: &mut Vec<Note>) {
    let find = |policy: &'_ Policy, name: &str| -> Option<Check> {
        policy.checks.iter().find(|check| *check.name == *name).cloned()
    };
    for check in &old.checks {
        let spot = Spot::new(check.place, &old.files, true);
        match find(new, &check.name) {
            None => note(notes, true, format!("gone, {}, {spot}", spoken::check(check))),
            Some(after) => both(check, &after, new, notes),
        }
    }
    for check in new.checks.iter().filter(|check| find(old, &check.name).is_none()) {
        let spot = Spot::new(check.place, &new.files, false);
        note(notes, false, format!("new, {}, {spot}", spoken::check(check)));
    }
}

fn note(notes: &mut Vec<Note>, widens: bool, text: String) {
    notes.push(Note { text, widens });
}

fn both(a: &Check, b: &Check, new: &Policy, notes: &mut Vec<Note>) {
    let place = Place { file: 0, line: 0 };
    if (Check { place, ..a.clone() }) == (Check { place, ..b.clone() }) {
        return;
    }
    let before = notes.len();
    let name = &b.name;
    if a.enforce != b.enforce {
        let (widens, words) = match b.enforce {
            Enforce::Warn => (true, "only warns, and refused before"),
            Enforce::Refuse => (false, "refuses, and only warned before"),
        };
        note(notes, widens, format!("check {name} {words}"));
    }
    let here = |one: &Check| (one.projects.clone(), one.repositories.clone());
    if here(a) != here(b) || a.refs != b.refs {
        let widens = !(everywhere_and_more(a, b) && governs_more(&a.refs, &b.refs));
        let (is, was) = (spoken::check_place(b), spoken::check_place(a));
        note(notes, widens, format!("check {name} applies{is}, and applied{was}"));
    }
    rules(a, b, notes);
    if a.help != b.help {
        note(notes, false, format!("check {name}: `help` is another one"));
    }
    // Whatever it is that the lines above do not tell.
    if notes.len() == before {
        let spot = Spot::new(b.place, &new.files, false);
        note(notes, true, format!("check {name} changed, {spot}"));
    }
}

fn rules(a: &Check, b: &Check, notes: &mut Vec<Note>) {
    let name = &b.name;
    for rule in a.rules.iter().filter(|rule| !b.rules.contains(rule)) {
        let key = rule.key();
        match b.rules.iter().find(|other| other.key() == key) {
            None => note(notes, true, format!("check {name} no longer asks for `{key}`")),
            Some(other) => {
                let text = format!("check {name}: `{key}` is another one");
                note(notes, !is_stricter(rule, other), text);
            }
        }
    }
    for rule in &b.rules {
        let key = rule.key();
        if a.rules.iter().all(|other| other.key() != key) {
            note(notes, false, format!("check {name} asks for `{key}` too"));
        }
    }
}

/// Whether what passes `after` is sure to pass `before`.
fn is_stricter(before: &Rule, after: &Rule) -> bool {
    match (before, after) {
        (Rule::MaxSubject(a), Rule::MaxSubject(b))
        | (Rule::MaxPathLength(a), Rule::MaxPathLength(b)) => b <= a,
        (Rule::MaxFileSize { bytes: a, lfs: x }, Rule::MaxFileSize { bytes: b, lfs: y }) => {
            b <= a && (*x || !*y)
        }
        (Rule::Signed { commits: a, tags: x }, Rule::Signed { commits: b, tags: y }) => {
            (*b || !*a) && (*y || !*x)
        }
        (Rule::Submodules(a), Rule::Submodules(b)) => b.iter().all(|one| a.contains(one)),
        (Rule::ForbidPaths(a), Rule::ForbidPaths(b)) => {
            a.include.iter().all(|one| b.include.contains(one))
        }
        (Rule::OnlyPaths(a), Rule::OnlyPaths(b)) => {
            b.include.iter().all(|one| a.include.contains(one))
        }
        (
            Rule::Content { starter: a, secrets: x, paths: p },
            Rule::Content { starter: b, secrets: y, paths: q },
        ) => (*b || !*a) && x.iter().all(|one| y.contains(one)) && (q.is_none() || p == q),
        _ => false,
    }
}

/// Whether it applies at least wherever it did.
fn everywhere_and_more(a: &Check, b: &Check) -> bool {
    if b.projects.is_empty() && b.repositories.is_empty() {
        return true;
    }
    let everywhere = a.projects.is_empty() && a.repositories.is_empty();
    let has = |pattern: &Pattern| b.repositories.contains(pattern);
    !everywhere && a.projects.is_subset(&b.projects) && a.repositories.iter().all(has)
}

/// Whether it governs at least the refs that it did.
fn governs_more(a: &RefScope, b: &RefScope) -> bool {
    let included = b.include.is_empty()
        || !a.include.is_empty() && a.include.iter().all(|one| b.include.contains(one));
    included && b.exclude.iter().all(|one| a.exclude.contains(one))
}

#[cfg(test)]
mod tests {
    use super::super::super::checks::{Merges, Search, Secret};
    use super::super::super::lab;
    use super::super::super::refs::{PathScope, Space};
    use super::*;

    fn told(change: &dyn Fn(&mut Check, &mut Check)) -> Vec<(bool, String)> {
        let mut a = lab::check("form", Rule::MaxSubject(72));
        a.projects = [lab::project("PAY")].into();
        a.refs.include = lab::on(Space::Branches, &["main"]);
        let mut b = a.clone();
        b.place.line = 9;
        change(&mut a, &mut b);
        let policy = |check| Policy { checks: vec![check], ..Policy::default() };
        let mut notes = Vec::new();
        compare([&policy(a), &policy(b)], &mut notes);
        notes.into_iter().map(|note| (note.widens, note.text)).collect()
    }

    fn widens(change: &dyn Fn(&mut Check, &mut Check)) -> bool {
        let told = told(change);
        assert!(!told.is_empty());
        told.iter().any(|(widens, _)| *widens)
    }

    #[test]
    fn a_check_that_only_moved_is_the_same() {
        assert_eq!(told(&|_, _| {}), []);
    }

    #[test]
    fn a_check_that_goes_widens_and_one_that_comes_does_not() {
        let with = Policy {
            checks: vec![lab::check("form", Rule::MaxSubject(72))],
            files: vec!["policy.toml".into()],
            ..Policy::default()
        };
        let mut notes = Vec::new();
        compare([&with, &Policy::default()], &mut notes);
        compare([&Policy::default(), &with], &mut notes);
        let told: Vec<_> = notes.iter().map(|note| (note.widens, note.text.as_str())).collect();
        assert_eq!(
            told,
            [
                (true, "gone, check form: max-subject everywhere, policy.toml:1 (before)"),
                (false, "new, check form: max-subject everywhere, policy.toml:1"),
            ]
        );
    }

    /// Changes the check before and the one after.
    type Pair<'a> = &'a dyn Fn(&mut Check, &mut Check);

    #[test]
    fn what_is_asked_of_less_widens() {
        let wider: [Pair<'_>; 12] = [
            &|_, b| b.enforce = Enforce::Warn,
            &|_, b| b.rules = vec![Rule::MaxSubject(73)],
            &|_, b| b.rules = vec![Rule::Merges(Merges::None)],
            &|_, b| b.refs.include = lab::on(Space::Branches, &["release/*"]),
            &|_, b| b.refs.exclude = lab::on(Space::Branches, &["main"]),
            &|a, _| a.refs.include.clear(),
            &|a, _| a.projects.clear(),
            &|_, b| b.projects = [lab::project("WEB")].into(),
            &|a, b| {
                a.rules = vec![Rule::Subject(Search("^a".into()))];
                b.rules = vec![Rule::Subject(Search("^b".into()))];
            },
            &|a, b| {
                a.rules = vec![Rule::MaxFileSize { bytes: 9, lfs: false }];
                b.rules = vec![Rule::MaxFileSize { bytes: 9, lfs: true }];
            },
            &|a, b| {
                a.rules = vec![Rule::Signed { commits: true, tags: true }];
                b.rules = vec![Rule::Signed { commits: true, tags: false }];
            },
            &|a, b| {
                let paths = |text| PathScope { include: vec![lab::pattern(text)], exclude: vec![] };
                a.rules = vec![Rule::ForbidPaths(paths("a"))];
                b.rules = vec![Rule::ForbidPaths(paths("b"))];
            },
        ];
        for (at, change) in wider.iter().enumerate() {
            assert!(widens(change), "{at}: {:?}", told(change));
        }
    }

    #[test]
    fn what_is_asked_of_more_does_not_widen() {
        let secret = |name: &str| Secret { name: name.into(), pattern: Search("x".into()) };
        let narrower: [Pair<'_>; 8] = [
            &|a, _| a.enforce = Enforce::Warn,
            &|_, b| b.rules = vec![Rule::MaxSubject(50)],
            &|_, b| b.rules.push(Rule::CaseConflicts),
            &|_, b| b.refs.include.clear(),
            &|_, b| b.refs.include.extend(lab::on(Space::Branches, &["x"])),
            &|_, b| b.projects.clear(),
            &|_, b| b.help = Some("ask".into()),
            &|a, b| {
                let content = |starter, secrets| Rule::Content { starter, secrets, paths: None };
                a.rules = vec![content(false, vec![secret("a")])];
                b.rules = vec![content(true, vec![secret("a"), secret("b")])];
            },
        ];
        for (at, change) in narrower.iter().enumerate() {
            assert!(!widens(change), "{at}: {:?}", told(change));
        }
    }
}
