use super::super::super::access::AccessStore;
use super::super::FILE_NAME;
use super::*;
use crate::policy::pattern::Pattern;
use crate::pusher::token::{Scope, Secret};
use rusqlite::Connection;
use rustix::process::geteuid;
use std::path::PathBuf;
use tempfile::TempDir;

fn made() -> (TempDir, PathBuf, Sqlite) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    let me = geteuid().as_raw();
    assert!(Sqlite::create(&path, me).unwrap());
    let store = Sqlite::open_write(&path, me).unwrap();
    (folder, path, store)
}

fn noon() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn id(number: u8) -> TokenId {
    TokenId::of([0, 0, 0, 0, number])
}

fn secret(number: u8) -> Secret {
    Secret::of(&id(number), &mut || number)
}

fn terms(user: &str) -> Terms {
    Terms {
        user: UserName::parse(user).unwrap(),
        note: Some("laptop".into()),
        scopes: Scope::DEFAULT.into(),
        repositories: vec![Pattern::parse("payments/*").unwrap()],
        created: noon(),
        by: "alice".into(),
        until: noon() + TimeDelta::days(30),
    }
}

fn create(store: &Sqlite, number: u8, user: &str) -> Result<Option<u64>, StoreError> {
    let created = vec![(id(number), terms(user), secret(number).hash())];
    store.change_tokens(&Change { created, ..Change::default() }, &mut || true)
}

fn revoke(store: &Sqlite, number: u8) -> Result<Option<u64>, StoreError> {
    let revoked = vec![(id(number), noon(), "root@host".to_owned())];
    store.change_tokens(&Change { revoked, ..Change::default() }, &mut || true)
}

#[test]
fn what_was_made_is_found_by_its_id_and_listed_by_person() {
    let (_folder, _, store) = made();
    create(&store, 1, "alice").unwrap();
    create(&store, 2, "bob").unwrap();
    let (token, hash) = store.token(&id(1)).unwrap().unwrap();
    assert_eq!((token.id, token.terms), (id(1), terms("alice")));
    assert_eq!((token.revoked, token.last_used), (None, None));
    assert!(hash == secret(1).hash() && hash != secret(2).hash());
    assert_eq!(store.token(&id(3)).unwrap(), None);
    let ids = |who: Option<&str>| {
        let who = who.map(|who| UserName::parse(who).unwrap());
        let found = store.tokens(who.as_ref()).unwrap();
        found.into_iter().map(|token| token.id).collect::<Vec<_>>()
    };
    assert_eq!((ids(None), ids(Some("bob"))), (vec![id(1), id(2)], vec![id(2)]));
}

#[test]
fn every_change_raises_the_version_and_a_note_of_a_refusal_does_not() {
    let (_folder, _, store) = made();
    let version = || store.status().unwrap().version;
    let before = version();
    assert_eq!(create(&store, 1, "alice").unwrap(), Some(before + 1));
    assert_eq!(revoke(&store, 1).unwrap(), Some(before + 2));
    assert!(store.note_refusal(&id(1), noon(), TimeDelta::minutes(1)).unwrap());
    assert_eq!(version(), before + 2);
}

#[test]
fn an_id_is_taken_once_and_a_token_is_revoked_once() {
    let (_folder, _, store) = made();
    create(&store, 1, "alice").unwrap();
    assert!(matches!(create(&store, 1, "bob"), Err(StoreError::Taken)));
    assert!(matches!(revoke(&store, 2), Err(StoreError::Moved)));
    revoke(&store, 1).unwrap();
    assert!(matches!(revoke(&store, 1), Err(StoreError::Moved)));
    let (token, _) = store.token(&id(1)).unwrap().unwrap();
    assert_eq!(token.revoked, Some((noon(), "root@host".into())));
    assert_eq!(token.terms.user.as_str(), "alice");
}

#[test]
fn a_change_that_is_given_up_or_half_fails_leaves_nothing() {
    let (_folder, _, store) = made();
    create(&store, 1, "alice").unwrap();
    let before = store.status().unwrap().version;
    let created = vec![(id(2), terms("bob"), secret(2).hash())];
    let revoked = vec![(id(1), noon(), "root@host".to_owned())];
    let change = Change { created, revoked };
    assert_eq!(store.change_tokens(&change, &mut || false).unwrap(), None);
    let taken = Change { created: vec![(id(1), terms("bob"), secret(1).hash())], ..change };
    assert!(matches!(store.change_tokens(&taken, &mut || true), Err(StoreError::Taken)));
    assert_eq!(store.tokens(None).unwrap().len(), 1);
    assert_eq!(store.token(&id(1)).unwrap().unwrap().0.revoked, None);
    assert_eq!(store.status().unwrap().version, before);
}

#[test]
fn refusals_are_noted_so_often_and_no_more() {
    let (_folder, _, store) = made();
    create(&store, 1, "alice").unwrap();
    let note = |number, seconds| {
        let at = noon() + TimeDelta::seconds(seconds);
        store.note_refusal(&id(number), at, TimeDelta::minutes(1)).unwrap()
    };
    assert!(note(1, 0));
    assert!(!note(1, 59));
    assert!(note(1, 60));
    assert!(!note(9, 60));
}

#[test]
fn the_newest_use_counts_wherever_it_was_noted() {
    let (folder, path, store) = made();
    create(&store, 1, "alice").unwrap();
    let used = || store.token(&id(1)).unwrap().unwrap().0.last_used;
    let raw = Connection::open(&path).unwrap();
    let older = micros(noon());
    raw.execute("UPDATE tokens SET last_used = ?1", [older]).unwrap();
    assert_eq!(used(), Some(noon()));
    let me = geteuid().as_raw();
    let newer = noon() + TimeDelta::seconds(60);
    assert!(token_brief::note_use(folder.path(), me, &id(1), newer));
    assert_eq!(used(), Some(newer));
    assert!(token_brief::note_use(folder.path(), me, &id(1), noon() - TimeDelta::days(1)));
    assert_eq!(used(), Some(noon()), "an older one takes nothing away");
}

#[test]
fn a_brief_counts_until_anything_is_written_to_the_table() {
    let (folder, path, store) = made();
    create(&store, 1, "alice").unwrap();
    create(&store, 2, "bob").unwrap();
    let (state, me) = (folder.path(), geteuid().as_raw());
    let take = |number, now| {
        let before = token_brief::Before::look(state, me)?;
        let (token, hash) = store.token(&id(number)).unwrap().unwrap();
        before.take(me, 7, (&token, &hash), now)
    };
    assert!(take(1, Utc::now()).is_none(), "the table was written just now");
    let later = Utc::now() + TimeDelta::seconds(10);
    take(1, later).unwrap();
    let (version, token, hash) = token_brief::read(state, me, &id(1)).unwrap();
    let (kept, kept_hash) = store.token(&id(1)).unwrap().unwrap();
    assert!(version == 7 && token == kept && hash == kept_hash);
    assert!(token_brief::read(state, me, &id(2)).is_none());
    // Another token's brief under this name is none.
    let at = |number| path.with_file_name(format!("state.db-token-{}", id(number).as_str()));
    std::fs::copy(at(1), at(2)).unwrap();
    assert!(token_brief::read(state, me, &id(2)).is_none());
    revoke(&store, 2).unwrap();
    assert!(token_brief::read(state, me, &id(1)).is_none(), "a change of another's");
    take(1, Utc::now() + TimeDelta::seconds(10)).unwrap();
    revoke(&store, 1).unwrap();
    assert!(token_brief::read(state, me, &id(1)).is_none());
    assert!(take(1, Utc::now() + TimeDelta::seconds(10)).is_none(), "of a revoked one is none");
}

#[test]
fn nothing_of_a_token_can_be_changed_behind_the_program_and_no_revocation_undone() {
    let (_folder, path, store) = made();
    create(&store, 1, "alice").unwrap();
    revoke(&store, 1).unwrap();
    let raw = Connection::open(&path).unwrap();
    for sql in [
        "UPDATE tokens SET hash = zeroblob(32)",
        "UPDATE tokens SET until = until + 1",
        "UPDATE tokens SET person = 'bob'",
        "UPDATE tokens SET body = replace(body, 'push', 'administer')",
        "UPDATE tokens SET sum = 0",
        "UPDATE tokens SET id = '00000009'",
        "UPDATE tokens SET revoked_at = NULL, revoked_by = NULL",
        "UPDATE tokens SET revoked_at = revoked_at + 1",
        "UPDATE tokens SET revoked_by = 'bob'",
        "DELETE FROM tokens",
        "INSERT INTO tokens (id, person, until, hash, body, sum) VALUES ('x', 'a', 1, 'h', '', 1)",
    ] {
        assert!(raw.execute(sql, []).is_err(), "{sql}");
    }
}

#[test]
fn a_token_that_the_disk_changed_opens_nothing() {
    let (_folder, path, store) = made();
    for column in ["body = replace(body, 'push', 'audit')", "hash = zeroblob(32)", "person = 'bob'"]
    {
        let (number, user) = (column.len() as u8, "alice");
        create(&store, number, user).unwrap();
        let raw = Connection::open(&path).unwrap();
        raw.execute_batch("DROP TRIGGER IF EXISTS tokens_keep_what_was_agreed").unwrap();
        let sql = format!("UPDATE tokens SET {column} WHERE id = '{}'", id(number));
        assert_eq!(raw.execute(&sql, []).unwrap(), 1);
        drop(raw);
        assert!(matches!(store.token(&id(number)), Err(StoreError::Damaged { .. })), "{column}");
        assert!(matches!(store.check(), Err(StoreError::Damaged { .. })), "{column}");
    }
}

#[test]
fn a_backup_holds_the_tokens_too() {
    let (folder, _, store) = made();
    create(&store, 1, "alice").unwrap();
    let copy = folder.path().join("copy.db");
    store.backup(&copy).unwrap();
    let copy = Sqlite::open_read(&copy, geteuid().as_raw()).unwrap();
    assert_eq!(copy.token(&id(1)).unwrap(), store.token(&id(1)).unwrap());
}
