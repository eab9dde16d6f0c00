//! What others pushed, and what it may cost the next one who pushes.

use crate::support::{Person, Policy, Repo, Site, permit};

/// alice and bob write what they like, three commits a push, under a check that governs everything.
fn site() -> (Site, Repo, Person, Person) {
    let entries = ["alice", "bob"].map(|name| permit(name, "write", ""));
    let policy = Policy::new(&entries).server("max-commits-per-push = 3");
    let site = Site::new(&policy.also("[[checks]]\nname = \"subject\"\nsubject = \".\"\n"));
    let (repo, alice) = site.started();
    let bob = alice.as_user("bob");
    (site, repo, alice, bob)
}

#[test]
fn commits_that_others_pushed_count_against_nobody_s_limit() {
    let (_site, _repo, alice, bob) = site();
    // Of the far future: whoever looks at dates looks at these first.
    let bob = bob.with("GIT_COMMITTER_DATE", "@4000000000 +0000");
    bob.run(&["checkout", "--quiet", "-b", "far"]);
    for part in 0..3 {
        for number in 0..3 {
            bob.commit_index(&format!("far {part} {number}"));
        }
        bob.push(&[format!("far:refs/heads/far{part}").as_str()]).landed().silent();
    }
    bob.commit_index("one");
    bob.run(&["checkout", "--quiet", "-b", "farther"]);
    (0..3).for_each(|number| drop(bob.commit_index(&format!("{number}"))));
    bob.push(&["farther"]).refused("RW308").says("max-commits-per-push");

    alice.run(&["checkout", "--quiet", "-b", "topic", "main"]);
    let first = alice.commit_index("work a");
    alice.push(&["topic"]).landed().silent();
    alice.run(&["commit", "--quiet", "--amend", "--allow-empty", "--message", "work b"]);
    alice.push(&["+topic"]).landed().silent();
    // Back to what the server has, though no ref leads to it any more.
    alice.push(&[format!("+{first}:refs/heads/topic").as_str()]).landed().silent();
    alice.push(&[":topic"]).landed();
    alice.push(&["topic:refs/heads/other"]).landed().silent();
    // A branch that begins below the tips.
    alice.run(&["checkout", "--quiet", "-b", "low", "far~7"]);
    alice.commit_index("on top of a part");
    alice.push(&["low"]).landed().silent();
}

/// A chain of so many tags in the clone; the names of all of its objects.
fn chain(person: &Person, from: &str, count: usize) -> Vec<String> {
    let mut all = vec![person.id(from)];
    for number in 0..count {
        let name = format!("link{number}");
        let last = all.last().unwrap().clone();
        person.run(&["tag", "--annotate", "--force", "--message", "x", &name, &last]);
        all.push(person.id(&name));
        person.run(&["tag", "--delete", &name]);
    }
    all.split_off(1)
}

#[test]
fn a_chain_of_tags_is_refused_where_it_is_pushed_and_stops_nobody_where_it_stands() {
    let (_site, repo, alice, bob) = site();
    let tags = chain(&bob, "main", 40);
    let push = |at: usize| bob.push(&[format!("{}:refs/tags/at{at}", tags[at]).as_str()]);
    push(39).refused("RW308").says("a chain of more than 16 tags");
    push(16).refused("RW308");
    push(15).landed().silent();
    // Nor does it grow push by push, nor elsewhere.
    push(16).refused("RW308");
    bob.push(&[format!("+{}:refs/tags/at15", tags[17]).as_str()]).refused("RW308");
    bob.push(&[format!("{}:refs/odd/x", tags[16]).as_str()]).refused("RW308");

    // It stood before.
    let long = format!("{}:refs/tags/long", tags[39]);
    bob.run(&["update-ref", "refs/keep/long", &tags[39]]);
    repo.seed(&bob.path, &["refs/keep/long:refs/tags/long"]);
    alice.commit("a", "1\n");
    alice.push(&["main"]).landed().silent();
    alice.run(&["checkout", "--quiet", "-b", "topic", "main~1"]);
    alice.commit_index("topic");
    alice.push(&["topic"]).landed().silent();
    alice.push(&["+main:refs/tags/long"]).landed().silent();
    alice.push(&[":refs/tags/long"]).landed();
    bob.push(&[long.as_str()]).refused("RW308");
}
