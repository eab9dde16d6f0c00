//! What becomes of the log when a store is closed: nothing of it is ever lost.

use super::*;

fn log(path: &Path) -> Option<u64> {
    let log = path.with_file_name(format!("{FILE_NAME}-wal"));
    log.metadata().ok().map(|log| log.len()).filter(|length| *length > 0)
}

#[test]
fn who_asks_first_and_changes_then_leaves_the_change_in_the_log_for_the_next() {
    let (_folder, path) = made();
    two_grants(&opened(&path));
    assert_eq!(log(&path), None, "taken in at the end");
    let asked = Sqlite::open_to_ask(&path, me(), None).unwrap();
    let (status, before) = (asked.status().unwrap(), both(&asked));
    asked.ready_to_change().unwrap();
    asked.commit(&next(before)).unwrap();
    drop(asked);
    assert!(log(&path).is_some());
    // Readers find it there, whoever they are and however often they come.
    for _ in 0..3 {
        let reader = read_only(&path);
        assert_eq!(both(&reader), before + 1);
        assert!(reader.status().unwrap().version > status.version);
    }
    drop(opened(&path));
    assert_eq!((log(&path), both(&read_only(&path))), (None, before + 1), "the next takes it in");
}

#[test]
fn a_short_log_stays_and_a_long_one_is_taken_in() {
    let (_folder, path) = made();
    two_grants(&opened(&path));
    let (mut longest, mut taken_in) = (0, 0);
    for _ in 0..60 {
        let store = opened(&path).keeping_a_short_log();
        let count = both(&store);
        store.commit(&next(count)).unwrap();
        drop(store);
        match log(&path) {
            Some(length) => longest = length.max(longest),
            None => taken_in += 1,
        }
        assert_eq!(both(&read_only(&path)), count + 1);
    }
    assert!((1..30).contains(&taken_in), "{taken_in}");
    assert!((100_000..=512 * 1024).contains(&longest), "{longest}");
}

#[test]
fn a_change_waits_for_the_disk_however_the_store_was_opened() {
    let (_folder, path) = made();
    let asked = Sqlite::open_to_ask(&path, me(), None).unwrap();
    asked.ready_to_change().unwrap();
    for store in [asked, opened(&path), opened(&path).keeping_a_short_log()] {
        let setting = |name| {
            store
                .connection
                .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
        };
        assert_eq!(setting("synchronous").unwrap(), rusqlite::types::Value::Integer(2));
        assert_eq!(setting("journal_mode").unwrap(), rusqlite::types::Value::Text("wal".into()));
    }
}

#[test]
fn a_file_that_can_only_be_read_is_asked_and_not_changed() {
    let (_folder, path) = made();
    two_grants(&opened(&path));
    let reader = read_only(&path);
    assert!(reader.ready_to_change().is_err());
    assert_eq!(both(&reader), 2);
}
