//! The interface for programs behind real web servers: every operation, held against the document.

mod hostile;
mod schema;
mod slow;

use super::{Door, permitted};
use crate::doors::web::{Kind, status};
use crate::support::{Policy, permit};
use refwarden::pusher::token::Scope;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::process::{Command, Stdio};

/// alice approves, audits and administers; bob and the machine ci may ask; carol may nothing.
fn policy() -> Policy {
    permitted(&[
        permit("alice", "write", ""),
        permit("bob", "push", r#"branches = ["feature/**"]"#),
        permit("ci", "read", ""),
    ])
    .users("[users.alice]\n[users.bob]\n[users.carol]\n[users.dave]\nactive = false\n[users.ci]\nkind = \"service\"\nowner = \"carol\"")
    .also(
        "[global]\naudit = [\"alice\"]\nadminister = [\"alice\"]\n\
         [entitlements.hotfix]\nprojects = [\"APP\"]\neligible = [\"bob\", \"ci\"]\npermissions = [\"update\"]\n\
         branches = [\"main\"]\nmax-duration = \"2h\"\nextend = { times = 1, max-duration = \"1h\" }\n\
         approval = [{ from = [\"alice\"], count = 1 }]\n\
         [entitlements.emergency]\nprojects = [\"APP\"]\neligible = [\"bob\", \"ci\"]\npermissions = [\"update\"]\n\
         branches = [\"main\"]\nmax-duration = \"2h\"\nbreak-glass = true\napproval = [{ from = [\"alice\"], count = 1 }]\n\
         [entitlements.pair]\nprojects = [\"APP\"]\neligible = [\"ci\"]\npermissions = [\"update\"]\n\
         branches = [\"main\"]\nmax-duration = \"2h\"\napproval = [{ from = [\"alice\", \"bob\"], count = 2 }]",
    )
}

const ALL: [Scope; 6] = Scope::ALL;
const WISH: &str =
    r#"{"entitlement":"hotfix","repository":"app","for":"1h","reason":"deploy of build 17"}"#;

/// The door, the document, and which operations were answered how.
struct Api {
    door: Door,
    document: Value,
    seen: RefCell<BTreeSet<String>>,
}

impl Api {
    fn open(kind: Kind) -> Option<Self> {
        Self::open_with(&policy(), kind)
    }

    fn open_with(policy: &Policy, kind: Kind) -> Option<Self> {
        let door = Door::open(policy, kind)?;
        let login = if kind == Kind::NginxLogin { "alice:alice-pw" } else { "" };
        let document = door.web.get(login, "/-/refwarden/v1/openapi.json", "");
        assert_eq!(status(&document), 200);
        let document = serde_json::from_str(&body(&document)).unwrap();
        Some(Self { door, document, seen: RefCell::default() })
    }

    fn token(&self, user: &str, scopes: &[Scope]) -> String {
        self.door.token(user, scopes, &[], 600).1.reveal().to_owned()
    }

    /// One request, its answer held against the document.
    #[track_caller]
    fn ask(&self, request: &str, token: &str, said: &str) -> (u16, Value) {
        self.ask_with(request, token, "", said)
    }

    #[track_caller]
    fn ask_with(&self, request: &str, token: &str, headers: &str, said: &str) -> (u16, Value) {
        let (method, path) = request.split_once(' ').unwrap();
        let json = if method == "POST" { "Content-Type: application/json\r\n" } else { "" };
        let headers = format!("Authorization: Bearer {token}\r\n{json}{headers}");
        let path = format!("/-/refwarden/v1/{path}");
        let answer = self.door.web.ask(method, "", &path, &headers, said.as_bytes());
        self.judged(method, &path, &answer)
    }

    /// The status and the value of an answer, which is as the document says.
    #[track_caller]
    fn judged(&self, method: &str, path: &str, answer: &str) -> (u16, Value) {
        let status = status(answer);
        assert!(answer.contains("\r\nContent-Type: application/json\r\n"), "{answer}");
        assert!(answer.contains("no-store") && answer.contains("nosniff"), "{answer}");
        let value: Value = serde_json::from_str(&body(answer)).unwrap();
        let path = path.strip_prefix("/-/refwarden/v1").unwrap().split('?').next().unwrap();
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |form: &str| {
            let form: Vec<&str> = form.split('/').collect();
            form.len() == parts.len()
                && form.iter().zip(&parts).all(|(form, part)| form == part || *form == "{id}")
        };
        let paths = self.document["paths"].as_object().unwrap();
        let (form, operations) = paths.iter().find(|(form, _)| fits(form)).unwrap();
        let method = method.to_lowercase();
        let told = &operations[&method]["responses"][status.to_string()];
        let told = match told.get("$ref").and_then(Value::as_str) {
            Some(path) => self.document.pointer(path.strip_prefix('#').unwrap()).unwrap(),
            None => told,
        };
        let schema = told.pointer("/content/application~1json/schema");
        let schema =
            schema.unwrap_or_else(|| panic!("{method} {form} tells of no {status}: {answer}"));
        let wrong = schema::wrong(&self.document, schema, &value, "");
        assert!(wrong.is_empty(), "{method} {form} {status}: {wrong:#?}\n{value:#}");
        self.seen.borrow_mut().insert(format!("{method} {form} {status}"));
        (status, value)
    }

    /// Asks for `hotfix`; the id.
    #[track_caller]
    fn wish(&self, token: &str) -> String {
        let (status, value) = self.ask("POST requests", token, WISH);
        assert_eq!(status, 202, "{value}");
        value["id"].as_str().unwrap().to_owned()
    }
}

/// The body, put together where the server sent it in chunks.
fn body(answer: &str) -> String {
    let (head, mut rest) = answer.split_once("\r\n\r\n").unwrap();
    if !head.contains("Transfer-Encoding: chunked") {
        return rest.to_owned();
    }
    let mut whole = String::new();
    while let Some((size, tail)) = rest.split_once("\r\n") {
        let (chunk, tail) = tail.split_at(usize::from_str_radix(size, 16).unwrap());
        whole.push_str(chunk);
        rest = tail.strip_prefix("\r\n").unwrap();
    }
    whole
}

fn message(value: &Value) -> &str {
    value["error"]["message"].as_str().unwrap()
}

#[test]
fn a_pipeline_asks_pushes_and_gives_back_and_approves_nothing() {
    let Some(api) = Api::open(Kind::Nginx) else { return };
    let Door { site, repo, person, web } = &api.door;
    let ci = api.token("ci", &ALL);
    let alice = api.token("alice", &[Scope::Approve]);
    let login = format!("ci:{ci}");
    person.commit("a", "1\n");
    web.push(repo, person, &login, &["main"]).refused("RW201");
    let key = "Idempotency-Key: deploy-17\r\n";
    let (status, asked) = api.ask_with("POST requests", &ci, key, WISH);
    assert_eq!((status, &asked["state"]), (202, &json!("pending")), "{asked}");
    let id = asked["id"].as_str().unwrap();
    // Sent again it finds what it did; another content under the same key is refused.
    assert_eq!(api.ask_with("POST requests", &ci, key, WISH).1["id"], id);
    let (status, value) = api.ask_with("POST requests", &ci, key, &WISH.replace("17", "18"));
    assert_eq!(status, 409, "{value}");
    let (status, value) = api.ask(&format!("POST requests/{id}/approve"), &ci, "{}");
    assert_eq!(status, 403, "{value}");
    assert!(message(&value).contains("is a service"), "{value}");
    web.push(repo, person, &login, &["main"]).refused("RW201");
    let (status, value) =
        api.ask(&format!("POST requests/{id}/approve"), &alice, r#"{"note":"go"}"#);
    assert_eq!((status, &value["state"]), (200, &json!("active")), "{value}");
    assert_eq!(api.ask(&format!("GET requests/{id}"), &ci, "").1["state"], "active");
    web.push(repo, person, &login, &["main"]).landed().says("allowed by grant");
    let (status, value) = api.ask(&format!("POST grants/{id}/return"), &ci, "");
    assert_eq!((status, &value["state"]), (200, &json!("returned")), "{value}");
    person.commit("a", "2\n");
    web.push(repo, person, &login, &["main"]).refused("RW201");
    let line = &site.trail().events("access.returned")[0]["actor"];
    assert_eq!((&line["user"], &line["source"]), (&json!("ci"), &json!("http")));
    assert!(line["key"].as_str().unwrap().starts_with("token:"), "{line}");
    assert_eq!(line["address"], "127.0.0.1");
    site.trail_verifies();
}

/// Breaks glass and attests it, lays a lock and lifts it.
#[track_caller]
fn glass_and_locks(api: &Api, alice: &str, bob: &str) {
    let wish = WISH.replace("hotfix", "emergency");
    let ci = api.token("ci", &ALL);
    assert_eq!(api.ask("POST glass", &ci, &wish).0, 403, "services never do");
    let weak = api.token("bob", &[Scope::Request, Scope::Read]);
    assert_eq!(api.ask("POST glass", &weak, &wish).0, 403, "no token that asks alone");
    assert_eq!(api.ask("POST glass", bob, WISH).0, 403, "not this one");
    let (status, value) = api.ask("POST glass", bob, &wish);
    assert_eq!((status, &value["state"]), (201, &json!("active")), "{value}");
    let attest = format!("POST grants/{}/attest", value["id"].as_str().unwrap());
    assert_eq!(api.ask(&attest, bob, r#"{"note":"it was me"}"#).0, 403);
    assert_eq!(api.ask(&attest, alice, r#"{"note":"looked at it"}"#).0, 200);
    let lock = r#"{"user":"bob","permissions":["update"],"message":"incident","for":"1h"}"#;
    assert_eq!(api.ask("POST locks", bob, lock).0, 403);
    let (status, value) = api.ask("POST locks", alice, lock);
    assert_eq!((status, &value["person"]), (201, &json!("bob")));
    let (_, seen) = api.ask("GET locks", bob, "");
    assert_eq!(seen["locks"][0]["id"], value["id"], "one's own is told");
    let limited = api.door.token("alice", &ALL, &["app"], 600).1.reveal().to_owned();
    assert_eq!(api.ask("POST locks", &limited, lock).0, 403);
    let both = r#"{"all":true,"user":"bob","message":"x"}"#;
    assert_eq!(api.ask("POST locks", alice, both).0, 400);
    let lift = format!("POST locks/{}/lift", value["id"].as_str().unwrap());
    assert_eq!(api.ask(&lift, bob, "{}").0, 403);
    assert_eq!(api.ask(&lift, alice, "{}").0, 200);
    assert_eq!(api.ask(&lift, alice, "{}").0, 404);
}

#[test]
fn every_operation_answers_as_the_document_says() {
    let Some(api) = Api::open(Kind::Nginx) else { return };
    let (alice, bob) = (api.token("alice", &ALL), api.token("bob", &ALL));
    // Denied, withdrawn, approved, extended, revoked; with everything that is looked at between.
    let id = api.wish(&bob);
    assert_eq!(api.wish(&bob), id, "the same open request is found");
    let (_, value) = api.ask("GET requests?which=waiting", &alice, "");
    assert_eq!((&value["requests"][0]["id"], &value["more"]), (&json!(id), &json!(0)));
    let (_, value) = api.ask(&format!("GET requests/{id}"), &alice, "");
    assert_eq!(value["can_answer"], json!(["alice"]));
    assert_eq!(api.ask(&format!("GET grants/{id}"), &alice, "").0, 404);
    let (status, value) = api.ask(&format!("POST requests/{id}/deny"), &alice, r#"{"note":"no"}"#);
    assert_eq!((status, &value["state"]), (200, &json!("denied")));
    let id = api.wish(&bob);
    let (status, value) = api.ask(&format!("POST requests/{id}/withdraw"), &bob, "{}");
    assert_eq!((status, &value["state"]), (200, &json!("withdrawn")));
    let key = "Idempotency-Key: once\r\n";
    let (_, value) = api.ask_with("POST requests", &bob, key, WISH);
    let id = value["id"].as_str().unwrap().to_owned();
    let approve = format!("POST requests/{id}/approve");
    assert_eq!(api.ask(&approve, &alice, "").0, 200);
    assert_eq!(api.ask(&approve, &alice, "").0, 403, "it is lent already");
    let (_, value) = api.ask("GET grants", &bob, "");
    assert_eq!(value["grants"][0]["id"], json!(id));
    assert_eq!(api.ask(&format!("GET grants/{id}"), &bob, "").0, 200);
    let (status, value) = api.ask_with("POST requests", &bob, key, WISH);
    assert_eq!((status, &value["id"]), (201, &json!(id)), "it was approved meanwhile");
    let more = r#"{"for":"30m","reason":"a second round is needed"}"#;
    assert_eq!(api.ask(&format!("POST requests/{id}/extend"), &bob, more).0, 202);
    assert_eq!(api.ask(&approve, &alice, r#"{"extension":true}"#).0, 200);
    let question = "explain?repository=app&action=update&ref=main";
    let (_, value) = api.ask(&format!("GET {question}&no_paths=true"), &bob, "");
    assert_eq!((&value["verdict"], &value["entry"]["grant"]), (&json!("allowed"), &json!(id)));
    assert_eq!(value["could_ask_for"], json!([]));
    let (_, value) = api.ask(&format!("GET {question}&user=bob&path=a&path=b"), &alice, "");
    assert_eq!(value["entry"]["grant"], json!(id), "{value}");
    assert_eq!(api.ask(&format!("GET {question}"), &alice, "").1["verdict"], "allowed");
    assert_eq!(api.ask(&format!("GET {question}&user=alice"), &bob, "").0, 403);
    let (_, value) = api.ask("GET who?repository=app&action=update&ref=main", &bob, "");
    assert_eq!(value["people"][0]["user"], "alice");
    let (status, value) = api.ask(&format!("POST grants/{id}/revoke"), &alice, r#"{"note":"x"}"#);
    assert_eq!((status, &value["revoked"]), (200, &json!([id])));
    assert_eq!(api.ask(&format!("POST grants/{id}/revoke"), &alice, "").0, 403, "it is over");
    let id_of_another = api.wish(&bob);
    assert_eq!(api.ask(&format!("POST requests/{id_of_another}/approve"), &alice, "").0, 200);
    assert_eq!(api.ask(&format!("POST grants/{id_of_another}/return"), &bob, "{}").0, 200);
    let ci = api.token("ci", &ALL);
    let id_of_pair = api.ask("POST requests", &ci, &WISH.replace("hotfix", "pair")).1;
    let approve = format!("POST requests/{}/approve", id_of_pair["id"].as_str().unwrap());
    assert_eq!(api.ask(&approve, &alice, "").0, 202, "bob must follow");
    assert_eq!(api.ask(&approve, &bob, "").0, 200);
    let (status, value) = api.ask_with("POST requests", &bob, key, WISH);
    assert_eq!((status, message(&value)), (403, format!("{id} is revoked").as_str()));
    let (_, value) = api.ask("GET requests?which=all&limit=2", &alice, "");
    assert_eq!((value["requests"].as_array().unwrap().len(), &value["more"]), (2, &json!(3)));
    // Page by page the trail is the same as at once.
    let (_, whole) = api.ask("GET audit?event=access.requested&limit=1000", &alice, "");
    let mut lines = Vec::new();
    let mut after = json!(0);
    while !after.is_null() {
        let request = format!("GET audit?event=access.requested&limit=1&after={after}");
        let (_, page) = api.ask(&request, &alice, "");
        lines.extend(page["lines"].as_array().unwrap().clone());
        after = page["next"].clone();
    }
    assert_eq!(json!(lines), whole["lines"]);
    assert_eq!(lines.len(), 5);
    let read = api.door.site.trail().events("audit.read");
    assert_eq!((read.len(), &read[0]["actor"]["user"]), (6, &json!("alice")));
    assert_eq!(api.ask("GET audit", &bob, "").0, 403);
    glass_and_locks(&api, &alice, &bob);
    api.door.site.trail_verifies();
    // Nothing that the document promises was left out.
    let seen = api.seen.borrow();
    for (path, operations) in api.document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let told = operation.get("responses").and_then(Value::as_object);
            for (status, _) in
                told.into_iter().flatten().filter(|(status, _)| status.starts_with('2'))
            {
                let one = format!("{method} {path} {status}");
                // The document itself was read before there was anything to hold it against.
                assert!(seen.contains(&one) || one == "get /openapi.json 200", "{one}");
            }
        }
    }
}

#[test]
fn the_document_s_examples_run() {
    let Some(api) = Api::open(Kind::Nginx) else { return };
    if crate::support::find_program("curl").is_none() {
        return crate::support::skip("no curl");
    }
    let Door { person, web, .. } = &api.door;
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    let page = std::fs::read_to_string(page).unwrap();
    let script = page.split("<!-- test: pipeline -->\n```sh\n").nth(1).unwrap();
    let script = script.split("\n```").next().unwrap();
    let host = format!("http://127.0.0.1:{}", web.port);
    assert!(script.contains("https://git.example.org") && script.contains("sleep 5"));
    let script = script.replace("https://git.example.org", &host).replace("sleep 5", "sleep 1");
    let (ci, alice) =
        (api.token("ci", &[Scope::Read, Scope::Push, Scope::Request]), api.token("alice", &ALL));
    person.commit("a", "1\n");
    person.run(&["remote", "add", "origin", &web.url(&format!("ci:{ci}"), "app.git")]);
    let mut command = Command::new("sh");
    command.args(["-euc", &script]).current_dir(&person.path).env("TOKEN", &ci).env("BUILD", "17");
    command.env("HOME", &person.path).env("TMPDIR", api.door.site.path("people"));
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let mut id = Value::Null;
    crate::support::wait_until("the pipeline asks", || {
        id = api.ask("GET requests?which=waiting", &alice, "").1["requests"][0]["id"].clone();
        id.is_string()
    });
    let id = id.as_str().unwrap();
    assert_eq!(api.ask(&format!("POST requests/{id}/approve"), &alice, "").0, 200);
    let done = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && words.contains("HEAD -> main"), "{done:?}");
    assert_eq!(api.ask(&format!("GET requests/{id}"), &alice, "").1["state"], "returned");
}
