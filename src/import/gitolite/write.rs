//! The policy's text.
//!
//! Repositories with the same entries share a scheme; what `repo @all` gives is the default scheme, which
//! the others extend where they have all of it.

use super::Options;
use super::overlap::Overlaps;
use super::push::Ground;
use super::world::{Class, DAEMONS, Site, World};
use crate::import::names::Names;
use crate::import::page::{Entry, comment, list, quoted};
use crate::import::perl::{Said, Set};
use crate::import::{Note, Notes, Place};
use crate::policy::entry::Permissions;
use crate::policy::tidy::tidy;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The text, and what everybody is called in it.
pub(super) struct Written {
    pub text: String,
    pub people: Names,
}

/// The group of all users, where roles need one.
const EVERYBODY: &str = "everybody";

/// A project that is to be written.
struct Project<'a> {
    name: String,
    scheme: String,
    site: &'a Site,
    has_paths: bool,
}

/// By name: own entries, and whether it extends the default scheme.
type Schemes = BTreeMap<String, (Vec<Entry>, bool)>;

struct Writer<'a> {
    world: &'a World<'a>,
    options: &'a Options,
    people: Names,
    groups: Names,
    roles: BTreeSet<String>,
}

pub(super) fn write(world: &World<'_>, options: &Options, notes: &mut Notes) -> Written {
    let mut roles = options.roles.clone();
    roles.insert("CREATOR".into());
    let mut people = Names::of_people();
    people.add(world.users.iter().map(String::as_str));
    let mut groups = Names::default();
    groups.reserve(EVERYBODY);
    groups.add(world.conf.groups.keys().map(|name| name.trim_start_matches('@')));
    let writer = Writer { world, options, people, groups, roles };
    writer.remarks(notes);
    let entries = writer.entries(notes);
    let (schemes, projects) = writer.projects(entries);
    let mut body = String::new();
    writer.users(&mut body);
    writer.user_groups(&mut body);
    writer.used_roles(&schemes, &mut body);
    write_schemes(&schemes, &mut body);
    projects.iter().for_each(|project| writer.project(project, &mut body));
    let mut text = String::new();
    head(&notes.clone().into_vec(), &options.main, &mut text);
    text.push_str(&body);
    let text = tidy(&text).unwrap_or(text);
    Written { text, people: writer.people }
}

fn head(notes: &[Note], main: &str, out: &mut String) {
    comment(out, &format!("Made of gitolite's {main} by `refwarden import gitolite`."));
    for (lost, title) in [(false, "Decided on the way:"), (true, "NOT CARRIED OVER:")] {
        let those: Vec<&Note> = notes.iter().filter(|note| note.lost == lost).collect();
        if !those.is_empty() {
            out.push_str("#\n");
            comment(out, title);
        }
        those.iter().for_each(|note| comment(out, &format!("- {note}")));
    }
    out.push_str("\nversion = 1\n\n");
    comment(out, "As long as gitolite opens the door. Later: \"ssh\", \"http\" (docs/doors.md).");
    out.push_str("[identity]\nsources = [\"gitolite\"]\n");
}

impl Writer<'_> {
    fn remarks(&self, notes: &mut Notes) {
        let whole = Place { file: self.options.main.as_str().into(), line: 0 };
        for (from, to) in self.people.changed() {
            notes.decided(&whole, format!("the user `{from}` is called `{to}`"));
        }
        let sets =
            || {
                self.world.conf.rules.iter().flat_map(|rule| {
                    rule.refs.iter().chain(&rule.paths).map(move |set| (set, rule))
                })
            };
        let changed: BTreeSet<&str> = self.people.changed().map(|(from, _)| from).collect();
        let odd = |name: &&String| {
            name.bytes().any(|b| !(b.is_ascii_alphanumeric() || b"-_".contains(&b)))
        };
        if let Some((_, rule)) = sets().find(|(set, _)| set.has_user()) {
            if !changed.is_empty() {
                let words = "`/USER/` stands for the new name of those whose name changed";
                notes.lost(&rule.place, words);
            }
            if let Some(user) = self.world.users.iter().find(odd) {
                let words = format!(
                    "`/USER/` is taken literally; gitolite reads `{user}` as an expression"
                );
                notes.decided(&rule.place, words);
            }
        }
        let every = |set: &Set| set.branches().any(|branch| branch.refs() == Said::All);
        let wide = self
            .world
            .conf
            .rules
            .iter()
            .find(|rule| rule.perm.writes() && rule.refs.iter().any(every));
        if let Some(rule) = wide.filter(|_| self.options.folders.is_empty()) {
            let words = "a rule about every ref covers heads and tags; refs elsewhere, as refs/notes, \
                         only where --refs names their folder";
            notes.decided(&rule.place, words);
        }
        if let Some(rule) =
            self.world.conf.rules.iter().find(|rule| rule.repos.contains("gitolite-admin"))
        {
            let words = "a push to gitolite-admin changes gitolite's rules, not this policy; \
                         who may change it owns its file";
            notes.decided(&rule.place, words);
        }
    }

    fn entries(&self, notes: &mut Notes) -> Vec<(&Site, BTreeSet<Entry>)> {
        let overlaps = Overlaps::default();
        let mut known: BTreeMap<&Class, BTreeSet<Entry>> = BTreeMap::new();
        let mut all = Vec::new();
        for site in &self.world.sites {
            if !known.contains_key(&site.class) {
                known.insert(&site.class, self.of_class(&site.class, &overlaps, notes));
            }
            all.push((site, known.get(&site.class).cloned().unwrap_or_default()));
        }
        all
    }

    fn of_class(&self, class: &Class, overlaps: &Overlaps, notes: &mut Notes) -> BTreeSet<Entry> {
        let ground = Ground {
            world: self.world,
            class,
            rules: self.world.rules(class).collect(),
            people: self.world.everybody(class, &self.roles),
            overlaps,
            folders: &self.options.folders,
        };
        let pushes = ground.entries(notes);
        let mut entries = ground.read_entries(&pushes);
        entries.extend(pushes);
        entries.extend(ground.path_entries(notes));
        let named = entries.into_iter().filter_map(|entry| self.with_holders(entry));
        joined(named.collect())
    }

    /// The entry with holders in place of gitolite's words; `None` where it is about nobody.
    fn with_holders(&self, mut entry: Entry) -> Option<Entry> {
        for key in ["to", "except"] {
            let Some(words) = entry.lists.remove(key) else { continue };
            let holders: Vec<String> = words.iter().filter_map(|word| self.holder(word)).collect();
            if key == "to" && holders.is_empty() {
                return None;
            }
            entry.add(key, holders);
        }
        Some(entry)
    }

    fn holder(&self, word: &str) -> Option<String> {
        let Some(name) = word.strip_prefix('@') else {
            return (!DAEMONS.contains(&word)).then(|| self.people.get(word).map(str::to_owned))?;
        };
        if name == "all" {
            return Some("authenticated".into());
        }
        if self.roles.contains(name) {
            return Some(format!("role:{}", role_name(name)));
        }
        let group = self.groups.get(name).filter(|_| !self.world.members(word).is_empty());
        group.map(|group| format!("@{group}"))
    }

    fn projects<'s>(&self, all: Vec<(&'s Site, BTreeSet<Entry>)>) -> (Schemes, Vec<Project<'s>>) {
        let default =
            all.iter().find(|(site, _)| site.everything).map(|(_, entries)| entries.clone());
        let default = default.unwrap_or_default();
        let mut names = Names::default();
        let mut projects = Vec::new();
        let mut by_content: BTreeMap<BTreeSet<Entry>, String> = BTreeMap::new();
        let mut scheme_names = Names::default();
        scheme_names.reserve("default");
        by_content.insert(default.clone(), "default".into());
        for (site, entries) in all {
            let name = names.fresh(&self.title(site));
            let has_paths = entries.iter().any(has_paths);
            let scheme = by_content.entry(entries).or_insert_with(|| scheme_names.fresh(&name));
            projects.push(Project { name, scheme: scheme.clone(), site, has_paths });
        }
        let schemes = by_content.into_iter().map(|(entries, name)| {
            let extends = name != "default" && !default.is_empty() && default.is_subset(&entries);
            let own = entries.into_iter().filter(|entry| !extends || !default.contains(entry));
            let mut own: Vec<Entry> = own.collect();
            own.sort_by(|one, other| (one.forbid, &one.places).cmp(&(other.forbid, &other.places)));
            (name, (own, extends))
        });
        (schemes.collect(), projects)
    }

    /// What a project is called before it is a name: its only repository, the group of all of them, or
    /// the first.
    fn title(&self, site: &Site) -> String {
        if site.everything {
            return "everything".into();
        }
        let groups = self.world.rules(&site.class).flat_map(|rule| &rule.repos);
        let mut groups = groups.filter(|key| key.starts_with('@') && *key != "@all");
        let has_all = |group: &&String| {
            let members = self.world.conf.groups.get(*group);
            members
                .is_some_and(|group| site.names.iter().all(|name| group.members.contains_key(name)))
        };
        match (site.names.as_slice(), groups.find(has_all)) {
            ([_, _, ..], Some(group)) => group.trim_start_matches('@').to_owned(),
            (names, _) => {
                let first = names.first().map(String::as_str).unwrap_or_default();
                first.trim_end_matches(['*', '/']).to_owned()
            }
        }
    }

    fn users(&self, out: &mut String) {
        out.push('\n');
        for user in &self.world.users {
            let name = self.people.get(user).unwrap_or_default();
            let _ = writeln!(out, "[users.{}]", key(name));
            if let Some(keys) = self.options.keys.get(user).filter(|keys| !keys.is_empty()) {
                let _ = writeln!(out, "ssh-keys = {}", list(keys));
            }
            if name != user {
                let _ = writeln!(out, "names = {{ gitolite = [{}] }}", quoted(user));
            }
        }
    }

    fn user_groups(&self, out: &mut String) {
        let mut open: Vec<String> = self.world.groups.iter().cloned().collect();
        let mut done: BTreeMap<String, (Vec<String>, bool)> = BTreeMap::new();
        while let Some(group) = open.pop() {
            if done.contains_key(&group) || self.world.members(&group).is_empty() {
                continue;
            }
            let (members, flat) = self.group_members(&group);
            open.extend(members.iter().filter(|word| word.starts_with('@')).cloned());
            done.insert(group, (members, flat));
        }
        let everybody = self
            .world
            .sites
            .iter()
            .any(|site| site.roles.values().flatten().any(|word| word == "@all"));
        if everybody || !done.is_empty() {
            out.push_str("\n[groups]\n");
        }
        if everybody {
            comment(
                out,
                "members of roles are users and groups, so `@all` is a group of all users",
            );
            let all: Vec<String> =
                self.world.users.iter().filter_map(|user| self.holder(user)).collect();
            let _ = writeln!(out, "{EVERYBODY} = {}", list(&all));
        }
        for (group, (members, flat)) in done {
            let name = self.groups.get(group.trim_start_matches('@')).unwrap_or_default();
            if flat {
                comment(out, "groups in it stood for the members that they had then");
            }
            let members: Vec<String> =
                members.iter().filter_map(|word| self.holder(word)).collect();
            let _ = writeln!(out, "{} = {}", key(name), list(&members));
        }
    }

    /// Members as they were written, groups among them; or all users, where a group in it had fewer
    /// members when it was named than it has now.
    fn group_members(&self, name: &str) -> (Vec<String>, bool) {
        let Some(group) = self.world.conf.groups.get(name) else { return (Vec::new(), false) };
        let all = self.world.members(name);
        let nested = |word: &&String| {
            let inner = self.world.conf.groups.get(*word);
            inner.is_some_and(|inner| inner.order < group.order)
                && !self.world.members(word).is_empty()
        };
        let (groups, users): (Vec<&String>, Vec<&String>) = group
            .written
            .iter()
            .filter(|word| *word != "@all")
            .partition(|word| word.starts_with('@'));
        let mut reached: BTreeSet<&str> =
            groups.iter().flat_map(|word| self.world.members(word)).collect();
        reached.extend(users.iter().map(|user| user.as_str()).filter(|user| all.contains(user)));
        let empty = |word: &&&String| self.world.members(word).is_empty();
        if reached == all && groups.iter().filter(|word| !empty(word)).all(&nested) {
            let words = group.written.iter().filter(|word| {
                if word.starts_with('@') { nested(word) } else { all.contains(word.as_str()) }
            });
            return (words.cloned().collect(), false);
        }
        (all.into_iter().map(str::to_owned).collect(), !groups.is_empty())
    }

    fn used_roles(&self, schemes: &Schemes, out: &mut String) {
        let entries = schemes.values().flat_map(|(entries, _)| entries);
        let holders = entries.flat_map(|entry| entry.list("to").iter().chain(entry.list("except")));
        let mut used: BTreeSet<String> =
            holders.filter_map(|word| word.strip_prefix("role:").map(str::to_owned)).collect();
        let given = self.world.sites.iter().flat_map(|site| site.roles.keys());
        used.extend(given.map(|role| role_name(role)));
        if !used.is_empty() {
            out.push('\n');
        }
        for role in used {
            let _ = writeln!(out, "[roles.{}]", key(&role));
        }
    }

    fn project(&self, project: &Project<'_>, out: &mut String) {
        let name = key(&project.name);
        let _ = writeln!(out, "\n[projects.{name}]");
        let _ = writeln!(out, "repositories = {}", list(&project.site.names));
        if project.scheme != "default" {
            let _ = writeln!(out, "scheme = {}", quoted(&project.scheme));
        }
        if project.has_paths {
            let _ = writeln!(out, "base = {}", quoted(&self.options.base));
        }
        if project.site.roles.is_empty() {
            return;
        }
        let _ = writeln!(out, "[projects.{name}.roles]");
        for (role, members) in &project.site.roles {
            let members = members.iter().filter_map(|word| match word.as_str() {
                "@all" => Some(format!("@{EVERYBODY}")),
                word => self.holder(word),
            });
            let members: Vec<String> = members.collect();
            let _ = writeln!(out, "{} = {}", key(&role_name(role)), list(&members));
        }
    }
}

fn role_name(role: &str) -> String {
    let mut names = Names::default();
    names.name(&role.to_lowercase())
}

fn has_paths(entry: &Entry) -> bool {
    !entry.list("paths").is_empty() || !entry.list("except-paths").is_empty()
}

/// A name as a key of TOML.
fn key(name: &str) -> String {
    let bare =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if bare { name.to_owned() } else { quoted(name) }
}

/// Entries that say the same but for their actions, or but for their refs, as one.
fn joined(entries: Vec<Entry>) -> BTreeSet<Entry> {
    let mut by_lists: Vec<Entry> = Vec::new();
    for entry in entries {
        let reads = |entry: &Entry| entry.permissions.intersects(Permissions::READ);
        let same = |other: &&mut Entry| {
            other.forbid == entry.forbid
                && other.lists == entry.lists
                && reads(other) == reads(&entry)
        };
        match by_lists.iter_mut().find(same) {
            Some(other) => {
                other.permissions = other.permissions.with(entry.permissions);
                other.places.extend(entry.places);
            }
            None => by_lists.push(entry),
        }
    }
    let mut all: Vec<Entry> = Vec::new();
    for entry in by_lists {
        match all.iter_mut().find(|other| differ_by_refs(other, &entry)) {
            Some(other) => {
                for key in REFS {
                    other.add(key, entry.list(key).iter().cloned());
                }
                other.places.extend(entry.places);
            }
            None => all.push(entry),
        }
    }
    all.into_iter().collect()
}

const REFS: [&str; 3] = ["branches", "tags", "refs"];

fn differ_by_refs(one: &Entry, other: &Entry) -> bool {
    let rest = |entry: &Entry| {
        let mut rest = entry.lists.clone();
        REFS.iter().for_each(|key| _ = rest.remove(key));
        rest
    };
    let has = |entry: &Entry| REFS.iter().any(|key| !entry.list(key).is_empty());
    one.forbid == other.forbid
        && one.permissions == other.permissions
        && has(one)
        && has(other)
        && rest(one) == rest(other)
}

fn write_schemes(schemes: &Schemes, out: &mut String) {
    let (default, others): (Vec<_>, Vec<_>) =
        schemes.iter().partition(|(name, _)| *name == "default");
    for (name, (entries, extends)) in default.into_iter().chain(others) {
        let name = key(name);
        let _ = writeln!(out, "\n[schemes.{name}]");
        if *extends {
            out.push_str("extends = \"default\"\n");
        }
        if name == "default" && entries.is_empty() {
            out.push_str("description = \"nothing: no rule is about every repository\"\n");
        }
        entries.iter().for_each(|entry| entry.write(&name, out));
    }
}
