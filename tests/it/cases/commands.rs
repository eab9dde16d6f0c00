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
