//! The decision against a second reading of 02-policy.md (`naive`) over random entries. The second
//! reading shares no code with the first but the pattern matcher.

use super::*;
use proptest::prelude::*;

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
