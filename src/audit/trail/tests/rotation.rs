//! Rotation, our own and logrotate's.

use super::*;
use crate::audit::held;

#[test]
fn logrotate_create_goes_on_in_the_new_file() {
    let site = Site::with_lines(2);
    let rotated = site.folder.path().join("audit.jsonl-20261122");
    fs::rename(site.path(), &rotated).unwrap();
    fs::File::options().write(true).create_new(true).mode(0o600).open(site.path()).unwrap();
    assert_eq!(site.yes().seq, 3);
    fs::rename(&rotated, site.folder.path().join("audit.jsonl.2")).unwrap();
    fs::rename(site.path(), site.folder.path().join("audit.jsonl.1")).unwrap();
    assert_eq!(site.yes().seq, 4);
    assert_eq!(site.events(), ["push.decided"]);
    site.sound(4);
}

#[test]
fn logrotate_copytruncate_goes_on_in_the_emptied_file() {
    let site = Site::with_lines(2);
    fs::copy(site.path(), site.folder.path().join("audit.jsonl.1")).unwrap();
    site.set(b"");
    assert_eq!(site.yes().seq, 3);
    assert_eq!(site.events(), ["push.decided"]);
    site.sound(3);
}

#[test]
fn a_line_that_copytruncate_lost_is_recorded() {
    let site = Site::with_lines(2);
    fs::copy(site.path(), site.folder.path().join("audit.jsonl.1")).unwrap();
    site.yes();
    site.set(b"");
    assert_eq!(site.yes().seq, 5);
    let found = site.verified();
    assert_eq!((found.bad.is_none(), found.damages[0].lost), (true, 1));
}

#[test]
fn logrotate_without_a_head_finds_the_chain_in_the_rotated_file() {
    let site = Site::with_lines(2);
    fs::remove_file(held::head_path(&site.path())).unwrap();
    fs::rename(site.path(), site.folder.path().join("audit.jsonl.1")).unwrap();
    assert_eq!(site.yes().seq, 3);
    site.sound(3);
}

#[test]
fn rotation_carries_the_chain_over() {
    let site = Site::new();
    assert!(
        site.trail().rotate(Record::new(Event::AUDIT_ROTATED, "host"), noon()).unwrap().is_none()
    );
    for _ in 0..2 {
        site.yes();
    }
    let record = || Record::new(Event::AUDIT_ROTATED, "host");
    let (moved, line) = site.trail().rotate(record(), noon()).unwrap().unwrap();
    assert_eq!(moved, site.folder.path().join("audit.jsonl.1-2"));
    assert_eq!(line.seq, 3);
    assert_eq!(site.lines()[0].detail("file"), Some("audit.jsonl.1-2"));
    site.yes();
    let (moved, _) = site.trail().rotate(record(), noon()).unwrap().unwrap();
    assert_eq!(moved, site.folder.path().join("audit.jsonl.3-4"));
    site.yes();
    site.sound(6);
    assert_eq!(site.verified().files.len(), 3);
}

#[test]
fn a_rotation_killed_between_rename_and_first_line_goes_on() {
    for remake in [false, true] {
        let site = Site::with_lines(2);
        fs::rename(site.path(), site.folder.path().join("audit.jsonl.1-2")).unwrap();
        if remake {
            fs::File::options().write(true).create_new(true).mode(0o600).open(site.path()).unwrap();
        }
        assert_eq!(site.yes().seq, 3);
        site.sound(3);
    }
}

#[test]
fn a_keeper_of_damage_killed_between_rename_and_first_line_goes_on() {
    let site = Site::with_lines(2);
    let mut bytes = site.bytes();
    bytes.extend(b"{\"half");
    site.set(&bytes);
    fs::rename(site.path(), site.folder.path().join("audit.jsonl.damaged-20261122T120000Z"))
        .unwrap();
    assert_eq!(site.yes().seq, 4);
    assert_eq!(site.events(), ["audit.damaged", "push.decided"]);
    site.sound(4);
}
