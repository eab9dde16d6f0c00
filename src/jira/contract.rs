//! Every call against a mock that Prism makes of Atlassian's published specification: it refuses what
//! the specification does not know, and answers with the specification's own examples.
//!
//! `REFWARDEN_JIRA_SPEC=SPEC.json cargo test --lib jira::contract` runs it, where `npx` is; the cut of
//! the specification is Atlassian's and does not lie here.

use super::*;
use crate::policy::model::Flavor;
use crate::policy::span::Span;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

struct Mock(Child);

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn mock(specification: &str, port: u16) -> Option<Mock> {
    let port = port.to_string();
    let package = ["--yes", "@stoplight/prism-cli@5", "mock", "-h", "127.0.0.1", "-p", &port];
    let child = Command::new("npx")
        .args(package)
        .arg(specification)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    child.ok().map(Mock)
}

#[test]
fn every_call_is_one_that_the_published_specification_knows() {
    let Ok(specification) = std::env::var("REFWARDEN_JIRA_SPEC") else {
        println!("skipped: REFWARDEN_JIRA_SPEC names no specification");
        return;
    };
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let Some(_mock) = mock(&specification, port) else {
        println!("skipped: no npx");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "token").unwrap();
    std::fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).unwrap();
    let span = |seconds| Span::of_seconds(seconds).unwrap();
    let settings = JiraSettings {
        url: format!("http://127.0.0.1:{port}").into(),
        flavor: Flavor::Cloud,
        email: Some("gate@example.org".into()),
        token_file: token.to_str().unwrap().into(),
        timeout_ms: 10_000,
        push_timeout_ms: 30_000,
        key_from: Vec::new(),
        fresh_issue: span(30),
        fresh_people: span(600),
        when_down: WhenDown::Refuse,
        fields: vec!["customfield_10201".into()],
    };
    let jira = Jira::new(&settings, folder.path(), rustix::process::geteuid().as_raw());
    let up = (0..1200).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    assert!(up, "the mock did not start");
    assert!(jira.me().unwrap().active);
    assert!(jira.server().unwrap().is_cloud);
    let key = IssueKey::parse("PROJ-123").unwrap();
    let issue = jira.issue(&key).unwrap().value.unwrap();
    assert_eq!(issue.key, "PROJ-123");
    let projects: [Box<str>; 1] = ["PROJ".into()];
    let person = issue.assignee.clone().unwrap().id;
    let holder = crate::policy::entry::Holder::Assignee;
    assert!(jira.holds(&person, &Question::Issue(&key, &holder, &projects)).unwrap());
    jira.holds(&person, &Question::Group("payments-devs")).unwrap();
    jira.holds(&person, &Question::Lead("PROJ")).unwrap();
    jira.holds(&person, &Question::Role("Developers", "PROJ")).unwrap();
    jira.permits(&person, "EDIT_ISSUES", &projects).unwrap();
    jira.matches(&issue, "labels = hotfix").unwrap();
}
