//! Grants at a push: asked for by push option, charged, spent, locked out; on both stores.

use crate::support::{Git, Person, Policy, Repo, Site, etcd, own_account};
use chrono::{DateTime, TimeDelta, Utc};
use refwarden::access::{Actor, Event, Id, Lock, LockScope, Record, Terms, What};
use refwarden::hook::desk;
use refwarden::os::site;
use refwarden::policy::entry::Permissions;
use refwarden::policy::name::UserName;
use refwarden::store::access::{AccessStore, Append, Change, Filter};
use refwarden::store::open::{self, Mode};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where a case keeps its records: the keys of `[store]` that say so.
pub struct On(String);

impl On {
    /// In the site's own file.
    pub fn own() -> Self {
        Self(String::new())
    }

    /// On these members, apart from all other cases.
    pub fn members(urls: &[String]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let prefix = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(format!("endpoints = {urls:?}\nprefix = \"it/{prefix}/\""))
    }

    /// On members that no case harms.
    pub fn shared() -> Self {
        Self::members(&etcd::common().urls())
    }

    /// The policy with its records there.
    pub fn of(&self, policy: Policy) -> Policy {
        policy.store(&self.0)
    }

    /// The usual one.
    pub fn policy(&self) -> Policy {
        self.of(policy())
    }
}

/// One test of each case for each store.
macro_rules! on_both_stores {
    ($($case:ident)+) => {
        mod own {
            $(#[test] fn $case() { super::$case(&super::On::own()); })+
        }
        mod shared {
            $(#[test] fn $case() { super::$case(&super::On::shared()); })+
        }
    };
}

/// bob may ask for `release/*` by `hotfix`, alice approves.
pub fn policy() -> Policy {
    policy_of(3)
}

/// The same, with so many uses at most.
pub fn policy_of(uses: u32) -> Policy {
    Policy::default().also(&format!(
        "[entitlements.hotfix]\nprojects = [\"APP\"]\neligible = [\"bob\"]\n\
         permissions = [\"push\"]\nbranches = [\"release/*\"]\nmax-duration = \"4h\"\n\
         default-duration = \"1h\"\nmax-uses = {uses}\n\
         approval = [{{ from = [\"alice\"], count = 1 }}]"
    ))
}

/// A site with a store, a repository with a release branch, and bob, who is a commit ahead of it.
pub fn started(policy: &Policy) -> (Site, Repo, Person) {
    started_with(policy, &Git::default())
}

/// The same, served by this git.
pub fn started_with(policy: &Policy, git: &Git) -> (Site, Repo, Person) {
    let site = Site::with_git(policy, git);
    site.refwarden(&["store", "init"]).ends(0, "");
    let (repo, alice) = site.started();
    repo.seed(&alice.path, &["main:release/1"]);
    let bob = site.person("bob", &repo);
    bob.run(&["fetch", "--quiet", &repo.url(), "release/1"]);
    bob.run(&["reset", "--quiet", "--hard", "FETCH_HEAD"]);
    bob.commit("fix", "1\n");
    repo.config("receive.advertisePushOptions", "true");
    (site, repo, bob)
}

/// The store that the applied policy names.
pub fn store(site: &Site) -> Box<dyn AccessStore> {
    let uid = rustix::process::geteuid().as_raw();
    let [policy, state, root] = ["policy.toml", "state", "root"].map(|name| site.path(name));
    let found = site::Site::new(policy, state.clone(), own_account(), uid, root);
    let Ok((policy, _)) = desk::open_policy(&found) else { panic!("no policy is applied") };
    open::open(policy.settings(), &state, uid, Mode::Write).unwrap().unwrap()
}

pub fn records(site: &Site) -> Vec<Record> {
    store(site).list(&Filter::default()).unwrap()
}

/// The one record there is.
#[track_caller]
pub fn only(site: &Site) -> Record {
    let mut records = records(site);
    assert_eq!(records.len(), 1);
    records.remove(0)
}

fn now() -> DateTime<Utc> {
    DateTime::from(std::time::SystemTime::now())
}

pub fn append(site: &Site, record: &Record, who: &str, what: What) {
    let by = Actor { user: UserName::parse(who).ok(), ..Actor::default() };
    let event = Event { at: now(), by, what };
    let append = Append { id: record.id.clone(), after: record.version(), event };
    store(site).commit(&Change { appends: vec![append], ..Change::default() }).unwrap();
}

/// alice says yes, for so many seconds and pushes.
pub fn approve(site: &Site, record: &Record, seconds: i64, max_uses: Option<u32>) {
    let from = now();
    let until = from + TimeDelta::seconds(seconds);
    let terms = Terms { from, until, max_uses, break_glass: false };
    append(site, record, "alice", What::Approved { note: None, terms: Some(terms) });
}

pub const ASK: [&str; 4] = ["-o", "access=hotfix", "-o", "reason=the release is broken"];

on_both_stores! {
    a_refused_push_asks_and_the_approved_one_lands
    a_push_under_a_grant_spends_one_use_however_many_refs_it_moves
    what_the_policy_allows_without_asking_ignores_the_options
    a_grant_ends_by_the_clock_two_seconds_early
    a_grant_covers_its_own_ref_repository_person_and_action_only
    a_lock_beats_the_grant_and_the_standing_right
    a_request_breaks_no_rule_of_its_entitlement
    an_entitlement_taken_away_suspends_its_grants
    a_pinned_grant_covers_only_the_commits_of_the_refused_push
    auto_approves_by_rule_and_still_refuses_the_asking_push
    a_push_waits_for_its_answer_only_where_the_server_lets_it
    a_denied_wait_ends_at_once_and_an_unanswered_one_at_its_end
    an_event_from_the_future_refuses
    a_revoked_grant_lends_nothing_and_says_who_took_it_back
    of_two_pushes_at_once_on_one_last_use_exactly_one_lands
}

fn a_refused_push_asks_and_the_approved_one_lands(on: &On) {
    let (site, repo, bob) = started(&on.policy());
    let before = repo.refs();
    let plain = bob.push(&["HEAD:release/1"]);
    plain.refused("RW201");
    plain.says("git push -o access=hotfix -o reason='at least 10 characters' REMOTE release/1");
    let asked = bob.push(&[&ASK[..], &["HEAD:release/1"]].concat());
    asked.refused("waiting for approval (nothing was changed)");
    let record = only(&site);
    asked.says(&format!(
        "request {}: bob asks for update of release/1 in app, 1 h, hotfix",
        record.id
    ));
    asked.says("can approve: alice");
    let again = bob.push(&[&ASK[..], &["HEAD:release/1"]].concat());
    again.refused("waiting for approval").says(record.id.as_str());
    assert_eq!(only(&site), record, "asking again files nothing");
    assert_eq!(repo.refs(), before);
    approve(&site, &record, 3600, None);
    let landed = bob.push(&["HEAD:release/1"]);
    landed.landed();
    landed.says(&format!(
        "allowed by grant {} (hotfix, approved by alice): update release/1",
        record.id
    ));
    assert_eq!(site.trail().events("access.requested").len(), 1);
    let refusal = &site.trail().events("push.decided")[1];
    assert_eq!(
        (&refusal["code"], &refusal["request"]),
        (&"RW451".into(), &record.id.as_str().into())
    );
    assert_eq!(site.trail().events("push.decided")[2]["code"], "RW452");
    let decided = site.trail().last_decision();
    assert_eq!(decided["grant"], record.id.as_str());
    assert!(decided["store"]["version"].as_u64() > Some(0), "{decided}");
    site.trail_verifies();
}

/// Asked for and approved.
fn lent(policy: &Policy, seconds: i64, uses: Option<u32>) -> (Site, Repo, Person) {
    let (site, repo, bob) = started(policy);
    bob.push(&[&ASK[..], &["HEAD:release/1"]].concat()).refused("waiting");
    approve(&site, &only(&site), seconds, uses);
    (site, repo, bob)
}

fn a_push_under_a_grant_spends_one_use_however_many_refs_it_moves(on: &On) {
    let (site, _, bob) = started(&on.policy());
    let refs = ["HEAD:release/1", "HEAD:release/2", "HEAD:feature/x"];
    bob.push(&[&ASK[..], &refs].concat()).refused("waiting");
    let asked = only(&site);
    let request = asked.state().unwrap().request;
    let parts: Vec<String> = request.parts().map(|(what, _)| what.to_string()).collect();
    assert_eq!(
        parts,
        ["update", "create"],
        "feature/x needs nothing, and each ref gets its own action"
    );
    approve(&site, &asked, 3600, Some(2));
    let landed = bob.push(&refs);
    let words = landed.landed().report().replace("\n  ", " ");
    assert!(words.contains("1 more after this"), "{words}");
    let uses = only(&site).state().unwrap().uses;
    assert_eq!((uses.spent, uses.reserved.len()), (1, 0));
    assert_eq!(site.trail().events("access.used").len(), 1);
    bob.commit("more", "2\n");
    bob.push(&["HEAD:feature/x"]).silent();
    assert_eq!(only(&site).state().unwrap().uses.spent, 1, "a standing right costs nothing");
    bob.push(&["HEAD:release/1"]).landed();
    bob.commit("more", "3\n");
    bob.push(&["HEAD:release/1"]).refused("RW201").says("RW455 every use of your grant");
    site.trail_verifies();
}

fn what_the_policy_allows_without_asking_ignores_the_options(on: &On) {
    let (site, _, bob) = started(&on.policy());
    bob.push(&[&ASK[..], &["HEAD:feature/y"]].concat()).silent();
    assert_eq!(records(&site), []);
}

fn a_grant_ends_by_the_clock_two_seconds_early(on: &On) {
    let (_site, _, bob) = lent(&on.policy(), 4, None);
    bob.push(&["HEAD:release/1"]).landed();
    bob.commit("late", "1\n");
    std::thread::sleep(std::time::Duration::from_millis(2500));
    bob.push(&["HEAD:release/1"]).refused("RW201").says("RW454 your grant");
}

fn a_grant_covers_its_own_ref_repository_person_and_action_only(on: &On) {
    let (site, _, bob) = lent(&on.policy(), 3600, None);
    bob.push(&["HEAD:release/2"]).refused("RW201");
    bob.push(&["+HEAD~1:release/1"]).nothing_moved();
    bob.push(&[":release/1"]).refused("RW201");
    bob.as_user("carol").push(&["HEAD:release/1"]).refused("RW201");
    let other = site.repo("other");
    other.seed(&bob.path, &["main:release/1"]);
    bob.commit("x", "x\n");
    bob.to(&other).push(&["HEAD:release/1"]).refused("RW201");
    bob.push(&["HEAD:release/1"]).landed();
}

fn a_lock_beats_the_grant_and_the_standing_right(on: &On) {
    let (site, _, bob) = lent(&on.policy(), 3600, None);
    let lock = Lock {
        id: Id::of([9; 5]),
        scope: LockScope::default(),
        permissions: Permissions::WRITE,
        message: "incident 7: hands off".into(),
        by: Actor { server: Some("root@h".into()), ..Actor::default() },
        at: now(),
        until: None,
    };
    let change = Change { locks: vec![lock.clone()], ..Change::default() };
    store(&site).commit(&change).unwrap();
    bob.push(&["HEAD:release/1"]).refused("RW205").says("incident 7: hands off");
    bob.push(&["HEAD:feature/z"]).refused("RW205");
    let lifts = vec![(lock.id, now(), "root@h".to_owned())];
    store(&site).commit(&Change { lifts, ..Change::default() }).unwrap();
    bob.push(&["HEAD:release/1"]).landed();
}

fn a_request_breaks_no_rule_of_its_entitlement(on: &On) {
    let (site, _, bob) = started(&on.policy());
    let ask = |options: &[&str]| bob.push(&[options, &["HEAD:release/1"]].concat());
    ask(&["-o", "access=hotfix"]).refused("RW201").says("asks for a reason");
    ask(&[&ASK[..], &["-o", "for=5h"]].concat()).refused("RW201").says("at most 4 h");
    ask(&[&ASK[..], &["-o", "uses=4"]].concat()).refused("RW201").says("at most 3 uses");
    ask(&[&ASK[..], &["-o", "for=soon"]].concat()).refused("RW201").says("`for=`");
    ask(&["-o", "access=other", "-o", "reason=the release is broken"])
        .refused("RW201")
        .says("`other` would not let this push through");
    bob.as_user("carol").push(&[&ASK[..], &["HEAD:release/1"]].concat()).refused("RW201");
    bob.push(&[&ASK[..], &["HEAD:main"]].concat()).refused("RW201");
    assert_eq!(records(&site), []);
}

fn an_entitlement_taken_away_suspends_its_grants(on: &On) {
    let (site, _, bob) = lent(&on.policy(), 3600, None);
    site.write_policy(&on.of(Policy::default()));
    site.apply();
    bob.push(&["HEAD:release/1"]).refused("RW201");
    site.write_policy(&on.policy());
    site.apply();
    bob.push(&["HEAD:release/1"]).landed();
}

fn a_pinned_grant_covers_only_the_commits_of_the_refused_push(on: &On) {
    let pinned = on.policy().also(
        "[entitlements.hotfix2]\nprojects = [\"APP\"]\neligible = [\"bob\"]\n\
        permissions = [\"push\"]\nbranches = [\"main\"]\nmax-duration = \"1h\"\npin = true\n\
        approval = [{ from = [\"alice\"], count = 1 }]",
    );
    let (site, _, bob) = started(&pinned);
    let ask = ["-o", "access=hotfix2", "-o", "reason=only this commit"];
    bob.push(&[&ask[..], &["HEAD:main"]].concat()).refused("waiting");
    approve(&site, &only(&site), 3600, None);
    let reviewed = bob.id("HEAD");
    bob.commit("sneaked", "in\n");
    bob.push(&["HEAD:main"]).refused("RW201");
    bob.push(&[&format!("{reviewed}:main")]).landed();
}

fn auto_approves_by_rule_and_still_refuses_the_asking_push(on: &On) {
    let auto = on.of(Policy::default()).also(
        "[entitlements.quick]\nprojects = [\"APP\"]\neligible = [\"bob\"]\n\
        permissions = [\"push\"]\nbranches = [\"release/*\"]\nmax-duration = \"1h\"\nmax-uses = 1\n\
        auto = { max-duration = \"30m\" }",
    );
    let (site, _, bob) = started(&auto);
    let ask = ["-o", "access=quick", "-o", "reason=approved by rule"];
    let asked = bob.push(&[&ask[..], &["HEAD:release/1"]].concat());
    asked.refused("approved: push again").says("approved by rule, ends");
    assert_eq!(site.trail().last_decision()["code"], "RW457");
    bob.push(&["HEAD:release/1"]).landed();
    assert_eq!(only(&site).state().unwrap().uses.spent, 1);
}

fn a_push_waits_for_its_answer_only_where_the_server_lets_it(on: &On) {
    let (site, _, bob) = started(&on.policy());
    let wait = [&ASK[..], &["-o", "wait=20s", "HEAD:release/1"]].concat();
    bob.push(&wait).refused("waiting").says("`-o wait=` is off on this server");
    site.write_policy(&on.policy().also("[access]\nmax-wait = \"1m\""));
    site.apply();
    let record = only(&site);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_secs(2));
            approve(&site, &record, 3600, None);
        });
        let landed = bob.push(&wait);
        landed.landed().says("push held by refwarden: waiting for approval");
        landed.says("waiting for an answer to");
        let said = String::from_utf8_lossy(&landed.stderr);
        assert!(!said.contains("error: push refused"), "{said}");
    });
    bob.commit("y", "y\n");
    site.trail_verifies();
}

fn a_denied_wait_ends_at_once_and_an_unanswered_one_at_its_end(on: &On) {
    let (site, _, bob) = started(&on.policy().also("[access]\nmax-wait = \"1m\""));
    let wait = |seconds: &str| bob.push(&[&ASK[..], &["-o", seconds, "HEAD:release/1"]].concat());
    wait("wait=2s").refused("RW452");
    let record = only(&site);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_secs(2));
            append(&site, &record, "alice", What::Denied { note: None });
        });
        wait("wait=50s").refused("RW453");
    });
}

#[test]
fn a_store_that_vanished_refuses_until_it_is_accepted() {
    let (site, _, bob) = lent(&policy(), 3600, None);
    bob.push(&["HEAD:release/1"]).landed();
    bob.commit("z", "z\n");
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(site.path("state").join(name));
    }
    bob.push(&["HEAD:feature/a"]).refused("RW504");
    site.refwarden(&["store", "init"]).ends(0, "");
    bob.push(&["HEAD:feature/a"]).refused("RW504");
    site.refwarden(&["store", "accept"]).ends(0, "");
    bob.push(&["HEAD:release/1"]).refused("RW201");
    bob.push(&["HEAD:feature/a"]).landed();
    site.trail_verifies();
}

fn an_event_from_the_future_refuses(on: &On) {
    let (site, _, bob) = started(&on.policy());
    bob.push(&[&ASK[..], &["HEAD:release/1"]].concat()).refused("waiting");
    let record = only(&site);
    let by = Actor { user: UserName::parse("alice").ok(), ..Actor::default() };
    let at = now() + TimeDelta::hours(1);
    let event = Event { at, by, what: What::Denied { note: None } };
    let append = Append { id: record.id.clone(), after: 1, event };
    store(&site).commit(&Change { appends: vec![append], ..Change::default() }).unwrap();
    bob.push(&["HEAD:feature/a"]).refused("RW505");
}

fn a_revoked_grant_lends_nothing_and_says_who_took_it_back(on: &On) {
    let (site, _, bob) = lent(&on.policy(), 3600, None);
    append(&site, &only(&site), "alice", What::Revoked { note: None });
    bob.push(&["HEAD:release/1"]).refused("RW201").says("RW456 your grant");
}

/// How many pairs: 200 for the promise, fewer in every run.
pub fn pairs() -> usize {
    std::env::var("REFWARDEN_PAIRS").ok().and_then(|text| text.parse().ok()).unwrap_or(8)
}

fn of_two_pushes_at_once_on_one_last_use_exactly_one_lands(on: &On) {
    let (site, repo, bob) = started(&on.policy());
    let second = site.person("bob", &repo);
    second.run(&["fetch", "--quiet", &repo.url(), "release/1"]);
    second.run(&["reset", "--quiet", "--hard", "FETCH_HEAD"]);
    for round in 0..pairs() {
        let branches = [format!("release/a{round}"), format!("release/b{round}")];
        let [one, two] = branches.each_ref().map(|name| format!("HEAD:{name}"));
        bob.push(&[&ASK[..], &[one.as_str(), two.as_str()]].concat()).refused("waiting");
        let record = records(&site).into_iter().find(|r| r.version() == 1).unwrap();
        approve(&site, &record, 3600, Some(1));
        let ends = std::thread::scope(|scope| {
            let first = scope.spawn(|| bob.push(&[one.as_str()]).ok);
            let other = scope.spawn(|| second.push(&[two.as_str()]).ok);
            [first.join().unwrap(), other.join().unwrap()]
        });
        assert_eq!(ends.iter().filter(|landed| **landed).count(), 1, "round {round}: {ends:?}");
        let uses = store(&site).record(&record.id).unwrap().unwrap().state().unwrap().uses;
        assert_eq!((uses.spent, uses.reserved.len()), (1, 0), "round {round}");
    }
    site.trail_verifies();
}
