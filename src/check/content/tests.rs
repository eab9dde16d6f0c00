use super::*;
use proptest::prelude::*;

fn found(secrets: &[&str], new: &str, olds: &[&str]) -> Vec<usize> {
    let secrets: Vec<Secret> = secrets
        .iter()
        .map(|text| Secret { name: "x".into(), pattern: Search((*text).into()) })
        .collect();
    let searcher = Searcher::new(false, &secrets).unwrap();
    let olds: Vec<&[u8]> = olds.iter().map(|old| old.as_bytes()).collect();
    let mut lines = Vec::new();
    searcher.search(new.as_bytes(), &olds, &mut |line, _| lines.push(line));
    lines
}

#[test]
fn ends_of_a_line_are_those_of_the_text() {
    let text = "a key\nkey\r\nkey b\n";
    assert_eq!(found(&["^key"], text, &[]), [2, 3]);
    assert_eq!(found(&["key$"], text, &[]), [1, 2]);
    assert_eq!(found(&[r"\Akey\z"], text, &[]), [2]);
    assert_eq!(found(&["a[^x]*b"], text, &[]), [0_usize; 0], "never over two lines");
}

#[test]
fn a_line_that_only_ends_as_an_old_one_is_new() {
    assert_eq!(found(&["key"], "x\nmy key\n", &["x\nkey\n"]), [2]);
    assert_eq!(found(&["key"], "key1\n", &["key\n"]), [1]);
    assert_eq!(found(&["key"], "key", &["key\n"]), [0_usize; 0]);
    assert_eq!(found(&["key"], "key\r\n", &["key\n"]), [0_usize; 0]);
}

#[test]
fn a_merge_adds_what_neither_side_has() {
    assert_eq!(found(&["key"], "key1\nkey2\nkey3\n", &["key1\n", "key2\n"]), [3]);
}

#[test]
fn a_key_in_utf_16_is_found_where_its_line_is() {
    let searcher_of =
        |pattern: &str| vec![Secret { name: "x".into(), pattern: Search(pattern.into()) }];
    let secrets = searcher_of("^my key$");
    let searcher = Searcher::new(false, &secrets).unwrap();
    let lines = |new: &[u8], olds: &[&[u8]]| {
        let mut lines = Vec::new();
        searcher.search(new, olds, &mut |line, _| lines.push(line));
        lines
    };
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let text = "first\r\nmy key\r\nlast é\r\n";
    for wide in [little(text), big(text), [b"\xff\xfe".to_vec(), little(text)].concat()] {
        assert_eq!(lines(&wide, &[]), [2]);
        // What an old version has is not added, in either form.
        assert_eq!(lines(&wide, &[&wide]), [0_usize; 0]);
        assert_eq!(lines(&wide, &[text.as_bytes()]), [0_usize; 0]);
    }
    // In the first line, behind a mark; and plain beside wide, told once.
    assert_eq!(lines(&[b"\xfe\xff".to_vec(), big("my key")].concat(), &[]), [1]);
    assert_eq!(lines(&[b"my key\n".to_vec(), little("other")].concat(), &[]), [1]);
    // Texts that end in one NUL each are no wide ones.
    assert_eq!(lines(b"my\0 key\0", &[]), [0_usize; 0]);
}

proptest! {
    #[test]
    fn added_lines_are_those_that_no_old_version_has(
        new in prop::collection::vec(0_u8..6, 0..40),
        olds in prop::collection::vec(prop::collection::vec(0_u8..6, 0..30), 0..3),
        end: bool,
    ) {
        // Some lines are ends of others, half of them match.
        let words = ["k", "ak", "bak", "x", "xk", ""];
        let text = |lines: &[u8]| {
            let all: Vec<&str> = lines.iter().map(|at| words[usize::from(*at)]).collect();
            all.join("\n") + if end && !lines.is_empty() { "\n" } else { "" }
        };
        let (new, olds) = (text(&new), olds.iter().map(|old| text(old)).collect::<Vec<_>>());
        let old_lines: Vec<&str> = olds.iter().flat_map(|old| old.lines()).collect();
        let want: Vec<usize> = (1..)
            .zip(new.lines())
            .filter(|(_, line)| line.contains('k') && !old_lines.contains(line))
            .map(|(at, _)| at)
            .collect();
        let olds: Vec<&str> = olds.iter().map(String::as_str).collect();
        prop_assert_eq!(found(&["k"], &new, &olds), want);
    }
}
