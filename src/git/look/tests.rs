#![expect(
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "tests cut their own text, and lay files"
)]

use super::super::testing::{Repo, WIDE};
use super::super::{Limits, Reader};
use crate::check::lab::{Crowd, check};
use crate::check::{Asked, Failed, Knows, Run, Subject};
use crate::policy::checks::{Check, Merges, Rule, Search, Secret};
use crate::policy::pattern::Pattern;
use crate::policy::refs::PathScope;
use crate::push::RefUpdate;
use gix::ObjectId;

mod evasion;
mod files;
mod others;
mod property;
mod reach;
mod signing;

/// Every existing ref is known to the check.
const ALL: Knows<'static> = &|_| Ok(true);
/// No other ref is.
const NONE: Knows<'static> = &|_| Ok(false);

fn search(text: &str) -> Search {
    Search(text.into())
}

fn scope(include: &[&str], exclude: &[&str]) -> PathScope {
    let parse = |all: &[&str]| all.iter().map(|text| Pattern::parse(text).unwrap()).collect();
    PathScope { include: parse(include), exclude: parse(exclude) }
}

/// One line a finding: code, what it is about, words.
fn lines(failed: &[Failed]) -> Vec<String> {
    let about = |subject: &Subject| match subject {
        Subject::Ref => "ref".to_owned(),
        Subject::Object(id) => id.to_hex_with_len(7).to_string(),
        Subject::Path { commit, path, line } => {
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            let net = if commit.is_none() { "net " } else { "" };
            format!("{net}{path}{line}")
        }
    };
    let line = |failed: &Failed, at: usize| {
        let found = &failed.found[at];
        let words = String::from_utf8_lossy(&found.words);
        format!("{} {}: {words}", failed.code, about(&found.subject))
    };
    let all =
        |failed: &Failed| (0..failed.found.len()).map(|at| line(failed, at)).collect::<Vec<_>>();
    failed.iter().flat_map(all).collect()
}

fn look(
    reader: &Reader,
    update: &RefUpdate,
    rules: Vec<Rule>,
    knows: Knows<'_>,
    base: Option<ObjectId>,
) -> Vec<Failed> {
    let check = check("c", rules);
    let asked = [Asked { update, runs: vec![Run { check: &check, knows }] }];
    reader.look(&asked, base, &Crowd::new(), &WIDE).unwrap().remove(0)
}

/// What a push of `old..new` to main is told by these rules, other refs known.
fn told(repo: &Repo, old: Option<ObjectId>, new: ObjectId, rules: Vec<Rule>) -> Vec<String> {
    let update = repo.update(old, Some(new), "refs/heads/main");
    lines(&look(&repo.reader(), &update, rules, ALL, None))
}

/// A commit with any text: `text` follows its tree and parents.
fn raw(repo: &Repo, tree: ObjectId, parents: &[ObjectId], text: &[u8]) -> ObjectId {
    let mut all = format!("tree {tree}\n").into_bytes();
    for parent in parents {
        all.extend_from_slice(format!("parent {parent}\n").as_bytes());
    }
    all.extend_from_slice(text);
    let args = ["hash-object", "-w", "-t", "commit", "--literally", "--stdin"];
    ObjectId::from_hex(repo.git_in(&args, all).as_bytes()).unwrap()
}

const WHO: &str = "author T <t@t> 1700000000 +0000\ncommitter T <t@t> 1700000000 +0000\n";

fn message(repo: &Repo, headers: &str, message: &[u8]) -> ObjectId {
    let tree = repo.tree(&[("100644", "a", "1")]);
    let text = [WHO.as_bytes(), headers.as_bytes(), b"\n", message].concat();
    raw(repo, tree, &[], &text)
}

fn key_rule() -> Vec<Rule> {
    vec![Rule::Subject(search("^PAY-[0-9]+: "))]
}

#[test]
fn messages_are_judged_by_their_first_line_their_whole_and_its_length() {
    let repo = Repo::new();
    let good = message(&repo, "", b"PAY-1: retry\n\nbody\n");
    assert!(told(&repo, None, good, key_rule()).is_empty());
    let bad = message(&repo, "", b"retry\n\nPAY-1: body\n");
    assert_eq!(
        told(&repo, None, bad, key_rule()),
        [format!(
            "RW401 {}: the subject `retry` does not match `^PAY-[0-9]+: `",
            &bad.to_string()[..7]
        )]
    );
    let whole = || vec![Rule::Message(search("(?m)^Ticket: "))];
    let ticket = message(&repo, "", b"a\n\nTicket: 1\n");
    assert!(told(&repo, None, ticket, whole()).is_empty());
    assert_eq!(told(&repo, None, bad, whole()).len(), 1);
    let long = message(&repo, "", "é".repeat(10).as_bytes());
    assert!(told(&repo, None, long, vec![Rule::MaxSubject(10)]).is_empty());
    assert!(told(&repo, None, long, vec![Rule::MaxSubject(9)])[0].contains("has 10 characters"));
}

#[test]
fn people_are_told_by_address_whatever_its_case() {
    let repo = Repo::new();
    let tree = repo.tree(&[]);
    let by = |author: &str, committer: &str| {
        let text = format!("author {author} 1 +0000\ncommitter {committer} 1 +0000\n\nx\n");
        raw(&repo, tree, &[], text.as_bytes())
    };
    use crate::policy::checks::Author;
    let committer = || vec![Rule::Committer];
    let author = |author| vec![Rule::Author(author)];
    let mine = by("A <alice@x.org>", "B <BOB@X.org>");
    assert!(told(&repo, None, mine, committer()).is_empty());
    assert!(told(&repo, None, mine, author(Author::Known)).is_empty());
    let found = told(&repo, None, mine, author(Author::Pusher));
    assert!(found[0].starts_with("RW403") && found[0].contains("no address of bob"), "{found:?}");
    let other = by("E <eve@x.org>", "A <alice@x.org>");
    assert!(told(&repo, None, other, committer())[0].contains("RW402"));
    assert!(
        told(&repo, None, other, author(Author::Known))[0].contains("no active user of the policy")
    );
}

#[test]
fn merges_are_none_or_nothing_else() {
    let repo = Repo::new();
    let base = repo.commit(&[("a", "1")], &[]);
    let one = repo.commit(&[("a", "2")], &[base]);
    let two = repo.commit(&[("a", "1"), ("b", "1")], &[base]);
    let merge = repo.commit(&[("a", "2"), ("b", "1")], &[one, two]);
    let none = || vec![Rule::Merges(Merges::None)];
    let only = || vec![Rule::Merges(Merges::Only)];
    assert!(told(&repo, Some(base), one, none()).is_empty());
    assert!(told(&repo, Some(base), merge, none())[0].contains("merge of 2 commits"));
    assert!(told(&repo, Some(one), merge, only()).is_empty());
    // The side that came with the merge is no step of the ref.
    let found = told(&repo, Some(base), merge, only());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains(&one.to_string()[..7]));
    // A merge the wrong way round: the ref's steps would be those of the side.
    let wrong = repo.commit(&[("a", "2"), ("b", "1")], &[two, one]);
    repo.set("refs/heads/side", two);
    let found = told(&repo, Some(one), wrong, only());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains(&two.to_string()[..7]), "{found:?}");
}

#[test]
fn names_of_new_refs_follow_the_convention_and_have_no_twin() {
    let repo = Repo::new();
    let one = repo.commit(&[("a", "1")], &[]);
    repo.set("refs/heads/Feature/x", one);
    let rules = || {
        let name = Rule::RefName(Pattern::parse("regex:feature/[a-z]+").unwrap());
        vec![name, Rule::RefCaseConflicts]
    };
    let judge = |old, name: &str| {
        let update = repo.update(old, Some(one), name);
        lines(&look(&repo.reader(), &update, rules(), ALL, None))
    };
    assert!(judge(None, "refs/heads/feature/y").is_empty());
    assert!(judge(None, "refs/tags/feature/y").is_empty());
    assert_eq!(
        judge(None, "refs/heads/y"),
        ["RW415 ref: the name is not as `feature/[a-z]+` asks"]
    );
    let found = judge(None, "refs/heads/feature/x");
    assert_eq!(found, ["RW416 ref: `refs/heads/Feature/x` differs only in case"]);
    // What exists may be updated.
    let two = repo.commit(&[("a", "2")], &[one]);
    assert!(judge(Some(two), "refs/heads/Feature/x").is_empty());
}

#[test]
fn all_is_counted_and_the_first_ten_are_told() {
    let repo = Repo::new();
    let mut at = None;
    for number in 0..23 {
        let tree = repo.tree(&[("100644", "a", &number.to_string())]);
        let parents: Vec<ObjectId> = at.into_iter().collect();
        at = Some(repo.commit_tree(tree, &parents, 1_700_000_000 + number));
    }
    let update = repo.update(None, at, "refs/heads/main");
    let rules = vec![Rule::MaxSubject(80), Rule::Subject(search("^PAY"))];
    let failed = look(&repo.reader(), &update, rules, ALL, None);
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].rule, failed[0].count, failed[0].found.len()), (1, 23, 10));
    // The newest comes first.
    assert_eq!(failed[0].found[0].subject, Subject::Object(at.unwrap()));
}

#[test]
fn a_limit_refuses_and_never_judges_in_part() {
    let repo = Repo::new();
    let one = repo.commit(&[("a", "1")], &[]);
    let two = repo.commit(&[("a", "2")], &[one]);
    let update = repo.update(None, Some(two), "refs/heads/main");
    let check = check("c", key_rule());
    let asked = [Asked { update: &update, runs: vec![Run { check: &check, knows: ALL }] }];
    let judge = |limits: &Limits<'_>| repo.reader().look(&asked, None, &Crowd::new(), limits);
    let late = || true;
    for limits in [
        Limits { max_commits: 1, max_paths: 9, max_path_bytes: 1 << 20, expired: &|| false },
        Limits { max_commits: 9, max_paths: 9, max_path_bytes: 1 << 20, expired: &late },
    ] {
        let error = judge(&limits).unwrap_err();
        assert_eq!(error.code(), crate::code::Code::Limit, "{error}");
    }
    assert_eq!(judge(&WIDE).unwrap()[0][0].count, 2);
}

#[test]
fn a_look_up_that_fails_refuses() {
    let repo = Repo::new();
    let one = repo.commit(&[("a", "1")], &[]);
    let update = repo.update(None, Some(one), "refs/heads/main");
    let check = check("c", vec![Rule::Committer]);
    let asked = [Asked { update: &update, runs: vec![Run { check: &check, knows: ALL }] }];
    let crowd = Crowd { fails: true, ..Crowd::new() };
    let error = repo.reader().look(&asked, None, &crowd, &WIDE).unwrap_err();
    assert_eq!(error.code(), crate::code::Code::Lookup);
}

#[test]
fn a_ref_to_no_commit_is_refused_by_what_looks_at_commits_and_a_deletion_by_nothing() {
    let repo = Repo::new();
    let blob = repo.blob("-----BEGIN PRIVATE KEY-----");
    let update = repo.update(None, Some(blob), "refs/tags/x");
    let content = || vec![Rule::Content { starter: true, secrets: vec![], paths: None }];
    let found = lines(&look(&repo.reader(), &update, content(), ALL, None));
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("RW414 ref: the ref would stand for a file or a folder"),
        "{found:?}"
    );
    let gone = repo.update(Some(blob), None, "refs/tags/x");
    assert!(look(&repo.reader(), &gone, content(), ALL, None).is_empty());
}

fn check_of(rules: Vec<Rule>) -> Check {
    check("c", rules)
}

fn own(secrets: &[(&str, &str)], paths: Option<PathScope>) -> Vec<Rule> {
    let secret =
        |(name, pattern): &(&str, &str)| Secret { name: (*name).into(), pattern: search(pattern) };
    vec![Rule::Content { starter: false, secrets: secrets.iter().map(secret).collect(), paths }]
}
