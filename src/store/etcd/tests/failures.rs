//! Members that die, hang or are slow; answers that are lost; a cluster that is put back.

use super::cluster::{Cluster, Setup, open, shared, wait_until};
use super::proxy::Proxy;
use super::*;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A hook's.
const DEADLINE: Duration = Duration::from_secs(3);
/// Longer than an election takes.
const PATIENT: Duration = Duration::from_secs(15);

/// How long `one` takes, and what it says.
fn timed<T>(one: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let said = one();
    (start.elapsed(), said)
}

/// A push that wants a use of grant 1, on its own host, as often as it takes: `true` once it has it,
/// `false` when none is left.
fn push(store: &Etcd, key: &str) -> bool {
    loop {
        let Ok(Some(record)) = store.record(&id(1)) else { continue };
        let state = record.state().unwrap();
        if state.uses.reserved.contains_key(key) {
            return true;
        }
        if state.uses_left() == Some(0) {
            return false;
        }
        match store.commit(&reserve(&id(1), record.version(), key)) {
            Ok(_) => return true,
            Err(StoreError::Moved | StoreError::Unavailable { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn members_killed_and_quorum_lost_under_load_lose_and_double_nothing() {
    let mut cluster = Cluster::start(3, &Setup::default());
    let store = cluster.made("/load");
    lend(&store, &id(1), "bob", 300);
    let hosts: Vec<Etcd> = (0..4).map(|_| cluster.store("/load", DEADLINE)).collect();
    let stop = AtomicBool::new(false);
    let got: BTreeSet<String> = std::thread::scope(|scope| {
        let run = |host: usize, store: Etcd| {
            let stop = &stop;
            move || -> Vec<String> {
                let keys = (0..).map(|turn| format!("{host}-{turn}"));
                keys.take_while(|key| !stop.load(Ordering::SeqCst) && push(&store, key)).collect()
            }
        };
        let all: Vec<_> =
            hosts.into_iter().enumerate().map(|(at, store)| scope.spawn(run(at, store))).collect();
        std::thread::sleep(Duration::from_millis(150));
        // Of three, a follower, then the leader: the load goes on.
        let leader = cluster.leader();
        cluster.members[(leader + 1) % 3].kill();
        store.raise().unwrap();
        cluster.start_member((leader + 1) % 3);
        cluster.wait();
        cluster.members[leader].kill();
        store.raise().unwrap();
        // Two of three: nobody gets an answer, and everybody hears so in time.
        cluster.members[(leader + 1) % 3].kill();
        refuses_in_time(&cluster);
        cluster.start_member(leader);
        cluster.start_member((leader + 1) % 3);
        cluster.wait();
        std::thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::SeqCst);
        all.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    for url in cluster.urls() {
        let record = open(&shared(&[url], "/load"), PATIENT).record(&id(1)).unwrap().unwrap();
        let state = record.state().unwrap();
        let kept: BTreeSet<String> = state.uses.reserved.keys().cloned().collect();
        assert_eq!(kept, got, "what was acknowledged is there, once, on every member");
        assert!(state.uses.taken() <= 300);
    }
    assert!(!got.is_empty());
}

/// Reads too: locks can't be known without a majority.
fn refuses_in_time(cluster: &Cluster) {
    let store = cluster.store("/load", DEADLINE);
    let (took, said) = timed(|| store.locks(at(0)));
    is_unavailable(said);
    assert!(took < DEADLINE + Duration::from_millis(500), "{took:?}");
    let (took, said) = timed(|| store.epoch());
    is_unavailable(said);
    assert!(took < DEADLINE + Duration::from_millis(500), "{took:?}");
}

#[test]
fn a_member_that_hangs_costs_its_share_once() {
    let cluster = Cluster::start(3, &Setup::default());
    let made = cluster.made("/slow");
    lend(&made, &id(1), "bob", 1);
    // A follower that was stopped in its tracks is the first endpoint.
    let frozen = (cluster.leader() + 1) % 3;
    cluster.members[frozen].freeze(true);
    let mut urls = cluster.urls();
    urls.swap(0, frozen);
    let store = open(&shared(&urls, "/slow"), DEADLINE);
    let (took, said) = timed(|| store.commit(&reserve(&id(1), 2, "p")));
    said.unwrap();
    assert!(took < Duration::from_secs(2), "{took:?}");
    let (took, said) = timed(|| store.of_person(&name("bob"), at(50)));
    assert_eq!(said.unwrap().open.len(), 1);
    assert!(took < Duration::from_millis(450), "the member that answered comes first: {took:?}");
    cluster.members[frozen].freeze(false);
    // An endpoint that takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    urls.insert(0, format!("http://{}", silent.local_addr().unwrap()));
    let (took, said) = timed(|| open(&shared(&urls, "/slow"), DEADLINE).epoch());
    said.unwrap();
    assert!(took < Duration::from_secs(2), "{took:?}");
    // Nobody listens there.
    urls[0] = "http://127.0.0.1:1".into();
    let (took, said) = timed(|| open(&shared(&urls, "/slow"), DEADLINE).epoch());
    said.unwrap();
    assert!(took < Duration::from_millis(450), "{took:?}");
    // The leader: the others elect another.
    let leader = cluster.leader();
    cluster.members[leader].freeze(true);
    cluster.store("/slow", PATIENT).raise().unwrap();
    cluster.members[leader].freeze(false);
}

#[test]
fn a_member_cut_off_never_answers_with_what_was() {
    let cluster = Cluster::start(3, &Setup::default());
    let store = cluster.made("/cut");
    let before = store.epoch().unwrap();
    let cut = (cluster.leader() + 1) % 3;
    let others = [(cut + 1) % 3, (cut + 2) % 3];
    cluster.members[cut].freeze(true);
    let locks = vec![lock(1, None)];
    store.commit(&Change { locks, ..Change::default() }).unwrap();
    store.raise_epoch().unwrap();
    // Now it stands alone with what it knew, and is asked alone.
    others.iter().for_each(|at| cluster.members[*at].freeze(true));
    cluster.members[cut].freeze(false);
    let alone = open(
        &shared(std::slice::from_ref(&cluster.members[cut].url), "/cut"),
        Duration::from_millis(1500),
    );
    is_unavailable(alone.epoch());
    is_unavailable(alone.locks(at(0)));
    others.iter().for_each(|at| cluster.members[*at].freeze(false));
    wait_until("it has caught up", || alone.epoch().is_ok());
    assert!(alone.epoch().unwrap() > before);
    assert_eq!(alone.locks(at(0)).unwrap().len(), 1);
}

#[test]
fn silence_is_unavailable_within_the_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let deadline = Duration::from_millis(600);
    let store = open(&shared(&[url.clone(), url.clone(), url], "/x"), deadline);
    let (took, said) = timed(|| store.epoch());
    is_unavailable(said);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn a_change_whose_answer_was_lost_is_made_once() {
    let cluster = Cluster::start(1, &Setup::default());
    let direct = cluster.made("/lost");
    let proxy = Proxy::before(&cluster.members[0].url);
    let store = open(&shared(std::slice::from_ref(&proxy.url), "/lost"), DEADLINE);
    let lost = |what: &str, change: &Change| {
        let (version, before) = (direct.status().unwrap().version, proxy.lost());
        proxy.lose(1);
        assert_eq!(store.commit(change).unwrap(), version + 1, "{what}");
        assert_eq!(proxy.lost(), before + 1, "{what}");
        assert_eq!(direct.status().unwrap().version, version + 1, "{what}: once");
    };
    lost("a request", &ask(&id(1), "bob", 0));
    lost("a yes", &append(&id(1), 1, 10, by("alice"), yes(2)));
    lost("a use", &reserve(&id(1), 2, "p"));
    assert_eq!(direct.record(&id(1)).unwrap().unwrap().version(), 3);
    let locks = vec![lock(7, None)];
    lost("a lock", &Change { locks, ..Change::default() });
    let lifts = vec![(id(7), at(50), "alice".to_owned())];
    lost("a lift", &Change { lifts, ..Change::default() });
    let notice = serde_json::json!({
        "id": "n", "target": "t", "event": "e", "body": "{}", "at": at(0), "due": at(0),
    });
    let notices = vec![serde_json::from_value(notice).unwrap()];
    lost("a notice", &Change { notices, ..Change::default() });
    proxy.lose(1);
    assert!(store.postpone("n", 0, at(9)).unwrap(), "this sender has it");
    proxy.lose(1);
    store.delivered("n").unwrap();
    proxy.lose(1);
    // What somebody else did is not taken for ours.
    assert!(matches!(store.commit(&reserve(&id(1), 2, "q")), Err(StoreError::Moved)));
    assert!(matches!(store.commit(&ask(&id(1), "bob", 0)), Err(StoreError::Taken)));
    proxy.lose(usize::MAX);
    is_unavailable(store.commit(&reserve(&id(1), 3, "r")));
    proxy.lose(0);
    assert!(matches!(store.commit(&reserve(&id(1), 3, "r")), Err(StoreError::Moved)));
    let state = direct.record(&id(1)).unwrap().unwrap().state().unwrap();
    assert_eq!(state.uses.reserved.keys().collect::<Vec<_>>(), ["p", "r"]);
}

#[test]
fn a_recorded_change_whose_answers_were_lost_is_recorded_and_made_once() {
    let cluster = Cluster::start(1, &Setup::default());
    let direct = cluster.made("/recorded");
    let proxy = Proxy::before(&cluster.members[0].url);
    let store = open(&shared(std::slice::from_ref(&proxy.url), "/recorded"), DEADLINE);
    let mut lines = 0;
    proxy.lose(1);
    let made = store.commit_recorded(&ask(&id(1), "bob", 0), &mut || {
        assert_eq!(proxy.lost(), 1, "that of the claim");
        proxy.lose(1);
        lines += 1;
        true
    });
    made.unwrap().unwrap();
    assert_eq!((proxy.lost(), lines), (2, 1));
    let (from, to) =
        (store.keys.of("claim", ""), super::super::keys::behind(&store.keys.of("claim", "")));
    assert!(direct.call().range(from, to).unwrap().kvs.is_empty(), "no claim is left");
    // The next one on the same record is not held off.
    let start = Instant::now();
    direct.commit(&append(&id(1), 1, 10, by("alice"), yes(2))).unwrap();
    assert!(start.elapsed() < DEADLINE);
}

#[test]
fn a_store_whose_making_was_not_answered_was_made() {
    let cluster = Cluster::start(1, &Setup::default());
    let proxy = Proxy::before(&cluster.members[0].url);
    let store = open(&shared(std::slice::from_ref(&proxy.url), "/making"), DEADLINE);
    proxy.lose(1);
    assert!(store.create().unwrap());
    assert_eq!(proxy.lost(), 1);
    assert!(!store.create().unwrap());
}

fn run(program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").env("ETCDCTL_API", "3");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
}

#[test]
fn a_cluster_restored_from_a_snapshot_shows_an_older_version() {
    let mut cluster = Cluster::start(1, &Setup::default());
    let store = cluster.made("/restored");
    lend(&store, &id(1), "bob", 1);
    let folder = tempfile::tempdir().unwrap();
    let snapshot = folder.path().join("snapshot.db").display().to_string();
    run("etcdctl", &["--endpoints", &cluster.members[0].url, "snapshot", "save", &snapshot]);
    // As a command does: the version is raised and written to the trail before the change.
    let trail = store.raise().unwrap();
    store.commit(&append(&id(1), 2, 20, by("eve"), What::Revoked { note: None })).unwrap();
    assert!(store.of_person(&name("bob"), at(30)).unwrap().open.is_empty());
    cluster.members[0].kill();
    let mut restored = Cluster::prepare(1, &Setup::default(), folder);
    let data = restored.folder.path().join("m0.data").display().to_string();
    let peer = restored.peer(0);
    let program = if Path::new("/usr/bin/etcdutl").exists() { "etcdutl" } else { "etcdctl" };
    run(
        program,
        &[
            "snapshot",
            "restore",
            &snapshot,
            "--name",
            "m0",
            "--data-dir",
            &data,
            "--initial-cluster",
            &format!("m0={peer}"),
            "--initial-advertise-peer-urls",
            &peer,
            "--initial-cluster-token",
            "restored",
        ],
    );
    restored.start_member(0);
    restored.wait();
    let store = restored.store("/restored", PATIENT);
    // Whatever other programs keep in the cluster does not raise it.
    for number in 0..20 {
        let other = wire::put("/other", number.to_string().as_bytes());
        let other = wire::Txn { success: vec![other], ..wire::Txn::default() };
        store.call().send(&other).unwrap();
    }
    assert_eq!(store.of_person(&name("bob"), at(30)).unwrap().open.len(), 1, "it lives again");
    assert!(store.status().unwrap().version < trail, "and that shows");
    assert!(store.raise_above(trail).unwrap() > trail);
    wait_until("it is as new as the trail", || store.status().unwrap().version > trail);
}
