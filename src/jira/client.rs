//! One call to Jira: a question by GET (or the few that are asked by POST), an answer in JSON.
//!
//! Knows addresses, headers, statuses and limits; not what is kept, nor what is done when Jira is down.

use super::failure::{JiraError, TokenError};
use super::token::{self, Token};
use super::wire::{self, Account, Actors, FieldType, Issue, Person};
use crate::os::{clock, web};
use crate::policy::model::{Flavor, JiraSettings};
use crate::push::IssueKey;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use ureq::http::Response;
use ureq::{Agent, Body};

/// Most bytes of an answer.
const MAX_BODY: u64 = 1 << 20;
/// What every question about an issue asks for.
const FIELDS: &str = "status,issuetype,assignee,reporter,project,fixVersions";

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Me {
    /// Account id or login.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whether it is in use.
    pub active: bool,
}

/// What Jira says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `Cloud`, or anything else.
    pub is_cloud: bool,
    /// Its version.
    pub version: String,
}

/// A Jira, and our login to it.
pub(super) struct Client {
    agent: Agent,
    base: String,
    flavor: Flavor,
    token: Token,
}

impl Client {
    pub(super) fn open(settings: &JiraSettings, account_uid: u32) -> Result<Self, JiraError> {
        let https = web::is_https(&settings.url).ok_or(TokenError::Url)?;
        let token = token::read(settings, account_uid)?;
        let version = match settings.flavor {
            Flavor::Cloud => 3,
            Flavor::DataCenter => 2,
        };
        let most = Duration::from_millis(settings.timeout_ms.into());
        Ok(Self {
            agent: web::agent(https.then(web::roots), most),
            base: format!("{}/rest/api/{version}", settings.url),
            flavor: settings.flavor,
            token,
        })
    }

    /// An issue; `None` for 404.
    pub(super) fn issue(
        &self,
        key: &IssueKey,
        fields: &[Box<str>],
        types: &BTreeMap<String, FieldType>,
        time: Duration,
    ) -> Result<Option<Issue>, JiraError> {
        let more: String = fields.iter().map(|id| format!(",{}", encoded(id))).collect();
        let path = format!("/issue/{key}?fields={FIELDS}{more}&updateHistory=false");
        let body = self.get(&path, &format!("the issue {key}"), time)?;
        body.map(|body| wire::issue(&body, self.flavor, fields, types)).transpose()
    }

    /// What every field holds.
    pub(super) fn fields(&self, time: Duration) -> Result<BTreeMap<String, FieldType>, JiraError> {
        wire::field_types(&self.there("/field", "its fields", time)?)
    }

    /// Somebody's groups; nobody has no groups.
    pub(super) fn account(&self, id: &str, time: Duration) -> Result<Option<Account>, JiraError> {
        let key = match self.flavor {
            Flavor::Cloud => "accountId",
            Flavor::DataCenter => "username",
        };
        let id = encoded(id);
        let what = "accounts and their groups";
        let path = format!("/user?{key}={id}&expand=groups");
        let Some(body) = self.get(&path, what, time)? else { return Ok(None) };
        let (mut account, all) = wire::account(&body, self.flavor)?;
        match (all, self.flavor) {
            (true, _) => {}
            (false, Flavor::Cloud) => {
                let path = format!("/user/groups?accountId={id}");
                account.groups = wire::groups(&self.there(&path, what, time)?)?;
            }
            (false, Flavor::DataCenter) => return Err(JiraError::Form("the list of groups")),
        }
        Ok(Some(account))
    }

    /// A project's lead.
    pub(super) fn lead(&self, project: &str, time: Duration) -> Result<Option<Person>, JiraError> {
        let body = self.there(&format!("/project/{project}"), &about(project), time)?;
        match body.get("lead") {
            None | Some(Value::Null) => Ok(None),
            Some(lead) => {
                wire::person(lead, self.flavor).map(Some).ok_or(JiraError::Form("a project's lead"))
            }
        }
    }

    /// Who has a role of a project.
    pub(super) fn role(
        &self,
        project: &str,
        role: &str,
        time: Duration,
    ) -> Result<Actors, JiraError> {
        let roles = self.there(&format!("/project/{project}/role"), &about(project), time)?;
        let roles = roles.as_object().ok_or(JiraError::Form("the list of a project's roles"))?;
        let address = roles.get(role).ok_or_else(|| JiraError::NoRole(role.to_owned()))?;
        let address = address.as_str().unwrap_or_default();
        let id = address.rsplit('/').next().unwrap_or_default();
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit()) {
            return Err(JiraError::Form("the list of a project's roles"));
        }
        let path = format!("/project/{project}/role/{id}");
        wire::actors(&self.there(&path, &about(project), time)?, self.flavor)
    }

    /// Who we are.
    pub(super) fn me(&self, time: Duration) -> Result<Me, JiraError> {
        let body = self.there("/myself", "ourselves", time)?;
        let me = wire::person(&body, self.flavor).ok_or(JiraError::Form("our own account"))?;
        let name = body.get("displayName").and_then(Value::as_str).unwrap_or(&me.id).to_owned();
        Ok(Me { id: me.id, name, active: me.active })
    }

    /// What it says of itself.
    pub(super) fn server(&self, time: Duration) -> Result<Server, JiraError> {
        let body = self.there("/serverInfo", "itself", time)?;
        let word = |key: &str| body.get(key).and_then(Value::as_str);
        let is_cloud =
            word("deploymentType").ok_or(JiraError::Form("its own account of itself"))?;
        let version = word("version").unwrap_or("unknown").to_owned();
        Ok(Server { is_cloud: is_cloud == "Cloud", version })
    }

    /// Whether somebody has a permission on every project of these keys (Cloud alone can say).
    pub(super) fn permitted(
        &self,
        person: &str,
        permission: &str,
        projects: &[Box<str>],
        time: Duration,
    ) -> Result<bool, JiraError> {
        let mut ids = Vec::new();
        for project in projects {
            let body = self.there(&format!("/project/{project}"), &about(project), time)?;
            let id = body.get("id").and_then(Value::as_str).and_then(|id| id.parse::<u64>().ok());
            ids.push(id.ok_or(JiraError::Form("a project"))?);
        }
        let question = json!({
            "accountId": person,
            "projectPermissions": [{ "permissions": [permission], "projects": ids, "issues": [] }],
        });
        let what = format!("the permission {permission}");
        let body = self.post("/permissions/check", &question, &what, time)?;
        let form = || JiraError::Form("what it says of a permission");
        let granted = body.get("projectPermissions").and_then(Value::as_array).ok_or_else(form)?;
        let of = |one: &&Value| one.get("permission").and_then(Value::as_str) == Some(permission);
        let listed = granted.iter().find(of).and_then(|one| one.get("projects")?.as_array());
        let listed: Vec<u64> = listed.into_iter().flatten().filter_map(Value::as_u64).collect();
        Ok(!ids.is_empty() && ids.iter().all(|id| listed.contains(id)))
    }

    /// Whether an issue is what a condition says. The condition is the policy's, never the pusher's.
    pub(super) fn matches(
        &self,
        issue: &Issue,
        jql: &str,
        time: Duration,
    ) -> Result<bool, JiraError> {
        const FORM: JiraError = JiraError::Form("what it says of JQL");
        let what = "the check's JQL";
        if self.flavor == Flavor::Cloud {
            let id: u64 = issue.id.parse().map_err(|_| FORM)?;
            let question = json!({ "issueIds": [id], "jqls": [jql] });
            let body = self.post("/jql/match", &question, what, time)?;
            let one = body.get("matches").and_then(|all| all.get(0)).ok_or(FORM)?;
            let list = |key: &str| one.get(key).and_then(Value::as_array).ok_or(FORM);
            // A condition that it can't read is answered with 200.
            if !list("errors")?.is_empty() {
                return Err(JiraError::Question(what.to_owned(), 200));
            }
            return Ok(list("matchedIssues")?.iter().any(|one| one.as_u64() == Some(id)));
        }
        let jql = encoded(&format!("key = {} AND ({jql})", issue.key));
        let path = format!("/search?jql={jql}&maxResults=1&fields=key&validateQuery=false");
        let body = self.there(&path, what, time)?;
        let found = body.get("issues").and_then(Value::as_array).ok_or(FORM)?;
        let key = |one: &Value| one.get("key").and_then(Value::as_str) == Some(&issue.key);
        Ok(found.iter().any(key))
    }

    /// Which Jira it is.
    pub(super) const fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// Something that is there.
    pub(super) fn there(&self, path: &str, what: &str, time: Duration) -> Result<Value, JiraError> {
        let body = self.get(path, what, time)?;
        // What nobody told us is not there is there for others: our account may not see it.
        body.ok_or_else(|| JiraError::Right(what.to_owned()))
    }

    fn get(&self, path: &str, what: &str, time: Duration) -> Result<Option<Value>, JiraError> {
        let url = format!("{}{path}", self.base);
        self.call(what, time, |time| {
            let request = self.agent.get(&url).config().timeout_global(Some(time)).build();
            request
                .header("authorization", self.token.header())
                .header("accept", "application/json")
                .call()
        })
    }

    pub(super) fn post(
        &self,
        path: &str,
        body: &Value,
        what: &str,
        time: Duration,
    ) -> Result<Value, JiraError> {
        let (url, text) = (format!("{}{path}", self.base), body.to_string());
        let answer = self.call(what, time, |time| {
            let request = self.agent.post(&url).config().timeout_global(Some(time)).build();
            request
                .header("authorization", self.token.header())
                .header("accept", "application/json")
                .header("content-type", "application/json")
                .send(text.as_bytes())
        })?;
        answer.ok_or_else(|| JiraError::Right(what.to_owned()))
    }

    /// Asks, and once more where it is asked to wait and the time allows that.
    fn call(
        &self,
        what: &str,
        time: Duration,
        send: impl Fn(Duration) -> Result<Response<Body>, ureq::Error>,
    ) -> Result<Option<Value>, JiraError> {
        let start = clock::now();
        let left = || {
            let gone = clock::now().boot.saturating_sub(start.boot);
            time.saturating_sub(gone).max(Duration::from_millis(1))
        };
        let first = send(left()).map_err(|error| no_answer(&error))?;
        let wait = (first.status().as_u16() == 429)
            .then(|| web::retry_after(first.headers(), start.wall))
            .flatten()
            .filter(|wait| *wait < left());
        let Some(wait) = wait else { return read(first, what) };
        std::thread::sleep(wait);
        read(send(left()).map_err(|error| no_answer(&error))?, what)
    }
}

fn about(project: &str) -> String {
    format!("the project {project}")
}

fn no_answer(error: &ureq::Error) -> JiraError {
    JiraError::NoAnswer { words: web::no_answer(error), slow: web::is_timeout(error) }
}

/// An answer's JSON; `None` for 404.
fn read(mut response: Response<Body>, what: &str) -> Result<Option<Value>, JiraError> {
    match response.status().as_u16() {
        200..=299 => {}
        300..=399 => return Err(JiraError::InFront("a redirect")),
        401 => return Err(JiraError::Login),
        403 => return Err(JiraError::Right(what.to_owned())),
        404 => return Ok(None),
        status @ (429 | 500..) => return Err(JiraError::Status(status)),
        status => return Err(JiraError::Question(what.to_owned(), status)),
    }
    if response.status().as_u16() == 204 {
        return Ok(Some(Value::Null));
    }
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    if !kind.is_some_and(|kind| kind.to_ascii_lowercase().contains("json")) {
        return Err(JiraError::InFront("a page for people"));
    }
    let bytes = response.body_mut().with_config().limit(MAX_BODY).read_to_vec();
    let bytes = bytes.map_err(|error| match error {
        ureq::Error::BodyExceedsLimit(_) => JiraError::TooLong,
        other => no_answer(&other),
    })?;
    serde_json::from_slice(&bytes).map(Some).map_err(|_| JiraError::Form("its JSON"))
}

/// As a part of a query (RFC 3986): everything but letters, digits and `-._~` as `%XX`.
pub(super) fn encoded(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => out.push(byte.into()),
            _ => _ = write!(out, "%{byte:02X}"),
        }
        out
    })
}
