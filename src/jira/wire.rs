//! What Jira's answers look like, cut down to what is used: ids of people, never names or addresses.
//!
//! Knows both flavors' forms. Anything of another form is an error, never a missing fact.

use super::failure::JiraError;
use crate::policy::model::Flavor;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// An issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// Its key today: a moved issue answers to its old key with the new one.
    pub key: String,
    /// Its number.
    pub id: String,
    /// The key of its project today.
    pub project: String,
    /// Name of its type.
    pub kind: String,
    /// Name of its status.
    pub status: String,
    /// What kind of status that is.
    pub category: Category,
    /// Who works on it.
    pub assignee: Option<Person>,
    /// Who made it.
    pub reporter: Option<Person>,
    /// Names of the versions that it is fixed in.
    pub fix_versions: Vec<String>,
    /// The fields that were asked for.
    pub fields: BTreeMap<String, Field>,
}

/// Somebody, by what the policy knows them by: the account id (Cloud) or the login (Data Center).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Account id or login.
    pub id: String,
    /// Whether the account is in use.
    pub active: bool,
}

/// `statusCategory`, by its key: names are translated and can be edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Category {
    /// `undefined`
    Undefined,
    /// `new`
    New,
    /// `indeterminate`
    Indeterminate,
    /// `done`
    Done,
}

impl Category {
    /// The category of that key.
    #[must_use]
    pub fn parse(key: &str) -> Option<Self> {
        Some(match key {
            "undefined" => Self::Undefined,
            "new" => Self::New,
            "indeterminate" => Self::Indeterminate,
            "done" => Self::Done,
            _ => return None,
        })
    }

    /// Its key, as a policy writes it.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Undefined => "undefined",
            Self::New => "new",
            Self::Indeterminate => "indeterminate",
            Self::Done => "done",
        }
    }
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Field {
    /// People.
    People(Vec<Person>),
    /// Names of groups; a choice's value is one.
    Groups(Vec<String>),
    /// Nobody could be in it, for this reason.
    Useless(String),
}

/// What a field can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum FieldType {
    People,
    Groups,
    Options,
    Other,
}

/// What is kept of an issue.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub issue: Option<Issue>,
    /// Which fields were asked for.
    pub fields: Vec<Box<str>>,
}

impl Kept {
    /// Whether all of `fields` were asked for.
    pub(super) fn has(&self, fields: &[Box<str>]) -> bool {
        fields.iter().all(|field| self.fields.contains(field))
    }
}

/// Somebody's account: whether it is in use, and its groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Account {
    pub active: bool,
    pub groups: BTreeSet<String>,
}

/// Who has a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Actors {
    pub people: BTreeSet<String>,
    pub groups: BTreeSet<String>,
}

const ISSUE: JiraError = JiraError::Form("an issue");

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().map(str::to_owned)
}

/// An issue with the custom fields that were asked for.
pub(super) fn issue(
    body: &Value,
    flavor: Flavor,
    wanted: &[Box<str>],
    types: &BTreeMap<String, FieldType>,
) -> Result<Issue, JiraError> {
    let fields = body.get("fields").ok_or(ISSUE)?;
    let named = |key: &str| fields.get(key).and_then(|value| text(value, "name"));
    let status = fields.get("status").ok_or(ISSUE)?;
    let category = status.get("statusCategory").and_then(|c| text(c, "key"));
    let category = category.as_deref().and_then(Category::parse).ok_or(ISSUE)?;
    let one = |key: &str| match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => person(value, flavor).map(Some).ok_or(ISSUE),
    };
    let versions = fields.get("fixVersions").and_then(Value::as_array);
    let versions = versions.into_iter().flatten().filter_map(|version| text(version, "name"));
    Ok(Issue {
        key: text(body, "key").ok_or(ISSUE)?,
        id: text(body, "id").ok_or(ISSUE)?,
        project: fields.get("project").and_then(|project| text(project, "key")).ok_or(ISSUE)?,
        kind: named("issuetype").ok_or(ISSUE)?,
        status: text(status, "name").ok_or(ISSUE)?,
        category,
        assignee: one("assignee")?,
        reporter: one("reporter")?,
        fix_versions: versions.collect(),
        fields: wanted
            .iter()
            .map(|id| (id.to_string(), field(fields.get(&**id), types.get(&**id), flavor)))
            .collect(),
    })
}

/// `null`, one or a list: which of them says nothing about the field's type, on either flavor.
fn field(value: Option<&Value>, of: Option<&FieldType>, flavor: Flavor) -> Field {
    let Some(of) = of else { return Field::Useless("is not there".into()) };
    let all: Vec<&Value> = match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one) => vec![one],
    };
    let odd = || Field::Useless("is not as it should be".into());
    let texts = |key: &str| all.iter().map(|one| text(one, key)).collect::<Option<Vec<_>>>();
    match of {
        FieldType::People => {
            let people = all.iter().map(|one| person(one, flavor)).collect::<Option<Vec<_>>>();
            people.map_or_else(odd, Field::People)
        }
        FieldType::Groups => texts("name").map_or_else(odd, Field::Groups),
        FieldType::Options => texts("value").map_or_else(odd, Field::Groups),
        FieldType::Other => Field::Useless("holds no people".into()),
    }
}

/// Somebody.
pub(super) fn person(value: &Value, flavor: Flavor) -> Option<Person> {
    let id = match flavor {
        Flavor::Cloud => text(value, "accountId"),
        Flavor::DataCenter => text(value, "name"),
    };
    let active = value.get("active").is_none_or(|active| active.as_bool() == Some(true));
    Some(Person { id: id.filter(|id| !id.is_empty())?, active })
}

/// The types of all fields.
pub(super) fn field_types(body: &Value) -> Result<BTreeMap<String, FieldType>, JiraError> {
    let list = body.as_array().ok_or(JiraError::Form("the list of fields"))?;
    let of = |field: &Value| {
        let schema = field.get("schema");
        let word = |key: &str| schema.and_then(|schema| text(schema, key));
        let (kind, items) = (word("type"), word("items"));
        let held = if kind.as_deref() == Some("array") { items } else { kind };
        match held.as_deref() {
            Some("user") => FieldType::People,
            Some("group") => FieldType::Groups,
            Some("option") => FieldType::Options,
            _ => FieldType::Other,
        }
    };
    Ok(list.iter().filter_map(|field| Some((text(field, "id")?, of(field)))).collect())
}

/// An account, with its groups.
pub(super) fn account(body: &Value, flavor: Flavor) -> Result<(Account, bool), JiraError> {
    const FORM: JiraError = JiraError::Form("an account");
    let person = person(body, flavor).ok_or(FORM)?;
    let groups = body.get("groups").ok_or(FORM)?;
    let items = groups.get("items").and_then(Value::as_array).ok_or(FORM)?;
    let names: Option<BTreeSet<String>> = items.iter().map(|group| text(group, "name")).collect();
    let size = groups.get("size").and_then(Value::as_u64).ok_or(FORM)?;
    let all = size <= items.len() as u64;
    Ok((Account { active: person.active, groups: names.ok_or(FORM)? }, all))
}

/// Names of groups as a plain list.
pub(super) fn groups(body: &Value) -> Result<BTreeSet<String>, JiraError> {
    let list = body.as_array().ok_or(JiraError::Form("the list of somebody's groups"))?;
    let names = list.iter().map(|group| text(group, "name")).collect::<Option<BTreeSet<_>>>();
    names.ok_or(JiraError::Form("the list of somebody's groups"))
}

/// Id and name of each transition that an issue can take.
pub(super) fn transitions(body: &Value) -> Result<Vec<(String, String)>, JiraError> {
    const FORM: JiraError = JiraError::Form("the list of transitions");
    let list = body.get("transitions").and_then(Value::as_array).ok_or(FORM)?;
    list.iter()
        .map(|one| Some((text(one, "id")?, text(one, "name")?)))
        .collect::<Option<_>>()
        .ok_or(FORM)
}

/// Who has a role.
pub(super) fn actors(body: &Value, flavor: Flavor) -> Result<Actors, JiraError> {
    const FORM: JiraError = JiraError::Form("a role");
    let list = body.get("actors").and_then(Value::as_array).ok_or(FORM)?;
    let mut actors = Actors::default();
    for actor in list {
        let kind = text(actor, "type").ok_or(FORM)?;
        let group = actor.get("actorGroup").and_then(|group| text(group, "name"));
        let name = text(actor, "name");
        match kind.as_str() {
            "atlassian-group-role-actor" => {
                _ = actors.groups.insert(group.or(name).ok_or(FORM)?);
            }
            "atlassian-user-role-actor" => {
                let user = actor.get("actorUser").and_then(|user| text(user, "accountId"));
                let id = match flavor {
                    Flavor::Cloud => user,
                    Flavor::DataCenter => name,
                };
                _ = actors.people.insert(id.ok_or(FORM)?);
            }
            // An actor of an app's own kind gives nobody a right here.
            _ => {}
        }
    }
    Ok(actors)
}
