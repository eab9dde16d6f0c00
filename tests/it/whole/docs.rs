//! What is written is run: the example policy, and the README's blocks that are marked.

use crate::support::{Policy, Site};
use std::path::Path;

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

#[test]
fn the_example_policy_is_valid() {
    let site = Site::new(&Policy::default());
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy.example.toml");
    site.refwarden(&["policy", "check", example.to_str().unwrap()]).ends(0, "");
}

#[test]
fn the_example_policy_decides_as_its_comments_say() {
    let site = Site::new(&Policy::default());
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy.example.toml");
    let explain = |user: &str, action: &str, name: &str, at: &str, paths: &[&str]| {
        let mut arguments =
            vec!["policy", "explain", "--policy", example.to_str().unwrap(), "--as", user];
        arguments.extend([
            "--repository",
            "payments/api",
            "--action",
            action,
            "--ref",
            name,
            "--at",
            at,
        ]);
        for path in paths {
            arguments.extend(["--path", path]);
        }
        let run = site.refwarden(&arguments);
        let code = run.code.unwrap();
        assert!(code == 0 || code == 3, "{run:#?}");
        code == 0
    };
    let (may, freeze, later) =
        ("2026-11-03T12:00:00Z", "2026-12-28T12:00:00Z", "2027-02-02T12:00:00Z");
    assert!(explain("alice", "update", "refs/heads/main", may, &["src/x"]));
    assert!(!explain("bob", "update", "refs/heads/main", may, &["src/x"]));
    assert!(explain("bob", "create", "refs/heads/feature/x", may, &["src/x"]));
    assert!(!explain("bob", "force", "refs/heads/feature/x", may, &["src/x"]), "strict");
    assert!(explain("erin", "update", "refs/heads/main", may, &["docs/a"]));
    assert!(!explain("erin", "update", "refs/heads/main", may, &["docs/a", "src/x"]));
    assert!(
        explain("alice", "update", "refs/heads/main", freeze, &["src/x"]),
        "alice is in @release"
    );
    assert!(!explain("alice", "delete", "refs/tags/v1", may, &[]));
    assert!(explain("frank", "create", "refs/heads/feature/frank/x", may, &["a"]));
    assert!(
        !explain("frank", "create", "refs/heads/feature/frank/x", later, &["a"]),
        "the grant has ended"
    );
    assert!(!explain("dave", "create", "refs/heads/feature/x", may, &["a"]), "inactive");
}

/// The code blocks of a document that a comment `<!-- test: KIND -->` right before them marks.
fn marked(text: &str, kind: &str) -> Vec<String> {
    let mark = format!("<!-- test: {kind} -->");
    let blocks = text.split(&mark).skip(1).map(|rest| {
        let body = rest.trim_start().strip_prefix("```").expect("a code block follows the mark");
        let body = body.split_once('\n').unwrap().1;
        body.split("\n```").next().unwrap().to_owned()
    });
    blocks.collect()
}

#[test]
fn policies_in_the_documents_are_valid() {
    let site = Site::new(&Policy::default());
    let mut documents = vec!["README.md".to_owned()];
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for entry in std::fs::read_dir(docs).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        documents.extend(name.ends_with(".md").then(|| format!("docs/{name}")));
    }
    for name in documents {
        let Some(text) = read(&name) else { continue };
        for block in marked(&text, "policy") {
            let path = site.path("block.toml");
            std::fs::write(&path, &block).unwrap();
            let run = site.refwarden(&["policy", "check", path.to_str().unwrap()]);
            assert_eq!(run.code, Some(0), "{name}:\n{block}\n{run:#?}");
        }
    }
}

#[test]
fn marks_are_found() {
    let text = "a\n<!-- test: policy -->\n```toml\nversion = 1\nx = 2\n```\nb\n";
    assert_eq!(marked(text, "policy"), ["version = 1\nx = 2"]);
    assert!(marked(text, "other").is_empty());
}
