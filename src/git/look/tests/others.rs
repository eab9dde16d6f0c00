//! What other people pushed: it costs no push its limits, and little time.

use super::*;
use crate::code::Code;
use std::cell::Cell;
use std::fmt::Write as _;

/// How often the clock was asked: once in some hundred steps, and when a walk begins.
fn looks(repo: &Repo, old: Option<ObjectId>, new: ObjectId, most: u32) -> (usize, usize) {
    let asked_for = Cell::new(0);
    let expired = || {
        asked_for.set(asked_for.get() + 1);
        false
    };
    let limits = Limits { max_commits: most, expired: &expired, ..WIDE };
    let update = repo.update(old, Some(new), "refs/heads/topic");
    let check = check("c", vec![Rule::Subject(search("^m$"))]);
    let asked = [Asked { update: &update, runs: vec![Run { check: &check, knows: ALL }] }];
    let failed = repo.reader().look(&asked, None, &Crowd::new(), &limits).unwrap();
    (failed[0].iter().map(|failed| failed.count).sum(), asked_for.get())
}

/// `count` commits of another one's, `step` seconds from one to the next.
fn foreign(repo: &Repo, name: &str, from: ObjectId, count: i64, first: i64, step: i64) {
    let mut stream = format!("reset {name}\nfrom {from}\n\n");
    for number in 0..count {
        let date = first + number * step;
        let _ = write!(stream, "commit {name}\ncommitter M <m@m> {date} +0000\ndata 2\nx\n\n");
    }
    repo.git_in(&["fast-import", "--quiet", "--force"], stream);
}

#[test]
fn a_long_branch_of_the_far_future_keeps_nobody_waiting_and_costs_nobody_a_limit() {
    let repo = Repo::new();
    let mut line = vec![repo.commit(&[("a", "0")], &[])];
    for number in 1..9 {
        line.push(repo.commit(&[("a", &number.to_string())], &line[number - 1..]));
    }
    repo.set("refs/heads/main", line[8]);
    foreign(&repo, "refs/heads/x", line[0], 6000, 4_000_000_000, 1);
    // What has been there before and is in no ref: nothing tells that but the whole of all refs.
    let earlier = repo.commit(&[("b", "1")], &[line[4]]);
    let (count, asked) = looks(&repo, None, earlier, 50);
    assert!(count == 0 && asked < 20, "{count} {asked}");
    let later = repo.commit(&[("b", "2")], &[line[4]]);
    let (count, asked) = looks(&repo, Some(later), earlier, 50);
    assert!(count == 0 && asked < 20, "{count} {asked}");
}

#[test]
fn a_ref_of_the_far_past_does_not_make_all_history_new() {
    let repo = Repo::new();
    let base = repo.commit(&[("a", "0")], &[]);
    foreign(&repo, "refs/heads/old", base, 3000, 1_700_000_000, 1);
    let before = repo.rev("refs/heads/old");
    let tip = repo.commit_tree(repo.tree(&[]), &[before], 1);
    repo.set("refs/heads/main", tip);
    repo.git(&["update-ref", "-d", "refs/heads/old"]);
    let mine = repo.commit(&[("b", "1")], &[before]);
    let (count, asked) = looks(&repo, None, mine, 1);
    assert!(count == 0 && asked < 20, "{count} {asked}");
}

#[test]
fn a_violation_is_told_of_what_is_new_alone_and_the_limit_holds_what_is() {
    let repo = Repo::new();
    let base = repo.commit(&[("a", "0")], &[]);
    foreign(&repo, "refs/heads/x", base, 30, 4_000_000_000, 1);
    let inside = repo.rev("refs/heads/x~9");
    // A known commit that breaks the check, and a new one beyond it that does so too.
    let message = format!("tree {}\nparent {inside}\n", repo.tree(&[]));
    let text = message + "author A <a@a> 1 +0000\ncommitter A <a@a> 1 +0000\n\nwrong\n";
    let args = ["hash-object", "-t", "commit", "-w", "--stdin"];
    let wrong = ObjectId::from_hex(repo.git_in(&args, text).as_bytes()).unwrap();
    assert_eq!(looks(&repo, None, wrong, 1).0, 1);
    assert_eq!(looks(&repo, None, inside, 1).0, 0);
    // All of it is new where the check does not govern the other branch.
    let update = repo.update(None, Some(wrong), "refs/heads/topic");
    let check = check("c", vec![Rule::Subject(search("^m$"))]);
    let asked = [Asked { update: &update, runs: vec![Run { check: &check, knows: NONE }] }];
    let judge = |max_commits| {
        repo.reader().look(&asked, None, &Crowd::new(), &Limits { max_commits, ..WIDE })
    };
    assert_eq!(judge(21).unwrap_err().code(), Code::Limit);
    assert_eq!(judge(23).unwrap()[0][0].count, 22);
}

#[test]
fn time_that_others_history_takes_is_not_blamed_on_the_push() {
    let repo = Repo::new();
    let base = repo.commit(&[("a", "0")], &[]);
    let hidden = repo.commit(&[("a", "1")], &[base]);
    repo.set("refs/heads/main", base);
    foreign(&repo, "refs/heads/x", base, 3000, 4_000_000_000, 1);
    let expired = || true;
    let update = repo.update(None, Some(hidden), "refs/heads/topic");
    let check = check("c", key_rule());
    let asked = [Asked { update: &update, runs: vec![Run { check: &check, knows: ALL }] }];
    let looks = Cell::new(0);
    let late = || looks.replace(looks.get() + 1) > 5;
    let judge = |expired: &dyn Fn() -> bool| {
        let limits = Limits { expired, ..WIDE };
        repo.reader().look(&asked, None, &Crowd::new(), &limits).unwrap_err()
    };
    let (early, late) = (judge(&expired), judge(&late));
    assert!(early.code() == Code::Limit && late.code() == Code::Limit, "{early} {late}");
    assert!(late.to_string().contains("git commit-graph write --reachable"), "{late}");
    assert!(!early.to_string().contains("commit-graph"), "{early}");
}

#[test]
fn chains_of_tags_that_stand_make_nobody_follow_them() {
    let repo = Repo::new();
    let base = repo.commit(&[("a", "0")], &[]);
    let main = repo.commit(&[("a", "1")], &[base]);
    let side = repo.commit(&[("a", "2")], &[base]);
    let all = repo.tags(side, 400);
    for (number, id) in all.iter().rev().take(40).enumerate() {
        repo.set(&format!("refs/tags/x{number}"), *id);
    }
    repo.set("refs/heads/main", main);
    let mine = repo.commit(&[("b", "1")], &[base]);
    let (count, asked) = looks(&repo, None, mine, 2);
    assert!(count == 0 && asked < 10, "{count} {asked}");
    // What git noted of them needs no reading at all; what nobody noted is less known, not more.
    let judge = |knows| {
        let update = repo.update(Some(base), Some(side), "refs/heads/topic");
        look(&repo.reader(), &update, key_rule(), knows, None).len()
    };
    assert_eq!(judge(ALL), 1);
    repo.git(&["pack-refs", "--all"]);
    assert_eq!((judge(ALL), judge(NONE)), (0, 1));
}
