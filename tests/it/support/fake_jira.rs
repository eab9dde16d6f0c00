//! A Jira that remembers issues and people, and fails as it is told to. It counts what it is asked.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How it answers instead of the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    Status(u16),
    /// 429, asking to wait so many seconds.
    Busy(u32),
    /// Takes the question and says nothing.
    Hang,
    /// A good head, then a byte now and then.
    Drip,
    LoginPage,
    Redirect,
    /// JSON, but not what was asked for.
    OtherJson,
    BrokenJson,
    Huge,
}

#[derive(Debug)]
pub struct State {
    pub mood: Mood,
    /// How often the mood counts; then it is well again.
    pub times: Option<u32>,
    pub cloud: bool,
    pub token: String,
    /// By key; the body as it is answered.
    pub issues: BTreeMap<String, Value>,
    /// Old keys of issues that were moved.
    pub moved: BTreeMap<String, String>,
    /// By id or login: names of groups, and whether the account is active.
    pub people: BTreeMap<String, (Vec<String>, bool)>,
    /// By project, then by name of role: its actors.
    pub roles: BTreeMap<String, BTreeMap<String, Value>>,
    pub leads: BTreeMap<String, Value>,
    pub fields: Value,
    /// Whoever has every permission.
    pub permitted: Vec<String>,
    /// Method, path and query, in order.
    pub asked: Vec<String>,
    /// By key: bodies of its comments, oldest first.
    pub comments: BTreeMap<String, Vec<Value>>,
    /// By key: id and name of each transition that it can take.
    pub transitions: BTreeMap<String, Vec<(String, String)>>,
    /// Whether a comment is made and then not answered for.
    pub forgets_to_answer: bool,
}

pub struct Fake {
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Fake {
    pub fn start(cloud: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            mood: Mood::Well,
            times: None,
            cloud,
            token: if cloud { "Basic Z0BleC5vcmc6c2VjcmV0LXRva2Vu" } else { "Bearer secret-token" }
                .into(),
            issues: BTreeMap::new(),
            moved: BTreeMap::new(),
            people: BTreeMap::new(),
            roles: BTreeMap::new(),
            leads: BTreeMap::new(),
            fields: json!([]),
            permitted: Vec::new(),
            asked: Vec::new(),
            comments: BTreeMap::new(),
            transitions: BTreeMap::new(),
            forgets_to_answer: false,
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { url, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn mood(&self, mood: Mood) {
        let mut state = self.state();
        (state.mood, state.times) = (mood, None);
    }

    /// What was asked since the last time.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state().asked)
    }

    fn person(&self, id: &str, active: bool) -> Value {
        match self.state().cloud {
            true => json!({ "accountId": id, "displayName": id, "active": active }),
            false => {
                json!({ "name": id, "key": format!("K{id}"), "displayName": id, "active": active })
            }
        }
    }

    /// An issue in progress.
    pub fn issue(&self, key: &str, assignee: Option<&str>, reporter: &str) {
        let one = |id| self.person(id, true);
        let (assignee, reporter) = (assignee.map(one), one(reporter));
        let project = key.split('-').next().unwrap();
        let body = json!({
            "id": "10123", "key": key,
            "fields": {
                "project": { "id": "10000", "key": project },
                "issuetype": { "id": "1", "name": "Story" },
                "status": { "id": "3", "name": "In Progress",
                    "statusCategory": { "id": 4, "key": "indeterminate", "name": "En cours" } },
                "assignee": assignee, "reporter": reporter,
                "fixVersions": [{ "id": "1", "name": "2.4.0" }],
            },
        });
        self.state().issues.insert(key.into(), body);
    }

    pub fn set(&self, key: &str, field: &str, value: Value) {
        self.state().issues.get_mut(key).unwrap()["fields"][field] = value;
    }

    pub fn account(&self, id: &str, groups: &[&str], active: bool) {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        self.state().people.insert(id.into(), (groups, active));
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    if reader.read_line(&mut first).unwrap_or(0) == 0 {
        return;
    }
    let (mut token, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap();
        match name.to_ascii_lowercase().as_str() {
            "authorization" => token = value.trim().into(),
            "content-length" => length = value.trim().parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let (mood, answer) = {
        let mut state = state.lock().unwrap();
        state.asked.push(format!("{method} {path}"));
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let mood = state.mood;
        if let Some(times) = &mut state.times {
            *times -= 1;
            if *times == 0 {
                (state.mood, state.times) = (Mood::Well, None);
            }
        }
        let answer = match token == state.token || path.ends_with("/serverInfo") {
            true => answer(&mut state, method, path, body),
            false => (401, json!({ "errorMessages": ["no"] })),
        };
        (mood, answer)
    };
    let _ = write(stream, mood, answer);
}

fn write(mut stream: TcpStream, mood: Mood, (status, body): (u16, Value)) -> std::io::Result<()> {
    let mut plain = |status: u16, kind: &str, more: &str, body: &[u8]| {
        write!(
            stream,
            "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n{more}connection: close\r\n\r\n",
            body.len()
        )?;
        stream.write_all(body)
    };
    const JSON: &str = "application/json;charset=UTF-8";
    match mood {
        Mood::Well => plain(status, JSON, "", body.to_string().as_bytes()),
        Mood::Status(status) => plain(status, JSON, "", b"{}"),
        Mood::Busy(wait) => plain(429, JSON, &format!("retry-after: {wait}\r\n"), b"{}"),
        Mood::Hang => {
            std::thread::sleep(Duration::from_secs(20));
            Ok(())
        }
        Mood::Drip => {
            write!(
                stream,
                "HTTP/1.1 200 X\r\ncontent-type: {JSON}\r\ncontent-length: 100\r\n\r\n"
            )?;
            for _ in 0..100 {
                stream.write_all(b" ")?;
                std::thread::sleep(Duration::from_millis(200));
            }
            Ok(())
        }
        Mood::LoginPage => plain(200, "text/html", "", b"<html>log in</html>"),
        Mood::Redirect => plain(302, "text/html", "location: http://127.0.0.1:1/steal\r\n", b""),
        Mood::OtherJson => plain(200, JSON, "", b"{\"hello\":[]}"),
        Mood::BrokenJson => plain(200, JSON, "", b"{\"fields\":"),
        Mood::Huge => plain(200, JSON, "", &vec![b' '; 3 << 20]),
    }
}

fn answer(state: &mut State, method: &str, path: &str, body: Value) -> (u16, Value) {
    let version = if state.cloud { "/rest/api/3" } else { "/rest/api/2" };
    let none = (404, json!({ "errorMessages": ["not there"] }));
    let Some(path) = path.strip_prefix(version) else { return none };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let found = |value: Option<Value>| value.map_or(none.clone(), |value| (200, value));
    match (method, parts.as_slice()) {
        ("GET", ["myself"]) => match state.cloud {
            true => {
                (200, json!({ "accountId": "gate", "displayName": "the gate", "active": true }))
            }
            false => (200, json!({ "name": "gate", "displayName": "the gate", "active": true })),
        },
        ("GET", ["serverInfo"]) => {
            let kind = if state.cloud { "Cloud" } else { "Server" };
            (200, json!({ "deploymentType": kind, "version": "10.3.0" }))
        }
        ("GET", ["field"]) => (200, state.fields.clone()),
        ("GET", ["issue", key]) => {
            let key = state.moved.get(*key).map_or(*key, String::as_str);
            found(state.issues.get(key).cloned())
        }
        ("POST", ["issue", key, "comment"]) if state.issues.contains_key(*key) => {
            state.comments.entry((*key).into()).or_default().push(body["body"].clone());
            if std::mem::take(&mut state.forgets_to_answer) {
                return (503, json!({}));
            }
            (201, json!({ "id": "1" }))
        }
        ("GET", ["issue", key, "comment"]) => {
            let all = state.comments.get(*key).cloned().unwrap_or_default();
            let all: Vec<Value> = all.iter().rev().map(|body| json!({ "body": body })).collect();
            (200, json!({ "startAt": 0, "maxResults": 50, "total": all.len(), "comments": all }))
        }
        ("GET", ["issue", key, "transitions"]) => {
            let all = state.transitions.get(*key).cloned().unwrap_or_default();
            let one = |(id, name): (String, String)| json!({ "id": id, "name": name });
            (200, json!({ "transitions": all.into_iter().map(one).collect::<Vec<_>>() }))
        }
        ("POST", ["issue", key, "transitions"]) => {
            let all = state.transitions.remove(*key).unwrap_or_default();
            let id = body["transition"]["id"].as_str().unwrap_or_default();
            let Some((_, name)) = all.into_iter().find(|(one, _)| one == id) else {
                return (400, json!({ "errorMessages": ["no such transition"] }));
            };
            state.issues.get_mut(*key).unwrap()["fields"]["status"]["name"] = json!(name);
            (204, Value::Null)
        }
        ("GET", ["user"]) => {
            let id = query.split('&').next().and_then(|pair| pair.split_once('='));
            let id = id.map(|(_, id)| id.replace("%3A", ":")).unwrap_or_default();
            let groups = state.people.get(&id).map(|(groups, active)| {
                let items: Vec<Value> = groups.iter().map(|g| json!({ "name": g })).collect();
                json!({ "accountId": id, "name": id, "active": active,
                    "groups": { "size": items.len(), "items": items } })
            });
            found(groups)
        }
        ("GET", ["project", key]) => {
            let lead = state.leads.get(*key).cloned();
            found(lead.map(|lead| json!({ "id": "10000", "key": key, "lead": lead })))
        }
        ("GET", ["project", key, "role"]) => {
            let roles = state.roles.get(*key);
            let each = |(at, name): (usize, &String)| {
                (name.clone(), json!(format!("https://x/rest/api/2/project/{key}/role/{at}")))
            };
            found(roles.map(|roles| Value::Object(roles.keys().enumerate().map(each).collect())))
        }
        ("GET", ["project", key, "role", id]) => {
            let roles = state.roles.get(*key);
            let at = id.parse::<usize>().unwrap();
            found(roles.and_then(|roles| roles.values().nth(at)).map(|a| json!({ "actors": a })))
        }
        ("POST", ["jql", "match"]) => {
            let jql = body["jqls"][0].as_str().unwrap_or_default();
            let (matched, errors) = match jql {
                jql if jql.contains("bad") => (json!([]), json!(["no such field"])),
                jql if jql.contains("hotfix") => (body["issueIds"].clone(), json!([])),
                _ => (json!([]), json!([])),
            };
            (200, json!({ "matches": [{ "matchedIssues": matched, "errors": errors }] }))
        }
        ("GET", ["search"]) => match query {
            query if query.contains("bad") => (400, json!({ "errorMessages": ["no such field"] })),
            query => {
                let total = u32::from(query.contains("hotfix"));
                let issues: Vec<Value> = (0..total).map(|_| json!({ "key": "PAY-1" })).collect();
                (200, json!({ "startAt": 0, "maxResults": 1, "total": total, "issues": issues }))
            }
        },
        ("POST", ["permissions", "check"]) => {
            let who = body["accountId"].as_str().unwrap_or_default().to_owned();
            let asked = &body["projectPermissions"][0];
            let projects = match state.permitted.contains(&who) {
                true => asked["projects"].clone(),
                false => json!([]),
            };
            let permission = &asked["permissions"][0];
            (
                200,
                json!({ "projectPermissions":
                [{ "permission": permission, "projects": projects, "issues": [] }] }),
            )
        }
        _ => none,
    }
}
