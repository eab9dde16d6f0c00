//! The HTTP door behind real web servers, as `docs/doors-http.md` configures them.

mod api;
pub mod clients;
mod hostile;
mod reads;
mod slow;
mod tokens;

use super::web::{self, Kind, Web, status};
use crate::support::{Person, Policy, Repo, Site, is_root, own_account, permit, skip};
use refwarden::policy::name::UserName;
use refwarden::policy::pattern::Pattern;
use refwarden::pusher::token::{Scope, Secret, Terms, TokenId};
use refwarden::store::open::Mode;
use refwarden::store::tokens::{Change, TokenStore};

/// What all clients are told of what they may not read and of what is not there.
const NOT_THERE: &str = "there is no such repository, or you may not read it";

/// alice may do everything, bob may push to `feature/**`, carol is known and may nothing.
fn policy() -> Policy {
    permitted(&[
        permit("alice", "write", ""),
        permit("bob", "push", r#"branches = ["feature/**"]"#),
    ])
}

fn permitted(entries: &[String]) -> Policy {
    Policy::new(entries)
        .sources("[\"http\"]")
        .also("[tokens]\nmax-lifetime = \"30d\"")
        .server("help = \"https://wiki.test/git\"")
}

/// A site with a started repository, somebody's clone of it, and the server.
struct Door {
    site: Site,
    repo: Repo,
    person: Person,
    web: Web,
}

impl Door {
    fn open(policy: &Policy, kind: Kind) -> Option<Self> {
        let site = Site::new(policy);
        let (repo, alice) = site.started();
        let Some(web) = Web::start(&site, kind) else {
            skip("no web server, or no fcgiwrap");
            return None;
        };
        Some(Self { site, repo, person: alice.nameless(), web })
    }

    /// Somebody's new token, as a user name with its password.
    fn login(&self, user: &str) -> String {
        self.login_for(user, &Scope::DEFAULT, &[], 60)
    }

    fn login_for(
        &self,
        user: &str,
        scopes: &[Scope],
        repositories: &[&str],
        seconds: i64,
    ) -> String {
        format!("{user}:{}", self.token(user, scopes, repositories, seconds).1.reveal())
    }

    fn token(
        &self,
        user: &str,
        scopes: &[Scope],
        repositories: &[&str],
        seconds: i64,
    ) -> (TokenId, Secret) {
        let id = TokenId::of(refwarden::os::random::bytes());
        let secret = Secret::of(&id, &mut || refwarden::os::random::bytes::<1>()[0]);
        let now = chrono::Utc::now();
        let terms = Terms {
            user: UserName::parse(user).unwrap(),
            note: None,
            scopes: scopes.iter().copied().collect(),
            repositories: repositories.iter().map(|text| Pattern::parse(text).unwrap()).collect(),
            created: now,
            by: "test".into(),
            until: now + chrono::TimeDelta::seconds(seconds),
        };
        let created = vec![(id.clone(), terms, secret.hash())];
        self.change(&Change { created, revoked: Vec::new() });
        (id, secret)
    }

    fn revoke(&self, id: &TokenId) {
        let revoked = vec![(id.clone(), chrono::Utc::now(), "test".to_owned())];
        self.change(&Change { created: Vec::new(), revoked });
    }

    fn change(&self, change: &Change) {
        let uid = rustix::process::geteuid().as_raw();
        let store = TokenStore::open(&self.site.path("state"), uid, Mode::Write).unwrap().unwrap();
        assert!(store.commit_recorded(change, &mut || true).unwrap().is_some());
    }

    /// Clones into a new folder; gives whether that worked, and the client's words.
    fn clone(&self, login: &str, name: &str) -> (bool, String) {
        let target = self.site.path("people").join(format!("clone-{}", web::base64(login)));
        let _ = std::fs::remove_dir_all(&target);
        let mut command = self.person.command();
        command.args(["clone", "-q", &self.web.url(login, name)]).arg(target);
        let done = command.stdin(std::process::Stdio::null()).output().unwrap();
        (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
    }
}

#[test]
fn a_push_with_a_token_is_judged_as_its_user_s() {
    for kind in [Kind::Nginx, Kind::Apache] {
        let Some(door) = Door::open(&policy(), kind) else { return };
        let Door { site, repo, person, web } = &door;
        person.commit("a", "1\n");
        let bob = door.login("bob");
        let push = web.push(repo, person, &bob, &["main"]);
        push.refused("RW201").says("you are bob (http, key token:").says("https://wiki.test/git");
        web.push(repo, person, &bob, &["main:feature/x"]).silent();
        web.push(repo, person, &door.login("alice"), &["main"]).silent();
        let actor = site.trail().last_decision()["actor"].clone();
        assert_eq!((&actor["user"], &actor["source"]), (&"alice".into(), &"http".into()));
        assert_eq!(actor["address"], "127.0.0.1");
        assert!(actor["key"].as_str().unwrap().starts_with("token:"), "{actor}");
        site.trail_verifies();
    }
}

#[test]
fn people_clone_fetch_list_and_archive() {
    for kind in [Kind::Nginx, Kind::Apache] {
        let Some(door) = Door::open(&policy(), kind) else { return };
        let bob = door.login("bob");
        assert_eq!(door.clone(&bob, "app.git"), (true, String::new()));
        assert_eq!(door.clone(&bob, "app"), (true, String::new()));
        for arguments in [
            &["ls-remote", "URL"][..],
            &["fetch", "URL", "main"],
            &["-c", "protocol.version=0", "ls-remote", "URL"],
            &["-c", "protocol.version=1", "fetch", "URL", "main"],
            &["archive", "--remote=URL", "-o", "a.tar", "main"],
        ] {
            let done = door.web.git(&door.person, &bob, arguments);
            let words = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "{arguments:?}: {words}");
        }
        let archive = std::fs::read(door.person.path.join("a.tar")).unwrap();
        assert!(archive.windows(6).any(|bytes| bytes == b"README"));
    }
}

#[test]
fn who_may_not_read_is_told_the_same_of_what_is_not_there() {
    for kind in [Kind::Nginx, Kind::Apache] {
        let Some(door) = Door::open(&policy(), kind) else { return };
        let carol = door.login("carol");
        let (ok, words) = door.clone(&carol, "app.git");
        assert!(
            !ok && words.contains(&format!("remote: error: refused by refwarden: {NOT_THERE}")),
            "{words}"
        );
        assert!(words.contains("remote: you are carol (http, token:"), "{words}");
        assert!(words.contains("remote: https://wiki.test/git"), "{words}");
        let limited = door.login_for("alice", &Scope::DEFAULT, &["other/**"], 60);
        for login in [carol.as_str(), "", &limited] {
            for (method, tail, headers, body) in SHAPES {
                let [there, missing] = ["app.git", "nothing.git"].map(|name| {
                    let path = format!("/{name}{tail}");
                    door.web.ask(method, login, &path, headers, body.as_bytes())
                });
                assert_eq!(there, missing, "{login} {method} {tail}");
                let expected = if login.is_empty() { 401 } else { 403 };
                assert_eq!(status(&there), expected, "{there}");
                assert!(!there.to_lowercase().contains("html"), "{there}");
            }
        }
        // The admin can tell them apart.
        let refused = door.site.trail().events("read.refused");
        assert!(
            refused.iter().any(|line| line["repository"] == "app.git" && line["code"] == "RW201")
        );
        assert!(
            refused
                .iter()
                .any(|line| line["repository"] == "nothing.git" && line["code"] == "RW105"
                    || line["code"] == "RW201")
        );
    }
}

/// One request for each address that git-http-backend has.
const SHAPES: [(&str, &str, &str, &str); 9] = [
    ("GET", "/info/refs?service=git-upload-pack", "Git-Protocol: version=2\r\n", ""),
    ("GET", "/info/refs?service=git-upload-pack", "", ""),
    ("GET", "/info/refs?service=git-receive-pack", "", ""),
    ("GET", "/info/refs", "", ""),
    ("GET", "/HEAD", "", ""),
    ("GET", "/objects/info/packs", "", ""),
    ("POST", "/git-upload-pack", "Content-Type: application/x-git-upload-pack-request\r\n", "0000"),
    (
        "POST",
        "/git-receive-pack",
        "Content-Type: application/x-git-receive-pack-request\r\n",
        "0000",
    ),
    (
        "POST",
        "/git-upload-archive",
        "Content-Type: application/x-git-upload-archive-request\r\n",
        "0000",
    ),
];

#[test]
fn a_login_of_the_web_server_s_own_counts_where_the_policy_says_so() {
    for kind in [Kind::NginxLogin, Kind::ApacheLogin] {
        let policy = policy().sources("[\"remote-user\"]");
        let Some(door) = Door::open(&policy, kind) else { return };
        let Door { site, repo, person, web } = &door;
        person.commit("a", "1\n");
        let push = web.push(repo, person, "bob:bob-pw", &["main"]);
        push.refused("RW201").says("you are bob (remote-user)");
        web.push(repo, person, "alice:alice-pw", &["main"]).silent();
        let (ok, words) = door.clone("carol:carol-pw", "app.git");
        assert!(
            !ok && words.contains(NOT_THERE) && words.contains("you are carol (remote-user)"),
            "{words}"
        );
        let (ok, words) = door.clone("mallory:mallory-pw", "app.git");
        assert!(!ok && words.contains("RW102") && words.contains("`mallory`"), "{words}");
        let (ok, words) = door.clone("dave:dave-pw", "app.git");
        assert!(!ok && words.contains("RW103"), "{words}");
        assert!(!door.clone("alice:bob-pw", "app.git").0);
        // A token is nothing where the policy does not list the door.
        assert_eq!(site.trail().last_decision()["actor"]["source"], "remote-user");
    }
}

#[test]
fn a_name_beside_a_token_is_never_taken_for_a_login() {
    // As by mistake: nginx hands on the name of `Authorization` although it checks no password.
    let policy = policy().sources("[\"http\", \"remote-user\"]");
    for kind in [Kind::NginxLogin, Kind::ApacheLogin] {
        let Some(door) = Door::open(&policy, kind) else { return };
        let bob = door.login("bob").replace("bob:", "alice:");
        // The server knows no such password: nobody comes in.
        assert_eq!(status(&door.web.get(&bob, "/app.git/HEAD", "")), 401);
        assert_eq!(status(&door.web.get("alice:alice-pw", "/app.git/HEAD", "")), 200);
    }
    let Some(door) = Door::open(&policy, Kind::Nginx) else { return };
    let bob = door.login("bob").replace("bob:", "alice:");
    door.person.commit("a", "1\n");
    let push = door.web.push(&door.repo, &door.person, &bob, &["main"]);
    push.refused("RW201").says("you are bob (http");
}

#[test]
fn who_asks_by_a_push_waits_for_an_answer_and_then_pushes() {
    let policy = policy().also(
        "[entitlements.hotfix]\nprojects = [\"APP\"]\neligible = [\"bob\"]\npermissions = [\"update\"]\n\
         branches = [\"main\"]\nmax-duration = \"2h\"\napproval = [{ from = [\"alice\"], count = 1 }]",
    );
    let Some(door) = Door::open(&policy, Kind::Nginx) else { return };
    let Door { site, repo, person, web } = &door;
    person.commit("a", "1\n");
    let scopes = [Scope::Read, Scope::Push, Scope::Request];
    let bob = door.login_for("bob", &scopes, &[], 60);
    let ask = ["-o", "access=hotfix", "-o", "reason=fix the door", "main"];
    repo.config("receive.advertisePushOptions", "true");
    let outcome = web.push(repo, person, &bob, &ask);
    outcome.refused("waiting for approval");
    let report = outcome.report();
    let id = report.split("request ").nth(1).and_then(|rest| rest.get(..9)).unwrap().to_owned();
    let approved = site.refwarden(&["access", "approve", &id, "--as", "alice"]);
    assert_eq!(approved.code, Some(0), "{approved:#?}");
    web.push(repo, person, &bob, &["main"]).landed().says("allowed by grant");
}

#[test]
fn an_apache_of_the_hosting_account_needs_no_fcgiwrap() {
    // Apache does not serve as root: then the site is given to an account of every Debian.
    let account = if is_root() { "daemon" } else { Box::leak(own_account().into_boxed_str()) };
    let site = Site::new(&policy());
    let (repo, alice) = site.started();
    let Some(web) = Web::start(&site, Kind::ApacheCgi(account)) else { return skip("no apache2") };
    let door = Door { site, repo, person: alice.nameless(), web };
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| door.login(name));
    let new = door.person.commit("a", "1\n");
    if is_root() {
        door.site.give_to("daemon", 1);
        let people = door.site.path("people");
        let run = std::process::Command::new("chown").args(["-R", "root"]).arg(people).status();
        assert!(run.unwrap().success());
    }
    let push = |login: &str, refspec: &str| {
        let done = door.web.git(&door.person, login, &["push", "URL", refspec]);
        (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let (ok, words) = push(&bob, "main");
    assert!(!ok && words.contains("RW201") && words.contains("you are bob (http"), "{words}");
    let (ok, words) = push(&alice, "main");
    assert!(ok, "{words}");
    let refs = door.web.git(&door.person, &bob, &["ls-remote", "URL", "main"]);
    assert!(String::from_utf8_lossy(&refs.stdout).starts_with(&new), "{refs:?}");
    assert_eq!(status(&door.web.get(&carol, "/app.git/HEAD", "")), 403);
    assert_eq!(status(&door.web.get("", "/app.git/HEAD?policy+apply", "")), 401);
    assert_eq!(status(&door.web.get(&bob, "/app.git/HEAD?policy+apply", "")), 200);
}
