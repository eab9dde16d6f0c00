#![allow(clippy::string_slice, reason = "tests cut ids, which are ASCII")]

use super::*;
use proptest::prelude::*;

const A: &str = "1111111111111111111111111111111111111111";
const B: &str = "2222222222222222222222222222222222222222";
const NULL: &str = "0000000000000000000000000000000000000000";

fn faults(input: impl AsRef<[u8]>) -> Vec<(u16, Option<String>)> {
    let problems = parse(input.as_ref(), Kind::Sha1, 100).unwrap_err();
    problems.iter().map(|p| (p.code().number(), p.name.as_ref().map(|n| n.to_string()))).collect()
}

fn one(input: String) -> RefUpdate {
    parse(input.as_bytes(), Kind::Sha1, 100).unwrap().remove(0)
}

#[test]
fn the_three_changes_are_told_apart() {
    let (a, b) =
        (ObjectId::from_hex(A.as_bytes()).unwrap(), ObjectId::from_hex(B.as_bytes()).unwrap());
    assert_eq!(one(format!("{NULL} {A} refs/heads/x\n")).change, Change::Create { new: a });
    assert_eq!(one(format!("{A} {B} refs/heads/x\n")).change, Change::Update { old: a, new: b });
    assert_eq!(one(format!("{A} {NULL} refs/heads/x\n")).change, Change::Delete { old: a });
}

#[test]
fn empty_stdin_is_refused() {
    assert_eq!(faults(""), [(301, None)]);
}

#[test]
fn every_truncation_of_a_push_is_refused_or_shorter_by_whole_lines() {
    let whole = format!("{A} {B} refs/heads/x\n{NULL} {A} refs/heads/y\n");
    let first = format!("{A} {B} refs/heads/x\n").len();
    for end in 0..whole.len() {
        let got = parse(&whole.as_bytes()[..end], Kind::Sha1, 100);
        assert_eq!(got.is_ok(), end == first, "cut at {end}");
    }
}

#[test]
fn null_to_null_and_no_change_are_refused() {
    assert_eq!(faults(format!("{NULL} {NULL} r\n")), [(301, Some("r".into()))]);
    assert_eq!(faults(format!("{A} {A} r\n")), [(301, Some("r".into()))]);
}

#[test]
fn ids_of_another_length_or_alphabet_are_refused() {
    let long = "1".repeat(64);
    for id in ["", "1", &A[1..], &long, &A.replace('1', "g"), &A.replace('1', "A")] {
        assert_eq!(faults(format!("{id} {B} r\n")), [(301, Some("r".into()))], "{id}");
    }
    let line = format!("{long} {} r\n", "0".repeat(64));
    assert!(parse(line.as_bytes(), Kind::Sha256, 1).is_ok());
    assert!(parse(format!("{A} {B} r\n").as_bytes(), Kind::Sha256, 1).is_err());
}

#[test]
fn lines_of_another_shape_are_refused() {
    for line in ["", " ", A, &format!("{A} {B}"), &format!("{A} {B} "), &format!("{A} {B} r\0x")] {
        assert_eq!(faults(format!("{line}\n")), [(301, None)], "{line}");
    }
    assert_eq!(faults(format!("{A}  {B} r\n"))[0].0, 301);
}

#[test]
fn a_duplicate_ref_is_refused_even_with_equal_values() {
    let line = format!("{A} {B} refs/heads/x\n");
    assert_eq!(faults(format!("{line}{line}")), [(307, Some("refs/heads/x".into()))]);
}

#[test]
fn all_problems_are_reported_at_once() {
    let text = format!("{NULL} {NULL} a\n{A} {B} b\n{A} {B} b\n{A}\n{A} {A} c");
    let codes: Vec<u16> = faults(text).into_iter().map(|f| f.0).collect();
    assert_eq!(codes, [301, 307, 301, 301]);
}

#[test]
fn names_may_hold_spaces_and_bytes_that_are_not_utf8() {
    let mut line = format!("{NULL} {A} refs/heads/a b").into_bytes();
    line.extend(b"\xff\n");
    let update = parse(&line, Kind::Sha1, 1).unwrap().remove(0);
    assert_eq!(update.name.as_bytes(), b"refs/heads/a b\xff");
}

#[test]
fn ten_thousand_refs_are_read_and_one_more_than_the_limit_is_refused() {
    let text: String = (0..10_000).map(|n| format!("{NULL} {A} refs/heads/b{n}\n")).collect();
    assert_eq!(parse(text.as_bytes(), Kind::Sha1, 10_000).unwrap().len(), 10_000);
    let problems = parse(text.as_bytes(), Kind::Sha1, 9_999).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].code(), Code::Limit);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_and_no_id_is_null(bytes: Vec<u8>) {
        if let Ok(updates) = parse(&bytes, Kind::Sha1, 10) {
            prop_assert!(!updates.is_empty());
        }
    }

    #[test]
    fn what_was_written_is_read(ids in prop::collection::vec((0_u8..4, 0_u8..4), 1..20)) {
        let hex = |n: u8| n.to_string().repeat(40);
        let text: String = ids.iter().enumerate()
            .map(|(i, (old, new))| format!("{} {} refs/heads/{i}\n", hex(*old), hex(*new)))
            .collect();
        let refused = ids.iter().filter(|(old, new)| old == new).count();
        match parse(text.as_bytes(), Kind::Sha1, 20) {
            Ok(updates) => {
                prop_assert_eq!(refused, 0);
                for (update, (old, new)) in updates.iter().zip(&ids) {
                    let show = |id: Option<ObjectId>| id.map_or(hex(0), |id| id.to_string());
                    prop_assert_eq!(show(update.change.old()), hex(*old));
                    prop_assert_eq!(show(update.change.new_id()), hex(*new));
                }
            }
            Err(problems) => prop_assert_eq!(problems.len(), refused),
        }
    }
}
