//! What people ask of refwarden itself over ssh: as who they are, and never a shell.

use super::{Lab, lab};
use crate::support::skip;

const HOTFIX: &str = "[entitlements.hotfix]\nprojects = [\"APP\"]\neligible = [\"bob\"]\n\
    permissions = [\"update\"]\nbranches = [\"main\"]\nmax-duration = \"1h\"\nreason = \"optional\"\n\
    approval = [{ from = [\"alice\"], count = 1 }]\n";

fn started() -> Option<Lab> {
    let lab = lab(HOTFIX);
    if lab.is_none() {
        skip("no sshd");
    }
    lab
}

#[test]
fn a_login_without_a_command_shows_who_one_is_and_is_never_a_shell() {
    let Some(lab) = started() else { return };
    lab.ssh("bob", "access request hotfix --repository app --branches main --update").ends(5, "");
    let run = lab.door.ssh_command("bob", "", None).output().unwrap();
    let page = String::from_utf8(run.stdout).unwrap();
    assert_eq!(run.status.code(), Some(0), "{page}");
    let print = lab.fingerprint("bob");
    for line in [
        &format!("You are bob, by ssh key {print}, from 127.0.0.1.\n"),
        "There is no shell here",
        "You may read 1 repository:\n  app  APP  push on feature/**\n",
        "Yours, waiting or live:\n",
        "git push -o access=NAME",
        "NAME is what you may ask for, each in its place: hotfix\n",
        &format!("ssh {}@git.test help", lab.door.account),
    ] {
        assert!(page.contains(line), "should say {line:?}:\n{page}");
    }
    assert!(!page.contains("secret"), "{page}");
    // What is over is not shown as if it waited.
    let id = page.lines().find_map(|line| line.trim().split_once("  pending")).unwrap().0;
    lab.ssh("bob", &format!("access withdraw {id}")).ends(0, "withdrawn");
    let run = lab.door.ssh_command("bob", "", None).output().unwrap();
    let over = String::from_utf8(run.stdout).unwrap();
    assert!(!over.contains(id) && !over.contains("Yours"), "{over}");
    lab.ssh("bob", "access request hotfix --repository app --branches main --update").ends(5, "");
    // Who insists on a terminal gets none.
    let run = lab.door.ssh_command("bob", "-tt", None).output().unwrap();
    assert_eq!(run.status.code(), Some(255), "{run:?}");
    let page = lab.door.ssh_command("alice", "", None).output().unwrap();
    let page = String::from_utf8(page.stdout).unwrap();
    assert!(page.contains("You are alice (Alice Liddell)"), "{page}");
    assert!(page.contains("Waiting for your answer:\n") && page.contains("bob"), "{page}");
    let page = lab.door.ssh_command("carol", "", None).output().unwrap();
    let page = String::from_utf8(page.stdout).unwrap();
    assert!(page.contains("No repository was found that you may read."), "{page}");
    assert!(!page.contains("access=NAME"), "carol may ask for nothing: {page}");
}

#[test]
fn nothing_else_that_ssh_can_do_is_there() {
    let Some(lab) = started() else { return };
    let door = &lab.door;
    let port = door.port.to_string();
    let forward = format!("-W 127.0.0.1:{port}");
    let run = door.ssh_command("bob", &forward, None).output().unwrap();
    assert_ne!(run.status.code(), Some(0));
    assert!(!String::from_utf8_lossy(&run.stdout).contains("SSH-2.0"), "{run:?}");
    let sftp = door.ssh_command("bob", "-s", Some("sftp")).output().unwrap();
    assert_eq!(sftp.status.code(), Some(2), "{sftp:?}");
    for line in ["scp -f /etc/passwd", "rsync --server . /", "/bin/sh", "bash -i", "exec sh"] {
        let run = lab.ssh("bob", line);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{line}: {run:#?}");
    }
}

#[test]
fn people_act_as_who_they_are() {
    let Some(lab) = started() else { return };
    let asked =
        lab.ssh("bob", "access request hotfix --repository app --branches main --update --json");
    asked.ends(5, "");
    let value: serde_json::Value = serde_json::from_str(&asked.stdout).unwrap();
    let id = value["id"].as_str().unwrap().to_owned();
    for line in [
        format!("access approve {id} --as alice"),
        format!("access --as alice approve {id}"),
        "lock --all --message x --as alice".into(),
        "unlock aaaa-aaaa --as alice".into(),
    ] {
        lab.ssh("bob", &line).ends(2, "as yourself");
    }
    lab.ssh("bob", &format!("access approve {id}")).ends(3, "");
    lab.ssh("bob", &format!("access revoke {id}")).ends(3, "");
    lab.ssh("bob", "access export").ends(3, "");
    lab.ssh("alice", "access list waiting").ends(0, &id);
    lab.ssh("carol", "access list all").ends(0, "no request or grant matches");
    // Whoever may not see a request learns nothing of it by any verb, nor whether it is there.
    let none = "zzzz-zzzz";
    for verb in ["show", "approve", "deny", "withdraw", "revoke", "return", "extend", "attest"] {
        for more in ["", " --json"] {
            let [is, is_not] = [id.as_str(), none].map(|id| {
                let run = lab.ssh("carol", &format!("access {verb} {id}{more}"));
                run.ends(6, "that you may see");
                (run.stdout + &run.stderr).replace(id, "ID")
            });
            assert_eq!(is, is_not, "{verb}{more}");
            assert!(!is.contains("bob") && !is.contains("hotfix"), "{is}");
        }
    }
    let near = lab.ssh("carol", &format!("access show {}", &id[..8]));
    near.ends(6, "that you may see");
    assert!(!near.stderr.contains("did you mean"), "{near:#?}");
    let requested = lab.site.trail().events("access.requested").pop().unwrap();
    assert_eq!(requested["actor"]["source"], "ssh");
    assert_eq!(requested["actor"]["address"], "127.0.0.1");
}

#[test]
fn files_of_the_server_stay_with_its_admin() {
    let Some(lab) = started() else { return };
    let policy = lab.site.policy().display().to_string();
    for line in [
        format!("explain --policy {policy} --repository app --action read"),
        "explain --stdin".into(),
        format!("audit verify --checkpoint {policy}"),
        "audit rotate".into(),
    ] {
        let run = lab.ssh("alice", &line);
        run.ends(2, "server");
        assert_eq!(run.stdout, "", "{line}");
    }
}

#[test]
fn questions_are_about_oneself_and_about_what_one_may_read() {
    let Some(lab) = started() else { return };
    lab.ssh("bob", "explain --repository app --action update --ref main").ends(3, "bob: update");
    lab.ssh("bob", "explain --as bob --repository app --action read").ends(0, "allowed");
    lab.ssh("bob", "explain --as alice --repository app --action read")
        .ends(3, "audit or administer");
    lab.ssh("alice", "explain --as bob --repository app --action read").ends(0, "bob: read");
    lab.ssh("bob", "who update main --repository app").ends(0, "alice");
    let said = ["secret/plans", "secret/blank", "nowhere"].map(|name| {
        let who = lab.ssh("bob", &format!("who read --repository {name}"));
        let explain = lab.ssh("bob", &format!("explain --repository {name} --action read"));
        assert_eq!((who.code, explain.code), (Some(3), Some(3)), "{who:#?} {explain:#?}");
        assert_eq!(who.stdout + &explain.stdout, "");
        (who.stderr + &explain.stderr).replace(name, "NAME")
    });
    assert_eq!(said[0], said[1]);
    assert_eq!(said[0], said[2]);
}

#[test]
fn the_trail_is_read_by_whom_the_policy_names_and_that_is_recorded() {
    let Some(lab) = started() else { return };
    lab.git("bob", &["ls-remote", &lab.door.url("app")]).ends(0, "");
    for line in ["audit show", "audit verify", "audit export", "audit checkpoint"] {
        let run = lab.ssh("bob", line);
        run.ends(3, "is not among those who audit");
        assert_eq!(run.stdout, "", "{line}");
    }
    assert!(lab.site.trail().events("audit.read").is_empty());
    lab.ssh("alice", "audit show --event read.allowed").ends(0, "bob (ssh");
    lab.ssh("alice", "audit verify").ends(0, "the chain is whole");
    lab.ssh("alice", "audit export --format csv").ends(0, "read.allowed");
    let read = lab.site.trail().events("audit.read");
    let how: Vec<&str> = read.iter().map(|line| line["detail"]["how"].as_str().unwrap()).collect();
    assert_eq!(how, ["show", "verify", "export"]);
    assert_eq!(read[0]["actor"]["user"], "alice");
    assert_eq!(read[0]["actor"]["key"], lab.fingerprint("alice").as_str());
}

#[test]
fn locks_are_for_whom_the_policy_names() {
    let Some(lab) = started() else { return };
    lab.ssh("bob", "lock --all --message freeze").ends(3, "administer");
    let laid = lab.ssh("alice", "lock --project APP --permissions update --message 'freeze now'");
    laid.ends(0, &format!("ssh {}@git.test unlock ", lab.door.account));
    let id = laid.stdout[..9].to_owned();
    lab.person.commit("a", "1\n");
    lab.push("alice", &["main"]).refused("RW205").says("freeze now");
    lab.ssh("bob", &format!("unlock {id}")).ends(3, "");
    lab.ssh("alice", "lock list").ends(0, &id);
    lab.ssh("alice", &format!("unlock {id}")).ends(0, "");
    lab.push("alice", &["main"]).landed();
}

#[test]
fn help_teaches_and_a_lost_quote_is_explained() {
    let Some(lab) = started() else { return };
    let help = lab.ssh("bob", "help");
    help.ends(0, "access").ends(0, "Without a command");
    let help = lab.ssh("bob", "access approve --help");
    help.ends(0, &format!("ssh {}@git.test access approve", lab.door.account));
    assert!(!help.stdout.contains("--as"), "{help:#?}");
    // What arrives of: ssh git@host access deny ID --note 'not before friday'
    lab.ssh("bob", "access deny 7f3k-92qd --note not before friday").ends(2, "another pair");
    let run = lab.ssh("bob", "acess\u{202e} list");
    run.ends(2, "");
    assert!(run.stderr.is_ascii(), "{run:#?}");
}

#[test]
fn a_server_s_trouble_is_a_code_and_the_detail_stays_there() {
    let Some(lab) = started() else { return };
    std::fs::write(lab.site.path("state/state.db"), "no database").unwrap();
    let run = lab.ssh("bob", "access list");
    run.ends(7, "RW504").ends(7, "tell the server's admin");
    assert!(!run.stderr.contains("state.db"), "{run:#?}");
    let run = lab.ssh("bob", "access list --json");
    assert!(run.stdout.starts_with("{\"error\":"), "{run:#?}");
}

#[test]
fn asking_tells_nobody_which_repositories_and_folders_there_are() {
    let Some(lab) = started() else { return };
    let asks = |person: &str, verb: &str, place: &str| {
        let line = format!("access {verb} hotfix --repository {place} --branches main --update");
        let run = lab.ssh(person, &line);
        // The account's login shell may have said something before.
        let said = run.stderr.lines().filter(|line| line.starts_with("error: "));
        (run.code, run.stdout, said.collect::<String>().replace(place, "PLACE"))
    };
    for verb in ["request", "break-glass"] {
        let missing = asks("carol", verb, "nothing");
        assert_eq!(missing.0, Some(3), "{missing:?}");
        for there in ["secret", "app", "secret.git/objects", "app.git/refs/heads", "secret.git"] {
            assert_eq!(asks("carol", verb, there).0, Some(3), "{there}");
        }
        assert_eq!(asks("carol", verb, "secret"), missing);
        assert_eq!(asks("bob", verb, "secret"), asks("bob", verb, "nothing"));
    }
    // Who may ask may not look around inside.
    assert_ne!(asks("bob", "request", "app.git/refs").0, Some(5));
}
