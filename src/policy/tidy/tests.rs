use super::super::load_file;
use super::super::source::{NoIncludes, SourceFile};
use super::*;
use proptest::prelude::*;

fn laid(text: &str) -> String {
    let once = tidy(text).unwrap();
    assert_eq!(tidy(&once).unwrap(), once, "a second time changes it again");
    once
}

#[test]
fn spacing_is_canonical_and_comments_stay_where_they_belong() {
    let text = "\n\n# who we are\nversion=1   \n\n\n\n# people\n[ users . alice ]# the boss\nemails=['a@b']#one\n\
        \tname  =  \"Alice\"      # two\n  # a key of hers\nssh-keys = [\"x\"  ,\"y\",]\n\n\n# the end\n\n";
    assert_eq!(
        laid(text),
        "# who we are\nversion = 1\n\n# people\n[users.alice] # the boss\nname = \"Alice\"         # two\n\
         emails = ['a@b'] #one\n# a key of hers\nssh-keys = [\"x\", \"y\"]\n\n# the end\n"
    );
}

#[test]
fn keys_of_an_entry_have_one_order_and_tables_keep_theirs() {
    let text = "[[schemes.b.permit]]\nto = [\"x\"]\n# on which\nbranches = [\"main\"]\n\
        permissions = [\"push\"]\n[schemes.a]\n[[schemes.b.permit]]\nto=[\"y\"]\n";
    assert_eq!(
        laid(text),
        "[[schemes.b.permit]]\npermissions = [\"push\"]\n# on which\nbranches = [\"main\"]\n\
         to = [\"x\"]\n[schemes.a]\n[[schemes.b.permit]]\nto = [\"y\"]\n"
    );
}

#[test]
fn what_commits_may_do_to_issues_has_an_order() {
    let text =
        "[jira.smart-commits]\ntransitions = [\"Done\"]\ncomment=true\nbranches = [\"main\"]\n";
    let tidy =
        "[jira.smart-commits]\nbranches = [\"main\"]\ncomment = true\ntransitions = [\"Done\"]\n";
    assert_eq!(laid(text), tidy);
}

#[test]
fn names_that_the_admin_chose_stay_in_their_order() {
    let text = "[groups]\nzoo = [\"a\"]\nant = [\"b\"]\n";
    assert_eq!(laid(text), text);
}

#[test]
fn lists_with_line_breaks_have_one_word_a_line_and_keep_their_comments() {
    let text = "x = [ # all\n\"a\",\"b\", # two\n  # above c\n\n\"c\" # three\n# last\n]\ny = [\n1,2]\nz = [ ]\n";
    assert_eq!(
        laid(text),
        "x = [  # all\n    \"a\",\n    \"b\",  # two\n    # above c\n    \"c\",  # three\n    # last\n]\n\
         y = [\n    1,\n    2,\n]\nz = []\n"
    );
}

#[test]
fn tables_in_braces_and_dotted_keys() {
    let text =
        "a={x=1,y . z={q=[1 ,2]}}\nwhen . from = 1 # c\n\"k y\" = 'v'\nlist = [{a=1},\n{b=2}]\n";
    assert_eq!(
        laid(text),
        "a = { x = 1, y.z = { q = [1, 2] } }\nwhen.from = 1 # c\n\"k y\" = 'v'\nlist = [\n    { a = 1 },\n    { b = 2 },\n]\n"
    );
}

#[test]
fn a_comment_that_could_not_stay_leaves_the_list_as_it_is() {
    let text = "x = [ \"a\" # of a\n , \"b\"]\n";
    assert_eq!(laid(text), text);
}

#[test]
fn texts_over_lines_are_not_touched() {
    let text = "x = \"\"\"\n  a   # no comment\n\n\n  b\"\"\"  # a comment\n";
    assert_eq!(laid(text), text);
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    assert!(matches!(tidy("a = 1\nb = [\n"), Err(TidyError::Syntax { line: 2 | 3, .. })));
    assert_eq!(tidy("").unwrap(), "");
    assert_eq!(tidy("# only words").unwrap(), "# only words\n");
}

/// The files in `tests/policies`, and the example.
fn policies() -> Vec<(String, String)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = std::fs::read_dir(root.join("tests/policies")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.push(root.join("policy.example.toml"));
    paths.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    assert!(paths.len() > 20);
    let read = |path: &std::path::PathBuf| {
        #[expect(clippy::disallowed_methods, reason = "tests read their cases")]
        let text = std::fs::read_to_string(path).unwrap();
        (path.display().to_string(), text)
    };
    paths.iter().map(read).collect()
}

/// What a policy means: everything but where it is written.
fn meaning(text: &str) -> Option<String> {
    let main = SourceFile { name: "policy.toml".into(), text: text.into() };
    let (policy, _) = load_file(main, "/etc/refwarden", &NoIncludes).1.ok()?;
    let place = regex::Regex::new(r"Place \{ file: [0-9]+, line: [0-9]+ \}").unwrap();
    Some(place.replace_all(&format!("{policy:?}"), "").into_owned())
}

fn comments(text: &str) -> Vec<String> {
    let of = |line: &str| line.rsplit_once('#').map(|(_, comment)| comment.trim().to_owned());
    let mut all: Vec<String> = text.lines().filter_map(of).collect();
    all.sort();
    all
}

#[test]
fn every_policy_of_the_tests_means_the_same_afterwards() {
    let mut compared = 0;
    for (name, text) in policies() {
        let Ok(after) = tidy(&text) else {
            assert!(toml::from_str::<toml::Table>(&text).is_err(), "{name}");
            continue;
        };
        assert_eq!(laid(&text), after, "{name}");
        assert_eq!(comments(&after), comments(&text), "{name}");
        let before = meaning(&text);
        compared += usize::from(before.is_some());
        assert_eq!(meaning(&after), before, "{name}");
    }
    assert!(compared >= 3, "{compared} were valid");
}

#[test]
fn the_example_is_laid_out_as_it_should_be() {
    let (_, text) = policies().pop().unwrap();
    assert_eq!(tidy(&text).unwrap(), text);
}

/// A policy with random entries in random spacing, with comments.
fn random() -> impl Strategy<Value = String> {
    let blank = || prop::sample::select(vec!["", " ", "  ", "\t"]);
    let rest = prop::sample::select(vec!["", " # why", "   #x", "\n\n\n# alone\n", "\n  "]);
    let key = prop::sample::select(vec![
        "reason=\"because # not a comment\"",
        "to=[\"alice\" , 'role:dev']",
        "except = [ # nobody\n \"bob\" ]",
        "branches = [\"main\",\n\n\"x/**\",]",
        "when={from=2026-01-01T00:00:00Z , weekly=['Mon 09:00-10:00']}",
        "permissions = ['push',\"force\"]",
        "paths = [\"docs/**\"]",
        "enforce = \"warn\"",
    ]);
    let line = (blank(), key, rest).prop_map(|(blank, key, rest)| format!("{blank}{key}{rest}\n"));
    let forbid = prop::collection::vec(line, 1..8);
    let head = "version=1\n[identity]\nsources=['gitea']\n[users.alice]\n[users.bob]\n[roles.dev]\n\
                [schemes.default]\n[projects.A]\nrepositories=['**']\nbase='main'\n";
    prop::collection::vec(forbid, 0..5).prop_map(move |entries| {
        let tables = entries.iter().map(|lines| {
            let mut seen = std::collections::BTreeSet::new();
            let name =
                |line: &String| line.trim_start().split(['=', ' ']).next().map(str::to_owned);
            let lines: Vec<&String> = lines.iter().filter(|line| seen.insert(name(line))).collect();
            let lines: String = lines.into_iter().map(String::as_str).collect();
            format!("[[ schemes . default.forbid ]]  # one\n{lines}")
        });
        head.to_owned() + &tables.collect::<String>()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn random_policies_mean_the_same_afterwards(text in random()) {
        let after = tidy(&text).unwrap();
        prop_assert_eq!(&tidy(&after).unwrap(), &after);
        prop_assert_eq!(meaning(&after), meaning(&text));
        prop_assert_eq!(comments(&after), comments(&text));
    }
}
