//! What changed besides rights to refs: who people are, rights outside projects, settings.

mod jira;

use super::super::entry::{Entry, Holder, Permissions, Place};
use super::super::members::{Answers, Held, LookupsOf, Standing};
use super::super::model::{
    Group, Lookup, Notify, Policy, Refuse, Require, Settings, SharedStore, User,
};
use super::super::name::{GroupName, UserName};
use super::super::spoken::refs;
use super::contents::Contents;
use super::people::{Everybody, People};
use super::render::some_of;
use super::{Note, Spot};
use crate::text::Safe;
use std::collections::{BTreeSet, HashSet};

/// Most bytes of a setting's text that are shown.
const MAX_TEXT: usize = 200;

pub(super) fn compare(everybody: &Everybody<'_>, contents: &mut Contents, notes: &mut Vec<Note>) {
    let [old, new] = everybody.sides.each_ref().map(|people| people.policy);
    users(old, new, notes);
    lookups(old, new, notes);
    globals(everybody, notes);
    limits(&old.settings, &new.settings, notes);
    settings(&old.settings, &new.settings, notes);
    notices([old, new], notes);
    bases(old, new, notes);
    bypasses([old, new], contents, notes);
    jira::compare([old, new], contents, notes);
}

/// What new branches are compared with: another base is another set of changed paths, which entries
/// about paths, checks and whoever may ask decide on, and no decision about a ref shows it.
fn bases(old: &Policy, new: &Policy, notes: &mut Vec<Note>) {
    let named = |base: &Option<Box<str>>| match base {
        Some(name) => format!("`{}`", name.strip_prefix("refs/heads/").unwrap_or(name)),
        None => "not set".to_owned(),
    };
    for (name, project) in &new.projects {
        let Some(was) = old.projects.get(name).filter(|was| was.base != project.base) else {
            continue;
        };
        let (is, was) = (named(&project.base), named(&was.base));
        let words = "new branches are compared with another one, so other paths count as changed";
        note(notes, true, format!("`base` of {name} is {is}, was {was}: {words}"));
    }
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
            Some(Group::Lookup(before)) => {
                let (is, was) = (by(now), by(before));
                let text = format!(
                    "@{name} is looked up by {is}, was by {was}: it may have other members"
                );
                note(notes, true, text);
            }
            _ => note(notes, false, format!("@{name} is looked up, and was not")),
        }
    }
}

fn by(lookup: &Lookup) -> String {
    match lookup {
        Lookup::Unix(group) => format!("unix {}", quoted(group)),
        Lookup::Jira(group) => format!("jira {}", quoted(group)),
        Lookup::Command(words) => format!("command {}", quoted(&words.join(" "))),
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

/// A setting's words before and after, where they differ.
fn setting(notes: &mut Vec<Note>, widens: bool, key: &str, [was, is]: [String; 2]) {
    if was != is {
        note(notes, widens, format!("{key} is {is}, was {was}"));
    }
}

fn quoted(text: &str) -> String {
    format!("`{}`", Safe::new(text.as_bytes(), MAX_TEXT))
}

fn or_not_set(text: Option<String>) -> String {
    text.unwrap_or_else(|| "not set".into())
}

fn or_empty(words: Vec<String>) -> String {
    if words.is_empty() { "empty".into() } else { words.join(", ") }
}

fn settings(old: &Settings, new: &Settings, notes: &mut Vec<Note>) {
    let both = [old, new];
    let text = |of: fn(&Settings) -> Option<&str>| both.map(|s| or_not_set(of(s).map(quoted)));
    let sources = both.map(|s| or_empty(s.sources.iter().map(ToString::to_string).collect()));
    setting(notes, true, "`[identity] sources`", sources);
    requirements(both, notes);
    let news = new.ssh_ca.iter().any(|ca| !old.ssh_ca.contains(ca));
    let authorities = both.map(|s| {
        or_empty(s.ssh_ca.iter().map(|authority| authority.fingerprint.to_string()).collect())
    });
    setting(notes, news, "`[identity] ssh-ca`", authorities);
    let refuse = both.map(|s| match s.refuse {
        Refuse::Push => "push".into(),
        Refuse::Ref => "ref".into(),
    });
    setting(notes, false, "`[server] refuse`", refuse);
    let most = both.map(|s| s.max_commits.to_string());
    setting(notes, false, "`[server] max-commits-per-push`", most);
    setting(notes, old.secure, "`[server] secure-mode`", both.map(|s| s.secure.to_string()));
    setting(notes, false, "`[server] name`", text(|s| s.name.as_deref()));
    setting(notes, false, "`[server] help`", text(|s| s.help.as_deref()));
    setting(notes, false, "`[server] timezone`", both.map(|s| quoted(s.timezone.0.name())));
    setting(notes, false, "`[store] path`", both.map(|s| quoted(&s.store)));
    setting(notes, false, "`[audit] file`", both.map(|s| quoted(&s.audit)));
    let home = both.map(|s| {
        or_not_set(s.home.as_ref().map(|home| {
            let branch = home.branch.strip_prefix("refs/heads/").unwrap_or(&home.branch);
            format!("{} of {}", quoted(branch), quoted(&home.repository))
        }))
    });
    // Whoever may push there decides over everything.
    setting(notes, new.home.is_some(), "`[server] policy-repository`", home);
    // Fewer lines let more go by unseen.
    let fewer = new.reads.one_in() > old.reads.one_in();
    setting(notes, fewer, "`[audit] reads`", both.map(|s| s.reads.to_string()));
    asking(both, notes);
    tokens(old, new, notes);
}

/// `[[identity.require]]`, rule by rule.
fn requirements(both: [&Settings; 2], notes: &mut Vec<Note>) {
    let [before, after] = both.map(|s| {
        let rule = |rule: &Require| format!("{}{}", rule.source, refs(&rule.refs));
        s.require.iter().map(rule).collect::<BTreeSet<String>>()
    });
    for rule in before.difference(&after) {
        note(notes, true, format!("`[[identity.require]]` no longer asks for {rule}"));
    }
    for rule in after.difference(&before) {
        note(notes, false, format!("`[[identity.require]]` asks for {rule}"));
    }
}

/// `[access]`, `[[notify]]`, and where records and locks are kept.
fn asking([old, new]: [&Settings; 2], notes: &mut Vec<Note>) {
    let (a, b) = (&old.access, &new.access);
    let both = [a, b];
    let open = both.map(|s| s.max_open.to_string());
    setting(notes, b.max_open > a.max_open, "`[access] max-open`", open);
    let wait = both.map(|s| or_not_set(s.max_wait.map(|span| span.to_string())));
    setting(notes, b.max_wait > a.max_wait, "`[access] max-wait`", wait);
    let approvals = both.map(|s| s.server_approvals.to_string());
    setting(notes, b.server_approvals, "`[access] server-approvals`", approvals);
    if old.shared_store != new.shared_store {
        let [was, is] = [old, new].map(|s| match &s.shared_store {
            None => "this host's own".into(),
            Some(store) => shared(store),
        });
        let text = format!(
            "`[store]` is {is}, was {was}: grants, revocations and locks are looked up elsewhere"
        );
        note(notes, true, text);
    }
}

/// Where a shared store is, and how it is reached.
fn shared(store: &SharedStore) -> String {
    let SharedStore { endpoints, ca, identity, login, prefix } = store;
    let mut words: Vec<String> = endpoints.iter().map(|url| quoted(url)).collect();
    words.push(format!("prefix {}", quoted(prefix)));
    words.extend(ca.iter().map(|file| format!("ca {}", quoted(file))));
    words.extend(
        identity
            .iter()
            .map(|(cert, key)| format!("certificate {} with key {}", quoted(cert), quoted(key))),
    );
    words.extend(
        login
            .iter()
            .map(|(user, file)| format!("user {} with password in {}", quoted(user), quoted(file))),
    );
    words.join(", ")
}

/// `[[notify]]`: somebody who is no longer told can no longer step in. What a row says can be a
/// secret address, so that only its place is told.
fn notices([old, new]: [&Policy; 2], notes: &mut Vec<Note>) {
    let bare = |one: &Notify| Notify { place: Place { file: 0, line: 0 }, ..one.clone() };
    let missing = |policy: &Policy, other: &Policy, before: bool| {
        let others: Vec<Notify> = other.settings.notify.iter().map(bare).collect();
        let gone = policy.settings.notify.iter().filter(|one| !others.contains(&bare(one)));
        let spots = gone.map(|one| Spot::new(one.place, &policy.files, before).to_string());
        spots.collect::<BTreeSet<_>>()
    };
    let rows = [(true, "gone", missing(old, new, true)), (false, "new", missing(new, old, false))];
    for (widens, words, spots) in rows {
        if !spots.is_empty() {
            let spots = some_of(spots.iter().map(String::as_str));
            note(notes, widens, format!("`[[notify]]` rows that are {words}: {spots}"));
        }
    }
}

/// `[tokens]`: its cap is one of tokens that exist, too.
fn tokens(old: &Settings, new: &Settings, notes: &mut Vec<Note>) {
    match (&old.tokens, &new.tokens) {
        (None, None) => {}
        (None, Some(now)) => {
            let most = now.max_lifetime;
            let text = format!("`[tokens]` is set, was not: tokens are made, for {most} at most");
            note(notes, true, text);
        }
        (Some(before), None) => {
            let text = format!(
                "`[tokens]` is not set, was (`max-lifetime` {}): no token is made, and none that \
                 was made holds",
                before.max_lifetime
            );
            note(notes, false, text);
        }
        (Some(before), Some(now)) => {
            if before.max_lifetime != now.max_lifetime {
                let text = format!(
                    "`[tokens] max-lifetime` is {}, was {}: tokens hold at most so long",
                    now.max_lifetime, before.max_lifetime
                );
                note(notes, now.max_lifetime > before.max_lifetime, text);
            }
            let both = [before, now];
            let usual = both.map(|tokens| tokens.default_lifetime.to_string());
            let longer = now.default_lifetime > before.default_lifetime;
            setting(notes, longer, "`[tokens] default-lifetime`", usual);
            let urls = both.map(|tokens| or_not_set(tokens.url.as_deref().map(quoted)));
            setting(notes, false, "`[tokens] url`", urls);
        }
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
