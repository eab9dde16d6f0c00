use super::super::line::{Place, seal};
use super::super::record::{Event, Record};
use super::super::trail::tests::{Site, noon, time};
use super::*;
use chrono::{DateTime, Utc};

/// A chain of `count` whole lines, as texts.
fn chain(count: u64) -> Vec<String> {
    let mut texts = Vec::new();
    let mut end = End::NOTHING;
    for _ in 0..count {
        let (text, next) = sealed(Event::PUSH_LANDED, end.seq + 1, end.hash, noon());
        texts.push(text);
        end = next;
    }
    texts
}

fn sealed(event: Event, seq: u64, prev: Hash, time: DateTime<Utc>) -> (String, End) {
    let place = Place { seq, prev, time, clock: None, unidentified: 0, store: None };
    let (text, end) = seal(&Record::new(event, "host"), &place).unwrap();
    (String::from_utf8(text).unwrap(), end)
}

fn end_of(text: &str) -> End {
    Line::read(text.trim_end().as_bytes()).unwrap().end
}

fn bad_of(texts: &[String]) -> Option<(u64, Problem)> {
    let site = Site::new();
    site.set(texts.concat().as_bytes());
    let found = verify(&site.path(), None).unwrap();
    found.bad.map(|bad| {
        assert_eq!(bad.at.file, site.path());
        (bad.at.line, bad.problem)
    })
}

#[test]
fn a_chain_as_written_is_sound() {
    let site = Site::new();
    assert_eq!(verify(&site.path(), None).unwrap(), Verified::default());
    site.set(chain(5).concat().as_bytes());
    let found = verify(&site.path(), None).unwrap();
    assert!(found.is_sound());
    assert_eq!((found.lines, found.first, found.last.unwrap().0), (5, 1, 5));
}

#[test]
fn an_edited_line_is_named() {
    let mut texts = chain(5);
    texts[2] = texts[2].replace("landed", "settled");
    assert_eq!(bad_of(&texts), Some((3, Flaw::WrongHash.into())));
}

#[test]
fn an_edited_line_with_a_fitting_hash_is_named_by_the_one_after() {
    let mut texts = chain(5);
    let before = end_of(&texts[1]);
    texts[2] = sealed(Event::PUSH_SETTLED, 3, before.hash, noon()).0;
    assert_eq!(bad_of(&texts), Some((4, Problem::Prev)));
}

#[test]
fn a_removed_line_is_named() {
    let mut texts = chain(5);
    texts.remove(2);
    assert_eq!(bad_of(&texts), Some((3, Problem::Gap { first: 3, last: 3 })));
}

#[test]
fn swapped_lines_are_named() {
    let mut texts = chain(5);
    texts.swap(2, 3);
    assert_eq!(bad_of(&texts), Some((3, Problem::Gap { first: 3, last: 3 })));
}

#[test]
fn two_lines_of_one_number_are_named() {
    let mut texts = chain(5);
    texts.insert(3, texts[2].clone());
    assert_eq!(bad_of(&texts), Some((4, Problem::Repeated(3))));
}

#[test]
fn a_first_line_that_claims_something_before_it_is_named() {
    let texts = vec![sealed(Event::PUSH_LANDED, 1, Hash::of(b"x"), noon()).0];
    assert_eq!(bad_of(&texts), Some((1, Problem::Prev)));
}

#[test]
fn time_goes_back_only_at_a_clock_reset() {
    let earlier = time("2026-11-22T11:59:59.999Z");
    for (event, expected) in
        [(Event::PUSH_LANDED, Some((3, Problem::Time))), (Event::CLOCK_RESET, None)]
    {
        let mut texts = chain(2);
        texts.push(sealed(event, 3, end_of(&texts[1]).hash, earlier).0);
        assert_eq!(bad_of(&texts), expected);
    }
}

#[test]
fn another_text_for_the_same_line_is_named() {
    for (from, to) in
        [("\n", " \n"), ("\n", "\r\n"), ("\n", "\n\n"), ("\"v\":1", "\"v\":1,\"v\":1")]
    {
        let mut texts = chain(3);
        texts[1] = texts[1].replace(from, to);
        let (line, _) = bad_of(&texts).unwrap();
        assert!((2..=3).contains(&line));
    }
    let mut texts = chain(3);
    texts[2].pop();
    assert_eq!(bad_of(&texts), Some((3, Problem::Cut)));
}

#[test]
fn any_one_byte_changed_anywhere_shows() {
    let bytes = chain(3).concat().into_bytes();
    let site = Site::new();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 2;
        site.set(&changed);
        assert!(!verify(&site.path(), None).unwrap().is_sound(), "byte {at}");
    }
}

#[test]
fn older_files_may_be_gone_but_not_one_between() {
    let site = Site::new();
    let texts = chain(6);
    let part = |name: &str, lines: &[String]| {
        std::fs::write(site.folder.path().join(name), lines.concat()).unwrap();
    };
    part("audit.jsonl.2", &texts[2..4]);
    part("audit.jsonl.1", &texts[4..5]);
    site.set(texts[5].as_bytes());
    let found = verify(&site.path(), None).unwrap();
    assert!(found.is_sound());
    assert_eq!((found.first, found.lines, found.files.len()), (3, 4, 3));
    std::fs::remove_file(site.folder.path().join("audit.jsonl.1")).unwrap();
    part("audit.jsonl.1.gz", &[]);
    let found = verify(&site.path(), None).unwrap();
    assert_eq!(found.compressed, [site.folder.path().join("audit.jsonl.1.gz")]);
    let bad = found.bad.unwrap();
    assert_eq!((bad.at.line, bad.problem), (1, Problem::Gap { first: 5, last: 5 }));
}

#[test]
fn a_kept_file_in_which_an_earlier_line_is_edited_counts_what_is_lost() {
    let site = Site::with_lines(4);
    let half = [&site.bytes()[..], b"half"].concat();
    site.set(&half);
    site.yes();
    assert!(verify(&site.path(), None).unwrap().is_sound());
    let kept = site.folder.path().join(&site.names("damaged-")[0]);
    let text = std::fs::read_to_string(&kept).unwrap().replacen("main", "mine", 1);
    std::fs::write(&kept, text).unwrap();
    let found = verify(&site.path(), None).unwrap();
    assert_eq!(found.damages[0].at, Position { file: kept, line: 1 });
    assert_eq!((found.damages[0].lost, found.is_sound()), (4, false));
}

#[test]
fn a_checkpoint_is_looked_for() {
    let texts = chain(5);
    let site = Site::new();
    site.set(texts[1..].concat().as_bytes());
    let compared = |seq: u64, hash| {
        let point = Checkpoint { host: "host".into(), seq, hash };
        verify(&site.path(), Some(&point)).unwrap()
    };
    let third = end_of(&texts[2]).hash;
    assert_eq!(compared(3, third).checkpoint, Some(Compared::Found));
    assert_eq!(compared(1, third).checkpoint, Some(Compared::BeginsAfter));
    assert_eq!(compared(6, third).checkpoint, Some(Compared::CutBefore));
    let other = compared(3, Hash::NONE);
    assert_eq!(other.bad.unwrap().problem, Problem::Checkpoint);
    assert_eq!(other.checkpoint, Some(Compared::NotReached));
}
