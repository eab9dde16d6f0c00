use super::*;

fn wrong(text: &str) -> Vec<String> {
    parse(text).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn a_case_says_who_what_where_when_and_what_is_answered() {
    let text = "\n[defaults]\nrepository = \"pay/api\"\nwhen = 2026-11-03T13:00:00+01:00\n\n\
        [[case]]\nname = \"docs\"\nwho = \"erin\"\naction = \"update\"\nref = \"main\"\n\
        paths = [\"docs/a\", { path = \"x\", link = true }]\nevidence = [\"push-cert\", \"env:PUSHER\"]\n\
        looked-up = [\"@staff\"]\nexpect = \"refused\"\ncode = \"RW203\"\n";
    let case = parse(text).unwrap().remove(0);
    assert_eq!((case.line, case.name.as_str()), (6, "docs"));
    assert_eq!(case.who.as_deref(), Some("erin"));
    assert_eq!((case.repository.as_str(), case.reference.as_str()), ("pay/api", "refs/heads/main"));
    assert_eq!(case.when, Some("2026-11-03T12:00:00Z".parse().unwrap()));
    let paths: Vec<_> = case.paths.unwrap().into_iter().map(|p| (p.path, p.link)).collect();
    assert_eq!(paths, [(b"docs/a".to_vec(), false), (b"x".to_vec(), true)]);
    assert_eq!(case.evidence.unwrap().len(), 2);
    assert_eq!(case.looked_up, [GroupName::parse("staff").unwrap()].into());
    assert_eq!((case.expect, case.code), (Expect::Refused, Some(Code::PathNotCovered)));
}

#[test]
fn lists_are_multiplied_out_and_every_case_has_a_name_of_its_own() {
    let text = "[[case]]\nname = \"nobody rewrites\"\nwho = [\"alice\", \"bob\"]\n\
        repository = [\"a\", \"b\"]\naction = [\"force\", \"delete\"]\nref = [\"main\", \"refs/tags/v1\"]\n\
        expect = \"refused\"\n[[case]]\nrepository = \"a\"\naction = \"read\"\nexpect = \"allowed\"\n";
    let cases = parse(text).unwrap();
    assert_eq!(cases.len(), 17);
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), 17);
    assert!(names.contains("nobody rewrites: bob delete refs/tags/v1 in b"));
    assert!(names.contains("nobody known read in a"));
    assert_eq!(cases[16].line, 8);
}

#[test]
fn a_file_that_would_pass_without_asking_anything_is_wrong() {
    assert_eq!(wrong("# nothing\n"), ["1: there is no `[[case]]`"]);
    let empty = "[[case]]\nwho = []\nrepository = \"a\"\naction = \"read\"\nexpect = \"allowed\"\n";
    assert_eq!(wrong(empty), ["1: `who` is an empty list: no case would be asked"]);
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let case = |keys: &str| {
        let text = format!("\n[[case]]\nwho = \"a\"\nrepository = \"r\"\n{keys}\n");
        wrong(&text).join("|")
    };
    for (keys, said) in [
        ("action = \"push\"\nref = \"x\"\nexpect = \"allowed\"", "2: `push` is not an action"),
        ("action = \"update\"\nexpect = \"allowed\"", "2: `ref` is missing"),
        ("action = \"read\"\nref = \"x\"\nexpect = \"allowed\"", "2: `read` is about a whole"),
        ("action = \"read\"\nexpect = \"yes\"", "2: `expect` is `yes`"),
        ("action = \"read\"\nexpect = \"allowed\"\ncode = \"RW201\"", "2: `code` is RW201, but"),
        ("action = \"read\"\nexpect = \"refused\"\ncode = \"RW999\"", "2: `RW999` is not a code"),
        ("action = \"read\"\nexpect = \"refused\"\nwhen = 2026-01-01", "2: `when` is 2026-01-01"),
        ("action = \"read\"\nexpect = \"refused\"\nevidence = [\"x\"]", "2: `evidence`: `x`"),
        ("action = \"read\"\nexpect = \"refused\"\npath = [\"x\"]", "7: unknown field `path`"),
    ] {
        let found = case(keys);
        assert!(found.starts_with(said), "{keys}: {found}");
    }
    assert_eq!(case("x = [").split(':').next(), Some("5"));
}

#[test]
fn lists_that_would_fill_the_memory_are_refused() {
    let many = |key: &str| format!("{key} = [{}]\n", "\"x\", ".repeat(200));
    let text = format!(
        "[[case]]\naction = \"update\"\nexpect = \"refused\"\n{}{}{}",
        many("who"),
        many("repository"),
        many("ref")
    );
    assert!(wrong(&text)[0].contains("more than 100000 cases"));
}

#[test]
fn issues_name_people_and_checks_are_a_set() {
    let head = "[defaults]\nrepository = \"r\"\nissue = { key = \"PAY-9\", assignee = \"zoe\" }\n";
    let case = |keys: &str| {
        let text = format!(
            "{head}[[case]]\nwho = \"bob\"\naction = \"update\"\nref = \"x\"\nexpect = \"allowed\"\n{keys}\n"
        );
        parse(&text)
    };
    let user = |name: &str| UserName::parse(name).unwrap();
    let one = case("").unwrap().remove(0);
    assert!(one.issues[0].names(&Holder::Assignee, &user("zoe")) && one.checks.is_none());
    let keys = "issue = [{ key = \"PAY-1\", assignee = \"bob\", fields = { customfield_1 = [\"eve\", \"dan\"] } }, \
                { key = \"PAY-2\", reporter = \"bob\" }]\nchecks = [\"b\", \"a\", \"b\"]\njira-roles = [\"Dev\"]";
    let one = case(keys).unwrap().remove(0);
    let field = Holder::Field("customfield_1".into());
    let named = |at: usize, holder: &Holder, name: &str| one.issues[at].names(holder, &user(name));
    assert!(
        named(0, &Holder::Assignee, "bob")
            && named(0, &field, "dan")
            && named(1, &Holder::Reporter, "bob")
    );
    assert!(!named(0, &Holder::Reporter, "bob") && !named(1, &Holder::Assignee, "bob"));
    assert!(!named(0, &field, "bob") && !named(1, &field, "dan"));
    assert_eq!(one.checks, Some(["a".to_owned(), "b".to_owned()].into()));
    assert_eq!(one.jira_roles, ["Dev".to_owned()].into());
    for (keys, words) in [
        ("issue = { key = \"pay-1\" }", "`issue`: an issue's key"),
        ("issue = { key = \"PAY-1\", assignee = \"@x\" }", "`issue`: `@x`"),
    ] {
        let wrong = case(keys).unwrap_err();
        assert!(wrong[0].words.starts_with(words), "{wrong:?}");
    }
    assert!(case("issue = { assignee = \"bob\" }").is_err());
    assert!(case("issue = { key = \"PAY-1\", colour = \"x\" }").is_err());
}
