//! A lock as people, programs and the trail are shown it.

use super::super::view;
use crate::access::Lock;
use crate::policy::window::Zone;
use serde_json::{Value, json};

/// `bob: write of release/* in project PAY`
pub(super) fn about(lock: &Lock) -> String {
    let scope = &lock.scope;
    let who = scope.person.as_ref().map_or("everybody".to_owned(), ToString::to_string);
    let mut text = format!("{who}: {}", lock.permissions);
    if !scope.refs.include.is_empty() {
        text.push_str(&format!(" of {}", view::refs(&scope.refs)));
    }
    if let Some(project) = &scope.project {
        text.push_str(&format!(" in project {project}"));
    }
    if let Some(repository) = &scope.repository {
        text.push_str(&format!(" in {}", view::capped(&repository.to_string())));
    }
    text
}

/// A lock in one line, as `lock list` has it.
pub(super) fn one_line(lock: &Lock, zone: Zone) -> String {
    let end = lock
        .until
        .map_or("until it is lifted".into(), |until| format!("until {}", view::time(until, zone)));
    let by = format!("laid by {}, {}", lock.by, view::time(lock.at, zone));
    format!("{}  {}, {end}: {} ({by})", lock.id, about(lock), view::quoted(&lock.message))
}

/// The same as JSON.
pub(super) fn as_json(lock: &Lock) -> Value {
    let scope = &lock.scope;
    let refs: Vec<String> =
        scope.refs.include.iter().map(crate::access::request::spelled).collect();
    json!({
        "id": lock.id.as_str(),
        "person": scope.person.as_ref().map(|name| name.as_str()),
        "project": scope.project.as_ref().map(|name| name.as_str()),
        "repository": scope.repository.as_ref().map(|one| one.text()),
        "refs": refs,
        "permissions": lock.permissions.to_string().split(", ").collect::<Vec<_>>(),
        "message": lock.message,
        "by": view::actor(&lock.by),
        "at": view::stamp(lock.at),
        "until": lock.until.map(view::stamp),
    })
}
