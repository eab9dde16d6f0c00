//! Who may read by the door, by which protocol, and what is written of it.

use super::{Door, NOT_THERE, permitted, policy};
use crate::doors::web::{Kind, status};
use crate::support::{grant, permit};
use std::time::Duration;

#[test]
fn what_anyone_may_read_needs_no_token_and_a_push_always_does() {
    let policy = permitted(&[permit("anyone", "read", ""), permit("alice", "write", "")]);
    for kind in [Kind::Nginx, Kind::Apache] {
        let Some(door) = Door::open(&policy, kind) else { return };
        assert_eq!(door.clone("", "app.git"), (true, String::new()));
        door.person.commit("a", "1\n");
        let push = door.web.push(&door.repo, &door.person, "", &["main"]);
        assert!(!push.ok);
        push.nothing_moved();
        let path = "/app.git/info/refs?service=git-receive-pack";
        assert_eq!(status(&door.web.get("", path, "")), 401);
        // A bad token is not taken for none.
        assert_eq!(status(&door.web.get("x:guess", "/app.git/HEAD", "")), 401);
        assert_eq!(status(&door.web.get("", "/app.git/HEAD", "Authorization: Digest x\r\n")), 401);
        assert_eq!(status(&door.web.get("", "/app.git/HEAD", "")), 200);
        assert_eq!(status(&door.web.get("", "/nothing.git/HEAD", "")), 401);
    }
}

#[test]
fn files_are_for_readers_alone() {
    let Some(door) = Door::open(&policy(), Kind::Nginx) else { return };
    door.repo.run(&["repack", "-adq"]);
    door.repo.run(&["update-server-info"]);
    let pack = std::fs::read_dir(door.repo.path.join("objects/pack")).unwrap();
    let pack = pack.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pack = pack.into_iter().find(|name| name.ends_with(".pack")).unwrap();
    let [alice, carol] = ["alice", "carol"].map(|name| door.login(name));
    for file in ["HEAD", "info/refs", "objects/info/packs", &format!("objects/pack/{pack}")] {
        let path = format!("/app.git/{file}");
        assert_eq!(status(&door.web.get(&alice, &path, "")), 200, "{file}");
        assert_eq!(status(&door.web.get(&carol, &path, "")), 403, "{file}");
        assert_eq!(status(&door.web.get("", &path, "")), 401, "{file}");
    }
    for file in ["config", "description", "hooks/pre-receive", "packed-refs", "refs/heads/main", ""]
    {
        let answer = door.web.get(&alice, &format!("/app.git/{file}"), "");
        assert!([400, 404].contains(&status(&answer)), "{file}: {answer}");
    }
    // What the repository's own settings close stays closed.
    door.repo.config("http.getanyfile", "false");
    assert_eq!(status(&door.web.get(&alice, "/app.git/HEAD", "")), 403);
}

#[test]
fn a_repository_without_our_hooks_takes_no_push() {
    let Some(door) = Door::open(&policy(), Kind::Nginx) else { return };
    door.person.commit("a", "1\n");
    door.repo.unlink("pre-receive");
    let alice = door.login("alice");
    let push = door.web.push(&door.repo, &door.person, &alice, &["main"]);
    assert!(!push.ok);
    push.nothing_moved().says("its hooks do not run in this repository");
    assert!(door.clone(&alice, "app.git").0);
    // Who may not read learns nothing of that.
    let path = "/app.git/info/refs?service=git-receive-pack";
    assert!(door.web.get(&door.login("carol"), path, "").contains(NOT_THERE));
}

#[test]
fn a_read_ends_with_the_grant_that_it_rests_on() {
    let lent = grant("short", "carol", 6.0, "permissions = [\"read\"]");
    let policy = permitted(&[permit("alice", "write", ""), lent]);
    let Some(door) = Door::open(&policy, Kind::Nginx) else { return };
    let carol = door.login("carol");
    assert_eq!(door.clone(&carol, "app.git"), (true, String::new()));
    std::thread::sleep(Duration::from_millis(6200));
    let (ok, words) = door.clone(&carol, "app.git");
    assert!(!ok && words.contains(NOT_THERE), "{words}");
}

#[test]
fn reads_are_in_the_trail_with_the_token() {
    let Some(door) = Door::open(&policy(), Kind::Nginx) else { return };
    let (bob, carol) = (door.login("bob"), door.login("carol"));
    assert!(door.clone(&bob, "app.git").0);
    assert!(!door.clone(&carol, "app.git").0);
    let trail = door.site.trail();
    let read = trail.events("read.allowed");
    // One for the list of refs, one for the pack.
    assert_eq!(read.len(), 2, "{read:#?}");
    for line in &read {
        assert_eq!(line["actor"]["user"], "bob");
        assert!(line["actor"]["key"].as_str().unwrap().starts_with("token:"));
        assert_eq!(line["repository"], "app");
    }
    assert_eq!(trail.events("read.refused").len(), 1);
    door.site.trail_verifies();
}

#[test]
fn without_a_trail_nobody_reads_and_nobody_pushes() {
    let Some(door) = Door::open(&policy(), Kind::Nginx) else { return };
    let alice = door.login("alice");
    let trail = door.site.trail().path;
    let _ = std::fs::remove_file(&trail);
    std::fs::create_dir(&trail).unwrap();
    let answer = door.web.get(&alice, "/app.git/HEAD", "");
    assert_eq!(status(&answer), 503, "{answer}");
    assert!(answer.contains("RW506") && answer.contains("refwarden doctor"), "{answer}");
    // As of what is not there.
    let carol = door.login("carol");
    let missing = door.web.get(&carol, "/nothing.git/HEAD", "");
    let there = door.web.get(&carol, "/app.git/HEAD", "");
    assert_eq!(there, missing);
}
