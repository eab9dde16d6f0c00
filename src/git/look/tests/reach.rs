//! What is new to a check: other refs, several checks, several refs.

use super::*;

/// main at `base`, and a commit without a key on a side branch.
fn parked() -> (Repo, ObjectId, ObjectId) {
    let repo = Repo::new();
    let base = repo.commit(&[("a", "1")], &[]);
    let side = repo.commit(&[("a", "2")], &[base]);
    repo.set("refs/heads/main", base);
    repo.set("refs/heads/side", side);
    (repo, base, side)
}

fn judge(repo: &Repo, old: Option<ObjectId>, new: ObjectId, knows: Knows<'_>) -> usize {
    let update = repo.update(old, Some(new), "refs/heads/main");
    let failed = look(&repo.reader(), &update, key_rule(), knows, None);
    failed.iter().map(|failed| failed.count).sum()
}

#[test]
fn a_commit_parked_on_a_side_branch_is_new_unless_the_check_governs_that_too() {
    let (repo, base, side) = parked();
    let only_main: Knows<'_> = &|name| Ok(name == b"refs/heads/main");
    assert_eq!(judge(&repo, Some(base), side, only_main), 1);
    assert_eq!(judge(&repo, Some(base), side, ALL), 0);
    // Packed or loose, with a commit-graph or none.
    repo.git(&["pack-refs", "--all"]);
    assert_eq!(judge(&repo, Some(base), side, ALL), 0);
    repo.git(&["commit-graph", "write", "--reachable"]);
    assert_eq!(judge(&repo, Some(base), side, ALL), 0);
    assert_eq!(judge(&repo, Some(base), side, only_main), 1);
}

#[test]
fn a_packed_value_that_a_loose_one_replaced_is_not_known() {
    let (repo, base, side) = parked();
    repo.git(&["pack-refs", "--all"]);
    repo.set("refs/heads/side", base);
    assert_eq!(judge(&repo, Some(base), side, ALL), 1);
}

#[test]
fn the_pushed_ref_s_old_value_is_known_even_where_a_bypass_covers_the_ref() {
    let (repo, base, _) = parked();
    let next = repo.commit(&[("a", "3")], &[base]);
    assert_eq!(judge(&repo, Some(base), next, NONE), 1);
    assert_eq!(judge(&repo, None, next, NONE), 2);
    assert_eq!(judge(&repo, None, next, ALL), 1);
}

#[test]
fn tags_make_their_commits_known_and_gone_objects_do_not() {
    let (repo, base, side) = parked();
    repo.git(&["tag", "-a", "-m", "t", "v1", &side.to_string()]);
    repo.git(&["update-ref", "-d", "refs/heads/side"]);
    std::fs::write(repo.dir.join("refs/heads/gone"), "1".repeat(40) + "\n").unwrap();
    std::fs::write(repo.dir.join("refs/heads/broken"), "nonsense\n").unwrap();
    assert_eq!(judge(&repo, Some(base), side, ALL), 0);
}

#[test]
fn a_commit_known_to_one_check_is_judged_for_the_other_alone() {
    let (repo, base, side) = parked();
    let update = repo.update(Some(base), Some(side), "refs/heads/main");
    let (one, other) = (check_of(key_rule()), check_of(key_rule()));
    let runs = vec![Run { check: &one, knows: ALL }, Run { check: &other, knows: NONE }];
    let asked = [Asked { update: &update, runs }];
    let failed = repo.reader().look(&asked, None, &Crowd::new(), &WIDE).unwrap();
    assert_eq!(failed[0].len(), 1);
    assert_eq!(failed[0][0].run, 1);
}

#[test]
fn each_ref_is_told_of_what_it_leads_to() {
    let repo = Repo::new();
    let base = repo.commit(&[("a", "1")], &[]);
    repo.set("refs/heads/main", base);
    let one = repo.commit(&[("a", "2")], &[base]);
    let two = repo.commit(&[("a", "3")], &[one]);
    let other = repo.commit(&[("b", "1")], &[base]);
    let check = check_of(key_rule());
    let updates = [
        repo.update(Some(base), Some(two), "refs/heads/main"),
        repo.update(None, Some(one), "refs/heads/one"),
        repo.update(None, Some(other), "refs/heads/other"),
        repo.update(None, Some(base), "refs/heads/same"),
    ];
    let asked: Vec<Asked<'_>> = updates
        .iter()
        .map(|update| Asked { update, runs: vec![Run { check: &check, knows: ALL }] })
        .collect();
    let failed = repo.reader().look(&asked, None, &Crowd::new(), &WIDE).unwrap();
    let ids = |at: usize| -> Vec<ObjectId> {
        let found = failed[at].iter().flat_map(|failed| &failed.found);
        let id = |found: &crate::check::Found| match found.subject {
            Subject::Object(id) => id,
            _ => panic!("not an object"),
        };
        found.map(id).collect()
    };
    let mut main = ids(0);
    main.sort();
    let mut want = vec![one, two];
    want.sort();
    assert_eq!((main, ids(1), ids(2), ids(3)), (want, vec![one], vec![other], vec![]));
}

#[test]
fn a_push_of_many_checks_goes_in_several_walks() {
    let (repo, base, side) = parked();
    let update = repo.update(Some(base), Some(side), "refs/heads/main");
    let checks: Vec<Check> = (0..70).map(|_| check_of(key_rule())).collect();
    let runs: Vec<Run<'_>> = checks.iter().map(|check| Run { check, knows: NONE }).collect();
    let asked = [Asked { update: &update, runs }];
    let failed = repo.reader().look(&asked, None, &Crowd::new(), &WIDE).unwrap();
    let runs: Vec<usize> = failed[0].iter().map(|failed| failed.run).collect();
    assert_eq!(runs, (0..70).collect::<Vec<_>>());
}

#[test]
fn refs_are_read_only_where_something_could_be_known() {
    let (repo, base, side) = parked();
    let asked_for = std::cell::Cell::new(0);
    let knows: Knows<'_> = &|name| {
        asked_for.set(asked_for.get() + usize::from(name != b"refs/heads/main"));
        Ok(true)
    };
    // Only what the push brought, on top of the old value.
    let incoming = Repo::new();
    std::fs::write(
        incoming.dir.join("objects/info/alternates"),
        repo.dir.join("objects").to_str().unwrap(),
    )
    .unwrap();
    let next = incoming.commit(&[("a", "3")], &[base]);
    let quarantine = incoming.dir.join("objects");
    let quarantine = quarantine.to_str().unwrap();
    let reader = repo.reader_with(&[("GIT_QUARANTINE_PATH", quarantine)]);
    let update = repo.update(Some(base), Some(next), "refs/heads/main");
    assert_eq!(look(&reader, &update, key_rule(), knows, None)[0].count, 1);
    assert_eq!(asked_for.get(), 0);
    let merge = incoming.commit(&[("a", "3")], &[base, side]);
    let update = repo.update(Some(base), Some(merge), "refs/heads/main");
    assert_eq!(look(&reader, &update, key_rule(), knows, None)[0].count, 1);
    assert!(asked_for.get() > 0);
}
