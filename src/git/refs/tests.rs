#![allow(
    clippy::disallowed_methods,
    clippy::string_slice,
    reason = "tests make repositories and cut ids"
)]

use super::super::testing::{Repo, has_reftable, name};
use super::*;
use std::collections::BTreeSet;

fn names(repo: &Repo) -> Vec<String> {
    let mut names = BTreeSet::new();
    let mut meet = |name: &[u8]| names.extend([RefName::new(name)]);
    repo.reader().each_name(&mut meet).unwrap();
    names.iter().map(ToString::to_string).collect()
}

fn value(repo: &Repo, ref_name: &str) -> Result<RefValue, GitError> {
    repo.reader().ref_value(&name(ref_name))
}

fn write(repo: &Repo, path: &str, text: &str) {
    let path = repo.dir.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_loose_ref_hides_the_packed_one() {
    for repo in [Repo::new(), Repo::sha256()] {
        let a = repo.commit(&[("f", "1")], &[]);
        let b = repo.commit(&[("f", "2")], &[a]);
        repo.set("refs/heads/main", a);
        repo.set("refs/heads/deep/er", a);
        repo.git(&["tag", "-a", "-m", "m", "v1", &a.to_string()]);
        repo.git(&["pack-refs", "--all"]);
        repo.set("refs/heads/main", b);
        assert_eq!(value(&repo, "refs/heads/main").unwrap(), RefValue::Direct(b));
        assert_eq!(value(&repo, "refs/heads/deep/er").unwrap(), RefValue::Direct(a));
        assert_eq!(value(&repo, "refs/tags/v1").unwrap(), RefValue::Direct(repo.rev("v1")));
        assert_eq!(value(&repo, "refs/heads/deep").unwrap(), RefValue::Missing);
        assert_eq!(value(&repo, "refs/heads/main/x").unwrap(), RefValue::Missing);
        assert_eq!(names(&repo), ["refs/heads/deep/er", "refs/heads/main", "refs/tags/v1"]);
    }
}

#[test]
fn a_tag_named_as_a_whole_branch_name_is_not_the_branch() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1")], &[]);
    repo.set("refs/tags/refs/heads/main", a);
    assert_eq!(value(&repo, "refs/heads/main").unwrap(), RefValue::Missing);
    repo.git(&["pack-refs", "--all"]);
    assert_eq!(value(&repo, "refs/heads/main").unwrap(), RefValue::Missing);
}

#[test]
fn refs_packed_meanwhile_are_still_seen() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1")], &[]);
    repo.set("refs/heads/one", a);
    repo.git(&["pack-refs", "--all"]);
    let reader = repo.reader();
    assert_eq!(reader.ref_value(&name("refs/heads/one")).unwrap(), RefValue::Direct(a));
    repo.set("refs/heads/two", a);
    repo.git(&["pack-refs", "--all"]);
    assert_eq!(reader.ref_value(&name("refs/heads/two")).unwrap(), RefValue::Direct(a));
}

#[test]
fn a_broken_ref_is_an_error_and_never_missing() {
    let repo = Repo::new();
    let id = repo.commit(&[("f", "1")], &[]).to_string();
    let null = repo.format.null().to_string();
    for text in ["", "x", "\n", &id[1..], &null, &format!("{id}0"), &id.replace(&id[..1], "g")] {
        write(&repo, "refs/heads/main", text);
        let error = value(&repo, "refs/heads/main").unwrap_err();
        assert!(matches!(error, GitError::BrokenRef { .. }), "{text}: {error}");
    }
}

#[test]
fn symbolic_refs_are_seen_whatever_they_point_to() {
    let repo = Repo::new();
    write(&repo, "refs/heads/master", "ref: refs/heads/main\n");
    write(&repo, "refs/heads/chain", "ref:\trefs/heads/master");
    std::os::unix::fs::symlink("refs/heads/main", repo.dir.join("refs/heads/old-style")).unwrap();
    let symbolic = |target| RefValue::Symbolic(name(target));
    assert_eq!(value(&repo, "refs/heads/master").unwrap(), symbolic("refs/heads/main"));
    assert_eq!(value(&repo, "refs/heads/chain").unwrap(), symbolic("refs/heads/master"));
    assert_eq!(value(&repo, "refs/heads/old-style").unwrap(), symbolic("refs/heads/main"));
}

#[test]
fn a_name_cannot_lead_out_of_the_refs() {
    let repo = Repo::new();
    for bad in ["HEAD", "refs/../HEAD", "refs/heads/../../config", "refs//x", "refs/heads/", "x"] {
        let error = value(&repo, bad).unwrap_err();
        assert!(matches!(error, GitError::BadName(_)), "{bad}: {error}");
    }
    assert!(value(&repo, &format!("refs/heads/{}", "a".repeat(300))).is_err());
}

#[test]
fn names_that_are_not_utf8_are_found() {
    let repo = Repo::new();
    let id = repo.commit(&[("f", "1")], &[]);
    let path = repo.dir.join(OsStr::from_bytes(b"refs/heads/\xff"));
    std::fs::write(path, format!("{id}\n")).unwrap();
    let odd = RefName::new(&b"refs/heads/\xff"[..]);
    for _ in 0..2 {
        let reader = repo.reader();
        assert_eq!(reader.ref_value(&odd).unwrap(), RefValue::Direct(id));
        let mut found = false;
        reader.each_name(&mut |name| found |= name == odd.as_bytes()).unwrap();
        assert!(found);
        repo.git(&["pack-refs", "--all"]);
    }
}

#[test]
fn reftables_are_read_and_never_judged_on_an_empty_list() {
    if !has_reftable() {
        eprintln!("skipped: this git knows no reftable");
        return;
    }
    let repo = Repo::with(&["--ref-format=reftable"]);
    let a = repo.commit(&[("f", "1")], &[]);
    repo.set("refs/heads/main", a);
    repo.git(&["symbolic-ref", "refs/heads/master", "refs/heads/main"]);
    repo.git(&["symbolic-ref", "refs/heads/dangling", "refs/heads/unborn"]);
    assert!(repo.reader().config().reftable);
    assert_eq!(value(&repo, "refs/heads/main").unwrap(), RefValue::Direct(a));
    let symbolic = |target| RefValue::Symbolic(name(target));
    assert_eq!(value(&repo, "refs/heads/master").unwrap(), symbolic("refs/heads/main"));
    assert_eq!(value(&repo, "refs/heads/dangling").unwrap(), symbolic("refs/heads/unborn"));
    assert_eq!(value(&repo, "refs/heads/none").unwrap(), RefValue::Missing);
    assert_eq!(value(&repo, "refs/heads/--none").unwrap(), RefValue::Missing);
    assert_eq!(names(&repo), ["refs/heads/main", "refs/heads/master"]);
    let tables = repo.dir.join("reftable");
    for table in std::fs::read_dir(&tables).unwrap() {
        let path = table.unwrap().path();
        if path.extension().is_some_and(|e| e == "ref") {
            std::fs::write(path, "junk").unwrap();
        }
    }
    assert!(value(&repo, "refs/heads/main").is_err());
}
