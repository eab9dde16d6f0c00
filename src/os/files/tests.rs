use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tempfile::tempdir;

fn names(folder: &Path) -> Vec<OsString> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

#[test]
fn write_whole_replaces_content_and_sets_the_exact_mode() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x");
    write_whole(&path, b"one", 0o644).unwrap();
    write_whole(&path, b"two", 0o600).unwrap();
    assert_eq!(read_limited(&path, 3).unwrap(), b"two");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(names(folder.path()), ["x"]);
}

#[test]
fn a_failed_write_leaves_nothing_behind() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x");
    std::fs::create_dir(&path).unwrap();
    assert!(write_whole(&path, b"one", 0o600).is_err());
    assert_eq!(names(folder.path()), ["x"]);
}

#[test]
fn appending_to_a_full_disk_is_an_error() {
    let file = std::fs::OpenOptions::new().append(true).open("/dev/full").unwrap();
    assert!(matches!(append_synced(&file, b"line\n"), Err(AppendError::Write(_))));
}

#[test]
fn a_line_of_which_only_a_part_was_written_is_told() {
    // a socket that nobody reads takes a part, as a disk that fills up does
    let (sender, _receiver) = std::os::unix::net::UnixStream::pair().unwrap();
    sender.set_nonblocking(true).unwrap();
    let file = File::from(OwnedFd::from(sender));
    match append_synced(&file, &vec![b'x'; 1 << 24]).unwrap_err() {
        AppendError::Short { written, wanted } => assert!(0 < written && written < wanted),
        other => panic!("{other}"),
    }
}

#[test]
fn a_link_laid_at_the_target_is_replaced_not_followed() {
    let folder = tempdir().unwrap();
    let victim = folder.path().join("victim");
    let path = folder.path().join("x");
    std::fs::write(&victim, "kept").unwrap();
    symlink(&victim, &path).unwrap();
    write_whole(&path, b"new", 0o600).unwrap();
    assert_eq!(std::fs::read(&victim).unwrap(), b"kept");
    assert!(!path.is_symlink());
}

#[test]
fn reading_stops_at_the_limit_and_refuses_what_is_no_file() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x");
    std::fs::write(&path, "four").unwrap();
    assert!(read_limited(&path, 3).unwrap_err().to_string().contains("longer than 3 bytes"));
    let fifo = folder.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, Mode::from_raw_mode(0o600)).unwrap();
    assert!(read_limited(&fifo, 3).unwrap_err().to_string().contains("not a regular file"));
    assert!(read_limited(folder.path(), 3).is_err());
    assert!(read_limited(&folder.path().join("none"), 3).unwrap_err().is_absent());
}

#[test]
fn a_lock_that_is_a_link_is_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("lock");
    symlink(folder.path().join("elsewhere"), &path).unwrap();
    assert!(lock(&path, Duration::ZERO).is_err());
    assert!(!folder.path().join("elsewhere").exists());
}

#[test]
fn a_held_lock_times_out_and_a_dropped_one_is_free() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("lock");
    let held = lock(&path, Duration::ZERO).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    let error = lock(&path, Duration::from_millis(20)).unwrap_err();
    assert_eq!(error.source.kind(), io::ErrorKind::TimedOut);
    drop(held);
    lock(&path, Duration::ZERO).unwrap();
}

#[test]
fn many_lockers_never_hold_it_together() {
    let folder = tempdir().unwrap();
    let path = Arc::new(folder.path().join("lock"));
    let inside = Arc::new(AtomicBool::new(false));
    let lockers = (0..8).map(|_| {
        let (path, inside) = (Arc::clone(&path), Arc::clone(&inside));
        std::thread::spawn(move || {
            for _ in 0..20 {
                let _held = lock(&path, Duration::from_secs(30)).unwrap();
                assert!(!inside.swap(true, Ordering::SeqCst));
                std::thread::yield_now();
                inside.store(false, Ordering::SeqCst);
            }
        })
    });
    for locker in lockers.collect::<Vec<_>>() {
        locker.join().unwrap();
    }
}

#[test]
fn a_lock_file_that_was_removed_under_us_is_not_a_lock() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("lock");
    let file = open_lock(&path).unwrap();
    assert!(is_still(&file, &path).unwrap());
    std::fs::remove_file(&path).unwrap();
    assert!(!is_still(&file, &path).unwrap());
    let other = open_lock(&path).unwrap();
    assert!(!is_still(&file, &path).unwrap() && is_still(&other, &path).unwrap());
}

#[test]
fn appended_bytes_are_at_the_end() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("trail");
    std::fs::write(&path, "a\n").unwrap();
    let file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    append_synced(&file, b"b\n").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"a\nb\n");
}

#[test]
fn a_folder_is_made_once_and_a_file_in_its_place_is_an_error() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("slips");
    ensure_folder(&path).unwrap();
    ensure_folder(&path).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o700);
    std::fs::write(folder.path().join("file"), "").unwrap();
    assert!(ensure_folder(&folder.path().join("file")).is_err());
}

#[test]
fn a_file_that_is_being_written_is_known_by_its_name() {
    let folder = tempdir().unwrap();
    let opened = open_folder(folder.path()).unwrap();
    for name in ["epoch", "2-1-aa", "a.b", "-"] {
        let (draft, _) = create_temporary(&opened, OsStr::new(name)).unwrap();
        assert!(is_draft(&draft), "{draft:?}");
    }
    for name in
        ["epoch.1-2-3.new", ".epoch.new", ".epoch.1-2-x.new", ".1-2-3.new", ".damaged-1-2-3"]
    {
        assert!(!is_draft(OsStr::new(name)), "{name}");
    }
}
