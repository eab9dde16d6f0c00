//! The schema's versions: which this program writes, and how an older file becomes a newer one.

use rusqlite::{Connection, TransactionBehavior};

/// What `PRAGMA application_id` says of a store of ours: `refw`.
pub(super) const APPLICATION: i32 = 0x7265_6677;

/// What turns version N - 1 into version N; version 0 is an empty file.
pub(super) const SCRIPTS: &[&str] =
    &[include_str!("1.sql"), include_str!("2.sql"), include_str!("3.sql")];

/// The version that this program reads and writes.
pub(super) fn known() -> u32 {
    u32::try_from(SCRIPTS.len()).unwrap_or(u32::MAX)
}

/// Whose file it is, and its version.
pub(super) fn found(connection: &Connection) -> rusqlite::Result<(i32, u32)> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let version = number("user_version")?;
    // A version below zero was never written: it counts as one from far ahead.
    Ok((number("application_id")?, u32::try_from(version).unwrap_or(u32::MAX)))
}

/// Runs the scripts that the file has not seen, all or none.
pub(super) fn migrate(connection: &Connection, scripts: &[&str]) -> rusqlite::Result<()> {
    let change = rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    // Another process may have done it while this one waited.
    let (_, from) = found(&change)?;
    let missing = scripts.get(usize::try_from(from).unwrap_or(usize::MAX)..).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    missing.iter().try_for_each(|script| change.execute_batch(script))?;
    change.pragma_update(None, "application_id", APPLICATION)?;
    change.pragma_update(None, "user_version", i64::try_from(scripts.len()).unwrap_or(i64::MAX))?;
    change.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_file_is_migrated_and_keeps_what_it_holds() {
        let file = Connection::open_in_memory().unwrap();
        migrate(&file, SCRIPTS).unwrap();
        file.execute("UPDATE meta SET version = 7", []).unwrap();
        let next =
            [SCRIPTS, &["ALTER TABLE meta ADD COLUMN note TEXT; UPDATE meta SET note = 'new';"]]
                .concat();
        migrate(&file, &next).unwrap();
        assert_eq!(found(&file).unwrap(), (APPLICATION, known() + 1));
        let kept: (i64, String) = file
            .query_row("SELECT version, note FROM meta", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!(kept, (7, "new".into()));
    }

    #[test]
    fn a_store_from_before_tokens_has_their_table_afterwards() {
        let file = Connection::open_in_memory().unwrap();
        migrate(&file, SCRIPTS.get(..1).unwrap()).unwrap();
        file.execute("UPDATE meta SET version = 7", []).unwrap();
        migrate(&file, SCRIPTS).unwrap();
        let sql = "SELECT version, (SELECT count(*) FROM tokens) FROM meta";
        let read: (i64, i64) =
            file.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(read, (7, 0));
    }

    #[test]
    fn a_store_of_before_counts_the_next_event_of_what_it_holds() {
        let file = Connection::open_in_memory().unwrap();
        migrate(&file, SCRIPTS.get(..2).unwrap()).unwrap();
        let add =
            "INSERT INTO events VALUES ('7f3k-92qd', (SELECT events FROM records), 0, '{}', 0)";
        let held = "INSERT INTO records VALUES ('7f3k-92qd', 0, 'bob', 'r', 'e', 0, 'approved', 9, 9, \
                    1, 0, 1)";
        file.execute(held, []).unwrap();
        file.execute(add, []).unwrap();
        migrate(&file, SCRIPTS).unwrap();
        file.execute(add, []).unwrap();
        let count = |events| file.execute("UPDATE records SET events = ?1", [events]);
        assert!(count(3).is_err());
        assert!(count(1).is_err());
        count(2).unwrap();
        file.execute(add, []).unwrap();
        assert!(file.execute(add, []).is_err(), "not counted, so nothing follows it");
    }

    #[test]
    fn a_migration_that_fails_leaves_the_old_version() {
        let file = Connection::open_in_memory().unwrap();
        migrate(&file, SCRIPTS).unwrap();
        let next = [SCRIPTS, &["CREATE TABLE added (a) ; this is not SQL"]].concat();
        assert!(migrate(&file, &next).is_err());
        assert_eq!(found(&file).unwrap(), (APPLICATION, known()));
        assert!(file.execute("INSERT INTO added VALUES (1)", []).is_err());
    }
}
