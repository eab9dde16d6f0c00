//! A lock as a command line asks for it, read against the applied policy.

use super::super::failure::damaged;
use super::super::office::Office;
use super::super::wish::{ahead, pattern, span};
use super::Args;
use crate::access::{Id, Lock, LockScope};
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::policy::diag;
use crate::policy::entry::Permissions;
use crate::policy::name::{ProjectName, UserName};
use crate::policy::pattern::Pattern;
use crate::policy::refs::{RefPattern, RefScope, Space};
use chrono::{DateTime, Utc};

/// Reads what is to be locked; the id is still to be drawn.
///
/// # Errors
/// A scope that is none; names that nothing has; an end before the beginning.
pub(super) fn read(office: &Office<'_>, args: &Args, now: DateTime<Utc>) -> anyhow::Result<Lock> {
    let usage = |words: String| Failure::new(Exit::Usage, words);
    let policy = office.here.policy.policy().map_err(damaged)?;
    let person = args.user.as_deref().map(UserName::parse).transpose();
    let person = person.map_err(|error| usage(format!("--user: {error}")))?;
    if let Some(person) = person.as_ref().filter(|person| !policy.users.contains_key(*person)) {
        let words = format!("there is no user `{person}`{}", office.nearest_user(person.as_str()));
        return Err(Failure::new(Exit::NotFound, words).into());
    }
    let project = args.project.as_deref().map(ProjectName::parse).transpose();
    let project = project.map_err(|error| usage(format!("--project: {error}")))?;
    if let Some(project) = project.as_ref().filter(|name| !policy.projects.contains_key(*name)) {
        let near = diag::nearest(project.as_str(), policy.projects.keys().map(ProjectName::as_str));
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(
            Failure::new(Exit::NotFound, format!("there is no project `{project}`{near}")).into()
        );
    }
    let repository = args.repository.as_deref().map(repository).transpose().map_err(usage)?;
    let until = match (&args.duration, &args.until) {
        (Some(duration), _) => Some(now + span("--for", duration)?.delta()),
        (None, Some(time)) => Some(ahead(time, now)?),
        (None, None) => None,
    };
    if until.is_some_and(|until| until <= now) {
        return Err(usage("the lock would have ended before it began".into()).into());
    }
    let message = super::super::bounded(args.message.as_ref(), "--message")?.unwrap_or_default();
    Ok(Lock {
        id: Id::of([0; 5]),
        scope: LockScope { person, project, repository, refs: refs(args).map_err(usage)? },
        permissions: permissions(&args.permissions).map_err(usage)?,
        message,
        by: office.caller.actor.clone(),
        at: now,
        until,
    })
}

/// A repository's name or a pattern over names. What could never match would be a lock that stops
/// nothing, and says that it does.
fn repository(text: &str) -> Result<Pattern, String> {
    let pattern = pattern(text.strip_suffix(".git").unwrap_or(text))?;
    match pattern.has_user() || pattern.has_issue() {
        true => Err("a variable has no place in a repository's name".into()),
        false => Ok(pattern),
    }
}

/// A ref pattern without a prefix that is implied, or with the one that is not.
fn ref_pattern(text: &str, space: Space) -> Result<Pattern, String> {
    let shown = text.escape_debug();
    let full = text.starts_with("refs/");
    match space {
        Space::Branches | Space::Tags if full => {
            Err(format!("`{shown}`: leave `refs/heads/` and `refs/tags/` out here, or use --refs"))
        }
        Space::Refs if !full && !text.starts_with("regex:") && !text.starts_with('*') => {
            Err(format!("`{shown}`: a full name begins with `refs/`; for branches use --branches"))
        }
        _ => pattern(text),
    }
}

fn refs(args: &Args) -> Result<RefScope, String> {
    let spaces =
        [(&args.branches, Space::Branches), (&args.tags, Space::Tags), (&args.refs, Space::Refs)];
    let mut include = Vec::new();
    for (texts, space) in spaces {
        for text in texts {
            include.push(RefPattern { space, pattern: ref_pattern(text, space)? });
        }
    }
    Ok(RefScope { include, exclude: Vec::new() })
}

fn permissions(words: &[String]) -> Result<Permissions, String> {
    if words.is_empty() {
        return Ok(Permissions::WRITE);
    }
    words.iter().try_fold(Permissions::default(), |set, word| match Permissions::parse(word) {
        Some(one) if one != Permissions::BYPASS => Ok(set.with(one)),
        _ => Err(format!("`{}` is nothing that a lock can stop", word.escape_debug())),
    })
}
