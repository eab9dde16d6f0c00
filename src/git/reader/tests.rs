#![allow(
    clippy::disallowed_methods,
    clippy::string_slice,
    reason = "tests make repositories and cut ids"
)]

use super::super::testing::{Repo, WIDE, env, git, git_command, name, uid};
use super::*;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// What pre-receive saw in a real push, its quarantine kept.
struct Seen {
    reader: Reader,
    updates: Vec<RefUpdate>,
}

/// Installs a hook that keeps its input, its environment and the quarantine.
fn watch(repo: &Repo) {
    let hook = "#!/bin/sh\ncat >seen-stdin\nenv -0 >seen-env\ncp -R \"$GIT_QUARANTINE_PATH\" seen-objects 2>/dev/null\nexit 1\n";
    let path = repo.dir.join("hooks/pre-receive");
    std::fs::write(&path, hook).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Pushes, is refused, and reads what pre-receive could have read.
fn push(repo: &Repo, from: &Path, args: &[&str]) -> Seen {
    watch(repo);
    let url = format!("file://{}", repo.dir.display());
    let mut command = git_command(from);
    let output = command.args(["push", "-q", &url]).args(args).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("pre-receive hook declined"), "{words}");
    let text = std::fs::read(repo.dir.join("seen-env")).unwrap();
    let pairs = text.split(|b| *b == 0).filter_map(|pair| {
        let at = pair.iter().position(|b| *b == b'=')?;
        Some((OsString::from_vec(pair[..at].to_vec()), OsString::from_vec(pair[at + 1..].to_vec())))
    });
    let kept: OsString = repo.dir.join("seen-objects").into();
    let pairs = pairs.map(|(key, value)| {
        let moved = key == "GIT_QUARANTINE_PATH" || key == "GIT_OBJECT_DIRECTORY";
        let value = if moved { kept.clone() } else { value };
        (key, value)
    });
    let stdin = std::fs::read(repo.dir.join("seen-stdin")).unwrap();
    Seen {
        reader: Reader::open(&repo.dir, &GitEnv::new(pairs), uid(&repo.dir)).unwrap(),
        updates: crate::push::line::parse(&stdin, repo.format, 100).unwrap(),
    }
}

impl Seen {
    fn action(&self) -> Action {
        self.reader.action(&self.updates[0], &WIDE).unwrap()
    }

    fn paths(&self, base: Option<ObjectId>) -> Vec<String> {
        match self.reader.changed(&self.updates[0], base, &WIDE).unwrap() {
            Changed::Known(paths) => paths.into_iter().map(|p| p.path.to_string()).collect(),
            other => panic!("{other:?}"),
        }
    }
}

fn clone(repo: &Repo, options: &[&str]) -> PathBuf {
    let url = format!("file://{}", repo.dir.display());
    let mut args = vec!["clone", "-q"];
    args.extend(options);
    args.extend([url.as_str(), "work"]);
    git(repo.root.path(), &args);
    repo.root.path().join("work")
}

fn work(folder: &Path, file: &str, text: &str) {
    std::fs::write(folder.join(file), text).unwrap();
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "-q", "-m", "m"]);
}

#[test]
fn a_real_push_is_read_from_its_quarantine() {
    for repo in [Repo::new(), Repo::sha256()] {
        for limit in ["1", "100"] {
            let a = repo.commit(&[("f", "1")], &[]);
            repo.set("refs/heads/main", a);
            repo.git(&["config", "receive.unpackLimit", limit]);
            let folder = clone(&repo, &[]);
            work(&folder, "g", "1");
            let seen = push(&repo, &folder, &["main"]);
            assert_eq!(seen.action(), Action::Update);
            assert_eq!(seen.paths(None), ["g"]);
            let new = seen.updates[0].change.new_id().unwrap();
            assert!(seen.reader.objects().is_new(&new).unwrap());
            assert!(!seen.reader.objects().is_new(&a).unwrap());
            assert!(repo.objects().header(&new).unwrap().is_none());
            std::fs::remove_dir_all(folder).unwrap();
            std::fs::remove_dir_all(repo.dir.join("seen-objects")).unwrap();
        }
    }
}

#[test]
fn thin_packs_new_branches_and_force_are_read() {
    let repo = Repo::new();
    let long = "line\n".repeat(2000);
    let a = repo.commit(&[("f", &long)], &[]);
    repo.set("refs/heads/main", a);
    repo.git(&["config", "receive.unpackLimit", "1"]);
    let folder = clone(&repo, &[]);
    work(&folder, "f", &format!("{long}more\n"));
    let seen = push(&repo, &folder, &["main:side"]);
    assert_eq!(seen.action(), Action::Create);
    assert_eq!(seen.paths(Some(a)), ["f"]);
    std::fs::remove_dir_all(repo.dir.join("seen-objects")).unwrap();
    git(&folder, &["commit", "-q", "--amend", "-m", "other"]);
    git(&folder, &["checkout", "-q", "--orphan", "o"]);
    work(&folder, "h", "1");
    let seen = push(&repo, &folder, &["-f", "o:main"]);
    assert_eq!(seen.action(), Action::Force);
    assert_eq!(seen.paths(None), ["f", "h"]);
}

#[test]
fn a_push_from_a_shallow_clone_is_read() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1")], &[]);
    let b = repo.commit(&[("f", "2")], &[a]);
    repo.set("refs/heads/main", b);
    let folder = clone(&repo, &["--depth=1"]);
    work(&folder, "g", "1");
    let seen = push(&repo, &folder, &["main"]);
    assert_eq!(seen.action(), Action::Update);
    assert_eq!(seen.paths(None), ["g"]);
}

#[test]
fn a_fork_of_a_fork_sees_what_git_sees() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1")], &[]);
    repo.set("refs/heads/main", a);
    repo.git(&["repack", "-adq"]);
    git(repo.root.path(), &["clone", "-q", "--bare", "--shared", "r.git", "one.git"]);
    git(repo.root.path(), &["clone", "-q", "--bare", "--shared", "one.git", "deep/two.git"]);
    let inner = repo.root.path().join("one.git/objects/info/alternates");
    std::fs::write(inner, "../../r.git/objects\n../../deep/two.git/objects\n").unwrap();
    let two = repo.root.path().join("deep/two.git");
    std::fs::write(two.join("objects/info/alternates"), "../../../one.git/objects\n").unwrap();
    let fork = Repo { root: tempfile::tempdir().unwrap(), dir: two, format: repo.format };
    assert!(fork.reader().objects().header(&a).unwrap().is_some());
    let folder = clone(&repo, &[]);
    work(&folder, "g", "1");
    let seen = push(&fork, &folder, &["main"]);
    assert_eq!(seen.action(), Action::Update);
    assert_eq!(seen.paths(None), ["g"]);
    assert!(!seen.reader.objects().is_new(&a).unwrap());
}

#[test]
fn replace_refs_and_grafts_change_nothing() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1")], &[]);
    let b = repo.commit(&[("f", "2")], &[]);
    let forward = repo.commit(&[("f", "2")], &[a]);
    repo.set("refs/heads/main", a);
    repo.git(&["replace", &b.to_string(), &forward.to_string()]);
    std::fs::write(repo.dir.join("info/grafts"), format!("{b} {a}\n")).unwrap();
    let update = repo.update(Some(a), Some(b), "refs/heads/main");
    assert_eq!(repo.reader().action(&update, &WIDE).unwrap(), Action::Force);
}

#[test]
fn each_action_is_recognised() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1")], &[]);
    let b = repo.commit(&[("f", "2")], &[a]);
    repo.git(&["tag", "-a", "-m", "m", "v1", &a.to_string()]);
    let tag = repo.rev("v1");
    let reader = repo.reader();
    let action = |now: Option<ObjectId>, new, ref_name: &str| {
        repo.git(&["update-ref", "-d", ref_name]);
        if let Some(id) = now {
            repo.set(ref_name, id);
        }
        reader.action(&repo.update(now, new, ref_name), &WIDE).unwrap()
    };
    assert_eq!(action(None, Some(a), "refs/heads/x"), Action::Create);
    assert_eq!(action(Some(a), None, "refs/heads/x"), Action::Delete);
    assert_eq!(action(Some(a), Some(b), "refs/heads/x"), Action::Update);
    assert_eq!(action(Some(b), Some(a), "refs/heads/x"), Action::Force);
    assert_eq!(action(Some(a), Some(b), "refs/tags/x"), Action::Force);
    assert_eq!(action(Some(tag), Some(b), "refs/notes/x"), Action::Force);
    assert_eq!(action(Some(a), Some(tag), "refs/notes/x"), Action::Force);
    assert_eq!(action(Some(a), Some(repo.blob("x")), "refs/notes/x"), Action::Force);
}

#[test]
fn a_false_old_id_refuses_the_ref() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1")], &[]);
    let b = repo.commit(&[("f", "2")], &[a]);
    repo.set("refs/heads/main", b);
    let reader = repo.reader();
    let code = |old, new, ref_name| {
        let update = repo.update(old, new, ref_name);
        reader.action(&update, &WIDE).unwrap_err().code().number()
    };
    assert_eq!(code(Some(a), Some(b), "refs/heads/main"), 305);
    assert_eq!(code(None, Some(b), "refs/heads/main"), 305);
    assert_eq!(code(Some(a), None, "refs/heads/main"), 305);
    assert_eq!(code(Some(a), Some(b), "refs/heads/none"), 305);
}

#[test]
fn objects_that_are_missing_refuse_the_ref() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1")], &[]);
    let none = ObjectId::from_hex("7".repeat(40).as_bytes()).unwrap();
    let broken = repo.commit_tree(repo.tree(&[("100644", "f", "2")]), &[a], 1);
    repo.set("refs/heads/main", broken);
    let reader = repo.reader();
    let update = repo.update(None, Some(none), "refs/heads/x");
    assert_eq!(reader.action(&update, &WIDE).unwrap_err().code().number(), 303);
    let a = a.to_string();
    std::fs::remove_file(repo.dir.join("objects").join(&a[..2]).join(&a[2..])).unwrap();
    let update = repo.update(None, Some(broken), "refs/heads/x");
    let error = repo.reader().changed(&update, None, &WIDE).unwrap_err();
    assert_eq!(error.code().number(), 303);
}

#[test]
fn an_object_packed_meanwhile_is_still_found() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1")], &[]);
    repo.set("refs/heads/main", a);
    repo.git(&["repack", "-adq"]);
    let reader = repo.reader();
    assert!(reader.objects().header(&a).unwrap().is_some());
    let b = repo.commit(&[("f", "2")], &[a]);
    repo.set("refs/heads/main", b);
    repo.git(&["repack", "-adfq"]);
    repo.git(&["prune-packed"]);
    assert!(reader.objects().header(&b).unwrap().is_some());
}

#[test]
fn symbolic_hidden_and_proc_receive_refs_are_refused() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1")], &[]);
    repo.git(&["symbolic-ref", "refs/heads/master", "refs/heads/main"]);
    repo.git(&["config", "receive.procReceiveRefs", "refs/for"]);
    repo.git(&["config", "receive.hideRefs", "refs/hidden"]);
    let refused = |ref_name: &str| {
        let update = repo.update(None, Some(a), ref_name);
        repo.reader().action(&update, &WIDE).unwrap_err()
    };
    let error = refused("refs/heads/master");
    assert_eq!(error.code().number(), 304);
    assert_eq!(
        error.to_string(),
        "`refs/heads/master` stands for `refs/heads/main` on the server: push to `refs/heads/main`"
    );
    assert_eq!(refused("refs/for/main").code().number(), 309);
    assert_eq!(refused("refs/hidden/x").code().number(), 309);
}

#[test]
fn faults_of_new_names_are_told_and_names_that_exist_may_move() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1")], &[]);
    repo.set("refs/heads/main", a);
    repo.set("refs/tags/v1", a);
    repo.git(&["config", "core.ignoreCase", "true"]);
    let create = |ref_name| repo.update(None, Some(a), ref_name);
    let updates = [
        create("refs/heads/--evil"),
        create("refs/heads/v1"),
        create("refs/heads/Main"),
        create("refs/heads/fine"),
        repo.update(Some(a), None, "refs/heads/-old"),
    ];
    let found = repo.reader().name_faults(&updates).unwrap();
    let found: Vec<_> = found.iter().map(|(n, fault)| (n.to_string(), fault.clone())).collect();
    assert_eq!(
        found,
        [
            ("refs/heads/--evil".to_owned(), NameFault::Dash),
            ("refs/heads/v1".to_owned(), NameFault::Twin(name("refs/tags/v1"))),
            ("refs/heads/Main".to_owned(), NameFault::CaseTwin(name("refs/heads/main"))),
        ]
    );
}

#[test]
fn a_repository_of_somebody_else_is_refused() {
    let repo = Repo::new();
    let stranger = uid(&repo.dir) + 4711;
    let opened = Reader::open(&repo.dir, &env(&[]), stranger);
    if uid(&repo.dir) == 0 {
        assert!(opened.is_ok(), "root's own may be read");
        let folder = repo.dir.join("objects");
        std::os::unix::fs::chown(&folder, Some(4711), None).unwrap();
        let opened = Reader::open(&repo.dir, &env(&[]), 4712);
        assert_eq!(opened.err().unwrap().code().number(), 502);
    } else {
        assert_eq!(opened.err().unwrap().code().number(), 502);
    }
}

#[test]
fn a_namespace_is_refused() {
    let repo = Repo::new();
    let opened = Reader::open(&repo.dir, &env(&[("GIT_NAMESPACE", "n")]), uid(&repo.dir));
    assert_eq!(opened.err().unwrap().code().number(), 309);
}

#[test]
fn git_takes_no_name_that_hygiene_calls_malformed() {
    let repo = Repo::new();
    for text in [
        "refs/heads/a",
        "refs/x",
        "refs/heads/a..b",
        "refs/heads/a.lock",
        "refs/heads/@",
        "refs/heads/a@{b",
        "refs/heads/.a",
        "refs/heads/a.",
        "refs/heads/a//b",
        "refs/heads/ä",
        "refs/heads/a/",
        "refs/heads/a b",
        "refs/heads/a~1",
        "refs/@/x",
        "refs/heads/a.locks",
        "refs/heads/a\u{7f}",
    ] {
        let rest = text.strip_prefix("refs/").unwrap();
        let git =
            git_command(&repo.dir).args(["check-ref-format", rest]).status().unwrap().success();
        let ours = !hygiene::faults(&name(text)).contains(&NameFault::Format);
        assert_eq!(ours, git, "{text}");
    }
}
