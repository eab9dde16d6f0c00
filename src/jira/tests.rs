use super::fake::{Fake, Mood};
use super::*;
use crate::policy::entry::Holder;
use crate::policy::model::Flavor;
use crate::policy::span::Span;
use crate::push::issue::Spot;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

mod down;
mod kept;

struct Bed {
    folder: tempfile::TempDir,
    fake: Fake,
    settings: JiraSettings,
}

fn bed(cloud: bool) -> Bed {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::start(cloud);
    let token = folder.path().join("token");
    std::fs::write(&token, "secret-token\n").unwrap();
    std::fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).unwrap();
    let span = |seconds| Span::of_seconds(seconds).unwrap();
    let settings = JiraSettings {
        url: fake.url.as_str().into(),
        flavor: if cloud { Flavor::Cloud } else { Flavor::DataCenter },
        email: cloud.then(|| "g@ex.org".into()),
        token_file: token.to_str().unwrap().into(),
        timeout_ms: 700,
        push_timeout_ms: 2000,
        key_from: Spot::ALL.to_vec(),
        fresh_issue: span(30),
        fresh_people: span(600),
        when_down: WhenDown::Refuse,
        fields: Vec::new(),
        smart: None,
    };
    fake.issue("PAY-1", Some("ann"), "rob");
    Bed { folder, fake, settings }
}

impl Bed {
    /// As a new push has it.
    fn jira(&self) -> Jira {
        Jira::new(&self.settings, self.folder.path(), rustix::process::geteuid().as_raw())
    }

    fn named(&self, person: &str, holder: &Holder, key: &str) -> Result<bool, String> {
        named(&self.jira(), person, holder, key)
    }

    /// Makes every file of what was learnt older.
    fn age(&self, seconds: i64) {
        for below in ["", "issue", "people"] {
            let Ok(files) = std::fs::read_dir(self.folder.path().join("jira").join(below)) else {
                continue;
            };
            for file in files.flatten().filter(|file| file.path().is_file()) {
                let text = std::fs::read_to_string(file.path()).unwrap();
                let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
                let Some(at) = value.get("at").and_then(|at| at.as_str()) else { continue };
                let at: chrono::DateTime<chrono::Utc> = at.parse().unwrap();
                value["at"] = json!(at - chrono::TimeDelta::seconds(seconds));
                std::fs::write(file.path(), value.to_string()).unwrap();
            }
        }
    }

    fn forget_breaker(&self) {
        let _ = std::fs::remove_file(self.folder.path().join("jira/breaker.json"));
    }
}

fn key(text: &str) -> IssueKey {
    IssueKey::parse(text).unwrap()
}

fn named(jira: &Jira, person: &str, holder: &Holder, issue: &str) -> Result<bool, String> {
    let projects: [Box<str>; 1] = ["PAY".into()];
    let question = Question::Issue(&key(issue), holder, &projects);
    jira.holds(person, &question).map_err(|error| error.to_string())
}

#[test]
fn both_flavors_say_who_an_issue_names() {
    for cloud in [true, false] {
        let bed = bed(cloud);
        assert_eq!(bed.named("ann", &Holder::Assignee, "PAY-1"), Ok(true), "{cloud}");
        assert_eq!(bed.named("rob", &Holder::Assignee, "PAY-1"), Ok(false));
        assert_eq!(bed.named("rob", &Holder::Reporter, "PAY-1"), Ok(true));
        bed.fake.set("PAY-1", "assignee", json!(null));
        bed.age(31);
        assert_eq!(bed.named("ann", &Holder::Assignee, "PAY-1"), Ok(false), "unassigned");
    }
}

#[test]
fn somebody_who_is_not_active_is_nobody() {
    let bed = bed(true);
    let gone = json!({ "accountId": "ann", "active": false });
    bed.fake.set("PAY-1", "assignee", gone);
    assert_eq!(bed.named("ann", &Holder::Assignee, "PAY-1"), Ok(false));
    bed.fake.account("eve", &["devs"], false);
    assert!(!bed.jira().holds("eve", &Question::Group("devs")).unwrap());
}

#[test]
fn an_issue_that_is_not_there_names_nobody_once_the_token_is_known_to_be_good() {
    let bed = bed(true);
    let jira = bed.jira();
    assert_eq!(named(&jira, "ann", &Holder::Assignee, "PAY-9"), Ok(false));
    assert!(bed.fake.asked().iter().any(|asked| asked.ends_with("/myself")));
    assert!(jira.told()[0].contains("no issue PAY-9"), "{:?}", jira.told());
    // Somebody makes it: a few seconds later it counts.
    bed.fake.issue("PAY-9", Some("ann"), "rob");
    bed.age(5);
    assert_eq!(bed.named("ann", &Holder::Assignee, "PAY-9"), Ok(true));
}

#[test]
fn a_bad_token_is_no_missing_issue() {
    let bed = bed(true);
    bed.fake.mood(Mood::Status(404));
    // 404 to everything, as Cloud answers a bad token: also to `myself`.
    let error = bed.named("ann", &Holder::Assignee, "PAY-1").unwrap_err();
    assert!(error.contains("tell the admin"), "{error}");
    bed.fake.mood(Mood::Well);
    bed.fake.state().token = "Basic other".into();
    let error = bed.named("ann", &Holder::Assignee, "PAY-1").unwrap_err();
    assert!(error.contains("does not take the gate's login"), "{error}");
    assert!(!error.contains("secret"));
}

#[test]
fn a_moved_issue_counts_where_its_new_project_does() {
    let bed = bed(true);
    bed.fake.issue("PAY-7", Some("ann"), "rob");
    bed.fake.issue("OPS-7", Some("ann"), "rob");
    bed.fake.state().moved.insert("PAY-2".into(), "PAY-7".into());
    bed.fake.state().moved.insert("PAY-3".into(), "OPS-7".into());
    let jira = bed.jira();
    assert_eq!(named(&jira, "ann", &Holder::Assignee, "PAY-2"), Ok(true));
    assert_eq!(named(&jira, "ann", &Holder::Assignee, "PAY-3"), Ok(false));
    let told = jira.told().join("\n");
    assert!(
        told.contains("PAY-2 is PAY-7 now") && told.contains("PAY-3 was moved to OPS-7"),
        "{told}"
    );
}

#[test]
fn fields_hold_people_groups_and_choices_one_or_many() {
    let mut bed = bed(false);
    bed.settings.fields =
        ["f_user", "f_users", "f_group", "f_groups", "f_choice", "f_text", "f_none"]
            .map(Into::into)
            .to_vec();
    let field = |id: &str, kind: &str, items: &str| json!({ "id": id, "schema": { "type": kind, "items": items } });
    bed.fake.state().fields = json!([
        field("f_user", "user", ""),
        field("f_users", "array", "user"),
        field("f_group", "group", ""),
        field("f_groups", "array", "group"),
        field("f_choice", "array", "option"),
        field("f_text", "string", ""),
    ]);
    bed.fake.account("ann", &["devs"], true);
    bed.fake.account("eve", &["others"], true);
    for (id, value) in [
        ("f_user", json!({ "name": "ann" })),
        ("f_users", json!([{ "name": "rob" }, { "name": "ann" }])),
        ("f_group", json!([{ "name": "devs" }])),
        ("f_groups", json!([{ "name": "x" }, { "name": "devs" }])),
        ("f_choice", json!({ "id": "1", "value": "devs" })),
        ("f_text", json!("ann")),
    ] {
        bed.fake.set("PAY-1", id, value);
    }
    let in_field = |person: &str, id: &str| bed.named(person, &Holder::Field(id.into()), "PAY-1");
    for id in ["f_user", "f_users", "f_group", "f_groups", "f_choice"] {
        assert_eq!(in_field("ann", id), Ok(true), "{id}");
        assert_eq!(in_field("eve", id), Ok(false), "{id}");
    }
    assert!(in_field("ann", "f_text").unwrap_err().contains("holds no people"));
    assert!(in_field("ann", "f_none").unwrap_err().contains("is not there"));
    bed.fake.set("PAY-1", "f_users", json!(null));
    bed.age(31);
    assert_eq!(in_field("ann", "f_users"), Ok(false));
    bed.fake.set("PAY-1", "f_users", json!([{ "value": "ann" }]));
    bed.age(31);
    assert!(in_field("ann", "f_users").unwrap_err().contains("not as it should be"));
}

#[test]
fn groups_roles_and_leads_on_both_flavors() {
    for cloud in [true, false] {
        let bed = bed(cloud);
        bed.fake.account("ann", &["devs"], true);
        bed.fake.account("rob", &[], true);
        bed.fake.account("old", &["devs"], false);
        let user = |id: &str| json!({ "type": "atlassian-user-role-actor", "name": id, "actorUser": { "accountId": id } });
        let group = json!({ "type": "atlassian-group-role-actor", "name": "devs", "actorGroup": { "name": "devs" } });
        let roles = [("Developers".to_owned(), json!([user("rob"), user("old"), group]))];
        bed.fake.state().roles.insert("PAY".into(), roles.into());
        let lead = json!({ "accountId": "rob", "name": "rob", "active": true });
        bed.fake.state().leads.insert("PAY".into(), lead);
        let jira = bed.jira();
        let holds = |person: &str, question: Question<'_>| jira.holds(person, &question).unwrap();
        for (person, in_group, in_role, leads) in [
            ("ann", true, true, false),
            ("rob", false, true, true),
            ("old", false, false, false),
            ("zed", false, false, false),
        ] {
            assert_eq!(holds(person, Question::Group("devs")), in_group, "{person} {cloud}");
            assert_eq!(holds(person, Question::Role("Developers", "PAY")), in_role, "{person}");
            assert_eq!(holds(person, Question::Lead("PAY")), leads, "{person}");
        }
        let error = jira.holds("ann", &Question::Role("Nobodies", "PAY")).unwrap_err().to_string();
        assert!(error.contains("no role `Nobodies`"), "{error}");
    }
}

#[test]
fn a_token_that_others_can_read_or_that_is_none_is_not_used_nor_shown() {
    let bed = bed(true);
    let token = Path::new(&*bed.settings.token_file);
    for mode in [0o640, 0o604, 0o660, 0o606] {
        std::fs::set_permissions(token, PermissionsExt::from_mode(mode)).unwrap();
        let error = bed.jira().issue(&key("PAY-1")).unwrap_err();
        assert!(
            !error.to_string().contains("token\n") && error.to_string().contains("tell the admin")
        );
        assert!(error.for_admin().contains("can be"), "{}", error.for_admin());
    }
    std::fs::set_permissions(token, PermissionsExt::from_mode(0o600)).unwrap();
    for content in ["", "\n", "two words", "a\nb", "é"] {
        std::fs::write(token, content).unwrap();
        let error = bed.jira().issue(&key("PAY-1")).unwrap_err();
        assert!(error.for_admin().contains("does not hold a token"), "{content:?}");
    }
    assert!(bed.fake.asked().is_empty());
}

#[test]
fn names_of_people_stay_inside_their_part_of_an_address() {
    let bed = bed(true);
    bed.fake.account("a&expand=x#/../../issue/PAY-1", &["devs"], true);
    let _ = bed.jira().holds("a&expand=x#/../../issue/PAY-1", &Question::Group("devs"));
    let asked = bed.fake.asked();
    assert_eq!(
        asked[0],
        "GET /rest/api/3/user?accountId=a%26expand%3Dx%23%2F..%2F..%2Fissue%2FPAY-1&expand=groups"
    );
}

#[test]
fn cloud_says_who_has_a_permission() {
    let bed = bed(true);
    bed.fake.state().permitted.push("ann".into());
    let lead = json!({ "accountId": "rob", "active": true });
    bed.fake.state().leads.insert("PAY".into(), lead);
    let permits = |person: &str| bed.jira().permits(person, "VIEW_DEV_TOOLS", &["PAY".into()]);
    assert!(permits("ann").unwrap() && !permits("rob").unwrap());
}

#[test]
fn jql_is_asked_about_one_issue_on_both_flavors_and_a_wrong_one_is_an_error() {
    for cloud in [true, false] {
        let bed = bed(cloud);
        let issue = bed.jira().issue(&key("PAY-1")).unwrap().value.unwrap();
        let matches = |jql: &str| bed.jira().matches(&issue, jql).map_err(|e| e.to_string());
        assert_eq!(matches("labels = hotfix"), Ok(true), "{cloud}");
        assert_eq!(matches("labels = none"), Ok(false), "{cloud}");
        assert!(matches("labels = bad").unwrap_err().contains("tell the admin"), "{cloud}");
        let asked = bed.fake.asked().join("\n");
        let there = if cloud {
            "POST /rest/api/3/jql/match"
        } else {
            "key%20%3D%20PAY-1%20AND%20%28labels"
        };
        assert!(asked.contains(there), "{asked}");
    }
}
