//! The policy as code: compared, tested, linted, laid out, replayed; through the built program.

use crate::support::{Policy, Run, Site, find_program, forbid, permit, skip};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

fn standard() -> Policy {
    Policy::new(&[
        permit("alice", "push", "branches = [\"main\"]"),
        permit("bob", "push", "branches = [\"feature/**\"]"),
    ])
}

fn wider() -> Policy {
    standard().also(&permit("bob", "push", "branches = [\"release/*\"]"))
}

/// Writes a file into the site's folder.
fn write(site: &Site, name: &str, text: &str) {
    let [state, log] = ["state", "log"].map(|name| site.path(name).display().to_string());
    let text = text.replace("{state}", &state).replace("{log}", &log);
    std::fs::write(site.path(name), text).unwrap();
}

fn lines(run: &Run) -> Vec<Value> {
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

// --- diff -------------------------------------------------------------------------------------

#[test]
fn diff_names_everybody_who_gains_with_an_example_and_ends_with_3() {
    let site = Site::new(&standard());
    write(&site, "wide.toml", &wider().text());
    let wide = site.refwarden(&["policy", "diff", "policy.toml", "wide.toml"]);
    wide.ends(3, "gains  bob   push on release/* in APP (e.g. refs/heads/release/0), wide.toml:");
    let less = site.refwarden(&["policy", "diff", "wide.toml", "policy.toml"]);
    less.ends(0, "loses  bob   push on release/* in APP (e.g. refs/heads/release/0), wide.toml:");
    let same = site.refwarden(&["policy", "diff", "wide.toml", "wide.toml"]);
    same.ends(0, "nobody gains or loses anything");
    let json = site.refwarden(&["--json", "policy", "diff", "policy.toml", "wide.toml"]);
    let value = lines(&json).remove(0);
    assert_eq!(json.code, Some(3));
    assert_eq!(value["widened"], true);
    assert_eq!(value["changes"][0]["users"][0], "bob");
    assert_eq!(value["changes"][0]["example_ref"], "refs/heads/release/0");
}

#[test]
fn diff_takes_what_is_applied_and_what_was_by_name_and_by_digest() {
    let site = Site::new(&standard());
    site.write_policy(&wider());
    site.refwarden(&["policy", "diff", "applied", "policy.toml"]).ends(3, "gains  bob");
    site.refwarden(&["policy", "diff", "policy.toml", "applied"]).ends(0, "loses  bob");
    site.apply();
    site.refwarden(&["policy", "diff", "applied", "policy.toml"]).ends(0, "nobody gains or loses");
    let kept = lines(&site.refwarden(&["--json", "policy", "rollback", "--list"])).remove(0);
    let digest = kept["digest"].as_str().unwrap();
    site.refwarden(&["policy", "diff", digest, "applied"]).ends(3, "gains  bob");
    site.refwarden(&["policy", "diff", "applied", &digest[..8]]).ends(0, "loses  bob");
    let none = site.refwarden(&["policy", "diff", "0123456789ab", "applied"]);
    none.ends(6, "no policy with the digest 0123456789ab is kept");
    write(&site, "broken.toml", "version = 1\nx = 2\n");
    site.refwarden(&["policy", "diff", "applied", "broken.toml"])
        .ends(4, "RW608")
        .ends(4, "broken.toml` is not valid: 2 errors and 1 warning\n");
    for files in [["none.toml", "policy.toml"], ["policy.toml", "none.toml"]] {
        site.refwarden(&["policy", "diff", files[0], files[1]]).ends(6, "none.toml");
    }
    site.refwarden(&["policy", "check", "none.toml"]).ends(6, "none.toml");
}

#[test]
fn diff_looks_at_turns_to_come_as_of_another_time_too() {
    let site = Site::new(&standard());
    let freeze = forbid("push", "branches = [\"main\"]\nwhen = { until = 2026-05-01T00:00:00Z }");
    write(&site, "freeze.toml", &standard().also(&freeze).text());
    let ask =
        |at: &str| site.refwarden(&["policy", "diff", "policy.toml", "freeze.toml", "--at", at]);
    ask("2026-04-30T00:00:00Z").ends(0, "loses  alice   push on main");
    ask("2026-05-01T00:00:00Z").ends(0, "nobody gains or loses anything");
}

// --- test -------------------------------------------------------------------------------------

const PASSING: &str = "[[case]]\nwho = \"alice\"\nrepository = \"app\"\naction = \"update\"\nref = \"main\"\n\
    paths = []\nexpect = \"allowed\"\n";

#[test]
fn test_asks_the_applied_policy_the_cases_beside_its_file() {
    let site = Site::new(&standard());
    let ask = || site.refwarden(&["policy", "test"]);
    ask().ends(6, "policy-tests.toml");
    write(&site, "policy-tests.toml", PASSING);
    ask().ends(0, "1 case, all as expected");
    // What is edited does not count until it is applied, but can be asked.
    site.write_policy(&Policy::new(&[]));
    ask().ends(0, "1 case, all as expected");
    site.refwarden(&["policy", "test", "--policy", "policy.toml"])
        .ends(1, "1 case, 1 not as expected");
}

#[test]
fn a_case_that_fails_names_its_line_the_deciding_entry_and_the_whole_explanation() {
    let site = Site::new(&standard());
    let cases = format!(
        "{PASSING}\n[[case]]\nname = \"bob's branch\"\nwho = \"bob\"\nrepository = \"app\"\naction = \"create\"\n\
         ref = [\"feature/x\", \"main\"]\nexpect = \"refused\"\ncode = \"RW201\"\n"
    );
    write(&site, "cases.toml", &cases);
    let run = site.refwarden(&["policy", "test", "cases.toml"]);
    run.ends(1, "cases.toml:9: bob's branch: bob create refs/heads/feature/x in app: expected refused RW201, is allowed");
    run.ends(1, "  allowed by policy.toml:");
    run.ends(1, "3 cases, 1 not as expected");
    let shown =
        run.stdout.lines().find_map(|line| line.trim().strip_prefix("all of it: refwarden "));
    let command: Vec<&str> = shown.unwrap().split(' ').collect();
    site.refwarden(&command).ends(0, "entries considered:");
    let json = site.refwarden(&["--json", "policy", "test", "cases.toml"]);
    let values = lines(&json);
    assert_eq!((json.code, values.len()), (Some(1), 3));
    assert_eq!((&values[0]["passed"], &values[1]["passed"]), (&true.into(), &false.into()));
    assert_eq!(values[1]["answer"]["verdict"], "allowed");
}

#[test]
fn the_whole_explanation_of_a_case_knows_its_links() {
    let docs = "[[schemes.default.forbid]]\npermissions = [\"update\"]\npaths = [\"docs/**\"]\n";
    let site =
        Site::new(&standard().project("repositories = [\"app\"]\nbase = \"main\"").also(docs));
    let case = PASSING.replace("paths = []", "paths = [{ path = \"docs\", link = true }]");
    assert_ne!(case, PASSING);
    write(&site, "cases.toml", &case);
    let run = site.refwarden(&["policy", "test", "cases.toml"]);
    run.ends(1, "is refused RW203").ends(1, " --link docs");
    let shown = run.stdout.lines().find_map(|l| l.trim().strip_prefix("all of it: refwarden "));
    let command: Vec<&str> = shown.unwrap().split(' ').collect();
    site.refwarden(&command).ends(3, "RW203");
}

#[test]
fn a_policy_that_is_no_utf_8_is_invalid_by_code_and_place() {
    let site = Site::new(&standard());
    let bad = [standard().text().as_bytes(), b"\n# caf\xe9\n"].concat();
    std::fs::write(site.path("bad.toml"), &bad).unwrap();
    let path = site.path("bad.toml").display().to_string();
    let line = bad.iter().filter(|byte| **byte == b'\n').count();
    let place = format!("bad.toml:{line}:6: error RW601: the file is not UTF-8");
    for verb in ["check", "lint"] {
        let run = site.refwarden(&["policy", verb, &path]);
        run.ends(4, &place);
    }
    let main = format!("include = [\"policy.d/*.toml\"]\n{}", standard().text());
    std::fs::create_dir(site.path("policy.d")).unwrap();
    std::fs::write(site.path("main.toml"), main).unwrap();
    std::fs::write(site.path("policy.d/a.toml"), b"# a\n \xff\n").unwrap();
    let main = site.path("main.toml").display().to_string();
    let run = site.refwarden(&["policy", "check", &main]);
    run.ends(4, "main.toml:1:").ends(4, "RW601").ends(4, "a.toml` is not UTF-8 (line 2, column 2)");
}

#[test]
fn a_case_that_fails_names_the_entry_that_is_about_other_refs() {
    let site = Site::new(&standard());
    let cases = PASSING.replace("ref = \"main\"", "ref = \"elsewhere/x\"").replace("alice", "bob");
    write(&site, "cases.toml", &cases);
    let run = site.refwarden(&["policy", "test", "cases.toml"]);
    run.ends(1, "refused: RW201").ends(1, " on feature/**: about other refs");
    assert!(!run.stdout.contains("permit push on main"), "that is about alice: {run:#?}");
}

#[test]
fn a_policy_with_an_error_and_a_warning_says_how_many_of_each() {
    let site = Site::new(&standard());
    let odd = permit("bob", "push", "branches = [\"own/$user\"]");
    let text = standard().also(&odd).text() + "\n[groups]\nempty = {}\n";
    write(&site, "both.toml", &text);
    let run = site.refwarden(&["policy", "check", "both.toml"]);
    run.ends(4, "is not valid: 1 error and 1 warning\n");
    run.ends(4, "help: say who is in it: `name = [");
}

#[test]
fn a_wrong_code_fails_and_so_does_a_warning_where_a_plain_yes_was_expected() {
    let policy = standard().also(&forbid("update", "branches = [\"main\"]\nenforce = \"warn\""));
    let site = Site::new(&policy);
    write(&site, "cases.toml", PASSING);
    let run = site.refwarden(&["policy", "test", "cases.toml"]);
    run.ends(1, "expected allowed, is would-refuse RW202")
        .ends(1, "only a warning: RW202 forbidden by");
    let warned = PASSING.replace("\"allowed\"", "\"would-refuse\"\ncode = \"RW201\"");
    write(&site, "cases.toml", &warned);
    site.refwarden(&["policy", "test", "cases.toml"])
        .ends(1, "expected would-refuse RW201, is would-refuse RW202");
    write(&site, "cases.toml", &warned.replace("RW201", "RW202"));
    site.refwarden(&["policy", "test", "cases.toml"]).ends(0, "all as expected");
}

#[test]
fn groups_and_evidence_are_said_in_the_case_and_nothing_is_looked_up() {
    let policy = Policy::new(&[permit("@staff", "push", "")])
        .also("[groups]\nstaff = { command = [\"/no/such/program\"] }\n[[identity.require]]\nsource = \"push-cert\"\ntags = [\"v*\"]");
    let site = Site::unapplied(&policy, &crate::support::Git::default());
    let case = |keys: &str, expect: &str| {
        format!(
            "[[case]]\nwho = \"alice\"\nrepository = \"app\"\naction = \"create\"\nref = \"refs/tags/v1\"\n\
             paths = []\n{keys}\nexpect = \"{expect}\"\n"
        )
    };
    let cases = case("looked-up = [\"staff\"]", "allowed")
        + &case("", "refused\"\ncode = \"RW201")
        + &case(
            "looked-up = [\"staff\"]\nevidence = [\"env:TEST_USER\"]",
            "refused\"\ncode = \"RW101",
        )
        + &case("looked-up = [\"staff\"]\nevidence = [\"push-cert\"]", "allowed");
    write(&site, "cases.toml", &cases);
    site.refwarden(&["policy", "test", "--policy", "policy.toml", "cases.toml"])
        .ends(0, "4 cases, all as expected");
}

#[test]
fn junit_is_xml_whatever_a_case_is_called() {
    let site = Site::new(&standard());
    let evil = PASSING
        .replace("expect = \"allowed\"", "name = \"<&\\\"\\u0007\\u202e\"\nexpect = \"refused\"");
    write(&site, "cases.toml", &format!("{PASSING}{evil}"));
    let run = site.refwarden(&["policy", "test", "cases.toml", "--format", "junit"]);
    run.ends(1, "<testsuites tests=\"2\" failures=\"1\">");
    run.ends(1, "name=\"&lt;&amp;&quot;\\x07\\u{202e}\" file=\"cases.toml\" line=\"8\"");
    run.ends(1, "<failure message=\"expected refused, is allowed\">cases.toml:8\n");
    assert!(run.stdout.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b)), "{run:#?}");
    let parse = "import sys, xml.dom.minidom as x; print(len(x.parseString(sys.stdin.buffer.read()).getElementsByTagName('testcase')))";
    let Ok(mut python) = Command::new("python3")
        .args(["-c", parse])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
    else {
        return skip("no python3 to read the XML with");
    };
    python.stdin.take().unwrap().write_all(run.stdout.as_bytes()).unwrap();
    assert_eq!(python.wait_with_output().unwrap().stdout, b"2\n");
}

#[test]
fn a_test_file_that_is_none_never_passes() {
    let site = Site::new(&standard());
    for (text, words) in [
        ("", "cases.toml:1: there is no `[[case]]`"),
        ("[[case]]\nwho = 1\n", "cases.toml:2: "),
        (&PASSING.replace("expect", "expects") as &str, "unknown field `expects`"),
        (&PASSING.replace("\"allowed\"", "\"yes\""), "cases.toml:1: `expect` is `yes`"),
    ] {
        write(&site, "cases.toml", text);
        site.refwarden(&["policy", "test", "cases.toml"]).ends(2, words);
    }
}

#[test]
fn the_example_tests_pass_and_notice_a_change() {
    let site = Site::new(&standard());
    let at = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(name).display().to_string();
    let (policy, tests) = (at("policy.example.toml"), at("policy-tests.example.toml"));
    let run = site.refwarden(&["policy", "test", "--policy", &policy, &tests]);
    run.ends(0, ", all as expected");
    let changed = std::fs::read_to_string(&policy)
        .unwrap()
        .replace("\"force\", \"delete\"]\ntags", "\"force\"]\ntags");
    write(&site, "changed.toml", &changed);
    let run = site.refwarden(&["policy", "test", "--policy", "changed.toml", &tests]);
    run.ends(1, "released tags never move: alice delete refs/tags/v1.0 in payments/api");
}

/// bob is an issue's assignee in Jira; a check looks at main and another at everything.
fn with_issues() -> Policy {
    Policy::new(&[
        permit("assignee", "push", "branches = [\"feature/${issue}-*\"]"),
        permit("role:dev", "push", "branches = [\"main\"]"),
        permit("carol", "bypass", "branches = [\"main\"]\nchecks = [\"key\"]"),
    ])
    .users("[users.alice]\njira = \"a1\"\n[users.bob]\njira = \"b1\"\n[users.carol]\njira = \"c1\"\n[users.dan]")
    .project("repositories = [\"**\"]\njira-keys = [\"PAY\"]\nroles-from = \"jira\"")
    .also(
        "[roles]\ndev = { jira = \"Developers\" }\n[jira]\nurl = \"https://jira.example.org\"\n\
         flavor = \"data-center\"\ntoken-file = \"{state}/none\"\n\
         [[checks]]\nname = \"key\"\nprojects = [\"APP\"]\nbranches = [\"main\"]\nsubject = \"^PAY-\"\n\
         [[checks]]\nname = \"size\"\nprojects = [\"APP\"]\nmax-file-size = \"1MiB\"",
    )
}

#[test]
fn test_knows_whom_issues_name_and_which_checks_are_run_without_asking_jira() {
    let site = Site::new(&standard());
    write(&site, "issues.toml", &with_issues().text());
    let head = "[defaults]\nrepository = \"app\"\n";
    let case = |who: &str, name: &str, keys: &str| {
        format!("[[case]]\nwho = \"{who}\"\naction = \"update\"\nref = \"{name}\"\n{keys}\n")
    };
    let run = |cases: &[String]| {
        write(&site, "cases.toml", &format!("{head}{}", cases.concat()));
        site.refwarden(&["policy", "test", "--policy", "issues.toml", "cases.toml"])
    };
    let bobs = "issue = { key = \"PAY-1\", assignee = \"bob\", reporter = \"alice\" }\n";
    let dans = bobs.replace("bob", "dan");
    let dev = "jira-roles = [\"Developers\"]\n";
    run(&[
        case("bob", "feature/PAY-1-x", &format!("{bobs}expect = \"allowed\"\nchecks = [\"size\"]")),
        case(
            "alice",
            "feature/PAY-1-x",
            &format!("{bobs}expect = \"refused\"\ncode = \"RW201\"\nchecks = []"),
        ),
        case("bob", "feature/PAY-2-x", &format!("{bobs}expect = \"refused\"")),
        case("bob", "feature/PAY-1-x", "expect = \"refused\""),
        // Whose account in Jira the policy does not have is nobody there.
        case("dan", "feature/PAY-1-x", &format!("{dans}expect = \"refused\"")),
        case("bob", "main", &format!("{dev}expect = \"allowed\"\nchecks = [\"size\", \"key\"]")),
        case("carol", "main", &format!("{dev}expect = \"allowed\"\nchecks = [\"size\"]")),
        case("bob", "main", "expect = \"refused\""),
    ])
    .ends(0, "8 cases, all as expected");
    let wrong =
        run(&[case("bob", "main", &format!("{dev}expect = \"allowed\"\nchecks = [\"size\"]"))]);
    wrong.ends(
        1,
        "expected allowed, is allowed; expected the checks size, run are the checks key, size",
    );
}

// --- lint -------------------------------------------------------------------------------------

#[test]
fn lint_names_place_word_and_cure_and_ends_with_1() {
    let site = Site::new(&standard());
    let policy = standard()
        .also(&permit("dave", "push", "branches = [\"x\"]"))
        .also(&forbid("write", "branches = [\"feature/**\"]"));
    site.write_policy(&policy);
    let run = site.refwarden(&["policy", "lint"]);
    let text = std::fs::read_to_string(site.policy()).unwrap();
    let dave = 1 + text[..text.find("to = [\"dave\"]").unwrap()].lines().count() - 2;
    run.ends(1, &format!("policy.toml:{dave}:1: nobody: no active user"));
    run.ends(
        1,
        ": shadowed: nothing is left of this permit: it is forbidden to everybody by policy.toml:",
    );
    run.ends(1, "\n  cure: ").ends(1, "2 findings");
    site.refwarden(&["policy", "lint", "--warn"]).ends(0, "2 findings");
    let json = lines(&site.refwarden(&["--json", "policy", "lint"]));
    let words: Vec<&str> = json.iter().map(|one| one["word"].as_str().unwrap()).collect();
    assert_eq!(words, ["shadowed", "nobody"]);
    assert_eq!((&json[1]["line"], &json[1]["column"]), (&dave.into(), &1.into()));
    site.write_policy(&standard());
    site.refwarden(&["policy", "lint"]).ends(0, "nothing found");
    site.refwarden(&["policy", "lint", "--unused", "1x"]).ends(2, "is not a time");
    write(&site, "bad.toml", "version = 1\nx = 1\n");
    site.refwarden(&["policy", "lint", "bad.toml"]).ends(4, "RW608");
}

#[test]
fn lint_takes_over_the_warnings_of_check() {
    let site = Site::new(&standard());
    site.write_policy(&standard().also(&permit("bob", "push", "branches = [\"users/$user/**\"]")));
    site.refwarden(&["policy", "lint"]).ends(1, ": RW685: ").ends(1, "1 finding");
}

#[test]
fn lint_calls_unused_what_no_push_has_met_since() {
    let site = Site::new(&standard());
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let since = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
    // A right that is new can't have been used.
    site.write_policy(&wider());
    site.apply();
    let run = site.refwarden(&["policy", "lint", "--unused", &since]);
    run.ends(1, "unused: no push since ").ends(1, "1 finding");
    let text = std::fs::read_to_string(site.policy()).unwrap();
    let feature = text[..text.find("to = [\"bob\"]").unwrap()].lines().count() - 1;
    run.ends(1, &format!("policy.toml:{feature}:1: unused: "));
    alice.as_user("bob").push(&["main:refs/heads/feature/x"]).silent();
    site.refwarden(&["policy", "lint", "--unused", &since]).ends(0, "nothing found");
    // A trail that begins later can't tell.
    let young = site.refwarden(&["policy", "lint", "--unused", "90d"]);
    young.ends(0, "the trail does not say which policy counted");
    site.trail_verifies();
}

// --- fmt --------------------------------------------------------------------------------------

#[test]
fn fmt_lays_out_the_site_s_policy_and_what_it_includes() {
    let site = Site::new(&standard());
    std::fs::create_dir(site.path("policy.d")).unwrap();
    write(&site, "policy.d/more.toml", "[groups]\ncore=[\"alice\"]   # the core\n");
    let text = standard().text().replacen(
        "version = 1\n",
        "version=1\ninclude = [\"policy.d/*.toml\"]\n",
        1,
    );
    site.write_policy_text(&text);
    site.apply();
    let check = || site.refwarden(&["policy", "fmt", "--check"]);
    check().ends(1, "policy.toml\n").ends(1, "policy.d/more.toml\n");
    let before = std::fs::read_to_string(site.policy()).unwrap();
    assert!(before.contains("version=1"), "--check changes nothing");
    let run = site.refwarden(&["policy", "fmt"]);
    assert_eq!(run.code, Some(0), "{run:#?}");
    let more = std::fs::read_to_string(site.path("policy.d/more.toml")).unwrap();
    assert_eq!(more, "[groups]\ncore = [\"alice\"] # the core\n");
    assert_eq!(check().code, Some(0));
    site.refwarden(&["policy", "diff", "applied", "policy.toml"]).ends(0, "nobody gains or loses");
}

#[test]
fn fmt_reads_standard_input_and_names_what_is_not_toml() {
    let site = Site::new(&standard());
    let mut child =
        site.refwarden_command(&["policy", "fmt", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a=1 # b\n\n\n\n[x]\n").unwrap();
    let run = Run::from(child.wait_with_output().unwrap());
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "a = 1 # b\n\n[x]\n"));
    write(&site, "bad.toml", "a = 1\nb = ]\n");
    site.refwarden(&["policy", "fmt", "bad.toml"]).ends(4, "bad.toml:2: not TOML");
    site.refwarden(&["policy", "fmt", "none.toml"]).ends(6, "none.toml");
}

// --- replay -----------------------------------------------------------------------------------

#[test]
fn replay_lists_what_another_policy_would_have_said_and_does_not_guess() {
    let site = Site::new(&standard());
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
    alice.as_user("bob").push(&["main:refs/heads/release/1"]).refused("RW201");
    alice.as_user("bob").push(&["main:refs/heads/release/1"]).refused("RW201");
    let replay =
        |policy: &str| site.refwarden(&["policy", "replay", "--since", "1h", "--policy", policy]);
    replay("applied").ends(
        0,
        "3 pushes, 3 refs: 0 would change, 0 unknown, 3 the same, 0 not judged by a policy",
    );
    write(&site, "new.toml", &wider().text());
    let run = replay("new.toml");
    run.ends(3, "bob create refs/heads/release/1 in app: refused RW201 -> allowed, 2 times, last ");
    run.ends(3, "2 would change, 0 unknown, 1 the same");
    let narrow = Policy::new(&[permit("bob", "push", "branches = [\"feature/**\"]")]);
    write(&site, "new.toml", &narrow.text());
    replay("new.toml")
        .ends(1, "alice update refs/heads/main in app: allowed -> refused RW201, once ");
    let paths = Policy::new(&[permit("alice", "push", "paths = [\"docs/**\"]")]);
    write(&site, "new.toml", &paths.text());
    let run = replay("new.toml");
    run.ends(0, "allowed -> unknown (the trail does not record changed paths), once ");
    let json =
        site.refwarden(&["--json", "policy", "replay", "--since", "1h", "--policy", "new.toml"]);
    let values = lines(&json);
    assert_eq!(values[0]["is"]["verdict"], "unknown");
    assert_eq!(values.last().unwrap()["unknown"], 1);
    assert!(!site.trail().events("audit.read").is_empty(), "who reads the trail stands in it");
    let later = (chrono::Utc::now() + chrono::TimeDelta::hours(1)).to_rfc3339();
    site.refwarden(&["policy", "replay", "--since", &later]).ends(0, "0 pushes, 0 refs");
}

// --- apply ------------------------------------------------------------------------------------

/// `policy apply` on a terminal, with an answer.
fn on_a_terminal(site: &Site, answer: &str) -> Option<String> {
    let program = find_program("script")?;
    let command = format!("{} policy apply", site.programs().join("refwarden").display());
    let mut child = Command::new(program)
        .args(["-qec", &command, "/dev/null"])
        .env("TERM", "dumb")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(answer.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn apply_asks_on_a_terminal_after_it_has_shown_who_gains() {
    let site = Site::new(&standard());
    site.write_policy(&wider());
    let Some(said) = on_a_terminal(&site, "n\n") else { return skip("no script(1)") };
    let (shown, asked) = (said.find("gains  bob"), said.find("apply it? [y/N]"));
    assert!(shown.is_some() && shown < asked, "{said}");
    assert!(said.contains("nothing was applied"), "{said}");
    site.refwarden(&["policy", "diff", "applied", "policy.toml"]).ends(3, "gains  bob");
    let said = on_a_terminal(&site, "y\n").unwrap();
    assert!(said.contains("applied: "), "{said}");
    site.refwarden(&["policy", "diff", "applied", "policy.toml"]).ends(0, "nobody gains");
    // Nothing changes, so there is nothing to ask.
    let said = on_a_terminal(&site, "").unwrap();
    assert!(said.contains("applied again") && !said.contains("apply it?"), "{said}");
}

#[test]
fn apply_asks_nobody_where_nobody_is() {
    let site = Site::new(&standard());
    site.write_policy(&wider());
    site.refwarden(&["policy", "apply", "--yes"]).ends(0, "gains  bob").ends(0, "applied: ");
    site.write_policy(&standard());
    site.refwarden(&["policy", "apply"]).ends(0, "loses  bob").ends(0, "applied: ");
}
