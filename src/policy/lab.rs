//! Random small policies for tests: few users, refs and paths, but every part of an entry.

use super::checks::{Check, Rule};
use super::entry::{Enforce, Entry, Holder, Kind, Permissions, Place};
use super::members::{Answers, lookups_of};
use super::model::{
    Approval, Entitlement, Grant, Group, Lookup, Member, Policy, Project, Scheme, User,
};
use super::name::{EntitlementName, GroupName, ProjectName, RoleName, SchemeName, UserName};
use super::pattern::Pattern;
use super::refs::{PathScope, RefPattern, RefScope, Space};
use super::span::Span;
use super::window::{Weekly, Window};
use chrono::{DateTime, Duration, Utc};

pub(crate) const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];
pub(crate) const REPOSITORIES: [&str; 6] = ["pay/x", "pay/y", "pay/y/z", "web/a", "web", "other"];
const BRANCHES: [&str; 8] = [
    "main",
    "release/*",
    "feature/**",
    "users/${user}/**",
    "**",
    "r*/a",
    "regex:^(main|release/a)$",
    "{main,feature/*}",
];
const TAGS: [&str; 3] = ["v*", "**", "regex:.*a"];
const REFS: [&str; 6] = [
    "refs/**",
    "refs/notes/**",
    "refs/heads/main",
    "regex:refs/.*/a",
    "refs/{notes,heads}/*",
    "refs/stash",
];
const PATHS: [&str; 6] = ["docs/**", "**/*.md", "src/*", "secret", "{a,b/*}/**", "regex:.*a"];

/// Splitmix64: the same seed gives the same policy.
pub(crate) struct Dice {
    state: u64,
    /// Whether no pattern may be a `regex:`.
    globs: bool,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed, globs: seed.is_multiple_of(2) }
    }
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }
    pub(crate) fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }
    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
    fn pattern(&mut self, from: &[&str]) -> Pattern {
        loop {
            let text = self.pick(from);
            if !(self.globs && text.starts_with("regex:")) {
                return pattern(text);
            }
        }
    }
    fn some<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.roll(most + 1)).map(|_| make(self)).collect()
    }
}

pub(crate) fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

pub(crate) fn group(name: &str) -> GroupName {
    GroupName::parse(name).unwrap()
}

pub(crate) fn project(name: &str) -> ProjectName {
    ProjectName::parse(name).unwrap()
}

pub(crate) fn scheme(name: &str) -> SchemeName {
    SchemeName::parse(name).unwrap()
}

pub(crate) fn entitlement_name(name: &str) -> EntitlementName {
    EntitlementName::parse(name).unwrap()
}

pub(crate) fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

pub(crate) fn now() -> DateTime<Utc> {
    "2026-11-23T08:00:00Z".parse().unwrap()
}

pub(crate) fn declared() -> User {
    User {
        place: Place { file: 0, line: 1 },
        full_name: None,
        service: false,
        owner: None,
        active: true,
        emails: vec![],
        ssh_keys: vec![],
        gpg_keys: vec![],
        unix: None,
        jira: None,
        names: Default::default(),
    }
}

/// What the holders may ask for in the project, approved by alice.
pub(crate) fn entitlement(name: &str, eligible: &[Holder], project: &str) -> Entitlement {
    let hour = Span::of_seconds(3600).unwrap();
    let entry = plain_entry(Kind::Entitlement(name.into()), Permissions::PUSH);
    Entitlement {
        description: None,
        entry: Entry { to: Some(eligible.to_vec()), ..entry },
        projects: [self::project(project)].into(),
        repositories: vec![],
        max_duration: hour,
        default_duration: hour,
        max_until: None,
        max_ahead: hour,
        max_uses: None,
        pending: hour,
        reason_required: true,
        ticket: None,
        ticket_status: vec![],
        approval: vec![Approval { from: vec![Holder::User(user("alice"))], count: 1 }],
        auto: None,
        break_glass: false,
        pin: false,
        extend: None,
    }
}

/// A check of that name with one rule, which applies everywhere.
pub(crate) fn check(name: &str, rule: Rule) -> Check {
    Check {
        name: name.into(),
        place: Place { file: 0, line: 1 },
        projects: Default::default(),
        repositories: vec![],
        refs: RefScope::default(),
        enforce: Enforce::Refuse,
        help: None,
        rules: vec![rule],
    }
}

pub(crate) fn plain_entry(kind: Kind, permissions: Permissions) -> Entry {
    Entry {
        kind,
        place: Place { file: 0, line: 1 },
        permissions,
        to: None,
        except: vec![],
        refs: RefScope::default(),
        paths: None,
        when: Window::default(),
        checks: vec![],
        reason: None,
        enforce: Enforce::Refuse,
        within: None,
    }
}

pub(crate) fn plain_project(repositories: &[&str], scheme_name: &str) -> Project {
    Project {
        place: Place { file: 0, line: 1 },
        title: None,
        repositories: repositories.iter().map(|text| pattern(text)).collect(),
        scheme: scheme(scheme_name),
        lead: None,
        base: None,
        jira_keys: vec![],
        jira_roles: None,
        read_needs: None,
        roles: Default::default(),
        enforce: Enforce::Refuse,
    }
}

pub(crate) fn on(space: Space, texts: &[&str]) -> Vec<RefPattern> {
    texts.iter().map(|text| RefPattern { space, pattern: pattern(text) }).collect()
}

fn ref_pattern(dice: &mut Dice) -> RefPattern {
    match dice.roll(4) {
        0 => RefPattern { space: Space::Tags, pattern: dice.pattern(&TAGS) },
        1 => RefPattern { space: Space::Refs, pattern: dice.pattern(&REFS) },
        _ => RefPattern { space: Space::Branches, pattern: dice.pattern(&BRANCHES) },
    }
}

/// `lookups`: whether membership that is looked up may stand here.
fn holder(dice: &mut Dice, lookups: bool) -> Holder {
    match dice.roll(if lookups { 8 } else { 6 }) {
        0 => Holder::User(user(dice.pick(&USERS))),
        1 => Holder::Group(group("core")),
        2 => Holder::Role(RoleName::parse("dev").unwrap()),
        3 => Holder::Lead,
        4 => Holder::Authenticated,
        5 => Holder::Group(group("outer")),
        6 => Holder::Group(group("staff")),
        _ => Holder::Group(group("wide")),
    }
}

fn window(dice: &mut Dice) -> Window {
    let hours = |dice: &mut Dice| now() + Duration::hours(dice.roll(7) as i64 - 2);
    Window {
        from: dice.one_in(6).then(|| hours(dice)),
        until: dice.one_in(6).then(|| hours(dice) + Duration::hours(2)),
        weekly: match dice.roll(10) {
            0 => vec![Weekly::parse("Mon-Fri 09:00-17:30").unwrap()],
            _ => vec![],
        },
        ..Window::default()
    }
}

pub(crate) fn entry(dice: &mut Dice, grant: Option<u32>) -> Entry {
    const SETS: [Permissions; 7] = [
        Permissions::PUSH,
        Permissions::WRITE,
        Permissions::CREATE,
        Permissions::UPDATE,
        Permissions::FORCE,
        Permissions::DELETE,
        Permissions::READ,
    ];
    let forbid = grant.is_none() && dice.one_in(3);
    let permissions = SETS[dice.roll(SETS.len())];
    let read = permissions == Permissions::READ;
    let some = dice.roll(3) + 1;
    let to = (0..some).map(|_| holder(dice, !forbid)).collect();
    let kind = match (grant, forbid) {
        (Some(number), _) => Kind::Grant(format!("g{number}").into()),
        (None, true) => Kind::Forbid,
        (None, false) => Kind::Permit,
    };
    let refs = match read {
        true => RefScope::default(),
        false => {
            RefScope { include: dice.some(2, ref_pattern), exclude: dice.some(1, ref_pattern) }
        }
    };
    let path = |dice: &mut Dice| dice.pattern(&PATHS);
    let paths = (!read && dice.one_in(4))
        .then(|| PathScope { include: dice.some(2, path), exclude: dice.some(1, path) });
    Entry {
        place: Place { file: 0, line: u32::try_from(dice.roll(1000)).unwrap() },
        to: if forbid && dice.one_in(2) { None } else { Some(to) },
        except: dice.some(1, |dice| holder(dice, forbid)),
        refs,
        paths,
        when: window(dice),
        enforce: match forbid && dice.one_in(4) {
            true => Enforce::Warn,
            false => Enforce::Refuse,
        },
        ..plain_entry(kind, permissions)
    }
}

pub(crate) fn policy(dice: &mut Dice) -> Policy {
    let mut policy = Policy { files: vec!["policy.toml".into()], ..Policy::default() };
    for name in USERS {
        let declared = User { active: !dice.one_in(6), ..declared() };
        if !dice.one_in(8) {
            policy.users.insert(user(name), declared);
        }
    }
    let member = |dice: &mut Dice| Member::User(user(dice.pick(&USERS)));
    let core = Group::Members(dice.some(2, member));
    let outer = Group::Members(vec![Member::Group(group("core")), member(dice)]);
    let wide = Group::Members(vec![Member::Group(group("staff")), member(dice)]);
    policy.groups = [
        (group("core"), core),
        (group("outer"), outer),
        (group("staff"), Group::Lookup(Lookup::Unix("staff".into()))),
        (group("wide"), wide),
    ]
    .into();
    for name in ["default", "strict"] {
        let entries = dice.some(4, |dice| entry(dice, None));
        policy.schemes.insert(scheme(name), Scheme { description: None, entries });
    }
    for (name, repositories) in
        [("PAY", &["pay/**"][..]), ("WEB", &["web/*", "pay/y"][..]), ("ALL", &["**"][..])]
    {
        if dice.one_in(5) {
            continue;
        }
        let scheme_name = dice.pick(&["default", "strict"]);
        let roles = dice.some(2, |dice| match dice.one_in(3) {
            true => Member::Group(group("core")),
            false => member(dice),
        });
        policy.projects.insert(
            project(name),
            Project {
                lead: dice.one_in(2).then(|| user(dice.pick(&USERS))),
                roles: [(RoleName::parse("dev").unwrap(), roles)].into(),
                enforce: if dice.one_in(8) { Enforce::Warn } else { Enforce::Refuse },
                ..plain_project(repositories, scheme_name)
            },
        );
    }
    policy.grants = (0..dice.roll(3))
        .map(|number| Grant {
            entry: entry(dice, Some(u32::try_from(number).unwrap())),
            projects: dice
                .some(1, |dice| project(dice.pick(&["PAY", "WEB"])))
                .into_iter()
                .collect(),
            repositories: dice.some(1, |dice| pattern(dice.pick(&["pay/*", "**", "web/{a}"]))),
        })
        .collect();
    policy
}

/// The same policy with something about it changed.
pub(crate) fn changed(policy: &Policy, dice: &mut Dice) -> Policy {
    let mut new = policy.clone();
    let other = self::policy(dice);
    for _ in 0..=dice.roll(2) {
        match dice.roll(7) {
            0 => new.users = other.users.clone(),
            1 => new.groups = other.groups.clone(),
            2 => new.projects = other.projects.clone(),
            3 => new.grants = other.grants.clone(),
            _ => {
                let name = scheme(dice.pick(&["default", "strict"]));
                let Some(of) = new.schemes.get_mut(&name) else { continue };
                let entries = &mut of.entries;
                if !entries.is_empty() && dice.one_in(2) {
                    let at = dice.roll(entries.len());
                    entries.remove(at);
                } else {
                    entries.push(entry(dice, None));
                }
            }
        }
    }
    new
}

/// What a look-up says about somebody who is, or is not, in the one looked-up group.
pub(crate) fn answers(policy: &Policy, member: bool) -> Answers {
    let asked = lookups_of(&policy.groups).into_values().flatten();
    asked.map(|group| (group.into(), Ok(member))).collect()
}
