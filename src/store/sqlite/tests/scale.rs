//! What a push costs does not depend on how many grants there ever were.

use super::*;

/// How SQLite goes about a query.
fn plan(store: &Sqlite, sql: &str) -> String {
    let mut all = store.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let lines = all.query_map([], |row| row.get::<_, String>(3)).unwrap();
    lines.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
}

#[test]
fn what_hooks_ask_is_answered_by_an_index() {
    let (_folder, path) = made();
    let store = read_only(&path);
    let open = "SELECT r.id, e.body FROM records r LEFT JOIN events e ON e.id = r.id \
                WHERE r.person = 'bob' AND r.open_until > 5 ORDER BY r.id, e.seq";
    let plan_of_open = plan(&store, open);
    assert!(plan_of_open.contains("records_open (person=? AND open_until>?)"), "{plan_of_open}");
    assert!(!plan_of_open.contains("SCAN"), "{plan_of_open}");
    let due = "SELECT body FROM outbox WHERE due <= 5 ORDER BY due, id LIMIT 3";
    assert!(plan(&store, due).contains("outbox_due (due<?)"));
    let reserved = "SELECT id FROM records WHERE open_until = 9223372036854775807 \
                    AND reserved > 0 ORDER BY asked_at DESC, id LIMIT 9";
    let plan_of_reserved = plan(&store, reserved);
    assert!(plan_of_reserved.contains("records_all_open (open_until=?)"), "{plan_of_reserved}");
}

#[test]
fn ended_grants_of_the_person_cost_a_push_nothing() {
    let (_folder, path) = made();
    let store = opened(&path);
    history(&store, &id(1), vec![asked(request()), yes()]);
    let steps = || {
        let mut query = store
            .connection
            .prepare("SELECT id FROM records WHERE person = 'bob' AND open_until > ?1")
            .unwrap();
        let now = at(20).timestamp_micros();
        assert_eq!(query.query_map([now], |_| Ok(())).unwrap().count(), 1);
        query.get_status(rusqlite::StatementStatus::VmStep)
    };
    let alone = steps();
    // As rows that ended long ago leave them.
    let ended = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
                 INSERT INTO records SELECT 'x' || i, 1, 'bob', 'r', 'e', i, i, 0 FROM n";
    store.connection.execute_batch(ended).unwrap();
    assert!(steps() <= alone + 10, "{} after {alone}", steps());
}
