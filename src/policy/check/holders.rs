//! Holders: who they are, and where which of them may stand.

use super::Check;
use super::names::Named;
use crate::policy::diag::{PolicyCode, Problem};
use crate::policy::entry::Holder;
use crate::policy::model::{Group, Member, Project};
use crate::policy::name::{GroupName, ProjectName, RoleName, UserName};
use crate::policy::raw::{Word, Words};
use std::collections::{BTreeMap, BTreeSet};

/// What a list of holders is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Role {
    /// Being one of them gives a right, or spares one from a forbid.
    pub adds: bool,
    /// `anyone` may be among them.
    pub anyone: bool,
    /// There is a push, so a project and perhaps an issue.
    pub push: bool,
}

impl Role {
    /// Holders who get a right by a push.
    pub const ADDS: Self = Self { adds: true, anyone: false, push: true };
    /// Holders who get a right that has to do with no push.
    pub const GLOBAL: Self = Self { adds: true, anyone: false, push: false };
}

impl Check<'_> {
    pub(super) fn holders(&mut self, words: &Words<'_>, role: Role) -> Vec<Holder> {
        words.words.iter().filter_map(|word| self.holder(*word, role)).collect()
    }

    fn holder(&mut self, word: Word<'_>, role: Role) -> Option<Holder> {
        let holder = self.holder_word(word)?;
        if holder == Holder::Anyone && !role.anyone {
            let message = "`anyone` holds `read` and nothing else";
            self.report_help(
                PolicyCode::AnyoneMisplaced,
                word.at,
                message,
                "`authenticated` is everybody who is identified",
            );
        }
        if holder == Holder::Anyone && role.adds {
            self.secure_reader(word.at);
        }
        let of_a_push = matches!(
            holder,
            Holder::Role(_) | Holder::Lead | Holder::Assignee | Holder::Reporter | Holder::Field(_)
        );
        if of_a_push && !role.push {
            let message = format!("`{}` belongs to a project, and this right to none", word.text);
            self.report(PolicyCode::BadHolder, word.at, message);
        }
        if !role.adds {
            self.taking.push((holder.clone(), word.at));
        }
        Some(holder)
    }

    fn holder_word(&mut self, word: Word<'_>) -> Option<Holder> {
        let after = |text| Word { text, at: word.at };
        if let Some(name) = word.text.strip_prefix('@') {
            self.is_declared(Named::Group, after(name), "@").then_some(())?;
            return GroupName::parse(name).ok().map(Holder::Group);
        }
        if let Some(name) = word.text.strip_prefix("role:") {
            self.is_declared(Named::Role, after(name), "role:").then_some(())?;
            return RoleName::parse(name).ok().map(Holder::Role);
        }
        if let Some(field) = word.text.strip_prefix("field:") {
            self.field_id(word, field);
            return Some(Holder::Field(field.into()));
        }
        Some(match word.text {
            "lead" => Holder::Lead,
            "assignee" => Holder::Assignee,
            "reporter" => Holder::Reporter,
            "authenticated" => Holder::Authenticated,
            "anyone" => Holder::Anyone,
            _ => Holder::User(self.user(word)?),
        })
    }

    /// A declared user.
    pub(super) fn user(&mut self, word: Word<'_>) -> Option<UserName> {
        if self.misspelt(word) {
            return None;
        }
        self.is_declared(Named::User, word, "").then(|| UserName::parse(word.text).ok()).flatten()
    }

    /// A group or role that was written like a user; there may be a user of the same name.
    fn misspelt(&mut self, word: Word<'_>) -> bool {
        if self.declared.all(Named::User).contains(word.text) {
            return false;
        }
        for (kind, prefix) in [(Named::Group, "@"), (Named::Role, "role:")] {
            if self.declared.all(kind).contains(word.text) {
                let message = format!("there is no user `{}`", word.text);
                let help = format!("did you mean `{prefix}{}`?", word.text);
                self.report_help(PolicyCode::NotDeclared, word.at, message, help);
                return true;
            }
        }
        false
    }

    /// Members of groups and roles are users and groups.
    pub(super) fn members(&mut self, words: &Words<'_>) -> Vec<Member> {
        words.words.iter().filter_map(|word| self.member(*word)).collect()
    }

    fn member(&mut self, word: Word<'_>) -> Option<Member> {
        if let Some(text) = word.text.strip_prefix('@') {
            let known = self.is_declared(Named::Group, Word { text, at: word.at }, "@");
            return known.then(|| GroupName::parse(text).ok().map(Member::Group)).flatten();
        }
        let is_holder = word.text.contains(':')
            || ["lead", "assignee", "reporter", "authenticated", "anyone"].contains(&word.text);
        if is_holder {
            let message =
                format!("`{}` can't be a member: members are users and groups", word.text);
            self.report(PolicyCode::BadHolder, word.at, message);
            return None;
        }
        self.user(word).map(Member::User)
    }

    /// Whoever could get around a forbid while a directory is down: looked-up memberships stand
    /// only where being a member adds a right, also through nested groups and roles.
    pub(super) fn look_ups(
        &mut self,
        groups: &BTreeMap<GroupName, Group>,
        roles: &BTreeMap<RoleName, Vec<Member>>,
        projects: &BTreeMap<ProjectName, Project>,
    ) {
        let asked = looked_up(groups);
        let through = |members: &[Member]| {
            members.iter().find_map(|member| match member {
                Member::Group(name) => asked.get(name).cloned(),
                Member::User(_) => None,
            })
        };
        let in_jira = projects.values().any(|project| project.jira_roles.is_some());
        for (holder, at) in std::mem::take(&mut self.taking) {
            let cause = match &holder {
                Holder::Group(name) => asked.get(name).cloned(),
                Holder::Role(name) => {
                    let own = projects.values().filter_map(|project| project.roles.get(name));
                    own.chain(roles.get(name)).map(Vec::as_slice).find_map(&through)
                }
                _ => None,
            };
            let reason = match (&holder, cause) {
                (Holder::Group(name), Some(cause)) if *name == cause => "is".to_owned(),
                (_, Some(cause)) => format!("contains `@{cause}`, which is"),
                (Holder::Assignee | Holder::Reporter | Holder::Field(_), None) => "is".to_owned(),
                (Holder::Role(_) | Holder::Lead, None) if in_jira => {
                    "is, where `roles-from` says so,".to_owned()
                }
                _ => continue,
            };
            let message = format!(
                "`{holder}` {reason} looked up elsewhere: that can add a right, and here it would \
                 take one away, which a failing look-up would undo"
            );
            let problem = Problem::new(PolicyCode::LookupMisplaced, at, message);
            self.problems.push(problem.help(
                "looked-up memberships go into `to` of permits and grants and `except` of forbids",
            ));
        }
    }

    /// An empty list could be read as nobody or as everybody.
    pub(super) fn not_empty(&mut self, words: &Words<'_>, key: &str) {
        if words.empty {
            let message =
                format!("`{key}` is an empty list: name at least one, or leave the key out");
            self.report(PolicyCode::EmptyList, words.at, message);
        }
    }
}

/// Every group that is looked up or contains one that is, with that one.
fn looked_up(groups: &BTreeMap<GroupName, Group>) -> BTreeMap<GroupName, GroupName> {
    let mut parents: BTreeMap<&GroupName, Vec<&GroupName>> = BTreeMap::new();
    let mut open = Vec::new();
    for (name, group) in groups {
        match group {
            Group::Lookup(_) => open.push((name, name)),
            Group::Members(members) => {
                for member in members {
                    if let Member::Group(inner) = member {
                        parents.entry(inner).or_default().push(name);
                    }
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    let mut seen = BTreeSet::new();
    while let Some((group, cause)) = open.pop() {
        if seen.insert(group) {
            found.insert(group.clone(), cause.clone());
            let above = parents.get(group).into_iter().flatten();
            open.extend(above.map(|parent| (*parent, cause)));
        }
    }
    found
}
