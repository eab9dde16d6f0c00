//! Times the pure parts in a plain loop: patterns, a decision, reading a policy.
//!
//! `cargo bench` prints nanoseconds for one call, the median of several batches. There is no bar
//! here; those are held by `push.sh` and `explain.sh`, against other programs in the same run.

#![expect(clippy::disallowed_methods, reason = "a clock is what this is for")]
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a program for developers")]

use chrono::{DateTime, Duration, Utc};
use refwarden::decision::{Paths, Question, Scope, decide};
use refwarden::policy::entry::Entry;
use refwarden::policy::load;
use refwarden::policy::members::Answers;
use refwarden::policy::model::Policy;
use refwarden::policy::name::{ProjectName, UserName};
use refwarden::policy::pattern::Pattern;
use refwarden::policy::refs::ChangedPath;
use refwarden::policy::source::{SourceFile, Sources};
use refwarden::push::action::Action;
use std::fmt::Write;
use std::hint::black_box;
use std::time::Instant;

const BATCHES: usize = 31;

/// Prints what one call takes. Batches are long enough for the clock not to matter.
fn time<T>(what: &str, mut call: impl FnMut() -> T) {
    let mut calls = 1_u32;
    while batch(calls, &mut call) < 0.002 {
        calls *= 2;
    }
    let mut taken: Vec<f64> = (0..BATCHES).map(|_| batch(calls, &mut call)).collect();
    taken.sort_by(f64::total_cmp);
    let median = taken.get(BATCHES / 2).copied().unwrap_or_default();
    println!("{what:44} {:>14.0} ns", median / f64::from(calls) * 1e9);
}

/// Seconds for so many calls.
fn batch<T>(calls: u32, call: &mut impl FnMut() -> T) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        black_box(call());
    }
    start.elapsed().as_secs_f64()
}

/// A policy of one project for every repository, whose scheme has `entries` entries.
fn policy_text(users: usize, entries: usize) -> String {
    let mut text = String::from(
        "version = 1\n[store]\npath = \"/s\"\n[audit]\nfile = \"/a\"\n\
         [identity]\nsources = [\"remote-user\"]\n[users.bob]\n",
    );
    for number in 1..users {
        writeln!(text, "[users.user{number}]").expect("a String takes all");
    }
    text.push_str("[roles.developer]\n[schemes.default]\n");
    for number in 0..entries {
        let entry = if number % 3 == 2 {
            format!("forbid]]\npermissions = [\"force\"]\nbranches = [\"frozen-{number}/**\"]\n")
        } else {
            format!(
                "permit]]\npermissions = [\"push\"]\nto = [\"role:developer\"]\n\
                 branches = [\"area-{number}/**\", \"*-{number}/x/**\"]\n"
            )
        };
        write!(text, "[[schemes.default.{entry}").expect("a String takes all");
    }
    text.push_str("[projects.PAY]\nrepositories = [\"**\"]\n");
    text.push_str("[projects.PAY.roles]\ndeveloper = [\"bob\"]\n");
    text
}

fn read(text: &str) -> Policy {
    let main = SourceFile { name: "policy.toml".into(), text: text.into() };
    let sources = Sources::new(main, "/etc/refwarden");
    load(&sources, Default::default()).expect("the policy is valid").0
}

fn patterns() {
    let user = UserName::parse("bob").expect("a name");
    let cases = [
        ("release/*", "release/2.4"),
        ("users/${user}/**", "users/bob/deep/er/branch"),
        ("**/src/**/*.{rs,toml}", "a/b/c/src/d/e/f/policy.toml"),
        ("**/a/**/b/**/c", "x/a/x/a/x/b/x/b/x/c/x/b/x"),
        ("regex:(feature|fix)/[A-Z]+-[0-9]+(-[a-z-]+)?", "feature/PAY-1234-retry-on-timeout"),
    ];
    for (text, subject) in cases {
        let pattern = Pattern::parse(text).expect("a pattern");
        time(&format!("match {text}"), || pattern.matches(subject.as_bytes(), Some(&user)));
    }
    time("parse release/{a,b}*/[0-9]*", || Pattern::parse("release/{a,b}*/[0-9]*"));
}

fn decisions(entries: usize) {
    let policy = read(&policy_text(10, entries));
    let bob = UserName::parse("bob").expect("a name");
    let pay = policy.projects.get(&ProjectName::parse("PAY").expect("a name")).expect("declared");
    let standing = policy.standing(&bob, pay);
    let scheme = policy.schemes.get(&pay.scheme).expect("declared");
    let scope = Scope {
        standing: &standing,
        entries: scheme.entries.iter().collect::<Vec<&Entry>>(),
        enforce: pay.enforce,
        require: &[],
        confirmed_by: &[],
    };
    let changed: Vec<ChangedPath> = (0..100)
        .map(|n| ChangedPath { path: format!("src/{n}/mod.rs").into_bytes(), link: false })
        .collect();
    let question = Question {
        action: Action::Update,
        name: b"refs/heads/area-1/retry",
        paths: Paths::Known(&changed),
        now: DateTime::<Utc>::UNIX_EPOCH,
        margin: Duration::seconds(2),
        horizon: Duration::seconds(60),
    };
    let answers = Answers::new();
    time(&format!("decide, {entries} entries"), || decide(&scope, &question, &answers));
}

fn main() {
    patterns();
    for entries in [20, 1000] {
        decisions(entries);
    }
    for (users, entries) in [(10, 20), (1000, 1000)] {
        let text = policy_text(users, entries);
        time(&format!("read a policy, {users} users, {entries} entries"), || read(&text));
    }
}
