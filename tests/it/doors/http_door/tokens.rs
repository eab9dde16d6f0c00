//! Tokens at the door: which open it, what a client is told of those that do not.

use super::{Door, permitted, policy};
use crate::doors::web::{Kind, status};
use crate::support::{Outcome, permit};
use refwarden::pusher::token::Scope;
use std::time::Duration;

const REFS: &str = "/app.git/info/refs?service=git-upload-pack";

#[test]
fn an_unknown_an_ended_and_a_revoked_token_are_told_the_same() {
    for kind in [Kind::Nginx, Kind::Apache] {
        let Some(door) = Door::open(&policy(), kind) else { return };
        let good = door.login("alice");
        assert_eq!(status(&door.web.get(&good, REFS, "")), 200);
        let bearer = format!("Authorization: Bearer {}\r\n", good.split_once(':').unwrap().1);
        assert_eq!(status(&door.web.get("", REFS, &bearer)), 200);
        let (id, revoked) = door.token("alice", &Scope::DEFAULT, &[], 60);
        door.revoke(&id);
        let ended = door.login_for("alice", &Scope::DEFAULT, &[], 1);
        std::thread::sleep(Duration::from_millis(1200));
        let unknown = {
            let (_, secret) = door.token("alice", &Scope::DEFAULT, &[], 60);
            let mut text = secret.reveal().to_owned();
            let last = text.pop().unwrap();
            text.push(if last == '0' { '1' } else { '0' });
            text
        };
        let bad = [
            format!("alice:{}", revoked.reveal()),
            ended,
            format!("alice:{unknown}"),
            "alice:password".into(),
            format!("{good}x"),
            format!("{}:", good.split_once(':').unwrap().1),
        ];
        let answers: Vec<String> = bad.iter().map(|login| door.web.get(login, REFS, "")).collect();
        for answer in &answers {
            assert_eq!(status(answer), 401, "{answer}");
            assert_eq!(answer, &answers[0]);
        }
        assert!(
            answers[0].contains("WWW-Authenticate: Basic realm=\"git.test\""),
            "{}",
            answers[0]
        );
        let (ok, words) = door.clone(&bad[0], "app.git");
        assert!(!ok && words.contains("remote: error: refused by refwarden: the token is unknown, has ended or was revoked"), "{words}");
        assert_eq!(door.site.trail().events("token.refused").len(), 2);
    }
}

#[test]
fn a_token_does_what_its_scopes_say_and_where() {
    let Some(door) = Door::open(&policy(), Kind::Nginx) else { return };
    door.person.commit("a", "1\n");
    let reader = door.login_for("alice", &[Scope::Read], &[], 60);
    assert!(door.clone(&reader, "app.git").0);
    let push = door.web.push(&door.repo, &door.person, &reader, &["main"]);
    assert!(!push.ok);
    push.nothing_moved().says("your token has no scope `push`");
    let nobody = door.login_for("alice", &[Scope::Audit], &[], 60);
    let (ok, words) = door.clone(&nobody, "app.git");
    assert!(!ok && words.contains("your token has no scope `read`"), "{words}");
    // The same of what is not there.
    assert!(!door.clone(&nobody, "nothing.git").0);
    let there = door.web.get(&nobody, REFS, "");
    assert_eq!(there, door.web.get(&nobody, &REFS.replace("app", "nothing"), ""));
    let other = door.site.repo("other");
    other.seed(&door.person.path, &["main:main"]);
    let limited = door.login_for("alice", &Scope::DEFAULT, &["oth*"], 60);
    assert!(door.clone(&limited, "other.git").0);
    assert!(!door.clone(&limited, "app.git").0);
}

#[test]
fn a_guesser_waits_and_keeps_nobody_else_out() {
    for kind in [Kind::Nginx, Kind::Apache] {
        let Some(door) = Door::open(&policy(), kind) else { return };
        let good = door.login("alice");
        let mut answers = Vec::new();
        for number in 0..25 {
            answers.push(status(&door.web.get(&format!("alice:guess{number}"), REFS, "")));
        }
        assert_eq!(answers.first(), Some(&401));
        assert_eq!(answers.last(), Some(&429), "{answers:?}");
        let wrong = door.web.get("alice:guess", REFS, "");
        assert!(wrong.contains("Retry-After: "), "{wrong}");
        // Others come from the same address; a good token was not guessed.
        assert_eq!(status(&door.web.get(&good, REFS, "")), 200);
        // Whoever shows nothing is not counted and is asked as ever.
        assert_eq!(status(&door.web.get("", REFS, "")), 401);
    }
}

#[test]
fn a_token_revoked_while_a_push_is_under_way_stops_it() {
    let Some(door) = Door::open(&policy(), Kind::Nginx) else { return };
    let (id, secret) = door.token("alice", &Scope::DEFAULT, &[], 60);
    let login = format!("alice:{}", secret.reveal());
    door.person.commit("a", "1\n");
    // Git sends a big push in two requests: the token is good at the first alone.
    let refs = "/app.git/info/refs?service=git-receive-pack";
    assert_eq!(status(&door.web.get(&login, refs, "")), 200);
    door.revoke(&id);
    let push = door.web.push(&door.repo, &door.person, &login, &["main"]);
    assert!(!push.ok);
    push.nothing_moved();
}

#[test]
fn a_statement_of_another_connection_proves_nothing() {
    let Some(door) = Door::open(&policy().sources("[\"http\"]"), Kind::Nginx) else { return };
    // A hook of the admin's own that keeps what the door said for long enough to be stolen.
    let stolen = door.site.path("stolen");
    door.repo.foreign(
        "pre-receive",
        &format!("cat /proc/$(ps -o ppid= $PPID | tr -d ' ')/environ > {}", stolen.display()),
    );
    door.person.commit("a", "1\n");
    door.web.push(&door.repo, &door.person, &door.login("alice"), &["main"]).landed();
    let bytes = std::fs::read(&stolen).unwrap();
    let stolen: Vec<(String, String)> = bytes
        .split(|byte| *byte == 0)
        .filter_map(|one| std::str::from_utf8(one).ok()?.split_once('='))
        .filter(|(name, _)| name.starts_with("REFWARDEN_"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(stolen.len(), 3, "user, key and proof: {stolen:?}");
    door.person.commit("a", "2\n");
    let thief =
        stolen.iter().fold(door.person.clone(), |thief, (name, value)| thief.with(name, value));
    thief.push(&["main"]).refused("RW102").says("is of another connection");
    // As headers they are the client's words.
    let bob = door.login("bob");
    let push = Outcome::of(&door.repo, || {
        let mut command = door.person.command();
        for (name, value) in &stolen {
            let name = name.replace('_', "-");
            command.arg("-c").arg(format!("http.extraHeader={name}: {value}"));
        }
        command.args(["push", &door.web.url(&bob, "app.git"), "main"]).output().unwrap()
    });
    push.refused("RW201").says("you are bob");
}

#[test]
fn names_of_the_source_remote_user_do_not_get_in_the_way_of_a_token() {
    let users = "[users.alice]\nnames = { \"remote-user\" = [\"al\"] }\n[users.bob]\nnames = { \"remote-user\" = [\"alice\"] }";
    let policy = permitted(&[permit("alice", "write", "")])
        .users(users)
        .sources("[\"http\", \"remote-user\"]");
    let Some(door) = Door::open(&policy, Kind::Nginx) else { return };
    door.person.commit("a", "1\n");
    door.web.push(&door.repo, &door.person, &door.login("alice"), &["main"]).silent();
}
