//! `refwarden who`: everybody who can do something to a ref, and through which entry.

use super::Failure;
use super::exit::Exit;
use super::explain::{Live, full_name};
use super::out::Out;
use super::site::Here;
use crate::decision::{self, Paths, Question, Verdict};
use crate::os::clock;
use crate::policy::entry::{Entry, Holder, Kind, Permissions};
use crate::policy::members::{Answers, LookupsOf, lookups_of};
use crate::policy::model::Policy;
use crate::policy::name::UserName;
use crate::policy::pattern::Given;
use crate::policy::scope::{self, Scopes};
use crate::push::Action;
use crate::push::issue::find;
use crate::pusher::Source;
use chrono::Duration;
use serde_json::json;
use std::collections::BTreeSet;

/// Arguments of `who`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What is done.
    #[arg(value_parser = ["read", "create", "update", "force", "delete"])]
    pub(in crate::cli) action: String,
    /// To which ref: a full name, or a branch. Reading takes none.
    #[arg(required_if_eq_any = [("action", "create"), ("action", "update"), ("action", "force"), ("action", "delete")])]
    pub(in crate::cli) reference: Option<String>,
    /// The repository's name: its path below the site's root, without `.git`.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) repository: String,
}

/// Runs the verb: exit code 6 where nobody can.
///
/// # Errors
/// No such repository.
pub fn run(args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let here = Here::open()?;
    tell_all(&here, args, out)
}

impl Args {
    /// The repository that it is about.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }
}

/// The same, once it is clear that the one who asks may know.
///
/// # Errors
/// As [`run`].
pub fn tell_all(here: &Here, args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let policy = here.policy.policy()?;
    let action =
        Action::parse(&args.action).ok_or_else(|| Failure::new(Exit::Usage, "no such action"))?;
    let name = full_name(args.reference.as_deref().unwrap_or_default());
    let question = Question {
        action,
        name: name.as_bytes(),
        paths: if matches!(action, Action::Read | Action::Delete) {
            Paths::None
        } else {
            Paths::Known(&[])
        },
        now: clock::now().wall,
        margin: Duration::zero(),
        horizon: Duration::zero(),
    };
    let live = Live::read(here, &policy, (None, Some(&args.repository)))?;
    let mut asker = Asker::new(&policy, &live);
    let mut found = 0;
    for user in policy.users.iter().filter(|(_, user)| user.active).map(|(name, _)| name) {
        found += usize::from(asker.one(user, args.repository.as_bytes(), &question, out)?);
    }
    let by_jira = by_jira(&policy, args.repository.as_bytes(), action, &name);
    if !by_jira.is_empty() {
        found += 1;
        tell_jira(&by_jira, out);
    }
    if found == 0 {
        let name = if name.is_empty() { String::new() } else { format!(" {name}") };
        out.note(format!("nobody can {action}{name} in {}", args.repository));
    }
    Ok(if found == 0 { Exit::NotFound } else { Exit::Done })
}

/// Holders whom Jira fills in when somebody pushes, and the entry that has them: people of the issue
/// whose key stands in the ref's name, and roles where the project takes them from there.
fn by_jira(
    policy: &Policy,
    repository: &[u8],
    action: Action,
    name: &str,
) -> Vec<(String, String)> {
    let (Ok(site), Some(_)) = (scope::site(policy, repository), &policy.settings.jira) else {
        return Vec::new();
    };
    let keys = find(name.as_bytes(), &site.project.jira_keys);
    let given = Given { user: None, issues_of: &site.project.jira_keys };
    let roles = site.project.jira_roles.is_some();
    // Whoever may change something may read.
    let wanted = match action {
        Action::Read => Permissions::READ.with(Permissions::WRITE),
        other => Permissions::parse(other.as_str()).unwrap_or_default(),
    };
    let named = |holder: &&Holder| {
        (holder.is_of_an_issue() && !keys.is_empty())
            || (roles && matches!(holder, Holder::Role(_) | Holder::Lead))
    };
    let mut found = Vec::new();
    for entry in site.entries {
        let permits = !entry.is_forbid()
            && entry.permissions.intersects(wanted)
            && (action == Action::Read || entry.refs.permits(name.as_bytes(), given) == Ok(true));
        for holder in entry.to.iter().flatten().filter(|holder| permits && named(holder)) {
            let of = match keys.first() {
                Some(key) if holder.is_of_an_issue() => format!("{holder} of {key}"),
                _ => holder.to_string(),
            };
            found.push((of, place(policy, entry)));
        }
    }
    found
}

fn tell_jira(found: &[(String, String)], out: &Out) {
    for (holder, place) in found.iter().filter(|_| out.json) {
        out.value(&json!({ "jira": holder, "entry": place }));
    }
    if !out.json {
        let each: Vec<String> =
            found.iter().map(|(holder, place)| format!("{holder} ({place})")).collect();
        out.line(format!("and whoever Jira names: {}", each.join(", ")));
    }
}

struct Asker<'p> {
    policy: &'p Policy,
    live: &'p Live,
    scopes: Scopes<'p>,
    sources: Vec<Source>,
    groups: LookupsOf,
}

impl<'p> Asker<'p> {
    fn new(policy: &'p Policy, live: &'p Live) -> Self {
        let sources =
            policy.settings.require.iter().map(|require| require.source.clone()).collect();
        Self {
            policy,
            live,
            scopes: Scopes::new(policy),
            sources,
            groups: lookups_of(&policy.groups),
        }
    }

    /// Tells what a user can do, and whether they can at all; memberships that are looked up at the
    /// push are named, not asked.
    fn one(
        &mut self,
        user: &UserName,
        repository: &[u8],
        question: &Question<'_>,
        out: &Out,
    ) -> anyhow::Result<bool> {
        let looked_up: BTreeSet<_> = self.groups.values().flatten().cloned().collect();
        let (mut scope, project) = self
            .scopes
            .scope(Some(user), repository, &self.sources)
            .map_err(|error| Failure::new(Exit::NotFound, error.to_string()))?;
        scope.entries.extend(self.live.entries(self.policy, project, (Some(user), repository))?);
        for member in [false, true] {
            let answers: Answers =
                looked_up.iter().map(|group| (group.clone().into(), Ok(member))).collect();
            let decision = decision::decide(&scope, question, &answers);
            let Verdict::Allowed(allowed) = &decision.verdict else { continue };
            let entry = allowed.permits().first().and_then(|at| scope.entries.get(*at)).copied();
            tell(self.policy, user, entry, member, out);
            return Ok(true);
        }
        Ok(false)
    }
}

fn tell(policy: &Policy, user: &UserName, entry: Option<&Entry>, if_member: bool, out: &Out) {
    let place = entry.map(|entry| place(policy, entry));
    let paths = entry
        .and_then(|entry| entry.paths.as_ref())
        .map(|paths| paths.include.iter().map(ToString::to_string).collect::<Vec<_>>());
    if out.json {
        out.value(&json!({ "user": user.as_str(), "entry": place, "paths": paths, "if_looked_up": if_member }));
        return;
    }
    let only = entry.and_then(|entry| entry.paths.as_ref());
    let only = only.map(|paths| format!(", only {paths}")).unwrap_or_default();
    let member = if if_member { ", where a looked-up group has them" } else { "" };
    out.line(format!("{user:24} {}{only}{member}", place.unwrap_or_else(|| "warn-only".into())));
}

/// Where an entry stands.
fn place(policy: &Policy, entry: &Entry) -> String {
    if let Kind::Lent(id) = &entry.kind {
        return format!("grant {id}");
    }
    let file = policy.files.get(usize::from(entry.place.file)).map_or("policy", String::as_str);
    format!("{file}:{}", entry.place.line)
}
