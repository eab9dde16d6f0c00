//! Which files are opened, and which are refused and kept.

use super::*;
use crate::store::access::StoreError;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn the_store_and_its_log_are_closed_to_others_whatever_the_umask() {
    let (folder, path) = made();
    let store = opened(&path);
    two_grants(&store);
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        assert_eq!(mode(&folder.path().join(name)), 0o600, "{name}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "no draft is left");
}

#[test]
fn a_store_that_is_there_is_not_made_again() {
    let (_folder, path) = made();
    two_grants(&opened(&path));
    assert!(!Sqlite::create(&path, me()).unwrap());
    assert_eq!(both(&opened(&path)), 2);
}

#[test]
fn several_that_make_it_at_once_make_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    let made: usize = std::thread::scope(|scope| {
        let make = || usize::from(Sqlite::create(&path, me()).unwrap());
        let all: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
        all.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(made, 1);
    opened(&path).check().unwrap();
}

#[test]
fn opening_never_makes_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    for result in [Sqlite::open_read(&path, me()), Sqlite::open_write(&path, me())] {
        assert!(matches!(result, Err(StoreError::Absent { .. })));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_store_without_a_log_is_read_and_nothing_can_be_changed_so() {
    let (folder, path) = made();
    two_grants(&opened(&path));
    assert!(!folder.path().join("state.db-wal").exists());
    let store = read_only(&path);
    assert_eq!(both(&store), 2);
    assert!(matches!(store.raise(), Err(StoreError::Unavailable { .. })));
    assert!(matches!(store.commit(&next(2)), Err(StoreError::Unavailable { .. })));
}

#[test]
fn what_is_not_yet_in_the_file_is_read_from_the_log() {
    let (_folder, path) = made();
    let writer = opened(&path);
    two_grants(&writer);
    let reader = read_only(&path);
    assert_eq!(both(&reader), 2);
    writer.commit(&next(2)).unwrap();
    assert_eq!(both(&reader), 3);
}

#[test]
fn a_file_or_log_that_others_can_write_is_not_believed() {
    let (folder, path) = made();
    let writer = opened(&path);
    two_grants(&writer);
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        let file = folder.path().join(name);
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o620)).unwrap();
        let result = Sqlite::open_read(&path, me());
        assert!(matches!(result, Err(StoreError::Trust(_))), "{name}: {result:?}");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    }
    read_only(&path);
}

#[test]
fn a_link_in_the_place_of_the_log_is_not_followed() {
    let (folder, path) = made();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("state.db-wal")).unwrap();
    assert!(Sqlite::open_read(&path, me()).is_err());
    assert!(Sqlite::open_write(&path, me()).is_err());
}

#[test]
fn a_newer_schema_is_refused_with_words_and_kept() {
    let (_folder, path) = made();
    opened(&path).connection.pragma_update(None, "user_version", 7).unwrap();
    let before = std::fs::read(&path).unwrap();
    for result in [Sqlite::open_read(&path, me()), Sqlite::open_write(&path, me())] {
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 7, known: 3 }));
        assert_eq!(
            error.to_string(),
            "the store has schema 7, this program knows up to 3: upgrade refwarden"
        );
    }
    assert!(Sqlite::create(&path, me()).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn another_programs_database_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    for sql in ["CREATE TABLE meta (a)", "PRAGMA user_version = 1", ""] {
        let other = Connection::open(&path).unwrap();
        other.execute_batch(sql).unwrap();
        drop(other);
        let before = std::fs::read(&path).unwrap();
        for result in [Sqlite::open_read(&path, me()), Sqlite::open_write(&path, me())] {
            assert!(matches!(result, Err(StoreError::Damaged { .. })), "{sql}: {result:?}");
        }
        assert!(Sqlite::create(&path, me()).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), before);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_damaged_file_is_refused_and_kept() {
    let (_folder, path) = made();
    two_grants(&opened(&path));
    let good = std::fs::read(&path).unwrap();
    let half = good.len() / 2;
    let damages: [(&str, Vec<u8>); 5] = [
        ("empty", Vec::new()),
        ("text", b"not a database at all, but long enough to be looked at".repeat(90)),
        ("zeros", vec![0; good.len()]),
        ("no magic", [b"XXXX", &good[4..]].concat()),
        ("cut short", good[..half].to_vec()),
    ];
    for (what, bytes) in damages {
        std::fs::write(&path, &bytes).unwrap();
        let read = || -> Result<(), StoreError> {
            let store = Sqlite::open_read(&path, me())?;
            store.check()
        };
        let error = read().unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{what}: {error}");
        assert!(Sqlite::open_write(&path, me()).and_then(|store| store.check()).is_err(), "{what}");
        assert!(!Sqlite::create(&path, me()).is_ok_and(|made| made), "{what}");
        assert_eq!(std::fs::read(&path).unwrap().len(), bytes.len(), "{what} is kept");
    }
}

#[test]
fn no_flipped_byte_changes_what_was_agreed() {
    let (_folder, path) = made();
    let store = opened(&path);
    two_grants(&store);
    let honest = [1, 2].map(|number| store.record(&id(number)).unwrap().unwrap());
    drop(store);
    let good = std::fs::read(&path).unwrap();
    let mut noticed = 0;
    for place in (0..good.len()).step_by(61) {
        let mut bytes = good.clone();
        bytes[place] ^= 1 << (place % 8);
        std::fs::write(&path, &bytes).unwrap();
        let read = || -> Result<Vec<Record>, StoreError> {
            let store = Sqlite::open_read(&path, me())?;
            let mut found = store.of_person(&user("bob"), at(5))?.open;
            found.extend(store.list(&Filter::default())?);
            for number in [1, 2] {
                found.extend(store.record(&id(number))?);
            }
            Ok(found)
        };
        match read() {
            Ok(found) => assert!(found.iter().all(|record| honest.contains(record)), "{place}"),
            Err(_) => noticed += 1,
        }
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{place} is kept");
    }
    assert!(noticed > 20, "{noticed}");
}

#[test]
fn another_look_at_the_file_does_not_drop_its_locks() {
    let (_folder, path) = made();
    let writer = opened(&path);
    two_grants(&writer);
    // Whoever has the store open holds a lock on it, so that nobody else takes the log away.
    let about = std::fs::metadata(&path).unwrap();
    // With its device: elsewhere on the host another file may have the same number.
    let (major, minor) = (rustix::fs::major(about.dev()), rustix::fs::minor(about.dev()));
    let file = format!("{major:02x}:{minor:02x}:{} ", about.ino());
    let held = || {
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        locks.lines().filter(|line| line.contains("POSIX") && line.contains(&file)).count()
    };
    assert_eq!(held(), 1);
    open::trusted(&path, me()).unwrap();
    assert_eq!(held(), 1, "the same process looks before it opens the store again");
    writer.commit(&next(2)).unwrap();
}
