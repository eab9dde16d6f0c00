//! Death at every stage: hooks, receive-pack and client killed, a panic injected.

use crate::support::Site;
#[cfg(feature = "test-faults")]
use crate::support::{Repo, Trail};

/// The places in the hooks' sources where a test may interfere.
#[cfg(feature = "test-faults")]
fn stages() -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/hook");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text: String = files
        .filter(|path| path.is_file())
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let stages: Vec<String> = text
        .split("faults::point(\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        // Points in changes of access are not on the way of a push by a standing right.
        .filter(|stage| ["pre-", "update-", "post-"].iter().any(|hook| stage.starts_with(hook)))
        .collect();
    assert!(stages.len() >= 8, "{stages:?}");
    stages
}

/// No ref has a value that no audit line says yes to, `start` aside.
#[cfg(feature = "test-faults")]
#[track_caller]
fn everything_was_allowed(repo: &Repo, trail: &Trail, start: &crate::support::Refs, stage: &str) {
    for (name, value) in repo.refs() {
        let id = value.split(' ').next().unwrap().to_owned();
        let known = start.get(&name).is_some_and(|value| value.starts_with(&id));
        assert!(known || trail.says_yes(&name, &id), "{stage}: {name} moved to {id} without a yes");
    }
}

#[test]
fn a_build_without_the_feature_never_looks_for_faults() {
    if cfg!(feature = "test-faults") {
        return crate::support::skip("this build has the feature; the other one proves it");
    }
    let (site, _repo, alice) = Site::standard();
    for text in [
        "kill-at = \"pre-receive-started\"",
        "panic-at = \"pre-receive-judged\"",
        "wall = \"2000-01-01T00:00:00Z\"",
        "this is no TOML",
    ] {
        let _fault = crate::support::Fault::set(&site, text);
        alice.commit("a", text);
        alice.push(&["main"]).silent();
    }
    for program in ["pre-receive", "update", "post-receive", "door", "refwarden"] {
        let bytes = std::fs::read(site.programs().join(program)).unwrap();
        let found = bytes.windows(b"faults.toml".len()).any(|window| window == b"faults.toml");
        assert!(!found, "{program} knows faults.toml");
    }
}

#[cfg(feature = "test-faults")]
mod injected {
    use super::{everything_was_allowed, stages};
    use crate::support::{Fault, Gate, Guard, Outcome, Site, processes, wait_until};

    /// Kills one party at a stage while a push of two refs runs; gives the site back.
    fn after_the_push(site: &Site, stage: &str) {
        let run = site.refwarden(&["sweep"]);
        assert_eq!(run.code, Some(0), "{stage}: {run:?}");
        site.trail_verifies();
    }

    #[test]
    fn a_hook_killed_at_any_stage_moves_nothing_without_a_yes() {
        for stage in stages() {
            let (site, repo, alice) = Site::standard();
            let start = repo.refs();
            let fault = Fault::set(&site, &format!("kill-at = \"{stage}\"\n"));
            alice.commit("a", "1\n");
            let push = alice.push(&["main", "main:refs/heads/feature/x"]);
            if !stage.starts_with("post-receive") {
                assert!(!push.ok, "{stage}: {}", push.words());
            }
            if stage.starts_with("pre-receive") {
                push.nothing_moved();
            }
            drop(fault);
            everything_was_allowed(&repo, &site.trail(), &start, &stage);
            after_the_push(&site, &stage);
            // And the server goes on.
            alice.commit("a", "2\n");
            assert!(alice.push(&["main", "main:refs/heads/feature/x"]).ok, "{stage}");
            site.trail_verifies();
        }
    }

    #[test]
    fn a_panic_at_any_stage_of_the_decision_is_rw509_and_moves_nothing() {
        for stage in stages().iter().filter(|stage| !stage.starts_with("post-receive")) {
            let (site, _repo, alice) = Site::standard();
            let _fault = Fault::set(&site, &format!("panic-at = \"{stage}\"\n"));
            alice.commit("a", "1\n");
            let push = alice.push(&["main"]);
            push.refused("RW509");
            assert!(!push.words().contains("panicked"), "{}", push.words());
            assert!(!push.words().contains("src/"), "no places of the source: {}", push.words());
        }
    }

    #[test]
    fn a_panic_in_post_receive_leaves_the_push_alone() {
        let (site, _repo, alice) = Site::standard();
        let _fault = Fault::set(&site, "panic-at = \"post-receive-started\"\n");
        alice.commit("a", "1\n");
        alice.push(&["main"]).moved("refs/heads/main");
    }

    #[test]
    fn the_client_killed_at_any_stage_moves_nothing_without_a_yes() {
        for stage in stages() {
            let (site, repo, alice) = Site::standard();
            let start = repo.refs();
            let _fault = Fault::set(&site, &format!("sleep-at = \"{stage}\"\nsleep-ms = 250\n"));
            alice.commit("a", "1\n");
            let mut child = Guard::new(alice.push_command(&[], &["main"]).spawn().unwrap());
            std::thread::sleep(std::time::Duration::from_millis(120));
            child.kill();
            drop(child);
            // receive-pack goes on without its client; wait for it to end.
            processes::settle(&site.path(""));
            everything_was_allowed(&repo, &site.trail(), &start, &stage);
            after_the_push(&site, &stage);
        }
    }

    #[test]
    fn receive_pack_killed_at_any_stage_moves_nothing_without_a_yes() {
        for stage in stages() {
            let (site, repo, alice) = Site::standard();
            let start = repo.refs();
            let _fault = Fault::set(&site, &format!("sleep-at = \"{stage}\"\nsleep-ms = 2500\n"));
            alice.commit("a", "1\n");
            let child = Guard::new(alice.push_command(&[], &["main"]).spawn().unwrap());
            let mut killed = false;
            wait_until("receive-pack has a hook or has ended", || {
                let hooks = ["pre-receive", "update", "post-receive"]
                    .iter()
                    .any(|hook| stage.starts_with(hook) && running(&repo, hook));
                let serving = processes::in_folder(&repo.path);
                if hooks {
                    for process in serving.iter().filter(|one| one.is_receive_pack()) {
                        killed |= process.kill();
                    }
                }
                killed || serving.is_empty() && !site.trail().events("push.landed").is_empty()
            });
            assert!(killed, "{stage}");
            drop(child.finish());
            processes::settle(&site.path(""));
            everything_was_allowed(&repo, &site.trail(), &start, &stage);
            after_the_push(&site, &stage);
        }
    }

    fn running(repo: &crate::support::Repo, hook: &str) -> bool {
        let there = processes::in_folder(&repo.path);
        there.iter().any(|one| one.program().is_some_and(|program| program == hook))
    }

    #[test]
    fn a_push_that_landed_without_its_post_receive_is_settled_by_the_sweep() {
        let (site, repo, alice) = Site::standard();
        let fault = Fault::set(&site, "kill-at = \"post-receive-started\"\n");
        let new = alice.commit("a", "1\n");
        alice.push(&["main"]).moved("refs/heads/main");
        drop(fault);
        assert!(site.trail().events("push.landed").is_empty());
        after_the_push(&site, "post-receive-started");
        let settled = site.trail().events("push.settled");
        assert_eq!(settled.len(), 1, "{settled:?}");
        assert_eq!(settled[0]["push"]["id"], site.trail().last_decision()["push"]["id"]);
        assert_eq!(repo.id("main"), new);
        // Once is enough.
        after_the_push(&site, "again");
        assert_eq!(site.trail().events("push.settled").len(), 1);
    }

    #[test]
    fn apply_killed_between_its_two_raises_of_the_epoch_leaves_a_server_that_works() {
        for stage in ["epoch-raised", "epoch-committed"] {
            let (site, _repo, alice) = Site::standard();
            let fault = Fault::set(&site, &format!("kill-at = \"{stage}\"\n"));
            site.write_policy(&crate::support::Policy::new(&[crate::support::permit(
                "bob", "push", "",
            )]));
            assert_ne!(site.refwarden(&["policy", "apply"]).code, Some(0));
            drop(fault);
            alice.commit("a", "1\n");
            let (alice_can, bob_can) =
                (alice.push(&["main"]).ok, alice.as_user("bob").push(&["main:refs/heads/x"]).ok);
            assert_ne!(alice_can, bob_can, "{stage}: the old policy or the new one, whole");
            assert_eq!(bob_can, stage == "epoch-committed");
        }
    }

    #[test]
    fn a_push_in_the_middle_of_an_apply_is_never_confirmed() {
        let (site, repo, alice) = Site::standard();
        let gate = Gate::new(&site.path("people"));
        repo.foreign("update", &gate.wait());
        alice.commit("a", "1\n");
        let push = Outcome::of(&repo, || {
            let push = Guard::new(alice.push_command(&[], &["main"]).spawn().unwrap());
            gate.arrived();
            let fault = Fault::set(&site, "kill-at = \"epoch-raised\"\n");
            assert_ne!(site.refwarden(&["policy", "apply"]).code, Some(0));
            drop(fault);
            gate.open();
            push.finish()
        });
        push.refused("RW306");
    }
}
