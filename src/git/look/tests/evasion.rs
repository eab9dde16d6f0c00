//! Ways round a check, each of which has to fail.

use super::*;
use crate::policy::issue_rule::IssueRule;

#[test]
fn a_merge_of_either_side_does_not_hide_a_change_of_a_forbidden_path() {
    let repo = Repo::new();
    let rules = || vec![Rule::ForbidPaths(scope(&["secrets/**"], &[]))];
    let base = repo.commit(&[("secrets/x", "old"), ("a", "1")], &[]);
    let main = repo.commit(&[("secrets/x", "new"), ("a", "1")], &[base]);
    let side = repo.commit(&[("secrets/x", "old"), ("a", "2")], &[base]);
    repo.set("refs/heads/main", main);
    // It takes the side's older file: no commit's own difference shows that.
    for parents in [[main, side], [side, main]] {
        let merge = repo.commit(&[("secrets/x", "old"), ("a", "2")], &parents);
        let found = told(&repo, Some(main), merge, rules());
        assert_eq!(
            found,
            ["RW408 net secrets/x: this path may not change (by a merge, or by what was dropped)"]
        );
        // Parked where the check looks too, it is not new, and still turns main's file back.
        repo.set("refs/heads/parked", merge);
        assert_eq!(told(&repo, Some(main), merge, rules()).len(), 1);
    }
    // An ordinary merge is fine.
    let merge = repo.commit(&[("secrets/x", "new"), ("a", "2")], &[main, side]);
    assert!(told(&repo, Some(main), merge, rules()).is_empty());
    // So is one that brings what main has had for long to a branch.
    let update = repo.update(Some(side), Some(merge), "refs/heads/topic");
    assert!(look(&repo.reader(), &update, rules(), ALL, Some(main)).is_empty());
    // What a merge makes up itself is its own change.
    let evil = repo.commit(&[("secrets/x", "evil"), ("a", "2")], &[main, side]);
    assert_eq!(
        told(&repo, Some(main), evil, rules()),
        ["RW408 secrets/x: this path may not change"]
    );
}

#[test]
fn a_force_that_drops_a_change_of_a_forbidden_path_changes_it() {
    let repo = Repo::new();
    let rules = || vec![Rule::ForbidPaths(scope(&["secrets/**"], &[]))];
    let base = repo.commit(&[("secrets/x", "old")], &[]);
    let main = repo.commit(&[("secrets/x", "new")], &[base]);
    repo.set("refs/heads/main", main);
    assert_eq!(told(&repo, Some(main), base, rules()).len(), 1);
}

#[test]
fn a_new_branch_is_compared_with_where_it_left_the_base() {
    let repo = Repo::new();
    let rules = || vec![Rule::ForbidPaths(scope(&["secrets/**"], &[]))];
    let base = repo.commit(&[("secrets/x", "old"), ("a", "1")], &[]);
    let main = repo.commit(&[("secrets/x", "new"), ("a", "1")], &[base]);
    repo.set("refs/heads/main", main);
    let judge = |new| {
        let update = repo.update(None, Some(new), "refs/heads/topic");
        lines(&look(&repo.reader(), &update, rules(), ALL, Some(main)))
    };
    // From an older place, without a change of its own.
    assert!(judge(repo.commit(&[("secrets/x", "old"), ("a", "2")], &[base])).is_empty());
    assert_eq!(judge(repo.commit(&[("secrets/x", "my"), ("a", "1")], &[base])).len(), 1);
    let side = repo.commit(&[("secrets/x", "old"), ("a", "2")], &[base]);
    let turned = repo.commit(&[("secrets/x", "old"), ("a", "2")], &[main, side]);
    assert_eq!(judge(turned).len(), 1);
}

#[test]
fn a_merge_that_takes_the_older_side_is_seen_where_there_is_no_base_yet() {
    let repo = Repo::new();
    let rules = || vec![Rule::ForbidPaths(scope(&["secrets/**"], &[]))];
    let (old, new) = (("secrets/x", "old"), ("secrets/x", "new"));
    let base = repo.commit(&[old, ("a", "1")], &[]);
    let dev = repo.commit(&[new, ("a", "1")], &[base]);
    repo.set("refs/heads/dev", dev);
    let judge = |new, knows| {
        let update = repo.update(None, Some(new), "refs/heads/topic");
        lines(&look(&repo.reader(), &update, rules(), knows, None))
    };
    let side = repo.commit(&[old, ("a", "2")], &[base]);
    let step = repo.commit(&[new, ("a", "1"), ("b", "1")], &[dev]);
    for parents in [[dev, side], [side, dev], [step, side], [side, step]] {
        let turned = repo.commit(&[old, ("a", "2")], &parents);
        let words = "this path may not change (by a merge, or by what was dropped)";
        assert_eq!(judge(turned, ALL), [format!("RW408 net secrets/x: {words}")]);
        // A later commit does not hide it.
        let later = repo.commit(&[old, ("a", "3")], &[turned]);
        assert_eq!(judge(later, ALL).len(), 1);
        let honest = repo.commit(&[new, ("a", "2"), ("b", "1")], &parents);
        assert!(judge(honest, ALL).is_empty(), "{:?}", judge(honest, ALL));
    }
    // Two known sides of which one changed it: whoever merges them changed nothing.
    let other = repo.commit(&[old, ("c", "1")], &[base]);
    repo.set("refs/heads/other", other);
    let both = repo.commit(&[new, ("c", "1"), ("a", "1")], &[other, dev]);
    assert!(judge(both, ALL).is_empty());
    let turned = repo.commit(&[old, ("c", "1"), ("a", "1")], &[other, dev]);
    assert_eq!(judge(turned, ALL).len(), 1);
    // From an older place, without a change of its own.
    assert!(judge(side, ALL).is_empty());
    assert!(judge(base, ALL).is_empty());
    // To a check that knows nothing all of it is new, each commit for itself.
    assert_eq!(judge(turned, NONE).len(), 2);
}

#[test]
fn a_rename_a_mode_and_a_name_that_is_no_text_are_changes() {
    let repo = Repo::new();
    let rules = || vec![Rule::ForbidPaths(scope(&["no/**"], &[]))];
    let base = repo.commit(&[("yes/a", "1"), ("no/b", "1")], &[]);
    let renamed = repo.commit(&[("yes/a", "1"), ("yes/b", "1")], &[base]);
    assert_eq!(told(&repo, Some(base), renamed, rules()).len(), 1);
    let tree = repo.tree(&[("100644", "yes/a", "1"), ("100755", "no/b", "1")]);
    let mode = repo.commit_tree(tree, &[base], 1_700_000_000);
    assert_eq!(told(&repo, Some(base), mode, rules()).len(), 1);
    // A folder becomes a link, and everything below it changes.
    let tree = repo.tree(&[("100644", "yes/a", "1"), ("120000", "no", "yes")]);
    let link = repo.commit_tree(tree, &[base], 1_700_000_000);
    assert_eq!(told(&repo, Some(base), link, rules()).len(), 2);
    // Latin-1 in a path.
    let blob = repo.blob("1");
    let inner = repo
        .git_in(&["mktree"], [format!("100644 blob {blob}\t").as_bytes(), b"caf\xe9\n"].concat());
    let tree = repo.git_in(&["mktree"], format!("040000 tree {inner}\tno\n"));
    let tree = ObjectId::from_hex(tree.as_bytes()).unwrap();
    let odd = repo.commit_tree(tree, &[], 1_700_000_000);
    let update = repo.update(None, Some(odd), "refs/heads/main");
    let found = look(&repo.reader(), &update, rules(), ALL, None);
    let Subject::Path { path, .. } = &found[0].found[0].subject else { panic!("{found:?}") };
    assert_eq!(path.as_slice(), b"no/caf\xe9");
}

#[test]
fn an_octopus_and_a_root_are_looked_at_like_any_other() {
    let repo = Repo::new();
    let rules = || own(&[("word", "password")], None);
    let base = repo.commit(&[("a", "1")], &[]);
    let sides: Vec<ObjectId> =
        (0..3).map(|n| repo.commit(&[("a", "1"), ("b", &n.to_string())], &[base])).collect();
    let octopus = repo.commit(&[("a", "1"), ("b", "password")], &sides);
    assert_eq!(told(&repo, Some(base), octopus, rules()), ["RW414 b:1: looks like a secret: word"]);
    let root = repo.commit(&[("c", "password")], &[]);
    let joined = repo.commit(&[("a", "1"), ("c", "password")], &[base, root]);
    assert_eq!(told(&repo, Some(base), joined, rules()), ["RW414 c:1: looks like a secret: word"]);
    let found = told(&repo, Some(base), joined, key_rule());
    assert_eq!(found.len(), 2);
}

#[test]
fn a_secret_that_a_later_commit_takes_out_again_was_pushed() {
    let repo = Repo::new();
    let one = repo.commit(&[("a", "1\n")], &[]);
    let two = repo.commit(&[("a", "1\npassword\n")], &[one]);
    let three = repo.commit(&[("a", "1\n")], &[two]);
    let found = told(&repo, Some(one), three, own(&[("word", "password")], None));
    assert_eq!(found, ["RW414 a:2: looks like a secret: word"]);
}

#[test]
fn a_message_that_readers_would_see_differently_is_refused() {
    let repo = Repo::new();
    let judge = |headers: &str, text: &[u8]| {
        told(&repo, None, message(&repo, headers, text), key_rule()).into_iter().next()
    };
    assert_eq!(judge("encoding ISO-8859-1\n", b"PAY-1: caf\xe9\n"), None);
    assert_eq!(judge("encoding utf-8\n", "PAY-1: café\n".as_bytes()), None);
    // `+AFA-AY-1: x` is `PAY-1: x` in UTF-7; whatever the bytes match, that is not what is shown.
    let found = judge("encoding UTF-7\n", b"PAY-1: +ACI-\n").unwrap();
    assert!(found.contains("encoding is `UTF-7`"), "{found}");
    assert!(judge("encoding utf-8\nencoding UTF-16\n", b"PAY-1: x\n").is_some());
    let found = judge("", b"PAY-1: x\0\nhidden\n").unwrap();
    assert!(found.contains("NUL"), "{found}");
    assert!(judge("", b"\0PAY-1: x\n").is_some());
    assert_eq!(judge("", b"\n\n  \nPAY-1: x\r\n"), None);
    assert!(judge("", b"x\rPAY-1: y\n").is_some());
    assert!(judge("", b"").unwrap().contains("no subject"));
    // In the signature, in a header: not the message.
    assert!(judge("gpgsig -----BEGIN\n \n PAY-1: x\n", b"x\n").is_some());
    assert!(judge("mergetag object x\n PAY-1: x\n", b"x\n").is_some());
}

#[test]
fn a_subject_of_a_megabyte_is_judged_and_told_briefly() {
    let repo = Repo::new();
    let long = "x".repeat(1 << 20);
    let found = told(&repo, None, message(&repo, "", long.as_bytes()), key_rule());
    assert!(
        found[0].len() < 200 && found[0].contains("xxx...` does not match"),
        "{}",
        found[0].len()
    );
    let found = told(&repo, None, message(&repo, "", long.as_bytes()), vec![Rule::MaxSubject(72)]);
    assert!(found[0].contains("has 1048576 characters"));
}

#[test]
fn a_commit_with_a_parent_twice_or_an_ancestor_beside_it_is_no_merge() {
    let repo = Repo::new();
    let only = || vec![Rule::Merges(Merges::Only)];
    let base = repo.commit(&[("a", "1")], &[]);
    let main = repo.commit(&[("a", "2")], &[base]);
    let far = repo.commit(&[("a", "3")], &[main]);
    repo.set("refs/heads/main", main);
    let tree = repo.tree(&[("100644", "a", "evil")]);
    let text = [WHO.as_bytes(), b"\nx\n"].concat();
    for graph in [false, true] {
        for parents in [&[main, main][..], &[main, base], &[base, main], &[main, base, main]] {
            let fake = raw(&repo, tree, parents, &text);
            let found = told(&repo, Some(main), fake, only());
            assert_eq!(found.len(), 1, "{parents:?} {found:?}");
            assert!(found[0].contains("it is no merge"), "{found:?}");
            let asked = vec![Rule::Issue(IssueRule { required: true, ..IssueRule::default() })];
            assert_eq!(told(&repo, Some(main), fake, asked).len(), 1, "{parents:?}");
        }
        // It turns the last step back.
        let back = repo.commit(&[("a", "1")], &[main, base]);
        assert_eq!(told(&repo, Some(main), back, only()).len(), 1);
        // As `git merge --no-ff` makes it, and with changes of its own.
        let merge = repo.commit(&[("a", "3")], &[main, far]);
        assert!(told(&repo, Some(main), merge, only()).is_empty());
        let evil = repo.commit(&[("a", "4")], &[main, far]);
        assert_eq!(told(&repo, Some(main), evil, only()).len(), 1);
        if !graph {
            repo.git(&["commit-graph", "write", "--reachable"]);
        }
    }
}

#[test]
fn dates_that_lie_make_no_merge_of_one_line_of_history() {
    let repo = Repo::new();
    let tree = |text: &str| repo.tree(&[("100644", "a", text)]);
    // The lower the later, or each other one long ago.
    for dates in [[9, 8, 7, 6, 5, 4], [9, 1, 9, 1, 9, 1], [1, 9, 9, 1, 5, 5]] {
        let mut line: Vec<ObjectId> = Vec::new();
        for (at, date) in dates.into_iter().enumerate() {
            let parents: Vec<ObjectId> = line.last().copied().into_iter().collect();
            line.push(repo.commit_tree(tree(&at.to_string()), &parents, date * 100_000_000));
        }
        let main = line[5];
        for old in &line[..5] {
            for parents in [[main, *old], [*old, main]] {
                let fake = repo.commit_tree(tree("evil"), &parents, 1_700_000_000);
                let found = told(&repo, Some(main), fake, vec![Rule::Merges(Merges::Only)]);
                assert_eq!(found.len(), 1, "{dates:?} {found:?}");
            }
            let side = repo.commit_tree(tree("side"), &[*old], 100_000_000);
            let merge = repo.commit_tree(tree("merged"), &[main, side], 1_700_000_000);
            assert!(told(&repo, Some(main), merge, vec![Rule::Merges(Merges::Only)]).is_empty());
        }
    }
}

#[test]
fn a_root_is_a_step_of_its_own_where_the_repository_has_refs() {
    let repo = Repo::new();
    let only = || vec![Rule::Merges(Merges::Only)];
    let root = repo.commit(&[("a", "1")], &[]);
    assert!(told(&repo, None, root, only()).is_empty());
    repo.set("refs/heads/other", repo.commit(&[("b", "1")], &[]));
    let found = told(&repo, None, root, only());
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("it has no parent"), "{found:?}");
    let main = repo.commit(&[("c", "1")], &[]);
    repo.set("refs/heads/main", main);
    assert_eq!(told(&repo, Some(main), root, only()).len(), 1);
}

#[test]
fn a_subject_that_goes_on_in_the_next_line_is_as_long_as_git_shows_it() {
    let repo = Repo::new();
    let judge = |text: &[u8], rule| told(&repo, None, message(&repo, "", text), vec![rule]);
    let long = [&b"PAY-1: x\n"[..], "y".repeat(200).as_bytes(), b"\n"].concat();
    assert!(judge(&long, Rule::MaxSubject(72))[0].contains("has 209 characters"));
    assert!(judge(b"PAY-1: x\n\nyyy\n", Rule::MaxSubject(8)).is_empty());
    let key = || Rule::Subject(search("^PAY-[0-9]+: "));
    assert_eq!(judge(b"\x0c\nPAY-1: x\n", key()).len(), 1);
    assert_eq!(judge(b"evil\nPAY-1: x\n", key()).len(), 1);
}

#[test]
fn a_message_of_many_megabytes_is_refused_before_a_rule_sees_it() {
    let repo = Repo::new();
    for (headers, text) in [("", "x"), ("encoding ISO-8859-1\n", "\u{e9}")] {
        let huge = message(&repo, headers, text.repeat(4 << 20).as_bytes());
        let update = repo.update(None, Some(huge), "refs/heads/main");
        for rule in [key_rule(), vec![Rule::Signed { commits: true, tags: false }]] {
            let check = check("c", rule);
            let asked = [Asked { update: &update, runs: vec![Run { check: &check, knows: ALL }] }];
            let error = repo.reader().look(&asked, None, &Crowd::new(), &WIDE).unwrap_err();
            assert_eq!(error.code(), crate::code::Code::Limit, "{error}");
            assert!(error.to_string().contains("4 MiB of one commit or tag"), "{error}");
        }
    }
    // A little less is judged, and its decoded form is made once.
    let large =
        message(&repo, "encoding ISO-8859-1\n", &[&b"PAY-1: "[..], &vec![0xe9; 3 << 20]].concat());
    assert!(told(&repo, None, large, key_rule()).is_empty());
}

#[test]
fn a_tag_of_many_megabytes_is_refused() {
    let repo = Repo::new();
    let one = repo.commit(&[("a", "1")], &[]);
    let text = format!("object {one}\ntype commit\ntag v\n\n{}\n", "x".repeat(4 << 20));
    let tag = repo.git_in(&["hash-object", "-w", "-t", "tag", "--stdin", "--literally"], text);
    let tag = ObjectId::from_hex(tag.as_bytes()).unwrap();
    let update = repo.update(None, Some(tag), "refs/tags/v");
    let check = check("c", vec![Rule::Signed { commits: false, tags: true }]);
    let asked = [Asked { update: &update, runs: vec![Run { check: &check, knows: ALL }] }];
    let error = repo.reader().look(&asked, None, &Crowd::new(), &WIDE).unwrap_err();
    assert_eq!(error.code(), crate::code::Code::Limit, "{error}");
}

#[test]
fn a_long_message_asks_the_clock_before_each_rule() {
    let repo = Repo::new();
    let long = message(&repo, "", "x".repeat(1 << 20).as_bytes());
    let update = repo.update(None, Some(long), "refs/heads/main");
    let check = check("c", (0..20).flat_map(|_| key_rule()).collect());
    let asked = [Asked { update: &update, runs: vec![Run { check: &check, knows: ALL }] }];
    let looks = std::cell::Cell::new(0);
    let expired = || {
        looks.set(looks.get() + 1);
        looks.get() > 20
    };
    let limits = Limits { expired: &expired, ..WIDE };
    let error = repo.reader().look(&asked, None, &Crowd::new(), &limits).unwrap_err();
    assert_eq!(error.code(), crate::code::Code::Limit, "{error}");
}

#[test]
fn a_line_that_names_two_people_names_nobody() {
    let repo = Repo::new();
    let tree = repo.tree(&[]);
    let by = |lines: &str| {
        told(
            &repo,
            None,
            raw(&repo, tree, &[], format!("{lines}\nx\n").as_bytes()),
            vec![Rule::Committer],
        )
    };
    let author = "author E <eve@x.org> 1 +0000\n";
    assert!(by(&format!("{author}committer B <bob@x.org> 1 +0000\n")).is_empty());
    for committer in [
        "committer B <bob@x.org> <eve@x.org> 1 +0000\n",
        "committer B <eve@x.org> <bob@x.org> 1 +0000\n",
        "committer B <bob@x.org>\n",
        "committer B <bob@x.org> now\n",
        "committer B bob@x.org 1 +0000\n",
        "committer B < bob@x.org> 1 +0000\n",
        "committer B <<bob@x.org> 1 +0000\n",
        "committer > <bob@x.org> 1 +0000\n",
        "committer B <> 1 +0000\n",
        "committer B <bob@x.org\0eve> 1 +0000\n",
        "committer B <bob@x.org> 1 +0000\ncommitter E <eve@x.org> 1 +0000\n",
        "committer E <eve@x.org> 1 +0000\ncommitter B <bob@x.org> 1 +0000\n",
        "",
    ] {
        let found = by(&format!("{author}{committer}"));
        assert_eq!(found.len(), 1, "{committer:?}");
    }
    // An address of the pusher's in a header of another's.
    assert_eq!(
        by(&format!(
            "{author}committer E <eve@x.org> 1 +0000\nx committer B <bob@x.org> 1 +0000\n"
        ))
        .len(),
        1
    );
}
