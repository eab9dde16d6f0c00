use super::super::diag::position;
use super::super::load_file;
use super::super::source::{NoIncludes, SourceFile};
use super::usage::{Pushed, Usage};
use super::*;
use crate::policy::name::UserName;
use crate::push::action::Action;

fn now() -> DateTime<Utc> {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

const HEAD: &str = "version = 1\n[identity]\nsources = [\"gitea\"]\n[users.alice]\n[users.bob]\n\
    [users.dave]\nactive = false\n[roles.dev]\n[projects.A]\nrepositories = [\"a/**\"]\nbase = \"main\"\n\
    roles.dev = [\"bob\"]\n[schemes.default]\n";

fn loaded(text: &str) -> (Policy, Sources) {
    let main = SourceFile { name: "policy.toml".into(), text: text.into() };
    let (sources, result) = load_file(main, "/etc/refwarden", &NoIncludes);
    let (policy, _) = result.unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"));
    (policy, sources)
}

/// Words with the text of the line that each is about.
fn found(rest: &str) -> Vec<(&'static str, String)> {
    let text = format!("{HEAD}{rest}");
    let (policy, sources) = loaded(&text);
    let line = |at| {
        let place = position(at, &sources);
        let line = text.lines().nth(place.line as usize - 1).unwrap();
        line.get(place.column as usize - 1..).unwrap().to_owned()
    };
    lint(&policy, &sources, now()).into_iter().map(|one| (one.word, line(one.at))).collect()
}

fn words(rest: &str) -> Vec<&'static str> {
    found(rest).into_iter().map(|(word, _)| word).collect()
}

fn permit(permissions: &str, to: &str, keys: &str) -> String {
    format!("[[schemes.default.permit]]\npermissions = [{permissions}]\nto = [{to}]\n{keys}\n")
}

fn forbid(permissions: &str, keys: &str) -> String {
    format!("[[schemes.default.forbid]]\npermissions = [{permissions}]\n{keys}\n")
}

#[test]
fn an_entry_is_about_nobody_only_where_no_project_has_anybody_for_it() {
    for to in ["\"dave\"", "\"lead\"", "\"assignee\"", "\"bob\"]\nexcept = [\"role:dev\""] {
        let rest = permit("\"push\"", to, "branches = [\"x\"]");
        assert_eq!(found(&rest), [("nobody", "[[schemes.default.permit]]".into())], "{to}");
    }
    for to in ["\"dave\", \"bob\"", "\"role:dev\"", "\"authenticated\"]\nexcept = [\"bob\""] {
        assert!(words(&permit("\"push\"", to, "branches = [\"x\"]")).is_empty(), "{to}");
    }
    // A second project has a lead.
    let other = "[projects.B]\nrepositories = [\"b\"]\nlead = \"alice\"\n";
    assert!(words(&(permit("\"push\"", "\"lead\"", "branches = [\"x\"]") + other)).is_empty());
    let looked_up = "[groups]\nstaff = { unix = \"staff\" }\nouter = [\"@staff\"]\n";
    assert!(
        words(&(permit("\"push\"", "\"@outer\"", "branches = [\"x\"]") + looked_up)).is_empty()
    );
    assert_eq!(words(&forbid("\"push\"", "to = [\"dave\"]")), ["nobody"]);
}

#[test]
fn empty_groups_and_roles_and_unused_schemes_are_named_at_their_names() {
    let rest = "extends = \"base\"\n[schemes.base]\n[schemes.alone]\n[groups]\nnone = [\"dave\"]\n\
        some = [\"@none\", \"bob\"]\nof-none = [\"@none\"]\n[roles.idle]\n";
    assert_eq!(
        found(rest),
        [
            ("unused-scheme", "alone]".into()),
            ("empty-group", "none = [\"dave\"]".into()),
            ("empty-group", "of-none = [\"@none\"]".into()),
            ("empty-role", "idle]".into()),
        ]
    );
}

#[test]
fn a_permit_that_forbids_leave_nothing_of_is_shadowed_and_a_single_pattern_too() {
    let both = permit("\"push\"", "\"bob\"", "branches = [\"main\", \"rel/*\"]");
    let shadowed = [("shadowed", "[[schemes.default.permit]]".to_owned())];
    assert_eq!(found(&(both.clone() + &forbid("\"write\"", "branches = [\"**\"]"))), shadowed);
    // Two forbids together, one an action each.
    let two = forbid("\"create\"", "") + &forbid("\"update\"", "branches = [\"m*\", \"rel/**\"]");
    assert_eq!(found(&(both.clone() + &two)), shadowed);
    let one = forbid("\"push\"", "branches = [\"rel/**\"]");
    assert_eq!(found(&(both.clone() + &one)), [("shadowed", "\"rel/*\"]".to_owned())]);
    for spares in [
        forbid("\"create\"", ""),
        forbid("\"push\"", "except = [\"alice\"]"),
        forbid("\"push\"", "to = [\"role:dev\"]"),
        forbid("\"push\"", "paths = [\"x\"]"),
        forbid("\"push\"", "when = { weekly = [\"Mon 09:00-10:00\"] }"),
        forbid("\"push\"", "enforce = \"warn\""),
        forbid("\"push\"", "branches = [\"main\", \"rel/?\"]"),
    ] {
        let own = words(&(both.clone() + &spares));
        assert!(!own.contains(&"shadowed") || spares.contains("main"), "{spares}: {own:?}");
        assert!(own.len() <= 1, "{own:?}");
    }
}

#[test]
fn names_in_patterns_are_tried_for_everybody() {
    let own = permit("\"push\"", "\"authenticated\"", "branches = [\"users/${user}/**\"]");
    assert!(
        words(&(own.clone() + &forbid("\"push\"", "branches = [\"users/bob/**\"]"))).is_empty()
    );
    assert_eq!(
        words(&(own.clone() + &forbid("\"push\"", "branches = [\"users/*/**\"]"))),
        ["shadowed"]
    );
    assert_eq!(
        words(&(own + &forbid("\"push\"", "branches = [\"users/bob/**\", \"users/alice/**\"]"))),
        ["shadowed"]
    );
}

#[test]
fn a_permit_is_shadowed_only_where_all_schemes_that_have_it_forbid_it() {
    let permit = permit("\"push\"", "\"bob\"", "branches = [\"main\"]");
    let strict = "[schemes.strict]\nextends = \"default\"\n[[schemes.strict.forbid]]\npermissions = [\"push\"]\n\
        [projects.B]\nrepositories = [\"b\"]\nscheme = \"strict\"\n";
    assert!(words(&(permit + strict)).is_empty());
}

#[test]
fn what_has_ended_is_named_and_nothing_else_of_it() {
    let ended = permit("\"push\"", "\"dave\"", "when = { until = 2026-11-22T10:00:00Z }");
    assert_eq!(words(&ended), ["ended"]);
    let open = permit("\"push\"", "\"bob\"", "when = { until = 2026-11-22T10:00:01Z }");
    assert!(words(&open).is_empty());
    let grant = "[[grants]]\nid = \"g\"\nto = [\"bob\"]\npermissions = [\"push\"]\nuntil = 2026-01-01T00:00:00Z\n\
        reason = \"for this test\"\n";
    assert_eq!(words(&format!("{grant}projects = [\"A\"]\n")), ["ended"]);
    assert_eq!(words(&format!("{grant}repositories = [\"z\"]\n")), ["nowhere"]);
}

#[test]
fn rights_that_are_too_wide() {
    let everybody = |keys: &str| words(&permit("\"push\"", "\"authenticated\"", keys));
    for keys in ["", "branches = [\"**\"]", "refs = [\"refs/**\"]"] {
        assert_eq!(everybody(keys), ["everybody-everywhere"], "{keys}");
    }
    for keys in [
        "branches = [\"x/**\"]",
        "branches = [\"**\"]\nexcept-branches = [\"main\"]",
        "tags = [\"**\"]",
    ] {
        assert!(everybody(keys).is_empty(), "{keys}");
    }
    let force = permit("\"force\"", "\"bob\"", "branches = [\"ma*\"]");
    assert_eq!(words(&force), ["rewrites-default-branch"]);
    assert!(
        words(
            &(force.clone() + &forbid("\"force\"", "branches = [\"main\"]\nexcept = [\"alice\"]"))
        )
        .is_empty()
    );
    let warned = forbid("\"force\"", "branches = [\"other\"]");
    assert_eq!(words(&(force + &warned)), ["rewrites-default-branch"]);
    assert!(words(&permit("\"force\"", "\"bob\"", "branches = [\"x\"]")).is_empty());
}

#[test]
fn every_finding_has_a_word_that_is_listed() {
    let source = [
        include_str!("../lint.rs"),
        include_str!("checks.rs"),
        include_str!("home.rs"),
        include_str!("shadow.rs"),
        include_str!("wide.rs"),
    ]
    .concat();
    for (word, meaning) in WORDS {
        assert!(!meaning.is_empty());
        let used = source.matches(&format!("\"{word}\"")).count();
        assert!(used >= 2 || word.starts_with("un"), "{word}");
    }
}

#[test]
fn what_no_push_has_met_is_unused_where_it_stood_before() {
    let main = permit("\"push\"", "\"bob\"", "branches = [\"main\"]");
    let rest = permit("\"push\"", "\"bob\"", "branches = [\"rest\"]");
    let young = permit("\"push\"", "\"bob\"", "branches = [\"young\"]");
    let read = permit("\"read\"", "\"bob\"", "");
    let looked_up = permit("\"push\"", "\"@staff\"", "branches = [\"main\"]\ntags = [\"x\"]");
    let quiet = forbid("\"force\"", "tags = [\"v*\"]");
    let groups = "[groups]\nstaff = { unix = \"staff\" }\n";
    let (old, _) = loaded(&[HEAD, &main, &rest, &read, &looked_up, &quiet, groups].concat());
    let text = [HEAD, &read, &rest, &young, &looked_up, &main, &quiet, groups].concat();
    let (policy, sources) = loaded(&text);
    let mut usage = Usage::new(&policy);
    let bob = UserName::parse("bob").unwrap();
    usage.pushed(&Pushed {
        user: &bob,
        repository: b"a/x",
        action: Action::Update,
        name: b"refs/heads/main",
        time: now(),
    });
    let found = usage.findings(&old, &sources, now());
    let lines: Vec<_> =
        found.iter().map(|one| (one.word, position(one.at, &sources).line)).collect();
    let line = 1 + text.split(&rest).next().unwrap().lines().count();
    assert_eq!(lines, [("unused", u32::try_from(line).unwrap())]);
    assert!(found[0].what.contains("no push since 2026-11-22T10:00:00Z has met"));
}

#[test]
fn a_bypass_of_a_check_that_never_runs_there_lifts_nothing() {
    let check = |keys: &str| format!("[[checks]]\nname = \"c\"\nmax-subject = 72\n{keys}\n");
    let other = "[projects.B]\nrepositories = [\"b/*\"]\nscheme = \"b\"\n[schemes.b]\n";
    let lifts = permit("\"bypass\"", "\"bob\"", "checks = [\"c\"]");
    assert!(words(&(lifts.clone() + &check(""))).is_empty());
    assert!(words(&(lifts.clone() + &check("repositories = [\"a/x\"]"))).is_empty());
    for keys in ["projects = [\"B\"]", "repositories = [\"b/x\"]"] {
        assert_eq!(words(&(lifts.clone() + other + &check(keys))), ["lifts-nothing"], "{keys}");
    }
}

#[test]
fn a_check_that_everybody_may_go_past_everywhere_asks_nobody() {
    let check = "[[checks]]\nname = \"c\"\nmax-subject = 72\n";
    let lifts = |to: &str, keys: &str| {
        permit("\"bypass\"", to, &format!("checks = [\"*\"]\n{keys}")) + check
    };
    let all = "\"authenticated\"";
    assert_eq!(found(&lifts(all, "")), [("asks-nobody", "[[checks]]".into())]);
    assert!(words(&lifts(all, "branches = [\"import/**\"]")).is_empty());
    assert!(words(&lifts("\"bob\"", "")).is_empty());
    assert!(words(&(lifts(all, "") + &forbid("\"bypass\"", "checks = [\"c\"]"))).is_empty());
}

#[test]
fn who_may_push_the_policy_without_administering_is_named_and_so_is_a_lockout() {
    let head = "[server]\npolicy-repository = \"a/policy\"\n";
    let both = permit("\"push\"", "\"alice\", \"bob\"", "branches = [\"main\"]");
    let global = |names: &str| format!("[global]\nadminister = [{names}]\n");
    let words = |text: String| words(&text);
    assert_eq!(words(format!("{both}{head}{}", global("\"alice\", \"bob\""))), [] as [&str; 0]);
    assert_eq!(words(format!("{both}{head}{}", global("\"alice\""))), ["policy-for-others"]);
    assert_eq!(words(format!("{both}{head}")), ["locked-out", "policy-for-others"]);
    let nobody = permit("\"push\"", "\"bob\"", "branches = [\"dev\"]");
    assert_eq!(words(format!("{nobody}{head}{}", global("\"alice\""))), ["locked-out"]);
}
