//! Backup while in use, and restore.

use super::*;
use crate::store::access::StoreError;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

#[test]
fn a_backup_taken_while_in_use_is_whole_and_can_be_restored() {
    let (folder, path) = made();
    two_grants(&opened(&path));
    let copy = folder.path().join("backup.db");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let store = opened(&path);
            for count in 2.. {
                store.commit(&next(count)).unwrap();
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
            }
        });
        std::thread::sleep(std::time::Duration::from_millis(50));
        read_only(&path).backup(&copy).unwrap();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(std::fs::metadata(&copy).unwrap().mode() & 0o777, 0o600);
    let saved = both(&read_only(&copy));
    drop(std::fs::remove_file(folder.path().join("backup.db-wal")));
    let now = both(&opened(&path));
    assert!(2 < saved && saved <= now, "{saved} of {now}");
    let version = opened(&path).status().unwrap().version;
    let restored = restore(&copy, &path, me()).unwrap();
    assert!(restored.version <= version);
    assert_eq!(both(&opened(&path)), saved);
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let kept = restored.kept.unwrap();
    assert_eq!(both(&opened(&kept)), now, "the store that was there is kept whole");
}

#[test]
fn a_backup_never_writes_over_a_file() {
    let (folder, path) = made();
    let store = opened(&path);
    let there = folder.path().join("there");
    std::fs::write(&there, "mine").unwrap();
    assert!(store.backup(&there).is_err());
    assert!(store.backup(&folder.path().join("no/such/folder")).is_err());
    assert_eq!(std::fs::read(&there).unwrap(), b"mine");
}

#[test]
fn what_is_not_a_sound_backup_is_not_restored() {
    let (folder, path) = made();
    two_grants(&opened(&path));
    let copy = folder.path().join("backup.db");
    opened(&path).backup(&copy).unwrap();
    let good = std::fs::read(&copy).unwrap();
    let mut flipped = good.clone();
    // In the middle of a body: valid pages, another text.
    let place = good.windows(10).rposition(|window| window == b"retry stor").unwrap();
    flipped[place] = b'R';
    for bytes in [b"not a database".to_vec(), good[..good.len() / 2].to_vec(), flipped] {
        std::fs::write(&copy, &bytes).unwrap();
        let error = restore(&copy, &path, me()).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("backup.db"), "{error}");
        assert_eq!(both(&opened(&path)), 2);
    }
    std::fs::write(&copy, &good).unwrap();
    std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o666)).unwrap();
    assert!(matches!(restore(&copy, &path, me()), Err(StoreError::Trust(_))));
    let nowhere = folder.path().join("nowhere");
    assert!(matches!(restore(&nowhere, &path, me()), Err(StoreError::Absent { .. })));
    let names = std::fs::read_dir(folder.path()).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "nothing is left behind: {names:?}");
}

#[test]
fn a_live_store_is_not_taken_for_a_backup() {
    let (_folder, path) = made();
    let (_other, target) = made();
    let store = opened(&path);
    two_grants(&store);
    assert!(matches!(restore(&path, &target, me()), Err(StoreError::Unavailable { .. })));
}

#[test]
fn a_damaged_store_gives_way_to_a_backup_and_is_kept_with_its_log() {
    let (folder, path) = made();
    two_grants(&opened(&path));
    let copy = folder.path().join("backup.db");
    opened(&path).backup(&copy).unwrap();
    std::fs::write(&path, b"damage".repeat(2000)).unwrap();
    std::fs::write(folder.path().join("state.db-wal"), b"a log").unwrap();
    std::fs::set_permissions(folder.path().join("state.db-wal"), PermissionsExt::from_mode(0o600))
        .unwrap();
    let kept = restore(&copy, &path, me()).unwrap().kept.unwrap();
    assert_eq!(std::fs::read(&kept).unwrap(), b"damage".repeat(2000));
    let log = PathBuf::from(format!("{}-wal", kept.display()));
    assert_eq!(std::fs::read(log).unwrap(), b"a log");
    assert_eq!(both(&opened(&path)), 2);
}

#[test]
fn a_log_that_is_left_over_is_never_taken_for_the_restored_stores() {
    let (folder, path) = made();
    two_grants(&opened(&path));
    let copy = folder.path().join("backup.db");
    opened(&path).backup(&copy).unwrap();
    // The log of a process that was killed, and then the store was lost.
    let writer = opened(&path);
    writer.commit(&next(2)).unwrap();
    let log = std::fs::read(folder.path().join("state.db-wal")).unwrap();
    drop(writer);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(folder.path().join("state.db-wal"), log).unwrap();
    assert!(Sqlite::create(&path, me()).is_err(), "an empty store would take it up");
    restore(&copy, &path, me()).unwrap();
    assert_eq!(both(&opened(&path)), 2);
}

#[test]
fn no_change_goes_to_a_store_that_was_replaced() {
    let (folder, path) = made();
    two_grants(&opened(&path));
    let copy = folder.path().join("backup.db");
    opened(&path).backup(&copy).unwrap();
    let late = opened(&path);
    let kept = folder.path().join("aside");
    std::fs::rename(&path, &kept).unwrap();
    std::fs::copy(&copy, &path).unwrap();
    let error = late.commit(&next(2)).unwrap_err();
    assert!(error.to_string().contains("replaced"), "{error}");
    assert_eq!(both(&opened(&path)), 2);
}

#[test]
fn a_restore_waits_for_nobody_for_ever() {
    let (folder, path) = made();
    two_grants(&opened(&path));
    let copy = folder.path().join("backup.db");
    opened(&path).backup(&copy).unwrap();
    let mut busy = child::command("commit-on", &path).spawn().unwrap();
    let result = restore(&copy, &path, me());
    busy.kill().unwrap();
    busy.wait().unwrap();
    // Either it found a moment between two changes, or it says that others use the store.
    match result {
        Ok(restored) => assert!(both(&opened(&restored.kept.unwrap())) >= 2),
        Err(error) => assert!(error.to_string().contains("keep"), "{error}"),
    }
    both(&opened(&path));
}
