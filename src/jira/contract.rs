//! The client against Jiras that are not ours: one that Prism makes of `tests/jira/contract.json`, and
//! `jira820`, which is one of Data Center's kind and remembers.
//!
//! `.ci/run` installs both below `target`; without them the tests say that they were skipped. The
//! contract is in our own words: `REFWARDEN_JIRA_SPEC=SPEC.json` holds it against Atlassian's
//! description of Cloud's interface.

use super::fake::Fake;
use super::*;
use crate::policy::entry::Holder;
use crate::policy::model::Flavor;
use crate::policy::span::Span;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

struct Mock {
    child: Child,
    port: u16,
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn own(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A server that is told its port, once it listens there; `None` where it is not installed.
fn started(program: &str, configure: impl FnOnce(&mut Command, u16)) -> Option<Mock> {
    let program = own(program);
    if !program.exists() {
        println!("skipped: no {}; .ci/run installs it", program.display());
        return None;
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let mut command = Command::new(program);
    configure(&mut command, port);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut mock = Mock { child: child.unwrap(), port };
    let up = (0..1200).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let ended = mock.child.try_wait().unwrap();
        assert!(ended.is_none(), "the server ended: {ended:?}");
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    assert!(up, "the server did not start");
    Some(mock)
}

fn jira(url: &str, flavor: Flavor, folder: &Path, fields: &[&str]) -> Jira {
    let token = folder.join("token");
    std::fs::write(&token, "secret-token").unwrap();
    std::fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).unwrap();
    let span = |seconds| Span::of_seconds(seconds).unwrap();
    let settings = JiraSettings {
        url: url.into(),
        flavor,
        email: (flavor == Flavor::Cloud).then(|| "g@ex.org".into()),
        token_file: token.to_str().unwrap().into(),
        timeout_ms: 10_000,
        push_timeout_ms: 30_000,
        key_from: Vec::new(),
        fresh_issue: span(30),
        fresh_people: span(600),
        when_down: WhenDown::Refuse,
        fields: fields.iter().map(|id| (*id).into()).collect(),
        smart: None,
    };
    Jira::new(&settings, folder, rustix::process::geteuid().as_raw())
}

const COMMENT: Act<'static> =
    Act::Comment { said: "it works", by: "ann pushed it [jira-1]", mark: "jira-1" };

/// Every kind of call that there is, Cloud's way.
fn all_calls(jira: &Jira) {
    assert!(jira.me().unwrap().active);
    assert!(jira.server().unwrap().is_cloud);
    let key = IssueKey::parse("PROJ-123").unwrap();
    let issue = jira.issue(&key).unwrap().value.unwrap();
    assert_eq!((issue.key.as_str(), issue.project.as_str()), ("PROJ-123", "PROJ"));
    let projects: [Box<str>; 1] = ["PROJ".into()];
    let person = issue.assignee.clone().unwrap().id;
    for holder in [Holder::Assignee, Holder::Field("customfield_10201".into())] {
        let question = Question::Issue(&key, &holder, &projects);
        assert!(jira.holds(&person, &question).unwrap(), "{holder}");
    }
    assert!(jira.holds(&person, &Question::Group("payments-devs")).unwrap());
    assert!(jira.holds(&person, &Question::Lead("PROJ")).unwrap());
    assert!(jira.holds(&person, &Question::Role("Developers", "PROJ")).unwrap());
    assert!(jira.permits(&person, "EDIT_ISSUES", &projects).unwrap());
    assert!(jira.matches(&issue, "labels = hotfix").unwrap());
    assert_eq!(jira.act(&key, &projects, COMMENT, true).unwrap(), "PROJ-123");
    assert_eq!(jira.act(&key, &projects, Act::Transition("done"), false).unwrap(), "PROJ-123");
    let moved = jira.act(&key, &["OTHER".into()], COMMENT, false).unwrap_err();
    assert!(moved.is_final(), "{moved}");
}

#[test]
fn prism_takes_every_call_by_the_contract_and_its_answers_are_understood() {
    let contract = own("tests/jira/contract.json");
    let prism = started("target/prism/node_modules/.bin/prism", |command, port| {
        command
            .args(["mock", "--errors", "-h", "127.0.0.1", "-p", &port.to_string()])
            .arg(contract);
    });
    let Some(prism) = prism else { return };
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{}", prism.port);
    all_calls(&jira(&url, Flavor::Cloud, folder.path(), &["customfield_10201"]));
}

fn contract() -> Value {
    serde_json::from_slice(&std::fs::read(own("tests/jira/contract.json")).unwrap()).unwrap()
}

/// The operation that a call is, and which of its query's names are not the operation's.
fn known(contract: &Value, call: &str) -> Option<Vec<String>> {
    let (method, address) = call.split_once(' ')?;
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let parts: Vec<&str> = path.split('/').collect();
    let same = |template: &str| {
        let there: Vec<&str> = template.split('/').collect();
        let fits = |(one, other): (&&str, &&str)| one == other || one.starts_with('{');
        there.len() == parts.len() && there.iter().zip(&parts).all(fits)
    };
    let operations = contract["paths"].as_object()?.iter().filter(|(template, _)| same(template));
    let operation = operations.filter_map(|(_, all)| all.get(method.to_lowercase())).next()?;
    let named = operation["parameters"].as_array()?;
    let names: Vec<&str> = named.iter().filter_map(|one| one["name"].as_str()).collect();
    let asked = query.split('&').filter_map(|pair| pair.split('=').next());
    let strange = |name: &&str| !name.is_empty() && !names.contains(name);
    Some(asked.filter(strange).map(str::to_owned).collect())
}

#[test]
fn what_the_client_asks_for_is_in_the_contract_and_the_contract_has_no_more() {
    let fake = Fake::start(true);
    fake.issue("PROJ-123", Some("ann"), "rob");
    let ann = serde_json::json!({ "accountId": "ann", "active": true });
    fake.set("PROJ-123", "customfield_10201", ann.clone());
    {
        let mut state = fake.state();
        state.fields =
            serde_json::json!([{ "id": "customfield_10201", "schema": { "type": "user" } }]);
        state.leads.insert("PROJ".into(), ann);
        let actors = serde_json::json!([{ "type": "atlassian-user-role-actor", "actorUser": { "accountId": "ann" } }]);
        state.roles.insert("PROJ".into(), [("Developers".to_owned(), actors)].into());
        state.permitted.push("ann".into());
        state.transitions.insert("PROJ-123".into(), vec![("31".into(), "Done".into())]);
    }
    fake.account("ann", &["payments-devs"], true);
    let folder = tempfile::tempdir().unwrap();
    all_calls(&jira(&fake.url, Flavor::Cloud, folder.path(), &["customfield_10201"]));
    let (contract, asked) = (contract(), fake.asked());
    for call in &asked {
        assert_eq!(known(&contract, call), Some(vec![]), "{call}");
    }
    for (path, operations) in contract["paths"].as_object().unwrap() {
        // More groups than one answer has.
        if path.ends_with("/user/groups") {
            continue;
        }
        for method in operations.as_object().unwrap().keys() {
            let one = serde_json::json!({ "paths": { path: { method: operations[method] } } });
            assert!(asked.iter().any(|call| known(&one, call).is_some()), "{method} {path}");
        }
    }
}

/// Follows `$ref`.
fn resolved<'a>(whole: &'a Value, mut at: &'a Value) -> &'a Value {
    while let Some(name) = at["$ref"].as_str() {
        at = whole.pointer(name.trim_start_matches('#')).unwrap();
    }
    match at["allOf"].as_array() {
        Some(all) if all.len() == 1 => resolved(whole, &all[0]),
        _ => at,
    }
}

/// What of our schema the published one does not say as well.
fn differs(place: &str, ours: (&Value, &Value), theirs: (&Value, &Value), found: &mut Vec<String>) {
    let (our, their) = (resolved(ours.0, ours.1), resolved(theirs.0, theirs.1));
    let (kind, kind_there) = (our["type"].as_str(), their["type"].as_str());
    if kind.is_some() && kind_there.is_some() && kind != kind_there {
        found.push(format!("{place}: {kind:?}, published {kind_there:?}"));
    }
    if our["type"] == "array" && their["items"].is_object() {
        differs(&format!("{place}[]"), (ours.0, &our["items"]), (theirs.0, &their["items"]), found);
    }
    for (name, part) in our["properties"].as_object().into_iter().flatten() {
        match their["properties"].get(name) {
            Some(there) => {
                differs(&format!("{place}.{name}"), (ours.0, part), (theirs.0, there), found);
            }
            // A published object without a list of its parts says nothing of them.
            None if !their["properties"].is_object() => {}
            None => found.push(format!("{place}.{name}: not there")),
        }
    }
}

#[test]
fn the_contract_is_what_the_published_specification_says() {
    let Ok(specification) = std::env::var("REFWARDEN_JIRA_SPEC") else {
        println!("skipped: REFWARDEN_JIRA_SPEC names no specification");
        return;
    };
    let theirs: Value = serde_json::from_slice(&std::fs::read(specification).unwrap()).unwrap();
    let ours = contract();
    let mut found = Vec::new();
    let mut held = 0;
    for (path, operations) in ours["paths"].as_object().unwrap() {
        for (method, our) in operations.as_object().unwrap() {
            let place = format!("{method} {path}");
            let Some(their) = theirs["paths"].get(path).and_then(|all| all.get(method)) else {
                println!("{place}: not in this specification");
                continue;
            };
            held += 1;
            let all = |shared: &Value, own: &Value| -> Vec<Value> {
                let both = shared.as_array().into_iter().chain(own.as_array()).flatten();
                both.cloned().collect()
            };
            let known = all(&theirs["paths"][path]["parameters"], &their["parameters"]);
            for one in our["parameters"].as_array().unwrap() {
                let same =
                    |other: &&Value| other["name"] == one["name"] && other["in"] == one["in"];
                match known.iter().find(same) {
                    None => found.push(format!("{place}: no parameter {}", one["name"])),
                    Some(other) => differs(
                        &format!("{place} {}", one["name"]),
                        (&ours, &one["schema"]),
                        (&theirs, &other["schema"]),
                        &mut found,
                    ),
                }
            }
            const JSON: &str = "/content/application~1json/schema";
            if let Some(body) = our["requestBody"].pointer(JSON) {
                let there = their["requestBody"].pointer(JSON).unwrap();
                differs(&format!("{place} body"), (&ours, body), (&theirs, there), &mut found);
            }
            for (code, answer) in our["responses"].as_object().unwrap() {
                let Some(there) = their["responses"].get(code) else {
                    found.push(format!("{place}: no answer {code}"));
                    continue;
                };
                if let (Some(one), Some(other)) = (answer.pointer(JSON), there.pointer(JSON)) {
                    differs(&format!("{place} {code}"), (&ours, one), (&theirs, other), &mut found);
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    assert!(held >= 11, "only {held} operations were held against it");
}

#[test]
fn a_jira_of_data_centers_kind_is_understood_and_remembers_what_is_done() {
    let installed = own("target/python/bin/jira820").exists();
    let server = installed.then(|| {
        started("target/python/bin/jira820", |command, port| {
            command.env("JIRA820_PORT", port.to_string()).env("JIRA820_DATE", "2026-11-01");
        })
    });
    let Some(server) = server.flatten() else {
        println!("skipped: no jira820; .ci/run installs it");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{}", server.port);
    let jira = jira(&url, Flavor::DataCenter, folder.path(), &["assignee", "labels"]);
    let about = jira.server().unwrap();
    assert_eq!((about.is_cloud, about.version.as_str()), (false, "8.20.8"));
    assert_eq!(jira.me().unwrap().id, "admin");
    let projects: [Box<str>; 1] = ["JIRA820".into()];
    let key = |number: u32| IssueKey::parse(&format!("JIRA820-{number}")).unwrap();
    let issues: Vec<Issue> =
        (1..=10).filter_map(|number| jira.issue(&key(number)).unwrap().value).collect();
    assert_eq!(issues.len(), 10);
    let assigned = issues.iter().find(|issue| issue.assignee.is_some()).unwrap();
    let person = assigned.assignee.clone().unwrap().id;
    let of = IssueKey::parse(&assigned.key).unwrap();
    for holder in [Holder::Assignee, Holder::Field("assignee".into())] {
        let question = Question::Issue(&of, &holder, &projects);
        assert!(jira.holds(&person, &question).unwrap());
        assert!(!jira.holds("nobody", &question).unwrap());
    }
    // JQL, by search.
    for (status, yes) in [(assigned.status.as_str(), true), ("No such status", false)] {
        let jql = format!("status = \"{status}\"");
        assert_eq!(jira.matches(assigned, &jql).unwrap(), yes, "{jql}");
    }
    // A comment, and that it is found again; a transition by its name.
    let comments = || {
        let address = format!("{url}/rest/api/2/issue/{of}/comment?maxResults=100");
        let mut answer = ureq::get(&address).call().unwrap();
        let body: Value = serde_json::from_reader(answer.body_mut().as_reader()).unwrap();
        body["comments"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["body"].to_string().contains("jira-1]"))
            .count()
    };
    jira.act(&of, &projects, COMMENT, false).unwrap();
    assert_eq!(comments(), 1);
    jira.act(&of, &projects, COMMENT, true).unwrap();
    assert_eq!(comments(), 1, "it was made before");
    let there = wire_transitions(&url, &of);
    let name = there.iter().find(|(_, to)| *to != assigned.status).unwrap();
    jira.act(&of, &projects, Act::Transition(&name.0), false).unwrap();
    let fresh = tempfile::tempdir().unwrap();
    let again = self::jira(&url, Flavor::DataCenter, fresh.path(), &[]);
    assert_eq!(again.issue(&of).unwrap().value.unwrap().status, name.1);
    let none = jira.act(&of, &projects, Act::Transition("Fly"), false).unwrap_err();
    assert!(none.is_final() && none.to_string().contains("no transition `Fly`"), "{none}");
    let absent = IssueKey::parse("JIRA820-999999").unwrap();
    assert_eq!(jira.issue(&absent).unwrap().value, None);
    assert!(jira.act(&absent, &projects, COMMENT, false).unwrap_err().is_final());
}

/// Names of transitions, each with the state that it leads to.
fn wire_transitions(url: &str, key: &IssueKey) -> Vec<(String, String)> {
    let mut answer = ureq::get(format!("{url}/rest/api/2/issue/{key}/transitions")).call().unwrap();
    let body: Value = serde_json::from_reader(answer.body_mut().as_reader()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = body["transitions"].as_array().unwrap().iter();
    all.map(|one| (text(&one["name"]), text(&one["to"]["name"]))).collect()
}
