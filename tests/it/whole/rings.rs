//! The three rings: who may import whom. The table is that of CONTRIBUTING.md and src/lib.rs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each module with what it may import besides itself. One that is missing here fails the test.
const TABLE: [(&str, &[&str]); 19] = [
    ("code", &[]),
    ("text", &["code"]),
    ("push", &["code", "text"]),
    ("pusher", &["code", "text", "push", "policy"]),
    // What a policy gives whom is asked of the decision itself: scopes, and differences of two.
    ("policy", &["code", "text", "push", "pusher", "decision", "access"]),
    ("decision", &["code", "text", "push", "pusher", "policy"]),
    ("access", &["code", "text", "push", "pusher", "policy", "decision"]),
    ("report", &["code", "text", "push", "pusher", "policy", "decision", "check"]),
    // What comes out is a policy's text; how its entries would answer is asked of the policy.
    ("import", &["code", "text", "push", "pusher", "policy", "decision"]),
    ("check", &["code", "text", "push", "pusher", "policy"]),
    ("os", &PURE),
    ("git", &EFFECT),
    ("store", &EFFECT),
    ("audit", &EFFECT),
    // The outbox is a part of the store; what is taken from it is the interface alone.
    ("notify", &NOTIFY),
    ("jira", &EFFECT),
    ("hook", &EVERYTHING),
    // A door decides who may read by what a hook has before it.
    ("door", &DOOR),
    ("cli", &COMMAND),
];
const PURE: [&str; 9] =
    ["code", "text", "push", "pusher", "policy", "access", "decision", "check", "report"];
const EFFECT: [&str; 10] =
    ["code", "text", "push", "pusher", "policy", "access", "decision", "check", "report", "os"];
const NOTIFY: [&str; 5] = ["text", "policy", "access", "os", "store"];
const EVERYTHING: [&str; 15] = [
    "code", "text", "push", "pusher", "policy", "access", "decision", "check", "report", "os",
    "git", "store", "audit", "notify", "jira",
];

/// The command does some of what the hooks do: it opens the applied policy, and settles.
const COMMAND: [&str; 18] = [
    "import", "code", "text", "push", "pusher", "policy", "access", "decision", "check", "report",
    "os", "git", "store", "audit", "notify", "jira", "hook", "door",
];
const DOOR: [&str; 16] = [
    "code", "text", "push", "pusher", "policy", "access", "decision", "check", "report", "os",
    "git", "store", "audit", "notify", "jira", "hook",
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Whether a file holds nothing but tests.
pub fn is_test(path: &Path) -> bool {
    path.ends_with("tests.rs") || path.iter().any(|part| part == "tests")
}

/// The module of the first level that a file belongs to.
fn module(path: &Path) -> String {
    let below = path.strip_prefix(source()).unwrap();
    let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules that a text names by `crate::`, comments left out.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = code.flat_map(|line| [line, "\n"]).collect();
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(list) = rest.strip_prefix('{') {
            // `use crate::{a::b, c::{d, e}}`: names at the first level.
            let mut depth = 0;
            let mut word = String::new();
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.extend([first_name(&std::mem::take(&mut word))]),
                    c if depth == 0 => word.push(c),
                    _ => {}
                }
            }
            found.insert(first_name(&word));
        } else {
            found.insert(first_name(rest));
        }
    }
    found.remove("");
    found
}

fn first_name(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn nobody_imports_what_the_rings_forbid() {
    let mut wrong = Vec::new();
    for path in files(&source()) {
        let own = module(&path);
        if own == "lib" || own == "main" {
            continue;
        }
        let (_, allowed) = TABLE
            .iter()
            .find(|(name, _)| *name == own)
            .unwrap_or_else(|| panic!("`{own}` is not in the table"));
        let text = std::fs::read_to_string(&path).unwrap();
        for import in imports(&text).into_iter().filter(|import| *import != own) {
            if !allowed.contains(&import.as_str()) {
                wrong.push(format!("{} imports {import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_code_has_no_repository_files_clock_or_processes() {
    let mut wrong = Vec::new();
    for path in files(&source()).into_iter().filter(|path| PURE.contains(&module(path).as_str())) {
        let text = std::fs::read_to_string(&path).unwrap();
        // A file that only tests compile may do as it likes.
        let tests = text.contains("reason = \"tests") || is_test(&path);
        let code = text.split("#[cfg(test)]").next().unwrap();
        for word in [
            "gix::Repository",
            "std::fs",
            "std::env::",
            "std::process",
            "SystemTime",
            "Instant::now",
            "Utc::now",
            "std::net::Tcp",
        ] {
            if !tests && code.contains(word) {
                wrong.push(format!("{} has {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_every_form() {
    let text = "use crate::{code::Code, os::{files, trust}, text};\nlet x = crate::git::open();\n// crate::hook\n";
    let found: Vec<String> = imports(text).into_iter().collect();
    assert_eq!(found, ["code", "git", "os", "text"]);
}

#[test]
fn every_module_opens_with_what_it_knows() {
    for path in files(&source()) {
        let text = std::fs::read_to_string(&path).unwrap();
        if is_test(&path) {
            continue;
        }
        assert!(text.starts_with("//! "), "{} has no word on what it is", path.display());
    }
}

#[test]
fn the_decision_can_be_reviewed_in_an_hour() {
    let all = files(&source().join("decision")).into_iter().filter(|path| !is_test(path));
    let lines: usize = all.map(|path| std::fs::read_to_string(path).unwrap().lines().count()).sum();
    assert!(lines <= 800, "{lines} lines");
}
