//! Files, folders and accounts that are not to be trusted; policies that are none.

use crate::support::{Git, Person, Policy, Site, chmod, is_root, permit, skip};
use std::os::unix::fs::symlink;
use std::process::Command;

#[test]
fn before_any_policy_was_applied_nothing_goes() {
    let site = Site::unapplied(&Policy::default(), &Git::default());
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    alice.push(&["main"]).refused("RW501");
}

#[test]
fn a_policy_with_mistakes_is_refused_whole_and_the_applied_one_stays() {
    let (site, _repo, alice) = Site::standard();
    site.write_policy_text("version = 1\nnonsense = true\n[schemes.default]\n[[schemes.default.permit]]\npermissions = [\"pusch\"]\n");
    let run = site.refwarden(&["policy", "apply"]);
    run.ends(4, "policy.toml:2").ends(4, "policy.toml:5").ends(4, "RW6").ends(4, "did you mean");
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
}

#[test]
fn a_policy_that_everybody_can_write_is_not_applied() {
    let (site, _repo, _alice) = Site::standard();
    for mode in [0o666, 0o664] {
        chmod(&site.policy(), mode);
        let run = site.refwarden(&["policy", "apply"]);
        assert_ne!(run.code, Some(0), "{mode:o}");
        run.ends(run.code.unwrap(), "policy.toml");
    }
}

#[test]
fn a_policy_replaced_by_a_link_to_somebody_elses_file_is_not_applied() {
    let (site, _repo, _alice) = Site::standard();
    let evil = site.path("people/evil.toml");
    std::fs::copy(site.policy(), &evil).unwrap();
    chmod(&evil, 0o666);
    std::fs::remove_file(site.policy()).unwrap();
    symlink(&evil, site.policy()).unwrap();
    let run = site.refwarden(&["policy", "apply"]);
    assert_ne!(run.code, Some(0), "{run:?}");
}

#[test]
fn a_policy_in_a_folder_that_others_can_write_is_not_applied() {
    let (site, _repo, _alice) = Site::standard();
    let open = site.path("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::rename(site.policy(), open.join("policy.toml")).unwrap();
    symlink(open.join("policy.toml"), site.policy()).unwrap();
    assert_eq!(site.refwarden(&["policy", "apply"]).code, Some(0), "a link alone is fine");
    chmod(&open, 0o777);
    assert_ne!(site.refwarden(&["policy", "apply"]).code, Some(0));
}

#[test]
fn a_policy_of_fifty_megabytes_is_refused_in_good_time() {
    let (site, _repo, _alice) = Site::standard();
    let mut text = Policy::default().text();
    text.push_str(&"# ".repeat(25 << 20));
    site.write_policy_text(&text);
    let start = std::time::Instant::now();
    let run = site.refwarden(&["policy", "apply"]);
    assert_ne!(run.code, Some(0), "{}", run.stderr.len());
    assert!(start.elapsed().as_secs() < 30);
    assert!(run.stderr.len() < 1 << 20, "it is not thrown back whole");
}

#[test]
fn state_that_others_can_write_refuses() {
    let (site, _repo, alice) = Site::standard();
    alice.commit("a", "1\n");
    for (path, mode) in [
        ("state", 0o770),
        ("state/policy", 0o777),
        ("state/policy/current", 0o666),
        ("lib/refwarden/site.toml", 0o666),
    ] {
        use std::os::unix::fs::PermissionsExt;
        let path = site.path(path);
        let before = std::fs::metadata(&path).unwrap().permissions().mode();
        chmod(&path, mode);
        alice.push(&["main"]).refused("RW502");
        chmod(&path, before & 0o7777);
    }
    alice.push(&["main"]).silent();
}

#[test]
fn hooks_that_run_as_somebody_else_than_the_hosting_account_refuse() {
    let (site, _repo, alice) = Site::standard();
    alice.commit("a", "1\n");
    site.write_site_file("git", rustix::process::geteuid().as_raw() + 4242);
    alice.push(&["main"]).refused("RW502");
}

#[test]
fn an_ordinary_hosting_account_and_root_who_is_not_it() {
    if !is_root() {
        return skip("only root can become another account");
    }
    // An account of every Debian, which owns nothing.
    const UID: u32 = 1;
    let (site, repo, alice) = Site::standard();
    alice.commit("a", "1\n");
    let alice = trusting(&site, &alice);
    site.give_to("daemon", UID);
    let push = |uid: u32| {
        let plain = alice.push_command(&[], &["main"]);
        let mut command = Command::new("setpriv");
        command.args([
            &format!("--reuid={uid}"),
            &format!("--regid={uid}"),
            "--clear-groups",
            "--",
        ]);
        command.arg(plain.get_program()).args(plain.get_args());
        command.current_dir(plain.get_current_dir().unwrap()).env_clear();
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (ok, words) = push(0);
    assert!(!ok && words.contains("RW502"), "{words}");
    let (ok, words) = push(UID);
    assert!(ok, "{words}");
    let head =
        |path| alice.command().current_dir(path).args(["rev-parse", "main"]).output().unwrap();
    assert_eq!(head(&repo.path).stdout, head(&alice.path).stdout);
    // Root's commands leave nothing behind that the account can't write.
    site.apply();
    site.refwarden(&["sweep"]).ends(0, "");
    let find = |folder: &str| {
        let mut find = Command::new("find");
        find.arg(site.path(folder)).args(["!", "-uid", &UID.to_string()]);
        String::from_utf8(find.output().unwrap().stdout).unwrap()
    };
    assert_eq!((find("state"), find("log")), (String::new(), String::new()));
}

/// The same person, whose git (on both sides, as it is one machine) does not mind owners.
fn trusting(site: &Site, person: &Person) -> Person {
    let path = site.path("people/gitconfig");
    std::fs::write(&path, "[safe]\n\tdirectory = *\n").unwrap();
    person.with("GIT_CONFIG_GLOBAL", path.to_str().unwrap())
}

#[test]
fn a_repository_of_somebody_else_is_refused() {
    if !is_root() {
        return skip("only root can give a repository away");
    }
    let (site, repo, alice) = Site::standard();
    let alice = trusting(&site, &alice);
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
    alice.commit("a", "2\n");
    let owner = Command::new("chown").args(["-R", "61234:61234"]).arg(&repo.path).status();
    assert!(owner.unwrap().success());
    let output = alice.push_command(&[], &["main"]).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && words.contains("RW502"), "{words}");
}

#[test]
fn a_lock_that_somebody_holds_refuses_after_a_while() {
    let (site, _repo, alice) = Site::standard();
    alice.commit("a", "1\n");
    let path = site.path("state/audit.lock");
    let lock = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    alice.push(&["main"]).refused("RW507");
    drop(lock);
    alice.push(&["main"]).silent();
}

#[test]
fn a_damaged_compiled_policy_refuses() {
    let (site, _repo, alice) = Site::standard();
    alice.commit("a", "1\n");
    let path = site.path("state/policy/current");
    let whole = std::fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let half = whole[..whole.len() / 2].to_vec();
    let mut middle = whole.clone();
    middle[whole.len() / 2] ^= 0x55;
    for bytes in [Vec::new(), half, b"refwarden".to_vec(), [whole.clone(), b"x".to_vec()].concat()]
    {
        std::fs::write(&path, bytes).unwrap();
        let push = alice.push(&["main"]);
        assert!(!push.ok && push.words().contains("RW50"), "{}", push.words());
        push.nothing_moved();
    }
    // One changed byte may hit what this push does not read; it must never widen.
    for bytes in [flipped, middle] {
        std::fs::write(&path, bytes).unwrap();
        alice.as_user("bob").push(&["main"]).nothing_moved();
    }
    std::fs::write(&path, whole).unwrap();
    alice.push(&["main"]).silent();
}

#[test]
fn a_state_folder_that_is_gone_or_read_only_refuses() {
    let (site, _repo, alice) = Site::standard();
    alice.commit("a", "1\n");
    std::fs::rename(site.path("state/epoch"), site.path("state/epoch.away")).unwrap();
    let push = alice.push(&["main"]);
    assert!(!push.ok && push.words().contains("RW50"), "{}", push.words());
    std::fs::rename(site.path("state/epoch.away"), site.path("state/epoch")).unwrap();
    std::fs::write(site.path("state/epoch"), "nonsense").unwrap();
    alice.push(&["main"]).refused("RW504");
}

#[test]
fn a_rollback_brings_the_policy_before_back() {
    let (site, _repo, alice) = Site::standard();
    site.write_policy(&Policy::new(&[permit("bob", "push", "")]));
    site.apply();
    alice.commit("a", "1\n");
    alice.push(&["main"]).refused("RW201");
    let run = site.refwarden(&["policy", "rollback"]);
    assert_eq!(run.code, Some(0), "{run:#?}");
    alice.push(&["main"]).silent();
    assert!(site.trail().events("policy.applied").len() >= 3);
}

#[test]
fn a_dry_run_of_apply_changes_nothing() {
    let (site, _repo, alice) = Site::standard();
    site.write_policy(&Policy::new(&[permit("bob", "push", "")]));
    let run = site.refwarden(&["policy", "apply", "--dry-run"]);
    assert!(matches!(run.code, Some(0 | 3)), "{run:?}");
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
}
