//! Small pushes that stand for more work than anybody has: refused before the work is done, and
//! large ones that are what they seem are not.

use crate::support::{Person, Policy, Repo, Site, forbid, permit};
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The time budget of a push is 30 s: nobody refused earlier has come near it. Much shorter in
/// truth; the rest is for slow machines.
const SOON: Duration = Duration::from_secs(20);

/// Nobody may touch what no push here touches: it has to be looked at all the same.
const PATHS: &str = "paths = [\"secret/**\"]";
/// Rules for paths and for what stands in files.
const CHECKS: [&str; 2] = [
    "[[checks]]\nname = \"paths\"\nforbid-paths = [\"secret/**\"]\nmax-path-length = 4000\n",
    "[[checks]]\nname = \"content\"\ncontent = [{ name = \"mark\", pattern = \"^SECRET=[a-z]+$\" }]\n",
];

fn site(entries: &[String], tables: &str) -> (Site, Repo, Person) {
    let usual = [permit("alice", "write", "")];
    let site = Site::new(&Policy::new(&[&usual, entries].concat()).also(tables));
    let (repo, alice) = site.started();
    (site, repo, alice)
}

/// Every way in which the trees of a push are looked at.
fn sites() -> Vec<(Site, Repo, Person)> {
    let mut all = vec![site(&[forbid("write", PATHS)], "")];
    all.extend(CHECKS.iter().map(|check| site(&[], check)));
    all
}

/// Runs git with an input.
fn fed(alice: &Person, arguments: &[&str], input: &[u8]) -> String {
    let mut command = alice.command();
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn blob(alice: &Person, text: &[u8]) -> String {
    fed(alice, &["hash-object", "-w", "--stdin"], text)
}

fn tree(alice: &Person, lines: impl IntoIterator<Item = String>) -> String {
    let lines: Vec<String> = lines.into_iter().collect();
    fed(alice, &["mktree"], (lines.join("\n") + "\n").as_bytes())
}

fn file(id: &str, name: impl std::fmt::Display) -> String {
    format!("100644 blob {id}\t{name}")
}

fn folder(id: &str, name: impl std::fmt::Display) -> String {
    format!("040000 tree {id}\t{name}")
}

/// Makes a commit of a tree after `main`, and `main` of that.
fn put_on_main(alice: &Person, tree: &str) {
    let commit = alice.run(&["commit-tree", "-p", "main", "-m", "more", tree]);
    alice.run(&["update-ref", "refs/heads/main", &commit]);
}

#[track_caller]
fn is_refused_soon(alice: &Person) {
    let start = Instant::now();
    let push = alice.push(&["main"]);
    let took = start.elapsed();
    push.refused("RW308").says("repeated paths").nothing_moved();
    assert!(took < SOON, "{took:?}");
}

#[test]
fn forty_trees_that_name_each_other_twice_are_refused_before_all_paths_are_visited() {
    for (_site, _repo, alice) in sites() {
        let mut at = tree(&alice, [file(&blob(&alice, b"x\n"), "f")]);
        for _ in 0..40 {
            at = tree(&alice, [folder(&at, "a"), folder(&at, "b")]);
        }
        put_on_main(&alice, &at);
        is_refused_soon(&alice);
    }
}

#[test]
fn two_trees_taken_in_turns_by_a_thousand_commits_are_refused_before_all_are_compared() {
    for (_site, _repo, alice) in sites() {
        let id = blob(&alice, b"x\n");
        let full = tree(&alice, (0..20_000).map(|number| file(&id, format!("f{number}"))));
        let empty = tree(&alice, [file(&id, "g")]);
        let mut script = String::new();
        for number in 0..2000 {
            let tree = if number % 2 == 0 { &full } else { &empty };
            let first = if number == 0 { "from refs/heads/main^0\n" } else { "" };
            script += &format!(
                "commit refs/heads/main\ncommitter A <a@a> {} +0000\ndata 1\nx\n{first}M 040000 {tree} \n",
                1_700_000_000 + number
            );
        }
        fed(&alice, &["fast-import", "--quiet", "--force"], script.as_bytes());
        is_refused_soon(&alice);
    }
}

#[test]
fn a_large_file_under_many_names_is_searched_once() {
    let (_site, _repo, alice) = site(&[], CHECKS[1]);
    let id = blob(&alice, "no secret\n".repeat(400_000).as_bytes());
    let at = tree(&alice, (0..20_000).map(|number| file(&id, format!("f{number}"))));
    put_on_main(&alice, &at);
    let start = Instant::now();
    alice.push(&["main"]).landed();
    let took = start.elapsed();
    assert!(took < SOON, "{took:?}");
}

#[test]
fn a_large_file_with_something_found_in_it_is_searched_a_few_times() {
    let (_site, _repo, alice) = site(&[], CHECKS[1]);
    let id = blob(&alice, &[b"no secret\n".repeat(400_000).as_slice(), b"SECRET=a\n"].concat());
    let at = tree(&alice, (0..20_000).map(|number| file(&id, format!("f{number}"))));
    put_on_main(&alice, &at);
    is_refused_soon(&alice);
}

#[test]
fn a_large_tree_that_is_new_goes_through_and_so_does_a_copy_of_it() {
    for (_site, _repo, alice) in sites() {
        let id = blob(&alice, b"x\n");
        let mut folders = Vec::new();
        for number in 0..90 {
            let files =
                (0..1000).map(|file_number| file(&id, format!("f{number}-{file_number}.c")));
            folders.push(folder(&tree(&alice, files), format!("folder-{number}")));
        }
        let all = tree(&alice, folders);
        put_on_main(&alice, &all);
        alice.push(&["main"]).landed();
        let twice = tree(&alice, [folder(&all, "one"), folder(&all, "two")]);
        put_on_main(&alice, &twice);
        alice.push(&["main"]).landed();
    }
}
