//! What the one who acts may do with a record: see it, answer it, close it, attest it.

use super::failure::damaged;
use super::office::Office;
use super::people::People;
use crate::access::State;
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::site::Here;
use crate::policy::entry::{Enforce, Holder, Place};
use crate::policy::members::Held;
use crate::policy::model::Project;
use crate::policy::name::{EntitlementName, ProjectName, SchemeName, UserName};
use std::collections::BTreeMap;

/// How many pairs of entitlement and project are looked at for one person's page.
const MAX_LOOKS: usize = 5000;

impl Office<'_> {
    /// `--as` is off for what only people may do.
    ///
    /// # Errors
    /// It is, and the server acts for somebody.
    pub fn only_in_person(&self, what: &str) -> anyhow::Result<()> {
        if self.caller.stands_in() && !self.here.settings().access.server_approvals {
            let words = format!(
                "`--as` does not {what} on this server ([access] server-approvals = false): \
                 each person does it over a door"
            );
            return Err(Failure::new(Exit::Refused, words).into());
        }
        Ok(())
    }

    /// Which approval lists the person who acts stands in.
    ///
    /// # Errors
    /// Why they can't answer, in words.
    pub fn could_approve(&self, state: &State) -> anyhow::Result<Result<Vec<usize>, String>> {
        let Some(name) = self.caller.person() else {
            return Ok(Err("only a person can approve: say who with --as NAME".into()));
        };
        let request = &state.request;
        let Some(entitlement) =
            self.here.policy.entitlement(&request.entitlement).map_err(damaged)?
        else {
            return Ok(Err(format!("there is no entitlement `{}` any more", request.entitlement)));
        };
        let project = match self.place(&request.repository) {
            Ok((_, project)) => project,
            Err(error) => return Ok(Err(error.to_string())),
        };
        self.people
            .approver(name, state, &entitlement, &project)
            .map_err(|error| damaged(error).into())
    }

    /// Whether the one who acts may close what is open, or end a grant: the server, who administers,
    /// who could approve it. Nothing is widened by it.
    ///
    /// # Errors
    /// The applied policy is damaged; the inner error is words for the person.
    pub fn could_close(&self, state: &State) -> anyhow::Result<Result<(), String>> {
        if self.caller.is_server() {
            return Ok(Ok(()));
        }
        let person = self.person()?;
        if self.people.active(person).map_err(damaged)?.is_none() {
            return Ok(Err(format!("{person} is not an active user of the policy")));
        }
        let could = self.could_approve(state)?;
        if could.is_ok() || self.administers()? {
            return Ok(Ok(()));
        }
        Ok(could.map(|_| ()))
    }

    /// Whether the one who acts may attest a broken glass: who could have approved it. Where nobody
    /// could by today's policy (the entitlement was renamed or removed, the repository is in no
    /// project, nothing but a rule approves), it is for whom `[global] administer` names, the taker
    /// aside: else they could ask for nothing ever again.
    ///
    /// # Errors
    /// The applied policy is damaged; the inner error is words for the person.
    pub fn could_attest(&self, state: &State) -> anyhow::Result<Result<(), String>> {
        let request = &state.request;
        let entitlement = self.here.policy.entitlement(&request.entitlement).map_err(damaged)?;
        let somebody = entitlement.is_some_and(|one| !one.approval.is_empty())
            && self.place(&request.repository).is_ok();
        if somebody || self.caller.is_server() {
            return Ok(self.could_approve(state)?.map(|_| ()));
        }
        let person = self.person()?;
        if let Some(words) = self.people.unfit(person, state).map_err(damaged)? {
            return Ok(Err(words));
        }
        if self.administers()? {
            return Ok(Ok(()));
        }
        Ok(Err(format!(
            "by today's policy nobody approves `{}` in {}: so whom [global] administer names attests",
            request.entitlement, request.repository
        )))
    }

    /// Whether `[global] administer` names the person who acts.
    ///
    /// # Errors
    /// The applied policy is damaged.
    pub fn administers(&self) -> anyhow::Result<bool> {
        self.is_among(&self.here.settings().administer, None)
    }

    /// Whether the person who acts is among holders that `[global]` names, in whatever project.
    ///
    /// # Errors
    /// The applied policy is damaged.
    pub fn is_among(&self, holders: &[Holder], project: Option<&Project>) -> anyhow::Result<bool> {
        let Some(name) = self.caller.person() else { return Ok(self.caller.is_server()) };
        among(&self.people, name, holders, project)
    }

    /// Whether the one who acts may see a record: their own, one that they could approve, or any for
    /// the server and for whom `[global] audit` and `administer` name.
    ///
    /// # Errors
    /// The applied policy is damaged.
    pub fn may_see(&self, state: &State) -> anyhow::Result<bool> {
        let Some(name) = self.caller.person() else { return Ok(self.caller.is_server()) };
        if *name == state.request.person {
            return Ok(true);
        }
        Ok(self.sees_all()? || self.could_approve(state)?.is_ok())
    }

    /// Whether the one who acts may see everything.
    ///
    /// # Errors
    /// The applied policy is damaged.
    pub fn sees_all(&self) -> anyhow::Result<bool> {
        let settings = self.here.settings();
        Ok(self.is_among(&settings.auditors, None)? || self.is_among(&settings.administer, None)?)
    }
}

/// Whether an active user is among holders that `[global]` names.
///
/// # Errors
/// The applied policy is damaged.
pub fn is_among(here: &Here, name: &UserName, holders: &[Holder]) -> anyhow::Result<bool> {
    among(&People::new(&here.policy, &here.site.state, here.site.account_uid), name, holders, None)
}

/// Whether the policy lets somebody ask for something in a repository: then they may know of it.
///
/// # Errors
/// The applied policy is damaged.
pub fn may_ask_in(here: &Here, name: &UserName, repository: &str) -> anyhow::Result<bool> {
    let found = here.policy.project_of(repository.as_bytes()).map_err(damaged)?;
    let Ok((project_name, project)) = found else { return Ok(false) };
    let people = People::new(&here.policy, &here.site.state, here.site.account_uid);
    let found = here.policy.entitlements(&project_name, repository.as_bytes()).map_err(damaged)?;
    for (_, entitlement) in found {
        let holders = entitlement.entry.to.clone().unwrap_or_default();
        if matches!(people.held(name, &project, &holders).map_err(damaged)?, Held::Yes(_)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What somebody may ask for in some project, by name; over all projects at most [`MAX_LOOKS`] are
/// looked at.
///
/// # Errors
/// The applied policy is damaged.
pub fn may_ask_for(here: &Here, name: &UserName) -> anyhow::Result<Vec<EntitlementName>> {
    let people = People::new(&here.policy, &here.site.state, here.site.account_uid);
    let policy = here.policy.policy().map_err(damaged)?;
    let mut found = Vec::new();
    let mut looks = 0;
    for (entitlement, one) in &policy.entitlements {
        let holders = one.entry.to.clone().unwrap_or_default();
        let about =
            |project: &ProjectName| !one.repositories.is_empty() || one.projects.contains(project);
        for (_, project) in policy.projects.iter().filter(|(project, _)| about(project)) {
            looks += 1;
            if looks > MAX_LOOKS {
                return Ok(found);
            }
            if matches!(people.held(name, project, &holders).map_err(damaged)?, Held::Yes(_)) {
                found.push(entitlement.clone());
                break;
            }
        }
    }
    Ok(found)
}

fn among(
    people: &People<'_>,
    name: &UserName,
    holders: &[Holder],
    project: Option<&Project>,
) -> anyhow::Result<bool> {
    let nowhere = nowhere();
    let Some(project) = project.or(nowhere.as_ref()) else { return Ok(false) };
    let held = people.held(name, project, holders).map_err(damaged)?;
    Ok(matches!(held, Held::Yes(_)))
}

/// A project in which nobody has a role: `[global]` names people, not roles.
fn nowhere() -> Option<Project> {
    Some(Project {
        place: Place { file: 0, line: 0 },
        title: None,
        repositories: Vec::new(),
        scheme: SchemeName::parse("default").ok()?,
        lead: None,
        base: None,
        jira_keys: Vec::new(),
        jira_roles: None,
        read_needs: None,
        roles: BTreeMap::new(),
        enforce: Enforce::Refuse,
    })
}
