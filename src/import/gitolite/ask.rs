//! The questions by which a configuration and the policy made of it are compared.
//!
//! One ref and one path for every way in which rules or entries can cover them, for every person and
//! repository that either knows by name. Knows what gitolite's answers mean for a push; not how it is
//! asked.

use super::Options;
use super::world::World;
use super::write::Written;
use crate::import::perl::Set;
use crate::policy::diff::classes;
use crate::policy::diff::walk::{BAD_PATH, BAD_REF, Machine, walk};
use crate::policy::entry::Entry;
use crate::policy::name::UserName;
use crate::policy::refs::ChangedPath;
use crate::policy::scope::Scopes;
use crate::push::Action;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Most questions about one configuration.
pub const MAX_QUESTIONS: usize = 4_000_000;

/// The ref by which gitolite asks before it knows one.
pub const ANY: &str = "any";

/// What can be asked about a configuration.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    sites: Vec<Site>,
    /// What gitolite calls people, and what the policy does.
    users: Vec<(String, UserName)>,
    folders: Vec<String>,
}

#[derive(Debug, Clone)]
struct Site {
    repositories: Vec<String>,
    refs: Vec<Set>,
    paths: Vec<Set>,
}

/// How gitolite answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A rule allows it.
    Allowed,
    /// A rule denies it, or it can't be asked.
    Denied,
    /// No rule speaks: a refusal about a ref, and none about a path.
    Silent,
}

/// What gitolite is asked: its letter, a ref or `VREF/NAME/path`, a repository, a user.
pub type Key = (&'static str, String);

/// Questions about one repository and person.
#[derive(Debug, Clone)]
pub struct Case {
    /// The repository.
    pub repository: String,
    /// What gitolite calls the person.
    pub user: String,
    /// What the policy does.
    pub name: UserName,
    /// What is done.
    pub action: Action,
    /// To which ref; empty for reading.
    pub reference: String,
    /// What it changes.
    pub path: Option<String>,
}

impl Case {
    /// gitolite's verdict, by its answers.
    pub fn verdict(&self, answer: impl Fn(&Key) -> Answer) -> bool {
        let allowed = |letter, on: &str| answer(&(letter, on.to_owned())) == Answer::Allowed;
        let letter = letter(self.action);
        if self.action == Action::Read {
            return allowed("R", ANY);
        }
        let path = self
            .path
            .as_ref()
            .is_none_or(|path| answer(&(letter, format!("VREF/NAME/{path}"))) != Answer::Denied);
        allowed("W", ANY) && allowed(letter, &self.reference) && path
    }

    /// The changed path, as the decision takes it.
    #[must_use]
    pub fn changed(&self) -> Vec<ChangedPath> {
        let path = self.path.iter();
        path.map(|path| ChangedPath { path: path.clone().into_bytes(), link: false }).collect()
    }
}

fn letter(action: Action) -> &'static str {
    match action {
        Action::Read => "R",
        Action::Create => "C",
        Action::Update => "W",
        Action::Force => "+",
        Action::Delete => "D",
    }
}

/// Everything that is to be asked.
#[derive(Debug, Clone, Default)]
pub struct Questions {
    /// Each with its verdict to be compared.
    pub cases: Vec<Case>,
    /// What gitolite is to be asked, for all pairs.
    pub keys: BTreeSet<Key>,
    /// Repositories and people, as gitolite calls them.
    pub pairs: BTreeSet<(String, String)>,
    /// Whether there would be more.
    pub cut: bool,
}

impl Asked {
    pub(super) fn new(world: &World<'_>, written: &Written, options: &Options) -> Self {
        let users = world.users.iter().filter_map(|user| {
            Some((user.clone(), UserName::parse(written.people.get(user)?).ok()?))
        });
        let sites = world.sites.iter().map(|site| Site {
            repositories: site.names.iter().filter(|name| !name.contains('*')).cloned().collect(),
            refs: world.rules(&site.class).flat_map(|rule| rule.refs.clone()).collect(),
            paths: world.rules(&site.class).flat_map(|rule| rule.paths.clone()).collect(),
        });
        let sites = sites.filter(|site| !site.repositories.is_empty());
        let folders = ["heads", "tags"].map(str::to_owned).into_iter();
        Self {
            sites: sites.collect(),
            users: users.collect(),
            folders: folders.chain(options.folders.iter().cloned()).collect(),
        }
    }

    /// All questions, with those that the policy's own patterns raise.
    #[must_use]
    pub fn questions(&self, scopes: &mut Scopes<'_>) -> Questions {
        let mut all = Questions::default();
        for site in &self.sites {
            let mut known: HashMap<Option<&str>, (BTreeSet<String>, BTreeSet<String>)> =
                HashMap::new();
            let names = site.refs.iter().chain(&site.paths).any(Set::has_user);
            for repository in &site.repositories {
                for (user, name) in &self.users {
                    let _ = scopes.scope(Some(name), repository.as_bytes(), &[]);
                    let entries = scopes.entries(repository.as_bytes());
                    let (refs, paths) =
                        known.entry(names.then_some(user.as_str())).or_insert_with(|| {
                            (
                                self.refs(&site.refs, &entries, user, name),
                                paths(site, &entries, user, name),
                            )
                        });
                    all.add((repository, user, name), refs, paths);
                }
            }
        }
        all
    }

    fn refs(
        &self,
        sets: &[Set],
        entries: &[&Entry],
        user: &str,
        name: &UserName,
    ) -> BTreeSet<String> {
        let mut texts = vec![BAD_REF.to_owned()];
        texts.extend(sets.iter().map(|set| set.to_regex(Some(user))).collect::<BTreeSet<_>>());
        let prefixes = self.folders.iter().map(|folder| format!("refs/{folder}/"));
        let mut found = examples(&texts, &prefixes.clone().collect::<Vec<_>>());
        let classes = classes::ref_names(entries, Some(name));
        found.extend(classes.iter().flat_map(|classes| classes.first().cloned()));
        let found = found.into_iter().filter_map(|name| String::from_utf8(name).ok());
        let prefixes: Vec<String> = prefixes.collect();
        found
            .filter(|name| {
                prefixes.iter().any(|prefix| name.starts_with(prefix)) && can_be_asked(name)
            })
            .collect()
    }
}

impl Questions {
    fn add(
        &mut self,
        (repository, user, name): (&str, &str, &UserName),
        refs: &BTreeSet<String>,
        paths: &BTreeSet<String>,
    ) {
        let case = |action, reference: &str, path: Option<&String>| Case {
            repository: repository.to_owned(),
            user: user.to_owned(),
            name: name.clone(),
            action,
            reference: reference.to_owned(),
            path: path.cloned(),
        };
        self.pairs.insert((repository.to_owned(), user.to_owned()));
        self.keys.extend([("R", ANY.to_owned()), ("W", ANY.to_owned())]);
        self.cases.push(case(Action::Read, "", None));
        for action in [Action::Create, Action::Update, Action::Force, Action::Delete] {
            let with_paths = action != Action::Delete;
            for reference in refs {
                // A tag that moves at all is forced to.
                if action == Action::Update && reference.starts_with("refs/tags/") {
                    continue;
                }
                self.keys.insert((letter(action), reference.clone()));
                self.cases.push(case(action, reference, None));
                for path in paths.iter().filter(|_| with_paths) {
                    self.keys.insert((letter(action), format!("VREF/NAME/{path}")));
                    self.cases.push(case(action, reference, Some(path)));
                }
            }
        }
        self.cut |= self.cases.len() > MAX_QUESTIONS;
        self.cases.truncate(MAX_QUESTIONS);
    }
}

/// gitolite takes no others on its command line.
fn can_be_asked(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._@/+".contains(&b))
}

fn paths(site: &Site, entries: &[&Entry], user: &str, name: &UserName) -> BTreeSet<String> {
    if site.paths.is_empty() {
        return BTreeSet::new();
    }
    let mut texts = vec![r"[^\x00-\xff]".to_owned()];
    texts.extend(site.paths.iter().map(|set| set.to_regex(Some(user))).collect::<BTreeSet<_>>());
    let found = examples(&texts, &["VREF/NAME/".to_owned()]);
    let mut all: BTreeSet<Vec<u8>> = found
        .iter()
        .filter_map(|name| name.strip_prefix(b"VREF/NAME/".as_slice()))
        .map(<[u8]>::to_vec)
        .collect();
    let own = classes::paths(entries, Some(name));
    let own = own.iter().flat_map(|classes| classes.first().cloned());
    all.extend(own.filter(|path| !path.link).map(|path| path.path));
    let bad = regex::bytes::Regex::new(BAD_PATH).ok();
    let real = |path: &String| {
        can_be_asked(path) && bad.as_ref().is_some_and(|bad| !bad.is_match(path.as_bytes()))
    };
    all.into_iter().filter_map(|path| String::from_utf8(path).ok()).filter(real).collect()
}

/// A name for every way in which the expressions can match, the first one left out.
fn examples(texts: &[String], prefixes: &[String]) -> BTreeSet<Vec<u8>> {
    let Ok(machine) = Machine::new(texts) else { return BTreeSet::new() };
    let alphabet: Vec<u8> =
        (b'a'..=b'z').chain(b'0'..=b'9').chain(b'A'..=b'Z').chain(*b"/-_.@+").collect();
    let real = |_: &[u8], found: &[usize]| (!found.contains(&0)).then_some(());
    let all = prefixes
        .iter()
        .filter_map(|prefix| walk(prefix.as_bytes(), &alphabet, (&machine, None), real).ok());
    all.flatten().map(|found| found.name).collect()
}

/// Answers of gitolite by what was asked, repository and user.
pub type Answers = BTreeMap<Key, HashMap<(String, String), Answer>>;
