//! Which repositories have the same rules, and who there is.

use super::Options;
use super::conf::{Conf, Rule, is_plain};
use crate::import::perl::{Branch, Set};
use crate::import::{Notes, Place};
use crate::policy::diff::walk::{BAD_PATH, Machine, walk};
use std::collections::{BTreeMap, BTreeSet};

/// Users of gitolite's own, who are no people.
pub(super) const DAEMONS: [&str; 2] = ["daemon", "gitweb"];

/// Who has which role: users and `@groups`.
pub type Roles = BTreeMap<String, BTreeSet<String>>;

/// A repository that exists.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Who made it, of a wild one.
    pub creator: Option<String>,
    /// Who has which role in it: users and `@groups`.
    pub roles: Roles,
}

/// A list of rules with what decides how it is read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Class {
    /// Indexes of the rules, in order.
    pub rules: Vec<usize>,
    pub delete_is_d: bool,
    pub create_is_c: bool,
    pub merge_check: bool,
    pub deny_rules: bool,
}

/// Somebody whom the rules can tell from others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Person {
    /// `None` is any other user.
    pub name: Option<String>,
    pub roles: BTreeSet<String>,
}

/// Repositories of one class.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub class: Class,
    /// Names, and globs.
    pub names: Vec<String>,
    /// Who has which role: `CREATOR` included.
    pub roles: Roles,
    /// Whether it is the one of `repo @all`, or of a pattern that matches everything.
    pub everything: bool,
}

pub(super) struct World<'c> {
    pub conf: &'c Conf,
    pub users: BTreeSet<String>,
    /// Groups that stand where users do.
    pub groups: BTreeSet<String>,
    pub sites: Vec<Site>,
}

impl<'c> World<'c> {
    pub(super) fn new(conf: &'c Conf, options: &Options, notes: &mut Notes) -> Self {
        let mut world =
            Self { conf, users: BTreeSet::new(), groups: BTreeSet::new(), sites: Vec::new() };
        world.people(options, notes);
        world.repositories(options, notes);
        world
    }

    fn people(&mut self, options: &Options, notes: &mut Notes) {
        let all = self
            .conf
            .rules
            .iter()
            .flat_map(|rule| rule.users.iter().map(move |user| (user.as_str(), &rule.place)));
        let told = options.found.iter().flat_map(|one| one.roles.values().flatten());
        let mut named: BTreeSet<&str> = told.map(String::as_str).collect();
        for (user, place) in all {
            if DAEMONS.contains(&user) {
                let words = format!("`{user}` is a program of the server, whom no policy knows");
                notes.lost(place, words);
            } else {
                named.insert(user);
            }
        }
        for user in named {
            match self.conf.groups.get(user) {
                None if user.starts_with('@') => {}
                None => _ = self.users.insert(user.to_owned()),
                Some(group) => {
                    self.groups.insert(user.to_owned());
                    let people = group.members.keys().filter(|name| is_user(name));
                    self.users.extend(people.cloned());
                }
            }
        }
        self.users.extend(options.keys.keys().cloned());
        self.users.extend(options.found.iter().filter_map(|one| one.creator.clone()));
    }

    /// Who is in a group, users of gitolite's own left out.
    pub(super) fn members(&self, group: &str) -> BTreeSet<&'c str> {
        let members = self.conf.groups.get(group).into_iter().flat_map(|g| g.members.keys());
        members.map(String::as_str).filter(|name| is_user(name)).collect()
    }

    /// Whether somebody is meant by a word of a rule.
    pub(super) fn is_meant(&self, person: &Person, word: &str) -> bool {
        match (word.strip_prefix('@'), &person.name) {
            (Some("all"), _) => true,
            (Some(role), _) if person.roles.contains(role) => true,
            (Some(_), Some(name)) => {
                self.conf.groups.get(word).is_some_and(|group| group.members.contains_key(name))
            }
            (None, Some(name)) => word == name,
            (_, None) => false,
        }
    }

    pub(super) fn is_in(&self, person: &Person, words: &[String]) -> bool {
        words.iter().any(|word| self.is_meant(person, word))
    }

    /// Everybody whom the rules of a class may tell apart.
    pub(super) fn everybody(&self, class: &Class, roles: &BTreeSet<String>) -> Vec<Person> {
        let used: BTreeSet<&str> = self
            .rules(class)
            .flat_map(|rule| &rule.users)
            .filter_map(|word| word.strip_prefix('@'))
            .filter(|word| roles.contains(*word))
            .collect();
        let mut sets: Vec<BTreeSet<String>> = vec![BTreeSet::new()];
        for role in used.into_iter().take(6) {
            let more: Vec<BTreeSet<String>> = sets
                .iter()
                .map(|set| {
                    let mut set = set.clone();
                    set.insert(role.to_owned());
                    set
                })
                .collect();
            sets.extend(more);
        }
        let names = self.users.iter().cloned().map(Some).chain([None]);
        names
            .flat_map(|name| {
                sets.iter().map(move |roles| Person { name: name.clone(), roles: roles.clone() })
            })
            .collect()
    }

    pub(super) fn rules(&self, class: &Class) -> impl Iterator<Item = &'c Rule> {
        class.rules.iter().filter_map(|index| self.conf.rules.get(*index))
    }

    fn keys(&self) -> BTreeSet<&'c str> {
        self.conf.rules.iter().flat_map(|rule| &rule.repos).map(String::as_str).collect()
    }

    /// Patterns over repositories, each with where it is used first.
    fn patterns(&self) -> BTreeMap<&'c str, Place> {
        let mut found = BTreeMap::new();
        for rule in &self.conf.rules {
            let groups = rule.repos.iter().filter_map(|key| self.conf.groups.get(key));
            let inner = groups.flat_map(|group| group.members.keys());
            for key in rule.repos.iter().chain(inner) {
                if !key.starts_with('@') && !is_plain(key) {
                    found.entry(key.as_str()).or_insert_with(|| rule.place.clone());
                }
            }
        }
        found
    }

    fn repositories(&mut self, options: &Options, notes: &mut Notes) {
        let patterns = Patterns::new(self.patterns(), notes);
        let mut all: BTreeMap<String, Found> = BTreeMap::new();
        let keys = self.keys();
        let grouped = keys.iter().filter_map(|key| self.conf.groups.get(*key));
        let grouped = grouped.flat_map(|group| group.members.keys()).map(String::as_str);
        for name in keys.iter().copied().chain(grouped) {
            if is_plain(name) && !name.starts_with("EXTCMD/") {
                all.insert(name.into(), Found { name: name.into(), ..Found::default() });
            }
        }
        for found in &options.found {
            all.insert(found.name.clone(), found.clone());
        }
        let mut sites: BTreeMap<(Class, Roles), Vec<String>> = BTreeMap::new();
        for found in all.into_values() {
            let class = self.class(&self.selectors(&found, &patterns));
            let used = self.roles_of(&class);
            let mut roles = found.roles;
            if let Some(creator) = found.creator {
                roles.entry("CREATOR".into()).or_default().insert(creator);
            }
            roles.retain(|role, _| used.contains(role));
            sites.entry((class, roles)).or_default().push(found.name);
        }
        for ((class, roles), names) in sites {
            self.sites.push(Site { class, names, roles, everything: false });
        }
        self.wild(&patterns, notes);
        self.roles_are_told(options, notes);
    }

    fn roles_of(&self, class: &Class) -> BTreeSet<String> {
        let words = self.rules(class).flat_map(|rule| &rule.users);
        words.filter_map(|word| word.strip_prefix('@')).map(str::to_owned).collect()
    }

    fn roles_are_told(&self, options: &Options, notes: &mut Notes) {
        for rule in &self.conf.rules {
            if rule.perm.makes_repositories() {
                let words = "who may make repositories by pushing to them is not a policy's matter";
                notes.lost(&rule.place, words);
            }
            let is_role = |word: &&String| {
                word.strip_prefix('@')
                    .is_some_and(|role| role == "CREATOR" || options.roles.contains(role))
            };
            if let Some(role) = rule.users.iter().find(is_role).filter(|_| options.found.is_empty())
            {
                let words = format!(
                    "who is `{}` in which repository stands in the repositories: give --root",
                    role.trim_start_matches('@')
                );
                notes.lost(&rule.place, words);
            }
        }
    }

    /// Everything by which rules may name a repository.
    fn selectors(&self, found: &Found, patterns: &Patterns) -> BTreeSet<String> {
        let mut names = vec![found.name.clone()];
        names.extend(found.creator.as_ref().and_then(|creator| generic(&found.name, creator)));
        let mut all: BTreeSet<String> = BTreeSet::from([found.name.clone(), "@all".to_owned()]);
        let matching = patterns.all.iter().filter(|(_, set)| {
            set.as_ref().is_some_and(|set| names.iter().any(|name| set.contains(name, None)))
        });
        all.extend(matching.map(|(text, _)| text.clone()));
        self.with_groups(all, &names)
    }

    fn with_groups(&self, mut all: BTreeSet<String>, names: &[String]) -> BTreeSet<String> {
        let named: Vec<String> = all.iter().chain(names).cloned().collect();
        for (group, content) in &self.conf.groups {
            if named.iter().any(|name| name != "@all" && content.members.contains_key(name)) {
                all.insert(group.clone());
            }
        }
        all
    }

    fn class(&self, selectors: &BTreeSet<String>) -> Class {
        let is_here = |repos: &BTreeSet<String>| repos.iter().any(|key| selectors.contains(key));
        let rules = (0..).zip(&self.conf.rules).filter(|(_, rule)| is_here(&rule.repos));
        let option = |name: &str| {
            let key = format!("gitolite-options.{name}");
            let set =
                self.conf.settings.iter().rev().find(|one| one.key == key && is_here(&one.repos));
            set.is_some_and(|one| !matches!(one.value.as_str(), "" | "0"))
        };
        Class {
            rules: rules.map(|(index, _)| index).collect(),
            delete_is_d: option("DELETE_IS_D"),
            create_is_c: option("CREATE_IS_C"),
            merge_check: option("MERGE_CHECK"),
            deny_rules: option("deny-rules"),
        }
    }

    /// Repositories that are named by patterns, and those that only `@all` names.
    fn wild(&mut self, patterns: &Patterns, notes: &mut Notes) {
        let mut sites: BTreeMap<Class, Vec<String>> = BTreeMap::new();
        let mut dropped = false;
        let classes = patterns.classes();
        for (index, (text, set)) in patterns.all.iter().enumerate() {
            let place = patterns.places.get(text);
            let Some((set, place)) = set.as_ref().zip(place) else {
                dropped = true;
                continue;
            };
            match self.glob_of(index, text, set, patterns, classes.as_deref()) {
                Ok((class, globs)) => sites.entry(class).or_default().extend(globs),
                Err(words) => {
                    dropped = true;
                    notes.lost(place, words);
                }
            }
        }
        let all = self.conf.rules.iter().find(|rule| rule.repos.contains("@all"));
        let has_all = sites.values().flatten().any(|glob| glob == "**");
        match all {
            Some(rule) if dropped => {
                let words = "repositories that no name and no pattern of the policy names have no rules, \
                             for some of them have further ones";
                notes.lost(&rule.place, words);
            }
            Some(_) if !has_all => {
                let class = self.class(&BTreeSet::from(["@all".to_owned()]));
                sites.entry(class).or_default().push("**".into());
            }
            _ => {}
        }
        for (class, names) in sites {
            let everything = names.iter().any(|glob| glob == "**");
            self.sites.push(Site { class, names, roles: BTreeMap::new(), everything });
        }
    }

    fn glob_of(
        &self,
        index: usize,
        text: &str,
        set: &Set,
        patterns: &Patterns,
        classes: Option<&[BTreeSet<usize>]>,
    ) -> Result<(Class, Vec<String>), String> {
        if text.contains("CREATOR") {
            return Err(format!(
                "`{text}`: repositories made from now on, for no pattern holds who made them"
            ));
        }
        let globs: Option<Vec<Vec<String>>> = set.branches().map(Branch::globs).collect();
        let Some(globs) = globs else {
            return Err(format!("`{text}`: repositories made from now on, for no glob says this"));
        };
        let too_many = || format!("`{text}`: the patterns over repositories can't be compared");
        let with = classes.ok_or_else(too_many)?.iter().filter(|set| set.contains(&index));
        let mut classes: BTreeSet<Class> = BTreeSet::new();
        for matched in with {
            let names = patterns.all.iter().enumerate().filter(|(at, _)| matched.contains(at));
            let mut all: BTreeSet<String> = names.map(|(_, (text, _))| text.clone()).collect();
            all.insert("@all".into());
            classes.insert(self.class(&self.with_groups(all, &[])));
        }
        match (classes.len(), classes.pop_first()) {
            (1, Some(class)) => Ok((class, globs.concat())),
            (0, _) => Err(format!("`{text}` matches no repository that there can be")),
            _ => Err(format!(
                "`{text}`: repositories made from now on, for some of them match other patterns too"
            )),
        }
    }
}

/// Whether a member of a group is a user that a policy can know.
fn is_user(name: &str) -> bool {
    !name.starts_with('@')
        && !DAEMONS.contains(&name)
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._@+".contains(&b))
}

/// The name with `CREATOR` for who made it, once.
fn generic(name: &str, creator: &str) -> Option<String> {
    let found = regex::Regex::new(&format!(r"(?-u:\b){creator}(?-u:\b)")).ok()?.find(name)?;
    let (before, after) = (name.get(..found.start())?, name.get(found.end()..)?);
    Some(format!("{before}CREATOR{after}"))
}

struct Patterns {
    all: Vec<(String, Option<Set>)>,
    places: BTreeMap<String, Place>,
}

impl Patterns {
    fn new(found: BTreeMap<&str, Place>, notes: &mut Notes) -> Self {
        let mut all = Vec::new();
        for (text, place) in &found {
            let set = Set::read(&format!("^{text}$"), false);
            if let Err(why) = &set {
                notes.lost(place, format!("`{text}` can't be said: {why}"));
            }
            all.push(((*text).to_owned(), set.ok()));
        }
        let places = found.into_iter().map(|(text, place)| (text.to_owned(), place)).collect();
        Self { all, places }
    }

    /// Which patterns a repository may match together.
    fn classes(&self) -> Option<Vec<BTreeSet<usize>>> {
        let nothing = || r"[^\x00-\xff]".to_owned();
        let mut texts = vec![BAD_PATH.to_owned()];
        texts.extend(
            self.all
                .iter()
                .map(|(_, set)| set.as_ref().map_or_else(nothing, |set| set.to_regex(None))),
        );
        let machine = Machine::new(&texts).ok()?;
        let alphabet: Vec<u8> =
            (b'a'..=b'z').chain(b'A'..=b'Z').chain(b'0'..=b'9').chain(*b"/-._@+").collect();
        let real = |_: &[u8], found: &[usize]| (!found.contains(&0)).then_some(());
        let found = walk(b"", &alphabet, (&machine, None), real).ok()?;
        let each = found
            .into_iter()
            .map(|one| one.first.into_iter().filter_map(|at| at.checked_sub(1)).collect());
        Some(each.collect())
    }
}
