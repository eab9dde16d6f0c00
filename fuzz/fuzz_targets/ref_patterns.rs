//! Patterns: a match agrees with the regex crate over the expression that the pattern stands for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refwarden::policy::name::UserName;
use refwarden::policy::pattern::{Glob, Pattern};
use refwarden_fuzz::parts;
use regex::bytes::{Regex, RegexBuilder};

fuzz_target!(|data: &[u8]| {
    let mut parts = parts(data);
    let Some(text) = parts.next().and_then(|text| std::str::from_utf8(text).ok()) else { return };
    let Ok(pattern) = Pattern::parse(text) else {
        // A glob that is refused here is refused in a compiled policy as well.
        assert!(text.starts_with("regex:") || Pattern::try_from(text.to_owned()).is_err());
        return;
    };
    assert_eq!(pattern.text(), text);
    let again = Pattern::try_from(String::from(pattern.clone())).unwrap();
    let dotted = UserName::parse("a.b").unwrap();
    let users = [None, Some(&dotted)].map(|user| (user, regex(&pattern, user)));
    for subject in parts {
        for (user, regex) in &users {
            let found = pattern.matches(subject, *user);
            assert_eq!(found, again.matches(subject, *user));
            match found {
                Ok(found) => agrees(&pattern, subject, *user, regex.as_ref(), found),
                Err(broken) => panic!("{broken}"),
            }
        }
    }
});

fn regex(pattern: &Pattern, user: Option<&UserName>) -> Option<Regex> {
    RegexBuilder::new(&pattern.to_regex(user)).unicode(false).size_limit(64 << 20).build().ok()
}

fn agrees(
    pattern: &Pattern,
    subject: &[u8],
    user: Option<&UserName>,
    regex: Option<&Regex>,
    found: bool,
) {
    // Git has no names with empty components, and no glob matches one.
    let proper = subject.split(|b| *b == b'/').all(|part| !part.is_empty());
    let Some(glob) = pattern.as_glob() else {
        let expected = regex.is_some_and(|regex| regex.is_match(subject));
        // Without a user, `${user}` matches nothing at all, `x|${user}` no `x` either.
        assert_eq!(found, expected && !(pattern.has_user() && user.is_none()), "{pattern}");
        return;
    };
    let regex = regex.unwrap_or_else(|| panic!("{pattern} stands for no expression"));
    let expected = proper && regex.is_match(subject) && !(pattern.has_user() && user.is_none());
    assert_eq!(found, expected, "{pattern} {subject:?}");
    shape(pattern, glob, subject, user, found, proper);
}

fn shape(
    pattern: &Pattern,
    glob: &Glob,
    subject: &[u8],
    user: Option<&UserName>,
    found: bool,
    proper: bool,
) {
    if found {
        assert!(subject.starts_with(glob.literal_prefix()), "{pattern} {subject:?}");
    }
    if glob.is_everything() {
        assert_eq!(found, proper);
    }
    if glob.is_literal() && found {
        let longer = [subject, b"x"].concat();
        assert_eq!(pattern.matches(&longer, user), Ok(false));
    }
}
