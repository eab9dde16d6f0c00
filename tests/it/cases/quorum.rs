//! R4: members of the shared store killed, cut off and without a majority while pushes on two hosts
//! rest on the uses of one grant.
//!
//! `REFWARDEN_QUORUM` is how often each disturbance comes, once by default.

use super::lent::{On, only, policy_of, started};
use super::uses::{lend, sweep};
use crate::support::etcd::{Cluster, Setup};
use crate::support::{Outcome, Person, Repo, Site, wait_until};
use refwarden::access::Uses;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Pushers on each of the two hosts.
const PUSHERS: u32 = 2;
/// Uses of the grant for each round of disturbances.
const USES: u32 = 40;
/// How long a disturbance lasts: longer than a member's silence is waited for.
const LASTS: Duration = Duration::from_millis(2500);
/// How long there is no majority: longer than a hook waits for one.
const DOWN: Duration = Duration::from_millis(4500);

struct Host(Site, Repo, Person);

impl Host {
    fn new(on: &On, uses: u32) -> Self {
        let (site, repo, bob) = started(&on.of(policy_of(uses)));
        repo.config("receive.autogc", "false");
        Self(site, repo, bob)
    }

    /// Pushes that landed: each makes a branch of its own.
    fn landed(&self) -> u32 {
        self.1.refs().keys().filter(|name| name.contains("release/n")).count() as u32
    }

    fn push(&self, name: &str) -> Outcome {
        let refspec = format!("HEAD:release/{name}");
        Outcome::of(&self.1, || self.2.push_command(&[], &[&refspec]).output().unwrap())
    }

    fn uses(&self) -> Uses {
        only(&self.0).state().unwrap().uses
    }
}

/// What came of the pushes.
#[derive(Debug, Default)]
struct Tally {
    tried: AtomicU32,
    refused: AtomicU32,
    unavailable: AtomicU32,
    longest: AtomicU32,
}

impl Tally {
    fn push(&self, host: &Host, name: &str) {
        let begin = Instant::now();
        let words = host.2.push_command(&[], &[&format!("HEAD:release/{name}")]).output().unwrap();
        let took = u32::try_from(begin.elapsed().as_millis()).unwrap();
        self.longest.fetch_max(took, Ordering::SeqCst);
        self.tried.fetch_add(1, Ordering::SeqCst);
        if !words.status.success() {
            let text = String::from_utf8_lossy(&words.stderr).into_owned();
            let down = text.contains("RW504");
            let known = down || text.contains("RW455") || text.contains("RW306");
            assert!(known, "no word of what is wrong: {text}");
            self.refused.fetch_add(1, Ordering::SeqCst);
            self.unavailable.fetch_add(u32::from(down), Ordering::SeqCst);
        }
    }
}

/// Each disturbance once.
fn disturb(cluster: &mut Cluster) {
    let wait = || std::thread::sleep(LASTS);
    let next = |at: usize| (at + 1) % 3;
    // The leader is killed: the others choose another.
    let leader = cluster.leader();
    cluster.members[leader].kill();
    wait();
    cluster.start_member(leader);
    cluster.wait();
    // The leader is cut off: whoever has a connection to it waits for an answer.
    let leader = cluster.leader();
    cluster.members[leader].freeze(true);
    wait();
    cluster.members[leader].freeze(false);
    cluster.wait();
    // One alone, cut off from the two others: no majority.
    let pair = [next(leader), next(next(leader))];
    pair.iter().for_each(|at| cluster.members[*at].freeze(true));
    wait();
    pair.iter().for_each(|at| cluster.members[*at].freeze(false));
    cluster.wait();
    // The majority is killed, and comes back.
    pair.iter().for_each(|at| cluster.members[*at].kill());
    std::thread::sleep(DOWN);
    pair.iter().for_each(|at| cluster.start_member(*at));
    cluster.wait();
}

#[test]
fn members_killed_and_cut_off_under_pushes_spend_no_use_twice_and_lose_none() {
    let rounds = std::env::var("REFWARDEN_QUORUM").map_or(1, |text| text.parse().unwrap());
    let uses = USES * rounds;
    let mut cluster = Cluster::start(3, &Setup::default());
    let on = On::members(&cluster.urls());
    let hosts = [Host::new(&on, uses), Host::new(&on, uses)];
    lend(&hosts[0].0, uses);
    let landed = || hosts.iter().map(Host::landed).sum::<u32>();
    let (stop, tally) = (AtomicBool::new(false), Tally::default());
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for (at, number) in (0..hosts.len()).flat_map(|at| (0..PUSHERS).map(move |n| (at, n))) {
            let (host, stop, tally) = (&hosts[at], &stop, &tally);
            scope.spawn(move || {
                for turn in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    tally.push(host, &format!("n{number}-{turn}"));
                }
            });
        }
        wait_until("some have landed", || landed() >= 2);
        (0..rounds).for_each(|_| disturb(&mut cluster));
        let before = landed();
        wait_until("pushes land again", || landed() > before || landed() == uses);
        stop.store(true, Ordering::SeqCst);
    });
    hosts.iter().for_each(|host| sweep(&host.0));
    let after = hosts[0].uses();
    println!("{tally:?} in {:?}, {} of {uses} landed: {after:?}", begin.elapsed(), landed());
    assert_eq!((after.spent, after.reserved.len()), (landed(), 0));
    // What is left can be used, and no more than that.
    for turn in landed()..uses.min(landed() + 5) {
        hosts[(turn % 2) as usize].push(&format!("n-last-{turn}")).landed();
    }
    assert_eq!(hosts[1].uses().spent, landed());
    if landed() == uses {
        hosts[0].push("n-more").refused("RW455");
    }
    hosts.iter().for_each(|host| host.0.trail_verifies());
}
