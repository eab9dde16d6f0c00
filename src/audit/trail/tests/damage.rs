//! Attacks on the end of a trail, and crashes while it is written.

use super::*;
use crate::audit::held;
use crate::audit::verify::{Bad, Compared, Problem};

#[test]
fn a_tail_cut_at_any_byte_is_kept_and_recorded() {
    let site = Site::with_lines(3);
    let whole = site.bytes();
    let head = fs::read(held::head_path(&site.path())).unwrap();
    let newlines: Vec<_> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
    for cut in newlines[0] + 1..whole.len() {
        let site = Site::new();
        site.set(&whole[..cut]);
        fs::write(held::head_path(&site.path()), &head).unwrap();
        let kept_lines = newlines.iter().filter(|at| **at < cut).count() as u64;
        assert_eq!(site.yes().seq, 5, "cut at {cut}");
        let damaged = &site.lines()[0];
        assert_eq!(damaged.text("event"), Some("audit.damaged"));
        assert_eq!(damaged.detail("good-seq"), Some(kept_lines.to_string().as_str()));
        let name = damaged.detail("kept").unwrap();
        assert_eq!(fs::read(site.folder.path().join(name)).unwrap(), &whole[..cut]);
        let found = site.verified();
        assert_eq!((found.bad, found.damages.len()), (None, 1), "cut at {cut}");
        assert_eq!(found.damages[0].lost, 3 - kept_lines, "cut at {cut}");
    }
}

#[test]
fn a_writer_killed_at_any_byte_of_its_line_loses_nothing_that_was_promised() {
    let site = Site::with_lines(2);
    let head = fs::read(held::head_path(&site.path())).unwrap();
    let promised = site.bytes().len();
    site.yes();
    let whole = site.bytes();
    for cut in promised..=whole.len() {
        let site = Site::new();
        site.set(&whole[..cut]);
        fs::write(held::head_path(&site.path()), &head).unwrap();
        let expected = if cut == promised { 3 } else { 4 };
        assert_eq!(site.yes().seq, expected, "killed at {cut}");
        site.sound(expected);
    }
}

#[test]
fn a_first_line_that_was_never_finished_is_kept() {
    let whole = Site::with_lines(1).bytes();
    for cut in 1..whole.len() {
        let site = Site::new();
        site.set(&whole[..cut]);
        assert_eq!(site.yes().seq, 2);
        site.sound(2);
        assert_eq!(site.names("damaged").len(), 1);
    }
}

#[test]
fn syslog_hears_of_a_damage() {
    let site = Site::with_lines(1);
    site.set(b"half");
    let heard = std::cell::RefCell::new(Vec::new());
    let notify = |text: &str| {
        heard.borrow_mut().push(text.to_owned());
        true
    };
    Trail { notify: &notify, ..site.trail() }.append(&decided(Verdict::Refused), noon()).unwrap();
    assert!(heard.borrow()[0].starts_with("audit damaged, recorded as seq=2 hash="));
    assert!(heard.borrow()[1].starts_with("audit seq=3 hash="));
}

#[test]
fn a_tail_of_zeros_after_a_power_failure_is_damage() {
    let site = Site::with_lines(2);
    let mut bytes = site.bytes();
    bytes.extend([0; 5000]);
    site.set(&bytes);
    assert_eq!(site.yes().seq, 4);
    site.sound(4);
}

#[test]
fn a_changed_last_line_is_not_built_upon() {
    for (from, to) in [("allowed", "refused"), ("main", "mine"), ("{", "{ ")] {
        let site = Site::with_lines(2);
        let text = String::from_utf8(site.bytes()).unwrap();
        let (before, after) = text.rsplit_once(from).unwrap();
        site.set(format!("{before}{to}{after}").as_bytes());
        assert_eq!(site.yes().seq, 4);
        let found = site.verified();
        assert_eq!(
            (found.bad.is_none(), found.damages[0].lost, found.is_sound()),
            (true, 1, false)
        );
    }
}

#[test]
fn a_last_line_rewritten_with_a_fitting_hash_shows_against_the_head() {
    let site = Site::with_lines(1);
    let head = fs::read(held::head_path(&site.path())).unwrap();
    let before = site.bytes();
    site.trail().append(&decided(Verdict::Allowed), noon()).unwrap();
    let true_head = fs::read(held::head_path(&site.path())).unwrap();
    site.set(&before);
    fs::write(held::head_path(&site.path()), &head).unwrap();
    site.trail().append(&decided(Verdict::Refused), noon()).unwrap();
    fs::write(held::head_path(&site.path()), &true_head).unwrap();
    site.yes();
    assert_eq!(site.events(), ["audit.damaged", "push.decided"]);
    assert!(site.lines()[0].detail("problem").unwrap().contains("line 2 is not the one"));
    assert!(matches!(site.verified().bad, Some(Bad { problem: Problem::Prev, .. })));
}

#[test]
fn a_trail_cut_at_a_line_or_emptied_or_removed_is_recorded() {
    let attacks: [fn(&Site); 3] = [
        |site| {
            let bytes = site.bytes();
            let at = bytes[..bytes.len() - 1].iter().rposition(|b| *b == b'\n').unwrap();
            site.set(&bytes[..=at]);
        },
        |site| site.set(b""),
        |site| fs::remove_file(site.path()).unwrap(),
    ];
    for attack in attacks {
        let site = Site::with_lines(3);
        attack(&site);
        assert_eq!(site.yes().seq, 5);
        assert_eq!(site.events(), ["audit.damaged", "push.decided"]);
        assert!(site.lines()[0].detail("problem").unwrap().ends_with("3 are gone"));
    }
}

#[test]
fn a_trail_removed_together_with_a_damaged_head_is_recorded() {
    let site = Site::with_lines(3);
    fs::remove_file(site.path()).unwrap();
    fs::write(held::head_path(&site.path()), "nothing\n").unwrap();
    site.yes();
    assert_eq!(site.events(), ["audit.damaged", "push.decided"]);
}

#[test]
fn a_head_that_cannot_be_had_stops_nobody() {
    let site = Site::with_lines(2);
    let head = held::head_path(&site.path());
    fs::remove_file(&head).unwrap();
    std::os::unix::fs::symlink("/dev/null", &head).unwrap();
    site.yes();
    fs::remove_file(&head).unwrap();
    fs::create_dir(&head).unwrap();
    site.yes();
    site.sound(4);
}

#[test]
fn two_damages_in_one_second_are_both_kept() {
    let site = Site::with_lines(1);
    for _ in 0..3 {
        let mut bytes = site.bytes();
        bytes.extend(b"half");
        site.set(&bytes);
        site.yes();
    }
    assert_eq!(site.names("damaged").len(), 3);
    site.sound(7);
}

#[test]
fn a_checkpoint_shows_that_trail_and_head_were_cut_together() {
    let site = Site::with_lines(2);
    let head = fs::read(held::head_path(&site.path())).unwrap();
    let bytes = site.bytes();
    let last = site.yes();
    let point = Checkpoint { host: "host".into(), seq: last.seq, hash: last.hash };
    let compared = || verify(&site.path(), Some(&point)).unwrap();
    assert!(compared().is_sound());
    site.set(&bytes);
    fs::write(held::head_path(&site.path()), head).unwrap();
    assert_eq!(compared().checkpoint, Some(Compared::CutBefore));
    site.trail().append(&decided(Verdict::Refused), noon()).unwrap();
    assert!(matches!(compared().bad, Some(Bad { problem: Problem::Checkpoint, .. })));
}
