//! What changed besides rights to refs: who people are, rights outside projects, settings.

use super::super::entry::{Entry, Holder, Permissions, Place};
use super::super::members::{Answers, Held, LookupsOf, Standing};
use super::super::model::{Group, Notify, Policy, Settings, User};
use super::super::name::{GroupName, UserName};
use super::super::span::Span;
use super::contents::Contents;
use super::people::{Everybody, People};
use super::render::some_of;
use super::{Note, Spot};
use std::collections::{BTreeSet, HashSet};

pub(super) fn compare(everybody: &Everybody<'_>, contents: &mut Contents, notes: &mut Vec<Note>) {
    let [old, new] = everybody.sides.each_ref().map(|people| people.policy);
    users(old, new, notes);
    lookups(old, new, notes);
    globals(everybody, notes);
    limits(&old.settings, &new.settings, notes);
    settings(&old.settings, &new.settings, notes);
    bypasses([old, new], contents, notes);
    jira(old, new, notes);
    by_issues([old, new], contents, notes);
}

/// `[jira]`, and what projects take from there: who that gives a right to is not known here.
fn jira(old: &Policy, new: &Policy, notes: &mut Vec<Note>) {
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

fn note(notes: &mut Vec<Note>, widens: bool, text: String) {
    notes.push(Note { text, widens });
}

/// Users who come, go, or are known by other names and keys. What they may do is told as changes.
fn users(old: &Policy, new: &Policy, notes: &mut Vec<Note>) {
    let mut listed = |words: &str, widens: bool, names: Vec<&UserName>| {
        if !names.is_empty() {
            let names = some_of(names.iter().map(|name| name.as_str()));
            note(notes, widens, format!("{words}: {names}"));
        }
    };
    let only = |a: &'_ Policy, b: &Policy| {
        a.users.keys().filter(|name| !b.users.contains_key(*name)).cloned().collect::<Vec<_>>()
    };
    listed("new users", false, only(new, old).iter().collect());
    listed("users that are gone", false, only(old, new).iter().collect());
    let both =
        || old.users.iter().filter_map(|(name, before)| Some((name, before, new.users.get(name)?)));
    let changed = |test: fn(&User, &User) -> bool| {
        both().filter(|(_, a, b)| test(a, b)).map(|(name, ..)| name).collect::<Vec<_>>()
    };
    listed("users that become active", false, changed(|a, b| !a.active && b.active));
    listed("users that become inactive", false, changed(|a, b| a.active && !b.active));
    listed("users that are recognised by other names or keys", true, changed(known_otherwise));
    listed(
        "users whose `kind` or `owner` differs",
        true,
        changed(|a, b| (a.service, &a.owner) != (b.service, &b.owner)),
    );
}

fn known_otherwise(a: &User, b: &User) -> bool {
    let keys = (&a.ssh_keys, &a.gpg_keys) != (&b.ssh_keys, &b.gpg_keys);
    keys || (&a.names, &a.unix, &a.emails, &a.jira) != (&b.names, &b.unix, &b.emails, &b.jira)
}

/// Groups that are asked about elsewhere: who is in them then is not known here.
fn lookups(old: &Policy, new: &Policy, notes: &mut Vec<Note>) {
    for (name, group) in &new.groups {
        let Group::Lookup(now) = group else { continue };
        match old.groups.get(name) {
            Some(Group::Lookup(before)) if before == now => {}
            Some(Group::Lookup(_)) => {
                note(
                    notes,
                    true,
                    format!("@{name} is looked up in another way: it may have other members"),
                );
            }
            _ => note(notes, false, format!("@{name} is looked up, and was not")),
        }
    }
}

/// `[global]` rights, by person and by looked-up group.
fn globals(everybody: &Everybody<'_>, notes: &mut Vec<Note>) {
    type Right = (&'static str, fn(&Settings) -> &[Holder]);
    let rights: [Right; 3] = [
        ("administer", |s| &s.administer),
        ("audit", |s| &s.auditors),
        ("bulk-change", |s| &s.bulk_change),
    ];
    let [before, after] = &everybody.sides;
    for (right, holders) in rights {
        let (old, new) = (holders(&before.policy.settings), holders(&after.policy.settings));
        if everybody.unmoved && old == new {
            continue;
        }
        let (was, is) = (held(before, old), held(after, new));
        for (verb, widens, a, b) in [("gains", true, &is, &was), ("loses", false, &was, &is)] {
            let who: Vec<&str> = a.difference(b).map(String::as_str).collect();
            if !who.is_empty() {
                let who = some_of(who.into_iter());
                note(notes, widens, format!("{verb} {who}   `[global] {right}`"));
            }
        }
    }
}

/// Names of active users who are settled to be among the holders, and of looked-up groups.
fn held(people: &People<'_>, holders: &[Holder]) -> BTreeSet<String> {
    let answers = Answers::new();
    let among = |user: &UserName| {
        let groups = people.groups(user)?;
        let user = Some(user.clone());
        let standing = Standing { user, groups, ..Standing::default() };
        matches!(standing.among(holders, &answers), Held::Yes(_)).then_some(())
    };
    let users = people.policy.users.keys().filter(|user| among(user).is_some());
    let groups = asked(&people.lookups, holders).into_iter();
    let groups = groups.map(|group| format!("members of @{group} (looked up)"));
    users.map(ToString::to_string).chain(groups).collect()
}

fn asked(lookups: &LookupsOf, holders: &[Holder]) -> BTreeSet<GroupName> {
    let groups = holders.iter().filter_map(|holder| match holder {
        Holder::Group(group) => lookups.get(group),
        _ => None,
    });
    groups.flatten().cloned().collect()
}

fn limits(old: &Settings, new: &Settings, notes: &mut Vec<Note>) {
    let words = |limit: Option<u32>| match limit {
        Some(limit) => format!("{limit} refs"),
        None => "any number of refs".into(),
    };
    let most = |limit: Option<u32>| limit.unwrap_or(u32::MAX);
    let (before, after) = (old.max_refs, new.max_refs);
    if before != after {
        let text = format!(
            "everyone without `[global] bulk-change` may push {} at once ({} before)",
            words(after),
            words(before)
        );
        note(notes, most(after) > most(before), text);
    }
}

fn settings(old: &Settings, new: &Settings, notes: &mut Vec<Note>) {
    let mut changed = |differs: bool, widens: bool, what: &str| {
        if differs {
            note(notes, widens, format!("{what} changed"));
        }
    };
    changed(old.sources != new.sources, true, "`[identity] sources`");
    let rules = |s: &Settings| {
        s.require.iter().map(|r| (r.refs.clone(), r.source.clone())).collect::<Vec<_>>()
    };
    let (before, after) = (rules(old), rules(new));
    let dropped = before.iter().any(|rule| !after.contains(rule));
    changed(before != after, dropped, "`[[identity.require]]`");
    let news = new.ssh_ca.iter().any(|ca| !old.ssh_ca.contains(ca));
    changed(old.ssh_ca != new.ssh_ca, news, "`[identity] ssh-ca`");
    changed(old.refuse != new.refuse, false, "`[server] refuse`");
    changed(old.max_commits != new.max_commits, false, "`[server] max-commits-per-push`");
    changed(old.secure != new.secure, old.secure, "`[server] secure-mode`");
    changed(old.store != new.store, false, "`[store] path`");
    changed(old.audit != new.audit, false, "`[audit] file`");
    let shown = |s: &Settings| (s.name.clone(), s.help.clone(), s.timezone);
    changed(shown(old) != shown(new), false, "what `[server]` shows");
    if old.reads != new.reads {
        let text = format!("`[audit] reads` is {}, was {}", new.reads, old.reads);
        // Fewer lines let more go by unseen.
        note(notes, new.reads.one_in() > old.reads.one_in(), text);
    }
    asking(old, new, notes);
}

/// `[access]`, `[[notify]]`, and where records and locks are kept.
fn asking(old: &Settings, new: &Settings, notes: &mut Vec<Note>) {
    let (a, b) = (&old.access, &new.access);
    if a.max_open != b.max_open {
        let text = format!("`[access] max-open` is {}, was {}", b.max_open, a.max_open);
        note(notes, b.max_open > a.max_open, text);
    }
    if a.max_wait != b.max_wait {
        let words = |span: Option<Span>| span.map_or("not set".into(), |span| span.to_string());
        let text =
            format!("`[access] max-wait` is {}, was {}", words(b.max_wait), words(a.max_wait));
        note(notes, b.max_wait > a.max_wait, text);
    }
    if a.server_approvals != b.server_approvals {
        let text = format!(
            "`[access] server-approvals` is {}, was {}",
            b.server_approvals, a.server_approvals
        );
        note(notes, b.server_approvals, text);
    }
    tokens(old, new, notes);
    let told = |s: &Settings| {
        let place = Place { file: 0, line: 0 };
        s.notify.iter().map(|one| Notify { place, ..one.clone() }).collect::<Vec<_>>()
    };
    let (before, after) = (told(old), told(new));
    if before != after {
        // Somebody who is no longer told can no longer step in.
        let dropped = before.iter().any(|one| !after.contains(one));
        note(notes, dropped, "`[[notify]]` changed: who is told of what".into());
    }
    if old.shared_store != new.shared_store {
        let text = "`[store]` changed: grants, revocations and locks are looked up elsewhere";
        note(notes, true, text.into());
    }
}

/// `[tokens]`: its cap is one of tokens that exist, too.
fn tokens(old: &Settings, new: &Settings, notes: &mut Vec<Note>) {
    let longest = |s: &Settings| s.tokens.as_ref().map(|tokens| tokens.max_lifetime);
    let (before, after) = (longest(old), longest(new));
    if before != after {
        let words = |span: Option<Span>| span.map_or("not set".into(), |span| span.to_string());
        let text = format!(
            "`[tokens] max-lifetime` is {}, was {}: tokens hold at most so long",
            words(after),
            words(before)
        );
        note(notes, after > before, text);
    }
}

/// `bypass` lifts checks, which no decision about a ref shows: entries are compared as written.
fn bypasses([old, new]: [&Policy; 2], contents: &mut Contents, notes: &mut Vec<Note>) {
    let both = (bypassing(old), bypassing(new));
    as_written([old, new], both, "entries about `bypass`", contents, notes);
}

/// Notes of entries that only one of the policies has.
fn as_written(
    [old, new]: [&Policy; 2],
    (before, after): (Vec<&Entry>, Vec<&Entry>),
    what: &str,
    contents: &mut Contents,
    notes: &mut Vec<Note>,
) {
    let (was, is) = (contents.numbers(&before), contents.numbers(&after));
    let missing = |a: &[&Entry], own: &[u32], other: &[u32], policy: &Policy, before: bool| {
        let other: HashSet<&u32> = other.iter().collect();
        let gone = a.iter().zip(own).filter(|(_, number)| !other.contains(number));
        let spots = gone.map(|(x, _)| Spot::new(x.place, &policy.files, before).to_string());
        spots.collect::<BTreeSet<_>>()
    };
    let added = missing(&after, &is, &was, new, false);
    let removed = missing(&before, &was, &is, old, true);
    for (words, spots) in [("new", added), ("gone", removed)] {
        if !spots.is_empty() {
            let spots = some_of(spots.iter().map(String::as_str));
            note(notes, true, format!("{what} that are {words}: {spots}"));
        }
    }
}

fn entries(policy: &Policy) -> impl Iterator<Item = &Entry> {
    let entries = policy.schemes.values().flat_map(|scheme| &scheme.entries);
    entries.chain(policy.grants.iter().map(|grant| &grant.entry))
}

fn bypassing(policy: &Policy) -> Vec<&Entry> {
    entries(policy).filter(|e| e.permissions.intersects(Permissions::BYPASS)).collect()
}
