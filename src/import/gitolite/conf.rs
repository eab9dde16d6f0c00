//! What the lines of a configuration say: groups, rules, options.
//!
//! Knows the grammar and what of it is an error to gitolite; not what a rule means for a push.

use super::Wrong;
use super::lines::{Files, Line, RULE, gather};
use crate::import::perl::Set;
use crate::import::{Notes, Place};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};

/// The letters of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Perm(String);

impl Perm {
    pub(super) fn is_deny(&self) -> bool {
        self.0 == "-"
    }
    pub(super) fn reads(&self) -> bool {
        self.0.starts_with('R')
    }
    pub(super) fn writes(&self) -> bool {
        self.0.starts_with("RW")
    }
    pub(super) fn makes_repositories(&self) -> bool {
        self.0 == "C"
    }
    pub(super) fn has(&self, letter: char) -> bool {
        self.0.contains(letter)
    }
}

/// One rule.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub perm: Perm,
    /// Refs, each as the expression says.
    pub refs: Vec<Set>,
    /// Changed paths: `VREF/NAME/…`.
    pub paths: Vec<Set>,
    /// Whether something of it asks a program of gitolite's.
    pub programs: Vec<String>,
    /// Users, `@groups`, `@all`, `@ROLES`.
    pub users: Vec<String>,
    /// Names, patterns, `@groups`, `@all`.
    pub repos: BTreeSet<String>,
    pub place: Place,
}

/// `config` of some repositories.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub key: String,
    pub value: String,
    pub repos: BTreeSet<String>,
}

/// A group: of users, of repositories, or of refs.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    /// Its members, none of them a group, and the subconf that named each first.
    pub members: BTreeMap<String, String>,
    /// Its members as they were written, groups among them.
    pub written: Vec<String>,
    /// How many groups there were before it.
    pub order: usize,
}

/// A whole configuration.
#[derive(Debug, Clone, Default)]
pub(super) struct Conf {
    pub groups: BTreeMap<String, Group>,
    pub rules: Vec<Rule>,
    pub settings: Vec<Setting>,
}

pub(super) fn read(
    main: &str,
    files: &dyn Files,
    roles: &BTreeSet<String>,
    notes: &mut Notes,
) -> Result<Conf, Wrong> {
    let lines = gather(main, files, roles, notes)?;
    let mut reader = Reader {
        conf: Conf::default(),
        repos: BTreeSet::new(),
        subconf: "master".into(),
        forms: Forms::new()?,
        roles,
        notes,
    };
    lines.iter().try_for_each(|line| reader.line(line))?;
    Ok(reader.conf)
}

/// Names and patterns as gitolite takes them.
struct Forms {
    rule: Regex,
    group: Regex,
    config: Regex,
    name: Regex,
    pattern: Regex,
    user: Regex,
}

impl Forms {
    fn new() -> Result<Self, Wrong> {
        let form = |text: &str| Regex::new(text).map_err(|error| Wrong::inner(&error));
        Ok(Self {
            rule: form(RULE)?,
            group: form(r"^(@[^ ]+) = (.*)")?,
            config: form(r"^config (.+) = ?(.*)")?,
            name: form(r"^@?[0-9a-zA-Z][-0-9a-zA-Z._@/+]*$")?,
            pattern: form(r"^@?[\[0-9a-zA-Z][-0-9a-zA-Z._@/+\\^$|()\[\]*?{},]*$")?,
            user: form(r"^@?[0-9a-zA-Z][-0-9a-zA-Z._@+]*$")?,
        })
    }
}

/// Whether gitolite takes it for a repository's name rather than a pattern.
pub(super) fn is_plain(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    first && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._@/+".contains(&b))
}

/// Whether a pattern needs no `refs/heads/` before it.
fn is_full(text: &str) -> bool {
    text.starts_with("refs/") || text.starts_with("VREF/")
}

struct Reader<'a> {
    conf: Conf,
    repos: BTreeSet<String>,
    subconf: String,
    forms: Forms,
    roles: &'a BTreeSet<String>,
    notes: &'a mut Notes,
}

impl Reader<'_> {
    fn line(&mut self, line: &Line) -> Result<(), Wrong> {
        let place = &line.place;
        let parts = |form: &Regex| {
            let found = form.captures(&line.text)?;
            let part = |at: usize| found.get(at).map_or("", |part| part.as_str()).to_owned();
            Some((part(1), part(2), part(3)))
        };
        if let Some((name, members, _)) = parts(&self.forms.group) {
            return self.group(&name, &members, place);
        }
        if let Some(names) = line.text.strip_prefix("repo ") {
            return self.repositories(names, place);
        }
        if let Some((perm, refs, users)) = parts(&self.forms.rule) {
            return self.rule(Perm(perm), &refs, &users, place);
        }
        if let Some((key, value, _)) = parts(&self.forms.config) {
            let bare = value.trim_matches(['\'', '"']).to_owned();
            let repos = self.repos.clone();
            self.conf.settings.push(Setting { key, value: bare, repos });
        } else if let Some(name) = line.text.strip_prefix("subconf ") {
            name.clone_into(&mut self.subconf);
        } else if line.text.starts_with("macro ") {
            self.notes.lost(place, "macros are not read: write out what they stand for");
        } else {
            self.notes.decided(place, format!("`{}` says nothing to gitolite either", line.text));
        }
        Ok(())
    }

    fn group(&mut self, name: &str, members: &str, place: &Place) -> Result<(), Wrong> {
        if !self.forms.name.is_match(name) {
            return Err(Wrong::new(place, format!("`{name}` can't name a group")));
        }
        let words: Vec<String> = members.split_ascii_whitespace().map(str::to_owned).collect();
        if let Some(bad) = words.iter().find(|word| !self.forms.pattern.is_match(word)) {
            return Err(Wrong::new(place, format!("`{bad}` can't be in a group")));
        }
        let all = self.expanded(&words, place)?;
        let order = self.conf.groups.len();
        let group = self.conf.groups.entry(name.to_owned());
        let group = group.or_insert_with(|| Group { order, ..Group::default() });
        for member in all {
            group.members.entry(member).or_insert_with(|| self.subconf.clone());
        }
        for word in words {
            if !group.written.contains(&word) {
                group.written.push(word);
            }
        }
        Ok(())
    }

    /// Groups stand for the members that they have so far.
    fn expanded(&self, words: &[String], place: &Place) -> Result<Vec<String>, Wrong> {
        let mut all = Vec::new();
        for word in words {
            if !word.starts_with('@') || word == "@all" {
                all.push(word.clone());
                continue;
            }
            match self.conf.groups.get(word) {
                Some(group) => all.extend(group.members.keys().cloned()),
                None => return Err(Wrong::new(place, format!("there is no group `{word}` yet"))),
            }
        }
        Ok(all)
    }

    fn repositories(&mut self, names: &str, place: &Place) -> Result<(), Wrong> {
        self.repos.clear();
        let mut open: Vec<String> =
            names.split_ascii_whitespace().rev().map(str::to_owned).collect();
        while let Some(name) = open.pop() {
            if self.is_barred(&name) {
                if let Some(group) = self.conf.groups.get(&name) {
                    open.extend(group.members.keys().rev().cloned());
                    continue;
                }
                let words = format!(
                    "gitolite ignores `{name}` in the subconf `{}`, which has no say over it",
                    self.subconf
                );
                self.notes.decided(place, words);
                continue;
            }
            let name = name.strip_suffix(".git").unwrap_or(&name);
            if !self.forms.pattern.is_match(name) {
                return Err(Wrong::new(place, format!("`{name}` can't name a repository")));
            }
            self.repos.insert(name.to_owned());
        }
        Ok(())
    }

    /// A subconf speaks about what is called like it, and what the main file gave to its group.
    fn is_barred(&self, name: &str) -> bool {
        let own = format!("@{}", self.subconf);
        if self.subconf == "master" || self.subconf == name || own == name {
            return false;
        }
        let Some(group) = self.conf.groups.get(&own) else { return true };
        let given = group.members.iter().filter(|(_, by)| *by == "master").map(|(name, _)| name);
        let matches = |pattern: &String| {
            Set::read(&format!("^{pattern}$"), false).is_ok_and(|set| set.contains(name, None))
        };
        !given.into_iter().any(matches)
    }

    fn rule(&mut self, perm: Perm, refs: &str, users: &str, place: &Place) -> Result<(), Wrong> {
        let users: Vec<String> = users.split_ascii_whitespace().map(str::to_owned).collect();
        if let Some(bad) = users.iter().find(|user| !self.forms.user.is_match(user)) {
            return Err(Wrong::new(place, format!("`{bad}` can't name a user")));
        }
        let refs: Vec<String> = refs.split_ascii_whitespace().map(str::to_owned).collect();
        let mut refs = self.expanded(&refs, place)?;
        if refs.is_empty() {
            refs.push("refs/.*".into());
        }
        for text in refs.iter_mut().filter(|text| !is_full(text)) {
            text.insert_str(0, "refs/heads/");
        }
        if let Some(bad) = refs.iter().find(|text| !self.forms.pattern.is_match(text)) {
            return Err(Wrong::new(place, format!("`{bad}` can't be a pattern of refs")));
        }
        let nowhere: Vec<&String> = users.iter().filter(|user| self.is_nowhere(user)).collect();
        for user in nowhere {
            let words = format!(
                "`{user}` is no group of this configuration, so nobody; \
                 declare it in [groups] if GROUPLIST_PGM tells who is in it"
            );
            self.notes.decided(place, words);
        }
        if self.repos.is_empty() {
            return Ok(());
        }
        let (repos, place) = (self.repos.clone(), place.clone());
        let rule = Rule {
            perm,
            refs: Vec::new(),
            paths: Vec::new(),
            programs: Vec::new(),
            users,
            repos,
            place,
        };
        self.with_refs(rule, &refs);
        Ok(())
    }

    fn is_nowhere(&self, user: &str) -> bool {
        let Some(name) = user.strip_prefix('@') else { return false };
        name != "all" && !self.roles.contains(name) && !self.conf.groups.contains_key(user)
    }

    fn with_refs(&mut self, mut rule: Rule, refs: &[String]) {
        let mut broken = false;
        for text in refs {
            if let Some(path) = text.strip_prefix("VREF/NAME/") {
                // What the name of the user stands between is a part of the whole.
                let whole = format!("^VREF/NAME/{path}");
                match Set::read(&whole, true) {
                    Ok(set) => rule.paths.push(set),
                    Err(why) => broken |= self.broken(&rule, text, &why),
                }
            } else if text.starts_with("VREF/") {
                rule.programs.push(text.clone());
            } else {
                match Set::read(&format!("^{text}"), true) {
                    Ok(set) => rule.refs.push(set),
                    Err(why) => broken |= self.broken(&rule, text, &why),
                }
            }
        }
        if broken {
            // Less than gitolite allows, for what it would have matched can't be told.
            rule.perm = Perm("-".into());
            rule.refs = Set::read("^refs/", false).into_iter().collect();
            rule.paths.clear();
        }
        self.conf.rules.push(rule);
    }

    fn broken(&mut self, rule: &Rule, text: &str, why: &str) -> bool {
        if rule.perm.is_deny() || rule.perm.writes() {
            let words = format!(
                "`{text}` can't be said: {why}; from this rule on, nothing is open to those whom it names"
            );
            self.notes.lost(&rule.place, words);
            return true;
        }
        false
    }
}
