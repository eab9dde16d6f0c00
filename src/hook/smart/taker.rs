//! Sends what the outbox holds for Jira, and writes down what was done.

use super::super::desk::{self, Payload};
use super::outbox::{Order, TARGET};
use crate::access::Notice;
use crate::audit::{Actor, Event, Push, Record, Text};
use crate::jira::{Act, Jira, JiraError};
use crate::notify::{self, Failure};
use crate::os::clock;
use crate::os::site::Site;
use crate::os::syslog::{self, Severity};
use crate::policy::compiled::Compiled;
use crate::push::IssueKey;

/// Hex digits of a commit that a comment shows.
const SHORT: usize = 12;

/// Jira, as a taker of notices.
pub struct Taker<'a> {
    site: &'a Site,
    policy: &'a Compiled<Payload>,
    jira: Jira,
}

impl<'a> Taker<'a> {
    /// `None` where the policy has no smart commits: what is in the outbox is given up then.
    #[must_use]
    pub fn new(site: &'a Site, policy: &'a Compiled<Payload>) -> Option<Self> {
        super::settings(policy)?;
        let settings = policy.settings().jira.as_ref()?;
        let jira = Jira::new(settings, &site.state, site.account_uid);
        Some(Self { site, policy, jira })
    }

    fn act(&self, notice: &Notice, order: &Order) -> Result<String, JiraError> {
        let key = IssueKey::parse(&order.issue).map_err(|_| JiraError::Form("an issue's key"))?;
        let by = signature(order, &notice.id);
        let act = match (&order.comment, &order.transition) {
            (Some(said), _) => Act::Comment { said, by: &by, mark: &notice.id },
            (None, Some(name)) => Act::Transition(name),
            (None, None) => return Err(JiraError::Absent(order.issue.clone())),
        };
        self.jira.act(&key, &order.projects, act, notice.tries > 0)
    }

    /// What was done is done, so a trail that can't be written is told to the log alone.
    fn record(&self, notice: &Notice, order: &Order, issue: &str) {
        let mut line = Record::new(Event::SMART_COMMIT_SENT, crate::os::host_name());
        line.push = Some(Push { id: Some(Text::new(&order.push)), receive_pack: None });
        line.repository = Some(Text::new(&order.repository));
        line.actor = Some(Actor { user: Some(Text::new(&order.user)), ..Actor::default() });
        let done = order.transition.as_deref().map(|name| format!("transition {name}"));
        let line = line
            .with("notice", notice.id.as_str())
            .with("issue", issue)
            .with("done", done.unwrap_or_else(|| "comment".into()))
            .with("commit", order.commit.as_str());
        let trail = desk::trail(self.site, &self.policy.settings().audit);
        if let Err(error) = trail.append(&line, clock::now().wall) {
            let words = format!("smart commit {} was sent and not recorded: {error}", notice.id);
            let _ = syslog::send(Severity::Error, &words);
        }
    }
}

impl notify::Taker for Taker<'_> {
    fn target(&self) -> &str {
        TARGET
    }

    fn name(&self) -> String {
        crate::os::web::host(&self.jira.settings().url).unwrap_or_default()
    }

    fn take(&self, notice: &Notice) -> Result<(), Failure> {
        let order: Order = serde_json::from_str(&notice.body)
            .map_err(|_| Failure::Never("it is no smart commit of this version".into()))?;
        match self.act(notice, &order) {
            Ok(issue) => {
                self.record(notice, &order, &issue);
                Ok(())
            }
            Err(error) if error.is_final() => Err(Failure::Never(error.for_admin())),
            Err(error) => Err(Failure::NotNow(error.for_admin())),
        }
    }
}

/// The second line of a comment: who is behind it as the push proved, not as the commit claims.
fn signature(order: &Order, id: &str) -> String {
    let Order { user, evidence, repository, branch, commit, push, .. } = order;
    let short = commit.get(..SHORT).unwrap_or(commit);
    format!("{user} ({evidence}) pushed {short} to {branch} of {repository}, push {push} [{id}]")
}
