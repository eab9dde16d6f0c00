//! Who may read, and that nobody else learns what there is.

use super::{Lab, lab, policy};
use crate::support::{Run, skip};
use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

/// carol may ask to read, for so long.
const READERS: &str = "[entitlements.look]\nprojects = [\"APP\"]\neligible = [\"carol\"]\n\
    permissions = [\"read\"]\nmax-duration = \"1h\"\nreason = \"optional\"\n\
    approval = [{ from = [\"alice\"], count = 1 }]\n";

fn started(more: &str) -> Option<Lab> {
    let lab = lab(more);
    if lab.is_none() {
        skip("no sshd");
    }
    lab
}

#[test]
fn who_may_read_clones_fetches_lists_and_takes_archives_by_every_name() {
    let Some(lab) = started("") else { return };
    let full = lab.repo.path.display().to_string();
    for (number, name) in
        ["app", "app.git", "app/", full.trim_start_matches('/')].iter().enumerate()
    {
        let folder = format!("clone{number}");
        lab.git("bob", &["clone", "-q", &lab.door.url(name), &folder]).ends(0, "");
        assert!(lab.person.path.join(folder).join("README").is_file(), "{name}");
    }
    lab.git("bob", &["fetch", "-q", &lab.door.url("app"), "main"]).ends(0, "");
    lab.git("bob", &["ls-remote", &lab.door.url("app")]).ends(0, "refs/heads/main");
    let remote = format!("--remote={}", lab.door.url("app"));
    lab.git("bob", &["archive", "--format=tar", "-o", "a.tar", &remote, "main"]).ends(0, "");
    let trail = lab.site.trail().events("read.allowed");
    assert_eq!(trail.len(), 7, "{trail:#?}");
    let last = trail.last().unwrap();
    assert_eq!(last["detail"]["service"], "git-upload-archive");
    assert_eq!(last["repository"], "app");
    assert_eq!(last["project"], "APP");
    assert_eq!(last["verdict"], "allowed");
    assert_eq!(last["actor"]["user"], "bob");
    assert_eq!(last["actor"]["source"], "ssh");
    assert_eq!(last["actor"]["key"], lab.fingerprint("bob").as_str());
    assert_eq!(last["actor"]["address"], "127.0.0.1");
    lab.site.trail_verifies();
}

#[test]
fn a_forbidden_repository_and_a_missing_one_are_told_alike() {
    let Some(lab) = started("") else { return };
    let one = |run: &Run, name: &str| {
        assert_ne!(run.code, Some(0), "{run:#?}");
        assert!(!run.stderr.contains("refs/"), "{run:#?}");
        let last = name.rsplit('/').next().unwrap();
        run.stderr.replace(name, "NAME").replace(last, "LAST")
    };
    lab.person.commit("a", "1\n");
    for arguments in [&["clone", "URL"][..], &["ls-remote", "URL"], &["push", "URL", "main"]] {
        let said = ["secret/plans", "secret/blank"].map(|name| {
            let url = lab.door.url(name);
            let all: Vec<&str> = arguments
                .iter()
                .map(|word| if *word == "URL" { url.as_str() } else { word })
                .collect();
            one(&lab.git("bob", &all), name)
        });
        assert_eq!(said[0], said[1], "{arguments:?}");
        let words = "remote error: refwarden: there is no repository `/NAME` that bob may read";
        assert!(said[0].contains(words), "{}", said[0]);
    }
    let said = ["secret/plans", "secret/blank"].map(|name| {
        let remote = format!("--remote={}", lab.door.url(name));
        one(&lab.git("bob", &["archive", "--format=tar", "-o", "a.tar", &remote, "main"]), name)
    });
    assert_eq!(said[0], said[1]);
    assert!(said[0].contains("there is no repository `/NAME` that bob may read"), "{}", said[0]);
    let refused = lab.site.trail().events("read.refused");
    assert_eq!(refused.len(), 8);
    assert_eq!((&refused[0]["code"], &refused[1]["code"]), (&"RW201".into(), &"RW105".into()));
    assert_eq!(refused[0]["project"], "SECRET");
    assert!(lab.site.trail().events("read.allowed").is_empty());
}

#[test]
fn a_refusal_is_one_packet_and_its_own_exit_code() {
    let Some(lab) = started("") else { return };
    let run = lab.ssh("carol", "git-upload-pack '/app.git'");
    let words = "ERR refwarden: there is no repository `/app.git` that carol may read";
    assert_eq!(run.stdout, format!("{:04x}{words}", words.len() + 4));
    assert_eq!((run.code, run.stderr.as_str()), (Some(3), ""));
}

#[test]
fn paths_and_options_of_an_attacker_reach_neither_git_nor_a_shell() {
    let Some(lab) = started("") else { return };
    let outside = lab.site.path("outside.git");
    lab.site
        .git()
        .run(&lab.site.path(""), &["clone", "-q", "--bare", "root/app.git", "outside.git"]);
    std::os::unix::fs::symlink(&outside, lab.site.path("root").join("link.git")).unwrap();
    let mark = lab.site.path("mark");
    let touch = format!("touch {}", mark.display());
    let long = "a/".repeat(3000);
    let outside = outside.display().to_string();
    for name in [
        "../outside.git",
        "/../outside.git",
        "app.git/../../outside.git",
        "link.git",
        &outside,
        "~/app.git",
        "app.git/objects",
        "app.git%00",
        "app.git%2f..%2f..%2foutside.git",
        "app.git\n",
        "\napp.git",
        "",
        ".",
        "/",
        &long,
        &format!("--upload-pack={touch}"),
        &format!("-oProxyCommand={touch}"),
        "--strict",
        "--timeout=1 app.git",
        &format!("$({touch})"),
        &format!("`{touch}`"),
        &format!("app.git; {touch}"),
        &format!("|{touch}"),
    ] {
        for line in [format!("git-upload-pack '{name}'"), format!("git upload-archive '{name}'")] {
            let run = lab.ssh("alice", &line);
            assert!(matches!(run.code, Some(2 | 3)), "{line:.80}: {run:#?}");
            assert!(run.stdout.contains("ERR refwarden: "), "{line:.80}: {run:#?}");
            assert!(!run.stdout.contains("refs/heads"), "{line:.80}: {run:#?}");
        }
    }
    for line in [
        format!("git-upload-pack 'app.git'; {touch}"),
        format!("git-upload-pack 'app.git' && {touch}"),
        format!("git-upload-pack app.git $({touch})"),
        format!("git-upload-pack --upload-pack='{touch}' app.git"),
        format!("git-upload-pack 'app.git'\n{touch}"),
        format!("git -c alias.x='!{touch}' x"),
        "git --exec-path=/tmp upload-pack app.git".into(),
        format!("git-shell -c '{touch}'"),
        format!("sh -c '{touch}'"),
        touch.clone(),
        "git-upload-pack 'app.git".into(),
        "git-daemon".into(),
    ] {
        let run = lab.ssh("alice", &line);
        assert_eq!(run.code, Some(2), "{line}: {run:#?}");
        assert!(!run.stdout.contains("refs/heads"), "{line}: {run:#?}");
    }
    assert!(!mark.exists());
}

#[test]
fn a_name_is_repeated_without_what_a_terminal_obeys() {
    let Some(lab) = started("") else { return };
    let run = lab.ssh("bob", "git-upload-pack 'caf\u{e9}\u{202e}'");
    assert!(run.stdout.contains(r"`caf\u{e9}\u{202e}`"), "{run:#?}");
}

/// Asks to read `app` as carol for some seconds, has alice approve, and gives the id.
fn lend(lab: &Lab, seconds: u32) -> String {
    let ask = format!("access request look --repository app --for {seconds}s --json");
    let asked = lab.ssh("carol", &ask);
    asked.ends(5, "");
    let value: serde_json::Value =
        serde_json::from_str(asked.stdout.lines().next().unwrap()).unwrap();
    let id = value["id"].as_str().unwrap().to_owned();
    lab.ssh("alice", &format!("access approve {id}")).ends(0, "");
    id
}

#[test]
fn a_read_may_be_lent_and_ends_while_a_running_clone_finishes() {
    let Some(lab) = started(READERS) else { return };
    let url = lab.door.url("app");
    lab.git("carol", &["ls-remote", &url]).ends(128, "there is no repository");
    let id = lend(&lab, 8);
    lab.git("carol", &["ls-remote", &url]).ends(0, "refs/heads/main");
    assert_eq!(lab.site.trail().events("read.allowed").last().unwrap()["grant"], id.as_str());
    // A clone that is under way when the grant ends.
    let mut slow = lab.door.ssh_command("carol", "", Some("git-upload-pack '/app'"));
    let mut slow = slow.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 4];
    slow.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    std::thread::sleep(Duration::from_secs(9));
    lab.git("carol", &["ls-remote", &url]).ends(128, "there is no repository");
    let want = format!("0032want {}\n00000009done\n", lab.repo.id("main"));
    slow.stdin.take().unwrap().write_all(want.as_bytes()).unwrap();
    let mut pack = Vec::new();
    slow.stdout.as_mut().unwrap().read_to_end(&mut pack).unwrap();
    assert!(slow.wait().unwrap().success());
    assert!(pack.windows(4).any(|four| four == b"PACK"));
}

#[test]
fn a_trail_that_can_t_be_written_refuses_the_read() {
    let Some(lab) = started("") else { return };
    let path = lab.site.trail().path;
    std::fs::rename(&path, path.with_extension("kept")).unwrap();
    std::fs::create_dir(&path).unwrap();
    let run = lab.git("bob", &["ls-remote", &lab.door.url("app")]);
    run.ends(128, "RW506").ends(128, "tell the server's admin");
    assert!(!run.stderr.contains(path.to_str().unwrap()), "{run:#?}");
}

#[test]
fn a_store_that_can_t_be_read_tells_nobody_what_there_is() {
    let Some(lab) = started("") else { return };
    std::fs::write(lab.site.path("state/state.db"), "no database").unwrap();
    let said = ["app", "secret/plans", "secret/blank"].map(|name| {
        let run = lab.git("bob", &["ls-remote", &lab.door.url(name)]);
        run.ends(128, "RW504");
        run.stderr.replace(name, "NAME")
    });
    assert_eq!(said[0], said[1]);
    assert_eq!(said[0], said[2]);
}

#[test]
fn sampled_reads_have_few_lines_and_refusals_all() {
    let Some(lab) = started("") else { return };
    lab.apply(|keys| policy(keys, "").audit("reads = \"1/1000000000\""));
    for _ in 0..3 {
        lab.git("bob", &["ls-remote", &lab.door.url("app")]).ends(0, "refs/heads/main");
        lab.git("carol", &["ls-remote", &lab.door.url("app")]).ends(128, "");
    }
    assert!(lab.site.trail().events("read.allowed").is_empty());
    assert_eq!(lab.site.trail().events("read.refused").len(), 3);
}

#[test]
fn a_warn_only_project_is_read_and_the_trail_says_that_it_would_not_be() {
    let Some(lab) = started("") else { return };
    lab.apply(|keys| {
        policy(keys, "").project("repositories = [\"app\"]\nbase = \"main\"\nenforce = \"warn\"")
    });
    lab.git("carol", &["ls-remote", &lab.door.url("app")]).ends(0, "refs/heads/main");
    let line = lab.site.trail().events("read.allowed").pop().unwrap();
    assert_eq!((&line["verdict"], &line["code"]), (&"would-refuse".into(), &"RW201".into()));
}
