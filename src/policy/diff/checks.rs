//! What commits must look like: before and after. Whatever is asked of fewer of them, or no longer,
//! widens; what can't be told to be narrower counts as wider.

use super::super::checks::{Author, Check, Rule};
use super::super::entry::{Enforce, Place};
use super::super::model::{Policy, User};
use super::super::name::UserName;
use super::super::pattern::Pattern;
use super::super::refs::RefScope;
use super::super::spoken;
use super::render::some_of;
use super::{Note, Spot};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn compare([old, new]: [&Policy; 2], notes: &mut Vec<Note>) {
    let find = |policy: &'_ Policy, name: &str| -> Option<Check> {
        policy.checks.iter().find(|check| *check.name == *name).cloned()
    };
    for check in &old.checks {
        let spot = Spot::new(check.place, &old.files, true);
        match find(new, &check.name) {
            None => note(notes, true, format!("gone, {}, {spot}", spoken::check(check))),
            Some(after) => {
                both(check, &after, new, notes);
                known(check, &after, [old, new], notes);
            }
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

/// A rule that asks for anybody's address or key lets more by where there are more of them, whoever
/// pushes it.
fn known(a: &Check, b: &Check, policies: [&Policy; 2], notes: &mut Vec<Note>) {
    for rule in a.rules.iter().filter(|rule| b.rules.contains(rule)) {
        let (what, of): (_, fn(&User) -> Traits) = match rule {
            Rule::Author(Author::Known) => ("knows more addresses", addresses),
            Rule::Signed { .. } => ("takes more signatures", signatures),
            _ => continue,
        };
        let [was, is] = policies.map(|policy| traits(policy, of));
        let more: BTreeSet<&str> = is
            .iter()
            .filter(|(one, _)| !was.contains_key(*one))
            .flat_map(|(_, users)| users.iter().map(|user| user.as_str()))
            .collect();
        if !more.is_empty() {
            let (name, key) = (&b.name, rule.key());
            let users = some_of(more.into_iter());
            note(notes, true, format!("check {name}: `{key}` {what}, of {users}"));
        }
    }
}

/// What somebody is known by: an address, and perhaps a key.
type Traits = BTreeSet<(String, String)>;

fn addresses(user: &User) -> Traits {
    user.emails.iter().map(|email| (email.to_lowercase(), String::new())).collect()
}

fn signatures(user: &User) -> Traits {
    let keys: Vec<&str> = user.ssh_keys.iter().chain(&user.gpg_keys).map(|key| &**key).collect();
    let with = |(email, _)| {
        let pair = move |key: &&str| (String::clone(&email), (*key).to_owned());
        keys.iter().map(pair).collect::<Vec<_>>()
    };
    addresses(user).into_iter().flat_map(with).collect()
}

/// Whose each is, of active users.
fn traits(
    policy: &Policy,
    of: fn(&User) -> Traits,
) -> BTreeMap<(String, String), BTreeSet<&UserName>> {
    let mut all: BTreeMap<_, BTreeSet<&UserName>> = BTreeMap::new();
    for (name, user) in policy.users.iter().filter(|(_, user)| user.active) {
        for one in of(user) {
            all.entry(one).or_default().insert(name);
        }
    }
    all
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
    fn who_is_known_by_more_widens_what_asks_for_anybody() {
        let policy = |rule: &Rule, user: Option<User>| Policy {
            checks: vec![lab::check("form", rule.clone())],
            users: user.into_iter().map(|user| (lab::user("carol"), user)).collect(),
            ..Policy::default()
        };
        let emails = vec!["c@x".into()];
        let bare = lab::declared();
        let with = User { emails: emails.clone(), ..bare.clone() };
        let keyed = User { ssh_keys: vec!["ssh-ed25519 A".into()], ..with.clone() };
        let folded = User { emails: vec!["C@X".into()], ..bare.clone() };
        let idle = User { active: false, ..keyed.clone() };
        let told = |rule: &Rule, was: &User, is: Option<&User>| {
            let mut notes = Vec::new();
            let [old, new] = [Some(was), is].map(|user| policy(rule, user.cloned()));
            compare([&old, &new], &mut notes);
            assert!(notes.iter().all(|note| note.widens));
            notes.into_iter().map(|note| note.text).collect::<Vec<_>>()
        };
        let author = Rule::Author(Author::Known);
        let signed = Rule::Signed { commits: true, tags: false };
        let more = ["check form: `author` knows more addresses, of carol"];
        assert_eq!(told(&author, &bare, Some(&with)), more);
        assert_eq!(told(&author, &idle, Some(&keyed)), more);
        assert_eq!(
            told(&signed, &with, Some(&keyed)),
            ["check form: `signed` takes more signatures, of carol"]
        );
        for (rule, was, is) in [
            (&author, &with, Some(&bare)),
            (&author, &with, Some(&folded)),
            (&author, &with, Some(&keyed)),
            (&author, &keyed, Some(&idle)),
            (&author, &with, None),
            (&signed, &bare, Some(&with)),
            (&Rule::Author(Author::Pusher), &bare, Some(&with)),
        ] {
            assert!(told(rule, was, is).is_empty(), "{rule:?}");
        }
        // Somebody who is new is told by whom the policy knows, too.
        let mut notes = Vec::new();
        compare([&policy(&author, None), &policy(&author, Some(with))], &mut notes);
        assert_eq!(notes.len(), 1);
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
