mod brute;
mod claims;
mod jira;

use super::super::entry::{Enforce, Entry, Holder, Kind, Permissions, Place};
use super::super::lab::{self, Dice, REPOSITORIES, USERS};
use super::super::members::Answers;
use super::super::model::{Group, Lookup, Member, Refuse, Require, Scheme, TokenSettings};
use super::super::name::RoleName;
use super::super::refs::{ChangedPath, PathScope, RefScope, Space};
use super::super::scope::{Scopes, site};
use super::super::span::Span;
use super::*;
use crate::decision::{Paths, Question, Scope, Verdict, decide};
use crate::pusher::source::Source;
use brute::reported;
use chrono::Duration;
use proptest::prelude::*;
use std::collections::HashSet;

fn permit(permissions: Permissions, branches: &[&str], to: Vec<Holder>) -> Entry {
    let refs = RefScope { include: lab::on(Space::Branches, branches), exclude: vec![] };
    Entry { to: Some(to), refs, ..lab::plain_entry(Kind::Permit, permissions) }
}

fn at(line: u32, entry: Entry) -> Entry {
    Entry { place: Place { file: 0, line }, ..entry }
}

fn role() -> Holder {
    Holder::Role(RoleName::parse("developer").unwrap())
}

/// Payments: bob and carol are developers, alice leads; @staff is looked up.
fn payments(entries: Vec<Entry>) -> Policy {
    let members = ["bob", "carol"].map(|name| Member::User(lab::user(name)));
    let mut project = lab::plain_project(&["payments/**"], "default");
    project.roles = [(RoleName::parse("developer").unwrap(), members.into())].into();
    project.lead = Some(lab::user("alice"));
    Policy {
        files: vec!["policy.toml".into()],
        users: USERS.into_iter().map(|name| (lab::user(name), lab::declared())).collect(),
        groups: [(lab::group("staff"), Group::Lookup(Lookup::Unix("staff".into())))].into(),
        schemes: [(lab::scheme("default"), Scheme { description: None, entries })].into(),
        projects: [(lab::project("PAY"), project)].into(),
        ..Policy::default()
    }
}

fn lines(old: Vec<Entry>, new: Vec<Entry>) -> Vec<String> {
    diff(&payments(old), &payments(new), lab::now()).lines(50)
}

#[test]
fn the_same_policy_written_elsewhere_changes_nothing() {
    let entry = permit(Permissions::WRITE, &["users/${user}/**", "regex:x+"], vec![role()]);
    let found =
        diff(&payments(vec![at(3, entry.clone())]), &payments(vec![at(9, entry)]), lab::now());
    assert!(found.is_empty() && !found.widened());
}

#[test]
fn a_new_permit_says_who_gains_what_by_which_line() {
    let main = permit(Permissions::PUSH, &["main"], vec![Holder::Lead]);
    let release = at(84, permit(Permissions::PUSH, &["release/*"], vec![role()]));
    assert_eq!(
        lines(vec![main.clone()], vec![main.clone(), release.clone()]),
        [
            "gains  bob, carol   read in PAY, policy.toml:84",
            "gains  bob, carol   push on release/* in PAY (e.g. refs/heads/release/0), policy.toml:84",
        ]
    );
    let found = diff(&payments(vec![release]), &payments(vec![main]), lab::now());
    assert!(found.widened(), "alice gains `main`");
    assert!(
        found.lines(50).contains(
            &"loses  bob, carol   push on release/* in PAY (e.g. refs/heads/release/0), \
          policy.toml:84 (before)"
                .into()
        )
    );
}

#[test]
fn every_pattern_of_a_permit_is_told() {
    let mut both = permit(Permissions::PUSH, &["alpha/**", "beta/**", "trunk"], vec![role()]);
    both.refs.include.extend(lab::on(Space::Tags, &["v*"]));
    both.refs.include.extend(lab::on(Space::Branches, &["people/${user}/**"]));
    let read = at(2, permit(Permissions::READ, &[], vec![role()]));
    let lost = "loses  bob, carol   push on alpha/**, beta/**, people/${user}/**, tags v*, trunk in PAY \
                (e.g. refs/heads/trunk), policy.toml:1 (before)";
    assert_eq!(lines(vec![both.clone(), read.clone()], vec![read.clone()]), [lost]);
    let found = diff(&payments(vec![read.clone()]), &payments(vec![both, read]), lab::now());
    let refs = &found.to_json()["changes"][0]["refs"];
    assert_eq!(refs.as_array().unwrap().len(), 5);
}

#[test]
fn a_forbid_that_goes_gives_what_permits_have_and_no_more() {
    let read = at(2, permit(Permissions::READ, &[], vec![role()]));
    let mut freeze = at(12, lab::plain_entry(Kind::Forbid, Permissions::FORCE));
    freeze.refs.include = lab::on(Space::Branches, &["**"]);
    let gained = |permitted: &[&str]| {
        let permit = permit(Permissions::WRITE, permitted, vec![role()]);
        let both = vec![permit.clone(), read.clone(), freeze.clone()];
        let found = diff(&payments(both), &payments(vec![permit, read.clone()]), lab::now());
        found.changes.into_iter().map(|change| change.refs).collect::<Vec<_>>()
    };
    assert_eq!(gained(&["feature/**"]), [["feature/**"]]);
    assert_eq!(gained(&["feature/**", "main"]), [["feature/**", "main"]]);
    freeze.refs.include = lab::on(Space::Branches, &["*/a"]);
    let permit = permit(Permissions::WRITE, &["r*/*"], vec![role()]);
    let found = lines(vec![permit.clone(), freeze], vec![permit]);
    let line = "gains  bob, carol   force on */a within r*/* in PAY (e.g. refs/heads/r/a), \
                policy.toml:12 (before)";
    assert_eq!(found, [line]);
}

#[test]
fn a_new_permit_beside_a_forbid_gives_only_what_that_leaves() {
    let mut freeze = at(12, lab::plain_entry(Kind::Forbid, Permissions::PUSH));
    freeze.refs.exclude = lab::on(Space::Branches, &["feature/**"]);
    let all = permit(Permissions::PUSH, &["**"], vec![role()]);
    let read = at(2, permit(Permissions::READ, &[], vec![role()]));
    let found = lines(vec![read.clone(), freeze.clone()], vec![read, freeze, all]);
    let line = "gains  bob, carol   push on feature/** in PAY (e.g. refs/heads/feature/0), \
                policy.toml:1";
    assert_eq!(found, [line]);
}

#[test]
fn a_project_that_gets_narrower_says_which_repositories_are_lost() {
    let read = permit(Permissions::READ, &[], vec![role()]);
    let mut old = payments(vec![read]);
    old.projects.get_mut(&lab::project("PAY")).unwrap().repositories = vec![lab::pattern("**")];
    let mut new = old.clone();
    new.projects.get_mut(&lab::project("PAY")).unwrap().repositories =
        vec![lab::pattern("werk/**")];
    let found = diff(&old, &new, lab::now());
    let line = |verb: &str, spot: &str| {
        format!("{verb}  bob, carol   read in PAY (all but werk/**, e.g. 0), policy.toml:1{spot}")
    };
    let shown: Vec<String> = found.changes.iter().map(ToString::to_string).collect();
    assert_eq!(shown, [line("loses", " (before)")]);
    let json = &found.to_json()["changes"][0];
    assert_eq!(json["repositories"], serde_json::json!({ "all_but": ["werk/**"] }));
    assert_eq!(json["example_repository"], "0");
    let found = diff(&new, &old, lab::now());
    let shown: Vec<String> = found.changes.iter().map(ToString::to_string).collect();
    assert_eq!(shown, [line("gains", "")]);
}

#[test]
fn only_what_was_not_covered_before_is_a_gain() {
    let wide = permit(Permissions::WRITE, &["**"], vec![role()]);
    let narrow = permit(Permissions::PUSH, &["main"], vec![role()]);
    assert!(lines(vec![wide.clone()], vec![narrow.clone(), wide.clone()]).is_empty());
    let mut except = wide.clone();
    except.refs.exclude = lab::on(Space::Branches, &["main"]);
    assert!(
        lines(
            vec![wide],
            vec![at(7, except.clone()), { permit(Permissions::WRITE, &["main"], vec![role()]) }]
        )
        .is_empty()
    );
    let lost = lines(vec![except.clone(), narrow.clone()], vec![except]);
    assert_eq!(
        lost,
        ["loses  bob, carol   push on main in PAY (e.g. refs/heads/main), policy.toml:1 (before)"]
    );
}

#[test]
fn a_forbid_a_warning_and_a_later_end_are_told_apart() {
    let all = permit(Permissions::WRITE, &["**"], vec![role()]);
    let mut freeze = at(12, lab::plain_entry(Kind::Forbid, Permissions::PUSH));
    freeze.refs.include = lab::on(Space::Branches, &["main"]);
    freeze.when.from = Some(lab::now() + Duration::hours(3));
    assert_eq!(
        lines(vec![all.clone()], vec![all.clone(), freeze.clone()]),
        ["loses  bob, carol   push on main in PAY (e.g. refs/heads/main) \
         from 2026-11-23T11:00:00Z, policy.toml:12",]
    );
    let warning = Entry { enforce: Enforce::Warn, ..freeze.clone() };
    assert_eq!(
        lines(vec![all.clone(), freeze], vec![all, warning]),
        [
            "gains  bob, carol   push on main in PAY (e.g. refs/heads/main) from 2026-11-23T11:00:00Z, \
         with a warning (`enforce = \"warn\"`), policy.toml:12 (before)",
        ]
    );
}

#[test]
fn looked_up_members_and_people_without_identity_have_lines_of_their_own() {
    let staff = Holder::Group(lab::group("staff"));
    let push = at(5, permit(Permissions::PUSH, &["main"], vec![staff]));
    let mut read = at(6, lab::plain_entry(Kind::Permit, Permissions::READ));
    read.to = Some(vec![Holder::Anyone]);
    assert_eq!(
        lines(vec![], vec![push, read]),
        [
            "gains  everyone (4 users), people without an identity   read in PAY, policy.toml:6",
            "gains  members of @staff (looked up)   push on main in PAY (e.g. refs/heads/main), \
         policy.toml:5",
        ]
    );
}

#[test]
fn changed_paths_make_a_difference_of_their_own() {
    let mut docs = at(8, permit(Permissions::UPDATE, &["main"], vec![role()]));
    docs.paths = Some(PathScope { include: vec![lab::pattern("docs/**")], exclude: vec![] });
    let found = lines(vec![], vec![docs]);
    assert!(found.iter().any(|line| line.contains("changing docs/** (e.g. docs/0)")), "{found:?}");
    let all = permit(Permissions::PUSH, &["**"], vec![role()]);
    let mut secret = at(9, lab::plain_entry(Kind::Forbid, Permissions::PUSH));
    secret.paths = Some(PathScope { include: vec![lab::pattern("secrets/**")], exclude: vec![] });
    let found = diff(&payments(vec![all.clone()]), &payments(vec![all, secret]), lab::now());
    let paths: HashSet<_> = found.changes.iter().map(|change| &change.touching).collect();
    assert!(paths.contains(&Touching::Unknown) && !paths.contains(&Touching::Nothing), "{paths:?}");
    assert!(!found.widened());
}

#[test]
fn a_name_that_a_pattern_spells_out_is_told_apart_from_others() {
    let own = at(4, permit(Permissions::PUSH, &["users/${user}/**"], vec![Holder::Authenticated]));
    let bobs = at(3, permit(Permissions::PUSH, &["users/b*/**"], vec![role()]));
    let found = lines(vec![bobs.clone()], vec![bobs, own]);
    // Bob could push below users/bob before.
    let others = "alice, carol, dave   push on users/${user}/**";
    assert!(found.iter().any(|line| line.contains(others)), "{found:?}");
    assert!(!found.iter().any(|line| line.contains("bob")), "{found:?}");
}

#[test]
fn a_name_under_which_no_ref_can_lie_speaks_for_nobody_else() {
    let own = at(4, permit(Permissions::PUSH, &["users/${user}/**"], vec![Holder::Authenticated]));
    // The expression makes nobody like another who could be taken for a part of it.
    let scratch = at(5, permit(Permissions::PUSH, &["regex:(tmp|wip)/[0-9]+"], vec![Holder::Lead]));
    let mut old = payments(vec![scratch.clone()]);
    for name in ["a.lock", "tmp", "7"] {
        old.users.insert(lab::user(name), lab::declared());
    }
    let mut new = old.clone();
    new.schemes = payments(vec![scratch, own]).schemes;
    let told = reported(&diff(&old, &new, lab::now()));
    let gain =
        |user: &str| told.contains(&(user.to_owned(), "PAY".to_owned(), Action::Create, true));
    assert!(["alice", "bob", "tmp", "7"].into_iter().all(gain), "{told:?}");
    assert!(!gain("a.lock"));
}

#[test]
fn many_people_and_projects_are_told_in_few_lines_and_counted() {
    let mut old = payments(vec![]);
    for number in 0..300 {
        old.users.insert(lab::user(&format!("u{number}")), lab::declared());
        let project = lab::plain_project(&[&format!("p{number}/**")], &format!("s{number}"));
        old.projects.insert(lab::project(&format!("P{number}")), project);
        old.schemes.insert(lab::scheme(&format!("s{number}")), Scheme::default());
    }
    let mut new = old.clone();
    for (scheme, line) in new.schemes.values_mut().zip(1..) {
        let everyone = vec![Holder::Authenticated];
        scheme.entries =
            vec![at(line, permit(Permissions::DELETE, &["users/${user}/**"], everyone))];
    }
    let found = diff(&old, &new, lab::now());
    assert_eq!(found.changes.iter().map(|c| c.projects.len()).collect::<Vec<_>>(), [301, 301]);
    let lines = found.lines(50);
    assert_eq!(lines.len(), 2);
    let head = "gains  everyone (304 users)   delete on users/${user}/** in 301 projects (P0, P1, P10, ...)";
    assert!(lines.iter().any(|line| line.starts_with(head)), "{lines:?}");
}

#[test]
fn what_is_left_out_because_of_many_looked_up_groups_may_be_a_gain() {
    let staff: Vec<String> = (0..5).map(|number| format!("staff{number}")).collect();
    let holders = staff.iter().map(|name| Holder::Group(lab::group(name))).collect();
    let entry = permit(Permissions::PUSH, &["main"], holders);
    let mut old = payments(vec![entry]);
    for name in &staff {
        old.groups.insert(lab::group(name), Group::Lookup(Lookup::Unix("staff".into())));
    }
    let mut new = old.clone();
    new.schemes.get_mut(&lab::scheme("default")).unwrap().entries[0].refs.include.clear();
    let found = diff(&old, &new, lab::now());
    let note = Note {
        text: "in PAY, not every combination of looked-up groups is compared".into(),
        widens: true,
    };
    assert!(found.notes.contains(&note), "{:?}", found.notes);
}

#[test]
fn what_is_too_large_is_said_to_be_and_its_entries_are_listed() {
    let huge = at(77, permit(Permissions::PUSH, &["regex:.*a[^/]{40}.*b.{30}"], vec![role()]));
    let found = diff(&payments(vec![]), &payments(vec![huge]), lab::now());
    assert!(found.widened());
    assert_eq!(
        found.lines(9),
        ["note   PAY is too large to compute; entries that changed: policy.toml:77"]
    );
}

#[test]
fn repositories_people_and_settings_have_notes() {
    let old = payments(vec![]);
    let mut new = old.clone();
    new.projects.insert(lab::project("CORE"), lab::plain_project(&["payments/core"], "default"));
    new.users.remove(&lab::user("dave"));
    new.users.get_mut(&lab::user("bob")).unwrap().unix = Some("git".into());
    new.settings.administer = vec![Holder::User(lab::user("carol"))];
    new.settings.bulk_change = vec![Holder::Group(lab::group("staff"))];
    new.settings.max_refs = Some(50);
    let found = diff(&old, &new, lab::now());
    assert_eq!(
        found.lines(50),
        [
            "note   repositories like `payments/core` (an example) move from project PAY to project CORE",
            "note   users that are gone: dave",
            "note   users that are recognised by other names or keys: bob",
            "note   gains carol   `[global] administer`",
            "note   gains members of @staff (looked up)   `[global] bulk-change`",
            "note   everyone without `[global] bulk-change` may push 50 refs at once \
         (any number of refs before)",
        ]
    );
    assert!(found.widened());
    assert_eq!(found.lines(2).last().unwrap(), "and 4 more changes");
    let json = found.to_json();
    assert_eq!((&json["widened"], json["notes"].as_array().unwrap().len()), (&true.into(), 6));
}

#[test]
fn a_setting_that_changes_says_what_it_is_and_what_it_was() {
    let tokens = |seconds| TokenSettings {
        max_lifetime: Span::of_seconds(seconds).unwrap(),
        default_lifetime: Span::of_seconds(3600).unwrap(),
        url: None,
    };
    let old = payments(vec![]);
    let mut new = old.clone();
    let settings = &mut new.settings;
    settings.sources = vec![Source::Ssh, Source::Unix];
    settings.secure = true;
    settings.refuse = Refuse::Ref;
    settings.name = Some("git.example.org".into());
    settings.store = "/srv/state".into();
    settings.tokens = Some(tokens(19 * 86_400));
    settings.require = vec![Require {
        place: Place { file: 0, line: 3 },
        refs: RefScope { include: lab::on(Space::Branches, &["main"]), exclude: vec![] },
        source: Source::PushCert,
    }];
    let told = |old: &Policy, new: &Policy| {
        let found = diff(old, new, lab::now());
        let notes = found.notes.into_iter().map(|note| (note.text, note.widens));
        notes.collect::<Vec<(String, bool)>>()
    };
    let text = |texts: &[(&str, bool)]| {
        texts.iter().map(|(text, widens)| ((*text).to_owned(), *widens)).collect::<Vec<_>>()
    };
    assert_eq!(
        told(&old, &new),
        text(&[
            ("`[identity] sources` is ssh, unix, was empty", true),
            ("`[[identity.require]]` asks for push-cert on main", false),
            ("`[server] refuse` is ref, was push", false),
            ("`[server] secure-mode` is true, was false", false),
            ("`[server] name` is `git.example.org`, was not set", false),
            ("`[store] path` is `/srv/state`, was ``", false),
            ("`[tokens]` is set, was not: tokens are made, for 19 d at most", true),
        ])
    );
    let back = told(&new, &old);
    assert_eq!(
        back[1..4],
        text(&[
            ("`[[identity.require]]` no longer asks for push-cert on main", true),
            ("`[server] refuse` is push, was ref", false),
            ("`[server] secure-mode` is false, was true", true),
        ])
    );
    // Without `[tokens]` no token holds: nobody gains anything by it.
    let gone = "`[tokens]` is not set, was (`max-lifetime` 19 d): no token is made, and none that \
                was made holds";
    assert_eq!(back.last(), Some(&(gone.to_owned(), false)));
    let mut longer = new.clone();
    longer.settings.tokens = Some(tokens(20 * 86_400));
    let text = "`[tokens] max-lifetime` is 20 d, was 19 d: tokens hold at most so long";
    assert_eq!(told(&new, &longer), [(text.to_owned(), true)]);
}

#[test]
fn the_first_policy_is_told_in_short() {
    let push = permit(Permissions::PUSH, &["main"], vec![role(), Holder::Lead]);
    let found = summary(&payments(vec![push; 30]));
    assert_eq!(
        found[..2],
        ["users that are active: 4 of 4", "PAY: role:developer, lead (3 users) may push on main",]
    );
    assert_eq!(found.last().unwrap(), "and 20 more entries of PAY");
}
