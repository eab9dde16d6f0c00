//! Every code is documented, and some test brings it about.

use refwarden::code::Code;
use std::path::Path;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn every_code_has_a_section_with_cause_and_cure() {
    let docs = read("docs/codes.md");
    for code in Code::ALL {
        let head = format!("### {code} {}\n", code.title());
        let section = docs
            .split_once(&head)
            .unwrap_or_else(|| panic!("docs/codes.md lacks `{}`", head.trim()))
            .1;
        let section = section.split("\n##").next().unwrap();
        assert!(section.contains("Cause: ") && section.contains("Cure: "), "{code}");
    }
}

#[test]
fn docs_name_no_code_that_is_not_there() {
    let docs = read("docs/codes.md");
    for rest in docs.split("### RW").skip(1) {
        let number: u16 =
            rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap();
        let known = number >= 600 || Code::ALL.iter().any(|code| code.number() == number);
        assert!(known, "RW{number}");
    }
}

#[test]
fn every_code_is_named_by_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    for path in super::rings::files(&folder.join("tests/it/cases")) {
        text.push_str(&std::fs::read_to_string(path).unwrap());
    }
    // What no push can bring about quickly is tested beside the code.
    for path in super::rings::files(&folder.join("src")) {
        let all = std::fs::read_to_string(&path).unwrap();
        let tests = super::rings::is_test(&path);
        text.push_str(if tests {
            &all
        } else {
            all.split_once("#[cfg(test)]").map_or("", |both| both.1)
        });
    }
    let named =
        |code: &Code| text.contains(&code.to_string()) || text.contains(&format!("Code::{code:?}"));
    let missing: Vec<String> =
        Code::ALL.iter().filter(|code| !named(code)).map(ToString::to_string).collect();
    assert!(missing.is_empty(), "no test brings about {missing:?}");
}
