//! git since 2.51 asks `update` for all refs of a push before it moves any: what was confirmed must not
//! wait for its client until long after it was allowed.

use super::lent::{ASK, approve, only, policy_of, started_with};
use super::uses::{lend, uses};
use crate::support::{
    Gate, Git, Guard, Outcome, Person, Policy, Repo, Site, Wire, null, pack_of, permit, skip,
};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The first git that asks for all refs first.
fn batching() -> Option<Git> {
    let git = Git::at_least(2, 51);
    if git.is_none() {
        skip("no git since 2.51");
    }
    git
}

/// Pushes these; `meanwhile` acts when `update` is asked for `at`, which is not the first.
fn held_at(
    (site, repo, person): (&Site, &Repo, &Person),
    (options, refspecs): (&[&str], &[&str]),
    at: &str,
    meanwhile: impl FnOnce(),
) -> Outcome {
    let gate = Gate::new(&site.path("people"));
    repo.foreign("update", &format!("[ \"$1\" != {at} ] || {{ {}; }}", gate.wait()));
    Outcome::of(repo, || {
        let push = Guard::new(person.push_command(options, refspecs).spawn().unwrap());
        gate.arrived();
        meanwhile();
        gate.open();
        push.finish()
    })
}

const THREE: [&str; 3] =
    ["HEAD:release/1", "HEAD:refs/heads/feature/x", "HEAD:refs/heads/feature/y"];

fn refusals(site: &Site) -> usize {
    let decided = site.trail().events("push.decided");
    decided.iter().filter(|line| line["verdict"] == "refused").count()
}

fn apply_another(site: &Site) {
    site.write_policy(&policy_of(2));
    site.apply();
}

#[test]
fn a_push_that_is_overtaken_before_its_last_ref_is_asked_for_moves_nothing_and_spends_nothing() {
    let Some(git) = batching() else { return };
    let (site, repo, bob) = started_with(&policy_of(3), &git);
    let grant = lend(&site, 1);
    let push = held_at((&site, &repo, &bob), (&[], &THREE), "refs/heads/feature/x", || {
        apply_another(&site);
    });
    push.refused("RW306").says("nothing was changed").says("nothing else of this push is moved");
    assert_eq!(push.report().matches("RW306").count(), 1);
    assert_eq!(refusals(&site), 1);
    assert!(site.trail().events("push.landed").is_empty());
    let settled = site.trail().events("push.settled");
    assert_eq!(settled.len(), 1, "{settled:#?}");
    assert_eq!(settled[0]["detail"]["use"], "released");
    assert_eq!(settled[0]["detail"]["confirmed"], "yes");
    let after = uses(&site, &grant);
    assert_eq!((after.spent, after.reserved.len()), (0, 0));
    site.trail_verifies();
    repo.foreign("update", "exit 0");
    bob.push(&THREE).landed();
    assert_eq!(uses(&site, &grant).spent, 1);
}

#[test]
fn a_granted_ref_with_many_behind_it_does_not_land_after_the_grants_end() {
    let Some(git) = batching() else { return };
    let (site, repo, bob) = started_with(&policy_of(3), &git);
    bob.push(&[&ASK[..], &["HEAD:release/1"]].concat()).refused("waiting");
    approve(&site, &only(&site), 6, Some(1));
    let gate = Gate::new(&site.path("people"));
    repo.foreign(
        "update",
        &format!("[ \"$1\" != refs/heads/feature/1 ] || {{ {}; }}", gate.wait()),
    );
    let new = bob.id("HEAD");
    let pack = pack_of(&bob, &format!("{new} ^{}", repo.id("release/1")));
    let names: Vec<String> = (0..400).map(|n| format!("refs/heads/feature/{n}")).collect();
    let mut commands =
        vec![(repo.id("release/1"), new.clone(), b"refs/heads/release/1".as_slice())];
    commands.extend(names.iter().map(|name| (null(), new.clone(), name.as_bytes())));
    let push = Outcome::of(&repo, || {
        // The client reads nothing until all is over.
        let service = Wire::open(&bob).send(&commands, &pack);
        gate.arrived();
        std::thread::sleep(Duration::from_millis(6100));
        gate.open();
        std::thread::sleep(Duration::from_millis(2000));
        service.finish()
    });
    assert_eq!(push.before, push.after, "{}", push.words());
    crate::support::wait_until("the push is settled", || {
        let after = only(&site).state().unwrap().uses;
        (after.spent, after.reserved.len()) == (0, 0)
    });
    assert_eq!(refusals(&site), 2, "the request, and the push once");
}

#[test]
fn deletions_that_git_has_made_already_stay_and_count() {
    let Some(git) = batching() else { return };
    let (site, repo, bob) = started_with(&policy_of(3), &git);
    repo.seed(&bob.path, &["HEAD:refs/heads/feature/old"]);
    let push = held_at(
        (&site, &repo, &bob.as_user("alice")),
        (
            &[],
            &[":refs/heads/feature/old", "HEAD:refs/heads/feature/w", "HEAD:refs/heads/feature/x"],
        ),
        "refs/heads/feature/x",
        || apply_another(&site),
    );
    assert!(!push.ok);
    push.says("moved before, and stays: refs/heads/feature/old").says("RW306");
    push.deleted("refs/heads/feature/old").stayed("refs/heads/feature/w");
    let settled = site.trail().events("push.settled");
    assert_eq!(settled[0]["refs"][0]["name"], "refs/heads/feature/old");
    site.trail_verifies();
}

#[test]
fn an_atomic_push_that_is_overtaken_moves_nothing() {
    let Some(git) = batching() else { return };
    let (site, repo, bob) = started_with(&policy_of(3), &git);
    let grant = lend(&site, 1);
    let push =
        held_at((&site, &repo, &bob), (&["--atomic"], &THREE), "refs/heads/feature/x", || {
            apply_another(&site);
        });
    push.refused("RW306");
    assert_eq!((uses(&site, &grant).spent, uses(&site, &grant).reserved.len()), (0, 0));
}

#[test]
fn before_git_2_51_what_has_moved_stays_and_the_rest_is_refused_once() {
    let Some(git) = Git::all().into_iter().find(|git| git.version() < (2, 51)) else {
        return skip("no git before 2.51");
    };
    let (site, repo, bob) = started_with(&policy_of(3), &git);
    let grant = lend(&site, 1);
    let push = held_at((&site, &repo, &bob), (&[], &THREE), "refs/heads/feature/x", || {
        apply_another(&site);
    });
    assert!(!push.ok);
    push.moved("refs/heads/release/1")
        .stayed("refs/heads/feature/x")
        .stayed("refs/heads/feature/y");
    push.says("moved before, and stays: refs/heads/release/1").says("nor is any later one");
    assert_eq!(push.report().matches("RW306").count(), 1);
    assert_eq!(refusals(&site), 1);
    assert_eq!(site.trail().events("push.landed").len(), 1, "receive-pack was left alone");
    assert_eq!(uses(&site, &grant).spent, 1);
}

/// A shell as `git receive-pack`, in the order of git since 2.51: says `went on` after each `update`.
#[test]
fn whoever_serves_a_push_in_the_new_order_is_ended() {
    let (site, repo, alice) = Site::standard();
    let (old, new) = (repo.id("main"), alice.commit("a", "1\n"));
    repo.seed(&alice.path, &[&format!("{new}:refs/keep/new")]);
    let null = null();
    let gate = Gate::new(&site.path("people"));
    let body = format!(
        "printf '{old} {new} refs/heads/main\\n{null} {new} refs/heads/x\\n' | hooks/pre-receive; \
         hooks/update refs/heads/main {old} {new} && echo went on; {}; \
         hooks/update refs/heads/x {null} {new}; echo went on",
        gate.wait()
    );
    let service = Command::new("/bin/sh")
        .arg0("git-receive-pack")
        .args(["-c", &body, "git-receive-pack"])
        .arg(&repo.path)
        .current_dir(&repo.path)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("GIT_DIR", ".")
        .env("TEST_USER", "alice")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let service = Guard::new(service);
    gate.arrived();
    site.write_policy(&Policy::new(&[permit("bob", "push", "")]));
    site.apply();
    gate.open();
    let output = service.finish();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "went on\n");
    assert!(!output.status.success());
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("RW306") && words.contains("nothing was changed"), "{words}");
}

#[test]
fn many_refs_of_an_overtaken_push_are_refused_in_few_words() {
    for git in Git::all() {
        let (site, repo, bob) = started_with(&policy_of(3), &git);
        let names: Vec<String> = (0..300).map(|n| format!("HEAD:refs/heads/feature/{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let push = held_at((&site, &repo, &bob), (&[], &names), "refs/heads/feature/0", || {
            apply_another(&site);
        });
        push.refused("RW306");
        assert_eq!(push.report().matches("RW306").count(), 1);
        assert_eq!(refusals(&site), 1, "{:?} {}", git.version(), push.words());
    }
}

#[test]
fn a_ref_that_pre_receive_refused_is_told_and_recorded_once() {
    for git in Git::all() {
        let policy = Policy::default().server("refuse = \"ref\"");
        let site = Site::with_git(&policy, &git);
        let (_, alice) = site.started();
        let bob = alice.as_user("bob");
        alice.commit("a", "1\n");
        let push = bob.push(&["main:refs/heads/feature/x", "main", "main:refs/heads/y"]);
        push.moved("refs/heads/feature/x").stayed("refs/heads/main").says("RW201");
        assert!(!push.report().contains("RW306"), "{}", push.words());
        assert_eq!(site.trail().events("push.decided").len(), 1);
    }
}

#[test]
fn a_large_push_with_what_git_itself_denies_is_refused_whole() {
    let (_site, repo, alice) = Site::standard();
    repo.config("receive.denyNonFastForwards", "true");
    repo.config("receive.denyDeletes", "true");
    repo.seed(&alice.path, &["HEAD:refs/heads/forced", "HEAD:refs/heads/gone"]);
    alice.run(&["commit", "--quiet", "--allow-empty", "--amend", "-m", "another"]);
    let of = |count: usize, more: &str| {
        let names = (1..count).map(|n| format!("HEAD~0:refs/heads/n{count}/{n}"));
        let names: Vec<String> = names.chain([more.to_owned()]).collect();
        alice.push(&names.iter().map(String::as_str).collect::<Vec<_>>())
    };
    of(101, "+HEAD:refs/heads/forced").refused("RW308").says("receive.denyNonFastForwards");
    of(101, ":refs/heads/gone").refused("RW308").says("receive.denyDeletes");
    let few = of(100, "+HEAD:refs/heads/forced");
    few.stayed("refs/heads/forced").moved("refs/heads/n100/1");
    assert!(!few.report().contains("RW308"));
    repo.run(&["config", "receive.denyNonFastForwards", "false"]);
    of(102, "+HEAD:refs/heads/forced").moved("refs/heads/forced");
}
