use super::*;
use crate::cli::repo::bed::{Bed, file};
use crate::cli::repo::change::Plan;
use crate::cli::repo::layout::Hook;
use crate::os::hooks_dir::Way;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn plan() -> Plan {
    Plan { hooks: Hook::ALL.to_vec(), host: None, way: Way::Link, take_over: false, act: true }
}

/// An installation in which everything is as it should be, and one repository.
fn healthy() -> (Bed, PathBuf) {
    let bed = Bed::new();
    file(&bed.home.programs.join("refwarden"), "x", 0o755);
    file(&bed.home.site.policy, "version = 1\n", 0o644);
    file(&bed.home.site.state.join("x"), "", 0o600);
    mode(&bed.home.site.state, 0o700);
    let path = bed.repository();
    bed.install(&path, &plan()).unwrap();
    bed.git(&[&git_dir(&path), "config", "receive.fsckObjects", "true"]);
    (bed, path)
}

fn git_dir(path: &Path) -> String {
    format!("--git-dir={}", path.display())
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn levels(findings: &[Finding]) -> Vec<(&'static str, Level)> {
    let bad = findings.iter().filter(|finding| finding.level > Level::Ok);
    bad.map(|finding| (finding.check, finding.level)).collect()
}

/// What is wrong with the repository after `set` was set.
fn after(set: &[&str]) -> Vec<(&'static str, Level)> {
    let (bed, path) = healthy();
    let git_dir = git_dir(&path);
    bed.git(&[[git_dir.as_str(), "config"].as_slice(), set].concat());
    levels(&examine(&path, &bed.home))
}

#[test]
fn openpgp_keys_need_a_gpg() {
    let level = |owners, program| applied::gpg(owners, program).map(|found| found.level);
    assert_eq!(level(0, None), None);
    assert_eq!(level(2, None), Some(Level::Broken));
    assert_eq!(level(2, Some("/usr/bin/gpg".into())), Some(Level::Ok));
}

#[test]
fn a_healthy_repository_has_no_finding() {
    let (bed, path) = healthy();
    assert_eq!(levels(&examine(&path, &bed.home)), []);
    let site: Vec<Finding> =
        [installation::programs, installation::state, installation::policy_file]
            .iter()
            .flat_map(|check| check(&bed.home))
            .collect();
    assert_eq!(levels(&site), []);
    assert_eq!(site.len(), 3);
}

#[test]
fn settings_that_weaken_the_hooks_are_named() {
    assert_eq!(after(&["receive.fsckObjects", "off"]), [("fsck-objects", Level::Warn)]);
    assert_eq!(after(&["receive.procReceiveRefs", "refs/for"]), [("proc-receive", Level::Warn)]);
    assert_eq!(after(&["core.sharedRepository", "group"]), [("shared", Level::FailOpen)]);
    assert_eq!(after(&["core.sharedRepository", "umask"]), []);
    assert_eq!(after(&["core.hooksPath", "/nowhere"])[0], ("hooks", Level::FailOpen));
    assert_eq!(after(&["receive.advertisePushOptions", "false"]), [("push-options", Level::Warn)]);
}

#[test]
fn a_repository_that_others_can_write_fails_open() {
    for part in ["", "refs", "hooks", "objects", "config", "HEAD"] {
        let (bed, path) = healthy();
        mode(&path.join(part), 0o777);
        assert_eq!(levels(&examine(&path, &bed.home)), [("owners", Level::FailOpen)], "{part}");
    }
}

#[test]
fn a_program_that_others_can_write_or_nobody_can_run_fails_open() {
    for bits in [0o777, 0o644] {
        let (bed, _) = healthy();
        mode(&bed.home.programs.join("update"), bits);
        let found = installation::programs(&bed.home);
        assert_eq!(levels(&found), [("programs", Level::FailOpen)], "{bits:o}");
    }
}

#[test]
fn an_open_state_folder_and_an_absent_policy_are_found() {
    let (bed, _) = healthy();
    mode(&bed.home.site.state, 0o755);
    assert_eq!(levels(&installation::state(&bed.home)), [("state", Level::FailOpen)]);
    std::fs::remove_file(&bed.home.site.policy).unwrap();
    assert_eq!(applied::sources(&bed.home), None, "one cause is found once");
    assert_eq!(levels(&installation::policy_file(&bed.home)), [("policy-file", Level::Broken)]);
}

#[test]
fn looking_at_the_trail_does_not_make_it() {
    let (bed, _) = healthy();
    let path = bed.home.site.state.join("audit.jsonl");
    assert_eq!(levels(&trail(&path, &bed.home)), []);
    assert!(!path.exists());
    file(&path, "", 0o666);
    assert_eq!(levels(&trail(&path, &bed.home)), [("trail", Level::Broken)]);
    mode(&path, 0o600);
    assert_eq!(levels(&trail(&path, &bed.home)), []);
    let nowhere = bed.home.site.state.join("no/audit.jsonl");
    assert_eq!(levels(&trail(&nowhere, &bed.home)), [("trail", Level::Broken)]);
}

#[test]
fn an_account_whose_number_changed_is_found() {
    let (mut bed, _) = healthy();
    bed.home.site.account = "root".to_owned();
    bed.home.site.account_uid = 0;
    assert_eq!(levels(&installation::account(&bed.home)), []);
    bed.home.site.account_uid = 4242;
    let found = installation::account(&bed.home);
    assert_eq!(levels(&found), [("account", Level::Broken)]);
}

#[test]
fn all_repositories_below_the_root_are_looked_at() {
    let (bed, path) = healthy();
    let args = DoctorArgs {
        repositories: Vec::new(),
        quiet: false,
        secure_mode: false,
        sshd_config: None,
    };
    let (found, cut) = repositories(&args, &bed.home);
    assert_eq!(found, [git_config::real(&path).unwrap()]);
    assert!(cut.is_none());
}
