//! Lines on stdin: what is accepted is exactly what one expression describes, and reads back.
#![no_main]

use gix::hash::Kind;
use libfuzzer_sys::fuzz_target;
use refwarden::push::hygiene::{CaseTwins, NameFault, faults, twins};
use refwarden::push::line::parse;
use refwarden::push::{RefName, RefUpdate};
use refwarden_fuzz::is_plain;
use regex::bytes::Regex;
use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::LazyLock;

static LINE: [LazyLock<Regex>; 2] = [LazyLock::new(|| line(40)), LazyLock::new(|| line(64))];

fn line(digits: usize) -> Regex {
    let id = format!("([0-9a-f]{{{digits}}})");
    Regex::new(&format!(r"(?-u)\A{id} {id} ([^\x00\n]+)\n\z")).unwrap()
}

fuzz_target!(|data: &[u8]| {
    let Some((&mode, input)) = data.split_first() else { return };
    let (kind, expression) = match mode & 1 {
        0 => (Kind::Sha1, &LINE[0]),
        _ => (Kind::Sha256, &LINE[1]),
    };
    let most = usize::from(mode >> 1) + 1;
    let expected = naive(input, expression, most);
    match parse(input, kind, most) {
        Ok(updates) => {
            assert!(expected, "accepted what no line looks like");
            let text: Vec<u8> = updates.iter().flat_map(|update| text(update, kind)).collect();
            assert_eq!(text, input);
            let names: Vec<&RefName> = updates.iter().map(|update| &update.name).collect();
            hygiene(&names);
        }
        Err(problems) => {
            assert!(!expected, "refused a push: {problems:?}");
            assert!(!problems.is_empty() && problems.len() <= most + 1);
            assert!(problems.is_sorted_by_key(|problem| problem.line));
            for problem in problems {
                assert!(is_plain(&problem.fault.to_string(), false));
                assert!(matches!(problem.code().number(), 301 | 307 | 308));
                if let Some(name) = problem.name {
                    name_alone(&name);
                }
            }
        }
    }
});

fn naive(input: &[u8], line: &Regex, most: usize) -> bool {
    let mut seen = HashSet::new();
    let null = |id: &[u8]| id.iter().all(|b| *b == b'0');
    let fine = input.split_inclusive(|b| *b == b'\n').all(|text| {
        line.captures(text).is_some_and(|found| {
            let (old, new, name) = (&found[1], &found[2], found[3].to_vec());
            old != new && !(null(old) && null(new)) && seen.insert(name)
        })
    });
    fine && (1..=most).contains(&seen.len())
}

fn text(update: &RefUpdate, kind: Kind) -> Vec<u8> {
    let id = |id: Option<gix::ObjectId>| id.unwrap_or(kind.null()).to_string();
    let ids = format!("{} {} ", id(update.change.old()), id(update.change.new_id()));
    [ids.as_bytes(), update.name.as_bytes(), b"\n"].concat()
}

fn hygiene(names: &[&RefName]) {
    names.iter().for_each(|name| name_alone(name));
    let Ok(found) = twins(names, |_| Ok::<_, Infallible>(false));
    let is_twin = |one: &RefName, other: &RefName| {
        let short = |name: &'static str| one.as_bytes().strip_prefix(name.as_bytes());
        let tag = short("refs/heads/").map(|rest| [b"refs/tags/", rest].concat());
        let branch = short("refs/tags/").map(|rest| [b"refs/heads/", rest].concat());
        tag.or(branch).as_deref() == Some(other.as_bytes())
    };
    for name in names {
        let expected = names.iter().any(|other| is_twin(name, other));
        assert_eq!(found.iter().any(|(twin, _)| twin == *name), expected, "{name}");
    }
    let fold = |name: &RefName| match std::str::from_utf8(name.as_bytes()) {
        Ok(text) => text.to_lowercase().into_bytes(),
        Err(_) => name.as_bytes().to_ascii_lowercase(),
    };
    let found = CaseTwins::new(names).faults();
    for name in names {
        let expected = names.iter().any(|other| other != name && fold(other) == fold(name));
        assert_eq!(found.iter().any(|(twin, _)| twin == *name), expected, "{name}");
    }
}

fn name_alone(name: &RefName) {
    let shown = name.to_string();
    assert!(is_plain(&shown, false) && shown.len() <= 256);
    let found = faults(name);
    assert!(found.iter().all(|fault| is_plain(&fault.to_string(), false)));
    if found == [NameFault::Outside] {
        assert!(!name.as_bytes().starts_with(b"refs/"));
        return;
    }
    assert_eq!(!found.contains(&NameFault::Format), git_takes(name.as_bytes()), "{name}");
    if found.is_empty() {
        let text = String::from_utf8_lossy(name.as_bytes());
        assert!(!text.chars().any(|c| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}')));
        assert!(!text.contains("/-") && !text.starts_with("refs/namespaces/"));
    }
}

/// git-check-ref-format(1), rule by rule, and receive-pack's "at least two slashes".
fn git_takes(name: &[u8]) -> bool {
    let contains = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
    let parts = || name.split(|b| *b == b'/');
    let bad = |b: &u8| {
        *b < 0x20 || matches!(b, 0x7f | b' ' | b'~' | b'^' | b':' | b'?' | b'*' | b'[' | b'\\')
    };
    parts().count() >= 3
        && parts().all(|part| !part.is_empty() && part[0] != b'.' && !part.ends_with(b".lock"))
        && !contains(b"..")
        && !contains(b"@{")
        && !name.iter().any(bad)
        && !name.ends_with(b".")
}
