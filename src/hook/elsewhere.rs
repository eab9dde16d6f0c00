//! Memberships that the policy does not know: the host, commands of the admin's and Jira are asked.
//!
//! Knows whom to ask about what. Nothing is opened before the first question.

use crate::jira::{Jira, JiraError, Question};
use crate::os::groups;
use crate::os::syslog::{self, Severity};
use crate::policy::issue_rule::IssueRule;
use crate::policy::members::Ask;
use crate::policy::model::{Entitlement, Lookup, Settings, User};
use crate::policy::name::UserName;
use crate::push::IssueKey;
use std::path::Path;

/// Whom all is asked of.
pub struct Elsewhere {
    jira: Option<Jira>,
    account_uid: u32,
}

impl Elsewhere {
    /// Of a site: `state` is its state folder; commands run as the account with that uid.
    #[must_use]
    pub fn new(settings: &Settings, state: &Path, account_uid: u32) -> Self {
        let jira = settings.jira.as_ref().map(|jira| Jira::new(jira, state, account_uid));
        Self { jira, account_uid }
    }

    /// Jira, where there is one.
    #[must_use]
    pub const fn jira(&self) -> Option<&Jira> {
        self.jira.as_ref()
    }

    /// Whether a user is a member. `lookup` says how a group is looked up; `projects` are those whose
    /// issues count in the repository.
    ///
    /// # Errors
    /// Words for whoever asked: nobody could say. Never taken for a no.
    pub fn answer(
        &self,
        (name, user): (&UserName, &User),
        ask: &Ask,
        lookup: Option<&Lookup>,
        projects: &[Box<str>],
    ) -> Result<bool, String> {
        let question = match ask {
            Ask::Group(_) => match lookup {
                None => return Err("it is not a looked-up group".into()),
                Some(Lookup::Jira(group)) => Question::Group(group),
                Some(other) => {
                    let unix = user.unix.as_deref();
                    return groups::member(other, name, unix, self.account_uid);
                }
            },
            Ask::Role(role, project) => Question::Role(role, project),
            Ask::Lead(project) => Question::Lead(project),
            Ask::Issue(key, holder) => Question::Issue(key, holder, projects),
        };
        self.ask_jira(user.jira.as_deref(), &question)
    }

    fn ask_jira(&self, person: Option<&str>, question: &Question<'_>) -> Result<bool, String> {
        // Without `[jira]` nobody is named by an issue, and nothing else changes.
        let (Some(jira), Some(person)) = (&self.jira, person) else { return Ok(false) };
        jira.holds(person, question).map_err(|error| words(&error))
    }

    /// What is wrong with an issue that is in play for a check, also that it can't be told: what is
    /// not known is not allowed.
    #[must_use]
    pub fn issue_wrong(
        &self,
        person: Option<&str>,
        rule: &IssueRule,
        key: &IssueKey,
        projects: &[Box<str>],
    ) -> Vec<String> {
        let Some(jira) = &self.jira else { return vec!["there is no Jira to ask".into()] };
        match jira.wrong(person, rule, key, projects) {
            Ok(wrong) => wrong,
            Err(error @ JiraError::Moved(..)) => vec![error.to_string()],
            Err(error) => vec![format!("{key} could not be looked at: {}", words(&error))],
        }
    }

    /// Why a ticket does not do, where an entitlement asks for an issue in some state; `None` where
    /// it does, or nothing is asked for.
    #[must_use]
    pub fn ticket_trouble(
        &self,
        ticket: Option<&str>,
        entitlement: &Entitlement,
    ) -> Option<String> {
        let wanted = &entitlement.ticket_status;
        if wanted.is_empty() {
            return None;
        }
        let ticket = ticket.unwrap_or_default();
        let Ok(key) = IssueKey::parse(ticket) else {
            return Some(format!("the ticket `{ticket}` is not the key of an issue, as in PAY-42"));
        };
        let Some(jira) = &self.jira else { return Some("there is no Jira to ask".into()) };
        match jira.issue(&key) {
            Err(error) => Some(format!("the ticket {key} could not be looked at: {error}")),
            Ok(known) => match known.value {
                None => {
                    Some(format!("there is no issue {key}, or the gate's account can't see it"))
                }
                Some(issue) if wanted.iter().any(|state| **state == *issue.status) => None,
                Some(_) => {
                    let words: Vec<String> = wanted.iter().map(|one| format!("`{one}`")).collect();
                    Some(format!("the ticket {key} must be in the state {}", words.join(" or ")))
                }
            },
        }
    }

    /// Notes for the report and the trail: see [`Jira::told`].
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        self.jira.as_ref().map(Jira::told).unwrap_or_default()
    }
}

/// For the pusher; the admin is told what names a file.
fn words(error: &JiraError) -> String {
    if matches!(error, JiraError::Token(_)) {
        let _ = syslog::send(Severity::Error, &format!("Jira: {}", error.for_admin()));
    }
    error.to_string()
}
