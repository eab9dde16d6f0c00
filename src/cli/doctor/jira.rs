//! Whether Jira answers, as whom, how fast, and what it does not show us.

use super::super::finding::Finding;
use super::super::repo::target::Installation;
use crate::hook::desk;
use crate::jira::{Jira, JiraError};
use crate::os::clock;
use crate::policy::model::{Flavor, Settings};
use crate::store::open::{self, Mode};
use std::collections::BTreeSet;

/// Nothing where the policy has no `[jira]`.
pub fn jira(home: &Installation) -> Vec<Finding> {
    let Ok((applied, _)) = desk::open_policy(&home.site) else { return Vec::new() };
    let Some(settings) = applied.settings().jira.as_ref() else { return Vec::new() };
    let jira = Jira::new(settings, &home.site.state, home.site.account_uid);
    let start = clock::now().boot;
    let me = match jira.me() {
        Ok(me) => me,
        Err(error) => return vec![broken(&error)],
    };
    let time = clock::now().boot.saturating_sub(start);
    let flavor = settings.flavor.as_str();
    let mut found = vec![match me.active {
        true => Finding::ok(
            "jira",
            format!("{flavor}, signed in as {} ({}), {} ms", me.name, me.id, time.as_millis()),
        ),
        false => Finding::warn("jira", format!("our account {} is not active", me.id), "wake it"),
    }];
    found.extend(other_flavor(&jira, settings.flavor));
    found.extend(settings.smart.as_ref().and_then(|_| no_outbox(home, applied.settings())));
    let projects: BTreeSet<Box<str>> = applied
        .policy()
        .map(|policy| policy.projects.into_values().flat_map(|project| project.jira_keys).collect())
        .unwrap_or_default();
    found.extend(projects.iter().filter_map(|project| unseen(&jira, project)));
    found.extend(jira.sees_groups_of(&me.id).err().map(|error| {
        let cure = "give it `Browse users and groups` if groups or roles of Jira's are used";
        Finding::warn("jira", format!("groups of people: {}", error.for_admin()), cure)
    }));
    found
}

fn broken(error: &JiraError) -> Finding {
    let cure = match error {
        JiraError::Token(_) => "mend the file that `[jira] token-file` names",
        JiraError::Login => "make a new token in Jira, and put it into `[jira] token-file`",
        _ => "see that this host reaches `[jira] url`",
    };
    Finding::broken("jira", error.for_admin(), cure)
}

fn other_flavor(jira: &Jira, flavor: Flavor) -> Option<Finding> {
    let server = jira.server().ok()?;
    let cloud = flavor == Flavor::Cloud;
    (server.is_cloud != cloud).then(|| {
        let what = format!(
            "`flavor` is {}, and version {} is the other one",
            flavor.as_str(),
            server.version
        );
        Finding::broken("jira", what, "mend `[jira] flavor`")
    })
}

/// What commits say waits in the store's outbox.
fn no_outbox(home: &Installation, settings: &Settings) -> Option<Finding> {
    let (state, uid) = (&home.site.state, home.site.account_uid);
    matches!(open::open(settings, state, uid, Mode::Read), Ok(None)).then(|| {
        let what = "smart commits are on and there is no store: nothing is sent";
        Finding::warn("jira", what, "run `refwarden store init`")
    })
}

fn unseen(jira: &Jira, project: &str) -> Option<Finding> {
    let error = jira.sees_project(project).err()?;
    let what = format!("project {project}: {}", error.for_admin());
    Some(Finding::warn("jira", what, "let its account browse the project, or mend `jira-keys`"))
}
