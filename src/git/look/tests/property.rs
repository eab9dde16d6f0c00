//! What is new to each check, held to plain set subtraction on random histories.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Parents (smaller numbers) and a date that may lie, of each commit.
type Dag = Vec<(Vec<usize>, i64)>;

fn dag() -> impl Strategy<Value = Dag> {
    let parents = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    let date = prop_oneof![4 => 1000_i64..1020, 1 => 1_i64..3000];
    prop::collection::vec((parents, date), 2..18).prop_map(|commits| {
        let place = |(n, (parents, date)): (usize, (Vec<prop::sample::Index>, i64))| {
            let all: BTreeSet<usize> = match n {
                0 => BTreeSet::new(),
                _ => parents.iter().map(|i| n - 1 - i.index(n.min(4))).collect(),
            };
            (all.into_iter().collect(), date + n as i64)
        };
        commits.into_iter().enumerate().map(place).collect()
    })
}

fn import(repo: &Repo, dag: &[(Vec<usize>, i64)]) -> Vec<ObjectId> {
    let mut stream = String::new();
    for (n, (parents, date)) in dag.iter().enumerate() {
        write!(stream, "reset refs/c/{n}\ncommit refs/c/{n}\nmark :{}\n", n + 1).unwrap();
        write!(stream, "committer T <t@t> {date} +0000\ndata 2\n{n:02}\n").unwrap();
        let mut words = ["from", "merge", "merge", "merge"].iter();
        for parent in parents {
            writeln!(stream, "{} :{}", words.next().unwrap(), parent + 1).unwrap();
        }
        stream += "deleteall\n";
    }
    repo.git_in(&["fast-import", "--quiet", "--force"], stream);
    let ids = repo.git(&["for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/c"]);
    let mut all: Vec<(usize, ObjectId)> = ids
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(n, id)| (n.parse().unwrap(), ObjectId::from_hex(id.as_bytes()).unwrap()))
        .collect();
    all.sort();
    let gone: String = all.iter().map(|(n, _)| format!("delete refs/c/{n}\n")).collect();
    repo.git_in(&["update-ref", "--stdin"], gone);
    all.into_iter().map(|(_, id)| id).collect()
}

fn ancestors(dag: &Dag, n: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::from([n]);
    let mut open = vec![n];
    while let Some(n) = open.pop() {
        open.extend(dag[n].0.iter().filter(|parent| found.insert(**parent)));
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_commit_is_new_to_a_check_where_no_known_value_leads_to_it(
        dag in dag(),
        graph in 0..3,
        // Existing refs: a commit, and which of two checks know it.
        refs in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), any::<bool>()), 0..4),
        pushed in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::option::of(any::<prop::sample::Index>()), any::<bool>()), 1..3),
        before in any::<prop::sample::Index>(),
    ) {
        let whole = Repo::new();
        let ids = import(&whole, &dag);
        let server = Repo::new();
        let there = before.index(ids.len()) + 1;
        prop_assert_eq!(&import(&server, &dag[..there]), &ids[..there]);
        if graph > 0 {
            let some = &ids[..if graph == 1 { there } else { there / 2 }];
            let text: String = some.iter().map(|id| format!("{id}\n")).collect();
            server.git_in(&["commit-graph", "write", "--stdin-commits"], text);
        }
        for (n, (at, first, second)) in refs.iter().enumerate() {
            let name = format!("refs/heads/{}{}{n}", u8::from(*first), u8::from(*second));
            server.set(&name, ids[at.index(there)]);
        }
        // Pushed refs, `k` known to both checks and `u` to none.
        let mut updates = Vec::new();
        for (n, (new, old, known)) in pushed.iter().enumerate() {
            let name = format!("refs/heads/{}{n}", if *known { "k" } else { "u" });
            let (old, new) = (old.map(|old| old.index(there)), new.index(ids.len()));
            if old == Some(new) {
                continue;
            }
            if let Some(old) = old {
                server.set(&name, ids[old]);
            }
            updates.push((server.update(old.map(|old| ids[old]), Some(ids[new]), &name), old, new, *known));
        }
        let knows = |at: usize| move |name: &[u8]| {
            let mark = name.strip_prefix(b"refs/heads/").and_then(|rest| rest.get(at)).copied();
            let first = name.get(b"refs/heads/".len()).copied();
            Ok(first == Some(b'k') || (first != Some(b'u') && mark == Some(b'1')))
        };
        let (one, two) = (knows(0), knows(1));
        let checks = [check_of(key_rule()), check_of(key_rule())];
        let runs = || vec![Run { check: &checks[0], knows: &one }, Run { check: &checks[1], knows: &two }];
        let asked: Vec<Asked<'_>> =
            updates.iter().map(|(update, ..)| Asked { update, runs: runs() }).collect();
        let incoming = whole.dir.join("objects");
        let reader = server.reader_with(&[("GIT_QUARANTINE_PATH", incoming.to_str().unwrap())]);
        let failed = reader.look(&asked, None, &Crowd::new(), &WIDE).unwrap();
        for (at, (_, old, new, _)) in updates.iter().enumerate() {
            for check in 0..2 {
                let marked = refs.iter().filter(|(_, first, second)| if check == 0 { *first } else { *second });
                let mut known: Vec<usize> = marked.map(|(at, ..)| at.index(there)).collect();
                known.extend(updates.iter().filter(|update| update.3).filter_map(|update| update.1));
                known.extend(old);
                let hidden: BTreeSet<usize> = known.iter().flat_map(|n| ancestors(&dag, *n)).collect();
                let want = ancestors(&dag, *new).difference(&hidden).count();
                let got = failed[at].iter().find(|failed| failed.run == check).map_or(0, |failed| failed.count);
                prop_assert_eq!(got, want, "ref {} check {}", at, check);
            }
        }
    }
}
