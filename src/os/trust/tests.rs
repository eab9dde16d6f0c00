use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

/// A folder under the sticky `/tmp`, of the account that runs the tests.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    chmod(folder.path(), 0o755);
    folder
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn file(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, "x").unwrap();
    chmod(&path, 0o644);
    path
}

fn me() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[test]
fn own_files_below_a_sticky_root_owned_folder_pass() {
    let folder = folder();
    let path = file(folder.path(), "policy.toml");
    open_file(&path, me()).unwrap();
    open_folder(folder.path(), me()).unwrap();
    open_folder(Path::new("/"), me()).unwrap();
}

#[test]
fn a_world_writable_file_is_refused_with_its_cure() {
    let folder = folder();
    let path = file(folder.path(), "policy.toml");
    chmod(&path, 0o666);
    let words = open_file(&path, me()).unwrap_err().to_string();
    assert!(words.contains("mode 0666"), "{words}");
    assert!(words.contains(&format!("chmod go-w {}", path.display())), "{words}");
}

#[test]
fn a_group_writable_parent_is_refused_and_named() {
    let folder = folder();
    let parent = folder.path().join("etc");
    std::fs::create_dir(&parent).unwrap();
    let below = parent.join("deep");
    std::fs::create_dir(&below).unwrap();
    let path = file(&below, "policy.toml");
    chmod(&parent, 0o775);
    match open_file(&path, me()).unwrap_err() {
        TrustError::Writable { path, mode, .. } => assert_eq!((path, mode), (parent, 0o775)),
        other => panic!("{other}"),
    }
}

#[test]
fn a_sticky_folder_passes_only_when_root_owns_it() {
    let stat = |uid: u32, mode: u32| {
        let mut stat = rustix::fs::stat("/").unwrap();
        (stat.st_uid, stat.st_mode) = (uid, mode);
        judge(&stat, Path::new("/x"), 1000, FileType::Directory).is_ok()
    };
    assert!(stat(0, 0o041777));
    assert!(!stat(1000, 0o041777));
    assert!(!stat(0, 0o040777));
    assert!(stat(1000, 0o040755) && !stat(1001, 0o040755));
}

#[test]
fn a_sticky_bit_on_a_file_excuses_nothing() {
    let mut stat = rustix::fs::stat("/").unwrap();
    (stat.st_uid, stat.st_mode) = (0, 0o101666);
    assert!(judge(&stat, Path::new("/x"), 0, FileType::RegularFile).is_err());
}

#[test]
fn a_link_to_an_attackers_file_is_judged_by_that_file() {
    let folder = folder();
    let lair = folder.path().join("lair");
    std::fs::create_dir(&lair).unwrap();
    let evil = file(&lair, "policy.toml");
    chmod(&lair, 0o777);
    let link = folder.path().join("policy.toml");
    symlink(&evil, &link).unwrap();
    match open_file(&link, me()).unwrap_err() {
        TrustError::Writable { path, .. } => assert_eq!(path, lair),
        other => panic!("{other}"),
    }
}

#[test]
fn a_link_to_a_trusted_file_passes_and_tells_where_it_led() {
    let folder = folder();
    let path = file(folder.path(), "real");
    let link = folder.path().join("link");
    symlink("real", &link).unwrap();
    let (_, real) = open_resolved(&link, me()).unwrap();
    assert_eq!(real, path.canonicalize().unwrap());
}

#[test]
fn a_file_of_another_account_is_refused() {
    if me() != 0 {
        return; // only root can give a file away
    }
    let folder = folder();
    let path = file(folder.path(), "policy.toml");
    std::os::unix::fs::chown(&path, Some(4242), None).unwrap();
    let words = open_file(&path, 0).unwrap_err().to_string();
    assert!(words.contains("uid 4242") && words.contains("chown"), "{words}");
    open_file(&path, 4242).unwrap();
}

#[test]
fn a_fifo_or_folder_in_place_of_the_file_does_not_hang() {
    let folder = folder();
    let fifo = folder.path().join("fifo");
    rustix::fs::mkfifoat(CWD, &fifo, Mode::from_raw_mode(0o600)).unwrap();
    assert!(matches!(open_file(&fifo, me()), Err(TrustError::Kind { .. })));
    assert!(matches!(open_file(folder.path(), me()), Err(TrustError::Kind { .. })));
    let path = file(folder.path(), "file");
    assert!(open_folder(&path, me()).is_err());
}

#[test]
fn a_relative_or_missing_path_is_an_error() {
    assert!(open_file(Path::new("policy.toml"), me()).is_err());
    match open_file(Path::new("/nowhere/policy.toml"), me()).unwrap_err() {
        TrustError::File(error) => assert!(error.is_absent()),
        other => panic!("{other}"),
    }
}

#[test]
fn the_trail_minds_its_own_folder_and_file_only() {
    let folder = folder();
    let log = folder.path().join("log");
    let own = log.join("refwarden");
    std::fs::create_dir_all(&own).unwrap();
    chmod(&log, 0o775);
    chmod(&own, 0o700);
    let path = own.join("audit.jsonl");
    open_trail(&path, me()).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    chmod(&path, 0o620);
    assert!(matches!(open_trail(&path, me()), Err(TrustError::Writable { .. })));
    chmod(&path, 0o640);
    chmod(&own, 0o770);
    assert!(matches!(open_trail(&path, me()), Err(TrustError::Writable { .. })));
}

#[test]
fn a_trail_replaced_by_a_link_is_refused() {
    let folder = folder();
    let other = file(folder.path(), "other");
    let path = folder.path().join("audit.jsonl");
    symlink(&other, &path).unwrap();
    assert!(open_trail(&path, me()).is_err());
}

#[test]
fn what_root_makes_in_the_accounts_folder_belongs_to_the_account() {
    use std::os::unix::fs::MetadataExt;
    if me() != 0 {
        return; // only root can give a file away
    }
    let folder = folder();
    std::os::unix::fs::chown(folder.path(), Some(4242), Some(4243)).unwrap();
    let at = |name: &str| folder.path().join(name);
    open_trail(&at("audit.jsonl"), 4242).unwrap();
    files::write_whole(&at("epoch"), b"x", 0o600).unwrap();
    files::lock(&at("lock"), std::time::Duration::ZERO).unwrap();
    files::ensure_folder(&at("slips")).unwrap();
    for name in ["audit.jsonl", "epoch", "lock", "slips"] {
        let about = at(name).metadata().unwrap();
        assert_eq!((about.uid(), about.gid()), (4242, 4243), "{name}");
    }
}

#[test]
fn a_trail_that_is_a_second_name_of_another_file_is_refused() {
    let folder = folder();
    let other = file(folder.path(), "other");
    let path = folder.path().join("audit.jsonl");
    std::fs::hard_link(&other, &path).unwrap();
    assert!(open_trail(&path, me()).is_err());
}
