use super::*;
use crate::policy::name::UserName;
use crate::pusher::proof::{Door, Process};
use crate::pusher::signature::SignatureError;

/// What `source` says where exactly `variables` are set.
fn says(source: &str, variables: &[(&str, &str)]) -> Statement {
    let bytes: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    says_bytes(source, &bytes)
}

fn says_bytes(source: &str, variables: &[(&str, &[u8])]) -> Statement {
    let variable = |name: &str| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_vec())
    };
    let evidence = Evidence { variable: &variable, account: "git", certificate: None, door: None };
    evidence.says(&Source::parse(source).unwrap())
}

fn named(source: &str, variables: &[(&str, &str)]) -> (String, String) {
    let claim = says(source, variables).unwrap().unwrap();
    (claim.name_key, claim.external)
}

fn is(name_key: &str, external: &str) -> (String, String) {
    (name_key.into(), external.into())
}

const SIMPLE: [(&str, &str); 8] = [
    ("remote-user", "REMOTE_USER"),
    ("gitolite", "GL_USER"),
    ("gogs", "GOGS_AUTH_USER_NAME"),
    ("github-enterprise", "GITHUB_USER_LOGIN"),
    ("bitbucket", "BB_USER_NAME"),
    ("soft-serve", "SOFT_SERVE_USERNAME"),
    ("phorge", "PHABRICATOR_USER"),
    ("env:CORP_USER", "CORP_USER"),
];

type Variables<'a> = Vec<(&'a str, &'a str)>;

/// Every source that reads a name from a variable, with the other variables it needs.
fn readers() -> Vec<(&'static str, &'static str, Variables<'static>)> {
    let mut all: Vec<_> =
        SIMPLE.iter().map(|(source, variable)| (*source, *variable, vec![])).collect();
    all.push(("gitlab", "GL_USERNAME", vec![("GL_ID", "user-7")]));
    all.push(("gitea", "GITEA_PUSHER_NAME", vec![]));
    all
}

#[test]
fn each_source_reads_its_own_variable() {
    for (source, variable, mut others) in readers() {
        others.push((variable, "bob@EXAMPLE.ORG"));
        let claim = says(source, &others).unwrap().unwrap();
        assert_eq!((claim.name_key.as_str(), claim.external.as_str()), (source, "bob@EXAMPLE.ORG"));
        assert_eq!(claim.variable, variable);
    }
}

#[test]
fn a_source_that_is_not_asked_is_not_heard() {
    let all: Vec<(&str, &str)> =
        readers().iter().map(|(_, variable, _)| (*variable, "eve")).collect();
    for (source, variable, _) in readers() {
        let rest: Vec<_> = all
            .iter()
            .copied()
            // The half-set pair of GitLab is malformed by itself: its own test below.
            .filter(|(name, _)| *name != variable && *name != "GL_USERNAME")
            .collect();
        assert_eq!(says(source, &rest), Ok(None), "{source}");
    }
}

#[test]
fn spoof_by_request_header_is_not_heard() {
    let spoof = [
        ("HTTP_REMOTE_USER", "alice"),
        ("HTTP_X_FORWARDED_USER", "alice"),
        ("REDIRECT_REMOTE_USER", "alice"),
        ("GIT_COMMITTER_NAME", "alice"),
        ("LC_REMOTE_USER", "alice"),
        ("USER", "alice"),
    ];
    assert_eq!(says("remote-user", &spoof), Ok(None));
}

#[test]
fn spoof_by_certificate_status_without_a_certificate_is_not_heard() {
    let spoof = [
        ("GIT_PUSH_CERT_STATUS", "G"),
        ("GIT_PUSH_CERT_SIGNER", "alice"),
        ("GIT_PUSH_CERT_KEY", "SHA256:abc"),
        ("GIT_PUSH_CERT_NONCE_STATUS", "OK"),
    ];
    assert_eq!(says("push-cert", &spoof), Ok(None));
}

#[test]
fn a_certificate_that_proves_nothing_is_not_passed_over() {
    let variable = |_: &str| None;
    let certificate = Some(Err(CertificateError::Signature(SignatureError::UnknownKey)));
    let evidence = Evidence { variable: &variable, account: "git", certificate, door: None };
    assert_eq!(evidence.says(&Source::PushCert).unwrap_err().variable, "certificate");
}

#[test]
fn unset_and_empty_are_silent_and_nothing_else_is() {
    for (source, variable, others) in readers() {
        if source == "gitlab" {
            assert_eq!(says(source, &[]), Ok(None));
            assert_eq!(says(source, &[("GL_ID", ""), ("GL_USERNAME", "")]), Ok(None));
            continue;
        }
        assert_eq!(says(source, &others), Ok(None), "{source}");
        let mut empty = others.clone();
        empty.push((variable, ""));
        assert_eq!(says(source, &empty), Ok(None), "{source}");
        let mut blank = others.clone();
        blank.push((variable, " "));
        assert!(says(source, &blank).unwrap().is_some(), "a blank is a name nobody has: {source}");
    }
}

#[test]
fn a_name_of_64_bytes_is_read_and_of_65_refused() {
    for (source, variable, others) in readers() {
        for (length, good) in [(64, true), (65, false), (100_000, false)] {
            let long = "x".repeat(length);
            let mut variables = others.clone();
            variables.push((variable, &long));
            assert_eq!(says(source, &variables).is_ok(), good, "{source} {length}");
        }
    }
}

#[test]
fn a_name_that_could_fool_a_log_is_refused() {
    let hostile: [&[u8]; 6] = [
        b"bob\nactor=alice",
        b"bob\r",
        b"\x1b[2Jbob",
        b"bob\x7f",
        "bob\u{85}".as_bytes(),
        b"b\xffb",
    ];
    for (source, variable, others) in readers() {
        for value in hostile {
            let mut variables: Vec<(&str, &[u8])> =
                others.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            variables.push((variable, value));
            let refused = says_bytes(source, &variables).unwrap_err();
            assert_eq!(refused.variable, variable);
            assert!(!refused.to_string().contains("bob"), "the value is not quoted");
        }
    }
}

#[test]
fn gitea_deploy_key_does_not_pass_for_the_owner() {
    let owner = ("GITEA_PUSHER_NAME", "alice");
    assert_eq!(named("gitea", &[owner]), is("gitea", "alice"));
    for none in ["", "0"] {
        assert_eq!(named("gitea", &[owner, ("GITEA_DEPLOY_KEY_ID", none)]), is("gitea", "alice"));
    }
    let key = ("GITEA_DEPLOY_KEY_ID", "17");
    assert_eq!(named("gitea", &[owner, key]), is("gitea-deploy-key", "17"));
    assert_eq!(named("gitea", &[key]), is("gitea-deploy-key", "17"));
    for odd in ["-1", "017", "00", "17x", "+17", " 17", "x", "99999999999999999999999", "0x11"] {
        let refused = says("gitea", &[owner, ("GITEA_DEPLOY_KEY_ID", odd)]).unwrap_err();
        assert_eq!(refused.variable, "GITEA_DEPLOY_KEY_ID", "{odd}");
    }
}

#[test]
fn gitlab_deploy_key_is_no_person() {
    let name = ("GL_USERNAME", "alice");
    assert_eq!(named("gitlab", &[("GL_ID", "user-7"), name]), is("gitlab", "alice"));
    assert_eq!(named("gitlab", &[("GL_ID", "key-7"), name]), is("gitlab-deploy-key", "7"));
    assert_eq!(named("gitlab", &[("GL_ID", "key-7")]), is("gitlab-deploy-key", "7"));
    for odd in
        ["user-", "user-0", "user-07", "key-", "key-0", "key-x", "7", "alice", "user-7 ", "USER-7"]
    {
        assert_eq!(says("gitlab", &[("GL_ID", odd), name]).unwrap_err().variable, "GL_ID", "{odd}");
    }
}

#[test]
fn gitlab_name_without_an_id_is_refused_and_so_is_the_reverse() {
    let refused = says("gitlab", &[("GL_USERNAME", "alice")]).unwrap_err();
    assert_eq!(refused.variable, "GL_USERNAME");
    let refused = says("gitlab", &[("GL_ID", "user-7"), ("GL_USERNAME", "")]).unwrap_err();
    assert_eq!(refused.variable, "GL_USERNAME");
}

#[test]
fn repositories_are_named_as_the_host_names_them() {
    let cases: [(&str, Variables<'_>, &str); 6] = [
        ("gitolite", vec![("GL_USER", "a"), ("GL_REPO", "x/y")], "x/y"),
        ("gitlab", vec![("GL_ID", "key-1"), ("GL_PROJECT_PATH", "g/s/p")], "g/s/p"),
        (
            "gitea",
            vec![
                ("GITEA_PUSHER_NAME", "a"),
                ("GITEA_REPO_USER_NAME", "o"),
                ("GITEA_REPO_NAME", "r.git"),
            ],
            "o/r",
        ),
        (
            "bitbucket",
            vec![("BB_USER_NAME", "a"), ("BB_PROJECT_KEY", "PAY"), ("BB_REPO_SLUG", "core")],
            "PAY/core",
        ),
        ("soft-serve", vec![("SOFT_SERVE_USERNAME", "a"), ("SOFT_SERVE_REPO_NAME", "r")], "r"),
        ("phorge", vec![("PHABRICATOR_USER", "a"), ("PHABRICATOR_REPOSITORY", "PHID-1")], "PHID-1"),
    ];
    for (source, variables, repository) in cases {
        let claim = says(source, &variables).unwrap().unwrap();
        assert_eq!(claim.repository.as_deref(), Some(repository.as_bytes()), "{source}");
    }
    assert_eq!(says("gitolite", &[("GL_USER", "a")]).unwrap().unwrap().repository, None);
}

#[test]
fn half_a_repository_or_one_with_a_slash_too_many_is_refused() {
    let user = ("GITEA_PUSHER_NAME", "a");
    assert!(says("gitea", &[user, ("GITEA_REPO_NAME", "r")]).is_err());
    assert!(
        says("gitea", &[user, ("GITEA_REPO_USER_NAME", "o"), ("GITEA_REPO_NAME", "")]).is_err()
    );
    assert!(
        says("gitea", &[user, ("GITEA_REPO_USER_NAME", "o/p"), ("GITEA_REPO_NAME", "r")]).is_err()
    );
    assert!(says("gitolite", &[("GL_USER", "a"), ("GL_REPO", "x\ny")]).is_err());
    assert!(says("gitolite", &[("GL_USER", "a"), ("GL_REPO", &"x".repeat(4097))]).is_err());
}

#[test]
fn addresses_are_noted_only_when_they_are_addresses() {
    let address = |value| {
        says("remote-user", &[("REMOTE_USER", "a"), ("REMOTE_ADDR", value)])
            .unwrap()
            .unwrap()
            .address
    };
    assert_eq!(address("192.0.2.7").as_deref(), Some("192.0.2.7"));
    assert_eq!(address("2001:DB8::1").as_deref(), Some("2001:db8::1"));
    assert_eq!(address("unix:"), None);
    assert_eq!(address("192.0.2.7\nactor=alice"), None);
}

#[test]
fn unix_is_the_hosting_account_whatever_the_environment_says() {
    assert_eq!(named("unix", &[("USER", "alice"), ("LOGNAME", "alice")]), is("unix", "git"));
    let variable = |_: &str| None;
    let evidence = Evidence { variable: &variable, account: "", certificate: None, door: None };
    assert!(evidence.says(&Source::Unix).is_err());
}

fn said_by(door: Door) -> Said {
    Said {
        door,
        user: UserName::parse("alice").unwrap(),
        key: Some("SHA256:abc".into()),
        repository: proof::repository(b"r"),
        address: Some("192.0.2.7".into()),
        until: None,
        process: Process { pid: 1, start_time: 1, boot_id: "b".into(), pid_namespace: 1 },
    }
}

#[test]
fn a_door_speaks_for_itself_and_a_proof_that_fails_is_never_silence() {
    let variable = |_: &str| None;
    let says = |door, source: &str| {
        let evidence = Evidence { variable: &variable, account: "git", certificate: None, door };
        evidence.says(&Source::parse(source).unwrap())
    };
    for source in ["ssh", "http"] {
        assert_eq!(says(None, source), Ok(None));
        for error in [ProofError::Seal, ProofError::Elsewhere, ProofError::Ended] {
            assert!(says(Some(Err(error)), source).is_err());
        }
    }
    let claim = says(Some(Ok(said_by(Door::Ssh))), "ssh").unwrap().unwrap();
    assert_eq!(
        (claim.external.as_str(), claim.key.as_deref(), claim.address.as_deref()),
        ("alice", Some("SHA256:abc"), Some("192.0.2.7"))
    );
    assert_eq!(says(Some(Ok(said_by(Door::Ssh))), "http"), Ok(None));
    assert_eq!(says(Some(Ok(said_by(Door::Http))), "ssh"), Ok(None));
}
