use super::*;
use proptest::prelude::*;

fn projects() -> Vec<Box<str>> {
    vec!["PAY".into(), "PAY2".into(), "A_B".into()]
}

fn found(text: &str) -> Vec<String> {
    find(text.as_bytes(), &projects()).iter().map(ToString::to_string).collect()
}

#[test]
fn a_key_stands_between_boundaries() {
    for (text, keys) in [
        ("refs/heads/feature/PAY-123-retry", &["PAY-123"][..]),
        ("refs/heads/PAY-1", &["PAY-1"]),
        ("PAY-1 PAY-1, (PAY-2)", &["PAY-1", "PAY-2"]),
        ("PAY2-7 A_B-9", &["PAY2-7", "A_B-9"]),
        ("PAY-1.PAY-2:PAY-3", &["PAY-1", "PAY-2", "PAY-3"]),
        ("PAY-1-PAY-2", &["PAY-1"]),
        ("xPAY-1 _PAY-1 9PAY-1 -PAY-1 éPAY-1", &[]),
        ("PAY-1x PAY-1_ PAY-1é PAY-01 PAY-0 PAY- PAY-x", &[]),
        ("pay-1 Pay-1", &[]),
        ("UTF-8 SHA-256 CVE-2024", &[]),
        ("PAY-1234567890123456789", &[]),
        ("PAY--1 PAY -1", &[]),
    ] {
        assert_eq!(found(text), keys, "{text}");
    }
}

#[test]
fn a_longer_number_is_another_issue() {
    // A glob would have matched PAY-123 here.
    assert_eq!(found("refs/heads/PAY-1234"), ["PAY-1234"]);
}

#[test]
fn small_letters_are_told_and_do_not_count() {
    let told = |text: &str| misspelt(text.as_bytes(), &projects());
    assert_eq!(told("feature/pay-42"), [IssueKey::parse("PAY-42").unwrap()]);
    assert_eq!(told("feature/PAY-42-pay-42"), []);
}

#[test]
fn a_whole_text_is_a_key_or_not() {
    for good in ["PAY-1", "A1_B-42", "P-999999999999999999"] {
        let key = IssueKey::parse(good).unwrap();
        assert!(good.starts_with(&format!("{}-", key.project())), "{good}");
    }
    for bad in ["", "PAY", "-1", "PAY-", "PAY-01", "pay-1", "1A-1", "PAY-1 ", "PAY-1\n", "PAY/1-2"]
    {
        assert!(IssueKey::parse(bad).is_err(), "{bad:?}");
    }
}

fn spots(name: &str, messages: &[&str], options: &[&str], from: &[Spot]) -> String {
    let messages: Vec<&[u8]> = messages.iter().map(|m| m.as_bytes()).collect();
    let options: Vec<Vec<u8>> = options.iter().map(|o| o.as_bytes().to_vec()).collect();
    let text = Text { name: name.as_bytes(), messages: &messages, options: &options };
    let found = in_play(&text, &projects(), from);
    found
        .iter()
        .map(|(key, spot)| format!("{key} {}", spot.as_str()))
        .collect::<Vec<_>>()
        .join(", ")
}

#[test]
fn every_place_counts_in_order_and_can_be_switched_off() {
    let message = "PAY-2: retry\n\nas in PAY-3\n\nIssue: PAY-4\nSigned-off-by: x\n";
    let all = |from: &[Spot]| {
        spots("refs/heads/PAY-1", &[message], &["issue=PAY-5", "ticket=PAY-6"], from)
    };
    assert_eq!(
        all(&Spot::ALL),
        "PAY-1 ref, PAY-2 subject, PAY-3 body, PAY-4 trailer, PAY-5 option"
    );
    assert_eq!(all(&[Spot::Trailer, Spot::Option]), "PAY-4 trailer, PAY-5 option");
    assert_eq!(all(&[]), "");
    assert_eq!(
        spots("refs/heads/PAY-1", &["PAY-1: x", "\n\nPAY-2"], &[], &Spot::ALL),
        "PAY-1 ref, PAY-2 subject"
    );
    // The subject is the whole first paragraph, as git shows it.
    let message = "retry, for\nPAY-7\n and PAY-8\n\nPAY-9";
    assert_eq!(spots("", &[message], &[], &[Spot::Subject]), "PAY-7 subject, PAY-8 subject");
    assert_eq!(spots("", &[message], &[], &[Spot::Body]), "PAY-9 body");
    let trailer = "retry\nIssue: PAY-1\n";
    assert_eq!(spots("", &[trailer], &[], &Spot::ALL), "PAY-1 subject");
}

#[test]
fn a_trailer_is_a_line_of_the_last_paragraph_alone() {
    let trailer = |message: &str| spots("", &[message], &[], &[Spot::Trailer]);
    assert_eq!(trailer("s\n\nISSUE: PAY-1, PAY-2"), "PAY-1 trailer, PAY-2 trailer");
    assert_eq!(trailer("s\r\n\r\nIssue: PAY-1\r\n"), "PAY-1 trailer");
    for none in [
        "Issue: PAY-1",
        "s\nIssue: PAY-1",
        "s\n\nIssue: PAY-1\n\nthe end",
        "s\n\nIssue: PAY-1\nand more words",
        "s\n\nIssues: PAY-1",
    ] {
        assert_eq!(trailer(none), "", "{none}");
    }
    let body = |message: &str| spots("", &[message], &[], &[Spot::Body]);
    assert_eq!(body("s\n\nIssue: PAY-1"), "");
    assert_eq!(body("s\n\nIssue: PAY-1\nand more words"), "PAY-1 body");
}

/// The rule said another way: an expression over the text with a space at both ends.
fn naive(text: &[u8]) -> Vec<String> {
    let key = r"(?-u)(?:PAY|PAY2|A_B)-[1-9][0-9]{0,17}";
    let expression = regex::bytes::Regex::new(&format!(r"\A{key}\z")).unwrap();
    let mut found: Vec<String> = Vec::new();
    for start in 0..text.len() {
        for end in start + 1..=text.len() {
            let letter = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80;
            let before = start.checked_sub(1).map(|at| text[at]);
            let apart = !before.is_some_and(|b| letter(&b) || b == b'-')
                && !text.get(end).is_some_and(letter);
            if apart && expression.is_match(&text[start..end]) {
                let key = String::from_utf8(text[start..end].to_vec()).unwrap();
                if !found.contains(&key) {
                    found.push(key);
                }
            }
        }
    }
    found
}

proptest! {
    #[test]
    fn keys_are_found_as_the_slow_way_finds_them(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "PAY", "PAY2", "A_B", "-", "1", "20", "0", "x", "_", "/", " ", "é", "PAY-7", "A_B-31",
            ]),
            0..12,
        ),
    ) {
        let text = parts.concat();
        let fast: Vec<String> =
            find(text.as_bytes(), &projects()).iter().map(ToString::to_string).collect();
        prop_assert_eq!(fast, naive(text.as_bytes()));
    }

    #[test]
    fn any_bytes_can_be_searched(
        text in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let message = text.as_slice();
        let searched = Text { name: &text, messages: &[message], options: std::slice::from_ref(&text) };
        let found = in_play(&searched, &projects(), &Spot::ALL);
        prop_assert!(found.keys().all(|key| IssueKey::parse(key.as_str()).is_ok()));
    }
}
