//! The walks and changed paths held to git and to a naive second form, on random histories.

#![allow(clippy::disallowed_methods, reason = "tests make repositories")]

use super::changed::{self, Changed};
use super::commits::History;
use super::limits::Meter;
use super::objects::Objects;
use super::testing::{Repo, WIDE, env, git, git_command};
use super::{ancestry, range};
use crate::push::Change;
use gix::ObjectId;
use proptest::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

fn history(repo: &Repo) -> History {
    History::new(repo.objects(), &repo.dir, &env(&[]))
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
    let ids: HashMap<_, _> = refs.lines().map(|line| line.split_once(' ').unwrap()).collect();
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
        let got = changed::of(&history(&repo), &change, old.map(|old| ids[old]), &WIDE).unwrap();
        let Changed::Known(got) = got else { panic!("{got:?}") };
        let got: BTreeSet<String> = got.into_iter().map(|p| p.path.to_string()).collect();
        prop_assert_eq!(got, naive(&repo, &dag, &ids, old, new, is_new));
    }
}
