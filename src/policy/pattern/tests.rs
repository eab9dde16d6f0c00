use super::*;
use proptest::prelude::*;

fn alice() -> UserName {
    UserName::parse("alice").unwrap()
}

fn hit(pattern: &str, subject: &str) -> bool {
    Pattern::parse(pattern).unwrap().matches(subject.as_bytes(), Some(&alice())).unwrap()
}

#[test]
fn globs_match_what_the_contract_says() {
    for (pattern, yes, no) in [
        ("main", &["main"][..], &["Main", "main2", "a/main", ""][..]),
        ("release/*", &["release/1", "release/"][..1], &["release", "release/1/2", "release/"]),
        ("feature/**", &["feature/a", "feature/a/b"], &["feature", "feature/", "features/a"]),
        ("**/b", &["b", "a/b", "x/a/b"], &["ab", "b/a"]),
        ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["ab", "a/bb"]),
        ("**", &["a", "a/b"], &[""]),
        ("**/*.md", &["x.md", "a/b/x.md"], &["x.mdx"]),
        ("v[0-9]", &["v1"], &["v", "vx", "v10"]),
        ("v[!0-9]", &["vx"], &["v1", "v/"]),
        ("{a,b/c}/x", &["a/x", "b/c/x"], &["b/x"]),
        ("x{,y}", &["x", "xy"], &["xyy"]),
        (r"a\*", &["a*"], &["ab"]),
        ("users/${user}/*", &["users/alice/x"], &["users/bob/x", "users/${user}/x"]),
        ("*a*b", &["ab", "xaxb", "aabb"], &["aba", "a/b"]),
        ("a?c", &["abc"], &["ac", "a/c"]),
        ("**/a/**/b/**", &["a/b/c", "x/a/y/b/c", "a/a/b/b/c"], &["a/b", "b/a/c"]),
    ] {
        for subject in yes {
            assert!(hit(pattern, subject), "{pattern} must match {subject}");
        }
        for subject in no {
            assert!(!hit(pattern, subject), "{pattern} must not match {subject}");
        }
    }
}

#[test]
fn a_pattern_at_3_am_is_refused_with_words() {
    for pattern in [
        "",
        "a**",
        "**a/b",
        "[",
        "[]",
        "[z-a]",
        "[^a]",
        "{a",
        "a}",
        "{a,{b}}",
        "a\\",
        "/a",
        "a/",
        "a//b",
        "[a/b]",
        "[${user}]",
        "${usr}",
        "x{a,**}y",
        // `**` by way of braces.
        "{*,b}*",
        "a/*{b,*}/c",
        "{a,*}{*,b}",
        "regex:",
        "regex:(",
        "regex:main)|(?:.*",
        "regex:[${user}]",
        "regex:\\${user}",
        "regex:\\p{Greek}+|(?=a)",
    ] {
        assert!(Pattern::parse(pattern).is_err(), "{pattern}");
    }
    let many = "{a,b}".repeat(9);
    assert_eq!(Pattern::parse(&many), Err(PatternError::TooManyAlternatives));
}

#[test]
fn regex_sees_bytes_and_newlines_and_both_ends() {
    assert!(hit("regex:secrets/.*", "secrets/a\nb"));
    let pattern = Pattern::parse("regex:secrets/.*").unwrap();
    assert!(pattern.matches(b"secrets/\xff\xfe", None).unwrap());
    assert!(!hit("regex:ain", "main"));
    assert!(!hit("regex:a|b", "ab"));
    assert!(hit("regex:(?i)MAIN", "main"));
}

#[test]
fn a_user_name_in_a_regex_is_literal() {
    let dotted = UserName::parse("a.b").unwrap();
    let pattern = Pattern::parse("regex:u/${user}+/x").unwrap();
    assert!(pattern.matches(b"u/a.ba.b/x", Some(&dotted)).unwrap());
    assert!(!pattern.matches(b"u/axb/x", Some(&dotted)).unwrap());
    assert!(!pattern.matches(b"u/a.bb/x", Some(&dotted)).unwrap());
    assert!(!pattern.matches(b"u/a.b/x", None).unwrap());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long it takes is what is tested")]
fn hostile_names_do_not_make_globs_slow() {
    let pattern = Pattern::parse("**/*a*a*a*a*a*b/**/*a*a*a*b/**/c").unwrap();
    let subject = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/".repeat(120);
    let begin = std::time::Instant::now();
    assert!(!pattern.matches(subject.trim_end_matches('/').as_bytes(), None).unwrap());
    assert!(begin.elapsed().as_millis() < 2000);
}

proptest! {
    #[test]
    fn the_matcher_agrees_with_the_regex_it_stands_for(
        pattern in "[ab*?/{},\\[\\]!-]{1,9}",
        subjects in prop::collection::vec("[ab/]{1,8}", 1..8),
    ) {
        let Ok(pattern) = Pattern::parse(&pattern) else { return Ok(()) };
        let regex = regex::bytes::RegexBuilder::new(&pattern.to_regex(None)).unicode(false).build().unwrap();
        for subject in subjects {
            // Git has no names with empty components, and the glob matches none.
            let proper = subject.split('/').all(|part| !part.is_empty());
            if proper {
                prop_assert_eq!(pattern.matches(subject.as_bytes(), None).unwrap(), regex.is_match(subject.as_bytes()), "{} {}", pattern, subject);
            }
        }
    }

    #[test]
    fn parsing_never_panics(text in "\\PC{0,40}") {
        let _ = Pattern::parse(&text);
        let _ = Pattern::parse(&format!("regex:{text}"));
    }
}

#[test]
fn a_long_pattern_after_braces_is_refused_before_it_is_multiplied_out() {
    let braces = "{a,b}".repeat(8);
    assert!(Pattern::parse(&format!("{braces}{}", "x".repeat(50))).is_ok());
    for hostile in
        [format!("{braces}{}", "x".repeat(4000)), format!("{}{braces}", "x".repeat(4000))]
    {
        assert_eq!(Pattern::parse(&hostile), Err(PatternError::TooManyAlternatives));
        assert_eq!(Pattern::try_from(hostile), Err(PatternError::TooManyAlternatives));
    }
    let long = format!("{braces}{}", "x".repeat(300_000));
    assert_eq!(Pattern::parse(&long), Err(PatternError::TooLong));
    assert_eq!(Pattern::parse(&"x".repeat(MAX_PATTERN)).unwrap().size(), MAX_PATTERN + 1);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long it takes is what is tested")]
fn an_expression_with_the_user_is_not_compiled_anew_for_every_path() {
    let pattern = Pattern::parse("regex:(?:${user}|x[a-z0-9]{2,9}){40}").unwrap();
    let bob = UserName::parse("bob").unwrap();
    let begin = std::time::Instant::now();
    for _ in 0..2_000 {
        assert_eq!(pattern.matches(&b"alice".repeat(40), Some(&alice())), Ok(true));
    }
    assert!(begin.elapsed().as_secs() < 5);
    // What is remembered of one is not said of another.
    assert_eq!(pattern.matches(&b"alice".repeat(40), Some(&bob)), Ok(false));
    assert_eq!(pattern.matches(&b"bob".repeat(40), Some(&bob)), Ok(true));
    assert_eq!(pattern.matches(&b"bob".repeat(40), Some(&alice())), Ok(false));
}

#[test]
fn an_issue_in_a_pattern_is_a_whole_key_between_boundaries() {
    let projects: [Box<str>; 2] = ["PAY".into(), "A_B".into()];
    let given = Given { user: None, issues_of: &projects };
    let matches = |pattern: &str, name: &str| {
        Pattern::parse(pattern).unwrap().matches(name.as_bytes(), given).unwrap()
    };
    for (pattern, yes, no) in [
        ("feature/${issue}-*", "feature/PAY-12-x", "feature/PAY-12x"),
        ("feature/${issue}*", "feature/PAY-12-x", "feature/OPS-12-x"),
        ("${issue}", "PAY-1", "PAY-1/x"),
        ("**/${issue}/x", "a/b/PAY-1/x", "a/PAY-1x/x"),
        ("*${issue}*", "x.PAY-1.y", "xPAY-1y"),
        ("{fix,hotfix}/${issue}", "hotfix/A_B-7", "hotfix/A_B-07"),
        ("?${issue}", ".PAY-1", "-PAY-1"),
        ("[x-z.]${issue}", ".PAY-1", "xPAY-1"),
    ] {
        assert!(matches(pattern, yes), "{pattern} {yes}");
        assert!(!matches(pattern, no), "{pattern} {no}");
    }
    // The longer number is another issue, not this one and a digit.
    assert!(!matches("${issue}?", "PAY-12"));
    let pattern = Pattern::parse("${issue}").unwrap();
    assert!(pattern.has_issue() && !pattern.has_user());
    assert!(!pattern.matches(b"PAY-1", None).unwrap(), "of no project, no issue");
    assert!(pattern.as_glob().unwrap().literal_prefix().is_empty());
    assert!(!pattern.as_glob().unwrap().is_literal());
}
