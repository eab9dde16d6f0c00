//! An issue before the `issue` rule of a check.

use super::failure::JiraError;
use super::people::is;
use super::wire::Issue;
use super::{Jira, seconds};
use crate::policy::issue_rule::{Facts, IssueRule, violations};
use crate::push::IssueKey;

impl Jira {
    /// What is wrong with an issue that counts for these projects; `person` is the pusher's account.
    ///
    /// # Errors
    /// [`JiraError`]: it can't be known, or the issue has left the projects.
    pub fn wrong(
        &self,
        person: Option<&str>,
        rule: &IssueRule,
        key: &IssueKey,
        projects: &[Box<str>],
    ) -> Result<Vec<String>, JiraError> {
        let Some(issue) = self.issue(key)?.value else {
            return Ok(violations(rule, &[(key, None)]));
        };
        if !projects.iter().any(|project| **project == *issue.project) {
            return Err(JiraError::Moved(key.to_string(), issue.key));
        }
        if issue.key != key.as_str() {
            self.tell(format!("{key} is {} now", issue.key));
        }
        let facts = Facts {
            status: &issue.status,
            category: issue.category.key(),
            kind: &issue.kind,
            is_pushers: person.is_some_and(|person| is(issue.assignee.as_ref(), person)),
            fix_versions: &issue.fix_versions,
            jql: rule.jql.as_deref().map(|jql| self.kept_match(&issue, jql)).transpose()?,
        };
        Ok(violations(rule, &[(key, Some(facts))]))
    }

    /// [`Self::matches`], which counts as long as the issue's other facts.
    fn kept_match(&self, issue: &Issue, jql: &str) -> Result<bool, JiraError> {
        let fresh = seconds(self.settings().fresh_issue.seconds());
        let name = format!("jql {} {jql}", issue.key);
        let known = self.kept(&name, fresh, |client, time| client.matches(issue, jql, time))?;
        Ok(known.value)
    }
}
