use super::super::trail::tests::{Site, decided, noon};
use super::*;
use crate::audit::record::Verdict;
use std::time::Duration;

#[test]
fn a_disk_that_takes_nothing_changes_nothing() {
    let site = Site::with_lines(2);
    let path = site.path();
    let lock = files::lock(&site.folder.path().join("audit.jsonl.lock"), Duration::ZERO).unwrap();
    let uid = rustix::process::getuid().as_raw();
    let mut held = Held::open(&path, uid, lock, &"host".into(), noon()).unwrap();
    held.file = File::options().append(true).open("/dev/full").unwrap();
    let error = held.write(&decided(Verdict::Allowed), noon()).unwrap_err();
    assert_eq!(error.code(), crate::code::Code::Audit);
    assert_eq!(held.end().seq, 2);
    drop(held);
    assert_eq!(site.yes().seq, 3);
    site.sound(3);
}

#[test]
fn a_part_of_a_line_is_taken_back_unless_the_file_was_emptied() {
    let site = Site::with_lines(1);
    let path = site.path();
    let lock = files::lock(&site.folder.path().join("audit.jsonl.lock"), Duration::ZERO).unwrap();
    let uid = rustix::process::getuid().as_raw();
    let held = Held::open(&path, uid, lock, &"host".into(), noon()).unwrap();
    let whole = site.bytes();
    site.set(&[&whole[..], b"part"].concat());
    held.cut_back(100);
    assert_eq!(site.bytes(), whole);
    site.set(b"part");
    held.cut_back(100);
    assert_eq!(site.bytes(), b"part");
}
