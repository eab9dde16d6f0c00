//! What `explain` and `who` say is what a push would hear: locks and lent rights count.

use super::{MAIN, hotfix, site};
use serde_json::Value;

#[test]
fn explain_and_who_know_locks_and_lent_rights() {
    let site = site(&hotfix(""));
    let asked = |who: &str| {
        let about = ["--as", who, "--repository", "app", "--action", "update", "--ref", "main"];
        site.refwarden(&[&["policy", "explain", "--no-paths"], &about[..]].concat())
    };
    let who = || site.refwarden(&["who", "update", "main", "--repository", "app"]);
    asked("bob").ends(3, "refused: RW201");
    assert!(!who().stdout.contains("bob"));
    let id = site.lent(&MAIN);
    asked("bob").ends(0, &format!("allowed, by grant {id}"));
    let all = who();
    assert!(
        all.stdout.contains(&format!("grant {id}")) && all.stdout.contains("alice"),
        "{all:#?}"
    );
    // It is bob's alone, and for `main` of this repository alone.
    asked("carol").ends(3, "RW201");
    let stdin = r#"{"user":"bob","repository":"app","action":"update","ref":"main","paths":[]}"#;
    let line = |stdin: &str| -> Value {
        let mut command = site.refwarden_command(&["policy", "explain", "--stdin"]);
        let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin.as_bytes()).unwrap();
        serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap()
    };
    assert_eq!(line(stdin)["entry"]["grant"], id.as_str());
    assert_eq!(line(&stdin.replace("\"main\"", "\"other\""))["code"], "RW201");
    site.refwarden(&["lock", "--repository", "app", "--message", "being moved"]).ends(0, "");
    asked("bob").ends(3, "refused: RW205 locked, by lock ");
    asked("alice").ends(3, "refused: RW205 locked, by lock ");
    assert!(line(stdin)["entry"]["lock"].is_string());
    who().ends(6, "nobody can update");
    // A file is asked as it stands there.
    let file = site.policy();
    let about = ["--as", "alice", "--repository", "app", "--action", "update", "--ref", "main"];
    let of_file = ["policy", "explain", "--no-paths", "--policy", file.to_str().unwrap()];
    site.refwarden(&[&of_file[..], &about[..]].concat()).ends(0, "allowed");
    let lock = line(stdin)["entry"]["lock"].as_str().unwrap().to_owned();
    site.refwarden(&["unlock", &lock]).ends(0, "");
    asked("bob").ends(0, "allowed, by grant");
    site.access(&["revoke", &id]).ends(0, "revoked");
    assert!(!who().stdout.contains(&id));
}
