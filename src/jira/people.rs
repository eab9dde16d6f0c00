//! Whether somebody is who an issue, a role or a group of Jira's names.

use super::failure::JiraError;
use super::wire::{Account, Field, Issue, Person};
use super::{Jira, seconds};
use crate::policy::entry::Holder;
use crate::policy::model::WhenDown;
use crate::push::IssueKey;

/// What is asked about one person.
#[derive(Debug, Clone, Copy)]
pub enum Question<'a> {
    /// In the group of that name.
    Group(&'a str),
    /// In the role of that name, in a project.
    Role(&'a str, &'a str),
    /// The lead of a project.
    Lead(&'a str),
    /// Named by an issue of these projects as this holder.
    Issue(&'a IssueKey, &'a Holder, &'a [Box<str>]),
}

impl Jira {
    /// Whether the person with that account id (or login) is. Somebody who is not active never is.
    ///
    /// # Errors
    /// [`JiraError`]: it can't be known, and the policy does not say what holds then.
    pub fn holds(&self, person: &str, question: &Question<'_>) -> Result<bool, JiraError> {
        let answer = match question {
            Question::Group(name) => self.in_group(person, name),
            Question::Role(role, project) => self.in_role(person, role, project),
            Question::Lead(project) => self.leads(person, project),
            Question::Issue(key, holder, projects) => self.named(person, (key, holder), projects),
        };
        match answer {
            Err(error)
                if error.is_down() && self.settings().when_down == WhenDown::WithoutIssueRoles =>
            {
                self.tell(format!("{error}: nobody counts as named by Jira meanwhile"));
                Ok(false)
            }
            other => other,
        }
    }

    fn named(
        &self,
        person: &str,
        (key, holder): (&IssueKey, &Holder),
        projects: &[Box<str>],
    ) -> Result<bool, JiraError> {
        let Some(issue) = self.issue(key)?.value else {
            self.tell(format!("there is no issue {key}, or the gate's account can't see it"));
            return Ok(false);
        };
        if !projects.iter().any(|project| **project == *issue.project) {
            self.tell(JiraError::Moved(key.to_string(), issue.key).to_string());
            return Ok(false);
        }
        if issue.key != key.as_str() {
            self.tell(format!("{key} is {} now", issue.key));
        }
        match holder {
            Holder::Assignee => Ok(is(issue.assignee.as_ref(), person)),
            Holder::Reporter => Ok(is(issue.reporter.as_ref(), person)),
            Holder::Field(id) => self.in_field(person, id, &issue),
            _ => Ok(false),
        }
    }

    fn in_field(&self, person: &str, id: &str, issue: &Issue) -> Result<bool, JiraError> {
        match issue.fields.get(id) {
            Some(Field::People(people)) => Ok(people.iter().any(|one| is(Some(one), person))),
            Some(Field::Groups(groups)) if groups.is_empty() => Ok(false),
            Some(Field::Groups(groups)) => {
                let account = self.account(person)?;
                Ok(account.active && groups.iter().any(|group| account.groups.contains(group)))
            }
            Some(Field::Useless(why)) => Err(JiraError::Field(id.to_owned(), why.clone())),
            None => Err(JiraError::Field(id.to_owned(), "was not asked for".into())),
        }
    }

    fn in_group(&self, person: &str, group: &str) -> Result<bool, JiraError> {
        let account = self.account(person)?;
        Ok(account.active && account.groups.contains(group))
    }

    fn in_role(&self, person: &str, role: &str, project: &str) -> Result<bool, JiraError> {
        let fresh = seconds(self.settings().fresh_people.seconds());
        let name = format!("role {project} {role}");
        let actors = self.kept(&name, fresh, |client, time| client.role(project, role, time))?;
        let actors = actors.value;
        if !actors.people.contains(person) && actors.groups.is_empty() {
            return Ok(false);
        }
        let account = self.account(person)?;
        let by_group = actors.groups.iter().any(|group| account.groups.contains(group));
        Ok(account.active && (by_group || actors.people.contains(person)))
    }

    fn leads(&self, person: &str, project: &str) -> Result<bool, JiraError> {
        let fresh = seconds(self.settings().fresh_people.seconds());
        let name = format!("lead {project}");
        let lead = self.kept(&name, fresh, |client, time| client.lead(project, time))?;
        Ok(is(lead.value.as_ref(), person))
    }

    /// Somebody's account; one that is not there is not active.
    fn account(&self, person: &str) -> Result<Account, JiraError> {
        let fresh = seconds(self.settings().fresh_people.seconds());
        let name = format!("account {person}");
        let account = self.kept(&name, fresh, |client, time| client.account(person, time))?;
        match account.value {
            Some(account) => Ok(account),
            None => self.signed_in().map(|()| Account::default()),
        }
    }

    /// Whether an issue is what a condition in JQL says; asked anew each time.
    ///
    /// # Errors
    /// [`JiraError`].
    pub fn matches(&self, issue: &Issue, jql: &str) -> Result<bool, JiraError> {
        self.ask(|client, time| client.matches(issue, jql, time))
    }

    /// Whether our account can see a project.
    ///
    /// # Errors
    /// [`JiraError`]: it can't, or nobody knows.
    pub fn sees_project(&self, project: &str) -> Result<(), JiraError> {
        self.ask(|client, time| client.lead(project, time)).map(|_| ())
    }

    /// Whether our account can see somebody's groups.
    ///
    /// # Errors
    /// [`JiraError`]: it can't, or nobody knows.
    pub fn sees_groups_of(&self, person: &str) -> Result<(), JiraError> {
        match self.ask(|client, time| client.account(person, time))? {
            Some(_) => Ok(()),
            None => Err(JiraError::Right("accounts and their groups".into())),
        }
    }

    /// Whether somebody has a permission of Jira's on the projects (Cloud alone can say).
    ///
    /// # Errors
    /// [`JiraError`].
    pub fn permits(
        &self,
        person: &str,
        permission: &str,
        projects: &[Box<str>],
    ) -> Result<bool, JiraError> {
        let fresh = seconds(self.settings().fresh_people.seconds());
        let name = format!("permission {permission} {person} {}", projects.join(" "));
        let known = self.kept(&name, fresh, |client, time| {
            client.permitted(person, permission, projects, time)
        })?;
        Ok(known.value)
    }
}

pub(super) fn is(one: Option<&Person>, person: &str) -> bool {
    one.is_some_and(|one| one.active && one.id == person)
}
