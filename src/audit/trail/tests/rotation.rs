//! Rotation, our own and logrotate's.

use super::*;
use crate::audit::held;
use proptest::prelude::*;

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

#[test]
fn rotation_while_others_append_loses_no_line() {
    let site = Site::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..20).for_each(|_| assert!(site.yes().seq > 0)));
        }
        scope.spawn(|| {
            for _ in 0..10 {
                let record = Record::new(Event::AUDIT_ROTATED, "host");
                site.trail().rotate(record, noon()).unwrap();
                let found = site.trail().verify(&"host".into(), noon(), None).unwrap();
                assert!(found.is_sound(), "{found:?}");
            }
        });
    });
    let found = site.verified();
    assert!(found.is_sound(), "{found:?}");
    assert_eq!(found.lines, found.last.unwrap().0);
    assert!(found.lines >= 160);
}

#[derive(Debug, Clone)]
enum Step {
    Append,
    Rotate,
    /// logrotate's rename, with a new empty file or without one.
    Rename(bool),
    CopyTruncate,
    /// A writer is killed when it has written so many bytes of its line.
    Killed(usize),
    LoseHead,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Append),
        1 => Just(Step::Rotate),
        1 => any::<bool>().prop_map(Step::Rename),
        1 => Just(Step::CopyTruncate),
        2 => (1..300_usize).prop_map(Step::Killed),
        1 => Just(Step::LoseHead),
    ]
}

fn take(site: &Site, step: &Step, number: usize) {
    let aside = site.folder.path().join(format!("audit.jsonl-{number}"));
    match step {
        Step::Append => assert!(site.yes().seq > 0),
        Step::Rotate => {
            let record = Record::new(Event::AUDIT_ROTATED, "host");
            site.trail().rotate(record, noon()).unwrap();
        }
        Step::Rename(remake) => {
            let _ = fs::rename(site.path(), aside);
            if *remake {
                site.set(b"");
                fs::set_permissions(site.path(), fs::Permissions::from_mode(0o600)).unwrap();
            }
        }
        Step::CopyTruncate => {
            if fs::copy(site.path(), aside).is_ok() {
                site.set(b"");
            }
        }
        Step::Killed(bytes) => {
            let half = Site::with_lines(1).bytes();
            let file = fs::File::options().append(true).create(true).mode(0o600).open(site.path());
            std::io::Write::write_all(&mut file.unwrap(), &half[..*bytes]).unwrap();
        }
        Step::LoseHead => drop(fs::remove_file(held::head_path(&site.path()))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]
    #[test]
    fn no_order_of_crashes_and_rotations_breaks_the_chain(steps in proptest::collection::vec(step(), 1..14)) {
        let site = Site::new();
        for (number, step) in steps.iter().enumerate() {
            take(&site, step, number);
        }
        site.yes();
        let found = site.verified();
        prop_assert!(found.is_sound(), "{:?}", found);
        prop_assert_eq!((found.first, found.lines), (1, found.last.unwrap().0));
    }
}
