//! Personal access tokens: the verbs, and the hooks' second look at a push.

use crate::support::{Person, Policy, Run, Site, permit};
use refwarden::os::process::{self, Host};
use refwarden::pusher::proof::{self, Door, Process, Said};
use serde_json::Value;
use std::path::Path;

const TOKENS: &str = "[tokens]\nmax-lifetime = \"90d\"\ndefault-lifetime = \"30d\"\n\
                      url = \"https://git.test\"\n[global]\nadminister = [\"carol\"]\n";

fn policy() -> Policy {
    Policy::new(&[permit("authenticated", "push", "branches = [\"**\"]")])
        .sources("[\"http\", \"env:TEST_USER\"]")
        .users(
            "[users.alice]\n[users.bob]\n[users.carol]\n[users.dave]\nactive = false\n\
             [users.ci]\nkind = \"service\"\nowner = \"alice\"\n",
        )
        .also(TOKENS)
}

fn site() -> Site {
    let site = Site::new(&policy());
    site.refwarden(&["store", "init"]).ends(0, "");
    site
}

fn values(run: &Run) -> Vec<Value> {
    assert_eq!(run.code, Some(0), "{run:?}");
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Makes a token and gives what was printed.
fn create(site: &Site, more: &[&str]) -> Value {
    let run = site.refwarden(&[&["--json", "token", "create"], more].concat());
    values(&run).pop().unwrap()
}

fn id(token: &Value) -> String {
    token["id"].as_str().unwrap().to_owned()
}

/// The person as `refwarden http` would have let them in: this process stands for the door.
fn through_the_door(site: &Site, person: &Person, user: &str, token: &str) -> Person {
    let (pid, start_time) = process::own().unwrap();
    let host = Host::current().unwrap();
    let key = format!("token:{token}");
    let said = Said {
        door: Door::Http,
        user: refwarden::policy::name::UserName::parse(user).unwrap(),
        key: Some(key.clone()),
        repository: proof::repository(b"app"),
        address: None,
        until: None,
        process: Process {
            pid,
            start_time,
            boot_id: host.boot_id,
            pid_namespace: host.pid_namespace,
        },
    };
    let sealing: [u8; 32] = std::fs::read(site.path("state/door.key")).unwrap().try_into().unwrap();
    person
        .nameless()
        .with(proof::USER, user)
        .with(proof::KEY, &key)
        .with(proof::PROOF, &proof::seal(&said, &sealing))
}

fn started(site: &Site) -> Person {
    let (_repo, alice) = site.started();
    alice
}

#[test]
fn a_secret_is_shown_once_and_kept_nowhere() {
    let site = site();
    let made = create(&site, &["--as", "alice", "--note", "laptop", "--for", "7d"]);
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("rwt_") && secret.len() == 51, "{secret}");
    assert_eq!(made["scopes"], serde_json::json!(["read", "push"]));
    let expiry = chrono::DateTime::parse_from_rfc3339(made["until"].as_str().unwrap()).unwrap();
    let credential = format!(
        "protocol=https\nhost=git.test\nusername=alice\npassword={secret}\npassword_expiry_utc={}\n",
        expiry.timestamp()
    );
    assert_eq!(made["credential"], credential.as_str());
    let shown = site.refwarden(&["token", "show", &id(&made)]);
    shown.ends(0, "laptop").ends(0, "never");
    let list = site.refwarden(&["--json", "token", "list", "--all"]);
    for text in [shown.stdout, list.stdout.clone()] {
        assert!(!text.contains(secret.get(13..).unwrap()), "{text}");
    }
    assert!(values(&list)[0].get("hash").is_none() && values(&list)[0].get("secret").is_none());
    for folder in ["state", "log"] {
        for file in std::fs::read_dir(site.path(folder)).unwrap() {
            let path = file.unwrap().path();
            holds_no(&path, secret.get(13..45).unwrap());
        }
    }
    let people = site.refwarden(&["token", "create", "--as", "alice"]);
    people.ends(0, "git credential approve <<'END'").ends(0, "password_expiry_utc=");
    site.trail_verifies();
}

fn holds_no(path: &Path, secret: &str) {
    let Ok(bytes) = std::fs::read(path) else { return };
    let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
    assert!(!found, "{} holds the secret", path.display());
}

#[test]
fn every_change_has_its_line_in_the_trail() {
    let site = site();
    let first = create(&site, &["--user", "ci", "--scope", "read", "--repository", "app"]);
    let second = values(&site.refwarden(&["--json", "token", "rotate", &id(&first)]));
    assert_eq!(second[0]["replaces"], id(&first).as_str());
    assert_eq!(second[0]["repositories"], serde_json::json!(["app"]));
    site.refwarden(&["token", "revoke", &id(&second[0])]).ends(0, "revoked");
    site.refwarden(&["token", "revoke", &id(&second[0])]).ends(3, "error: ");
    site.refwarden(&["token", "rotate", &id(&first)]).ends(3, "it is revoked already");
    let trail = site.trail();
    for (event, token) in [
        ("token.created", id(&first)),
        ("token.rotated", id(&second[0])),
        ("token.revoked", id(&second[0])),
    ] {
        let lines = trail.events(event);
        assert_eq!(lines.len(), 1, "{event}");
        assert_eq!(lines[0]["detail"]["token"], token.as_str());
        assert_eq!(lines[0]["detail"]["person"], "ci");
        assert!(lines[0]["actor"]["user"].as_str().unwrap().contains('@'));
    }
    site.refwarden(&["token", "list"]).ends(0, "no tokens");
    assert_eq!(values(&site.refwarden(&["--json", "token", "list", "--all"])).len(), 2);
    site.trail_verifies();
}

#[test]
fn who_may_make_see_and_take_back_whose() {
    let site = site();
    let token = |arguments: &[&str]| site.refwarden(&[&["token"], arguments].concat());
    let of_alice = create(&site, &["--as", "alice"]);
    let of_ci = create(&site, &["--as", "alice", "--user", "ci"]);
    create(&site, &["--as", "carol", "--user", "ci"]);
    token(&["create", "--as", "bob", "--user", "ci"]).ends(3, "a service of somebody else");
    token(&["create", "--as", "bob", "--user", "alice"]).ends(3, "alice makes their own");
    token(&["create", "--as", "carol", "--user", "alice"]).ends(3, "alice makes their own");
    token(&["create", "--user", "dave"]).ends(3, "not an active user");
    token(&["create", "--user", "alcie"]).ends(6, "did you mean `alice`");
    token(&["create"]).ends(2, "--user NAME");
    let approves = token(&["create", "--as", "alice", "--scope", "approve"]);
    approves.ends(0, "for the interface of programs, not for git");
    assert!(!approves.stdout.contains("git credential"), "{approves:#?}");
    token(&["create", "--user", "ci", "--scope", "approve"]).ends(3, "services approve nothing");
    token(&["create", "--as", "alice", "--scope", "all"]).ends(2, "is no scope");
    token(&["create", "--as", "alice", "--for", "91d"]).ends(3, "at most 90 d");
    token(&["create", "--as", "alice", "--repository", "a//b"]).ends(2, "empty component");
    // Somebody else's token is as absent as one that never was.
    for verb in ["show", "revoke", "rotate"] {
        token(&[verb, &id(&of_alice), "--as", "bob"]).ends(6, "there is no token");
    }
    let secret = of_alice["secret"].as_str().unwrap();
    let run = token(&["show", secret, "--as", "alice"]);
    run.ends(6, "longer than an id");
    assert!(!run.stderr.contains(secret), "{run:?}");
    assert_eq!(values(&site.refwarden(&["--json", "token", "list", "--as", "bob"])).len(), 0);
    assert_eq!(values(&site.refwarden(&["--json", "token", "list", "--as", "alice"])).len(), 4);
    token(&["revoke", &id(&of_ci), "--as", "alice"]).ends(0, "revoked");
    token(&["revoke", "--user", "alice", "--as", "carol"]).ends(0, "revoked");
}

#[test]
fn without_the_section_there_are_no_tokens() {
    let site = Site::new(&Policy::default());
    site.refwarden(&["store", "init"]).ends(0, "");
    site.refwarden(&["token", "create", "--as", "alice"]).ends(3, "tokens are off");
}

#[test]
fn a_token_that_was_revoked_at_the_door_s_back_pushes_nothing() {
    let site = site();
    let alice = started(&site);
    let token = id(&create(&site, &["--as", "alice"]));
    let by_door = through_the_door(&site, &alice, "alice", &token);
    alice.commit("a", "1");
    by_door.push(&["main"]).landed();
    let line = site.trail().last_decision();
    assert_eq!(line["actor"]["key"], format!("token:{token}").as_str());
    assert_eq!(line["actor"]["source"], "http");
    let before = std::fs::read(site.path("state/epoch")).unwrap();
    site.refwarden(&["token", "revoke", &token]).ends(0, "revoked");
    let after = std::fs::read(site.path("state/epoch")).unwrap();
    assert_ne!(before, after, "pushes under way are overtaken");
    alice.commit("a", "2");
    by_door.push(&["main"]).refused("RW102").says("was revoked").nothing_moved();
}

#[test]
fn a_token_pushes_no_further_than_its_scopes_repositories_user_and_end() {
    let site = site();
    let alice = started(&site);
    alice.commit("a", "1");
    let refused = |user: &str, token: &str, words: &str| {
        let by_door = through_the_door(&site, &alice, user, token);
        by_door.push(&["main"]).refused("RW102").says(words).nothing_moved();
    };
    let token = |more: &[&str]| id(&create(&site, &[&["--as", "alice"], more].concat()));
    refused("alice", &token(&["--scope", "read"]), "has no scope `push`");
    refused("alice", &token(&["--repository", "other/*"]), "is not for this repository");
    refused("bob", &token(&[]), "is not yours");
    refused("alice", "00000000", "is not known here");
    refused("alice", "../../..", "not the id of a token");
    let short = token(&["--for", "1s"]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    refused("alice", &short, "has ended");
    let here = token(&["--repository", "ap*", "--scope", "push"]);
    through_the_door(&site, &alice, "alice", &here).push(&["main"]).landed();
}

#[test]
fn a_store_put_back_from_before_a_revocation_revives_no_token() {
    let site = site();
    let alice = started(&site);
    let token = id(&create(&site, &["--as", "alice"]));
    let copy = site.path("copy.db");
    site.refwarden(&["store", "backup", copy.to_str().unwrap()]).ends(0, "");
    site.refwarden(&["token", "revoke", &token]).ends(0, "");
    site.refwarden(&["store", "restore", copy.to_str().unwrap()]).ends(0, "RW504");
    alice.commit("a", "1");
    let by_door = through_the_door(&site, &alice, "alice", &token);
    by_door.push(&["main"]).refused("RW504").nothing_moved();
    site.refwarden(&["token", "list"]).ends(7, "put back from a copy");
    site.refwarden(&["token", "create", "--as", "alice"]).ends(7, "put back from a copy");
    site.refwarden(&["token", "revoke", &token]).ends(7, "put back from a copy");
}

#[cfg(feature = "test-faults")]
mod injected {
    use super::{create, id, site, values};
    use crate::support::Fault;

    #[test]
    fn a_death_between_any_two_steps_leaves_no_token_without_its_line() {
        for stage in [
            "token-raised",
            "token-checked",
            "token-recorded",
            "store-committing",
            "store-committed",
            "token-committed",
            "epoch-raised",
            "epoch-committed",
        ] {
            for verb in ["create", "rotate", "revoke"] {
                let site = site();
                let old = id(&create(&site, &["--as", "alice"]));
                let fault = Fault::set(&site, &format!("kill-at = \"{stage}\"\n"));
                let run = match verb {
                    "create" => site.refwarden(&["token", "create", "--as", "alice"]),
                    verb => site.refwarden(&["token", verb, &old]),
                };
                drop(fault);
                assert!(verb == "create" || run.code.is_none(), "{stage} {verb}: {run:?}");
                let trail = site.trail();
                let told = |event: &str, field: &str, id: &str| {
                    trail.events(event).iter().any(|line| line["detail"][field] == id)
                };
                for token in values(&site.refwarden(&["--json", "token", "list", "--all"])) {
                    let id = id(&token);
                    let made = ["token.created", "token.rotated"];
                    assert!(made.iter().any(|event| told(event, "token", &id)), "{stage} {verb}");
                    let revoked = told("token.revoked", "token", &id)
                        || told("token.rotated", "replaces", &id);
                    assert!(token["revoked"].is_null() || revoked, "{stage} {verb}");
                }
                // And it goes on from there.
                create(&site, &["--as", "alice"]);
                site.trail_verifies();
            }
        }
    }
}
