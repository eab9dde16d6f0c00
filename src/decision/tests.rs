//! The decision against tables, and against a second reading of 02-policy.md (`naive`) over random
//! entries. The second reading shares no code with the first but the pattern matcher.

mod lent;

use super::*;
use crate::policy::entry::{Kind, Permissions, Place};
use crate::policy::name::{GroupName, RoleName, UserName};
use crate::policy::pattern::Pattern;
use crate::policy::refs::{PathScope, RefPattern, RefScope, Space};
use crate::policy::window::Window;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn instant(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn bob() -> Standing {
    Standing {
        user: Some(user("bob")),
        groups: [GroupName::parse("core").unwrap()].into(),
        roles: [RoleName::parse("dev").unwrap()].into(),
        group_lookups: BTreeMap::from([(
            GroupName::parse("staff").unwrap(),
            [GroupName::parse("staff").unwrap()].into(),
        )]),
        ..Standing::default()
    }
}

fn entry(kind: Kind, permissions: Permissions, to: Option<&str>) -> Entry {
    Entry {
        kind,
        place: Place { file: 0, line: 1 },
        permissions,
        to: to.map(|to| vec![holder(to)]),
        except: vec![],
        refs: RefScope::default(),
        paths: None,
        when: Window::default(),
        checks: vec![],
        reason: None,
        enforce: Enforce::Refuse,
        within: None,
    }
}

fn holder(text: &str) -> Holder {
    match text {
        "anyone" => Holder::Anyone,
        "authenticated" => Holder::Authenticated,
        "role:dev" => Holder::Role(RoleName::parse("dev").unwrap()),
        "@core" | "@staff" => {
            Holder::Group(GroupName::parse(text.trim_start_matches('@')).unwrap())
        }
        name => Holder::User(user(name)),
    }
}

fn branches(patterns: &[&str]) -> Vec<RefPattern> {
    patterns
        .iter()
        .map(|p| RefPattern { space: Space::Branches, pattern: Pattern::parse(p).unwrap() })
        .collect()
}

fn paths(patterns: &[&str]) -> Vec<Pattern> {
    patterns.iter().map(|p| Pattern::parse(p).unwrap()).collect()
}

fn changed(names: &[&str]) -> Vec<ChangedPath> {
    names.iter().map(|n| ChangedPath { path: n.as_bytes().to_vec(), link: false }).collect()
}

fn ask<'a>(action: Action, name: &'a str, paths: Paths<'a>) -> Question<'a> {
    Question {
        action,
        name: name.as_bytes(),
        paths,
        now: instant(0),
        margin: Duration::zero(),
        horizon: Duration::zero(),
    }
}

fn run(entries: &[Entry], standing: &Standing, q: &Question<'_>, answers: &Answers) -> Decision {
    let scope = Scope {
        standing,
        entries: entries.iter().collect(),
        enforce: Enforce::Refuse,
        require: &[],
        confirmed_by: &[],
    };
    decide(&scope, q, answers)
}

fn code(entries: &[Entry], q: &Question<'_>) -> Option<Code> {
    match run(entries, &bob(), q, &Answers::new()).verdict {
        Verdict::Allowed(_) => None,
        Verdict::Refused(refused) => Some(refused.code()),
    }
}

#[test]
fn nothing_matched_is_refused() {
    let q = ask(Action::Update, "refs/heads/main", Paths::Known(&[]));
    assert_eq!(code(&[], &q), Some(Code::NoPermit));
    let other = entry(Kind::Permit, Permissions::PUSH, Some("alice"));
    assert_eq!(code(&[other], &q), Some(Code::NoPermit));
}

#[test]
fn a_forbid_beats_every_permit_and_grant() {
    let q = ask(Action::Update, "refs/heads/main", Paths::Known(&[]));
    let permit = entry(Kind::Permit, Permissions::PUSH, Some("bob"));
    let grant = entry(Kind::Grant("g".into()), Permissions::PUSH, Some("bob"));
    let forbid = entry(Kind::Forbid, Permissions::UPDATE, None);
    assert_eq!(code(&[permit.clone(), grant.clone()], &q), None);
    assert_eq!(code(&[permit, grant, forbid], &q), Some(Code::Forbidden));
}

#[test]
fn who_may_not_read_may_not_push() {
    let q = ask(Action::Delete, "refs/heads/main", Paths::None);
    let permit = entry(Kind::Permit, Permissions::WRITE, Some("bob"));
    let forbid = entry(Kind::Forbid, Permissions::READ, Some("bob"));
    assert_eq!(code(&[permit, forbid], &q), Some(Code::Forbidden));
}

#[test]
fn a_right_to_change_implies_reading_and_a_forbid_of_changing_does_not_end_it() {
    let q = ask(Action::Read, "", Paths::None);
    let mut permit = entry(Kind::Permit, Permissions::DELETE, Some("bob"));
    permit.refs.include = branches(&["x"]);
    let forbid = entry(Kind::Forbid, Permissions::WRITE, None);
    assert_eq!(code(&[permit, forbid], &q), None);
    let bypass = entry(Kind::Permit, Permissions::BYPASS, Some("bob"));
    assert_eq!(code(&[bypass], &q), Some(Code::NoPermit));
}

#[test]
fn paths_decide_as_the_sixth_step_says() {
    let mut docs = entry(Kind::Permit, Permissions::UPDATE, Some("bob"));
    docs.paths = Some(PathScope { include: paths(&["docs/**"]), exclude: vec![] });
    let (inside, outside) = (changed(&["docs/a"]), changed(&["docs/a", "src/b"]));
    let ask = |paths| ask(Action::Update, "refs/heads/main", paths);
    assert_eq!(code(&[docs.clone()], &ask(Paths::Known(&inside))), None);
    assert_eq!(code(&[docs.clone()], &ask(Paths::Known(&outside))), Some(Code::PathNotCovered));
    assert_eq!(code(&[docs.clone()], &ask(Paths::Known(&[]))), None);
    assert_eq!(code(&[docs.clone()], &ask(Paths::Unknown)), Some(Code::NoPermit));
    let mut forbid = entry(Kind::Forbid, Permissions::UPDATE, None);
    forbid.paths = Some(PathScope { include: paths(&["docs/**"]), exclude: vec![] });
    let all = entry(Kind::Permit, Permissions::UPDATE, Some("bob"));
    assert_eq!(
        code(&[all.clone(), forbid.clone()], &ask(Paths::Known(&inside))),
        Some(Code::PathNotCovered)
    );
    assert_eq!(code(&[all.clone(), forbid.clone()], &ask(Paths::Known(&[]))), None);
    assert_eq!(code(&[all, forbid], &ask(Paths::Unknown)), Some(Code::PathNotCovered));
}

#[test]
fn a_deletion_has_no_paths_so_entries_with_paths_are_silent() {
    let mut permit = entry(Kind::Permit, Permissions::DELETE, Some("bob"));
    permit.paths = Some(PathScope { include: paths(&["**"]), exclude: vec![] });
    let q = ask(Action::Delete, "refs/heads/x", Paths::None);
    assert_eq!(code(&[permit], &q), Some(Code::NoPermit));
    let mut forbid = entry(Kind::Forbid, Permissions::DELETE, None);
    forbid.paths = Some(PathScope::default());
    let all = entry(Kind::Permit, Permissions::DELETE, Some("bob"));
    assert_eq!(code(&[all, forbid], &q), None);
}

#[test]
fn a_look_up_that_fails_refuses_even_beside_a_standing_right() {
    let q = ask(Action::Update, "refs/heads/main", Paths::Known(&[]));
    let staff = entry(Kind::Permit, Permissions::UPDATE, Some("@staff"));
    let own = entry(Kind::Permit, Permissions::UPDATE, Some("bob"));
    let group = GroupName::parse("staff").unwrap();
    let verdict = |answer: Result<bool, String>, entries: &[Entry]| {
        let answers = Answers::from([(group.clone(), answer)]);
        match run(entries, &bob(), &q, &answers).verdict {
            Verdict::Allowed(_) => None,
            Verdict::Refused(refused) => Some(refused.code()),
        }
    };
    assert_eq!(verdict(Ok(true), std::slice::from_ref(&staff)), None);
    assert_eq!(verdict(Ok(false), std::slice::from_ref(&staff)), Some(Code::NoPermit));
    assert_eq!(verdict(Err("down".into()), &[staff.clone(), own.clone()]), Some(Code::Lookup));
    assert_eq!(code(&[staff.clone(), own], &q), Some(Code::Lookup), "unasked is refused");
    let scope = Scope {
        standing: &bob(),
        entries: vec![&staff],
        enforce: Enforce::Refuse,
        require: &[],
        confirmed_by: &[],
    };
    assert_eq!(needs(&scope, &q, &Answers::new()).lookups, [group.clone()].into());
}

#[test]
fn warn_only_lets_by_what_it_alone_refuses_and_says_so() {
    let q = ask(Action::Update, "refs/heads/main", Paths::Known(&[]));
    let permit = entry(Kind::Permit, Permissions::UPDATE, Some("bob"));
    let mut forbid = entry(Kind::Forbid, Permissions::UPDATE, None);
    forbid.enforce = Enforce::Warn;
    let Verdict::Allowed(allowed) =
        run(&[permit, forbid.clone()], &bob(), &q, &Answers::new()).verdict
    else {
        panic!("a warning refused");
    };
    assert_eq!(allowed.warnings().first().map(|r| r.code), Some(Code::Forbidden));
    assert_eq!(allowed.permits(), [0]);
    assert_eq!(code(&[forbid], &q), Some(Code::NoPermit));
}

#[test]
fn warnings_stand_in_the_order_of_codes_whichever_entry_comes_first() {
    let touched = changed(&["a"]);
    let q = ask(Action::Update, "refs/heads/main", Paths::Known(&touched));
    let permit = entry(Kind::Permit, Permissions::UPDATE, Some("bob"));
    let mut plain = entry(Kind::Forbid, Permissions::UPDATE, None);
    plain.enforce = Enforce::Warn;
    let about_a = PathScope { include: paths(&["a"]), exclude: vec![] };
    let on_paths = Entry { paths: Some(about_a), ..plain.clone() };
    for entries in [[&permit, &plain, &on_paths], [&on_paths, &permit, &plain]] {
        let Verdict::Allowed(allowed) =
            run(&entries.map(Clone::clone), &bob(), &q, &Answers::new()).verdict
        else {
            panic!("a warning refused");
        };
        let codes: Vec<Code> = allowed.warnings().iter().map(|warning| warning.code).collect();
        assert_eq!(codes, [Code::Forbidden, Code::PathNotCovered]);
    }
}

#[test]
fn every_end_counts_early_by_the_margin_and_the_answer_ends_before_it() {
    let mut grant = entry(Kind::Grant("g".into()), Permissions::UPDATE, Some("bob"));
    grant.when.until = Some(instant(10));
    let at = |second: i64| Question {
        now: instant(second),
        margin: Duration::seconds(2),
        horizon: Duration::seconds(60),
        ..ask(Action::Update, "refs/heads/main", Paths::Known(&[]))
    };
    let run = |second| run(&[grant.clone()], &bob(), &at(second), &Answers::new());
    let Verdict::Allowed(allowed) = run(7).verdict else { panic!("refused while it lasts") };
    assert_eq!(allowed.ends(), Some(instant(8)));
    assert!(matches!(run(8).verdict, Verdict::Refused(_)));
    assert_eq!(run(8).trace, [Outcome::Ended]);
}

#[test]
fn an_answer_ends_where_a_forbid_begins() {
    let permit = entry(Kind::Permit, Permissions::UPDATE, Some("bob"));
    let mut freeze = entry(Kind::Forbid, Permissions::UPDATE, None);
    freeze.when.from = Some(instant(30));
    let q = Question {
        horizon: Duration::seconds(60),
        ..ask(Action::Update, "refs/heads/main", Paths::Known(&[]))
    };
    let ends =
        |forbid: &Entry| match run(&[permit.clone(), forbid.clone()], &bob(), &q, &Answers::new())
            .verdict
        {
            Verdict::Allowed(allowed) => allowed.ends(),
            Verdict::Refused(_) => panic!("refused before the freeze"),
        };
    assert_eq!(ends(&freeze), Some(instant(30)));
    freeze.except = vec![holder("role:dev")];
    assert_eq!(ends(&freeze), None);
    freeze.except.clear();
    freeze.refs.include = branches(&["other"]);
    assert_eq!(ends(&freeze), None);
}

#[test]
fn a_required_source_that_is_silent_refuses_and_no_warning_mode_softens_it() {
    let permit = entry(Kind::Permit, Permissions::UPDATE, Some("bob"));
    let require = [Require {
        place: Place { file: 0, line: 9 },
        refs: RefScope { include: branches(&["main"]), exclude: vec![] },
        source: Source::PushCert,
    }];
    let q = ask(Action::Update, "refs/heads/main", Paths::Known(&[]));
    let standing = bob();
    let scope = |confirmed_by| Scope {
        standing: &standing,
        entries: vec![&permit],
        enforce: Enforce::Warn,
        require: &require,
        confirmed_by,
    };
    let refused = decide(&scope(&[]), &q, &Answers::new()).verdict;
    assert!(matches!(refused, Verdict::Refused(r) if r.code() == Code::NoIdentity));
    assert!(matches!(
        decide(&scope(&[Source::PushCert]), &q, &Answers::new()).verdict,
        Verdict::Allowed(_)
    ));
}

/// 02-policy.md read a second time, naively.
fn naive(entries: &[Entry], standing: &Standing, q: &Question<'_>) -> Result<(), u16> {
    let who = |holders: &[Holder]| {
        holders.iter().any(|h| match h {
            Holder::Anyone => true,
            Holder::Authenticated => standing.user.is_some(),
            Holder::User(u) => standing.user.as_ref() == Some(u),
            Holder::Group(g) => standing.groups.contains(g),
            Holder::Role(r) => standing.roles.contains(r),
            _ => false,
        })
    };
    let hits = |patterns: &[RefPattern], name: &str| {
        patterns.iter().any(|p| {
            name.strip_prefix("refs/heads/")
                .is_some_and(|n| p.pattern.matches(n.as_bytes(), standing.user.as_ref()).unwrap())
        })
    };
    let name = std::str::from_utf8(q.name).unwrap();
    let live = |e: &&Entry| {
        (e.to.is_none() || who(e.to.as_ref().unwrap()))
            && !who(&e.except)
            && e.when.from.is_none_or(|t| t <= q.now)
            && e.when.until.is_none_or(|t| q.now < t)
    };
    let words = |e: &Entry| e.permissions.to_string();
    let has = |e: &Entry, word: &str| match word {
        "create" | "update" => {
            words(e).contains(word) || words(e).contains("push") || words(e).contains("write")
        }
        "force" | "delete" => words(e).contains(word) || words(e).contains("write"),
        other => words(e).contains(other),
    };
    let change = ["create", "update", "force", "delete"];
    let permits: Vec<&Entry> =
        entries.iter().filter(|e| e.kind != Kind::Forbid).filter(live).collect();
    let forbids: Vec<&Entry> =
        entries.iter().filter(|e| e.kind == Kind::Forbid).filter(live).collect();
    let read_forbidden = forbids.iter().any(|e| has(e, "read"));
    if q.action == Action::Read {
        let may = permits.iter().any(|e| has(e, "read") || change.iter().any(|w| has(e, w)));
        return if read_forbidden {
            Err(202)
        } else if may {
            Ok(())
        } else {
            Err(201)
        };
    }
    let word = q.action.as_str();
    let on_ref = |e: &&&Entry, all: bool| {
        has(e, word)
            && (e.refs.include.is_empty() && all || hits(&e.refs.include, name))
            && !hits(&e.refs.exclude, name)
    };
    let usual = name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
    let forbids: Vec<&&Entry> = forbids.iter().filter(|e| on_ref(e, true)).collect();
    let permits: Vec<&&Entry> = permits.iter().filter(|e| on_ref(e, usual)).collect();
    if read_forbidden || forbids.iter().any(|e| e.paths.is_none()) {
        return Err(202);
    }
    let in_scope = |e: &Entry, p: &ChangedPath| {
        let scope = e.paths.as_ref().unwrap();
        let m =
            |ps: &[Pattern]| ps.iter().any(|x| x.matches(&p.path, standing.user.as_ref()).unwrap());
        (scope.include.is_empty() || m(&scope.include)) && !m(&scope.exclude)
    };
    let with_paths: Vec<&&Entry> = forbids.into_iter().filter(|e| e.paths.is_some()).collect();
    match q.paths {
        Paths::None => {
            if permits.iter().any(|e| e.paths.is_none()) {
                Ok(())
            } else {
                Err(201)
            }
        }
        Paths::Unknown => {
            if !with_paths.is_empty() {
                Err(203)
            } else if permits.iter().any(|e| e.paths.is_none()) {
                Ok(())
            } else {
                Err(201)
            }
        }
        Paths::Known(all) => {
            if all.iter().any(|p| with_paths.iter().any(|e| in_scope(e, p))) {
                return Err(203);
            }
            if permits.is_empty() {
                return Err(201);
            }
            let covered =
                |p: &ChangedPath| permits.iter().any(|e| e.paths.is_none() || in_scope(e, p));
            if all.iter().all(covered) { Ok(()) } else { Err(203) }
        }
    }
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let kind = prop_oneof![3 => Just(Kind::Permit), 2 => Just(Kind::Forbid), 1 => Just(Kind::Grant("g".into()))];
    let words = prop::sample::select(vec![
        Permissions::PUSH,
        Permissions::WRITE,
        Permissions::UPDATE,
        Permissions::FORCE,
        Permissions::DELETE.with(Permissions::CREATE),
        Permissions::READ,
    ]);
    let people = prop::sample::select(vec!["bob", "alice", "@core", "role:dev", "authenticated"]);
    let some_refs = prop::collection::vec(
        prop::sample::select(vec![
            "main",
            "a/*",
            "a/**",
            "**",
            "users/${user}/*",
            "regex:a/.+",
            "{main,b}",
        ]),
        0..3,
    );
    let some_paths =
        prop::collection::vec(prop::sample::select(vec!["x", "d/**", "**/x", "**"]), 0..2);
    let window = (prop::option::of(-5i64..5), prop::option::of(-5i64..5));
    (
        kind,
        words,
        people,
        (some_refs.clone(), some_refs),
        prop::option::of((some_paths.clone(), some_paths)),
        window,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(kind, words, who, (include, exclude), scope, (from, until), nobody, except)| {
                let reading = words == Permissions::READ;
                let to = if kind == Kind::Forbid && nobody { None } else { Some(who) };
                let mut entry = entry(kind, words, to);
                if except {
                    entry.except = vec![holder("alice")];
                }
                if !reading {
                    entry.refs =
                        RefScope { include: branches(&include), exclude: branches(&exclude) };
                    entry.paths =
                        scope.map(|(i, e)| PathScope { include: paths(&i), exclude: paths(&e) });
                }
                entry.when = Window {
                    from: from.map(instant),
                    until: until.map(instant),
                    ..Window::default()
                };
                entry
            },
        )
}

fn any_question() -> impl Strategy<Value = (Action, &'static str, Option<Vec<ChangedPath>>)> {
    (
        prop::sample::select(Action::ALL.to_vec()),
        prop::sample::select(vec![
            "refs/heads/main",
            "refs/heads/a/b",
            "refs/heads/a/b/c",
            "refs/heads/users/bob/x",
            "refs/tags/v1",
            "refs/notes/x",
        ]),
        prop::option::of(
            prop::collection::vec(prop::sample::select(vec!["x", "d/x", "d/y", "y"]), 0..3)
                .prop_map(|v| changed(&v)),
        ),
    )
}

fn asked<'a>(
    (action, name, known): &'a (Action, &'static str, Option<Vec<ChangedPath>>),
) -> Question<'a> {
    let paths = match (action, known) {
        (Action::Read | Action::Delete, _) => Paths::None,
        (_, Some(known)) => Paths::Known(known),
        (_, None) => Paths::Unknown,
    };
    ask(*action, name, paths)
}

fn verdict(entries: &[Entry], standing: &Standing, q: &Question<'_>) -> Result<(), u16> {
    match run(entries, standing, q, &Answers::new()).verdict {
        Verdict::Allowed(_) => Ok(()),
        Verdict::Refused(refused) => Err(refused.code().number()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn the_decision_agrees_with_a_second_reading(entries in prop::collection::vec(any_entry(), 0..7), question in any_question(), known in any::<bool>()) {
        let standing = if known { bob() } else { Standing { user: Some(user("alice")), ..Standing::default() } };
        let q = asked(&question);
        prop_assert_eq!(verdict(&entries, &standing, &q), naive(&entries, &standing, &q));
    }

    #[test]
    fn the_order_of_entries_never_matters((entries, shuffled) in prop::collection::vec(any_entry(), 0..7).prop_flat_map(|e| (Just(e.clone()), Just(e).prop_shuffle())), question in any_question()) {
        let q = asked(&question);
        prop_assert_eq!(verdict(&entries, &bob(), &q), verdict(&shuffled, &bob(), &q));
    }

    #[test]
    fn one_more_forbid_never_allows(entries in prop::collection::vec(any_entry(), 0..7), more in any_entry(), question in any_question()) {
        let q = asked(&question);
        let forbid = Entry { kind: Kind::Forbid, ..more };
        let with = [entries.as_slice(), &[forbid]].concat();
        if verdict(&entries, &bob(), &q).is_err() {
            prop_assert!(verdict(&with, &bob(), &q).is_err());
        }
    }

    #[test]
    fn a_later_time_never_revives_what_has_ended(entries in prop::collection::vec(any_entry(), 0..7), question in any_question(), first in 0i64..6, later in 0i64..6) {
        // With permits that only end and forbids that never do, a no stays a no.
        let entries: Vec<Entry> = entries.into_iter().map(|mut e| { e.when.from = None; if e.is_forbid() { e.when.until = None } e }).collect();
        let at = |second| Question { now: instant(second), ..asked(&question) };
        if verdict(&entries, &bob(), &at(first)).is_err() {
            prop_assert!(verdict(&entries, &bob(), &at(first + later)).is_err());
        }
    }

    #[test]
    fn what_a_yes_rests_on_is_enough_for_it(entries in prop::collection::vec(any_entry(), 0..7), question in any_question()) {
        let q = asked(&question);
        if let Verdict::Allowed(allowed) = run(&entries, &bob(), &q, &Answers::new()).verdict {
            let few: Vec<Entry> = allowed.permits().iter().map(|at| entries[*at].clone()).collect();
            prop_assert!(verdict(&few, &bob(), &q).is_ok());
        }
    }

    #[test]
    fn an_answer_holds_until_the_end_it_names(entries in prop::collection::vec(any_entry(), 0..7), question in any_question(), margin in 0i64..3, step in 0i64..6) {
        let q = Question { margin: Duration::seconds(margin), horizon: Duration::seconds(60), ..asked(&question) };
        if let Verdict::Allowed(allowed) = run(&entries, &bob(), &q, &Answers::new()).verdict {
            let later = instant(step);
            if allowed.ends().is_none_or(|end| later < end) {
                let then = Question { now: later, margin: Duration::zero(), ..q };
                prop_assert!(verdict(&entries, &bob(), &then).is_ok());
            }
        }
    }
}
