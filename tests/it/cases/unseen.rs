//! Pushes whose receive-pack nobody can see: the hooks are children of a daemon (Gitaly, Bitbucket).

use super::lent::{ASK, append, only, policy_of, started, store};
use crate::support::{Person, Policy, Repo, Site, script, wait_until};
use chrono::{DateTime, TimeDelta, Utc};
use refwarden::access::{Actor, Event, Record, State, Terms, What};
use refwarden::store::access::{Append, Change};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A hook as a daemon runs it: its end, and its words.
fn hook(repo: &Repo, name: &str, line: &str) -> (bool, String) {
    let mut child = Command::new(repo.hook(name))
        .current_dir(&repo.path)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("GIT_DIR", ".")
        .env("TEST_USER", "bob")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(line.as_bytes());
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

/// A repository into which bob may push `release/1`, once or as often as he likes.
struct Bed {
    site: Site,
    repo: Repo,
    bob: Person,
}

impl Bed {
    fn new(policy: &Policy, uses: Option<u32>) -> Self {
        let (site, repo, bob) = started(policy);
        bob.push(&[&ASK[..], &["HEAD:release/1"]].concat()).refused("waiting");
        let from = now() - TimeDelta::hours(2);
        let terms =
            Terms { from, until: now() + TimeDelta::hours(1), max_uses: uses, break_glass: false };
        append(&site, &only(&site), "alice", What::Approved { note: None, terms: Some(terms) });
        Self { site, repo, bob }
    }

    /// What git would feed the hooks for bob's HEAD, whose objects are there already.
    fn line(&self) -> String {
        let new = self.bob.id("HEAD");
        self.repo.seed(&self.bob.path, &[&format!("{new}:refs/keep/{new}")]);
        format!("{} {new} refs/heads/release/1\n", self.repo.id("release/1"))
    }

    fn pre_receive(&self, line: &str) -> (bool, String) {
        hook(&self.repo, "pre-receive", line)
    }

    /// The refs move, and post-receive tells.
    fn lands(&self, line: &str) {
        let new = line.split(' ').nth(1).unwrap();
        self.repo.run(&["update-ref", "refs/heads/release/1", new]);
        assert!(hook(&self.repo, "post-receive", line).0);
    }

    fn state(&self) -> State {
        only(&self.site).state().unwrap()
    }

    /// Spent, put aside.
    fn uses(&self) -> (u32, usize) {
        let uses = self.state().uses;
        (uses.spent, uses.reserved.len())
    }

    fn promises(&self) -> usize {
        std::fs::read_dir(self.site.path("state/promises")).map_or(0, Iterator::count)
    }

    /// Makes what is put aside older, as if the push had been so long ago.
    fn ages(&self, minutes: i64) {
        let then = now() - TimeDelta::minutes(minutes);
        let (key, (host, _)) = self.state().uses.reserved.into_iter().next().unwrap();
        self.append(now(), What::Released { key: key.clone() });
        self.append(then, What::Reserved { key, host });
        for entry in std::fs::read_dir(self.site.path("state/promises")).unwrap() {
            let path = entry.unwrap().path();
            let mut note: serde_json::Value =
                serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            note["at"] = then.to_rfc3339().into();
            std::fs::write(&path, note.to_string()).unwrap();
        }
    }

    fn append(&self, at: DateTime<Utc>, what: What) {
        let record: Record = only(&self.site);
        let event = Event { at, by: Actor::rule(), what };
        let append = Append { id: record.id.clone(), after: record.version(), event };
        store(&self.site).commit(&Change { appends: vec![append], ..Change::default() }).unwrap();
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from(std::time::SystemTime::now())
}

#[test]
fn a_push_behind_a_daemon_spends_what_it_had_put_aside() {
    let bed = Bed::new(&policy_of(1), Some(1));
    let line = bed.line();
    let (ok, words) = bed.pre_receive(&line);
    assert!(ok && words.contains("0 more after this"), "{words}");
    assert_eq!((bed.uses(), bed.promises()), ((0, 1), 1));
    bed.lands(&line);
    assert_eq!((bed.uses(), bed.promises()), ((1, 0), 0));
    let list = bed.site.refwarden(&["access", "list", "all"]);
    list.ends(0, "every use is spent or put aside; would end ");
    let used = bed.site.trail().events("access.used");
    assert_eq!(used.len(), 1);
    assert_eq!(used[0]["refs"][0]["new"], bed.bob.id("HEAD"));
    assert_eq!(used[0]["refs"][0]["name"], "refs/heads/release/1");
    assert_eq!(used[0]["push"]["id"], bed.site.trail().last_decision()["push"]["id"]);
    bed.site.trail_verifies();
}

#[test]
fn the_same_push_comes_again_only_when_the_first_is_settled() {
    let (one, more) = (Bed::new(&policy_of(1), Some(1)), Bed::new(&policy_of(2), Some(2)));
    for (bed, code) in [(&one, "RW455"), (&more, "RW306")] {
        let line = bed.line();
        assert!(bed.pre_receive(&line).0);
        for _ in 0..2 {
            let (ok, words) = bed.pre_receive(&line);
            assert!(!ok && words.contains(code), "{words}");
        }
        assert_eq!((bed.uses(), bed.promises()), ((0, 1), 1));
        bed.ages(11);
        bed.site.refwarden(&["sweep"]).ends(0, "");
        assert!(bed.pre_receive(&line).0);
        bed.lands(&line);
        assert_eq!((bed.uses(), bed.promises()), ((1, 0), 0));
        bed.site.trail_verifies();
    }
}

/// Through real pushes: so many shells between git and our hooks that no receive-pack is found, and
/// each hook that was not refused waits for `gate`, where one is named.
fn hide(bed: &Bed, gate: Option<&Path>) {
    for name in ["pre-receive", "post-receive"] {
        bed.repo.unlink(name);
        let wait = gate.filter(|_| name == "pre-receive").map_or(String::new(), |gate| {
            let gate = gate.display();
            format!("&& {{ touch '{gate}.waits'; until [ -e '{gate}' ]; do sleep 0.02; done; }}")
        });
        let program = bed.site.programs().join(name);
        let body = format!(
            "if [ \"${{STEPS:-0}}\" -lt 5 ]; then STEPS=$((${{STEPS:-0}} + 1)) \"$0\"; exit $?; fi\n'{}' {wait}",
            program.display()
        );
        script(&bed.repo.hook(name), &body);
    }
    if bed.repo.hook("update").is_symlink() {
        bed.repo.unlink("update");
    }
}

/// What somebody may do anyway puts the ref back where it was.
fn put_back(bed: &Bed, old: &str) {
    bed.bob.as_user("alice").push(&[&format!("+{old}:refs/heads/release/1")]).landed();
}

#[test]
fn a_use_is_spent_although_post_receive_was_killed_and_the_ref_went_back() {
    // Whoever puts the ref back may come in by another way, where a receive-pack is seen.
    for is_seen in [false, true] {
        let bed = Bed::new(&policy_of(1), Some(1));
        hide(&bed, None);
        bed.repo.unlink("post-receive");
        let old = bed.repo.id("release/1");
        bed.bob.push(&["HEAD:release/1"]).landed();
        assert_eq!((bed.uses(), bed.promises()), ((0, 1), 1), "no receive-pack was seen");
        if is_seen {
            bed.repo.unlink("pre-receive");
            bed.repo.link(&["pre-receive", "update"]);
        }
        put_back(&bed, &old);
        assert_eq!(bed.uses(), (1, 0));
        bed.bob.push(&["HEAD:release/1"]).refused("RW455").nothing_moved();
        bed.site.refwarden(&["sweep"]).ends(0, "");
        let used = bed.site.trail().events("access.used");
        assert_eq!((used.len(), bed.uses()), (1, (1, 0)));
        assert_eq!(used[0]["refs"][0]["new"], bed.bob.id("HEAD"));
        bed.site.trail_verifies();
    }
}

#[test]
fn of_two_pushes_that_do_the_same_only_one_gets_the_use() {
    let bed = Bed::new(&policy_of(1), Some(1));
    let gate = bed.site.path("gate");
    let old = bed.repo.id("release/1");
    hide(&bed, Some(&gate));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| bed.bob.push(&["HEAD:release/1"]));
        wait_until("the first is let through", || bed.site.path("gate.waits").exists());
        hide(&bed, None);
        bed.bob.push(&["HEAD:release/1"]).refused("RW455").nothing_moved();
        std::fs::write(&gate, "").unwrap();
        first.join().unwrap().landed();
    });
    put_back(&bed, &old);
    bed.bob.push(&["HEAD:release/1"]).refused("RW455").nothing_moved();
    assert_eq!((bed.uses(), bed.site.trail().events("access.used").len()), ((1, 0), 1));
    bed.site.trail_verifies();
}

#[test]
fn another_push_does_not_take_the_use_of_one_that_may_be_under_way() {
    let bed = Bed::new(&policy_of(1), Some(1));
    assert!(bed.pre_receive(&bed.line()).0);
    bed.bob.commit("other", "2\n");
    let (ok, words) = bed.pre_receive(&bed.line());
    assert!(!ok && words.contains("RW455"), "{words}");
    bed.site.refwarden(&["sweep"]).ends(0, "");
    assert_eq!(bed.uses(), (0, 1), "a sweep does not either");
}

#[test]
fn what_a_failed_push_had_put_aside_is_released_once_the_refs_show_it() {
    let bed = Bed::new(&policy_of(1), Some(1));
    let line = bed.line();
    assert!(bed.pre_receive(&line).0);
    bed.ages(9);
    bed.site.refwarden(&["sweep"]).ends(0, "");
    assert_eq!(bed.uses(), (0, 1), "it may be under way");
    bed.ages(11);
    bed.site.refwarden(&["sweep"]).ends(0, "");
    assert_eq!((bed.uses(), bed.promises()), ((0, 0), 0));
    assert!(bed.site.trail().events("access.used").is_empty());
    bed.bob.commit("other", "2\n");
    let line = bed.line();
    assert!(bed.pre_receive(&line).0);
    bed.lands(&line);
    assert_eq!(bed.uses(), (1, 0));
}

#[test]
fn a_push_that_landed_without_post_receive_is_spent_and_one_that_nobody_knows_of_later() {
    let bed = Bed::new(&policy_of(2), Some(2));
    let line = bed.line();
    assert!(bed.pre_receive(&line).0);
    bed.repo.run(&["update-ref", "refs/heads/release/1", &bed.bob.id("HEAD")]);
    bed.ages(11);
    bed.site.refwarden(&["sweep"]).ends(0, "");
    assert_eq!((bed.uses(), bed.promises()), ((1, 0), 0));
    assert_eq!(bed.site.trail().events("access.used")[0]["refs"][0]["new"], bed.bob.id("HEAD"));
    // Where the ref is now says nothing of the push.
    bed.bob.commit("other", "2\n");
    let line = bed.line();
    assert!(bed.pre_receive(&line).0);
    bed.bob.commit("more", "3\n");
    bed.line();
    bed.repo.run(&["update-ref", "refs/heads/release/1", &bed.bob.id("HEAD")]);
    bed.ages(50);
    bed.site.refwarden(&["sweep"]).ends(0, "");
    assert_eq!(bed.uses(), (1, 1));
    bed.ages(61);
    bed.site.refwarden(&["sweep"]).ends(0, "");
    assert_eq!(bed.uses(), (2, 0));
    bed.site.trail_verifies();
}

#[test]
fn a_retry_long_after_puts_its_use_aside_anew() {
    let bed = Bed::new(&policy_of(1), Some(1));
    let line = bed.line();
    assert!(bed.pre_receive(&line).0);
    bed.ages(30);
    assert!(bed.pre_receive(&line).0);
    bed.site.refwarden(&["sweep"]).ends(0, "");
    assert_eq!(bed.uses(), (0, 1), "the second one may be under way");
    bed.lands(&line);
    assert_eq!(bed.uses(), (1, 0));
}

#[test]
fn what_lands_under_a_grant_without_a_number_of_uses_is_written_down_and_told() {
    let told = tempfile::tempdir().unwrap();
    let path = told.path().join("told");
    let tell = told.path().join("tell");
    script(&tell, &format!("cat >>'{0}'; echo >>'{0}'", path.display()));
    let notify =
        format!("[[notify]]\nevents = [\"access.used\"]\ncommand = [\"{}\"]", tell.display());
    let bed = Bed::new(&policy_of(3).also(&notify), None);
    for round in 1..=2 {
        let line = bed.line();
        assert!(bed.pre_receive(&line).0);
        bed.lands(&line);
        assert_eq!(bed.site.trail().events("access.used").len(), round);
        assert_eq!(bed.promises(), 0);
        bed.bob.commit("again", &round.to_string());
    }
    // The same with a receive-pack above the hooks.
    bed.bob.push(&["HEAD:release/1"]).landed().says("allowed by grant");
    let used = bed.site.trail().events("access.used");
    assert_eq!(used.len(), 3);
    assert_eq!(used[2]["refs"][0]["new"], bed.bob.id("HEAD"));
    assert_eq!((&used[2]["detail"]["uses-left"], bed.uses()), (&serde_json::Value::Null, (0, 0)));
    bed.site.refwarden(&["sweep"]).ends(0, "");
    let words = || std::fs::read_to_string(&path).unwrap_or_default();
    wait_until("all three are told", || words().matches("\"access.used\"").count() == 3);
    // A push by a standing right leaves nothing of the kind.
    let lines = bed.site.trail().lines().len();
    bed.bob.push(&["HEAD:feature/x"]).silent();
    assert_eq!(bed.site.trail().lines().len(), lines + 2);
    bed.site.trail_verifies();
}

#[test]
fn a_spent_use_is_told_to_whom_the_policy_names() {
    let told = tempfile::tempdir().unwrap();
    let path = told.path().join("told");
    let tell = told.path().join("tell");
    script(&tell, &format!("cat >>'{0}'; echo >>'{0}'", path.display()));
    let notify =
        format!("[[notify]]\nevents = [\"access.used\"]\ncommand = [\"{}\"]", tell.display());
    let bed = Bed::new(&policy_of(3).also(&notify), Some(2));
    bed.bob.push(&["HEAD:release/1"]).landed();
    let words = || std::fs::read_to_string(&path).unwrap_or_default();
    wait_until("it is told", || words().contains("bob pushed under a grant"));
    assert!(words().contains("\"uses_left\":1"), "{}", words());
}
