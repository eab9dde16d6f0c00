//! A permission scheme of Jira as a scheme of permits: each of its permissions is the row of the table
//! in docs/jira.md that names its action on refs.
//!
//! Knows the JSON of `GET /permissionscheme/{id}?expand=all`, of Cloud and of Data Center, a list of
//! schemes as well. What has no row, and whoever can't be said, is named.

use super::names::Names;
use super::page::{Entry, comment, quoted};
use super::{Imported, Notes, Place};
use crate::policy::entry::Permissions;
use crate::policy::tidy::tidy;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Many {
        #[serde(rename = "permissionSchemes")]
        schemes: Vec<Scheme>,
    },
    One(Scheme),
}

#[derive(Deserialize)]
struct Scheme {
    name: String,
    description: Option<String>,
    permissions: Option<Vec<Grant>>,
}

#[derive(Deserialize)]
struct Grant {
    id: Option<u64>,
    permission: String,
    holder: Holder,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Holder {
    #[serde(rename = "type")]
    kind: String,
    parameter: Option<String>,
    value: Option<String>,
    user: Option<User>,
    group: Option<Named>,
    project_role: Option<Named>,
    field: Option<Field>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    account_id: Option<String>,
    name: Option<String>,
    key: Option<String>,
    display_name: Option<String>,
    email_address: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Field {
    id: Option<String>,
}

/// Branches of which the table speaks.
#[derive(Debug, Clone)]
pub struct Branches {
    /// Where resolved issues go.
    pub integration: String,
    /// Where closed issues go.
    pub release: String,
}

/// Why nothing could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JiraError {
    /// Not the JSON of a scheme.
    #[error("this is not a permission scheme: {0}")]
    Json(String),
    /// A scheme without its permissions.
    #[error("the scheme `{0}` comes without its permissions: ask for it with `?expand=all`")]
    NotExpanded(String),
}

/// What a permission is here.
enum Row {
    /// Actions, on refs by key and pattern.
    Acts(Permissions, Vec<(&'static str, String)>),
    /// Something that is said elsewhere in a policy.
    Elsewhere(&'static str),
    /// git has no such object.
    Nothing,
}

/// Reads schemes and writes them as a policy without projects.
///
/// # Errors
/// [`JiraError`].
pub fn import(file: &str, text: &str, branches: &Branches) -> Result<Imported, JiraError> {
    let answer: Answer = serde_json::from_str(text).map_err(|error| {
        // The enum hides what was wrong; the plain form says it.
        let plain = serde_json::from_str::<Scheme>(text).err().unwrap_or(error);
        JiraError::Json(plain.to_string())
    })?;
    let schemes = match answer {
        Answer::Many { schemes } => schemes,
        Answer::One(scheme) => vec![scheme],
    };
    let mut writer = Writer {
        branches,
        place: Place { file: file.into(), line: 0 },
        notes: Notes::default(),
        users: BTreeMap::new(),
        user_names: Names::of_people(),
        groups: Names::default(),
        roles: Names::default(),
    };
    let mut names = Names::default();
    names.reserve("default");
    let mut body = String::new();
    for scheme in schemes {
        let Some(permissions) = scheme.permissions else {
            return Err(JiraError::NotExpanded(scheme.name));
        };
        let name = names.fresh(&scheme.name);
        let key = if name.contains('.') { quoted(&name) } else { name.clone() };
        let _ = writeln!(body, "\n[schemes.{key}]");
        let described = scheme.description.unwrap_or_default();
        let described = described.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let described = if described.is_empty() {
            scheme.name.clone()
        } else {
            format!("{}: {described}", scheme.name)
        };
        let plain: String = described.chars().filter(|c| !c.is_control()).collect();
        let _ = writeln!(body, "description = {}", quoted(&plain));
        let entries = writer.entries(&scheme.name, &permissions);
        entries.iter().for_each(|entry| entry.write(&key, &mut body));
    }
    Ok(writer.page(&body))
}

struct Writer<'a> {
    branches: &'a Branches,
    place: Place,
    notes: Notes,
    /// By name, lines of their tables.
    users: BTreeMap<String, Vec<String>>,
    user_names: Names,
    groups: Names,
    roles: Names,
}

impl Writer<'_> {
    fn entries(&mut self, scheme: &str, grants: &[Grant]) -> Vec<Entry> {
        let settles = |key: &str| grants.iter().any(|grant| grant.permission == key);
        let mut kept = Vec::new();
        kept.extend(settles("RESOLVE_ISSUES").then(|| self.branches.integration.clone()));
        kept.extend(settles("CLOSE_ISSUES").then(|| self.branches.release.clone()));
        if !kept.is_empty() {
            let words = format!(
                "in `{scheme}` whoever may resolve or close issues moves {}, so Edit, Create, Delete and \
                 Move Issues reach other refs alone",
                kept.join(" and ")
            );
            self.notes.decided(&self.place, words);
        }
        let mut entries: BTreeMap<BTreeMap<&'static str, Vec<String>>, Entry> = BTreeMap::new();
        for grant in grants {
            let row = self.row(&grant.permission, &kept);
            let (permissions, refs) = match row {
                Row::Acts(permissions, refs) => (permissions, refs),
                Row::Elsewhere(words) => {
                    self.told(grant, &format!("has no row of its own: {words}"));
                    continue;
                }
                Row::Nothing => {
                    self.told(grant, "is about something that git does not have");
                    continue;
                }
            };
            let Some(holder) = self.holder(grant, permissions == Permissions::READ) else {
                continue;
            };
            let mut entry = Entry { permissions, ..Entry::default() };
            refs.into_iter().for_each(|(key, pattern)| entry.add(key, [pattern]));
            entry.add("to", [holder]);
            let reads = permissions == Permissions::READ;
            let mut key = entry.lists.clone();
            key.insert(if reads { "read" } else { "write" }, Vec::new());
            match entries.get_mut(&key) {
                Some(other) => other.permissions = other.permissions.with(permissions),
                None => _ = entries.insert(key, entry),
            }
        }
        shared(entries.into_values().collect())
    }

    fn row(&self, permission: &str, kept: &[String]) -> Row {
        let but = || kept.iter().map(|branch| ("except-branches", branch.clone())).collect();
        let on = |key: &'static str, pattern: &str| vec![(key, pattern.to_owned())];
        let own = "refs/notes/${user}/**";
        let moves = Permissions::UPDATE.with(Permissions::FORCE);
        match permission {
            "BROWSE_PROJECTS" | "VIEW_DEV_TOOLS" => Row::Acts(Permissions::READ, Vec::new()),
            "EDIT_ISSUES" => Row::Acts(Permissions::UPDATE, but()),
            "CREATE_ISSUES" => Row::Acts(Permissions::CREATE, but()),
            "DELETE_ISSUES" => Row::Acts(Permissions::DELETE, but()),
            "MOVE_ISSUES" => Row::Acts(Permissions::FORCE, but()),
            "RESOLVE_ISSUES" => {
                Row::Acts(Permissions::UPDATE, on("branches", &self.branches.integration))
            }
            "CLOSE_ISSUES" => {
                Row::Acts(Permissions::UPDATE, on("branches", &self.branches.release))
            }
            "ADD_COMMENTS" => Row::Acts(Permissions::PUSH, on("refs", own)),
            "EDIT_OWN_COMMENTS" => Row::Acts(moves, on("refs", own)),
            "EDIT_ALL_COMMENTS" => Row::Acts(moves, on("refs", "refs/notes/**")),
            "DELETE_OWN_COMMENTS" => Row::Acts(Permissions::DELETE, on("refs", own)),
            "DELETE_ALL_COMMENTS" => Row::Acts(Permissions::DELETE, on("refs", "refs/notes/**")),
            "MODIFY_REPORTER" => {
                Row::Elsewhere("permit `bypass` of the check that has `committer`")
            }
            "ASSIGN_ISSUES" => Row::Elsewhere("list them in `approval` of an entitlement"),
            "ASSIGNABLE_USER" => Row::Elsewhere("list them as `eligible` for an entitlement"),
            "SCHEDULE_ISSUES" => {
                Row::Elsewhere("they extend grants: `extend` and `approval` of an entitlement")
            }
            "ADMINISTER_PROJECTS" => {
                Row::Elsewhere("list them in [global] administer, which is about every project")
            }
            "MANAGE_WATCHERS" | "MANAGE_WATCHER_LIST" => {
                Row::Elsewhere("who is told stands in [[notify]]")
            }
            "VIEW_VOTERS_AND_WATCHERS" => Row::Elsewhere("list them in [global] audit"),
            "CREATE_ATTACHMENTS" | "DELETE_ALL_ATTACHMENTS" | "DELETE_OWN_ATTACHMENTS" => {
                Row::Elsewhere("permit `bypass` of the check that has `max-file-size`")
            }
            "LINK_ISSUES" => Row::Elsewhere("a check on the keys of other projects says it"),
            _ => Row::Nothing,
        }
    }

    fn told(&mut self, grant: &Grant, words: &str) {
        let number = grant.id.map_or(String::new(), |id| format!(" (grant {id})"));
        let holder = &grant.holder;
        let of = holder.parameter.as_ref().map_or(String::new(), |text| format!(" `{text}`"));
        let words = format!("{}{number} for {}{of} {words}", grant.permission, holder.kind);
        self.notes.lost(&self.place, words);
    }

    fn holder(&mut self, grant: &Grant, reads: bool) -> Option<String> {
        let holder = &grant.holder;
        let parameter = holder
            .parameter
            .clone()
            .or_else(|| holder.value.clone())
            .filter(|text| !text.is_empty());
        match (holder.kind.as_str(), parameter) {
            ("anyone", _) if reads => Some("anyone".into()),
            ("anyone", _) => {
                let words = format!(
                    "{}: nobody pushes without a name, so `anyone` is `authenticated`",
                    grant.permission
                );
                self.notes.decided(&self.place, words);
                Some("authenticated".into())
            }
            ("applicationRole", None) => Some("authenticated".into()),
            ("assignee", _) => Some("assignee".into()),
            ("reporter", _) => Some("reporter".into()),
            ("projectLead", _) => Some("lead".into()),
            ("user", parameter) => self.user(grant, parameter),
            ("group", Some(parameter)) => {
                let name =
                    holder.group.as_ref().and_then(|group| group.name.clone()).unwrap_or(parameter);
                Some(format!("@{}", self.groups.name(&name)))
            }
            ("projectRole", Some(id)) => {
                let named = holder.project_role.as_ref().and_then(|role| role.name.clone());
                let name = named.unwrap_or_else(|| format!("role-{id}"));
                Some(format!("role:{}", self.roles.name(&name.to_lowercase())))
            }
            ("userCustomField" | "groupCustomField", Some(parameter)) => {
                let id =
                    holder.field.as_ref().and_then(|field| field.id.clone()).unwrap_or(parameter);
                Some(format!("field:{id}"))
            }
            _ => {
                self.told(grant, "is held by somebody whom no policy can name");
                None
            }
        }
    }

    fn user(&mut self, grant: &Grant, parameter: Option<String>) -> Option<String> {
        let user = grant.holder.user.as_ref();
        let id = user.and_then(|user| {
            user.account_id.clone().or_else(|| user.name.clone()).or_else(|| user.key.clone())
        });
        let Some(id) = id.or(parameter) else {
            self.told(grant, "names nobody");
            return None;
        };
        let known = user.and_then(|user| user.name.clone());
        let mail = user.and_then(|user| user.email_address.clone());
        let by_mail = mail.as_ref().and_then(|mail| mail.split('@').next()).map(str::to_owned);
        let full = user.and_then(|user| user.display_name.clone());
        let title = known.or(by_mail).or_else(|| full.clone()).unwrap_or_else(|| id.clone());
        let name = self.user_names.name(&title);
        let mut lines = vec![format!("jira = {}", quoted(&id))];
        lines.extend(full.map(|full| format!("name = {}", quoted(&full))));
        lines.extend(mail.map(|mail| format!("emails = [{}]", quoted(&mail))));
        self.users.entry(name.clone()).or_insert(lines);
        Some(name)
    }

    fn page(mut self, body: &str) -> Imported {
        for (from, to) in
            self.user_names.changed().chain(self.groups.changed()).chain(self.roles.changed())
        {
            self.notes.decided(&self.place, format!("`{from}` is called `{to}`"));
        }
        let mut out = String::new();
        comment(
            &mut out,
            &format!("Made of Jira's {} by `refwarden import jira-scheme`.", self.place.file),
        );
        for note in self.notes.clone().into_vec() {
            comment(
                &mut out,
                &format!("- {}{}", if note.lost { "NOT CARRIED OVER: " } else { "" }, note.words),
            );
        }
        out.push_str("\nversion = 1\n\n[identity]\nsources = [\"ssh\", \"http\"]\n\n");
        let key = |name: &str| if name.contains('.') { quoted(name) } else { name.to_owned() };
        for (name, lines) in &self.users {
            let _ = writeln!(out, "[users.{}]\n{}", key(name), lines.join("\n"));
        }
        let groups: BTreeSet<(String, String)> = self.groups.all();
        if !groups.is_empty() {
            out.push_str("\n[groups]\n");
        }
        for (jira, name) in groups {
            let _ = writeln!(out, "{} = {{ jira = {} }}", key(&name), quoted(&jira));
        }
        out.push('\n');
        for (_, role) in self.roles.all() {
            let _ = writeln!(out, "[roles.{}]", key(&role));
        }
        out.push_str("\n[schemes.default]\ndescription = \"nothing\"\n");
        out.push_str(body);
        Imported { text: tidy(&out).unwrap_or(out), notes: self.notes.into_vec() }
    }
}

/// Entries that differ by their holders alone, as one.
fn shared(entries: Vec<Entry>) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    for entry in entries {
        let rest = |entry: &Entry| {
            let mut rest = entry.lists.clone();
            let _ = rest.remove("to");
            rest
        };
        let same = |other: &&mut Entry| {
            other.permissions == entry.permissions && rest(other) == rest(&entry)
        };
        match all.iter_mut().find(same) {
            Some(other) => other.add("to", entry.list("to").to_vec()),
            None => all.push(entry),
        }
    }
    all
}

#[cfg(test)]
mod tests;
