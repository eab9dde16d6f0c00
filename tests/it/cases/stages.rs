//! R1 at each named stage: whoever makes, uses or settles access is killed there, on both stores.

use super::kills::sweep_settles_everything;
use super::lent::{ASK, On, policy_of, records, started, store};
use super::uses::{lend, sweep, uses};
use crate::support::{Fault, Person, Repo, Site};
use refwarden::access::{Id, Phase};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// What a push under a grant has done when `program` dies at a stage: moved its ref, spent its use.
struct Cut {
    program: &'static str,
    stages: &'static [&'static str],
    moved: bool,
    spent: u32,
}

/// Every stage of a push under a counted grant, in its order.
const CUTS: [Cut; 4] = [
    Cut {
        program: "pre-receive",
        stages: &[
            "pre-receive-started",
            "pre-receive-judging",
            "pre-receive-judged",
            "store-committing",
            "store-committed",
            "use-reserved",
            "pre-receive-recorded",
            "pre-receive-slip",
            "pre-receive-done",
        ],
        moved: false,
        spent: 0,
    },
    Cut { program: "update", stages: &["update-started"], moved: false, spent: 0 },
    // It may have said yes as far as anybody can know.
    Cut { program: "update", stages: &["update-confirmed"], moved: false, spent: 1 },
    Cut {
        program: "post-receive",
        stages: &[
            "post-receive-started",
            "post-receive-landed",
            "store-committing",
            "store-committed",
            "use-settled",
            "post-receive-recorded",
        ],
        moved: true,
        spent: 1,
    },
];
/// Stages of a change of access, in its order.
const CHANGING: [&str; 4] =
    ["access-raised", "access-checked", "access-recorded", "access-committed"];
/// Stages in which only the embedded store has a transaction.
const EMBEDDED: [&str; 2] = ["store-committing", "store-committed"];

/// The stages that the sources name are those that are tried here, by a push by a standing right, of a
/// token (`cases::tokens`) or of a policy (`cases::policy_push`).
#[test]
fn every_stage_is_tried() {
    let tried: BTreeSet<String> = CUTS
        .iter()
        .flat_map(|cut| cut.stages)
        .chain(&CHANGING)
        .chain(&["epoch-raised", "epoch-committed"])
        .chain(&["token-raised", "token-checked", "token-recorded", "token-committed"])
        .chain(&["policy-landed", "policy-judged-again"])
        .map(|stage| (*stage).to_owned())
        .collect();
    let mut named = BTreeSet::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut named);
    assert_eq!(named, tried);
}

fn collect(folder: &Path, named: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, named);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let stages = text.split("faults::point(\"").skip(1);
        named.extend(stages.map(|rest| rest.split('"').next().unwrap().to_owned()));
    }
}

/// One site, bob and alice's yes to one push of his.
fn lent(on: &On) -> (Site, Repo, Person, Id) {
    let (site, repo, bob) = started(&on.of(policy_of(3)));
    let grant = lend(&site, 1);
    (site, repo, bob, grant)
}

fn kill_at(site: &Site, program: &str, stage: &str) -> Fault {
    Fault::set(site, &format!("kill-at = \"{stage}\"\nprogram = \"{program}\"\n"))
}

/// What the store counts, and that a next push lands exactly if nothing was spent.
#[track_caller]
fn is_accounted_for((site, bob): (&Site, &Person), grant: &Id, spent: u32, why: &str) {
    let after = uses(site, grant);
    assert_eq!((after.spent, after.reserved.len()), (spent, 0), "{why}");
    let used = site.trail().events("access.used").len() as u32;
    assert!((spent..=spent + 1).contains(&used), "{why}: {used} lines");
    bob.commit("fix", &format!("after {why}\n"));
    let next = bob.push(&["HEAD:release/1"]);
    match spent {
        0 => next.landed(),
        _ => next.refused("RW455"),
    };
    assert_eq!(uses(site, grant).spent, 1, "{why}");
    sweep_settles_everything(site, 2);
}

/// Does the cases in so many threads: some wait for what a dead process claimed.
fn side_by_side<T: Sync>(threads: usize, cases: &[T], case: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        for part in cases.chunks(cases.len().div_ceil(threads)) {
            scope.spawn(|| part.iter().for_each(&case));
        }
    });
}

fn a_hook_killed(on: impl Fn() -> On + Sync, embedded: bool) {
    let all: Vec<_> =
        CUTS.iter().flat_map(|cut| cut.stages.iter().map(move |stage| (cut, *stage))).collect();
    side_by_side(3, &all, |(cut, stage)| {
        if !embedded && EMBEDDED.contains(stage) {
            return;
        }
        let (site, _repo, bob, grant) = lent(&on());
        let fault = kill_at(&site, cut.program, stage);
        let push = bob.push(&["HEAD:release/1"]);
        drop(fault);
        let why = format!("{} killed at {stage}", cut.program);
        assert_eq!(push.before != push.after, cut.moved, "{why}: {}", push.words());
        sweep(&site);
        is_accounted_for((&site, &bob), &grant, cut.spent, &why);
    });
}

#[test]
fn a_hook_killed_at_any_stage_spends_the_use_of_what_landed_and_of_nothing_else() {
    a_hook_killed(On::own, true);
}

#[test]
fn the_same_where_hosts_share_the_store() {
    a_hook_killed(On::shared, false);
}

/// The sweep itself dies, and the next one finishes.
fn a_sweep_killed(on: impl Fn() -> On + Sync, embedded: bool) {
    // Pushes that left a use to release without a slip and with one, and a use to spend.
    let left = [
        ("pre-receive", "use-reserved", 0),
        ("pre-receive", "pre-receive-done", 0),
        ("post-receive", "post-receive-started", 1),
    ];
    let stages = ["store-committing", "store-committed", "use-settled"];
    let all: Vec<_> = left.iter().flat_map(|one| stages.map(|stage| (one, stage))).collect();
    side_by_side(3, &all, |((program, at, spent), stage)| {
        if !embedded && EMBEDDED.contains(stage) {
            return;
        }
        let (site, _repo, bob, grant) = lent(&on());
        let fault = kill_at(&site, program, at);
        bob.push(&["HEAD:release/1"]);
        drop(fault);
        assert_eq!(uses(&site, &grant).reserved.len(), 1, "{program} {at}");
        let fault = kill_at(&site, "refwarden", stage);
        assert_eq!(site.refwarden(&["sweep"]).code, None, "it dies");
        drop(fault);
        site.trail_verifies();
        sweep(&site);
        let why = format!("{program} killed at {at}, the sweep at {stage}");
        is_accounted_for((&site, &bob), &grant, *spent, &why);
    });
}

#[test]
fn a_sweep_killed_at_any_stage_is_finished_by_the_next() {
    a_sweep_killed(On::own, true);
    a_sweep_killed(On::shared, false);
}

/// Runs the command until it ends like this: what a dead process claimed is waited for.
#[track_caller]
fn ends(site: &Site, words: &[&str], codes: &[i32]) {
    let start = Instant::now();
    loop {
        let run = site.refwarden(words);
        if run.code.is_some_and(|code| codes.contains(&code)) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(40), "{words:?}: {run:#?}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn lines(site: &Site, event: &str) -> usize {
    site.trail().events(event).len()
}

fn asking_killed(on: &On, stage: &str) {
    let (site, _repo, bob) = started(&on.of(policy_of(3)));
    let ask = || bob.push(&[&ASK[..], &["HEAD:release/1"]].concat());
    let fault = kill_at(&site, "pre-receive", stage);
    ask().nothing_moved();
    drop(fault);
    let filed = records(&site).len();
    assert_eq!(filed, usize::from(stage == "access-committed"), "{stage}");
    assert!(lines(&site, "access.requested") >= filed, "{stage}: never without a line");
    let start = Instant::now();
    while !ask().report().contains("waiting for approval") {
        assert!(start.elapsed() < Duration::from_secs(40), "{stage}");
    }
    assert_eq!(records(&site).len(), 1, "{stage}: once");
    site.trail_verifies();
}

fn approving_killed(on: &On, stage: &str) {
    let (site, _repo, bob) = started(&on.of(policy_of(3)));
    bob.push(&[&ASK[..], &["-o", "uses=1", "HEAD:release/1"]].concat()).refused("waiting");
    let record = records(&site).remove(0);
    let approve = ["access", "approve", record.id.as_str(), "--as", "alice"];
    let fault = kill_at(&site, "refwarden", stage);
    assert_eq!(site.refwarden(&approve).code, None, "{stage}: it dies");
    drop(fault);
    let lends = records(&site)[0].state().unwrap().terms.is_some();
    assert_eq!(lends, stage == "access-committed", "{stage}");
    assert!(lines(&site, "access.approved") >= usize::from(lends), "{stage}: never without a line");
    ends(&site, &approve, &[if lends { 3 } else { 0 }]);
    bob.push(&["HEAD:release/1"]).landed();
    bob.commit("fix", "again\n");
    bob.push(&["HEAD:release/1"]).refused("RW455");
    site.trail_verifies();
}

fn revoking_killed(on: &On, stage: &str) {
    let (site, _repo, bob, grant) = lent(on);
    let revoke = ["access", "revoke", grant.as_str()];
    let fault = kill_at(&site, "refwarden", stage);
    assert_eq!(site.refwarden(&revoke).code, None, "{stage}: it dies");
    drop(fault);
    let record = store(&site).record(&grant).unwrap().unwrap();
    let gone = record.state().unwrap().phase == Phase::Closed;
    assert_eq!(gone, ["access-committed", "epoch-committed"].contains(&stage), "{stage}");
    assert!(lines(&site, "access.revoked") >= usize::from(gone), "{stage}: never without a line");
    // Nobody is held up by the epoch that it had begun to raise.
    bob.push(&["HEAD:refs/heads/feature/x"]).silent();
    ends(&site, &revoke, &[if gone { 3 } else { 0 }]);
    bob.push(&["HEAD:release/1"]).refused("RW456");
    site.trail_verifies();
}

#[test]
fn who_asks_approves_or_revokes_and_dies_leaves_no_change_without_its_line() {
    let ways: [fn(&On, &str); 3] = [asking_killed, approving_killed, revoking_killed];
    let ons: [fn() -> On; 2] = [On::shared, On::own];
    let mut all = Vec::new();
    for on in ons {
        all.extend(ways.iter().flat_map(|way| CHANGING.map(|stage| (on, *way, stage))));
    }
    let epoch = ["epoch-raised", "epoch-committed"];
    all.extend(epoch.map(|stage| (ons[1], ways[2], stage)));
    side_by_side(all.len(), &all, |(on, way, stage)| way(&on(), stage));
}
