//! `token` over ssh, and as a credential helper of a real git.

use super::{Lab, lab};
use crate::support::skip;
use std::io::Write;
use std::process::Stdio;

const TOKENS: &str = "[tokens]\nmax-lifetime = \"30d\"\nurl = \"https://git.test\"\n";

/// What git's own `git credential` says, with the door as its only helper.
fn credential(lab: &Lab, verb: &str, said: &str) -> (bool, String) {
    let mut git = lab.person.command();
    let helper = format!(
        "!ssh {} -p {} {}@127.0.0.1 token credential",
        lab.door.options("bob", ""),
        lab.door.port,
        lab.door.account
    );
    git.args(["-c", "credential.helper=", "-c", &format!("credential.helper={helper}")]);
    git.args(["-c", "credential.useHttpPath=true", "credential", verb]);
    git.env("GIT_TERMINAL_PROMPT", "0").env("GIT_ASKPASS", "");
    let mut child =
        git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(said.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    (done.status.success(), String::from_utf8(done.stdout).unwrap())
}

fn field<'t>(text: &'t str, name: &str) -> &'t str {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or("")
}

#[test]
fn git_gets_a_token_for_an_hour_and_gives_it_back() {
    let Some(lab) = lab(TOKENS) else { return skip("no sshd") };
    let asked = "protocol=https\nhost=git.test\npath=app.git\n\n";
    let (done, said) = credential(&lab, "fill", asked);
    assert!(done, "{said}");
    assert_eq!(field(&said, "username"), "bob");
    assert!(field(&said, "password").starts_with("rwt_"), "{said}");
    let end: i64 = field(&said, "password_expiry_utc").parse().unwrap();
    let left = end - chrono::Utc::now().timestamp();
    assert!((3500..=3600).contains(&left), "{left}");
    let list = lab.ssh("bob", "token list --json");
    assert!(list.stdout.contains("\"repositories\":[\"app\"]"), "{list:?}");
    assert!(list.stdout.contains("\"state\":\"live\""), "{list:?}");
    // What git says after a 401.
    let (done, _) = credential(&lab, "reject", &format!("{said}\n"));
    assert!(done);
    let list = lab.ssh("bob", "token list --all --json");
    assert!(list.stdout.contains("\"state\":\"revoked\""), "{list:?}");
    assert!(!list.stdout.contains("\"state\":\"live\""), "{list:?}");
    assert_eq!(lab.site.trail().events("token.created").len(), 1);
    lab.site.trail_verifies();
}

#[test]
fn nothing_is_made_for_another_server_another_user_or_without_tls() {
    let Some(lab) = lab(TOKENS) else { return skip("no sshd") };
    for asked in [
        "protocol=https\nhost=evil.test\n\n",
        "protocol=http\nhost=git.test\n\n",
        "protocol=https\nhost=git.test\nusername=alice\n\n",
    ] {
        let (_, said) = credential(&lab, "fill", asked);
        assert!(!said.contains("rwt_"), "{asked}: {said}");
    }
    lab.ssh("bob", "token credential store").ends(0, "");
    lab.ssh("bob", "token credential capability").ends(0, "");
    assert!(lab.site.trail().events("token.created").is_empty());
}

#[test]
fn a_token_that_was_made_otherwise_is_not_taken_back_by_git() {
    let Some(lab) = lab(TOKENS) else { return skip("no sshd") };
    let made = lab.ssh("bob", "token create --note laptop --json");
    let secret = made.stdout.split("\"secret\":\"").nth(1).unwrap().split('"').next().unwrap();
    let said = format!("protocol=https\nhost=git.test\nusername=bob\npassword={secret}\n\n");
    assert!(credential(&lab, "reject", &said).0);
    let list = lab.ssh("bob", "token list --json");
    assert!(list.stdout.contains("\"state\":\"live\""), "{list:?}");
    // People make no tokens of others, whatever door they come by, and `--as` is the server's.
    lab.ssh("bob", "token create --user alice").ends(3, "nobody makes a token of another");
    lab.ssh("bob", "token create --as alice").ends(2, "--as");
    let id = lab.ssh("alice", "token create --json");
    let id = id.stdout.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    lab.ssh("bob", &format!("token revoke {id}")).ends(6, "there is no token");
}
