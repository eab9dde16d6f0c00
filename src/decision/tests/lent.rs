//! Grants that were asked for, and locks.

use super::*;
use proptest::prelude::*;

fn lent(refs: &[&str], within: Entry) -> Entry {
    let mut lent = entry(Kind::Lent("7f3k-92qd".into()), Permissions::PUSH, Some("bob"));
    lent.refs.include = branches(refs);
    lent.within = Some(Box::new(within));
    lent
}

fn entitlement(to: &str, refs: &[&str]) -> Entry {
    let mut entry = entry(Kind::Entitlement("hotfix".into()), Permissions::UPDATE, Some(to));
    entry.refs.include = branches(refs);
    entry
}

#[test]
fn a_lent_grant_covers_only_what_its_entitlement_covers_today() {
    let q = |name| ask(Action::Update, name, Paths::Known(&[]));
    let grant = lent(&["release/**"], entitlement("role:dev", &["release/*"]));
    let entries = std::slice::from_ref(&grant);
    assert_eq!(code(entries, &q("refs/heads/release/1")), None);
    assert_eq!(code(entries, &q("refs/heads/release/1/x")), Some(Code::NoPermit));
    let create = ask(Action::Create, "refs/heads/release/1", Paths::Known(&[]));
    assert_eq!(code(entries, &create), Some(Code::NoPermit));
}

#[test]
fn who_is_no_longer_eligible_has_nothing_lent() {
    let q = ask(Action::Update, "refs/heads/release/1", Paths::Known(&[]));
    let grant = lent(&["release/**"], entitlement("alice", &["release/*"]));
    assert_eq!(code(&[grant], &q), Some(Code::NoPermit));
    let looked_up = lent(&["release/**"], entitlement("@staff", &["release/*"]));
    let entries = [looked_up];
    let answered = |answer| {
        let answers = Answers::from([(GroupName::parse("staff").unwrap().into(), answer)]);
        matches!(run(&entries, &bob(), &q, &answers).verdict, Verdict::Allowed(_))
    };
    assert!(answered(Ok(true)) && !answered(Ok(false)) && !answered(Err("gone".into())));
}

#[test]
fn paths_of_the_request_and_of_the_entitlement_both_narrow() {
    let mut narrowed = entitlement("bob", &["main"]);
    narrowed.paths = Some(PathScope { include: paths(&["docs/**"]), exclude: vec![] });
    let mut grant = lent(&["main"], narrowed);
    let entries = |grant: &Entry| vec![grant.clone()];
    let verdict = |entries: &[Entry], names: &[&str]| {
        let changed = changed(names);
        code(entries, &ask(Action::Update, "refs/heads/main", Paths::Known(&changed)))
    };
    assert_eq!(verdict(&entries(&grant), &["docs/a"]), None);
    assert_eq!(verdict(&entries(&grant), &["src/a"]), Some(Code::PathNotCovered));
    grant.paths = Some(PathScope { include: paths(&["**/*.md"]), exclude: vec![] });
    assert_eq!(verdict(&entries(&grant), &["docs/a"]), Some(Code::PathNotCovered));
    assert_eq!(verdict(&entries(&grant), &["docs/a.md"]), None);
    let unknown = ask(Action::Update, "refs/heads/main", Paths::Unknown);
    assert_eq!(code(&[grant], &unknown), Some(Code::NoPermit));
}

#[test]
fn a_lock_beats_every_permit_grant_and_warning() {
    let q = ask(Action::Update, "refs/heads/main", Paths::Known(&[]));
    let permit = entry(Kind::Permit, Permissions::PUSH, Some("bob"));
    let grant = lent(&["main"], entitlement("bob", &["main"]));
    let forbid = entry(Kind::Forbid, Permissions::UPDATE, None);
    let lock = entry(Kind::Lock("k".into()), Permissions::WRITE, None);
    let entries = [permit, grant, forbid, lock];
    assert_eq!(code(&entries, &q), Some(Code::Locked));
    let standing = bob();
    let scope = Scope {
        standing: &standing,
        entries: entries.iter().collect(),
        enforce: Enforce::Warn,
        require: &[],
        confirmed_by: &[],
    };
    let Verdict::Refused(refused) = decide(&scope, &q, &Answers::new()).verdict else {
        panic!("a project that only warns let a locked ref through")
    };
    assert_eq!(refused.code(), Code::Locked);
}

#[test]
fn standing_rights_come_before_grants_and_grants_in_the_order_given() {
    let q = ask(Action::Update, "refs/heads/main", Paths::Known(&[]));
    let permit = entry(Kind::Permit, Permissions::PUSH, Some("bob"));
    let first = lent(&["main"], entitlement("bob", &["main"]));
    let second = lent(&["main"], entitlement("bob", &["**"]));
    let rests = |entries: &[Entry]| match run(entries, &bob(), &q, &Answers::new()).verdict {
        Verdict::Allowed(allowed) => allowed.permits().to_vec(),
        Verdict::Refused(_) => panic!("refused"),
    };
    assert_eq!(rests(&[first.clone(), second.clone(), permit]), [2]);
    assert_eq!(rests(&[second, first]), [0]);
}

proptest! {
    /// All live grants count: together they allow what any one of them allows, and nothing else.
    #[test]
    fn the_union_of_grants_equals_any_single_one_allowing(
        scopes in proptest::collection::vec((0_usize..5, 0_usize..5), 0..5), name in 0_usize..4,
    ) {
        const PATTERNS: [&str; 5] = ["main", "release/*", "**", "feature/**", "m*"];
        const NAMES: [&str; 4] =
            ["refs/heads/main", "refs/heads/release/1", "refs/heads/feature/a/b", "refs/heads/m"];
        let grants: Vec<Entry> = scopes
            .iter()
            .map(|(own, within)| lent(&[PATTERNS[*own]], entitlement("bob", &[PATTERNS[*within]])))
            .collect();
        let q = ask(Action::Update, NAMES[name], Paths::Known(&[]));
        let any = grants.iter().any(|grant| code(std::slice::from_ref(grant), &q).is_none());
        prop_assert_eq!(code(&grants, &q).is_none(), any);
    }
}
