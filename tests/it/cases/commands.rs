//! What the admin command says and leaves behind when something is not as it was thought.

use crate::support::{Policy, Run, Site, permit};
use std::io::Write;
use std::process::Stdio;

const ASK: [&str; 10] = [
    "policy",
    "explain",
    "--as",
    "alice",
    "--repository",
    "app",
    "--action",
    "update",
    "--ref",
    "main",
];

fn with_paths() -> Site {
    Site::new(&Policy::new(&[permit("alice", "push", "paths = [\"docs/**\"]")]))
}

#[test]
fn explain_says_which_paths_decide_and_that_they_were_not_told() {
    let site = with_paths();
    let unknown = site.refwarden(&ASK);
    unknown.ends(3, "applies to paths docs/**").ends(3, "say them with --path, or --no-paths");
    let known =
        site.refwarden(&[ASK.as_slice(), &["--path", "docs/a", "--path", "src/b"]].concat());
    known.ends(3, "RW203 path not covered: no permit covers src/b");
    assert!(!known.stdout.contains("--no-paths"), "{known:#?}");
}

#[test]
fn nobody_is_nobody_for_this_ref() {
    let site = with_paths();
    let run = site.refwarden(&["who", "force", "v1", "--repository", "app"]);
    run.ends(6, "nobody can force refs/heads/v1 in app");
}

#[test]
fn a_policy_that_is_not_kept_is_named() {
    let site = with_paths();
    site.refwarden(&["policy", "rollback", "--to", "99"]).ends(6, "no policy 99 is kept");
}

/// `policy edit` with `sed SCRIPT` as the editor, and an answer.
fn edit(site: &Site, script: &str, answer: &str) -> Run {
    let mut command = site.refwarden_command(&["policy", "edit"]);
    command.env("EDITOR", format!("sed -i '{script}'")).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

#[test]
fn an_edit_that_was_not_applied_is_gone_on_with() {
    let site = with_paths();
    let copy = site.path(".policy.toml.edit");
    edit(&site, "s/docs/doc/; s/paths/pathz/", "").ends(4, "`pathz` is not known here");
    assert!(copy.exists());
    edit(&site, "s/pathz/paths/", "n\n").ends(1, "going on with the edit that was kept");
    edit(&site, "s/doc/text/", "y\n").ends(0, "applied: ");
    assert!(!copy.exists(), "an edit that was applied is not kept");
    site.refwarden(&ASK).ends(3, "applies to paths text/**");
}

#[test]
fn an_edit_that_changes_nothing_leaves_nothing() {
    let site = with_paths();
    edit(&site, "s/nothing/at all/", "").ends(0, "nothing was edited");
    assert!(!site.path(".policy.toml.edit").exists());
}

#[test]
fn doctor_names_a_repository_whose_pushes_are_all_refused_by_the_policy() {
    let policy = Policy::new(&[permit("alice", "push", "")]);
    let site = Site::new(&policy.clone().project("repositories = [\"other/**\"]"));
    let repo = site.repo("app");
    let doctor = ["doctor", repo.path.to_str().unwrap()];
    let run = site.refwarden(&doctor);
    assert!(run.stdout.contains("no project has `app`"), "{run:#?}");
    site.write_policy(&policy);
    site.apply();
    let run = site.refwarden(&doctor);
    assert!(!run.stdout.contains("no project"), "{run:#?}");
}

#[test]
fn a_state_folder_that_is_gone_is_named_with_its_cure() {
    let site = with_paths();
    std::fs::rename(site.path("state"), site.path("away")).unwrap();
    site.refwarden(&["policy", "apply"]).ends(7, "run install.sh again");
    site.refwarden(&["store", "init"]).ends(7, "run install.sh again");
}

/// `policy explain --stdin --json` over these lines: its answers, and its exit code.
fn answers(site: &Site, lines: &str) -> (Vec<serde_json::Value>, Option<i32>) {
    let mut command = site.refwarden_command(&["policy", "explain", "--stdin", "--json"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let run = Run::from(child.wait_with_output().unwrap());
    let read = |line| serde_json::from_str(line).unwrap();
    (run.stdout.lines().map(read).collect(), run.code)
}

#[test]
fn questions_by_the_line_get_one_answer_each_and_wrong_ones_are_named_by_their_line() {
    let site = Site::new(&Policy::new(&[permit("alice", "push", "")]));
    let ask = |person: &str, name: &str| {
        let named = format!(r#""repository": "app", "action": "update", "ref": "{name}""#);
        format!("{{\"user\": \"{person}\", {named}}}\n")
    };
    let right = [ask("alice", "main"), "\n".into(), ask("bob", "refs/heads/main")].concat();
    let (said, code) = answers(&site, &right);
    assert_eq!(code, Some(0));
    assert_eq!((&said[0]["verdict"], &said[1]["verdict"]), (&"allowed".into(), &"refused".into()));
    assert_eq!((said.len(), &said[1]["code"]), (2, &"RW201".into()));

    // A ref without a name is no ref, whatever is permitted.
    let wrong = [ask("alice", "main"), "\nno question\n".into(), ask("alice", "")].concat();
    let (said, code) = answers(&site, &wrong);
    assert_eq!(code, Some(2));
    assert_eq!((said.len(), &said[0]["verdict"]), (3, &"allowed".into()));
    assert_eq!((&said[1]["line"], &said[2]["line"]), (&3.into(), &4.into()));
    assert_eq!(said[2]["error"], "`ref` is missing");
}
