//! Tests of the trail: what it shares, and what fits none of the files below.

mod clock;
mod damage;
mod faults;
mod rotation;
mod store;

use super::super::record::{RefRecord, Verdict};
use super::super::verify::{Verified, verify};
use super::super::{line::Line, stamp};
use super::*;
use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

pub(in crate::audit) fn time(text: &str) -> DateTime<Utc> {
    stamp::read(text).unwrap()
}

pub(in crate::audit) fn noon() -> DateTime<Utc> {
    time("2026-11-22T12:00:00.000Z")
}

pub(in crate::audit) fn decided(verdict: Verdict) -> Record {
    let mut record = Record::new(Event::PUSH_DECIDED, "host");
    record.verdict = Some(verdict);
    record.refs = vec![RefRecord { name: "refs/heads/main".into(), ..Default::default() }];
    record
}

/// A folder with a trail in it.
pub(in crate::audit) struct Site {
    pub(in crate::audit) folder: tempfile::TempDir,
}

impl Site {
    pub(in crate::audit) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        Self { folder }
    }

    pub(in crate::audit) fn path(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    pub(in crate::audit) fn trail(&self) -> Trail<'static> {
        let uid = rustix::process::getuid().as_raw();
        Trail::new(&self.path(), &self.folder.path().join("audit.jsonl.lock"), uid, &|_| true)
    }

    pub(in crate::audit) fn yes(&self) -> Appended {
        self.trail().append(&decided(Verdict::Allowed), noon()).unwrap()
    }

    pub(in crate::audit) fn with_lines(count: u64) -> Self {
        let site = Self::new();
        (0..count).for_each(|_| assert!(site.yes().seq > 0));
        site
    }

    pub(in crate::audit) fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }

    pub(in crate::audit) fn lines(&self) -> Vec<Line> {
        let bytes = self.bytes();
        let text = bytes.strip_suffix(b"\n").unwrap_or_default();
        text.split(|b| *b == b'\n').map(|text| Line::read(text).unwrap()).collect()
    }

    pub(in crate::audit) fn events(&self) -> Vec<String> {
        self.lines().iter().map(|line| line.text("event").unwrap().to_owned()).collect()
    }

    pub(in crate::audit) fn verified(&self) -> Verified {
        verify(&self.path(), None).unwrap()
    }

    pub(in crate::audit) fn set(&self, bytes: &[u8]) {
        fs::write(self.path(), bytes).unwrap();
    }

    pub(in crate::audit) fn names(&self, part: &str) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).unwrap().map(|e| e.unwrap().file_name());
        names.map(|n| n.into_string().unwrap()).filter(|n| n.contains(part)).collect()
    }

    pub(in crate::audit) fn sound(&self, last: u64) {
        let found = self.verified();
        assert!(found.is_sound(), "{found:?}");
        assert_eq!((found.first, found.last.map(|l| l.0)), (1, Some(last)), "{found:?}");
    }
}

#[test]
fn lines_follow_one_another_and_syslog_hears_of_each() {
    let site = Site::new();
    let heard = std::cell::RefCell::new(Vec::new());
    let notify = |text: &str| {
        heard.borrow_mut().push(text.to_owned());
        heard.borrow().len() == 1
    };
    let trail = Trail { notify: &notify, ..site.trail() };
    let first = trail.append(&decided(Verdict::Allowed), noon()).unwrap();
    let second = trail.append(&decided(Verdict::Refused), noon()).unwrap();
    assert_eq!((first.seq, second.seq, first.notified, second.notified), (1, 2, true, false));
    assert_eq!(site.lines()[1].prev, first.hash);
    assert_eq!(heard.borrow()[1], format!("audit seq=2 hash={}", second.hash));
    let end = trail.end(&"host".into(), noon()).unwrap().unwrap();
    assert_eq!((end.seq, end.hash, end.time), (2, second.hash, noon()));
    site.sound(2);
    assert_eq!(fs::metadata(site.path()).unwrap().permissions().mode() & 0o777, 0o600);
    let lock = site.folder.path().join("audit.jsonl.lock");
    assert_eq!(fs::metadata(lock).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_symlink_in_place_of_the_trail_is_refused() {
    let site = Site::new();
    let target = site.folder.path().join("target");
    fs::write(&target, "").unwrap();
    std::os::unix::fs::symlink(&target, site.path()).unwrap();
    let error = site.trail().append(&decided(Verdict::Allowed), noon()).unwrap_err();
    assert_eq!(error.code(), crate::code::Code::Audit);
    assert_eq!(fs::read(&target).unwrap(), b"");
}

#[test]
fn a_fifo_or_a_device_in_place_of_the_trail_is_refused() {
    let site = Site::new();
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, site.path(), kind, 0o600.into(), 0).unwrap();
    assert!(site.trail().append(&decided(Verdict::Allowed), noon()).is_err());
}

#[test]
fn a_folder_or_a_trail_that_others_can_write_is_refused() {
    for mode in [0o777, 0o770, 0o702] {
        let site = Site::with_lines(1);
        fs::set_permissions(site.folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        let error = site.trail().append(&decided(Verdict::Allowed), noon()).unwrap_err();
        assert!(matches!(error, TrailError::Trust(_)), "{error}");
        fs::set_permissions(site.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(site.path(), fs::Permissions::from_mode(mode & 0o666)).unwrap();
        let error = site.trail().append(&decided(Verdict::Allowed), noon()).unwrap_err();
        assert!(matches!(error, TrailError::Trust(_)), "{error}");
        assert_eq!(site.lines().len(), 1);
    }
}

#[test]
fn a_folder_that_is_not_there_is_not_made() {
    let site = Site::new();
    let path = site.folder.path().join("log/audit.jsonl");
    let lock = site.folder.path().join("lock");
    let trail = Trail::new(&path, &lock, 0, &|_| true);
    assert!(trail.append(&decided(Verdict::Allowed), noon()).is_err());
    assert!(!path.parent().unwrap().exists());
}

#[test]
fn a_lock_that_somebody_keeps_ends_in_a_refusal() {
    let site = Site::new();
    let _kept = files::lock(&site.folder.path().join("audit.jsonl.lock"), WAIT).unwrap();
    let trail = Trail { wait: Duration::from_millis(50), ..site.trail() };
    let error = trail.append(&decided(Verdict::Allowed), noon()).unwrap_err();
    assert!(error.to_string().contains("lock"), "{error}");
    assert!(!site.path().exists());
}

#[test]
fn pushes_without_an_identity_are_counted_in_the_next_line() {
    let site = Site::new();
    let host = "host".into();
    for _ in 0..3 {
        assert!(site.trail().count_unidentified(&host, noon()).unwrap());
    }
    site.yes();
    site.yes();
    let counts: Vec<_> = site.lines().iter().map(|line| line.number("unidentified")).collect();
    assert_eq!(counts, [Some(3), None]);
    assert!(site.trail().count_unidentified(&host, noon()).unwrap());
    let length = site.bytes().len();
    assert!(site.trail().count_unidentified(&host, noon()).unwrap());
    assert_eq!(site.bytes().len(), length);
    site.yes();
    assert_eq!(site.lines()[2].number("unidentified"), Some(2));
    site.sound(3);
}

#[test]
fn many_writers_at_once_lose_no_line() {
    let site = Site::new();
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| (0..10).for_each(|_| assert!(site.yes().seq > 0)));
        }
    });
    site.sound(320);
    assert_eq!(site.lines().len(), 320);
}

#[test]
fn a_line_of_megabytes_is_read_back_from_the_end() {
    let site = Site::new();
    let mut record = decided(Verdict::Allowed);
    record.refs = (0..10_000)
        .map(|n| RefRecord {
            name: format!("refs/heads/{n}").into(),
            old: "0".repeat(40).into(),
            new: "1".repeat(40).into(),
            verdict: Some(Verdict::Allowed),
            ..Default::default()
        })
        .collect();
    site.trail().append(&record, noon()).unwrap();
    assert!(site.bytes().len() > 1_000_000);
    site.yes();
    site.sound(2);
    assert_eq!(site.lines()[0].record(), Some(record));
}

#[test]
fn a_trail_of_a_newer_program_is_left_alone() {
    let site = Site::with_lines(1);
    let text = String::from_utf8(site.bytes()).unwrap().replace("\"v\":1,", "\"v\":2,");
    site.set(text.as_bytes());
    let error = site.trail().append(&decided(Verdict::Allowed), noon()).unwrap_err();
    assert!(matches!(error, TrailError::Newer { version: 2, .. }));
    assert_eq!(site.bytes(), text.as_bytes());
}
