//! `--issue`: what Jira says of an issue, as far as a decision would look at it.

use super::bench::Bench;
use crate::jira::{Jira, JiraError, Question};
use crate::policy::entry::Holder;
use crate::policy::name::UserName;
use crate::push::issue::{IssueKey, find};

impl Bench<'_> {
    /// Whether the issue is there, whether its key counts for the ref, and as what it names the user.
    pub(super) fn issue_lines(
        &self,
        key: &IssueKey,
        user: Option<&str>,
        repository: &[u8],
        name: &str,
    ) -> Vec<String> {
        let Some(jira) = self.elsewhere.jira() else {
            return vec![format!(
                "issue {key}: the policy has no [jira], so no issue names anybody"
            )];
        };
        let projects = self.keys_of(repository);
        let mut lines = vec![match find(name.as_bytes(), &projects).contains(key) {
            true => format!("issue {key}: in play, found in the ref's name"),
            false => format!("issue {key}: not in play, for the ref's name does not have it"),
        }];
        lines.push(match jira.issue(key) {
            Err(error) => format!("issue {key}: {error}"),
            Ok(known) if known.value.is_none() => {
                format!("issue {key}: there is none, or the gate's account can't see it")
            }
            Ok(_) => self.named(jira, key, user, &projects),
        });
        lines.extend(jira.told());
        lines
    }

    fn keys_of(&self, repository: &[u8]) -> Vec<Box<str>> {
        let site = crate::policy::scope::site(self.policy, repository);
        site.map(|site| site.project.jira_keys.clone()).unwrap_or_default()
    }

    fn named(
        &self,
        jira: &Jira,
        key: &IssueKey,
        user: Option<&str>,
        projects: &[Box<str>],
    ) -> String {
        let name = user.and_then(|user| UserName::parse(user).ok());
        let declared = name.as_ref().and_then(|name| self.policy.users.get(name));
        let (Some(name), Some(person)) = (&name, declared.and_then(|user| user.jira.as_deref()))
        else {
            return format!("issue {key}: it is there; nobody is asked about whom Jira knows");
        };
        let fields = jira.settings().fields.iter().cloned().map(Holder::Field);
        let holders: Vec<Holder> =
            [Holder::Assignee, Holder::Reporter].into_iter().chain(fields).collect();
        let held = |holder: &Holder| jira.holds(person, &Question::Issue(key, holder, projects));
        let answers: Result<Vec<bool>, JiraError> = holders.iter().map(held).collect();
        match answers {
            Err(error) => format!("issue {key}: {error}"),
            Ok(answers) => {
                let both = holders.iter().zip(answers).filter(|(_, yes)| *yes);
                let words: Vec<String> = both.map(|(holder, _)| holder.to_string()).collect();
                match words.is_empty() {
                    true => format!("issue {key}: it does not name {name}"),
                    false => format!("issue {key}: it names {name} as {}", words.join(", ")),
                }
            }
        }
    }
}
