//! From the branch that moved to the policy that counts, whatever comes between.

use super::*;

#[test]
fn a_policy_that_nobody_applied_after_it_landed_is_applied_by_the_sweep() {
    let bed = Bed::new(&policy());
    bed.policy.unlink("post-receive");
    let commit = bed.commit(&wider());
    bed.alice.push(&["main"]).landed();
    assert!(!bed.bob_releases("1"));
    bed.doctor("what has landed in `main` of `admin/policy` does not count yet");
    bed.site.refwarden(&["sweep"]).ends(0, &format!("applied: the policy of {commit}"));
    assert!(bed.bob_releases("1"));
    let last = bed.applied().pop().unwrap();
    assert_eq!((&last["actor"]["user"], &last["detail"]["how"]), (&"alice".into(), &"push".into()));
    assert!(!bed.site.refwarden(&["sweep"]).ends(0, "").stdout.contains("applied"));
}

#[test]
fn a_policy_that_nobody_applied_after_it_landed_is_applied_before_the_next_push_is_judged() {
    let bed = Bed::new(&policy());
    bed.policy.unlink("post-receive");
    let without_bob = policy().also(&permit("carol", "push", ""));
    bed.commit(&without_bob);
    bed.alice.push(&["main"]).landed();
    // carol's right is in what landed; her push is judged by it.
    let line = bed.text(&without_bob.also(&permit("bob", "push", "branches = [\"release/*\"]")));
    bed.alice.commit("policy.toml", &line);
    bed.alice.as_user("carol").push(&["main"]).landed();
    assert_eq!(bed.applied().len(), 2);
}

#[test]
fn what_is_moved_there_past_the_hooks_is_never_applied() {
    let bed = Bed::new(&policy());
    bed.commit(&policy());
    bed.alice.push(&["main"]).landed();
    bed.commit(&wider());
    bed.policy.seed(&bed.alice.path, &["main:main"]);
    bed.site.refwarden(&["sweep"]).ends(0, "");
    assert!(!bed.bob_releases("1"));
    bed.doctor("and not what `main` of `admin/policy` holds");
    bed.alice.commit("README", "looked at\n");
    bed.alice.push(&["main"]).landed().says("gains  bob");
    assert!(bed.bob_releases("1"));
}

#[test]
fn a_landed_policy_that_can_not_be_applied_is_told_everywhere_and_tried_again() {
    let bed = Bed::new(&policy());
    // After the decision, and before it lands: what was applied before can't be kept.
    let history = bed.site.path("state/policy/history");
    bed.policy.foreign("update", &format!(": > '{}'", history.display()));
    let commit = bed.commit(&wider());
    bed.alice
        .push(&["main"])
        .landed()
        .says("has landed and does not count yet")
        .says("policy/history");
    assert!(!bed.bob_releases("1"));
    let failed = bed.site.trail().events("policy.not-applied").pop().unwrap();
    assert_eq!(
        (&failed["detail"]["commit"], &failed["actor"]["user"]),
        (&commit.as_str().into(), &"alice".into())
    );
    bed.site.refwarden(&["sweep"]).ends(1, "can't be applied");
    bed.doctor("what has landed in `main` of `admin/policy` does not count yet");
    std::fs::remove_file(&history).unwrap();
    bed.site.refwarden(&["sweep"]).ends(0, "applied: the policy of");
    assert!(bed.bob_releases("1"));
}

#[test]
fn a_policy_that_lands_while_the_trail_takes_no_lines_waits_for_the_sweep() {
    let bed = Bed::new(&policy());
    let trail = bed.site.path("log/audit.jsonl");
    bed.policy.foreign("update", &format!("chmod 0666 '{}'", trail.display()));
    bed.commit(&wider());
    bed.alice.push(&["main"]).landed().says("has landed and does not count yet");
    crate::support::chmod(&trail, 0o600);
    assert!(!bed.bob_releases("1"));
    bed.site.refwarden(&["sweep"]).ends(0, "applied: the policy of");
    assert!(bed.bob_releases("1"));
}

#[test]
fn of_policies_that_land_at_once_the_one_that_the_branch_holds_counts() {
    let bed = Bed::new(&policy());
    bed.commit(&policy());
    bed.alice.push(&["main"]).landed();
    for round in 0..3 {
        let clones: Vec<Person> = (0..4)
            .map(|_| {
                let other = bed.site.person("alice", &bed.policy);
                other.run(&["fetch", "--quiet", &bed.policy.url(), "main"]);
                other.run(&["reset", "--quiet", "--hard", "FETCH_HEAD"]);
                other
            })
            .collect();
        let pushes: Vec<_> = clones
            .iter()
            .enumerate()
            .map(|(n, clone)| {
                let more = permit("carol", "push", &format!("branches = [\"r{round}-{n}\"]"));
                clone.commit("policy.toml", &bed.text(&policy().also(&more)));
                clone.push_command(&[], &["+HEAD:main"]).spawn().unwrap()
            })
            .collect();
        for push in pushes {
            push.wait_with_output().unwrap();
        }
        bed.site.refwarden(&["sweep"]).ends(0, "");
        let held = bed.policy.id("refs/heads/main");
        let last = bed.applied().pop().unwrap();
        assert_eq!(last["detail"]["commit"], held.as_str(), "round {round}");
    }
    bed.doctor("`main` of `admin/policy` is what counts");
    bed.site.trail_verifies();
}

#[cfg(feature = "test-faults")]
#[test]
fn whoever_is_killed_while_applying_leaves_the_old_or_the_new_policy_and_the_sweep_goes_on() {
    use crate::support::Fault;
    for stage in ["policy-landed", "policy-judged-again", "epoch-raised", "epoch-committed"] {
        let bed = Bed::new(&policy());
        let commit = bed.commit(&wider());
        let fault =
            Fault::set(&bed.site, &format!("kill-at = \"{stage}\"\nprogram = \"post-receive\"\n"));
        bed.alice.push(&["main"]).landed();
        drop(fault);
        bed.site.refwarden(&["sweep"]).ends(0, "");
        assert!(bed.bob_releases("1"), "{stage}");
        let all = bed.applied();
        assert_eq!(all.last().unwrap()["detail"]["commit"], commit.as_str(), "{stage}");
        bed.site.trail_verifies();
    }
}

#[cfg(feature = "test-faults")]
#[test]
fn a_policy_that_overtakes_a_push_to_it_refuses_that_push() {
    use crate::support::Fault;
    let bed = Bed::new(&policy());
    bed.commit(&wider());
    let fault = Fault::set(&bed.site, "sleep-at = \"update-started\"\nsleep-ms = 1500\n");
    let push = bed.alice.push_command(&[], &["main"]).spawn().unwrap();
    crate::support::wait_until("judged", || {
        std::fs::read_dir(bed.site.path("state/policy/judged")).is_ok_and(|all| all.count() > 0)
    });
    bed.site.refwarden(&["policy", "apply"]).ends(0, "applied again");
    let output = push.wait_with_output().unwrap();
    drop(fault);
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!bed.bob_releases("1"));
}
