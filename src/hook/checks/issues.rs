//! The issues that a push may name, as the checks ask about them.

use crate::check::issue::Issues;
use crate::hook::elsewhere::Elsewhere;
use crate::hook::ruling::Ruling;
use crate::policy::issue_rule::IssueRule;
use crate::push::IssueKey;
use crate::push::issue::Spot;

/// Where keys count here, and Jira.
pub(super) struct Named<'a> {
    projects: &'a [Box<str>],
    key_from: &'a [Spot],
    options: &'a [Vec<u8>],
    elsewhere: &'a Elsewhere,
    /// The pusher's account there.
    person: Option<Box<str>>,
}

impl<'a> Named<'a> {
    pub(super) fn of(ruling: &'a Ruling<'_>) -> Self {
        let elsewhere = ruling.elsewhere();
        let settings = elsewhere.jira().map(|jira| jira.settings());
        let env = ruling.desk.env.as_ref().ok();
        // Somebody without an account there is nobody's assignee.
        let user = ruling.desk.policy.user(&ruling.user).ok().flatten();
        Self {
            projects: &ruling.ground.project.jira_keys,
            key_from: settings.map_or(&Spot::ALL, |settings| &settings.key_from),
            options: env.map_or(&[], |env| &env.push_options),
            elsewhere,
            person: user.and_then(|user| user.declared.jira),
        }
    }
}

impl Issues for Named<'_> {
    fn projects(&self) -> &[Box<str>] {
        self.projects
    }

    fn key_from(&self) -> &[Spot] {
        self.key_from
    }

    fn options(&self) -> &[Vec<u8>] {
        self.options
    }

    fn wrong(&self, rule: &IssueRule, key: &IssueKey) -> Vec<String> {
        self.elsewhere.issue_wrong(self.person.as_deref(), rule, key, self.projects)
    }
}
