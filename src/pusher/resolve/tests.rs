use super::*;
use crate::pusher::certificate::VerifiedCertificate;

/// Users by (key of `names`, external name), by fingerprint, and who of them is inactive.
#[derive(Default)]
struct Book {
    names: Vec<(&'static str, &'static str, &'static str)>,
    keys: Vec<(&'static str, &'static str)>,
    inactive: Vec<&'static str>,
    gone: Vec<&'static str>,
    broken: bool,
}

impl Directory for Book {
    fn by_external(&self, name_key: &str, external: &str) -> Result<Option<UserName>, String> {
        if self.broken {
            return Err("policy.bin: cut short\n".into());
        }
        let found = self.names.iter().find(|(key, name, _)| *key == name_key && *name == external);
        Ok(found.map(|(_, _, user)| UserName::parse(user).unwrap()))
    }

    fn by_key(&self, fingerprint: &str) -> Result<Option<UserName>, String> {
        let found = self.keys.iter().find(|(key, _)| *key == fingerprint);
        Ok(found.map(|(_, user)| UserName::parse(user).unwrap()))
    }

    fn status(&self, user: &UserName) -> Option<Status> {
        if self.gone.contains(&user.as_str()) {
            return None;
        }
        let inactive = self.inactive.contains(&user.as_str());
        Some(if inactive { Status::Inactive } else { Status::Active })
    }
}

fn book() -> Book {
    Book {
        names: vec![
            ("remote-user", "alice", "alice"),
            ("gitolite", "alice", "alice"),
            ("gitolite", "bob", "bob"),
            ("gitea", "alice", "alice"),
            ("gitea-deploy-key", "17", "deploybot"),
            ("gitlab", "bob.x", "bob"),
            ("unix", "git", "alice"),
            ("env:CORP", "dave", "dave"),
        ],
        keys: vec![("SHA256:alice", "alice")],
        inactive: vec!["dave"],
        ..Book::default()
    }
}

struct Push<'a> {
    variables: &'a [(&'a str, &'a str)],
    signed_with: Option<&'a str>,
}

fn resolved(sources: &[&str], push: &Push<'_>, book: &Book) -> Result<Pusher, IdentityRefusal> {
    let sources: Vec<_> = sources.iter().map(|source| Source::parse(source).unwrap()).collect();
    let variable = |name: &str| {
        let found = push.variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_bytes().to_vec())
    };
    let certificate =
        push.signed_with.map(|key| Ok(VerifiedCertificate { fingerprint: key.to_owned() }));
    resolve(
        &sources,
        &Evidence { variable: &variable, account: "git", certificate, door: None },
        book,
    )
}

fn pusher(sources: &[&str], variables: &[(&str, &str)]) -> Pusher {
    resolved(sources, &Push { variables, signed_with: None }, &book()).unwrap()
}

fn code(sources: &[&str], variables: &[(&str, &str)]) -> Code {
    resolved(sources, &Push { variables, signed_with: None }, &book()).unwrap_err().code
}

#[test]
fn the_first_source_that_speaks_names_the_pusher() {
    let sources = ["remote-user", "gitolite"];
    let by_gitolite = pusher(&sources, &[("GL_USER", "bob"), ("REMOTE_USER", "")]);
    assert_eq!(by_gitolite.user.as_str(), "bob");
    assert_eq!((by_gitolite.source, by_gitolite.confirmed_by), (Source::Gitolite, vec![]));
    let both = pusher(&sources, &[("GL_USER", "alice"), ("REMOTE_USER", "alice")]);
    assert_eq!((&both.source, &both.confirmed_by), (&Source::RemoteUser, &vec![Source::Gitolite]));
    assert!(
        both.is_vouched_for_by(&Source::RemoteUser) && both.is_vouched_for_by(&Source::Gitolite)
    );
    assert!(!both.is_vouched_for_by(&Source::PushCert));
}

#[test]
fn nobody_is_named_where_nothing_speaks() {
    assert_eq!(code(&["remote-user", "gitolite"], &[]), Code::NoIdentity);
    assert_eq!(code(&[], &[("REMOTE_USER", "alice")]), Code::NoIdentity);
}

#[test]
fn spoof_of_a_source_that_is_not_listed_is_not_heard() {
    assert_eq!(code(&["remote-user"], &[("GL_USER", "alice")]), Code::NoIdentity);
    let bob =
        pusher(&["gitlab"], &[("GL_ID", "user-1"), ("GL_USERNAME", "bob.x"), ("GL_USER", "alice")]);
    assert_eq!(bob.user.as_str(), "bob");
    assert_eq!(bob.confirmed_by, []);
}

#[test]
fn an_unlisted_source_does_not_name_the_repository() {
    let variables = [("REMOTE_USER", "alice"), ("GL_REPO", "open"), ("GL_PROJECT_PATH", "open")];
    assert_eq!(pusher(&["remote-user", "gitolite"], &variables).repository, None);
}

#[test]
fn a_malformed_or_unknown_name_never_falls_through_to_the_next_source() {
    for bad in ["mallory", "bob\nx", &"x".repeat(65), "Alice", "alice "] {
        let variables = [("REMOTE_USER", bad), ("GL_USER", "alice")];
        assert_eq!(code(&["remote-user", "gitolite"], &variables), Code::UnknownUser, "{bad}");
        assert_eq!(code(&["gitolite", "remote-user"], &variables), Code::UnknownUser, "{bad}");
    }
}

#[test]
fn two_sources_that_name_two_people_refuse() {
    let variables = [("REMOTE_USER", "alice"), ("GL_USER", "bob")];
    assert_eq!(code(&["remote-user", "gitolite"], &variables), Code::SourcesDisagree);
    assert_eq!(code(&["gitolite", "remote-user"], &variables), Code::SourcesDisagree);
    assert_eq!(code(&["unix", "gitolite"], &[("GL_USER", "bob")]), Code::SourcesDisagree);
    let borrowed = Push { variables: &[("GL_USER", "bob")], signed_with: Some("SHA256:alice") };
    let refused = resolved(&["gitolite", "push-cert"], &borrowed, &book()).unwrap_err();
    assert_eq!(refused.code, Code::SourcesDisagree);
    assert_eq!(
        refused.words,
        "you are `bob` (`bob` by `gitolite` (`GL_USER`)), \
         and also `alice` (`SHA256:alice` by `push-cert` (`certificate`))"
    );
}

#[test]
fn two_hosts_that_name_two_repositories_refuse() {
    let variables = [
        ("GL_USER", "alice"),
        ("GL_REPO", "pay/core"),
        ("GITEA_PUSHER_NAME", "alice"),
        ("GITEA_REPO_USER_NAME", "pay"),
        ("GITEA_REPO_NAME", "other"),
    ];
    assert_eq!(code(&["gitolite", "gitea"], &variables), Code::SourcesDisagree);
    let mut same = variables;
    same[4].1 = "core";
    let same = pusher(&["gitolite", "gitea"], &same);
    assert_eq!(same.repository.as_deref(), Some(b"pay/core".as_slice()));
}

#[test]
fn a_deploy_key_is_the_service_that_it_was_mapped_to_and_nobody_else() {
    let owner = ("GITEA_PUSHER_NAME", "alice");
    let bot = pusher(&["gitea"], &[owner, ("GITEA_DEPLOY_KEY_ID", "17")]);
    assert_eq!(bot.user.as_str(), "deploybot");
    assert_eq!(bot.key.as_deref(), Some("gitea deploy key 17"));
    assert_eq!(code(&["gitea"], &[owner, ("GITEA_DEPLOY_KEY_ID", "18")]), Code::UnknownUser);
    assert_eq!(
        code(&["gitlab"], &[("GL_ID", "key-1"), ("GL_USERNAME", "bob.x")]),
        Code::UnknownUser
    );
}

#[test]
fn the_inactive_and_the_vanished_hold_nothing() {
    assert_eq!(code(&["env:CORP"], &[("CORP", "dave")]), Code::InactiveUser);
    let push = Push { variables: &[("GL_USER", "bob")], signed_with: None };
    let gone = Book { gone: vec!["bob"], ..book() };
    assert_eq!(resolved(&["gitolite"], &push, &gone).unwrap_err().code, Code::UnknownUser);
}

#[test]
fn a_directory_that_fails_refuses() {
    let push = Push { variables: &[("GL_USER", "bob")], signed_with: None };
    let broken = Book { broken: true, ..book() };
    let refused = resolved(&["gitolite"], &push, &broken).unwrap_err();
    assert_eq!(refused.code, Code::Lookup);
    assert!(!refused.words.contains("policy.bin"), "the detail is for the admin");
    assert_eq!(refused.hint, "policy.bin: cut short\\u{a}");
}

#[test]
fn a_signed_push_is_found_by_its_key() {
    let push = Push { variables: &[("GL_USER", "alice")], signed_with: Some("SHA256:alice") };
    let alice = resolved(&["gitolite", "push-cert"], &push, &book()).unwrap();
    assert_eq!(alice.key.as_deref(), Some("SHA256:alice"));
    assert!(alice.is_vouched_for_by(&Source::PushCert));
    let stranger = Push { signed_with: Some("SHA256:eve"), ..push };
    let refused = resolved(&["gitolite", "push-cert"], &stranger, &book()).unwrap_err();
    assert_eq!(refused.code, Code::UnknownUser);
    let unsigned = Push { signed_with: None, ..stranger };
    let alice = resolved(&["gitolite", "push-cert"], &unsigned, &book()).unwrap();
    assert!(!alice.is_vouched_for_by(&Source::PushCert));
}

/// The rule as a table: every source's word as seen by itself, judged without order or early ends.
fn naive(words: &[&str]) -> Result<&'static str, Vec<Code>> {
    let mut codes = Vec::new();
    let people: Vec<_> = words.iter().filter(|word| !word.is_empty()).collect();
    if people.is_empty() {
        codes.push(Code::NoIdentity);
    }
    if people.iter().any(|word| !["alice", "bob", "dave"].contains(word)) {
        codes.push(Code::UnknownUser);
    }
    if people.windows(2).any(|pair| pair[0] != pair[1]) {
        codes.push(Code::SourcesDisagree);
    }
    if people.contains(&&"dave") {
        codes.push(Code::InactiveUser);
    }
    let user = ["alice", "bob"].into_iter().find(|user| people.contains(&user));
    if codes.is_empty() { user.ok_or(codes) } else { Err(codes) }
}

proptest::proptest! {
    #[test]
    fn only_one_known_active_person_named_by_all_who_speak_is_the_pusher(
        words in proptest::collection::vec(
            proptest::sample::select(vec!["", "alice", "bob", "dave", "eve", "bob\n"]), 0..5)
    ) {
        let sources = ["env:A", "env:B", "gogs", "phorge"];
        let names = ["A", "B", "GOGS_AUTH_USER_NAME", "PHABRICATOR_USER"];
        let mut all = book();
        for source in sources {
            all.names.extend(["alice", "bob", "dave"].map(|user| (source, user, user)));
        }
        let variables: Vec<_> = names.into_iter().zip(words.iter().copied()).collect();
        let listed = &sources[..variables.len()];
        let push = Push { variables: &variables, signed_with: None };
        match (resolved(listed, &push, &all), naive(&words[..variables.len()])) {
            (Ok(pusher), Ok(user)) => proptest::prop_assert_eq!(pusher.user.as_str(), user),
            (Err(refused), Err(codes)) => proptest::prop_assert!(codes.contains(&refused.code)),
            (resolved, naive) => proptest::prop_assert!(false, "{resolved:?} {naive:?}"),
        }
    }
}

#[test]
fn a_refusal_says_whom_the_pusher_was_taken_for_and_by_what_in_plain_ascii() {
    let variables = [("REMOTE_USER", "b\u{f6}b\u{202e}")];
    let push = Push { variables: &variables, signed_with: None };
    let refused = resolved(&["remote-user"], &push, &book()).unwrap_err();
    assert_eq!(
        refused.words,
        "you are `b\\u{f6}b\\u{202e}` by `remote-user` (`REMOTE_USER`), \
         whom the policy does not know"
    );
    assert!(refused.words.is_ascii() && refused.hint.is_ascii());
    assert!(refused.hint.contains("names = { \"remote-user\" = ["), "{}", refused.hint);
}
