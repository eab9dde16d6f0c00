//! Coming from elsewhere, through the built program.

use crate::support::{Policy, Run, Site, find_program, permit, skip};
use serde_json::Value;

const CONF: &str = "@devs = ann ben\n\
                    repo pay/api\n  - master$ = ben\n  RW+ = @devs\n  R = @all\n\
                    repo @all\n  RW = root\n";

fn import(site: &Site, conf: &str, more: &[&str]) -> Run {
    let path = site.path("gitolite.conf");
    std::fs::write(&path, conf).unwrap();
    let path = path.display().to_string();
    site.refwarden(&[&["import", "gitolite", path.as_str()], more].concat())
}

#[test]
fn what_is_imported_is_a_valid_policy_in_its_canonical_layout_and_decides() {
    let site = Site::new(&Policy::default());
    let output = site.path("made.toml").display().to_string();
    import(&site, CONF, &["--output", &output]).ends(0, "3 users, 2 projects, 2 schemes");
    let check = site.refwarden(&["policy", "check", &output]);
    check.ends(0, "is valid");
    assert!(!check.stderr.contains("warning"), "{check:#?}");
    site.refwarden(&["policy", "fmt", "--check", &output]).ends(0, "");
    let explain = |user: &str, action: &str, name: &str| {
        let question =
            ["policy", "explain", "--policy", &output, "--as", user, "--repository", "pay/api"];
        let run = site.refwarden(&[&question[..], &["--action", action, "--ref", name]].concat());
        run.code == Some(0)
    };
    assert!(explain("ann", "force", "master") && explain("ben", "delete", "masters"));
    assert!(!explain("ben", "update", "master") && !explain("root", "force", "x"));
    let again = import(&site, CONF, &["--output", &output]);
    again.ends(1, "made.toml");
}

#[test]
fn what_is_not_carried_over_is_listed_with_file_and_line_and_ends_with_1() {
    let site = Site::new(&Policy::default());
    let conf = format!("{CONF}repo x\n  - VREF/COUNT/9 = ann\n");
    let words = "not carried over: gitolite.conf:9: `VREF/COUNT/9`";
    import(&site, &conf, &[]).ends(1, words);
    import(&site, &conf, &["--partial"]).ends(0, words);
    let json = import(&site, &conf, &["--json"]);
    let lines: Vec<Value> =
        json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines[0]["policy"].as_str().unwrap().contains("[projects.pay-api]"));
    let lost = lines.iter().find(|line| line["kind"] == "not-carried-over").unwrap();
    assert_eq!((&lost["file"], &lost["line"]), (&"gitolite.conf".into(), &9.into()));
    import(&site, "repo \"\n", &[]).ends(1, "gitolite.conf:1: ");
    site.refwarden(&["import", "gitolite", "nowhere.conf"]).ends(6, "there is no `nowhere.conf`");
}

#[test]
fn an_installed_gitolite_is_asked_the_same_questions() {
    if find_program("gitolite").is_none() {
        return skip("gitolite is not installed");
    }
    let site = Site::new(&Policy::default());
    import(&site, CONF, &["--verify"])
        .ends(0, "asked of gitolite and of the policy: 0 differences");
    // What the policy can't say is found by the same questions.
    let conf = "repo x\n  RW+M = ann\n  RW = ben\n";
    let run = import(&site, conf, &["--verify", "--partial"]);
    run.ends(1, "differs: ben update refs/heads/");
    assert!(run.stderr.contains("in x: gitolite allows, the policy refuses"), "{run:#?}");
}

#[test]
fn a_jira_scheme_becomes_permits_and_unknown_holders_are_named() {
    let site = Site::new(&Policy::default());
    let path = site.path("scheme.json");
    let json = r#"{"name":"P","permissions":[
        {"id":1,"permission":"EDIT_ISSUES","holder":{"type":"projectRole","parameter":"1","projectRole":{"name":"Dev"}}},
        {"id":2,"permission":"EDIT_ISSUES","holder":{"type":"sd.customer.portal.only"}}]}"#;
    std::fs::write(&path, json).unwrap();
    let path = path.display().to_string();
    let run = site.refwarden(&["import", "jira-scheme", &path]);
    run.ends(1, "EDIT_ISSUES (grant 2) for sd.customer.portal.only is held by somebody whom no policy can name");
    assert!(run.stdout.contains("to = [\"role:dev\"]"), "{run:#?}");
}

#[test]
fn keys_go_out_and_come_back() {
    let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    let policy = Policy::new(&[permit("alice", "push", "branches = [\"main\"]")]);
    let site = Site::new(&policy);
    let keys = site.path("ann@home.pub");
    std::fs::write(&keys, format!("{line} whoever\n")).unwrap();
    let made = site.path("keys.toml").display().to_string();
    site.refwarden(&["import", "authorized-keys", keys.to_str().unwrap(), "-o", &made])
        .ends(0, "1 user");
    let plain = site.refwarden(&["export", "authorized-keys", "--policy", &made, "--plain"]);
    plain.ends(0, &format!("{line} ann\n"));
    let forced = site.refwarden(&["export", "authorized-keys", "--policy", &made]);
    forced.ends(0, "door ssh ann --key SHA256:");
    let back = site.path("authorized_keys");
    std::fs::write(&back, &forced.stdout).unwrap();
    let again = site.refwarden(&["import", "authorized-keys", back.to_str().unwrap()]);
    again.ends(0, line);
    assert!(again.stdout.contains("[users.ann]"), "{again:#?}");
}
