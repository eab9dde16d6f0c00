use super::*;
use crate::policy::source::SourceFile;
use crate::policy::source::Sources;
use proptest::prelude::*;

fn sources(text: &str) -> Sources {
    Sources::new(SourceFile { name: "p.toml".into(), text: text.into() }, "/etc")
}

fn at(start: usize, end: usize) -> At {
    At { file: 0, start: start as u32, end: end as u32 }
}

fn shown(text: &str, start: usize, end: usize) -> String {
    let problem = Problem::new(PolicyCode::UnknownKey, at(start, end), "m");
    to_text(&[problem], &sources(text))
}

#[test]
fn carets_stand_under_the_range_whatever_is_before_it() {
    assert_eq!(
        shown("a\n\tb = \"ä\" # c\r\n", 3, 4),
        "p.toml:2:2: error RW607: m\n  2 |  b = \"\\u{e4}\" # c\n    |  ^\n"
    );
    // The column counts characters, the carets stand under the escape.
    assert_eq!(
        shown("ä = x", 5, 6),
        "p.toml:1:5: error RW607: m\n  1 | \\u{e4} = x\n    |          ^\n"
    );
    assert_eq!(
        shown("\"ä\" = 1", 0, 4),
        "p.toml:1:1: error RW607: m\n  1 | \"\\u{e4}\" = 1\n    | ^^^^^^^^\n"
    );
}

#[test]
fn a_range_over_several_lines_or_at_the_end_has_carets_on_its_first_line() {
    assert!(shown("a = [\n1,\n]", 4, 11).ends_with("1 | a = [\n    |     ^\n"));
    assert!(shown("a = ", 4, 4).ends_with("1 | a = \n    |     ^\n"));
    assert!(shown("a", 99, 120).contains("p.toml:1:2"));
}

#[test]
fn a_line_of_a_megabyte_is_shown_around_the_range_only() {
    let line = format!("{}X{}", "a".repeat(1 << 20), "b".repeat(1 << 20));
    let text = shown(&line, 1 << 20, (1 << 20) + 1);
    assert!(text.len() < 400, "{}", text.len());
    assert!(text.contains("aaaX") || text.contains("aXb"));
    let longest = shown(&line, 0, line.len());
    assert!(longest.len() < 400 && longest.contains("^^^"));
}

#[test]
fn escape_sequences_of_a_policy_do_not_reach_the_terminal() {
    let hostile = "x = \"\u{1b}]0;owned\u{7}\u{202e}\u{9b}2J\"\u{7f}";
    let problem = Problem::new(PolicyCode::UnknownKey, at(0, 5), hostile)
        .help(hostile)
        .also(at(4, 9), hostile);
    let all = Sources::new(SourceFile { name: hostile.into(), text: hostile.into() }, "/");
    let text = to_text(std::slice::from_ref(&problem), &all) + &to_json(&problem, &all).to_string();
    assert!(text.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b)), "{text}");
}

#[test]
fn a_hundred_problems_are_shown_and_the_rest_is_counted() {
    let many = vec![Problem::new(PolicyCode::UnknownKey, at(0, 1), "m"); 103];
    let text = to_text(&many, &sources("a"));
    assert_eq!(text.matches("RW607").count(), MAX_SHOWN);
    assert!(text.ends_with("and 3 more\n"));
}

#[test]
fn thousands_of_warnings_do_not_crowd_an_error_out() {
    let mut problems = Problems::default();
    for _ in 0..=MAX_PROBLEMS {
        problems.push(Problem::new(PolicyCode::NoSources, at(0, 1), "w"));
    }
    assert!(!problems.has_error());
    problems.push(Problem::new(PolicyCode::UnknownKey, at(0, 1), "e"));
    assert!(problems.has_error());
}

#[test]
fn problems_are_sorted_by_place_and_told_once() {
    let mut problems = Problems::default();
    for start in [5, 1, 5, 3] {
        problems.push(Problem::new(PolicyCode::UnknownKey, at(start, 9), "m"));
    }
    let starts: Vec<u32> = problems.into_sorted().iter().map(|p| p.at.start).collect();
    assert_eq!(starts, [1, 3, 5]);
}

#[test]
fn the_nearest_word_is_suggested_and_a_far_one_is_not() {
    let near = |word| nearest(word, ["permissions", "paths", "to", "b"]);
    assert_eq!(near("permission"), Some("permissions"));
    assert_eq!(near("PATHS"), Some("paths"));
    assert_eq!(near("ot"), Some("to"));
    assert_eq!(near("x"), None);
    assert_eq!(near("branches"), None);
    assert_eq!(near(&"p".repeat(1000)), None);
}

#[test]
fn json_says_the_same() {
    let problem = Problem::new(PolicyCode::UnknownKey, at(2, 3), "m").help("h").also(at(0, 1), "n");
    let json = to_json(&problem, &sources("a\nb"));
    assert_eq!(json["code"], "RW607");
    assert_eq!(json["severity"], "error");
    assert_eq!(json["place"], serde_json::json!({"file": "p.toml", "line": 2, "column": 1}));
    assert_eq!(json["also"][0]["line"], 1);
    assert_eq!((json["help"].as_str(), json["also"][0]["note"].as_str()), (Some("h"), Some("n")));
}

#[test]
fn codes_are_unique_ascending_and_titled() {
    let numbers: Vec<u16> = PolicyCode::ALL.iter().map(|code| code.number()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(numbers.iter().all(|number| (601..=699).contains(number)));
    assert!(PolicyCode::ALL.iter().all(|code| !code.title().is_empty()));
}

proptest! {
    #[test]
    fn any_text_and_range_is_shown_in_plain_ascii(text: String, start in 0_usize..300, len in 0_usize..300) {
        let text = shown(&text, start, start + len);
        prop_assert!(text.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b)));
    }
}
