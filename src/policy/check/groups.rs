//! Groups and roles: their members, circles, and groups that are looked up.

use super::Check;
use crate::policy::diag::{At, PolicyCode, Problem};
use crate::policy::model::{Group, Lookup, Member};
use crate::policy::name::{GroupName, RoleName};
use crate::policy::pattern::USER;
use crate::policy::raw::{Node, Table, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Most circles of groups that are reported; groups that all contain each other make very many.
const MAX_CIRCLES: usize = 100;
/// Most memberships that follow from groups: the groups in each group, and the users in those.
const MAX_MEMBERSHIPS: usize = 2_000_000;

impl Check<'_> {
    pub(super) fn groups(&mut self) -> BTreeMap<GroupName, Group> {
        let root = self.root;
        let mut groups = BTreeMap::new();
        let mut places = BTreeMap::new();
        for (word, node) in root.named("groups") {
            let group = self.group(word.text, node);
            if let (Ok(name), Some(group)) = (GroupName::parse(word.text), group) {
                places.insert(name.clone(), word.at);
                groups.insert(name, group);
            }
        }
        let circles = circles(&groups);
        if circles.is_empty() && memberships(&groups) > MAX_MEMBERSHIPS {
            let at = root.get("groups").map_or(At::top(0), |item| item.key);
            let message = format!(
                "the groups, nested ones included, have more than {MAX_MEMBERSHIPS} members"
            );
            self.report(PolicyCode::TooLarge, at, message);
        }
        for circle in circles {
            let at = circle.first().and_then(|name| places.get(*name)).copied();
            let names: Vec<&str> = circle.iter().map(|name| name.as_str()).collect();
            let message = format!("these groups contain each other: {}", names.join(" -> "));
            self.report(PolicyCode::GroupCycle, at.unwrap_or(At::top(0)), message);
        }
        groups
    }

    pub(super) fn roles(&mut self) -> BTreeMap<RoleName, Vec<Member>> {
        let root = self.root;
        let mut roles = BTreeMap::new();
        for (word, node) in root.named("roles") {
            let words = node.table().and_then(|table| table.texts("default-members"));
            let members = words.map(|words| self.members(&words)).unwrap_or_default();
            if let Ok(name) = RoleName::parse(word.text) {
                roles.insert(name, members);
            }
        }
        roles
    }

    fn group(&mut self, name: &str, node: &Node) -> Option<Group> {
        match &node.value {
            Value::List(_) => Some(Group::Members(self.members(&node.words()?))),
            Value::Table(table) => self.other_group(name, table, node.at),
            _ => None,
        }
    }

    fn other_group(&mut self, name: &str, table: &Table, at: At) -> Option<Group> {
        if table.items.len() != 1 || table.has("members") {
            let message = format!(
                "`{name}` is either a list of members, or a table with one of `unix`, `command` and `jira`"
            );
            let problem = Problem::new(PolicyCode::GroupForm, at, message);
            let help = match (table.items.len(), table.has("members")) {
                (0, _) => {
                    "say who is in it: `name = [\"alice\", \"@other\"]`, or write one of the three keys"
                }
                (1, true) => "the list stands without a key: `name = [\"alice\", \"@other\"]`",
                _ => {
                    "give each its own group, and let a third one contain both: `[\"@one\", \"@two\"]`"
                }
            };
            self.problems.push(problem.help(help));
        }
        if let Some(unix) = table.text("unix") {
            let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, ':' | ',' | '/');
            if unix.text.is_empty() || unix.text.starts_with('-') || unix.text.contains(odd) {
                let message = format!("`{}` is not the name of a group of the host", unix.text);
                self.report(PolicyCode::BadText, unix.at, message);
            }
            return Some(Group::Lookup(Lookup::Unix(unix.text.into())));
        }
        if let Some(group) = self.line(table, "jira") {
            self.needs_jira("this group", at);
            return Some(Group::Lookup(Lookup::Jira(group)));
        }
        self.command(table, true).map(|argv| Group::Lookup(Lookup::Command(argv)))
    }

    /// `command` of a table; `user` says whether `${user}` may stand in it.
    pub(super) fn command(&mut self, table: &Table, user: bool) -> Option<Vec<Box<str>>> {
        let words = table.texts("command")?;
        self.not_empty(&words, "command");
        for (position, word) in words.words.iter().enumerate() {
            let what = if word.text.contains('\0') {
                "a zero byte can't be handed to a command"
            } else if position == 0 && !word.text.starts_with('/') {
                "the command is an absolute path"
            } else if position == 0 && word.text.contains(USER) {
                "`${user}` can't choose the command"
            } else if !user && word.text.contains("${") {
                "nothing is put in for a `${` here"
            } else if word.text.replace(USER, "").contains("${") {
                "only `${user}` is known after a `$`"
            } else {
                continue;
            };
            self.report(PolicyCode::BadCommand, word.at, what);
        }
        Some(words.words.iter().map(|word| word.text.into()).collect())
    }
}

/// What it takes to write everybody's groups down, as far as [`MAX_MEMBERSHIPS`] and one group
/// more: the members of every group that is in a group, itself included. There is no circle.
fn memberships(groups: &BTreeMap<GroupName, Group>) -> usize {
    let mut total = 0;
    for outer in groups.keys() {
        let mut seen = BTreeSet::from([outer]);
        let mut open = vec![outer];
        while let Some(next) = open.pop() {
            let Some(Group::Members(members)) = groups.get(next) else { continue };
            total += members.len();
            open.extend(members.iter().filter_map(|member| match member {
                Member::Group(inner) => seen.insert(inner).then_some(inner),
                Member::User(_) => None,
            }));
            if total > MAX_MEMBERSHIPS {
                return total;
            }
        }
    }
    total
}

/// Circles, as the names along it, the first one again at the end.
fn circles(groups: &BTreeMap<GroupName, Group>) -> Vec<Vec<&GroupName>> {
    let inner = |name: &GroupName| -> Vec<&GroupName> {
        let Some((_, Group::Members(members))) = groups.get_key_value(name) else {
            return Vec::new();
        };
        let group = |member: &'_ Member| match member {
            Member::Group(name) => groups.get_key_value(name).map(|(name, _)| name),
            Member::User(_) => None,
        };
        members.iter().filter_map(group).collect()
    };
    let mut found = Vec::new();
    let mut done = BTreeSet::new();
    for start in groups.keys() {
        if done.contains(start) {
            continue;
        }
        let mut path = vec![start];
        let mut open = vec![inner(start)];
        let mut on_path = BTreeSet::from([start]);
        while let Some(children) = open.last_mut() {
            match children.pop() {
                Some(child) if on_path.contains(child) => {
                    let from = path.iter().position(|name| *name == child).unwrap_or_default();
                    let circle = path.iter().skip(from).chain([&child]);
                    found.push(circle.copied().collect());
                    if found.len() == MAX_CIRCLES {
                        return found;
                    }
                }
                Some(child) if done.contains(child) => {}
                Some(child) => {
                    path.push(child);
                    on_path.insert(child);
                    open.push(inner(child));
                }
                None => {
                    open.pop();
                    if let Some(name) = path.pop() {
                        on_path.remove(name);
                        done.insert(name);
                    }
                }
            }
        }
    }
    found
}
