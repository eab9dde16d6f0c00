//! Hooks that were there before ours.

use crate::support::{Git, Site, chmod, skip};

#[test]
fn a_foreign_pre_receive_that_refuses_refuses_and_its_words_are_shown() {
    let (site, repo, alice) = Site::standard();
    repo.foreign("pre-receive", "echo 'not today' >&2; exit 1");
    alice.commit("a", "1\n");
    alice.push(&["main"]).refused("RW511").says("not today");
    assert!(site.trail().events("push.landed").is_empty());
    site.trail_verifies();
}

#[test]
fn a_foreign_pre_receive_is_not_asked_about_what_ours_refuses() {
    let (site, repo, alice) = Site::standard();
    let mark = site.path("asked");
    repo.foreign("pre-receive", &format!("touch '{}'", mark.display()));
    alice.commit("a", "1\n");
    alice.as_user("bob").push(&["main"]).refused("RW201");
    assert!(!mark.exists());
    alice.push(&["main"]).silent();
    assert!(mark.exists());
}

#[test]
fn foreign_hooks_get_the_same_stdin_and_arguments_and_a_working_git() {
    let (site, repo, alice) = Site::standard();
    let seen = site.path("seen");
    let line = format!("cat >>'{}'", seen.display());
    repo.foreign("pre-receive", &format!("{line}; git rev-parse --git-dir >/dev/null"));
    repo.foreign("post-receive", &line);
    repo.foreign("update", &format!("echo \"update $2 $3 $1\" >>'{}'", seen.display()));
    let old = repo.id("main");
    let new = alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
    let push = format!("{old} {new} refs/heads/main\n");
    assert_eq!(std::fs::read_to_string(seen).unwrap(), format!("{push}update {push}{push}"));
}

#[test]
fn foreign_hooks_see_the_pushed_objects_in_quarantine() {
    let (_site, repo, alice) = Site::standard();
    repo.foreign(
        "pre-receive",
        "read old new name; git cat-file -e \"$new^{tree}\" && [ -n \"$GIT_QUARANTINE_PATH\" ]",
    );
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
}

#[test]
fn a_foreign_update_that_refuses_is_heard_before_ours_says_yes() {
    let (_site, repo, alice) = Site::standard();
    repo.foreign("update", "[ \"$1\" = refs/heads/main ] || exit 0; echo 'keep off' >&2; exit 1");
    alice.commit("a", "1\n");
    let push = alice.push(&["main", "main:refs/heads/x"]);
    push.stayed("refs/heads/main").moved("refs/heads/x").says("keep off").says("RW511");
}

#[test]
fn a_foreign_hook_that_was_not_executable_stays_off() {
    let (_site, repo, alice) = Site::standard();
    repo.foreign("pre-receive", "exit 1");
    chmod(&repo.hook("pre-receive.before-refwarden"), 0o644);
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
}

#[test]
fn a_foreign_hook_that_can_not_be_run_refuses() {
    let (_site, repo, alice) = Site::standard();
    repo.foreign("pre-receive", "");
    std::fs::write(repo.hook("pre-receive.before-refwarden"), "#!/no/such/interpreter\n").unwrap();
    alice.commit("a", "1\n");
    alice.push(&["main"]).refused("RW511");
}

#[test]
fn a_foreign_post_receive_that_fails_changes_nothing() {
    let (site, repo, alice) = Site::standard();
    repo.foreign("post-receive", "exit 1");
    alice.commit("a", "1\n");
    alice.push(&["main"]).moved("refs/heads/main");
    assert_eq!(site.trail().events("push.landed").len(), 1);
}

#[test]
fn a_foreign_pre_receive_that_does_not_read_stdin_is_fine() {
    let (_site, repo, alice) = Site::standard();
    repo.foreign("pre-receive", "exit 0");
    let names: Vec<String> = (0..2000).map(|n| format!("main:refs/heads/feature/n{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    repo.unlink("update");
    alice.push(&names).silent();
}

#[test]
fn the_way_of_git_since_2_54_hooks_from_configuration_run_ours_too() {
    let Some(git) = Git::at_least(2, 54) else {
        return skip("no git with hooks from configuration");
    };
    let site = Site::with_git(&crate::support::Policy::default(), &git);
    let (repo, alice) = site.started();
    for hook in ["pre-receive", "update", "post-receive"] {
        repo.unlink(hook);
        repo.config(&format!("hook.refwarden-{hook}.event"), hook);
        repo.config(
            &format!("hook.refwarden-{hook}.command"),
            site.programs().join(hook).to_str().unwrap(),
        );
    }
    alice.commit("a", "1\n");
    alice.as_user("bob").push(&["main"]).refused("RW201");
    alice.push(&["main"]).silent();
    assert_eq!(site.trail().events("push.landed").len(), 1);
}

#[test]
fn hooks_that_are_copies_find_the_program_that_does_what_is_not_ordinary() {
    let (site, repo, alice) = Site::standard();
    for hook in ["pre-receive", "update", "post-receive"] {
        repo.unlink(hook);
        std::fs::copy(site.programs().join(hook), repo.hook(hook)).unwrap();
    }
    std::fs::copy(site.programs().join("site.toml"), repo.hook("site.toml")).unwrap();
    std::fs::copy(site.programs().join("refwarden"), repo.hook(".refwarden")).unwrap();
    let mark = site.path("ran");
    repo.foreign("update", &format!("touch '{}'", mark.display()));
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent().moved("refs/heads/main");
    assert!(mark.exists());
    repo.foreign("update", "echo 'not today' >&2; exit 1");
    alice.commit("a", "2\n");
    alice.push(&["main"]).says("not today").nothing_moved();
}
