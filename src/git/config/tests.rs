#![allow(
    clippy::disallowed_methods,
    clippy::string_slice,
    reason = "tests make repositories and cut ids"
)]

use super::super::testing::{Repo, env, git_command, name, uid};
use super::super::{GitError, Reader};
use super::*;
use std::collections::BTreeMap;

fn config(repo: &Repo, variables: &[(&str, &str)]) -> RepoConfig {
    repo.reader_with(variables).config().clone()
}

#[test]
fn settings_of_all_files_count_and_the_last_one_wins() {
    let repo = Repo::new();
    let home = repo.root.path().join("home");
    std::fs::create_dir_all(home.join(".config/git")).unwrap();
    std::fs::write(home.join(".config/git/config"), "[core]\nignoreCase = true\n").unwrap();
    std::fs::write(
        home.join(".gitconfig"),
        "[receive]\ncertNonceSeed = s\n[include]\npath = more\n",
    )
    .unwrap();
    std::fs::write(home.join("more"), "[receive]\ncertNonceSlop = 30\n").unwrap();
    let home = home.to_str().unwrap();
    assert!(!config(&repo, &[]).ignore_case);
    let read = config(&repo, &[("HOME", home)]);
    assert!(read.ignore_case);
    assert_eq!(read.cert_nonce_seed, Some("s".into()));
    assert_eq!(read.cert_nonce_slop, 30);
    repo.git(&["config", "core.ignoreCase", "false"]);
    assert!(!config(&repo, &[("HOME", home)]).ignore_case);
    let count = [
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "core.ignorecase"),
        ("GIT_CONFIG_VALUE_0", "yes"),
    ];
    assert!(config(&repo, &count).ignore_case);
    assert!(config(&repo, &[("GIT_CONFIG_PARAMETERS", "'core.ignorecase'")]).ignore_case);
    assert!(config(&repo, &[("GIT_CONFIG_PARAMETERS", "'core.ignorecase=true'")]).ignore_case);
    assert!(config(&repo, &[("GIT_CONFIG_PARAMETERS", "'core.ignorecase'='true'")]).ignore_case);
    assert!(config(&repo, &[("GIT_CONFIG_GLOBAL", ""), ("HOME", home)]).cert_nonce_seed.is_none());
}

#[test]
fn variables_that_are_not_understood_refuse() {
    let repo = Repo::new();
    for (name, value) in [
        ("GIT_CONFIG_COUNT", "x"),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_PARAMETERS", "core.x=1"),
        ("GIT_CONFIG_PARAMETERS", "'core.x=1"),
        ("GIT_CONFIG_PARAMETERS", "'x'='1'"),
    ] {
        let opened = Reader::open(&repo.dir, &env(&[(name, value)]), uid(&repo.dir));
        assert!(matches!(opened, Err(GitError::Config(_))), "{name}={value}");
    }
}

#[test]
fn quoted_parameters_are_undone_as_git_quotes_them() {
    let read = parameters(br"'a.b'='it'\''s'\!' x' 'c.d=e=f' 'g.h'= 'i.j'").unwrap();
    let read: BTreeMap<String, Option<String>> =
        read.into_iter().map(|(k, v)| (k.to_string(), v.map(|v| v.to_string()))).collect();
    let want = [("a.b", Some("it's! x")), ("c.d", Some("e=f")), ("g.h", None), ("i.j", None)];
    assert_eq!(read, want.map(|(k, v)| (k.to_owned(), v.map(str::to_owned))).into());
}

#[test]
fn conditional_includes_and_work_tree_configuration_do_not_refuse() {
    let repo = Repo::new();
    repo.git(&["config", "includeIf.onbranch:main.path", "extra"]);
    std::fs::write(repo.dir.join("extra"), "[core]\nignoreCase = true\n").unwrap();
    assert!(config(&repo, &[]).ignore_case);
    std::fs::write(repo.dir.join("config.worktree"), "[core]\nignoreCase = false\n").unwrap();
    assert!(config(&repo, &[]).ignore_case);
    repo.git(&["config", "extensions.worktreeConfig", "true"]);
    assert!(!config(&repo, &[]).ignore_case);
}

fn id(digit: &str) -> gix::ObjectId {
    gix::ObjectId::from_hex(digit.repeat(40).as_bytes()).unwrap()
}

#[test]
fn refs_left_to_proc_receive_are_known_by_action_and_prefix() {
    let repo = Repo::new();
    let changes = [
        Change::Create { new: id("1") },
        Change::Delete { old: id("1") },
        Change::Update { old: id("1"), new: id("2") },
    ];
    let taken = |value: &str, ref_name: &str| {
        repo.git(&["config", "receive.procReceiveRefs", value]);
        let config = config(&repo, &[]);
        changes
            .map(|change| config.goes_to_proc_receive(&RefUpdate { name: name(ref_name), change }))
    };
    assert_eq!(taken("refs/for", "refs/for/main"), [true; 3]);
    assert_eq!(taken("refs/for/", "refs/for"), [true; 3]);
    assert_eq!(taken("refs/for", "refs/fork"), [false; 3]);
    assert_eq!(taken("a:refs/for", "refs/for/x"), [true, false, false]);
    assert_eq!(taken("dm:refs/for", "refs/for/x"), [false, true, true]);
    assert_eq!(taken("!adm:refs/heads", "refs/heads/x"), [false; 3]);
    assert_eq!(taken("!a:refs/heads", "refs/for/x"), [true, false, false]);
}

#[test]
fn git_leaves_the_same_refs_to_proc_receive() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1")], &[]);
    repo.set("refs/heads/main", a);
    let url = repo.dir.to_str().unwrap();
    let values =
        ["refs/for", "a:refs/for/", "dm:refs/for", "!a:refs/heads", "!:refs/heads", ":refs/for"];
    for value in values {
        repo.git(&["config", "receive.procReceiveRefs", value]);
        for ref_name in ["refs/for/x", "refs/for", "refs/fork/x", "refs/heads/x"] {
            let update = repo.update(None, Some(a), ref_name);
            let ours = config(&repo, &[]).goes_to_proc_receive(&update);
            let spec = format!("refs/heads/main:{ref_name}");
            let output = git_command(&repo.dir).args(["push", url, &spec]).output().unwrap();
            let words = String::from_utf8_lossy(&output.stderr);
            assert_eq!(words.contains("proc-receive"), ours, "{value} {ref_name}: {words}");
            let _ = git_command(&repo.dir).args(["update-ref", "-d", ref_name]).output();
        }
    }
}

#[test]
fn of_hiding_rules_the_last_match_counts_over_both_keys() {
    let repo = Repo::new();
    let text = "[transfer]\nhideRefs = refs/a\n[receive]\nhideRefs = !refs/a/b\n[Transfer]\nHIDEREFS = ^refs/a/b/c/\n";
    std::fs::write(repo.dir.join("extra"), text).unwrap();
    repo.git(&["config", "include.path", "extra"]);
    let config = config(&repo, &[]);
    let hidden = ["refs/a", "refs/a/x", "refs/a/b", "refs/a/bb", "refs/a/b/c/d", "refs/ab"];
    assert_eq!(hidden.map(|n| config.hides(&name(n))), [true, true, false, true, true, false]);
}

#[test]
fn a_repository_of_an_unknown_kind_is_refused() {
    for (key, value) in [
        ("core.repositoryFormatVersion", "2"),
        ("extensions.objectFormat", "sha3"),
        ("extensions.refStorage", "sqlite"),
    ] {
        let repo = Repo::new();
        let file = repo.dir.join("config");
        let mut text = std::fs::read_to_string(&file).unwrap();
        let (section, name) = key.split_once('.').unwrap();
        text += &format!("[{section}]\n{name} = {value}\n");
        std::fs::write(&file, text).unwrap();
        let opened = Reader::open(&repo.dir, &env(&[]), uid(&repo.dir));
        assert!(matches!(opened, Err(GitError::Unsupported(_))), "{key}");
    }
}

#[test]
fn a_damaged_configuration_is_refused() {
    let repo = Repo::new();
    std::fs::write(repo.dir.join("config"), "[core\n").unwrap();
    let opened = Reader::open(&repo.dir, &env(&[]), uid(&repo.dir));
    assert!(matches!(opened, Err(GitError::Config(_))));
}
