//! Several hosts that share one store in etcd: what happens on one holds on the others.

use super::lent::{ASK, On, append, approve, only, pairs, records, started, store};
use super::overtaken::held;
use crate::support::etcd::{Cluster, Setup};
use crate::support::{Person, Repo, Site};
use refwarden::access::{Actor, Id, Lock, LockScope, What};
use refwarden::policy::entry::Permissions;
use refwarden::store::access::Change;

type Host = (Site, Repo, Person);

/// Two hosts with a repository of the same name each, and bob, who is ahead of both.
fn two_hosts() -> (Host, Host) {
    let on = On::shared();
    (started(&on.policy()), started(&on.policy()))
}

/// The same, once bob has asked on the first and alice has said yes.
fn lent_on_both(uses: Option<u32>) -> (Host, Host) {
    let (a, b) = two_hosts();
    a.2.push(&[&ASK[..], &["HEAD:release/1"]].concat()).refused("waiting");
    approve(&a.0, &only(&a.0), 3600, uses);
    (a, b)
}

#[test]
fn what_was_asked_on_one_host_lands_on_the_other() {
    let ((site, ..), (other, _, bob)) = lent_on_both(Some(1));
    bob.push(&["HEAD:release/1"]).landed().says("allowed by grant");
    let uses = only(&site).state().unwrap().uses;
    assert_eq!((uses.spent, uses.reserved.len()), (1, 0), "and it is spent on both");
    site.trail_verifies();
    other.trail_verifies();
}

#[test]
fn of_two_pushes_on_two_hosts_on_one_last_use_exactly_one_lands() {
    let (a, b) = two_hosts();
    let mut landed = [0, 0];
    for round in 0..pairs() {
        let branches = [format!("release/a{round}"), format!("release/b{round}")];
        let [one, two] = branches.each_ref().map(|name| format!("HEAD:{name}"));
        a.2.push(&[&ASK[..], &[one.as_str(), two.as_str()]].concat()).refused("waiting");
        let record = records(&b.0).into_iter().find(|r| r.version() == 1).unwrap();
        approve(&b.0, &record, 3600, Some(1));
        let ends = std::thread::scope(|scope| {
            let first = scope.spawn(|| a.2.push(&[one.as_str()]).ok);
            let other = scope.spawn(|| b.2.push(&[two.as_str()]).ok);
            [first.join().unwrap(), other.join().unwrap()]
        });
        assert_eq!(ends.iter().filter(|landed| **landed).count(), 1, "round {round}: {ends:?}");
        ends.iter().zip(&mut landed).for_each(|(end, count)| *count += u32::from(*end));
        let uses = store(&a.0).record(&record.id).unwrap().unwrap().state().unwrap().uses;
        assert_eq!((uses.spent, uses.reserved.len()), (1, 0), "round {round}");
    }
    println!("landed on the first host and on the second: {landed:?}");
    a.0.trail_verifies();
    b.0.trail_verifies();
}

#[test]
fn a_revocation_on_one_host_stops_a_push_under_way_on_the_other() {
    let ((site, ..), (other, repo, bob)) = lent_on_both(None);
    held(&other, &repo, &bob, &["HEAD:release/1"], || {
        append(&site, &only(&site), "alice", What::Revoked { note: None });
    })
    .refused("RW306");
}

#[test]
fn a_lock_on_one_host_stops_a_push_by_a_standing_right_on_the_other() {
    let ((site, ..), (other, repo, bob)) = two_hosts();
    let lock = Lock {
        id: Id::of([9; 5]),
        scope: LockScope::default(),
        permissions: Permissions::WRITE,
        message: "incident 7".into(),
        by: Actor { server: Some("root@a".into()), ..Actor::default() },
        at: chrono::Utc::now(),
        until: None,
    };
    held(&other, &repo, &bob, &["HEAD:feature/x"], || {
        store(&site).commit(&Change { locks: vec![lock], ..Change::default() }).unwrap();
    })
    .refused("RW306");
    bob.push(&["HEAD:feature/x"]).refused("RW205").says("incident 7");
}

#[test]
fn what_takes_no_right_away_leaves_pushes_on_other_hosts_alone() {
    let ((site, _, person), (other, repo, bob)) = lent_on_both(None);
    held(&other, &repo, &bob, &["HEAD:release/1"], || {
        person.push(&["HEAD:release/1"]).landed();
        person.push(&[&ASK[..], &["HEAD:release/2"]].concat()).refused("waiting");
        let request = records(&site).into_iter().find(|r| r.version() == 1).unwrap();
        approve(&site, &request, 60, None);
    })
    .landed();
}

#[test]
fn a_shared_store_that_vanished_refuses_until_it_is_accepted() {
    let cluster = Cluster::start(1, &Setup::default());
    let (site, _, bob) = started(&On::members(&cluster.urls()).policy());
    bob.push(&[&ASK[..], &["HEAD:release/1"]].concat()).refused("waiting");
    bob.push(&["HEAD:feature/a"]).silent();
    // Everything from `i` to `j`: the prefixes of all cases.
    let all = r#"{"key":"aQ==","range_end":"ag=="}"#;
    cluster.members[0].ask("/v3/kv/deleterange", all).unwrap();
    bob.push(&["HEAD:feature/b"]).refused("RW504");
    site.refwarden(&["store", "init"]).ends(0, "store accept");
    bob.push(&["HEAD:feature/b"]).refused("RW504");
    site.refwarden(&["store", "accept"]).ends(0, "accepted");
    bob.push(&["HEAD:feature/b"]).silent();
    site.refwarden(&["store", "reset-clock"]).ends(0, "the trail goes on at");
    bob.push(&["HEAD:feature/c"]).silent();
    site.trail_verifies();
}

#[test]
fn without_a_majority_nothing_lands_and_with_it_everything_does_again() {
    let mut cluster = Cluster::start(3, &Setup::default());
    let (site, repo, bob) = started(&On::members(&cluster.urls()).policy());
    bob.push(&["HEAD:feature/a"]).silent();
    cluster.members[1].kill();
    bob.push(&["HEAD:feature/b"]).silent();
    // Between pre-receive and update too: the epoch can't be known then.
    held(&site, &repo, &bob, &["HEAD:feature/c"], || cluster.members[2].kill()).refused("RW504");
    std::fs::remove_file(repo.hook("pre-receive.before-refwarden")).unwrap();
    bob.push(&["HEAD:feature/d"]).refused("RW504");
    cluster.start_member(1);
    cluster.start_member(2);
    cluster.wait();
    bob.push(&["HEAD:feature/d"]).silent();
    site.trail_verifies();
}
