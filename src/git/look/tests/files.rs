//! What commits change: sizes, paths, names, links, submodules, content.

use super::*;

fn limit(bytes: u64) -> Vec<Rule> {
    vec![Rule::MaxFileSize { bytes, lfs: false }]
}

#[test]
fn new_files_have_a_size_and_old_ones_are_let_be() {
    let repo = Repo::new();
    let big = "x".repeat(100);
    let one = repo.commit(&[("a", &big)], &[]);
    assert!(told(&repo, None, one, limit(100)).is_empty());
    assert_eq!(
        told(&repo, None, one, limit(99)),
        ["RW407 a: the file has 100 bytes, at most 99 may be"]
    );
    // The file was there before; its mode changes, and another one comes.
    let tree = repo.tree(&[("100755", "a", &big), ("100644", "b", "1")]);
    let two = repo.commit_tree(tree, &[one], 1_700_000_001);
    assert!(told(&repo, Some(one), two, limit(99)).is_empty());
    // Deltas are measured by what they become.
    let three = repo.commit(&[("a", &format!("{big}y"))], &[two]);
    repo.git(&["update-ref", "refs/heads/x", &three.to_string()]);
    repo.git(&["repack", "-adfq", "--depth=50"]);
    let both = format!("{one}:a\n{three}:a\n");
    let bases = repo.git_in(&["cat-file", "--batch-check=%(deltabase)"], both);
    assert!(bases.lines().any(|base| !base.starts_with("000")), "one is stored as a delta");
    // A ref that is there would be known.
    repo.git(&["update-ref", "-d", "refs/heads/x"]);
    let mut found = told(&repo, None, three, limit(99));
    found.sort();
    assert_eq!(
        found,
        [
            "RW407 a: the file has 100 bytes, at most 99 may be",
            "RW407 a: the file has 101 bytes, at most 99 may be",
        ]
    );
    // A pointer of LFS is a small file, whatever size it claims.
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 99999999999\n";
    let four = repo.commit(&[("a", pointer)], &[three]);
    assert!(told(&repo, Some(three), four, limit(99)).is_empty());
}

#[test]
fn paths_that_change_are_covered_or_not() {
    let repo = Repo::new();
    let base = repo.commit(&[("src/a", "1"), ("doc/b", "1")], &[]);
    let forbid = || vec![Rule::ForbidPaths(scope(&["doc/**"], &["doc/open/**"]))];
    let only = || vec![Rule::OnlyPaths(scope(&["src/**"], &[]))];
    let src = repo.commit(&[("src/a", "2"), ("doc/b", "1")], &[base]);
    assert!(told(&repo, Some(base), src, [forbid(), only()].concat()).is_empty());
    let gone = repo.commit(&[("src/a", "1")], &[base]);
    assert_eq!(told(&repo, Some(base), gone, forbid()), ["RW408 doc/b: this path may not change"]);
    assert_eq!(told(&repo, Some(base), gone, only()), ["RW408 doc/b: only other paths may change"]);
    let open = repo.commit(&[("src/a", "1"), ("doc/b", "1"), ("doc/open/c", "1")], &[base]);
    assert!(told(&repo, Some(base), open, forbid()).is_empty());
}

#[test]
fn names_that_windows_or_macos_can_t_have_are_told_where_they_are_new() {
    let repo = Repo::new();
    let rules = || vec![Rule::CaseConflicts, Rule::ReservedNames, Rule::MaxPathLength(12)];
    let base = repo.commit(&[("readme", "1"), ("docs/a", "1")], &[]);
    assert!(told(&repo, None, base, rules()).is_empty());
    let bad = repo.commit(
        &[("readme", "1"), ("README", "1"), ("docs/a", "1"), ("Docs/b", "1"), ("x/aux.c", "1")],
        &[base],
    );
    let mut found = told(&repo, Some(base), bad, rules());
    found.sort();
    assert_eq!(
        found,
        [
            "RW410 Docs: the same as `docs` in that folder where case does not count",
            "RW410 README: the same as `readme` in that folder where case does not count",
            "RW411 x/aux.c: `aux.c`: this is a device on Windows",
        ]
    );
    // They are there now, and changes of them are nobody's matter.
    let next = repo.commit(
        &[("readme", "1"), ("README", "2"), ("docs/a", "1"), ("Docs/b", "2"), ("x/aux.c", "2")],
        &[bad],
    );
    assert!(told(&repo, Some(bad), next, rules()).is_empty());
    let long = repo.commit(&[("readme", "1"), ("docs/a", "1"), ("docs/12345678", "1")], &[base]);
    let found = told(&repo, Some(base), long, rules());
    assert_eq!(found, ["RW409 docs/12345678: the path has 13 characters, at most 12 may be"]);
    // Two that come together are told of once.
    let both = repo.commit(&[("n/É", "1"), ("n/e\u{301}", "1")], &[]);
    let found = told(&repo, None, both, vec![Rule::CaseConflicts]);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_merge_of_two_sides_that_are_fine_alone_can_have_twins() {
    let repo = Repo::new();
    let base = repo.commit(&[("a", "1")], &[]);
    let one = repo.commit(&[("a", "1"), ("Notes", "1")], &[base]);
    let two = repo.commit(&[("a", "1"), ("notes", "1")], &[base]);
    let both = [("a", "1"), ("Notes", "1"), ("notes", "1")];
    for parents in [[one, two], [two, one]] {
        let merge = repo.commit(&both, &parents);
        let found = told(&repo, Some(parents[0]), merge, vec![Rule::CaseConflicts]);
        assert_eq!(found.len(), 1, "{found:?}");
        // One that had both already brings nothing new.
        let next = repo.commit(&both, &[merge, base]);
        assert!(told(&repo, Some(merge), next, vec![Rule::CaseConflicts]).is_empty());
    }
    let octopus = repo.commit(&both, &[base, one, two]);
    let found = told(&repo, Some(base), octopus, vec![Rule::CaseConflicts]);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn links_stay_inside_and_old_ones_are_let_be() {
    let repo = Repo::new();
    let link = |path: &str, target: &str, parents: &[ObjectId]| {
        let tree =
            repo.tree(&[("120000", path, target), ("100644", "b", &parents.len().to_string())]);
        repo.commit_tree(tree, parents, 1_700_000_000)
    };
    let rules = || vec![Rule::SymlinksInside];
    assert!(told(&repo, None, link("d/a", "../b", &[]), rules()).is_empty());
    let out = link("a", "../b", &[]);
    assert_eq!(
        told(&repo, None, out, rules()),
        ["RW412 a: the link's target is outside of the tree"]
    );
    assert!(told(&repo, Some(out), link("a", "../b", &[out]), rules()).is_empty());
    // The same target from another place is another link.
    let inside = link("d/a", "../b", &[]);
    assert_eq!(told(&repo, Some(inside), link("a", "../b", &[inside]), rules()).len(), 1);
    let long = link("a", &"x/".repeat(4000), &[]);
    assert!(told(&repo, None, long, rules())[0].contains("too long"));
}

#[test]
fn submodules_are_none_or_of_allowed_places() {
    let repo = Repo::new();
    let allowed = || {
        vec![Rule::Submodules(vec![Pattern::parse(r"regex:https://git\.example\.org/.*").unwrap()])]
    };
    let none = || vec![Rule::Submodules(vec![])];
    let id = "1".repeat(40);
    let text = |url: &str| format!("[submodule \"m\"]\n\tpath = lib/m\n\turl = {url}\n");
    let with = |modules: &str, id: &str, parents: &[ObjectId]| {
        let tree = repo.tree(&[("100644", ".gitmodules", modules), ("160000", "lib/m", id)]);
        repo.commit_tree(tree, parents, 1_700_000_000)
    };
    let good = with(&text("https://git.example.org/m"), &id, &[]);
    assert!(told(&repo, None, good, allowed()).is_empty());
    assert_eq!(
        told(&repo, None, good, none()),
        ["RW413 lib/m: a new or moved submodule: none may be"]
    );
    let moved = with(&text("https://git.example.org/m"), &"2".repeat(40), &[good]);
    assert!(told(&repo, Some(good), moved, allowed()).is_empty());
    assert_eq!(told(&repo, Some(good), moved, none()).len(), 1);
    // The URL alone is changed.
    let turned = with(&text("https://evil.example/m"), &id, &[good]);
    let found = told(&repo, Some(good), turned, allowed());
    assert!(
        found[0].starts_with("RW413 .gitmodules: the submodule's URL `https://evil.example/m`")
    );
    let bare = repo.commit_tree(repo.tree(&[("160000", "lib/m", &id)]), &[], 1_700_000_000);
    assert!(told(&repo, None, bare, allowed())[0].contains("no URL"));
    // Not by an index, which refuses it.
    let link = format!("120000 blob {}\t.gitmodules\n160000 commit {id}\tm\n", repo.blob("x"));
    let tree = ObjectId::from_hex(repo.git_in(&["mktree", "--missing"], link).as_bytes()).unwrap();
    let linked = repo.commit_tree(tree, &[], 1_700_000_000);
    assert_eq!(told(&repo, None, linked, allowed()).len(), 2);
}

#[test]
fn added_lines_are_searched_and_what_was_there_is_not() {
    let repo = Repo::new();
    let rules = || own(&[("word", "pass(word)?=")], None);
    let one = repo.commit(&[("a", "x\npassword=1\ny\n")], &[]);
    assert_eq!(told(&repo, None, one, rules()), ["RW414 a:2: looks like a secret: word"]);
    // Around it, moved, doubled: the line was there.
    for text in ["x\npassword=1\ny\nz\n", "password=1\nx\ny\n", "password=1\npassword=1\n"] {
        let next = repo.commit(&[("a", text)], &[one]);
        assert!(told(&repo, Some(one), next, rules()).is_empty(), "{text}");
    }
    let next = repo.commit(&[("a", "x\npassword=2\ny\n")], &[one]);
    assert_eq!(told(&repo, Some(one), next, rules()), ["RW414 a:2: looks like a secret: word"]);
    // A new name is a new file.
    let renamed = repo.commit(&[("b", "x\npassword=1\ny\n")], &[one]);
    assert_eq!(told(&repo, Some(one), renamed, rules()).len(), 1);
    let only = || own(&[("word", "password")], Some(scope(&["src/**"], &[])));
    assert!(told(&repo, None, one, only()).is_empty());
    // A NUL in front makes a file binary to git, and hides nothing here.
    let binary = repo.commit(&[("a", "\0\npassword=1\n")], &[]);
    assert_eq!(told(&repo, None, binary, rules()).len(), 1);
}

#[test]
fn a_file_too_large_to_be_searched_is_refused_and_not_passed_over() {
    let repo = Repo::new();
    let large = "x\n".repeat(4 * 1024 * 1024 + 1);
    let blob = repo.blob(&large);
    let tree = repo.git_in(&["mktree"], format!("100644 blob {blob}\ta\n"));
    let tree = ObjectId::from_hex(tree.as_bytes()).unwrap();
    let one = repo.commit_tree(tree, &[], 1_700_000_000);
    let found = told(&repo, None, one, own(&[("word", "pass")], None));
    assert!(found[0].starts_with("RW414 a: the file has 8388610 bytes: only up to"), "{found:?}");
}
