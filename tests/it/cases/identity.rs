//! Every source with its evidence, and every variable in the hands of an attacker.

use crate::support::{Outcome, Person, Policy, Site, permit};
use refwarden::policy::name::UserName;
use refwarden::pusher::proof::{self, Door, Process, Said};
use std::os::unix::fs::MetadataExt;

/// Every variable by which some hosting stack, or an attacker, names a pusher.
const EVERYTHING: [(&str, &str); 40] = [
    ("REMOTE_USER", "alice"),
    ("HTTP_REMOTE_USER", "alice"),
    ("HTTP_X_FORWARDED_USER", "alice"),
    ("HTTP_AUTHORIZATION", "Basic YWxpY2U6YWxpY2U="),
    ("REMOTE_IDENT", "alice"),
    ("USER", "alice"),
    ("LOGNAME", "alice"),
    ("SUDO_USER", "alice"),
    ("SSH_USER", "alice"),
    ("SSH_ORIGINAL_COMMAND", "git-receive-pack alice"),
    ("REFWARDEN_USER", "alice"),
    ("REFWARDEN_KEY", "SHA256:x"),
    ("REFWARDEN_PROOF", "00"),
    ("GL_USER", "alice"),
    ("GL_USERNAME", "alice"),
    ("GL_ID", "user-1"),
    ("GL_BYPASS_ACCESS_CHECKS", "1"),
    ("GITEA_PUSHER_NAME", "alice"),
    ("GITEA_PUSHER_ID", "1"),
    ("GITEA_DEPLOY_KEY_ID", "0"),
    ("GOGS_AUTH_USER_NAME", "alice"),
    ("GITHUB_USER_LOGIN", "alice"),
    ("BB_USER_NAME", "alice"),
    ("STASH_USER_NAME", "alice"),
    ("SOFT_SERVE_USERNAME", "alice"),
    ("PHABRICATOR_USER", "alice"),
    ("GIT_PUSH_CERT_STATUS", "G"),
    ("GIT_PUSH_CERT_SIGNER", "alice"),
    ("GIT_PUSH_CERT_KEY", "SHA256:x"),
    ("GIT_PUSH_CERT_NONCE_STATUS", "OK"),
    ("GIT_COMMITTER_EMAIL", "alice@example.org"),
    ("GIT_AUTHOR_EMAIL", "alice@example.org"),
    ("LC_TEST_USER", "alice"),
    ("HTTP_TEST_USER", "alice"),
    ("test_user", "alice"),
    ("TEST_USER_", "alice"),
    ("REFWARDEN_POLICY", "/tmp/evil.toml"),
    ("REFWARDEN_SITE", "/tmp/evil.toml"),
    ("XDG_CONFIG_HOME", "/tmp"),
    ("HOME", "/nonexistent"),
];

const SOURCES: [(&str, &[(&str, &str)]); 11] = [
    ("remote-user", &[("REMOTE_USER", "alice")]),
    ("gitolite", &[("GL_USER", "alice"), ("GL_REPO", "app")]),
    ("gitlab", &[("GL_ID", "user-7"), ("GL_USERNAME", "alice"), ("GL_PROJECT_PATH", "app")]),
    ("gitea", &[("GITEA_PUSHER_NAME", "alice"), ("GITEA_DEPLOY_KEY_ID", "0")]),
    ("gogs", &[("GOGS_AUTH_USER_NAME", "alice")]),
    ("github-enterprise", &[("GITHUB_USER_LOGIN", "alice"), ("GITHUB_REPO_NAME", "app")]),
    (
        "bitbucket",
        &[("BB_USER_NAME", "alice"), ("BB_PROJECT_KEY", "team"), ("BB_REPO_SLUG", "app")],
    ),
    ("soft-serve", &[("SOFT_SERVE_USERNAME", "alice"), ("SOFT_SERVE_REPO_NAME", "app")]),
    ("phorge", &[("PHABRICATOR_USER", "alice"), ("PHABRICATOR_REPOSITORY", "app")]),
    ("env:WHO", &[("WHO", "alice")]),
    ("unix", &[]),
];

/// Pushes with these variables to a site that believes `source` alone.
fn push(source: &str, variables: &[(&str, &str)]) -> Outcome {
    let unix = format!("[users.alice]\nunix = \"{}\"", crate::support::own_account());
    let users = if source == "unix" { unix.as_str() } else { "[users.alice]" };
    let policy = Policy::new(&[permit("alice", "write", "")])
        .users(users)
        .sources(&format!("[\"{source}\"]"))
        .project("repositories = [\"**\"]\nbase = \"main\"");
    let site = Site::new(&policy);
    let name = if source == "bitbucket" { "team/app" } else { "app" };
    let repo = site.repo(name);
    let mut person = site.person("alice", &repo).nameless();
    person.commit("a", "1\n");
    for (name, value) in variables {
        person = person.with(name, value);
    }
    person.push(&["main"])
}

#[test]
fn every_source_names_the_pusher_by_its_own_evidence() {
    for (source, variables) in SOURCES {
        let push = push(source, variables);
        assert!(push.ok, "{source}: {}", push.words());
    }
}

#[test]
fn every_variable_but_the_right_one_set_by_an_attacker_changes_nothing() {
    for (source, own) in SOURCES {
        if source == "unix" {
            continue;
        }
        let others: Vec<(&str, &str)> = EVERYTHING
            .into_iter()
            .filter(|(name, _)| own.iter().all(|(mine, _)| mine != name))
            .collect();
        let push = push(source, &others);
        assert!(!push.ok, "{source}: {}", push.words());
        push.nothing_moved();
        assert!(
            push.words().contains("RW101") || push.words().contains("RW102"),
            "{source}: {}",
            push.words()
        );
    }
}

#[test]
fn certificate_variables_without_a_certificate_are_not_believed() {
    let forged = [
        ("GIT_PUSH_CERT", "0000000000000000000000000000000000000001"),
        ("GIT_PUSH_CERT_STATUS", "G"),
        ("GIT_PUSH_CERT_SIGNER", "alice"),
        ("GIT_PUSH_CERT_NONCE_STATUS", "OK"),
    ];
    let push = push("push-cert", &forged);
    push.refused("RW10");
}

#[test]
fn a_deploy_key_is_not_the_owner_whom_gitea_names() {
    push("gitea", &[("GITEA_PUSHER_NAME", "alice"), ("GITEA_DEPLOY_KEY_ID", "17")])
        .refused("RW102");
}

#[test]
fn a_gitlab_deploy_key_is_no_person() {
    push("gitlab", &[("GL_ID", "key-7"), ("GL_USERNAME", "alice")]).refused("RW102");
}

#[test]
fn the_hosting_stack_names_the_repository_that_the_policy_knows() {
    let policy = Policy::default()
        .sources("[\"gitolite\"]")
        .project("repositories = [\"app\"]\nbase = \"main\"");
    let site = Site::new(&policy);
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    let alice = alice.with("GL_USER", "alice");
    alice.with("GL_REPO", "other").push(&["main"]).refused("RW105");
    alice.with("GL_REPO", "app\n").push(&["main"]).refused("RW102");
    alice.with("GL_REPO", "app").push(&["main"]).silent();
}

#[test]
fn a_repository_named_by_a_source_that_is_not_listed_does_not_count() {
    let policy = Policy::default().project("repositories = [\"app\"]\nbase = \"main\"");
    let site = Site::new(&policy);
    let repo = site.repo("closed");
    let alice = site.person("alice", &repo);
    alice.commit("a", "1\n");
    for name in ["GL_REPO", "GL_PROJECT_PATH", "GITHUB_REPO_NAME", "GITEA_REPO_NAME"] {
        alice.with(name, "app").push(&["main"]).refused("RW105");
    }
}

#[test]
fn two_sources_that_name_different_people_refuse() {
    let policy = Policy::default().sources("[\"env:ONE\", \"env:TWO\"]");
    let site = Site::new(&policy);
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    let nobody = alice.nameless();
    nobody.with("ONE", "alice").with("TWO", "bob").push(&["main"]).refused("RW104");
    nobody.with("ONE", "alice").with("TWO", "mallory").push(&["main"]).refused("RW102");
    nobody.with("ONE", "mallory").with("TWO", "alice").push(&["main"]).refused("RW102");
    nobody.with("ONE", "").with("TWO", "alice").push(&["main"]).silent();
    alice.commit("a", "2\n");
    nobody.with("ONE", "alice").with("TWO", "alice").push(&["main"]).silent();
}

#[test]
fn names_that_a_client_can_set_are_no_sources() {
    let site = Site::new(&Policy::default());
    for name in
        ["LC_ALL", "LANG", "TERM", "GIT_PUSHER", "HTTP_USER", "SSH_USER", "COLORTERM", "NO_COLOR"]
    {
        site.write_policy(&Policy::default().sources(&format!("[\"env:{name}\"]")));
        site.refwarden(&["policy", "apply"]).ends(4, name);
    }
}

/// What a door would have said of a push that comes from this very process.
fn said_here(repository: &str) -> Said {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let start = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap();
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    Said {
        door: Door::Ssh,
        user: UserName::parse("alice").unwrap(),
        key: Some("SHA256:abc".into()),
        repository: proof::repository(repository.as_bytes()),
        address: None,
        until: None,
        process: Process {
            pid: std::process::id(),
            start_time: start.parse().unwrap(),
            boot_id: boot_id.trim().to_owned(),
            pid_namespace: std::fs::metadata("/proc/self/ns/pid").unwrap().ino(),
        },
    }
}

fn with_proof(person: &Person, said: &Said, key: &[u8; 32]) -> Person {
    person
        .nameless()
        .with(proof::USER, said.user.as_str())
        .with(proof::KEY, said.key.as_deref().unwrap_or_default())
        .with(proof::PROOF, &proof::seal(said, key))
}

#[test]
fn a_proof_counts_for_its_own_connection_repository_and_time_alone() {
    let site = Site::new(&Policy::default().sources("[\"ssh\"]"));
    let (_repo, alice) = site.started();
    site.refwarden(&["store", "init"]).ends(0, "");
    let key: [u8; 32] = std::fs::read(site.path("state/door.key")).unwrap().try_into().unwrap();
    alice.commit("a", "1\n");
    let nobody = alice.nameless();
    nobody.push(&["main"]).refused("RW101");
    nobody.with(proof::USER, "alice").push(&["main"]).refused("RW102");
    let said = said_here("app");
    let refused = |said: &Said, key: &[u8; 32], why: &str| {
        with_proof(&alice, said, key).push(&["main"]).refused("RW102").says(why);
    };
    refused(&said, &[7; 32], "was not written by a door");
    let process = Process { start_time: said.process.start_time + 1, ..said.process.clone() };
    refused(&Said { process, ..said.clone() }, &key, "is of another connection");
    let process = Process { pid: 1, ..said.process.clone() };
    refused(&Said { process, ..said.clone() }, &key, "is of another connection");
    refused(
        &Said { repository: proof::repository(b"b"), ..said.clone() },
        &key,
        "another repository",
    );
    let until = Some(chrono::Utc::now() - chrono::Duration::seconds(1));
    refused(&Said { until, ..said.clone() }, &key, "has ended");
    let beside = with_proof(&alice, &said, &key);
    beside.with(proof::USER, "bob").push(&["main"]).refused("RW102");
    beside.with(proof::KEY, "SHA256:other").push(&["main"]).refused("RW102");
    // The other door's word is no word of this one, and nothing that it set beside counts.
    let http = with_proof(&alice, &Said { door: Door::Http, ..said.clone() }, &key);
    http.push(&["main"]).refused("RW101");
    beside.push(&["main"]).silent().moved("refs/heads/main");
    site.write_policy(&Policy::default().sources("[\"ssh\", \"remote-user\"]"));
    site.apply();
    alice.commit("a", "2\n");
    http.with("REMOTE_USER", "alice").push(&["main"]).refused("RW101").says("no longer lists");
    beside.push(&["main"]).silent();
}

#[test]
fn push_options_never_elevate() {
    let (_site, repo, alice) = Site::standard();
    repo.config("receive.advertisePushOptions", "true");
    alice.commit("a", "1\n");
    let bob = alice.as_user("bob");
    let options = [
        "--push-option=access=admin",
        "--push-option=user=alice",
        "--push-option=TEST_USER=alice\u{1b}[2J",
    ];
    let push = bob.push_with(&options, &["main"]);
    push.refused("RW201");
    assert!(!push.report().contains('\u{1b}'));
    alice.push_with(&options, &["main"]).silent();
}
