use super::super::checks::{Merges, Rule, Search};
use super::super::entry::{Holder, Kind, Permissions};
use super::super::lab::{self, Dice, REPOSITORIES, USERS};
use super::super::model::{Grant, Group, Lookup, NoProject, Policy, Scheme, User, project_of};
use super::super::scope::{NoScope, Scopes};
use super::*;
use crate::decision::{Paths, Question, decide};
use crate::push::action::Action;
use chrono::Duration;
use proptest::prelude::*;

fn no_keys(_: &User) -> Result<Vec<String>, String> {
    Ok(vec![])
}

fn sources() -> Vec<SourceFile> {
    vec![SourceFile { name: "policy.toml".into(), sha256: [7; 32] }]
}

fn bytes(policy: &Policy) -> Vec<u8> {
    compile(policy, &sources(), None, &no_keys).unwrap()
}

fn open(bytes: &[u8]) -> Result<Compiled<&[u8]>, CompiledError> {
    Compiled::open(bytes, bytes.len() as u64)
}

fn question(action: Action, name: &str) -> Question<'_> {
    Question {
        action,
        name: name.as_bytes(),
        paths: Paths::Known(&[]),
        now: lab::now(),
        margin: Duration::zero(),
        horizon: Duration::minutes(5),
    }
}

/// A policy with something in every table.
fn small() -> Policy {
    let mut policy = lab::policy(&mut Dice::new(1));
    policy.users.clear();
    for name in ["alice", "bob", "17", "erin"] {
        policy.users.insert(lab::user(name), lab::declared());
    }
    let alice = policy.users.get_mut(&lab::user("alice")).unwrap();
    alice.names.insert("remote-user".into(), vec!["alice@EXAMPLE.ORG".into()]);
    alice.names.insert("gitea-deploy-key".into(), vec!["4".into()]);
    alice.unix = Some("git".into());
    alice.ssh_keys.push("key of alice".into());
    policy.users.get_mut(&lab::user("erin")).unwrap().active = false;
    let entry = lab::plain_entry(Kind::Permit, Permissions::PUSH);
    policy
        .schemes
        .insert(lab::scheme("default"), Scheme { description: None, entries: vec![entry] });
    policy.projects = [
        (lab::project("PAY"), lab::plain_project(&["pay/**", "x/{y}"], "default")),
        (lab::project("ALL"), lab::plain_project(&["**"], "default")),
        (lab::project("ONE"), lab::plain_project(&["pay/one", "pay/two/*"], "strict")),
    ]
    .into();
    policy.grants = vec![Grant {
        entry: lab::plain_entry(Kind::Grant("g".into()), Permissions::FORCE),
        projects: [lab::project("ONE")].into(),
        repositories: vec![lab::pattern("pay/*"), lab::pattern("pay/?")],
    }];
    let everybody = [Holder::Authenticated];
    let mut here = lab::entitlement("hotfix", &everybody, "ONE");
    here.repositories = vec![lab::pattern("pay/*"), lab::pattern("pay/{x,y}")];
    here.ticket = Some(lab::pattern("regex:PAY-[0-9]+"));
    policy.entitlements = [
        (lab::entitlement_name("hotfix"), here),
        (lab::entitlement_name("other"), lab::entitlement("other", &everybody, "ALL")),
    ]
    .into();
    policy.users.get_mut(&lab::user("bob")).unwrap().emails.push("Bob@Example.org".into());
    let mut of_one = lab::check("paths", Rule::MaxPathLength(200));
    of_one.projects = [lab::project("ONE")].into();
    of_one.repositories = vec![lab::pattern("pay/*"), lab::pattern("pay/{x,y}")];
    let mut of_some = lab::check("subject", Rule::Subject(Search("^PAY".into())));
    of_some.repositories = vec![lab::pattern("pay/**")];
    policy.checks = vec![of_one, lab::check("merges", Rule::Merges(Merges::None)), of_some];
    policy
}

#[test]
fn checks_are_found_where_they_apply_and_nowhere_else_in_the_order_of_the_policy() {
    let policy = small();
    let bytes = bytes(&policy);
    let compiled = open(&bytes).unwrap();
    let found = |project: &str, repository: &str| {
        let found = compiled.checks(&lab::project(project), repository.as_bytes()).unwrap();
        let names: Vec<&str> = found.iter().map(|check| &*check.name).collect();
        assert!(found.iter().all(|check| policy.checks.contains(check)));
        names.join(" ")
    };
    assert_eq!(found("ONE", "pay/one"), "paths merges subject", "each once");
    assert_eq!(found("ONE", "elsewhere"), "paths merges", "by its project");
    assert_eq!(found("PAY", "pay/x/y"), "merges subject");
    assert_eq!(found("ALL", "web"), "merges");
    let mut without = policy.clone();
    without.checks.clear();
    let other = self::bytes(&without);
    assert_ne!(open(&other).unwrap().digest(), compiled.digest());
    assert_eq!(open(&other).unwrap().checks(&lab::project("ONE"), b"pay/one"), Ok(vec![]));
}

#[test]
fn an_address_means_its_user_whatever_its_case() {
    let bytes = bytes(&small());
    let compiled = open(&bytes).unwrap();
    let bob = Some(lab::user("bob"));
    assert_eq!(compiled.by_email("bob@EXAMPLE.org").unwrap(), bob);
    assert_eq!(compiled.by_email("bob@example.org ").unwrap(), None);
    assert_eq!(compiled.by_email("").unwrap(), None);
}

#[test]
fn a_push_pays_nothing_for_checks_where_there_are_none() {
    let mut policy = small();
    policy.checks.clear();
    let bytes = bytes(&policy);
    let reader = Counting(&bytes, std::cell::Cell::new((0, 0)));
    let compiled = Compiled::open(&reader, bytes.len() as u64).unwrap();
    let before = reader.1.get();
    assert_eq!(compiled.checks(&lab::project("PAY"), b"pay/x"), Ok(vec![]));
    assert_eq!(reader.1.get(), before);
}

#[test]
fn people_are_found_by_the_names_that_the_sources_have_for_them() {
    let keys = |user: &User| Ok(user.ssh_keys.iter().map(|_| "SHA256:abc".into()).collect());
    let bytes = compile(&small(), &sources(), None, &keys).unwrap();
    let compiled = open(&bytes).unwrap();
    let who = |key: &str, name: &str| {
        compiled.by_external(key, name).unwrap().map(|user| user.to_string())
    };
    assert_eq!(who("remote-user", "alice@EXAMPLE.ORG").as_deref(), Some("alice"));
    assert_eq!(who("remote-user", "alice"), None, "the plain name is replaced");
    assert_eq!(who("remote-user", "alice@example.org"), None, "byte for byte");
    assert_eq!(who("gitea", "alice").as_deref(), Some("alice"));
    assert_eq!(who("remote-user", "bob").as_deref(), Some("bob"));
    assert_eq!(who("gitea-deploy-key", "4").as_deref(), Some("alice"));
    assert_eq!(who("gitea-deploy-key", "17"), None, "a number is not the user called so");
    assert_eq!((who("unix", "git"), who("unix", "alice")), (Some("alice".into()), None));
    assert_eq!(who("unix", "bob").as_deref(), Some("bob"));
    assert_eq!(who("gitea", "nobody"), None);
    assert_eq!(compiled.by_key("SHA256:abc").unwrap(), Some(lab::user("alice")));
    assert_eq!(compiled.by_key("SHA256:abd").unwrap(), None);
}

#[test]
fn an_external_name_that_means_two_users_is_refused() {
    let mut policy = small();
    let bob = policy.users.get_mut(&lab::user("bob")).unwrap();
    bob.names.insert("gitea".into(), vec!["alice".into()]);
    let bytes = bytes(&policy);
    assert!(open(&bytes).unwrap().by_external("gitea", "alice").is_err());
    let failing = |_: &User| Err("weak".to_owned());
    assert!(matches!(compile(&policy, &sources(), None, &failing), Err(CompileError::Key(..))));
}

#[test]
fn projects_are_found_as_in_the_policy() {
    let policy = small();
    let bytes = bytes(&policy);
    let compiled = open(&bytes).unwrap();
    for repository in ["pay/one", "pay/x", "pay/two/x", "pay/two", "x/y", "x", "", "a/b/c", "pay"] {
        let all = policy.projects.iter().map(|(name, p)| (name, p.repositories.as_slice()));
        let expected = project_of(repository.as_bytes(), all).cloned();
        let found = compiled.project_of(repository.as_bytes()).unwrap();
        assert_eq!(found.map(|(name, _)| name), expected, "{repository}");
    }
    let two = compiled.project_of(b"pay/two/x").unwrap();
    assert!(matches!(two, Err(NoProject::Ambiguous(..))));
    let (one, _) = compiled.project_of(b"pay/one").unwrap().unwrap();
    assert_eq!(compiled.grants(&one, b"pay/one").unwrap(), policy.grants, "once, not three times");
    assert_eq!(compiled.lookup(&lab::group("staff")).unwrap(), Some(Lookup::Unix("staff".into())));
    assert_eq!(compiled.lookup(&lab::group("core")).unwrap(), None);
    assert_eq!(compiled.ground(Some(&lab::user("erin")), b"pay/x"), Err(NoScope::InactiveUser));
    assert_eq!(compiled.ground(Some(&lab::user("zed")), b"pay/x"), Err(NoScope::UnknownUser));
    // Who it is comes before where.
    assert_eq!(compiled.ground(Some(&lab::user("zed")), b"nowhere"), Err(NoScope::UnknownUser));
}

#[test]
fn entitlements_are_found_where_they_apply_and_nowhere_else() {
    let policy = small();
    let bytes = bytes(&policy);
    let compiled = open(&bytes).unwrap();
    let found = |project: &str, repository: &str| {
        let found = compiled.entitlements(&lab::project(project), repository.as_bytes()).unwrap();
        for (name, one) in &found {
            assert_eq!(one, &policy.entitlements[name]);
        }
        found.into_iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(found("ONE", "pay/one"), "hotfix", "once, not three times");
    assert_eq!(found("ONE", "elsewhere"), "hotfix", "by its project");
    assert_eq!(found("PAY", "pay/x"), "hotfix", "by its repository");
    assert_eq!(found("PAY", "pay/x/y"), "");
    assert_eq!(found("ALL", "web"), "other");
    assert_eq!(found("ALL", "pay/x"), "hotfix other");
    let by_name = |name| compiled.entitlement(&lab::entitlement_name(name)).unwrap();
    assert_eq!(by_name("hotfix").as_ref(), policy.entitlements.get("hotfix"));
    assert_eq!(by_name("Hotfix"), None);
    let mut wider = policy.clone();
    wider.entitlements.get_mut("hotfix").unwrap().max_uses = Some(1);
    let other = self::bytes(&wider);
    assert_ne!(open(&other).unwrap().digest(), compiled.digest());
}

#[test]
fn a_push_pays_nothing_for_entitlements_of_other_projects() {
    let mut policy = small();
    for number in 0..500 {
        let name = format!("e{number}");
        let project = lab::project(&format!("P{number}"));
        let one = lab::entitlement(&name, &[Holder::Authenticated], project.as_str());
        policy.entitlements.insert(lab::entitlement_name(&name), one);
    }
    let bytes = bytes(&policy);
    let reader = Counting(&bytes, std::cell::Cell::new((0, 0)));
    let compiled = Compiled::open(&reader, bytes.len() as u64).unwrap();
    compiled.ground(Some(&lab::user("alice")), b"pay/x").unwrap();
    compiled.entitlements(&lab::project("PAY"), b"pay/x").unwrap();
    assert!(bytes.len() > 50_000, "{}", bytes.len());
    let (_, read) = reader.1.get();
    assert!(read < 10_000, "{read} of {} bytes", bytes.len());
}

#[test]
fn it_says_what_it_was_made_of() {
    let policy = small();
    let bytes = bytes(&policy);
    let compiled = open(&bytes).unwrap();
    assert_eq!(compiled.files(), sources());
    assert_eq!(compiled.settings(), &policy.settings);
    let whole = compiled.policy().unwrap();
    assert_eq!(format!("{whole:?}"), format!("{policy:?}"));
    let other = compile(&policy, &[], None, &no_keys).unwrap();
    assert_ne!(open(&other).unwrap().digest(), compiled.digest());
    assert_eq!(self::bytes(&policy), bytes, "the same policy gives the same bytes");
}

/// Everything that can be asked, as text.
fn everything(compiled: &Compiled<&[u8]>) -> Result<String, NoScope> {
    use std::fmt::Write;
    let mut out = format!("{:?} {:?}", compiled.settings(), compiled.files());
    for repository in REPOSITORIES {
        for user in USERS {
            let ground = compiled.ground(Some(&lab::user(user)), repository.as_bytes());
            match ground {
                Err(error @ (NoScope::Compiled(_) | NoScope::Broken(_))) => return Err(error),
                found => write!(out, "{found:?}").unwrap(),
            }
        }
        for project in ["PAY", "ALL", "ONE"] {
            let found = compiled.entitlements(&lab::project(project), repository.as_bytes())?;
            write!(out, "{found:?}").unwrap();
            let found = compiled.checks(&lab::project(project), repository.as_bytes())?;
            write!(out, "{found:?}").unwrap();
        }
    }
    for name in ["alice", "git", "4", "alice@EXAMPLE.ORG"] {
        for key in ["remote-user", "unix", "gitea-deploy-key"] {
            write!(out, "{:?}", compiled.by_external(key, name)?).unwrap();
        }
    }
    write!(out, "{:?}", compiled.lookup(&lab::group("staff"))?).unwrap();
    write!(out, "{:?}", compiled.by_email("bob@example.org")?).unwrap();
    write!(out, "{:?}{:?}", compiled.by_key("k")?, compiled.policy()?).unwrap();
    Ok(out)
}

#[test]
fn a_flipped_byte_refuses_or_means_the_same() {
    let whole = bytes(&small());
    let sound = everything(&open(&whole).unwrap()).unwrap();
    let (mut refused, mut same) = (0, 0);
    for at in 0..whole.len() {
        for flip in [0xff, 1 << (at % 8)] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            match open(&bytes).map_err(NoScope::from).and_then(|c| everything(&c)) {
                Err(_) => refused += 1,
                Ok(found) => {
                    assert_eq!(found, sound, "byte {at}");
                    same += 1;
                }
            }
        }
    }
    assert!(refused > same, "{refused} refused, {same} not looked at");
}

#[test]
fn a_cut_or_foreign_file_is_refused_with_words() {
    let whole = bytes(&small());
    for length in 0..whole.len() {
        assert!(open(&whole[..length]).is_err(), "{length} bytes");
    }
    let longer = [whole.as_slice(), b"x"].concat();
    assert!(open(&longer).is_err());
    assert_eq!(open(b"").unwrap_err(), CompiledError::NotOurs);
    assert_eq!(open(&[b'x'; 200]).unwrap_err(), CompiledError::NotOurs);
    let mut future = whole;
    future[8] = 9;
    assert_eq!(open(&future).unwrap_err(), CompiledError::Version(9));
    let lies = Compiled::open(future.as_slice(), u64::MAX);
    assert!(lies.is_err());
}

/// Counts the bytes that are read.
struct Counting<'a>(&'a [u8], std::cell::Cell<(usize, usize)>);

impl ReadAt for &Counting<'_> {
    fn read_at(&self, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
        let (reads, bytes) = self.1.get();
        self.1.set((reads + 1, bytes + length));
        self.0.read_at(offset, length)
    }
}

#[test]
fn a_push_reads_little_of_a_large_policy() {
    let mut policy = small();
    for number in 0..2000 {
        let name = format!("user{number}");
        policy.users.insert(lab::user(&name), lab::declared());
        let members = vec![super::super::model::Member::User(lab::user(&name))];
        policy.groups.insert(lab::group(&format!("g{}", number % 100)), Group::Members(members));
    }
    for number in 0..500 {
        let scheme = format!("s{number}");
        let entries = vec![lab::plain_entry(Kind::Permit, Permissions::PUSH); 20];
        policy.schemes.insert(lab::scheme(&scheme), Scheme { description: None, entries });
        let place = format!("team/p{number}/**");
        policy
            .projects
            .insert(lab::project(&format!("P{number}")), lab::plain_project(&[&place], &scheme));
    }
    let bytes = bytes(&policy);
    let counting = Counting(&bytes, Default::default());
    let compiled = Compiled::open(&counting, bytes.len() as u64).unwrap();
    let user = compiled.by_external("gitea", "user77").unwrap().unwrap();
    let ground = compiled.ground(Some(&user), b"team/p123/repo").unwrap();
    assert_eq!((ground.name, ground.entries.len()), (lab::project("P123"), 20));
    let (reads, read) = counting.1.get();
    assert!(reads <= 40 && read < 8192, "{reads} reads of {read} bytes, of {}", bytes.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn a_compiled_policy_decides_as_the_policy_itself(seed: u64) {
        let policy = lab::policy(&mut Dice::new(seed));
        let bytes = bytes(&policy);
        let compiled = open(&bytes).unwrap();
        let mut scopes = Scopes::new(&policy);
        for repository in REPOSITORIES {
            for name in USERS.into_iter().chain([""]) {
                let user = (!name.is_empty()).then(|| lab::user(name));
                let ground = compiled.ground(user.as_ref(), repository.as_bytes());
                let scope = scopes.scope(user.as_ref(), repository.as_bytes(), &[]);
                let (ground, (scope, project)) = match (ground, scope) {
                    (Ok(ground), Ok(scope)) => (ground, scope),
                    (Err(a), Err(b)) => { prop_assert_eq!(a, b); continue }
                    (a, b) => panic!("{a:?} but {b:?}"),
                };
                prop_assert_eq!(&ground.name, project);
                let other = ground.scope(compiled.settings(), &[]);
                prop_assert_eq!(scope.standing, other.standing);
                for action in Action::ALL {
                    for branch in ["refs/heads/main", "refs/heads/users/bob/x", "refs/notes/a"] {
                        for member in [false, true] {
                            let q = question(action, branch);
                            let answers = lab::answers(&policy, member);
                            let (a, b) = (decide(&scope, &q, &answers), decide(&other, &q, &answers));
                            prop_assert_eq!(a.verdict, b.verdict);
                            prop_assert_eq!(a.trace, b.trace);
                        }
                    }
                }
            }
        }
    }
}
