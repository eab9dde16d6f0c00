//! What the policy says beyond who and which ref: windows, warnings, `refuse = "ref"`, limits, files.

use crate::support::{Policy, Site, chmod, forbid, permit};

#[test]
fn a_branch_of_ones_own_by_user_name() {
    let site = Site::new(&Policy::new(&[permit(
        "authenticated",
        "write",
        r#"branches = ["users/${user}/**"]"#,
    )]));
    let (_repo, alice) = site.started();
    alice.push(&["main:refs/heads/users/alice/x"]).silent();
    alice.push(&["main:refs/heads/users/bob/x"]).refused("RW201");
    alice.as_user("bob").push(&["main:refs/heads/users/bob/x"]).silent();
}

#[test]
fn a_user_name_is_never_a_pattern() {
    let policy = Policy::new(&[permit(
        "authenticated",
        "write",
        r#"branches = ["regex:users/${user}/.*"]"#,
    )])
    .users("[users.\"a.b\"]\n[users.alice]");
    let site = Site::new(&policy);
    let (_repo, alice) = site.started();
    alice.as_user("a.b").push(&["main:refs/heads/users/axb/x"]).refused("RW201");
    alice.as_user("a.b").push(&["main:refs/heads/users/a.b/x"]).silent();
}

#[test]
fn a_forbid_beats_every_permit() {
    let site = Site::new(&Policy::new(&[
        permit("alice", "write", ""),
        forbid("write", "branches = [\"main\"]\nexcept = [\"bob\"]\nreason = \"closed for now\""),
        permit("bob", "write", ""),
    ]));
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    alice.push(&["main"]).refused("RW202").says("closed for now");
    alice.as_user("bob").push(&["main"]).silent();
}

#[test]
fn a_forbid_of_read_refuses_a_push_too() {
    let site = Site::new(&Policy::new(&[
        permit("alice", "write", ""),
        forbid("read", "to = [\"alice\"]"),
    ]));
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    alice.push(&["main"]).refused("RW202");
}

#[test]
fn a_window_opens_and_closes() {
    let now = chrono::Utc::now();
    let at = |minutes| {
        (now + chrono::TimeDelta::minutes(minutes)).format("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    let when = |from, until| format!("when = {{ from = {}, until = {} }}", at(from), at(until));
    for (from, until, open) in [(-5, 5, true), (5, 10, false), (-10, -5, false)] {
        let site = Site::new(&Policy::new(&[permit("alice", "push", &when(from, until))]));
        let (_repo, alice) = site.started();
        alice.commit("a", "1\n");
        let push = alice.push(&["main"]);
        if open {
            push.silent()
        } else {
            push.refused("RW201")
        };
    }
}

#[test]
fn a_forbid_within_its_window_and_outside() {
    let now = chrono::Utc::now();
    let today = now.format("%a");
    let other = (now + chrono::TimeDelta::days(3)).format("%a").to_string();
    for (day, closed) in [(today.to_string(), true), (other, false)] {
        let when = format!("when = {{ weekly = [\"{day} 00:00-24:00\"] }}");
        let site = Site::new(&Policy::new(&[permit("alice", "push", ""), forbid("push", &when)]));
        let (_repo, alice) = site.started();
        alice.commit("a", "1\n");
        let push = alice.push(&["main"]);
        if closed {
            push.refused("RW202")
        } else {
            push.silent()
        };
    }
}

#[test]
fn warn_only_lets_through_says_so_and_records_it() {
    let policy = Policy::new(&[permit("bob", "push", "")])
        .project("repositories = [\"**\"]\nbase = \"main\"\nenforce = \"warn\"");
    let site = Site::new(&policy);
    let (_repo, alice) = site.started();
    let new = alice.commit("a", "1\n");
    alice.push(&["main"]).landed().says("warning: refwarden would refuse").says("RW201");
    let decided = site.trail().last_decision();
    assert_eq!(decided["refs"][0]["verdict"], "would-refuse");
    assert_eq!(decided["refs"][0]["new"], new.as_str());
    // Identity, hygiene and the like refuse all the same.
    alice.as_user("mallory").push(&["main:refs/heads/x"]).refused("RW102");
    alice.push(&["main:refs/heads/--evil"]).refused("RW302");
}

#[test]
fn a_warn_only_forbid_lets_through_what_a_permit_covers() {
    let site = Site::new(&Policy::new(&[
        permit("alice", "push", ""),
        forbid("push", "enforce = \"warn\"\nreason = \"soon\""),
    ]));
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    alice.push(&["main"]).landed().says("RW202").says("soon");
    alice.as_user("bob").push(&["main:refs/heads/x"]).refused("RW201");
}

fn ref_by_ref() -> Policy {
    Policy::new(&[permit("alice", "push", r#"branches = ["open/*"]"#)]).server("refuse = \"ref\"")
}

#[test]
fn with_refuse_ref_the_allowed_ref_lands_and_the_other_does_not() {
    let site = Site::new(&ref_by_ref());
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    let push = alice.push(&["main", "main:refs/heads/open/x"]);
    push.moved("refs/heads/open/x").stayed("refs/heads/main");
    push.says("RW201").says("the others go on");
    assert!(!push.ok, "git tells of the refused ref");
    alice.push(&["main"]).refused("RW201");
}

#[test]
fn with_refuse_ref_an_atomic_push_is_whole_or_nothing() {
    let site = Site::new(&ref_by_ref());
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    let push = alice.push_with(&["--atomic"], &["main", "main:refs/heads/open/x"]);
    push.refused("RW201");
}

#[test]
fn with_refuse_ref_but_without_our_update_hook_the_whole_push_is_refused() {
    for how in ["absent", "not executable", "foreign", "elsewhere", "run from elsewhere"] {
        let site = Site::new(&ref_by_ref());
        let (repo, alice) = site.started();
        repo.unlink("update");
        match how {
            "absent" => {}
            "foreign" => crate::support::script(&repo.hook("update"), "exit 0"),
            "run from elsewhere" => {
                // Ours and its `update` stand side by side, but not where git looks for `update`.
                repo.link(&["update"]);
                let other = site.path("hooks");
                std::fs::create_dir(&other).unwrap();
                let body = format!("exec {}", repo.hook("pre-receive").display());
                crate::support::script(&other.join("pre-receive"), &body);
                repo.config("core.hooksPath", &other.display().to_string());
            }
            "elsewhere" => {
                // Hooks from another folder: pre-receive alone is ours there.
                let other = site.path("hooks");
                std::fs::create_dir(&other).unwrap();
                std::os::unix::fs::symlink(
                    site.programs().join("pre-receive"),
                    other.join("pre-receive"),
                )
                .unwrap();
                repo.link(&["update"]);
                repo.config("core.hooksPath", other.to_str().unwrap());
            }
            _ => {
                std::fs::copy(site.programs().join("update"), repo.hook("update")).unwrap();
                chmod(&repo.hook("update"), 0o644);
            }
        }
        alice.commit("a", "1\n");
        let push = alice.push(&["main", "main:refs/heads/open/x"]);
        push.refused("RW510");
    }
}

#[test]
fn more_refs_than_the_policy_allows_in_one_push() {
    let policy = Policy::new(&[permit("authenticated", "write", "")])
        .also("[global]\nmax-refs-per-push = 2\nbulk-change = [\"bob\"]");
    let site = Site::new(&policy);
    let (_repo, alice) = site.started();
    let all = ["main:refs/heads/a", "main:refs/heads/b", "main:refs/heads/c"];
    alice.push(&all).refused("RW204");
    alice.push(&all[..2]).silent();
    alice
        .as_user("bob")
        .push(&["main:refs/heads/d", "main:refs/heads/e", "main:refs/heads/f"])
        .silent();
}

#[test]
fn a_repository_in_no_project_is_refused() {
    let policy = Policy::default().project("repositories = [\"other/**\"]\nbase = \"main\"");
    let site = Site::new(&policy);
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    alice.push(&["main"]).refused("RW105");
}

#[test]
fn a_repository_in_two_projects_is_an_error_unless_one_names_it_exactly() {
    let two = |second: &str| {
        Policy::default()
            .project("repositories = [\"a*\"]\nbase = \"main\"")
            .also("")
            .project(&format!("repositories = [\"a*\"]\nbase = \"main\"\n[projects.TWO]\nrepositories = [\"{second}\"]\nbase = \"main\""))
    };
    let site = Site::new(&two("app"));
    let (_repo, alice) = site.started();
    site.write_policy(&two("*p"));
    site.refwarden(&["policy", "apply"]).ends(4, "RW663");
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
    assert_eq!(site.trail().last_decision()["project"], "TWO");
}

#[test]
fn a_repository_with_and_without_git_side_by_side_is_refused() {
    let (site, _repo, alice) = Site::standard();
    std::fs::create_dir_all(site.path("root/app/objects")).unwrap();
    alice.commit("a", "1\n");
    alice.push(&["main"]).refused("RW503");
}

#[test]
fn a_repository_that_is_a_link_out_of_the_root_is_refused() {
    let (site, repo, alice) = Site::standard();
    let outside = site.path("outside.git");
    std::fs::rename(&repo.path, &outside).unwrap();
    std::os::unix::fs::symlink(&outside, &repo.path).unwrap();
    alice.commit("a", "1\n");
    alice.push(&["main"]).refused("RW105");
}

#[test]
fn an_include_is_part_of_the_policy() {
    let site = Site::unapplied(&Policy::new(&[]), &crate::support::Git::default());
    let text = Policy::new(&[])
        .text()
        .replace("version = 1", "version = 1\ninclude = [\"policy.d/*.toml\"]");
    site.write_policy_text(&text);
    std::fs::create_dir(site.path("policy.d")).unwrap();
    std::fs::write(site.path("policy.d/10-permit.toml"), permit("alice", "push", "")).unwrap();
    // Dot files are skipped.
    std::fs::write(site.path("policy.d/.draft.toml"), "nonsense").unwrap();
    site.apply();
    let (_repo, alice) = site.started();
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
    alice.as_user("bob").push(&["main:refs/heads/x"]).refused("RW201").says("10-permit.toml:");
    std::fs::remove_file(site.path("policy.d/10-permit.toml")).unwrap();
    site.refwarden(&["policy", "apply"]).ends(4, "policy.d/*.toml");
}
