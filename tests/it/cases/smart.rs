//! Smart commits: what landed commits say to Jira, through real pushes and a Jira that remembers.

use super::issues::{Bed, bed};
use crate::support::fake_jira::Mood;
use crate::support::{permit, wait_until};
use chrono::{TimeDelta, Utc};
use refwarden::store::access::AccessStore;
use refwarden::store::sqlite::{FILE_NAME, Sqlite};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SMART: &str = "smart-commits = { branches = [\"main\", \"release/*\"], comment = true, transitions = [\"Done\", \"In Review\"] }";

/// alice may do anything; `main` is there, and its first commit says nothing.
fn smart() -> Bed {
    let bed = bed(&[permit("alice", "write", ""), permit("carol", "read", "")], SMART, "");
    bed.site.refwarden(&["store", "init"]).ends(0, "");
    bed.alice.push(&["main"]).silent();
    bed
}

impl Bed {
    fn comments(&self) -> Vec<Value> {
        self.fake.state().comments.values().flatten().cloned().collect()
    }

    fn status(&self) -> String {
        let state = self.fake.state();
        state.issues["PAY-1"]["fields"]["status"]["name"].as_str().unwrap().to_owned()
    }

    fn sweep(&self) {
        self.site.refwarden(&["sweep"]).ends(0, "");
    }

    /// Waits until all that is to be read is read, and all that is to be sent now is sent.
    fn settled(&self, sent: usize) {
        wait_until("Jira is told", || self.site.trail().events("smart-commit.sent").len() >= sent);
        self.sweep();
        assert_eq!(self.site.trail().events("smart-commit.sent").len(), sent);
    }

    fn store(&self) -> Sqlite {
        use std::os::unix::fs::MetadataExt;
        let path = self.site.path("state").join(FILE_NAME);
        let uid = std::fs::metadata(&path).unwrap().uid();
        Sqlite::open_write(&path, uid).unwrap()
    }

    /// What waits in the outbox is due now; how much that is.
    fn hurry(&self) -> usize {
        let store = self.store();
        let far = Utc::now() + TimeDelta::days(30);
        let all = store.due(far, 100).unwrap();
        for one in &all {
            assert!(
                store.postpone(&one.id, one.tries, Utc::now() - TimeDelta::seconds(1)).unwrap()
            );
        }
        all.len()
    }
}

#[test]
fn a_landed_commit_comments_once_and_names_who_pushed_not_who_committed() {
    let bed = smart();
    bed.alice.run(&["config", "user.name", "mallory"]);
    let commit = bed.says("PAY-1 #comment it works {noformat} [~admin] \u{202e}x");
    bed.alice.push(&["main"]).silent();
    bed.settled(1);
    let [comment] = bed.comments().try_into().unwrap();
    let text = comment.as_str().unwrap();
    assert!(
        text.starts_with("{noformat}\nit works {\u{2060}noformat} [\u{2060}~admin] \u{fffd}x\n"),
        "{text}"
    );
    let short = &commit[..12];
    assert!(
        text.contains("alice (env:TEST_USER) pushed")
            && text.contains(&format!("pushed {short} to main of app")),
        "{text}"
    );
    assert!(!text.contains("mallory"));
    let line = &bed.site.trail().events("smart-commit.sent")[0];
    assert_eq!(
        (&line["detail"]["issue"], &line["actor"]["user"]),
        (&json!("PAY-1"), &json!("alice"))
    );
    assert_eq!(line["detail"]["commit"], json!(commit));
    // To other branches, where commits count or not, and back again.
    bed.alice.push(&["main:release/1", "main:topic"]).silent();
    bed.alice.push(&["+main~1:main"]).silent();
    bed.alice.push(&["main"]).silent();
    bed.alice.push(&["main~1:refs/heads/release/2"]).silent();
    bed.alice.push(&["main:release/2", ":release/1"]).silent();
    bed.alice.push(&["main:release/1"]).silent();
    bed.settled(1);
    assert_eq!(bed.comments().len(), 1);
    bed.site.trail_verifies();
}

#[test]
fn only_what_lands_where_commits_count_says_anything() {
    let bed = smart();
    bed.says("PAY-1 #comment one");
    bed.alice.push(&["main:topic"]).silent();
    bed.alice.as_user("carol").push(&["main"]).refused("RW201");
    assert!(
        !bed.site.path("state/landings").exists()
            || std::fs::read_dir(bed.site.path("state/landings")).unwrap().next().is_none()
    );
    bed.sweep();
    bed.settled(0);
    assert!(bed.comments().is_empty());
    // A refused one of several refs says nothing, nor does the push that it stops.
    bed.alice.push(&["main"]).silent();
    bed.settled(1);
    assert_eq!(bed.comments().len(), 1);
}

#[test]
fn a_transition_of_the_list_is_taken_and_one_that_is_not_there_is_written_down_once() {
    let bed = smart();
    bed.fake.state().transitions.insert("PAY-1".into(), vec![("31".into(), "DONE".into())]);
    bed.says("PAY-1 #done #in-review #close");
    bed.alice.push(&["main"]).silent();
    bed.settled(1);
    assert_eq!(bed.status(), "DONE");
    wait_until("it is written down", || !bed.site.trail().events("notice.failed").is_empty());
    let failed = bed.site.trail().events("notice.failed");
    let [failed] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!(failed["detail"]["event"], "smart-commit.transition");
    let problem = failed["detail"]["problem"].as_str().unwrap();
    assert!(problem.contains("PAY-1 has no transition `In Review`"), "{problem}");
    assert_eq!(bed.hurry(), 0, "it is not tried again");
    // What is not of our projects, or not there, is written down too.
    bed.says("PAY-404 #comment x");
    bed.fake.state().moved.insert("PAY-9".into(), "SEC-1".into());
    bed.fake.issue("SEC-1", None, "b1");
    bed.says("PAY-9 #comment x");
    bed.says("SEC-1 #comment x");
    bed.alice.push(&["main"]).silent();
    wait_until("Jira is told", || bed.site.trail().events("notice.failed").len() == 3);
    assert!(bed.comments().is_empty());
}

#[test]
fn a_push_never_waits_for_jira_and_what_it_says_is_sent_when_jira_is_back() {
    let bed = smart();
    bed.fake.mood(Mood::Hang);
    bed.says("PAY-1 #comment late");
    let start = Instant::now();
    bed.alice.push(&["main"]).silent();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(8), "the fake hangs for 20 s, a call waits 10 s: {took:?}");
    wait_until("Jira is told", || !bed.fake.asked().is_empty());
    // The breaker, which would make other pushes fail, has not heard of it.
    assert!(!bed.site.path("state/jira/breaker").exists());
    wait_until("Jira is told", || {
        let store = bed.store();
        let all = store.due(Utc::now() + TimeDelta::days(30), 10).unwrap();
        all.first().is_some_and(|one| one.tries > 0)
    });
    assert!(bed.comments().is_empty());
    bed.fake.mood(Mood::Well);
    assert_eq!(bed.hurry(), 1);
    bed.sweep();
    bed.settled(1);
    assert_eq!(bed.comments().len(), 1);
    assert_eq!(bed.hurry(), 0);
}

#[test]
fn a_comment_whose_answer_was_lost_is_not_made_again() {
    let bed = smart();
    bed.fake.state().forgets_to_answer = true;
    bed.says("PAY-1 #comment once");
    bed.alice.push(&["main"]).silent();
    wait_until("Jira is told", || bed.comments().len() == 1);
    wait_until("Jira is told", || {
        let all = bed.store().due(Utc::now() + TimeDelta::days(30), 10).unwrap();
        all.first().is_some_and(|one| one.tries > 0)
    });
    assert_eq!(bed.hurry(), 1);
    bed.sweep();
    bed.settled(1);
    assert_eq!(bed.comments().len(), 1);
}

#[test]
fn the_sweep_finds_what_landed_where_post_receive_never_ran() {
    let bed = smart();
    bed.repo.unlink("post-receive");
    bed.says("PAY-1 #comment one");
    bed.alice.push(&["main"]).landed();
    bed.says("PAY-1 #comment two");
    bed.alice.push(&["main"]).landed();
    assert!(bed.comments().is_empty());
    bed.settled_by_sweep(2);
    // What another hook refused afterwards has not landed.
    bed.repo.foreign("update", "exit 1");
    bed.says("PAY-1 #comment three");
    bed.alice.push(&["main"]).nothing_moved();
    bed.settled_by_sweep(2);
    assert_eq!(bed.comments().len(), 2);
}

impl Bed {
    /// The receive-pack may need a moment to be gone.
    fn settled_by_sweep(&self, sent: usize) {
        wait_until("Jira is told", || {
            self.sweep();
            let left = std::fs::read_dir(self.site.path("state/landings")).unwrap().count();
            left == 0
        });
        assert_eq!(self.site.trail().events("smart-commit.sent").len(), sent);
    }
}

#[test]
fn history_that_is_pushed_is_nobodys_work_and_a_push_has_its_bound() {
    let bed = smart();
    for number in 0..25 {
        bed.alice.run(&[
            "commit",
            "--quiet",
            "--allow-empty",
            "-m",
            &format!("PAY-1 #comment {number}"),
        ]);
    }
    bed.alice.push(&["main"]).silent();
    bed.settled(20);
    let left = bed.site.trail().events("smart-commit.left-out");
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0]["detail"]["problem"].as_str().unwrap().contains("more than 20 commands"));
    bed.fake.state().comments.clear();
    let stream: String = (0..1001)
        .map(|n| format!("commit refs/heads/old\ncommitter T <t@t> {n} +0000\ndata <<X\nPAY-1 #comment {n}\nX\n\n"))
        .collect();
    let file = bed.site.path("history");
    std::fs::write(&file, stream).unwrap();
    let import = format!("git fast-import --quiet < {}", file.display());
    let done =
        bed.alice.command().args(["-c", &format!("alias.x=!{import}"), "x"]).status().unwrap();
    assert!(done.success());
    bed.alice.push(&["old:release/old"]).silent();
    wait_until("Jira is told", || bed.site.trail().events("smart-commit.left-out").len() == 2);
    assert!(bed.comments().is_empty());
}

#[test]
fn without_a_store_nothing_is_sent_and_doctor_says_so() {
    let bed = bed(&[permit("alice", "write", "")], SMART, "");
    bed.alice.push(&["main"]).silent();
    bed.says("PAY-1 #comment one");
    bed.alice.push(&["main"]).silent();
    let doctor = bed.site.refwarden(&["doctor"]);
    assert!(doctor.stdout.contains("smart commits are on and there is no store"), "{doctor:#?}");
    bed.sweep();
    assert!(bed.comments().is_empty());
    // What waits is sent once there is one.
    bed.site.refwarden(&["store", "init"]).ends(0, "");
    bed.sweep();
    bed.settled(1);
}
