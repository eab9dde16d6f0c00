//! A whole policy from any text: valid ones mean the same compiled, invalid ones say why, in
//! printable ASCII.
#![no_main]

use chrono::{DateTime, Duration, Utc};
use libfuzzer_sys::fuzz_target;
use refwarden::decision::{Paths, Question, Verdict, decide, needs};
use refwarden::policy::compiled::{Compiled, SourceFile as Compiling, compile};
use refwarden::policy::diag::{Problem, Severity, to_json, to_text};
use refwarden::policy::diff::diff;
use refwarden::policy::load_file;
use refwarden::policy::members::{Answers, Ask};
use refwarden::policy::model::{Group, Policy, User};
use refwarden::policy::name::UserName;
use refwarden::policy::refs::ChangedPath;
use refwarden::policy::scope::Scopes;
use refwarden::policy::source::{NoIncludes, SourceFile, Sources};
use refwarden::push::Action;
use refwarden::pusher::{keys, openpgp};
use refwarden_fuzz::is_plain;

const REPOSITORIES: [&[u8]; 3] = [b"payments/api", b"a", b"x/\xff"];
const REFS: [&[u8]; 6] = [
    b"refs/heads/main",
    b"refs/heads/release/2",
    b"refs/heads/users/alice/x",
    b"refs/tags/v1",
    b"refs/notes/a",
    b"refs/refwarden/x",
];
/// People who are asked about, at most: a policy may have thousands.
const PEOPLE: usize = 3;

fuzz_target!(|text: &str| {
    let main = SourceFile { name: "/etc/refwarden/policy.toml".into(), text: text.into() };
    let (sources, loaded) = load_file(main, "/etc/refwarden", &NoIncludes);
    match loaded {
        Ok((policy, warnings)) => {
            told(&warnings, &sources);
            assert!(warnings.iter().all(|one| one.code.severity() == Severity::Warning));
            // Comparing two policies takes long: only where the text asks for it.
            means_the_same(&policy, text.starts_with('#') && text.len() < 1000);
        }
        Err(problems) => {
            told(&problems, &sources);
            let is_error = |one: &Problem| one.code.severity() == Severity::Error;
            assert!(problems.iter().any(is_error), "refused for nothing: {problems:?}");
        }
    }
});

fn told(problems: &[Problem], sources: &Sources) {
    let text = to_text(problems, sources);
    assert!(is_plain(&text, true), "{text:?}");
    for problem in problems {
        assert!(is_plain(&to_json(problem, sources).to_string(), false));
    }
}

fn fingerprints(user: &User) -> Result<Vec<String>, String> {
    let ssh = user.ssh_keys.iter().map(|line| keys::ssh_fingerprint(line));
    let all = ssh.chain(user.gpg_keys.iter().map(|block| openpgp::primary_fingerprint(block)));
    all.map(|found| found.map_err(|error| error.to_string())).collect()
}

fn means_the_same(policy: &Policy, compare: bool) {
    let sources = [Compiling { name: "policy.toml".into(), sha256: [1; 32] }];
    // A policy that was accepted can be compiled, keys and all.
    let bytes = compile(policy, &sources, None, &fingerprints).unwrap();
    assert_eq!(compile(policy, &sources, None, &fingerprints).unwrap(), bytes);
    let compiled = Compiled::open(bytes.as_slice(), bytes.len() as u64).unwrap();
    let back = compiled.policy().unwrap();
    assert_eq!(format!("{back:?}"), format!("{policy:?}"));
    assert_eq!(compiled.settings(), &policy.settings);
    let zed = UserName::parse("zed-0").unwrap();
    let users = policy.users.keys().take(PEOPLE).chain([&zed]).map(Some).chain([None]);
    let mut scopes = Scopes::new(policy);
    for user in users {
        for repository in REPOSITORIES {
            let ground = compiled.ground(user, repository);
            let (ground, scope) = match (&ground, scopes.scope(user, repository, &[])) {
                (Ok(ground), Ok((scope, project))) => {
                    assert_eq!(&ground.name, project);
                    (ground, scope)
                }
                (Err(one), Err(two)) => {
                    assert_eq!(*one, two);
                    continue;
                }
                (one, two) => panic!("{one:?} but {two:?}"),
            };
            let other = ground.scope(compiled.settings(), &[]);
            assert_eq!(scope.standing, other.standing);
            for answers in [answers(policy, true), answers(policy, false)] {
                questions(|q| {
                    let (one, two) = (decide(&scope, q, &answers), decide(&other, q, &answers));
                    assert_eq!(one.verdict, two.verdict);
                    assert_eq!(one.trace, two.trace);
                    // Of groups everything is answered; nobody asks Jira here.
                    let asked = needs(&scope, q, &answers).lookups;
                    assert!(!asked.iter().any(|ask| matches!(ask, Ask::Group(_))));
                    if matches!(one.verdict, Verdict::Allowed(_)) && q.action != Action::Read {
                        let own = q.name.starts_with(b"refs/refwarden/");
                        assert!(
                            user.is_some()
                                && (!own
                                    || ground.project.enforce != Default::default()
                                    || scope
                                        .entries
                                        .iter()
                                        .any(|e| e.enforce != Default::default()))
                        );
                    }
                });
            }
        }
    }
    if compare {
        assert!(!diff(policy, policy, now()).widened());
        let _ = diff(&Policy::default(), policy, now());
    }
}

fn answers(policy: &Policy, member: bool) -> Answers {
    let looked_up = policy.groups.iter().filter(|(_, group)| matches!(group, Group::Lookup(_)));
    looked_up.map(|(name, _)| (name.clone().into(), Ok(member))).collect()
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_500_000, 0).unwrap()
}

fn questions(mut ask: impl FnMut(&Question<'_>)) {
    let path = |path: &str, link| ChangedPath { path: path.into(), link };
    let changed = [path("docs/a.md", false), path("src", true)];
    for action in Action::ALL {
        for name in REFS {
            for paths in [Paths::Unknown, Paths::Known(&[]), Paths::Known(&changed)] {
                let paths = match action {
                    Action::Read | Action::Delete => Paths::None,
                    _ => paths,
                };
                let (margin, horizon) = (Duration::seconds(2), Duration::minutes(3));
                ask(&Question { action, name, paths, now: now(), margin, horizon });
            }
        }
    }
}
