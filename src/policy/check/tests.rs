use crate::policy::checks::{Rule, Search};
use crate::policy::diag::{PolicyCode, Problem};
use crate::policy::entry::{Enforce, Entry, Holder, Kind, Permissions};
use crate::policy::load_file;
use crate::policy::model::{Member, Policy};
use crate::policy::source::{NoIncludes, SourceFile};
use proptest::prelude::*;
use std::fmt::Write;

const EXAMPLE: &str = include_str!("../../../tests/policies/example.toml");

const GPG_KEY: &str = "mDMEawJXnxYJKwYBBAHaRw8BAQdAUcVNeWmfOtbSJFcC/lgP4+bPJvpA22V9Sxmz
HQQ7wma0EWEgPGFAZXhhbXBsZS5vcmc+iJAEExYIADgWIQRlPMUKL5sQhgpsh9Na
gv3xtQNvogUCawJXnwIbAwULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAKCRBagv3x
tQNvosC2AQDEDyLTK+e/CV8AWyWhVi+72j9cYml0SlQAs7ulaxsG+AEA+nfK6b0C
4mVRBAT3f0qDBBxtgQx+/Rmsg1HTmPsuvwQ=
=ezCo";

fn check(text: &str) -> Result<(Policy, Vec<Problem>), Vec<Problem>> {
    let main = SourceFile { name: "policy.toml".into(), text: text.into() };
    load_file(main, "/etc/refwarden", &NoIncludes).1
}

fn codes(text: &str) -> Vec<PolicyCode> {
    match check(text) {
        Ok((_, warnings)) => warnings.iter().map(|p| p.code).collect(),
        Err(problems) => problems.iter().map(|p| p.code).collect(),
    }
}

/// A policy that is valid, and goes on with `rest`.
fn with(rest: &str) -> String {
    format!("version = 1\n[identity]\nsources = [\"gitea\"]\n[schemes.default]\n{rest}")
}

#[test]
fn the_example_of_the_contract_is_valid_and_means_what_it_says() {
    let (policy, warnings) = check(EXAMPLE).unwrap();
    assert_eq!(warnings, []);
    let [check] = policy.checks.as_slice() else { panic!("{:?}", policy.checks) };
    assert_eq!(check.rules, [Rule::Subject(Search("^(PAY-[0-9]+): ".into()))]);
    assert!(check.applies(&crate::policy::lab::project("PAY"), b"payments/api").unwrap());
    assert!(!check.applies(&crate::policy::lab::project("WEB"), b"web").unwrap());
    assert_eq!(policy.users.len(), 7);
    assert!(!policy.users["dave"].active && policy.users["deploybot"].service);
    assert_eq!(policy.settings.max_commits, 100_000);
    assert_eq!(&*policy.settings.store, "/var/lib/refwarden");
    let pay = &policy.projects["PAY"];
    assert_eq!(pay.base.as_deref(), Some("refs/heads/main"));
    assert_eq!(pay.scheme.as_str(), "strict");
    assert_eq!(pay.roles["writer"].len(), 1);
    let grant = &policy.grants[0];
    assert_eq!(grant.entry.kind, Kind::Grant("contractor-q4".into()));
    assert!(grant.entry.when.until.is_some());
}

#[test]
fn an_extended_scheme_is_a_copy_of_the_entries_at_their_own_places() {
    let (policy, _) = check(EXAMPLE).unwrap();
    let (default, strict) = (&policy.schemes["default"], &policy.schemes["strict"]);
    assert_eq!(strict.entries[..default.entries.len()], default.entries[..]);
    assert_eq!(strict.entries.len(), default.entries.len() + 1);
    let last: &Entry = strict.entries.last().unwrap();
    assert_eq!((&last.kind, last.permissions), (&Kind::Forbid, Permissions::FORCE));
    let line = EXAMPLE.lines().position(|line| line.starts_with("[[schemes.strict.forbid]]"));
    assert_eq!(last.place.line as usize, line.unwrap() + 1);
}

#[test]
fn a_role_key_that_is_present_even_empty_ends_the_fallback() {
    let text = with(
        "[users.alice]\n[roles.dev]\ndefault-members = [\"alice\"]\n\
         [projects.A]\nrepositories = [\"a\"]\n\
         [projects.B]\nrepositories = [\"b\"]\nroles = { dev = [] }\n",
    );
    let (policy, _) = check(&text).unwrap();
    let alice = Member::User("alice".to_owned().try_into().unwrap());
    assert_eq!(policy.projects["A"].roles["dev"], [alice]);
    assert_eq!(policy.projects["B"].roles["dev"], []);
}

#[test]
fn a_user_with_names_of_a_source_frees_the_plain_name_there() {
    let users = |bob: &str, al: &str| {
        with(&format!("[users.bob]\nnames = {{ gitea = {bob} }}\n[users.al]\n{al}"))
    };
    assert_eq!(codes(&users("[\"robert\"]", "names = { gitea = [\"bob\"] }")), []);
    assert_eq!(codes(&users("[\"al\"]", "")), [PolicyCode::SharedName]);
    assert_eq!(codes(&users("[\"al\"]", "names = { gitea = [] }")), []);
    assert_eq!(codes(&users("[\"al\"]", "names = { gitlab = [] }")), [PolicyCode::SharedName]);
    // Deploy keys are numbers: a user who is called 17 is not known by the plain name there.
    let key = "[users.bob]\nnames = { gitea-deploy-key = [\"17\"] }\n[users.17]\n";
    assert_eq!(codes(&with(key)), []);
}

#[test]
fn one_gpg_key_with_other_headers_is_still_the_same_key() {
    let block = |comment: &str| {
        format!(
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n{comment}\n{GPG_KEY}\n\
             -----END PGP PUBLIC KEY BLOCK-----\n"
        )
    };
    let users = format!(
        "[users.a]\ngpg-keys = ['''{}''']\n[users.b]\ngpg-keys = ['''{}''']\n",
        block(""),
        block("Comment: other\n")
    );
    assert_eq!(codes(&with(&users)), [PolicyCode::Shared]);
}

#[test]
fn refs_and_paths_of_entries_arrive_as_written() {
    let text = with(
        "[users.alice]\n[[schemes.default.forbid]]\npermissions = [\"write\"]\n\
         to = [\"alice\", \"lead\"]\nexcept-branches = [\"main\"]\nexcept-paths = [\"docs/**\"]\n\
         enforce = \"warn\"\nreason = \"why\"\n[projects.A]\nrepositories = [\"a\"]\nbase = \"main\"\n",
    );
    let (policy, warnings) = check(&text).unwrap();
    let entry = &policy.schemes["default"].entries[0];
    assert_eq!(warnings, []);
    assert_eq!((entry.permissions, entry.enforce), (Permissions::WRITE, Enforce::Warn));
    assert_eq!(entry.to.as_ref().unwrap()[1], Holder::Lead);
    assert!(entry.refs.include.is_empty() && entry.refs.exclude.len() == 1);
    assert_eq!(entry.paths.as_ref().unwrap().exclude.len(), 1);
    assert_eq!(entry.reason.as_deref(), Some("why"));
}

#[test]
fn a_file_that_does_not_parse_is_not_said_to_lack_things() {
    let text = EXAMPLE.replace("[users.bob]", "[users.bob");
    assert_eq!(codes(&text), [PolicyCode::Syntax]);
    let text =
        EXAMPLE.replace("kind = \"service\"", "kind = service").replace("\"update\"", "\"updat\"");
    assert_eq!(codes(&text), [PolicyCode::Syntax, PolicyCode::UnknownValue]);
}

#[test]
fn the_base_is_needed_wherever_entries_with_paths_apply() {
    let policy = |permissions: &str, key: &str| {
        with(&format!(
            "[[schemes.default.permit]]\npermissions = [\"{permissions}\"]\nto = [\"authenticated\"]\n\
             {key} = [\"docs/**\"]\n[projects.A]\nrepositories = [\"a\"]\n"
        ))
    };
    assert_eq!(codes(&policy("update", "paths")), [PolicyCode::BaseMissing]);
    assert_eq!(codes(&policy("create", "except-paths")), [PolicyCode::BaseMissing]);
    assert_eq!(codes(&policy("push", "branches")), []);
    assert_eq!(codes(&policy("delete", "paths")), [PolicyCode::PathsOfDeletion]);
}

#[test]
fn a_grant_with_paths_needs_the_base_of_projects_that_it_reaches_by_repository() {
    let grant = |repositories: &str| {
        with(&format!(
            "[projects.A]\nrepositories = [\"a/**\", \"x\"]\n[projects.B]\nrepositories = [\"a/b\"]\n\
             base = \"main\"\n[[grants]]\nid = \"g\"\nto = [\"authenticated\"]\n\
             repositories = [\"{repositories}\"]\npermissions = [\"push\"]\npaths = [\"docs/**\"]\n\
             until = 2027-01-01T00:00:00Z\nreason = \"docs\"\n"
        ))
    };
    for reaches in ["a/c", "x", "a/**", "?", "**"] {
        assert_eq!(codes(&grant(reaches)), [PolicyCode::BaseMissing], "{reaches}");
    }
    for elsewhere in ["a/b", "nowhere", "y/**"] {
        assert_eq!(codes(&grant(elsewhere)), [], "{elsewhere}");
    }
}

#[test]
fn a_check_of_paths_needs_the_base_of_every_project_that_it_reaches() {
    let policy = |reaches: &str, rule: &str| {
        with(&format!(
            "[projects.A]\nrepositories = [\"a/**\"]\n[projects.B]\nrepositories = [\"b\"]\n\
             base = \"main\"\n[[checks]]\nname = \"c\"\n{reaches}\n{rule}\n"
        ))
    };
    let forbid = "forbid-paths = [\"secrets/**\"]";
    for reaches in ["", "projects = [\"A\"]", "repositories = [\"a/x\"]"] {
        assert_eq!(codes(&policy(reaches, forbid)), [PolicyCode::BaseMissing], "{reaches}");
    }
    let only = "only-paths = [\"docs/**\"]";
    assert_eq!(codes(&policy("", only)), [PolicyCode::BaseMissing]);
    assert_eq!(codes(&policy("projects = [\"B\"]", forbid)), []);
    assert_eq!(codes(&policy("", "max-file-size = 1")), []);
}

#[test]
fn every_truncation_of_the_example_is_answered() {
    let mut end = 0;
    for line in EXAMPLE.split_inclusive('\n') {
        for cut in [end, end + line.len() / 2] {
            if let Some(text) = EXAMPLE.get(..cut) {
                let _ = check(text);
            }
        }
        end += line.len();
    }
    assert!(check(EXAMPLE.get(..end).unwrap()).is_ok());
}

/// Runs `check` on a stack as small as a thread of a test or of a library may have.
fn survives(text: String) -> bool {
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    thread.spawn(move || check(&text).is_err()).unwrap().join().unwrap()
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    let n = 100_000;
    for text in [
        format!("a = {}", "[".repeat(n)),
        format!("a = {}{}", "[".repeat(n), "]".repeat(n)),
        format!("a = {}", "{a=".repeat(n)),
        format!("jira = {}1{}", "{a=".repeat(70), "}".repeat(70)),
        format!("[{}a]", "a.".repeat(n)),
        format!("jira.{}a = 1", "a.".repeat(70)),
        format!("{}a = 1", "a.".repeat(n)),
        format!("[[{}a]]", "a.".repeat(n)),
    ] {
        assert!(survives(text.clone()), "{}", text.get(..20).unwrap_or_default());
    }
}

#[test]
fn groups_nested_a_thousand_deep_and_schemes_in_long_chains_end() {
    let mut text = with("[groups]\n");
    for n in 0..1000 {
        let _ = writeln!(text, "g{n} = [\"@g{}\"]", (n + 1) % 1000);
    }
    for n in 0..1000 {
        let _ = writeln!(text, "[schemes.s{n}]\nextends = \"s{}\"", n + 1);
    }
    text.push_str("[schemes.s1000]\n");
    let codes = codes(&text);
    assert!(codes.contains(&PolicyCode::GroupCycle) && codes.contains(&PolicyCode::TooLarge));
}

#[test]
fn a_hostile_file_of_megabytes_is_refused_in_time() {
    let n = 2 << 20;
    let half = 200_000;
    for text in [
        "=".repeat(n),
        "[".repeat(n),
        "a".repeat(n),
        "\"".repeat(n),
        "\n".repeat(n),
        "[a]\n".repeat(n / 4),
        "a=1\n".repeat(n / 4),
        "a=1\n".repeat(half / 4),
        "=\n".repeat(half),
        "a=[1,".repeat(half / 5),
        format!("users = [{}]", "1,".repeat(half)),
        format!("users.a.emails = [{}]", "1,".repeat(n / 2)),
        format!("[groups]\na = [{}]", "\"x\",".repeat(n / 4)),
        (0..half / 10).map(|n| format!("k{n}=1\n")).collect(),
    ] {
        assert!(survives(text));
    }
}

/// A policy as large as the speed bars speak of.
fn large(entries: usize) -> String {
    let mut text = with("[users.alice]\n");
    for n in 0..entries {
        let _ = write!(
            text,
            "[[schemes.default.permit]]\npermissions = [\"push\"]\nto = [\"alice\"]\n\
             branches = [\"feature/{n}/**\", \"users/${{user}}/**\"]\nrefs = [\"refs/notes/{n}/**\"]\n"
        );
    }
    text
}

#[test]
fn a_large_policy_is_read_whole() {
    let (policy, _) = check(&large(2000)).unwrap();
    assert_eq!(policy.schemes["default"].entries.len(), 2000);
}

/// `cargo test --release -- --ignored --nocapture twenty_thousand`
#[test]
#[ignore = "measures; meaningful in release builds only"]
#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn twenty_thousand_entries_take_about_a_second() {
    let text = large(20_000);
    let start = std::time::Instant::now();
    assert!(check(&text).is_ok());
    let took = start.elapsed();
    println!("{} bytes: {took:?}", text.len());
    assert!(took.as_secs_f64() < 2.0);
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>) {
        let _ = check(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_damage_to_the_example_is_answered(
        at in 0..EXAMPLE.len(),
        cut in 0_usize..40,
        insert in "[\\[\\]{}=\"'#\n.,a-z0-9@*]{0,8}",
    ) {
        let end = (at + cut).min(EXAMPLE.len());
        if let (Some(before), Some(after)) = (EXAMPLE.get(..at), EXAMPLE.get(end..)) {
            let _ = check(&format!("{before}{insert}{after}"));
        }
    }

    #[test]
    fn any_value_of_any_type_is_answered(
        section in "(users.a|groups|roles.r|global|server|store|audit|identity|schemes.default|projects.p|entitlements.e|access|tokens|jira)",
        key in "[a-z-]{1,12}",
        value in "(1|-1|1.5|true|\"x\"|\\[\\]|\\{\\}|2026-01-01|\\[\\[1\\]\\]|\\[\\{a=1\\}\\]|nan|inf)",
    ) {
        let _ = check(&with(&format!("[{section}]\n{key} = {value}\n")));
    }
}

#[test]
fn groups_that_all_contain_each_other_are_reported_quickly() {
    let names: Vec<String> = (0..150).map(|number| format!("\"@g{number}\"")).collect();
    let all = names.join(",");
    let groups: String = (0..150).map(|number| format!("g{number} = [{all}]\n")).collect();
    let found = codes(&with(&format!("[groups]\n{groups}")));
    assert!(found.len() <= 100 && found.iter().all(|code| *code == PolicyCode::GroupCycle));
}

#[test]
fn groups_in_groups_in_groups_cannot_fill_the_memory() {
    let mut chain = "[users.a]\n[groups]\ng3000 = [\"a\"]\n".to_owned();
    for number in 0..3000 {
        let _ = writeln!(chain, "g{number} = [\"@g{}\"]", number + 1);
    }
    assert_eq!(codes(&with(&chain)), [PolicyCode::TooLarge]);
    // Many groups around one of many users, with one that is looked up in between.
    let users: Vec<String> = (0..1500).map(|number| format!("\"u{number}\"")).collect();
    let mut product: String = (0..1500).map(|number| format!("[users.u{number}]\n")).collect();
    let _ = writeln!(product, "[groups]\nstaff = {{ unix = \"s\" }}\nm = [{}]", users.join(","));
    for number in 0..1500 {
        let _ = writeln!(product, "g{number} = [\"@m\", \"@staff\"]");
    }
    assert_eq!(codes(&with(&product)), [PolicyCode::TooLarge]);
}

#[test]
fn patterns_that_multiply_out_cannot_fill_the_memory() {
    let pattern = format!("\"{}{}\",", "{a,b}".repeat(8), "x".repeat(50));
    let permit = |patterns: &str| {
        with(&format!(
            "[[schemes.default.permit]]\npermissions = [\"push\"]\nto = [\"authenticated\"]\nbranches = [{patterns}]\n"
        ))
    };
    assert_eq!(codes(&permit(&pattern)), []);
    assert_eq!(codes(&permit(&pattern.repeat(400))), [PolicyCode::TooLarge]);
    let long = format!("\"regex:{}\"", "a".repeat(5000));
    assert_eq!(codes(&permit(&long)), [PolicyCode::BadPattern]);
}

#[test]
fn one_receiver_has_one_secret() {
    let twice = |first: &str, second: &str| {
        let notify = |keys: &str| {
            format!(
                "[[notify]]\nevents = [\"lock.*\"]\nurl = \"https://a.example.org/x\"\n{keys}\n"
            )
        };
        codes(&with(&(notify(first) + &notify(second))))
    };
    let [one, other] = ["one", "other"].map(|name| format!("secret-file = \"/etc/{name}\""));
    assert_eq!(twice(&one, &other), [PolicyCode::NotifyTarget]);
    assert_eq!(twice(&one, ""), [PolicyCode::NotifyTarget]);
    assert_eq!(twice(&one, &one), []);
    assert_eq!(twice("", "format = \"slack\""), []);
}

#[test]
fn projects_share_no_repository_where_each_is_named_exactly_by_one() {
    let with_c = |c: &str| {
        codes(&with(&format!(
            "[projects.A]\nrepositories = [\"pay/**\"]\n\
             [projects.B]\nrepositories = [\"pay/{{a,b}}\"]\n\
             [projects.C]\nrepositories = [{c}]\n"
        )))
    };
    assert!(with_c("\"pay/a\"").contains(&PolicyCode::RepositoriesOverlap));
    assert!(!with_c("\"pay/a\", \"pay/b\"").contains(&PolicyCode::RepositoriesOverlap));
}

#[test]
fn a_deploy_key_of_gitlab_s_is_never_a_person() {
    let user =
        |kind: &str| with(&format!("[users.q]\n{kind}names = {{ gitlab-deploy-key = [\"3\"] }}\n"));
    assert_eq!(codes(&user("")), [PolicyCode::BadExternalName]);
    assert_eq!(codes(&user("kind = \"person\"\n")), [PolicyCode::BadExternalName]);
    assert!(!codes(&user("kind = \"service\"\n")).contains(&PolicyCode::BadExternalName));
}

/// Whether projects with these repositories, in TOML, are said to overlap.
fn overlap(each: &[&str]) -> bool {
    let mut text = String::new();
    for (at, repositories) in each.iter().enumerate() {
        let _ = writeln!(text, "[projects.P{at}]\nrepositories = {repositories}");
    }
    codes(&with(&text)).contains(&PolicyCode::RepositoriesOverlap)
}

#[test]
fn a_name_is_exact_in_whatever_spelling() {
    for both in [r"['q/r', 'x']|['q/{r}']", r"['q/\r']|['q/r']", r"['{q}/r']|['q/{r}']"] {
        let both: Vec<&str> = both.split('|').collect();
        assert!(overlap(&both), "{both:?}");
    }
    assert!(!overlap(&["['q/*']", "['q/{r}']"]), "an exact name wins");
    assert!(!overlap(&["['q/r']", "['q/{s}']"]));
    assert!(!overlap(&["['q/r', 'q/{r}']"]), "in one project");
}

#[test]
fn globs_that_have_a_name_in_common_are_found_unless_it_is_exact_somewhere() {
    for (one, other) in [
        ("'a/**'", "'*/x'"),
        ("'a/**'", "'{a,b}/*'"),
        ("'**/x'", "'a/b/*'"),
        ("'**/x'", "'?'"),
        ("'a*'", "'*b'"),
        ("'[a-m]*/r'", "'[m-z]?/r'"),
        (r"'\a/*'", "'a/x*'"),
        ("'a/*-web'", "'a/shop-*'"),
    ] {
        let (one_of, other_of) = (format!("[{one}]"), format!("[{other}]"));
        assert!(overlap(&[&one_of, &other_of]), "{one} {other}");
        assert!(overlap(&[&other_of, &one_of]), "{other} {one}");
        assert!(!overlap(&[&format!("[{one}, {other}]")]), "one project");
        assert!(!overlap(&[&one_of, "['**']"]), "`**` alone loses");
    }
    for (one, other) in [
        ("'a/*'", "'b/*'"),
        ("'a/*'", "'a/*/*'"),
        ("'*-web'", "'*-api'"),
        ("'[a-l]*'", "'[m-z]*'"),
        ("'a/**'", "'*'"),
    ] {
        assert!(!overlap(&[&format!("[{one}]"), &format!("[{other}]")]), "{one} {other}");
    }
    // What both match is named exactly, by one of them or by a third.
    assert!(!overlap(&["['a/*', 'a/x']", "['*/x']"]));
    assert!(!overlap(&["['a/*']", "['*/x']", "['a/{x}']"]));
    assert!(overlap(&["['a/*', 'a/y']", "['*/x']"]));
    assert!(overlap(&["['a/**', 'a/x']", "['**/x']"]));
}

#[test]
fn overlaps_of_very_many_globs_are_looked_for_in_bounded_time() {
    let each: Vec<String> =
        (0..1000).map(|at| format!("['team{at}/**', '*/only{at}x', 'x{at}-*/?y']")).collect();
    let each: Vec<&str> = each.iter().map(String::as_str).collect();
    assert!(overlap(&each));
}
