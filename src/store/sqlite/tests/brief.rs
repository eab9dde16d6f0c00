//! When a brief counts: only while nobody can have changed what it says.

use super::super::brief::Said;
use super::*;
use crate::access::{Lock, LockScope};
use crate::policy::entry::Permissions;
use chrono::TimeDelta;

const EPOCH: u64 = 8;

/// Late enough for whatever the test wrote to count as long ago.
fn later() -> DateTime<Utc> {
    Utc::now() + TimeDelta::seconds(10)
}

/// A store with two grants, and the brief of it that was taken.
fn briefed() -> (TempDir, PathBuf, DateTime<Utc>) {
    let (folder, path) = made();
    two_grants(&opened(&path));
    let now = later();
    take(folder.path(), now).unwrap();
    assert!(says(folder.path(), now).is_some());
    (folder, path, now)
}

fn take(state: &Path, now: DateTime<Utc>) -> Option<()> {
    super::super::brief::take(&read_only(&state.join(FILE_NAME)), state, me(), EPOCH, now)
}

fn says(state: &Path, now: DateTime<Utc>) -> Option<Status> {
    match super::super::brief::read(state, me(), EPOCH, now).said {
        Said::Whole(status) => Some(status),
        Said::NoStore | Said::Nothing => None,
    }
}

fn lock(until: Option<i64>) -> Change {
    let lock = Lock {
        id: id(9),
        scope: LockScope::default(),
        permissions: Permissions::UPDATE,
        message: "incident".into(),
        by: Actor::rule(),
        at: at(0),
        until: until.map(at),
    };
    Change { locks: vec![lock], ..Change::default() }
}

#[test]
fn it_says_what_the_store_says_also_to_the_next_who_open_it() {
    let (folder, path, now) = briefed();
    let store = read_only(&path);
    let status = store.status().unwrap();
    assert_eq!(says(folder.path(), now), Some(status));
    drop((store, read_only(&path)));
    assert_eq!(says(folder.path(), now + TimeDelta::days(1)), Some(status));
}

#[test]
fn after_any_change_it_does_not_count_whether_the_log_was_taken_in_or_not() {
    let (folder, path, now) = briefed();
    let store = opened(&path);
    store.raise().unwrap();
    assert_eq!(says(folder.path(), now), None, "in the log");
    let now = later();
    take(folder.path(), now).unwrap();
    assert_eq!(says(folder.path(), now), Some(store.status().unwrap()));
    drop(store);
    assert_eq!(says(folder.path(), now), None, "taken into the file");
}

#[test]
fn what_is_written_while_it_is_taken_or_just_before_leaves_none() {
    let (folder, path) = made();
    two_grants(&opened(&path));
    assert_eq!(take(folder.path(), Utc::now()), None, "as long as the clock may not show a write");
    assert_eq!(says(folder.path(), later()), None);
}

#[test]
fn while_a_lock_holds_there_is_none_and_a_lock_ends_the_one_before() {
    let (folder, path, now) = briefed();
    opened(&path).commit(&lock(None)).unwrap();
    assert_eq!(says(folder.path(), now), None);
    assert_eq!(take(folder.path(), later()), None);
    assert_eq!(says(folder.path(), later()), None);
}

#[test]
fn a_clock_set_back_to_when_a_lock_held_finds_none() {
    let (folder, path) = made();
    let now = later();
    let until = (now - at(0)).num_seconds();
    opened(&path).commit(&lock(Some(until))).unwrap();
    take(folder.path(), now + TimeDelta::seconds(1)).unwrap();
    assert!(says(folder.path(), now + TimeDelta::seconds(1)).is_some());
    assert_eq!(says(folder.path(), now - TimeDelta::seconds(1)), None);
}

#[test]
fn an_epoch_raised_by_a_lock_or_a_revocation_ends_it() {
    let (folder, _, now) = briefed();
    assert_eq!(super::super::brief::read(folder.path(), me(), EPOCH + 2, now).said, Said::Nothing);
}

#[test]
fn a_store_put_back_copied_over_or_lost_ends_it() {
    let (folder, path, now) = briefed();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(says(folder.path(), now), None, "the same bytes, written again");
    let now = later();
    take(folder.path(), now).unwrap();
    let copy = folder.path().join("copy");
    std::fs::copy(&path, &copy).unwrap();
    std::fs::rename(&copy, &path).unwrap();
    assert_eq!(says(folder.path(), now), None, "another file");
    take(folder.path(), later()).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(says(folder.path(), later()), None, "no file");
}

#[test]
fn only_where_no_file_is_there_is_no_store() {
    let read = |state: &Path| super::super::brief::read(state, me(), EPOCH, later()).said;
    let (folder, path, _) = briefed();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    assert_eq!(read(folder.path()), Said::Nothing, "not to be trusted is not absent");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(read(folder.path()), Said::NoStore, "its brief alone is none");
    std::fs::create_dir(&path).unwrap();
    assert_eq!(read(folder.path()), Said::Nothing);
}

#[test]
fn a_log_laid_beside_the_store_ends_it() {
    for name in ["state.db-wal", "state.db-journal"] {
        let (folder, _, now) = briefed();
        let path = folder.path().join(name);
        std::fs::write(&path, b"frames").unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        assert_eq!(says(folder.path(), now), None, "{name}");
    }
}

#[test]
fn one_that_others_could_write_or_that_is_damaged_is_not_believed() {
    let (folder, _, now) = briefed();
    let path = folder.path().join("state.db-brief");
    let mode = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&path, mode).unwrap();
    };
    mode(0o622);
    assert_eq!(says(folder.path(), now), None);
    mode(0o600);
    assert!(says(folder.path(), now).is_some());
    let good = std::fs::read(&path).unwrap();
    for at in 0..good.len() {
        std::fs::write(&path, &good[..at]).unwrap();
        assert_eq!(says(folder.path(), now), None, "cut at {at}");
    }
    std::fs::write(&path, [&good[..], b"x"].concat()).unwrap();
    assert_eq!(says(folder.path(), now), None);
}
