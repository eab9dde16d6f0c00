use super::*;
use crate::decision::Paths;
use crate::policy::entry::{Holder, Permissions};
use crate::policy::lab;
use crate::policy::members::Ask;
use crate::policy::members::Standing;
use crate::policy::refs::{PathScope, RefScope, Space};
use crate::policy::window::Window;
use crate::push::Action;
use chrono::Duration;

fn lifting(kind: Kind, checks: &[&str], branches: &[&str]) -> Entry {
    Entry {
        to: Some(vec![Holder::Authenticated]),
        checks: checks.iter().map(|one| (*one).into()).collect(),
        refs: RefScope { include: lab::on(Space::Branches, branches), exclude: vec![] },
        ..lab::plain_entry(kind, Permissions::BYPASS)
    }
}

fn standing() -> Standing {
    Standing { user: Some(lab::user("alice")), ..Standing::default() }
}

fn question(name: &str) -> Question<'_> {
    Question {
        action: Action::Update,
        name: name.as_bytes(),
        paths: Paths::Unknown,
        now: lab::now(),
        margin: Duration::seconds(2),
        horizon: Duration::minutes(2),
    }
}

fn ask(entries: &[Entry], name: &str, check: &str, answers: &Answers) -> Lift {
    let standing = standing();
    let scope = Scope {
        standing: &standing,
        entries: entries.iter().collect(),
        enforce: Enforce::Refuse,
        require: &[],
        confirmed_by: &[],
    };
    lifts(&scope, &question(name), answers, check)
}

fn lift(entries: &[Entry], name: &str, check: &str) -> Lift {
    ask(entries, name, check, &Answers::new())
}

#[test]
fn a_permit_lifts_the_checks_that_it_names_on_the_refs_that_it_names() {
    let entries = [
        lab::plain_entry(Kind::Permit, Permissions::WRITE),
        lifting(Kind::Permit, &["subject"], &["main"]),
        lifting(Kind::Permit, &["*"], &["import/**"]),
    ];
    assert_eq!(lift(&entries, "refs/heads/main", "subject"), Lift::By(1, None));
    assert_eq!(lift(&entries, "refs/heads/main", "size"), Lift::No);
    assert_eq!(lift(&entries, "refs/heads/other", "subject"), Lift::No);
    assert_eq!(lift(&entries, "refs/heads/import/x", "size"), Lift::By(2, None));
}

#[test]
fn a_right_to_push_lifts_nothing_and_a_bypass_is_no_right_to_push() {
    let push = Entry {
        checks: vec!["*".into()],
        to: Some(vec![Holder::Authenticated]),
        ..lab::plain_entry(Kind::Permit, Permissions::WRITE)
    };
    assert_eq!(lift(&[push], "refs/heads/main", "subject"), Lift::No);
    let standing = standing();
    let bypass = lifting(Kind::Permit, &["*"], &["main"]);
    let q = question("refs/heads/main");
    let outcome = crate::decision::consider(&bypass, &standing, &q, &Answers::new());
    assert_eq!(outcome, Outcome::OtherAction);
}

#[test]
fn a_forbid_takes_a_bypass_away_whoever_gave_it() {
    let forbid =
        |enforce, to| Entry { enforce, to, ..lifting(Kind::Forbid, &["subject"], &["main"]) };
    for kind in [Kind::Permit, Kind::Grant("g".into()), Kind::Lent("l".into())] {
        let permit = lifting(kind, &["*"], &["**"]);
        let entries = |forbid| [permit.clone(), forbid];
        let all = entries(forbid(Enforce::Refuse, None));
        assert_eq!(lift(&all, "refs/heads/main", "subject"), Lift::No);
        assert_eq!(lift(&all, "refs/heads/main", "size"), Lift::By(0, None), "another check");
        assert_eq!(lift(&all, "refs/heads/x", "subject"), Lift::By(0, None), "another ref");
        let warn = entries(forbid(Enforce::Warn, None));
        assert_eq!(lift(&warn, "refs/heads/main", "subject"), Lift::By(0, None));
        let bob = Some(vec![Holder::User(lab::user("bob"))]);
        let others = entries(forbid(Enforce::Refuse, bob));
        assert_eq!(lift(&others, "refs/heads/main", "subject"), Lift::By(0, None));
    }
}

#[test]
fn a_lent_bypass_lifts_only_what_its_entitlement_lends_today_and_comes_last() {
    let mut lent = lifting(Kind::Lent("7f3k".into()), &["subject", "size"], &["main"]);
    lent.within = Some(Box::new(lifting(Kind::Entitlement("e".into()), &["subject"], &["**"])));
    let alone = [lent.clone()];
    assert_eq!(lift(&alone, "refs/heads/main", "subject"), Lift::By(0, None));
    assert_eq!(lift(&alone, "refs/heads/main", "size"), Lift::No);
    let granted = lifting(Kind::Grant("g".into()), &["*"], &["main"]);
    let both = [lent.clone(), granted];
    assert_eq!(lift(&both, "refs/heads/main", "subject"), Lift::By(1, None));
    let mut pushes = lent;
    pushes.within =
        Some(Box::new(lab::plain_entry(Kind::Entitlement("e".into()), Permissions::WRITE)));
    assert_eq!(lift(&[pushes], "refs/heads/main", "subject"), Lift::No);
}

#[test]
fn a_bypass_that_speaks_of_paths_lifts_nothing() {
    let docs = Some(PathScope { include: vec![lab::pattern("docs/**")], exclude: vec![] });
    let entry = Entry { paths: docs, ..lifting(Kind::Permit, &["*"], &["main"]) };
    assert_eq!(lift(&[entry], "refs/heads/main", "subject"), Lift::No);
}

#[test]
fn what_has_ended_lifts_nothing_and_what_ends_soon_says_when() {
    let until = |seconds| Window {
        until: Some(lab::now() + Duration::seconds(seconds)),
        ..Window::default()
    };
    let permit =
        |seconds| Entry { when: until(seconds), ..lifting(Kind::Permit, &["*"], &["main"]) };
    assert_eq!(lift(&[permit(1)], "refs/heads/main", "x"), Lift::No, "within the margin");
    let end = Some(lab::now() + Duration::seconds(58));
    assert_eq!(lift(&[permit(60)], "refs/heads/main", "x"), Lift::By(0, end));
    let start = lab::now() + Duration::seconds(30);
    let forbid = Entry {
        when: Window { from: Some(start), ..Window::default() },
        to: None,
        ..lifting(Kind::Forbid, &["*"], &["main"])
    };
    assert_eq!(lift(&[permit(60), forbid], "refs/heads/main", "x"), Lift::By(0, Some(start)));
}

#[test]
fn a_group_that_must_be_looked_up_is_asked_for_and_its_failure_lifts_nothing() {
    let mut standing = standing();
    standing.group_lookups = [(lab::group("staff"), [lab::group("staff")].into())].into();
    let entry = Entry {
        to: Some(vec![Holder::Group(lab::group("staff"))]),
        ..lifting(Kind::Permit, &["*"], &["main"])
    };
    let lift = |answers: &Answers| {
        let scope = Scope {
            standing: &standing,
            entries: vec![&entry],
            enforce: Enforce::Refuse,
            require: &[],
            confirmed_by: &[],
        };
        lifts(&scope, &question("refs/heads/main"), answers, "x")
    };
    assert_eq!(lift(&Answers::new()), Lift::Unasked([Ask::Group(lab::group("staff"))].into()));
    let answer = |answer| Answers::from([(Ask::Group(lab::group("staff")), answer)]);
    assert_eq!(lift(&answer(Ok(true))), Lift::By(0, None));
    assert_eq!(lift(&answer(Ok(false))), Lift::No);
    let failed = Lift::Failed("@staff could not be looked up (down)".into());
    assert_eq!(lift(&answer(Err("down".into()))), failed);
}
