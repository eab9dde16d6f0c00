use super::super::super::entry::{Permissions, Place};
use super::super::super::lab;
use super::super::super::model::{
    AccessSettings, Auto, Extend, Group, Member, NotifyTo, SharedStore,
};
use super::super::super::model::{Lookup, Notify};
use super::super::super::name::RoleName;
use super::super::super::refs::Space;
use super::super::super::window::Window;
use super::super::{Diff, diff};
use super::*;

fn developer() -> RoleName {
    RoleName::parse("developer").unwrap()
}

/// PAY: bob develops, alice leads. What can be asked for is `hotfix`.
fn policy(change: impl FnOnce(&mut Policy, &mut Entitlement)) -> Policy {
    let mut project = lab::plain_project(&["payments/**"], "default");
    project.roles = [(developer(), vec![Member::User(lab::user("bob"))])].into();
    project.lead = Some(lab::user("alice"));
    let mut policy = Policy {
        files: vec!["policy.toml".into()],
        users: lab::USERS.into_iter().map(|name| (lab::user(name), lab::declared())).collect(),
        groups: [(lab::group("staff"), Group::Lookup(Lookup::Unix("staff".into())))].into(),
        projects: [(lab::project("PAY"), project)].into(),
        ..Policy::default()
    };
    let mut one = lab::entitlement("hotfix", &[Holder::Role(developer())], "PAY");
    one.entry.refs.include = lab::on(Space::Branches, &["release/*"]);
    one.approval = vec![Approval { from: vec![Holder::Lead], count: 1 }];
    change(&mut policy, &mut one);
    policy.entitlements.insert(lab::entitlement_name("hotfix"), one);
    policy
}

fn plain() -> Policy {
    policy(|_, _| ())
}

fn found(old: &Policy, new: &Policy) -> Diff {
    diff(old, new, lab::now())
}

fn lines(old: &Policy, new: &Policy) -> Vec<String> {
    found(old, new).notes.into_iter().map(|note| note.text).collect()
}

#[test]
fn an_entitlement_that_comes_or_goes_says_for_whom() {
    let mut none = plain();
    none.entitlements.clear();
    assert_eq!(
        lines(&none, &plain()),
        [
            "new, entitlement hotfix: role:developer may ask for push on release/* in PAY, up to \
             1 h, approved by 1 of lead, policy.toml:1",
            "gains bob   asking for `hotfix` in PAY",
            "gains alice   approving `hotfix` in PAY",
        ]
    );
    assert!(found(&none, &plain()).widened() && !found(&plain(), &none).widened());
    assert_eq!(
        lines(&plain(), &none),
        [
            "gone, entitlement hotfix: role:developer may ask for push on release/* in PAY, up to \
             1 h, approved by 1 of lead, policy.toml:1 (before)",
            "loses bob   asking for `hotfix` in PAY",
            "loses alice   approving `hotfix` in PAY",
        ]
    );
}

#[test]
fn the_same_entitlement_written_elsewhere_changes_nothing() {
    let moved = policy(|_, one| one.entry.place = Place { file: 0, line: 70 });
    assert!(found(&plain(), &moved).is_empty());
}

#[test]
fn somebody_who_becomes_eligible_or_an_approver_through_a_role_is_told() {
    let more = policy(|policy, _| {
        let project = policy.projects.get_mut("PAY").unwrap();
        project.roles.insert(
            developer(),
            vec![Member::User(lab::user("carol")), Member::Group(lab::group("staff"))],
        );
        project.lead = Some(lab::user("dave"));
    });
    assert_eq!(
        lines(&plain(), &more),
        [
            "gains carol, members of @staff (looked up)   asking for `hotfix` in PAY",
            "loses bob   asking for `hotfix` in PAY",
            "gains dave   approving `hotfix` in PAY",
            "loses alice   approving `hotfix` in PAY",
        ]
    );
    assert!(found(&plain(), &more).widened());
}

#[test]
fn somebody_who_left_can_no_longer_ask() {
    let left = policy(|policy, _| policy.users.get_mut("bob").unwrap().active = false);
    assert!(lines(&plain(), &left).contains(&"loses bob   asking for `hotfix` in PAY".into()));
}

#[test]
fn caps_and_quorum_say_what_they_were_and_whether_that_is_more() {
    let changed = |change: fn(&mut Entitlement)| {
        let new = policy(|_, one| change(one));
        let found = found(&plain(), &new);
        (found.widened(), found.notes.into_iter().map(|note| note.text).collect::<Vec<_>>())
    };
    let two = Span::of_seconds(7200).unwrap();
    assert_eq!(two.to_string(), "2 h");
    assert_eq!(
        changed(|one| one.max_duration = Span::of_seconds(7200).unwrap()),
        (true, vec!["entitlement hotfix: `max-duration` is 2 h, was 1 h".into()])
    );
    assert_eq!(
        changed(|one| one.max_uses = Some(1)),
        (false, vec!["entitlement hotfix: `max-uses` is 1, was no limit".into()])
    );
    assert_eq!(
        changed(|one| one.approval[0].count = 2),
        (false, vec!["entitlement hotfix: `approval` is 2 of lead, was 1 of lead".into()])
    );
    assert_eq!(
        changed(|one| one.entry.refs.include = lab::on(Space::Branches, &["**"])),
        (
            true,
            vec!["entitlement hotfix: what it lends is push on **, was push on release/*".into()]
        )
    );
    let (widened, said) = changed(|one| {
        one.approval = vec![Approval { from: vec![Holder::User(lab::user("carol"))], count: 1 }];
    });
    assert!(widened && said.len() == 3, "{said:?}");
}

/// Every key by itself, so that none can be forgotten.
#[test]
fn no_change_of_an_entitlement_is_silent() {
    let span = Span::of_seconds(60).unwrap();
    type Case = (bool, Box<dyn Fn(&mut Entitlement)>);
    let changes: Vec<Case> = vec![
        (false, Box::new(|one| one.description = Some("other".into()))),
        (true, Box::new(|one| one.entry.permissions = Permissions::WRITE)),
        (true, Box::new(|one| one.entry.checks = vec!["*".into()])),
        (true, Box::new(|one| one.repositories = vec![lab::pattern("web")])),
        (false, Box::new(move |one| one.max_duration = span)),
        (false, Box::new(move |one| one.default_duration = span)),
        (false, Box::new(move |one| one.max_ahead = span)),
        (false, Box::new(move |one| one.pending = span)),
        (false, Box::new(|one| one.max_until = Some(lab::now()))),
        (true, Box::new(|one| one.reason_required = false)),
        (false, Box::new(|one| one.ticket = Some(lab::pattern("regex:A-[0-9]+")))),
        (true, Box::new(|one| one.approval.clear())),
        (
            true,
            Box::new(move |one| {
                one.auto = Some(Auto { when: Window::default(), max_duration: span })
            }),
        ),
        (true, Box::new(|one| one.break_glass = true)),
        (false, Box::new(|one| one.pin = true)),
        (true, Box::new(move |one| one.extend = Some(Extend { times: 1, max_duration: span }))),
        (true, Box::new(|one| one.entry.to = Some(vec![Holder::Authenticated]))),
        (false, Box::new(|one| one.entry.to = Some(vec![]))),
        (true, Box::new(|one| one.entry.except = vec![Holder::Lead])),
    ];
    for (number, (widens, change)) in changes.iter().enumerate() {
        let changed = found(&plain(), &policy(|_, one| change(one)));
        assert!(!changed.notes.is_empty(), "change {number}");
        assert_eq!(changed.widened(), *widens, "change {number}: {:?}", changed.notes);
    }
}

#[test]
fn settings_of_asking_are_told() {
    let notify = Notify {
        place: Place { file: 0, line: 9 },
        events: vec!["access.*".into()],
        projects: BTreeSet::new(),
        to: NotifyTo::Command(vec!["/bin/true".into()]),
        before_end: None,
    };
    let changed = policy(|policy, _| {
        policy.settings.access =
            AccessSettings { max_open: 5, max_wait: Span::of_seconds(60), server_approvals: false };
        policy.settings.notify = vec![notify.clone()];
        policy.settings.shared_store = Some(SharedStore {
            endpoints: vec!["https://a:2379".into()],
            ca: None,
            identity: None,
            login: None,
            prefix: "refwarden/".into(),
        });
    });
    let there = [
        ("`[access] max-open` is 5, was 20", false),
        ("`[access] max-wait` is 1 min, was not set", true),
        ("`[access] server-approvals` is false, was true", false),
        (
            "`[store]` is `https://a:2379`, prefix `refwarden/`, was this host's own: grants, \
             revocations and locks are looked up elsewhere",
            true,
        ),
        ("`[[notify]]` rows that are new: policy.toml:9", false),
    ];
    let said = |old: &Policy, new: &Policy| -> Vec<(String, bool)> {
        found(old, new).notes.into_iter().map(|note| (note.text, note.widens)).collect()
    };
    assert_eq!(said(&plain(), &changed), there.map(|(text, widens)| (text.to_owned(), widens)));
    let back = said(&changed, &plain());
    let gone = "`[[notify]]` rows that are gone: policy.toml:9 (before)".to_owned();
    assert_eq!(back[4], (gone, true), "who was told is told no longer");
    let moved = policy(|policy, _| {
        policy.settings = changed.settings.clone();
        policy.settings.notify[0].place.line = 10;
    });
    assert!(found(&changed, &moved).is_empty());
}
