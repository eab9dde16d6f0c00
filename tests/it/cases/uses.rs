//! R1 with uses: `kill -9` at random moments of pushes that rest on a counted grant.
//!
//! What a ref shows is compared with what the store counts: each push that moved anything spent one
//! use, none spent two, and what a sweep can prove unspent is there again. `kills.rs` has the rest
//! of R1; `REFWARDEN_KILLS` is the long run here too.

use super::kills::{Random, Struck, Tally, VICTIMS, Victim, sweep_settles_everything};
use super::lent::{On, policy_of, records, started};
use crate::support::etcd::{Cluster, Setup};
use crate::support::{Person, Repo, Run, Site};
use refwarden::access::{Id, Uses};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Kills without `REFWARDEN_KILLS`.
const USUAL: usize = 15;
/// The same on etcd.
const USUAL_SHARED: usize = 5;
/// Kills that one site lives through.
const A_SITE: usize = 50;
/// Most uses of one grant: few, so that last uses are pushed for often.
const USES: u32 = 3;
/// A killed claimant of a shared store holds others off for so long at most.
const PATIENCE: Duration = Duration::from_secs(40);

/// One server, its one repository, and bob, who is lent a few pushes at a time.
struct Scene<'a> {
    site: Site,
    repo: Repo,
    bob: Person,
    random: &'a mut Random,
    grant: Id,
    /// Pushes that have spent a use, by what the refs and the trail show.
    spent: u32,
    round: usize,
}

/// Asks for every release branch, and has alice say yes.
pub fn lend(site: &Site, uses: u32) -> Id {
    let uses = uses.to_string();
    let words = [
        "access",
        "request",
        "hotfix",
        "--as",
        "bob",
        "--repository",
        "app",
        "--branches",
        "release/*",
        "--uses",
        &uses,
        "--reason",
        "the release is broken",
    ];
    let asked = site.refwarden(&words);
    asked.ends(5, "pending");
    let id = asked.stdout.split(' ').next().unwrap().to_owned();
    site.refwarden(&["access", "approve", &id, "--as", "alice"]).ends(0, "active");
    Id::parse(&id).unwrap()
}

/// How often the grant was used, and for whom it is put aside.
pub fn uses(site: &Site, id: &Id) -> Uses {
    let record = records(site).into_iter().find(|record| record.id == *id).unwrap();
    record.state().unwrap().uses
}

impl<'a> Scene<'a> {
    fn new(on: &On, random: &'a mut Random) -> Self {
        let (site, repo, bob) = started(&on.of(policy_of(USES)));
        repo.config("receive.autogc", "false");
        let grant = lend(&site, 1);
        Self { site, repo, bob, random, grant, spent: 0, round: 0 }
    }

    /// A grant with a use left.
    fn be_lent(&mut self) {
        let state = records(&self.site).into_iter().find(|record| record.id == self.grant).unwrap();
        if state.state().unwrap().uses_left() == Some(0) {
            let number = 1 + self.random.below(u64::from(USES)) as u32;
            self.grant = lend(&self.site, number);
        }
    }

    /// An update, a creation and what is allowed anyway; now and then something that nobody lent.
    fn push(&mut self, victim: Victim) -> Struck {
        self.round += 1;
        self.bob.commit("fix", &format!("{}\n", self.round));
        let created = format!("HEAD:refs/heads/release/n{}", self.round);
        let mut words = vec!["HEAD:release/1".to_owned(), created, "HEAD:feature/x".to_owned()];
        let may = self.random.below(8) > 0;
        if !may {
            words.push("HEAD:main".to_owned());
        }
        let options: &[&str] = if self.random.below(3) == 0 { &["--atomic"] } else { &[] };
        Struck::of(&self.site, &self.bob, (options, &words), (victim, self.random), may)
    }

    /// One push in which `victim` is killed, and everything that must hold after it.
    fn round(&mut self, victim: Victim, tally: &mut Tally) {
        self.be_lent();
        let before = uses(&self.site, &self.grant);
        assert_eq!(before.reserved.len(), 0);
        let struck = self.push(victim);
        struck.every_move_was_allowed();
        self.site.trail_verifies();
        tally.locks += struck.remove_locks(&self.repo, victim);
        // Nothing is lost before it is settled: it is spent, or put aside.
        let cut = uses(&self.site, &self.grant);
        let held = cut.reserved.len() as u32;
        assert!(cut.spent + held <= before.spent + 1, "{before:?} became {cut:?}");
        if !struck.moved().is_empty() {
            assert_eq!(cut.spent + held, before.spent + 1, "moved by a use that nobody counts");
        }
        if self.random.below(2) == 0 {
            // The hooks of the next push settle what they can.
            self.bob.push(&["HEAD:refs/heads/feature/y", "HEAD:feature/x"]);
        }
        sweep(&self.site);
        sweep_settles_everything(&self.site, self.round);
        let after = uses(&self.site, &self.grant);
        assert_eq!(after.reserved.len(), 0, "a sweep explains every use: {after:?}");
        self.explained(victim, &struck, after.spent - before.spent);
        struck.every_move_is_accounted_for();
        tally.count(victim, &struck);
    }

    /// One use where anything moved; none where nothing did, unless `update` had said yes.
    fn explained(&mut self, victim: Victim, struck: &Struck, spent: u32) {
        let lines = struck.lines();
        let grant = self.grant.as_str();
        let told = lines.iter().filter(|l| l["event"] == "access.used" && l["grant"] == grant);
        let told = told.count() as u32;
        let confirmed = lines.iter().any(|line| {
            let detail = &line["detail"];
            line["event"] == "push.settled"
                && detail["confirmed"] == "yes"
                && detail["use"] != "released"
        });
        match struck.moved().is_empty() {
            false => assert_eq!(spent, 1, "{victim:?}: {lines:#?}"),
            true => assert_eq!(spent, u32::from(confirmed), "{victim:?}: {lines:#?}"),
        }
        if victim == Victim::PreReceive && struck.hit {
            assert_eq!(spent, 0, "nothing was confirmed: {lines:#?}");
        }
        // A process killed between the line and the change leaves the line; the next one adds its own.
        let twice = u32::from(struck.hit && victim == Victim::PostReceive);
        assert!((spent..=spent + twice).contains(&told), "{victim:?}: {told} {lines:#?}");
        self.spent += spent;
    }

    /// What the grants count is what was seen, and what is left can be used to the last.
    fn closes(&mut self) {
        let all =
            |site: &Site| records(site).iter().map(|r| r.state().unwrap().uses.spent).sum::<u32>();
        assert_eq!(all(&self.site), self.spent);
        self.be_lent();
        let record =
            records(&self.site).into_iter().find(|record| record.id == self.grant).unwrap();
        for turn in 0..record.state().unwrap().uses_left().unwrap() {
            self.bob.commit("fix", &format!("closing {turn}\n"));
            self.bob.push(&["HEAD:release/1"]).landed();
        }
        self.bob.commit("fix", "one too many\n");
        self.bob.push(&["HEAD:release/1"]).refused("RW201").says("RW455");
        self.site.trail_verifies();
    }
}

/// Sweeps until it can: where hosts share the store, what a dead process claimed is waited for.
pub fn sweep(site: &Site) {
    let start = Instant::now();
    loop {
        let run: Run = site.refwarden(&["sweep"]);
        if run.code == Some(0) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{run:#?}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn kills(usual: usize, on: &dyn Fn() -> On) {
    let count = std::env::var("REFWARDEN_KILLS").map_or(usual, |text| text.parse().unwrap());
    let mut random = Random::new();
    let mut tallies: BTreeMap<Victim, Tally> = BTreeMap::new();
    let (mut hits, mut sites, mut spent) = (0, 0, 0);
    while hits < count {
        let mut scene = Scene::new(&on(), &mut random);
        sites += 1;
        let end = count.min(hits + A_SITE);
        // A victim that ended before its time is no kill.
        for _ in 0..20 * A_SITE {
            let victim = VICTIMS[hits % VICTIMS.len()];
            let tally = tallies.entry(victim).or_default();
            let before = tally.hit;
            scene.round(victim, tally);
            hits += tally.hit - before;
            if hits == end {
                break;
            }
        }
        scene.closes();
        spent += scene.spent;
        assert_eq!(hits, end, "too few victims were caught alive: {tallies:#?}");
    }
    println!("{hits} kills on {sites} servers, {spent} uses spent");
    for (victim, tally) in &tallies {
        println!("{victim:?}: {tally:?}");
    }
}

#[test]
fn a_kill_9_at_a_random_moment_spends_no_use_twice_and_loses_none() {
    kills(USUAL, &On::own);
}

#[test]
fn the_same_where_hosts_share_the_store() {
    let cluster = Cluster::start(1, &Setup::default());
    kills(USUAL_SHARED, &|| On::members(&cluster.urls()));
}

/// Runs pre-receive for one ref as a daemon would, with nobody above that is a receive-pack.
fn without_receive_pack(repo: &Repo, line: &str, heard: bool) -> bool {
    let mut command = Command::new(repo.hook("pre-receive"));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("GIT_DIR", ".").env("TEST_USER", "bob");
    command.current_dir(&repo.path).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    if !heard {
        drop(child.stderr.take());
    }
    child.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
    child.wait_with_output().unwrap().status.success()
}

#[test]
fn a_hook_whose_receive_pack_was_killed_before_it_looked_takes_no_use() {
    let (site, repo, bob) = started(&policy_of(USES));
    let grant = lend(&site, 1);
    let new = bob.id("HEAD");
    repo.run(&["fetch", "--quiet", bob.path.to_str().unwrap(), "HEAD"]);
    let line = format!("{} {new} refs/heads/release/1\n", repo.id("release/1"));
    assert!(!without_receive_pack(&repo, &line, false), "nobody is there who could move the ref");
    assert_eq!(uses(&site, &grant).taken(), 0);
    assert_eq!(site.trail().last_decision()["code"], "RW306");
    assert!(without_receive_pack(&repo, &line, true), "a server without receive-pack");
    assert_eq!(uses(&site, &grant).reserved.len(), 1);
    site.trail_verifies();
}
