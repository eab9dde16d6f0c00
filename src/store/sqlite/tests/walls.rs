//! The second wall: what the file itself refuses, whoever asks; and missing events.

use super::*;
use crate::store::access::StoreError;

#[track_caller]
fn refused(store: &Sqlite, sql: &str, words: &str) {
    let error = store.connection.execute_batch(sql).unwrap_err().to_string();
    assert!(error.contains(words), "{sql}: {error}");
}

#[test]
fn the_file_refuses_what_would_rewrite_history() {
    let (_folder, path) = made();
    let store = opened(&path);
    two_grants(&store);
    let revoked = event(50, "alice", What::Revoked { note: None });
    store.commit(&append(id(2), 2, revoked)).unwrap();
    let one = id(1);
    refused(&store, "DELETE FROM events", "events are only added");
    refused(&store, "UPDATE events SET body = '{}'", "events are only added");
    let gap = format!("INSERT INTO events VALUES ('{one}', 9, 0, '{{}}', 0)");
    refused(&store, &gap, "an event follows the last one");
    refused(&store, "DELETE FROM records", "records are kept");
    for change in [
        "open_until = open_until + 1",
        "events = events - 1",
        "events = events + 2",
        "events = events + 1, person = 'carol'",
        "events = events + 1, repository = 'other'",
        "events = events + 1, asked_at = 0",
    ] {
        let sql = format!("UPDATE records SET {change}");
        refused(&store, &sql, "a record moves with its next event");
    }
    refused(&store, "UPDATE meta SET version = 0", "the version only rises");
    store.check().unwrap();
}

#[test]
fn a_lock_can_be_lifted_and_nothing_else() {
    let (_folder, path) = made();
    let store = opened(&path);
    let sql = "INSERT INTO locks (id, body, sum) VALUES ('7f3k-92qd', '{}', 0)";
    store.connection.execute_batch(sql).unwrap();
    refused(&store, "DELETE FROM locks", "locks are kept");
    refused(&store, "UPDATE locks SET until = 1", "never changes");
    refused(&store, "UPDATE locks SET body = '[]'", "never changes");
    store.connection.execute_batch("UPDATE locks SET lifted_at = 1, lifted_by = 'a'").unwrap();
    refused(&store, "UPDATE locks SET lifted_at = NULL", "lifted once");
}

/// Runs SQL that the triggers would refuse, as damage would.
fn damage(path: &Path, sql: &str) {
    let file = Connection::open(path).unwrap();
    let triggers: Vec<String> = file
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for name in triggers {
        file.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    file.execute_batch(sql).unwrap();
}

#[test]
fn a_record_with_missing_or_changed_events_lends_nothing() {
    for sql in [
        "DELETE FROM events WHERE seq = 1",
        "DELETE FROM events WHERE seq = 2",
        "DELETE FROM events",
        "UPDATE records SET events = 9",
        "UPDATE events SET seq = 7 WHERE seq = 2",
        "UPDATE events SET body = replace(body, 'bob', 'eve')",
        "UPDATE events SET body = 'x' WHERE seq = 1",
        "UPDATE events SET sum = sum + 1 WHERE seq = 1",
    ] {
        let (_folder, path) = made();
        two_grants(&opened(&path));
        opened(&path).commit(&next(2)).unwrap();
        damage(&path, sql);
        let store = read_only(&path);
        let wrong = |result: Result<(), StoreError>| {
            assert!(matches!(result, Err(StoreError::Damaged { .. })), "{sql}: {result:?}");
        };
        wrong(store.record(&id(1)).map(drop));
        wrong(store.of_person(&user("bob"), at(5)).map(drop));
        wrong(store.list(&Filter::default()).map(drop));
        wrong(store.check());
        wrong(opened(&path).commit(&next(3)).map(drop));
    }
}

#[test]
fn another_persons_name_on_a_record_is_noticed() {
    let (_folder, path) = made();
    two_grants(&opened(&path));
    damage(&path, "UPDATE records SET person = 'mallory'");
    let result = read_only(&path).of_person(&user("mallory"), at(5));
    assert!(matches!(result, Err(StoreError::Damaged { .. })), "{result:?}");
}

#[test]
fn a_lock_whose_text_has_changed_is_noticed() {
    let (_folder, path) = made();
    let store = opened(&path);
    let lock = Lock {
        id: id(5),
        scope: crate::access::LockScope::default(),
        permissions: crate::policy::entry::Permissions::UPDATE,
        message: "stop".into(),
        by: contract::by("alice"),
        at: at(0),
        until: None,
    };
    store.commit(&Change { locks: vec![lock], ..Change::default() }).unwrap();
    drop(store);
    damage(&path, "UPDATE locks SET body = replace(body, 'stop', 'go')");
    assert!(matches!(read_only(&path).locks(at(1)), Err(StoreError::Damaged { .. })));
}
