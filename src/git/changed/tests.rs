#![allow(
    clippy::disallowed_methods,
    clippy::string_slice,
    reason = "tests make repositories and cut ids"
)]

use super::super::objects::Objects;
use super::super::testing::{Repo, WIDE, env, git, git_command};
use super::super::{GitEnv, ancestry};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;

fn history(repo: &Repo) -> History {
    let variables: GitEnv = env(&[]);
    History::new(repo.objects(), &repo.dir, &variables)
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

/// A random history: for each commit its parents (smaller numbers), its date, its files.
#[derive(Debug, Clone)]
struct Dag(Vec<(Vec<usize>, i64, Files)>);

/// Which file, which text.
type Files = Vec<(usize, u8)>;

fn dag() -> impl Strategy<Value = Dag> {
    let commit = (
        prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        prop_oneof![4 => 1000_i64..1020, 1 => 1_i64..3000],
        prop::collection::vec((0_usize..5, 0_u8..3), 0..4),
    );
    prop::collection::vec(commit, 2..16).prop_map(|commits| {
        let place = |(n, (parents, date, files)): (usize, (Vec<prop::sample::Index>, _, _))| {
            let mut parents: Vec<usize> = if n == 0 {
                vec![]
            } else {
                parents.iter().map(|i| n - 1 - i.index(n.min(4))).collect()
            };
            parents.dedup();
            (parents, date + n as i64, files)
        };
        Dag(commits.into_iter().enumerate().map(place).collect())
    })
}

const FILES: [&str; 5] = ["a", "a.b", "d/x", "d/y/z", "e"];

/// Writes the history by fast-import; each commit has exactly its own files.
fn import(repo: &Repo, Dag(commits): &Dag) -> Vec<ObjectId> {
    let mut stream = String::new();
    for (n, (parents, date, files)) in commits.iter().enumerate() {
        write!(stream, "reset refs/heads/c{n}\ncommit refs/heads/c{n}\nmark :{}\n", n + 1).unwrap();
        writeln!(stream, "committer T <t@t> {date} +0000").unwrap();
        // One message each: else two commits could be one.
        write!(stream, "data 2\n{n:02}\n").unwrap();
        let mut words = ["from", "merge", "merge", "merge"].iter();
        let mut seen = BTreeSet::new();
        for parent in parents.iter().filter(|parent| seen.insert(**parent)) {
            writeln!(stream, "{} :{}", words.next().unwrap(), parent + 1).unwrap();
        }
        stream += "deleteall\n";
        for (file, text) in files {
            write!(stream, "M 100644 inline {}\ndata 1\n{text}\n", FILES[*file]).unwrap();
        }
    }
    repo.git_in(&["fast-import", "--quiet", "--force"], stream);
    let refs = repo.git(&["for-each-ref", "--format=%(refname:lstrip=2) %(objectname)"]);
    let ids: std::collections::HashMap<_, _> =
        refs.lines().map(|line| line.split_once(' ').unwrap()).collect();
    (0..commits.len())
        .map(|n| ObjectId::from_hex(ids[format!("c{n}").as_str()].as_bytes()).unwrap())
        .collect()
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(str::to_owned).collect()
}

/// What git's own programs say, one commit at a time, ancestry by set subtraction on the history.
fn naive(
    repo: &Repo,
    dag: &Dag,
    ids: &[ObjectId],
    old: Option<usize>,
    new: usize,
    is_new: bool,
) -> BTreeSet<String> {
    let above = |n: usize| ancestors(dag, n);
    let hidden = old.map(above).unwrap_or_default();
    let mut all = BTreeSet::new();
    let diff = |a: &str, b: &str| {
        lines(&repo.git(&["diff-tree", "-r", "--name-only", "--no-renames", a, b]))
    };
    let empty = ObjectId::empty_tree(repo.format).to_string();
    for n in above(new).difference(&hidden) {
        let parents: BTreeSet<usize> = dag.0[*n].0.iter().copied().collect();
        let this = ids[*n].to_string();
        let each = parents.iter().map(|p| diff(&ids[*p].to_string(), &this));
        let common = each.reduce(|a, b| a.intersection(&b).cloned().collect());
        all.extend(common.unwrap_or_else(|| diff(&empty, &this)));
    }
    let this = ids[new].to_string();
    let bases: Vec<String> = match old {
        Some(old) if !is_new => vec![ids[old].to_string()],
        Some(old) => {
            let shared: BTreeSet<usize> = above(new).intersection(&above(old)).copied().collect();
            let is_below = |n: &usize| shared.iter().any(|m| m != n && above(*m).contains(n));
            shared.iter().filter(|n| !is_below(n)).map(|n| ids[*n].to_string()).collect()
        }
        None => vec![],
    };
    let bases = if bases.is_empty() { vec![empty] } else { bases };
    all.extend(bases.iter().flat_map(|base| diff(base, &this)));
    all
}

fn ancestors(dag: &Dag, n: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::from([n]);
    let mut open = vec![n];
    while let Some(n) = open.pop() {
        open.extend(dag.0[n].0.iter().filter(|parent| found.insert(**parent)));
    }
    found
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Graph {
    None,
    Whole,
    Part,
}

fn write_graph(repo: &Repo, ids: &[ObjectId], graph: Graph) {
    let some = match graph {
        Graph::None => return,
        Graph::Whole => ids,
        Graph::Part => &ids[..ids.len() / 2],
    };
    let text: String = some.iter().map(|id| format!("{id}\n")).collect();
    repo.git_in(&["commit-graph", "write", "--stdin-commits"], text);
}

fn graph() -> impl Strategy<Value = Graph> {
    prop_oneof![Just(Graph::None), Just(Graph::Whole), Just(Graph::Part)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn ancestry_and_ranges_are_right_with_skewed_clocks(
        dag in dag(),
        graph in graph(),
        sha256: bool,
        before in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let repo = if sha256 { Repo::sha256() } else { Repo::new() };
        let ids = import(&repo, &dag);
        // With `before`, only that many commits were there, and the push brings all of them again.
        let known = before.map_or(ids.len(), |index| index.index(ids.len()) + 1);
        let server = if sha256 { Repo::sha256() } else { Repo::new() };
        import(&server, &Dag(dag.0[..known].to_vec()));
        write_graph(&server, &ids[..known], graph);
        let quarantine = repo.dir.join("objects");
        let variables = env(&[("GIT_QUARANTINE_PATH", quarantine.to_str().unwrap())]);
        let objects = Objects::new(&server.dir, &variables, server.format);
        let history = History::new(objects, &server.dir, &variables);
        let meter = Meter::new(&WIDE);
        for new in 0..ids.len() {
            let above = ancestors(&dag, new);
            // An old value is one that was there.
            for old in 0..known {
                let forward = ancestry::is_forward(&history, ids[old], ids[new], &meter).unwrap();
                prop_assert_eq!(forward, above.contains(&old), "{} to {}", old, new);
                let (from, to) = (history.node(ids[old]).unwrap(), history.node(ids[new]).unwrap());
                let range = range::of(&history, Some(from), to, &meter).unwrap();
                let got: BTreeSet<ObjectId> =
                    range.commits.iter().map(|(node, _)| history.id(*node).unwrap()).collect();
                let below = ancestors(&dag, old);
                let want: BTreeSet<ObjectId> = above.difference(&below).map(|n| ids[*n]).collect();
                prop_assert_eq!(got, want, "{}..{}", old, new);
                let bases = range::highest(&history, &range.boundary, &meter).unwrap();
                let got: BTreeSet<_> = bases.into_iter().map(|node| history.id(node).unwrap()).collect();
                let shared: BTreeSet<usize> = above.intersection(&below).copied().collect();
                let covered = |n: &usize| shared.iter().any(|m| m != n && ancestors(&dag, *m).contains(n));
                let want: BTreeSet<_> = shared.iter().filter(|n| !covered(n)).map(|n| ids[*n]).collect();
                prop_assert_eq!(got, want, "bases of {} and {}", old, new);
            }
        }
    }

    #[test]
    fn ancestry_is_what_git_says(dag in dag(), graph in graph()) {
        let repo = Repo::new();
        let ids = import(&repo, &dag);
        write_graph(&repo, &ids, graph);
        let history = history(&repo);
        let (last, meter) = (ids[ids.len() - 1], Meter::new(&WIDE));
        for old in &ids {
            let mut command = git_command(&repo.dir);
            command.args(["-c", "core.commitGraph=false", "merge-base", "--is-ancestor"]);
            let git = command.args([old.to_string(), last.to_string()]).status().unwrap().success();
            prop_assert_eq!(ancestry::is_forward(&history, *old, last, &meter).unwrap(), git);
        }
    }

    #[test]
    fn changed_paths_are_the_naive_ones(
        dag in dag(), graph in graph(), packed: bool, is_new: bool,
        old in prop::option::weighted(0.8, any::<prop::sample::Index>()),
    ) {
        let repo = Repo::new();
        let ids = import(&repo, &dag);
        if packed {
            git(&repo.dir, &["repack", "-adq"]);
        }
        write_graph(&repo, &ids, graph);
        let new = ids.len() - 1;
        let old = old.map(|index| index.index(new));
        let is_new = is_new || old.is_none();
        let change = match old {
            Some(old) if !is_new => Change::Update { old: ids[old], new: ids[new] },
            _ => Change::Create { new: ids[new] },
        };
        let got = of(&history(&repo), &change, old.map(|old| ids[old]), &WIDE).unwrap();
        let got: BTreeSet<String> = known(got).into_iter().map(|(path, _)| path).collect();
        prop_assert_eq!(got, naive(&repo, &dag, &ids, old, new, is_new));
    }
}
