//! On a site of its own: an applied policy, a table, a trail.

#![expect(clippy::disallowed_methods, reason = "tests lay files and put copies in their place")]
#![expect(clippy::string_slice, reason = "secrets are ASCII")]

use super::*;
use crate::hook::desk;
use crate::hook::token_ledger::TokenLedger;
use crate::os::site::Site;
use crate::policy::compiled;
use crate::policy::lab;
use crate::policy::model::{Policy, TokenSettings};
use crate::policy::span::Span;
use crate::pusher::token::Terms;
use crate::store::open::Mode;
use crate::store::sqlite::{FILE_NAME, Sqlite};
use crate::store::tokens::{Change, TokenStore};
use crate::store::{applied, epoch, fails};
use rustix::process::geteuid;
use tempfile::TempDir;

struct Place {
    folder: TempDir,
    desk: Desk,
}

fn span(text: &str) -> Span {
    Span::parse(text).unwrap()
}

fn policy(folder: &TempDir) -> Policy {
    let mut policy = Policy::default();
    policy.settings.audit = folder.path().join("audit.jsonl").display().to_string().into();
    policy.settings.tokens =
        Some(TokenSettings { max_lifetime: span("90d"), default_lifetime: span("30d"), url: None });
    for name in ["alice", "bob", "erin"] {
        policy.users.insert(lab::user(name), lab::declared());
    }
    policy.users.get_mut(&lab::user("erin")).unwrap().active = false;
    policy
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        std::fs::create_dir(&state).unwrap();
        epoch::create(&state).unwrap();
        door_key::make(&state).unwrap();
        let me = geteuid().as_raw();
        assert!(Sqlite::create(&state.join(FILE_NAME), me).unwrap());
        let site = format!(
            "version = 1\npolicy = \"/p\"\nstate = {state:?}\naccount = \"git\"\n\
             account-uid = {me}\nroot = \"/r\"\n"
        );
        let site: Site = toml::from_str(&site).unwrap();
        let desk = Self::desk(&folder, site, &policy(&folder));
        Self { folder, desk }
    }

    fn desk(folder: &TempDir, site: Site, policy: &Policy) -> Desk {
        let bytes = compiled::compile(policy, &[], None, &|_| Ok(Vec::new())).unwrap();
        let digest =
            *compiled::Compiled::open(bytes.as_slice(), bytes.len() as u64).unwrap().digest();
        applied::replace(&site.state, site.account_uid, &bytes, &digest, true).unwrap();
        let (policy, digest) = desk::open_policy(&site).unwrap();
        assert!(folder.path().exists());
        Desk {
            epoch: 0,
            digest,
            policy,
            now: clock::now(),
            service: None,
            env: crate::os::env::HookEnv::capture(),
            id: "test".into(),
            site,
        }
    }

    fn apply(&mut self, policy: &Policy) {
        self.desk = Self::desk(&self.folder, self.desk.site.clone(), policy);
    }

    fn store(&self) -> TokenStore {
        let site = &self.desk.site;
        TokenStore::open(&site.state, site.account_uid, Mode::Write).unwrap().unwrap()
    }

    fn change(&self, change: &Change) {
        let store = self.store();
        let ledger = TokenLedger {
            store: &store,
            shared: None,
            settings: self.desk.policy.settings(),
            trail: self.desk.trail(),
            state: &self.desk.site.state,
            digest: self.desk.digest,
        };
        let line = Record::new(Event::TOKEN_CREATED, "host");
        ledger.make(change, &line, clock::now().wall).unwrap();
    }

    fn create(&self, number: u8, user: &str, began: TimeDelta) -> Secret {
        let id = TokenId::of([0, 0, 0, 0, number]);
        let secret = Secret::of(&id, &mut || number);
        let created = clock::now().wall + began;
        let terms = Terms {
            user: lab::user(user),
            note: None,
            scopes: [Scope::Read].into(),
            repositories: vec![lab::pattern("payments/*")],
            created,
            by: user.into(),
            until: created + TimeDelta::days(30),
        };
        let created = vec![(id, terms, secret.hash())];
        self.change(&Change { created, ..Change::default() });
        secret
    }

    fn revoke(&self, secret: &Secret) {
        let revoked = vec![(secret.id().clone(), clock::now().wall, "root@host".to_owned())];
        self.change(&Change { revoked, ..Change::default() });
    }

    fn why(&self, secret: &str) -> Why {
        match authenticate(&self.desk, &Rest::WHOLE, secret) {
            Err(TokenRefusal::Bad(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    fn trail(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("audit.jsonl")).unwrap()
    }
}

#[test]
fn whoever_shows_the_secret_is_its_user_with_its_limits() {
    let place = Place::new();
    let secret = place.create(1, "alice", TimeDelta::zero());
    let held = authenticate(&place.desk, &Rest::WHOLE, secret.reveal()).unwrap();
    assert_eq!((held.user.as_str(), held.id.as_str()), ("alice", secret.id().as_str()));
    assert_eq!(held.key(), secret.id().key());
    assert!(held.may(Scope::Read) && !held.may(Scope::Push));
    assert!(held.covers(b"payments/api") && !held.covers(b"other/api"));
    let (token, _) = place.store().find(secret.id()).unwrap().unwrap();
    assert_eq!(held.until, token.terms.until);
    assert!(token.last_used.is_some(), "its use is noted");
    assert!(!place.trail().contains(&secret.reveal()[13..]));
}

#[test]
fn guesses_cut_secrets_and_secrets_of_others_open_nothing() {
    let place = Place::new();
    let (one, two) =
        (place.create(1, "alice", TimeDelta::zero()), place.create(2, "bob", TimeDelta::zero()));
    let text = one.reveal();
    for bad in ["", "alice", &text[..50], &format!("{text} "), &text.to_uppercase()] {
        assert_eq!(place.why(bad), Why::Form, "{bad}");
    }
    let last = if text.ends_with('0') { "1" } else { "0" };
    assert_eq!(place.why(&format!("{}{last}", &text[..50])), Why::Mistyped);
    // A whole secret, checksum and all, under the id of a token that is there, and of none.
    let guess = Secret::of(two.id(), &mut || 9);
    assert_eq!(place.why(guess.reveal()), Why::Unknown(two.id().clone()));
    let nobody = TokenId::of([9; 5]);
    let guess = Secret::of(&nobody, &mut || 9);
    assert_eq!(place.why(guess.reveal()), Why::Unknown(nobody));
}

#[test]
fn ended_revoked_and_inactive_look_the_same_outside_and_differ_in_the_trail() {
    let mut place = Place::new();
    let ended = place.create(1, "alice", TimeDelta::days(-31));
    let revoked = place.create(2, "alice", TimeDelta::zero());
    let inactive = place.create(3, "erin", TimeDelta::zero());
    let gone = place.create(4, "bob", TimeDelta::zero());
    place.revoke(&revoked);
    let mut without = policy(&place.folder);
    without.users.remove(&lab::user("bob"));
    place.apply(&without);
    for (secret, words) in [
        (ended, "of alice has ended"),
        (revoked, "of alice was revoked"),
        (inactive, "is of erin, who is not an active user"),
        (gone, "is of bob, who is not an active user"),
    ] {
        let refusal = authenticate(&place.desk, &Rest::WHOLE, secret.reveal()).unwrap_err();
        assert!(!refusal.is_guess());
        // However often it is tried, one line.
        for _ in 0..3 {
            failed(&place.desk, &Rest::WHOLE, "192.0.2.7", &refusal);
        }
        let trail = place.trail();
        let lines = trail.lines().filter(|line| line.contains(words)).collect::<Vec<_>>();
        assert_eq!(lines.len(), 1, "{words}");
        assert!(lines[0].contains("token.refused") && lines[0].contains("192.0.2.7"));
    }
    assert_eq!(may_try(&place.desk, "192.0.2.7"), Ok(()));
}

#[test]
fn a_shorter_lifetime_and_no_tokens_at_all_count_at_once() {
    let mut place = Place::new();
    let secret = place.create(1, "alice", TimeDelta::days(-10));
    let mut shorter = policy(&place.folder);
    shorter.settings.tokens.as_mut().unwrap().max_lifetime = span("15d");
    place.apply(&shorter);
    let held = authenticate(&place.desk, &Rest::WHOLE, secret.reveal()).unwrap();
    let (token, _) = place.store().find(secret.id()).unwrap().unwrap();
    assert_eq!(held.until, token.terms.created + TimeDelta::days(15));
    shorter.settings.tokens.as_mut().unwrap().max_lifetime = span("10d");
    place.apply(&shorter);
    assert!(matches!(place.why(secret.reveal()), Why::Ended(..)));
    shorter.settings.tokens = None;
    place.apply(&shorter);
    assert!(matches!(place.why(secret.reveal()), Why::Ended(..)));
}

#[test]
fn guessing_from_one_address_has_to_wait_and_others_do_not() {
    let place = Place::new();
    let refusal = TokenRefusal::Bad(place.why("guess"));
    for _ in 0..fails::MOST {
        assert_eq!(may_try(&place.desk, "192.0.2.7"), Ok(()));
        failed(&place.desk, &Rest::WHOLE, "192.0.2.7", &refusal);
    }
    assert!(may_try(&place.desk, "192.0.2.7").is_err());
    assert_eq!(may_try(&place.desk, "192.0.2.8"), Ok(()));
}

#[test]
fn a_table_older_than_the_trail_opens_nothing() {
    let place = Place::new();
    let secret = place.create(1, "alice", TimeDelta::zero());
    let path = place.desk.site.state.join(FILE_NAME);
    let copy = place.folder.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    place.revoke(&secret);
    assert!(matches!(place.why(secret.reveal()), Why::Revoked(..)));
    std::fs::copy(&copy, &path).unwrap();
    match authenticate(&place.desk, &Rest::WHOLE, secret.reveal()) {
        Err(TokenRefusal::Server(refusal)) => assert_eq!(refusal.code.to_string(), "RW504"),
        other => panic!("{other:?}"),
    }
    // The revocation that the trail tells of can't be made once more on it either.
    let store = place.store();
    let ledger = TokenLedger {
        store: &store,
        shared: None,
        settings: place.desk.policy.settings(),
        trail: place.desk.trail(),
        state: &place.desk.site.state,
        digest: place.desk.digest,
    };
    let line = Record::new(Event::TOKEN_CREATED, "host");
    assert!(ledger.make(&Change::default(), &line, clock::now().wall).is_err());
}

#[test]
fn a_lost_table_opens_nothing() {
    let place = Place::new();
    let secret = place.create(1, "alice", TimeDelta::zero());
    std::fs::remove_file(place.desk.site.state.join(FILE_NAME)).unwrap();
    let result = authenticate(&place.desk, &Rest::WHOLE, secret.reveal());
    assert!(matches!(result, Err(TokenRefusal::Server(_))), "{result:?}");
}
