//! What changed of `[jira]`, and of what projects and entries take from there: who that gives a
//! right to is not known here.

use super::super::super::entry::{Entry, Holder};
use super::super::super::jira::JiraSettings;
use super::super::super::model::Policy;
use super::super::Note;
use super::super::contents::Contents;
use super::{as_written, entries, note};

pub(super) fn compare([old, new]: [&Policy; 2], contents: &mut Contents, notes: &mut Vec<Note>) {
    settings(old, new, notes);
    projects(old, new, notes);
    by_issues([old, new], contents, notes);
}

/// `[jira]` itself.
fn settings(old: &Policy, new: &Policy, notes: &mut Vec<Note>) {
    let asked = |policy: &Policy| policy.settings.jira.clone().map(|jira| (jira.url, jira.flavor));
    let (before, after) = (asked(old), asked(new));
    if before != after {
        let widens = after.is_some();
        note(notes, widens, "`[jira]` is another one: it may name other people".into());
    }
    let down = |policy: &Policy| policy.settings.jira.as_ref().map(|jira| jira.when_down);
    if before == after && down(old) != down(new) {
        note(
            notes,
            true,
            "`[jira] when-down` changed: what holds while Jira does not answer".into(),
        );
    }
    if let (Some(was), Some(is)) = (&old.settings.jira, &new.settings.jira) {
        how_jira_is_asked(was, is, notes);
    }
    let smart = |policy: &Policy| policy.settings.jira.as_ref().and_then(|jira| jira.smart.clone());
    let (was, is) = (smart(old), smart(new));
    if was != is {
        let words = "`[jira] smart-commits` changed: what messages of landed commits do to issues";
        note(notes, is.is_some(), words.into());
    }
}

/// What else could let more by. Taken apart whole, so that no key that is added is forgotten here.
fn how_jira_is_asked(was: &JiraSettings, is: &JiraSettings, notes: &mut Vec<Note>) {
    let JiraSettings {
        url: _,
        flavor: _,
        email,
        token_file,
        timeout_ms,
        push_timeout_ms,
        key_from,
        fresh_issue,
        fresh_people,
        when_down: _,
        fields: _,
        smart: _,
    } = is;
    let mut changed = |differs: bool, widens: bool, words: &str| {
        if differs {
            note(notes, widens, format!("`[jira] {words}"));
        }
    };
    let more = key_from.iter().any(|spot| !was.key_from.contains(spot));
    let words = "key-from` changed: where a push may name an issue";
    changed(*key_from != was.key_from, more, words);
    let words = "cache-issues` changed: how long what was learnt of an issue counts";
    changed(*fresh_issue != was.fresh_issue, *fresh_issue > was.fresh_issue, words);
    let words = "cache-people` changed: how long what was learnt of groups and roles counts";
    changed(*fresh_people != was.fresh_people, *fresh_people > was.fresh_people, words);
    let account = (email, token_file) != (&was.email, &was.token_file);
    changed(account, true, "token-file` or `email` changed: another account may see other things");
    let times = (timeout_ms, push_timeout_ms) != (&was.timeout_ms, &was.push_timeout_ms);
    changed(times, false, "timeout` changed: how long Jira may take");
}

/// What projects take from there.
fn projects(old: &Policy, new: &Policy, notes: &mut Vec<Note>) {
    for (name, project) in &new.projects {
        let Some(was) = old.projects.get(name) else { continue };
        let added = project.jira_keys.iter().any(|key| !was.jira_keys.contains(key));
        let mut changed = |differs: bool, widens: bool, key: &str| {
            if differs {
                note(notes, widens, format!("`{key}` of {name} changed"));
            }
        };
        changed(was.jira_keys != project.jira_keys, added, "jira-keys");
        changed(was.jira_roles != project.jira_roles, true, "roles-from");
        changed(was.read_needs != project.read_needs, was.read_needs.is_some(), "read-needs");
    }
}

/// Entries for people whom an issue or Jira's roles name, or on refs with an issue's key: compared
/// as written.
fn by_issues([old, new]: [&Policy; 2], contents: &mut Contents, notes: &mut Vec<Note>) {
    let roles = |policy: &Policy| policy.projects.values().any(|one| one.jira_roles.is_some());
    let in_jira = roles(old) || roles(new);
    let named = |holder: &Holder| {
        holder.is_of_an_issue() || (in_jira && matches!(holder, Holder::Role(_) | Holder::Lead))
    };
    let by_issue = |entry: &&Entry| {
        entry.refs.has_issue() || entry.to.iter().flatten().chain(&entry.except).any(named)
    };
    let pick = |policy| -> Vec<_> { entries(policy).filter(by_issue).collect() };
    let words = "entries that Jira or an issue's key decides about";
    as_written([old, new], (pick(old), pick(new)), words, contents, notes);
}
