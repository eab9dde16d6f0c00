//! R1: `kill -9` of a hook, of receive-pack or of the client at random moments of real pushes.
//!
//! `faults.rs` kills at each stage that the sources name; here the moments are nobody's choice.
//! `REFWARDEN_KILLS=1000 cargo test --test it kills -- --nocapture` is the long run, shared between
//! all gits at hand; `REFWARDEN_KILLS_SEED` repeats the choices of a run.

use crate::support::{Git, Outcome, Person, Policy, Refs, Repo, Site, Trail, processes};
use processes::Process;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::Duration;

/// Kills without `REFWARDEN_KILLS`.
const USUAL: usize = if cfg!(feature = "test-faults") { 10 } else { 40 };
/// Kills that one site lives through, so that a long run does not read ever longer trails.
const A_SITE: usize = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Victim {
    PreReceive,
    Update,
    PostReceive,
    ReceivePack,
    Client,
}

pub const VICTIMS: [Victim; 5] =
    [Victim::PreReceive, Victim::Update, Victim::PostReceive, Victim::ReceivePack, Victim::Client];

impl Victim {
    const fn is_hook(self) -> bool {
        matches!(self, Self::PreReceive | Self::Update | Self::PostReceive)
    }

    fn is(self, process: &Process, client: u32) -> bool {
        let program = |name| process.program().is_some_and(|program| program == name);
        match self {
            Self::PreReceive => program("pre-receive"),
            Self::Update => program("update"),
            Self::PostReceive => program("post-receive"),
            Self::ReceivePack => process.is_receive_pack(),
            Self::Client => process.pid == client,
        }
    }
}

/// xorshift64*: all that is asked of it is that nobody chooses.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let given = std::env::var("REFWARDEN_KILLS_SEED").ok();
        let seed = given.map_or(now.as_nanos() as u64, |text| text.parse().unwrap());
        println!("REFWARDEN_KILLS_SEED={seed}");
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Within a victim's usual life and somewhat after; for hooks short whiles as often as long
    /// ones, because how long one lives depends on build and machine.
    fn delay(&mut self, victim: Victim) -> Duration {
        let part = self.below(1 << 20) as f64 / f64::from(1 << 20);
        let milliseconds = match victim {
            Victim::PreReceive | Victim::PostReceive => 0.05 * 150_f64.powf(part),
            Victim::Update => 0.02 * 100_f64.powf(part),
            Victim::ReceivePack | Victim::Client => 70.0 * part,
        };
        Duration::from_secs_f64(milliseconds / 1000.0)
    }
}

/// Waits for the `nth` victim of this push, and a while more, and kills it, or else a later one:
/// `update` is over soon. False when all ended before.
fn strike(child: &mut Child, victim: Victim, nth: usize, delay: Duration) -> bool {
    let mut seen = BTreeSet::new();
    // Once receive-pack is found, its hooks are looked for there alone: `update` is over before all
    // processes of a host have been looked at.
    let mut serving = None;
    while child.try_wait().unwrap().is_none() {
        let found = match serving {
            Some(pid) if victim.is_hook() => processes::children(pid),
            _ => processes::below(child.id()),
        };
        serving =
            serving.or_else(|| found.iter().find(|one| one.is_receive_pack()).map(|one| one.pid));
        for process in found {
            if victim.is(&process, child.id()) && seen.insert(process.pid) && seen.len() >= nth {
                std::thread::sleep(delay);
                if process.kill() {
                    return true;
                }
            }
        }
    }
    false
}

/// What came of the pushes in which one kind of victim was killed.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    pub hit: usize,
    pub missed: usize,
    pub landed: usize,
    pub in_part: usize,
    pub nothing: usize,
    pub locks: usize,
}

/// One server, its one repository, and the two who push to it.
struct Scene<'a> {
    site: Site,
    repo: Repo,
    alice: Person,
    random: &'a mut Random,
    round: usize,
}

/// A push that was struck.
pub struct Struck {
    pub hit: bool,
    pub status: ExitStatus,
    asked: usize,
    before: Refs,
    after: Refs,
    trail: Trail,
    lines_before: usize,
    may: bool,
}

impl Struck {
    /// Pushes these; the `nth` victim of its kind dies after a `delay`.
    pub fn of(
        site: &Site,
        person: &Person,
        (options, refspecs): (&[&str], &[String]),
        (victim, random): (Victim, &mut Random),
        may: bool,
    ) -> Self {
        let asked = refspecs.len();
        let nth = if victim == Victim::Update { 1 + random.below(asked as u64) } else { 1 };
        let delay = random.delay(victim);
        let (before, trail) = (person.repo.refs(), site.trail());
        let lines_before = trail.lines().len();
        let refspecs: Vec<&str> = refspecs.iter().map(String::as_str).collect();
        let mut command = person.push_command(options, &refspecs);
        // Nobody reads what the client says.
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        let hit = strike(&mut child, victim, nth as usize, delay);
        let status = child.wait().unwrap();
        // receive-pack goes on without its client, and hooks without receive-pack.
        processes::settle(&site.path(""));
        let after = person.repo.refs();
        Self { hit, status, asked, before, after, trail, lines_before, may }
    }

    /// Names and new values of the refs that are not where they were.
    pub fn moved(&self) -> BTreeMap<&str, String> {
        let names: BTreeSet<&String> = self.before.keys().chain(self.after.keys()).collect();
        let id = |refs: &Refs, name: &String| {
            refs.get(name).map_or_else(crate::support::null, |value| {
                value.split(' ').next().unwrap().to_owned()
            })
        };
        let both =
            names.into_iter().map(|name| (name, id(&self.before, name), id(&self.after, name)));
        both.filter(|(_, old, new)| old != new).map(|(name, _, new)| (name.as_str(), new)).collect()
    }

    /// Lines of the trail since it began.
    pub fn lines(&self) -> Vec<Value> {
        self.trail.lines().split_off(self.lines_before)
    }

    /// No ref moved without a line, of this very push, that says yes to it.
    pub fn every_move_was_allowed(&self) {
        let lines = self.lines();
        for (name, new) in self.moved() {
            let yes = lines.iter().any(|line| {
                line["event"] == "push.decided"
                    && line["verdict"] == "allowed"
                    && names(line, name, &new)
            });
            assert!(yes, "{name} moved to {new} without a yes: {lines:#?}");
            assert!(self.may, "nobody may move {name}");
        }
    }

    /// What moved stands in the trail as landed or settled; what did not does not.
    pub fn every_move_is_accounted_for(&self) {
        let lines = self.lines();
        let of = |event: &str| {
            let event = event.to_owned();
            lines.iter().filter(move |line| line["event"] == event.as_str())
        };
        let moved = self.moved();
        for (name, new) in &moved {
            let mut told = of("push.landed").chain(of("push.settled"));
            assert!(told.any(|line| names(line, name, new)), "{name} to {new}: {lines:#?}");
        }
        for one in of("push.settled").filter_map(|line| line["refs"].as_array()).flatten() {
            let new = one["new"].as_str().unwrap();
            let told = moved.get(one["name"].as_str().unwrap()).is_some_and(|id| id == new);
            assert!(told, "settled, but not moved: {one} {lines:#?}");
        }
    }

    /// git's own locks die with it, but for a SIGKILL: an admin removes them.
    pub fn remove_locks(&self, repo: &Repo, victim: Victim) -> usize {
        let mut locks = files_below(&repo.path);
        locks.retain(|path| victim == Victim::ReceivePack && path.ends_with(".lock"));
        for path in &locks {
            std::fs::remove_file(path).unwrap();
        }
        locks.len()
    }
}

impl Tally {
    /// What came of a push that was struck.
    pub fn count(&mut self, victim: Victim, struck: &Struck) {
        let moved = struck.moved().len();
        if !struck.hit {
            self.missed += 1;
            assert_eq!(struck.status.success(), struck.may, "nobody was killed");
            return;
        }
        self.hit += 1;
        if victim == Victim::PreReceive {
            assert_eq!(moved, 0, "a killed pre-receive is no yes");
        }
        match moved {
            0 => self.nothing += 1,
            all if all == struck.asked => self.landed += 1,
            _ => self.in_part += 1,
        }
    }
}

impl<'a> Scene<'a> {
    fn new(git: &Git, random: &'a mut Random) -> Self {
        let site = Site::with_git(&Policy::default(), git);
        let (repo, alice) = site.started();
        repo.config("receive.autogc", "false");
        Self { site, repo, alice, random, round: 0 }
    }

    /// Fast-forwards, a forced update, creations, a deletion; now and then by somebody who may not.
    fn refspecs(&mut self) -> (Person, Vec<String>) {
        let round = self.round;
        if self.random.below(8) == 0 {
            let words = ["main", "main:refs/heads/feature/b"].map(str::to_owned);
            return (self.alice.as_user("bob"), words.to_vec());
        }
        let mut words = vec![
            "main".to_owned(),
            "main:refs/heads/feature/a".to_owned(),
            format!("main:refs/heads/new/{round}"),
            format!("main:refs/tags/v{round}"),
        ];
        let scratch =
            self.alice.run(&["commit-tree", "-m", &format!("scratch {round}"), "main^{tree}"]);
        words.push(format!("+{scratch}:refs/heads/scratch"));
        let old = self.repo.refs().into_keys().find(|name| name.starts_with("refs/heads/new/"));
        words.extend(old.map(|name| format!(":{name}")));
        (self.alice.clone(), words)
    }

    fn push(&mut self, victim: Victim) -> Struck {
        self.round += 1;
        self.alice.commit("a", &format!("{}\n", self.round));
        let (person, words) = self.refspecs();
        let options: &[&str] = if self.random.below(3) == 0 { &["--atomic"] } else { &[] };
        let may = words.len() > 2;
        Struck::of(&self.site, &person, (options, &words), (victim, self.random), may)
    }

    fn the_next_push_works(&mut self) {
        self.alice.commit("a", &format!("{}, and on\n", self.round));
        let after: Outcome =
            self.alice.push(&["main", "main:refs/heads/feature/a", "+main:scratch"]);
        after.silent();
    }

    /// One push in which `victim` is killed, and everything that must hold after it.
    fn round(&mut self, victim: Victim, tally: &mut Tally) {
        let struck = self.push(victim);
        struck.every_move_was_allowed();
        self.site.trail_verifies();
        tally.locks += struck.remove_locks(&self.repo, victim);
        // The hooks of the next push settle what an admin has not.
        if self.random.below(2) == 0 {
            sweep_settles_everything(&self.site, self.round);
            struck.every_move_is_accounted_for();
            self.the_next_push_works();
        } else {
            self.the_next_push_works();
            struck.every_move_is_accounted_for();
        }
        sweep_settles_everything(&self.site, self.round);
        tally.count(victim, &struck);
    }
}

/// After a sweep nothing is left, of `rounds` pushes.
pub fn sweep_settles_everything(site: &Site, rounds: usize) {
    site.refwarden(&["sweep"]).ends(0, "");
    let left = files_below(&site.path("state/slips"));
    // What was being written goes by a later sweep: for an hour it may still be.
    let (drafts, slips): (Vec<_>, Vec<_>) =
        left.into_iter().partition(|path| path.contains("slips/.") && path.ends_with(".new"));
    assert_eq!(slips, [""; 0], "nothing is left");
    assert!(drafts.len() <= rounds, "at most one a kill: {drafts:?}");
    site.trail_verifies();
}

/// Whether a line of the trail has this ref with this new value, and does not refuse it.
fn names(line: &Value, name: &str, new: &str) -> bool {
    let fits =
        |one: &Value| one["name"] == name && one["new"] == new && one["verdict"] != "refused";
    line["refs"].as_array().is_some_and(|refs| refs.iter().any(fits))
}

pub fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files_below(&path)),
            false => found.push(path.display().to_string()),
        }
    }
    found
}

#[test]
fn a_kill_9_at_a_random_moment_moves_nothing_without_a_yes_and_leaves_a_server_that_works() {
    let count = std::env::var("REFWARDEN_KILLS").map_or(USUAL, |text| text.parse().unwrap());
    let mut random = Random::new();
    let gits = Git::all();
    let mut tallies: BTreeMap<Victim, Tally> = BTreeMap::new();
    let (mut hits, mut sites) = (0, 0);
    let share = A_SITE.min(count.div_ceil(gits.len()));
    while hits < count {
        let mut scene = Scene::new(&gits[sites % gits.len()], &mut random);
        sites += 1;
        let end = count.min(hits + share);
        // A victim that ended before its time is no kill.
        for _ in 0..20 * share {
            let tally = tallies.entry(VICTIMS[hits % VICTIMS.len()]).or_default();
            let before = tally.hit;
            scene.round(VICTIMS[hits % VICTIMS.len()], tally);
            hits += tally.hit - before;
            if hits == end {
                break;
            }
        }
        assert_eq!(hits, end, "too few victims were caught alive: {tallies:#?}");
    }
    println!("{hits} kills on {sites} servers");
    for (victim, tally) in &tallies {
        println!("{victim:?}: {tally:?}");
    }
    let sum = |part: fn(&Tally) -> usize| tallies.values().map(part).sum::<usize>();
    assert!(tallies.values().all(|tally| tally.hit > 0) && tallies.len() == VICTIMS.len());
    assert!(sum(|t| t.nothing) > 0, "some pushes died: {tallies:#?}");
    assert!(sum(|t| t.landed) > 0, "some pushes landed: {tallies:#?}");
}
