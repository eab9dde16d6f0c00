use super::*;
use crate::policy::pattern::Pattern;
use proptest::prelude::*;

fn refs(refex: &str) -> Vec<Said> {
    let set = Set::read(&format!("^{refex}"), true).unwrap();
    set.branches().map(Branch::refs).collect()
}

#[test]
fn what_gitolite_ties_to_the_beginning_alone_is_said_so() {
    let branch = |text: &str| vec![Said::Branch(text.into())];
    assert_eq!(refs("refs/heads/master$"), branch("master"));
    assert_eq!(refs("refs/heads/master"), branch("regex:master.*"));
    assert_eq!(refs("refs/heads/dev/"), branch("dev/**"));
    assert_eq!(refs("refs/heads/dev/.*"), branch("dev/**"));
    assert_eq!(refs("refs/heads/[^/]+$"), branch("*"));
    assert_eq!(refs("refs/heads/p/USER/"), branch("p/${user}/**"));
    assert_eq!(refs("refs/heads/(a|b)$"), branch("{a,b}"));
    assert_eq!(refs("refs/tags/v[0-9]"), vec![Said::Tag("regex:v[0-9].*".into())]);
    assert_eq!(refs("refs/tags/"), vec![Said::Tag("**".into())]);
    assert_eq!(refs("refs/.*"), [Said::All]);
    assert_eq!(refs("refs/notes/"), [Said::Folder(vec!["refs/notes/**".into()])]);
    let two = vec!["refs/notes/c*".into(), "refs/notes/c*/**".into()];
    assert_eq!(refs("refs/notes/c"), [Said::Folder(two)]);
    assert_eq!(refs("refs/(heads|tags)/x"), [Said::Refs("regex:refs/(heads|tags)/x.*".into())]);
    assert_eq!(refs("refs/heads/$"), [Said::Nothing]);
    assert_eq!(refs("refs/heads/refs/x$"), [Said::Refs("regex:refs/heads/refs/x".into())]);
}

#[test]
fn an_alternative_that_no_end_ties_is_found_anywhere() {
    let all = refs("refs/heads/master|dev");
    assert_eq!(all, [Said::Branch("regex:master.*".into()), Said::Refs("regex:.*dev.*".into())]);
    let set = Set::read("^foo|bar$", false).unwrap();
    assert!(
        set.contains("fool", None) && set.contains("xbar", None) && !set.contains("xfoo", None)
    );
}

#[test]
fn what_an_automaton_can_not_run_is_named() {
    for (expression, words) in [
        (r"(a)\1", "refers back"),
        ("(?=a)", "looks around"),
        ("(?!a)", "looks around"),
        ("(?<!a)", "looks around"),
        ("(?i)a", "switches"),
        ("a++", "gives nothing back"),
        ("a**", "can't be repeated"),
        (r"\Qa", "Perl's own"),
        ("a{,3}", "does not count"),
        ("[[:alpha:]]", "named class"),
        ("(a", "without"),
        ("a)", "without"),
        ("*a", "nothing before"),
    ] {
        let error = Set::read(expression, false).unwrap_err();
        assert!(error.contains(words), "{expression}: {error}");
    }
}

#[test]
fn globs_over_repositories_are_given_only_where_they_say_the_same() {
    let globs = |text: &str| {
        let set = Set::read(&format!("^{text}$"), false).unwrap();
        let all: Option<Vec<Vec<String>>> = set.branches().map(Branch::globs).collect();
        all.map(|all| all.concat())
    };
    let one = |text: &str| Some(vec![text.to_owned()]);
    assert_eq!(globs("foo/..*"), one("foo/**"));
    assert_eq!(globs("foo/.+"), one("foo/**"));
    assert_eq!(globs("foo/[^/]+"), one("foo/*"));
    assert_eq!(globs("foo/[a-z]x"), one("foo/[a-z]x"));
    assert_eq!(globs(".*"), one("**"));
    assert_eq!(globs("foo/(a|b)"), one("foo/{a,b}"));
    assert_eq!(globs("foo.*"), Some(vec!["foo*".into(), "foo*/**".into()]));
    for none in ["foo/.*/bar", "foo/[a-z]+", "a.c", ".*x", "a[^b]c", "foo..*"] {
        assert_eq!(globs(none), None, "{none}");
    }
}

const PARTS: [&str; 16] = [
    "a", "b", "/", ".", "[ab]", "[^a]", "[^/]+", "[^/]*", "(a|b)", "x*", "a?", "|", "$", "^",
    r"\.", "b{1,2}",
];

proptest! {
    /// What is said matches what the expression finds, over names such as refs have.
    #[test]
    fn what_is_said_is_what_was_meant(
        parts in prop::collection::vec(prop::sample::select(&PARTS[..]), 0..6),
        names in prop::collection::vec("[ab.x]{1,3}(/[ab.x]{1,2}){0,2}", 8),
    ) {
        let expression = format!("^refs/heads/{}", parts.concat());
        let Ok(set) = Set::read(&expression, true) else { return Ok(()) };
        let perl = RegexBuilder::new(&expression).unicode(false).build().unwrap();
        for name in names.iter().map(|name| format!("refs/heads/{name}")) {
            let meant = perl.is_match(name.as_bytes());
            prop_assert_eq!(set.contains(&name, None), meant, "{} {}", expression, name);
            let said = set.branches().any(|branch| {
                let matches = |text: &str, subject: &str| {
                    Pattern::parse(text).unwrap().matches(subject.as_bytes(), None).unwrap()
                };
                match branch.refs() {
                    Said::All => true,
                    Said::Nothing => false,
                    Said::Branch(text) => matches(&text, name.strip_prefix("refs/heads/").unwrap()),
                    Said::Tag(_) => false,
                    Said::Refs(text) => matches(&text, &name),
                    Said::Folder(all) => all.iter().any(|text| matches(text, &name)),
                }
            });
            prop_assert_eq!(said, meant, "{} {} {:?}", expression, name, set);
        }
    }
}
