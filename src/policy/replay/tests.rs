use super::super::lab::{self, Dice};
use super::super::load_file;
use super::super::source::{NoIncludes, SourceFile};
use super::*;
use crate::policy::refs::ChangedPath;
use proptest::prelude::*;

fn policy(rest: &str) -> Policy {
    let text = format!(
        "version = 1\n[identity]\nsources = [\"gitea\"]\n[users.alice]\n[users.bob]\n[users.dave]\nactive = false\n\
         [groups]\nstaff = {{ unix = \"staff\" }}\n[projects.A]\nrepositories = [\"a/**\"]\nbase = \"main\"\n\
         [schemes.default]\n{rest}"
    );
    let main = SourceFile { name: "policy.toml".into(), text };
    load_file(main, "/etc/refwarden", &NoIncludes).1.unwrap().0
}

fn permit(to: &str, keys: &str) -> String {
    format!("[[schemes.default.permit]]\npermissions = [\"push\"]\nto = [\"{to}\"]\n{keys}\n")
}

fn again(rest: &str, user: &str, was: Level, code: Option<Code>, lent: bool) -> Again {
    let (policy, user) = (policy(rest), lab::user(user));
    Replay::new(&policy).again(&Recorded {
        user: &user,
        source: Some(&Source::parse("gitea").unwrap()),
        repository: b"a/x",
        action: Action::Update,
        name: b"refs/heads/main",
        time: lab::now(),
        refs: 1,
        was,
        code,
        lent,
    })
}

fn allowed(rest: &str, user: &str) -> Again {
    again(rest, user, Level::Allowed, None, false)
}

#[test]
fn what_the_policy_alone_decides_is_certain() {
    let bob = permit("bob", "branches = [\"main\"]");
    assert_eq!(allowed(&bob, "bob"), Again::Same);
    assert_eq!(allowed(&bob, "alice"), Again::Changes(Level::Refused, Some(Code::NoPermit)));
    assert_eq!(allowed(&bob, "dave"), Again::Changes(Level::Refused, Some(Code::InactiveUser)));
    assert_eq!(allowed(&bob, "zed"), Again::Changes(Level::Refused, Some(Code::UnknownUser)));
    let no = |code| again(&bob, "bob", Level::Refused, Some(code), false);
    assert_eq!(no(Code::NoPermit), Again::Changes(Level::Allowed, None));
    let forbid = "[[schemes.default.forbid]]\npermissions = [\"push\"]\n";
    let warned = format!("{bob}{forbid}enforce = \"warn\"\n");
    assert_eq!(allowed(&warned, "bob"), Again::Changes(Level::Warned, Some(Code::Forbidden)));
    let forbidden = format!("{bob}{forbid}");
    assert_eq!(
        again(&forbidden, "bob", Level::Refused, Some(Code::NoPermit), false),
        Again::Changes(Level::Refused, Some(Code::Forbidden))
    );
    assert_eq!(again(&forbidden, "bob", Level::Refused, Some(Code::Limit), false), Again::Same);
}

#[test]
fn what_the_trail_does_not_record_is_never_guessed() {
    let docs = permit("bob", "paths = [\"docs/**\"]");
    assert_eq!(allowed(&docs, "bob"), Again::Unknown(Lacking::Paths));
    // Nor is a no to the same person certain, but it is to another.
    assert_eq!(
        again(&docs, "bob", Level::Refused, Some(Code::PathNotCovered), false),
        Again::Unknown(Lacking::Paths)
    );
    assert_eq!(allowed(&docs, "alice"), Again::Changes(Level::Refused, Some(Code::NoPermit)));
    assert_eq!(allowed(&(docs + &permit("bob", "")), "bob"), Again::Same);
    assert_eq!(allowed(&permit("@staff", ""), "bob"), Again::Unknown(Lacking::Groups));
    assert_eq!(allowed(&(permit("@staff", "") + &permit("bob", "")), "bob"), Again::Same);
    let require = "[[identity.require]]\nsource = \"push-cert\"\nbranches = [\"main\"]\n";
    assert_eq!(allowed(&(permit("bob", "") + require), "bob"), Again::Unknown(Lacking::Evidence));
    assert_eq!(again("", "bob", Level::Allowed, None, true), Again::Unknown(Lacking::Lent));
    let locked = again(&permit("bob", ""), "bob", Level::Refused, Some(Code::Locked), false);
    assert_eq!(locked, Again::Unknown(Lacking::Lock));
    for code in [Code::StaleOldId, Code::Timeout, Code::UnknownUser] {
        let other = again(&permit("bob", ""), "bob", Level::Refused, Some(code), false);
        assert_eq!(other, Again::NotByPolicy, "{code}");
    }
}

#[test]
fn a_limit_on_refs_counts_for_the_whole_push() {
    let rest = permit("bob", "") + "[global]\nmax-refs-per-push = 2\n";
    let policy = policy(&rest);
    let bob = lab::user("bob");
    let mut replay = Replay::new(&policy);
    for (refs, expected) in
        [(2, Again::Same), (3, Again::Changes(Level::Refused, Some(Code::TooManyRefs)))]
    {
        let one = Recorded {
            user: &bob,
            source: None,
            repository: b"a/x",
            action: Action::Update,
            name: b"refs/heads/main",
            time: lab::now(),
            refs,
            was: Level::Allowed,
            code: None,
            lent: false,
        };
        assert_eq!(replay.again(&one), expected, "{refs}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// The second, slow form: whatever paths changed and whoever was a member, what is said to be
    /// certain is so.
    #[test]
    fn what_is_certain_holds_for_all_paths_and_memberships(seed: u64) {
        let mut dice = Dice::new(seed);
        let policy = lab::policy(&mut dice);
        let paths: Vec<ChangedPath> = ["a", "docs/x", "src/a.rs", "secrets/k", "x.md"]
            .into_iter().flat_map(|p| [false, true].map(|link| ChangedPath { path: p.into(), link })).collect();
        let mut replay = Replay::new(&policy);
        for user in lab::USERS {
            for name in ["refs/heads/main", "refs/heads/feature/x", "refs/tags/v1"] {
                for action in [Action::Create, Action::Update, Action::Force, Action::Delete] {
                    let user = lab::user(user);
                    let one = Recorded {
                        user: &user, source: None, repository: b"pay/y", action, name: name.as_bytes(),
                        time: lab::now(), refs: 1, was: Level::Allowed, code: None, lent: false,
                    };
                    let level_said = match replay.again(&one) {
                        Again::Same => Level::Allowed,
                        Again::Changes(level, _) => level,
                        _ => continue,
                    };
                    let mut scopes = Scopes::new(&policy);
                    for member in [false, true] {
                        let answers = lab::answers(&policy, member);
                        for some in 0..=paths.len() {
                            let changed = &paths[..some];
                            let one_path = &paths[some.saturating_sub(1)..some];
                            for paths in [Paths::Known(changed), Paths::Known(one_path), Paths::Unknown] {
                                let paths = if action == Action::Delete { Paths::None } else { paths };
                                let question = Question { action, name: name.as_bytes(), paths,
                                    now: lab::now(), margin: MARGIN, horizon: Duration::zero() };
                                let found = match scopes.scope(Some(&user), b"pay/y", &[]) {
                                    Ok((scope, _)) => level(&decision::decide(&scope, &question, &answers)).0,
                                    Err(_) => Level::Refused,
                                };
                                prop_assert_eq!(found, level_said, "{} {} {} {:?}", user, action, name, paths);
                            }
                        }
                    }
                }
            }
        }
    }
}
