//! Every `tests/policies/*.toml` is checked, and what is said about it is compared with the file
//! `.expected` beside it. `BLESS=1 cargo test --test policies` writes those files anew.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use refwarden::policy::diag::{self, PolicyCode};
use refwarden::policy::load_file;
use refwarden::policy::source::{Loader, SourceFile};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

struct Folder(PathBuf);

impl Loader for Folder {
    fn names(&self, folder: &str) -> Result<Vec<String>, String> {
        let entries = std::fs::read_dir(self.0.join(folder));
        let entries =
            entries.map_err(|error| format!("can't list `{folder}`: {}", error.kind()))?;
        Ok(entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
    }

    #[expect(clippy::disallowed_methods, reason = "a test reads its own cases")]
    fn read(&self, path: &str, max: usize) -> Result<String, String> {
        let bytes = std::fs::read(self.0.join(path)).map_err(|error| error.to_string())?;
        assert!(bytes.len() <= max);
        String::from_utf8(bytes).map_err(|_| format!("`{path}` is not UTF-8"))
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies")
}

#[expect(clippy::disallowed_methods, reason = "a test reads its own cases")]
fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn cases() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    all.sort();
    all
}

/// A first line `# pad N` stands for N more bytes, which nobody wants to keep.
fn padded(mut text: String) -> String {
    let pad = text.lines().next().and_then(|line| line.strip_prefix("# pad "));
    let pad: usize = pad.map_or(0, |number| number.parse().unwrap());
    text.push_str(&"#".repeat(pad));
    text
}

fn said(path: &Path) -> String {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let main = SourceFile { name, text: padded(text(path)) };
    let (sources, result) = load_file(main, "/etc/refwarden", &Folder(folder()));
    match result {
        Ok((_, warnings)) => format!("{}valid\n", diag::to_text(&warnings, &sources)),
        Err(problems) => {
            assert!(!problems.is_empty());
            format!("{}invalid\n", diag::to_text(&problems, &sources))
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test writes and asks for its own cases")]
fn every_case_says_what_is_expected() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for path in cases() {
        let expected = path.with_extension("expected");
        let said = said(&path);
        assert!(said.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b)), "{path:?}");
        if bless {
            std::fs::write(&expected, &said).unwrap();
        } else if text(&expected) != said {
            wrong.push(format!("== {}\n{said}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}

#[test]
fn every_code_has_a_case() {
    let mut seen: BTreeSet<PolicyCode> = BTreeSet::new();
    for path in cases() {
        let expected = text(&path.with_extension("expected"));
        seen.extend(PolicyCode::ALL.iter().copied().filter(|code| {
            expected.contains(&format!("error {code}:"))
                || expected.contains(&format!("warning {code}:"))
        }));
    }
    let missing: Vec<_> = PolicyCode::ALL.iter().filter(|code| !seen.contains(*code)).collect();
    assert!(missing.is_empty(), "no case shows {missing:?}");
}
