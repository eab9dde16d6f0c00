#![allow(
    clippy::disallowed_methods,
    clippy::string_slice,
    reason = "tests make repositories and cut ids"
)]

use super::super::testing::{Repo, WIDE, env};
use super::*;

fn history(repo: &Repo) -> History {
    History::new(repo.objects(), &repo.dir, &env(&[]))
}

fn known(changed: Changed) -> Vec<(String, bool)> {
    let Changed::Known(paths) = changed else { panic!("{changed:?}") };
    paths.into_iter().map(|p| (p.path.to_string(), p.link)).collect()
}

fn update(repo: &Repo, old: ObjectId, new: ObjectId) -> Vec<(String, bool)> {
    known(of(&history(repo), &Change::Update { old, new }, None, &WIDE).unwrap())
}

fn paths(repo: &Repo, old: ObjectId, new: ObjectId) -> Vec<String> {
    update(repo, old, new).into_iter().map(|(path, _)| path).collect()
}

fn create(repo: &Repo, new: ObjectId, base: Option<ObjectId>) -> Vec<String> {
    let paths = known(of(&history(repo), &Change::Create { new }, base, &WIDE).unwrap());
    paths.into_iter().map(|(path, _)| path).collect()
}

#[test]
fn adding_and_reverting_does_not_hide_a_path() {
    for repo in [Repo::new(), Repo::sha256()] {
        let a = repo.commit(&[("f", "1")], &[]);
        let b = repo.commit(&[("f", "1"), ("secrets/k", "x")], &[a]);
        let c = repo.commit(&[("f", "1")], &[b]);
        assert_eq!(paths(&repo, a, c), ["secrets/k"]);
    }
}

#[test]
fn a_merge_that_takes_the_older_side_shows_what_it_reverts() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1")], &[]);
    let main = repo.commit(&[("f", "2"), ("g", "1")], &[a]);
    let side = repo.commit(&[("f", "1"), ("h", "1")], &[a]);
    let merge = repo.commit(&[("f", "1"), ("h", "1")], &[main, side]);
    assert_eq!(paths(&repo, main, merge), ["f", "g", "h"]);
    assert_eq!(
        repo.git(&["diff-tree", "-c", "--name-only", "--no-commit-id", &merge.to_string()]),
        ""
    );
}

#[test]
fn an_honest_merge_changes_what_its_side_changed() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1")], &[]);
    let main = repo.commit(&[("f", "2")], &[a]);
    let side = repo.commit(&[("f", "1"), ("h", "1")], &[a]);
    let merge = repo.commit(&[("f", "2"), ("h", "1")], &[main, side]);
    assert_eq!(paths(&repo, main, merge), ["h"]);
    let evil = repo.commit(&[("f", "3"), ("h", "1")], &[main, side]);
    assert_eq!(paths(&repo, main, evil), ["f", "h"]);
}

#[test]
fn a_renamed_file_is_changed_at_both_places() {
    let repo = Repo::new();
    let a = repo.commit(&[("secrets/k", "a long text that git would find again")], &[]);
    let b = repo.commit(&[("docs/k", "a long text that git would find again")], &[a]);
    assert_eq!(paths(&repo, a, b), ["docs/k", "secrets/k"]);
}

#[test]
fn a_path_is_bytes_and_never_quoted() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1")], &[]);
    let b = repo.commit(&[("f", "1"), ("grün/ta\tb\"", "1"), ("secrets/a\nb", "1")], &[a]);
    assert_eq!(paths(&repo, a, b), ["grün/ta\tb\"", "secrets/a\nb"]);
}

#[test]
fn modes_links_and_submodules_are_seen() {
    let repo = Repo::new();
    let commit = |files: &[_], parents: &[_]| repo.commit_tree(repo.tree(files), parents, 1);
    let a = commit(&[("100644", "x", "1"), ("120000", "l", "t"), ("100644", "d/f", "1")], &[]);
    let id = a.to_string();
    let b = commit(&[("100755", "x", "1"), ("100644", "l", "t"), ("160000", "d", &id)], &[a]);
    let want = [("d", true), ("d/f", false), ("l", true), ("x", false)];
    let want = want.map(|(path, link)| (path.to_owned(), link));
    assert_eq!(update(&repo, a, b), want);
    assert_eq!(update(&repo, b, a), want);
}

#[test]
fn files_and_folders_of_one_name_do_not_hide_each_other() {
    let repo = Repo::new();
    let a = repo.commit(&[("a", "1"), ("a.b", "1"), ("a0", "1")], &[]);
    let b = repo.commit(&[("a/x", "1"), ("a.b", "1"), ("a0", "2")], &[a]);
    assert_eq!(paths(&repo, a, b), ["a", "a/x", "a0"]);
}

#[test]
fn an_octopus_counts_what_differs_from_every_parent() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1")], &[]);
    let sides: Vec<_> =
        ["p", "q", "r"].iter().map(|n| repo.commit(&[("f", "1"), (n, "1")], &[a])).collect();
    let all = [("f", "1"), ("p", "1"), ("q", "1"), ("r", "1"), ("evil", "1")];
    let merge = repo.commit(&all, &[a, sides[0], sides[1], sides[2]]);
    assert_eq!(paths(&repo, a, merge), ["evil", "p", "q", "r"]);
}

#[test]
fn a_new_branch_is_compared_with_its_base() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1")], &[]);
    let main = repo.commit(&[("f", "2"), ("m", "1")], &[a]);
    let side = repo.commit(&[("f", "1"), ("s", "1")], &[a]);
    assert_eq!(create(&repo, side, Some(main)), ["s"]);
    assert_eq!(create(&repo, a, Some(main)), [] as [&str; 0]);
    assert_eq!(create(&repo, main, Some(main)), [] as [&str; 0]);
    assert_eq!(create(&repo, side, None), ["f", "s"]);
    let orphan = repo.commit(&[("o", "1")], &[]);
    assert_eq!(create(&repo, orphan, Some(main)), ["o"]);
    let merge = repo.commit(&[("f", "1"), ("s", "1"), ("m", "1")], &[side, main]);
    assert_eq!(create(&repo, merge, Some(main)), ["f", "s"]);
}

#[test]
fn a_force_shows_both_what_comes_and_what_goes() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1")], &[]);
    let old = repo.commit(&[("f", "1"), ("gone", "1")], &[a]);
    let new = repo.commit(&[("f", "1"), ("come", "1")], &[a]);
    assert_eq!(paths(&repo, old, new), ["come", "gone"]);
    assert_eq!(paths(&repo, old, a), ["gone"]);
}

#[test]
fn values_without_paths_are_told_so() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1")], &[]);
    let blob = repo.blob("x");
    let of = |change, base| of(&history(&repo), &change, base, &WIDE).unwrap();
    assert_eq!(of(Change::Delete { old: a }, None), Changed::None);
    assert_eq!(of(Change::Create { new: blob }, Some(a)), Changed::Unknown);
    assert_eq!(
        of(Change::Create { new: repo.rev(&format!("{a}^{{tree}}")) }, None),
        Changed::Unknown
    );
    assert_eq!(of(Change::Update { old: blob, new: a }, None), Changed::Unknown);
    assert_eq!(of(Change::Create { new: a }, Some(blob)), Changed::Unknown);
    repo.git(&["tag", "-a", "-m", "m", "on-blob", &blob.to_string()]);
    repo.git(&["tag", "-a", "-m", "m", "inner", &a.to_string()]);
    repo.git(&["tag", "-a", "-m", "m", "outer", "inner"]);
    assert_eq!(of(Change::Create { new: repo.rev("on-blob") }, None), Changed::Unknown);
    let tags = of(Change::Create { new: repo.rev("outer") }, Some(repo.rev("inner")));
    assert_eq!(tags, Changed::Known(vec![]));
}

#[test]
fn limits_refuse_and_never_judge_in_part() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1")], &[]);
    let b = repo.commit(&[("f", "2"), ("g", "1"), ("h", "1")], &[a]);
    let c = repo.commit(&[("f", "3"), ("g", "1"), ("h", "1")], &[b]);
    let change = Change::Update { old: a, new: c };
    let code = |limits: Limits<'_>| of(&history(&repo), &change, None, &limits).unwrap_err().code();
    assert_eq!(code(Limits { max_commits: 1, ..WIDE }).number(), 308);
    assert_eq!(code(Limits { max_paths: 2, ..WIDE }).number(), 308);
    assert_eq!(code(Limits { expired: &|| true, ..WIDE }).number(), 308);
    assert!(of(&history(&repo), &change, None, &Limits { max_commits: 3, ..WIDE }).is_ok());
}

#[test]
fn small_trees_that_stand_for_very_many_paths_are_refused_before_they_take_memory() {
    let repo = Repo::new();
    let mut id = repo.blob("x").to_string();
    let mut kind = "100644 blob";
    // 40 to the fourth: 2.5 million paths of 800 bytes.
    for _ in 0..4 {
        let line = |number: i32| format!("{kind} {id}\t{}{number:04}\n", "n".repeat(200));
        let text: String = (0..40).map(line).collect();
        id = repo.git_in(&["mktree"], text);
        kind = "040000 tree";
    }
    let commit = repo.git_in(&["commit-tree", &id], "bomb");
    let change = Change::Create { new: ObjectId::from_hex(commit.as_bytes()).unwrap() };
    let limits = Limits { max_paths: 5_000_000, max_path_bytes: 1 << 20, ..WIDE };
    let error = of(&history(&repo), &change, None, &limits).unwrap_err();
    assert_eq!(error.code().number(), 308);
    assert!(error.to_string().contains("MiB of changed paths"), "{error}");
}

/// A tree in which `depth` times each folder has the one below it under two names.
fn doubled(repo: &Repo, depth: usize) -> ObjectId {
    let mut line = format!("100644 blob {}\tf\n", repo.blob("x"));
    for _ in 0..depth {
        let id = repo.git_in(&["mktree"], &line);
        line = format!("040000 tree {id}\ta\n040000 tree {id}\tb\n");
    }
    ObjectId::from_hex(repo.git_in(&["mktree"], line).as_bytes()).unwrap()
}

#[test]
fn trees_that_name_each_other_are_refused_long_before_all_their_paths_are_visited() {
    let repo = Repo::new();
    let limits = Limits { max_paths: u32::MAX, max_path_bytes: u64::MAX, ..WIDE };
    let change = |tree| Change::Create { new: repo.commit_tree(tree, &[], 1) };
    // 2^12 paths are no burden, 2^40 are.
    let few = of(&history(&repo), &change(doubled(&repo, 12)), None, &limits).unwrap();
    assert_eq!(known(few).len(), 1 << 12);
    let error = of(&history(&repo), &change(doubled(&repo, 40)), None, &limits).unwrap_err();
    assert!(error.to_string().contains("repeated paths"), "{error}");
}

#[test]
fn a_tree_with_one_name_twice_is_refused() {
    let repo = Repo::new();
    let (one, two) = (repo.blob("1"), repo.blob("2"));
    let mut raw = b"100644 f\0".to_vec();
    raw.extend(one.as_slice());
    raw.extend(b"100644 f\0");
    raw.extend(two.as_slice());
    let tree = repo.git_in(&["hash-object", "-w", "-t", "tree", "--stdin", "--literally"], raw);
    let a = repo.commit(&[("f", "1")], &[]);
    let b = repo.commit_tree(ObjectId::from_hex(tree.as_bytes()).unwrap(), &[a], 1);
    let error = of(&history(&repo), &Change::Update { old: a, new: b }, None, &WIDE).unwrap_err();
    assert_eq!(error.code().number(), 303);
}

#[test]
fn a_shallow_server_ends_where_it_says() {
    let repo = Repo::new();
    let a = repo.commit(&[("f", "1"), ("g", "1")], &[]);
    let b = repo.commit(&[("f", "2"), ("g", "1")], &[a]);
    let c = repo.commit(&[("f", "3"), ("g", "1")], &[b]);
    repo.set("refs/heads/main", c);
    repo.git(&["commit-graph", "write", "--reachable"]);
    std::fs::write(repo.dir.join("shallow"), format!("{b}\n")).unwrap();
    let tree = repo.git(&["rev-parse", &format!("{a}^{{tree}}")]);
    let loose = |id: &str| repo.dir.join("objects").join(&id[..2]).join(&id[2..]);
    std::fs::remove_file(loose(&a.to_string())).unwrap();
    std::fs::remove_file(loose(&tree)).unwrap();
    assert_eq!(create(&repo, c, None), ["f", "g"]);
    assert_eq!(paths(&repo, b, c), ["f"]);
}

#[test]
fn a_folder_replaced_by_an_odd_kind_of_submodule_is_seen() {
    for repo in [Repo::new(), Repo::sha256()] {
        let a = repo.commit(&[("open", "1"), ("secret/k", "x")], &[]);
        let folder = repo.rev(&format!("{a}:secret"));
        // git takes every kind that it does not know for a submodule.
        for mode in ["140000", "20000", "0", "140755"] {
            let mut text = b"100644 open\0".to_vec();
            text.extend(repo.rev(&format!("{a}:open")).as_slice());
            text.extend(format!("{mode} secret\0").into_bytes());
            text.extend(folder.as_slice());
            let args = ["hash-object", "-t", "tree", "-w", "--literally", "--stdin"];
            let tree = ObjectId::from_hex(repo.git_in(&args, text).as_bytes()).unwrap();
            assert!(repo.git(&["ls-tree", &tree.to_string()]).contains("160000"), "{mode}");
            let b = repo.commit_tree(tree, &[a], 1_700_000_001);
            let want = [("secret".to_owned(), true), ("secret/k".to_owned(), false)];
            assert_eq!(update(&repo, a, b), want, "{mode}");
        }
    }
}

#[test]
fn modes_that_git_reads_alike_are_no_change_and_nonsense_is_refused() {
    let repo = Repo::new();
    let a = repo.commit(&[("d/f", "1")], &[]);
    let folder = repo.rev(&format!("{a}:d"));
    let commit = |mode: &str| {
        let text = [format!("{mode} d\0").as_bytes(), folder.as_slice()].concat();
        let args = ["hash-object", "-t", "tree", "-w", "--literally", "--stdin"];
        let tree = ObjectId::from_hex(repo.git_in(&args, text).as_bytes()).unwrap();
        repo.commit_tree(tree, &[a], 1_700_000_001)
    };
    for mode in ["40000", "040000", "40755"] {
        assert!(paths(&repo, a, commit(mode)).is_empty(), "{mode}");
    }
    for mode in ["", "4000x", "1040000", "40000040000"] {
        let change = Change::Update { old: a, new: commit(mode) };
        let read = of(&history(&repo), &change, None, &WIDE);
        assert!(matches!(read, Err(GitError::Damaged { .. })), "{mode}");
    }
}

#[test]
fn a_chain_of_tags_is_not_followed_to_its_end() {
    let repo = Repo::new();
    let commit = repo.commit(&[("a", "1")], &[]);
    let all = repo.tags(commit, 300);
    let read = |new, limits: &Limits<'_>| {
        of(&history(&repo), &Change::Create { new }, None, limits).unwrap()
    };
    assert!(matches!(read(all[15], &WIDE), Changed::Known(_)), "sixteen tags");
    assert_eq!(read(all[16], &WIDE), Changed::Unknown);
    let asked = std::cell::Cell::new(0);
    let expired = || asked.replace(asked.get() + 1) > 0;
    let limits = Limits { expired: &expired, ..WIDE };
    assert_eq!(read(all[299], &limits), Changed::Unknown);
    // Sixteen that are known, and one above them.
    let history = history(&repo);
    let known = |new| of(&history, &Change::Create { new }, None, &WIDE).unwrap();
    assert!(matches!(known(all[15]), Changed::Known(_)));
    assert!(matches!(known(all[14]), Changed::Known(_)));
    assert_eq!(known(all[16]), Changed::Unknown);
}
