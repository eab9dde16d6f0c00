//! The decision against tables.

mod lent;
mod second;

use super::*;
use crate::code::Code;
use crate::policy::entry::Holder;
use crate::policy::entry::{Kind, Permissions, Place};
use crate::policy::name::{GroupName, RoleName, UserName};
use crate::policy::pattern::Pattern;
use crate::policy::refs::{ChangedPath, PathScope, RefPattern, RefScope, Space};
use crate::policy::window::Window;
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
        let answers = Answers::from([(group.clone().into(), answer)]);
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
    assert_eq!(needs(&scope, &q, &Answers::new()).lookups, [group.clone().into()].into());
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

/// bob, in a project whose issues are PAY's and whose roles are Jira's.
fn bob_with_issues() -> Standing {
    let roles = [(RoleName::parse("dev").unwrap(), "Developers".into())];
    Standing {
        roles: [].into(),
        issues_of: vec!["PAY".into()],
        jira_roles: Some(("PAY".into(), roles.into())),
        ..bob()
    }
}

fn assignee_of(key: &str) -> Ask {
    Ask::Issue(crate::push::IssueKey::parse(key).unwrap(), Holder::Assignee)
}

fn to(holder: Holder) -> Entry {
    Entry { to: Some(vec![holder]), ..entry(Kind::Permit, Permissions::WRITE, Some("bob")) }
}

#[test]
fn every_issue_in_the_name_must_name_the_pusher() {
    let entries = [to(Holder::Assignee)];
    let q = ask(Action::Update, "refs/heads/PAY-1/PAY-2", Paths::Known(&[]));
    let verdict = |answers: &[(Ask, Result<bool, String>)]| {
        let answers = answers.iter().cloned().collect();
        match run(&entries, &bob_with_issues(), &q, &answers).verdict {
            Verdict::Allowed(_) => None,
            Verdict::Refused(refused) => Some(refused.code()),
        }
    };
    let (one, two) = (assignee_of("PAY-1"), assignee_of("PAY-2"));
    assert_eq!(verdict(&[(one.clone(), Ok(true)), (two.clone(), Ok(true))]), None);
    assert_eq!(verdict(&[(one.clone(), Ok(true)), (two.clone(), Ok(false))]), Some(Code::NoPermit));
    assert_eq!(verdict(&[(one.clone(), Ok(true))]), Some(Code::Lookup), "unasked");
    assert_eq!(verdict(&[(one.clone(), Ok(true)), (two, Err("down".into()))]), Some(Code::Lookup));
    assert_eq!(verdict(&[(one, Ok(false))]), Some(Code::NoPermit), "one no settles it");
}

#[test]
fn no_issue_in_the_name_no_reading_and_no_project_of_jira_is_nobody() {
    let entries = [to(Holder::Assignee), to(Holder::Field("f".into()))];
    let none = Answers::new();
    for (standing, q) in [
        (bob_with_issues(), ask(Action::Update, "refs/heads/main", Paths::Known(&[]))),
        (bob_with_issues(), ask(Action::Update, "refs/heads/OPS-1", Paths::Known(&[]))),
        (bob_with_issues(), ask(Action::Read, "refs/heads/PAY-1", Paths::None)),
        (bob(), ask(Action::Update, "refs/heads/PAY-1", Paths::Known(&[]))),
    ] {
        let Verdict::Refused(refused) = run(&entries, &standing, &q, &none).verdict else {
            panic!("somebody was named");
        };
        assert_eq!(refused.code(), Code::NoPermit);
    }
}

#[test]
fn jira_is_not_asked_beside_a_right_that_is_enough_and_can_then_not_fail() {
    let own = entry(Kind::Permit, Permissions::WRITE, Some("bob"));
    let q = ask(Action::Update, "refs/heads/PAY-1", Paths::Known(&[]));
    let standing = bob_with_issues();
    for holder in [Holder::Assignee, Holder::Role(RoleName::parse("dev").unwrap()), Holder::Lead] {
        let (permit, alone) = (to(holder.clone()), to(holder));
        let entries = [permit, own.clone()];
        let scope = |entries| Scope {
            standing: &standing,
            entries,
            enforce: Enforce::Refuse,
            require: &[],
            confirmed_by: &[],
        };
        let none = Answers::new();
        assert!(needs(&scope(entries.iter().collect()), &q, &none).lookups.is_empty());
        let asked = needs(&scope(vec![&alone]), &q, &none).lookups;
        assert_eq!(asked.len(), 1);
        let failed: Answers = asked.into_iter().map(|ask| (ask, Err("down".into()))).collect();
        assert!(matches!(run(&entries, &standing, &q, &failed).verdict, Verdict::Allowed(_)));
        let Verdict::Refused(refused) =
            run(std::slice::from_ref(&alone), &standing, &q, &failed).verdict
        else {
            panic!("a look-up that failed was a yes");
        };
        assert_eq!(refused.code(), Code::Lookup);
        // What only its path needs is asked.
        let mut narrow = own.clone();
        narrow.paths = Some(PathScope::default());
        let both = [entries[0].clone(), narrow];
        assert_eq!(needs(&scope(both.iter().collect()), &q, &none).lookups.len(), 1);
        // A forbid that spares them has to be asked about, whatever permits there are.
        let mut forbid = entry(Kind::Forbid, Permissions::WRITE, None);
        forbid.except = entries[0].to.clone().unwrap();
        let both = [own.clone(), forbid];
        assert_eq!(needs(&scope(both.iter().collect()), &q, &none).lookups.len(), 1);
    }
}
