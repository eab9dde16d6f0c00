//! What is applied by hand beside what the branch holds.

use super::*;

#[test]
fn rolled_back_or_applied_by_hand_stays_so_until_the_next_push() {
    let bed = Bed::new(&policy());
    bed.commit(&policy());
    bed.alice.push(&["main"]).landed();
    bed.commit(&wider());
    bed.alice.push(&["main"]).landed();
    bed.site.refwarden(&["policy", "rollback"]).ends(0, "this was applied by hand");
    assert!(!bed.bob_releases("1"));
    bed.site.refwarden(&["sweep"]).ends(0, "");
    assert!(!bed.bob_releases("2"));
    bed.doctor("it was rolled back, replaced by hand");
    bed.alice.run(&["commit", "--quiet", "--allow-empty", "--message", "again"]);
    bed.alice.push(&["main"]).landed().says("gains  bob");
    assert!(bed.bob_releases("3"));
}

#[test]
fn policy_apply_takes_what_the_branch_holds_and_the_file_only_by_hand() {
    let bed = Bed::new(&policy());
    let commit = bed.commit(&wider());
    bed.alice.push(&["main"]).landed();
    // An upgrade applies: not the file of the first day.
    let applied = bed.site.refwarden(&["policy", "apply"]);
    applied.ends(0, "applied again").ends(0, &format!("commit {}", &commit[..12]));
    assert!(bed.bob_releases("1"));
    bed.site.refwarden(&["policy", "edit"]).ends(1, "the policy comes by pushes");
    bed.site.refwarden(&["policy", "apply", "--by-hand"]).ends(0, "loses  bob");
    assert!(!bed.bob_releases("2"));
    bed.site.refwarden(&["policy", "apply"]).ends(0, "gains  bob");
    assert!(bed.bob_releases("3"));
    bed.doctor("`main` of `admin/policy` is what counts");
    // What lies there unjudged is judged all the same.
    let added = "[groups]\noncall = { command = [\"/bin/true\"] }";
    bed.commit(&policy().also(added));
    bed.policy.seed(&bed.alice.path, &["main:main"]);
    bed.site.refwarden(&["policy", "apply"]).ends(4, "RW208");
    std::fs::rename(&bed.policy.path, bed.site.path("root/elsewhere.git")).unwrap();
    bed.site.refwarden(&["policy", "apply"]).ends(1, "policy apply --by-hand");
    bed.doctor("there is no repository `admin/policy` below the root");
    bed.site.refwarden(&["policy", "apply", "--by-hand"]).ends(0, "loses  bob");
}

#[test]
fn where_what_counts_is_damaged_the_file_of_the_first_day_is_taken_by_hand_alone() {
    let bed = Bed::new(&policy());
    bed.commit(&wider());
    bed.alice.push(&["main"]).landed();
    let path = bed.site.path("state/policy/current");
    let whole = std::fs::read(&path).unwrap();
    let [mut head, mut body] = [whole.clone(), whole.clone()];
    head.truncate(70);
    // Behind the head, and what begins the compiled policy.
    body[62] ^= 0x55;
    let first = bed.site.policy();
    let with_home = std::fs::read(&first).unwrap();
    let without = String::from_utf8(with_home.clone()).unwrap();
    let without = without.replace("policy-repository", "# policy-repository");
    for damaged in [&head, &body] {
        std::fs::write(&path, damaged).unwrap();
        // Also where only the policy before says that there is such a repository.
        for file in [with_home.as_slice(), without.as_bytes()] {
            std::fs::write(&first, file).unwrap();
            for arguments in [&["policy", "apply"][..], &["policy", "apply", "--dry-run"]] {
                let run = bed.site.refwarden(arguments);
                run.ends(1, "is damaged").ends(1, "policy apply --by-hand");
            }
            assert_eq!(&std::fs::read(&path).unwrap(), damaged);
        }
        std::fs::write(&first, &with_home).unwrap();
        let run = bed.site.refwarden(&["policy", "apply", "--by-hand"]);
        run.ends(0, "is damaged").ends(0, "the next push to `admin/policy`");
    }
    assert!(!bed.bob_releases("1"));
    std::fs::write(&path, &head).unwrap();
    bed.site.refwarden(&["policy", "rollback"]).ends(0, "is damaged");
    bed.site.refwarden(&["policy", "apply"]).ends(0, "from `admin/policy`");
    assert!(bed.bob_releases("1"));
}

#[test]
fn without_a_repository_of_its_own_a_damaged_policy_is_applied_again_from_its_file() {
    let (site, _repo, alice) = Site::standard();
    let path = site.path("state/policy/current");
    let whole = std::fs::read(&path).unwrap();
    for cut in [0, 40, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        site.refwarden(&["policy", "apply"]).ends(0, "is damaged");
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
}

#[test]
fn a_policy_that_landed_before_one_was_applied_by_hand_is_forgotten() {
    let bed = Bed::new(&policy());
    bed.policy.unlink("post-receive");
    bed.commit(&wider());
    bed.alice.push(&["main"]).landed();
    bed.site.refwarden(&["policy", "apply", "--by-hand"]).ends(0, "applied again");
    bed.site.refwarden(&["sweep"]).ends(0, "");
    assert!(!bed.bob_releases("1"));
}
